//! Is the API server there, and does it have the same time as we?

use std::time::Duration;

use http::Request;
use http::header::DATE;
use http_body_util::BodyExt;
use jiff::fmt::rfc2822::DateTimeParser;
use kube::client::Body;

use super::{Finding, Preflight, Report, ask};
use crate::domain::Timestamp;

/// The most our clock may be off before certificates and ages are judged wrongly.
const TOLERATED: Duration = Duration::from_secs(5);
const MUCH: Duration = Duration::from_secs(60);

pub(super) async fn check(preflight: &Preflight, report: &mut Report) -> bool {
    let request = Request::get("/version").body(Body::empty());
    let Ok(request) = request else {
        return false;
    };
    let response = match ask(preflight.client.send(request)).await {
        Ok(response) => response,
        Err(error) => {
            report.add(Finding::failure(
                "api-server",
                "connection",
                error,
                "outside of a pod name a kubeconfig with --kubeconfig; in one see that its ServiceAccount token is \
                 mounted and that egress to the API server is allowed",
            ));
            return false;
        }
    };
    let now = preflight.clock.now();
    let date = response.headers().get(DATE).cloned();
    let status = response.status();
    if !status.is_success() {
        report.add(Finding::failure(
            "api-server",
            "connection",
            format!("GET /version is answered with {status}"),
            "who asks is not known, or may not: check the token or certificate",
        ));
        return false;
    }
    let body = tokio::time::timeout(super::CALL_LIMIT, response.into_body().collect()).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes());
    let version: serde_json::Value = body
        .and_then(|body| serde_json::from_slice(&body).ok())
        .unwrap_or_default();
    let version = version.get("gitVersion").and_then(|it| it.as_str());
    let version = version.unwrap_or("of an unknown version");
    report.add(Finding::ok(
        "api-server",
        "connection",
        format!("Kubernetes {version}"),
    ));
    let date = date.and_then(|date| read_date(date.to_str().ok()?));
    if let Some(date) = date {
        report.add(judge_clock(now, date));
    }
    true
}

/// A stamp as HTTP writes it (RFC 9110, 5.6.7).
fn read_date(text: &str) -> Option<Timestamp> {
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

fn judge_clock(here: Timestamp, there: Timestamp) -> Finding {
    let ahead = here.since(there).unwrap_or_default();
    let behind = there.since(here).unwrap_or_default();
    let (off, way) = if ahead > behind {
        (ahead, "ahead of")
    } else {
        (behind, "behind")
    };
    let subject = "against the API server";
    // Its stamp has no fractions.
    if off <= TOLERATED {
        return Finding::ok("clock", subject, "the clocks agree");
    }
    let message = format!("the clock here is {} s {way} it", off.as_secs());
    let remedy =
        "set the clocks right (NTP): certificates and the age of numbers are judged by them";
    if off <= MUCH {
        return Finding::warning("clock", subject, message, remedy);
    }
    Finding::failure("clock", subject, message, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_may_be_a_little_off() {
        let there = read_date("Fri, 02 Jan 2026 03:04:05 GMT").unwrap();
        assert_eq!(there, Timestamp::from_millis(1_767_323_045_000));
        for (off, verdict) in [
            (0, Verdict::Ok),
            (4_900, Verdict::Ok),
            (-4_900, Verdict::Ok),
            (6_000, Verdict::Warning),
            (-6_000, Verdict::Warning),
            (61_000, Verdict::Failure),
            (-3_600_000, Verdict::Failure),
        ] {
            let here = Timestamp::from_millis(there.as_millis() + off);
            assert_eq!(judge_clock(here, there).verdict, verdict, "{off} ms");
        }
    }
}
