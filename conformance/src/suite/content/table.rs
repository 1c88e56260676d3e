//! Tables, as `kubectl get` asks for them.

use serde_json::{Value, json};

use crate::suite::check::{Check, Group};
use crate::suite::cluster;
use crate::suite::context::Context;
use crate::suite::reply::Reply;
use crate::suite::values;
use crate::suite::verdict::{Stop, Verdict, array, at, ensure, equal, failed, strings, text};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Content;
    vec![
        group
            .check(
                78,
                "table",
                "a list as Table has Name, every usage key and Window, and its objects' metadata",
                |cx| Box::pin(table(cx)),
            )
            .everywhere(),
        group
            .check(
                79,
                "table-objects",
                "includeObject gives no object, its metadata, the whole, or 400",
                |cx| Box::pin(objects(cx)),
            )
            .each_version(),
        group
            .check(
                80,
                "table-of-one",
                "an object as Table is one row, an empty list none",
                |cx| Box::pin(of_one(cx)),
            )
            .each_version(),
        group
            .check(
                81,
                "table-sums",
                "the cells of a pod are the sums over its containers",
                |cx| Box::pin(sums(cx)),
            )
            .each_version(),
        group
            .check(
                81,
                "table-columns-of-all",
                "when nodes differ in their usage keys every row has a cell for every column",
                |cx| Box::pin(columns_of_all(cx)),
            )
            .in_world(),
        group
            .check(
                82,
                "table-not-in-protobuf",
                "a Table in protobuf is 406, with a Table in JSON next to it that",
                |cx| Box::pin(not_in_protobuf(cx)),
            )
            .each_version(),
        group.check(
            78,
            "table-v1beta1",
            "the Table of meta.k8s.io/v1beta1 is served too",
            |cx| Box::pin(old_table(cx)),
        ),
    ]
}

async fn ask(cx: &Context<'_>, rest: &str) -> Result<Reply, Stop> {
    cx.reader().accept(TABLE).get(&cx.path(rest)).await
}

fn is_table(reply: &Reply, version: &str) -> Result<Value, Stop> {
    reply.is(200)?.has("content-type", "application/json")?;
    let table = reply.json()?;
    equal("kind", text(&table, "/kind"), "Table")?;
    let version = format!("meta.k8s.io/{version}");
    equal("apiVersion", text(&table, "/apiVersion"), version.as_str())?;
    Ok(table)
}

fn columns(table: &Value) -> Vec<&str> {
    let columns = at(table, "/columnDefinitions").as_array();
    let columns = columns.into_iter().flatten();
    columns.map(|column| text(column, "/name")).collect()
}

fn cells(row: &Value) -> Vec<String> {
    strings(row, "/cells")
}

async fn table(cx: &Context<'_>) -> Verdict {
    for rest in ["/nodes", "/pods"] {
        let items = cx.items(rest).await?;
        let table = is_table(&ask(cx, rest).await?, "v1")?;
        let columns = columns(&table);
        let mut usage: Vec<&str> = vec!["cpu", "memory", "swap"];
        usage.retain(|key| *key != "swap" || columns.contains(key));
        let expected: Vec<&str> = [&["Name"], usage.as_slice(), &["Window"]].concat();
        equal("columns", columns, expected)?;
        for column in array(&table, "/columnDefinitions")? {
            let format = match text(column, "/name") {
                "Name" => ("name", "Name of the resource"),
                "Window" => ("duration", ""),
                _ => ("quantity", ""),
            };
            let shown = (text(column, "/format"), text(column, "/description"));
            equal("format and description", shown, format)?;
            equal("type", text(column, "/type"), "string")?;
            equal("priority", at(column, "/priority").as_i64(), Some(0))?;
        }
        let rows = array(&table, "/rows")?;
        let names: Vec<String> = rows
            .iter()
            .filter_map(|r| cells(r).into_iter().next())
            .collect();
        let wanted: Vec<&str> = items.iter().map(|i| text(i, "/metadata/name")).collect();
        equal("names", names.iter().map(String::as_str).collect(), wanted)?;
        for row in rows {
            let object = at(row, "/object");
            equal("kind", text(object, "/kind"), "PartialObjectMetadata")?;
            equal("apiVersion", text(object, "/apiVersion"), "meta.k8s.io/v1")?;
            let name = text(object, "/metadata/name").to_owned();
            equal("name", Some(name), cells(row).into_iter().next())?;
        }
    }
    Ok(())
}

