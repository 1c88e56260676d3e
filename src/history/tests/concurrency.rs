use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

/// Every entity has the tick's number as its value, so a reader of one column that sees two
/// numbers, or a column of a view that somebody lacks, has seen half of it.
#[test]
fn readers_never_see_half_a_column() {
    const PODS: i64 = 40;
    let ring = limited(4, Some(60_000));
    let done = AtomicBool::new(false);
    let key = |n: i64| pod("x", &format!("p{n}"));
    let check = || {
        let view = ring.view();
        let series = Series::of(Metric::MemoryUsage);
        let ticks = view.ticks();
        for n in 0..PODS {
            let points = view.points(&key(n).into(), &series, Span::ALL);
            let own: Vec<_> = points.iter().map(|(tick, _)| *tick).collect();
            assert!(ticks.ends_with(&own), "{ticks:?} {own:?}");
            for (tick, value) in points {
                assert_eq!(tick, minute(value.as_i64()));
            }
        }
        let mut seen = Vec::new();
        view.for_each_latest(|set| seen.push(set.get(Metric::MemoryUsage).unwrap().as_i64()));
        let newest = view.newest().map(|tick| tick.as_millis() / 60_000);
        assert!(seen.iter().all(|value| Some(*value) == newest));
        ticks.len()
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    seen += check();
                }
                assert!(seen > 0);
            });
        }
        for at in 1..=150 {
            for half in [0..PODS / 2, PODS / 2..PODS] {
                let sets: Vec<_> = half.map(|n| usage(key(n), at)).collect();
                ring.append(minute(at), &sets).unwrap();
                thread::yield_now();
            }
            ring.finish(minute(at)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(check(), 4);
}
