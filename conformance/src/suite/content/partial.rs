//! Metadata alone, as garbage collectors and metadata informers ask for it.

use serde_json::Value;

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::protobuf;
use crate::suite::verdict::{Stop, Verdict, array, at, ensure, equal, text};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const ONE: &str = ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const LIST: &str = ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Content;
    vec![
        group
            .check(
                83,
                "metadata-list",
                "PartialObjectMetadataList of a list is its metadata alone, in JSON and protobuf",
                |cx| Box::pin(list(cx)),
            )
            .each_version(),
        group
            .check(
                83,
                "metadata-object",
                "PartialObjectMetadata of an object is its metadata alone, in JSON and protobuf",
                |cx| Box::pin(object(cx)),
            )
            .each_version(),
        group
            .check(
                84,
                "metadata-mismatch",
                "the form of an object for a list, or the other way round, is 406 and says why",
                |cx| Box::pin(mismatch(cx)),
            )
            .each_version(),
    ]
}

async fn ask(cx: &Context<'_>, rest: &str, form: &str) -> Result<[Value; 2], Stop> {
    let path = cx.path(rest);
    let accept = format!("application/json{form}");
    let reply = cx.reader().accept(&accept).get(&path).await?;
    reply.is(200)?.has("content-type", "application/json")?;
    let json = reply.json()?;
    let accept = format!("{PROTOBUF}{form}");
    let reply = cx.reader().accept(&accept).get(&path).await?;
    reply.is(200)?.has("content-type", PROTOBUF)?;
    Ok([json, protobuf::decode(&reply.answer.body)?])
}

async fn list(cx: &Context<'_>) -> Verdict {
    let items = cx.items("/pods").await?;
    let wanted: Vec<&str> = items.iter().map(|i| text(i, "/metadata/name")).collect();
    for list in ask(cx, "/pods", LIST).await? {
        equal("kind", text(&list, "/kind"), "PartialObjectMetadataList")?;
        equal("apiVersion", text(&list, "/apiVersion"), "meta.k8s.io/v1")?;
        let items = array(&list, "/items")?;
        let names: Vec<&str> = items.iter().map(|i| text(i, "/metadata/name")).collect();
        equal("names", &names, &wanted)?;
        for item in items {
            ensure(at(item, "/containers").is_null(), "metadata alone", item)?;
        }
    }
    Ok(())
}

async fn object(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    for object in ask(cx, &format!("/nodes/{node}"), ONE).await? {
        equal("kind", text(&object, "/kind"), "PartialObjectMetadata")?;
        equal("apiVersion", text(&object, "/apiVersion"), "meta.k8s.io/v1")?;
        equal("name", text(&object, "/metadata/name"), node.as_str())?;
        ensure(at(&object, "/usage").is_null(), "metadata alone", &object)?;
    }
    Ok(())
}

async fn mismatch(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    let cases = [
        (
            "/nodes".to_owned(),
            ONE,
            "you requested PartialObjectMetadata, but the requested object is a list (NodeMetricsList)",
        ),
        (
            format!("/nodes/{node}"),
            LIST,
            "you requested PartialObjectMetadataList, but the requested object is not a list (NodeMetrics)",
        ),
    ];
    for (rest, form, message) in cases {
        let ask = cx.reader().accept(&format!("application/json{form}"));
        let reply = ask.get(&cx.path(&rest)).await?;
        let status = reply.status(406, "NotAcceptable")?;
        let seen = text(&status, "/message");
        // Go prints the type with its package, which no other server has.
        let plain = seen.replace("*metrics.", "").replace("metrics.", "");
        equal("message", plain.as_str(), message)?;
    }
    Ok(())
}
