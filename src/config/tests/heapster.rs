//! Heapster's command lines.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::super::*;
use super::{errors, run, settings};
use crate::cluster::Identity;
use crate::domain::{AddressType, Bytes};
use crate::rollup::StoredLabel;
use crate::sinks::Layout;

/// Heapster's flags that metrics-server has not, each with a value a manifest could hold.
pub(super) const ITS_OWN_FLAGS: [&str; 24] = [
    "--source=kubernetes.summary_api:",
    "--sink=metric",
    "--heapster-port=8082",
    "--listen-ip=10.0.0.1",
    "--api-server",
    "--max-procs=2",
    "--tls-cert=/cert",
    "--tls-key=/key",
    "--tls-client-ca=/ca",
    "--allowed-users=alice,bob",
    "--historical-source=metric",
    "--label-separator=;",
    "--ignore-label=a",
    "--store-label=b",
    "--disable-export",
    "--disable-metric-sink=false",
    "--sink-export-data-timeout=20s",
    "--tls-ca-file=/ca",
    "--enable-swagger-ui",
    "--logtostderr",
    "--alsologtostderr=false",
    "--stderrthreshold=INFO",
    "--log-dir=/tmp",
    "--log-backtrace-at=x.go:1",
];

/// Some of those both have.
const SHARED_FLAGS: [&str; 6] = [
    "--metric-resolution=60s",
    "--v=2",
    "--vmodule=a=1",
    "--version=false",
    "--authorization-webhook-cache-unauthorized-ttl=3s",
    "--log-flush-frequency=5s",
];

fn started_as(program: &str, flags: &[&str]) -> Settings {
    let words = [program].iter().chain(flags).map(OsString::from).collect();
    let env = |name: &str| (name == "MASTER").then(|| "10.0.0.1".to_owned());
    parse_in(words, env).unwrap_or_else(|exit| panic!("{flags:?}: {exit}"))
}

fn heapster(flags: &[&str]) -> Settings {
    started_as("/heapster", flags)
}

fn told(settings: &Settings, what: &str) -> bool {
    settings.notes.iter().any(|note| note.contains(what))
}

#[test]
fn every_flag_of_heapster_is_accepted_with_either_separator() {
    let flags: Vec<&str> = ITS_OWN_FLAGS.into_iter().chain(SHARED_FLAGS).collect();
    let underscored: Vec<String> = flags
        .iter()
        .map(|flag| match flag.split_once('=') {
            Some((name, value)) => format!("--{}={value}", name[2..].replace('-', "_")),
            None => format!("--{}", flag[2..].replace('-', "_")),
        })
        .collect();
    let underscored: Vec<&str> = underscored.iter().map(String::as_str).collect();
    assert_eq!(heapster(&underscored), heapster(&flags));
    let mixed = settings(&[
        "--history-length=1h",
        "--tls-cert_file=a",
        "--tls_private-key_file=b",
    ]);
    assert!(mixed.serving.certificate.is_some());
}

#[test]
fn every_other_flag_is_accepted_with_either_separator_too() {
    for flag in TOPICS.iter().flat_map(|topic| topic.flags) {
        let value = match flag.default {
            "" => "1",
            default => default,
        };
        let given = |name: &str| {
            let args = [format!("--{name}={value}")];
            run(&args.each_ref().map(String::as_str)).map_err(|exit| exit.text)
        };
        let underscored = given(&flag.name.replace('-', "_"));
        assert_eq!(underscored, given(flag.name), "{}", flag.name);
    }
    let own = heapster(&["--history_dir", "/h", "--history_dir-retention=200h"]);
    let folder = own.history_dir.map(|kept| kept.folder);
    assert_eq!(folder, Some("/h".into()));
}

#[test]
fn without_heapsters_flags_its_port_stays_closed_and_its_defaults_stand() {
    let s = settings(&[]);
    assert_eq!(s.heapster.port, None);
    assert!(s.heapster.model && s.heapster.export && s.scrape.summary);
    assert_eq!(s.rollup.resolution, Duration::from_secs(60));
    assert_eq!(s.rollup.labels.separator, ",");
    assert_eq!(s.history.length, Duration::from_secs(900));
    assert_eq!(s.max_procs, None);
    assert_eq!(s.notes, [""; 0]);
}

