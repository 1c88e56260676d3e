//! What Kubernetes reads from the head of a request for a WebSocket (RFC 6455).

use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue};

/// Whether a request asks for a WebSocket, as `wsstream.IsWebSocketRequest` sees it.
#[must_use]
pub fn is_websocket_request(headers: &HeaderMap) -> bool {
    let to = headers.get(UPGRADE).map(HeaderValue::as_bytes);
    to.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"))
        && headers.get_all(CONNECTION).iter().any(|value| {
            let mut words = value.as_bytes().windows("upgrade".len());
            words.any(|word| word.eq_ignore_ascii_case(b"upgrade"))
        })
}

/// The subprotocols a client offers, in its order and over all lines of the header; empty ones where
/// it wrote nothing between commas. What is no ASCII text offers nothing.
pub fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',').map(str::trim))
}

/// Leaves of the offered subprotocols those that are kept, in one line; and nothing of a line that is
/// no text.
pub fn retain_subprotocols(headers: &mut HeaderMap, keep: impl Fn(&str) -> bool) {
    let mut lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    if lines.all(|line| line.to_str().is_ok()) && subprotocols(headers).all(&keep) {
        return;
    }
    let kept: Vec<&str> = subprotocols(headers).filter(|one| keep(one)).collect();
    let kept = HeaderValue::try_from(kept.join(","));
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = kept.ok().filter(|kept| !kept.is_empty()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_websocket_is_asked_for_by_two_headers_in_any_case() {
        for (lines, asked) in [
            (
                vec![("upgrade", "websocket"), ("connection", "Upgrade")],
                true,
            ),
            (
                vec![
                    ("upgrade", "WebSocket"),
                    ("connection", "keep-alive"),
                    ("connection", "x, UPGRADE"),
                ],
                true,
            ),
            (
                vec![("upgrade", "websocket"), ("connection", "close")],
                false,
            ),
            (vec![("upgrade", "websocket")], false),
            (vec![("connection", "Upgrade")], false),
            (vec![("upgrade", "h2c"), ("connection", "Upgrade")], false),
        ] {
            assert_eq!(is_websocket_request(&headers(&lines)), asked, "{lines:?}");
        }
    }

    #[test]
    fn subprotocols_are_kept_in_their_order() {
        let name = "sec-websocket-protocol";
        let offered = headers(&[(name, "a, b"), (name, "c,,a")]);
        let all: Vec<&str> = subprotocols(&offered).collect();
        assert_eq!(all, ["a", "b", "c", "", "a"]);
        for (gone, left) in [("b", "a,c,,a"), ("x", "a, b"), ("a", "b,c,")] {
            let mut offered = offered.clone();
            retain_subprotocols(&mut offered, |one| one != gone);
            assert_eq!(offered[name], left);
        }
        let mut unreadable = offered.clone();
        unreadable.append(name, HeaderValue::from_bytes(b"d,\xff").unwrap());
        retain_subprotocols(&mut unreadable, |_| true);
        assert_eq!(unreadable[name], "a,b,c,,a");
        let mut one = headers(&[(name, "a")]);
        retain_subprotocols(&mut one, |_| false);
        assert!(one.is_empty());
    }
}
