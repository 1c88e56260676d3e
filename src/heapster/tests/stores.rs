//! The historical API over a store that takes its time, and over one that is not there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Uri};

use super::{Config, FIRST, Heapster, RouteTable, Stopped, Timestamp, inventory, ring};
use crate::apimachinery::Reply;
use crate::domain::{EntityKey, Namespace, NodeName, PodName, Value};
use crate::history::{
    Aggregation, Answer, Bucket, HistoricalError, HistoricalSource, History, Listed, Query,
};

/// The ring, after a while; or nothing but errors.
#[derive(Debug)]
struct Remote(Option<Arc<History>>);

impl Remote {
    fn after_a_while<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce(&'a History) -> BoxFuture<'a, Result<T, HistoricalError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, HistoricalError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            match &self.0 {
                Some(ring) => ask(ring).await,
                None => Err(HistoricalError::Failed {
                    store: "influxdb",
                    source: "connection refused".into(),
                }),
            }
        })
    }
}

impl HistoricalSource for Remote {
    fn points<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<(Timestamp, Value)>> {
        self.after_a_while(move |ring| ring.points(query))
    }

    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        self.after_a_while(move |ring| ring.aggregates(query, aggregations, bucket))
    }

    fn metric_names<'a>(&'a self, entity: &'a EntityKey) -> Listed<'a, String> {
        self.after_a_while(move |ring| ring.metric_names(entity))
    }

    fn nodes(&self) -> Listed<'_, NodeName> {
        self.after_a_while(HistoricalSource::nodes)
    }

    fn namespaces(&self) -> Listed<'_, Namespace> {
        self.after_a_while(HistoricalSource::namespaces)
    }

    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Listed<'a, PodName> {
        self.after_a_while(move |ring| ring.pods(namespace))
    }

    fn system_containers<'a>(&'a self, node: &'a NodeName) -> Listed<'a, Arc<str>> {
        self.after_a_while(move |ring| ring.system_containers(node))
    }
}

fn over(store: Remote) -> Heapster {
    let clock = Arc::new(Stopped(Timestamp::from_millis(FIRST + 125_000)));
    let config = Config::default();
    Heapster::new(config, None, Some(Arc::new(store)), inventory(), clock)
}

fn ask(heapster: &Heapster, path: &str) -> (u16, String) {
    let uri: Uri = format!("/api/v1/historical/{path}").parse().unwrap();
    let table = RouteTable::SecurePort;
    let response = heapster.respond(table, &Method::GET, &uri, &HeaderMap::new());
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), body)
}

const POINTS: &str = "metrics/cpu/usage_rate?start=2026-01-02T03:00:00Z";

#[tokio::test]
async fn a_store_that_takes_its_time_is_waited_for() {
    let answered = tokio::task::spawn_blocking(|| {
        let remote = over(Remote(Some(ring())));
        ["nodes", "namespaces/a/pods", "metrics", POINTS].map(|path| ask(&remote, path))
    });
    let at_once = super::heapster();
    let paths = ["nodes", "namespaces/a/pods", "metrics", POINTS];
    let expected = paths.map(|path| ask(&at_once, path));
    assert_eq!(answered.await.unwrap(), expected);
    assert!(expected.iter().all(|(status, _)| *status == 200));
}

#[tokio::test]
async fn whoever_computes_does_not_wait_for_a_store() {
    let paths = ["nodes", "metrics", POINTS];
    let at_once = Arc::new(super::heapster());
    let remote = Arc::new(over(Remote(Some(ring()))));
    for path in paths {
        let uri: Uri = format!("/api/v1/historical/{path}").parse().unwrap();
        let reply = |heapster: &Arc<Heapster>| {
            heapster.reply(
                RouteTable::SecurePort,
                &Method::GET,
                &uri,
                &HeaderMap::new(),
            )
        };
        let Reply::Whole(expected) = reply(&at_once) else {
            panic!("the ring is waited for");
        };
        let Reply::Later(later) = reply(&remote) else {
            panic!("{path} has its answer at once");
        };
        let Reply::Whole(answer) = later.answer().await else {
            panic!("an answer of several pieces");
        };
        assert_eq!(
            (answer.status(), answer.body()),
            (expected.status(), expected.body())
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_is_named_with_the_reason() {
    let answered = tokio::task::spawn_blocking(|| {
        let remote = over(Remote(None));
        let pods = format!("namespaces/a/pod-list/p/{POINTS}");
        ["nodes", POINTS, &pods].map(|path| ask(&remote, path))
    });
    for (status, text) in answered.await.unwrap() {
        let expected = "influxdb did not answer: connection refused";
        assert_eq!((status, text.as_str()), (500, expected));
    }
}

#[test]
fn without_the_ring_pods_have_no_containers_to_list() {
    let remote = over(Remote(None));
    assert_eq!(ask(&remote, "namespaces/a/pods/p/containers").0, 404);
}
