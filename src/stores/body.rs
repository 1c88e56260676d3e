//! Reading what a store answered.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// What is longer takes so long that it is read where nobody else has to wait for it.
const SHORT: usize = 64 << 10;

/// Reads an answer in JSON.
pub(super) async fn read<T>(body: Bytes) -> Result<T, Failure>
where
    T: DeserializeOwned + Send + 'static,
{
    if body.len() <= SHORT {
        return Ok(serde_json::from_slice(&body)?);
    }
    let read = tokio::task::spawn_blocking(move || serde_json::from_slice(&body));
    // Whoever reads does not panic; the process is ending.
    Ok(read.await.map_err(|_| Failure::Partial)??)
}
