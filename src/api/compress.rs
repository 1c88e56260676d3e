//! gzip for large answers.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// Bodies up to this size go out as they are, as in Kubernetes: compressing them costs more than it
/// saves.
pub(super) const THRESHOLD: usize = 128 * 1024;

/// Whether the client takes gzip: the bare token must be there, as Kubernetes asks, so `gzip;q=0`
/// does not count.
#[must_use]
pub(super) fn accepts_gzip(parts: &Parts) -> bool {
    let accepted = parts.headers.get_all(ACCEPT_ENCODING).into_iter();
    accepted
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .any(|token| token.trim_ascii() == b"gzip")
}

/// Compresses a response whose body is above [`THRESHOLD`], if the client takes gzip and it is not
/// yet encoded.
#[must_use]
pub(super) fn compress(parts: &Parts, response: Response<Bytes>) -> Response<Bytes> {
    compress_above(THRESHOLD, parts, response)
}

/// The same with another threshold. A part of a body stays what it is.
#[must_use]
pub(super) fn compress_above(
    threshold: usize,
    parts: &Parts,
    response: Response<Bytes>,
) -> Response<Bytes> {
    let encoded = response.headers().contains_key(CONTENT_ENCODING)
        || response.status() == StatusCode::PARTIAL_CONTENT;
    if encoded || response.body().len() <= threshold || !accepts_gzip(parts) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Some(compressed) = gzip(&body) else {
        return Response::from_parts(head, body);
    };
    mark_as_gzip(&mut head.headers);
    Response::from_parts(head, compressed)
}

/// The headers of a body that is gzip.
pub(super) fn mark_as_gzip(headers: &mut HeaderMap) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
}

/// gzip at level 1, as Kubernetes does it; `None` if that failed, which it does not in memory.
#[must_use]
pub(super) fn gzip(body: &[u8]) -> Option<Bytes> {
    let buffer = Vec::with_capacity(body.len() / 4);
    let mut encoder = GzEncoder::new(buffer, Compression::new(1));
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use http::Request;

    use super::*;

    fn parts(accept: Option<&str>) -> Parts {
        let mut request = Request::builder();
        if let Some(accept) = accept {
            request = request.header("accept-encoding", accept);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn answer(accept: Option<&str>, size: usize) -> Response<Bytes> {
        compress(&parts(accept), Response::new(vec![b'x'; size].into()))
    }

    #[test]
    fn a_large_body_is_compressed_for_who_takes_it() {
        for accept in ["gzip", "deflate, gzip", " gzip ,br"] {
            let response = answer(Some(accept), THRESHOLD + 1);
            assert_eq!(response.headers()["content-encoding"], "gzip");
            assert_eq!(response.headers()["vary"], "Accept-Encoding");
            let mut body = Vec::new();
            let mut decoder = GzDecoder::new(response.body().as_ref());
            decoder.read_to_end(&mut body).unwrap();
            assert_eq!(body, vec![b'x'; THRESHOLD + 1]);
        }
    }

    #[test]
    fn every_other_body_goes_out_as_it_is() {
        for (accept, size) in [
            (Some("gzip"), THRESHOLD),
            (None, THRESHOLD + 1),
            (Some("gzip;q=0"), THRESHOLD + 1),
            (Some("identity"), THRESHOLD + 1),
            (Some("x-gzip, *"), THRESHOLD + 1),
        ] {
            let response = answer(accept, size);
            assert!(response.headers().is_empty(), "{accept:?}");
            assert_eq!(response.body().len(), size);
        }
    }

    #[test]
    fn what_is_encoded_already_is_not_encoded_again() {
        let mut response = Response::new(Bytes::from(vec![0; THRESHOLD + 1]));
        mark_as_gzip(response.headers_mut());
        let response = compress(&parts(Some("gzip")), response);
        assert_eq!(response.body().len(), THRESHOLD + 1);
    }
}
