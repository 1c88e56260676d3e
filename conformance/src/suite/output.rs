//! Results for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use super::check::{CheckResult, Group, Outcome};

/// How much of what was seen a table shows.
const SHOWN: usize = 500;

/// A form of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// A line a check, and what went wrong below it.
    #[default]
    Table,
    /// One JSON array.
    Json,
    /// JUnit's XML.
    Junit,
}

/// A check over all its runs.
struct Row<'a> {
    result: &'a CheckResult,
    runs: Vec<&'a CheckResult>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "junit" => Ok(Self::Junit),
            _ => Err("no such form, only table, json and junit".to_owned()),
        }
    }
}

impl Output {
    /// The results in this form.
    #[must_use]
    pub fn render(self, results: &[CheckResult]) -> String {
        match self {
            Self::Table => table(results),
            Self::Json => serde_json::to_string_pretty(results).unwrap_or_default() + "\n",
            Self::Junit => junit(results),
        }
    }
}

fn rows(results: &[CheckResult]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for result in results {
        match rows.iter_mut().find(|row| row.result.id == result.id) {
            Some(row) => row.runs.push(result),
            None => rows.push(Row {
                result,
                runs: vec![result],
            }),
        }
    }
    rows
}

fn table(results: &[CheckResult]) -> String {
    let mut out = String::new();
    let rows = rows(results);
    for group in Group::ALL {
        let of_group: Vec<&Row<'_>> = rows.iter().filter(|r| r.result.group == group).collect();
        if of_group.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{group}");
        for row in of_group {
            row.write(&mut out);
        }
    }
    // What is skipped in one variant alone is said once, not with every check.
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.word() != "skipped") {
        for run in &row.runs {
            if let Outcome::Skipped { why } = &run.outcome {
                *reasons.entry(why).or_default() += 1;
            }
        }
    }
    for (why, runs) in reasons {
        let _ = writeln!(
            out,
            "{runs} variants of checks that ran were skipped: {why}"
        );
    }
    // Why whole checks were skipped stands with each of them; here it is counted.
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.word() == "skipped") {
        *reasons.entry(row.why()).or_default() += 1;
    }
    for (why, checks) in reasons {
        let _ = writeln!(out, "{checks} checks were skipped: {why}");
    }
    let count = |word| rows.iter().filter(|row| row.word() == word).count();
    let _ = writeln!(
        out,
        "{} checks: {} passed, {} failed, {} skipped",
        rows.len(),
        count("ok"),
        count("FAILED"),
        count("skipped")
    );
    out
}

impl Row<'_> {
    /// A check failed when one run did, and was made when one run was.
    fn word(&self) -> &'static str {
        let any = |wanted: fn(&Outcome) -> bool| self.runs.iter().any(|run| wanted(&run.outcome));
        if any(|o| matches!(o, Outcome::Failed { .. })) {
            "FAILED"
        } else if any(|o| matches!(o, Outcome::Passed)) {
            "ok"
        } else {
            "skipped"
        }
    }

    /// The last reason for skipping a run: that a version is not served is the reason of the first ones alone.
    fn why(&self) -> &str {
        let mut whys = self.runs.iter().rev().filter_map(|run| match &run.outcome {
            Outcome::Skipped { why } => Some(why.as_str()),
            Outcome::Passed | Outcome::Failed { .. } => None,
        });
        whys.next().unwrap_or_default()
    }

    fn write(&self, out: &mut String) {
        let CheckResult {
            item, id, expects, ..
        } = self.result;
        let _ = writeln!(out, "  {:7} {item:3} {id}: {expects}", self.word());
        for run in &self.runs {
            let variant = match run.variant.as_str() {
                "" => String::new(),
                variant => format!("[{variant}] "),
            };
            match &run.outcome {
                Outcome::Failed { expected, seen } => {
                    let (expected, seen) = (one_line(expected), one_line(seen));
                    let _ = writeln!(out, "              {variant}expected {expected}");
                    let _ = writeln!(out, "              {variant}saw      {seen}");
                }
                Outcome::Skipped { why } if self.word() == "skipped" => {
                    let _ = writeln!(out, "              {variant}{why}");
                }
                Outcome::Skipped { .. } | Outcome::Passed => {}
            }
        }
    }
}

/// A text on one line, cut where it gets long.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().take(SHOWN).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    let line = line.replace('\n', "\\n");
    line.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn junit(results: &[CheckResult]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for group in Group::ALL {
        let cases = results.iter().filter(|r| r.group == group);
        let failures = cases.clone().filter(|r| r.failed()).count();
        let count = cases.clone().count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{group}\" tests=\"{count}\" failures=\"{failures}\">"
        );
        for result in cases {
            let name = match result.variant.as_str() {
                "" => result.id.to_owned(),
                variant => format!("{} [{variant}]", result.id),
            };
            let seconds = std::time::Duration::from_millis(result.millis).as_secs_f64();
            let _ = write!(
                out,
                "    <testcase classname=\"{group}\" name=\"{}\" time=\"{seconds}\">",
                escaped(&name)
            );
            match &result.outcome {
                Outcome::Passed => {}
                Outcome::Skipped { why } => {
                    let _ = write!(out, "<skipped message=\"{}\"/>", escaped(why));
                }
                Outcome::Failed { expected, seen } => {
                    let _ = write!(
                        out,
                        "<failure message=\"expected {}\">{}</failure>",
                        escaped(expected),
                        escaped(seen)
                    );
                }
            }
            out.push_str("</testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            // Other control characters are not allowed in XML at all.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Vec<CheckResult> {
        let result = |id, variant: &str, outcome| CheckResult {
            item: 1,
            id,
            group: Group::Content,
            expects: "a promise",
            variant: variant.to_owned(),
            outcome,
            millis: 1500,
        };
        let failed = Outcome::Failed {
            expected: "a < b".to_owned(),
            seen: "\"b\"".to_owned(),
        };
        let skipped = Outcome::Skipped {
            why: "no world".to_owned(),
        };
        vec![
            result("one", "v1", Outcome::Passed),
            result("one", "v1beta1", failed),
            result("two", "", Outcome::Passed),
            result("three", "", skipped),
        ]
    }

    #[test]
    fn a_check_is_one_row_that_fails_when_one_of_its_runs_did() {
        let table = Output::Table.render(&results());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "content",
                "  FAILED    1 one: a promise",
                "              [v1beta1] expected a < b",
                "              [v1beta1] saw      \"b\"",
                "  ok        1 two: a promise",
                "  skipped   1 three: a promise",
                "              no world",
                "1 checks were skipped: no world",
                "3 checks: 1 passed, 1 failed, 1 skipped",
            ]
        );
    }

    #[test]
    fn xml_is_escaped() {
        let xml = Output::Junit.render(&results());
        let failure = "<failure message=\"expected a &lt; b\">&quot;b&quot;</failure>";
        assert!(xml.contains(failure), "{xml}");
        assert!(xml.contains("<testsuite name=\"content\" tests=\"4\" failures=\"1\">"));
    }
}
