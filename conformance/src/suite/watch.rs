//! What a server that serves watches must send on one.

use serde_json::Value;

use super::context::Context;
use super::verdict::{Stop, Verdict, array, at, ensure, equal, failed, text};
use crate::client::{Message, Protocol};

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

/// What a browser sends with every request for a WebSocket; the key is the standard's example.
const BROWSER: [(&str, &str); 3] = [
    ("Origin", "http://localhost"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A watch over WebSocket tells the same, one message an event, and takes leave when its time is over.
pub(crate) async fn sends_messages(cx: &Context<'_>) -> Verdict {
    let nodes = cx.items("/nodes").await?.len();
    let path = "/nodes?watch=true&timeoutSeconds=2";
    let (head, messages) = over_websocket(cx, path, "application/json").await?;
    let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
    ensure(
        head.to_ascii_lowercase().contains(accept),
        "the answer to the key",
        &head,
    )?;
    let mut added = 0;
    for message in &messages {
        let event = event(message)?;
        is_event(cx, &event)?;
        added += usize::from(text(&event, "/type") == "ADDED");
    }
    ensure(
        added >= nodes,
        format!("ADDED for each of {nodes} nodes"),
        added,
    )?;

    let protobuf = "application/vnd.kubernetes.protobuf;stream=watch";
    let (_, messages) = over_websocket(cx, path, protobuf).await?;
    let is_added = |message: &Message| {
        // The first field of a WatchEvent is its type; no length stands before it here.
        matches!(message, Message::Binary(bytes) if bytes.starts_with(b"\x0a\x05ADDED"))
    };
    let added = messages.iter().filter(|message| is_added(message)).count();
    ensure(
        added >= nodes,
        format!("ADDED for each of {nodes} nodes, in protobuf"),
        added,
    )?;

    let path = format!("{path}&resourceVersion=1");
    let (_, messages) = over_websocket(cx, &path, "application/json").await?;
    let [message] = messages.as_slice() else {
        return Err(failed("one event", format!("{messages:?}")));
    };
    equal(
        "code",
        &event(message)?["object"]["code"],
        &Value::from(410),
    )?;
    shakes_hands_as_go(cx).await
}

/// Go wants to be told an origin, knows one version, and does not choose among subprotocols.
async fn shakes_hands_as_go(cx: &Context<'_>) -> Verdict {
    let path = cx.path("/nodes?watch=true&timeoutSeconds=1");
    let [origin, version, key] = BROWSER;
    let protocol = ("Sec-WebSocket-Protocol", "base64.binary.k8s.io");
    let two = ("Sec-WebSocket-Protocol", "a, b");
    for (headers, status, words) in [
        (vec![version, key], "403", ""),
        (vec![origin, key], "400", "Sec-WebSocket-Version: 13"),
        (vec![origin, version], "400", ""),
        (vec![origin, version, key, two], "400", ""),
        (
            vec![origin, version, key, protocol],
            "101",
            "Sec-WebSocket-Protocol: base64.binary.k8s.io",
        ),
    ] {
        let client = cx.reader().over(Protocol::Http1).client()?;
        let (head, _) = client.websocket(&path, &headers).await?;
        let said = head.to_ascii_lowercase();
        ensure(
            said.starts_with(&format!("http/1.1 {status} "))
                && said.contains(&words.to_ascii_lowercase()),
            format!("{status} with {words:?} to {headers:?}"),
            &head,
        )?;
    }
    // Whoever asks for something else to be upgraded gets what was asked for.
    let client = cx.reader().over(Protocol::Http1).client()?;
    let (head, _) = client.websocket(&cx.path("/nodes"), &BROWSER).await?;
    ensure(head.starts_with("HTTP/1.1 200 "), "200 to a list", &head)
}

async fn over_websocket(
    cx: &Context<'_>,
    rest: &str,
    accept: &str,
) -> Result<(String, Vec<Message>), Stop> {
    let client = cx.reader().accept(accept).over(Protocol::Http1).client()?;
    let (head, socket) = client.websocket(&cx.path(rest), &BROWSER).await?;
    let socket = socket.ok_or_else(|| failed("101", &head))?;
    let (messages, code) = socket.messages().await?;
    equal("the farewell's code", code, 1000)?;
    Ok((head, messages))
}

fn event(message: &Message) -> Result<Value, Stop> {
    match message {
        Message::Text(text) => {
            serde_json::from_str(text).map_err(|e| failed(format!("JSON ({e})"), text))
        }
        Message::Binary(_) | Message::Close(_) => Err(failed("a text", format!("{message:?}"))),
    }
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
