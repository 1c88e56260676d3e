//! The bearer token.

use std::fmt;
use std::sync::Arc;

use super::material::{MaterialError, Watched};
use crate::cluster::Material;
use crate::domain::Clock;

/// A bearer token, which never shows in logs, errors or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct BearerToken(Box<str>);

impl BearerToken {
    /// The token as it stands in the `Authorization` header.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes the token out of a file's content; blanks around it are not part of it.
    fn read(content: &[u8]) -> Option<Self> {
        let token = std::str::from_utf8(content).ok()?.trim();
        let plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        plain.then(|| Self(token.into()))
    }
}

/// Follows a token through its rotations.
pub(super) async fn watch_token(
    source: Material,
    clock: Arc<dyn Clock>,
) -> Result<Watched<BearerToken>, MaterialError> {
    let from = source.to_string();
    let make = move |contents: &[Vec<u8>]| {
        let token = contents.first().and_then(|c| BearerToken::read(c));
        token.ok_or_else(|| MaterialError::Token { from: from.clone() })
    };
    Watched::new(vec![source], clock, make).await
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_smuggle_a_header_and_does_not_show() {
        let token = BearerToken::read(b" abc.def\n").unwrap();
        assert_eq!(
            (token.reveal(), format!("{token:?}")),
            ("abc.def", "***".into())
        );
        for bad in [&b""[..], b" \n", b"a\r\nX: y", b"a b", b"\xff"] {
            assert_eq!(BearerToken::read(bad), None);
        }
    }
}
