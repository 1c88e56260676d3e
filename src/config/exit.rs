//! How the process ends when there is nothing to serve.

use std::fmt::Write;

use super::given::FlagError;

/// A reason to end before anything has begun: `main` prints the text and leaves with the code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Exit {
    /// What to print, with its last line break.
    pub text: String,
    /// Where to print it.
    pub stream: Stream,
    /// The exit code: 0 for what was asked for, 2 for a wrong command line.
    pub code: u8,
}

/// One of the two outputs of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Exit {
    pub(super) fn version() -> Self {
        Self {
            text: format!("loadline {}\n", env!("CARGO_PKG_VERSION")),
            stream: Stream::Stdout,
            code: 0,
        }
    }

    pub(super) fn wrong(errors: &[FlagError]) -> Self {
        let mut text = String::new();
        for error in errors {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "error: {error}");
        }
        text.push_str("\nFor more information, try '--help'.\n");
        Self {
            text,
            stream: Stream::Stderr,
            code: 2,
        }
    }
}

impl From<clap::Error> for Exit {
    fn from(error: clap::Error) -> Self {
        Self {
            text: error.render().to_string(),
            stream: if error.use_stderr() {
                Stream::Stderr
            } else {
                Stream::Stdout
            },
            code: u8::try_from(error.exit_code()).unwrap_or(2),
        }
    }
}
