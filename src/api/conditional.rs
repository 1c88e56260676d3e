//! Documents that change rarely: entity tags, and 304 for who has the newest one already.

use aws_lc_rs::digest::{SHA512, digest};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// A document in one encoding, with its tag.
#[derive(Clone, Debug)]
pub(super) struct Tagged {
    body: Bytes,
    content_type: &'static str,
    hash: String,
    tag: HeaderValue,
}

impl Tagged {
    /// Tags a document with the hash of its own bytes.
    pub(super) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let hash = upper_hex_sha512(&body);
        Self::with_hash(content_type, body, hash)
    }

    /// Tags a document with a hash of the caller's.
    pub(super) fn with_hash(content_type: &'static str, body: Bytes, hash: String) -> Self {
        // Hexadecimal digits in quotes are a header value.
        let tag = HeaderValue::try_from(format!("\"{hash}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self {
            body,
            content_type,
            hash,
            tag,
        }
    }

    /// The hash, in upper case hexadecimal.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Answers with the document, or with 304 when the request says that it is known (RFC 9110, 13.1.2).
    ///
    /// `ETag` and `Vary: Accept` are in both answers.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response<Bytes> {
        let known = is_known(request, self.tag.as_bytes());
        let mut response = Response::new(if known { Bytes::new() } else { self.body.clone() });
        let headers = response.headers_mut();
        headers.insert(ETAG, self.tag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        response
    }
}

/// The SHA-512 hash in upper case hexadecimal, which is how Kubernetes tags its documents.
pub(super) fn upper_hex_sha512(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    digest(&SHA512, bytes)
        .as_ref()
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

/// Tells whether `If-None-Match` names the tag, comparing weakly as the RFC wants it there.
fn is_known(request: &HeaderMap, tag: &[u8]) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|one| one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha512_in_upper_case() {
        // FIPS 180-2, appendix C.1.
        assert_eq!(
            upper_hex_sha512(b"abc"),
            "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A\
             2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F"
        );
    }

    #[test]
    fn a_known_document_is_not_sent_again() {
        let document = Tagged::new("application/json", "{}");
        let tag = format!("\"{}\"", document.hash());
        for (if_none_match, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            (document.hash().to_owned(), 200),
        ] {
            let headers =
                HeaderMap::from_iter([(IF_NONE_MATCH, if_none_match.parse().unwrap())]);
            let answer = document.answer(&headers);
            assert_eq!(answer.status(), status, "{if_none_match}");
            assert_eq!(answer.body().is_empty(), status == 304);
            assert_eq!(answer.headers()[ETAG], tag);
            assert_eq!(answer.headers()[VARY], "Accept");
        }
    }
}
