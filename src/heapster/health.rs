//! `/healthz` of Heapster's port: whether data still comes in.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::answer;
use super::go_time::Stamp;
use crate::apimachinery::{Query, plain};
use crate::domain::Timestamp;

/// What is wrong with the newest data, in Heapster's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unhealthy {
    /// Nothing has been measured yet.
    #[error("could not get the latest data batch")]
    Nothing,
    /// What was measured last is too old.
    #[error("No current data batch available (latest: {}).", Stamp(Some(*.0)))]
    Stale(Timestamp),
}

/// Judges by when something was measured last.
pub(super) fn check(
    newest: Option<Timestamp>,
    now: Timestamp,
    stale_after: Duration,
) -> Result<(), Unhealthy> {
    let newest = newest.ok_or(Unhealthy::Nothing)?;
    match now.since(newest) {
        Some(age) if age > stale_after => Err(Unhealthy::Stale(newest)),
        _ => Ok(()),
    }
}

/// `/healthz`, which keeps the reason to itself.
pub(super) fn all(health: &Result<(), Unhealthy>, query: &Query) -> Response<Bytes> {
    match health {
        Ok(()) if query.first("verbose").is_some() => {
            answer::text(StatusCode::OK, "[+]healthz ok\nhealthz check passed\n")
        }
        Ok(()) => answer::text(StatusCode::OK, "ok"),
        Err(_) => plain::plain_text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "[-]healthz failed: reason withheld\nhealthz check failed",
        ),
    }
}

/// `/healthz/healthz`, which tells it.
pub(super) fn one(health: &Result<(), Unhealthy>) -> Response<Bytes> {
    match health {
        Ok(()) => answer::text(StatusCode::OK, "ok"),
        Err(reason) => {
            let text = format!("internal server error: {reason}");
            plain::plain_text(StatusCode::INTERNAL_SERVER_ERROR, &text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(3);

    #[test]
    fn data_older_than_the_limit_is_unhealthy() {
        let at = Timestamp::from_millis;
        let newest = at(1_767_323_045_000);
        let check = |after: i64| check(Some(newest), at(newest.as_millis() + after), LIMIT);
        assert_eq!(check(-60_000), Ok(()));
        assert_eq!(check(180_000), Ok(()));
        assert_eq!(check(180_001), Err(Unhealthy::Stale(newest)));
        assert_eq!(super::check(None, newest, LIMIT), Err(Unhealthy::Nothing));
    }

    #[test]
    fn only_the_named_check_tells_the_reason() {
        let body = |response: Response<Bytes>| {
            let text = String::from_utf8(response.body().to_vec()).unwrap();
            (response.status().as_u16(), text)
        };
        let ask = |health, query| body(all(&health, &Query::parse(query)));
        assert_eq!(ask(Ok(()), None), (200, "ok".to_owned()));
        let verbose = "[+]healthz ok\nhealthz check passed\n".to_owned();
        assert_eq!(ask(Ok(()), Some("verbose")), (200, verbose));
        let withheld = "[-]healthz failed: reason withheld\nhealthz check failed\n";
        assert_eq!(
            ask(Err(Unhealthy::Nothing), None),
            (500, withheld.to_owned())
        );
        let stale = Unhealthy::Stale(Timestamp::from_millis(0));
        let told = "internal server error: No current data batch available (latest: \
                    1970-01-01T00:00:00Z).\n";
        assert_eq!(body(one(&Err(stale))), (500, told.to_owned()));
        assert_eq!(body(one(&Ok(()))), (200, "ok".to_owned()));
    }
}
