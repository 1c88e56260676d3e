//! Each form of a list and an object, and that all forms say the same.

use serde_json::Value;

use super::shape::Shape;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::protobuf;
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, array, at, ensure, equal, failed, same, text};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// How often two forms are asked for until both show the same moment.
const ATTEMPTS: usize = 5;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Content;
    vec![
        group
            .check(
                71,
                "json-list",
                "a list in JSON is compact, ends with a line feed, and its items carry no kind",
                |cx| Box::pin(json_list(cx)),
            )
            .everywhere(),
        group
            .check(
                71,
                "json-key-order",
                "keys come in the order kind, apiVersion, metadata, timestamp, window, usage or containers",
                |cx| Box::pin(key_order(cx)),
            )
            .each_version(),
        group
            .check(
                73,
                "protobuf",
                "protobuf says what JSON says, in exactly the bytes of Kubernetes' own encoder",
                |cx| Box::pin(protobuf(cx)),
            )
            .everywhere(),
        group
            .check(
                74,
                "yaml",
                "YAML says what JSON says, with its keys sorted",
                |cx| Box::pin(yaml(cx)),
            )
            .each_version(),
    ]
}

fn lists() -> [(&'static str, &'static str); 2] {
    [("/nodes", "NodeMetricsList"), ("/pods", "PodMetricsList")]
}

async fn json_list(cx: &Context<'_>) -> Verdict {
    for (path, kind) in lists() {
        let reply = cx.reader().accept(JSON).get(&cx.path(path)).await?;
        reply.is(200)?.has("content-type", JSON)?;
        let list = reply.json()?;
        equal("kind", text(&list, "/kind"), kind)?;
        let version = cx.version.group_version();
        equal("apiVersion", text(&list, "/apiVersion"), version.as_str())?;
        is_list_meta(cx, at(&list, "/metadata"))?;
        for item in array(&list, "/items")? {
            ensure(
                at(item, "/kind").is_null() && at(item, "/apiVersion").is_null(),
                "items without kind and apiVersion",
                item,
            )?;
            for absent in ["resourceVersion", "uid", "annotations", "managedFields"] {
                let pointer = format!("/metadata/{absent}");
                let served = cx.features.extensions.watch && absent == "resourceVersion";
                ensure(
                    served || at(item, &pointer).is_null(),
                    format!("no {absent}"),
                    item,
                )?;
            }
        }
        let body = reply.body();
        let line = body.strip_suffix('\n').unwrap_or("\n");
        ensure(
            !line.contains('\n') && !line.contains("\": ") && !line.contains(", \""),
            "compact JSON and one line feed",
            reply.seen(),
        )?;
    }
    Ok(())
}

/// Empty; where watches are served it says from where to go on.
fn is_list_meta(cx: &Context<'_>, meta: &Value) -> Verdict {
    let fields: Vec<&String> = meta
        .as_object()
        .into_iter()
        .flat_map(|m| m.keys())
        .collect();
    let right = match cx.features.extensions.watch {
        true => fields.iter().all(|field| *field == "resourceVersion"),
        false => fields.is_empty(),
    };
    ensure(meta.is_object() && right, "metadata {}", meta)
}

async fn key_order(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    let (namespace, pod) = cx.some_pod().await?;
    let cases = [
        (format!("/nodes/{node}"), "usage"),
        (format!("/namespaces/{namespace}/pods/{pod}"), "containers"),
    ];
    for (path, last) in cases {
        let reply = cx.reader().get(&cx.path(&path)).await?;
        let shape = shape(&reply)?;
        let keys = [
            "kind",
            "apiVersion",
            "metadata",
            "timestamp",
            "window",
            last,
        ];
        equal("keys", shape.keys(), keys.to_vec())?;
        let allowed = [
            "name",
            "namespace",
            "resourceVersion",
            "creationTimestamp",
            "labels",
        ];
        let meta = shape.below("metadata").keys();
        let expected: Vec<&str> = allowed.into_iter().filter(|k| meta.contains(k)).collect();
        equal("keys of metadata", meta, expected)?;
        let labels = shape.below("metadata").below("labels").keys();
        is_sorted("labels", &labels)?;
        is_sorted("usage", &shape.below("usage").keys())?;
        for container in shape.below("containers").elements() {
            equal("keys", container.keys(), vec!["name", "usage"])?;
            is_sorted("usage", &container.below("usage").keys())?;
        }
    }
    let list = shape(&cx.reader().get(&cx.path("/nodes")).await?)?;
    equal(
        "keys",
        list.keys(),
        vec!["kind", "apiVersion", "metadata", "items"],
    )?;
    for item in list.below("items").elements() {
        equal(
            "keys",
            item.keys(),
            vec!["metadata", "timestamp", "window", "usage"],
        )?;
    }
    Ok(())
}

