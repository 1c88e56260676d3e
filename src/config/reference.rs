//! The reference of all flags, for people.

use std::fmt::Write;

use super::TOPICS;
use super::eventer;
use super::flag::{Flag, Kind};

/// The text of `docs/flags.md`: every flag by topic, and those that do nothing at the end.
///
/// A test holds the file to it; `cargo test --lib config:: -- --ignored` writes the file anew.
#[must_use]
pub fn flags_reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for topic in &TOPICS {
        section(&mut text, topic.title, topic.flags, false);
    }
    text.push_str(INERT);
    for topic in &TOPICS {
        section(&mut text, topic.title, topic.flags, true);
    }
    text.push_str(EVENTER);
    section(&mut text, eventer::TOPIC.title, eventer::TOPIC.flags, false);
    text
}

const INTRODUCTION: &str = "\
# Flags

`loadline` takes metrics-server's flags and Heapster's by name and meaning; in all, `_` and `-` are alike.
A boolean is set by `--flag` and unset by `--flag=false`; a list (`strings`) is separated by commas, repeated, or both;
a duration is written as in `90s` or `1m30s`. A wrong command line is told whole, every wrong value at once, with exit
code 2.

Two defaults differ from metrics-server's binary, and are those of its manifests: `--metric-resolution` and
`--secure-port`.

Called `heapster`, or given `--source`, the program is Heapster: `--heapster-port` opens on 8082, `--metric-resolution`
means `--rollup-resolution`, and kubelets are dialled by IP address. Whatever else means something new is told in the
log at start. The options of a `--source` are Heapster's own: `inClusterConfig`, `insecure`,
`auth`, `useServiceAccount`, `kubeletPort`, `kubeletHttps`, `host_id_annotation`; one difference is that kubelets are asked
over HTTPS unless `kubeletHttps=false` or the read-only port 10255 is written. A flag given besides counts more.

This file is generated from the program.
";

const EVENTER: &str = "
# Flags of the eventer

`loadline eventer`, or the program called `eventer`, takes these and those for logging. As Eventer's they may be written
with one dash or two, and `_` and `-` are alike. The options of its `--source` are `inClusterConfig`, `insecure`, `auth`
and `useServiceAccount`.
";

const INERT: &str = "
## Accepted, without effect

Manifests written for metrics-server or Heapster may hold these. Each is still checked for typing errors, and those
that are given are named in one warning at start.
";

fn section(text: &mut String, title: &str, flags: &[&Flag], inert: bool) {
    let mut flags = flags.iter().filter(|flag| flag.inert == inert).peekable();
    if flags.peek().is_none() {
        return;
    }
    let (level, column) = if inert {
        ("###", "Why it does nothing")
    } else {
        ("##", "What it does")
    };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n{level} {title}\n\n| Flag | Type | Default | {column} |\n| --- | --- | --- | --- |\n"
    );
    for flag in flags {
        let short = flag
            .short
            .map_or_else(String::new, |letter| format!("`-{letter}`, "));
        let default = match (flag.default, flag.kind) {
            ("", _) => String::new(),
            (default, Kind::List) => default
                .split(',')
                .map(|one| format!("`{one}`"))
                .collect::<Vec<_>>()
                .join(", "),
            (default, _) => format!("`{default}`"),
        };
        let _ = writeln!(
            text,
            "| {short}`--{}` | {} | {default} | {} |",
            flag.name,
            flag.kind.as_str(),
            flag.help
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flags.md");

    #[test]
    fn the_document_is_what_the_program_says() {
        let document = std::fs::read_to_string(PATH).unwrap();
        assert!(
            document == flags_reference(),
            "docs/flags.md is out of date: cargo test --lib config:: -- --ignored"
        );
    }

    #[test]
    #[ignore = "writes docs/flags.md"]
    fn write_the_document() {
        std::fs::write(PATH, flags_reference()).unwrap();
    }
}
