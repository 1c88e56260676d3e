//! Where one of two sources has no columns, and what the two make together.

use std::cmp::Reverse;
use std::time::Duration;

use crate::domain::{Timestamp, Value};

use super::Span;

/// Points of one subject, ascending.
pub(super) type Points = Vec<(Timestamp, Value)>;

/// The stretches of `span` in which there is no column, ascending; `columns` ascend and hold those
/// next to the span as well.
///
/// All before the first column is one. So is what lies between two columns, or behind the last one,
/// if the second, or `now`, is further from the first than `reach`. The column behind a hole belongs
/// to it: who has just begun may have made it before all was measured.
pub(super) fn holes(
    columns: &[Timestamp],
    span: Span,
    now: Timestamp,
    reach: Duration,
) -> Vec<Span> {
    let far = |from: Timestamp, to: Timestamp| to.since(from).is_some_and(|time| time > reach);
    let behind = |column: Timestamp| column.as_millis().saturating_add(1);
    let mut holes = Vec::new();
    let mut add = |first: i64, last: i64| {
        let first = first.max(span.start.as_millis());
        let instant = Timestamp::from_millis;
        if first <= last && instant(first) <= span.end {
            let end = instant(last.saturating_add(1)).min(span.end);
            holes.push(Span::new(instant(first), end));
        }
    };
    let mut before: Option<Timestamp> = None;
    for column in columns {
        let last = column.as_millis().saturating_sub(1);
        match before {
            None => add(i64::MIN, last),
            Some(before) if far(before, *column) => add(behind(before), last),
            Some(_) => {}
        }
        before = Some(*column);
    }
    match before {
        None => add(i64::MIN, i64::MAX),
        Some(before) if far(before, now) => add(behind(before), i64::MAX),
        Some(_) => {}
    }
    holes
}

/// As few spans as `most` that hold all of these holes, ascending: those that lie closest together
/// are one.
pub(super) fn asked(holes: &[Span], most: usize) -> Vec<Span> {
    let distance = |at: usize| -> Option<Duration> {
        let (before, after) = (holes.get(at.checked_sub(1)?)?, holes.get(at)?);
        after.start.since(before.end)
    };
    let mut cuts: Vec<usize> = (1..holes.len()).collect();
    cuts.sort_by_key(|cut| Reverse(distance(*cut)));
    cuts.truncate(most.saturating_sub(1));
    cuts.sort_unstable();
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([holes.len()]);
    let spans = starts.zip(ends).filter_map(|(start, end)| {
        let (first, last) = (holes.get(start)?, holes.get(end.checked_sub(1)?)?);
        Some(Span::new(first.start, last.end))
    });
    spans.collect()
}

