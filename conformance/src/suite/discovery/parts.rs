//! `/openapi/v2` as the file it is to Go: in part, packed, or only if it has changed.

use flate2::read::GzDecoder;
use std::io::Read;

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, ensure, equal};

const PATH: &str = "/openapi/v2";

pub(super) fn checks() -> Vec<Check> {
    vec![
        Group::Discovery
            .check(
                69,
                "openapi-v2-conditions",
                "/openapi/v2 knows If-Match, If-Modified-Since and ranges, and is packed for who accepts gzip",
                |cx| Box::pin(conditions(cx)),
            )
            .each_protocol(),
    ]
}

async fn ask(cx: &Context<'_>, headers: &[(&str, &str)]) -> Result<Reply, Stop> {
    let reader = headers
        .iter()
        .fold(cx.reader(), |ask, (name, value)| ask.header(name, value));
    reader.get(PATH).await
}

async fn conditions(cx: &Context<'_>) -> Verdict {
    let whole = ask(cx, &[]).await?;
    whole.is(200)?;
    let (etag, modified) = (whole.header("etag"), whole.header("last-modified"));
    ensure(!modified.is_empty(), "Last-Modified", whole.seen())?;
    let old = "Sat, 01 Jan 2000 00:00:00 GMT";
    for (headers, code) in [
        (vec![("If-Match", etag)], 200),
        (vec![("If-Match", "*")], 200),
        (vec![("If-Match", "\"other\"")], 412),
        (vec![("If-Unmodified-Since", old)], 412),
        (vec![("If-Unmodified-Since", modified)], 200),
        (vec![("If-Modified-Since", modified)], 304),
        (vec![("If-Modified-Since", old)], 200),
        (vec![("If-Modified-Since", "yesterday")], 200),
        (
            vec![
                ("If-None-Match", "\"other\""),
                ("If-Modified-Since", modified),
            ],
            200,
        ),
        (
            vec![("If-Match", "\"other\""), ("If-None-Match", etag)],
            412,
        ),
        (vec![("Range", "bytes=0-9")], 206),
        (vec![("Range", "bytes=0-9"), ("If-Range", etag)], 206),
        (vec![("Range", "bytes=0-9"), ("If-Range", "\"other\"")], 200),
        (vec![("Range", "bytes=999999999-")], 416),
        (vec![("Range", "bytes=x")], 416),
        (vec![("Range", "lines=1-2")], 416),
    ] {
        let reply = ask(cx, &headers).await?;
        ensure(
            reply.code() == code,
            format!("{code} to {headers:?}"),
            reply.code(),
        )?;
    }
    let part = ask(cx, &[("Range", "bytes=3-9")]).await?;
    let size = whole.answer.body.len();
    part.has("content-range", &format!("bytes 3-9/{size}"))?;
    equal(
        "part",
        Some(&part.answer.body[..]),
        whole.answer.body.get(3..10),
    )?;
    let packed = ask(cx, &[("Accept-Encoding", "gzip")]).await?;
    packed.is(200)?.has("content-encoding", "gzip")?;
    let mut unpacked = Vec::new();
    let read = GzDecoder::new(&packed.answer.body[..]).read_to_end(&mut unpacked);
    ensure(
        read.is_ok() && unpacked == whole.answer.body,
        "the same document in gzip",
        format!("{read:?}"),
    )
}
