//! How much is asked, and what there is no question for.

use std::sync::Arc;

use super::*;
use crate::domain::Metric;
use crate::history::{HistoricalError, HistoricalSource};
use crate::stores::asking::{Asking, DEADLINE, SEATS};
use crate::stores::failure::Failure;
use crate::stores::metrics::Metrics;
use crate::stores::store::{MOST_POINTS, count};
use crate::telemetry::testing::logged;

fn usage() -> Series {
    Series::of(Metric::MemoryUsage)
}

#[tokio::test]
async fn a_span_is_cut_to_what_a_store_can_read_and_one_without_time_is_no_question() {
    let answer = r#"{"results":[{"statement_id":0}]}"#;
    let double = Double::start(move |_| (200, answer.to_owned())).await;
    let store = store(&format!("influxdb:http://{}", double.address));
    let mut query = query([EntityKey::Cluster.into()], &usage());
    for span in [
        Span::new(at(5), at(4)),
        Span::new(at(-9), at(-1)),
        Span::new(at(i64::MAX), at(i64::MAX)),
    ] {
        query.span = span;
        assert!(store.points(&query).await.unwrap()[0].is_err());
    }
    assert!(double.seen().is_empty());
    query.span = Span::ALL;
    assert!(store.points(&query).await.unwrap()[0].is_err());
    let tomorrow = NOW + 86_400_000;
    let ends = format!(" AND time >= 0ms AND time <= {tomorrow}ms");
    assert!(double.seen()[0].one("q").ends_with(&ends));
}

#[tokio::test]
async fn many_pods_are_asked_for_in_pieces() {
    let pods = |count: usize| (0..count).map(|at| Subject::from(pod("a", &format!("p-{at}"))));
    let double = Double::start(|asked| {
        let statements = asked.one("q").split("; ").count();
        assert!(statements <= 100, "{statements}");
        let each = (0..statements).map(|at| {
            let series = r#"[{"name":"m","columns":["time","value"],"values":[[60000,7]]}]"#;
            format!(r#"{{"statement_id":{at},"series":{series}}}"#)
        });
        let each: Vec<String> = each.collect();
        (200, format!(r#"{{"results":[{}]}}"#, each.join(",")))
    })
    .await;
    let influxdb = store(&format!("influxdb:http://{}", double.address));
    let answers = influxdb.points(&query(pods(250), &usage())).await.unwrap();
    assert!(answers.len() == 250 && answers.iter().all(Result::is_ok));
    assert_eq!(double.seen().len(), 3);

    let double = Double::start(|asked| {
        let pods = asked.one("query").split('|').count();
        let body = r#"{"status":"success","data":{"result":[]}}"#;
        assert!(pods <= 200, "{pods}");
        (200, body.to_owned())
    })
    .await;
    let prometheus = store(&format!("prometheus:http://{}", double.address));
    let answers = prometheus
        .points(&query(pods(401), &usage()))
        .await
        .unwrap();
    assert_eq!((answers.len(), double.seen().len()), (401, 3));
}

/// What the caller of a question that fails is told of why, and what the log is.
fn told(question: impl Future<Output = HistoricalError>) -> (String, Vec<String>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let mut error = None;
    let lines = logged(|| error = Some(runtime.block_on(question)));
    let why = error.as_ref().and_then(std::error::Error::source);
    (why.unwrap().to_string(), lines)
}

#[test]
fn an_answer_beyond_the_bound_fails() {
    let endless = " ".repeat((32 << 20) + 1);
    let (_, lines) = told(async {
        let double = Double::start(move |_| (200, endless.clone())).await;
        let store = store(&format!("prometheus:http://{}", double.address));
        store.nodes().await.unwrap_err()
    });
    assert!(lines[0].contains("length limit exceeded"), "{lines:?}");
    let mut points = MOST_POINTS - 1;
    assert!(count(&mut points, 1).is_ok() && count(&mut points, 1).is_err());
}

#[test]
fn a_store_that_is_not_there_fails_at_once_is_asked_again_and_only_the_log_says_where_it_is() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (why, lines) = told(async {
        let store = store(&format!("influxdb:http://root:s3cret@{address}"));
        store.nodes().await.unwrap_err();
        store.nodes().await.unwrap_err()
    });
    assert_eq!(why, "cannot be reached");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let where_it_is = format!("cannot be reached: {address}: ");
    assert!(lines[0].contains(&where_it_is), "{lines:?}");
    assert!(!lines[0].contains("s3cret"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_ends_with_its_turn_within_the_deadline() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let told = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let up = |line: &&str| line.starts_with("loadline_historical_source_up ");
        text.lines().find(up).map(str::to_owned)
    };
    assert_eq!(told(), None, "nobody has asked it yet");
    let asking = Arc::new(Asking::new("InfluxDB", metrics.clone()));
    let begun = tokio::time::Instant::now();
    let never = || asking.ask::<()>(std::future::pending());
    let most = SEATS + 1;
    let questions = futures_util::future::join_all((0..most).map(|_| never())).await;
    for (at, answer) in questions.into_iter().enumerate() {
        let Err(HistoricalError::Failed { source, .. }) = answer else {
            panic!("answered");
        };
        let why = match at < SEATS {
            true => "no answer within 20 s",
            false => "too many questions at a time",
        };
        assert_eq!(source.to_string(), why);
    }
    assert_eq!(begun.elapsed(), DEADLINE);
    assert_eq!(metrics.failed.get(), most as u64);
    assert_eq!(told().as_deref(), Some("loadline_historical_source_up 0"));
    let answer = asking.ask(async { Ok::<_, Failure>(7) }).await;
    assert!(matches!(answer, Ok(7)));
    assert_eq!(metrics.answered.get(), 1);
    assert_eq!(told().as_deref(), Some("loadline_historical_source_up 1"));
}
