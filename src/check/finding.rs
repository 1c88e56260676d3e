//! What a check found, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

/// How one part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, or does without; somebody should know.
    Warning,
    /// It keeps Loadline, or a part of it, from working.
    Failure,
}

/// One part that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check: a word of a small fixed set.
    pub check: &'static str,
    /// What it is about: a right, a node, an object.
    pub subject: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, in words.
    pub message: String,
    /// What to do; empty when there is nothing.
    pub remedy: String,
}

/// Everything that was found, in the order of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct ReportJson<'a> {
    ok: bool,
    findings: &'a [Finding],
}

impl Finding {
    /// All is well.
    pub(super) fn ok(check: &'static str, subject: &str, message: impl Into<String>) -> Self {
        Self::new(check, subject, Verdict::Ok, message, "")
    }

    /// Somebody should know.
    pub(super) fn warning(
        check: &'static str,
        subject: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(check, subject, Verdict::Warning, message, remedy)
    }

    /// It does not work.
    pub(super) fn failure(
        check: &'static str,
        subject: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(check, subject, Verdict::Failure, message, remedy)
    }

    fn new(
        check: &'static str,
        subject: &str,
        verdict: Verdict,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            check,
            subject: subject.to_owned(),
            verdict,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Everything that was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Nothing failed; there may be warnings.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.count(Verdict::Failure) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        let found = self.findings.iter().filter(|one| one.verdict == verdict);
        found.count()
    }

    /// For people: a line for each, what to do below it, or below the last of those it is the same for, and the sum.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut findings = self.findings.iter().peekable();
        while let Some(one) = findings.next() {
            let mark = match one.verdict {
                Verdict::Ok => "ok     ",
                Verdict::Warning => "WARNING",
                Verdict::Failure => "FAILURE",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{mark}  {}: {}: {}",
                one.check, one.subject, one.message
            );
            let same = |next: &&Finding| next.check == one.check && next.remedy == one.remedy;
            if !one.remedy.is_empty() && !findings.peek().is_some_and(same) {
                let _ = writeln!(text, "         to do: {}", one.remedy);
            }
        }
        let [ok, warnings, failures] =
            [Verdict::Ok, Verdict::Warning, Verdict::Failure].map(|verdict| self.count(verdict));
        let _ = writeln!(text, "\n{ok} ok, {warnings} warnings, {failures} failures");
        text
    }

    /// For programs: one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        let report = ReportJson {
            ok: self.is_ok(),
            findings: &self.findings,
        };
        // Strings and booleans are always JSON.
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_to_do_and_fails_by_failures_alone() {
        let mut report = Report::default();
        report.add(Finding::ok("api-server", "https://x", "answers"));
        report.add(Finding::warning("clock", "here", "4 s ahead", "set it"));
        assert!(report.is_ok());
        report.add(Finding::failure("right", "list nodes", "no", "grant it"));
        assert!(!report.is_ok());
        let text = report.text();
        assert!(text.contains("FAILURE  right: list nodes: no\n         to do: grant it\n"));
        assert!(text.ends_with("1 ok, 1 warnings, 1 failures\n"), "{text}");
        report.add(Finding::failure("right", "list pods", "no", "grant it"));
        let text = report.text();
        assert_eq!(text.matches("grant it").count(), 1, "{text}");
        assert!(text.contains("list nodes: no\nFAILURE  right: list pods: no\n"));
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["findings"][2]["verdict"], "failure");
        assert_eq!(json["findings"][3]["remedy"], "grant it");
    }
}
