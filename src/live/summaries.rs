//! The newest summary of every node, and what stands in for it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::domain::{MetricSet, NodeName, Timestamp};

use super::Live;

/// What is newest of one node, for whoever keeps numbers over time.
#[derive(Clone, Debug)]
pub struct MeasuredNode {
    /// The node.
    pub node: NodeName,
    /// What the sets were made from.
    pub source: Source,
    /// When the answer they were made from arrived, by our monotonic clock.
    pub received: Instant,
    /// The node and what runs on it, as the kubelet named it: no key comes twice, nothing is joined
    /// with what the API server says, and no rates are in it. Each set carries the kubelet's own
    /// stamp.
    pub sets: Arc<Vec<MetricSet>>,
}

/// Which of a kubelet's answers sets were made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `/stats/summary`: everything.
    Summary,
    /// `/metrics/resource`: `uptime`, `cpu/usage`, `memory/working_set` and `memory/swap` of the
    /// node and of containers, none of pods. Starts are cut to whole seconds, as a summary writes
    /// them, so that a life is the same in both.
    Resource,
}

/// The newest summary of every node that answered one.
#[derive(Debug, Default)]
pub(super) struct Summaries(RwLock<HashMap<NodeName, Arc<Mutex<Summary>>>>);

#[derive(Clone, Debug)]
struct Summary {
    received: Instant,
    sets: Arc<Vec<MetricSet>>,
}

impl Live {
    /// Keeps a node's summary in place of the one before, which `make` gets so that it can be
    /// written over; it gets nothing where there is none, or somebody reads it still. Whoever wants
    /// the node's sets meanwhile waits until they are made.
    pub fn keep_summary<T>(
        &self,
        node: &NodeName,
        make: impl FnOnce(Vec<MetricSet>) -> (Vec<MetricSet>, T),
    ) -> T {
        let known = self.summaries.0.read().get(node).cloned();
        let Some(known) = known else {
            let (sets, told) = make(Vec::new());
            let summary = Arc::new(Mutex::new(Summary {
                received: self.clock.monotonic(),
                sets: Arc::new(sets),
            }));
            self.summaries.0.write().insert(node.clone(), summary);
            return told;
        };
        let mut known = known.lock();
        let before = Arc::get_mut(&mut known.sets).map(std::mem::take);
        let (sets, told) = make(before.unwrap_or_default());
        *known = Summary {
            received: self.clock.monotonic(),
            sets: Arc::new(sets),
        };
        told
    }

    /// Drops a node's summary: none came this time, or the node left.
    pub fn drop_summary(&self, node: &NodeName) {
        let before = self.summaries.0.write().remove(node);
        drop(before);
    }

    /// What is newest of every node, in the order of their names: its summary if that arrived
    /// within `fresh`, else what its last resource metrics say. A node of which there is neither is
    /// missing.
    ///
    /// A node's sets are made when the iterator comes to it. Commits to one node wait at most while
    /// its own are made.
    pub fn measured(&self, fresh: Duration) -> impl Iterator<Item = MeasuredNode> + '_ {
        let mut names: BTreeSet<NodeName> = self.nodes.read().keys().cloned().collect();
        names.extend(self.summaries.0.read().keys().cloned());
        names
            .into_iter()
            .filter_map(move |node| self.measured_node(node, fresh))
    }

    fn measured_node(&self, node: NodeName, fresh: Duration) -> Option<MeasuredNode> {
        let now = self.clock.monotonic();
        let summary = self.summaries.0.read().get(&node).cloned();
        let summary = summary.map(|summary| summary.lock().clone());
        let is_fresh = |s: &Summary| now.saturating_duration_since(s.received) <= fresh;
        if let Some(Summary { received, sets }) = summary.filter(is_fresh) {
            return Some(MeasuredNode {
                node,
                source: Source::Summary,
                received,
                sets,
            });
        }
        let slot = self.nodes.read().get(&node).cloned()?;
        let (received, sets) = slot.lives.lock().metric_sets(&node, self.clock.now())?;
        Some(MeasuredNode {
            node,
            source: Source::Resource,
            received,
            sets: Arc::new(sets),
        })
    }
}

