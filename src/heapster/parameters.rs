//! The parameters of a request, with Heapster's errors in Heapster's order of checks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::go_time::{GoTime, InvalidTime};
use crate::apimachinery::{Query, Quoted};
use crate::domain::Timestamp;
use crate::history::{Aggregation, Span, TooMany};

/// The longest `start`, `end` or `bucket` that is read; Go would read and quote any length.
const MAX_TEXT: usize = 128;
/// The most pairs `labels` may have. A metric has one label at most.
const MAX_LABELS: usize = 64;
/// The most pods one request may ask for: above what Dashboard asks for in one namespace, and as
/// many as fit the longest URI with names of 25 characters.
const MAX_PODS: usize = 2500;
/// The most aggregations a request may list; there are eight.
const MAX_AGGREGATIONS: usize = 64;

/// The longest key or value of a label; a metric's is the path of a file system at most.
const MAX_LABEL: usize = 4096;

/// Why a request is answered with 400; the text is Heapster's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// A bound of the range that is no time.
    #[error("timestamp argument cannot be parsed: {0}")]
    Time(InvalidTime),
    /// A bound of the range that is longer than any time.
    #[error("timestamp argument cannot be parsed: longer than {MAX_TEXT} bytes")]
    LongTime,
    /// The historical API was asked without a start.
    #[error("no start time (or a start time of zero) provided")]
    NoStart,
    /// A label that is no pair.
    #[error("invalid label pair {}", Quoted(.0))]
    Label(String),
    /// More labels than any metric has.
    #[error("more than {MAX_LABELS} labels")]
    ManyLabels,
    /// A label that is longer than any metric's.
    #[error("label longer than {MAX_LABEL} bytes")]
    LongLabel,
    /// A bucket of one character.
    #[error("unable to parse bucket size: {} is too short to be a duration", Quoted(.0))]
    ShortBucket(String),
    /// A bucket in an unknown unit.
    #[error("unable to parse bucket size: {} has no known duration suffix", Quoted(.0))]
    BucketUnit(String),
    /// A bucket that is no whole number, in the words of `strconv.ParseUint`.
    #[error("strconv.ParseUint: parsing {}: {}", Quoted(.0), .1)]
    BucketNumber(String, &'static str),
    /// A bucket that is longer than any duration.
    #[error("unable to parse bucket size: longer than {MAX_TEXT} bytes")]
    LongBucket,
    /// An aggregation nobody knows.
    #[error("Unknown aggregation {}", Quoted(.0))]
    Aggregation(String),
    /// More aggregations than there are, over and over.
    #[error("more than {MAX_AGGREGATIONS} aggregations")]
    ManyAggregations,
    /// A pod list that is too long for one answer.
    #[error("more than {MAX_PODS} pods")]
    ManyPods,
    /// A pod list with more points than one answer may have.
    #[error(transparent)]
    ManyValues(#[from] TooMany),
    /// A name that is longer than any object's.
    #[error("Invalid {0}: longer than {1} bytes")]
    LongName(&'static str, usize),
    /// A name no object has.
    #[error("Invalid {what} {}", Quoted(.name))]
    Name {
        /// What it should name, in Heapster's words.
        what: &'static str,
        /// What was given.
        name: String,
    },
}

/// The labels that a metric must have, no more and no less.
pub(super) type Labels = BTreeMap<String, String>;

/// The range of the model API: everything up to now, unless the query says otherwise.
pub(super) fn span(query: &Query, now: Timestamp) -> Result<Span, Refusal> {
    let start = time(query, "start")?.unwrap_or(GoTime::ZERO);
    let end = time(query, "end")?.map_or(now, GoTime::floor);
    Ok(Span::new(start.ceil(), end))
}

/// The range of the historical API, which wants a start.
pub(super) fn historical_span(query: &Query, now: Timestamp) -> Result<Span, Refusal> {
    let span = span(query, now)?;
    if span.start == GoTime::ZERO.ceil() {
        return Err(Refusal::NoStart);
    }
    Ok(span)
}

fn time(query: &Query, name: &str) -> Result<Option<GoTime>, Refusal> {
    let text = query.first(name).unwrap_or_default();
    match text.len() {
        0 => Ok(None),
        length if length > MAX_TEXT => Err(Refusal::LongTime),
        _ => GoTime::parse(text).map(Some).map_err(Refusal::Time),
    }
}

/// `labels`; empty where the query has none.
pub(super) fn labels(query: &Query) -> Result<Labels, Refusal> {
    let text = query.first("labels").unwrap_or_default();
    let mut labels = Labels::new();
    if text.is_empty() {
        return Ok(labels);
    }
    if text.bytes().filter(|byte| *byte == b',').count() >= MAX_LABELS {
        return Err(Refusal::ManyLabels);
    }
    for pair in text.split(',') {
        match pair.split_once(':') {
            Some((key, value)) if key.len().max(value.len()) > MAX_LABEL => {
                return Err(Refusal::LongLabel);
            }
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                labels.insert(key.to_owned(), value.to_owned());
            }
            _ => return Err(Refusal::Label(pair.to_owned())),
        }
    }
    Ok(labels)
}

/// `bucket`; `None` for one bucket over the whole range. An amount beyond what Go can hold, which
/// it would let wrap around, is held at the end.
pub(super) fn bucket(query: &Query) -> Result<Option<Duration>, Refusal> {
    let text = query.first("bucket").unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_TEXT {
        return Err(Refusal::LongBucket);
    }
    if text.len() < 2 {
        return Err(Refusal::ShortBucket(text.to_owned()));
    }
    // `ms` alone is a number of seconds to Heapster, the number being `m`.
    let milliseconds = text.strip_suffix("ms").filter(|number| !number.is_empty());
    let units = [
        ('s', 1000),
        ('m', 60_000),
        ('h', 3_600_000),
        ('d', 86_400_000),
    ];
    let (number, millis) = milliseconds
        .map(|number| (number, 1_u64))
        .or_else(|| {
            let with = |(unit, millis): (char, u64)| Some((text.strip_suffix(unit)?, millis));
            units.into_iter().find_map(with)
        })
        .ok_or_else(|| Refusal::BucketUnit(text.to_owned()))?;
    let millis = uint(number)?.saturating_mul(millis);
    let longest = Duration::from_nanos(i64::MAX.unsigned_abs());
    let size = Duration::from_millis(millis).min(longest);
    Ok((!size.is_zero()).then_some(size))
}

/// A number as `strconv.ParseUint` reads it in base ten: digits and nothing else.
fn uint(text: &str) -> Result<u64, Refusal> {
    let error = |why| Refusal::BucketNumber(text.to_owned(), why);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error("invalid syntax"));
    }
    text.parse().map_err(|_| error("value out of range"))
}

