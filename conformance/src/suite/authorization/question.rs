//! The SubjectAccessReview of each kind of request.

use http::Method;
use serde_json::{Value, json};

use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, query};
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, at, ensure, equal};

pub(super) fn checks() -> Vec<Check> {
    [reads(), others()].concat()
}

fn reads() -> Vec<Check> {
    let group = Group::Authorization;
    vec![
        group
            .check(
                28,
                "question-list",
                "a list is asked for as verb list of the resource, with neither namespace nor name",
                |cx| Box::pin(list(cx)),
            )
            .in_world()
            .everywhere(),
        group
            .check(
                29,
                "question-get",
                "a named object is asked for as verb get with its name, HEAD too",
                |cx| Box::pin(get(cx)),
            )
            .in_world()
            .everywhere(),
        group
            .check(
                30,
                "question-namespace",
                "the namespace of the path is asked for, and none for all namespaces",
                |cx| Box::pin(namespace(cx)),
            )
            .in_world()
            .each_version(),
        group
            .check(
                31,
                "question-watch",
                "a watch is asked for as verb watch",
                |cx| Box::pin(watch(cx)),
            )
            .in_world()
            .each_version(),
        group
            .check(
                32,
                "question-field-selector",
                "metadata.name=NAME is asked for as that name, with the selector's requirements",
                |cx| Box::pin(field_selector(cx)),
            )
            .in_world()
            .each_version(),
    ]
}

fn others() -> Vec<Check> {
    let group = Group::Authorization;
    vec![
        group
            .check(
                33,
                "question-label-selector",
                "a label selector's requirements are asked along, without comparisons by order",
                |cx| Box::pin(label_selector(cx)),
            )
            .in_world(),
        group
            .check(
                34,
                "question-writes",
                "writes are authorized first: 405 for who may, 403 for who may not",
                |cx| Box::pin(writes(cx)),
            )
            .in_world()
            .each_version(),
        group
            .check(
                35,
                "question-path",
                "other paths, discovery among them, are asked for as path and lower-case method",
                |cx| Box::pin(path(cx)),
            )
            .in_world()
            .each_protocol(),
    ]
}

/// Sends a request in the name of somebody new who may do everything; the answer and the question it led to.
async fn question(
    cx: &Context<'_>,
    method: Method,
    path: &str,
    kind: &str,
) -> Result<(Reply, Value), Stop> {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let reply = cx.user(&bob, &[]).send(method, path).await?;
    let review = world.review(&bob)?;
    let mut attributes = at(&review, kind).clone();
    if let Some(fields) = attributes.as_object_mut() {
        fields.retain(|_, value| *value != json!(""));
    }
    Ok((reply, attributes))
}

async fn resource(
    cx: &Context<'_>,
    method: Method,
    path: &str,
    want: Value,
) -> Result<Reply, Stop> {
    let mut want = want;
    want["group"] = "metrics.k8s.io".into();
    want["version"] = cx.version.as_str().into();
    let (reply, seen) = question(cx, method, path, "/resourceAttributes").await?;
    equal(path, seen, want)?;
    Ok(reply)
}

async fn list(cx: &Context<'_>) -> Verdict {
    let want = json!({ "verb": "list", "resource": "nodes" });
    let reply = resource(cx, Method::GET, &cx.path("/nodes"), want).await?;
    reply.is(200)?;
    Ok(())
}

async fn get(cx: &Context<'_>) -> Verdict {
    let path = cx.path(&format!("/nodes/{}", cx.some_node().await?));
    let name = path.rsplit('/').next().unwrap_or_default();
    let want = json!({ "verb": "get", "resource": "nodes", "name": name });
    let reply = resource(cx, Method::GET, &path, want.clone()).await?;
    reply.is(200)?;
    let reply = resource(cx, Method::HEAD, &path, want).await?;
    reply.is(405)?;
    Ok(())
}

async fn namespace(cx: &Context<'_>) -> Verdict {
    let want = json!({ "verb": "list", "resource": "pods", "namespace": "a" });
    let path = cx.path("/namespaces/a/pods");
    resource(cx, Method::GET, &path, want).await?.is(200)?;
    let want = json!({ "verb": "get", "resource": "pods", "namespace": "a", "name": "p" });
    let path = cx.path("/namespaces/a/pods/p");
    resource(cx, Method::GET, &path, want).await?.is(404)?;
    let want = json!({ "verb": "list", "resource": "pods" });
    resource(cx, Method::GET, &cx.path("/pods"), want)
        .await?
        .is(200)?;
    Ok(())
}

async fn watch(cx: &Context<'_>) -> Verdict {
    let want = json!({ "verb": "watch", "resource": "pods" });
    // Where watches are served, this one ends by itself.
    let path = cx.path("/pods?watch=true&timeoutSeconds=1");
    let reply = resource(cx, Method::GET, &path, want).await?;
    let code = if cx.features.extensions.watch {
        200
    } else {
        405
    };
    reply.is(code)?;
    Ok(())
}

async fn field_selector(cx: &Context<'_>) -> Verdict {
    let want = json!({
        "verb": "list",
        "resource": "nodes",
        "name": "n1",
        "fieldSelector": {
            "requirements": [{ "key": "metadata.name", "operator": "In", "values": ["n1"] }],
        },
    });
    let path = cx.path("/nodes?fieldSelector=metadata.name%3Dn1");
    resource(cx, Method::GET, &path, want).await?.is(200)?;
    Ok(())
}

async fn label_selector(cx: &Context<'_>) -> Verdict {
    let requirements = json!([
        { "key": "app", "operator": "In", "values": ["a", "b"] },
        { "key": "x", "operator": "DoesNotExist" },
    ]);
    for selector in ["app in (a,b),!x", "app in (a,b),!x,n>3"] {
        let want = json!({
            "verb": "list",
            "resource": "pods",
            "labelSelector": { "requirements": requirements },
        });
        let path = cx.path(&format!("/pods{}", query("labelSelector", selector)));
        resource(cx, Method::GET, &path, want).await?.is(200)?;
    }
    Ok(())
}

async fn writes(cx: &Context<'_>) -> Verdict {
    let path = cx.path("/nodes");
    for (method, verb) in [
        (Method::POST, "create"),
        (Method::DELETE, "deletecollection"),
    ] {
        let want = json!({ "verb": verb, "resource": "nodes" });
        let reply = resource(cx, method, &path, want).await?;
        reply.status(405, "MethodNotAllowed")?;
    }
    let denied = cx.user(&cx.unique("eve"), &[]);
    let reply = denied.send(Method::POST, &path).await?;
    let status = reply.status(403, "Forbidden")?;
    ensure(
        status.to_string().contains("cannot create resource"),
        "cannot create resource",
        reply.seen(),
    )
}

async fn path(cx: &Context<'_>) -> Verdict {
    let paths = [
        ("/metrics", "/metrics"),
        (
            "/apis/metrics.k8s.io/v1beta1",
            "/apis/metrics.k8s.io/v1beta1",
        ),
        ("/apis?x=1", "/apis"),
    ];
    for (asked, path) in paths {
        let (reply, seen) = question(cx, Method::GET, asked, "/nonResourceAttributes").await?;
        equal(asked, seen, json!({ "path": path, "verb": "get" }))?;
        reply.is(200)?;
    }
    Ok(())
}
