use super::*;

use prometheus_client::encoding::text::encode;

use crate::lifecycle::MemoryLimit;

/// The lines of our own metrics that begin so.
fn exposed(registry: &Registry, prefix: &str) -> Vec<String> {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(prefix));
    lines.map(str::to_owned).collect()
}

fn pods(at: i64, count: i64) -> Vec<MetricSet> {
    let pod = |n: i64| {
        let key = pod("x", &format!("p{n}"));
        let points = [
            Point::int(Metric::CpuUsage, at * 1_000_000 + n * at),
            Point::int(Metric::MemoryUsage, n * 4096 + at % 3),
            Point::int(Metric::MemoryLimit, 1 << 30),
        ];
        let mut set = with_uid(set(key, points), &format!("uid-{n}"));
        set.qualified.push(qualified(
            Metric::FilesystemUsage,
            &format!("Volume:{n}"),
            at,
        ));
        set
    };
    (0..count).map(pod).collect()
}

#[test]
fn what_has_aged_out_takes_no_memory() {
    let mut registry = Registry::default();
    let ring = History::new(Config::default(), &mut registry);
    let gauge = |name: &str| {
        let lines = exposed(&registry, &format!("loadline_history_{name} "));
        lines[0].rsplit(' ').next().unwrap().parse::<i64>().unwrap()
    };
    for at in 1..=20 {
        let mut sets = pods(at, 50);
        sets.push(usage(EntityKey::Cluster, at));
        sets.push(usage(node("n"), at));
        sets.push(usage(container("x", "p1", "c"), at));
        // Every series comes and goes.
        sets[usize::try_from(at).unwrap()].points.pop();
        tick(&ring, at, &sets);
    }
    assert_eq!((gauge("entities"), gauge("columns")), (53, 15));
    assert_eq!(gauge("series"), 50 * 4 + 3);
    assert!(
        (20_000..80_000).contains(&gauge("bytes")),
        "{}",
        gauge("bytes")
    );
    assert_eq!(gauge("container_bytes"), gauge("bytes"));
    tick(&ring, 100, &[]);
    let left = ["entities", "series", "container_bytes"].map(gauge);
    assert_eq!((left, gauge("bytes")), ([0; 3], 0));
}

#[test]
fn a_series_takes_memory_for_as_long_as_one_of_its_points_is_kept() {
    let ring = ring(3);
    for at in 1..=13 {
        let mut set = usage(node("a"), at);
        // Of every other minute, and the last is the seventh.
        if at % 2 == 1 && at <= 7 {
            set.set(Point::int(Metric::CpuUsage, at * 100));
        }
        tick(&ring, at, &[set]);
        // A row is kept a tick longer than it is shown.
        let series = if at - 7 <= 3 { 2 } else { 1 };
        assert_eq!(ring.writer.lock().totals.series, series, "minute {at}");
        let shown = (at - 2).max(1)..=at;
        let measured = shown.clone().filter(|at| at % 2 == 1 && *at <= 7);
        let measured: Vec<_> = measured.map(|at| (at, at * 100)).collect();
        let usage = Series::of(Metric::CpuUsage);
        assert_eq!(read(&ring, node("a"), &usage), measured, "minute {at}");
        let all: Vec<_> = shown.map(|at| (at, at)).collect();
        assert_eq!(memory(&ring, node("a")), all);
    }
}

#[test]
fn above_the_limit_the_oldest_columns_are_shed() {
    let whole = ring(15);
    tick(&whole, 1, &pods(1, 100));
    let least = whole.held();
    (2..=15).for_each(|at| tick(&whole, at, &pods(at, 100)));
    let limit = least.midpoint(whole.held());
    let ring = limited(15, Some(limit));
    for at in 1..=30 {
        tick(&ring, at, &pods(at, 100));
        assert!(ring.held() <= limit, "{at}: {}", ring.held());
    }
    let ticks = ring.view().ticks();
    assert!((3..15).contains(&ticks.len()), "{ticks:?}");
    assert_eq!(ticks.last(), Some(&minute(30)));
    let points = memory(&ring, pod("x", "p7"));
    assert_eq!(points.len(), ticks.len());
    (31..=60).for_each(|at| tick(&ring, at, &pods(at, 10)));
    assert_eq!(
        ring.view().ticks().len(),
        15,
        "grows back once there is room"
    );
}

#[test]
fn one_column_is_kept_whatever_the_limit() {
    let ring = limited(15, Some(0));
    (1..=5).for_each(|at| tick(&ring, at, &pods(at, 3)));
    assert_eq!(ring.view().ticks(), [minute(5)]);
    assert_eq!(memory(&ring, pod("x", "p1")).len(), 1);
}

#[test]
fn a_process_at_its_limit_keeps_one_column_and_one_with_room_all() {
    for (limit, columns) in [(1 << 20, 1), (1 << 50, 5)] {
        let config = Config {
            process_limit: Some(MemoryLimit::new(Bytes::new(limit))),
            ..Config::default()
        };
        let ring = History::new(config, &mut Registry::default());
        (1..=5).for_each(|at| tick(&ring, at, &pods(at, 3)));
        assert_eq!(ring.view().ticks().len(), columns);
    }
}

#[test]
fn what_is_shed_and_refused_is_counted() {
    let mut registry = Registry::default();
    let config = Config {
        memory_limit: Some(Bytes::new(0)),
        ..Config::default()
    };
    let ring = History::new(config, &mut registry);
    tick(&ring, 1, &[usage(node("a"), 1), usage(node("a"), 1)]);
    tick(&ring, 2, &[]);
    ring.append(minute(1), &[usage(node("a"), 1), usage(node("b"), 1)])
        .unwrap_err();
    assert_eq!(
        exposed(&registry, "loadline_history_shed_columns_total"),
        ["loadline_history_shed_columns_total 1"]
    );
    let mut refused = exposed(&registry, "loadline_history_refused_sets_total");
    refused.sort();
    assert_eq!(
        refused,
        [
            r#"loadline_history_refused_sets_total{reason="late"} 2"#,
            r#"loadline_history_refused_sets_total{reason="twice"} 1"#,
        ]
    );
}

#[test]
fn there_are_never_more_columns_than_slots() {
    let ring = ring(3);
    for at in 0..100 {
        let at = Timestamp::from_millis(at);
        ring.append(at, &[usage(node("a"), 1)]).unwrap();
        ring.finish(at).unwrap();
    }
    assert_eq!(ring.view().ticks().len(), 3);
}