#[test]
fn a_program_called_heapster_is_heapster() {
    for s in [
        started_as("heapster", &["--metric-resolution=30s"]),
        started_as("/usr/bin/heapster", &["--metric_resolution=30s"]),
        settings(&["--source=kubernetes.summary_api", "--metric-resolution=30s"]),
    ] {
        assert_eq!(s.rollup.resolution, Duration::from_secs(30));
        assert_eq!(s.scrape.resolution, Duration::from_secs(15));
        let port = s.heapster.port.as_ref().unwrap();
        assert_eq!(
            (port.address, port.port),
            (Ipv4Addr::UNSPECIFIED.into(), 8082)
        );
        assert_eq!(port.tls, None);
        assert_eq!(
            s.kubelet.preferred_address_types,
            [
                AddressType::InternalIp,
                AddressType::ExternalIp,
                AddressType::Hostname
            ]
        );
        assert!(told(&s, "--metric-resolution (30s)"), "{:?}", s.notes);
    }
    let live = started_as("loadline", &["--metric-resolution=30s"]);
    assert_eq!(live.scrape.resolution, Duration::from_secs(30));
    assert_eq!(live.rollup.resolution, Duration::from_secs(60));
}

#[test]
fn options_of_a_source_nobody_knows_are_told_without_their_values() {
    let s = heapster(&["--source=kubernetes.summary_api:?insecur=true&b=secret&kubeletHttps=true"]);
    assert!(told(&s, "passed over, as in Heapster: \"b\", \"insecur\""));
    assert!(!told(&s, "secret"), "{:?}", s.notes);
    let s = heapster(&["--source=kubernetes.summary_api:?inClusterConfig=true&kubeletPort=10250"]);
    assert!(!told(&s, "passed over"), "{:?}", s.notes);
}

#[test]
fn a_history_nobody_gave_a_length_holds_two_sums() {
    let s = heapster(&["--metric-resolution=10m"]);
    assert_eq!(s.history.length, Duration::from_mins(20));
    assert!(told(&s, "--history-length is 20m0s instead of 15m0s"));
    let s = heapster(&["--metric-resolution=5m"]);
    assert_eq!(s.history.length, Duration::from_mins(15));
    assert!(!told(&s, "--history-length"), "{:?}", s.notes);
}

#[test]
fn what_heapsters_manifests_say_is_understood() {
    let s = heapster(&["--source=kubernetes:https://kubernetes.default"]);
    assert_eq!(s.api_server.identity, Identity::ServiceAccount);
    let server = s.api_server.server.as_ref().unwrap();
    assert_eq!(server.to_string(), "https://kubernetes.default/");
    assert_eq!(s.kubelet.port, 10250);
    assert_eq!(s.kubelet.tls, KubeletTls::Verify { ca_file: None });
    assert!(told(&s, "read as kubernetes.summary_api") && told(&s, "over HTTPS"));

    let s = heapster(&[
        "--source=kubernetes.summary_api:''?useServiceAccount=true&kubeletHttps=true\
         &kubeletPort=10250&insecure=true&host_id_annotation=example.com/machine",
    ]);
    assert_eq!(
        (s.api_server.server.as_ref(), s.kubelet.port),
        (None, 10250)
    );
    assert!(s.api_server.insecure_skip_tls_verify);
    assert_eq!(
        s.rollup.host_id_annotation.as_deref(),
        Some("example.com/machine")
    );
    assert_eq!(s.notes.len(), 1, "{:?}", s.notes);
    assert!(told(&s, "insecure=true"));
}

#[test]
fn plain_http_is_spoken_to_kubelets_when_it_is_asked_for() {
    for (options, port, plain) in [
        ("", 10250, false),
        ("kubeletHttps=true", 10250, false),
        ("kubeletPort=10250", 10250, false),
        ("kubeletPort=10255", 10255, true),
        ("kubeletHttps=false", 10255, true),
        ("kubeletHttps=false&kubeletPort=10250", 10250, true),
        ("kubeletHttps=1&kubeletPort=10255", 10255, false),
    ] {
        let s = heapster(&[&format!("--source=kubernetes.summary_api:?{options}")]);
        let is_plain = s.kubelet.tls == KubeletTls::CompletelyInsecure;
        assert_eq!((s.kubelet.port, is_plain), (port, plain), "{options}");
        assert_eq!(told(&s, "over plain HTTP"), plain, "{options}");
    }
}

