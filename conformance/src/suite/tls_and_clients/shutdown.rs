//! The aggregator's probe under load, and the end of a server.

use std::time::Duration;

use futures_util::future::{join, join_all};
use http::Method;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::client::Protocol;
use crate::lab::Fault;
use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, send};
use crate::suite::target::Target;
use crate::suite::verdict::{Verdict, ensure, failed};
use crate::suite::world::{ACCESS_REVIEWS, until};

/// How long the aggregator waits for its probe.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn checks() -> Vec<Check> {
    let group = Group::TlsAndClients;
    vec![
        group
            .check(
                112,
                "probe-under-load",
                "five availability probes at once are answered within 5 s while every place is taken",
                |cx| Box::pin(probe(cx)),
            )
            .alone()
            .within(90),
        group
            .check(
                113,
                "shutdown",
                "after SIGTERM readiness fails first, a list under way completes, and the process ends well",
                |cx| Box::pin(shutdown(cx)),
            )
            .alone()
            .within(180),
    ]
}

async fn probe(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let path = cx.path("");
    let _faulty = world.fault(ACCESS_REVIEWS, Fault::Slow(Duration::from_secs(8)));
    let mut asked = Vec::new();
    for _ in 0..6 {
        let proxy = cx.proxy(cx.target.proxy.as_deref());
        let client = proxy.over(Protocol::Http2).client()?;
        for _ in 0..80 {
            asked.push(client.with_header("X-Remote-User", &cx.unique("bob"))?);
        }
    }
    let nodes = cx.path("/nodes");
    let crowd = join_all(asked.iter().map(|client| send(client, Method::GET, &nodes)));
    let probes = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let ask = cx.user("system:kube-aggregator", &["system:masters"]);
        let begun = Instant::now();
        let replies = join_all((0..5).map(|_| ask.get(&path))).await;
        (replies, begun.elapsed())
    };
    let (_, (replies, took)) = join(crowd, probes).await;
    for reply in replies {
        reply?.is(200)?;
    }
    ensure(
        took < PROBE_WITHIN,
        "answers within 5 s",
        format!("{took:?}"),
    )
}

async fn shutdown(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let mut server = world.another()?.launch(world.lab)?;
    let target = Target {
        address: server.address,
        ..cx.target.clone()
    };
    let there = Context {
        target: &target,
        ..*cx
    };
    let (there, path) = (&there, cx.path("/nodes"));
    until(120, || async move {
        there.anonymous().get("/readyz").await?.is(200)?;
        Ok(())
    })
    .await?;
    // One list waits for the API server's word while the end is announced.
    let faulty = world.fault(ACCESS_REVIEWS, Fault::Slow(Duration::from_secs(3)));
    let ask = there.user(&bob, &[]);
    let list = ask.get(&path);
    let probe = there.anonymous().client()?;
    send(&probe, Method::GET, "/readyz").await?;
    let ending = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.process.signal(Signal::SIGTERM)?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        // A server may have closed its port by then; one that answers must say that it is not ready.
        anyhow::Ok(send(&probe, Method::GET, "/readyz").await.ok())
    };
    let (list, ready) = join(list, ending).await;
    drop(faulty);
    if let Some(reply) = ready? {
        reply.is(500)?;
        reply.body_has("[-]")?;
    }
    list?.is(200)?;
    let status = server.process.wait(Duration::from_secs(60)).await?;
    ensure(status.success(), "exit code 0", status)?;
    match there.anonymous().get("/livez").await {
        Ok(reply) => Err(failed("a closed port", reply.seen())),
        Err(_) => Ok(()),
    }
}
