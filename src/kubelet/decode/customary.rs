//! The one form in which kubelets write a line, read without looking for its end first.
//!
//! Names, labels, blanks and quotes stand where they stood on the line before, so comparing takes
//! the place of searching, and numbers are read eight digits at once: half the instructions of an
//! answer. What is written in any other form is `None` here and read by `exposition`, which means
//! the same by whatever both can read.

use std::str;

use memchr::memchr;

use super::exposition::Sample;
use super::lives::Key;
use super::number::{Decimal, thirteen_digits};
use crate::domain::{ContainerName, Namespace, PodName, Timestamp};

/// Reads ` VALUE STAMP` or ` VALUE` and the line's end; returns what follows it.
pub(super) fn sample(rest: &[u8]) -> Option<(Sample, &[u8])> {
    let (value, rest) = Decimal::leading(rest.strip_prefix(b" ")?)?;
    let (at, rest) = match rest.strip_prefix(b" ") {
        Some(stamp) => {
            let (millis, rest) = thirteen_digits(stamp)?;
            (Some(Timestamp::from_millis(millis)), rest)
        }
        None => (None, rest),
    };
    let value = Some(value);
    Some((Sample { value, at }, rest.strip_prefix(b"\n")?))
}

/// What the labels of a container began with that were read last, up to the name of its pod. The
/// next container nearly always has the same name and namespace.
#[derive(Debug, Default)]
pub(super) struct Opening<'a> {
    text: &'a [u8],
    container: &'a str,
    namespace: &'a str,
}

impl<'a> Opening<'a> {
    /// Reads the three labels of a container in the order kubelets sort them in, from behind the
    /// opening brace; returns what follows the closing one.
    pub(super) fn container(&mut self, labels: &'a [u8]) -> Option<(Key<'a>, &'a [u8])> {
        let rest = match labels.strip_prefix(self.text) {
            Some(rest) if !self.text.is_empty() => rest,
            _ => self.anew(labels)?,
        };
        let (pod, rest) = name(rest, PodName::is_valid)?;
        let key = Key {
            container: self.container,
            namespace: self.namespace,
            pod,
        };
        Some((key, rest.strip_prefix(b"}")?))
    }

    fn anew(&mut self, labels: &'a [u8]) -> Option<&'a [u8]> {
        let rest = labels.strip_prefix(b"container=\"")?;
        let (container, rest) = name(rest, ContainerName::is_valid)?;
        let rest = rest.strip_prefix(b",namespace=\"")?;
        let (namespace, rest) = name(rest, Namespace::is_valid)?;
        let rest = rest.strip_prefix(b",pod=\"")?;
        *self = Self {
            text: labels.get(..labels.len() - rest.len())?,
            container,
            namespace,
        };
        Some(rest)
    }
}

/// What follows the line that `rest` begins with.
pub(super) fn after_line(rest: &[u8]) -> &[u8] {
    let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    rest.get(end..).unwrap_or_default()
}

/// Reads a name and the quote behind it.
fn name(text: &[u8], is_valid: fn(&str) -> bool) -> Option<(&str, &[u8])> {
    // A backslash stands in no name, so the first quote is the end.
    let (name, rest) = text.split_at_checked(memchr(b'"', text)?)?;
    let name = str::from_utf8(name).ok().filter(|name| is_valid(name))?;
    Some((name, rest.strip_prefix(b"\"")?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::super::resource::{Limits, decode_generally, decode_resource};
    use super::super::tests::GOLDENS;
    use super::*;

    const LIMITS: Limits = Limits { max_containers: 6 };
    const ASKED_AT: Timestamp = Timestamp::from_millis(1_795_253_480_000);

    /// What lines are made of, and what does not belong there.
    const PIECES: [&str; 36] = [
        "",
        " ",
        "  ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "#",
        "{",
        "}",
        "\"",
        "\\",
        "\\\"",
        ",",
        "=",
        "-",
        "+",
        ".",
        "e",
        "e+06",
        "e-05",
        "E+6",
        "e+100",
        "0",
        "7",
        "18446744073709551616",
        "1795253493617",
        "253402300800000",
        "NaN",
        "pod=\"p\",",
        "container=\"idle\",",
        "x_",
        "burn",
        "Burn",
        "\u{fc}",
        " # {a=\"b\"} 1",
    ];

    #[derive(Clone, Debug)]
    enum Change {
        /// So many bytes from there on become this piece.
        Piece(Index, usize, Index),
        /// A line is put before another one.
        Line(Index, Index),
        /// The answer ends here.
        Cut(Index),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            6 => (any::<Index>(), 0_usize..4, any::<Index>())
                .prop_map(|(at, length, piece)| Change::Piece(at, length, piece)),
            3 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Line(from, to)),
            1 => any::<Index>().prop_map(Change::Cut),
        ]
    }

    fn changed(mut body: Vec<u8>, change: &Change) -> Vec<u8> {
        match change {
            Change::Piece(at, length, piece) => {
                let at = at.index(body.len() + 1);
                let end = body.len().min(at + length);
                body.splice(at..end, piece.get(&PIECES).bytes());
                body
            }
            Change::Line(from, to) => {
                let mut lines: Vec<_> = body.split_inclusive(|b| *b == b'\n').collect();
                if !lines.is_empty() {
                    lines.insert(to.index(lines.len()), lines[from.index(lines.len())]);
                }
                lines.concat()
            }
            Change::Cut(at) => {
                body.truncate(at.index(body.len() + 1));
                body
            }
        }
    }

    #[test]
    fn what_kubelets_write_is_in_the_customary_form() {
        for body in GOLDENS {
            let mut opening = Opening::default();
            for line in body.split_inclusive('\n') {
                let Some((_, labels)) = line.split_once("{container=") else {
                    continue;
                };
                let labels = &line[line.len() - labels.len() - "container=".len()..];
                let (key, rest) = opening.container(labels.as_bytes()).unwrap();
                assert_eq!((key.namespace, key.pod), ("default", "burn"));
                assert_eq!(sample(rest).unwrap().1, b"");
            }
        }
    }

    #[test]
    fn a_container_is_not_taken_for_the_one_before() {
        let mut opening = Opening::default();
        let names = [
            ("a", "n", "p"),
            ("a", "n", "q"),
            ("a", "m", "q"),
            ("b", "m", "q"),
        ];
        let labels = names.map(|(container, namespace, pod)| {
            format!(r#"container="{container}",namespace="{namespace}",pod="{pod}"}}"#)
        });
        for (labels, name) in labels.iter().zip(names) {
            let (key, rest) = opening.container(labels.as_bytes()).unwrap();
            assert_eq!((key.container, key.namespace, key.pod), name);
            assert_eq!(rest, b"");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_shortcut_reads_what_is_read_without_it(
            golden in 0..GOLDENS.len(),
            changes in prop::collection::vec(change(), 0..6),
        ) {
            let body = changes.iter().fold(GOLDENS[golden].as_bytes().to_vec(), changed);
            let short = decode_resource(&body, ASKED_AT, LIMITS);
            let general = decode_generally(&body, ASKED_AT, LIMITS);
            prop_assert_eq!(short, general, "{}", String::from_utf8_lossy(&body));
        }
    }
}
