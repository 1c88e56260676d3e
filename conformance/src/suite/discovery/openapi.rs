//! OpenAPI v2 and v3.

use aws_lc_rs::digest::{SHA512, digest};

use serde_json::Value;

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::protobuf;
use crate::suite::verdict::{Stop, Verdict, at, ensure, equal, failed, text};

const V2_JSON: &str = "application/json";
const V2_PROTOBUF: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Discovery;
    vec![
        group
            .check(
                67,
                "openapi-v3",
                "/openapi/v3 has every version with its hash, and the document behind it may be kept for ever",
                |cx| Box::pin(v3(cx)),
            )
            .everywhere(),
        group.check(
            67,
            "openapi-v3-own-paths",
            "/openapi/v3 names no document that a cluster has of its own",
            |cx| Box::pin(v3_own(cx)),
        ),
        group
            .check(
                67,
                "openapi-v3-kinds",
                "the document of a version describes its paths and kinds as kubectl explain wants",
                |cx| Box::pin(v3_kinds(cx)),
            )
            .each_version(),
        group
            .check(
                68,
                "openapi-v3-stale-hash",
                "a document with an old hash is served as it is now, without a redirect",
                |cx| Box::pin(v3_stale(cx)),
            )
            .each_version(),
        group.check(
            68,
            "openapi-v3-unknown-group",
            "the document of an unknown group is 404",
            |cx| Box::pin(v3_unknown(cx)),
        ),
        group
            .check(
                69,
                "openapi-v2",
                "/openapi/v2 comes in JSON and protobuf with an ETag, 304 and 406",
                |cx| Box::pin(v2(cx)),
            )
            .each_protocol(),
    ]
}

fn key(cx: &Context<'_>) -> String {
    format!("apis/{}", cx.version.group_version())
}

/// The address of this version's document.
async fn url(cx: &Context<'_>) -> Result<String, Stop> {
    let index = cx.reader().get("/openapi/v3").await?.ok_json()?;
    let entry = at(&index, "/paths").get(key(cx));
    let entry = entry.ok_or_else(|| failed(key(cx), &index))?;
    Ok(text(entry, "/serverRelativeURL").to_owned())
}

async fn v3(cx: &Context<'_>) -> Verdict {
    let url = url(cx).await?;
    let prefix = format!("/openapi/v3/{}?hash=", key(cx));
    let hash = url
        .strip_prefix(&prefix)
        .ok_or_else(|| failed(&prefix, &url))?;
    let reply = cx.reader().get(&url).await?;
    reply
        .is(200)?
        .has("content-type", "application/json")?
        .has("cache-control", "public, immutable")?;
    ensure(!reply.header("expires").is_empty(), "Expires", reply.seen())?;
    let digest = digest(&SHA512, &reply.answer.body);
    let seen: String = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    equal("SHA-512 of the document", seen.as_str(), hash)?;
    let reply = cx.reader().accept(V3_PROTOBUF).get(&url).await?;
    reply.is(200)?.has("content-type", V3_PROTOBUF)?;
    // Field 1 of the document is the string `openapi`.
    let openapi = protobuf::field(&reply.answer.body, 1)?.unwrap_or_default();
    ensure(openapi.starts_with(b"3."), "OpenAPI 3", reply.seen())
}

