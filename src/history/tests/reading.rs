use super::*;
use crate::history::{Aggregation, HistoricalSource, NoResults, Query, Refused};

#[test]
fn a_column_is_seen_only_once_it_is_finished() {
    let ring = ring(15);
    ring.append(minute(1), &[usage(node("a"), 1)]).unwrap();
    assert_eq!(memory(&ring, node("a")), []);
    assert_eq!((ring.view().newest(), ring.view().keys()), (None, vec![]));
    assert_eq!(ring.view().metric_names(&node("a")), [""; 0]);
    ring.append(minute(1), &[usage(node("b"), 2)]).unwrap();
    ring.finish(minute(1)).unwrap();
    assert_eq!(memory(&ring, node("a")), [(1, 1)]);
    assert_eq!(memory(&ring, node("b")), [(1, 2)]);
    ring.append(minute(2), &[usage(node("a"), 9), usage(node("c"), 9)])
        .unwrap();
    let view = ring.view();
    assert_eq!(memory(&ring, node("a")), [(1, 1)]);
    assert_eq!(view.keys(), [node("a"), node("b")]);
    assert_eq!(view.latest(&node("a")), Some(usage(node("a"), 1)));
    assert_eq!(view.last_written(&node("a")), Some(minute(1)));
    assert_eq!(view.last_written(&node("c")), None);
}

#[test]
fn a_view_keeps_its_columns_while_the_next_one_arrives() {
    let ring = ring(2);
    tick(&ring, 1, &[usage(node("a"), 1)]);
    tick(&ring, 2, &[usage(node("a"), 2)]);
    let view = ring.view();
    ring.append(minute(3), &[usage(node("a"), 3)]).unwrap();
    let points = |view: &crate::history::View<'_>| {
        let series = Series::of(Metric::MemoryUsage);
        view.points(&node("a").into(), &series, Span::ALL).len()
    };
    assert_eq!(points(&view), 2);
    ring.finish(minute(3)).unwrap();
    assert_eq!(
        points(&view),
        1,
        "the oldest is gone, the newest not yet known"
    );
    assert_eq!(memory(&ring, node("a")), [(2, 2), (3, 3)]);
}

#[test]
fn a_tick_not_later_than_the_newest_is_refused() {
    let ring = ring(15);
    tick(&ring, 5, &[usage(node("a"), 5)]);
    for late in [4, 5] {
        assert_eq!(
            ring.append(minute(late), &[usage(node("a"), 0)]),
            Err(Refused)
        );
        assert_eq!(ring.finish(minute(late)), Err(Refused));
    }
    ring.append(minute(7), &[usage(node("a"), 7)]).unwrap();
    assert_eq!(ring.append(minute(6), &[usage(node("a"), 0)]), Err(Refused));
    assert_eq!(ring.finish(minute(6)), Err(Refused));
    ring.finish(minute(7)).unwrap();
    assert_eq!(memory(&ring, node("a")), [(5, 5), (7, 7)]);
}

#[test]
fn a_column_begun_and_never_finished_is_given_up() {
    let ring = ring(15);
    tick(&ring, 1, &[usage(node("a"), 1)]);
    ring.append(minute(2), &[usage(node("a"), 2), usage(node("b"), 2)])
        .unwrap();
    tick(&ring, 3, &[usage(node("a"), 3)]);
    assert_eq!(memory(&ring, node("a")), [(1, 1), (3, 3)]);
    assert_eq!(memory(&ring, node("b")), []);
    assert_eq!(ring.view().ticks(), [minute(1), minute(3)]);
}

#[test]
fn the_second_set_of_an_entity_in_one_column_is_refused() {
    let ring = ring(15);
    tick(&ring, 1, &[usage(node("a"), 1), usage(node("a"), 2)]);
    assert_eq!(memory(&ring, node("a")), [(1, 1)]);
}

#[test]
fn missing_ticks_leave_gaps_and_count_as_time() {
    let ring = ring(3);
    tick(&ring, 1, &[usage(node("a"), 1)]);
    tick(&ring, 3, &[usage(node("a"), 3)]);
    assert_eq!(memory(&ring, node("a")), [(1, 1), (3, 3)]);
    tick(&ring, 4, &[]);
    assert_eq!(memory(&ring, node("a")), [(3, 3)]);
    assert_eq!(ring.view().last_written(&node("a")), Some(minute(3)));
    assert_eq!(
        (ring.view().nodes(), ring.view().latest(&node("a"))),
        (vec![], None)
    );
}

#[test]
fn both_ends_of_a_span_are_within() {
    let ring = ring(15);
    for at in 1..=5 {
        tick(&ring, at, &[usage(node("a"), at)]);
    }
    let of = |start, end| {
        let span = Span::new(start, end);
        let series = Series::of(Metric::MemoryUsage);
        let points = ring.view().points(&node("a").into(), &series, span);
        points
            .iter()
            .map(|(_, value)| value.as_i64())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(minute(2), minute(4)), [2, 3, 4]);
    assert_eq!(of(minute(9), minute(4)), [0; 0]);
    let just = Timestamp::from_millis(minute(2).as_millis() + 1);
    assert_eq!(of(just, minute(3)), [3]);
}