async fn objects(cx: &Context<'_>) -> Verdict {
    let first = |table: &Value| at(table, "/rows/0/object").clone();
    cx.some_node().await?;
    let table = is_table(&ask(cx, "/nodes?includeObject=None").await?, "v1")?;
    equal("object", first(&table), Value::Null)?;
    let table = is_table(&ask(cx, "/nodes?includeObject=Metadata").await?, "v1")?;
    let kind = first(&table);
    equal("kind", text(&kind, "/kind"), "PartialObjectMetadata")?;
    let table = is_table(&ask(cx, "/nodes?includeObject=Object").await?, "v1")?;
    let object = first(&table);
    equal("kind", text(&object, "/kind"), "NodeMetrics")?;
    let version = cx.version.group_version();
    equal("apiVersion", text(&object, "/apiVersion"), version.as_str())?;
    ensure(at(&object, "/usage/cpu").is_string(), "usage", &object)?;
    let reply = ask(cx, "/nodes?includeObject=Bogus").await?;
    reply.status(400, "BadRequest")?;
    Ok(())
}

async fn of_one(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    let table = is_table(&ask(cx, &format!("/nodes/{node}")).await?, "v1")?;
    let rows = array(&table, "/rows")?;
    equal("rows", rows.len(), 1)?;
    let name = rows.iter().flat_map(cells).next();
    equal("name", name, Some(node))?;
    let reply = ask(cx, "/namespaces/none-of-this-name/pods").await?;
    let table = is_table(&reply, "v1")?;
    let rows = at(&table, "/rows").as_array().map_or(0, Vec::len);
    equal("rows of an empty list", rows, 0)
}

/// What a pod's containers use together, in nano-units.
fn sum(pod: &Value, key: &str) -> Option<i128> {
    let containers = at(pod, "/containers").as_array()?;
    let usage = containers.iter().map(|c| text(c, &format!("/usage/{key}")));
    usage.map(values::parse_quantity).sum()
}

async fn sums(cx: &Context<'_>) -> Verdict {
    let table = ask(cx, "/pods?includeObject=Object").await?;
    let table = is_table(&table, "v1")?;
    let columns = columns(&table);
    let mut several = 0;
    for row in array(&table, "/rows")? {
        let object = at(row, "/object");
        let cells = cells(row);
        for (column, cell) in columns.iter().zip(&cells) {
            if ["cpu", "memory"].contains(column) {
                equal(
                    &format!("{column} of {}", text(object, "/metadata/name")),
                    values::parse_quantity(cell),
                    sum(object, column),
                )?;
            }
        }
        several += usize::from(array(object, "/containers")?.len() > 1);
    }
    if several == 0 && cx.world.is_some() {
        return Err(failed("a pod with two containers", &table));
    }
    Ok(())
}

async fn columns_of_all(cx: &Context<'_>) -> Verdict {
    let reply = ask(cx, "/nodes").await?;
    let table = is_table(&reply, "v1")?;
    let columns = columns(&table);
    let mut swapping = 0;
    for row in array(&table, "/rows")? {
        let cells = cells(row);
        equal("cells", cells.len(), columns.len())?;
        let swap = columns.iter().position(|c| *c == "swap");
        let swap = swap.and_then(|at| cells.get(at)).map_or("", String::as_str);
        let name = cells.first().map_or("", String::as_str);
        if name == cluster::SWAP_NODE {
            swapping += usize::from(!swap.is_empty());
        }
    }
    // Without swap in the usage of any node this says nothing.
    let nodes = cx.items("/nodes").await?;
    let served = nodes.iter().any(|n| !at(n, "/usage/swap").is_null());
    ensure(!served || swapping == 1, "a cell for swap", json!(columns))
}

async fn not_in_protobuf(cx: &Context<'_>) -> Verdict {
    let protobuf = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io";
    let path = cx.path("/nodes");
    cx.reader().accept(protobuf).get(&path).await?.is(406)?;
    let accept = format!("{protobuf},{TABLE}");
    is_table(&cx.reader().accept(&accept).get(&path).await?, "v1")?;
    let unknown = "application/json;as=Table;v=v9;g=meta.k8s.io,application/json";
    let reply = cx.reader().accept(unknown).get(&path).await?;
    equal("kind", text(&reply.ok_json()?, "/kind"), "NodeMetricsList")
}

async fn old_table(cx: &Context<'_>) -> Verdict {
    let accept = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
    let reply = cx.reader().accept(accept).get(&cx.path("/nodes")).await?;
    let table = is_table(&reply, "v1beta1")?;
    ensure(!array(&table, "/rows")?.is_empty(), "rows", reply.seen())
}
