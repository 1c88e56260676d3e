//! Waiting for a condition instead of sleeping.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long to pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest one look may take.
const MAX_LOOK: Duration = Duration::from_secs(30);

/// The context of an error no waiting will mend, such as the end of a process that was to answer.
#[derive(Clone, Copy, Debug)]
pub struct Hopeless;

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("waiting is of no use")
    }
}

/// Asks `look` again and again until it returns a value, for at most `within`.
///
/// # Errors
/// When the time is over, with what the last look said; at once when a look says [`Hopeless`].
pub async fn until<T>(within: Duration, mut look: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        let last = match tokio::time::timeout(MAX_LOOK, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if error.is::<Hopeless>() => return Err(error),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() >= end {
            bail!("not within {} s; last: {last}", within.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[tokio::test(start_paused = true)]
    async fn ends_with_the_value_the_last_error_or_at_once_when_hopeless() {
        let mut looks = 0;
        let third = until(Duration::from_secs(60), async || {
            looks += 1;
            if looks < 3 {
                bail!("not yet")
            } else {
                Ok(looks)
            }
        });
        assert_eq!(third.await.expect("a value"), 3);
        let late = until(Duration::ZERO, async || -> Result<()> {
            bail!("still red")
        });
        assert!(
            late.await
                .expect_err("late")
                .to_string()
                .contains("still red")
        );
        let ended = until(Duration::from_secs(3600), async || -> Result<()> {
            Err(anyhow!("it ended")).context(Hopeless)
        });
        let error = format!("{:#}", ended.await.expect_err("hopeless"));
        assert!(error.contains("it ended"), "{error}");
    }
}
