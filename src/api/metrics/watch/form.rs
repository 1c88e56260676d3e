//! The events of a watch in the form a client wants them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::watched::Watched;
use crate::api::metrics::object::{List, One};
use crate::api::metrics::table::TableForm;
use crate::apimachinery::{
    Bookmark, Creation, EventType, IncludeObject, ListMeta, MediaType, MetaVersion, Object,
    PartialObjectMetadata, PartialObjectMetadataList, Query, Status, StreamType, Table, TableRow,
    Transform, encode, write_event, write_table_event,
};

/// Which form events have.
pub(in crate::api::metrics) struct Form {
    stream: StreamType,
    api_version: String,
    shape: Shape,
}

enum Shape {
    Whole,
    Metadata(MetaVersion),
    Table(TableShape),
}

struct TableShape {
    version: MetaVersion,
    include: IncludeObject,
    /// Whether there is a column of swap: decided by the first event, whose columns are those of
    /// all that follow.
    swap: Option<bool>,
}

impl Form {
    /// The form that was negotiated.
    ///
    /// # Errors
    /// 406 for what a watch cannot be, 400 for a parameter of tables nobody knows.
    pub(in crate::api::metrics) fn new<T: Watched>(
        media_type: MediaType,
        transform: Transform,
        api_version: &str,
        query: &Query,
    ) -> Result<Self, Status> {
        let stream = StreamType::of(media_type).map_err(Status::not_acceptable)?;
        let shape = match transform {
            Transform::None => Shape::Whole,
            Transform::PartialObjectMetadata(version) => Shape::Metadata(version),
            Transform::PartialObjectMetadataList(_) => {
                return Err(Status::wrong_form(format!(
                    "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
                    T::RESOURCE.kind
                )));
            }
            Transform::Table(version) => Shape::Table(TableShape {
                version,
                include: IncludeObject::from_query(query)?,
                swap: None,
            }),
        };
        Ok(Self {
            stream,
            api_version: api_version.to_owned(),
            shape,
        })
    }

    pub(super) const fn stream(&self) -> StreamType {
        self.stream
    }

    /// Appends the event of an object.
    pub(super) fn write<T: Watched>(
        &mut self,
        event: EventType,
        item: &T,
        creation: Creation,
        out: &mut Vec<u8>,
    ) {
        let api_version = &self.api_version;
        match &mut self.shape {
            Shape::Whole => {
                let one = One {
                    api_version,
                    creation,
                    item,
                };
                write_event(self.stream, event, &one, out);
            }
            Shape::Metadata(version) => {
                let metadata = PartialObjectMetadata {
                    version: *version,
                    metadata: item.metadata(creation),
                };
                write_event(self.stream, event, &metadata, out);
            }
            Shape::Table(shape) => {
                let form = TableForm {
                    version: shape.version,
                    include: shape.include,
                    api_version,
                    creation,
                };
                let first = shape.swap.is_none();
                let swap = *shape
                    .swap
                    .get_or_insert_with(|| item.total().swap.is_some());
                let mut table = form.with_columns(&[item], swap, item.version());
                if !first {
                    table.columns.clear();
                }
                write_table_event(event, &table, out);
            }
        }
    }

    /// Appends the event that says that everything up to `version` has been told; `all` says that
    /// with it everything has that there was at the beginning.
    pub(super) fn bookmark<T: Watched>(
        &mut self,
        version: u64,
        all: bool,
        creation: Creation,
        out: &mut Vec<u8>,
    ) {
        let annotations = if all {
            vec![
                ("k8s.io/initial-events-end", "true".to_owned()),
                (
                    "kubernetes.io/initial-events-list-blueprint",
                    STANDARD.encode(self.empty_list::<T>(creation)),
                ),
            ]
        } else {
            Vec::new()
        };
        let metadata = |meta: MetaVersion| Bookmark {
            api_version: meta.api_version(),
            kind: "PartialObjectMetadata",
            resource_version: version,
            annotations: &annotations,
            others: "",
        };
        let whole = Bookmark {
            api_version: &self.api_version,
            kind: T::RESOURCE.kind,
            resource_version: version,
            annotations: &annotations,
            others: T::NOTHING_SET,
        };
        match &self.shape {
            Shape::Whole => write_event(self.stream, EventType::Bookmark, &whole, out),
            Shape::Metadata(meta) => {
                write_event(self.stream, EventType::Bookmark, &metadata(*meta), out);
            }
            Shape::Table(shape) => {
                let mut object = Vec::new();
                match shape.include {
                    IncludeObject::Metadata => metadata(shape.version).write_json(&mut object),
                    IncludeObject::Object => whole.write_json(&mut object),
                    IncludeObject::None => {}
                }
                let table = shape.bookmark(version, object);
                write_table_event(EventType::Bookmark, &table, out);
            }
        }
    }

    /// Appends the event a watch ends with when it cannot go on.
    pub(super) fn error(&self, status: &Status, out: &mut Vec<u8>) {
        write_event(self.stream, EventType::Error, status, out);
    }

    /// What clients that make a list of the first events begin it with.
    fn empty_list<T: Watched>(&self, creation: Creation) -> bytes::Bytes {
        let media_type = match self.stream {
            StreamType::Json => MediaType::Json,
            StreamType::Protobuf => MediaType::Protobuf,
        };
        match self.shape {
            Shape::Metadata(version) => {
                let list = PartialObjectMetadataList {
                    version,
                    metadata: ListMeta::default(),
                    items: Vec::new(),
                };
                encode(&list, media_type, false)
            }
            Shape::Whole | Shape::Table(_) => {
                let list = List::<T> {
                    api_version: &self.api_version,
                    metadata: ListMeta::default(),
                    creation,
                    items: &[],
                };
                encode(&list, media_type, false)
            }
        }
    }
}

impl TableShape {
    /// A row of empty cells, as Kubernetes makes of the empty object of a bookmark: its object is
    /// where the annotations are.
    fn bookmark(&self, resource_version: u64, object: Vec<u8>) -> Table {
        let cells = if self.swap == Some(true) { 5 } else { 4 };
        Table {
            version: self.version,
            metadata: ListMeta { resource_version },
            columns: Vec::new(),
            rows: vec![TableRow {
                cells: vec![String::new(); cells],
                object,
            }],
        }
    }
}
