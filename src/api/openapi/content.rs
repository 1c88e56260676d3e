//! A document that is served as Go serves a file: with preconditions and parts of it
//! (`http.ServeContent`, RFC 9110, 13 and 14).

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

use crate::apimachinery::plain;
use crate::domain::Timestamp;

/// What a request asks of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Nothing we give parts for: no range, several of them, or more than there is.
    Whole,
    /// The bytes from the first to the second, both included.
    Bytes(usize, usize),
    /// No range at all.
    Nonsense,
    /// A range behind the end.
    Nowhere,
}

/// Turns the whole answer, which has `ETag` and `Last-Modified`, or the 304 `If-None-Match` has made
/// of it, into what the request's other preconditions and its range make of it. Several ranges get the whole document: Go would send them
/// apart, which nobody must rely on.
pub(super) fn serve(request: &HeaderMap, whole: Response<Bytes>) -> Response<Bytes> {
    let (etag, modified) = (
        whole.headers().get(ETAG),
        whole.headers().get(LAST_MODIFIED),
    );
    let (etag, modified) = (etag.map(HeaderValue::as_bytes), modified.and_then(seconds));
    let since = |name: HeaderName| request.get(name).and_then(seconds).zip(modified);
    let fulfilled = match request.get(IF_MATCH) {
        Some(tags) => etag.is_some_and(|etag| has_tag(tags, etag)),
        None => since(IF_UNMODIFIED_SINCE).is_none_or(|(asked, modified)| modified <= asked),
    };
    if !fulfilled {
        return emptied(whole, StatusCode::PRECONDITION_FAILED);
    }
    if whole.status() != StatusCode::OK {
        return whole;
    }
    let known = since(IF_MODIFIED_SINCE).is_some_and(|(asked, modified)| modified <= asked);
    if known && !request.contains_key(IF_NONE_MATCH) {
        let mut response = emptied(whole, StatusCode::NOT_MODIFIED);
        response.headers_mut().remove(CONTENT_TYPE);
        return response;
    }
    let same = match request.get(IF_RANGE) {
        None => true,
        Some(value) if value.as_bytes().starts_with(b"\"") => etag == Some(value.as_bytes()),
        Some(value) => modified.is_some() && seconds(value) == modified,
    };
    let range = request.get(RANGE).filter(|_| same);
    let part = range.map_or(Part::Whole, |range| part(range, whole.body().len()));
    cut(whole, part)
}

fn cut(whole: Response<Bytes>, part: Part) -> Response<Bytes> {
    let size = whole.body().len();
    let (code, range, words) = match part {
        Part::Whole => (StatusCode::OK, String::new(), ""),
        Part::Bytes(from, to) => {
            let range = format!("bytes {from}-{to}/{size}");
            (StatusCode::PARTIAL_CONTENT, range, "")
        }
        Part::Nonsense => {
            let code = StatusCode::RANGE_NOT_SATISFIABLE;
            (code, String::new(), "invalid range")
        }
        Part::Nowhere => {
            let code = StatusCode::RANGE_NOT_SATISFIABLE;
            let words = "invalid range: failed to overlap";
            (code, format!("bytes */{size}"), words)
        }
    };
    let (mut head, body) = whole.into_parts();
    let mut response = if words.is_empty() {
        let body = match part {
            Part::Bytes(from, to) => body.slice(from..=to),
            Part::Whole | Part::Nonsense | Part::Nowhere => body,
        };
        head.headers
            .insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        Response::from_parts(head, body)
    } else {
        plain::plain_text(code, words)
    };
    *response.status_mut() = code;
    if let Ok(range) = HeaderValue::try_from(range)
        && !range.is_empty()
    {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

fn emptied(whole: Response<Bytes>, code: StatusCode) -> Response<Bytes> {
    let mut response = whole.map(|_| Bytes::new());
    *response.status_mut() = code;
    response
}

/// `If-Match` compares strongly: a weak tag is none.
fn has_tag(tags: &HeaderValue, etag: &[u8]) -> bool {
    let mut tags = tags
        .as_bytes()
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag == etag)
}

/// A range of bytes, of a document of this size.
fn part(range: &HeaderValue, size: usize) -> Part {
    let Some(ranges) = range.to_str().ok().and_then(|r| r.strip_prefix("bytes=")) else {
        return Part::Nonsense;
    };
    let mut ranges = ranges.split(',').map(str::trim).filter(|r| !r.is_empty());
    let (Some(one), None) = (ranges.next(), ranges.next()) else {
        return Part::Whole;
    };
    let Some((first, last)) = one.split_once('-') else {
        return Part::Nonsense;
    };
    let number = |text: &str| -> Option<usize> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(usize::MAX))
    };
    let Some(end) = size.checked_sub(1) else {
        return Part::Whole;
    };
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            None => Part::Nonsense,
            Some(0) => Part::Nowhere,
            Some(count) => Part::Bytes(size.saturating_sub(count), end),
        },
        (first, "") => match number(first) {
            None => Part::Nonsense,
            Some(from) if from > end => Part::Nowhere,
            Some(from) => Part::Bytes(from, end),
        },
        (first, last) => match number(first).zip(number(last)) {
            None => Part::Nonsense,
            Some((from, _)) if from > end => Part::Nowhere,
            Some((from, to)) if from > to => Part::Nonsense,
            Some((from, to)) => Part::Bytes(from, to.min(end)),
        },
    }
}

