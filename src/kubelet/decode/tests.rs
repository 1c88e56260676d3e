use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::domain::{ContainerReading, CounterSample, CpuTime, ResourceReading, Timestamp};

const ASKED_AT: Timestamp = Timestamp::from_millis(1_795_253_480_000);

/// What a kubelet 1.35.4 (containerd, cgroup v1) with one pod answered, every 15 s.
pub(super) const GOLDENS: [&str; 5] = [
    include_str!("testdata/resource-0.txt"),
    include_str!("testdata/resource-1.txt"),
    include_str!("testdata/resource-2.txt"),
    include_str!("testdata/resource-3.txt"),
    include_str!("testdata/resource-4.txt"),
];

fn decode(body: &str) -> ResourceReading<'_> {
    decode_resource(body.as_bytes(), ASKED_AT, Limits::default()).unwrap()
}

/// What a line says, read in the plainest way: `series{labels}` → (value, stamp).
fn naive(body: &str) -> BTreeMap<String, (f64, Option<i64>)> {
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let mut words = line.split(' ');
            let series = words.next().unwrap().to_string();
            let value = words.next().unwrap().parse().unwrap();
            (series, (value, words.next().map(|at| at.parse().unwrap())))
        })
        .collect()
}

fn close(exact: impl ToString, float: f64) -> bool {
    let exact: f64 = exact.to_string().parse().unwrap();
    (exact - float).abs() <= float.abs() * 1e-12 + 1.0
}

#[test]
fn every_number_of_a_real_kubelet_is_the_one_on_its_line() {
    for body in GOLDENS {
        let (reading, naive) = (decode(body), naive(body));
        let node = reading.node;
        let (value, at) = naive["node_cpu_usage_seconds_total"];
        assert!(close(node.cpu.unwrap().value.as_nanos(), value * 1e9));
        assert_eq!(Some(node.cpu.unwrap().at.as_millis()), at);
        let (value, at) = naive["node_memory_working_set_bytes"];
        assert!(close(node.memory.unwrap().value.get(), value));
        assert_eq!(Some(node.memory.unwrap().at.as_millis()), at);
        let (value, _) = naive["node_swap_usage_bytes"];
        assert!(close(node.swap.unwrap().value.get(), value));
        assert_eq!((reading.incomplete, reading.skipped_lines), (false, 0));

        let names: Vec<_> = reading.containers.iter().map(|c| &*c.container).collect();
        assert_eq!(names, ["busy", "idle"]);
        for container in &reading.containers {
            assert_eq!(
                (&*container.namespace, &*container.pod),
                ("default", "burn")
            );
            let of = |series: &str| {
                let name = &container.container;
                naive[&format!(
                    "{series}{{container=\"{name}\",namespace=\"default\",pod=\"burn\"}}"
                )]
            };
            let (value, at) = of("container_cpu_usage_seconds_total");
            assert!(close(container.cpu.unwrap().value.as_nanos(), value * 1e9));
            assert_eq!(Some(container.cpu.unwrap().at.as_millis()), at);
            let (value, at) = of("container_memory_working_set_bytes");
            assert!(close(container.memory.unwrap().value.get(), value));
            assert_eq!(Some(container.memory.unwrap().at.as_millis()), at);
            let (value, at) = of("container_swap_usage_bytes");
            assert!(close(container.swap.unwrap().value.get(), value));
            assert_eq!(Some(container.swap.unwrap().at.as_millis()), at);
            let (value, _) = of("container_start_time_seconds");
            let started = container.started.unwrap().as_millis();
            assert!(close(started, value * 1e3));
        }
    }
}

fn cpu(reading: &ContainerReading<'_>) -> Option<(u64, i64)> {
    let sample = reading.cpu?;
    Some((sample.value.as_nanos(), sample.at.as_millis()))
}

