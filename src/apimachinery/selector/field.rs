//! Field selectors.

use std::str::FromStr;

/// A field selector: every requirement must hold; without any, everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

/// One requirement on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The field's path, as written (`metadata.name`).
    pub field: Box<str>,
    /// Whether the field must or must not have the value.
    pub operator: FieldOperator,
    /// The value, unescaped.
    pub value: Box<str>,
}

/// How a field compares with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOperator {
    /// `=` and `==`.
    Equals,
    /// `!=`.
    NotEquals,
}

/// A text that is no field selector, in the words of Go's parser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFieldSelector {
    /// A term without an operator: the whole selector and the term.
    #[error("invalid selector: '{0}'; can't understand '{1}'")]
    Term(Box<str>, Box<str>),
    /// A backslash before something that needs none, or at the end.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(Box<str>),
    /// A comma or an equals sign in a value; Go prints the number of the character.
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*.0))]
    Unescaped(char),
}

impl FieldSelector {
    /// The requirements, sorted as their texts.
    #[must_use]
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// Whether an object is selected whose fields have the values `field` tells.
    #[must_use]
    pub fn matches<'a>(&self, field: impl Fn(&str) -> &'a str) -> bool {
        self.requirements.iter().all(|one| {
            let equal = field(&one.field) == one.value.as_ref();
            equal == (one.operator == FieldOperator::Equals)
        })
    }

    /// The one value `field` must have, if the selector asks for one.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.requirements
            .iter()
            .find(|one| one.field.as_ref() == field && one.operator == FieldOperator::Equals)
            .map(|one| one.value.as_ref())
    }
}

impl FromStr for FieldSelector {
    type Err = InvalidFieldSelector;

    /// Reads what `fields.ParseSelector` reads.
    fn from_str(text: &str) -> Result<Self, InvalidFieldSelector> {
        let mut terms = terms(text);
        terms.sort_unstable();
        let requirements = terms
            .into_iter()
            .filter(|term| !term.is_empty())
            .map(|term| requirement(text, term))
            .collect::<Result<Vec<_>, _>>()?;
        // As in Go, a bare operator requires nothing.
        let requirements = requirements
            .into_iter()
            .filter(|one| !(one.field.is_empty() && one.value.is_empty()))
            .collect();
        Ok(Self { requirements })
    }
}

/// Splits at commas that no backslash escapes.
fn terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c| {
        let splits = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    })
    .collect()
}

fn requirement(whole: &str, term: &str) -> Result<FieldRequirement, InvalidFieldSelector> {
    let not_understood = || InvalidFieldSelector::Term(whole.into(), term.into());
    let at = term
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| starts_with_operator(term.get(*at..).unwrap_or_default()))
        .ok_or_else(not_understood)?;
    let (field, rest) = term.split_at(at);
    let (operator, value) = if let Some(value) = rest.strip_prefix("!=") {
        (FieldOperator::NotEquals, value)
    } else {
        let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='));
        (FieldOperator::Equals, value.unwrap_or_default())
    };
    Ok(FieldRequirement {
        field: field.into(),
        operator,
        value: unescape(value)?.into(),
    })
}

fn starts_with_operator(text: &str) -> bool {
    text.starts_with('=') || text.starts_with("!=")
}

fn unescape(value: &str) -> Result<String, InvalidFieldSelector> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(InvalidFieldSelector::Escape(format!("\\{c}").into())),
                None => return Err(InvalidFieldSelector::Escape("\\".into())),
            },
            ',' | '=' => return Err(InvalidFieldSelector::Unescaped(c)),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selector(text: &str) -> FieldSelector {
        text.parse().unwrap()
    }

    #[test]
    fn matches_by_equality_and_its_opposite() {
        let pod = |field: &str| match field {
            "metadata.name" => "p",
            "metadata.namespace" => "a",
            _ => "",
        };
        for (text, expected) in [
            ("", true),
            ("metadata.name=p", true),
            ("metadata.name==p,metadata.namespace=a", true),
            ("metadata.name!=p", false),
            ("metadata.name!=q", true),
            ("metadata.name=p,metadata.namespace=b", false),
            ("other=", true),
            (",,", true),
            ("=,!=", true),
        ] {
            assert_eq!(selector(text).matches(pod), expected, "{text}");
        }
    }

    #[test]
    fn an_exact_name_is_found_only_where_it_is_demanded() {
        let exact = |text: &str| selector(text).exact("metadata.name").map(str::to_owned);
        assert_eq!(exact("metadata.name=n1"), Some("n1".to_owned()));
        assert_eq!(exact("a=b,metadata.name==n1"), Some("n1".to_owned()));
        assert_eq!(exact("metadata.name!=n1"), None);
        assert_eq!(exact(""), None);
    }

    #[test]
    fn values_are_unescaped() {
        let found = selector(r"a=x\,y\=\\");
        assert_eq!(found.requirements()[0].value.as_ref(), r"x,y=\");
        assert_eq!(found.requirements().len(), 1);
    }

    #[test]
    fn says_in_gos_words_what_it_does_not_understand() {
        for (text, message) in [
            ("foo", "invalid selector: 'foo'; can't understand 'foo'"),
            ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
            (
                r"a=\x",
                r"invalid field selector: invalid escape sequence: \x",
            ),
            (
                r"a=b\",
                r"invalid field selector: invalid escape sequence: \",
            ),
            (
                "a=b=c",
                "invalid field selector: unescaped character in value: 61",
            ),
        ] {
            let error = text.parse::<FieldSelector>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c!=,\\\\]{0,20}|\\PC*") {
            let _ = text.parse::<FieldSelector>();
        }
    }
}
