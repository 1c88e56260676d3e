//! Documents that change rarely: entity tags, and 304 for who has the newest one already.

use aws_lc_rs::digest::{SHA512, digest};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// The entity tag of a document: the SHA-512 hash of its text in upper case hexadecimal, as
/// Kubernetes tags them.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    hash: String,
    header: HeaderValue,
}

impl Tag {
    /// The tag of this text.
    pub(super) fn of(text: &[u8]) -> Self {
        let hash = upper_hex_sha512(text);
        // Hexadecimal digits in quotes are always a header value.
        let header = HeaderValue::try_from(format!("\"{hash}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { hash, header }
    }

    /// The hash alone.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Answers with the document, or with 304 when the request says that it is known (RFC 9110,
    /// 13.1.2).
    ///
    /// `ETag` and `Vary: Accept` are in both answers.
    pub(super) fn answer(
        &self,
        request: &HeaderMap,
        content_type: HeaderValue,
        body: impl FnOnce() -> Bytes,
    ) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        if is_known(request, self.header.as_bytes()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = body();
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        let headers = response.headers_mut();
        headers.insert(ETAG, self.header.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        response
    }
}

fn upper_hex_sha512(text: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    digest(&SHA512, text)
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
            Tag::of(b"abc").hash(),
            "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A\
             2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F"
        );
    }

    #[test]
    fn a_known_document_is_not_sent_again() {
        let document = Tag::of(b"{}");
        let tag = format!("\"{}\"", document.hash());
        for (if_none_match, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            (document.hash().to_owned(), 200),
        ] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, if_none_match.parse().unwrap())]);
            let json = HeaderValue::from_static("application/json");
            let answer = document.answer(&headers, json, || Bytes::from_static(b"{}"));
            assert_eq!(answer.status(), status, "{if_none_match}");
            assert_eq!(answer.body().is_empty(), status == 304);
            assert_eq!(answer.headers()[ETAG], tag);
            assert_eq!(answer.headers()[VARY], "Accept");
        }
    }
}
