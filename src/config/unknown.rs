//! Words of the command line nobody knows: flags that are none, and what belongs to no flag.
//!
//! Such a word may hold a secret, as the value of a mistyped flag does, so no more of it is told than
//! what stands before a value.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Exit;
use super::flag::{self, Topic};

/// Splits the words into flags; those nobody knows are set aside and told, so that one of them does
/// not hide what else is wrong.
pub(super) fn known(
    mut words: Vec<OsString>,
    about: &'static str,
    topics: &[Topic],
) -> Result<(ArgMatches, Vec<String>), Exit> {
    // What stood before each word.
    let mut before: Vec<OsString> = words.clone();
    before.insert(0, OsString::new());
    let mut told = Vec::new();
    loop {
        let error = match flag::command(about, topics).try_get_matches_from(&words) {
            Ok(matches) => return Ok((matches, told)),
            Err(error) => error,
        };
        let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
            return Err(error.into());
        };
        let is_it = |word: &OsString| word.to_string_lossy() == *flag || name_of(word) == *flag;
        // Of a word with one dash clap names a letter: as `-b` what is `-bogus` to Go.
        let begins = |word: &OsString| name_of(word).starts_with(flag.as_str());
        let place = words.iter().skip(1).position(is_it);
        let place = place.or_else(|| words.iter().skip(1).position(begins));
        let Some(place) = place.filter(|_| error.kind() == ErrorKind::UnknownArgument) else {
            return Err(error.into());
        };
        // Each turn takes a word away, so the turns end.
        let word = words.remove(place + 1);
        told.push(problem(&word, &before.remove(place + 1)));
    }
}

/// The word without what stands behind `=`.
fn name_of(word: &OsStr) -> Cow<'_, str> {
    match word.to_string_lossy() {
        Cow::Borrowed(word) => Cow::Borrowed(word.split('=').next().unwrap_or_default()),
        Cow::Owned(word) => Cow::Owned(word.split('=').next().unwrap_or_default().to_owned()),
    }
}

/// What is wrong with a word that stood behind another.
fn problem(word: &OsStr, before: &OsStr) -> String {
    let (word, before) = (word.to_string_lossy(), before.to_string_lossy());
    if word.starts_with('-') {
        return format!("unknown flag: {}", begun(&word));
    }
    let whole = begun(&word) == word;
    // A value of its own is one for `=`; the first word stands for what is to be done.
    let shown = match (whole, before.starts_with('-')) {
        (true, true) if !matches!(&*word, "true" | "false") => "\u{2026}".to_owned(),
        (true, _) => word.into_owned(),
        (false, _) => format!("{}\u{2026}", begun(&word)),
    };
    if before.starts_with('-') {
        return format!("unexpected argument behind {}: {shown}", begun(&before));
    }
    format!("unexpected argument: {shown}")
}

/// What of a word stands before anything that may be a value.
fn begun(word: &str) -> &str {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_' | '.');
    word.split(ends).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_told_of_a_word_than_what_stands_before_a_value() {
        for (word, before, told) in [
            ("--bogus=S3CRET", "x", "unknown flag: --bogus"),
            ("-bogus:S3CRET", "x", "unknown flag: -bogus"),
            ("--pass S3CRET", "x", "unknown flag: --pass"),
            (
                "webhook:https://c/x?token=S3CRET",
                "-sinkk",
                "unexpected argument behind -sinkk: webhook\u{2026}",
            ),
            (
                "sink=webhook:http://u:S3CRET@h",
                "--sink=log:S3CRET",
                "unexpected argument behind --sink: sink\u{2026}",
            ),
            (
                "S3CRET",
                "--token",
                "unexpected argument behind --token: \u{2026}",
            ),
            (
                "true",
                "--leader-elect",
                "unexpected argument behind --leader-elect: true",
            ),
            ("evnter", "loadline", "unexpected argument: evnter"),
        ] {
            assert_eq!(problem(word.as_ref(), before.as_ref()), told, "{word}");
        }
    }
}
