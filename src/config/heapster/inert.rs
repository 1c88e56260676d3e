//! Flags that are accepted for the sake of manifests written for Heapster, and do nothing.

use super::super::flag::{Flag, Kind, Topic};

const ONE_STREAM: &str = "All lines go to standard error";

/// glog's flags, as far as they are not klog's.
pub(in crate::config) const LOGGING: Topic = Topic {
    title: "Heapster's logging",
    flags: &[
        &Flag::inert("alsologtostderr", Kind::Bool, "false", ONE_STREAM),
        &Flag::inert(
            "log-backtrace-at",
            Kind::Text,
            ":0",
            "Go source lines have no counterpart here",
        ),
        &Flag::inert("log-dir", Kind::Text, "", ONE_STREAM),
        &Flag::inert("logtostderr", Kind::Bool, "true", ONE_STREAM),
        &Flag::inert("stderrthreshold", Kind::Text, "2", ONE_STREAM),
    ],
};

/// What only Heapster's secure port had.
pub(in crate::config) const SERVING: Topic = Topic {
    title: "Heapster's secure serving",
    flags: &[
        &Flag::inert(
            "enable-swagger-ui",
            Kind::Bool,
            "false",
            "There is no Swagger page",
        ),
        &Flag::inert(
            "tls-ca-file",
            Kind::Text,
            "",
            "Callers learn our authority from the APIService",
        ),
    ],
};
