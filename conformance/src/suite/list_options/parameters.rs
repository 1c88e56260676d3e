//! Limits, versions and watches.

use crate::client::Protocol;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, array, at, ensure, equal, text};
use crate::suite::watch;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::ListOptions;
    vec![
        group
            .check(
                96,
                "limit-and-continue",
                "limit and continue give the whole list without a token, a limit that is none is 400",
                |cx| Box::pin(limit(cx)),
            )
            .everywhere(),
        group
            .check(
                97,
                "resource-version",
                "any resourceVersion is accepted; a match without one and sendInitialEvents are 422",
                |cx| Box::pin(resource_version(cx)),
            )
            .each_version(),
        group
            .check(
                98,
                "watch",
                "a watch is 405 where none is advertised, and where it is sends events; watch=0 is a list",
                |cx| Box::pin(watch(cx)),
            )
            .everywhere(),
        group
            .check(
                98,
                "watch-by-websocket",
                "a watch by WebSocket sends a message an event; where none is advertised it is 405",
                |cx| Box::pin(by_websocket(cx)),
            )
            .each_version(),
    ]
}

async fn ask(cx: &Context<'_>, query: &str) -> Result<Reply, Stop> {
    cx.reader().get(&cx.path(&format!("/nodes?{query}"))).await
}

async fn limit(cx: &Context<'_>) -> Verdict {
    let all = cx.items("/nodes").await?.len();
    for query in ["limit=1", "continue=abc", "limit=1&continue=abc", "limit=0"] {
        let list = ask(cx, query).await?.ok_json()?;
        equal(query, array(&list, "/items")?.len(), all)?;
        ensure(
            at(&list, "/metadata/continue").is_null()
                && at(&list, "/metadata/remainingItemCount").is_null(),
            "no continue token",
            at(&list, "/metadata"),
        )?;
    }
    for query in ["limit=abc", "timeoutSeconds=x"] {
        let reply = ask(cx, query).await?;
        let status = reply.status(400, "BadRequest")?;
        ensure(
            text(&status, "/message").contains("strconv.ParseInt: parsing \""),
            "strconv.ParseInt: parsing …: invalid syntax",
            reply.seen(),
        )?;
    }
    Ok(())
}

async fn resource_version(cx: &Context<'_>) -> Verdict {
    for query in [
        "resourceVersion=0",
        "resourceVersion=5",
        "resourceVersion=5&resourceVersionMatch=NotOlderThan",
    ] {
        ask(cx, query).await?.is(200)?;
    }
    for query in [
        "resourceVersionMatch=Exact",
        "resourceVersion=5&resourceVersionMatch=Bogus",
        "sendInitialEvents=true",
    ] {
        let reply = ask(cx, query).await?;
        let status = reply.status(422, "Invalid")?;
        ensure(
            text(&status, "/message").starts_with("ListOptions.meta.k8s.io \"\" is invalid: "),
            "ListOptions.meta.k8s.io \"\" is invalid: …",
            reply.seen(),
        )?;
    }
    Ok(())
}

async fn watch(cx: &Context<'_>) -> Verdict {
    for query in ["watch=0", "watch=false"] {
        let list = ask(cx, query).await?.ok_json()?;
        equal("kind", text(&list, "/kind"), "NodeMetricsList")?;
    }
    if cx.features.extensions.watch {
        return watch::sends_events(cx).await;
    }
    for (resource, query) in [
        ("pods", "watch=true"),
        ("nodes", "watch=1"),
        ("nodes", "watch="),
    ] {
        let path = cx.path(&format!("/{resource}?{query}"));
        let reply = cx.reader().get(&path).await?;
        let message =
            format!("watch is not supported on resources of kind \"{resource}.metrics.k8s.io\"");
        let status = reply.refusal(405, "MethodNotAllowed", &message)?;
        equal("details", text(&status, "/details/kind"), resource)?;
        equal("details", text(&status, "/details/group"), "metrics.k8s.io")?;
    }
    Ok(())
}

async fn by_websocket(cx: &Context<'_>) -> Verdict {
    if cx.features.extensions.watch {
        return watch::sends_messages(cx).await;
    }
    let asking = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let ask = cx.reader().over(Protocol::Http1);
    let ask = asking
        .iter()
        .fold(ask, |ask, (name, value)| ask.header(name, value));
    let reply = ask.get(&cx.path("/nodes?watch=true")).await?;
    let message = "watch is not supported on resources of kind \"nodes.metrics.k8s.io\"";
    reply.refusal(405, "MethodNotAllowed", message)?;
    Ok(())
}