/// The seconds since the epoch of a date as HTTP writes it; `None` for what is none.
fn seconds(date: &HeaderValue) -> Option<i64> {
    let date = date.to_str().ok()?;
    let date = DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(date.as_second())
}

/// A stamp as HTTP writes it (RFC 9110, 5.6.7); the epoch for one no calendar holds.
pub(super) fn http_date(at: Timestamp) -> HeaderValue {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .ok()
        .and_then(|date| HeaderValue::try_from(date).ok())
        .unwrap_or_else(|| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: &str = "Sat, 21 Nov 2026 09:31:20 GMT";
    const BEFORE: &str = "Sat, 21 Nov 2026 09:31:19 GMT";

    fn served(headers: &[(&'static str, &'static str)]) -> Response<Bytes> {
        let mut request = HeaderMap::new();
        for (name, value) in headers {
            request.append(*name, HeaderValue::from_static(value));
        }
        let mut whole = Response::new(Bytes::from_static(b"0123456789"));
        for (name, value) in [
            (ETAG, "\"x\""),
            (LAST_MODIFIED, MADE),
            (CONTENT_TYPE, "a/b"),
        ] {
            whole
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        serve(&request, whole)
    }

    #[test]
    fn preconditions_are_judged_as_go_judges_them() {
        for (headers, code) in [
            (vec![], 200),
            (vec![("if-match", "\"x\"")], 200),
            (vec![("if-match", "\"y\", \"x\"")], 200),
            (vec![("if-match", "*")], 200),
            (vec![("if-match", "W/\"x\"")], 412),
            (vec![("if-match", "\"y\"")], 412),
            (
                vec![("if-match", "\"x\""), ("if-unmodified-since", BEFORE)],
                200,
            ),
            (vec![("if-unmodified-since", BEFORE)], 412),
            (vec![("if-unmodified-since", MADE)], 200),
            (vec![("if-modified-since", MADE)], 304),
            (vec![("if-modified-since", BEFORE)], 200),
            (vec![("if-modified-since", "yesterday")], 200),
            (
                vec![("if-modified-since", MADE), ("if-none-match", "\"y\"")],
                200,
            ),
        ] {
            let response = served(&headers);
            assert_eq!(response.status(), code, "{headers:?}");
            assert_eq!(response.body().is_empty(), code != 200, "{headers:?}");
        }
    }

    #[test]
    fn a_range_is_cut_out() {
        for (range, code, body, told) in [
            ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
            ("bytes=8-", 206, "89", "bytes 8-9/10"),
            ("bytes=-2", 206, "89", "bytes 8-9/10"),
            ("bytes=-99", 206, "0123456789", "bytes 0-9/10"),
            (
                "bytes=7-99999999999999999999999",
                206,
                "789",
                "bytes 7-9/10",
            ),
            ("bytes=0-1,3-4", 200, "0123456789", ""),
            ("bytes=", 200, "0123456789", ""),
            (
                "bytes=10-",
                416,
                "invalid range: failed to overlap\n",
                "bytes */10",
            ),
            ("bytes=3-1", 416, "invalid range\n", ""),
            ("bytes=a-b", 416, "invalid range\n", ""),
            ("lines=1-2", 416, "invalid range\n", ""),
        ] {
            let response = served(&[("range", range)]);
            assert_eq!(response.status(), code, "{range}");
            assert_eq!(response.body(), body, "{range}");
            let seen = response.headers().get(CONTENT_RANGE);
            assert_eq!(seen.map_or("", |v| v.to_str().unwrap()), told, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_document_is_not_cut_out() {
        for (tag, code) in [("\"x\"", 206), (MADE, 206), ("\"y\"", 200), (BEFORE, 200)] {
            let response = served(&[("range", "bytes=0-3"), ("if-range", tag)]);
            assert_eq!(response.status(), code, "{tag}");
        }
    }
}
