//! What is kept over time: how often, for how long, and with which labels.

use std::convert::Infallible;
use std::time::Duration;

use crate::apimachinery::{GoDuration, InvalidQuantity, Quantity};
use crate::domain::Bytes;
use crate::lifecycle::MemoryLimit;
use crate::rollup::{LabelCopying, StoredLabel};
use crate::sinks::LABELS;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;
use super::history_dir;
use super::scrape::METRIC_RESOLUTION;

/// The sums over pods, namespaces and nodes that are made at one instant for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// `--rollup-resolution`, or `--metric-resolution` when we are Heapster: the time between two
    /// sums, at least 5 s.
    pub resolution: Duration,
    /// Which labels of pods and nodes go with the numbers.
    pub labels: LabelCopying,
    /// The annotation of a node that names its machine: `host_id_annotation` of `--source`.
    pub host_id_annotation: Option<String>,
    /// `--rollup-metrics`: whether the sums are told at `/metrics/rollup`.
    pub exposed: bool,
}

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// `--history-length`: how far back it goes, at least two roll-ups, which it is lengthened to
    /// unless it was given.
    pub length: Duration,
    /// `--history-memory-limit`: above it the oldest goes first.
    pub memory_limit: Bytes,
    /// `--memory-limit`: near it the oldest goes as well.
    pub process_limit: ProcessLimit,
}

/// `--memory-limit`: the most memory the process may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessLimit {
    /// That of the container, if it has one.
    Containers,
    /// This one.
    Given(Bytes),
    /// None.
    Unlimited,
}

impl ProcessLimit {
    /// What that is for this process.
    #[must_use]
    pub fn of_process(self) -> Option<MemoryLimit> {
        match self {
            Self::Containers => MemoryLimit::of_cgroup(),
            Self::Given(limit) => Some(MemoryLimit::new(limit)),
            Self::Unlimited => None,
        }
    }
}

const SHORTEST_RESOLUTION: Duration = Duration::from_secs(5);
/// Less could not hold what a small cluster has.
const LEAST_MEMORY: Bytes = Bytes::new(1 << 20);
/// The program itself does not fit into less.
const LEAST_PROCESS: Bytes = Bytes::new(16 << 20);

const RESOLUTION: Flag = Flag::new(
    "rollup-resolution",
    Kind::Duration,
    "60s",
    "Time between two sums over pods, namespaces and nodes, at least 5s; --metric-resolution means this when started as Heapster",
);
const LENGTH: Flag = Flag::new(
    "history-length",
    Kind::Duration,
    "15m0s",
    "Time for which the sums are kept, at least two of them; unless given, as long as two take if that is more",
);
const MEMORY_LIMIT: Flag = Flag::new(
    "history-memory-limit",
    Kind::Text,
    "512Mi",
    "Memory the sums may take, as in 512Mi; above it the oldest go before their time",
);
const PROCESS_LIMIT: Flag = Flag::new(
    "memory-limit",
    Kind::Text,
    "",
    "Memory the whole process may take, as in 512Mi; near it the oldest sums go and long lists come piece by piece; the container's limit unless given, 0 for none",
);
const METRICS: Flag = Flag::new(
    "rollup-metrics",
    Kind::Bool,
    "false",
    "Whether the newest sums are served at /metrics/rollup for Prometheus to scrape, to those who may get that path and list all pods' metrics",
);
const STORE_LABEL: Flag = Flag::new(
    "store-label",
    Kind::List,
    "",
    "Labels of pods and nodes to store apart as well, as in label or name=label; under no name of Heapster's own labels",
);
const IGNORE_LABEL: Flag = Flag::new(
    "ignore-label",
    Kind::List,
    "",
    "Labels of pods and nodes to leave out when they are joined",
);
const LABEL_SEPARATOR: Flag = Flag::new(
    "label-separator",
    Kind::Text,
    ",",
    "What stands between joined labels",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Roll-up and history",
    flags: &[
        &history_dir::FOLDER,
        &history_dir::MOST,
        &history_dir::RETENTION,
        &LENGTH,
        &MEMORY_LIMIT,
        &PROCESS_LIMIT,
        &IGNORE_LABEL,
        &LABEL_SEPARATOR,
        &METRICS,
        &RESOLUTION,
        &STORE_LABEL,
    ],
};

