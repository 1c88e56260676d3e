//! Heads of requests that no well-behaved client sends.

use std::time::Duration;

use crate::client::Protocol;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::raw;
use crate::suite::verdict::{Verdict, ensure, failed};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Content;
    vec![
        group
            .check(
                90,
                "odd-heads",
                "a missing, doubled or malformed Host is 400, Expect other than 100-continue 417, in Go's words",
                |cx| Box::pin(odd(cx)),
            )
            .within(90),
        group
            .check(
                90,
                "request-lines",
                "OPTIONS * is an empty 200; a target that is no path is 400, another version of HTTP 505, in Go's words",
                |cx| Box::pin(lines(cx)),
            )
            .within(90),
        group
            .check(
                90,
                "broken-heads",
                "a head HTTP does not allow is refused at once, and costs nobody else anything",
                |cx| Box::pin(broken(cx)),
            )
            .within(90),
    ]
}

/// What Go's HTTP server says to heads it can read and does not let in, to the letter.
async fn odd(cx: &Context<'_>) -> Verdict {
    let close = "Connection: close\r\n";
    for (headers, status, body) in [
        (
            String::new(),
            "HTTP/1.1 400 Bad Request: missing required Host header",
            "400 Bad Request: missing required Host header",
        ),
        (
            "Host: a\r\nHost: b\r\n".to_owned(),
            "HTTP/1.1 400 Bad Request",
            "400 Bad Request",
        ),
        (
            "Host: a/b\r\n".to_owned(),
            "HTTP/1.1 400 Bad Request: malformed Host header",
            "400 Bad Request: malformed Host header",
        ),
        (
            "Host: a\r\nExpect: more\r\n".to_owned(),
            "HTTP/1.1 417 Expectation Failed",
            "",
        ),
        (
            format!("Host: a\r\nExpect: 100-continue\r\n{close}"),
            "HTTP/1.1 200 OK",
            "ok",
        ),
        (
            format!("Host: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n{close}"),
            "HTTP/1.1 200 OK",
            "ok",
        ),
        (format!("Host:\r\n{close}"), "HTTP/1.1 200 OK", "ok"),
    ] {
        let reader = cx.anonymous().over(Protocol::Http1);
        let head = format!("GET /readyz HTTP/1.1\r\n{headers}");
        let answer = raw::http1(&reader, &head).await?;
        let (told, rest) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let line = told.lines().next().unwrap_or_default();
        ensure(
            line == status && rest == body,
            format!("{status}, then {body:?}, to {head:?}"),
            &answer,
        )?;
    }
    Ok(())
}

/// What Go's HTTP server says to a line it does not let in, or answers by itself.
async fn lines(cx: &Context<'_>) -> Verdict {
    let bad = "400 Bad Request";
    let version = "505 HTTP Version Not Supported: unsupported protocol version";
    for (line, status, body) in [
        ("OPTIONS * HTTP/1.1", "200 OK", ""),
        ("GET apis HTTP/1.1", bad, bad),
        ("nonsense", bad, bad),
        ("GET /readyz", bad, bad),
        ("GET /read yz HTTP/1.1", bad, bad),
        ("G@T /readyz HTTP/1.1", bad, bad),
        ("GET /readyz HTTP/11.1", bad, bad),
        ("GET /readyz HTTP/0.9", version, version),
        ("GET /readyz HTTP/2.0", version, version),
        ("GET /readyz HTTP/1.1\r\nno colon", bad, bad),
        ("GET /readyz HTTP/1.1\r\n: a", bad, bad),
        ("GET /readyz HTTP/1.1\r\nx: \u{1}", bad, bad),
    ] {
        let ask = cx.anonymous().over(Protocol::Http1);
        let head = format!("{line}\r\nHost: a\r\nConnection: close\r\n");
        let answer = raw::http1(&ask, &head).await?;
        let (told, rest) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let said = told.lines().next().unwrap_or_default();
        ensure(
            said.strip_prefix("HTTP/1.1 ") == Some(status) && rest == body,
            format!("{status}, then {body:?}, to {line:?}"),
            &answer,
        )?;
    }
    Ok(())
}

/// Which answer it is depends on the HTTP library: that there is one, that it is a refusal, and that the connection
/// ends does not.
async fn broken(cx: &Context<'_>) -> Verdict {
    let long = "x".repeat(100 << 10);
    let huge = "x".repeat(2 << 20);
    for head in [
        "GET /readyz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n".to_owned(),
        "GET /readyz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, foo\r\n".to_owned(),
        "GET /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n".to_owned(),
        "GET /readyz HTTP/1.1\r\nHost: a\r\nno colon\r\n".to_owned(),
        "GET  HTTP/1.1\r\nHost: a\r\n".to_owned(),
        "GET /read yz HTTP/1.1\r\nHost: a\r\n".to_owned(),
        "GET /readyz HTTP/9.9\r\nHost: a\r\n".to_owned(),
        "nonsense\r\n".to_owned(),
        format!("GET /readyz?{huge} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"),
        format!("GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx: {huge}\r\n"),
    ] {
        refused(cx, &head, &["4", "501 ", "505 "]).await?;
    }
    // These Go takes.
    for head in [
        "GET /readyz?<a>\" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".to_owned(),
        format!("GET /readyz?{long} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"),
        format!("GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx: {long}\r\n"),
    ] {
        refused(cx, &head, &["200 ", "4"]).await?;
    }
    cx.reader().get(&cx.path("/nodes")).await?.is(200)?;
    Ok(())
}

async fn refused(cx: &Context<'_>, head: &str, codes: &[&str]) -> Verdict {
    let ask = cx.anonymous().over(Protocol::Http1);
    let asked = tokio::time::timeout(Duration::from_secs(8), raw::http1(&ask, head));
    let begin = head.get(..head.len().min(60)).unwrap_or_default();
    let answer = asked
        .await
        .map_err(|_| failed(format!("an end of the connection after {begin:?}"), "none"))?;
    // A server may close the connection while a head without end still comes.
    let Ok(answer) = answer else { return Ok(()) };
    let code = answer.strip_prefix("HTTP/1.1 ").unwrap_or(&answer);
    ensure(
        answer.is_empty() || codes.iter().any(|wanted| code.starts_with(wanted)),
        format!("a status in {codes:?} to {begin:?}"),
        answer.get(..200).unwrap_or(&answer),
    )
}
