//! The grammar of label selectors, as `labels.Parser` reads it.

use std::collections::BTreeSet;

use super::lexer::{Token, Words};
use super::validation::{check_key, wrong_value};
use super::{InvalidLabelSelector, LabelOperator, LabelRequirement};
use crate::apimachinery::quote::Quoted;

type Values = BTreeSet<Box<str>>;

const BINARY_OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// Reads all requirements of a selector, in the order they stand.
pub(super) fn parse(text: &str) -> Result<Vec<LabelRequirement>, InvalidLabelSelector> {
    let mut words = Words::scan(text);
    let mut requirements = Vec::new();
    loop {
        match words.peek_value() {
            (Token::Identifier | Token::Not, _) => {}
            (Token::End, _) => return Ok(requirements),
            (_, word) => {
                let expected = "!, identifier, or 'end of string'";
                return Err(InvalidLabelSelector::found(word, expected));
            }
        }
        let one = requirement(&mut words).map_err(|error| {
            InvalidLabelSelector::new(format!("unable to parse requirement: {error}"))
        })?;
        requirements.push(one);
        match words.take_value() {
            (Token::End, _) => return Ok(requirements),
            (Token::Comma, _) => {
                let (next, word) = words.peek_value();
                if !matches!(next, Token::Identifier | Token::Not) {
                    return Err(InvalidLabelSelector::found(word, "identifier after ','"));
                }
            }
            (_, word) => {
                let expected = "',' or 'end of string'";
                return Err(InvalidLabelSelector::found(word, expected));
            }
        }
    }
}

fn requirement(words: &mut Words<'_>) -> Result<LabelRequirement, InvalidLabelSelector> {
    let (mut token, mut key) = words.take_value();
    let negated = token == Token::Not;
    if negated {
        (token, key) = words.take_value();
    }
    if token != Token::Identifier {
        return Err(InvalidLabelSelector::found(key, "identifier"));
    }
    check_key(key)?;
    let bare = matches!(words.peek_value().0, Token::End | Token::Comma);
    let operator = match (negated, bare) {
        // Whatever follows a negated key is left for the caller to refuse.
        (true, _) => LabelOperator::DoesNotExist,
        (false, true) => LabelOperator::Exists,
        (false, false) => comparison(words, key)?,
    };
    Ok(LabelRequirement {
        key: key.into(),
        operator,
    })
}

fn comparison(words: &mut Words<'_>, key: &str) -> Result<LabelOperator, InvalidLabelSelector> {
    let (token, word) = words.take_operator();
    let values = match token {
        Token::In | Token::NotIn => value_set(words)?,
        Token::Equals
        | Token::DoubleEquals
        | Token::NotEquals
        | Token::GreaterThan
        | Token::LessThan => Values::from([exact_value(words)?]),
        Token::End | Token::Close | Token::Comma | Token::Not | Token::Identifier | Token::Open => {
            return Err(InvalidLabelSelector::found(word, BINARY_OPERATORS));
        }
    };
    let mut wrong = Vec::new();
    let ordered = matches!(token, Token::GreaterThan | Token::LessThan);
    let number = values.first().and_then(|value| value.parse::<i64>().ok());
    if let (true, None, Some(value)) = (ordered, number, values.first()) {
        wrong.push(format!(
            "values[0]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer",
            Quoted(value)
        ));
    }
    let values: Vec<_> = values.into_iter().collect();
    wrong.extend(
        values
            .iter()
            .enumerate()
            .filter_map(|(index, value)| wrong_value(key, index, value)),
    );
    match wrong.as_slice() {
        [] => {}
        [one] => return Err(InvalidLabelSelector::new(one.as_str())),
        many => return Err(InvalidLabelSelector::new(format!("[{}]", many.join(", ")))),
    }
    let number = number.unwrap_or_default();
    let negated = matches!(token, Token::NotIn | Token::NotEquals);
    Ok(match (ordered, negated) {
        (true, _) if token == Token::GreaterThan => LabelOperator::GreaterThan(number),
        (true, _) => LabelOperator::LessThan(number),
        (false, true) => LabelOperator::NotIn(values),
        (false, false) => LabelOperator::In(values),
    })
}

fn exact_value(words: &mut Words<'_>) -> Result<Box<str>, InvalidLabelSelector> {
    if matches!(words.peek_value().0, Token::End | Token::Comma) {
        return Ok("".into());
    }
    match words.take_value() {
        (Token::Identifier, word) => Ok(word.into()),
        (_, word) => Err(InvalidLabelSelector::found(word, "identifier")),
    }
}

/// `(a,b)`. Between two commas, and beside a parenthesis, stands the empty value.
fn value_set(words: &mut Words<'_>) -> Result<Values, InvalidLabelSelector> {
    let (token, word) = words.take_value();
    if token != Token::Open {
        // Go's text lacks the comma here.
        return Err(InvalidLabelSelector::new(format!(
            "found '{word}' expected: '('"
        )));
    }
    match words.peek_value() {
        (Token::Identifier | Token::Comma, _) => {}
        (Token::Close, _) => {
            words.take_value();
            return Ok(Values::from(["".into()]));
        }
        (_, word) => {
            let expected = "',', ')' or identifier";
            return Err(InvalidLabelSelector::found(word, expected));
        }
    }
    let mut values = Values::new();
    loop {
        let (token, word) = words.take_value();
        let (next, next_word) = words.peek_value();
        match (token, next) {
            (Token::Identifier, Token::Comma) => {
                values.insert(word.into());
            }
            (Token::Identifier, Token::Close) => {
                values.insert(word.into());
                words.take_value();
                return Ok(values);
            }
            (Token::Identifier, _) => {
                return Err(InvalidLabelSelector::found(next_word, "',' or ')'"));
            }
            (Token::Comma, Token::Close) => {
                values.insert("".into());
                words.take_value();
                return Ok(values);
            }
            (Token::Comma, next) => {
                if values.is_empty() || next == Token::Comma {
                    values.insert("".into());
                }
            }
            (_, _) => return Err(InvalidLabelSelector::found(word, "',', or identifier")),
        }
    }
}
