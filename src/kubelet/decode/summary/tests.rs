//! Real answers, and what else may come.

use super::*;
use crate::domain::{Metric, MetricSet, NodeName, Timestamp, Value};

const REAL: [&str; 5] = [
    include_str!("../testdata/summary-0.json"),
    include_str!("../testdata/summary-1.json"),
    include_str!("../testdata/summary-2.json"),
    include_str!("../testdata/summary-3.json"),
    include_str!("../testdata/summary-4.json"),
];

/// A sample the real Heapster was fed.
const HEAPSTERS: &str = include_str!("../../../../tests/golden/heapster/in/summary-node-1-1.json");

fn decode(text: &str) -> SummaryReading<'_> {
    decode_summary(text.as_bytes(), Limits::default()).unwrap()
}

fn node() -> NodeName {
    NodeName::new("n1").unwrap()
}

fn time(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(at.as_millisecond())
}

/// The sets of an answer a minute into 2026-11-21T10.
fn sets(text: &str) -> SourceSets {
    decode(text).metric_sets(&node(), time("2026-11-21T10:01:00Z"), Vec::new())
}

fn set<'s>(sets: &'s SourceSets, key: &str) -> &'s MetricSet {
    let found = sets.sets.iter().find(|set| set.key.to_string() == key);
    found.unwrap_or_else(|| panic!("no {key}"))
}

fn keys(sets: &SourceSets) -> Vec<String> {
    sets.sets.iter().map(|set| set.key.to_string()).collect()
}

fn int(set: &MetricSet, metric: Metric) -> Option<i64> {
    set.get(metric).map(Value::as_i64)
}

/// Value of a filesystem's metric.
fn of(set: &MetricSet, metric: Metric, by: &str) -> Option<i64> {
    let found = |q: &&crate::domain::Qualified| q.point.metric() == metric && *q.by == *by;
    let point = set.qualified.iter().find(found)?.point;
    Some(point.value().as_i64())
}

#[test]
fn a_real_answer_says_what_jq_reads_in_it() {
    let sets = sets(REAL[3]);
    assert_eq!(sets.skipped_entities, 0);
    assert_eq!(
        keys(&sets),
        [
            "node:n1",
            "node:n1/container:pods",
            "namespace:default/pod:burn",
            "namespace:default/pod:burn/container:idle",
            "namespace:default/pod:burn/container:busy",
        ]
    );
    let of_node = set(&sets, "node:n1");
    assert_eq!(of_node.started, Some(time("2026-11-21T09:07:16Z")));
    assert_eq!(of_node.sampled, Some(time("2026-11-21T09:31:56Z")));
    assert_eq!(of_node.network_sampled, None);
    for (metric, value) in [
        (Metric::Uptime, 3_224_000),
        (Metric::CpuUsage, 1_439_100_115_580),
        (Metric::MemoryUsage, 2_040_426_496),
        (Metric::MemoryWorkingSet, 1_738_727_424),
        (Metric::MemoryRss, 1_455_112_192),
        (Metric::MemoryPageFaults, 40_984),
        (Metric::MemoryMajorPageFaults, 0),
        (Metric::NetworkRx, 396_691_761),
        (Metric::NetworkTx, 1_882_828),
        (Metric::EphemeralStorageUsage, 22_192_697_344),
        (Metric::MemorySwap, 0),
        (Metric::MemorySwapAvailable, 0),
        (Metric::ProcessCount, 183),
        (Metric::CpuPressureSome, 0),
        (Metric::IoPressureFull, 0),
    ] {
        assert_eq!(int(of_node, metric), Some(value), "{metric:?}");
    }
    assert_eq!(of(of_node, Metric::FilesystemInodes, "/"), Some(16_777_216));
    let pod = set(&sets, "namespace:default/pod:burn");
    let uid = Some("4a429e42-debf-48fe-82ea-3840663a1bf0");
    assert_eq!(pod.pod_uid.as_deref(), uid);
    assert_eq!(int(pod, Metric::CpuUsage), Some(26_483_624_246));
    assert_eq!(int(pod, Metric::EphemeralStorageUsage), Some(20_480));
    // In the host's network, so Heapster would have had no stamp for it.
    assert_eq!(pod.sampled, Some(time("2026-11-21T09:31:51Z")));
    let idle = set(&sets, "namespace:default/pod:burn/container:idle");
    assert_eq!(idle.pod_uid.as_deref(), uid);
    assert_eq!(int(idle, Metric::CpuUsage), Some(10_446_973));
    assert_eq!(int(idle, Metric::MemoryPageFaults), None);
    assert_eq!(int(idle, Metric::EphemeralStorageUsage), Some(8192));
    assert_eq!(of(idle, Metric::FilesystemUsage, "/"), Some(8192));
    assert_eq!(of(idle, Metric::FilesystemUsage, "logs"), Some(0));
}

