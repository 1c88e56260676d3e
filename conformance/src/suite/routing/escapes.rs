//! Paths and queries with bytes that stand in no name, and what the health checks said.

use crate::client::Protocol;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::verdict::{Stop, Verdict, array, ensure, equal, skipped, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Routing;
    vec![
        group
            .check(
                52,
                "odd-names",
                "a name that is no UTF-8, or has a NUL in it, is NotFound, and a bad escape 400",
                |cx| Box::pin(names(cx)),
            )
            .everywhere(),
        Group::ListOptions
            .check(
                91,
                "nul-in-selectors",
                "a NUL ends a label selector, or the word before it, and no field has one",
                |cx| Box::pin(selectors(cx)),
            )
            .everywhere(),
        group.check(
            51,
            "slis",
            "/metrics/slis tells what each health check said last, and how often",
            |cx| Box::pin(slis(cx)),
        ),
    ]
}

async fn names(cx: &Context<'_>) -> Verdict {
    for name in ["%ff", "%c3%28", "a%00", "%2e%2e", "%e2%82%ac"] {
        for path in [
            cx.path(&format!("/nodes/{name}")),
            cx.path(&format!("/namespaces/a/pods/{name}")),
        ] {
            cx.reader().get(&path).await?.status(404, "NotFound")?;
        }
        let path = cx.path(&format!("/namespaces/{name}/pods"));
        let list = cx.reader().get(&path).await?.ok_json()?;
        equal("items", array(&list, "/items")?.len(), 0)?;
    }
    for (path, seen) in [
        ("/%61pis", "APIGroupList"),
        ("/apis%2f", "APIGroupList"),
        ("/apis%2Fmetrics.k8s.io", "APIGroup"),
        ("/apis/metrics.k8s.io%2fv1beta1", "APIResourceList"),
    ] {
        let found = cx.reader().get(path).await?.ok_json()?;
        equal(path, text(&found, "/kind"), seen)?;
    }
    cx.reader().get("/%76ersion").await?.is(200)?;
    cx.reader().get("/openapi%2fv2").await?.is(200)?;
    for path in ["/%zz", "/apis/%", "/apis/%f"] {
        match cx.reader().get(path).await {
            Ok(reply) => drop(reply.is(400)?),
            // Go's HTTP/2 ends such a stream without an answer.
            Err(Stop::Broken(_)) if cx.protocol == Protocol::Http2 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn selectors(cx: &Context<'_>) -> Verdict {
    let all = cx.items("/nodes").await?.len();
    for (query, count) in [
        ("labelSelector=%00", Some(all)),
        ("labelSelector=%00app%3Dweb", Some(all)),
        ("labelSelector=none%00", Some(0)),
        ("labelSelector=none%00%3D%00web", Some(0)),
        ("fieldSelector=metadata.name%3D%00", Some(0)),
        ("labelSelector=none%3Da%00b", None),
        ("labelSelector=%ff", None),
        ("fieldSelector=%00", None),
    ] {
        let reply = cx
            .reader()
            .get(&cx.path(&format!("/nodes?{query}")))
            .await?;
        match count {
            Some(count) => {
                let list = reply.ok_json()?;
                equal(query, array(&list, "/items")?.len(), count)?;
            }
            None => drop(reply.status(400, "BadRequest")?),
        }
    }
    Ok(())
}

async fn slis(cx: &Context<'_>) -> Verdict {
    cx.reader().get("/readyz").await?.is(200)?;
    let reply = cx.reader().get("/metrics/slis").await?;
    if reply.code() == 404 {
        return Err(skipped("the server has no /metrics/slis"));
    }
    reply.is(200)?;
    let body = reply.body();
    for (name, labels) in [
        ("kubernetes_healthcheck", "type=\"readyz\""),
        ("kubernetes_healthchecks_total", "status=\"success\""),
    ] {
        let found = body.lines().any(|line| {
            let series = line.strip_prefix(name);
            series.is_some_and(|s| s.starts_with('{')) && line.contains(labels)
        });
        ensure(found, format!("{name}{{…{labels}…}}"), reply.seen())?;
    }
    Ok(())
}
