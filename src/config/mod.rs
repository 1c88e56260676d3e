//! The command line: metrics-server's and Heapster's flags by name and meaning, parsed into types
//! that cannot hold nonsense.
//!
//! Each group of settings stands in a file of its own, beside the flags that make it. Components
//! never see a flag: `app` hands them their part of [`Settings`] as their own `Config`.

mod authentication;
mod authorization;
mod command;
mod eventer;
mod exit;
mod flag;
mod generic;
mod given;
mod heapster;
mod history_dir;
mod inert;
mod kubelet;
mod leader;
mod logging;
mod peers;
mod person;
mod reference;
mod rollup;
mod scrape;
mod serving;
mod serving_secret;
mod tls;
mod unknown;
mod value;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::Path;

use clap::ArgMatches;

pub use authentication::{Authentication, RequestHeader};
pub use authorization::Authorization;
pub use command::{Command, Output, Subject, SubjectKind, TakeOver, parse_command};
pub use eventer::EventerSettings;
pub use exit::{Exit, Stream};
pub use generic::{Limits, Shutdown};
pub use heapster::{Heapster, HeapsterClients, HeapsterPort, HeapsterTls};
pub use kubelet::{ConfigMapReference, Kubelet, KubeletTls};
pub use leader::LeaseReference;
pub use logging::Logging;
pub use peers::PeerAddress;
pub use reference::flags_reference;
pub use rollup::{History, ProcessLimit, Rollup};
pub use scrape::Scrape;
pub use serving::{NamedCertificate, Serving};
pub use serving_secret::{OwnCertificate, SecretReference};
pub use tls::CertificatePaths;

use flag::Topic;
use given::{Environment, Given};

use crate::archive;
use crate::cluster;

/// Everything the command line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `--kubeconfig`, or what `--source` says: how the API server is reached.
    pub api_server: cluster::Config,
    /// When and which nodes are scraped.
    pub scrape: Scrape,
    /// How a kubelet is reached and trusted.
    pub kubelet: Kubelet,
    /// The sums that are kept over time.
    pub rollup: Rollup,
    /// How much of them is kept.
    pub history: History,
    /// `--history-dir`: where it is kept on disk as well.
    pub history_dir: Option<archive::Config>,
    /// What is served of Heapster.
    pub heapster: Heapster,
    /// `--leader-elect`: the Lease without which nothing is sent to sinks.
    pub leader_elect: Option<LeaseReference>,
    /// The port and its TLS.
    pub serving: Serving,
    /// Who a caller is.
    pub authentication: Authentication,
    /// What a caller may do.
    pub authorization: Authorization,
    /// How much at once and for how long.
    pub limits: Limits,
    /// How the process ends, and how long it may take to begin.
    pub shutdown: Shutdown,
    /// How much is logged, and how.
    pub logging: Logging,
    /// `--max-procs`: the most cores to use; `None` for all.
    pub max_procs: Option<NonZeroUsize>,
    /// What was given and means something else than where it comes from: a line of the log each.
    pub notes: Vec<String>,
    /// What was given and is not used, beside something else that was: a warning each.
    pub warnings: Vec<String>,
    /// The flags that were given, are metrics-server's or Heapster's, and have nothing to act on
    /// here: for one warning at start.
    pub inert: Vec<&'static str>,
}

/// Every flag, in the order in which help and the reference list them.
const TOPICS: [Topic; 14] = [
    scrape::TOPIC,
    kubelet::TOPIC,
    rollup::TOPIC,
    heapster::TOPIC,
    leader::TOPIC,
    serving::TOPIC,
    authentication::TOPIC,
    authorization::TOPIC,
    generic::TOPIC,
    logging::TOPIC,
    inert::AUDIT,
    inert::FEATURES,
    heapster::LOGGING,
    heapster::SERVING,
];

/// What the server's help begins with.
const ABOUT: &str =
    "Serves the Kubernetes resource metrics API (metrics.k8s.io) from the kubelets' own numbers";

/// Reads a command line, whose first word is the program's name. Called `heapster`, it is read as
/// one of Heapster's.
///
/// # Errors
/// [`Exit`] when the process should end instead of serving: asked for help or its version (code 0),
/// or the command line is wrong (code 2). All wrong flags, values and combinations are told at once.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Settings, Exit> {
    parse_in(args.into_iter().collect(), environment)
}