/// The aggregations of a path's segment; each counts once.
pub(super) fn aggregations(segment: &str) -> Result<Vec<Aggregation>, Refusal> {
    if segment.bytes().filter(|byte| *byte == b',').count() >= MAX_AGGREGATIONS {
        return Err(Refusal::ManyAggregations);
    }
    let mut found = Vec::new();
    for name in segment.split(',') {
        let aggregation = Aggregation::named(name);
        let aggregation = aggregation.ok_or_else(|| Refusal::Aggregation(name.to_owned()))?;
        if !found.contains(&aggregation) {
            found.push(aggregation);
        }
    }
    Ok(found)
}

/// The names of a pod list, in order, with what is named twice.
pub(super) fn pod_list(segment: &str) -> Result<Vec<&str>, Refusal> {
    let names: Vec<&str> = segment.split(',').take(MAX_PODS + 1).collect();
    if names.len() > MAX_PODS {
        return Err(Refusal::ManyPods);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(Some(text))
    }

    #[test]
    fn a_range_without_bounds_is_all_until_now() {
        let now = Timestamp::from_millis(7);
        let span = |text| span(&query(text), now);
        let all = Span::new(GoTime::ZERO.ceil(), now);
        assert_eq!(span(""), Ok(all));
        assert_eq!(span("start=&end="), Ok(all));
        let start = span("start=1970-01-01T00:00:01Z").map(|span| span.start);
        assert_eq!(start, Ok(Timestamp::from_millis(1000)));
        let long = format!("start={}", "1".repeat(MAX_TEXT + 1));
        assert_eq!(span(&long), Err(Refusal::LongTime));
        let error = span("start=x").unwrap_err().to_string();
        assert!(error.starts_with("timestamp argument cannot be parsed: parsing time \"x\" as"));
    }

    #[test]
    fn history_wants_a_start() {
        let now = Timestamp::from_millis(7);
        for text in ["", "end=1970-01-01T00:00:00Z", "start=0001-01-01T00:00:00Z"] {
            let span = historical_span(&query(text), now);
            assert_eq!(span, Err(Refusal::NoStart), "{text}");
        }
        assert!(historical_span(&query("start=1970-01-01T00:00:00Z"), now).is_ok());
    }

    #[test]
    fn labels_are_pairs_around_the_first_colon() {
        let pairs = |text: &str| {
            labels(&query(&format!("labels={text}")))
                .map(|labels| labels.into_iter().collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(pairs(""), Ok(vec![]));
        let two = vec![pair("k1", "v1"), pair("k2", "v2.3:4 5")];
        assert_eq!(pairs("k1:v1,k2:v2.3:4+5"), Ok(two));
        for (text, pair) in [
            ("k1", "\"k1\""),
            ("k1:", "\"k1:\""),
            (":v", "\":v\""),
            ("a:b,", "\"\""),
            ("a:b,c%22", "\"c\\\"\""),
        ] {
            assert_eq!(pairs(text), Err(format!("invalid label pair {pair}")));
        }
        let many = "a:b,".repeat(MAX_LABELS);
        assert_eq!(pairs(&many), Err("more than 64 labels".to_owned()));
        let longest = "v".repeat(MAX_LABEL);
        assert_eq!(
            pairs(&format!("a:{longest}")),
            Ok(vec![pair("a", &longest)])
        );
        let error = Err("label longer than 4096 bytes".to_owned());
        assert_eq!(pairs(&format!("a:{longest}v")), error);
        assert_eq!(pairs(&format!("{longest}v:a")), error);
    }

    #[test]
    fn buckets_are_read_as_heapster_reads_them() {
        let bucket = |text: &str| {
            bucket(&query(&format!("bucket={text}")))
                .map(|size| size.map(|size| size.as_millis()))
                .map_err(|error| error.to_string())
        };
        for (text, millis) in [
            ("", None),
            ("0s", None),
            ("10ms", Some(10)),
            ("10s", Some(10_000)),
            ("10m", Some(600_000)),
            ("10h", Some(36_000_000)),
            ("10d", Some(864_000_000)),
            ("18446744073709551615d", Some(9_223_372_036_854)),
        ] {
            assert_eq!(bucket(text), Ok(millis), "{text}");
        }
        let short = "unable to parse bucket size: \"1\" is too short to be a duration";
        let unit = "unable to parse bucket size: \"1g\" has no known duration suffix";
        for (text, error) in [
            ("1", short),
            ("1g", unit),
            ("10gs", "strconv.ParseUint: parsing \"10g\": invalid syntax"),
            ("abch", "strconv.ParseUint: parsing \"abc\": invalid syntax"),
            ("ms", "strconv.ParseUint: parsing \"m\": invalid syntax"),
            ("-1s", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
            (
                "99999999999999999999s",
                "strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
            ),
        ] {
            assert_eq!(bucket(text), Err(error.to_owned()), "{text}");
        }
        assert!(bucket(&"1".repeat(MAX_TEXT + 1)).is_err());
    }

    #[test]
    fn aggregations_go_by_heapsters_names() {
        let all = "average,max,min,median,count,50-perc,95-perc,99-perc,max";
        let found = aggregations(all).unwrap();
        assert_eq!(found.len(), 8);
        let most = ["max"; MAX_AGGREGATIONS].join(",");
        assert_eq!(aggregations(&most).map(|found| found.len()), Ok(1));
        let more = aggregations(&format!("{most},foo"));
        assert_eq!(more, Err(Refusal::ManyAggregations));
        for (segment, error) in [
            ("non-existant", "Unknown aggregation \"non-existant\""),
            ("max,", "Unknown aggregation \"\""),
        ] {
            let found = aggregations(segment).unwrap_err();
            assert_eq!(found.to_string(), error);
        }
    }

    #[test]
    fn a_pod_list_keeps_its_order_and_is_bounded() {
        assert_eq!(pod_list("b,a,,b"), Ok(vec!["b", "a", "", "b"]));
        assert!(pod_list(&",".repeat(MAX_PODS - 1)).is_ok());
        assert_eq!(pod_list(&",".repeat(MAX_PODS)), Err(Refusal::ManyPods));
    }
}