#[test]
fn a_line_means_the_same_however_it_is_written() {
    for line in [
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1.5 7000"#,
        r#"container_cpu_usage_seconds_total{pod="p",namespace="n",container="c"} 1.5 7000"#,
        r#"container_cpu_usage_seconds_total{pod="p",id="/a\\b",namespace="n",container="c",} 15e-1 7000"#,
        r#"container_cpu_usage_seconds_total{x="\",pod=\"evil\"}",pod="p",namespace="n",container="c"} 1.5 7000"#,
        r#"container_cpu_usage_seconds_total{x="a\nb}",pod="p",namespace="n",container="c"} 1.5 7000"#,
        r#"container_cpu_usage_seconds_total{my_pod="q",pod="p",namespace="n",container="c"} 1.5 7000"#,
        "  container_cpu_usage_seconds_total\t{ pod = \"p\" , namespace=\"n\",\tcontainer=\"c\" }\t1.5  7000 \r",
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1.5 7.000 # {trace_id="x"} 1.0"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1.5 7e0"#,
    ] {
        let reading = decode(line);
        assert_eq!(reading.containers.len(), 1, "{line}");
        let container = &reading.containers[0];
        let name = (
            &*container.namespace,
            &*container.pod,
            &*container.container,
        );
        assert_eq!(name, ("n", "p", "c"), "{line}");
        assert_eq!(cpu(container), Some((1_500_000_000, 7_000)), "{line}");
    }
}

#[test]
fn a_line_without_a_stamp_is_stamped_with_the_time_of_the_request() {
    for line in [
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1 # {a="b"} 3 4"#,
    ] {
        let at = ASKED_AT.as_millis();
        assert_eq!(cpu(&decode(line).containers[0]), Some((1_000_000_000, at)));
    }
}

#[test]
fn a_line_that_gives_no_number_is_skipped_counted_and_harms_no_other() {
    for bad in [
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1 -7000"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1 99999999999999999999999"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} 1 7000 8"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"}"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p" 1 7000"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p\"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n"} 1 7000"#,
        r#"container_cpu_usage_seconds_total{container="c",pod="p"} 1 7000"#,
        r#"container_cpu_usage_seconds_total{namespace="n",pod="p"} 1 7000"#,
        r#"container_cpu_usage_seconds_total{container="",namespace="n",pod="p"} 1 7000"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="a/b"} 1 7000"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="a\"b"} 1 7000"#,
        r#"container_cpu_usage_seconds_total{container="c",namespace="n",pod="p",pod="q"} 1 7000"#,
        "container_cpu_usage_seconds_total 1 7000",
        "node_cpu_usage_seconds_total - 7000",
        "resource_scrape_error",
        "<html>",
        "{}",
        "9lives 1",
    ] {
        let body = format!("node_cpu_usage_seconds_total 2 1000\n{bad}\nnode_swap_usage_bytes 3\n");
        let reading = decode(&body);
        assert_eq!(reading.skipped_lines, 1, "{bad}");
        assert!(reading.containers.is_empty(), "{bad}");
        assert_eq!(reading.node.cpu.unwrap().value.as_nanos(), 2_000_000_000);
        assert_eq!(reading.node.swap.unwrap().value.get(), 3);
    }
}

#[test]
fn what_no_kubelet_measured_gives_no_number_and_hides_nobody() {
    for value in [
        "NaN",
        "+Inf",
        "-Inf",
        "-1",
        "-6.795364578871346e+09",
        "1e30",
    ] {
        let body = format!(
            "node_cpu_usage_seconds_total {value} 1\nresource_scrape_error NaN\n{}{}",
            lines(CPU, &[("a", value), ("b", "2")]),
            lines(START, &[("a", value), ("b", "20")]),
        );
        let reading = decode(&body);
        assert_eq!(
            (reading.skipped_lines, reading.incomplete),
            (0, false),
            "{value}"
        );
        assert_eq!(reading.node.cpu, None);
        let read: Vec<_> = reading
            .containers
            .iter()
            .map(|c| (&*c.container, cpu(c), c.started))
            .collect();
        let started = Some(Timestamp::from_millis(20_000));
        assert_eq!(
            read,
            [
                ("a", None, None),
                ("b", Some((2_000_000_000, 7_000)), started)
            ]
        );
    }
}

#[test]
fn comments_blank_lines_and_unknown_series_are_passed_over() {
    let body = "# HELP x y\n\n \t\r\n#EOF\nkubelet_x{le=\"+Inf\"} nonsense\nnode_swap_usage_bytes{a=\"b\"} 3\n# EOF";
    let reading = decode(body);
    assert_eq!(
        (
            reading.node.swap.unwrap().value.get(),
            reading.skipped_lines
        ),
        (3, 0)
    );
}

#[test]
fn the_kubelet_may_say_that_its_answer_is_incomplete() {
    for (line, incomplete) in [
        ("resource_scrape_error 1", true),
        ("scrape_error 1", true),
        ("resource_scrape_error 0", false),
    ] {
        let body = format!("node_swap_usage_bytes 3\n{line}");
        assert_eq!(decode(&body).incomplete, incomplete, "{line}");
    }
}

