//! The ring against a plain map that holds the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What one entity gets in one tick.
#[derive(Clone, Debug)]
struct Given {
    values: Vec<(usize, i64)>,
    uid: Option<u8>,
}

type Points = BTreeMap<(EntityKey, Series), BTreeMap<Timestamp, Value>>;

fn series() -> Vec<Series> {
    let by = |metric, by: &str| Series {
        metric,
        by: Some(by.into()),
    };
    let mut series = vec![
        by(Metric::FilesystemUsage, "/"),
        by(Metric::FilesystemUsage, "Volume:a"),
        by(Metric::FilesystemInodes, "Volume:b"),
        by(Metric::ResourceRequest, "nvidia.com/gpu"),
    ];
    series.extend(
        [
            Metric::CpuUsage,
            Metric::MemoryUsage,
            Metric::MemoryLimit,
            Metric::NetworkRxRate,
            Metric::CpuNodeUtilization,
        ]
        .map(Series::of),
    );
    series
}

fn entities() -> [EntityKey; 5] {
    [
        EntityKey::Cluster,
        node("n"),
        pod("x", "p"),
        container("x", "p", "c"),
        container("x", "p", "d"),
    ]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(i64::MIN),
        Just(i64::MAX),
        -3_i64..3,
        (0_i64..1_000_000).prop_map(|pages| pages * 4096),
        any::<i64>(),
        any::<f64>().prop_map(|float| float.to_bits().cast_signed()),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    let values = prop::collection::vec((0..series().len(), number()), 0..6);
    let uid = prop::option::weighted(0.7, 0_u8..3);
    (values, uid).prop_map(|(values, uid)| Given { values, uid })
}

fn column() -> impl Strategy<Value = (i64, Vec<Option<Given>>)> {
    let sets = prop::collection::vec(prop::option::weighted(0.8, given()), entities().len());
    let gap = prop_oneof![6 => Just(1_i64), 1 => 2_i64..5, 1 => 20_i64..22];
    (gap, sets)
}

fn point(metric: Metric, bits: i64) -> Point {
    if metric.is_float() {
        Point::float(metric, f64::from_bits(bits.cast_unsigned()))
    } else {
        Point::int(metric, bits)
    }
}

fn set_of(key: &EntityKey, given: &Given) -> MetricSet {
    let mut set = MetricSet::new(key.clone());
    for (at, bits) in &given.values {
        let Series { metric, by } = series()[*at].clone();
        let point = point(metric, *bits);
        match by {
            None => set.set(point),
            Some(by) => {
                set.qualified
                    .retain(|q| q.by != by || q.point.metric() != metric);
                set.qualified.push(Qualified { by, point });
            }
        }
    }
    match (key, given.uid) {
        (EntityKey::Pod(_) | EntityKey::Container(..), Some(uid)) => {
            with_uid(set, &format!("uid-{uid}"))
        }
        _ => set,
    }
}

fn check(ring: &History, model: &Points) {
    let view = ring.view();
    for key in entities() {
        let mut names: Vec<String> = Vec::new();
        for series in series() {
            let held = model.get(&(key.clone(), series.clone()));
            let held: Vec<_> = held.into_iter().flatten().map(|(t, v)| (*t, *v)).collect();
            let read = view.points(&key.clone().into(), &series, Span::ALL);
            // By their bits: a negative zero is another number here.
            let bits = |points: &[(Timestamp, Value)]| format!("{points:?}");
            assert_eq!(bits(&read), bits(&held), "{key} {}", series.name());
            let is_named = series.by.is_none() || series.metric == Metric::ResourceRequest;
            names.extend((!held.is_empty() && is_named).then(|| series.name().into_owned()));
        }
        names.sort();
        assert_eq!(view.metric_names(&key), names, "{key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_ring_holds_what_a_map_holds(
        columns in prop::collection::vec(column(), 1..24),
        slots in 1_u64..8,
    ) {
        let ring = ring(slots);
        let mut model = Points::new();
        let mut at = 0;
        for (gap, sets) in columns {
            at += gap;
            let sets: Vec<MetricSet> = entities()
                .iter()
                .zip(&sets)
                .filter_map(|(key, given)| Some(set_of(key, given.as_ref()?)))
                .collect();
            for set in &sets {
                let plain = set.points.iter().map(|p| (Series::of(p.metric()), *p));
                let qualified = set.qualified.iter().map(|q| {
                    let (metric, by) = (q.point.metric(), Some(q.by.clone()));
                    (Series { metric, by }, q.point)
                });
                for (series, point) in plain.chain(qualified) {
                    let points = model.entry((set.key.clone(), series)).or_default();
                    points.insert(minute(at), point.value());
                }
            }
            tick(&ring, at, &sets);
            let kept = minute(at - i64::try_from(slots).unwrap());
            model.values_mut().for_each(|points| points.retain(|tick, _| *tick > kept));
            check(&ring, &model);
            for set in &sets {
                prop_assert!(ring.view().latest(&set.key).is_some());
            }
        }
        tick(&ring, at + 100, &[]);
        prop_assert_eq!(ring.held(), 0);
    }
}
