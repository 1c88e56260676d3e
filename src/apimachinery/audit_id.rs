//! The ID by which a request is found again in the logs of everybody it passed.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

/// The header it comes and goes in.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// The request's own ID, whatever its bytes are, or a new one when it has none or an empty one.
#[must_use]
pub fn audit_id(headers: &HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get(AUDIT_ID).filter(|id| !id.is_empty()) {
        return id.clone();
    }
    let id = Uuid::new_v4().to_string();
    // Hexadecimal digits and dashes are always a valid value.
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_own_id_counts_and_an_empty_one_does_not() {
        let of = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            audit_id(&HeaderMap::from_iter([(AUDIT_ID, value)]))
        };
        assert_eq!(of(b"mine").as_bytes(), b"mine");
        assert_eq!(of(b"\xff").as_bytes(), b"\xff");
        assert_eq!(of(b"").len(), 36);
        assert_ne!(
            audit_id(&HeaderMap::new()),
            audit_id(&HeaderMap::new()),
            "each request has its own"
        );
    }
}
