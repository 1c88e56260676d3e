//! The bearer token.

use std::sync::Arc;

use super::material::{MaterialError, Watched};
use crate::cluster::{BearerToken, Material};
use crate::domain::Clock;

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
