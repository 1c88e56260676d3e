//! What form of an answer a client takes, as Heapster's router asks.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Gzip,
    /// zlib's format, as RFC 9110 says.
    Deflate,
}

/// Whether a client takes JSON. Heapster compares to the letter: `application/json` or `*/*` must
/// be there, `application/*` does not count and weights do not matter.
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    let accept = first(headers, &ACCEPT);
    accept.is_empty()
        || accept.split(',').any(|clause| {
            let media_type = clause.split(';').next().unwrap_or_default();
            matches!(media_type.trim(), "application/json" | "*/*")
        })
}

/// Compresses a body of any size, errors too, with whichever of gzip and deflate the client names
/// first. Unlike Heapster, takes a weight of zero for the refusal it is.
pub(super) fn compress(headers: &HeaderMap, response: Response<Bytes>) -> Response<Bytes> {
    let Some(encoding) = encoding(first(headers, &ACCEPT_ENCODING)) else {
        return response;
    };
    let (mut head, body) = response.into_parts();
    let Some(body) = encoding.apply(&body) else {
        return Response::from_parts(head, body);
    };
    let name = HeaderValue::from_static(encoding.name());
    head.headers.insert(CONTENT_ENCODING, name);
    let vary = HeaderValue::from_static("Accept-Encoding");
    head.headers.append(VARY, vary);
    Response::from_parts(head, body)
}

/// Go reads the first line of a header that comes in several.
fn first<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h str {
    let value = headers.get(name).map(HeaderValue::to_str);
    value.and_then(Result::ok).unwrap_or_default()
}

fn encoding(accepted: &str) -> Option<Encoding> {
    accepted.split(',').find_map(|clause| {
        let (coding, parameters) = clause.split_once(';').unwrap_or((clause, ""));
        let weight = parameters.trim().strip_prefix("q=");
        if weight.is_some_and(|q| q.trim().parse::<f64>() == Ok(0.0)) {
            return None;
        }
        match coding.trim() {
            "gzip" => Some(Encoding::Gzip),
            "deflate" => Some(Encoding::Deflate),
            _ => None,
        }
    })
}

impl Encoding {
    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The body compressed at level 1; `None` if that failed, which it does not in memory.
    fn apply(self, body: &[u8]) -> Option<Bytes> {
        let buffer = Vec::with_capacity(body.len() / 4 + 64);
        let level = Compression::new(1);
        let compressed = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(buffer, level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(buffer, level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
        };
        compressed.ok().map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::{GzDecoder, ZlibDecoder};

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_json_or_anything_is_acceptable() {
        for (accept, taken) in [
            ("", true),
            ("application/json", true),
            ("*/*", true),
            ("text/html, application/json;q=0", true),
            ("text/html,*/*;q=0.8", true),
            ("application/*", false),
            ("text/html", false),
        ] {
            assert_eq!(takes_json(&headers(ACCEPT, accept)), taken, "{accept}");
        }
        assert!(takes_json(&HeaderMap::new()));
    }

    #[test]
    fn the_encoding_named_first_is_used() {
        for (accept, expected) in [
            ("gzip", Some(Encoding::Gzip)),
            ("deflate, gzip", Some(Encoding::Deflate)),
            ("br, gzip;q=0.5, deflate", Some(Encoding::Gzip)),
            ("gzip;q=0, deflate", Some(Encoding::Deflate)),
            ("identity", None),
            ("", None),
        ] {
            assert_eq!(encoding(accept), expected, "{accept}");
        }
    }

    #[test]
    fn bodies_come_out_as_they_went_in() {
        let text = "404: Page Not Found";
        let answer = |accept| {
            let headers = headers(ACCEPT_ENCODING, accept);
            compress(&headers, Response::new(Bytes::from(text)))
        };
        let mut body = String::new();
        let gzip = answer("gzip");
        assert_eq!(gzip.headers()[CONTENT_ENCODING], "gzip");
        GzDecoder::new(gzip.body().as_ref())
            .read_to_string(&mut body)
            .unwrap();
        let deflate = answer("deflate");
        assert_eq!(deflate.headers()[CONTENT_ENCODING], "deflate");
        ZlibDecoder::new(deflate.body().as_ref())
            .read_to_string(&mut body)
            .unwrap();
        assert_eq!(body, text.repeat(2));
        assert!(answer("br").headers().is_empty());
    }
}
