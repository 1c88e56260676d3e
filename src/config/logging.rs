//! How much is logged, and how.

use crate::telemetry::{LogFormat, LogLevel};

use super::flag::{Flag, Kind, Topic};
use super::given::Given;

/// How much is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logging {
    /// `--logging-format`.
    pub format: LogFormat,
    /// `-v`: numbers above 255 count as 255.
    pub level: LogLevel,
}

const FORMAT: Flag = Flag::new(
    "logging-format",
    Kind::Text,
    "text",
    "How a log line looks: text or json",
);
const LEVEL: Flag = Flag::new(
    "v",
    Kind::Int,
    "0",
    "How much to log: 0 to 3 what changes, 4 and 5 each step, above it everything",
)
.short('v');

const ONE_STREAM: &str = "All lines go to standard error, unbuffered";

const FLUSH_FREQUENCY: Flag = Flag::inert("log-flush-frequency", Kind::Duration, "5s", ONE_STREAM);
const JSON_BUFFER: Flag = Flag::inert("log-json-info-buffer-size", Kind::Text, "0", ONE_STREAM);
const JSON_SPLIT: Flag = Flag::inert("log-json-split-stream", Kind::Bool, "false", ONE_STREAM);
const TEXT_BUFFER: Flag = Flag::inert("log-text-info-buffer-size", Kind::Text, "0", ONE_STREAM);
const TEXT_SPLIT: Flag = Flag::inert("log-text-split-stream", Kind::Bool, "false", ONE_STREAM);
const VMODULE: Flag = Flag::inert(
    "vmodule",
    Kind::Text,
    "",
    "Levels by Go source file have no counterpart here",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Logging",
    flags: &[
        &FLUSH_FREQUENCY,
        &JSON_BUFFER,
        &JSON_SPLIT,
        &TEXT_BUFFER,
        &TEXT_SPLIT,
        &FORMAT,
        &LEVEL,
        &VMODULE,
    ],
};

pub(super) fn read(given: &mut Given) -> Option<Logging> {
    let format = given.parsed(&FORMAT, |word| match word {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".to_owned()),
    });
    let level: Option<i32> = given.number(&LEVEL, 0);
    Some(Logging {
        format: format?,
        level: LogLevel(u8::try_from(level?).unwrap_or(u8::MAX)),
    })
}
