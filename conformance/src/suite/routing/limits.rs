//! Deadlines and limits.

use std::time::Duration;

use futures_util::future::{join, join_all};
use http::Method;

use crate::client::Protocol;
use crate::lab::Fault;
use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, send};
use crate::suite::verdict::{Verdict, ensure, text};
use crate::suite::world::ACCESS_REVIEWS;

/// Reads a server answers at once, by default.
const READS: usize = 400;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Routing;
    vec![
        group
            .check(
                55,
                "timeout-parameter",
                "a timeout that is no duration is 400, any duration is accepted",
                |cx| Box::pin(timeout(cx)),
            )
            .everywhere(),
        group
            .check(
                56,
                "too-many-requests",
                "beyond 400 reads at once requests get 429 with Retry-After, system:masters do not",
                |cx| Box::pin(too_many(cx)),
            )
            .alone()
            .within(90),
        group
            .check(
                58,
                "deadline",
                "a request over its deadline is the Timeout Status with 504",
                |cx| Box::pin(deadline(cx)),
            )
            .alone()
            .within(60),
    ]
}

async fn timeout(cx: &Context<'_>) -> Verdict {
    let reply = cx.reader().get(&cx.path("/nodes?timeout=1x")).await?;
    let status = reply.status(400, "BadRequest")?;
    ensure(
        text(&status, "/message").starts_with("invalid timeout specified in the request URL"),
        "invalid timeout specified in the request URL",
        reply.seen(),
    )?;
    for timeout in ["32s", "1m30s", "0s", "0", "1.5s"] {
        let path = cx.path(&format!("/nodes?timeout={timeout}"));
        cx.reader().get(&path).await?.is(200)?;
    }
    Ok(())
}

async fn too_many(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let path = cx.path("/nodes");
    // Everybody new waits for the API server's word, and holds a place meanwhile.
    let faulty = world.fault(ACCESS_REVIEWS, Fault::Slow(Duration::from_secs(6)));
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(
            cx.proxy(cx.target.proxy.as_deref())
                .over(Protocol::Http2)
                .client()?,
        );
    }
    let mut asked = Vec::new();
    for client in clients.iter().flat_map(|c| std::iter::repeat_n(c, 80)) {
        let bob = cx.unique("bob");
        world.allow(&bob);
        asked.push(client.with_header("X-Remote-User", &bob)?);
    }
    let crowd = join_all(asked.iter().map(|client| send(client, Method::GET, &path)));
    let master = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let ask = cx.user("root", &["system:masters"]);
        ask.get(&path).await
    };
    let (replies, master) = join(crowd, master).await;
    drop(faulty);
    master?.is(200)?;
    let mut refused = 0;
    for reply in replies {
        let reply = reply?;
        if reply.code() == 429 {
            reply.has("retry-after", "1")?;
            reply.body_has("Too many requests, please try again later.")?;
            refused += 1;
        }
    }
    ensure(
        (1..=asked.len() - READS / 2).contains(&refused),
        format!("some of {} requests at once refused with 429", asked.len()),
        format!("{refused} were"),
    )
}

async fn deadline(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let _faulty = world.fault(ACCESS_REVIEWS, Fault::Slow(Duration::from_secs(8)));
    let path = cx.path("/nodes?timeout=2s");
    let reply = cx.user(&bob, &[]).get(&path).await?;
    reply.refusal(
        504,
        "Timeout",
        "Timeout: request did not complete within the allotted timeout",
    )?;
    Ok(())
}
