//! What is wrong with a sink's URI, and where in it.

use super::uri::InvalidUri;

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
