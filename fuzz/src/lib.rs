//! What holds of whatever comes in: one property for each parser and printer.
//!
//! Each takes any bytes and panics when the property is broken. A fuzz target feeds it what the
//! fuzzer finds; `tests/corpora.rs` of the main crate feeds it the seeds and whatever once broke it.

mod accept;
mod amounts;
mod core_objects;
mod encodings;
mod exposition;
mod hand_off;
mod headers;
mod heapster_path;
mod list_options;
mod protobuf;
mod request_info;
mod segment;
mod selectors;
mod store_texts;
mod summary_json;

/// Panics when it does not hold of these bytes.
pub type Property = fn(&[u8]);

/// Every property with the name of its target and the folder of its seeds.
pub const PROPERTIES: [(&str, Property); 15] = [
    ("accept", accept::check),
    ("amounts", amounts::check),
    ("core_objects", core_objects::check),
    ("encodings", encodings::check),
    ("exposition", exposition::check),
    ("hand_off", hand_off::check),
    ("headers", headers::check),
    ("heapster_path", heapster_path::check),
    ("list_options", list_options::check),
    ("protobuf", protobuf::check),
    ("request_info", request_info::check),
    ("segment", segment::check),
    ("selectors", selectors::check),
    ("store_texts", store_texts::check),
    ("summary_json", summary_json::check),
];

/// Holds the property of this name to `data`.
pub fn check(name: &str, data: &[u8]) {
    for (known, property) in PROPERTIES {
        if known == name {
            return property(data);
        }
    }
    panic!("no property {name}");
}

/// The lines of an input that is text; what is none says nothing.
fn lines(data: &[u8]) -> Option<impl Iterator<Item = &str>> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split('\n'))
}

/// Every byte as a percent escape.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
