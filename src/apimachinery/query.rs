//! The query of a request and the percent-encoding of its path, read as Go's `net/url` reads them.

use std::borrow::Cow;
use std::fmt::Write;

/// The decoded pairs of a query, in their order.
///
/// As `URL.Query` does, skips what is malformed: a pair with a bad escape or a semicolon. Bytes
/// that are no UTF-8 become U+FFFD. The server bounds the length of a URI, and with it this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// A percent sign that is not followed by two hexadecimal digits, or escapes that decode to no
/// UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid URL escape")]
pub struct InvalidEscape;

impl Query {
    /// Reads the part of a URI after `?`.
    #[must_use]
    pub fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&');
        Self(
            pairs
                .filter(|pair| !pair.is_empty() && !pair.contains(';'))
                .filter_map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    Some((component(key)?, component(value)?))
                })
                .collect(),
        )
    }

    /// The first value of `key`.
    #[must_use]
    pub fn first(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Every value of `key`, in order.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// Every key as often as it stands there, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Whether `key` asks for something, by the rule of Kubernetes' conversion of booleans: absent,
    /// `0` and `false` (in any case) are false, everything else is true, the empty text included.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        self.first(key)
            .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }
}

/// Decodes the percent-encoding of a path, where `+` stands for itself.
///
/// # Errors
/// [`InvalidEscape`] when an escape is malformed or the bytes are no UTF-8; Go's server answers 400
/// to the former.
pub fn decode_path(path: &str) -> Result<Cow<'_, str>, InvalidEscape> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let bytes = unescape(path).ok_or(InvalidEscape)?;
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| InvalidEscape)
}

/// Decodes the path of a request as Go does, which takes any bytes for text. Bytes that are no
/// UTF-8 become U+FFFD, as they do on Go's way into JSON: to the authorizer and to the answer.
///
/// # Errors
/// [`InvalidEscape`] when an escape is malformed.
pub fn decode_path_lossily(path: &str) -> Result<Cow<'_, str>, InvalidEscape> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let bytes = unescape(path).ok_or(InvalidEscape)?;
    Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Percent-encodes all but the unreserved characters of RFC 3986 and those that are `kept`, all of
/// which must be ASCII.
#[must_use]
pub fn percent_encode(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || "-._~".contains(c) || kept.contains(c) => {
                encoded.push(c);
            }
            _ => {
                // Nothing fails that writes to a text.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Encodes a path as Go's `URL.String` does.
#[must_use]
pub fn encode_path(path: &str) -> String {
    percent_encode(path, "$&+,/:;=@")
}

/// Encodes a query's component as Go's `url.QueryEscape` does.
#[must_use]
pub fn query_escape(text: &str) -> String {
    percent_encode(text, "").replace("%20", "+")
}

fn component(text: &str) -> Option<String> {
    let bytes = unescape(&text.replace('+', " "))?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_go_reads_it() {
        let query = Query::parse(Some("a=1&b=x%2Cy+z&a=2&bad=%zz&also;bad=1&flag&=v"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.first("b"), Some("x,y z"));
        assert_eq!(query.first("bad"), None);
        assert_eq!(query.first("flag"), Some(""));
        assert_eq!(Query::parse(None), Query::default());
    }

    #[test]
    fn what_is_encoded_is_read_as_it_was() {
        let text = "a b+c/d?e=f&g#%é~";
        assert_eq!(
            percent_encode(text, "/"),
            "a%20b%2Bc/d%3Fe%3Df%26g%23%25%C3%A9~"
        );
        assert_eq!(decode_path(&encode_path(text)), Ok(text.into()));
        let query = format!("k={}", query_escape(text));
        assert!(query.starts_with("k=a+b%2Bc%2Fd"));
        assert_eq!(Query::parse(Some(&query)).first("k"), Some(text));
    }

    #[test]
    fn only_zero_and_false_are_false() {
        for (query, expected) in [
            ("", false),
            ("watch=0", false),
            ("watch=False", false),
            ("watch", true),
            ("watch=", true),
            ("watch=maybe", true),
            ("watch=1", true),
        ] {
            assert_eq!(Query::parse(Some(query)).flag("watch"), expected, "{query}");
        }
    }

    #[test]
    fn a_path_is_decoded_once_and_bad_escapes_are_refused() {
        assert_eq!(decode_path("/a%20b+c"), Ok("/a b+c".into()));
        assert_eq!(decode_path("/a%252Fb"), Ok("/a%2Fb".into()));
        for bad in ["/%", "/%4", "/%zz", "/%ff"] {
            assert_eq!(decode_path(bad), Err(InvalidEscape), "{bad}");
        }
        for bad in ["/%", "/%4", "/%zz"] {
            assert_eq!(decode_path_lossily(bad), Err(InvalidEscape), "{bad}");
        }
        assert_eq!(decode_path_lossily("/a%ff+c"), Ok("/a\u{fffd}+c".into()));
    }
}
