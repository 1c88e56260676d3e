//! The secrets of a request, struck out of what a server says to it: some repeat what they were sent,
//! and what they say is logged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;

use crate::apimachinery::percent_encode;

/// Texts nobody may see, the longest first.
pub(super) struct Unseen(Vec<String>);

/// A shorter text may stand anywhere by chance, and is no secret worth the name.
const SHORTEST: usize = 4;
const STRUCK: &[u8] = b"***";

impl Unseen {
    /// What stands in headers that are marked as sensitive: after the scheme, and for a user and a
    /// password the password as it was before it was encoded.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut texts = Vec::new();
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        for text in sensitive.filter_map(|value| value.to_str().ok()) {
            let (scheme, secret) = text.split_once(' ').unwrap_or(("", text));
            texts.push(secret.to_owned());
            texts.extend(password(secret).filter(|_| scheme == "Basic"));
        }
        let encoded: Vec<_> = texts.iter().map(|text| percent_encode(text, "")).collect();
        texts.extend(encoded);
        texts.retain(|text| text.len() >= SHORTEST);
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Self(texts)
    }

    /// What was said, with three asterisks for each of them.
    pub(super) fn strike_out(&self, said: Bytes) -> Bytes {
        self.0.iter().fold(said, |said, text| strike(said, text))
    }
}

fn password(encoded: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(password.to_owned())
}

fn strike(said: Bytes, text: &str) -> Bytes {
    let mut places = memmem::find_iter(&said, text).peekable();
    if places.peek().is_none() {
        return said;
    }
    let mut struck = Vec::with_capacity(said.len());
    let mut from = 0;
    for place in places {
        struck.extend_from_slice(said.get(from..place).unwrap_or_default());
        struck.extend_from_slice(STRUCK);
        from = place + text.len();
    }
    struck.extend_from_slice(said.get(from..).unwrap_or_default());
    struck.into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;

    fn headers(sensitive: &str) -> HeaderMap {
        let mut value = HeaderValue::try_from(sensitive).unwrap();
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value);
        headers.insert("x-plain", HeaderValue::from_static("plain text"));
        headers
    }

    #[test]
    fn what_was_sent_in_secret_is_not_seen_in_what_is_said() {
        let pair = STANDARD.encode("me:s3cr et");
        for (sent, said, seen) in [
            (
                format!("Basic {pair}"),
                format!("no: Basic {pair}, me:s3cr et, s3cr%20et"),
                "no: Basic ***, me:***, ***",
            ),
            (
                "Bearer abcdef".to_owned(),
                "abcdefabcdef is not known; plain text".to_owned(),
                "****** is not known; plain text",
            ),
            (
                "key-of-mine".to_owned(),
                "x-key: key-of-mine".to_owned(),
                "x-key: ***",
            ),
            ("Token abc".to_owned(), "abc".to_owned(), "abc"),
            ("Bearer abcdef".to_owned(), "nothing".to_owned(), "nothing"),
        ] {
            let unseen = Unseen::of(&headers(&sent));
            assert_eq!(unseen.strike_out(said.into()), seen, "{sent}");
        }
        let broken = Bytes::from_static(b"\xff abcdef \xff");
        let seen = Unseen::of(&headers("Bearer abcdef")).strike_out(broken);
        assert_eq!(seen, &b"\xff *** \xff"[..]);
    }
}
