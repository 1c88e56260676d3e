mod accepted;
mod heapster;
mod refused;

use std::ffi::OsString;

use super::*;

fn run(flags: &[&str]) -> Result<Settings, Exit> {
    parse(
        ["loadline"]
            .iter()
            .chain(flags)
            .map(|word| OsString::from(*word)),
    )
}

fn settings(flags: &[&str]) -> Settings {
    run(flags).unwrap_or_else(|exit| panic!("{flags:?}: {exit}"))
}

/// The error lines of a command line that must be refused.
fn errors(flags: &[&str]) -> Vec<String> {
    let exit = run(flags).expect_err(&format!("{flags:?} must be refused"));
    assert_eq!(
        (exit.code, exit.stream),
        (2, Stream::Stderr),
        "{flags:?}: {exit}"
    );
    exit.text
        .lines()
        .filter_map(|line| line.strip_prefix("error: "))
        .map(str::to_owned)
        .collect()
}

/// metrics-server v0.9.0's flags, each with a value its own manifests or documentation could hold.
const METRICS_SERVERS_FLAGS: &[&str] = &[
    "--metric-resolution=15s",
    "--kubeconfig=/etc/kubeconfig",
    "--version=false",
    "--kubelet-request-timeout=10s",
    "--kubelet-port=10250",
    "--kubelet-use-node-status-port",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-certificate-authority=/ca.crt",
    "--kubelet-client-certificate=/client.crt",
    "--kubelet-client-key=/client.key",
    "--kubelet-insecure-tls=false",
    "--deprecated-kubelet-completely-insecure=false",
    "--node-selector=a=b",
    "--advertise-address=10.0.0.1",
    "--cors-allowed-origins=.*",
    "--emulated-version=metrics=1.36",
    "--emulation-forward-compatible",
    "--external-hostname=metrics.example.com",
    "--feature-gates=AllAlpha=true,AllBeta=false",
    "--goaway-chance=0.001",
    "--livez-grace-period=5s",
    "--max-mutating-requests-inflight=200",
    "--max-requests-inflight=400",
    "--min-compatibility-version=1.35",
    "--min-request-timeout=1800",
    "--request-timeout=1m",
    "--runtime-config-emulation-forward-compatible",
    "--shutdown-delay-duration=20s",
    "--shutdown-send-retry-after",
    "--shutdown-watch-termination-grace-period=10s",
    "--storage-initialization-timeout=1m",
    "--strict-transport-security-directives=max-age=31536000,includeSubDomains,preload",
    "--bind-address=::",
    "--secure-port=4443",
    "--cert-dir=/tmp",
    "--tls-cert-file=/tmp/tls-certs/tls.crt",
    "--tls-private-key-file=/tmp/tls-certs/tls.key",
    "--tls-sni-cert-key=foo.crt,foo.key:*.foo.com,foo.com",
    "--tls-min-version=VersionTLS13",
    "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "--tls-curve-preferences=29,23",
    "--disable-http2-serving",
    "--http2-max-streams-per-connection=1000",
    "--permit-address-sharing",
    "--permit-port-sharing",
    "--authentication-kubeconfig=/authn",
    "--authentication-skip-lookup",
    "--authentication-token-webhook-cache-ttl=1m",
    "--authentication-tolerate-lookup-failure",
    "--client-ca-file=/client-ca.crt",
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-client-ca-file=/front-proxy-ca.crt",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-uid-headers=X-Remote-Uid",
    "--requestheader-username-headers=X-Remote-User",
    "--authorization-kubeconfig=/authz",
    "--authorization-always-allow-paths=/metrics,/healthz*",
    "--authorization-webhook-cache-authorized-ttl=1m",
    "--authorization-webhook-cache-unauthorized-ttl=1s",
    "--audit-policy-file=/policy",
    "--audit-log-path=-",
    "--audit-log-format=json",
    "--audit-log-mode=blocking",
    "--audit-log-maxage=366",
    "--audit-log-maxbackup=100",
    "--audit-log-maxsize=100",
    "--audit-log-compress",
    "--audit-log-version=audit.k8s.io/v1",
    "--audit-log-truncate-enabled",
    "--audit-log-truncate-max-batch-size=10485760",
    "--audit-log-truncate-max-event-size=102400",
    "--audit-log-batch-buffer-size=10000",
    "--audit-log-batch-max-size=1",
    "--audit-log-batch-max-wait=0s",
    "--audit-log-batch-throttle-burst=0",
    "--audit-log-batch-throttle-enable=false",
    "--audit-log-batch-throttle-qps=0",
    "--audit-webhook-config-file=/webhook",
    "--audit-webhook-mode=batch",
    "--audit-webhook-initial-backoff=10s",
    "--audit-webhook-version=audit.k8s.io/v1",
    "--audit-webhook-truncate-enabled",
    "--audit-webhook-truncate-max-batch-size=10485760",
    "--audit-webhook-truncate-max-event-size=102400",
    "--audit-webhook-batch-buffer-size=10000",
    "--audit-webhook-batch-max-size=400",
    "--audit-webhook-batch-max-wait=30s",
    "--audit-webhook-batch-throttle-burst=15",
    "--audit-webhook-batch-throttle-enable",
    "--audit-webhook-batch-throttle-qps=10.0",
    "--profiling=false",
    "--contention-profiling",
    "--debug-socket-path=/tmp/debug",
    "--enable-priority-and-fairness=true",
    "--logging-format=json",
    "--v=4",
    "--vmodule=scraper=6",
    "--log-flush-frequency=5s",
    "--log-json-split-stream",
    "--log-json-info-buffer-size=1Mi",
    "--log-text-split-stream",
    "--log-text-info-buffer-size=0",
];

/// What neither metrics-server nor Heapster has.
const OUR_FLAGS: &[&str] = &[
    "--kubelet-summary",
    "--kubelet-certificate-verification=pin",
    "--kubelet-pins=loadline-kubelet-pins",
    "--kubelet-via-apiserver=false",
    "--rollup-resolution=60s",
    "--history-dir=/var/lib/loadline",
    "--history-dir-max-bytes=20Gi",
    "--history-dir-retention=720h",
    "--history-length=15m",
    "--history-memory-limit=1Gi",
    "--memory-limit=512Mi",
    "--rollup-metrics",
    "--sink-spool-dir=/var/spool",
    "--sink-spool-size=2Gi",
    "--leader-elect",
    "--leader-elect-resource-name=loadline",
    "--leader-elect-resource-namespace=kube-system",
    "--service-name=loadline",
    "--serving-certificate-lifetime=2160h",
    "--serving-secret=",
    "--peers=loadline-peers,10.0.0.1:10250",
];

#[test]
fn every_flag_of_metrics_server_is_accepted() {
    settings(METRICS_SERVERS_FLAGS);
    let known: usize = TOPICS.iter().map(|topic| topic.flags.len()).sum();
    assert_eq!(
        known,
        METRICS_SERVERS_FLAGS.len() + heapster::ITS_OWN_FLAGS.len() + OUR_FLAGS.len(),
        "a flag is in one table only"
    );
}

#[test]
fn flags_of_our_own_are_accepted_beside_them() {
    settings(&[METRICS_SERVERS_FLAGS, OUR_FLAGS].concat());
}
