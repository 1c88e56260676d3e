//! Nodes and pods as API objects: one, or a list.

use std::hint::black_box;

use super::item::Item;
use crate::apimachinery::protobuf::Writer;
use crate::apimachinery::{Creation, ListMeta, Object};
use crate::lifecycle::in_parts;

/// Fewer items are encoded by one thread, in a millisecond or two: another costs a tenth of that.
const ENCODED_BY_ONE: usize = 3000;

/// How many items are touched before they are written. What is written of one is spread over memory,
/// and a processor that meets it word by word waits for each place in turn; a loop that does nothing
/// but read has it wait for many at once.
const TOUCHED_AT_ONCE: usize = 16;

/// A `NodeMetrics` or `PodMetrics`.
pub(super) struct One<'a, T> {
    pub(super) api_version: &'a str,
    pub(super) creation: Creation,
    pub(super) item: &'a T,
}

/// A `NodeMetricsList` or `PodMetricsList`.
pub(super) struct List<'a, T> {
    pub(super) api_version: &'a str,
    pub(super) metadata: ListMeta,
    pub(super) creation: Creation,
    pub(super) items: &'a [&'a T],
}

impl<T: Item> Object for One<'_, T> {
    fn api_version(&self) -> &str {
        self.api_version
    }

    fn kind(&self) -> &'static str {
        T::RESOURCE.kind
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        write_type(self.kind(), self.api_version, out);
        self.item.write_json(self.creation, out);
        out.push(b'}');
    }

    fn write_protobuf(&self, out: &mut Writer) {
        self.item.write_protobuf(self.creation, out);
    }
}

impl<T: Item> Object for List<'_, T> {
    fn api_version(&self) -> &str {
        self.api_version
    }

    fn kind(&self) -> &'static str {
        T::LIST_KIND
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        write_type(self.kind(), self.api_version, out);
        out.extend_from_slice(b"\"metadata\":");
        self.metadata.write_json(out);
        out.extend_from_slice(b",\"items\":[");
        let head = std::mem::take(out);
        let parts = in_parts(self.items, ENCODED_BY_ONE, head, |mut out, items| {
            // About what an item of two containers and four labels takes. Room that is not written
            // to is no memory, and to move what is written is to touch as much memory anew.
            out.reserve(items.len() * 520);
            for items in items.chunks(TOUCHED_AT_ONCE) {
                touch(items);
                for item in items {
                    out.push(b'{');
                    item.write_json(self.creation, &mut out);
                    out.extend_from_slice(b"},");
                }
            }
            out
        });
        let mut parts = parts.into_iter();
        *out = parts.next().unwrap_or_default();
        parts.for_each(|part| out.extend_from_slice(&part));
        out.pop_if(|last| *last == b',');
        out.extend_from_slice(b"]}");
    }

    fn write_protobuf(&self, out: &mut Writer) {
        // A writer begins at the end.
        let backwards: Vec<&T> = self.items.iter().rev().copied().collect();
        let tail = std::mem::take(out);
        let parts = in_parts(&backwards, ENCODED_BY_ONE, tail, |mut out, items| {
            out.reserve(items.len() * 340);
            for items in items.chunks(TOUCHED_AT_ONCE) {
                touch(items);
                for item in items {
                    out.message(2, |out| item.write_protobuf(self.creation, out));
                }
            }
            out
        });
        let mut parts = parts.into_iter();
        *out = parts.next().unwrap_or_default();
        parts.for_each(|part| out.raw(&part.finish()));
        out.message(1, |out| self.metadata.write_protobuf(out));
    }
}

fn touch<T: Item>(items: &[&T]) {
    black_box(items.iter().fold(0, |read, item| read ^ item.touch()));
}

/// Opens an object with its type. Neither text has a character that JSON escapes.
fn write_type(kind: &str, api_version: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    out.extend_from_slice(api_version.as_bytes());
    out.extend_from_slice(b"\",");
}
