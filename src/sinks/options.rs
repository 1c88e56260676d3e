//! Reading the options of a sink's URI, all problems at once.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::flaw::{Blank, Flaw, Place};
use super::secret::Secret;
use super::uri::{InvalidUri, SinkUri};
use crate::apimachinery::Query;

/// What is wrong with one sink. Never holds the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The sink's key, with a number behind it from the second of a kind on.
    pub sink: String,
    /// The option that is wrong; `None` when it is the address or the sink itself.
    pub option: Option<&'static str>,
    /// What is wrong with it.
    pub what: String,
}

/// Everything that is wrong with the sinks that were given, in their order; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.sink.as_str(), self.option) {
            ("", None) => f.write_str(&self.what),
            ("", Some(option)) => write!(f, "option {option}: {}", self.what),
            (sink, None) => write!(f, "{sink}: {}", self.what),
            (sink, Some(option)) => write!(f, "{sink}: option {option}: {}", self.what),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

impl Problem {
    /// That a value is no `KEY[:URI]`.
    #[must_use]
    pub fn of_uri(value: &str, error: &InvalidUri) -> Self {
        Self {
            sink: SinkUri::key_of(value).to_owned(),
            option: None,
            what: error.to_string(),
        }
    }
}

/// What is odd about the options of a sink and no mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// The options nobody knows; Heapster did not mind them either.
    pub ignored: Vec<String>,
    /// The options that were given more than once and are no lists: the first counts, as it did in
    /// Heapster.
    pub twice: Vec<&'static str>,
}

