//! Whatever a kubelet answers for a summary, reading it ends, in bounds, and no key comes twice.

use std::collections::BTreeSet;

use loadline::domain::{NodeName, Timestamp};
use loadline::kubelet::{Limits, decode_summary};

pub(super) fn check(body: &[u8]) {
    let limits = Limits { max_containers: 64 };
    let Ok(reading) = decode_summary(body, limits) else {
        return;
    };
    let node = NodeName::new("n").unwrap_or_else(|e| panic!("{e}"));
    let made = reading.metric_sets(&node, Timestamp::from_millis(1_795_253_480_000), Vec::new());
    assert!(made.sets.len() <= limits.max_containers * 4 + 1);
    assert!(made.skipped_entities <= body.len());
    let keys: BTreeSet<_> = made.sets.iter().map(|set| &set.key).collect();
    assert_eq!(keys.len(), made.sets.len());
}
