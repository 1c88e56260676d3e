//! Whoever has the points, the answer is the same.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::{Metric, MetricSet, Point, Value};
use crate::history;
use crate::history::{Aggregation, HistoricalSource, History, Layered, aggregate};

const MINUTES: i64 = 120;
/// What is kept here.
const KEPT: u64 = 15;

fn tick(minute: i64) -> Timestamp {
    at(NOW - (MINUTES - minute) * 60_000)
}

fn value(minute: i64) -> i64 {
    minute * 37 % 101
}

fn rate(minute: i64) -> f64 {
    f64::from(i32::try_from(value(minute)).unwrap()) / 8.0
}

/// Everything, or the newest columns alone.
fn ring(minutes: u64) -> Arc<History> {
    let config = history::Config {
        retention: Duration::from_mins(minutes),
        ..history::Config::default()
    };
    let ring = History::new(config, &mut Registry::default());
    for minute in 1..=MINUTES {
        let mut set = MetricSet::new(EntityKey::Cluster);
        set.set(Point::int(Metric::CpuUsageRate, value(minute)));
        set.set(Point::float(Metric::NetworkRxRate, rate(minute)));
        ring.append(tick(minute), &[set]).unwrap();
        ring.finish(tick(minute)).unwrap();
    }
    Arc::new(ring)
}

fn is_in(asked: &Asked, minute: i64) -> bool {
    let at = tick(minute).as_millis();
    let question = asked.one("q");
    let bound = |before: &str| {
        let (_, after) = question.split_once(before).unwrap();
        after.split("ms").next().unwrap().parse::<i64>().unwrap()
    };
    bound("time >= ") <= at && at <= bound("time <= ")
}

/// A server that has all of it.
async fn influxdb() -> Store {
    let double = Double::start(|asked| {
        let is_rate = asked.one("q").contains("network/rx_rate");
        let rows = (1..=MINUTES).filter(|minute| is_in(asked, *minute));
        let rows = rows.map(|minute| {
            let at = tick(minute).as_millis();
            match is_rate {
                true => format!("[{at},{}]", rate(minute)),
                false => format!("[{at},{}]", value(minute)),
            }
        });
        let rows: Vec<String> = rows.collect();
        let rows = rows.join(",");
        let series = format!(r#"[{{"name":"m","columns":["time","value"],"values":[{rows}]}}]"#);
        (
            200,
            format!(r#"{{"results":[{{"statement_id":0,"series":{series}}}]}}"#),
        )
    })
    .await;
    store(&format!("influxdb:http://{}", double.address))
}

async fn prometheus() -> Store {
    let double = Double::start(|asked| {
        let question = asked.one("query");
        let is_rate = question.contains("rx_bytes_per_second");
        let end = asked.one("time").replace('.', "").parse::<i64>().unwrap();
        let (_, length) = question.split_once('[').unwrap();
        let length: i64 = length.trim_end_matches("ms]").parse().unwrap();
        let within = (1..=MINUTES).filter(|minute| {
            let at = tick(*minute).as_millis();
            end - length < at && at <= end
        });
        let rows = within.map(|minute| {
            let told = match is_rate {
                true => rate(minute),
                false => f64::from(i32::try_from(value(minute)).unwrap()) / 1000.0,
            };
            format!("[{}.000,\"{told}\"]", tick(minute).as_secs())
        });
        let rows: Vec<String> = rows.collect();
        let series = format!(r#"{{"metric":{{}},"values":[{}]}}"#, rows.join(","));
        let matrix = format!(r#"{{"resultType":"matrix","result":[{series}]}}"#);
        (200, format!(r#"{{"status":"success","data":{matrix}}}"#))
    })
    .await;
    store(&format!("prometheus:http://{}", double.address))
}

#[tokio::test]
async fn every_aggregation_of_every_store_is_that_of_the_ring_also_across_the_seam() {
    let whole = ring(1000);
    for store in [influxdb().await, prometheus().await] {
        let resolution = Duration::from_mins(1);
        let layered = Layered::new(ring(KEPT), Arc::new(store), Arc::new(Still), resolution);
        for (metric, start, end) in [
            (Metric::CpuUsageRate, 1, MINUTES),
            (Metric::NetworkRxRate, 1, MINUTES),
            (Metric::CpuUsageRate, 3, 90),
            (Metric::CpuUsageRate, 100, 111),
            (Metric::CpuUsageRate, 110, MINUTES),
        ] {
            let query = Query {
                subjects: vec![EntityKey::Cluster.into()],
                series: Series::of(metric),
                span: Span::new(tick(start), tick(end)),
            };
            let expected = whole.points(&query).await.unwrap();
            assert_eq!(expected[0].as_ref().unwrap().len() as i64, end - start + 1);
            assert_eq!(layered.points(&query).await.unwrap(), expected, "{query:?}");
            for bucket in [None, Some(7), Some(60), Some(1440)] {
                let bucket = bucket.map(Duration::from_mins);
                let all = Aggregation::ALL;
                let expected = whole.aggregates(&query, &all, bucket).await.unwrap();
                let got = layered.aggregates(&query, &all, bucket).await.unwrap();
                assert_eq!(got, expected, "{query:?} {bucket:?}");
            }
        }
    }
}

#[test]
fn the_numbers_compared_are_not_all_the_same() {
    let points: Vec<_> = (1..=9).map(|m| (tick(m), Value::Int(value(m)))).collect();
    let span = Span::new(tick(1), tick(9));
    let buckets = aggregate(&points, &Aggregation::ALL, span, None);
    assert_eq!(buckets[0].count, Some(9));
    assert_ne!(buckets[0].maximum, buckets[0].minimum);
}