/// A start as a summary writes it.
pub(super) const fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Bytes, Clock, ContainerReading, CounterSample, CpuTime, EntityKey, GaugeSample, Inventory,
        Metric, NodeReading, NodeRecord, Point, ResourceReading, Value,
    };
    use crate::telemetry::Registry;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Both clocks, turned by hand.
    #[derive(Debug)]
    struct Hands(Instant, Mutex<Duration>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            let elapsed = i64::try_from(self.1.lock().as_millis()).unwrap();
            Timestamp::from_millis(1_795_253_480_000 + elapsed)
        }

        fn monotonic(&self) -> Instant {
            self.0 + *self.1.lock()
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn live() -> (Live, Arc<Hands>) {
        let hands = Arc::new(Hands(Instant::now(), Mutex::default()));
        let config = crate::live::Config {
            resolution: Duration::from_secs(15),
        };
        let inventory = Arc::new(Inventory::new());
        let clock = Arc::clone(&hands) as Arc<dyn Clock>;
        let live = Live::new(config, inventory, clock, &mut Registry::default());
        (live, hands)
    }

    fn name(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn summary(node: &NodeName, cpu: u64) -> Vec<MetricSet> {
        let mut set = MetricSet::new(EntityKey::Node(node.clone()));
        set.set(Point::int(Metric::CpuUsage, cpu));
        vec![set]
    }

    /// Commits what the resource metrics of a node with one container say.
    fn commit(live: &Live, node: &NodeName, at: Timestamp) {
        let record = NodeRecord {
            ready: true,
            ..NodeRecord::new(node.clone())
        };
        let cpu = |nanos| {
            let value = CpuTime::from_nanos(nanos);
            Some(CounterSample { value, at })
        };
        let memory = |bytes| {
            let value = Bytes::new(bytes);
            Some(GaugeSample { value, at })
        };
        let reading = ResourceReading {
            node: NodeReading {
                cpu: cpu(500),
                memory: memory(50),
                swap: None,
            },
            containers: vec![ContainerReading {
                namespace: "a".into(),
                pod: "p".into(),
                container: "c".into(),
                cpu: cpu(700),
                memory: memory(70),
                swap: memory(7),
                started: Some(Timestamp::from_millis(at.as_millis() - 99_500)),
            }],
            ..ResourceReading::default()
        };
        live.commit(&record, &reading);
    }

    #[test]
    fn a_fresh_summary_stands_before_the_resource_metrics_and_an_old_one_does_not() {
        let (live, hands) = live();
        let node = name("n1");
        commit(&live, &node, hands.now());
        live.keep_summary(&node, |_| (summary(&node, 1), ()));
        live.keep_summary(&node, |_| (summary(&node, 2), ()));
        *hands.1.lock() += MINUTE;
        let measured: Vec<_> = live.measured(MINUTE).collect();
        assert_eq!(measured.len(), 1);
        assert_eq!(measured[0].source, Source::Summary);
        assert_eq!(measured[0].received + MINUTE, hands.monotonic());
        assert_eq!(measured[0].sets.to_vec(), summary(&node, 2));
        *hands.1.lock() += Duration::from_millis(1);
        assert_eq!(
            live.measured(MINUTE).next().unwrap().source,
            Source::Resource
        );
        *hands.1.lock() -= MINUTE;
        live.drop_summary(&node);
        assert_eq!(
            live.measured(MINUTE).next().unwrap().source,
            Source::Resource
        );
        live.forget(&node);
        assert_eq!(live.measured(MINUTE).count(), 0);
    }

    #[test]
    fn a_summary_is_written_over_unless_somebody_reads_it() {
        let (live, _) = live();
        let node = name("n1");
        let keep = |cpu| live.keep_summary(&node, |before| (summary(&node, cpu), before.len()));
        assert_eq!((keep(1), keep(2)), (0, 1));
        let read = live.measured(MINUTE).next().unwrap();
        assert_eq!(keep(3), 0);
        assert_eq!(*read.sets, summary(&node, 2));
        let now = live.measured(MINUTE).next().unwrap();
        assert_eq!(*now.sets, summary(&node, 3));
        drop((read, now));
        assert_eq!(keep(4), 1);
        live.drop_summary(&node);
        assert_eq!(keep(5), 0);
    }

    #[test]
    fn a_node_without_resource_metrics_still_has_its_summary_and_all_come_by_name() {
        let (live, hands) = live();
        for node in ["n3", "n1"] {
            live.keep_summary(&name(node), |_| (summary(&name(node), 1), ()));
        }
        commit(&live, &name("n2"), hands.now());
        let names: Vec<_> = live.measured(MINUTE).map(|m| m.node.to_string()).collect();
        assert_eq!(names, ["n1", "n2", "n3"]);
    }

    #[test]
    fn resource_metrics_become_counters_with_their_stamps_and_starts() {
        let (live, hands) = live();
        let node = name("n1");
        *hands.1.lock() = Duration::from_millis(250);
        commit(&live, &node, hands.now());
        let measured = live.measured(MINUTE).next().unwrap();
        assert_eq!(measured.received, hands.monotonic());
        let [of_node, container] = &measured.sets[..] else {
            panic!("{:?}", measured.sets);
        };
        assert_eq!(of_node.key, EntityKey::Node(node));
        assert_eq!(of_node.sampled, Some(hands.now()));
        assert_eq!(of_node.get(Metric::CpuUsage), Some(Value::Int(500)));
        assert_eq!(of_node.get(Metric::MemoryWorkingSet), Some(Value::Int(50)));
        assert_eq!(of_node.get(Metric::Uptime), None);
        assert_eq!(container.key.to_string(), "namespace:a/pod:p/container:c");
        // A summary would have cut the start, 1795253380.750, to whole seconds too.
        let started = Timestamp::from_millis(1_795_253_380_000);
        assert_eq!(container.started, Some(started));
        assert_eq!(container.get(Metric::Uptime), Some(Value::Int(100_250)));
        assert_eq!(container.get(Metric::CpuUsage), Some(Value::Int(700)));
        assert_eq!(container.get(Metric::MemorySwap), Some(Value::Int(7)));
        assert_eq!(container.pod_uid, None);
    }
}