/// Reads a command line in a given environment.
fn parse_in(words: Vec<OsString>, env: Environment) -> Result<Settings, Exit> {
    let program = words.first().and_then(|word| Path::new(word).file_name());
    let heapster = program == Some(OsStr::new("heapster"));
    let given = |matches| Given::new(matches, heapster, env);
    read_flags(words, ABOUT, &TOPICS, given, read)
}

/// What `read` makes of a command line that knows the flags of these topics, and says in its help
/// what it is `about`.
fn read_flags<T>(
    words: Vec<OsString>,
    about: &'static str,
    topics: &[Topic],
    given: impl FnOnce(ArgMatches) -> Given,
    read: impl FnOnce(&mut Given) -> Option<T>,
) -> Result<T, Exit> {
    let (matches, unknown) = unknown::known(words, about, topics)?;
    let mut given = given(matches);
    for problem in unknown {
        given.refuse(problem);
    }
    if given.flag(&scrape::VERSION) == Some(true) {
        return Err(Exit::version());
    }
    let settings = read(&mut given);
    let errors = given.into_errors(topics);
    settings
        .filter(|_| errors.is_empty())
        .ok_or_else(|| Exit::wrong(&errors))
}

fn environment(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn read(given: &mut Given) -> Option<Settings> {
    let source = heapster::read_source(given);
    let asked = source.clone().flatten();
    let said = asked.as_ref().map(|source| source.api_server.clone());
    let api_server = read_api_server(given, said);
    let scrape = scrape::read(given);
    let kubelet = kubelet::read(given, asked.as_ref());
    let resolution = rollup::read_resolution(given);
    let annotation = asked.and_then(|source| source.host_id_annotation);
    let rollup = rollup::read(given, resolution, annotation);
    let length = rollup::read_length(given, resolution);
    let history = rollup::read_history(given, length);
    let heapster = heapster::read(given);
    let kept = heapster.as_ref().is_none_or(|heapster| heapster.model);
    let history_dir = history_dir::read(given, length, kept);
    let leader_elect = leader::read(given);
    let max_procs = heapster::read_max_procs(given);
    let serving = serving::read(given);
    refuse_one_port_twice(given, heapster.as_ref(), serving.as_ref());
    let authentication = authentication::read(given);
    let authorization = authorization::read(given);
    let limits = generic::read_limits(given);
    let shutdown = generic::read_shutdown(given);
    let logging = logging::read(given);
    let mut inert = given.inert(&TOPICS);
    inert.extend(authentication::without_effect(given));
    inert.extend(heapster::without_effect(given));
    source.map(drop)?;
    Some(Settings {
        api_server,
        scrape: scrape?,
        kubelet: kubelet?,
        rollup: rollup?,
        history: history?,
        history_dir,
        heapster: heapster?,
        leader_elect: leader_elect?,
        serving: serving?,
        authentication: authentication?,
        authorization: authorization?,
        limits: limits?,
        shutdown: shutdown?,
        logging: logging?,
        max_procs: max_procs?,
        notes: given.take_notes(),
        warnings: given.take_warnings(),
        inert,
    })
}

/// Two servers on one port would fail as they listen, and blame somebody else.
fn refuse_one_port_twice(
    given: &mut Given,
    heapster: Option<&Heapster>,
    serving: Option<&Serving>,
) {
    let open = heapster.and_then(|heapster| heapster.port.as_ref());
    let Some((open, secure)) = open.zip(serving) else {
        return;
    };
    let (one, other) = (open.address, secure.bind_address);
    let meet = one == other || one.is_unspecified() || other.is_unspecified();
    if meet && open.port == secure.port {
        given.refuse(format!(
            "--heapster-port and --secure-port are both {}: give each a port of its own",
            open.port
        ));
    }
}

/// A kubeconfig given by its own flag is all there is to say; else it is as the `source` says.
fn read_api_server(given: &mut Given, source: Option<cluster::Config>) -> cluster::Config {
    let Some(path) = given.path(&scrape::KUBECONFIG) else {
        return source.unwrap_or_default();
    };
    if source.is_some_and(|source| source != cluster::Config::default()) {
        given.warn(
            "--kubeconfig says how the API server is reached: the server and the identity that \
             --source names are not used, leave them out or give no --kubeconfig",
        );
    }
    cluster::Config::kubeconfig(path)
}
