//! Ends requests that take too long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{ACCEPT, USER_AGENT};
use http::request::Parts;

use super::{Context, finished, goes_on, info};
use crate::apimachinery::{GoDuration, InvalidDuration, Query, Status};

/// Answers 504 when the time is up: that of `?timeout=`, or the server's own where it asks for more
/// or for none. A watch must have begun by the server's own; how long it goes on it asks for by
/// another parameter.
pub(super) async fn deadline(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let query = (!goes_on(&info(&request))).then(|| request.uri().query());
    let limit = limit(query.flatten(), context.request_timeout);
    let (parts, body) = request.into_parts();
    let limit = match limit {
        Ok(limit) => limit,
        Err(error) => return finished(Status::invalid_timeout(error.to_string()).respond(&parts)),
    };
    let later = negotiable(&parts);
    let answered = next.run(Request::from_parts(parts, body));
    match tokio::time::timeout(limit, answered).await {
        Ok(response) => response,
        Err(_) => finished(Status::timeout().respond(&later)),
    }
}

fn limit(query: Option<&str>, longest: Duration) -> Result<Duration, InvalidDuration> {
    let query = Query::parse(query);
    let Some(text) = query.first("timeout").filter(|text| !text.is_empty()) else {
        return Ok(longest);
    };
    let asked = text.parse::<GoDuration>()?.to_std();
    let asked = asked.filter(|asked| !asked.is_zero());
    Ok(asked.map_or(longest, |asked| asked.min(longest)))
}

/// What an answer is negotiated by, for when the request itself has been given away.
fn negotiable(parts: &Parts) -> Parts {
    let mut copy = Request::new(()).into_parts().0;
    copy.uri = parts.uri.clone();
    for name in [ACCEPT, USER_AGENT] {
        if let Some(value) = parts.headers.get(&name) {
            copy.headers.insert(name, value.clone());
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_ask_for_less_time_but_not_for_more() {
        let minute = Duration::from_secs(60);
        for (query, expected) in [
            ("", Some(minute)),
            ("timeout=", Some(minute)),
            ("timeout=32s", Some(Duration::from_secs(32))),
            ("timeout=1m30s", Some(minute)),
            ("timeout=0s", Some(minute)),
            ("timeout=-3s", Some(minute)),
            ("timeout=1x", None),
            ("timeout=5", None),
        ] {
            assert_eq!(limit(Some(query), minute).ok(), expected, "{query}");
        }
    }
}
