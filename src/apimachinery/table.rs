//! `metav1.Table`: rows and columns for people, which `kubectl get` prints.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;

use super::json;
use super::meta::ListMeta;
use super::negotiate::{MetaVersion, Negotiated};
use super::object::respond_json;
use super::query::Query;
use super::status::Status;

/// A table. There is no protobuf form of it.
#[derive(Clone, Debug)]
pub struct Table {
    /// The version of `meta.k8s.io` that was asked for.
    pub version: MetaVersion,
    /// `metadata`: the version of the list, or of the one object.
    pub metadata: ListMeta,
    /// The columns; none in what follows the first event of a watch.
    pub columns: Vec<TableColumn>,
    /// The rows; each has as many cells as there are columns.
    pub rows: Vec<TableRow>,
}

/// A column of a [`Table`]. All our cells are strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TableColumn {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    format: &'static str,
    description: &'static str,
    priority: u32,
}

/// A row of a [`Table`].
#[derive(Clone, Debug, Default)]
pub struct TableRow {
    /// The cells, one a column.
    pub cells: Vec<String>,
    /// What stands behind the row, as JSON; empty for nothing.
    pub object: Vec<u8>,
}

/// What a row carries of its object (`?includeObject=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeObject {
    /// The metadata, which is the default.
    Metadata,
    /// All of it.
    Object,
    /// Nothing.
    None,
}

impl TableColumn {
    /// The column of names.
    pub const NAME: Self = Self {
        name: "Name",
        kind: "string",
        format: "name",
        description: "Name of the resource",
        priority: 0,
    };

    /// A column of plain text; `-o wide` alone shows it when `wide`.
    #[must_use]
    pub const fn text(name: &'static str, description: &'static str, wide: bool) -> Self {
        Self {
            name,
            kind: "string",
            format: "",
            description,
            priority: if wide { 1 } else { 0 },
        }
    }

    /// Another column, with the format clients know its texts by (`quantity`, `duration`).
    #[must_use]
    pub const fn new(name: &'static str, format: &'static str) -> Self {
        Self {
            name,
            kind: "string",
            format,
            description: "",
            priority: 0,
        }
    }
}

impl IncludeObject {
    /// Reads the parameter.
    ///
    /// # Errors
    /// 400 for a value nobody knows.
    pub fn from_query(query: &Query) -> Result<Self, Status> {
        match query.first("includeObject").unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {}: \
                 must be 'Metadata', 'Object', 'None', or empty",
                json::quoted(other)
            ))),
        }
    }
}

impl Table {
    /// Answers the table in JSON or YAML; negotiation never chooses protobuf for it.
    #[must_use]
    pub fn respond<T>(&self, negotiated: &Negotiated<T>) -> Response<Bytes> {
        let mut out = Vec::new();
        self.write_json(&mut out);
        respond_json(StatusCode::OK, out, negotiated)
    }

    /// Appends the table as compact JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"kind\":\"Table\",\"apiVersion\":\"");
        out.extend_from_slice(self.version.api_version().as_bytes());
        out.extend_from_slice(b"\",\"metadata\":");
        self.metadata.write_json(out);
        out.extend_from_slice(b",\"columnDefinitions\":");
        if self.columns.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            json::write(out, &self.columns);
        }
        out.extend_from_slice(b",\"rows\":[");
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"cells\":");
            json::write(out, &row.cells);
            out.extend_from_slice(b",\"object\":");
            out.extend_from_slice(if row.object.is_empty() {
                b"null"
            } else {
                &row.object
            });
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_its_columns_and_carries_its_rows() {
        let table = Table {
            version: MetaVersion::V1,
            metadata: ListMeta {
                resource_version: 9,
            },
            columns: vec![TableColumn::NAME, TableColumn::new("cpu", "quantity")],
            rows: vec![
                TableRow {
                    cells: vec!["n1".to_owned(), "250m".to_owned()],
                    object: b"{\"x\":1}".to_vec(),
                },
                TableRow::default(),
            ],
        };
        let mut out = Vec::new();
        table.write_json(&mut out);
        let expected = r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"9"},"columnDefinitions":[{"name":"Name","type":"string","format":"name","description":"Name of the resource","priority":0},{"name":"cpu","type":"string","format":"quantity","description":"","priority":0}],"rows":[{"cells":["n1","250m"],"object":{"x":1}},{"cells":[],"object":null}]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_object_of_a_row_is_chosen_by_the_query() {
        let read = |query| IncludeObject::from_query(&Query::parse(Some(query)));
        assert_eq!(read(""), Ok(IncludeObject::Metadata));
        assert_eq!(read("includeObject=None"), Ok(IncludeObject::None));
        assert_eq!(read("includeObject=Object"), Ok(IncludeObject::Object));
        let status = read("includeObject=Bogus").unwrap_err();
        assert_eq!(status.code(), 400);
        let message = "Unable to convert to Table as requested: includeObject: Invalid value: \"Bogus\": must be \
                       'Metadata', 'Object', 'None', or empty";
        assert_eq!(status.message(), message);
    }
}
