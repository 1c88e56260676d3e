//! What keeps sinks from being set up, all of it at once.

use std::error::Error;
use std::fmt::{self, Display};
use std::path::Path;

use super::options::{Problem, Problems};

/// Everything that keeps one sink from being set up. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupError {
    /// The option that is wrong, if it is one, and what is wrong; never empty.
    wrong: Vec<(Option<&'static str>, String)>,
}

impl SetupError {
    pub(super) fn new(option: Option<&'static str>, what: impl Into<String>) -> Self {
        Self {
            wrong: vec![(option, what.into())],
        }
    }

    /// The file an option names cannot be used.
    pub(super) fn file(option: Option<&'static str>, file: &Path, why: &dyn Display) -> Self {
        Self::new(option, format!("cannot use {}: {why}", file.display()))
    }

    /// The folder of a sink's spool cannot be used.
    pub(super) fn spool(folder: &Path, why: &dyn Display) -> Self {
        let folder = folder.display();
        Self::new(None, format!("the spool in {folder} cannot be used: {why}"))
    }

    /// What either says, each thing once: several connections may use the same file.
    fn and(mut self, other: Self) -> Self {
        for wrong in other.wrong {
            if !self.wrong.contains(&wrong) {
                self.wrong.push(wrong);
            }
        }
        self
    }

    /// The same as problems of a sink.
    pub(super) fn of(self, sink: &str) -> impl Iterator<Item = Problem> {
        self.wrong.into_iter().map(move |(option, what)| Problem {
            sink: sink.to_owned(),
            option,
            what,
        })
    }
}

impl Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Problems(self.clone().of("").collect()).fmt(f)
    }
}

impl Error for SetupError {}

/// What kept a sink from being set up; nothing if it was.
pub(super) fn problems<T>(made: Result<T, SetupError>, sink: &str) -> Vec<Problem> {
    let error = made.err().into_iter();
    error.flat_map(|error| error.of(sink)).collect()
}

/// Both, or everything that is wrong with them.
pub(super) fn both<A, B>(
    a: Result<A, SetupError>,
    b: Result<B, SetupError>,
) -> Result<(A, B), SetupError> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err(a.and(b)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// All of them, or everything that is wrong with any.
pub(super) fn all<T>(
    set_up: impl IntoIterator<Item = Result<T, SetupError>>,
) -> Result<Vec<T>, SetupError> {
    let join = |so_far, next| {
        both(so_far, next).map(|(mut all, one): (Vec<T>, T)| {
            all.push(one);
            all
        })
    };
    set_up.into_iter().fold(Ok(Vec::new()), join)
}
