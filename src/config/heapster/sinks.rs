//! `--sink`: where numbers are sent to.

use super::super::flag::{Flag, Kind};
use super::super::given::Given;
use super::uri::KeyedUri;
use crate::sinks::{self, SinkConfig};

pub(super) const SINK: Flag = Flag::new(
    "sink",
    Kind::Text,
    "",
    "Where numbers are sent to, in Heapster's form KEY:URL?OPTIONS; may be repeated; metric is the history kept here",
);
pub(super) const HISTORICAL_SOURCE: Flag = Flag::new(
    "historical-source",
    Kind::Text,
    "",
    "The sink that is asked for what was; without one, or as metric, the history kept here; no other can be asked yet",
);

/// Our own history, behind the model API.
const METRIC: &str = "metric";
/// Heapster's sinks that are not here, `kafka` only where it was left out of the build.
const UNBUILT: [&str; 8] = [
    "gcl",
    "gcm",
    "hawkular",
    "honeycomb",
    "kafka",
    "librato",
    "stackdriver",
    "wavefront",
];

/// Reads all sinks, and tells which of them cannot be used. Our own history is none of them.
pub(super) fn read(given: &mut Given) -> Vec<SinkConfig> {
    let (mut unbuilt, mut built) = (Vec::<String>::new(), Vec::new());
    for value in given.words(&SINK) {
        let key = value.split(':').next().unwrap_or_default().to_owned();
        if sinks::KEYS.contains(&key.as_str()) {
            built.push(value);
            continue;
        }
        if UNBUILT.contains(&key.as_str()) {
            if !unbuilt.contains(&key) {
                unbuilt.push(key);
            }
            continue;
        }
        match KeyedUri::read(&value, &|name| given.variable(name)) {
            Ok(uri) if uri.key == METRIC => {}
            Ok(uri) => given.refuse(format!("--sink: Sink not recognized: {}", uri.key)),
            Err(problem) => given.refuse(format!("--sink {problem}")),
        }
    }
    if !unbuilt.is_empty() {
        given.refuse(format!(
            "--sink: not built into this version: {} (take it out to start without)",
            unbuilt.join(", ")
        ));
    }
    let read = SinkConfig::read(&built, &|name| given.variable(name));
    read.unwrap_or_else(|problems| {
        for problem in problems.0 {
            given.refuse(format!("--sink {problem}"));
        }
        Vec::new()
    })
}

/// Reads the sink that is to be asked for what was.
pub(super) fn read_historical(given: &mut Given) {
    let value = given.text(&HISTORICAL_SOURCE);
    let key = value.split(':').next().unwrap_or_default();
    if !matches!(key, "" | METRIC) {
        given.refuse(format!(
            "--{}: {key} cannot be asked for what was in this version; \
             only metric can, the history kept here",
            HISTORICAL_SOURCE.name
        ));
    }
}
