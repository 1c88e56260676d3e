//! The raw words of the command line, read flag by flag; every problem is kept, so that all are
//! told at once.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;

use super::flag::{Flag, Kind, Topic};
use super::heapster::SOURCE;
use super::value;

/// The command line as clap split it, and what was wrong with it so far.
///
/// Each reading method returns `None` after it has noted a problem; a group reads all its flags
/// before it gives up.
pub(super) struct Given {
    matches: ArgMatches,
    errors: Vec<FlagError>,
    notes: Vec<String>,
    warnings: Vec<String>,
    /// What looks for more that is wrong, once something is.
    besides: Vec<Besides>,
    heapster: bool,
    env: Environment,
}

/// Looks for what is wrong outside of the command line, as with a file.
pub(super) type Besides = Box<dyn FnOnce() -> Vec<String>>;

/// What a variable of the environment holds.
pub(super) type Environment = fn(&str) -> Option<String>;

/// What is wrong with a flag, in words that name it as typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagError {
    /// The value cannot be read; pflag's words.
    #[error("invalid argument {value:?} for {flag:?} flag: {problem}")]
    Value {
        flag: String,
        value: String,
        problem: String,
    },
    /// The value can be read but not used, alone or together with others.
    #[error("{0}")]
    Rule(String),
}

impl Given {
    /// `heapster` says whether the program is called so.
    pub(super) fn new(matches: ArgMatches, heapster: bool, env: Environment) -> Self {
        Self {
            heapster: heapster || matches.contains_id(SOURCE.name),
            matches,
            errors: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            besides: Vec::new(),
            env,
        }
    }

    /// Tells whether the flags mean what they mean to Heapster.
    pub(super) const fn is_heapster(&self) -> bool {
        self.heapster
    }

    /// What a variable of the environment holds.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    /// Keeps a line for the log: something given does not mean what its user may think.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The lines for the log.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Keeps a warning for the log: something given is not used.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// The warnings for the log.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Every occurrence of the flag as it was written.
    pub(super) fn words(&self, flag: &Flag) -> Vec<String> {
        let words = self.matches.get_many::<String>(flag.name);
        words.into_iter().flatten().cloned().collect()
    }

    /// Tells whether the flag stands on the command line.
    pub(super) fn has(&self, flag: &Flag) -> bool {
        self.matches.contains_id(flag.name)
    }

    /// Notes a rule that is broken; the text names the flags.
    pub(super) fn refuse(&mut self, rule: impl Into<String>) {
        self.errors.push(FlagError::Rule(rule.into()));
    }

    /// Has this told besides whatever else is wrong. A right command line is not asked: what is wrong
    /// with files is told when they are used.
    pub(super) fn look_besides(&mut self, look: Besides) {
        self.besides.push(look);
    }

    /// Notes one wrong element of a list.
    pub(super) fn refuse_value(&mut self, flag: &Flag, value: &str, problem: String) {
        self.errors.push(FlagError::Value {
            flag: flag.spelled(),
            value: value.to_owned(),
            problem,
        });
    }

    /// Reads the flag with `parse`. Given more than once, the last value counts, but all must be
    /// readable.
    pub(super) fn parsed<T>(
        &mut self,
        flag: &Flag,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.each(flag, parse)?.pop()
    }

    /// Reads every occurrence of the flag (its default, if there is none and it is not empty) with
    /// `parse`.
    pub(super) fn each<T>(
        &mut self,
        flag: &Flag,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let words: Vec<&str> = match self.matches.get_many::<String>(flag.name) {
            Some(words) => words.map(String::as_str).collect(),
            None => vec![flag.default],
        };
        let mut values = Vec::with_capacity(words.len());
        let mut errors = Vec::new();
        for word in words {
            match parse(word) {
                Ok(value) => values.push(value),
                Err(problem) => errors.push(FlagError::Value {
                    flag: flag.spelled(),
                    value: word.to_owned(),
                    problem,
                }),
            }
        }
        let whole = errors.is_empty();
        self.errors.append(&mut errors);
        whole.then_some(values)
    }

    pub(super) fn flag(&mut self, flag: &Flag) -> Option<bool> {
        self.parsed(flag, value::boolean)
    }

    pub(super) fn text(&mut self, flag: &Flag) -> String {
        self.parsed(flag, |word| Ok(word.to_owned()))
            .unwrap_or_default()
    }

    /// A path; the empty text is none.
    pub(super) fn path(&mut self, flag: &Flag) -> Option<PathBuf> {
        Some(self.text(flag))
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }

    /// A whole number of at least `least` that fits `T`.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, flag: &Flag, least: i64) -> Option<T> {
        self.parsed(flag, |word| value::number(word, least))
    }

    /// A duration that is not negative.
    pub(super) fn duration(&mut self, flag: &Flag) -> Option<Duration> {
        self.parsed(flag, value::duration)
    }

    /// A duration above zero.
    pub(super) fn positive_duration(&mut self, flag: &Flag) -> Option<Duration> {
        let duration = self.duration(flag)?;
        if duration.is_zero() {
            self.refuse(format!("--{} must be greater than 0", flag.name));
            return None;
        }
        Some(duration)
    }

    /// All elements of a list flag, from every occurrence.
    pub(super) fn list(&mut self, flag: &Flag) -> Option<Vec<String>> {
        Some(
            self.each(flag, value::list)?
                .into_iter()
                .flatten()
                .collect(),
        )
    }

    /// The given flags that do nothing.
    pub(super) fn inert(&self, topics: &[Topic]) -> Vec<&'static str> {
        all_flags(topics)
            .filter(|flag| flag.inert && self.has(flag))
            .map(|flag| flag.name)
            .collect()
    }

    /// Every problem, those of the flags that do nothing included: a typing error is one wherever
    /// it stands.
    pub(super) fn into_errors(mut self, topics: &[Topic]) -> Vec<FlagError> {
        for flag in all_flags(topics).filter(|flag| flag.inert) {
            match flag.kind {
                Kind::Bool => drop(self.flag(flag)),
                Kind::Int => drop(self.number::<i64>(flag, i64::MIN)),
                Kind::Float => drop(self.parsed(flag, value::float)),
                Kind::Duration => drop(self.duration(flag)),
                Kind::List => drop(self.list(flag)),
                Kind::Text => {}
            }
        }
        if !self.errors.is_empty() {
            let besides = self.besides.into_iter().flat_map(|look| look());
            self.errors.extend(besides.map(FlagError::Rule));
        }
        self.errors
    }
}

fn all_flags(topics: &[Topic]) -> impl Iterator<Item = &'static Flag> {
    topics.iter().flat_map(|topic| topic.flags.iter().copied())
}
