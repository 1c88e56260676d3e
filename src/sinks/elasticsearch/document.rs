//! Heapster's documents, as `_bulk` takes them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use super::super::chunks::{Encoder, Records};
use super::super::column::{Column, Sample};
use crate::apimachinery::Rfc3339;
use crate::domain::{MetricSet, Value};

/// How documents are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Documents {
    /// What the index's name begins with.
    pub index: String,
    /// The tag `cluster_name`.
    pub cluster_name: String,
}

/// What a metric's name begins with, if its metrics share documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Cpu,
    Filesystem,
    Memory,
    Network,
    /// The rest, of which every value is a document.
    General,
}

impl Family {
    pub(super) const ALL: [Self; 5] = [
        Self::Cpu,
        Self::Filesystem,
        Self::Memory,
        Self::Network,
        Self::General,
    ];

    pub(super) fn of(metric: &str) -> Self {
        match metric.split('/').next() {
            Some("cpu") => Self::Cpu,
            Some("filesystem") => Self::Filesystem,
            Some("memory") => Self::Memory,
            Some("network") => Self::Network,
            _ => Self::General,
        }
    }

    /// How it stands in the name of an alias.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Filesystem => "filesystem",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::General => "general",
        }
    }

    /// The field that holds the time.
    pub(super) const fn timestamp(self) -> &'static str {
        match self {
            Self::Cpu => "CpuMetricsTimestamp",
            Self::Filesystem => "FilesystemMetricsTimestamp",
            Self::Memory => "MemoryMetricsTimestamp",
            Self::Network => "NetworkMetricsTimestamp",
            Self::General => "GeneralMetricsTimestamp",
        }
    }
}

type Tags<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// The line before a document.
#[derive(Serialize)]
pub(super) struct Action<'a> {
    pub create: Target<'a>,
}

#[derive(Serialize)]
pub(super) struct Target<'a> {
    #[serde(rename = "_index")]
    pub index: &'a str,
    #[serde(rename = "_id")]
    pub id: &'a str,
}

#[derive(Serialize)]
struct Number {
    #[serde(serialize_with = "plainly")]
    value: Value,
}

impl Encoder for Documents {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let labels = column.labels(set);
        let mut tags: Tags<'_> = labels
            .into_iter()
            .map(|(name, value)| (without_dots(name), value))
            .collect();
        tags.insert("cluster_name".into(), self.cluster_name.as_str().into());
        let stamp = Rfc3339::from(column.timestamp());
        let stamp = stamp.as_str();
        let day = stamp.get(..10).unwrap_or_default().replace('-', ".");
        let index = format!("{}-{day}", self.index);

        let mut documents = BTreeMap::<_, Vec<Sample<'_>>>::new();
        for sample in column.samples(set) {
            let family = Family::of(&sample.name);
            let alone = (family == Family::General).then(|| sample.name.clone());
            let resource = sample.resource;
            let of = documents.entry((family, resource, alone)).or_default();
            of.push(sample);
        }
        let entity = set.key.to_string();
        for ((family, resource, alone), samples) in documents {
            match resource {
                Some(resource) => tags.insert("resource_id".into(), resource.into()),
                None => tags.remove("resource_id"),
            };
            let alone = alone.unwrap_or_default();
            let parts = [
                self.cluster_name.as_str(),
                stamp,
                family.name(),
                &entity,
                resource.unwrap_or_default(),
                &alone,
            ];
            let action = Action {
                create: Target {
                    index: &index,
                    id: &identity(&parts),
                },
            };
            let line = records.bytes();
            // Writing to memory what has text for keys cannot fail.
            let _ = serde_json::to_writer(&mut *line, &action);
            line.push(b'\n');
            let _ = serde_json::to_writer(&mut *line, &body(family, stamp, &tags, &samples));
            line.push(b'\n');
            records.end_of(samples.len());
        }
    }
}

/// A document's fields, in the order of their names as Go wrote them.
fn body<'a>(
    family: Family,
    stamp: &'a str,
    tags: &'a Tags<'a>,
    samples: &'a [Sample<'a>],
) -> BTreeMap<&'static str, Field<'a>> {
    let mut fields = BTreeMap::new();
    fields.insert(family.timestamp(), Field::Text(stamp));
    fields.insert("MetricsTags", Field::Tags(tags));
    let number = |sample: &Sample<'_>| Number {
        value: sample.value,
    };
    if family == Family::General {
        if let Some(sample) = samples.first() {
            fields.insert("MetricsName", Field::Text(&sample.name));
            fields.insert("MetricsValue", Field::Number(number(sample)));
        }
        return fields;
    }
    let metrics = samples.iter();
    let metrics = metrics.map(|sample| (sample.name.as_ref(), number(sample)));
    fields.insert("Metrics", Field::Metrics(metrics.collect()));
    fields
}

