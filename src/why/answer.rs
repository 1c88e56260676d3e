//! The answer, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

/// Why, or that all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What was asked about.
    pub subject: String,
    /// Nothing is missing.
    pub ok: bool,
    /// The reasons, the most likely first; notes when all is well.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Why, in words.
    pub message: String,
    /// What to do; empty when there is nothing.
    pub remedy: String,
}

impl Reason {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl Answer {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let word = if self.ok { "ok" } else { "missing" };
        let mut text = format!("{}: {word}\n", self.subject);
        for reason in &self.reasons {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "- {}", reason.message);
            if !reason.remedy.is_empty() {
                let _ = writeln!(text, "  to do: {}", reason.remedy);
            }
        }
        text
    }

    /// For programs: one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        // Strings and booleans are always JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
