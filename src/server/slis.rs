//! `/metrics/slis`: what the health checks said, as every component of Kubernetes tells it.

use std::collections::BTreeMap;
use std::fmt::Write;

use parking_lot::Mutex;

use crate::lifecycle::CheckReport;

/// How often each check of each probe was seen to pass and to fail. There are as many as there are
/// checks, so this is bounded.
#[derive(Debug, Default)]
pub(super) struct Slis(Mutex<BTreeMap<(&'static str, &'static str), Seen>>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    passes: bool,
    passed: u64,
    failed: u64,
}

/// What it is told in: the text format of Prometheus.
pub(super) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Slis {
    /// Remembers what a probe was answered with.
    pub(super) fn observe(&self, probe: &'static str, report: &[CheckReport]) {
        let mut all = self.0.lock();
        for check in report {
            let seen = all.entry((check.name, probe)).or_default();
            seen.passes = check.result.is_ok();
            if seen.passes {
                seen.passed += 1;
            } else {
                seen.failed += 1;
            }
        }
    }

    /// All of it, in Kubernetes' names; nothing of a check that nobody has asked for.
    pub(super) fn text(&self) -> String {
        let all = self.0.lock();
        let mut text = String::from(
            "# HELP kubernetes_healthcheck [STABLE] This metric records the result of a single \
             healthcheck.\n# TYPE kubernetes_healthcheck gauge\n",
        );
        // Writing to a string cannot fail.
        for ((name, probe), seen) in all.iter() {
            let passes = u8::from(seen.passes);
            let _ = writeln!(
                text,
                "kubernetes_healthcheck{{name=\"{name}\",type=\"{probe}\"}} {passes}"
            );
        }
        text += "# HELP kubernetes_healthchecks_total [STABLE] This metric records the results of \
                 all healthcheck.\n# TYPE kubernetes_healthchecks_total counter\n";
        for ((name, probe), seen) in all.iter() {
            for (status, count) in [("error", seen.failed), ("success", seen.passed)] {
                if count > 0 {
                    let _ = writeln!(
                        text,
                        "kubernetes_healthchecks_total{{name=\"{name}\",status=\"{status}\",\
                         type=\"{probe}\"}} {count}"
                    );
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_result_and_all_of_them_are_told_of_each_check() {
        let slis = Slis::default();
        let report = |name, passes| {
            let result = if passes { Ok(None) } else { Err("no".into()) };
            [CheckReport { name, result }]
        };
        slis.observe("readyz", &report("data", true));
        slis.observe("readyz", &report("data", true));
        slis.observe("readyz", &report("data", false));
        slis.observe("livez", &report("ping", true));
        let text = slis.text();
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                r#"kubernetes_healthcheck{name="data",type="readyz"} 0"#,
                r#"kubernetes_healthcheck{name="ping",type="livez"} 1"#,
                r#"kubernetes_healthchecks_total{name="data",status="error",type="readyz"} 1"#,
                r#"kubernetes_healthchecks_total{name="data",status="success",type="readyz"} 2"#,
                r#"kubernetes_healthchecks_total{name="ping",status="success",type="livez"} 1"#,
            ]
        );
    }
}
