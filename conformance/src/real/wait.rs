//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long to pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest one look may take.
const MAX_LOOK: Duration = Duration::from_secs(30);

/// Asks `look` again and again until it returns a value, for at most `within`.
///
/// # Errors
/// When the time is over; the error tells what the last look said.
pub async fn until<T>(within: Duration, mut look: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        let last = match tokio::time::timeout(MAX_LOOK, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() >= end {
            bail!("not within {} s; last: {last}", within.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
