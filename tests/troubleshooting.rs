//! Holds docs/troubleshooting.md to what the program says of sinks, stores and events, word for word.

#![expect(
    clippy::unwrap_used,
    reason = "a check that cannot read the source has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The sections whose tables begin with words of the log, up to the one behind them.
const SECTIONS: (&str, &str) = (
    "\n## Sinks and the spool\n",
    "\n## An address with too many connections\n",
);
const ROOMS: [&str; 5] = ["cluster", "config", "events", "sinks", "stores"];

/// All files of a folder, and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    });
    files.collect()
}

/// What the program says, with the texts of several lines joined.
fn source() -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = ROOMS.iter().flat_map(|room| files(&src.join(room)));
    let texts = files.map(|file| fs::read_to_string(file).unwrap());
    let lines: Vec<String> = texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let joined = lines.iter().map(|line| line.trim().trim_end_matches('\\'));
    joined.collect()
}

/// The texts in the first cells of the section's tables, `…` standing for anything.
fn quoted(section: &str) -> Vec<&str> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    code.collect()
}

#[test]
fn what_is_quoted_is_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let document = fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once(SECTIONS.0).unwrap();
    let (section, _) = section.split_once(SECTIONS.1).unwrap();
    let (source, quoted) = (source(), quoted(section));
    assert!(quoted.len() > 50, "{quoted:?}");
    let said = |text: &&&str| {
        let mut parts = text.split('…').map(str::trim);
        parts.all(|part| source.contains(part.trim_end_matches("_total")))
    };
    // Alerts are in deploy/, and what a library says is its own.
    let elsewhere = |text: &&&str| {
        text.starts_with("Loadline") || ["invalid peer certificate", "/readyz"].contains(text)
    };
    let wrong: Vec<_> = quoted
        .iter()
        .filter(|text| !elsewhere(text) && !said(text))
        .collect();
    assert!(wrong.is_empty(), "nobody says {wrong:#?}");
}
