//! What a pod costs; run it with `--ignored --nocapture` and `--release` to believe it.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use serde_json::value::RawValue;

use crate::cluster::Object;
use crate::cluster::pods::Pods;
use crate::cluster::watch::Follower;
use crate::domain::Inventory;

const PODS: usize = 150_000;

/// Resident memory by the kernel's account.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
#[ignore = "measures"]
#[expect(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "measures"
)]
fn bytes_and_time_per_pod() {
    let inventory = Arc::new(Inventory::new());
    let mut pods = Pods::new(Arc::clone(&inventory), Counter::default());
    let template = include_str!("pod.json");
    let before = resident();
    let begun = std::time::Instant::now();
    for round in ["first", "again"] {
        pods.list_begins();
        for n in 0..PODS {
            let json = template
                .replace("6d5c9fb5d7", &format!("{:010}", n / 30))
                .replace("9b6f44a2", &format!("{n:08}"))
                .replace("x2k8v", &format!("{n:05}"))
                .replace("\"shop\"", &format!("\"shop-{}\"", n % 300))
                .replace("ip-10-0-17-4", &format!("ip-10-0-17-{}", n % 5000));
            let object: &RawValue = serde_json::from_str(&json).unwrap();
            pods.listed(Object::Json(object));
        }
        pods.list_ends();
        let used = resident() - before;
        println!("{round}: {} B/pod resident", used / PODS);
    }
    assert_eq!(inventory.pod_count(), PODS);
    let each = begun.elapsed().as_secs_f64() / (2 * PODS) as f64;
    println!("{:.1} us/pod with the making of its JSON", each * 1e6);
}
