//! `loadline eventer`, and the program called `eventer`: Eventer's flags by name and meaning, `_` and
//! `-` alike, with one dash or two.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::flag::{Flag, Kind, Topic};
use super::given::{Environment, Given};
use super::leader::{self, LeaseReference};
use super::logging::{self, Logging};
use super::{Exit, heapster, read_api_server, read_flags, scrape};
use crate::cluster;
use crate::sinks::{EventFilter, EventSinkConfig, Spooling};

/// Everything the command line of an eventer says.
#[derive(Clone, Debug, PartialEq)]
pub struct EventerSettings {
    /// `--kubeconfig`, or what `--source` says: how the API server is reached.
    pub api_server: cluster::Config,
    /// `--sink`: at least one.
    pub sinks: Vec<EventSinkConfig>,
    /// `--sink-spool-dir` and `--sink-spool-size`: where sinks keep what they could not send.
    pub spool: Option<Spooling>,
    /// `--frequency`: from 5 s to 3 min.
    pub frequency: Duration,
    /// `--namespaces`, `--exclude-namespaces`, `--types`.
    pub filter: EventFilter,
    /// `--sink-export-data-timeout`: the longest time one attempt to send may take.
    pub export_timeout: Duration,
    /// `--healthz-ip` and `--healthz-port`.
    pub health: SocketAddr,
    /// Where the place to resume from is kept, and what replicas contend for.
    pub lease: LeaseReference,
    /// `--leader-elect`: whether they do.
    pub leader_elect: bool,
    /// How much is logged, and how.
    pub logging: Logging,
    /// `--max-procs`: the most cores to use; `None` for all.
    pub max_procs: Option<NonZeroUsize>,
    /// What was given and means something else than where it comes from: a line of the log each.
    pub notes: Vec<String>,
    /// What was given and is not used, beside something else that was: a warning each.
    pub warnings: Vec<String>,
    /// The flags that were given and have nothing to act on here: for one warning at start.
    pub inert: Vec<&'static str>,
}

const EXCLUDE_NAMESPACES: Flag = Flag::new(
    "exclude-namespaces",
    Kind::List,
    "",
    "Namespaces whose events are not sent; * stands for any text",
);
const FREQUENCY: Flag = Flag::new(
    "frequency",
    Kind::Duration,
    "30s",
    "How often events are handed to the sinks, from 5s to 3m; a thousand do not wait for it",
);
const HEALTHZ_IP: Flag = Flag::new(
    "healthz-ip",
    Kind::Text,
    "0.0.0.0",
    "IP address of /healthz, /readyz and /metrics, which answer whoever reaches them",
);
const HEALTHZ_PORT: Flag = Flag::new("healthz-port", Kind::Int, "8084", "Port of the same");
const LEADER_ELECT: Flag = Flag::new(
    "leader-elect",
    Kind::Bool,
    "false",
    "Follow events only while holding the Lease, so that one of several replicas does",
);
const LEASE: Flag = Flag::new(
    "leader-elect-resource-name",
    Kind::Text,
    "loadline-eventer",
    "Name of the Lease, in which the place to resume from is kept, also without --leader-elect",
);
const NAMESPACES: Flag = Flag::new(
    "namespaces",
    Kind::List,
    "",
    "Namespaces whose events are sent; all if empty; * stands for any text",
);
const SINK: Flag = Flag::new(
    "sink",
    Kind::Text,
    "",
    "Where events are sent to, in Heapster's form KEY:URL?OPTIONS; may be repeated",
);
const SOURCE: Flag = Flag::new(
    heapster::SOURCE.name,
    Kind::Text,
    "",
    "The API server, in Heapster's form kubernetes:URL?OPTIONS; without one that of the pod's cluster",
);
const TYPES: Flag = Flag::new(
    "types",
    Kind::List,
    "",
    "Types of events that are sent, of Normal and Warning; all if empty",
);

/// What help begins with.
const ABOUT: &str = "Sends the cluster's Events to databases outside, each at least once, as Heapster's Eventer did";

pub(super) const TOPIC: Topic = Topic {
    title: "Eventer",
    flags: &[
        &EXCLUDE_NAMESPACES,
        &FREQUENCY,
        &HEALTHZ_IP,
        &HEALTHZ_PORT,
        &scrape::KUBECONFIG,
        &LEADER_ELECT,
        &LEASE,
        &leader::NAMESPACE,
        &heapster::MAX_PROCS,
        &NAMESPACES,
        &SINK,
        &heapster::EXPORT_TIMEOUT,
        &heapster::SPOOL_DIR,
        &heapster::SPOOL_SIZE,
        &SOURCE,
        &TYPES,
        &scrape::VERSION,
    ],
};

