//! Headers, compression, and the versions of HTTP.

use std::io::Read;

use flate2::read::GzDecoder;
use futures_util::future::join_all;
use http::Method;

use crate::client::Protocol;
use crate::suite::check::{Check, Group};
use crate::suite::context::{Ask, Context, send};
use crate::suite::raw;
use crate::suite::verdict::{Verdict, ensure, equal, failed, skipped};

/// Bodies up to here are not worth compressing.
const COMPRESSED_FROM: usize = 128 << 10;
const NOT_CACHED: &str = "no-cache, private";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Content;
    vec![
        group
            .check(
                87,
                "gzip",
                "answers above 128 KiB are compressed for who accepts gzip, and no others",
                |cx| Box::pin(gzip(cx)),
            )
            .each_protocol(),
        group
            .check(
                88,
                "audit-id",
                "every answer has an Audit-Id, the request's own where it had one, and is not cached",
                |cx| Box::pin(audit_id(cx)),
            )
            .each_protocol(),
        group.check(
            89,
            "no-surprises",
            "no answer is HTML, redirects, or speaks of priority and fairness",
            |cx| Box::pin(no_surprises(cx)),
        ),
        group
            .check(
                90,
                "head",
                "HEAD never has a body",
                |cx| Box::pin(head(cx)),
            )
            .each_protocol(),
        group.check(90, "http-1.0", "HTTP/1.0 is answered", |cx| {
            Box::pin(http10(cx))
        }),
        group.check(
            90,
            "streams",
            "a hundred requests at once on one HTTP/2 connection are answered",
            |cx| Box::pin(streams(cx)),
        ),
    ]
}

async fn gzip(cx: &Context<'_>) -> Verdict {
    let (large, small) = (cx.path("/pods"), cx.path("/nodes"));
    let zipped = |path| {
        let ask = cx.reader().header("Accept-Encoding", "gzip");
        async move { ask.get(path).await }
    };
    let plain = cx.reader().get(&large).await?;
    plain.is(200)?.lacks("content-encoding")?;
    if cx.reader().get(&small).await?.answer.body.len() < COMPRESSED_FROM {
        zipped(&small).await?.is(200)?.lacks("content-encoding")?;
    }
    if plain.answer.body.len() <= COMPRESSED_FROM {
        return Err(skipped("the list of pods is smaller than 128 KiB"));
    }
    let reply = zipped(&large).await?;
    reply.is(200)?.has("content-encoding", "gzip")?;
    let vary = reply.answer.headers.get_all("vary").iter();
    ensure(
        vary.filter_map(|v| v.to_str().ok())
            .any(|v| v.to_ascii_lowercase().contains("accept-encoding")),
        "Vary: Accept-Encoding",
        reply.header("vary"),
    )?;
    let mut text = String::new();
    GzDecoder::new(reply.answer.body.as_ref())
        .read_to_string(&mut text)
        .map_err(|error| failed("gzip", error))?;
    let whole: Result<serde_json::Value, _> = serde_json::from_str(&text);
    ensure(whole.is_ok(), "the list once unzipped", "no JSON")?;
    ensure(
        reply.answer.body.len() < text.len(),
        "fewer bytes than before",
        reply.answer.body.len(),
    )
}

async fn audit_id(cx: &Context<'_>) -> Verdict {
    let cases = [
        (cx.reader(), cx.path("/nodes"), 200),
        (cx.reader(), cx.path("/nodes/gone"), 404),
        (cx.reader(), cx.path("/foo"), 404),
        (cx.reader(), cx.path("/nodes?limit=abc"), 400),
        (cx.reader(), "/nope".to_owned(), 404),
        (cx.reader(), "/readyz".to_owned(), 200),
        (cx.reader(), "/version".to_owned(), 200),
        (cx.token("nobodys-token"), cx.path("/nodes"), 401),
        (cx.anonymous(), cx.path("/nodes"), 403),
    ];
    for (ask, path, code) in cases {
        let reply = ask.get(&path).await?;
        reply.is(code)?.has("cache-control", NOT_CACHED)?;
        let id = reply.header("audit-id");
        ensure(
            id.len() == 36,
            "a UUID as Audit-Id",
            format!("{path}: {id}"),
        )?;
        let again = ask.get(&path).await?;
        ensure(
            again.header("audit-id") != id,
            "another Audit-Id for every request",
            id,
        )?;
        let own = "11111111-2222-4333-8444-555555555555";
        let reply = ask.header("Audit-Id", own).get(&path).await?;
        reply.has("audit-id", own)?;
    }
    Ok(())
}

async fn no_surprises(cx: &Context<'_>) -> Verdict {
    let paths = [
        "/".to_owned(),
        "/index.html".to_owned(),
        "/nope".to_owned(),
        "/apis".to_owned(),
        "/apis/".to_owned(),
        "/openapi/v2".to_owned(),
        "/openapi/v3".to_owned(),
        "/metrics".to_owned(),
        "/version".to_owned(),
        "/healthz".to_owned(),
        cx.path(""),
        cx.path("/nodes"),
        cx.path("//nodes"),
        cx.path("/../v1beta1/nodes"),
    ];
    for path in paths {
        let ask = cx.reader().header("User-Agent", "Mozilla/5.0");
        let reply = ask.get(&path).await?;
        reply.lacks("location")?;
        let names = reply.answer.headers.keys();
        for name in names {
            ensure(
                !name.as_str().starts_with("x-kubernetes-pf-"),
                "no header of priority and fairness",
                name,
            )?;
        }
        ensure(
            !reply.header("content-type").contains("html"),
            "no HTML",
            reply.seen(),
        )?;
    }
    Ok(())
}

async fn head(cx: &Context<'_>) -> Verdict {
    for path in [cx.path("/nodes"), cx.path("/foo"), "/version".to_owned()] {
        let reply = cx.reader().send(Method::HEAD, &path).await?;
        ensure(reply.answer.body.is_empty(), "no body", reply.seen())?;
    }
    cx.reader()
        .send(Method::HEAD, &cx.path("/nodes"))
        .await?
        .is(405)?;
    Ok(())
}

async fn http10(cx: &Context<'_>) -> Verdict {
    let reader: Ask<'_> = cx.reader().over(Protocol::Http1);
    let head = format!("GET {} HTTP/1.0\r\n", cx.path("/nodes"));
    let answer = raw::http1(&reader, &head).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.lines().next().unwrap_or_default();
    ensure(status.contains(" 200 "), "HTTP/1.x 200", &answer)?;
    ensure(
        !head.to_ascii_lowercase().contains("transfer-encoding"),
        "no chunks, which HTTP/1.0 has not",
        head,
    )?;
    let list: Result<serde_json::Value, _> = serde_json::from_str(body);
    ensure(list.is_ok(), "the whole list", body)
}

async fn streams(cx: &Context<'_>) -> Verdict {
    let client = cx.reader().over(Protocol::Http2).client()?;
    let path = cx.path("/nodes");
    let replies = join_all((0..100).map(|_| send(&client, Method::GET, &path))).await;
    let mut good = 0;
    for reply in replies {
        good += usize::from(reply?.code() == 200);
    }
    equal("good answers", good, 100)
}
