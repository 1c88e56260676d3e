//! What the watches of all groups have in common: how they begin, and how long they last.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::apimachinery::{Pieces, Reply, Stream};
use crate::lifecycle::random;

/// How long a watch goes on that does not say, unless `--min-request-timeout` says otherwise: this
/// long to twice as long, so that not all of them come back at once.
pub(super) const SHORTEST: Duration = Duration::from_secs(1800);
/// The longest a watch may ask for. It is authorized only when it begins.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long a watch goes on that asks for this many seconds; `shortest` to twice as long when it
/// asks for none.
pub(super) fn lasts(timeout_seconds: Option<i64>, shortest: Duration) -> Duration {
    match timeout_seconds.map(u64::try_from) {
        None | Some(Ok(0)) => shortest.min(LONGEST).mul_f64(1.0 + random()).min(LONGEST),
        Some(Ok(seconds)) => Duration::from_secs(seconds).min(LONGEST),
        Some(Err(_)) => Duration::ZERO,
    }
}

/// The answer to a watch.
pub(super) fn reply(
    content_type: &'static str,
    lasts: Duration,
    watch: impl Pieces + 'static,
) -> Reply {
    Reply::Stream(Stream {
        head: head(content_type),
        lasts,
        open_ended: true,
        pieces: Box::new(watch),
    })
}

/// What stands before a body of this type.
pub(super) fn head(content_type: &'static str) -> Response<()> {
    let mut head = Response::new(());
    let content_type = HeaderValue::from_static(content_type);
    head.headers_mut().insert(CONTENT_TYPE, content_type);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_lasts_as_long_as_it_asks_or_the_shortest_time_to_twice_as_long() {
        for shortest in [SHORTEST, Duration::from_secs(3), Duration::ZERO] {
            for _ in 0..20 {
                let by_itself = lasts(None, shortest);
                assert!(by_itself >= shortest && by_itself <= 2 * shortest);
            }
            assert!(lasts(Some(0), shortest) >= shortest);
            assert_eq!(lasts(Some(7), shortest), Duration::from_secs(7));
            assert_eq!(lasts(Some(-1), shortest), Duration::ZERO);
            assert_eq!(lasts(Some(i64::MAX), shortest), LONGEST);
        }
        assert_eq!(lasts(None, Duration::MAX), LONGEST);
    }
}
