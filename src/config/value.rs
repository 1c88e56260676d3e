//! Values as Go's flag library reads them, and its words for what is wrong with them.

use std::time::Duration;

use crate::apimachinery::{GoDuration, InvalidDuration};

/// A boolean, in the spellings Go's `strconv.ParseBool` knows.
pub(super) fn boolean(word: &str) -> Result<bool, String> {
    match word {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing {word:?}: invalid syntax"
        )),
    }
}

/// A whole number of at least `least` that fits `T`.
pub(super) fn number<T: TryFrom<i64>>(word: &str, least: i64) -> Result<T, String> {
    let problem = |what: &str| format!("strconv.ParseInt: parsing {word:?}: {what}");
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(problem("invalid syntax"));
    }
    word.parse()
        .ok()
        .filter(|number| *number >= least)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| problem("value out of range"))
}

/// A decimal number.
pub(super) fn float(word: &str) -> Result<f64, String> {
    word.parse()
        .map_err(|_| format!("strconv.ParseFloat: parsing {word:?}: invalid syntax"))
}

/// A port one can listen on or dial.
pub(super) fn port(word: &str) -> Result<u16, String> {
    number(word, i64::from(u16::MIN))
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| "must be a port between 1 and 65535".to_owned())
}

/// The elements of a comma-separated list; one that holds a comma stands in double quotes.
///
/// Follows pflag, which reads such a value as one CSV record: an empty value is an empty list.
pub(super) fn list(word: &str) -> Result<Vec<String>, String> {
    let mut elements = Vec::new();
    if word.is_empty() {
        return Ok(elements);
    }
    let mut rest = word;
    loop {
        let (element, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_element(quoted)?,
            None => plain_element(rest)?,
        };
        elements.push(element);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(elements),
        }
    }
}

fn plain_element(text: &str) -> Result<(String, &str), String> {
    let (element, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    if element.contains('"') {
        return Err("bare \" in an element that is not quoted".to_owned());
    }
    Ok((element.to_owned(), after))
}

/// Reads up to the closing quote; a doubled quote inside stands for one.
fn quoted_element(mut text: &str) -> Result<(String, &str), String> {
    let mut element = String::new();
    loop {
        let (before, after) = text
            .split_once('"')
            .ok_or_else(|| "quoted element without an end".to_owned())?;
        element.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                element.push('"');
                text = next;
            }
            None if after.is_empty() || after.starts_with(',') => return Ok((element, after)),
            None => return Err("text after the closing \" of an element".to_owned()),
        }
    }
}

/// A duration in Go's spelling that is not negative.
pub(super) fn duration(word: &str) -> Result<Duration, String> {
    let duration: GoDuration = word
        .parse()
        .map_err(|error: InvalidDuration| error.to_string())?;
    duration
        .to_std()
        .ok_or_else(|| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_spelled_as_in_go() {
        for yes in ["1", "t", "T", "true", "True", "TRUE"] {
            assert_eq!(boolean(yes), Ok(true), "{yes}");
        }
        for no in ["0", "f", "F", "false", "False", "FALSE"] {
            assert_eq!(boolean(no), Ok(false), "{no}");
        }
        assert_eq!(
            boolean("yes").unwrap_err(),
            "strconv.ParseBool: parsing \"yes\": invalid syntax"
        );
    }

    #[test]
    fn numbers_outside_their_range_are_refused_not_wrapped() {
        assert_eq!(number::<u32>("400", 0), Ok(400));
        assert_eq!(number::<u32>("+400", 0), Ok(400));
        for (word, what) in [
            ("", "invalid syntax"),
            ("4k", "invalid syntax"),
            ("- 4", "invalid syntax"),
            ("-1", "value out of range"),
            ("4294967296", "value out of range"),
            ("99999999999999999999", "value out of range"),
        ] {
            let problem = number::<u32>(word, 0).unwrap_err();
            assert!(problem.ends_with(what), "{word}: {problem}");
        }
    }

    #[test]
    fn ports_are_those_one_can_dial() {
        assert_eq!(port("10250"), Ok(10250));
        for bad in ["0", "65536", "-1", "http"] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_is_one_csv_record() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            ("a,,b,", &["a", "", "b", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"say \"\"hi\"\"\"", &["say \"hi\""]),
        ];
        for (word, elements) in cases {
            assert_eq!(list(word).unwrap(), elements, "{word}");
        }
        for bad in ["\"a", "\"a\"b", "a\"b"] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_gos_but_never_negative() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(
            duration("15").unwrap_err(),
            "time: missing unit in duration \"15\""
        );
        assert!(duration("-1s").is_err());
    }
}
