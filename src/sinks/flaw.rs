//! What is wrong with a sink's URI, and where in it.

use super::options::Problem;
use super::uri::{InvalidUri, SinkUri};

/// A part of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// What stands before `?`.
    Address,
    /// The options, none of them by name.
    Options,
    /// The option of this name.
    Option(String),
}

/// Something that is wrong with a URI. Holds nothing of its text but names of options and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub place: Place,
    pub error: InvalidUri,
}

/// A variable that is set, and empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blank {
    pub place: Place,
    /// It stands for a host, a user or a whole address: nothing else would be sent there or said.
    /// Of one in an option's value the option knows whether it may be empty.
    pub needed: bool,
    pub variable: String,
}

impl Flaw {
    pub(super) const fn new(place: Place, error: InvalidUri) -> Self {
        Self { place, error }
    }

    /// Whether nobody knows what the address is: a variable in it cannot be put in, or a `#` stands
    /// in it.
    pub(super) const fn hides_address(&self) -> bool {
        let unknown = self.error.is_of_variable() || matches!(self.error, InvalidUri::Fragment);
        matches!(self.place, Place::Address) && unknown
    }
}

impl SinkUri {
    /// What can be read of a value, and all that is wrong with it, in words that name the key.
    #[must_use]
    pub fn with_problems(value: &str, env: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<String>) {
        let uri = Self::gather(value, env);
        let problems = uri.flaws.iter().map(|flaw| match &flaw.place {
            Place::Option(name) => format!("{}: option {name}: {}", uri.key, flaw.error),
            Place::Address | Place::Options => Problem::of_uri(value, &flaw.error).to_string(),
        });
        let problems = problems.collect();
        (uri, problems)
    }
}
