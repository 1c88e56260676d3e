//! The documents of the group and its versions.

use serde_json::{Value, json};

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::protobuf;
use crate::suite::target::Version;
use crate::suite::verdict::{Stop, Verdict, array, at, ensure, equal, failed, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Discovery;
    vec![
        group
            .check(
                59,
                "group-list",
                "/apis is an APIGroupList with metrics.k8s.io and a preferred version",
                |cx| Box::pin(group_list(cx)),
            )
            .each_protocol(),
        group.check(
            59,
            "both-versions",
            "v1 and v1beta1 are served, v1 is preferred",
            |cx| Box::pin(both_versions(cx)),
        ),
        group
            .check(60, "group", "/apis/metrics.k8s.io is the APIGroup", |cx| {
                Box::pin(api_group(cx))
            })
            .each_protocol(),
        group
            .check(
                60,
                "resources",
                "a version has nodes and pods, to get and list, without singular or short names",
                |cx| Box::pin(resources(cx)),
            )
            .everywhere(),
        group
            .check(
                61,
                "resources-protobuf",
                "the resources in protobuf say what they say in JSON",
                |cx| Box::pin(resources_protobuf(cx)),
            )
            .each_version(),
        group
            .check(
                66,
                "without-groups",
                "the aggregator's user without any group may read discovery and OpenAPI",
                |cx| Box::pin(without_groups(cx)),
            )
            .by_proxy()
            .each_version(),
    ]
}

async fn find_group(cx: &Context<'_>) -> Result<Value, Stop> {
    let reply = cx.reader().get("/apis").await?;
    reply.has("content-type", "application/json")?;
    let list = reply.ok_json()?;
    equal("kind", text(&list, "/kind"), "APIGroupList")?;
    let mut groups = array(&list, "/groups")?.iter();
    let found = groups.find(|g| text(g, "/name") == "metrics.k8s.io");
    found
        .cloned()
        .ok_or_else(|| failed("metrics.k8s.io", reply.seen()))
}

async fn group_list(cx: &Context<'_>) -> Verdict {
    is_group(&find_group(cx).await?)
}

fn is_group(group: &Value) -> Verdict {
    let versions = array(group, "/versions")?;
    ensure(!versions.is_empty(), "a version", group)?;
    for version in versions {
        let full = format!("metrics.k8s.io/{}", text(version, "/version"));
        equal(
            "groupVersion",
            text(version, "/groupVersion"),
            full.as_str(),
        )?;
    }
    ensure(
        versions.contains(at(group, "/preferredVersion")),
        "a preferred version that is served",
        group,
    )
}

async fn both_versions(cx: &Context<'_>) -> Verdict {
    let group = find_group(cx).await?;
    let version = |v: &str| json!({ "groupVersion": format!("metrics.k8s.io/{v}"), "version": v });
    equal(
        "versions",
        at(&group, "/versions").clone(),
        json!([version("v1"), version("v1beta1")]),
    )?;
    equal(
        "preferred version",
        text(&group, "/preferredVersion/version"),
        "v1",
    )
}

async fn api_group(cx: &Context<'_>) -> Verdict {
    let reply = cx.reader().get("/apis/metrics.k8s.io").await?;
    reply.has("content-type", "application/json")?;
    let group = reply.ok_json()?;
    equal("kind", text(&group, "/kind"), "APIGroup")?;
    equal("apiVersion", text(&group, "/apiVersion"), "v1")?;
    equal("name", text(&group, "/name"), "metrics.k8s.io")?;
    is_group(&group)
}

/// The resources as the contract has them; a server that serves watches says so here.
fn expected(cx: &Context<'_>) -> Value {
    let verbs = match cx.features.extensions.watch {
        true => json!(["get", "list", "watch"]),
        false => json!(["get", "list"]),
    };
    let resource = |name: &str, namespaced: bool, kind: &str| {
        json!({
            "name": name,
            "singularName": "",
            "namespaced": namespaced,
            "kind": kind,
            "verbs": verbs,
        })
    };
    json!([
        resource("nodes", false, "NodeMetrics"),
        resource("pods", true, "PodMetrics"),
    ])
}

async fn resources(cx: &Context<'_>) -> Verdict {
    for path in [cx.path(""), cx.path("/")] {
        let reply = cx.reader().get(&path).await?;
        reply.has("content-type", "application/json")?;
        let list = reply.ok_json()?;
        equal("kind", text(&list, "/kind"), "APIResourceList")?;
        equal("apiVersion", text(&list, "/apiVersion"), "v1")?;
        let version = cx.version.group_version();
        equal(
            "groupVersion",
            text(&list, "/groupVersion"),
            version.as_str(),
        )?;
        equal("resources", at(&list, "/resources"), &expected(cx))?;
    }
    Ok(())
}

async fn resources_protobuf(cx: &Context<'_>) -> Verdict {
    let accept = "application/vnd.kubernetes.protobuf";
    let reply = cx.reader().accept(accept).get(&cx.path("")).await?;
    reply.is(200)?.has("content-type", accept)?;
    let list = protobuf::decode(&reply.answer.body)?;
    equal("kind", text(&list, "/kind"), "APIResourceList")?;
    let version = cx.version.group_version();
    equal(
        "groupVersion",
        text(&list, "/groupVersion"),
        version.as_str(),
    )?;
    equal("resources", at(&list, "/resources"), &expected(cx))
}

async fn without_groups(cx: &Context<'_>) -> Verdict {
    let version = Version::as_str(cx.version);
    let paths = [
        cx.path(""),
        "/apis".to_owned(),
        "/openapi/v2".to_owned(),
        "/openapi/v3".to_owned(),
        format!("/openapi/v3/apis/metrics.k8s.io/{version}"),
    ];
    for user in ["system:kube-aggregator", "system:aggregator"] {
        for path in &paths {
            cx.user(user, &[]).get(path).await?.is(200)?;
        }
    }
    Ok(())
}