fn shape(reply: &Reply) -> Result<Shape, Stop> {
    serde_json::from_slice(&reply.is(200)?.answer.body)
        .map_err(|error| failed(format!("JSON ({error})"), reply.seen()))
}

fn is_sorted(what: &str, keys: &[&str]) -> Verdict {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    equal(what, keys, sorted.as_slice())
}

async fn protobuf(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    let (namespace, pod) = cx.some_pod().await?;
    let paths = [
        "/nodes".to_owned(),
        "/pods".to_owned(),
        format!("/nodes/{node}"),
        format!("/namespaces/{namespace}/pods/{pod}"),
        "/namespaces/none-of-this-name/pods".to_owned(),
    ];
    for path in paths {
        let path = cx.path(&path);
        let (object, served) = agreed(cx, &path).await?;
        let bytes = protobuf::encode(&object)?;
        ensure(
            bytes == served,
            format!("{path} in {} bytes as Kubernetes writes them", bytes.len()),
            format!(
                "{} bytes, {}",
                served.len(),
                first_difference(&bytes, &served)
            ),
        )?;
    }
    Ok(())
}

/// An object as decoded from protobuf, and its bytes, once they say the same as JSON.
async fn agreed(cx: &Context<'_>, path: &str) -> Result<(Value, Vec<u8>), Stop> {
    let (mut left, mut right) = (Value::Null, Value::Null);
    for _ in 0..ATTEMPTS {
        left = cx.reader().accept(JSON).get(path).await?.ok_json()?;
        let accept = format!("{PROTOBUF}, */*");
        let reply = cx.reader().accept(&accept).get(path).await?;
        reply.is(200)?.has("content-type", PROTOBUF)?;
        let object = protobuf::decode(&reply.answer.body)?;
        right = object.clone();
        // Servers that stamp every answer with the time of asking differ in nothing else.
        without_accidents(&mut left);
        without_accidents(&mut right);
        if left == right {
            return Ok((object, reply.answer.body.to_vec()));
        }
    }
    same(path, &right, &left)?;
    Err(failed("JSON and protobuf of one moment", path))
}

fn without_accidents(object: &mut Value) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("creationTimestamp");
        // The list of one moment may have been numbered anew.
        if object.get("items").is_some()
            && let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut)
        {
            meta.remove("resourceVersion");
        }
    }
    // Their order means nothing, and metrics-server shuffles them.
    let containers = object.get_mut("containers").and_then(Value::as_array_mut);
    if let Some(containers) = containers {
        containers.sort_by_key(|container| text(container, "/name").to_owned());
    }
    let items = object.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        without_accidents(item);
    }
}

fn first_difference(want: &[u8], seen: &[u8]) -> String {
    let at = want.iter().zip(seen).take_while(|(w, s)| w == s).count();
    let shown = |bytes: &[u8]| {
        let rest = bytes.get(at..).unwrap_or_default().iter().take(24);
        rest.map(|b| format!("{b:02x}")).collect::<String>()
    };
    format!(
        "from byte {at} on {} in place of {}",
        shown(seen),
        shown(want)
    )
}

async fn yaml(cx: &Context<'_>) -> Verdict {
    for (path, _) in lists() {
        let path = cx.path(path);
        let mut verdict = Ok(());
        for _ in 0..ATTEMPTS {
            let mut left = cx.reader().get(&path).await?.ok_json()?;
            let reply = cx.reader().accept(YAML).get(&path).await?;
            reply.is(200)?.has("content-type", YAML)?;
            let body = reply.body();
            ensure(!body.starts_with("---"), "no ---", reply.seen())?;
            let yaml: Result<Value, _> = serde_saphyr::from_str(&body);
            let mut right = yaml.map_err(|e| failed(format!("YAML ({e})"), reply.seen()))?;
            let top: Vec<&str> = body
                .lines()
                .filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
                .filter_map(|l| l.split_once(':'))
                .map(|(key, _)| key)
                .collect();
            equal("keys", top, vec!["apiVersion", "items", "kind", "metadata"])?;
            without_accidents(&mut left);
            without_accidents(&mut right);
            verdict = same(&path, &right, &left);
            if verdict.is_ok() {
                break;
            }
        }
        verdict?;
    }
    Ok(())
}
