//! What a server that serves watches must send on one.

use serde_json::Value;

use super::context::Context;
use super::verdict::{Stop, Verdict, array, at, ensure, equal, failed, text};

/// A watch from now on and one from a list on are streams of events that end in time and number their objects.
pub(crate) async fn sends_events(cx: &Context<'_>) -> Verdict {
    let list = cx.reader().get(&cx.path("/nodes")).await?.ok_json()?;
    let version = text(&list, "/metadata/resourceVersion");
    ensure(
        !version.is_empty(),
        "a list that says from where to watch",
        &list["metadata"],
    )?;
    let count = array(&list, "/items")?.len();

    // Without a version a watch begins with what there is.
    let events = events(cx, "/nodes?watch=true&timeoutSeconds=2").await?;
    let added = events.iter().filter(|e| text(e, "/type") == "ADDED");
    ensure(
        added.clone().count() >= count,
        format!("ADDED for each of {count} nodes"),
        added.count(),
    )?;
    for event in &events {
        is_event(cx, event)?;
    }

    // Told so far and no further, it says where it stands.
    let path = "/nodes?watch=true&timeoutSeconds=2&allowWatchBookmarks=true\
                &sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let events = self::events(cx, path).await?;
    let end = events.iter().find(|event| {
        let annotations = at(event, "/object/metadata/annotations");
        annotations["k8s.io/initial-events-end"] == "true"
    });
    ensure(
        end.is_some_and(|end| text(end, "/type") == "BOOKMARK"),
        "a BOOKMARK that ends the initial events",
        events.len(),
    )?;

    // A version from before anything that is remembered cannot be gone on from.
    let events = self::events(cx, "/nodes?watch=true&timeoutSeconds=2&resourceVersion=1").await?;
    let [event] = events.as_slice() else {
        return Err(failed("one event", format!("{events:?}")));
    };
    equal("type", text(event, "/type"), "ERROR")?;
    equal("reason", text(event, "/object/reason"), "Expired")?;
    equal("code", &event["object"]["code"], &Value::from(410))?;

    // From the list on there is nothing old.
    let path = format!("/nodes?watch=true&timeoutSeconds=2&resourceVersion={version}");
    for event in self::events(cx, &path).await? {
        is_event(cx, &event)?;
        ensure(
            text(&event, "/type") != "ADDED",
            "no object of the list once more",
            &event,
        )?;
    }
    Ok(())
}

fn is_event(cx: &Context<'_>, event: &Value) -> Verdict {
    let known = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"];
    ensure(
        known.contains(&text(event, "/type")),
        "ADDED, MODIFIED, DELETED or BOOKMARK",
        event,
    )?;
    equal("kind", text(event, "/object/kind"), "NodeMetrics")?;
    let version = cx.version.group_version();
    equal(
        "apiVersion",
        text(event, "/object/apiVersion"),
        version.as_str(),
    )?;
    ensure(
        !text(event, "/object/metadata/resourceVersion").is_empty(),
        "a resourceVersion",
        event,
    )
}

async fn events(cx: &Context<'_>, rest: &str) -> Result<Vec<Value>, Stop> {
    let reply = cx.reader().get(&cx.path(rest)).await?;
    reply.is(200)?;
    let body = reply.body();
    let lines = body.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).map_err(|e| failed(format!("JSON ({e})"), line)))
        .collect()
}
