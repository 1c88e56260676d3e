//! Who watches: `kubectl get -w` shows numbers move, and an informer of client-go lives through a restart of Loadline.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::{Message, Protocol};
use crate::real::Tools;
use crate::report::Lane;

use super::{CALL, NUMBERS, Scene};

/// How long `kubectl` watches: a number comes every ten seconds.
const WATCHED: Duration = Duration::from_secs(30);
/// How long Loadline may take to end.
const ENDED: Duration = Duration::from_secs(20);

/// What `clients follow` says of one event.
#[derive(Debug, Deserialize)]
struct Heard {
    event: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    stamp: String,
    #[serde(default)]
    said: String,
}

pub(super) async fn checks(lane: &Lane, scene: &mut Scene, tools: &Tools, logs: &Path) {
    for (call, object) in [
        ("get nodes.metrics.k8s.io", "sim-1"),
        ("get pods.metrics.k8s.io -A", "web-2"),
        ("get nodes.metrics.k8s.io sim-1", "sim-1"),
        ("get nodes.v1beta1.metrics.k8s.io -o name", "sim-1"),
    ] {
        let name = format!("{call} -w shows new numbers");
        lane.check(&name, CALL, shows(scene, call, object)).await;
    }
    let name = "a browser watches through the API server by WebSocket";
    lane.check(name, WATCHED + CALL, by_websocket(scene)).await;
    let name = "an informer hears of new numbers, also after a restart";
    let log = logs.join("follow.log");
    let lived = follow(scene, tools, &log);
    lane.check(name, NUMBERS + 2 * CALL, lived).await;
}

/// Watches for a while: the object must be there once with the list and again for each new number, and the header once.
async fn shows(scene: &Scene, call: &str, object: &str) -> Result<()> {
    let seconds = WATCHED.as_secs();
    let call = format!("{call} -w --request-timeout={seconds}s");
    let answer = scene.admin.ask(&call).await?;
    let lines: Vec<&str> = answer.out.lines().collect();
    let of_object = lines.iter().filter(|line| line.contains(object)).count();
    let said = || format!("{}\n{}", answer.out, answer.err);
    ensure!(of_object >= 3, "{of_object} lines of {object}:\n{}", said());
    let headers = lines.iter().filter(|line| line.contains("WINDOW")).count();
    let wanted = usize::from(!call.contains("-o name"));
    ensure!(headers == wanted, "{headers} headers:\n{}", said());
    Ok(())
}

/// What a browser says to the API server goes on to Loadline, and each event comes back as a message of text; the API
/// server's own nodes come the same way.
async fn by_websocket(scene: &Scene) -> Result<()> {
    let client = scene.cluster.client_over("admin", Protocol::Http1)?;
    let seconds = WATCHED.as_secs();
    let browser = [
        ("Origin", "http://localhost"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "base64.binary.k8s.io"),
    ];
    for (path, events) in [
        ("/api/v1/nodes?watch=true&timeoutSeconds=2", 3),
        (
            "/apis/metrics.k8s.io/v1/nodes?watch=true&timeoutSeconds={seconds}",
            6,
        ),
    ] {
        let path = path.replace("{seconds}", &seconds.to_string());
        let (head, socket) = client.websocket(&path, &browser).await?;
        let socket = socket.with_context(|| head.clone())?;
        let protocol = "sec-websocket-protocol: base64.binary.k8s.io";
        ensure!(head.to_ascii_lowercase().contains(protocol), "{head}");
        let (messages, code) = socket.messages().await.context(path.clone())?;
        ensure!(code == 1000, "{path} ended with {code}");
        for message in &messages {
            let Message::Text(text) = message else {
                bail!("{path}: {message:?}");
            };
            let event: serde_json::Value = serde_json::from_str(text)?;
            ensure!(
                event["object"]["kind"].is_string() && text.ends_with("}\n"),
                "{text}"
            );
        }
        // Each of three nodes is there, and there again with a new number.
        ensure!(
            messages.len() >= events,
            "{path}: {} messages",
            messages.len()
        );
    }
    Ok(())
}

async fn follow(scene: &mut Scene, tools: &Tools, log: &Path) -> Result<()> {
    let mut child = Command::new(tools.clients())
        .arg("follow")
        .arg(format!(
            "--kubeconfig={}",
            scene.admin.kubeconfig().display()
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .kill_on_drop(true)
        .spawn()
        .context("clients")?;
    let mut informer = Informer::of(&mut child)?;
    informer
        .until("synced", |line| line.event == "synced")
        .await?;
    informer.new_number().await?;

    let before = informer.newest()?;
    scene.loadline.process.signal(Signal::SIGTERM)?;
    let status = scene.loadline.process.wait(ENDED).await?;
    ensure!(status.success(), "loadline ended with {status}");
    scene.loadline = scene.start.launch(&scene.lab)?;
    scene.ready(NUMBERS).await?;

    let newer = |line: &Heard| {
        line.version
            .parse()
            .is_ok_and(|version: u64| version > before)
    };
    for name in ["sim-1", "sim-2", "sim-3"] {
        let what = format!("a number of {name} from the new process");
        informer
            .until(&what, |line| {
                line.name == name && line.event != "deleted" && newer(line)
            })
            .await?;
    }
    informer.new_number().await
}

/// A running informer and what it has.
struct Informer {
    lines: Lines<BufReader<ChildStdout>>,
    known: BTreeMap<String, (u64, String)>,
    faults: Vec<String>,
}

impl Informer {
    fn of(child: &mut Child) -> Result<Self> {
        let out = child.stdout.take().context("no standard output")?;
        Ok(Self {
            lines: BufReader::new(out).lines(),
            known: BTreeMap::new(),
            faults: Vec::new(),
        })
    }

    async fn next(&mut self) -> Result<Heard> {
        let line = self.lines.next_line().await?.context("it ended")?;
        let heard: Heard = serde_json::from_str(&line).with_context(|| line.clone())?;
        match heard.event.as_str() {
            "fault" => self.faults.push(heard.said.clone()),
            "deleted" => drop(self.known.remove(&heard.name)),
            "added" | "updated" => {
                let known = (heard.version.parse()?, heard.stamp.clone());
                self.known.insert(heard.name.clone(), known);
            }
            _ => {}
        }
        Ok(heard)
    }

    /// Listens until this is heard, perhaps of what was heard already.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Result<()> {
        let listen = async {
            while !wanted(&self.next().await?) {}
            anyhow::Ok(())
        };
        match tokio::time::timeout(NUMBERS, listen).await {
            Ok(heard) => heard.with_context(|| what.to_owned()),
            Err(_) => bail!("{what}: not heard; faults: {:?}", self.faults),
        }
    }

    /// Listens until an object it knew has a later stamp.
    async fn new_number(&mut self) -> Result<()> {
        let before = self.known.clone();
        let later = |line: &Heard| {
            let known = before.get(&line.name);
            line.event == "updated" && known.is_some_and(|(_, stamp)| line.stamp > *stamp)
        };
        self.until("a new number", later).await
    }

    fn newest(&self) -> Result<u64> {
        let versions = self.known.values().map(|(version, _)| *version);
        versions.max().context("it knows nothing")
    }
}
