//! Why a store gives no answer.

use std::time::Duration;

use crate::sinks::ExportError;

/// Why a question has no answer. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Http(#[from] ExportError),
    /// What of [`ExportError::Unreachable`] anybody may know.
    #[error("cannot be reached")]
    Unreachable,
    /// The time of the question was over.
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("too many questions at a time")]
    Busy,
    /// The store understood that it was asked, and says what is wrong.
    #[error("{0}")]
    Said(String),
    #[error("its answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// What it has is known to be more than what it answered.
    #[error("its answer is only a part")]
    Partial,
    #[error("more than {0} points, ask for less at a time")]
    TooMany(usize),
}

/// How much of what a store says is told on.
const SHOWN: usize = 300;

impl Failure {
    /// What is told to who asked, which may be anybody: not where the store is. The log says that.
    pub(super) fn told(self) -> Self {
        if let Self::Http(ExportError::Unreachable(_)) = self {
            Self::Unreachable
        } else {
            self
        }
    }

    /// What the store said, on one line.
    pub(super) fn said(text: &str) -> Self {
        let text = text.trim().chars().take(SHOWN);
        Self::Said(text.map(|c| if c.is_control() { ' ' } else { c }).collect())
    }
}
