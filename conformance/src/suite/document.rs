//! The document that says, check by check, what servers keep of the contract.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::check::{Check, CheckResult, Group, Outcome};
use super::run::checks;

/// The command that makes the document anew.
pub const REGENERATE: &str =
    "cargo run -p conformance --bin conformance -- --document docs/conformance.md";

/// How much of what was seen is shown.
const SHOWN: usize = 100;
/// A number of so many digits is a port, a size or a moment, and another one the next time.
const NOISE: usize = 4;

/// A server and what came of its checks.
#[derive(Clone, Debug)]
pub struct Column {
    /// What it is called.
    pub server: String,
    /// Every run of every check.
    pub runs: Vec<Run>,
}

/// One run of a check, as `--output json` tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// The check's name.
    pub id: String,
    /// Which version and protocol.
    pub variant: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What is looked for in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it: the run could make every check that can be made.
    Whole,
    /// The checks that were made: the run had no hand on the cluster, or lacked a tool.
    WhatRan,
}

impl From<CheckResult> for Run {
    fn from(result: CheckResult) -> Self {
        Self {
            id: result.id.to_owned(),
            variant: result.variant,
            outcome: result.outcome,
        }
    }
}

impl Column {
    /// A column of these results.
    pub fn new(server: &str, results: impl IntoIterator<Item = CheckResult>) -> Self {
        Self {
            server: server.to_owned(),
            runs: results.into_iter().map(Run::from).collect(),
        }
    }

    /// What became of a check over all its runs: it failed when one run did, and was made when one
    /// was.
    fn cell(&self, id: &str) -> String {
        let runs: Vec<&Run> = self.runs.iter().filter(|run| run.id == id).collect();
        let failed = runs.iter().find_map(|run| match &run.outcome {
            Outcome::Failed { seen, .. } => Some((run.variant.as_str(), seen)),
            Outcome::Passed | Outcome::Skipped { .. } => None,
        });
        if let Some((variant, seen)) = failed {
            let variant = match variant {
                "" => String::new(),
                variant => format!(" ({variant})"),
            };
            return format!("failed{variant}: {}", stable(seen));
        }
        if runs.iter().any(|run| run.outcome == Outcome::Passed) {
            return "passed".to_owned();
        }
        // A version that is not served is the reason of the first runs alone.
        let why = runs.iter().rev().find_map(|run| match &run.outcome {
            Outcome::Skipped { why } => Some(stable(why)),
            Outcome::Passed | Outcome::Failed { .. } => None,
        });
        format!("skipped: {}", why.unwrap_or_else(|| "not run".to_owned()))
    }
}

/// Writes the document, a column a server.
#[must_use]
pub fn document(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|c| c.server.as_str()).collect();
    let mut out = format!(
        "# The contract, check by check\n\n\
         Made by `{REGENERATE}`;\n\
         the lane `contract` fails when it is out of date.\n\n\
         Every check of the lane `contract`, made of {} in the same\n\
         simulated cluster, with the same flags but for one: metrics-server trusts kubelets unseen, since\n\
         the certificates of the kubelets there name nodes and it looks for addresses. A check that runs\n\
         for several versions counts for those a server serves. Of a failure the table shows the begin of\n\
         what was seen, without numbers of four digits and more; the program `conformance` with\n\
         `--in-lab PROGRAM --check NAME` makes one check and shows all.\n",
        names.join(" and ")
    );
    let _ = writeln!(out, "\n| | passed | failed | skipped |\n|---|--:|--:|--:|");
    for column in columns {
        let cells: Vec<String> = checks().iter().map(|c| column.cell(c.id)).collect();
        let count = |verdict: &str| cells.iter().filter(|c| word(c) == verdict).count();
        let (passed, failed) = (count("passed"), count("failed"));
        let skipped = count("skipped");
        let _ = writeln!(
            out,
            "| {} | {passed} | {failed} | {skipped} |",
            column.server
        );
    }
    for group in Group::ALL {
        let _ = writeln!(out, "\n## {group}\n\n| # | check | {} |", names.join(" | "));
        let _ = writeln!(out, "|--:|---|{}", "---|".repeat(names.len()));
        for check in checks().iter().filter(|check| check.group == group) {
            let cells = columns.iter().map(|column| escaped(&column.cell(check.id)));
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(out, "{} {} |", row(check), cells.join(" | "));
        }
    }
    out
}

