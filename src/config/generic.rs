//! The flags every Kubernetes server has: limits and the end. Most of the rest has nothing to act
//! on here.

use std::num::NonZeroU32;
use std::time::Duration;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;

/// How much at once, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `--max-requests-inflight`: reading requests at once; `None` is no limit.
    pub max_requests_inflight: Option<NonZeroU32>,
    /// `--max-mutating-requests-inflight`: writing requests at once; `None` is no limit.
    pub max_mutating_requests_inflight: Option<NonZeroU32>,
    /// `--request-timeout`: the longest a request may take; above zero.
    pub request_timeout: Duration,
    /// `--min-request-timeout`: how long a watch goes on at least that asks for no time.
    pub shortest_watch: Duration,
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// `--shutdown-delay-duration`: how long the port still serves after `/readyz` has begun to
    /// fail.
    pub delay: Duration,
}

const MAX_REQUESTS: Flag = Flag::new(
    "max-requests-inflight",
    Kind::Int,
    "400",
    "Reading requests served at once; 0 for no limit",
);
const MAX_MUTATING_REQUESTS: Flag = Flag::new(
    "max-mutating-requests-inflight",
    Kind::Int,
    "200",
    "Writing requests served at once; 0 for no limit",
);
const MIN_REQUEST_TIMEOUT: Flag = Flag::new(
    "min-request-timeout",
    Kind::Int,
    "1800",
    "Seconds a watch goes on that asks for no time, up to twice as many, so that not all come back at once; 0 ends it at once",
);
const REQUEST_TIMEOUT: Flag = Flag::new(
    "request-timeout",
    Kind::Duration,
    "1m0s",
    "Longest time a request may take",
);
const SHUTDOWN_DELAY: Flag = Flag::new(
    "shutdown-delay-duration",
    Kind::Duration,
    "0s",
    "Time the port still serves after /readyz has begun to fail",
);
const SHUTDOWN_RETRY_AFTER: Flag = Flag::inert(
    "shutdown-send-retry-after",
    Kind::Bool,
    "false",
    "New connections are refused while the last requests end",
);

const NO_GATES: &str = "No feature gates exist here";
const NO_EMULATION: &str = "No older version is imitated here";

const ADVERTISE_ADDRESS: Flag = Flag::inert(
    "advertise-address",
    Kind::Text,
    "",
    "The Service object says where we are",
);
const CORS: Flag = Flag::inert(
    "cors-allowed-origins",
    Kind::List,
    "",
    "kube-apiserver answers browsers, and drops these headers of ours",
);
const EMULATED_VERSION: Flag = Flag::inert("emulated-version", Kind::List, "", NO_EMULATION);
const EMULATION_FORWARD: Flag = Flag::inert(
    "emulation-forward-compatible",
    Kind::Bool,
    "false",
    NO_EMULATION,
);
const EXTERNAL_HOSTNAME: Flag = Flag::inert(
    "external-hostname",
    Kind::Text,
    "",
    "Nothing we serve holds our own address",
);
const FEATURE_GATES: Flag = Flag::inert("feature-gates", Kind::Text, "", NO_GATES);
const GOAWAY_CHANCE: Flag = Flag::inert(
    "goaway-chance",
    Kind::Float,
    "0",
    "Connections are never closed by chance",
);
const LIVEZ_GRACE: Flag = Flag::inert(
    "livez-grace-period",
    Kind::Duration,
    "0s",
    "/livez does not wait for the start to end",
);
const MIN_COMPATIBILITY: Flag =
    Flag::inert("min-compatibility-version", Kind::List, "", NO_EMULATION);
const RUNTIME_EMULATION: Flag = Flag::inert(
    "runtime-config-emulation-forward-compatible",
    Kind::Bool,
    "false",
    NO_EMULATION,
);
const WATCH_GRACE: Flag = Flag::inert(
    "shutdown-watch-termination-grace-period",
    Kind::Duration,
    "0s",
    "Watches end when the port stops serving",
);
const STORAGE_TIMEOUT: Flag = Flag::inert(
    "storage-initialization-timeout",
    Kind::Duration,
    "1m0s",
    "There is no storage to wait for",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Generic",
    flags: &[
        &ADVERTISE_ADDRESS,
        &CORS,
        &EMULATED_VERSION,
        &EMULATION_FORWARD,
        &EXTERNAL_HOSTNAME,
        &FEATURE_GATES,
        &GOAWAY_CHANCE,
        &LIVEZ_GRACE,
        &MAX_MUTATING_REQUESTS,
        &MAX_REQUESTS,
        &MIN_COMPATIBILITY,
        &MIN_REQUEST_TIMEOUT,
        &REQUEST_TIMEOUT,
        &RUNTIME_EMULATION,
        &SHUTDOWN_DELAY,
        &SHUTDOWN_RETRY_AFTER,
        &WATCH_GRACE,
        &STORAGE_TIMEOUT,
    ],
};

pub(super) fn read_limits(given: &mut Given) -> Option<Limits> {
    let max_requests_inflight = given.number(&MAX_REQUESTS, 0);
    let max_mutating_requests_inflight = given.number(&MAX_MUTATING_REQUESTS, 0);
    let request_timeout = given.positive_duration(&REQUEST_TIMEOUT);
    let shortest_watch: Option<u32> = given.number(&MIN_REQUEST_TIMEOUT, 0);
    Some(Limits {
        max_requests_inflight: NonZeroU32::new(max_requests_inflight?),
        max_mutating_requests_inflight: NonZeroU32::new(max_mutating_requests_inflight?),
        request_timeout: request_timeout?,
        shortest_watch: Duration::from_secs(shortest_watch?.into()),
    })
}

pub(super) fn read_shutdown(given: &mut Given) -> Option<Shutdown> {
    let delay = given.duration(&SHUTDOWN_DELAY);
    Some(Shutdown { delay: delay? })
}