#[test]
fn a_flag_counts_more_than_the_sources_option() {
    let s = heapster(&[
        "--source=kubernetes.summary_api:http://x?inClusterConfig=false&kubeletPort=10255",
        "--kubelet-port=1234",
        "--kubelet-insecure-tls",
        "--kubeconfig=/config",
    ]);
    assert_eq!(s.kubelet.port, 1234);
    assert_eq!(s.kubelet.tls, KubeletTls::Insecure);
    assert_eq!(s.api_server, cluster::Config::kubeconfig("/config".into()));
}

#[test]
fn a_source_whose_server_is_not_asked_is_warned_of() {
    let besides = "--kubeconfig says how the API server is reached";
    for (source, warned) in [
        ("kubernetes:https://10.0.0.1", true),
        ("kubernetes:?inClusterConfig=false&auth=/other", true),
        ("kubernetes:?kubeletPort=10250", false),
    ] {
        let source = format!("--source={source}");
        let eventers = [
            "loadline",
            "eventer",
            "--sink=log",
            &source,
            "--kubeconfig=/config",
        ];
        let Ok(Command::Eventer(eventer)) = parse_command(eventers.map(OsString::from)) else {
            panic!("{source}");
        };
        let server = settings(&[&source, "--kubeconfig=/config"]);
        for warnings in [server.warnings, eventer.warnings] {
            let told = warnings.iter().any(|line| line.starts_with(besides));
            assert_eq!(told, warned, "{source}: {warnings:?}");
        }
        let alone = settings(&["--kubeconfig=/config"]).warnings;
        assert!(alone.is_empty(), "{alone:?}");
    }
}

#[test]
fn outside_the_cluster_the_source_says_whom_to_ask_and_as_whom() {
    let s = heapster(&["--source=kubernetes:http://$MASTER:8080?inClusterConfig=false"]);
    assert_eq!(s.api_server.identity, Identity::Nobody);
    assert_eq!(
        s.api_server.server.as_ref().unwrap().to_string(),
        "http://10.0.0.1:8080/"
    );

    let s = heapster(&[
        "--source=kubernetes:http://x?inClusterConfig=false&auth=/config&useServiceAccount=true",
    ]);
    assert_eq!(
        s.api_server.identity,
        Identity::Kubeconfig("/config".into())
    );
    assert_eq!(s.api_server.server, None);
    assert!(s.api_server.service_account_token);

    let s = heapster(&["--source=kubernetes:?auth=/config"]);
    assert_eq!(s.api_server.identity, Identity::ServiceAccount);
    assert!(told(&s, "auth is read with"));
}

#[test]
fn a_source_that_cannot_be_read_is_refused_in_heapsters_words() {
    for (source, problem) in [
        ("", "--source missing uri key"),
        (":x", "--source missing uri key"),
        ("push:", "--source: Source not recognized: push"),
        (
            "kubernetes:?insecure=maybe",
            "--source kubernetes: insecure: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            "kubernetes:?kubeletPort=http",
            "--source kubernetes: kubeletPort: must be a port between 1 and 65535",
        ),
        (
            "kubernetes:?inClusterConfig=false",
            "--source kubernetes: invalid kubernetes master url specified",
        ),
    ] {
        assert_eq!(errors(&[&format!("--source={source}")]), [problem]);
    }
    let two = errors(&["--source=kubernetes:", "--source=kubernetes:"]);
    assert_eq!(
        two,
        ["--source: wrong number of sources specified, give exactly one"]
    );
}

#[test]
fn sinks_that_are_not_built_are_named_and_their_secrets_are_not() {
    heapster(&["--sink=metric"]);
    let told = errors(&[
        "--sink=librato:?username=a&token=s3cret",
        "--sink=log",
        "--sink=wavefront:10.0.0.1:2878?x",
        "--sink=librato:http://other",
        "--sink=influxdb:http://db:8086?pw=s3cret&withfields=s3cret",
        "--sink=nowhere:?pw=s3cret",
        "--historical-source=kafka:?password=s3cret",
    ]);
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0], "--sink: Sink not recognized: nowhere");
    assert_eq!(
        told[1],
        "--sink: not built into this version: librato (in its place: otlp or prometheus), \
         wavefront (in its place: otlp or opentsdb); take it out to start without"
    );
    assert_eq!(
        told[2],
        "--sink influxdb: option withfields: is neither true nor false"
    );
    assert_eq!(
        told[3],
        "--historical-source kafka: cannot be asked for what was in this version"
    );
    assert!(!told.concat().contains("s3cret"));
    assert_eq!(
        errors(&["--sink=nowhere?pw=s3cret", "--sink=log?pw=s3cret"]),
        [
            "--sink nowhere: a colon is missing before '?', as in log:?queue=5",
            "--sink log: a colon is missing before '?', as in log:?queue=5",
        ]
    );
}

