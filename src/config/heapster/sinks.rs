//! `--sink`: where numbers are sent to.

use super::super::flag::{Flag, Kind};
use super::super::given::Given;
use crate::apimachinery::{InvalidQuantity, Quantity};
use crate::domain::Bytes;
use crate::sinks::{self, Problem, SinkConfig, SinkUri, Spooling, Written};

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
    "The sink whose store is asked for what was before the history kept here, influxdb or prometheus, in the form of --sink; without one, or as metric, that history alone",
);

pub(in crate::config) const SPOOL_DIR: Flag = Flag::new(
    "sink-spool-dir",
    Kind::Text,
    "",
    "Directory where a sink that is away keeps what waits for it, also through a restart; without one, what its queue has no room for is dropped",
);
pub(in crate::config) const SPOOL_SIZE: Flag = Flag::new(
    "sink-spool-size",
    Kind::Text,
    "1Gi",
    "Room that may take for each sink, as in 1Gi; above it the oldest is dropped",
);

/// Less would not hold one batch of a small cluster.
const LEAST_SPOOL: Bytes = Bytes::new(1 << 20);

/// Our own history, behind the model API.
const METRIC: &str = "metric";
/// Heapster's sinks that are not here, and what is given in their place; `kafka` only where it was
/// left out of the build.
const UNBUILT: [(&str, &str); 7] = [
    ("gcl", "gcm, or loadline eventer for events"),
    ("hawkular", "prometheus"),
    ("honeycomb", "otlp"),
    ("kafka", "a build with the feature kafka"),
    ("librato", "otlp or prometheus"),
    ("stackdriver", "gcm"),
    ("wavefront", "otlp or opentsdb"),
];

/// Reads all sinks, and tells which of them cannot be used. Our own history is none of them.
pub(super) fn read(given: &mut Given) -> Vec<SinkConfig> {
    let (mut unbuilt, mut built) = (Vec::<String>::new(), Vec::new());
    for value in given.words(&SINK) {
        let key = SinkUri::key_of(&value).to_owned();
        if sinks::KEYS.contains(&key.as_str()) {
            built.push(value);
            continue;
        }
        if let Some((_, instead)) = UNBUILT.iter().find(|(unbuilt, _)| *unbuilt == key) {
            let told = format!("{key} (in its place: {instead})");
            if !unbuilt.contains(&told) {
                unbuilt.push(told);
            }
            continue;
        }
        match SinkUri::read(&value, &|name| given.variable(name)) {
            Ok(uri) if uri.key == METRIC => {}
            Ok(uri) => given.refuse(format!("--sink: Sink not recognized: {}", uri.key)),
            Err(error) => given.refuse(format!("--sink {}", Problem::of_uri(&value, &error))),
        }
    }
    if !unbuilt.is_empty() {
        given.refuse(format!(
            "--sink: not built into this version: {}; take it out to start without",
            unbuilt.join(", ")
        ));
    }
    let (sinks, problems) = SinkConfig::gather(&built, &|name| given.variable(name));
    refuse_sinks(given, problems);
    let read = sinks.clone();
    let files = move || told(read.iter().flat_map(SinkConfig::unusable_files));
    given.look_besides(Box::new(files));
    sinks
}

/// Refuses what is wrong with sinks.
pub(in crate::config) fn refuse_sinks(given: &mut Given, problems: Vec<Problem>) {
    for problem in told(problems) {
        given.refuse(problem);
    }
}

/// Each problem with the flag it is about.
pub(in crate::config) fn told(problems: impl IntoIterator<Item = Problem>) -> Vec<String> {
    let problems = problems.into_iter();
    problems
        .map(|problem| format!("--sink {problem}"))
        .collect()
}

/// Reads where sinks keep what they could not send.
pub(in crate::config) fn read_spool(given: &mut Given) -> Option<Spooling> {
    let most = given.parsed(&SPOOL_SIZE, |word| {
        let quantity: Quantity = word.parse().map_err(|e: InvalidQuantity| e.to_string())?;
        let bytes = quantity.as_bytes();
        if bytes < LEAST_SPOOL {
            return Err("must be at least 1Mi".to_owned());
        }
        Ok(bytes)
    });
    let folder = given.path(&SPOOL_DIR)?;
    most.map(|most| Spooling { folder, most })
}

/// Reads the store that is to be asked for what was before our own history; `None` for none.
pub(super) fn read_historical(given: &mut Given) -> Option<Written> {
    let values = given.words(&HISTORICAL_SOURCE);
    if values.len() > 1 {
        given.refuse(format!("--{}: give one at most", HISTORICAL_SOURCE.name));
    }
    let mut read = values.iter().map(|value| read_store(given, value));
    let first = read.next().flatten();
    // The others for what is wrong with them.
    read.for_each(drop);
    first
}

fn read_store(given: &mut Given, value: &str) -> Option<Written> {
    let key = SinkUri::key_of(value);
    if matches!(key, "" | METRIC) {
        return None;
    }
    let mut sinks = given.words(&SINK).into_iter();
    if !sinks.any(|sink| SinkUri::key_of(&sink) == key) {
        given.note(format!(
            "--{} is asked, but no --sink={key} writes there: what the history kept here forgets \
             may be nowhere",
            HISTORICAL_SOURCE.name
        ));
    }
    let (written, mut problems) = Written::gather(value, &|name| given.variable(name));
    let missed = written.as_ref().and_then(|written| missed(given, written));
    problems.extend(missed.map(|option| {
        Problem {
        sink: key.to_owned(),
        option: Some(option),
        what: "is another than that of the sink that writes there, of which nothing would be found"
            .to_owned(),
    }
    }));
    let named = |problem: Problem| format!("--{} {problem}", HISTORICAL_SOURCE.name);
    for problem in problems {
        given.refuse(named(problem));
    }
    if let Some(written) = written.clone() {
        let key = key.to_owned();
        let files = move || {
            written
                .unusable_files(&key)
                .into_iter()
                .map(named)
                .collect()
        };
        given.look_besides(Box::new(files));
    }
    written
}

/// The option by which nothing is found of what our own sinks write to the same database.
fn missed(given: &Given, written: &Written) -> Option<&'static str> {
    let of_sink = |sink: String| Written::gather(&sink, &|name| given.variable(name)).0;
    let writers = given.words(&SINK).into_iter().filter_map(of_sink);
    let there = writers.filter(|writer| written.shares_database(writer));
    let missed: Vec<_> = there.map(|writer| written.misses(&writer)).collect();
    let found = missed.iter().any(Option::is_none);
    missed.into_iter().flatten().next().filter(|_| !found)
}