#[derive(Serialize)]
#[serde(untagged)]
enum Field<'a> {
    Text(&'a str),
    Tags(&'a Tags<'a>),
    Metrics(BTreeMap<&'a str, Number>),
    Number(Number),
}

fn plainly<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Value::Int(value) => serializer.serialize_i64(*value),
        Value::Float(value) => serializer.serialize_f64(*value),
    }
}

/// A dot in a field's name makes an object of what stands before it, which may be a text elsewhere.
fn without_dots(name: &str) -> Cow<'_, str> {
    if name.contains('.') {
        name.replace('.', "_").into()
    } else {
        name.into()
    }
}

/// The same for the same document every time, so that one sent twice is there once.
fn identity(parts: &[&str]) -> String {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(part.as_bytes());
        digest.update(&[0]);
    }
    let digest = digest.finish();
    let short = digest.as_ref().get(..20).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(short)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::super::chunks::{Chunks, Frame};
    use super::super::super::filter::Filter;
    use super::*;
    use crate::domain::{EntityKey, Metric, Point, Qualified};
    use crate::sinks::tests::{Plain, batch, pod};

    fn documents(secs: i64, set: MetricSet) -> Vec<(Json, Json)> {
        let batch = batch(secs, vec![set]);
        let filter = Filter::default();
        let column = Column::new(&batch, &Plain, &filter);
        let documents = Documents {
            index: "heapster".into(),
            cluster_name: "default".into(),
        };
        let chunks = Chunks::new(column, &documents, Frame::lines(100, 1 << 20));
        let text: String = chunks.map(|c| String::from_utf8(c.body).unwrap()).collect();
        assert!(text.ends_with('\n'));
        let lines: Vec<Json> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let pairs = lines.chunks(2);
        pairs
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    }

    #[test]
    fn metrics_of_a_family_share_a_document_unless_their_file_systems_differ() {
        // 2026-11-21T23:59:00Z
        let documents = documents(1_795_305_540, pod("a", "p", &[("app", "web")]));
        let tags = |resource: Option<&str>| {
            let mut tags = json!({
                "cluster_name": "default", "hostname": "h.1", "labels": "app:web",
                "namespace_name": "a", "nodename": "n1", "pod_name": "p", "type": "pod",
            });
            if let Some(resource) = resource {
                tags["resource_id"] = resource.into();
            }
            tags
        };
        let time = "2026-11-21T23:59:00Z";
        let filesystem = |resource, value| {
            json!({
                "FilesystemMetricsTimestamp": time,
                "Metrics": {"filesystem/usage": {"value": value}},
                "MetricsTags": tags(Some(resource)),
            })
        };
        let bodies: Vec<Json> = documents.iter().map(|(_, body)| body.clone()).collect();
        assert_eq!(
            bodies,
            [
                json!({
                    "CpuMetricsTimestamp": time,
                    "Metrics": {"cpu/usage_rate": {"value": 7}},
                    "MetricsTags": tags(None),
                }),
                filesystem("Volume:data", 9),
                filesystem("logs", 8),
                json!({
                    "MemoryMetricsTimestamp": time,
                    "Metrics": {"memory/page_faults_rate": {"value": 1.5}},
                    "MetricsTags": tags(None),
                }),
            ]
        );
        for (action, _) in &documents {
            assert_eq!(action["create"]["_index"], "heapster-2026.11.21");
        }
    }

    #[test]
    fn what_is_of_no_family_has_a_document_of_its_own() {
        let mut set = MetricSet::new(EntityKey::Cluster);
        set.set(Point::int(Metric::Uptime, 3));
        set.set(Point::int(Metric::EphemeralStorageUsage, 4));
        set.qualified.push(Qualified {
            by: "nvidia.com/gpu".into(),
            point: Point::int(Metric::ResourceRequest, 1),
        });
        let bodies: Vec<Json> = documents(60, set).into_iter().map(|(_, b)| b).collect();
        let general = |name: &str, value: i64| {
            json!({
                "GeneralMetricsTimestamp": "1970-01-01T00:01:00Z",
                "MetricsName": name,
                "MetricsTags": {"cluster_name": "default", "type": "cluster"},
                "MetricsValue": {"value": value},
            })
        };
        assert_eq!(
            bodies,
            [
                general("ephemeral_storage/usage", 4),
                general("nvidia.com/gpu/request", 1),
                general("uptime", 3),
            ]
        );
    }

    #[test]
    fn a_document_is_named_by_what_it_says_and_when() {
        let ids = |secs| -> Vec<String> {
            let of = |(action, _): (Json, Json)| action["create"]["_id"].to_string();
            let documents = documents(secs, pod("a", "p", &[]));
            documents.into_iter().map(of).collect()
        };
        let all: std::collections::BTreeSet<String> = ids(60).into_iter().chain(ids(120)).collect();
        assert_eq!((ids(60), all.len()), (ids(60), 8));
    }
}