#[test]
fn files_of_sinks_and_of_the_store_are_told_with_whatever_else_is_wrong() {
    let flags = [
        "--sink=influxdb:https://h?cacert=/nowhere",
        "--historical-source=prometheus:http://h?cacert=/nowhere",
        "--secure-port=0",
    ];
    settings(&flags[..1]);
    let told = errors(&flags);
    assert_eq!(told.len(), 4, "{told:?}");
    let effect = "--historical-source prometheus: option cacert: has no effect without TLS";
    assert!(told[0].starts_with(effect), "{told:?}");
    for (at, what) in [
        (2, "--sink influxdb"),
        (3, "--historical-source prometheus"),
    ] {
        let file = format!("{what}: option cacert: cannot use /nowhere: ");
        assert!(told[at].starts_with(&file), "{told:?}");
    }
}

#[test]
fn the_historical_source_is_our_own_history_or_a_store_by_its_sinks_uri() {
    for flag in ["--historical-source=", "--historical-source=metric"] {
        assert_eq!(settings(&[flag]).heapster.historical, None);
    }
    let uri = "influxdb:http://db:8086?pw=s3cret&db=x";
    let (sink, source) = (
        format!("--sink={uri}"),
        format!("--historical-source={uri}"),
    );
    let both = settings(&[&sink, &source]);
    let Some(Layout::Influxdb(layout)) = both.heapster.historical.map(|h| h.layout) else {
        panic!("no InfluxDB");
    };
    assert_eq!((layout.database.as_str(), both.notes), ("x", Vec::new()));
    let alone = settings(&["--historical-source=prometheus:http://p:9090?cluster_name=a"]);
    assert!(
        alone.notes[0].contains("no --sink=prometheus"),
        "{:?}",
        alone.notes
    );
    assert_eq!(
        errors(&[&source, "--historical-source=prometheus:http://p:9090"]),
        ["--historical-source: give one at most"]
    );
    assert_eq!(
        errors(&[&source, "--historical-source=kafka:"]),
        [
            "--historical-source: give one at most",
            "--historical-source kafka: cannot be asked for what was in this version",
        ]
    );
    assert_eq!(
        errors(&["--historical-source=influxdb:http://db?withfields=s3cret&secure=s3cret"]),
        [
            "--historical-source influxdb: option secure: is neither true nor false",
            "--historical-source influxdb: option withfields: is neither true nor false",
        ]
    );
}

#[test]
fn a_historical_source_that_would_find_nothing_of_our_own_sink_is_refused() {
    let other =
        "is another than that of the sink that writes there, of which nothing would be found";
    for (sink, source, option) in [
        ("http://db?withfields=true", "http://db:8086", "withfields"),
        (
            "http://db?db=k8s",
            "http://db?withfields=true",
            "withfields",
        ),
        ("http://db/x?cluster_name=a", "http://db/x/", "cluster_name"),
    ] {
        let told = errors(&[
            &format!("--sink=influxdb:{sink}"),
            &format!("--historical-source=influxdb:{source}"),
        ]);
        let expected = format!("--historical-source influxdb: option {option}: {other}");
        assert_eq!(told, [expected], "{sink} {source}");
    }
    let source = "--historical-source=influxdb:http://db";
    for sink in [
        "--sink=influxdb:http://other?withfields=true",
        "--sink=influxdb:http://db?withfields=true&db=x",
        "--sink=influxdb:http://db/x?withfields=true",
    ] {
        settings(&[sink, source]);
    }
    // One that is found is enough.
    let fields = "--sink=influxdb:http://db?withfields=true";
    settings(&[fields, "--sink=influxdb:http://db", source]);
}

