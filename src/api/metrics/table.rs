//! Nodes and pods as a table.

use super::item::{Item, Total};
use super::object::One;
use crate::apimachinery::{
    CanonicalQuantity, Creation, GoDuration, IncludeObject, ListMeta, MetaVersion, Object,
    PartialObjectMetadata, Table, TableColumn, TableRow,
};

/// How the rows of a table are made.
pub(super) struct TableForm<'a> {
    pub(super) version: MetaVersion,
    pub(super) include: IncludeObject,
    pub(super) api_version: &'a str,
    pub(super) creation: Creation,
}

impl TableForm<'_> {
    /// Makes the table of these items.
    ///
    /// Its columns are the name, one for each key of usage that any item has (`cpu` and `memory`
    /// even without items), and the window. A row that lacks a key has an empty cell. A pod's cells
    /// are sums over its containers.
    pub(super) fn of<T: Item>(&self, items: &[&T], resource_version: u64) -> Table {
        let swap = items.iter().any(|item| item.total().swap.is_some());
        self.with_columns(items, swap, resource_version)
    }

    /// The same with the column of swap or without it, whatever the items have.
    pub(super) fn with_columns<T: Item>(
        &self,
        items: &[&T],
        swap: bool,
        resource_version: u64,
    ) -> Table {
        let mut columns = vec![
            TableColumn::NAME,
            TableColumn::new("cpu", "quantity"),
            TableColumn::new("memory", "quantity"),
        ];
        if swap {
            columns.push(TableColumn::new("swap", "quantity"));
        }
        columns.push(TableColumn::new("Window", "duration"));
        Table {
            version: self.version,
            metadata: ListMeta { resource_version },
            columns,
            rows: items
                .iter()
                .map(|item| self.row(*item, item.total(), swap))
                .collect(),
        }
    }

    fn row<T: Item>(&self, item: &T, total: Total, swap: bool) -> TableRow {
        let mut cells = vec![
            item.name().to_owned(),
            CanonicalQuantity::cpu(total.cpu).to_string(),
            CanonicalQuantity::memory(total.memory).to_string(),
        ];
        if swap {
            let text = |amount| CanonicalQuantity::memory(amount).to_string();
            cells.push(total.swap.map(text).unwrap_or_default());
        }
        let (_, window) = item.interval();
        cells.push(GoDuration::from(window).to_string());
        TableRow {
            cells,
            object: self.object(item),
        }
    }

    fn object<T: Item>(&self, item: &T) -> Vec<u8> {
        let mut out = Vec::new();
        match self.include {
            IncludeObject::None => {}
            IncludeObject::Metadata => {
                let partial = PartialObjectMetadata {
                    version: self.version,
                    metadata: item.metadata(self.creation),
                };
                partial.write_json(&mut out);
            }
            IncludeObject::Object => {
                let one = One {
                    api_version: self.api_version,
                    creation: self.creation,
                    item,
                };
                one.write_json(&mut out);
            }
        }
        out
    }
}
