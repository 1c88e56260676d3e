//! What a caller may do.

use std::path::PathBuf;
use std::time::Duration;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;

/// What a caller may do, and where that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// `--authorization-kubeconfig`: whom SubjectAccessReviews go to; `None` is where everything
    /// else goes.
    pub kubeconfig: Option<PathBuf>,
    /// `--authorization-always-allow-paths`: open to everybody; one that ends in `*` is a prefix.
    pub always_allow_paths: Vec<String>,
    /// `--authorization-webhook-cache-authorized-ttl`: how long a yes is remembered.
    pub allow_ttl: Duration,
    /// `--authorization-webhook-cache-unauthorized-ttl`: how long a no is remembered.
    pub deny_ttl: Duration,
}

const KUBECONFIG: Flag = Flag::new(
    "authorization-kubeconfig",
    Kind::Text,
    "",
    "Path of the kubeconfig SubjectAccessReviews are asked with; without one, as --kubeconfig says",
);
const ALWAYS_ALLOW_PATHS: Flag = Flag::new(
    "authorization-always-allow-paths",
    Kind::List,
    "/healthz,/readyz,/livez",
    "Paths open to everybody; one that ends in * is a prefix",
);
const AUTHORIZED_TTL: Flag = Flag::new(
    "authorization-webhook-cache-authorized-ttl",
    Kind::Duration,
    "10s",
    "Time a yes is remembered",
);
const UNAUTHORIZED_TTL: Flag = Flag::new(
    "authorization-webhook-cache-unauthorized-ttl",
    Kind::Duration,
    "10s",
    "Time a no is remembered",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Authorization",
    flags: &[
        &ALWAYS_ALLOW_PATHS,
        &KUBECONFIG,
        &AUTHORIZED_TTL,
        &UNAUTHORIZED_TTL,
    ],
};

pub(super) fn read(given: &mut Given) -> Option<Authorization> {
    let kubeconfig = given.path(&KUBECONFIG);
    let always_allow_paths = read_paths(given);
    let allow_ttl = given.duration(&AUTHORIZED_TTL);
    let deny_ttl = given.duration(&UNAUTHORIZED_TTL);
    Some(Authorization {
        kubeconfig,
        always_allow_paths: always_allow_paths?,
        allow_ttl: allow_ttl?,
        deny_ttl: deny_ttl?,
    })
}

fn read_paths(given: &mut Given) -> Option<Vec<String>> {
    let paths = given.list(&ALWAYS_ALLOW_PATHS)?;
    let inner_star = |path: &String| path.strip_suffix('*').unwrap_or(path).contains('*');
    if let Some(path) = paths.iter().find(|path| inner_star(path)) {
        given.refuse_value(
            &ALWAYS_ALLOW_PATHS,
            path,
            "only trailing * allowed".to_owned(),
        );
        return None;
    }
    Some(paths)
}