fn lines(series: &str, samples: &[(&str, &str)]) -> String {
    samples
        .iter()
        .fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(
                text,
                "{series}{{container=\"{name}\",namespace=\"n\",pod=\"p\"}} {value} 7000"
            );
            text
        })
}

const CPU: &str = "container_cpu_usage_seconds_total";
const START: &str = "container_start_time_seconds";

#[test]
fn of_several_lives_the_one_with_the_newest_start_stays() {
    let cpu_lines = lines(CPU, &[("a", "1"), ("b", "100"), ("b", "2"), ("c", "3")]);
    let newest_first = lines(START, &[("a", "10"), ("b", "30"), ("b", "20"), ("c", "10")]);
    let newest_last = lines(START, &[("a", "10"), ("b", "20"), ("b", "30"), ("c", "10")]);
    for (starts, expected) in [(newest_first, 100), (newest_last, 2), (String::new(), 2)] {
        for body in [
            format!("{cpu_lines}{starts}"),
            format!("{starts}{cpu_lines}"),
        ] {
            let reading = decode(&body);
            let seconds: BTreeMap<_, _> = reading
                .containers
                .iter()
                .map(|c| (&*c.container, cpu(c).unwrap().0 / 1_000_000_000))
                .collect();
            assert_eq!(
                seconds,
                [("a", 1), ("b", expected), ("c", 3)].into(),
                "{body}"
            );
        }
    }
}

#[test]
fn a_start_time_repeated_alone_leaves_the_counter_to_the_newest_life() {
    let body = lines(CPU, &[("a", "1")]) + &lines(START, &[("a", "10"), ("a", "20")]);
    let reading = decode(&body);
    assert_eq!(reading.containers.len(), 1);
    assert_eq!(
        reading.containers[0].started,
        Some(Timestamp::from_millis(20_000))
    );
    assert_eq!(cpu(&reading.containers[0]), Some((1_000_000_000, 7_000)));
}

#[test]
fn a_container_without_one_series_does_not_shift_the_others() {
    let body = lines(CPU, &[("a", "1"), ("b", "2"), ("d", "4")])
        + &lines(
            "container_memory_working_set_bytes",
            &[("a", "10"), ("c", "30"), ("d", "40")],
        );
    let reading = decode(&body);
    let read: Vec<_> = reading
        .containers
        .iter()
        .map(|c| {
            (
                &*c.container,
                c.cpu.map(|s| s.value.as_nanos() / 1_000_000_000),
                c.memory.map(|s| s.value.get()),
            )
        })
        .collect();
    let expected = [
        ("a", Some(1), Some(10)),
        ("b", Some(2), None),
        ("d", Some(4), Some(40)),
        ("c", None, Some(30)),
    ];
    assert_eq!(read, expected);
}

#[test]
fn an_answer_without_a_single_number_is_no_answer() {
    let decode = |body: &str| decode_resource(body.as_bytes(), ASKED_AT, Limits::default()).err();
    assert_eq!(decode(""), Some(DecodeError::Empty { skipped_lines: 0 }));
    let others = "# a comment\nother{a=\"b\"} 1\n{\n";
    assert_eq!(
        decode(others),
        Some(DecodeError::Empty { skipped_lines: 1 })
    );
    assert_eq!(
        decode("\r\n# a comment"),
        Some(DecodeError::Empty { skipped_lines: 0 })
    );
}

#[test]
fn what_does_not_begin_as_an_exposition_is_none() {
    for body in [
        "<html>\n<body>sign in</body>\n</html>",
        "\n<html><pre>\nother 1\n</pre></html>",
        "# Welcome\nPlease sign in",
        "{\"kind\":\"Status\"}",
    ] {
        let refused = decode_resource(body.as_bytes(), ASKED_AT, Limits::default());
        assert_eq!(refused, Err(DecodeError::NoExposition), "{body}");
    }
    let late = format!("<html>\n{}", lines(CPU, &[("a", "1")]));
    let read = decode_resource(late.as_bytes(), ASKED_AT, Limits::default());
    assert_eq!(read.unwrap().skipped_lines, 1, "a number is a number");
}

