//! How a 403 reads.

use serde_json::{Value, json};

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, at, ensure, equal, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Authorization;
    vec![
        group
            .check(
                38,
                "refused-list",
                "a refused list is the Forbidden Status of Kubernetes with group and resource, and nosniff",
                |cx| Box::pin(list(cx)),
            )
            .by_proxy()
            .everywhere(),
        group
            .check(
                39,
                "refused-get",
                "a refused object in a namespace names object and namespace",
                |cx| Box::pin(get(cx)),
            )
            .by_proxy()
            .each_version(),
        group
            .check(
                40,
                "refused-path",
                "a refused path names the path, with empty details",
                |cx| Box::pin(path(cx)),
            )
            .by_proxy()
            .each_protocol(),
        group
            .check(
                41,
                "refused-with-reason",
                "the reason of a SubjectAccessReview ends the message",
                |cx| Box::pin(reason(cx)),
            )
            .in_world(),
        group
            .check(
                42,
                "refused-escaped",
                "angle brackets in a user name become entities",
                |cx| Box::pin(escaped(cx)),
            )
            .by_proxy(),
    ]
}

/// A refusal with this message; a cluster may add why.
fn refusal(cx: &Context<'_>, reply: &Reply, message: &str) -> Result<Value, Stop> {
    let status = reply.status(403, "Forbidden")?;
    let seen = text(&status, "/message");
    let reason = seen.strip_prefix(message);
    let right = match cx.world {
        Some(_) => seen == message,
        None => reason.is_some_and(|rest| rest.is_empty() || rest.starts_with(": ")),
    };
    ensure(right, message, reply.seen())?;
    reply.has("x-content-type-options", "nosniff")?;
    Ok(status)
}

async fn list(cx: &Context<'_>) -> Verdict {
    let bob = cx.unique("bob");
    let reply = cx.user(&bob, &[]).get(&cx.path("/nodes")).await?;
    let message = format!(
        "nodes.metrics.k8s.io is forbidden: User \"{bob}\" cannot list resource \"nodes\" \
         in API group \"metrics.k8s.io\" at the cluster scope"
    );
    let status = refusal(cx, &reply, &message)?;
    equal(
        "details",
        at(&status, "/details").clone(),
        json!({ "group": "metrics.k8s.io", "kind": "nodes" }),
    )
}

async fn get(cx: &Context<'_>) -> Verdict {
    let bob = cx.unique("bob");
    let path = cx.path("/namespaces/a/pods/p");
    let reply = cx.user(&bob, &[]).get(&path).await?;
    let message = format!(
        "pods.metrics.k8s.io \"p\" is forbidden: User \"{bob}\" cannot get resource \"pods\" \
         in API group \"metrics.k8s.io\" in the namespace \"a\""
    );
    let status = refusal(cx, &reply, &message)?;
    equal(
        "details",
        at(&status, "/details").clone(),
        json!({ "name": "p", "group": "metrics.k8s.io", "kind": "pods" }),
    )
}

async fn path(cx: &Context<'_>) -> Verdict {
    let bob = cx.unique("bob");
    let reply = cx.user(&bob, &[]).get("/metrics").await?;
    let message = format!("forbidden: User \"{bob}\" cannot get path \"/metrics\"");
    let status = refusal(cx, &reply, &message)?;
    equal("details", at(&status, "/details").clone(), json!({}))
}

async fn reason(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.verdict(&bob, json!({ "allowed": false, "reason": "no rule" }));
    let reply = cx.user(&bob, &[]).get(&cx.path("/nodes")).await?;
    let status = reply.status(403, "Forbidden")?;
    let message = text(&status, "/message");
    ensure(
        message.contains("at the cluster scope: ") && message.ends_with(": no rule"),
        "a message that ends with \": no rule\"",
        reply.seen(),
    )
}

async fn escaped(cx: &Context<'_>) -> Verdict {
    let name = cx.unique("x");
    let reply = cx
        .user(&format!("<{name}>"), &[])
        .get(&cx.path("/nodes"))
        .await?;
    let status = reply.status(403, "Forbidden")?;
    ensure(
        text(&status, "/message").contains(&format!("User \"&lt;{name}&gt;\"")),
        format!("&lt;{name}&gt; in the message"),
        reply.seen(),
    )
}
