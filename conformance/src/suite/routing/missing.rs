//! What is not there.

use serde_json::json;

use crate::suite::check::{Check, Group};
use crate::suite::cluster;
use crate::suite::context::Context;
use crate::suite::verdict::{Verdict, array, at, equal, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Routing;
    vec![
        group
            .check(
                52,
                "unknown-object",
                "an unknown node or pod is NotFound in the words of the core API",
                |cx| Box::pin(unknown_object(cx)),
            )
            .everywhere(),
        group
            .check(
                53,
                "object-without-sample",
                "a running pod without a sample is NotFound as podmetrics, with its namespace",
                |cx| Box::pin(without_sample(cx)),
            )
            .in_world()
            .each_version(),
        group
            .check(
                54,
                "empty-namespace",
                "a namespace without pods, or that there is none of, is an empty list",
                |cx| Box::pin(empty_namespace(cx)),
            )
            .everywhere(),
    ]
}

async fn unknown_object(cx: &Context<'_>) -> Verdict {
    let reply = cx.reader().get(&cx.path("/nodes/gone")).await?;
    let status = reply.refusal(404, "NotFound", "node \"gone\" not found")?;
    equal(
        "details",
        at(&status, "/details").clone(),
        json!({ "name": "gone", "kind": "node" }),
    )?;
    let reply = cx.reader().get(&cx.path("/namespaces/a/pods/gone")).await?;
    let status = reply.refusal(404, "NotFound", "pods \"gone\" not found")?;
    equal(
        "details",
        at(&status, "/details").clone(),
        json!({ "name": "gone", "kind": "pods" }),
    )
}

async fn without_sample(cx: &Context<'_>) -> Verdict {
    let (namespace, name) = cluster::SILENT_POD;
    let path = cx.path(&format!("/namespaces/{namespace}/pods/{name}"));
    let reply = cx.reader().get(&path).await?;
    let message = format!("podmetrics.metrics.k8s.io \"{namespace}/{name}\" not found");
    let status = reply.refusal(404, "NotFound", &message)?;
    equal(
        "details",
        at(&status, "/details").clone(),
        json!({
            "name": format!("{namespace}/{name}"),
            "group": "metrics.k8s.io",
            "kind": "podmetrics",
        }),
    )
}

async fn empty_namespace(cx: &Context<'_>) -> Verdict {
    let path = cx.path("/namespaces/none-of-this-name/pods");
    let list = cx.reader().get(&path).await?.ok_json()?;
    equal("kind", text(&list, "/kind"), "PodMetricsList")?;
    equal("items", array(&list, "/items")?.len(), 0)
}
