//! The Go code of Kubernetes as the judge: the bytes its serializers write, and what its clients read.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::real::Tools;
use crate::report::Lane;

use super::{CALL, Scene};

/// A cold build of the library under test on a busy machine takes minutes.
const BUILT: Duration = Duration::from_secs(20 * 60);
/// How long the clients may be silent: the longest of their checks, and a bit.
const SILENCE: Duration = Duration::from_secs(120);
/// Selects some pods, not all.
const SELECTOR: (&str, &str) = ("app", "web");

/// One line of the report of `clients read`.
#[derive(Debug, Deserialize)]
struct Verdict {
    check: String,
    ok: bool,
    said: String,
}

/// Compares what Loadline's encoders write with what Go's write.
pub(super) async fn bytes(lane: &Lane, tools: &Tools, logs: &Path) {
    let log = logs.join("go-bytes.log");
    lane.watch_log(&log);
    lane.check("every encoding has Go's bytes", BUILT, async {
        let out = File::create(&log)?;
        let status = Command::new("cargo")
            .args(["test", "--quiet", "--package", "loadline"])
            .args(["--test", "go_bytes"])
            .env("LOADLINE_BIN", tools.folder())
            .env("CARGO_TERM_COLOR", "never")
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true)
            .status()
            .await
            .context("cargo")?;
        let said = std::fs::read_to_string(&log)?;
        let difference: Vec<&str> = said.lines().filter(|l| is_telling(l)).collect();
        ensure!(status.success(), "{status}: {}", difference.join("\n"));
        let ran = said.contains("1 passed") && !said.contains("SKIPPED");
        ensure!(ran, "it did not run: {said}");
        Ok(())
    })
    .await;
}

fn is_telling(line: &str) -> bool {
    ["Test failed", "  Loadline", "  Go  ", "error"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Runs client-go against the API server and makes each of its findings a check. Nothing but the
/// pods of the world may be running.
pub(super) async fn checks(lane: &Lane, scene: &Scene, tools: &Tools, logs: &Path) {
    let log = logs.join("clients.log");
    lane.watch_log(&log);
    let started = lane
        .value("client-go starts", CALL, async {
            let mut child = Command::new(tools.clients())
                .args(arguments(scene))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(File::create(&log)?)
                .kill_on_drop(true)
                .spawn()
                .context("clients")?;
            let out = child.stdout.take().context("no standard output")?;
            Ok((child, BufReader::new(out).lines()))
        })
        .await;
    let Some((mut child, mut lines)) = started else {
        return;
    };
    let mut seen = 0_usize;
    loop {
        let line = match tokio::time::timeout(SILENCE, lines.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return lane.fail("client-go can be read", &error.to_string()),
            Err(_) => return lane.fail("client-go goes on", "it hangs"),
        };
        seen += 1;
        let verdict = match serde_json::from_str::<Verdict>(&line) {
            Ok(verdict) => verdict,
            Err(error) => return lane.fail("client-go reports", &format!("{error}: {line}")),
        };
        let name = format!("client-go: {}", verdict.check);
        lane.check(&name, CALL, async {
            ensure!(verdict.ok, "{}", verdict.said);
            Ok(())
        })
        .await;
    }
    lane.check("client-go comes to its end", CALL, async {
        let status = child.wait().await?;
        ensure!(status.success() && seen > 0, "{status} after {seen} checks");
        Ok(())
    })
    .await;
}

fn arguments(scene: &Scene) -> Vec<String> {
    let world = &scene.lab.world;
    let nodes = world.nodes();
    let nodes: Vec<&str> = nodes.iter().map(|node| node.meta.name.as_str()).collect();
    let pods = |selected: bool| {
        let (key, value) = SELECTOR;
        let mut pods = world.pods();
        pods.retain(|pod| {
            !selected || pod.meta.labels.get(key).is_some_and(|label| label == value)
        });
        let names = pods
            .iter()
            .map(|pod| format!("{}/{}", pod.meta.namespace, pod.meta.name));
        names.collect::<Vec<_>>().join(",")
    };
    vec![
        "read".to_owned(),
        format!("--kubeconfig={}", scene.admin.kubeconfig().display()),
        format!("--nodes={}", nodes.join(",")),
        format!("--pods={}", pods(false)),
        format!("--selector={}={}", SELECTOR.0, SELECTOR.1),
        format!("--selected={}", pods(true)),
    ]
}
