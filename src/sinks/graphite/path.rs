//! Graphite's plaintext protocol.

use std::io::Write as _;

use super::super::chunks::{Encoder, Records};
use super::super::column::{Column, LabelSet, Sample};
use crate::domain::{EntityKey, MetricSet, Value};

/// What stands before every path; empty for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sinks) struct Paths {
    prefix: String,
}

impl Paths {
    pub(in crate::sinks) fn new(prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix }
    }
}

impl Encoder for Paths {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let entity = entity(set, &column.labels(set));
        let secs = column.timestamp().as_secs();
        for sample in column.samples(set) {
            let line = records.bytes();
            if !self.prefix.is_empty() {
                let _ = write!(line, "{}.", self.prefix);
            }
            let _ = write!(line, "{entity}.{} ", metric(&sample));
            let _ = match sample.value {
                Value::Int(value) => writeln!(line, "{value} {secs}"),
                Value::Float(value) => writeln!(line, "{value:.6} {secs}"),
            };
            records.end();
        }
    }
}

fn entity(set: &MetricSet, labels: &LabelSet<'_>) -> String {
    let host = labels.get("hostname").or_else(|| labels.get("nodename"));
    let host = part(host.map_or("none", |host| host.as_ref()));
    match &set.key {
        EntityKey::Cluster => "cluster".to_owned(),
        EntityKey::Namespace(namespace) => format!("namespaces.{namespace}"),
        EntityKey::Node(_) => format!("nodes.{host}"),
        EntityKey::SystemContainer(_, name) => {
            format!("nodes.{host}.sys-containers.{}", part(name))
        }
        EntityKey::Pod(pod) => {
            let name = part(pod.name.as_str());
            format!("nodes.{host}.pods.{}.{name}", pod.namespace)
        }
        EntityKey::Container(pod, container) => {
            let (name, container) = (part(pod.name.as_str()), part(container.as_str()));
            format!(
                "nodes.{host}.pods.{}.{name}.containers.{container}",
                pod.namespace
            )
        }
    }
}

/// The metric's path, the file system between its parts: `filesystem.Volume:data.usage`.
fn metric(sample: &Sample<'_>) -> String {
    let name = sample.name.replace('/', ".");
    match (sample.resource, name.split_once('.')) {
        (Some(resource), Some((family, rest))) => format!("{family}.{}.{rest}", part(resource)),
        (Some(resource), None) => format!("{name}.{}", part(resource)),
        (None, _) => name,
    }
}

/// A text that is one part of a path.
fn part(text: &str) -> String {
    let separates = |c: char| matches!(c, '.' | '/') || c.is_whitespace() || c.is_control();
    text.replace(separates, "_")
}

#[cfg(test)]
mod tests {
    use super::super::super::chunks::{Chunks, Frame};
    use super::super::super::filter::Filter;
    use super::*;
    use crate::sinks::tests::{Plain, batch, cluster, pod};

    #[test]
    fn file_systems_of_one_pod_are_series_of_their_own() {
        let batch = batch(60, vec![cluster(), pod("a", "p.1", &[])]);
        let filter = Filter::default();
        let column = Column::new(&batch, &Plain, &filter);
        let paths = Paths::new("x");
        let mut chunks = Chunks::new(column, &paths, Frame::lines(2, 1000));
        assert_eq!(
            String::from_utf8(chunks.next().unwrap().body).unwrap(),
            "x.cluster.cpu.usage_rate 5 60\nx.nodes.h_1.pods.a.p_1.cpu.usage_rate 7 60\n"
        );
        let rest: Vec<_> = chunks.collect();
        assert_eq!(
            rest.iter().map(|c| (c.at, c.points)).collect::<Vec<_>>(),
            [(1, 2), (2, 1)]
        );
        assert_eq!(
            String::from_utf8(rest[1].body.clone()).unwrap(),
            "x.nodes.h_1.pods.a.p_1.filesystem.Volume:data.usage 9 60\n"
        );
    }
}
