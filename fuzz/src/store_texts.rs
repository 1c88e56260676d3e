//! Texts in questions to InfluxDB and Prometheus.

use loadline::stores::{influxql_identifier, influxql_string, promql_pattern, promql_string};

/// Any text, quoted, is read back as one text and that one: nothing is left behind its end, and
/// nothing in it says something to the store. The lines together are the alternatives of a pattern.
pub(super) fn check(data: &[u8]) {
    let Some(lines) = super::lines(data) else {
        return;
    };
    let lines: Vec<&str> = lines.collect();
    for text in &lines {
        let kept: String = text
            .chars()
            .map(|c| if c.is_control() { '_' } else { c })
            .collect();
        assert_eq!(read(&influxql_string(text), '\''), kept, "{text:?}");
        assert_eq!(read(&influxql_identifier(text), '"'), kept, "{text:?}");
        assert_eq!(read(&promql_string(text), '"'), *text, "{text:?}");
    }
    let pattern = promql_pattern(lines.iter().copied());
    assert_eq!(alternatives(&read(&pattern, '"')), lines);
}

/// What stands between these marks, by the rules InfluxQL and Go have in common for what is
/// written here; panics when the text ends early or goes on behind its end.
fn read(quoted: &str, mark: char) -> String {
    let mut chars = quoted.chars();
    assert_eq!(chars.next(), Some(mark), "{quoted:?}");
    let mut text = String::new();
    loop {
        match chars.next() {
            Some(c) if c == mark => break,
            Some('\\') => match chars.next() {
                Some('u') => {
                    let code: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&code, 16).ok();
                    text.extend(code.and_then(char::from_u32));
                }
                Some(c) => {
                    assert!(c == '\\' || c == mark, "{c} in {quoted:?}");
                    text.push(c);
                }
                None => panic!("{quoted:?} has no end"),
            },
            Some(c) => {
                assert!(!c.is_control(), "{quoted:?}");
                text.push(c);
            }
            None => panic!("{quoted:?} has no end"),
        }
    }
    assert_eq!(chars.as_str(), "", "{quoted:?}");
    text
}

/// The texts an expression matches that knows nothing but literals.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            '|' => {
                all.push(String::new());
                continue;
            }
            '\\' => chars.next(),
            c => {
                assert!(!".+*?()[]{}^$".contains(c), "{c} in {pattern:?}");
                Some(c)
            }
        };
        if let Some(last) = all.last_mut() {
            last.extend(literal);
        }
    }
    all
}