#[test]
fn what_was_the_same_before_keeps_its_memory() {
    let pod = |name: &str, volumes: &str| {
        format!(
            r#"{{"podRef":{{"name":"{name}","namespace":"a","uid":"{name}-uid"}},
            "network":{{"rxBytes":1}},"containers":[{{"name":"c","cpu":{{"usageCoreNanoSeconds":5}}}}],
            "volume":[{volumes}]}}"#
        )
    };
    let [v, w] = ["v", "w"].map(|name| format!(r#"{{"name":"{name}","usedBytes":7,"inodes":3}}"#));
    let both = format!("{v},{w}");
    let answer = |pods: &[String]| format!(r#"{{"pods":[{}]}}"#, pods.join(","));
    let before = answer(&[pod("p", &both), pod("q", &v), pod("gone", &w)]);
    let now = answer(&[
        pod("new", &both),
        pod("q", &both),
        pod("p", &format!("{w},{v}")),
    ]);
    let anew = sets(&now);
    let memory = |sets: &SourceSets| {
        let p = set(sets, "namespace:a/pod:p");
        let of_c = set(sets, "namespace:a/pod:p/container:c");
        let by: Vec<*const str> = ["v", "w"]
            .map(|name| p.qualified.iter().find(|q| q.by.ends_with(name)))
            .map(|found| std::sync::Arc::as_ptr(&found.unwrap().by))
            .into();
        let uid = std::sync::Arc::as_ptr(p.pod_uid.as_ref().unwrap());
        (
            p.points.as_ptr(),
            of_c.points.as_ptr(),
            p.qualified.as_ptr(),
            by,
            uid,
        )
    };
    let before = sets(&before);
    let known = memory(&before);
    let over = decode(&now).metric_sets(&node(), time("2026-11-21T10:01:00Z"), before.sets);
    assert_eq!(over, anew);
    assert_eq!(memory(&over), known);
    assert_ne!(memory(&anew), known);
    for set in &over.sets {
        assert_eq!(set.qualified.capacity(), set.qualified.len(), "{}", set.key);
    }
}

#[test]
fn pressure_is_read_in_nanoseconds() {
    let psi = |some, full| {
        format!(r#""psi":{{"full":{{"total":{full},"avg10":0.5}},"some":{{"total":{some}}}}}"#)
    };
    let (cpu, memory, io) = (psi(1, 2), psi(3, 4), psi(5, 6));
    let text = format!(r#"{{"node":{{"cpu":{{{cpu}}},"memory":{{{memory}}},"io":{{{io}}}}}}}"#);
    let sets = sets(&text);
    let node = set(&sets, "node:n1");
    let read: Vec<_> = node
        .points
        .iter()
        .map(|p| (p.metric().name(), p.value().as_i64()))
        .collect();
    assert_eq!(
        read,
        [
            ("cpu/pressure_some", 1),
            ("cpu/pressure_full", 2),
            ("memory/pressure_some", 3),
            ("memory/pressure_full", 4),
            ("io/pressure_some", 5),
            ("io/pressure_full", 6),
        ]
    );
}

/// Which metrics the real Heapster sent to its sinks that came from the summary alone, for each
/// kind of set.
#[test]
fn a_sample_becomes_what_heapster_made_of_it() {
    let sets = sets(HEAPSTERS);
    assert_eq!((sets.sets.len(), sets.skipped_entities), (1 + 3 + 3 + 4, 0));
    let names = |key: &str| -> Vec<String> {
        let set = set(&sets, key);
        let plain = set.points.iter().map(|p| p.metric().name().to_string());
        let of = |q: &crate::domain::Qualified| format!("{}@{}", q.point.metric().name(), q.by);
        plain.chain(set.qualified.iter().map(of)).collect()
    };
    let with = |prefix: &[&str], by: &[&str]| -> Vec<String> {
        let of = |by: &&str| {
            let by = (*by).to_string();
            ["usage", "limit", "available", "inodes", "inodes_free"]
                .map(|name| format!("filesystem/{name}@{by}"))
        };
        let plain = prefix.iter().map(ToString::to_string);
        plain.chain(by.iter().flat_map(of)).collect()
    };
    let consumed = [
        "uptime",
        "cpu/usage",
        "memory/usage",
        "memory/working_set",
        "memory/rss",
        "memory/page_faults",
        "memory/major_page_faults",
    ];
    let network = [
        "network/rx",
        "network/rx_errors",
        "network/tx",
        "network/tx_errors",
    ];
    // After 1.5.4 Heapster kept ephemeral storage too, and the CPU and memory of pods.
    let storage = ["ephemeral_storage/usage"];
    let all = [&consumed[..], &network, &storage].concat();
    assert_eq!(names("node:n1"), with(&all, &["/"]));
    assert_eq!(
        names("node:n1/container:docker-daemon"),
        with(&consumed, &[])
    );
    let pod = "namespace:team-a/pod:web-1-1";
    assert_eq!(names(pod), with(&all, &["Volume:data"]));
    let container = [&consumed[..], &storage].concat();
    let side = format!("{pod}/container:side.car");
    assert_eq!(names(&side), with(&container, &["/", "logs"]));
    let side = set(&sets, &side);
    assert_eq!(int(side, Metric::CpuUsage), Some(406_560_000_000));
    assert_eq!(int(side, Metric::MemoryWorkingSet), Some(32_514_048));
    assert_eq!(
        of(side, Metric::FilesystemLimit, "logs"),
        Some(100_000_000_000)
    );
    let volume = of(set(&sets, pod), Metric::FilesystemAvailable, "Volume:data");
    assert_eq!(volume, Some(49_999_999_223));
}

#[test]
fn system_containers_keep_their_old_names() {
    let sets = sets(
        r#"{"node":{"systemContainers":[
            {"name":"runtime","cpu":{"usageCoreNanoSeconds":1}},
            {"name":"misc","cpu":{"usageCoreNanoSeconds":2}},
            {"name":"\/a\u003cb","cpu":{"usageCoreNanoSeconds":3}},
            {"name":"","cpu":{"usageCoreNanoSeconds":4}}]}}"#,
    );
    let names = ["docker-daemon", "system", "/a<b"];
    assert_eq!(
        keys(&sets),
        names.map(|name| format!("node:n1/container:{name}"))
    );
    assert_eq!(sets.skipped_entities, 1);
}

/// A pod `a/p` with these fields.
fn pod(fields: &str) -> String {
    format!(r#"{{"pods":[{{"podRef":{{"namespace":"a","name":"p","uid":"u"}},{fields}}}]}}"#)
}

#[test]
fn of_several_lives_of_a_container_the_newest_stays() {
    let life = |started: &str, cpu: u32| {
        format!(r#"{{"name":"c",{started}"cpu":{{"usageCoreNanoSeconds":{cpu}}}}}"#)
    };
    let old = r#""startTime":"2026-11-21T08:00:00Z","#;
    let new = r#""startTime":"2026-11-21T09:00:00Z","#;
    for (first, second, stays) in [(old, new, 2), (new, old, 1), (new, new, 2), ("", old, 2)] {
        let containers = [life(first, 1), life(second, 2)].join(",");
        let sets = sets(&pod(&format!(r#""containers":[{containers}]"#)));
        assert_eq!(keys(&sets), ["namespace:a/pod:p/container:c"]);
        assert_eq!(
            int(&sets.sets[0], Metric::CpuUsage),
            Some(stays),
            "{first} {second}"
        );
    }
}

#[test]
fn of_two_pods_of_a_name_the_newest_stays_with_its_own_containers() {
    let pod = |uid: &str, hour: u32, container: &str| {
        format!(
            r#"{{"podRef":{{"name":"db-0","namespace":"a","uid":"{uid}"}},"startTime":"2026-11-21T0{hour}:00:00Z",
            "containers":[{{"name":"{container}","cpu":{{"usageCoreNanoSeconds":{hour}}}}}],
            "cpu":{{"usageCoreNanoSeconds":{hour}}}}}"#
        )
    };
    for pods in [
        [pod("new", 9, "web"), pod("old", 8, "db")],
        [pod("old", 8, "db"), pod("new", 9, "web")],
    ] {
        let sets = sets(&format!(r#"{{"pods":[{}]}}"#, pods.join(",")));
        assert_eq!(
            keys(&sets),
            ["namespace:a/pod:db-0", "namespace:a/pod:db-0/container:web"]
        );
        assert!(
            sets.sets
                .iter()
                .all(|set| set.pod_uid.as_deref() == Some("new"))
        );
    }
}

#[test]
fn a_container_that_says_nothing_is_left_out() {
    let sets = sets(&pod(
        r#""containers":[{"name":"ended","startTime":"2026-11-21T08:00:00Z","cpu":{"time":"2026-11-21T09:00:00Z"}},
        {"name":"c","memory":{"rssBytes":1}}]"#,
    ));
    assert_eq!(keys(&sets), ["namespace:a/pod:p/container:c"]);
    assert_eq!(sets.skipped_entities, 0);
}

#[test]
fn stamps_are_those_of_the_cpu_then_memory_then_network() {
    let at = |second: u32| format!(r#""time":"2026-11-21T09:00:0{second}Z""#);
    let (one, two, three) = (at(1), at(2), at(3));
    let stamp = |second: u32| Some(time(&format!("2026-11-21T09:00:0{second}Z")));
    let zero = r#""time":"0001-01-01T00:00:00Z""#;
    for (cpu, memory, network, sampled, of_network) in [
        (&*one, &*two, &*three, stamp(1), stamp(3)),
        (zero, &*two, &*three, stamp(2), stamp(3)),
        ("", "", &*three, stamp(3), stamp(3)),
        (&*one, "", "", stamp(1), stamp(1)),
        (&*one, "", &*one, stamp(1), stamp(1)),
        (zero, zero, zero, None, None),
    ] {
        let text = format!(
            r#""cpu":{{{cpu}}},"memory":{{{memory}}},"network":{{{network}}},"process_stats":{{"process_count":3}}"#
        );
        let sets = sets(&pod(&text));
        let set = &sets.sets[0];
        assert_eq!(
            (set.sampled, set.sampled_of(Metric::NetworkRx)),
            (sampled, of_network),
            "{text}"
        );
        assert_eq!(int(set, Metric::ProcessCount), Some(3));
    }
}

#[test]
fn storage_of_a_container_needs_both_parts() {
    for (parts, usage) in [
        (
            r#""rootfs":{"usedBytes":1},"logs":{"usedBytes":2}"#,
            Some(3),
        ),
        (r#""rootfs":{"usedBytes":1},"logs":{}"#, None),
        (r#""rootfs":{"usedBytes":1}"#, None),
        (r#""logs":null,"rootfs":{"usedBytes":1}"#, None),
        (
            r#""rootfs":{"usedBytes":18446744073709551615},"logs":{"usedBytes":1}"#,
            None,
        ),
    ] {
        let sets = sets(&pod(&format!(r#""containers":[{{"name":"c",{parts}}}]"#)));
        assert_eq!(
            int(&sets.sets[0], Metric::EphemeralStorageUsage),
            usage,
            "{parts}"
        );
    }
}

#[test]
fn an_odd_field_costs_that_field_alone() {
    for odd in [
        "null",
        "-1",
        "1.5",
        "1e3",
        "1E400",
        "18446744073709551616",
        "\"7\"",
        "true",
        "{}",
        "[[1]]",
        "{\"a\":[{}]}",
        "01x",
    ] {
        let text = pod(&format!(
            r#""startTime":{odd},"cpu":{{"usageCoreNanoSeconds":{odd},"time":{odd}}},"memory":{odd},
            "network":{{"rxBytes":{odd},"txBytes":9}},"volume":{odd},"containers":{odd},"io":{{"psi":{odd}}}"#
        ));
        let sets = sets(&text);
        assert_eq!(keys(&sets), ["namespace:a/pod:p"], "{odd}");
        let points: Vec<_> = sets.sets[0].points.iter().map(|p| p.metric()).collect();
        assert_eq!(points, [Metric::NetworkTx], "{odd}");
    }
}

#[test]
fn an_odd_entity_is_skipped_and_counted() {
    let sets = sets(
        r#"{"node":{"cpu":{"usageCoreNanoSeconds":1}},"pods":[null,7,"pod",[],{},
        {"podRef":{"name":"P","namespace":"a"}},{"podRef":null},
        {"podRef":{"name":"p","namespace":"a"},"containers":[{"name":"Not A Name"},{"name":"c","cpu":{"usageCoreNanoSeconds":1}}],
         "volume":[{"usedBytes":1},{"name":"v","usedBytes":1}]}]}"#,
    );
    assert_eq!(
        keys(&sets),
        [
            "node:n1",
            "namespace:a/pod:p",
            "namespace:a/pod:p/container:c"
        ]
    );
    assert_eq!(sets.skipped_entities, 7 + 1 + 1);
    assert_eq!(sets.sets[1].pod_uid, None);
}

#[test]
fn what_is_no_summary_is_refused() {
    let none = Err(DecodeError::NoSummary);
    let malformed = Err(DecodeError::Malformed);
    for (text, refused) in [
        ("{}", none.clone()),
        ("[]", none.clone()),
        ("<html>", none.clone()),
        (r#"{"kind":"Status","code":403}"#, none.clone()),
        (r#"{"node":null}"#, none),
        ("", malformed.clone()),
        (r#"{"node":{}"#, malformed.clone()),
        (r#"{"node":{}} x"#, malformed.clone()),
        (r#"{"node":{},}"#, malformed.clone()),
        (r#"{"node" {}}"#, malformed.clone()),
        (r#"{"pods":[{} {}]}"#, malformed.clone()),
        (r#"{"pods":["#, malformed.clone()),
        (r#"{"pods":[{"podRef":{"name":"a\"#, malformed),
    ] {
        assert_eq!(
            decode_summary(text.as_bytes(), Limits::default()),
            refused,
            "{text}"
        );
    }
    let cut = &REAL[0].as_bytes()[..REAL[0].len() / 2];
    assert_eq!(
        decode_summary(cut, Limits::default()),
        Err(DecodeError::Malformed)
    );
    let latin = b"{\"node\":{\"nodeName\":\"\xe9\"}}";
    assert_eq!(
        decode_summary(latin, Limits::default()),
        Err(DecodeError::Malformed)
    );
}

#[test]
fn more_entities_than_a_node_can_have_are_refused() {
    let limits = Limits { max_containers: 10 };
    let pods = |count| format!(r#"{{"pods":[{}]}}"#, vec!["{}"; count].join(","));
    assert!(decode_summary(pods(40).as_bytes(), limits).is_ok());
    assert_eq!(
        decode_summary(pods(41).as_bytes(), limits),
        Err(DecodeError::TooManyContainers { limit: 10 })
    );
}

proptest::proptest! {
    /// Nothing a kubelet sends makes reading it panic, and what is kept has a name.
    #[test]
    fn any_change_to_a_real_answer_is_survived(
        (sample, other) in (0..5_usize, 0..5_usize),
        changes in proptest::collection::vec((0_usize..7_000, proptest::prelude::any::<u8>()), 1..6),
    ) {
        let mut body = REAL[sample].as_bytes().to_vec();
        for (at, byte) in changes {
            body[at] = byte;
        }
        if let Ok(reading) = decode_summary(&body, Limits::default()) {
            let sets = reading.metric_sets(&node(), Timestamp::from_millis(0), Vec::new()).sets;
            let before = self::sets(REAL[other]).sets;
            let over = reading.metric_sets(&node(), Timestamp::from_millis(0), before).sets;
            proptest::prop_assert_eq!(&over, &sets);
            let mut keys: Vec<_> = sets.iter().map(|set| &set.key).collect();
            keys.sort();
            proptest::prop_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    /// A number is read exactly or not at all.
    #[test]
    fn numbers_are_exact(number: u64) {
        let text = format!(r#"{{"node":{{"cpu":{{"usageCoreNanoSeconds": {number} }}}}}}"#);
        proptest::prop_assert_eq!(decode(&text).node.consumed.cpu, Some(number));
    }
}

/// Run with `--ignored --nocapture` in a release profile.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn how_long_a_full_node_takes() {
    let mut body: serde_json::Value = serde_json::from_str(REAL[3]).unwrap();
    let pod = body["pods"][0].clone();
    let pods = (0..110).map(|n| {
        let mut pod = pod.clone();
        pod["podRef"]["name"] = format!("burn-{n}").into();
        pod["network"] = body["node"]["network"].clone();
        let mut volume = pod["ephemeral-storage"].clone();
        volume["name"] = format!("kube-api-access-{n:05}").into();
        pod["volume"] = vec![volume].into();
        pod
    });
    body["pods"] = pods.collect();
    // Kubelets write their answer indented.
    let text = serde_json::to_string_pretty(&body)
        .unwrap()
        .replace("  ", " ");
    let fastest = |work: &dyn Fn()| {
        let round = |_| {
            let began = std::time::Instant::now();
            work();
            began.elapsed()
        };
        (0..300).map(round).min().unwrap()
    };
    let decoding = fastest(&|| drop(std::hint::black_box(decode(&text))));
    let both = fastest(&|| drop(std::hint::black_box(sets(&text))));
    let skipping = fastest(&|| {
        let parsed: serde::de::IgnoredAny = serde_json::from_str(&text).unwrap();
        std::hint::black_box(parsed);
    });
    let sets = sets(&text).sets;
    let size = |set: &MetricSet| {
        size_of::<MetricSet>()
            + set.points.capacity() * size_of::<crate::domain::Point>()
            + set.qualified.capacity() * size_of::<crate::domain::Qualified>()
    };
    let bytes: usize = sets.iter().map(size).sum();
    eprintln!(
        "{} bytes: decoded in {decoding:?}, with sets {both:?}; serde_json skips it in {skipping:?}; {} sets hold {bytes} bytes",
        text.len(),
        sets.len(),
    );
}
