//! The ConfigMap that says whom to trust, and its changes.

use std::time::Duration;

use crate::lab::{Authority, Request};
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::target::Target;
use crate::suite::verdict::Verdict;
use crate::suite::world::until;

const READY_WITHIN: Duration = Duration::from_secs(90);

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Authentication;
    vec![
        group
            .check(
                22,
                "trust-rotates",
                "a new CA of the front proxy is honoured within a minute and the old one no more",
                |cx| Box::pin(rotates(cx)),
            )
            .alone()
            .within(150),
        group
            .check(
                23,
                "trust-survives-mistakes",
                "a deleted ConfigMap, an empty CA and broken JSON leave the last good trust in force",
                |cx| Box::pin(survives_mistakes(cx)),
            )
            .alone()
            .within(60),
        group
            .check(
                24,
                "trust-comes-later",
                "a server started without the ConfigMap runs, and honours the front proxy when it appears",
                |cx| Box::pin(comes_later(cx)),
            )
            .alone()
            .within(180),
    ]
}

async fn rotates(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let authority = Authority::new("front-proxy-ca-2")?;
    let leaf = authority.issue(&Request::client("front-proxy-client", &[]))?;
    let path = cx.path("/nodes");
    let (leaf, bob, path) = (&leaf, &bob, &path);
    let new = || async move {
        let ask = cx.proxy(Some(leaf)).header("X-Remote-User", bob);
        ask.get(path).await
    };
    new().await?.is(401)?;
    let changed = world.change(|data| {
        data.insert(
            "requestheader-client-ca-file".to_owned(),
            authority.pem().to_owned(),
        );
    });
    until(60, || async move {
        new().await?.is(200)?;
        cx.user(bob, &[]).get(path).await?.is(401)?;
        Ok(())
    })
    .await?;
    drop(changed);
    until(60, || async move {
        cx.user(bob, &[]).get(path).await?.is(200)?;
        Ok(())
    })
    .await
}

async fn survives_mistakes(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let path = cx.path("/nodes");
    let still_works = async || -> Verdict {
        // Long enough for a watch to tell and a server to act.
        tokio::time::sleep(Duration::from_secs(4)).await;
        cx.user(&bob, &[]).get(&path).await?.is(200)?;
        Ok(())
    };
    let deleted = world.forget_authentication();
    still_works().await?;
    drop(deleted);
    let mistakes = [
        ("requestheader-client-ca-file", ""),
        ("requestheader-client-ca-file", "no certificate"),
        ("requestheader-username-headers", "[\"X-Remote-User\""),
    ];
    for (key, value) in mistakes {
        let changed = world.change(|data| {
            data.insert(key.to_owned(), value.to_owned());
        });
        still_works().await?;
        drop(changed);
    }
    Ok(())
}

async fn comes_later(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let absent = world.forget_authentication();
    let mut server = world.another()?.launch(world.lab)?;
    let target = Target {
        address: server.address,
        ..cx.target.clone()
    };
    let there = Context {
        target: &target,
        ..*cx
    };
    let (path, bob) = (cx.path("/nodes"), &bob);
    let (there, path) = (&there, &path);
    until(60, || async move {
        let reply = there.anonymous().get("/livez").await?;
        reply.is(200)?;
        Ok(())
    })
    .await?;
    server.process.expect_running()?;
    let refused = there.user(bob, &[]).get(path).await?;
    crate::suite::verdict::ensure(
        [401, 403].contains(&refused.code()),
        "the front proxy is not honoured yet",
        refused.seen(),
    )?;
    drop(absent);
    until(READY_WITHIN.as_secs(), || async move {
        there.user(bob, &[]).get(path).await?.is(200)?;
        Ok(())
    })
    .await
}
