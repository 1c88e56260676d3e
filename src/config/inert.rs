//! Flags that are accepted for the sake of manifests written for metrics-server, and do nothing.

use super::flag::{Flag, Kind, Topic};

pub(super) const AUDIT: Topic = Topic {
    title: "Audit",
    flags: &[
        &audit("audit-log-batch-buffer-size", Kind::Int, "10000"),
        &audit("audit-log-batch-max-size", Kind::Int, "1"),
        &audit("audit-log-batch-max-wait", Kind::Duration, "0s"),
        &audit("audit-log-batch-throttle-burst", Kind::Int, "0"),
        &audit("audit-log-batch-throttle-enable", Kind::Bool, "false"),
        &audit("audit-log-batch-throttle-qps", Kind::Float, "0"),
        &audit("audit-log-compress", Kind::Bool, "false"),
        &audit("audit-log-format", Kind::Text, "json"),
        &audit("audit-log-maxage", Kind::Int, "366"),
        &audit("audit-log-maxbackup", Kind::Int, "100"),
        &audit("audit-log-maxsize", Kind::Int, "100"),
        &audit("audit-log-mode", Kind::Text, "blocking"),
        &audit("audit-log-path", Kind::Text, ""),
        &audit("audit-log-truncate-enabled", Kind::Bool, "false"),
        &audit("audit-log-truncate-max-batch-size", Kind::Int, "10485760"),
        &audit("audit-log-truncate-max-event-size", Kind::Int, "102400"),
        &audit("audit-log-version", Kind::Text, "audit.k8s.io/v1"),
        &audit("audit-policy-file", Kind::Text, ""),
        &audit("audit-webhook-batch-buffer-size", Kind::Int, "10000"),
        &audit("audit-webhook-batch-max-size", Kind::Int, "400"),
        &audit("audit-webhook-batch-max-wait", Kind::Duration, "30s"),
        &audit("audit-webhook-batch-throttle-burst", Kind::Int, "15"),
        &audit("audit-webhook-batch-throttle-enable", Kind::Bool, "true"),
        &audit("audit-webhook-batch-throttle-qps", Kind::Float, "10"),
        &audit("audit-webhook-config-file", Kind::Text, ""),
        &audit("audit-webhook-initial-backoff", Kind::Duration, "10s"),
        &audit("audit-webhook-mode", Kind::Text, "batch"),
        &audit("audit-webhook-truncate-enabled", Kind::Bool, "false"),
        &audit(
            "audit-webhook-truncate-max-batch-size",
            Kind::Int,
            "10485760",
        ),
        &audit("audit-webhook-truncate-max-event-size", Kind::Int, "102400"),
        &audit("audit-webhook-version", Kind::Text, "audit.k8s.io/v1"),
    ],
};

pub(super) const FEATURES: Topic = Topic {
    title: "Features",
    flags: &[
        &profiling("contention-profiling", Kind::Bool, "false"),
        &profiling("debug-socket-path", Kind::Text, ""),
        &Flag::inert(
            "enable-priority-and-fairness",
            Kind::Bool,
            "true",
            "Requests are limited by number alone, as in metrics-server",
        ),
        &profiling("profiling", Kind::Bool, "true"),
    ],
};

const fn audit(name: &'static str, kind: Kind, default: &'static str) -> Flag {
    Flag::inert(
        name,
        kind,
        default,
        "No audit log is written here; kube-apiserver's own has every request that comes through it",
    )
}

const fn profiling(name: &'static str, kind: Kind, default: &'static str) -> Flag {
    Flag::inert(name, kind, default, "No profiles are served")
}
