//! The shapes of a list: the list itself, the metadata of its objects, a table.

use super::item::Item;
use super::object::List;
use super::snapshot::Snapshot;
use super::table::TableForm;
use crate::apimachinery::protobuf::Writer;
use crate::apimachinery::{
    IncludeObject, MediaType, MetaVersion, Object, PartialObjectMetadataList,
};

/// What a list is made into.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Itself.
    List,
    /// A `PartialObjectMetadataList`.
    Metadata(MetaVersion),
    /// A `Table`, with a column of swap if anything in the list has some.
    Table {
        version: MetaVersion,
        include: IncludeObject,
        swap: bool,
    },
}

/// Some objects of a snapshot as a list of a shape.
pub(super) struct Shaped<'a, T> {
    pub(super) shape: Shape,
    pub(super) api_version: &'a str,
    pub(super) snapshot: &'a Snapshot<T>,
    pub(super) items: &'a [&'a T],
}

impl Shape {
    /// About what one item takes at least, in bytes: with one container and one short label.
    pub(super) const fn least(self, media_type: MediaType) -> usize {
        match (self, media_type) {
            (Self::List, MediaType::Json | MediaType::Yaml) => 300,
            (Self::List, MediaType::Protobuf) => 200,
            (Self::Metadata(_), MediaType::Json | MediaType::Yaml) => 220,
            (Self::Metadata(_), MediaType::Protobuf) => 80,
            (Self::Table { include, .. }, _) => match include {
                IncludeObject::None => 80,
                IncludeObject::Metadata => 300,
                IncludeObject::Object => 380,
            },
        }
    }

    /// The same for a list of which these are all items.
    pub(super) fn holding<'a, T: Item + 'a>(self, mut items: impl Iterator<Item = &'a T>) -> Self {
        match self {
            Self::Table {
                version, include, ..
            } => Self::Table {
                version,
                include,
                swap: items.any(|item| item.total().swap.is_some()),
            },
            other @ (Self::List | Self::Metadata(_)) => other,
        }
    }
}

impl<T: Item> Shaped<'_, T> {
    fn list(&self) -> List<'_, T> {
        List {
            api_version: self.api_version,
            metadata: self.snapshot.list_meta(),
            creation: self.snapshot.creation(),
            items: self.items,
        }
    }

    fn metadata(&self, version: MetaVersion) -> PartialObjectMetadataList<'_> {
        let creation = self.snapshot.creation();
        let items = self.items.iter();
        PartialObjectMetadataList {
            version,
            metadata: self.snapshot.list_meta(),
            items: items.map(|item| item.metadata(creation)).collect(),
        }
    }
}

impl<T: Item> Object for Shaped<'_, T> {
    fn api_version(&self) -> &str {
        match self.shape {
            Shape::List => self.api_version,
            Shape::Metadata(version) | Shape::Table { version, .. } => version.api_version(),
        }
    }

    fn kind(&self) -> &'static str {
        match self.shape {
            Shape::List => T::LIST_KIND,
            Shape::Metadata(_) => "PartialObjectMetadataList",
            Shape::Table { .. } => "Table",
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self.shape {
            Shape::List => self.list().write_json(out),
            Shape::Metadata(version) => self.metadata(version).write_json(out),
            Shape::Table {
                version,
                include,
                swap,
            } => {
                let form = TableForm {
                    version,
                    include,
                    api_version: self.api_version,
                    creation: self.snapshot.creation(),
                };
                let version = self.snapshot.view.version();
                form.with_columns(self.items, swap, version).write_json(out);
            }
        }
    }

    /// Negotiation never chooses protobuf for a table, which has none.
    fn write_protobuf(&self, out: &mut Writer) {
        match self.shape {
            Shape::List => self.list().write_protobuf(out),
            Shape::Metadata(version) => self.metadata(version).write_protobuf(out),
            Shape::Table { .. } => {}
        }
    }
}