#[test]
fn names_are_those_of_unlabelled_metrics_anywhere_in_the_ring() {
    let ring = ring(2);
    let mut first = usage(container("x", "p", "c"), 1);
    first
        .qualified
        .push(qualified(Metric::FilesystemUsage, "/", 7));
    first
        .qualified
        .push(qualified(Metric::ResourceRequest, "nvidia.com/gpu", 2));
    tick(&ring, 1, &[first]);
    let rate = Point::float(Metric::MemoryPageFaultsRate, 0.5);
    tick(&ring, 2, &[set(container("x", "p", "c"), [rate])]);
    let names = || ring.view().metric_names(&container("x", "p", "c"));
    assert_eq!(
        names(),
        [
            "memory/page_faults_rate",
            "memory/usage",
            "nvidia.com/gpu/request"
        ]
    );
    let gpu = Series::named("nvidia.com/gpu/request", None).unwrap();
    let root = Series::named("filesystem/usage", Some("/")).unwrap();
    let logs = Series::named("filesystem/usage", Some("logs")).unwrap();
    assert_eq!(read(&ring, container("x", "p", "c"), &gpu), [(1, 2)]);
    assert_eq!(read(&ring, container("x", "p", "c"), &root), [(1, 7)]);
    assert_eq!(read(&ring, container("x", "p", "c"), &logs), []);
    tick(&ring, 3, &[set(container("x", "p", "c"), [rate])]);
    assert_eq!(names(), ["memory/page_faults_rate"]);
}

#[test]
fn lists_show_the_newest_column_sorted() {
    let ring = ring(15);
    let system =
        |of: &str, name: &str| EntityKey::SystemContainer(NodeName::new(of).unwrap(), name.into());
    let keys = [
        EntityKey::Cluster,
        node("a"),
        node("b"),
        system("b", "kubelet"),
        system("b", "system.slice/x"),
        EntityKey::Namespace(namespace("x")),
        EntityKey::Namespace(namespace("y")),
        pod("x", "p"),
        pod("x", "q"),
        pod("y", "p"),
        container("x", "p", "c"),
        container("x", "p", "d"),
    ];
    let gone = [node("gone"), pod("x", "gone"), container("x", "p", "gone")];
    tick(&ring, 1, &gone.map(|key| usage(key, 1)));
    let sets = keys.clone().map(|key| usage(key, 1));
    tick(&ring, 2, &sets.iter().rev().cloned().collect::<Vec<_>>());
    let view = ring.view();
    let texts = |names: Vec<PodName>| {
        names
            .iter()
            .map(|n| n.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(view.keys(), keys);
    assert_eq!(texts(view.pods(&namespace("x"))), ["p", "q"]);
    assert_eq!(texts(view.pods(&namespace("z"))), [""; 0]);
    assert_eq!(view.namespaces(), [namespace("x"), namespace("y")]);
    assert_eq!(view.nodes().len(), 2);
    let free = view.system_containers(&NodeName::new("b").unwrap());
    assert_eq!(free, ["kubelet".into(), "system.slice/x".into()]);
    let containers = view.containers(&pod_key("x", "p"));
    assert_eq!(
        containers.iter().map(|c| c.as_str()).collect::<Vec<_>>(),
        ["c", "d"]
    );
    let mut shown = Vec::new();
    view.for_each_latest(|set| shown.push(set.clone()));
    shown.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(shown, sets);
}

#[test]
fn the_newest_set_comes_back_as_it_was() {
    let ring = ring(15);
    let mut set = with_uid(
        set(
            pod("x", "p"),
            [
                Point::int(Metric::CpuUsage, i64::MAX),
                Point::int(Metric::MemoryUsage, 4096 * 3),
                Point::float(Metric::NetworkRxRate, -0.0),
            ],
        ),
        "u",
    );
    set.started = Some(Timestamp::from_millis(1));
    set.sampled = Some(Timestamp::from_millis(-5));
    set.about.namespace_uid = Some("ns-uid".into());
    set.qualified = vec![
        qualified(Metric::FilesystemUsage, "Volume:data", 1),
        qualified(Metric::FilesystemUsage, "Volume:cache", 2),
    ];
    tick(&ring, 1, &[usage(pod("x", "p"), 1)]);
    tick(&ring, 2, std::slice::from_ref(&set));
    assert_eq!(ring.view().latest(&pod("x", "p")), Some(set.clone()));
    ring.append(minute(3), &[usage(pod("x", "p"), 1)]).unwrap();
    assert_eq!(ring.view().latest(&pod("x", "p")), Some(set));
}

#[tokio::test]
async fn the_ring_answers_historical_questions() {
    let ring = ring(15);
    for at in 1..=4 {
        tick(&ring, at, &[usage(pod("x", "p"), at)]);
    }
    let source: &dyn HistoricalSource = &ring;
    let series = Series::of(Metric::MemoryUsage);
    let subjects = ["p", "nobody", "p"].map(|name| Subject::from(pod("x", name)));
    let span = Span::new(minute(2), minute(9));
    let query = Query {
        subjects: subjects.to_vec(),
        series: series.clone(),
        span,
    };
    let nothing = NoResults::new(&series, subjects[1].clone());
    let answers = source.points(&query).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap().len(), 3);
    assert_eq!(answers[1], Err(nothing.clone()));
    assert_eq!(answers[2], answers[0]);
    let asked = [Aggregation::Maximum, Aggregation::Average];
    let size = Some(Duration::from_mins(2));
    let answers = source.aggregates(&query, &asked, size).await.unwrap();
    let buckets = answers[0].as_ref().unwrap();
    let seen: Vec<_> = buckets
        .iter()
        .map(|b| (b.start, b.maximum, b.average))
        .collect();
    let (int, float) = (|n| Some(Value::Int(n)), |n| Some(Value::Float(n)));
    assert_eq!(
        seen,
        [
            (minute(2), int(3), float(2.5)),
            (minute(4), int(4), float(4.0))
        ]
    );
    assert_eq!(answers[1], Err(nothing));
    assert_eq!(source.pods(&namespace("x")).await.unwrap().len(), 1);
    assert_eq!(
        source.metric_names(&pod("x", "p")).await.unwrap(),
        ["memory/usage"]
    );
}
