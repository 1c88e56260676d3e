//! What of a batch goes to one sink, point by point.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::filter::Filter;
use crate::domain::{Batch, Metric, MetricSet, Timestamp, Value};

/// Labels by name, in the order of the names.
pub type LabelSet<'a> = BTreeMap<&'a str, Cow<'a, str>>;

/// The names of Heapster's labels, and of those that tell file systems and extended resources apart.
/// Whoever adds labels of another origin takes none of these names.
pub const LABELS: [&str; 13] = [
    "container_base_image",
    "container_name",
    "host_id",
    "hostname",
    "labels",
    "namespace_id",
    "namespace_name",
    "nodename",
    "pod_id",
    "pod_name",
    "resource",
    "resource_id",
    "type",
];

/// Who knows Heapster's labels of a set.
pub trait Labeller: Send + Sync + fmt::Debug {
    /// All labels of the set.
    fn labels<'a>(&'a self, set: &'a MetricSet) -> LabelSet<'a>;
    /// The pairs the label `labels` is made of, in the order of their names; empty for what has no
    /// object of its own in the API server.
    fn object_labels<'a>(&'a self, set: &'a MetricSet) -> Vec<(&'a str, &'a str)>;
}

/// One batch as one sink sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    batch: &'a Batch,
    labeller: &'a dyn Labeller,
    filter: &'a Filter,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    /// Heapster's name.
    pub name: Cow<'a, str>,
    pub metric: Metric,
    pub value: Value,
    /// The label `resource_id`: of a file system, or of nothing else.
    pub resource: Option<&'a str>,
}

impl<'a> Column<'a> {
    pub(super) const fn new(
        batch: &'a Batch,
        labeller: &'a dyn Labeller,
        filter: &'a Filter,
    ) -> Self {
        Self {
            batch,
            labeller,
            filter,
        }
    }

    pub(super) const fn timestamp(self) -> Timestamp {
        self.batch.timestamp
    }

    pub(super) fn sets(self) -> impl Iterator<Item = &'a MetricSet> + Send {
        let sets = self.batch.sets();
        sets.filter(move |set| self.filter.admits_set(set))
    }

    pub(super) fn labels(self, set: &'a MetricSet) -> LabelSet<'a> {
        self.labeller.labels(set)
    }

    pub(super) fn object_labels(self, set: &'a MetricSet) -> Vec<(&'a str, &'a str)> {
        self.labeller.object_labels(set)
    }

    /// The values of a set: first those a metric names alone, then those of its file systems.
    pub(super) fn samples(self, set: &'a MetricSet) -> impl Iterator<Item = Sample<'a>> {
        let plain = set.points.iter().map(|point| Sample {
            name: point.metric().name().into(),
            metric: point.metric(),
            value: point.value(),
            resource: None,
        });
        let qualified = set.qualified.iter().map(|qualified| {
            let metric = qualified.point.metric();
            let of_resource = metric == Metric::ResourceRequest;
            Sample {
                name: match of_resource {
                    true => format!("{}/request", qualified.by).into(),
                    false => metric.name().into(),
                },
                metric,
                value: qualified.point.value(),
                resource: (!of_resource).then_some(qualified.by.as_ref()),
            }
        });
        let all = plain.chain(qualified);
        all.filter(move |sample| self.filter.admits_metric(&sample.name))
    }
}