#[test]
fn an_answer_with_too_many_containers_is_refused() {
    let limits = Limits { max_containers: 2 };
    let three = lines(CPU, &[("a", "1"), ("b", "1"), ("c", "1")]);
    let refused = decode_resource(three.as_bytes(), ASKED_AT, limits);
    assert_eq!(refused, Err(DecodeError::TooManyContainers { limit: 2 }));
    let two = lines(CPU, &[("a", "1"), ("b", "1"), ("a", "1")]);
    assert!(
        decode_resource(two.as_bytes(), ASKED_AT, limits).is_err(),
        "lives count"
    );
    let two = lines(CPU, &[("a", "1"), ("b", "1")]) + &lines(START, &[("b", "1"), ("a", "1")]);
    assert!(decode_resource(two.as_bytes(), ASKED_AT, limits).is_ok());
}

/// A container as the structured test makes it up: names from a small set so that order and repeats
/// vary.
type Made = ((u8, u8, u8), Option<u64>, Option<u64>, Option<u32>);

/// Renders the containers family by family, each line with its labels turned by `turn`.
fn render(containers: &BTreeMap<(u8, u8, u8), Made>, turns: &[usize]) -> String {
    let mut text = String::new();
    let mut turn = turns.iter().cycle();
    let mut line = |text: &mut String, series: &str, name: (u8, u8, u8), value: String| {
        let mut labels = vec![
            format!("container=\"c{}\"", name.2),
            format!("namespace=\"n{}\"", name.0),
            format!("pod=\"p{}\"", name.1),
            r#"extra="\"}\\ ,""#.to_string(),
        ];
        let by = turn.next().unwrap();
        labels.rotate_left(by % 4);
        labels.truncate(4);
        let _ = writeln!(text, "{series}{{{}}} {value}", labels.join(","));
    };
    for (name, made) in containers {
        if let Some(nanos) = made.1 {
            let value = format!(
                "{}.{:09} 1000",
                nanos / 1_000_000_000,
                nanos % 1_000_000_000
            );
            line(&mut text, CPU, *name, value);
        }
    }
    for (name, made) in containers {
        if let Some(bytes) = made.2 {
            line(
                &mut text,
                "container_memory_working_set_bytes",
                *name,
                bytes.to_string(),
            );
        }
    }
    for (name, made) in containers {
        if let Some(seconds) = made.3 {
            line(&mut text, START, *name, format!("{seconds}.25"));
        }
    }
    text + "node_swap_usage_bytes 0\n"
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = decode_resource(&body, ASKED_AT, Limits::default());
    }

    #[test]
    fn no_text_that_looks_like_an_exposition_makes_it_panic(
        body in r#"((container_(cpu_usage_seconds_total|start_time_seconds)|node_cpu_usage_seconds_total|x)(\{((pod|namespace|container)="[ab\\"]{0,2}",?){0,4}\}?)? ?[0-9.eE+-]{0,6} ?[0-9.]{0,5}[ #]{0,2}\n){0,12}"#
    ) {
        let _ = decode_resource(body.as_bytes(), ASKED_AT, Limits { max_containers: 3 });
    }

    #[test]
    fn what_was_rendered_is_read_back(
        made in prop::collection::vec(
            ((0u8..3, 0u8..3, 0u8..4), any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u32>>()),
            0..20,
        ),
        turns in prop::collection::vec(0usize..4, 1..7),
    ) {
        let made: BTreeMap<_, Made> = made.into_iter().map(|made| (made.0, made)).collect();
        let text = render(&made, &turns);
        let reading = decode_resource(text.as_bytes(), ASKED_AT, Limits::default()).unwrap();
        prop_assert_eq!(reading.skipped_lines, 0);
        let told = made.values().filter(|m| m.1.is_some() || m.2.is_some() || m.3.is_some());
        prop_assert_eq!(reading.containers.len(), told.count());
        for container in &reading.containers {
            let number = |name: &str| name[1..].parse::<u8>().unwrap();
            let name = (number(&container.namespace), number(&container.pod), number(&container.container));
            let (_, nanos, bytes, started) = made[&name];
            let at = Timestamp::from_millis(1_000);
            prop_assert_eq!(container.cpu, nanos.map(|n| CounterSample { value: CpuTime::from_nanos(n), at }));
            prop_assert_eq!(container.memory.map(|m| m.value.get()), bytes);
            let millis = started.map(|s| Timestamp::from_millis(i64::from(s) * 1000 + 250));
            prop_assert_eq!(container.started, millis);
        }
    }
}
