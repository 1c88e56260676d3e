//! Lists of pods that are too long, and several of them at once.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri};

use super::{Config, FIRST, Heapster, RouteTable, Stopped, Timestamp, answer, inventory, set};
use crate::apimachinery::Reply;
use crate::domain::{EntityKey, Metric};
use crate::heapster::location::Location;
use crate::history::{self, History};
use crate::telemetry::Registry;

const TICKS: i64 = 250;

/// A pod `p` with 250 points.
fn long() -> Arc<Heapster> {
    let config = history::Config {
        retention: std::time::Duration::from_hours(24),
        ..history::Config::default()
    };
    let ring = History::new(config, &mut Registry::default());
    for tick in 0..TICKS {
        let at = Timestamp::from_millis(FIRST + tick * 60_000);
        let pod = EntityKey::Pod(super::pod_key("a", "p"));
        let sets = [set(pod, &[(Metric::CpuUsageRate, tick)])];
        ring.append(at, &sets).unwrap();
        ring.finish(at).unwrap();
    }
    let now = Timestamp::from_millis(FIRST + TICKS * 60_000);
    let (ring, clock) = (Arc::new(ring), Arc::new(Stopped(now)));
    let (config, past) = (Config::default(), Some(ring.clone() as _));
    Arc::new(Heapster::new(config, Some(ring), past, inventory(), clock))
}

fn list(api: &str, pods: usize, metric: &str) -> String {
    let names = vec!["p"; pods].join(",");
    let query = "start=2026-01-01T00:00:00Z&bucket=1ms";
    format!("/api/v1/{api}/namespaces/a/pod-list/{names}/{metric}/cpu/usage_rate?{query}")
}

#[test]
fn a_list_of_more_values_than_may_be_is_refused() {
    let heapster = long();
    let eight = "metrics-aggregated/average,max,min,median,count,50-perc,95-perc,99-perc";
    for (api, pods, metric) in [
        ("model", 2000, "metrics"),
        ("historical", 2000, "metrics"),
        ("historical", 250, eight),
        ("historical", 500, "metrics-aggregated/max"),
    ] {
        let (status, _, body) = answer(&heapster, &list(api, pods, metric));
        let items = body.matches("\"timestamp\"").count();
        assert_eq!((status, items), (200, pods * 250), "{api} {metric}");
        let (status, _, body) = answer(&heapster, &list(api, pods + 1, metric));
        let text = "more than 500000 values are asked for; ask for less";
        assert_eq!((status, body.as_str()), (400, text), "{api} {metric}");
    }
}

#[tokio::test]
async fn lists_wait_for_their_turn_and_nobody_else_does() {
    let heapster = long();
    let ask = |path: &str| {
        let uri: Uri = path.parse().unwrap();
        heapster.reply(
            RouteTable::SecurePort,
            &Method::GET,
            &uri,
            &HeaderMap::new(),
        )
    };
    let status = |reply| {
        let Reply::Whole(response) = reply else {
            panic!("{reply:?}");
        };
        response.status().as_u16()
    };
    let encoded = list("model", 2, "metrics").replace("pod-list", "pod%2Dlist");
    for (path, places) in [
        (list("model", 2, "metrics"), 1),
        (encoded, 1),
        (
            "/api/v1/dashboard/namespaces/a/pod-list/p/metrics/cpu/x".to_owned(),
            1,
        ),
        (list("historical", 2, "metrics"), 2),
        (
            "/api/v1/historical/pod-id-list/u/metrics/x?start=2026-01-01T00:00:00Z".to_owned(),
            2,
        ),
    ] {
        assert_eq!(status(ask(&path)), 200, "{path}");
        let turns = heapster
            .turns
            .of(&Location::of(&path.parse().unwrap()))
            .unwrap();
        assert_eq!(turns.available_permits(), places, "{path}");
        let held = turns
            .try_acquire_many(u32::try_from(places).unwrap())
            .unwrap();
        let Reply::Later(later) = ask(&path) else {
            panic!("{path} is answered out of turn");
        };
        assert_eq!(status(ask("/api/v1/model/namespaces/a/pods")), 200);
        drop(held);
        assert_eq!(status(later.answer().await), 200, "{path}");
        assert_eq!(turns.available_permits(), places, "{path}");
    }
}
