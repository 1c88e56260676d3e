//! A cluster as large as they come.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::client::{Client, Protocol};
use crate::lab::{Answer, Lab, LabConfig, Node, Stamp, World as Cluster};
use crate::loadline::Start;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::in_lab::with_flags;
use crate::suite::semantics::{write_container, write_node};
use crate::suite::verdict::{Stop, Verdict, ensure, equal};
use crate::suite::world::until;

const NODES: usize = 100;
const PODS_OF_ONE: usize = 1000;
const PODS: usize = NODES * PODS_OF_ONE;
const FIRST_BYTE: Duration = Duration::from_secs(1);
/// More memory than this nobody needs for so many pods.
const MEMORY_CAP: u64 = 2 << 30;
/// How often the list is asked for: the best time counts, since the machine has other things to do.
const TRIES: usize = 5;
/// What passes between two samples.
const STEP: Duration = Duration::from_secs(15);
const MEASURED_WITHIN: u64 = 300;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Group::TlsAndClients
            .check(
                117,
                "size",
                "a list of 100,000 pods begins within a second, is packed, and costs bounded memory",
                |cx| Box::pin(size(cx)),
            )
            .last()
            .within(600),
    ]
}

async fn size(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let lab = Lab::start(Cluster::of_size(NODES, PODS_OF_ONE), LabConfig::default()).await?;
    let begun = Stamp::now();
    say(&lab, begun, 100)?;
    let start = with_flags(Start::new(&lab, &world.binary)?, &world.flags)
        // The kubelets share this machine with the server.
        .with("metric-resolution", "15s")
        .with("kubelet-request-timeout", "13s");
    let server = start.launch(&lab)?;
    heard(&lab).await?;
    say(&lab, begun.plus(STEP), 103)?;
    heard(&lab).await?;
    let client = server.client(Protocol::Http1, Some(&lab.front_proxy))?;
    let path = cx.path("/pods");
    let (asked, of) = (&client, path.as_str());
    until(MEASURED_WITHIN, || async move {
        let list = List::ask(asked, of).await?;
        ensure(list.packed, "gzip", "a list as it is")?;
        equal("pods", list.pods, PODS)
    })
    .await?;
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        best = best.min(List::begin(&client, &path).await?.first_byte);
    }
    ensure(
        best < FIRST_BYTE,
        format!("the first byte of {PODS} pods within {FIRST_BYTE:?}"),
        format!("{best:?} at best"),
    )?;
    let peak = server.process.footprint()?.peak;
    ensure(
        peak < MEMORY_CAP,
        format!("never more than {} MiB of memory", MEMORY_CAP >> 20),
        format!("{} MiB", peak >> 20),
    )
}

/// Lets every kubelet say so much of each pod of its node, and no more than is needed.
fn say(lab: &Lab, at: Stamp, cpu: u32) -> Result<()> {
    for node in lab.world.nodes() {
        let name = &node.meta.name;
        let mut text = String::new();
        for pod in lab.world.pods_on(name) {
            let (namespace, pod) = (&pod.meta.namespace, &pod.meta.name);
            let labels = format!("container=\"app\",namespace=\"{namespace}\",pod=\"{pod}\"");
            write_container(&mut text, &labels, cpu, at);
        }
        write_node(&mut text, cpu, at);
        lab.kubelets.behave(name, |kubelet| {
            kubelet.answer = Answer::Text(text);
            // Nobody asks for these numbers.
            kubelet.summary = Answer::Status(404);
        })?;
    }
    Ok(())
}

/// Waits until every kubelet was asked once more.
async fn heard(lab: &Lab) -> Verdict {
    let asked = |node: &Arc<Node>| lab.kubelets.scrapes(&node.meta.name).len();
    let nodes = lab.world.nodes();
    let before: Vec<usize> = nodes.iter().map(asked).collect();
    let (nodes, before) = (&nodes, &before);
    until(MEASURED_WITHIN, || async move {
        let left = nodes
            .iter()
            .zip(before)
            .filter(|(n, before)| asked(n) <= **before);
        let left = left.count();
        ensure(left == 0, "every kubelet asked", format!("{left} not yet"))
    })
    .await
}

/// One list of all pods.
struct List {
    packed: bool,
    pods: usize,
}

/// An answer that has begun.
struct Begun {
    stream: TlsStream<TcpStream>,
    first: u8,
    first_byte: Duration,
}

impl List {
    async fn ask(client: &Client, path: &str) -> Result<Self, Stop> {
        let begun = Self::begin(client, path).await?;
        Ok(begun.end().await?)
    }

    async fn begin(client: &Client, path: &str) -> Result<Begun> {
        let mut stream = client.connect().await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: metrics.k8s.io\r\nAccept-Encoding: gzip\r\n\
             X-Remote-User: conformance\r\nX-Remote-Group: system:masters\r\nConnection: close\r\n\r\n"
        );
        let asked = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let first = stream.read_u8().await.context("no answer")?;
        Ok(Begun {
            stream,
            first,
            first_byte: asked.elapsed(),
        })
    }
}

impl Begun {
    async fn end(mut self) -> Result<List> {
        let mut answer = vec![self.first];
        // The end of TLS is not always announced.
        let mut piece = vec![0; 1 << 16];
        while let Ok(count @ 1..) = self.stream.read(&mut piece).await {
            answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.context("no head")? + 4);
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let body = match head.contains("transfer-encoding: chunked") {
            true => unchunked(body),
            false => body.to_vec(),
        };
        let packed = head.contains("content-encoding: gzip");
        let mut text = Vec::new();
        if packed {
            GzDecoder::new(&body[..]).read_to_end(&mut text)?;
        } else {
            text = body;
        }
        Ok(List {
            packed,
            pods: count(&text, b"\"containers\":["),
        })
    }
}

/// The body behind the lengths of its chunks, as far as it is whole.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let (length, behind) = rest.split_at(end);
        let length = std::str::from_utf8(length).unwrap_or_default();
        let Ok(length @ 1..) = usize::from_str_radix(length, 16) else {
            break;
        };
        let behind = behind.get(2..).unwrap_or_default();
        body.extend_from_slice(behind.get(..length).unwrap_or(behind));
        rest = behind.get(length + 2..).unwrap_or_default();
    }
    body
}

fn count(text: &[u8], part: &[u8]) -> usize {
    let first = part.first().copied().unwrap_or_default();
    let starts = text.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts
        .filter(|(at, _)| text.get(*at..).is_some_and(|rest| rest.starts_with(part)))
        .count()
}
