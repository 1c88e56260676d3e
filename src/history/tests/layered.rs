//! Two sources, joined where the newer one begins, and where it has holes.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;

use super::*;
use crate::domain::Clock;
use crate::history::{
    Aggregation, Answer, Bucket, HistoricalError, HistoricalSource, Layered, Listed, NoResults,
    Query, Recent,
};

const LAST: i64 = 200;

/// It is the minute of the last column.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        minute(LAST)
    }

    fn monotonic(&self) -> std::time::Instant {
        crate::domain::SystemClock.monotonic()
    }
}

fn layered(newer: Arc<dyn Recent>, older: Arc<dyn HistoricalSource>) -> Layered {
    Layered::new(newer, older, Arc::new(Stopped), Duration::from_mins(1))
}

/// Every minute of a node, and a pod that ended long ago.
fn filled(slots: u64) -> Arc<History> {
    filled_but(slots, |_| false)
}

/// The same without the columns of some minutes.
fn filled_but(slots: u64, away: impl Fn(i64) -> bool) -> Arc<History> {
    let ring = ring(slots);
    for minute in (1..=LAST).filter(|minute| !away(*minute)) {
        let value = minute * 37 % 101;
        let mut sets = vec![usage(node("n"), value)];
        sets.extend((minute < 100).then(|| usage(pod("x", "ended"), value + 1)));
        tick(&ring, minute, &sets);
    }
    Arc::new(ring)
}

fn query(start: i64, end: i64) -> Query {
    Query {
        subjects: vec![
            node("n").into(),
            pod("x", "ended").into(),
            pod("x", "no").into(),
        ],
        series: Series::of(Metric::MemoryUsage),
        span: Span::new(minute(start), minute(end)),
    }
}

fn now<T>(answer: impl Future<Output = Result<T, HistoricalError>>) -> T {
    answer.now_or_never().unwrap().unwrap()
}

/// Fails, and counts how often it was asked.
#[derive(Debug, Default)]
struct Away(AtomicUsize);

impl Away {
    fn fail<T>(&self) -> Listed<'_, T> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let error = HistoricalError::Failed {
            store: "store",
            source: "away".into(),
        };
        async { Err(error) }.boxed()
    }
}

impl HistoricalSource for Away {
    fn points<'a>(&'a self, _: &'a Query) -> Answer<'a, Vec<(Timestamp, Value)>> {
        self.fail()
    }

    fn aggregates<'a>(
        &'a self,
        _: &'a Query,
        _: &'a [Aggregation],
        _: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        self.fail()
    }

    fn metric_names<'a>(&'a self, _: &'a EntityKey) -> Listed<'a, String> {
        self.fail()
    }

    fn nodes(&self) -> Listed<'_, NodeName> {
        self.fail()
    }

    fn namespaces(&self) -> Listed<'_, Namespace> {
        self.fail()
    }

    fn pods<'a>(&'a self, _: &'a Namespace) -> Listed<'a, PodName> {
        self.fail()
    }

    fn system_containers<'a>(&'a self, _: &'a NodeName) -> Listed<'a, Arc<str>> {
        self.fail()
    }
}

#[test]
fn both_together_answer_as_one_that_kept_everything() {
    let whole = filled(1000);
    for slots in [1, 7, 15, 199, 200] {
        let both = layered(filled(slots), Arc::clone(&whole) as _);
        for start in (0..=LAST + 1).step_by(3) {
            for length in [0, 1, 14, 60, 300] {
                let query = query(start, start + length);
                let [got, expected] = [now(both.points(&query)), now(whole.points(&query))];
                assert_eq!(got, expected, "{slots} {start} {length}");
            }
        }
    }
}

#[test]
fn buckets_across_the_seam_hold_the_points_of_both() {
    let whole = filled(1000);
    let buckets = [None, Some(0), Some(60), Some(600), Some(420), Some(86_400)];
    for slots in [1, 7, 15, 60] {
        let both = layered(filled(slots), Arc::clone(&whole) as _);
        for start in (0..=LAST).step_by(17) {
            for bucket in buckets.map(|seconds| seconds.map(Duration::from_secs)) {
                let query = query(start, LAST - 2);
                let all = Aggregation::ALL;
                let got = now(both.aggregates(&query, &all, bucket));
                let expected = now(whole.aggregates(&query, &all, bucket));
                assert_eq!(got, expected, "{slots} {start} {bucket:?}");
            }
        }
    }
}

