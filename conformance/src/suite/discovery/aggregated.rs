//! Aggregated discovery: one document for all versions, with an ETag.

use serde_json::Value;

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, array, at, ensure, equal, failed, strings, text};

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
const V9: &str = "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Discovery;
    vec![
        group
            .check(
                62,
                "aggregated",
                "aggregated discovery v2 has its own Content-Type, an ETag, Vary and all resources",
                |cx| Box::pin(aggregated(cx)),
            )
            .each_protocol(),
        group
            .check(
                63,
                "aggregated-not-modified",
                "an equal If-None-Match is 304 without a body, another one 200",
                |cx| Box::pin(not_modified(cx)),
            )
            .each_protocol(),
        group.check(
            64,
            "aggregated-versions",
            "of several forms asked for the first that is served is given, profile is ignored",
            |cx| Box::pin(versions(cx)),
        ),
        group.check(
            64,
            "aggregated-v2beta1",
            "API servers before 1.30 get the v2beta1 they ask for",
            |cx| Box::pin(v2beta1(cx)),
        ),
        group.check(
            65,
            "aggregated-unknown",
            "an unknown version of the form alone is 406, with plain JSON next to it the old list",
            |cx| Box::pin(unknown(cx)),
        ),
    ]
}

async fn ask(cx: &Context<'_>, accept: &str) -> Result<Reply, Stop> {
    cx.reader().accept(accept).get("/apis").await
}

fn is_list(reply: &Reply, content_type: &str, version: &str) -> Result<Value, Stop> {
    reply.is(200)?.has("content-type", content_type)?;
    let list = reply.json()?;
    equal("kind", text(&list, "/kind"), "APIGroupDiscoveryList")?;
    let version = format!("apidiscovery.k8s.io/{version}");
    equal("apiVersion", text(&list, "/apiVersion"), version.as_str())?;
    Ok(list)
}

async fn aggregated(cx: &Context<'_>) -> Verdict {
    let reply = ask(cx, V2).await?;
    let list = is_list(&reply, V2, "v2")?;
    reply
        .has("vary", "Accept")?
        .has("cache-control", "public")?;
    ensure(!reply.header("etag").is_empty(), "an ETag", reply.seen())?;
    let mut items = array(&list, "/items")?.iter();
    let group = items
        .find(|g| text(g, "/metadata/name") == "metrics.k8s.io")
        .ok_or_else(|| failed("metrics.k8s.io", &list))?;
    let seen: Vec<&str> = array(group, "/versions")?
        .iter()
        .map(|v| text(v, "/version"))
        .collect();
    equal("versions", seen, versions_of(cx))?;
    for version in array(group, "/versions")? {
        equal("freshness", text(version, "/freshness"), "Current")?;
        let resources = array(version, "/resources")?;
        let shown: Vec<_> = resources
            .iter()
            .map(|r| {
                (
                    text(r, "/resource"),
                    text(r, "/scope"),
                    text(r, "/responseKind/kind"),
                )
            })
            .collect();
        equal(
            "resources",
            shown,
            vec![
                ("nodes", "Cluster", "NodeMetrics"),
                ("pods", "Namespaced", "PodMetrics"),
            ],
        )?;
        for resource in resources {
            let verbs = strings(resource, "/verbs");
            let extra = usize::from(cx.features.extensions.watch);
            ensure(
                verbs.len() == 2 + extra && verbs.starts_with(&["get".into(), "list".into()]),
                "verbs get and list",
                resource,
            )?;
            let singular = at(resource, "/singularResource");
            equal("singularResource", singular.as_str(), Some(""))?;
            ensure(
                at(resource, "/shortNames").is_null(),
                "no short names, which would shadow the core's",
                resource,
            )?;
        }
    }
    Ok(())
}

fn versions_of<'a>(cx: &Context<'a>) -> Vec<&'a str> {
    cx.features.versions.iter().map(String::as_str).collect()
}

async fn not_modified(cx: &Context<'_>) -> Verdict {
    let first = ask(cx, V2).await?;
    let etag = first.is(200)?.header("etag").to_owned();
    ensure(
        etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
        "a strong ETag",
        &etag,
    )?;
    let again = |etag: &str| {
        let ask = cx.reader().accept(V2).header("If-None-Match", etag);
        async move { ask.get("/apis").await }
    };
    let reply = again(&etag).await?;
    reply.is(304)?.has("etag", &etag)?;
    ensure(reply.answer.body.is_empty(), "no body", reply.seen())?;
    again("\"OTHER\"").await?.is(200)?;
    Ok(())
}

async fn versions(cx: &Context<'_>) -> Verdict {
    let reply = ask(cx, &format!("{V2},{V2BETA1},application/json")).await?;
    is_list(&reply, V2, "v2")?;
    let reply = ask(cx, &format!("{V2};profile=nopeer,application/json")).await?;
    is_list(&reply, V2, "v2")?;
    Ok(())
}

async fn v2beta1(cx: &Context<'_>) -> Verdict {
    let reply = ask(cx, V2BETA1).await?;
    is_list(&reply, V2BETA1, "v2beta1")?;
    Ok(())
}

async fn unknown(cx: &Context<'_>) -> Verdict {
    let reply = ask(cx, V9).await?;
    reply.is(406)?;
    let reply = ask(cx, &format!("{V9},application/json")).await?;
    reply.has("content-type", "application/json")?;
    equal("kind", text(&reply.ok_json()?, "/kind"), "APIGroupList")
}
