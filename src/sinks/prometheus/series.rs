//! The points of a batch as Prometheus' series.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::column::{Column, Sample};
use super::naming::{Named, Names, valid};
use crate::domain::{Metric, MetricSet};

/// What is told of a batch, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Told {
    pub names: Names,
    /// Labels every series has besides its own.
    pub labels: Vec<(String, String)>,
    /// The objects' labels that go along, as `label_NAME`.
    pub object_labels: Vec<String>,
}

/// One value of one series.
#[derive(Clone, Debug)]
pub(in super::super) struct Series<'a> {
    pub named: &'a Named,
    /// Labels of its set, in the order of their names.
    labels: Arc<Labels<'a>>,
    /// The label it alone has.
    own: Option<(&'static str, &'a str)>,
    pub value: f64,
}

type Labels<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// Heapster's label that joins all of the object's; it would make a new series with every change.
const JOINED: &str = "labels";

impl Told {
    pub(in super::super) fn series<'a>(
        &'a self,
        column: Column<'a>,
    ) -> impl Iterator<Item = Series<'a>> + Send {
        let sets = column.sets();
        sets.flat_map(move |set| self.of_set(column, set, None))
    }

    /// The series of one metric alone.
    pub(super) fn series_of<'a>(
        &'a self,
        column: Column<'a>,
        metric: Metric,
    ) -> impl Iterator<Item = Series<'a>> + Send {
        let sets = column.sets();
        sets.flat_map(move |set| self.of_set(column, set, Some(metric)))
    }

    fn of_set<'a>(
        &'a self,
        column: Column<'a>,
        set: &'a MetricSet,
        only: Option<Metric>,
    ) -> Vec<Series<'a>> {
        let wanted = |sample: &Sample<'_>| only.is_none_or(|only| only == sample.metric);
        let samples: Vec<Sample<'a>> = column.samples(set).filter(wanted).collect();
        if samples.is_empty() {
            return Vec::new();
        }
        let labels = Arc::new(self.labels(column, set));
        samples
            .into_iter()
            .filter_map(|sample| {
                Some(Series {
                    named: self.names.of(sample.metric)?,
                    labels: Arc::clone(&labels),
                    own: own(&sample, set),
                    value: self.names.of(sample.metric)?.value(sample.value),
                })
            })
            .collect()
    }

    fn labels<'a>(&'a self, column: Column<'a>, set: &'a MetricSet) -> Labels<'a> {
        let mut labels = Labels::new();
        for (name, value) in column.labels(set) {
            if name != JOINED && !value.is_empty() {
                labels.entry(valid(name)).or_insert(value);
            }
        }
        if !self.object_labels.is_empty() {
            for (name, value) in column.object_labels(set) {
                if self.object_labels.iter().any(|wanted| wanted == name) {
                    labels
                        .entry(of_object(name).into())
                        .or_insert_with(|| value.into());
                }
            }
        }
        for (name, value) in &self.labels {
            labels.insert(name.as_str().into(), value.as_str().into());
        }
        labels
    }
}

/// The label in which an object's label of this name stands.
pub(super) fn of_object(name: &str) -> String {
    format!("label_{}", valid(name))
}

/// The label that tells values of one metric of one set apart.
fn own<'a>(sample: &Sample<'a>, set: &'a MetricSet) -> Option<(&'static str, &'a str)> {
    if sample.metric != Metric::ResourceRequest {
        return sample.resource.map(|resource| ("resource_id", resource));
    }
    let resource = sample.name.strip_suffix("/request")?;
    let mut requests = set.qualified.iter();
    let same = requests.find(|qualified| qualified.by.as_ref() == resource)?;
    Some(("resource", same.by.as_ref()))
}

impl Series<'_> {
    /// All labels in the order of their names, the series' name among them if `name` is the label
    /// it goes by.
    pub(in super::super) fn labels(&self, name: Option<&'static str>) -> Vec<(&str, &str)> {
        let labels = self.labels.iter();
        let mut labels: Vec<(&str, &str)> = labels.map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        let own = self.own;
        for (name, value) in own
            .into_iter()
            .chain(name.map(|n| (n, self.named.name.as_str())))
        {
            let at = labels.binary_search_by_key(&name, |(name, _)| name);
            match at {
                Ok(at) => {
                    if let Some(label) = labels.get_mut(at) {
                        *label = (name, value);
                    }
                }
                Err(at) => labels.insert(at, (name, value)),
            }
        }
        labels
    }
}
