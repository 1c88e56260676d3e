//! gzip for large answers.

use std::io::Write;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::lifecycle::in_parts;

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

/// gzip at level 1, as Kubernetes does it, by several threads where that is worth it; `None` if it
/// failed, which it does not in memory.
///
/// It is one stream of one member, which every reader understands: each part is compressed by
/// itself, ends at a byte, and refers to nothing before it (RFC 1951, 3.2.4 and 3.3).
#[must_use]
pub(super) fn gzip(body: &[u8]) -> Option<Bytes> {
    let head = Part {
        compressed: HEADER.to_vec(),
        ..Part::default()
    };
    let mut parts = in_parts(body, COMPRESSED_BY_ONE, head, Part::with).into_iter();
    let mut whole = parts.next()?;
    for part in parts {
        whole.compressed.extend_from_slice(&part.compressed);
        whole.check.combine(&part.check);
        whole.failed |= part.failed;
    }
    let Part {
        mut compressed,
        check,
        failed,
    } = whole;
    end(&mut compressed, &check);
    (!failed).then(|| compressed.into())
}

/// The same of a body that is made piece by piece. Nothing is kept between two pieces but their
/// checksum: a compressor takes some 300 KiB.
#[derive(Debug, Default)]
pub(super) struct GzipPieces {
    check: Crc,
    begun: bool,
}

impl GzipPieces {
    /// The next piece, compressed, and the end after it if it is the last. Should compressing it
    /// have failed, which it does not in memory, the checksum tells the reader.
    pub(super) fn piece(&mut self, body: &[u8], last: bool) -> Bytes {
        let head = if self.begun { &[][..] } else { HEADER };
        self.begun = true;
        let part = Part {
            compressed: head.to_vec(),
            ..Part::default()
        };
        let Part {
            mut compressed,
            check,
            ..
        } = part.with(body);
        self.check.combine(&check);
        if last {
            end(&mut compressed, &self.check);
        }
        compressed.into()
    }
}

/// What stands behind the last part.
fn end(compressed: &mut Vec<u8>, check: &Crc) {
    compressed.extend_from_slice(LAST_BLOCK);
    compressed.extend_from_slice(&check.sum().to_le_bytes());
    compressed.extend_from_slice(&check.amount().to_le_bytes());
}

/// Nothing is known of the file, the compressor was the fastest, the system is unknown (RFC 1952).
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// The last block, which is empty (RFC 1951, 3.2.6).
const LAST_BLOCK: &[u8] = &[3, 0];
/// Less is compressed by one thread, in a few milliseconds.
const COMPRESSED_BY_ONE: usize = 1024 * 1024;

/// A part of a body.
#[derive(Default)]
struct Part {
    /// Blocks that end at a byte, none of them the last.
    compressed: Vec<u8>,
    check: Crc,
    failed: bool,
}

impl Part {
    fn with(mut self, body: &[u8]) -> Self {
        self.compressed.reserve(body.len() / 4);
        let mut encoder = DeflateEncoder::new(self.compressed, Compression::new(1));
        self.failed = encoder
            .write_all(body)
            .and_then(|()| encoder.flush())
            .is_err();
        self.compressed = std::mem::take(encoder.get_mut());
        self.check.update(body);
        self
    }
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
    fn a_body_that_several_threads_compress_is_one_stream() {
        let workers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap();
        let _entered = workers.enter();
        let line = |n: usize| format!("{} {}\n", n, n.wrapping_mul(0x9e37_79b9) % 1000);
        let text: String = (0..400_000).map(line).collect();
        for size in [
            0,
            1,
            COMPRESSED_BY_ONE,
            3 * COMPRESSED_BY_ONE + 7,
            text.len(),
        ] {
            let body = &text.as_bytes()[..size];
            let compressed = gzip(body).unwrap();
            assert!(compressed.len() < 100 + size / 2);
            // This one reads a single member, and holds it to its checksum and length.
            let mut decoder = GzDecoder::new(compressed.as_ref());
            let mut read = Vec::new();
            decoder.read_to_end(&mut read).unwrap();
            assert_eq!(read, body, "{size}");
            assert!(decoder.into_inner().is_empty(), "{size}");
        }
    }

    #[test]
    fn pieces_are_one_stream_together() {
        let text: String = (0..50_000).map(|n| format!("{n},")).collect();
        for cuts in [1, 2, 7] {
            let mut pieces = GzipPieces::default();
            let size = text.len().div_ceil(cuts);
            let parts: Vec<_> = text.as_bytes().chunks(size).collect();
            let last = parts.len() - 1;
            let each = parts.iter().enumerate();
            let each = each.map(|(at, part)| pieces.piece(part, at == last));
            let compressed: Vec<u8> = each.flatten().collect();
            let mut decoder = GzDecoder::new(compressed.as_slice());
            let mut read = String::new();
            decoder.read_to_string(&mut read).unwrap();
            assert!(read == text && decoder.into_inner().is_empty(), "{cuts}");
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
