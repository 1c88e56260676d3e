//! Nodes and pods as a table.

use super::item::{Item, Total};
use super::object::One;
use crate::apimachinery::{
    CanonicalQuantity, Creation, GoDuration, IncludeObject, MetaVersion, Object,
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
    pub(super) fn of<T: Item>(&self, items: &[&T]) -> Table {
        let totals: Vec<Total> = items.iter().map(|item| item.total()).collect();
        let swap = totals.iter().any(|total| total.swap.is_some());
        let mut columns = vec![
            TableColumn::NAME,
            TableColumn::new("cpu", "quantity"),
            TableColumn::new("memory", "quantity"),
        ];
        if swap {
            columns.push(TableColumn::new("swap", "quantity"));
        }
        columns.push(TableColumn::new("Window", "duration"));
        let rows = items.iter().zip(totals);
        Table {
            version: self.version,
            columns,
            rows: rows
                .map(|(item, total)| self.row(*item, total, swap))
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
