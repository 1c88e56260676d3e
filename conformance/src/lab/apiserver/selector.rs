//! Label and field selectors.

use std::collections::BTreeMap;

use crate::lab::world::Object;

/// A parsed `labelSelector`.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSelector(Vec<Term>);

/// A parsed `fieldSelector`.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldSelector(Vec<(String, bool, String)>);

#[derive(Clone, Debug)]
enum Term {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl LabelSelector {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        split_outside_parentheses(text)
            .into_iter()
            .map(str::trim)
            .filter(|term| !term.is_empty())
            .map(Term::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|term| match term {
            Term::Exists(key) => labels.contains_key(key),
            Term::Absent(key) => !labels.contains_key(key),
            Term::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Term::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
        })
    }
}

impl Term {
    fn parse(term: &str) -> Result<Self, String> {
        if let Some((head, values)) = term.split_once('(') {
            let values = values.trim_end_matches(')').split(',');
            let values = values.map(|v| v.trim().to_owned()).collect();
            let mut words = head.split_whitespace();
            return match (words.next(), words.next()) {
                (Some(key), Some("in")) => Ok(Self::In(key.to_owned(), values)),
                (Some(key), Some("notin")) => Ok(Self::NotIn(key.to_owned(), values)),
                _ => Err(format!("unable to parse requirement: {term}")),
            };
        }
        let one = |key: &str, value: &str| {
            let value = value.trim_start_matches('=').trim().to_owned();
            (key.trim().to_owned(), vec![value])
        };
        if let Some((key, value)) = term.split_once("!=") {
            let (key, values) = one(key, value);
            return Ok(Self::NotIn(key, values));
        }
        if let Some((key, value)) = term.split_once('=') {
            let (key, values) = one(key, value);
            return Ok(Self::In(key, values));
        }
        Ok(match term.strip_prefix('!') {
            Some(key) => Self::Absent(key.trim().to_owned()),
            None => Self::Exists(term.to_owned()),
        })
    }
}

impl FieldSelector {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(str::trim).filter(|t| !t.is_empty());
        terms
            .map(|term| {
                let (key, value) = term.split_once('=').ok_or_else(|| {
                    format!("invalid selector: '{text}'; can't understand '{term}'")
                })?;
                let (key, equal) = match key.strip_suffix('!') {
                    Some(key) => (key, false),
                    None => (key, true),
                };
                let value = value.trim_start_matches('=');
                Ok((key.to_owned(), equal, value.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A key the kind does not have matches nothing.
    pub(super) fn matches(&self, object: &Object) -> bool {
        self.0.iter().all(|(key, equal, value)| {
            object
                .field(key)
                .is_some_and(|is| (is == value.as_str()) == *equal)
        })
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Phase, Pod};
    use std::sync::Arc;

    #[test]
    fn label_selectors_select_as_kubernetes_does() {
        let labels = BTreeMap::from([
            ("app".to_owned(), "web".to_owned()),
            ("tier".to_owned(), String::new()),
        ]);
        let cases = [
            ("", true),
            ("app=web", true),
            ("app==web,tier", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (db, web),!other", true),
            ("app notin (db,web)", false),
            ("other notin (a)", true),
            ("tier=", true),
            ("!app", false),
        ];
        for (text, want) in cases {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(selector.matches(&labels), want, "{text}");
        }
    }

    #[test]
    fn field_selectors_know_the_fields_of_pods() {
        let pod = Pod::new("a", "p").on("n1").phase(Phase::Pending);
        let pod = Object::Pod(Arc::new(pod));
        let cases = [
            ("spec.nodeName=n1", true),
            ("spec.nodeName!=n1", false),
            ("status.phase=Running", false),
            ("status.phase!=Running,metadata.name==p", true),
            ("spec.unknown=x", false),
        ];
        for (text, want) in cases {
            let selector = FieldSelector::parse(text).unwrap();
            assert_eq!(selector.matches(&pod), want, "{text}");
        }
        assert!(FieldSelector::parse("nonsense").is_err());
    }
}