/// Every flag of an eventer.
const TOPICS: [Topic; 3] = [TOPIC, logging::TOPIC, heapster::LOGGING];

const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(180);

/// Reads the command line of an eventer, whose first word is the program's name.
pub(super) fn parse(words: Vec<OsString>, env: Environment) -> Result<EventerSettings, Exit> {
    let words = words.into_iter().enumerate();
    let words = words.map(|(at, word)| if at == 0 { word } else { spelled(word) });
    let given = |matches| Given::new(matches, false, env);
    read_flags(words.collect(), ABOUT, &TOPICS, given, read)
}

/// A flag as the others are written: Go's own library takes one dash for two. Words of one dash that
/// are no flag are written so too, as no letters stand together in one: `-help`, `-healthz-prt`.
fn spelled(word: OsString) -> OsString {
    let Some(text) = word.to_str() else {
        return word;
    };
    let twice = text.strip_prefix("--");
    let Some(rest) = twice.or_else(|| text.strip_prefix('-')) else {
        return word;
    };
    let (name, value) = rest.split_at(rest.find('=').unwrap_or(rest.len()));
    let name = name.replace('_', "-");
    let mut flags = TOPICS.iter().flat_map(|topic| topic.flags.iter());
    let is_known = name.len() > 1 && flags.any(|flag| flag.name == name);
    let letters = |text: &str| text.bytes().take(2).all(|byte| byte.is_ascii_alphabetic());
    let is_word = twice.is_none() && name.len() > 1 && letters(&name);
    match is_known || is_word {
        true => format!("--{name}{value}").into(),
        false => word,
    }
}

fn read(given: &mut Given) -> Option<EventerSettings> {
    let source = heapster::read_source_api_server(given);
    let sinks = read_sinks(given);
    let spool = heapster::read_spool(given);
    let frequency = given.duration(&FREQUENCY);
    if frequency.is_some_and(|every| !(SHORTEST..=LONGEST).contains(&every)) {
        given.refuse("--frequency must be from 5s to 3m0s");
    }
    let filter = read_filter(given);
    let export_timeout = given.positive_duration(&heapster::EXPORT_TIMEOUT);
    let address = given.parsed(&HEALTHZ_IP, |word| {
        word.parse().map_err(|_| "must be an IP address".to_owned())
    });
    let port = given.number(&HEALTHZ_PORT, 0);
    let lease = leader::read_lease(given, &LEASE);
    let leader_elect = given.flag(&LEADER_ELECT);
    let logging = logging::read(given);
    let max_procs = heapster::read_max_procs(given);
    let inert = given.inert(&TOPICS);
    let api_server = read_api_server(given, source?);
    Some(EventerSettings {
        api_server,
        sinks,
        spool,
        frequency: frequency?,
        filter: filter?,
        export_timeout: export_timeout?,
        health: SocketAddr::new(address?, port?),
        lease: lease?,
        leader_elect: leader_elect?,
        logging: logging?,
        max_procs: max_procs?,
        notes: given.take_notes(),
        warnings: given.take_warnings(),
        inert,
    })
}

fn read_sinks(given: &mut Given) -> Vec<EventSinkConfig> {
    let values = given.words(&SINK);
    if values.is_empty() {
        given.refuse("--sink: give at least one, such as log");
    }
    let (sinks, problems) = EventSinkConfig::gather(&values, &|name| given.variable(name));
    heapster::refuse_sinks(given, problems);
    let read = sinks.clone();
    let files = move || heapster::told(read.iter().flat_map(EventSinkConfig::unusable_files));
    given.look_besides(Box::new(files));
    sinks
}

fn read_filter(given: &mut Given) -> Option<EventFilter> {
    let namespaces = read_namespaces(given, &NAMESPACES);
    let excluded = read_namespaces(given, &EXCLUDE_NAMESPACES);
    let mut types = Vec::new();
    for word in given.list(&TYPES)? {
        match word.to_ascii_lowercase().as_str() {
            "normal" => types.push("Normal".to_owned()),
            "warning" => types.push("Warning".to_owned()),
            _ => given.refuse_value(&TYPES, &word, "must be Normal or Warning".to_owned()),
        }
    }
    Some(EventFilter::new(namespaces?, excluded?, types))
}

