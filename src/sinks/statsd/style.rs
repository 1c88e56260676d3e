//! The two forms in which Heapster told statsd of labels.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::str::FromStr;

use super::super::chunks::{Encoder, Records};
use super::super::column::{Column, LabelSet, Sample};
use crate::domain::{EntityKey, MetricSet, Value};

/// How lines are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub prefix: String,
    pub protocol: Protocol,
    pub labels: LabelNames,
}

/// `protocolType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `etsystatsd`: labels are parts of the name.
    Etsy,
    /// `influxstatsd`: labels are tags behind the name.
    Influx,
}

/// What becomes of the names of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LabelNames {
    /// The new names by the old.
    pub renamed: BTreeMap<String, String>,
    /// The only ones that are sent; all when empty.
    pub allowed: BTreeSet<String>,
    pub style: Style,
}

/// `labelStyle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    #[default]
    AsIs,
    LowerCamel,
    UpperCamel,
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "etsystatsd" => Ok(Self::Etsy),
            "influxstatsd" => Ok(Self::Influx),
            _ => Err(()),
        }
    }
}

impl FromStr for Style {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "lowerCamelCase" => Ok(Self::LowerCamel),
            "upperCamelCase" => Ok(Self::UpperCamel),
            _ => Err(()),
        }
    }
}

impl LabelNames {
    /// The name under which a label is sent; `None` when it is not.
    fn sent<'a>(&'a self, name: &'a str) -> Option<Cow<'a, str>> {
        if !self.allowed.is_empty() && !self.allowed.contains(name) {
            return None;
        }
        let name = self.renamed.get(name).map_or(name, String::as_str);
        Some(self.style.of(name))
    }
}

impl Style {
    /// A name in this style.
    pub(super) fn of(self, name: &str) -> Cow<'_, str> {
        if self == Self::AsIs {
            return name.into();
        }
        let mut camel = String::with_capacity(name.len());
        for (at, word) in name.split('_').filter(|word| !word.is_empty()).enumerate() {
            let mut letters = word.chars();
            match letters.next() {
                Some(first) if at > 0 || self == Self::UpperCamel => {
                    camel.extend(first.to_uppercase());
                }
                Some(first) => camel.extend(first.to_lowercase()),
                None => {}
            }
            camel.push_str(letters.as_str());
        }
        camel.into()
    }
}

impl Encoder for Lines {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        match self.protocol {
            Protocol::Etsy => self.etsy(column, set, records),
            Protocol::Influx => self.influx(column, set, records),
        }
    }
}

impl Lines {
    fn etsy<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut name = String::new();
        let mut part = |text: &str| {
            name.push_str(&plain(text, ".=|:"));
            name.push('.');
        };
        if !self.prefix.is_empty() {
            part(&self.prefix);
        }
        for text in entity(set, &column.labels(set)) {
            part(&text);
        }
        for (label, value) in column.object_labels(set) {
            if let Some(label) = self.labels.sent(label) {
                part(&label);
                part(value);
            }
        }
        for sample in column.samples(set) {
            let line = records.bytes();
            let _ = write!(line, "{name}{}", plain(&sample.name, ".=|:"));
            if let Some(resource) = sample.resource {
                let _ = write!(line, ".{}", plain(resource, ".=|:"));
            }
            end(&sample, records);
        }
    }

    fn influx<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut labels = column.labels(set);
        labels.remove("labels");
        for (name, value) in column.object_labels(set) {
            labels.entry(name).or_insert_with(|| value.into());
        }
        let mut tags = BTreeMap::new();
        for (name, value) in &labels {
            if let Some(name) = self.labels.sent(name).filter(|_| !value.is_empty()) {
                tags.insert(name, value.as_ref());
            }
        }
        for sample in column.samples(set) {
            let mut tags = tags.clone();
            if let Some(resource) = sample.resource {
                tags.extend(self.labels.sent("resource_id").map(|name| (name, resource)));
            }
            let line = records.bytes();
            let _ = write!(line, "{}{}", self.prefix, plain(&sample.name, ",:=|"));
            for (name, value) in tags {
                let _ = write!(line, ",{}={}", plain(&name, ",:=|"), plain(value, ",:=|"));
            }
            end(&sample, records);
        }
    }
}

