//! Label selectors.

use std::str::FromStr;

use super::parser;
use crate::domain::Labels;

/// A label selector: every requirement must hold; without any, everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<LabelRequirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRequirement {
    /// The label's key, a valid qualified name.
    pub key: Box<str>,
    /// What is asked of it.
    pub operator: LabelOperator,
}

/// What a requirement asks of its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelOperator {
    /// `k=v`, `k==v`, `k in (…)`: present with one of these values (sorted, never empty).
    In(Vec<Box<str>>),
    /// `k!=v`, `k notin (…)`: absent, or present with none of these values (sorted, never empty).
    NotIn(Vec<Box<str>>),
    /// `k`: present.
    Exists,
    /// `!k`: absent.
    DoesNotExist,
    /// `k>n`: present with a larger integer.
    GreaterThan(i64),
    /// `k<n`: present with a smaller integer.
    LessThan(i64),
}

/// A text that is no label selector, with the words of Go's parser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLabelSelector(Box<str>);

impl InvalidLabelSelector {
    pub(super) fn new(message: impl Into<Box<str>>) -> Self {
        Self(message.into())
    }
}

impl LabelSelector {
    /// The requirements, sorted by key.
    #[must_use]
    pub fn requirements(&self) -> &[LabelRequirement] {
        &self.requirements
    }

    /// Whether nothing is required.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|one| one.matches(labels))
    }
}

impl FromStr for LabelSelector {
    type Err = InvalidLabelSelector;

    /// Reads what `labels.Parse` reads.
    fn from_str(text: &str) -> Result<Self, InvalidLabelSelector> {
        let mut requirements = parser::parse(text)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }
}

impl LabelRequirement {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            LabelOperator::In(values) => value.is_some_and(|v| contains(values, v)),
            LabelOperator::NotIn(values) => value.is_none_or(|v| !contains(values, v)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
            LabelOperator::GreaterThan(than) => number().is_some_and(|n| n > *than),
            LabelOperator::LessThan(than) => number().is_some_and(|n| n < *than),
        }
    }
}

fn contains(values: &[Box<str>], value: &str) -> bool {
    values.iter().any(|v| v.as_ref() == value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        text.parse::<LabelSelector>().unwrap_err().to_string()
    }

    #[test]
    fn selects_as_a_core_list_would() {
        let objects = [
            ("web", vec![("app", "web"), ("n", "5"), ("empty", "")]),
            ("db", vec![("app", "db"), ("n", "3")]),
            ("bare", vec![("n", "x")]),
        ];
        for (selector, expected) in [
            ("", vec!["web", "db", "bare"]),
            ("app=web", vec!["web"]),
            ("app == web", vec!["web"]),
            ("app!=web", vec!["db", "bare"]),
            ("app in (web,db)", vec!["web", "db"]),
            ("app in (web), n", vec!["web"]),
            ("app notin (web)", vec!["db", "bare"]),
            ("app", vec!["web", "db"]),
            ("!app", vec!["bare"]),
            ("n>3", vec!["web"]),
            ("n<4", vec!["db"]),
            ("n < 2", vec![]),
            ("empty=", vec!["web"]),
            ("empty==", vec!["web"]),
            ("empty in ()", vec!["web"]),
            ("empty in (,a)", vec!["web"]),
            ("empty notin ()", vec!["db", "bare"]),
            ("app=web,app=db", vec![]),
            (" app = web ,\tn ", vec!["web"]),
            ("\0", vec!["web", "db", "bare"]),
            ("app=web\0", vec!["web"]),
            ("app\0=\0web,\0n", vec!["web"]),
            ("app \0= nonsense", vec!["web", "db"]),
        ] {
            let selector: LabelSelector = selector.parse().unwrap();
            let selected: Vec<_> = objects
                .iter()
                .filter(|(_, labels)| selector.matches(&labels.iter().copied().collect()))
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(selected, expected, "{selector:?}");
        }
    }

    #[test]
    fn in_and_notin_are_words_like_others_where_no_operator_stands() {
        let selector: LabelSelector = "in in (in,notin),notin=in".parse().unwrap();
        let labels = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Labels>();
        assert!(selector.matches(&labels(&[("in", "notin"), ("notin", "in")])));
        assert!(!selector.matches(&labels(&[("in", "x"), ("notin", "in")])));
    }

    #[test]
    fn values_are_sorted_without_doubles_and_requirements_sorted_by_key() {
        let selector: LabelSelector = "b in (y,x,y),a".parse().unwrap();
        let expected = [
            LabelRequirement {
                key: "a".into(),
                operator: LabelOperator::Exists,
            },
            LabelRequirement {
                key: "b".into(),
                operator: LabelOperator::In(vec!["x".into(), "y".into()]),
            },
        ];
        assert_eq!(selector.requirements(), expected);
    }

    #[test]
    fn says_in_gos_words_what_it_does_not_understand() {
        let binary = "in, notin, =, ==, !=, gt, lt";
        for (text, message) in [
            (
                "a b",
                format!("unable to parse requirement: found 'b', expected: {binary}"),
            ),
            (
                "=x",
                "found '=', expected: !, identifier, or 'end of string'".to_owned(),
            ),
            (
                "a=b c",
                "found 'c', expected: ',' or 'end of string'".to_owned(),
            ),
            ("a,", "found '', expected: identifier after ','".to_owned()),
            (
                "!a=b",
                "found '=', expected: ',' or 'end of string'".to_owned(),
            ),
            (
                "!=b",
                "found '!=', expected: !, identifier, or 'end of string'".to_owned(),
            ),
            (
                "!(",
                "unable to parse requirement: found '(', expected: identifier".to_owned(),
            ),
            (
                "a in b",
                "unable to parse requirement: found 'b' expected: '('".to_owned(),
            ),
            (
                "a in (b",
                "unable to parse requirement: found '', expected: ',' or ')'".to_owned(),
            ),
            (
                "a in (=",
                "unable to parse requirement: found '=', expected: ',', ')' or identifier"
                    .to_owned(),
            ),
            (
                "a=(",
                "unable to parse requirement: found '(', expected: identifier".to_owned(),
            ),
        ] {
            assert_eq!(error(text), message, "{text}");
        }
    }

    #[test]
    fn says_in_gos_words_which_keys_and_values_no_label_has() {
        for (text, message) in [
            (
                "n>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value \
                 must be an integer"
                    .to_owned(),
            ),
            (
                "-a=b",
                "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric \
                 characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  \
                 or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
                    .to_owned(),
            ),
            (
                "a=-b",
                "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an empty \
                 string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
                 '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                    .to_owned(),
            ),
        ] {
            assert_eq!(error(text), message, "{text}");
        }
    }

    #[test]
    fn keys_may_have_a_dns_prefix_and_nothing_else() {
        for ok in ["app.kubernetes.io/name=x", "a/b", "A_b.c-D"] {
            assert!(ok.parse::<LabelSelector>().is_ok(), "{ok}");
        }
        let long = "x".repeat(64);
        for (bad, words) in [
            ("/b", "prefix part must be non-empty"),
            ("A/b", "a lowercase RFC 1123 subdomain"),
            ("a/b/c", "a valid label key must consist"),
            ("a/", "name part must be non-empty; name part must consist"),
            (&long, "name part must be no more than 63 bytes"),
            (&format!("a={long}"), "must be no more than 63 bytes"),
        ] {
            assert!(error(bad).contains(words), "{bad}: {}", error(bad));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c!=<>(), \\-/.in\u{0}]{0,30}|\\PC*") {
            let _ = text.parse::<LabelSelector>();
        }
    }
}
