//! InfluxDB's line protocol.

use std::io::Write as _;

use super::super::chunks::{Encoder, Records};
use super::super::column::Column;
use crate::domain::{MetricSet, Value};

/// How points are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// The tag `cluster_name`.
    pub cluster_name: String,
    /// `cpu usage_rate=1` in place of `cpu/usage_rate value=1`.
    pub with_fields: bool,
    /// Whether counters are written of which there is a rate.
    pub counters: bool,
    /// Whether pods' UIDs are tags, which they were not in Heapster.
    pub pod_ids: bool,
}

/// The labels Heapster did not make tags of.
const NO_TAGS: [&str; 4] = ["namespace_id", POD_ID, "hostname", "host_id"];
const POD_ID: &str = "pod_id";

impl Lines {
    /// The measurement and the field a metric's values stand in.
    pub(super) fn place<'a>(&self, metric: &'a str) -> (&'a str, &'a str) {
        match metric.split_once('/') {
            Some(parts) if self.with_fields => parts,
            _ => (metric, "value"),
        }
    }
}

impl Encoder for Lines {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut labels = column.labels(set);
        labels.insert("cluster_name", self.cluster_name.as_str().into());
        labels.retain(|name, value| {
            let is_tag = !NO_TAGS.contains(name) || (self.pod_ids && *name == POD_ID);
            is_tag && !value.is_empty()
        });
        let nanos = i128::from(column.timestamp().as_millis()) * 1_000_000;
        for sample in column.samples(set) {
            if !self.counters && sample.metric.rate().is_some() {
                continue;
            }
            let (measurement, field) = self.place(&sample.name);
            let line = records.bytes();
            escape(measurement, ", ", line);
            let mut resource = sample.resource.map(|resource| ("resource_id", resource));
            for (name, value) in &labels {
                // Tags in the order of their names are what InfluxDB takes quickest.
                if let Some((_, value)) = resource.take_if(|own| own.0 < *name) {
                    tag("resource_id", value, line);
                }
                tag(name, value, line);
            }
            if let Some((name, value)) = resource {
                tag(name, value, line);
            }
            line.push(b' ');
            escape(field, ",= ", line);
            let _ = match sample.value {
                Value::Int(value) => writeln!(line, "={value}i {nanos}"),
                Value::Float(value) => writeln!(line, "={value} {nanos}"),
            };
            records.end();
        }
    }
}

pub(super) fn tag(name: &str, value: &str, line: &mut Vec<u8>) {
    let value = without_end(value);
    if !value.is_empty() {
        line.push(b',');
        escape(name, ",= ", line);
        line.push(b'=');
        escape(value, ",= ", line);
    }
}

/// A backslash at the end would take away the meaning of what follows.
fn without_end(value: &str) -> &str {
    value.trim_end_matches('\\')
}

/// A tag's value as it can be found: what a line cannot hold stands for nothing or for `_`.
pub(super) fn as_kept(value: &str) -> String {
    let kept = |c: char| if c.is_control() { '_' } else { c };
    without_end(value).chars().map(kept).collect()
}

/// Writes a text with a backslash before what has a meaning where it stands.
pub(super) fn escape(text: &str, special: &str, line: &mut Vec<u8>) {
    for c in text.chars() {
        if special.contains(c) {
            line.push(b'\\');
        }
        let c = if c.is_control() { '_' } else { c };
        line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::chunks::{Chunks, Frame};
    use super::super::super::filter::Filter;
    use super::*;
    use crate::domain::{EntityKey, Metric, NodeName, Point};
    use crate::sinks::tests::{Plain, batch, pod};

    fn text(lines: &Lines, set: MetricSet) -> String {
        let batch = batch(60, vec![set]);
        let filter = Filter::default();
        let column = Column::new(&batch, &Plain, &filter);
        let chunks = Chunks::new(column, lines, Frame::lines(100, 1 << 20));
        chunks.map(|c| String::from_utf8(c.body).unwrap()).collect()
    }

    #[test]
    fn a_measurement_is_a_metric_or_its_first_part() {
        let mut lines = Lines {
            cluster_name: "c 1".into(),
            with_fields: false,
            counters: true,
            pod_ids: false,
        };
        let tags =
            "cluster_name=c\\ 1,labels=app:web\\,x:a\\=b,namespace_name=a,nodename=n1,pod_name=p";
        let set = pod("a", "p", &[("app", "web"), ("x", "a=b")]);
        assert_eq!(
            text(&lines, set.clone()),
            format!(
                "cpu/usage_rate,{tags},type=pod value=7i 60000000000\n\
                 memory/page_faults_rate,{tags},type=pod value=1.5 60000000000\n\
                 filesystem/usage,{tags},resource_id=logs,type=pod value=8i 60000000000\n\
                 filesystem/usage,{tags},resource_id=Volume:data,type=pod value=9i 60000000000\n"
            )
        );
        lines.with_fields = true;
        let text = text(&lines, set);
        assert!(text.starts_with(&format!("cpu,{tags},type=pod usage_rate=7i 6")));
    }

    #[test]
    fn counters_of_which_there_is_a_rate_can_be_left_out_and_nothing_breaks_a_line() {
        let node = NodeName::new("n1").unwrap();
        let mut set = MetricSet::new(EntityKey::SystemContainer(node, "a\nb c\\".into()));
        set.set(Point::int(Metric::CpuUsage, 1));
        set.set(Point::int(Metric::Uptime, 2));
        let lines = Lines {
            cluster_name: String::new(),
            with_fields: true,
            counters: false,
            pod_ids: false,
        };
        assert_eq!(
            text(&lines, set),
            "uptime,container_name=a_b\\ c,nodename=n1,type=sys_container value=2i 60000000000\n"
        );
    }
}