/// Where what is in a document is not what was found; nothing when it is up to date.
///
/// Only the promises and whether they were kept count: what exactly was seen may be chance.
#[must_use]
pub fn disagreements(document: &str, column: &Column, extent: Extent) -> Vec<String> {
    let mut found = Vec::new();
    let mut place = None;
    let mut said: BTreeMap<&str, &str> = BTreeMap::new();
    for line in document.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        if line.starts_with("| # |") {
            let trimmed = |cell: &&str| cell.trim_end_matches(" |") == column.server;
            place = cells.iter().position(trimmed);
        } else if let (Some(place), [number, check, ..]) = (place, cells.as_slice()) {
            // `row` wrote the two cells in front.
            let head = line
                .get(..number.len() + 3 + check.len())
                .unwrap_or_default();
            said.insert(head, word(cells.get(place).unwrap_or(&"")));
        }
    }
    for check in checks() {
        let row = row(&check);
        let head = row.trim_end_matches(" |");
        let verdict = column.cell(check.id);
        let verdict = word(&verdict);
        match said.remove(head) {
            Some(said) if said == verdict => {}
            _ if extent == Extent::WhatRan && verdict == "skipped" => {}
            Some(said) => found.push(format!("{}: {verdict}, not {said}", check.id)),
            None => found.push(format!("{}: not in the document as it is", check.id)),
        }
    }
    // What is left is in the document alone. The lines under a heading are no checks.
    let left = said.into_keys().filter(|head| !head.starts_with("|--"));
    found.extend(left.map(|head| format!("no such check: {head}")));
    found
}

fn row(check: &Check) -> String {
    let expects = escaped(check.expects);
    format!("| {} | `{}`: {expects} |", check.item, check.id)
}

fn word(cell: &str) -> &str {
    cell.split([':', ' ']).next().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// What a text says every time: its first line, without the body of an answer and without numbers
/// of many digits.
fn stable(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let ends = [" {", " (GET ", " (POST ", " Array ["];
    let end = ends.iter().filter_map(|end| line.find(end)).min();
    let begin = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
    let mut out = String::new();
    let mut digits = String::new();
    for c in begin.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() < NOISE { &digits } else { "…" });
        digits.clear();
        out.push(if c.is_control() { ' ' } else { c });
    }
    let mut words: Vec<&str> = out.split_whitespace().collect();
    if words.is_empty() {
        words.push("nothing");
    }
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default().trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(change: impl Fn(&mut Run)) -> Column {
        let runs = checks().into_iter().map(|check| {
            let mut run = Run {
                id: check.id.to_owned(),
                variant: String::new(),
                outcome: Outcome::Passed,
            };
            change(&mut run);
            run
        });
        Column {
            server: "one".to_owned(),
            runs: runs.collect(),
        }
    }

    fn failing(id: &str) -> Column {
        column(|run| {
            if run.id == id {
                run.outcome = Outcome::Failed {
                    expected: String::new(),
                    seen: "a | b at 127.0.0.1:34567 {\"x\": 1}".to_owned(),
                };
            }
        })
    }

    #[test]
    fn a_document_agrees_with_what_it_was_made_of() {
        let two = Column {
            server: "two".to_owned(),
            ..failing("deadline")
        };
        let document = document(&[failing("panic"), two.clone()]);
        let told = "| failed: a \\| b at 127.0.0.1:… | passed |";
        assert!(
            document.lines().any(|line| line.ends_with(told)),
            "{document}"
        );
        for column in [&failing("panic"), &two] {
            let found = disagreements(&document, column, Extent::Whole);
            assert_eq!(found, Vec::<String>::new());
        }
    }

    #[test]
    fn a_verdict_that_changed_is_told() {
        let document = document(&[failing("panic")]);
        let found = disagreements(&document, &failing("deadline"), Extent::Whole);
        assert_eq!(
            found,
            ["panic: passed, not failed", "deadline: failed, not passed"]
        );
    }

    #[test]
    fn what_was_not_made_says_nothing_unless_all_could_be() {
        let document = document(&[column(|_| {})]);
        let skipped = column(|run| {
            let why = "no world".to_owned();
            run.outcome = Outcome::Skipped { why };
        });
        let found = disagreements(&document, &skipped, Extent::WhatRan);
        assert_eq!(found, Vec::<String>::new());
        let found = disagreements(&document, &skipped, Extent::Whole);
        assert_eq!(found.len(), checks().len());
    }

    #[test]
    fn a_promise_that_changed_or_went_is_told() {
        let document = document(&[column(|_| {})]);
        let document = document.replace("`panic`: a handler", "`panic`: another handler");
        let found = disagreements(&document, &column(|_| {}), Extent::Whole);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].starts_with("no such check: | 57 | `panic`: another"));
    }

    #[test]
    fn noise_is_left_out() {
        for (text, kept) in [
            (
                "GET /x answered 404 application/json {\"a\": 1}",
                "GET /x answered 404 application/json",
            ),
            ("1422 MiB", "… MiB"),
            ("a\nb", "a"),
            ("", "nothing"),
        ] {
            assert_eq!(stable(text), kept);
        }
        assert_eq!(stable(&"x".repeat(200)).chars().count(), SHOWN + 1);
    }
}
