//! Holds the map of the rooms: which one may name which, how long a file may be, what a module may
//! not be called.
//!
//! A room names only itself and rooms before it in [`ORDER`]. What is inside a room is kept private
//! by the compiler. The rules hold for the tests inside rooms too.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a check that cannot read the source has failed"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, ground first. The path of a number decides: what receives stands before what feeds
/// it.
const ORDER: [&str; 25] = [
    "domain",
    "lifecycle",
    "telemetry",
    "apimachinery",
    "cluster",
    "kubelet",
    "live",
    "scrape",
    "coverage",
    "history",
    "archive",
    "sinks",
    "stores",
    "rollup",
    "events",
    "api",
    "heapster",
    "peer",
    "auth",
    "server",
    "check",
    "why",
    "take_over",
    "config",
    "app",
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = [
    "common", "helper", "helpers", "manager", "types", "util", "utils",
];

/// The most lines a file may have before its tests.
const LONGEST_FILE: usize = 400;

/// A Rust file of the crate.
struct Source {
    /// Relative to the crate, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The path's parts after `src/`, the file's without its ending.
    fn modules(&self) -> Vec<&str> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inside.split('/').collect()
    }

    /// The room it stands in; `lib.rs` and `main.rs` stand in none.
    fn room(&self) -> Option<&str> {
        let modules = self.modules();
        (modules.len() > 1).then(|| modules[0])
    }

    fn is_test(&self) -> bool {
        self.modules().contains(&"tests")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().into();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 10, "the source is not where it was");
    sources
}

/// Every `crate::NAME` outside of comments, also in braces, with its line from 1.
fn references(text: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = text.lines().map(without_comment).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let head = &code[..at];
        if head.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            continue;
        }
        let start = at + prefix.len();
        for (offset, name) in first_names(&code[start..]) {
            let line = code[..start + offset].matches('\n').count() + 1;
            found.push((line, name.to_owned()));
        }
    }
    found
}

fn without_comment(line: &str) -> &str {
    let slashes = line.match_indices("//").map(|(at, _)| at);
    let comment = slashes.into_iter().find(|at| !line[..*at].ends_with(':'));
    comment.map_or(line, |at| &line[..at])
}

/// The name a path begins with, or those of all paths when it begins with a brace.
fn first_names(path: &str) -> Vec<(usize, &str)> {
    let name_at = |at: usize| {
        let rest = &path[at..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        (at, &rest[..end.unwrap_or(rest.len())])
    };
    if !path.starts_with('{') {
        return vec![name_at(0)];
    }
    let (mut depth, mut expected, mut names) = (0, false, Vec::new());
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            c if expected && depth == 1 && !c.is_whitespace() => names.push(name_at(at)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        expected = (c == '{' || c == ',' || (expected && c.is_whitespace())) && depth == 1;
    }
    names
}

/// Whether code of `room` may name `other`, which need not be a room.
fn may_name(room: &str, other: &str) -> bool {
    let place = |name| ORDER.iter().position(|room| *room == name);
    place(other).is_none_or(|other| place(room).is_some_and(|room| other <= room))
}

fn report(violations: &[String]) {
    let mut text = String::new();
    for violation in violations {
        writeln!(text, "  {violation}").unwrap();
    }
    assert!(
        violations.is_empty(),
        "{} violations:\n{text}",
        violations.len()
    );
}

#[test]
fn a_room_names_only_rooms_before_it() {
    let mut violations = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        for (line, other) in references(&source.text) {
            if !may_name(room, &other) {
                violations.push(format!("{}:{line}: {room} names {other}", source.path));
            }
        }
    }
    report(&violations);
}

#[test]
fn every_folder_is_a_room_of_the_map_with_a_front_page() {
    let mut violations = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in sources() {
        let Some(room) = source.room() else { continue };
        if !ORDER.contains(&room) {
            violations.push(format!(
                "{}:1: {room} is not a room of the map",
                source.path
            ));
        }
        let folder: PathBuf = root.join(&source.path).with_file_name("mod.rs");
        if !folder.exists() {
            violations.push(format!("{}:1: its folder has no mod.rs", source.path));
        }
    }
    report(&violations);
}

#[test]
fn files_are_short() {
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let code = source.text.split("\n#[cfg(test)]\nmod tests {").next();
        let lines = code.unwrap_or_default().lines().count();
        if lines > LONGEST_FILE {
            violations.push(format!(
                "{}:{lines}: longer than {LONGEST_FILE} lines",
                source.path
            ));
        }
    }
    report(&violations);
}

#[test]
fn names_say_what_is_inside() {
    let mut violations = Vec::new();
    for source in sources() {
        for name in source.modules() {
            if EMPTY_NAMES.contains(&name) {
                violations.push(format!("{}:1: {name} says nothing", source.path));
            }
        }
    }
    report(&violations);
}

#[test]
fn the_scanner_sees_what_a_room_names() {
    let text = "use crate::live::View;\n\
                // use crate::app;\n\
                /// As [`crate::config`] says.\n\
                use crate::{\n    domain::{Name, live}, cluster,\n    history as past,\n};\n\
                fn f() -> crate::server::Error { mycrate::api() } // crate::peer\n\
                const URL: &str = \"https://x\"; use crate::auth;\n";
    let names = [
        (1, "live"),
        (5, "domain"),
        (5, "cluster"),
        (6, "history"),
        (8, "server"),
        (9, "auth"),
    ];
    assert_eq!(
        references(text),
        names.map(|(line, name)| (line, name.to_owned()))
    );
    assert!(may_name("kubelet", "cluster") && may_name("kubelet", "kubelet"));
    assert!(may_name("kubelet", "SomeItem") && may_name("app", "config"));
    assert!(!may_name("cluster", "kubelet") && !may_name("server", "config"));
    assert!(!may_name("no_room", "domain"));
}