#[test]
fn the_older_one_is_asked_only_for_what_the_newer_one_has_not() {
    let away = Arc::new(Away::default());
    let both = layered(filled(15), Arc::clone(&away) as _);
    let asked = || away.0.load(Ordering::Relaxed);
    let [within, across] = [query(LAST - 14, LAST), query(LAST - 15, LAST)];
    let all = Aggregation::ALL;
    assert!(now(both.points(&within))[0].is_ok());
    assert!(now(both.aggregates(&within, &all, None))[0].is_ok());
    assert_eq!(now(both.nodes()), [NodeName::new("n").unwrap()]);
    assert_eq!(asked(), 0);
    assert!(both.points(&across).now_or_never().unwrap().is_err());
    let aggregates = both.aggregates(&across, &all, None);
    assert!(aggregates.now_or_never().unwrap().is_err());
    assert!(both.namespaces().now_or_never().unwrap().is_err());
    assert_eq!(asked(), 3);
}

#[test]
fn whoever_neither_knows_is_told_in_the_same_words() {
    let both = layered(filled(15), filled(1000));
    let answers = now(both.points(&query(1, LAST)));
    let [node, ended, unknown] = answers.try_into().unwrap();
    assert_eq!((node.unwrap().len(), ended.unwrap().len()), (200, 99));
    let series = Series::of(Metric::MemoryUsage);
    let error = NoResults::new(&series, pod("x", "no").into());
    assert_eq!(unknown, Err(error));
}

/// A ring that forgets while it is being asked: one column more before each question.
#[derive(Debug)]
struct Forgetting(Arc<History>, AtomicUsize);

impl HistoricalSource for Forgetting {
    fn points<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<(Timestamp, Value)>> {
        let answer = self.0.points(query);
        let next = LAST + 1 + self.1.fetch_add(1, Ordering::Relaxed) as i64;
        tick(&self.0, next, &[usage(node("n"), next * 37 % 101)]);
        answer
    }

    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        self.0.aggregates(query, aggregations, bucket)
    }

    fn metric_names<'a>(&'a self, entity: &'a EntityKey) -> Listed<'a, String> {
        self.0.metric_names(entity)
    }

    fn nodes(&self) -> Listed<'_, NodeName> {
        self.0.nodes()
    }

    fn namespaces(&self) -> Listed<'_, Namespace> {
        self.0.namespaces()
    }

    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Listed<'a, PodName> {
        self.0.pods(namespace)
    }

    fn system_containers<'a>(&'a self, node: &'a NodeName) -> Listed<'a, Arc<str>> {
        self.0.system_containers(node)
    }
}

impl Recent for Forgetting {
    fn columns(&self, span: Span) -> Listed<'_, Timestamp> {
        self.0.columns(span)
    }
}

#[test]
fn what_the_newer_one_forgets_while_it_answers_comes_from_the_older_one() {
    let whole = filled(1000);
    let newer = Forgetting(filled(15), AtomicUsize::default());
    let both = layered(Arc::new(newer), Arc::clone(&whole) as _);
    for start in [LAST - 14, LAST - 13, LAST - 30] {
        let query = query(start, LAST);
        assert_eq!(now(both.points(&query)), now(whole.points(&query)));
    }
}

/// Away for eleven minutes, for two, for one, and since the last five.
fn away(minute: i64) -> bool {
    matches!(minute, 60..=70 | 100 | 101 | 150 | 196..)
}

#[test]
fn the_holes_of_the_newer_one_are_filled_by_the_older_one() {
    // Who misses one column was there all the time.
    let whole = filled_but(1000, |minute| minute == 150);
    let both = layered(filled_but(160, away), filled(1000));
    let buckets = [None, Some(60), Some(420)];
    for start in (0..=LAST).step_by(3) {
        for length in [0, 1, 14, 60, 300] {
            let query = query(start, start + length);
            assert_eq!(now(both.points(&query)), now(whole.points(&query)));
            for bucket in buckets.map(|seconds| seconds.map(Duration::from_secs)) {
                let all = Aggregation::ALL;
                let got = now(both.aggregates(&query, &all, bucket));
                assert_eq!(got, now(whole.aggregates(&query, &all, bucket)));
            }
        }
    }
}

#[test]
fn only_who_asks_for_a_hole_waits_for_the_older_one() {
    let older = Arc::new(Away::default());
    let both = layered(filled_but(160, away), Arc::clone(&older) as _);
    for (start, end) in [(41, 59), (71, 99), (102, 195), (100, 195)] {
        let answer = both.points(&query(start, end)).now_or_never().unwrap();
        let fails = (start, end) == (100, 195);
        assert_eq!(answer.is_err(), fails, "{start} {end}");
    }
    for (start, end) in [(41, 60), (70, 99), (65, 66), (102, 196), (30, 199)] {
        let answer = both.points(&query(start, end)).now_or_never().unwrap();
        assert!(answer.is_err(), "{start} {end}");
    }
}
