use super::*;

fn ints(values: &[i64]) -> Vec<(Timestamp, Value)> {
    points(values.iter().map(|value| Value::Int(*value)))
}

fn floats(values: &[f64]) -> Vec<(Timestamp, Value)> {
    points(values.iter().map(|value| Value::Float(*value)))
}

/// One point a minute, from the first minute after the epoch.
fn points(values: impl Iterator<Item = Value>) -> Vec<(Timestamp, Value)> {
    (1..).map(minute).zip(values).collect()
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * 60_000)
}

/// The value of one aggregation over all points in one bucket.
fn whole(points: &[(Timestamp, Value)], aggregation: Aggregation) -> Option<Value> {
    let buckets = aggregate(points, &[aggregation], Span::ALL, None);
    buckets.first().and_then(|bucket| bucket.value(aggregation))
}

#[test]
fn aggregations_are_influxdbs() {
    use Aggregation::{
        Average, Maximum, Median, Minimum, Percentile50, Percentile95, Percentile99,
    };
    let hundred: Vec<i64> = (1..=100).collect();
    let (int, float) = (Value::Int, Value::Float);
    for (points, aggregation, expected) in [
        (ints(&[3, 1, 2]), Average, int(2)),
        (ints(&[1, 2]), Average, float(1.5)),
        (
            ints(&[i64::MAX, i64::MAX]),
            Average,
            float(9_223_372_036_854_775_808.0),
        ),
        (floats(&[f64::MAX, f64::MAX]), Average, float(f64::MAX)),
        (ints(&[3, 1, 2]), Maximum, int(3)),
        (ints(&[3, -1, 2]), Minimum, int(-1)),
        (ints(&[i64::MAX, i64::MAX - 1]), Minimum, int(i64::MAX - 1)),
        (floats(&[0.5, 2.5]), Maximum, float(2.5)),
        (floats(&[0.5, 2.0]), Maximum, int(2)),
        (ints(&[9, 1, 5]), Median, int(5)),
        (ints(&[4, 1]), Median, float(2.5)),
        (ints(&[7]), Median, int(7)),
        // Nearest rank: floor(2 × 0.5 + 0.5) = 1, the first of two.
        (ints(&[1, 2]), Percentile50, int(1)),
        (ints(&[1, 2, 3]), Percentile50, int(2)),
        (ints(&[7]), Percentile99, int(7)),
        (ints(&hundred), Percentile50, int(50)),
        (ints(&hundred), Percentile95, int(95)),
        (ints(&hundred), Percentile99, int(99)),
        (
            ints(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            Percentile95,
            int(10),
        ),
        (floats(&[1.5, 0.5]), Percentile95, float(1.5)),
    ] {
        assert_eq!(
            whole(&points, aggregation),
            Some(expected),
            "{aggregation:?} {points:?}"
        );
    }
}

#[test]
fn a_column_is_whole_numbers_only_if_every_bucket_is() {
    let minutes = Some(Duration::from_secs(120));
    let of = |values: &[i64]| {
        let asked = [Aggregation::Average, Aggregation::Maximum];
        let buckets = aggregate(&ints(values), &asked, Span::ALL, minutes);
        let columns = buckets
            .iter()
            .map(|b| (b.average.unwrap(), b.maximum.unwrap()));
        columns.collect::<Vec<_>>()
    };
    let (int, float) = (Value::Int, Value::Float);
    assert_eq!(of(&[1, 2, 4]), [(int(1), int(1)), (int(3), int(4))]);
    assert_eq!(of(&[1, 2, 3]), [(float(1.0), int(1)), (float(2.5), int(3))]);
}

#[test]
fn buckets_begin_at_multiples_of_their_size_and_empty_ones_are_left_out() {
    let mut points = ints(&[1, 2, 3]);
    points.push((minute(21), Value::Int(4)));
    let span = Span::new(minute(1), minute(30));
    let count = [Aggregation::Count];
    let buckets = aggregate(&points, &count, span, Some(Duration::from_secs(120)));
    let counted: Vec<_> = buckets.iter().map(|b| (b.start, b.count)).collect();
    assert_eq!(
        counted,
        [
            (minute(0), Some(1)),
            (minute(2), Some(2)),
            (minute(20), Some(1))
        ]
    );
}

#[test]
fn without_a_size_one_bucket_begins_where_the_span_does() {
    let span = Span::new(minute(1), minute(30));
    for size in [None, Some(Duration::ZERO), Some(Duration::from_nanos(1))] {
        let buckets = aggregate(&ints(&[1, 2, 3]), &[Aggregation::Count], span, size);
        assert_eq!(
            buckets,
            [Bucket {
                start: minute(1),
                count: Some(3),
                ..Bucket::default()
            }]
        );
        assert_eq!(aggregate(&[], &Aggregation::ALL, span, size), []);
    }
}

#[test]
fn times_before_the_epoch_and_at_the_ends_of_the_type_are_bucketed() {
    let at = Timestamp::from_millis;
    let points = [
        (at(i64::MIN), Value::Int(1)),
        (at(-1), Value::Int(2)),
        (at(i64::MAX), Value::Int(3)),
    ];
    let size = Some(Duration::from_secs(1));
    let buckets = aggregate(&points, &[Aggregation::Maximum], Span::ALL, size);
    assert_eq!(buckets.len(), 3);
    assert_eq!(buckets[1].start, at(-1000));
}

#[test]
fn only_what_was_asked_for_is_there() {
    let buckets = aggregate(&ints(&[1]), &[Aggregation::Percentile95], Span::ALL, None);
    assert_eq!(buckets[0].percentiles, [None, Some(Value::Int(1)), None]);
    assert_eq!((buckets[0].count, buckets[0].average), (None, None));
}

#[test]
fn aggregations_are_found_by_the_names_of_heapsters_paths() {
    for name in [
        "average", "max", "min", "median", "count", "50-perc", "95-perc", "99-perc",
    ] {
        assert_eq!(
            Aggregation::named(name).map(Aggregation::as_str),
            Some(name)
        );
    }
    assert_eq!(Aggregation::named("75-perc"), None);
}
