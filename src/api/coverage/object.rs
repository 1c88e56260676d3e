//! `NodeCoverage` as JSON, and as a row.

use serde::Serialize;

use crate::apimachinery::protobuf::Writer;
use crate::apimachinery::{
    Creation, HumanDuration, IncludeObject, ListMeta, ListOptions, MetaVersion, Object, ObjectMeta,
    PartialObjectMetadata, Rfc3339, Table, TableColumn, TableRow, json,
};
use crate::coverage::{NodeCoverage, Snapshot};
use crate::domain::Timestamp;

use super::{API_VERSION, NODE_COVERAGES};

/// What kubectl writes where there is nothing.
const NONE: &str = "<none>";
const LIST_KIND: &str = NODE_COVERAGES.list_kind;

/// One of them.
pub(super) struct One<'a> {
    pub(super) node: &'a NodeCoverage,
    pub(super) at: Timestamp,
}

/// Some of them.
pub(super) struct List<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) nodes: Vec<&'a NodeCoverage>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    cause: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    remedy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success_time: Option<String>,
}

/// How rows are made.
#[derive(Clone, Copy)]
pub(super) struct TableForm {
    pub(super) version: MetaVersion,
    pub(super) include: IncludeObject,
    pub(super) now: Timestamp,
}

const COLUMNS: [TableColumn; 7] = [
    TableColumn::NAME,
    TableColumn::text("State", "Fresh, Stale, Failing, Pending or Excluded", false),
    TableColumn::text("Age", "How old the numbers are that are served", false),
    TableColumn::text("Since", "For how long the state is what it is", false),
    TableColumn::text("Cause", "Why, in one word", false),
    TableColumn::text("Remedy", "What to do", true),
    TableColumn::text("Message", "Why, in words", true),
];

/// Tells whether the selectors of a list or watch choose this one.
pub(super) fn is_selected(node: &NodeCoverage, options: &ListOptions) -> bool {
    let field = |field: &str| match field {
        "metadata.name" => node.name(),
        "status.state" => node.state.as_str(),
        "status.cause" => node.cause,
        _ => "",
    };
    options.field_selector.matches(field) && options.label_selector.matches(&node.record.labels)
}

/// The metadata of one, made at this time.
pub(super) fn metadata(node: &NodeCoverage, at: Timestamp) -> ObjectMeta<'_> {
    ObjectMeta {
        name: node.name(),
        namespace: "",
        resource_version: node.version,
        creation: Creation::from(at),
        labels: &node.record.labels,
    }
}

fn write_members(node: &NodeCoverage, at: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"metadata\":");
    metadata(node, at).write_json(out);
    out.extend_from_slice(b",\"status\":");
    let time = |stamp: Option<Timestamp>| stamp.map(|at| Rfc3339::from(at).as_str().to_owned());
    let status = StatusJson {
        state: node.state.as_str(),
        since: time(node.since),
        cause: node.cause,
        message: &node.message,
        remedy: &node.remedy,
        sample_time: time(node.sample),
        last_success_time: time(node.last_success),
    };
    json::write(out, &status);
}

fn begin(kind: &str, out: &mut Vec<u8>) {
    let head = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{API_VERSION}\",");
    out.extend_from_slice(head.as_bytes());
}

impl Object for One<'_> {
    fn api_version(&self) -> &str {
        API_VERSION
    }

    fn kind(&self) -> &'static str {
        NODE_COVERAGES.kind
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        begin(self.kind(), out);
        write_members(self.node, self.at, out);
        out.push(b'}');
    }

    /// Negotiation never chooses it.
    fn write_protobuf(&self, _: &mut Writer) {}
}

impl Object for List<'_> {
    fn api_version(&self) -> &str {
        API_VERSION
    }

    fn kind(&self) -> &'static str {
        LIST_KIND
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        begin(self.kind(), out);
        out.extend_from_slice(b"\"metadata\":");
        let metadata = ListMeta {
            resource_version: self.snapshot.version(),
        };
        metadata.write_json(out);
        out.extend_from_slice(b",\"items\":[");
        for (at, node) in self.nodes.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            write_members(node, self.snapshot.at(), out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }

    /// Negotiation never chooses it.
    fn write_protobuf(&self, _: &mut Writer) {}
}

impl TableForm {
    /// The table of these nodes.
    pub(super) fn of(&self, nodes: &[&NodeCoverage], version: u64) -> Table {
        Table {
            version: self.version,
            metadata: ListMeta {
                resource_version: version,
            },
            columns: COLUMNS.to_vec(),
            rows: nodes.iter().map(|node| self.row(node)).collect(),
        }
    }

    fn row(&self, node: &NodeCoverage) -> TableRow {
        let age = |stamp: Option<Timestamp>| {
            let age = stamp.map(|at| HumanDuration(self.now.since(at).unwrap_or_default()));
            age.map_or_else(|| NONE.to_owned(), |age| age.to_string())
        };
        let text = |text: &str| if text.is_empty() { NONE } else { text }.to_owned();
        TableRow {
            cells: vec![
                node.name().to_owned(),
                node.state.as_str().to_owned(),
                age(node.sample),
                age(node.since),
                text(node.cause),
                text(&node.remedy),
                text(&node.message),
            ],
            object: self.object(node),
        }
    }

    fn object(&self, node: &NodeCoverage) -> Vec<u8> {
        let mut out = Vec::new();
        match self.include {
            IncludeObject::None => {}
            IncludeObject::Metadata => PartialObjectMetadata {
                version: self.version,
                metadata: metadata(node, self.now),
            }
            .write_json(&mut out),
            IncludeObject::Object => One { node, at: self.now }.write_json(&mut out),
        }
        out
    }
}
