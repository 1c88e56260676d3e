//! Messages in Heapster's form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::chunks::{Encoder, Records};
use super::super::column::Column;
use crate::domain::{MetricSet, Value};

/// What stands behind every message of a piece; none has it inside.
pub(super) const END: u8 = b'\n';

/// One JSON object for each point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages;

/// The names and their order are Heapster's `KafkaSinkPoint`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    metrics_name: &'a str,
    metrics_value: Number,
    metrics_timestamp: &'a str,
    metrics_tags: &'a BTreeMap<&'a str, Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Int { value: i64 },
    Float { value: f64 },
}

impl Encoder for Messages {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut labels = column.labels(set);
        let secs = column.timestamp().as_secs();
        let time = jiff::Timestamp::from_second(secs).unwrap_or_default();
        let time = time.to_string();
        for sample in column.samples(set) {
            match sample.resource {
                Some(resource) => labels.insert("resource_id", resource.into()),
                None => labels.remove("resource_id"),
            };
            let message = Message {
                metrics_name: &sample.name,
                metrics_value: match sample.value {
                    Value::Int(value) => Number::Int { value },
                    Value::Float(value) => Number::Float { value },
                },
                metrics_timestamp: &time,
                metrics_tags: &labels,
            };
            // Writing to memory what has text for keys cannot fail.
            if serde_json::to_writer(records.bytes(), &message).is_ok() {
                records.bytes().push(END);
                records.end();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::chunks::{Chunks, Frame};
    use super::super::super::filter::Filter;
    use super::*;
    use crate::sinks::tests::{Plain, batch, cluster, pod};

    #[test]
    fn a_message_has_heapsters_names_and_a_line_of_its_own() {
        let batch = batch(
            1_540_000_020,
            vec![cluster(), pod("a", "p", &[("k", "v\n")])],
        );
        let filter = Filter::default();
        let column = Column::new(&batch, &Plain, &filter);
        let chunks = Chunks::new(column, &Messages, Frame::lines(1_000, 1 << 20));
        let bodies: Vec<_> = chunks.map(|c| String::from_utf8(c.body).unwrap()).collect();
        let lines: Vec<&str> = bodies[0].lines().collect();
        let tags = "\"hostname\":\"h.1\",\"labels\":\"k:v\\n\",\"namespace_name\":\"a\",\
                    \"nodename\":\"n1\",\"pod_name\":\"p\"";
        let message = |name: &str, value: &str, tags: &str| {
            format!(
                "{{\"MetricsName\":\"{name}\",\"MetricsValue\":{{\"value\":{value}}},\
                 \"MetricsTimestamp\":\"2018-10-20T01:47:00Z\",\"MetricsTags\":{{{tags}}}}}"
            )
        };
        let of_pod = format!("{tags},\"type\":\"pod\"");
        let of_logs = format!("{tags},\"resource_id\":\"logs\",\"type\":\"pod\"");
        assert_eq!(
            lines[0],
            message("cpu/usage_rate", "5", "\"type\":\"cluster\"")
        );
        assert_eq!(lines[2], message("memory/page_faults_rate", "1.5", &of_pod));
        assert_eq!(lines[3], message("filesystem/usage", "8", &of_logs));
        assert_eq!((bodies.len(), lines.len()), (1, 5));
    }
}