async fn v3_own(cx: &Context<'_>) -> Verdict {
    let groups = cx.reader().get("/apis").await?.ok_json()?;
    let groups = at(&groups, "/groups").as_array();
    let groups: Vec<String> = groups
        .into_iter()
        .flatten()
        .map(|group| format!("apis/{}", text(group, "/name")))
        .collect();
    let index = cx.reader().get("/openapi/v3").await?.ok_json()?;
    let paths = at(&index, "/paths").as_object();
    for path in paths.into_iter().flat_map(|paths| paths.keys()) {
        let is_of = |group: &String| {
            let rest = path.strip_prefix(group.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        ensure(
            groups.iter().any(is_of),
            "paths of the groups that /apis names",
            path,
        )?;
    }
    Ok(())
}

async fn v3_kinds(cx: &Context<'_>) -> Verdict {
    let document = cx.reader().get(&url(cx).await?).await?.ok_json()?;
    ensure(
        text(&document, "/openapi").starts_with("3."),
        "OpenAPI 3",
        at(&document, "/openapi"),
    )?;
    let paths = [
        ("/nodes", "list", "NodeMetrics"),
        ("/nodes/{name}", "get", "NodeMetrics"),
        ("/pods", "list", "PodMetrics"),
        ("/namespaces/{namespace}/pods", "list", "PodMetrics"),
        ("/namespaces/{namespace}/pods/{name}", "get", "PodMetrics"),
    ];
    for (path, action, kind) in paths {
        let path = cx.path(path);
        let operation = at(&document, "/paths").get(&path);
        let operation = operation.map_or(&Value::Null, |path| at(path, "/get"));
        equal(
            &format!("action of {path}"),
            text(operation, "/x-kubernetes-action"),
            action,
        )?;
        is_of_kind(cx, at(operation, "/x-kubernetes-group-version-kind"), kind)?;
    }
    let schemas = at(&document, "/components/schemas").as_object();
    for kind in [
        "NodeMetrics",
        "PodMetrics",
        "NodeMetricsList",
        "PodMetricsList",
    ] {
        let suffix = format!(".{}.{kind}", cx.version.as_str());
        let mut schemas = schemas.into_iter().flatten();
        let (_, schema) = schemas
            .find(|(name, _)| name.ends_with(&suffix))
            .ok_or_else(|| failed(format!("a schema …{suffix}"), "none"))?;
        is_of_kind(cx, at(schema, "/x-kubernetes-group-version-kind/0"), kind)?;
        ensure(
            !text(schema, "/description").is_empty(),
            format!("a description of {kind}"),
            schema,
        )?;
    }
    Ok(())
}

fn is_of_kind(cx: &Context<'_>, seen: &Value, kind: &str) -> Verdict {
    let shown = (
        text(seen, "/group"),
        text(seen, "/version"),
        text(seen, "/kind"),
    );
    equal(
        "x-kubernetes-group-version-kind",
        shown,
        ("metrics.k8s.io", cx.version.as_str(), kind),
    )
}

async fn v3_stale(cx: &Context<'_>) -> Verdict {
    for rest in ["?hash=0123ABCD", ""] {
        let url = format!("/openapi/v3/{}{rest}", key(cx));
        let reply = cx.reader().get(&url).await?;
        reply.is(200)?;
        ensure(
            !reply.header("cache-control").contains("immutable"),
            "no immutable without the right hash",
            reply.header("cache-control"),
        )?;
    }
    Ok(())
}

async fn v3_unknown(cx: &Context<'_>) -> Verdict {
    cx.reader().get("/openapi/v3/apis/nope/v1").await?.is(404)?;
    Ok(())
}

async fn v2(cx: &Context<'_>) -> Verdict {
    let reply = cx.reader().get("/openapi/v2").await?;
    let document = reply.ok_json()?;
    reply.has("content-type", V2_JSON)?;
    equal("swagger", text(&document, "/swagger"), "2.0")?;
    let etag = reply.header("etag").to_owned();
    ensure(!etag.is_empty(), "an ETag", reply.seen())?;
    ensure(
        reply.header("vary").contains("Accept"),
        "Vary: Accept",
        reply.header("vary"),
    )?;
    for accept in V2_PROTOBUF {
        let reply = cx.reader().accept(accept).get("/openapi/v2").await?;
        reply.is(200)?;
        ensure(
            V2_PROTOBUF.contains(&reply.header("content-type")),
            accept,
            reply.header("content-type"),
        )?;
        // Field 1 of the document is the string `swagger`.
        let swagger = protobuf::field(&reply.answer.body, 1)?;
        equal("swagger", swagger.as_deref(), Some(b"2.0".as_slice()))?;
    }
    let again = cx.reader().header("If-None-Match", &etag);
    let reply = again.get("/openapi/v2").await?;
    reply.is(304)?;
    ensure(reply.answer.body.is_empty(), "no body", reply.seen())?;
    for accept in ["", "*", "*/json", "application/*"] {
        let reply = cx.reader().accept(accept).get("/openapi/v2").await?;
        reply.is(200)?.has("content-type", V2_JSON)?;
    }
    let reply = cx.reader().accept("text/html").get("/openapi/v2").await?;
    reply.is(406)?;
    ensure(reply.answer.body.is_empty(), "no body", reply.seen())
}