/// The points of both, ascending, one for each instant: all of `newer`, and those of `older` that
/// lie in the holes where `newer` has none. `older` need not ascend.
pub(super) fn joined(newer: Points, mut older: Points, holes: &[Span]) -> Points {
    older.retain(|(at, _)| {
        let hole = holes.partition_point(|hole| hole.end < *at);
        holes.get(hole).is_some_and(|hole| hole.contains(*at))
    });
    let mut points = older;
    points.extend(newer);
    points.sort_by_key(|(at, _)| *at);
    // Of the column behind a hole, and of what the newer one forgot while it was asked.
    points.dedup_by(|later, earlier| {
        let twice = later.0 == earlier.0;
        *earlier = if twice { *later } else { *earlier };
        twice
    });
    points
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn found(columns: &[i64], span: (i64, i64), now: i64) -> Vec<(i64, i64)> {
        let columns: Vec<_> = columns.iter().copied().map(at).collect();
        let span = Span::new(at(span.0), at(span.1));
        let holes = holes(&columns, span, at(now), Duration::from_millis(20));
        let pair = |hole: &Span| (hole.start.as_millis(), hole.end.as_millis());
        holes.iter().map(pair).collect()
    }

    #[test]
    fn a_hole_is_all_before_the_first_column_and_what_is_longer_than_the_reach() {
        let all = (i64::MIN, i64::MAX);
        for (columns, span, now, expected) in [
            (&[][..], (5, 9), 100, vec![(5, 9)]),
            (&[], all, 100, vec![all]),
            (&[10, 20, 30], (10, 30), 30, vec![]),
            (&[10, 20, 30], (9, 30), 30, vec![(9, 10)]),
            (&[10, 20, 30], (0, 5), 30, vec![(0, 5)]),
            (&[10, 30, 50], (10, 50), 50, vec![]),
            (&[10, 31, 50], (10, 50), 50, vec![(11, 31)]),
            (&[10, 31, 50], (15, 20), 50, vec![(15, 20)]),
            (&[10, 31, 50], (31, 50), 50, vec![]),
            (&[10, 31, 50], (30, 50), 50, vec![(30, 31)]),
            (&[10, 31, 50], (30, 30), 50, vec![(30, 30)]),
            (&[10, 90], (0, 95), 95, vec![(0, 10), (11, 90)]),
            // The newest is young enough, or not.
            (&[10], (10, 30), 30, vec![]),
            (&[10], (10, 31), 31, vec![(11, 31)]),
            (&[10], (10, 99), 30, vec![]),
            (&[10], (10, 99), 31, vec![(11, 99)]),
            (&[10], (10, 30), 99, vec![(11, 30)]),
            // Nothing is asked for.
            (&[10], (9, 5), 10, vec![]),
        ] {
            let holes = found(columns, span, now);
            assert_eq!(holes, expected, "{columns:?} {span:?} {now}");
        }
    }

    #[test]
    fn holes_that_lie_close_together_are_asked_for_at_once() {
        let holes = [(0, 9), (11, 20), (50, 60), (62, 70), (1000, 1000)];
        let holes = holes.map(|(first, last)| Span::new(at(first), at(last)));
        for (most, expected) in [
            (1, vec![(0, 1000)]),
            (2, vec![(0, 70), (1000, 1000)]),
            (3, vec![(0, 20), (50, 70), (1000, 1000)]),
            (9, vec![(0, 9), (11, 20), (50, 60), (62, 70), (1000, 1000)]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(a, b)| Span::new(at(*a), at(*b)))
                .collect();
            assert_eq!(asked(&holes, most), expected, "{most}");
        }
        assert_eq!(asked(&[], 4), []);
    }

    proptest! {
        #[test]
        fn together_they_have_every_point_of_the_one_and_what_the_other_has_in_its_holes_once(
            here in btree_set(0_i64..60, 0..30),
            there in btree_set(0_i64..60, 0..60),
            without in btree_set(0_i64..60, 0..60),
            span in (-5_i64..65, -5_i64..65),
            now in 0_i64..70,
            most in 1_usize..5,
        ) {
            const REACH: i64 = 2;
            let span = Span::new(at(span.0), at(span.1));
            let columns: Vec<_> = here.iter().copied().map(at).collect();
            let holes = holes(&columns, span, at(now), Duration::from_millis(2));
            // Of the newer one a column is 1, of the older one 2.
            let points = |of: &BTreeSet<i64>, value| -> Points {
                let within = of.iter().copied().map(at).filter(|at| span.contains(*at));
                within.map(|at| (at, Value::Int(value))).collect()
            };
            let mut older = Points::new();
            for asked in asked(&holes, most) {
                let mut answer = points(&there, 2);
                answer.retain(|(at, _)| asked.contains(*at));
                older.extend(answer);
            }
            let measured = &here - &without;
            let joined = joined(points(&measured, 1), older, &holes);
            prop_assert!(joined.is_sorted_by(|a, b| a.0 < b.0), "{joined:?}");
            let joined: BTreeMap<i64, i64> =
                joined.iter().map(|(at, value)| (at.as_millis(), value.as_i64())).collect();
            for instant in -5..65 {
                let asked = span.contains(at(instant));
                let before = here.range(..instant).next_back();
                let after = here.range(instant + 1..).next();
                let until = after.copied().unwrap_or(now);
                let is_far = match (before, after) {
                    (Some(before), _) => until - before > REACH,
                    (None, _) => true,
                };
                // A column of which something within the span lies in the hole before it.
                let first = before.map_or(i64::MIN, |before| before + 1);
                let behind = here.contains(&instant)
                    && before.is_none_or(|before| instant - before > REACH)
                    && first.max(span.start.as_millis()) < instant;
                let in_hole = behind || (!here.contains(&instant) && is_far);
                let expected = if !asked {
                    None
                } else if measured.contains(&instant) {
                    Some(1)
                } else if there.contains(&instant) && in_hole {
                    Some(2)
                } else {
                    None
                };
                prop_assert_eq!(joined.get(&instant).copied(), expected, "{}", instant);
            }
        }
    }
}
