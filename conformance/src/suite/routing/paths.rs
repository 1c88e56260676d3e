//! Paths and methods.

use http::Method;
use serde_json::json;

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::verdict::{Verdict, at, ensure, equal, strings, text};

const NOT_FOUND: &str = "the server could not find the requested resource";
const NOT_ALLOWED: &str = "the server does not allow this method on the requested resource";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Routing;
    vec![
        group
            .check(
                46,
                "slashes",
                "one trailing slash is tolerated, a double one is not",
                |cx| Box::pin(slashes(cx)),
            )
            .everywhere(),
        group
            .check(
                47,
                "unknown-resource",
                "an unknown resource is the generic NotFound Status with empty details",
                |cx| Box::pin(unknown_resource(cx)),
            )
            .everywhere(),
        group
            .check(
                48,
                "no-subresource",
                "subresources and the old watch prefix are NotFound",
                |cx| Box::pin(no_subresource(cx)),
            )
            .each_version(),
        group
            .check(
                49,
                "methods",
                "every method but GET is the MethodNotAllowed Status, on lists and objects",
                |cx| Box::pin(methods(cx)),
            )
            .everywhere(),
        group.check(49, "methods-allow", "a 405 says `Allow: GET`", |cx| {
            Box::pin(allow(cx))
        }),
        group
            .check(
                50,
                "index",
                "/ lists the paths, sorted, and an unknown path is 404 with the same list",
                |cx| Box::pin(index(cx)),
            )
            .each_protocol(),
        group
            .check(
                51,
                "version",
                "/version is indented JSON with major, minor and gitVersion",
                |cx| Box::pin(version(cx)),
            )
            .each_protocol(),
    ]
}

async fn slashes(cx: &Context<'_>) -> Verdict {
    let kind = "NodeMetricsList";
    for path in [cx.path("/nodes"), cx.path("/nodes/")] {
        let list = cx.reader().get(&path).await?.ok_json()?;
        equal("kind", text(&list, "/kind"), kind)?;
    }
    let node = cx.some_node().await?;
    let path = cx.path(&format!("/nodes/{node}/"));
    let object = cx.reader().get(&path).await?.ok_json()?;
    equal("kind", text(&object, "/kind"), "NodeMetrics")?;
    let reply = cx.reader().get(&cx.path("//nodes")).await?;
    ensure(
        reply.code() >= 400,
        "no list behind a double slash",
        reply.seen(),
    )
}

async fn unknown_resource(cx: &Context<'_>) -> Verdict {
    let reply = cx.reader().get(&cx.path("/foo")).await?;
    let status = reply.refusal(404, "NotFound", NOT_FOUND)?;
    equal("details", at(&status, "/details").clone(), json!({}))?;
    for path in [
        "/apis/metrics.k8s.io/v2",
        "/apis/metrics.k8s.io/v2/nodes",
        "/apis/metrics.k8s.io/v1alpha1/nodes/n1",
        "/apis/metrics.k8s.io//v1",
        "/version/x",
    ] {
        let reply = cx.reader().get(path).await?;
        let status = reply.refusal(404, "NotFound", NOT_FOUND)?;
        equal(path, at(&status, "/details").clone(), json!({}))?;
    }
    Ok(())
}

async fn no_subresource(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    let paths = [
        format!("/nodes/{node}/status"),
        "/watch/nodes".to_owned(),
        "/namespaces/a/nodes".to_owned(),
        format!("/proxy/nodes/{node}"),
    ];
    for path in paths {
        let reply = cx.reader().get(&cx.path(&path)).await?;
        reply.refusal(404, "NotFound", NOT_FOUND)?;
    }
    Ok(())
}

const WRITES: [Method; 5] = [
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

async fn methods(cx: &Context<'_>) -> Verdict {
    for path in ["/nodes", "/nodes/n1", "/pods", "/namespaces/a/pods/p"] {
        for method in WRITES {
            let reply = cx.reader().send(method, &cx.path(path)).await?;
            reply.refusal(405, "MethodNotAllowed", NOT_ALLOWED)?;
        }
    }
    Ok(())
}

async fn allow(cx: &Context<'_>) -> Verdict {
    for method in WRITES {
        let reply = cx.reader().send(method, &cx.path("/nodes")).await?;
        reply.is(405)?.has("allow", "GET")?;
    }
    Ok(())
}

async fn index(cx: &Context<'_>) -> Verdict {
    let index = cx.reader().get("/").await?;
    index.has("content-type", "application/json")?;
    let paths = strings(&index.ok_json()?, "/paths");
    let mut sorted = paths.clone();
    sorted.sort();
    equal("paths", &paths, &sorted)?;
    for path in [
        "/apis",
        "/apis/metrics.k8s.io",
        "/healthz",
        "/metrics",
        "/version",
    ] {
        ensure(
            paths.iter().any(|p| p == path),
            format!("{path} among the paths"),
            index.seen(),
        )?;
    }
    for path in ["/nope", "/readyz/nope"] {
        let reply = cx.reader().get(path).await?;
        reply.is(404)?;
        equal("paths", strings(&reply.json()?, "/paths"), paths.clone())?;
        reply.body_has("{\n  \"paths\": [\n")?;
    }
    Ok(())
}

async fn version(cx: &Context<'_>) -> Verdict {
    let reply = cx.reader().get("/version").await?;
    let version = reply.ok_json()?;
    reply.has("content-type", "application/json")?;
    reply.body_has("{\n  \"")?;
    for field in ["/major", "/minor", "/gitVersion"] {
        ensure(at(&version, field).is_string(), field, reply.seen())?;
    }
    cx.reader().get("/version/").await?.is(200)?;
    for accept in ["application/yaml;pretty=1", "application/*"] {
        let reply = cx.reader().accept(accept).get("/version").await?;
        reply
            .is(406)?
            .body_has("Available representations: application/json")?;
    }
    let anything = cx.reader().accept("text/html, */*;q=0");
    anything.get("/version").await?.is(200)?;
    Ok(())
}
