//! Which form an `Accept` header gets.

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, ensure, equal, text};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Content;
    vec![
        group
            .check(
                72,
                "json-by-default",
                "no Accept, an empty one and */* get JSON",
                |cx| Box::pin(default_form(cx)),
            )
            .everywhere(),
        group.check(
            72,
            "json-for-any-application",
            "application/* gets JSON",
            |cx| Box::pin(any_application(cx)),
        ),
        group
            .check(
                73,
                "protobuf-first",
                "protobuf is given where it stands first, or is wanted most",
                |cx| Box::pin(protobuf_first(cx)),
            )
            .each_version(),
        group
            .check(
                74,
                "no-cbor",
                "CBOR alone is 406, with JSON next to it JSON",
                |cx| Box::pin(no_cbor(cx)),
            )
            .each_version(),
        group
            .check(
                75,
                "not-acceptable",
                "forms that are not served are the NotAcceptable Status, in JSON",
                |cx| Box::pin(not_acceptable(cx)),
            )
            .everywhere(),
        group.check(
            76,
            "quality",
            "the form wanted most is given, whatever the order",
            |cx| Box::pin(quality(cx)),
        ),
        group
            .check(
                77,
                "pretty",
                "pretty=true, or a browser or curl, gets indented JSON without a line feed at the end",
                |cx| Box::pin(pretty(cx)),
            )
            .each_protocol(),
    ]
}

async fn ask(cx: &Context<'_>, accept: &str) -> Result<Reply, Stop> {
    cx.reader().accept(accept).get(&cx.path("/nodes")).await
}

async fn gives(cx: &Context<'_>, accept: &str, form: &str) -> Verdict {
    let reply = ask(cx, accept).await?;
    let seen = format!(
        "{accept}: {} {}",
        reply.code(),
        reply.header("content-type")
    );
    equal("answer", seen, format!("{accept}: 200 {form}"))
}

async fn default_form(cx: &Context<'_>) -> Verdict {
    let reply = cx.reader().get(&cx.path("/nodes")).await?;
    reply.is(200)?.has("content-type", JSON)?;
    for accept in ["", "*/*", "application/json, */*", "text/html, */*"] {
        gives(cx, accept, JSON).await?;
    }
    Ok(())
}

async fn any_application(cx: &Context<'_>) -> Verdict {
    gives(cx, "application/*", JSON).await
}

async fn protobuf_first(cx: &Context<'_>) -> Verdict {
    gives(cx, PROTOBUF, PROTOBUF).await?;
    gives(cx, &format!("{PROTOBUF}, */*"), PROTOBUF).await?;
    gives(cx, &format!("{PROTOBUF},{JSON}"), PROTOBUF).await?;
    gives(cx, &format!("{JSON};q=0.9,{PROTOBUF}"), PROTOBUF).await?;
    gives(cx, &format!("*/*,{PROTOBUF}"), PROTOBUF).await
}

async fn no_cbor(cx: &Context<'_>) -> Verdict {
    ask(cx, "application/cbor").await?.is(406)?;
    gives(cx, "application/cbor,application/json", JSON).await
}

async fn not_acceptable(cx: &Context<'_>) -> Verdict {
    let reply = ask(cx, "text/html").await?;
    let status = reply.status(406, "NotAcceptable")?;
    reply.has("content-type", JSON)?;
    let message = text(&status, "/message");
    ensure(
        [JSON, YAML, PROTOBUF]
            .iter()
            .all(|form| message.contains(form)),
        "a message with the forms that are served",
        reply.seen(),
    )?;
    gives(cx, "text/html,application/json;q=0.1", JSON).await
}

async fn quality(cx: &Context<'_>) -> Verdict {
    gives(cx, "application/json;q=0.5,application/yaml", YAML).await?;
    gives(cx, "application/yaml;q=0.4,application/json;q=0.5", JSON).await
}

async fn pretty(cx: &Context<'_>) -> Verdict {
    let cases = [
        ("curl/8.5.0", "", true),
        ("Mozilla/5.0 (X11)", "", true),
        ("Wget/1.21", "", true),
        ("curl/8.5.0", "?pretty=false", false),
        ("Go-http-client/2.0", "?pretty=true", true),
        ("Go-http-client/2.0", "?pretty=1", true),
        ("Go-http-client/2.0", "", false),
    ];
    for (agent, query, indented) in cases {
        let path = cx.path(&format!("/nodes{query}"));
        let reply = cx.reader().header("User-Agent", agent).get(&path).await?;
        let list = reply.ok_json()?;
        let body = reply.body();
        if indented {
            let whole = serde_json::to_string_pretty(&list).unwrap_or_default();
            ensure(
                body.starts_with("{\n  \"kind\": \"NodeMetricsList\",\n") && body.ends_with("\n}"),
                format!("{agent} {query}: indented by two, no line feed at the end"),
                reply.seen(),
            )?;
            equal("length when indented by two", body.len(), whole.len())?;
        } else {
            ensure(
                body.starts_with("{\"kind\":") && body.ends_with("}\n"),
                format!("{agent} {query}: compact"),
                reply.seen(),
            )?;
        }
    }
    Ok(())
}