/// The parts of a name that say what it is of.
fn entity(set: &MetricSet, labels: &LabelSet<'_>) -> Vec<String> {
    let host = labels.get("hostname").or_else(|| labels.get("nodename"));
    let host = host.map_or("none", |host| host.as_ref());
    let parts = match &set.key {
        EntityKey::Cluster => vec!["cluster"],
        EntityKey::Namespace(namespace) => vec!["namespace", namespace.as_str()],
        EntityKey::Node(_) => vec!["node", host],
        EntityKey::SystemContainer(_, name) => vec!["node", host, "sys-container", name],
        EntityKey::Pod(pod) => {
            let (namespace, pod) = (pod.namespace.as_str(), pod.name.as_str());
            vec!["node", host, "namespace", namespace, "pod", pod]
        }
        EntityKey::Container(pod, name) => {
            let (namespace, pod) = (pod.namespace.as_str(), pod.name.as_str());
            let name = name.as_str();
            vec![
                "node",
                host,
                "namespace",
                namespace,
                "pod",
                pod,
                "container",
                name,
            ]
        }
    };
    parts.into_iter().map(str::to_owned).collect()
}

/// A text with `_` for what would be read as something else.
fn plain<'a>(text: &'a str, special: &str) -> Cow<'a, str> {
    let is_special = |c: char| special.contains(c) || c.is_control();
    if text.contains(is_special) {
        text.replace(is_special, "_").into()
    } else {
        text.into()
    }
}

fn end(sample: &Sample<'_>, records: &mut Records) {
    let line = records.bytes();
    let _ = match sample.value {
        Value::Int(value) => writeln!(line, ":{value}|g"),
        Value::Float(value) => writeln!(line, ":{}|g", go_float(value)),
    };
    records.end();
}

/// A float as Go's `%v` writes it: the fewest digits that tell it apart, with an exponent when that
/// is below -4 or above 5.
fn go_float(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    match exponent.parse::<i32>() {
        Ok(-4..GO_EXPONENT) | Err(_) => format!("{value}"),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

/// The exponent from which Go writes it.
const GO_EXPONENT: i32 = 6;

#[cfg(test)]
mod tests {
    use super::super::super::chunks::{Chunks, Frame};
    use super::super::super::filter::Filter;
    use super::*;
    use crate::sinks::tests::{Plain, batch, cluster, pod};

    fn lines(protocol: Protocol, labels: LabelNames, set: MetricSet) -> String {
        let batch = batch(60, vec![set]);
        let filter = Filter::default();
        let column = Column::new(&batch, &Plain, &filter);
        let prefix = "k8s.".to_owned();
        let lines = Lines {
            prefix,
            protocol,
            labels,
        };
        let chunks = Chunks::new(column, &lines, Frame::lines(9, 9000));
        chunks.map(|c| String::from_utf8(c.body).unwrap()).collect()
    }

    #[test]
    fn labels_are_parts_of_the_name() {
        let set = pod(
            "a",
            "p.1",
            &[("app.kubernetes.io/name", "web|1"), ("tier", "t")],
        );
        let labels = LabelNames {
            renamed: [("tier".to_owned(), "my_tier".to_owned())].into(),
            style: Style::UpperCamel,
            ..LabelNames::default()
        };
        let text = lines(Protocol::Etsy, labels, set);
        let name = "k8s_.node.h_1.namespace.a.pod.p_1.App_kubernetes_io/name.web_1.MyTier.t";
        let expected = format!(
            "{name}.cpu/usage_rate:7|g\n{name}.memory/page_faults_rate:1.5|g\n\
             {name}.filesystem/usage.logs:8|g\n{name}.filesystem/usage.Volume_data:9|g\n"
        );
        assert_eq!(text, expected);
        let text = lines(Protocol::Etsy, LabelNames::default(), cluster());
        assert_eq!(text, "k8s_.cluster.cpu/usage_rate:5|g\n");
    }

    #[test]
    fn labels_are_tags_in_the_order_of_their_names() {
        let set = pod("a", "p", &[("app", "a,b=c:d|e")]);
        let labels = LabelNames {
            allowed: ["app", "pod_name", "resource_id"].map(str::to_owned).into(),
            style: Style::LowerCamel,
            ..LabelNames::default()
        };
        let text = lines(Protocol::Influx, labels, set);
        let tags = "app=a_b_c_d_e,podName=p";
        assert_eq!(
            text.lines().next().unwrap(),
            format!("k8s.cpu/usage_rate,{tags}:7|g")
        );
        let last = format!("k8s.filesystem/usage,{tags},resourceId=Volume_data:9|g");
        assert_eq!(text.lines().last().unwrap(), last);
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (0.2, "0.2"),
            (104_000.0, "104000"),
            (1_234_567.0, "1.234567e+06"),
            (17_179_869_184.0, "1.7179869184e+10"),
            (0.000_1, "0.0001"),
            (0.000_012, "1.2e-05"),
        ] {
            assert_eq!(go_float(value), text);
        }
    }
}