fn read_namespaces(given: &mut Given, flag: &Flag) -> Option<Vec<String>> {
    let words = given.list(flag)?;
    for word in words.iter().filter(|word| !may_be_namespace(word)) {
        let problem = "must be the name of a namespace, in which * stands for any text";
        given.refuse_value(flag, word, problem.to_owned());
    }
    Some(words)
}

/// A DNS label, in which `*` stands for any text.
fn may_be_namespace(word: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'*';
    let all = word.bytes().all(|byte| inner(byte) || byte == b'-');
    let ends = !word.starts_with('-') && !word.ends_with('-');
    all && ends && (1..=63).contains(&word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<EventerSettings, Exit> {
        let words = line.split_whitespace().map(OsString::from);
        parse(words.collect(), |name| {
            (name == "URL").then(|| "http://db:8086".to_owned())
        })
    }

    fn errors(line: &str) -> Vec<String> {
        let exit = run(line).expect_err(line);
        assert_eq!(exit.code, 2, "{line}: {exit}");
        let lines = exit.text.lines();
        lines
            .filter_map(|line| line.strip_prefix("error: "))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn eventers_manifests_are_understood_as_they_are() {
        let read = run(
            "eventer -source=kubernetes:https://10.0.0.1 --sink=influxdb:$URL?db=k8s \
             -sink log -frequency 45s -max_procs=2 --healthz-port=9000 -healthz_ip=127.0.0.1 \
             -logtostderr=true -v=4",
        );
        let read = read.unwrap_or_else(|exit| panic!("{exit}"));
        let names: Vec<_> = read.sinks.iter().map(|sink| sink.name.as_str()).collect();
        assert_eq!(names, ["influxdb", "log"]);
        assert_eq!(read.frequency, Duration::from_secs(45));
        assert_eq!(read.health, "127.0.0.1:9000".parse().unwrap());
        assert_eq!(read.max_procs, NonZeroUsize::new(2));
        assert_eq!(read.logging.level.0, 4);
        assert_eq!(read.inert, ["logtostderr"]);
        let server = read.api_server.server.unwrap();
        assert_eq!(server.to_string(), "https://10.0.0.1/");
        // It asks no kubelet, so nothing is said about them.
        assert!(read.notes.is_empty(), "{:?}", read.notes);
    }

    #[test]
    fn help_begins_with_what_the_eventer_is() {
        let help = run("eventer --help").unwrap_err();
        assert_eq!(help.text.lines().next(), Some(ABOUT), "{help}");
        assert!(help.text.contains("Usage: eventer ["), "{help}");
        assert_eq!(run("eventer -help").unwrap_err().code, 0);
    }

    #[test]
    fn the_defaults_are_eventers() {
        let read = run("eventer --sink=log").unwrap();
        assert_eq!(read.frequency, Duration::from_secs(30));
        assert_eq!(read.health, "0.0.0.0:8084".parse().unwrap());
        assert_eq!(read.export_timeout, Duration::from_secs(20));
        assert_eq!(
            (read.lease.name.as_str(), read.leader_elect),
            ("loadline-eventer", false)
        );
        assert_eq!((read.filter, read.spool), (EventFilter::default(), None));
    }

    #[test]
    fn events_are_chosen_by_namespace_and_type() {
        let line = "eventer --sink=log --namespaces=a,b-* --exclude_namespaces=b-x --types=warning";
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let expected = EventFilter::new(list(&["a", "b-*"]), list(&["b-x"]), list(&["Warning"]));
        assert_eq!(run(line).unwrap().filter, expected);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let known = crate::sinks::EVENT_KEYS.join(", ");
        let comb = "--sink honeycomb: takes no events in this version; in its place: otlp, which it takes; \
                    those that do:";
        let comb = format!("{comb} {known}");
        let numbers =
            format!("--sink graphite: takes numbers alone; those that take events: {known}");
        for (line, expected) in [
            ("eventer", &["--sink: give at least one, such as log"][..]),
            (
                "eventer --sink=log --frequency=4s --healthz-port=70000 --nope",
                &[
                    "unknown flag: --nope",
                    "--frequency must be from 5s to 3m0s",
                    "invalid argument \"70000\" for \"--healthz-port\" flag: strconv.ParseInt: \
                     parsing \"70000\": value out of range",
                ],
            ),
            (
                "eventer --sink=honeycomb --sink=graphite:tcp://x --sink=webhook:tcp://x",
                &[
                    &comb,
                    &numbers,
                    "--sink webhook: the address must begin with http:// or https://",
                ],
            ),
            (
                "eventer --sink=log --types=Error --leader-elect-resource-name=A/b",
                &[
                    "invalid argument \"Error\" for \"--types\" flag: must be Normal or Warning",
                    "invalid argument \"A/b\" for \"--leader-elect-resource-name\" flag: must be \
                     a name of Kubernetes",
                ],
            ),
            (
                "eventer --sink=log:?queue=$GONE --sink=influxdb:http://h?pw=${GONE}&user=${URL \
                 --sink=webhook:http://h/${URL",
                &[
                    "--sink log: option queue: variable GONE is not set",
                    "--sink influxdb: option pw: variable GONE is not set",
                    "--sink influxdb: option user: '${' is not followed by the name of a variable \
                     and '}'",
                    "--sink webhook: '${' is not followed by the name of a variable and '}'",
                ],
            ),
            (
                "eventer --sink=log:?types=Warn*,normal --sink=log:?types=Error",
                &["--sink log-2: option types: must be Normal or Warning"],
            ),
            (
                "eventer --sink=log --source=x",
                &["--source: Source not recognized: x"],
            ),
        ] {
            assert_eq!(errors(line), expected, "{line}");
        }
    }

    #[test]
    fn an_unknown_flag_of_one_dash_hides_nothing() {
        assert_eq!(
            errors("eventer -bogus --sink=log?queue=5 -healthz-prt=1 -frequency=4s"),
            [
                "unknown flag: --bogus",
                "unknown flag: --healthz-prt",
                "--sink log: a colon is missing before '?', as in log:?queue=5",
                "--frequency must be from 5s to 3m0s",
            ]
        );
    }

    #[test]
    fn a_word_of_no_flag_hides_nothing_and_tells_no_secret() {
        let line = "eventer -sinkk webhook:https://c/x?token=S3CRET --frequency=4s \
                    sink=webhook:http://u:S3CRET@h --bogus -p S3CRET";
        let told = errors(line);
        assert_eq!(
            told,
            [
                "unknown flag: --sinkk",
                "unexpected argument behind --sinkk: webhook\u{2026}",
                "unexpected argument behind --frequency: sink\u{2026}",
                "unknown flag: --bogus",
                "unknown flag: -p",
                "unexpected argument behind -p: \u{2026}",
                "--sink: give at least one, such as log",
                "--frequency must be from 5s to 3m0s",
            ]
        );
    }

    #[test]
    fn namespaces_that_cannot_be_are_refused() {
        for word in ["A", "a_b", "a.b", "-a", "a-", "a/b"] {
            for flag in ["namespaces", "exclude-namespaces"] {
                let told = errors(&format!("eventer --sink=log --{flag}=good,{word}"));
                let expected = format!(
                    "invalid argument {word:?} for \"--{flag}\" flag: must be the name of a \
                     namespace, in which * stands for any text"
                );
                assert_eq!(told, [expected], "{word}");
            }
        }
        let long = "a".repeat(64);
        assert_eq!(
            errors(&format!("eventer --sink=log --namespaces={long}")).len(),
            1
        );
        run("eventer --sink=log --namespaces=kube-*,*-x,*,a1").unwrap();
    }

    #[test]
    fn all_that_is_wrong_with_a_source_is_told() {
        let source =
            "--source=kubernetes:https://h:99999?auth=$GONE&insecure=maybe&inClusterConfig=no";
        let told = errors(&format!("eventer --sink=log {source}"));
        let begun = [
            "--source kubernetes: option auth: variable GONE is not set",
            "--source kubernetes: invalid port after host",
            "--source kubernetes: inClusterConfig: ",
            "--source kubernetes: insecure: ",
        ];
        assert_eq!(told.len(), begun.len(), "{told:?}");
        for begun in begun {
            assert!(
                told.iter().any(|told| told.starts_with(begun)),
                "{begun}: {told:?}"
            );
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_told_with_whatever_else_is_wrong() {
        let sink = "--sink=webhook:https://h?cacert=/nowhere";
        run(&format!("eventer {sink}")).unwrap();
        let told = errors(&format!("eventer {sink} --frequency=4s"));
        assert_eq!(told.len(), 2, "{told:?}");
        let file = "--sink webhook: option cacert: cannot use /nowhere: ";
        assert!(told[1].starts_with(file), "{told:?}");
    }
}