pub(super) fn read(
    given: &mut Given,
    resolution: Option<Duration>,
    host_id_annotation: Option<String>,
) -> Option<Rollup> {
    let stored = given.list(&STORE_LABEL).map(|words| {
        let label = |word: &String| {
            word.parse()
                .unwrap_or_else(|never: Infallible| match never {})
        };
        words.iter().map(label).collect::<Vec<StoredLabel>>()
    });
    // No label has a `=` in its name, so Heapster found nothing by one and said nothing.
    let nameless =
        |one: &StoredLabel| one.from.is_empty() || one.to.is_empty() || one.from.contains('=');
    if stored.as_ref().is_some_and(|all| all.iter().any(nameless)) {
        given.refuse(format!(
            "--{} must be label or name=label",
            STORE_LABEL.name
        ));
    }
    for problem in stored.iter().flat_map(|stored| wrongly_stored(stored)) {
        given.refuse(format!("--{}: {problem}", STORE_LABEL.name));
    }
    let ignored = given.list(&IGNORE_LABEL);
    let separator = given.text(&LABEL_SEPARATOR);
    let exposed = given.flag(&METRICS);
    Some(Rollup {
        resolution: resolution?,
        labels: LabelCopying {
            stored: stored?,
            ignored: ignored?.into_iter().collect(),
            separator,
        },
        host_id_annotation,
        exposed: exposed?,
    })
}

/// What is wrong with the names under which labels are stored: each is a label of its own.
fn wrongly_stored(stored: &[StoredLabel]) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, one) in stored.iter().enumerate() {
        let mut before = stored.iter().take(at);
        // That there is no name is told already.
        if one.to.is_empty() {
            continue;
        }
        if LABELS.contains(&one.to.as_str()) {
            problems.push(format!("{} is a label everything has already", one.to));
        } else if before.any(|other| other.to == one.to && other.from != one.from) {
            problems.push(format!("{} is given twice", one.to));
        }
    }
    problems
}

/// The flag that is the resolution of the sums: Heapster's one resolution is, and the live numbers
/// have their own.
fn resolution_flag(given: &Given) -> &'static Flag {
    if given.is_heapster() && given.has(&METRIC_RESOLUTION) {
        &METRIC_RESOLUTION
    } else {
        &RESOLUTION
    }
}

/// Reads the time between two sums.
pub(super) fn read_resolution(given: &mut Given) -> Option<Duration> {
    let flag = resolution_flag(given);
    let heapsters = flag.name == METRIC_RESOLUTION.name;
    if heapsters && given.has(&RESOLUTION) {
        given.refuse(format!(
            "--{} means --{} when started as Heapster: give one of them",
            METRIC_RESOLUTION.name, RESOLUTION.name
        ));
    }
    let resolution = given.duration(flag)?;
    if resolution < SHORTEST_RESOLUTION {
        given.refuse(format!(
            "--{} must be at least {}, not {}",
            flag.name,
            GoDuration::from(SHORTEST_RESOLUTION),
            GoDuration::from(resolution)
        ));
        return None;
    }
    if heapsters {
        given.note(format!(
            "--{} ({}) is the pace of what is kept over time; live numbers keep {}",
            METRIC_RESOLUTION.name,
            GoDuration::from(resolution),
            METRIC_RESOLUTION.default
        ));
    }
    Some(resolution)
}

/// The length that is kept unless one is given: two roll-ups at least.
fn long_enough(given: &mut Given, length: Duration, resolution: Option<Duration>) -> Duration {
    let least = resolution.unwrap_or_default().saturating_mul(2);
    if given.has(&LENGTH) || length >= least {
        return length;
    }
    given.note(format!(
        "--{} is {} instead of {}: it has to hold two sums",
        LENGTH.name,
        GoDuration::from(least),
        GoDuration::from(length)
    ));
    least
}

/// Reads how far back the history goes.
pub(super) fn read_length(given: &mut Given, resolution: Option<Duration>) -> Option<Duration> {
    let length = given.duration(&LENGTH)?;
    let length = long_enough(given, length, resolution);
    if let Some(resolution) = resolution
        && length < resolution * 2
    {
        given.refuse(format!(
            "--{} ({}) must hold at least two times --{} ({})",
            LENGTH.name,
            GoDuration::from(length),
            resolution_flag(given).name,
            GoDuration::from(resolution)
        ));
    }
    Some(length)
}

pub(super) fn read_history(given: &mut Given, length: Option<Duration>) -> Option<History> {
    let memory_limit = given.parsed(&MEMORY_LIMIT, |word| {
        let quantity: Quantity = word.parse().map_err(|e: InvalidQuantity| e.to_string())?;
        let bytes = quantity.as_bytes();
        if bytes < LEAST_MEMORY {
            return Err("must be at least 1Mi".to_owned());
        }
        Ok(bytes)
    });
    let process_limit = given.parsed(&PROCESS_LIMIT, |word| {
        if word.is_empty() {
            return Ok(ProcessLimit::Containers);
        }
        let quantity: Quantity = word.parse().map_err(|e: InvalidQuantity| e.to_string())?;
        match quantity.as_bytes() {
            none if none == Bytes::new(0) => Ok(ProcessLimit::Unlimited),
            limit if limit < LEAST_PROCESS => Err("must be 0 or at least 16Mi".to_owned()),
            limit => Ok(ProcessLimit::Given(limit)),
        }
    });
    Some(History {
        length: length?,
        memory_limit: memory_limit?,
        process_limit: process_limit?,
    })
}
