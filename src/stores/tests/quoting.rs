//! No text widens a question: read back as the store reads it, it is one value and that value.

use proptest::prelude::*;

use super::{at, node};
use crate::domain::{EntityKey, Metric};
use crate::history::{Query, Series, Span, Subject};
use crate::sinks::{InfluxdbLayout, Layout, PrometheusLayout, Written};
use crate::stores::labels::Named;
use crate::stores::store::Stretch;
use crate::stores::{
    influxql, influxql_identifier, influxql_string, promql, promql_pattern, promql_string,
};

/// Names somebody made to be more than a name.
const HOSTILE: [&str; 16] = [
    "",
    "'",
    "\"",
    "\\",
    "\\'",
    "\\\"",
    "x' OR '1'='1",
    "x\" OR \"a\"='",
    "x'; DROP DATABASE k8s; --",
    "x\\' OR 1=1 --",
    "a\nb",
    "nul\0' OR true",
    "x\"} or {__name__=~\".+",
    "x\\\"} or vector(1) #",
    ".*|(.+)",
    "日本'\u{85}\u{2028}",
];

/// A word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Name(String),
    Bare(String),
}

/// Reads InfluxQL as `influxql.Scanner` does: a backslash stands before `n`, itself or a quote and
/// nothing else; neither a line's end nor NUL is within quotes.
fn influxql_tokens(statement: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut chars) = (Vec::new(), statement.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match chars.next() {
                        None | Some('\0' | '\n') => return Err(format!("open: {statement}")),
                        Some('\\') => match chars.next() {
                            Some('n') => text.push('\n'),
                            Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                            other => return Err(format!("\\{other:?}")),
                        },
                        Some(end) if end == c => break,
                        Some(other) => text.push(other),
                    }
                }
                tokens.push(match c {
                    '"' => Token::Name(text),
                    _ => Token::Text(text),
                });
            }
            ' ' => {}
            first => {
                let mut word = String::from(first);
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric()) {
                    word.push(c);
                }
                tokens.push(Token::Bare(word));
            }
        }
    }
    Ok(tokens)
}

/// Reads a PromQL string as Go's `strconv.Unquote` does.
fn promql_text(quoted: &str) -> Result<String, String> {
    let inner = quoted.strip_prefix('"').ok_or("no quote")?;
    let (mut text, mut chars) = (String::new(), inner.chars());
    loop {
        match chars.next() {
            None | Some('\n') => return Err(format!("open: {quoted}")),
            Some('"') => break,
            Some('\\') => match chars.next() {
                Some(c @ ('\\' | '"')) => text.push(c),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).map_err(|e| e.to_string())?;
                    text.push(char::from_u32(code).ok_or("no character")?);
                }
                other => return Err(format!("\\{other:?}")),
            },
            Some(c) => text.push(c),
        }
    }
    match chars.as_str() {
        "" => Ok(text),
        rest => Err(format!("{rest} is left")),
    }
}

/// The texts an RE2 expression of literals matches.
fn literals(pattern: &str) -> Vec<String> {
    let (mut all, mut chars) = (vec![String::new()], pattern.chars());
    while let Some(c) = chars.next() {
        match c {
            '|' => all.push(String::new()),
            '\\' => all.last_mut().unwrap().push(chars.next().unwrap()),
            c => {
                assert!(!".+*?()[]{}^$".contains(c), "{c} in {pattern}");
                all.last_mut().unwrap().push(c);
            }
        }
    }
    all
}

/// As the sink writes it: no control characters.
fn without_controls(text: &str) -> String {
    text.replace(|c: char| c.is_control(), "_")
}

fn influx(options: &str) -> InfluxdbLayout {
    match Written::read(&format!("influxdb:?{options}"), &|_| None)
        .unwrap()
        .layout
    {
        Layout::Influxdb(layout) => layout,
        Layout::Prometheus(layout) => panic!("{layout:?}"),
    }
}

fn prom(options: &str) -> PrometheusLayout {
    match Written::read(&format!("prometheus:?{options}"), &|_| None)
        .unwrap()
        .layout
    {
        Layout::Prometheus(layout) => *layout,
        Layout::Influxdb(layout) => panic!("{layout:?}"),
    }
}

/// The texts of a client that get this far unchecked: a system container's name, a file system's.
fn hostile(text: &str) -> Query {
    Query {
        subjects: vec![Subject::Entity(EntityKey::SystemContainer(
            node("n"),
            text.into(),
        ))],
        series: Series {
            metric: Metric::FilesystemUsage,
            by: Some(text.into()),
        },
        span: Span::new(at(0), at(1)),
    }
}

const STRETCH: Stretch = Stretch { start: 1, end: 2 };

fn holds(text: &str) {
    let kept = without_controls(text);
    let one = |quoted: &str| influxql_tokens(quoted).unwrap();
    assert_eq!(one(&influxql_string(text)), [Token::Text(kept.clone())]);
    assert_eq!(one(&influxql_identifier(text)), [Token::Name(kept)]);
    assert_eq!(promql_text(&promql_string(text)).unwrap(), text);
    let pattern = promql_text(&promql_pattern([text, "b.c", text])).unwrap();
    assert_eq!(literals(&pattern), [text, "b.c", text]);
    statements(text);
}

/// Whole statements have the words they have for a harmless name, with this one in its places.
fn statements(text: &str) {
    let harmless = "harmless";
    for layout in [influx(""), influx("withfields=true&cluster_name=it's")] {
        let tokens = |text: &str| {
            let query = hostile(text);
            let statement = influxql::points(&layout, &query.subjects[0], &query.series, STRETCH);
            influxql_tokens(&statement).unwrap()
        };
        let kept = Token::Text(layout.tag_value(text));
        let place = Token::Text(harmless.into());
        let filled = |token| if token == place { kept.clone() } else { token };
        let expected = tokens(harmless).into_iter().map(filled);
        assert_eq!(tokens(text), expected.collect::<Vec<_>>());
    }
    let selector = |text: &str| {
        let query = hostile(text);
        let named = Named::of(&query.subjects[0]);
        promql::samples(&prom("labels=a:it's"), &[named], &query.series, STRETCH).unwrap()
    };
    let quoted = promql_string(text);
    let expected = selector(harmless).replace("\"harmless\"", &quoted);
    assert_eq!(selector(text), expected);
}

#[test]
fn hostile_names_are_one_value_and_nothing_else() {
    HOSTILE.iter().for_each(|text| holds(text));
}

#[test]
fn the_readers_here_tell_an_injection() {
    let naive = |text: &str| influxql_tokens(&format!("'{text}'"));
    assert_ne!(
        naive("x' OR '1'='1").unwrap_or_default(),
        [Token::Text("x' OR '1'='1".into())]
    );
    assert!(naive("a\\").is_err() && naive("a\nb").is_err());
    assert!(promql_text("\"x\"} or {a=\"").is_err());
}

proptest! {
    #[test]
    fn any_text_is_one_value_and_nothing_else(text in any::<String>()) {
        holds(&text);
    }

    #[test]
    fn any_text_of_what_has_a_meaning_is_one_value(text in "['\"\\\\\\n\\x00{}()|.*= ;a-]{0,12}") {
        holds(&text);
    }
}