/// The options of one sink, read one after the other.
pub(super) struct Options<'a> {
    sink: &'a str,
    query: &'a Query,
    flaws: &'a [Flaw],
    blanks: &'a [Blank],
    known: BTreeSet<&'static str>,
    twice: BTreeSet<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Options<'a> {
    /// The options of a sink's URI, and what is wrong with that.
    pub(super) fn of(sink: &'a str, uri: &'a SinkUri) -> Self {
        Self {
            flaws: &uri.flaws,
            blanks: &uri.blanks,
            ..Self::new(sink, &uri.options)
        }
    }

    pub(super) const fn new(sink: &'a str, query: &'a Query) -> Self {
        Self {
            sink,
            query,
            flaws: &[],
            blanks: &[],
            known: BTreeSet::new(),
            twice: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Notes a problem with an option, or with the address; once, however often it is read.
    pub(super) fn refuse(&mut self, option: Option<&'static str>, what: impl Into<String>) {
        let problem = Problem {
            sink: self.sink.to_owned(),
            option,
            what: what.into(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes a problem with the address, unless nobody knows what that is.
    pub(super) fn refuse_address(&mut self, what: &str) {
        if self.knows_address() {
            self.refuse(None, what);
        }
    }

    /// Whether the address is one, as far as variables go.
    pub(super) fn knows_address(&self) -> bool {
        !self.flaws.iter().any(Flaw::hides_address)
    }

    /// Whether nothing is wrong with the address as far as it is read by now.
    pub(super) fn reads_address(&self) -> bool {
        let flaws = self.flaws.iter().map(|flaw| &flaw.place);
        let mut places = flaws.chain(self.blanks.iter().map(|blank| &blank.place));
        !places.any(|place| *place == Place::Address)
    }

    /// Notes that the address has to name a host, if it does not.
    pub(super) fn need_host(&mut self, uri: &SinkUri) {
        if uri.host.is_none() && self.reads_address() {
            self.refuse(None, "the address names no host");
        }
    }

    /// Refuses a user before the host, for sinks that tell nobody who they are, or do so otherwise.
    pub(super) fn refuse_user(&mut self, uri: &SinkUri) {
        if uri.user.is_some() {
            self.refuse(None, "takes no user before the host");
        }
    }

    /// Refuses a path, for sinks that speak a protocol without one.
    pub(super) fn refuse_path(&mut self, uri: &SinkUri) {
        if !matches!(uri.path.as_str(), "" | "/") {
            self.refuse_address("takes no path behind the host");
        }
    }

    /// Refuses half of a user and a password, unless it is known already why one is not there.
    pub(super) fn refuse_half_user(&mut self, option: Option<&'static str>) {
        let here = |blank: &Blank| match (&blank.place, option) {
            (Place::Option(name), Some(option)) => name == option,
            (place, None) => *place == Place::Address,
            (_, Some(_)) => false,
        };
        let known = self.blanks.iter().any(|blank| blank.needed && here(blank));
        if !known && (option.is_some() || self.knows_address()) {
            let what = "a user before the host needs a name and a password, as in user:password@";
            self.refuse(option, what);
        }
    }

    /// Refuses an address, for sinks that have none.
    pub(super) fn refuse_any_address(&mut self, uri: &SinkUri, instead: &str) {
        if uri.has_address() {
            self.refuse(None, format!("takes no address: {instead}"));
        }
    }

    /// Whether the option is there, whatever it holds.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.query.first(name).is_some()
    }

    /// Refuses a variable in the option's value that is empty.
    pub(super) fn refuse_blank(&mut self, name: &'static str) {
        let blanks = self.blanks;
        let here = |blank: &&Blank| matches!(&blank.place, Place::Option(option) if option == name);
        if let Some(blank) = blanks.iter().find(here) {
            self.refuse(Some(name), empty(&blank.variable));
        }
    }

    /// An option that says who we are. Given and empty it is refused: something else would be said in
    /// its place.
    pub(super) fn credential(&mut self, name: &'static str) -> Option<&'a str> {
        let before = self.problems.len();
        self.refuse_blank(name);
        let text = self.text(name);
        if text.is_none() && self.is_given(name) && self.problems.len() == before {
            self.refuse(Some(name), "is empty");
        }
        text
    }

    /// The option's text, if it was given and is not empty.
    pub(super) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.insert(name);
        if self.query.all(name).nth(1).is_some() {
            self.twice.insert(name);
        }
        self.query.first(name).filter(|text| !text.is_empty())
    }

    pub(super) fn text_or(&mut self, name: &'static str, default: &str) -> String {
        self.text(name).unwrap_or(default).to_owned()
    }

    /// A text in which only characters stand that fit where it is sent; refuses any other.
    pub(super) fn fitting(
        &mut self,
        name: &'static str,
        default: &str,
        fits: impl Fn(char) -> bool,
    ) -> String {
        let text = self.text_or(name, default);
        if !text.chars().all(fits) {
            self.refuse(Some(name), "holds a character that cannot stand there");
        }
        text
    }

    pub(super) fn secret(&mut self, name: &'static str) -> Option<Secret> {
        self.credential(name).map(Secret::from)
    }

    /// A boolean as Go's `strconv.ParseBool` reads it.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.text(name) {
            None => default,
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => true,
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => false,
            Some(_) => {
                self.refuse(Some(name), "is neither true nor false");
                default
            }
        }
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let Some(text) = self.text(name) else {
            return default;
        };
        match text.parse().ok().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let (least, most) = range.into_inner();
                self.refuse(Some(name), format!("is no number from {least} to {most}"));
                default
            }
        }
    }

    /// Anything that reads itself; `expected` says what it is.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.refuse(Some(name), format!("is no {expected}"));
        }
        parsed
    }

    /// An option that is repeated, each time it is not empty.
    pub(super) fn texts(&mut self, name: &'static str) -> Vec<&'a str> {
        self.known.insert(name);
        let texts = self.query.all(name);
        texts.filter(|text| !text.is_empty()).collect()
    }

    /// A list, by comma or by repeating the option.
    pub(super) fn list(&mut self, name: &'static str) -> Vec<String> {
        self.known.insert(name);
        let texts = self.query.all(name).flat_map(|text| text.split(','));
        let texts = texts.map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    }

    /// What is odd, and what is wrong.
    pub(super) fn finish(self) -> (Remarks, Vec<Problem>) {
        let unknown = self.query.keys().filter(|key| !self.known.contains(key));
        let unknown: BTreeSet<String> = unknown.map(str::to_owned).collect();
        let remarks = Remarks {
            ignored: unknown.into_iter().collect(),
            twice: self.twice.iter().copied().collect(),
        };
        let problems = self.of_uri();
        (remarks, problems)
    }

    /// What is wrong with the URI, and then what is wrong with options that could be read.
    fn of_uri(self) -> Vec<Problem> {
        let unread = |name: &str| {
            let here = |flaw: &Flaw| matches!(&flaw.place, Place::Option(option) if option == name);
            self.flaws.iter().any(here)
        };
        let problem = |place: &Place, what: String| Problem {
            sink: self.sink.to_owned(),
            option: match place {
                // What nobody reads may have come out of a variable.
                Place::Option(option) => self.known.get(option.as_str()).copied(),
                Place::Address | Place::Options => None,
            },
            what,
        };
        let flaws = self.flaws.iter();
        let mut problems: Vec<Problem> = flaws
            .map(|flaw| problem(&flaw.place, flaw.error.to_string()))
            .collect();
        let needed = self.blanks.iter().filter(|blank| blank.needed);
        problems.extend(needed.map(|blank| problem(&blank.place, empty(&blank.variable))));
        for problem in self.problems {
            if !problem.option.is_some_and(unread) && !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        problems
    }
}

fn empty(variable: &str) -> String {
    format!("variable {variable} is empty")
}
