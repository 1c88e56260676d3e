//! `/livez`, `/readyz` and `/healthz`, answered as `k8s.io/apiserver` does.

use std::collections::BTreeSet;
use std::fmt::Write;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use crate::apimachinery::{Query, Quoted, plain};
use crate::lifecycle::{Check, CheckReport, Probe, Stop};

/// The check `shutdown`: readiness fails as soon as stopping has begun, so that no new requests are
/// sent here.
#[must_use]
pub fn shutdown_check(stop: Stop) -> Check {
    Check::new("shutdown", &[Probe::Readyz], move || {
        if stop.is_stopping() {
            return Err("process is shutting down".into());
        }
        Ok(())
    })
}

/// The probe a path asks for and the check below it, empty for all: `/readyz/ping`.
pub(super) fn probe(path: &str) -> Option<(Probe, &'static str, &str)> {
    let probes = [
        (Probe::Healthz, "healthz"),
        (Probe::Livez, "livez"),
        (Probe::Readyz, "readyz"),
    ];
    let path = path.strip_prefix('/')?;
    probes.into_iter().find_map(|(probe, name)| {
        let rest = path.strip_prefix(name)?;
        if rest.is_empty() {
            return Some((probe, name, ""));
        }
        rest.strip_prefix('/')
            .filter(|check| !check.is_empty())
            .map(|check| (probe, name, check))
    })
}

/// Answers for all checks of the probe called `name`. Why one failed is withheld: the path is open
/// to all.
pub(super) fn all(name: &str, report: &[CheckReport], query: Option<&str>) -> Response<Bytes> {
    let query = Query::parse(query);
    let mut excluded: BTreeSet<&str> = query.all("exclude").collect();
    let (mut lines, mut failed) = (String::new(), false);
    for check in report {
        let name = check.name;
        // Writing to a string cannot fail.
        let _ = match (excluded.remove(name), &check.result) {
            (true, _) => writeln!(lines, "[+]{name} excluded: ok"),
            (false, Ok(None)) => writeln!(lines, "[+]{name} ok"),
            (false, Ok(Some(note))) => writeln!(lines, "[+]{name} ok: {note}"),
            (false, Err(_)) => {
                failed = true;
                writeln!(lines, "[-]{name} failed: reason withheld")
            }
        };
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|n| Quoted(n).to_string()).collect();
        lines += "warn: some health checks cannot be excluded: no matches for ";
        lines += &names.join(",");
        lines.push('\n');
    }
    if failed {
        let text = format!("{lines}{name} check failed");
        return plain::plain_text(StatusCode::INTERNAL_SERVER_ERROR, &text);
    }
    if query.first("verbose").is_none() {
        return passed("ok".to_owned());
    }
    passed(format!("{lines}{name} check passed\n"))
}

/// Answers for one check, with the reason when it failed: this path needs permission.
pub(super) fn one(check: &CheckReport) -> Response<Bytes> {
    match &check.result {
        Ok(None) => passed("ok".to_owned()),
        Ok(Some(note)) => passed(format!("ok: {note}")),
        Err(reason) => {
            let text = format!("internal server error: {reason}");
            plain::plain_text(StatusCode::INTERNAL_SERVER_ERROR, &text)
        }
    }
}

fn passed(text: String) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(data_ready: bool, query: &str) -> (u16, String) {
        let data = if data_ready {
            Ok(None)
        } else {
            Err("none".to_owned())
        };
        let report =
            [("ping", Ok(None)), ("data", data)].map(|(name, result)| CheckReport { name, result });
        let response = all("readyz", &report, Some(query));
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), text)
    }

    #[test]
    fn probes_answer_as_kubernetes_does() {
        for (ready, query, code, body) in [
            (true, "", 200, "ok"),
            (
                true,
                "verbose",
                200,
                "[+]ping ok\n[+]data ok\nreadyz check passed\n",
            ),
            (
                true,
                "verbose=0",
                200,
                "[+]ping ok\n[+]data ok\nreadyz check passed\n",
            ),
            (
                false,
                "",
                500,
                "[+]ping ok\n[-]data failed: reason withheld\nreadyz check failed\n",
            ),
            (false, "exclude=data", 200, "ok"),
            (
                false,
                "verbose&exclude=data&exclude=zz&exclude=yy",
                200,
                "[+]ping ok\n[+]data excluded: ok\nwarn: some health checks cannot be excluded: \
                 no matches for \"yy\",\"zz\"\nreadyz check passed\n",
            ),
        ] {
            assert_eq!(ask(ready, query), (code, body.to_owned()), "{query}");
        }
    }

    #[test]
    fn one_check_tells_its_reason() {
        let response = one(&CheckReport {
            name: "data",
            result: Err("none".into()),
        });
        assert_eq!(response.status(), 500);
        assert_eq!(response.body(), "internal server error: none\n");
    }

    #[test]
    fn paths_are_told_apart() {
        for (path, expected) in [
            ("/livez", Some((Probe::Livez, "livez", ""))),
            ("/readyz/ping", Some((Probe::Readyz, "readyz", "ping"))),
            ("/readyz/a/b", Some((Probe::Readyz, "readyz", "a/b"))),
            ("/readyz/", None),
            ("/readyzz", None),
            ("/metrics", None),
        ] {
            assert_eq!(probe(path), expected, "{path}");
        }
    }

    #[test]
    fn a_note_stands_behind_a_check_that_passes() {
        let note = CheckReport {
            name: "api-server",
            result: Ok(Some("away")),
        };
        let response = all("readyz", std::slice::from_ref(&note), Some("verbose"));
        let text = "[+]api-server ok: away\nreadyz check passed\n";
        assert_eq!(
            (response.status(), response.body().as_ref()),
            (StatusCode::OK, text.as_bytes())
        );
        assert_eq!(one(&note).body().as_ref(), b"ok: away");
    }
}
