//! What of the small world must be found in a database, and how it is compared.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::RESOLUTION;
use crate::databases::Point;
use crate::lab::summary::{LOGGED, RECEIVED_A_SECOND, SENT_A_SECOND, WRITTEN};
use crate::real::until;

/// Right columns a series must have.
pub(super) const COLUMNS: usize = 3;
/// How long until it has.
const PATIENCE: Duration = Duration::from_secs(150);
const MEBIBYTE: f64 = 1_048_576.0;
/// A summary counts working sets a ninth lower than usage.
const USAGE: f64 = 1.125;

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entity {
    Cluster,
    Namespace(&'static str),
    Node(&'static str),
    /// Node and name.
    System(&'static str, &'static str),
    /// Node, namespace and name.
    Pod(&'static str, &'static str, &'static str),
    /// A pod's, and the container's name.
    Container(&'static str, &'static str, &'static str, &'static str),
}

/// A series and the closed form of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    /// Heapster's name.
    pub metric: &'static str,
    pub of: Entity,
    /// The file system.
    pub resource: Option<&'static str>,
    want: f64,
    /// How far below a number may be that was cut down to whole units before it was added to others.
    off: f64,
}

impl Entity {
    /// Heapster's labels that name it.
    pub(super) fn labels(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Cluster => vec![("type", "cluster")],
            Self::Namespace(name) => vec![("type", "ns"), ("namespace_name", name)],
            Self::Node(name) => vec![("type", "node"), ("nodename", name)],
            Self::System(node, name) => vec![
                ("type", "sys_container"),
                ("nodename", node),
                ("container_name", name),
            ],
            Self::Pod(node, namespace, name) => vec![
                ("type", "pod"),
                ("nodename", node),
                ("namespace_name", namespace),
                ("pod_name", name),
            ],
            Self::Container(node, namespace, pod, name) => vec![
                ("type", "pod_container"),
                ("nodename", node),
                ("namespace_name", namespace),
                ("pod_name", pod),
                ("container_name", name),
            ],
        }
    }
}

impl Series {
    pub(super) const fn new(metric: &'static str, of: Entity, want: f64, off: f64) -> Self {
        Self {
            metric,
            of,
            resource: None,
            want,
            off,
        }
    }

    /// Whether a value is what it must be.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.want - self.off..=self.want).contains(&value)
    }

    /// The labels that name it, with that of the file system.
    pub(super) fn labels(&self) -> Vec<(&'static str, &'static str)> {
        let mut labels = self.of.labels();
        labels.extend(self.resource.map(|resource| ("resource_id", resource)));
        labels
    }

    /// Fails unless there are enough right points, and none that is wrong behind the first right one.
    fn judge(&self, points: &[Point]) -> Result<()> {
        let first = points.iter().position(|(_, value)| self.holds(*value));
        let first = first.with_context(|| format!("not {} in {points:?}", self.want))?;
        let right = points.get(first..).unwrap_or_default();
        for (at, value) in right {
            ensure!(at % RESOLUTION == 0, "{at} is no column's");
            ensure!(self.holds(*value), "{value} at {at}, not {}", self.want);
        }
        for pair in right.windows(2) {
            let [(before, _), (after, _)] = pair else {
                continue;
            };
            ensure!(before < after, "{after} comes after {before}");
        }
        ensure!(right.len() >= COLUMNS, "{} points", right.len());
        Ok(())
    }
}

/// Cores and mebibytes as the small world has them.
pub(super) fn all() -> Vec<Series> {
    use Entity::{Cluster, Container, Namespace, Node, Pod, System};
    const PODS: f64 = 8.0;
    let pod = Pod("node-2", "a", "pair-2");
    let app = Container("node-2", "a", "pair-2", "app");
    let used = |mebibytes: f64| mebibytes * MEBIBYTE * USAGE;
    let of_container = |resource, bytes| Series {
        resource: Some(resource),
        ..Series::new(
            "filesystem/usage",
            Container("node-1", "a", "one-1", "app"),
            amount(bytes),
            0.0,
        )
    };
    #[rustfmt::skip]
    let all = vec![
        Series::new("cpu/usage_rate", Cluster, 2010.0, PODS),
        Series::new("cpu/usage_rate", Namespace("a"), 1260.0, PODS),
        Series::new("cpu/usage_rate", Namespace("b"), 750.0, PODS),
        Series::new("cpu/usage_rate", Node("node-1"), 500.0, 1.0),
        Series::new("cpu/usage_rate", System("node-2", "pods"), 1340.0, 1.0),
        Series::new("cpu/usage_rate", pod, 640.0, 2.0),
        Series::new("cpu/usage_rate", app, 600.0, 1.0),
        Series::new("memory/usage", Cluster, used(320.0), 1.0),
        Series::new("memory/usage", Namespace("a"), used(220.0), 1.0),
        Series::new("memory/usage", Node("node-1"), used(3072.0), 1.0),
        Series::new("memory/usage", pod, used(60.0), 1.0),
        Series::new("memory/working_set", app, 50.0 * MEBIBYTE, 0.0),
        Series::new("network/rx_rate", Node("node-2"), amount(RECEIVED_A_SECOND), 1.0),
        Series::new("network/tx_rate", pod, amount(SENT_A_SECOND), 1.0),
        Series::new("cpu/node_allocatable", Node("node-2"), 8000.0, 0.0),
        of_container("/", WRITTEN),
        of_container("logs", LOGGED),
    ];
    all
}

/// Asks for all series again and again until every one has enough points, all of them right.
pub(super) async fn hold(points: impl AsyncFn(&Series) -> Result<Vec<Point>>) -> Result<()> {
    let all = all();
    until(PATIENCE, async || {
        for series in &all {
            let points = points(series).await;
            let judged = points.and_then(|points| series.judge(&points));
            judged.with_context(|| format!("{} of {:?}", series.metric, series.labels()))?;
        }
        Ok(())
    })
    .await
}

fn amount(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_judged_by_every_point_after_the_first_right_one() {
        let series = Series::new("m", Entity::Cluster, 10.0, 1.0);
        let good = [(5, 3.0), (10, 9.5), (15, 10.0), (25, 9.0)];
        assert!(series.judge(&good).is_ok());
        for bad in [
            &good[..3],
            &[(5, 10.0), (10, 10.0), (15, 10.1)],
            &[(5, 10.0), (10, 10.0), (16, 10.0)],
            &[(5, 10.0), (5, 10.0), (10, 10.0)],
            &[(5, 10.0), (10, 3.0), (15, 10.0), (20, 10.0), (25, 10.0)],
        ] {
            assert!(series.judge(bad).is_err(), "{bad:?}");
        }
    }
}