#[test]
fn heapsters_port_is_plain_or_has_tls_of_its_own() {
    let s = settings(&["--heapster-port=9000", "--listen-ip=::1"]);
    let port = s.heapster.port.unwrap();
    assert_eq!(
        (port.address, port.port),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), 9000)
    );
    assert_eq!(port.tls, None);
    assert!(!settings(&["--kubelet-summary=false"]).scrape.summary);

    let s = settings(&[
        "--heapster-port=9000",
        "--tls-cert=/c",
        "--tls-key=/k",
        "--tls-client-ca=/ca",
        "--allowed-users=alice,bob",
    ]);
    let clients = s.heapster.port.unwrap().tls.unwrap().clients.unwrap();
    assert_eq!(clients.allowed_users, ["alice", "bob"]);

    let closed = settings(&["--tls-cert=/c", "--tls-key=/k"]);
    assert_eq!(closed.heapster.port, None);
    assert_eq!(closed.inert, ["tls-cert", "tls-key"]);
}

#[test]
fn half_a_lock_on_heapsters_port_is_refused() {
    for (flags, problem) in [
        (&["--tls-cert=/c"][..], "--tls-cert needs --tls-key"),
        (&["--tls-key=/k"], "--tls-key needs --tls-cert"),
        (&["--tls-client-ca=/a"], "--tls-client-ca needs --tls-cert"),
        (
            &["--tls-cert=/c", "--tls-key=/k", "--allowed-users=alice"],
            "--allowed-users needs --tls-client-ca",
        ),
        (
            &["--heapster-port=0"],
            "invalid argument \"0\" for \"--heapster-port\" flag: must be a port between 1 and 65535",
        ),
    ] {
        assert_eq!(errors(flags), [problem]);
    }
}

#[test]
fn what_is_kept_over_time_is_bounded_below() {
    let s = settings(&[
        "--rollup-resolution=5s",
        "--history-length=10s",
        "--history-memory-limit=64Mi",
        "--store-label=team=example.com/team,zone",
        "--ignore-label=hash",
    ]);
    assert_eq!(s.rollup.resolution, Duration::from_secs(5));
    assert_eq!(s.history.memory_limit, Bytes::new(64 << 20));
    for (given, expected) in [
        (&[][..], ProcessLimit::Containers),
        (&["--memory-limit=0"], ProcessLimit::Unlimited),
        (
            &["--memory-limit=1Gi"],
            ProcessLimit::Given(Bytes::new(1 << 30)),
        ),
    ] {
        assert_eq!(settings(given).history.process_limit, expected);
    }
    let stored = |from: &str, to: &str| StoredLabel {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    assert_eq!(
        s.rollup.labels.stored,
        [stored("example.com/team", "team"), stored("zone", "zone")]
    );
    assert!(s.rollup.labels.ignored.contains("hash"));
    for (flags, named) in [
        (&["--rollup-resolution=4999ms"][..], "--rollup-resolution"),
        (&["--history-length=119s"], "--history-length"),
        (&["--history-memory-limit=1Ki"], "--history-memory-limit"),
        (&["--history-memory-limit=lots"], "--history-memory-limit"),
        (&["--memory-limit=1Mi"], "--memory-limit"),
        (
            &[
                "--source=kubernetes",
                "--metric-resolution=30m",
                "--history-length=20m",
            ],
            "at least two times --metric-resolution (30m0s)",
        ),
        (&["--store-label=a="], "--store-label"),
        (
            &["--source=kubernetes", "--metric-resolution=1s"],
            "--metric-resolution",
        ),
        (
            &[
                "--source=kubernetes",
                "--metric-resolution=60s",
                "--rollup-resolution=60s",
            ],
            "--rollup-resolution",
        ),
    ] {
        let told = errors(flags);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(named), "{told:?}");
    }
}

#[test]
fn the_rest_of_heapsters_flags_is_understood() {
    let s = heapster(&[
        "--max-procs=3",
        "--disable-export",
        "--disable-metric-sink",
        "--logtostderr",
        "--sink-export-data-timeout=7s",
        "--sink=log",
        "--sink=influxdb:http://db:8086?pw=s3cret",
    ]);
    assert_eq!(s.heapster.export_timeout.as_secs(), 7);
    let names = s.heapster.sinks.iter().map(|sink| sink.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["log", "influxdb"]);
    assert!(!format!("{s:?}").contains("s3cret"));
    assert_eq!(s.max_procs.unwrap().get(), 3);
    assert!(!s.heapster.export && !s.heapster.model);
    assert_eq!(s.inert, ["logtostderr"]);
    assert_eq!(heapster(&["--max-procs=-1"]).max_procs, None);
}
