//! Whatever path, query and headers come in for Heapster, there is an answer with a status that
//! fits.
use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderValue, Method, Uri};
use loadline::domain::{
    EntityKey, Inventory, Metric, MetricSet, NodeName, Point, SystemClock, Timestamp,
};
use loadline::heapster::{Config, Heapster, RouteTable};
use loadline::history::{self, History};
use loadline::telemetry::Registry;

static HEAPSTER: LazyLock<Heapster> = LazyLock::new(|| {
    let history = History::new(history::Config::default(), &mut Registry::default());
    let node = NodeName::new("n").unwrap_or_else(|e| panic!("{e}"));
    let keys = [
        EntityKey::Cluster,
        EntityKey::SystemContainer(node.clone(), "a/metrics/b".into()),
        EntityKey::Node(node),
    ];
    let tick = Timestamp::from_millis(1_767_322_800_000);
    let sets = keys.map(|key| {
        let mut set = MetricSet::new(key);
        set.set(Point::int(Metric::CpuUsageRate, 7));
        set
    });
    history
        .append(tick, &sets)
        .unwrap_or_else(|e| panic!("{e}"));
    history.finish(tick).unwrap_or_else(|e| panic!("{e}"));
    let history = Arc::new(history);
    let (inventory, clock) = (Arc::new(Inventory::new()), Arc::new(SystemClock));
    Heapster::new(
        Config::default(),
        Some(history.clone()),
        Some(history),
        inventory,
        clock,
    )
});

/// The first line is the value of the two headers, the second the target.
pub(super) fn check(data: &[u8]) {
    let Ok(request) = std::str::from_utf8(data) else {
        return;
    };
    let (header, target) = request.split_once('\n').unwrap_or(("", request));
    let Ok(uri) = target.parse::<Uri>() else {
        return;
    };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(header) {
        headers.insert("accept", value.clone());
        headers.insert("accept-encoding", value);
    }
    for table in [RouteTable::SecurePort, RouteTable::HeapsterPort] {
        for method in [Method::GET, Method::HEAD] {
            let response = HEAPSTER.respond(table, &method, &uri, &headers);
            let status = response.status().as_u16();
            // The newest column here is old.
            let sick = status == 500 && uri.path().contains("healthz");
            let sane = matches!(status, 200 | 301 | 400 | 404 | 405 | 406 | 414);
            assert!(sane || sick, "{status} for {uri}");
        }
    }
}
