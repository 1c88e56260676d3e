//! Kubernetes' protobuf: a writer that works from the end to the front, a reader that borrows, and
//! the envelope.

mod reader;
mod writer;

use bytes::Bytes;

pub use reader::{Field, Fields, Header, Malformed, Message, header};
pub use writer::Writer;

/// What every object in protobuf begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// What stands in the envelope behind the message: fields 3 and 4, which are empty.
pub const ENVELOPE_END: &[u8; 4] = b"\x1a\0\x22\0";

/// Puts a message into the envelope clients expect: the magic `k8s\0` and a `runtime.Unknown` that
/// names its type.
#[must_use]
pub fn envelope(api_version: &str, kind: &str, write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer::with_capacity(1024);
    writer.raw(ENVELOPE_END);
    writer.message(2, write);
    open_envelope(api_version, kind, &mut writer);
    writer.finish()
}

/// What stands in that envelope before a message of so many bytes.
#[must_use]
pub fn envelope_begin(api_version: &str, kind: &str, len: usize) -> Bytes {
    let mut writer = Writer::with_capacity(128);
    writer.length(2, len);
    open_envelope(api_version, kind, &mut writer);
    writer.finish()
}

fn open_envelope(api_version: &str, kind: &str, writer: &mut Writer) {
    writer.message(1, |type_meta| {
        type_meta.bytes(2, kind.as_bytes());
        type_meta.bytes(1, api_version.as_bytes());
    });
    writer.raw(MAGIC);
}

/// Takes the message out of its envelope; `None` without one. What type it says it is stays unread:
/// whoever asked for it knows.
///
/// # Errors
/// When the envelope is no message.
pub fn open(bytes: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let Some(unknown) = bytes.strip_prefix(MAGIC) else {
        return Ok(None);
    };
    let mut raw: &[u8] = &[];
    for field in Fields::new(unknown) {
        let field = field?;
        if field.number == 2 {
            raw = field.bytes()?;
        }
    }
    Ok(Some(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_names_the_type_and_keeps_empty_fields() {
        let bytes = envelope("v1", "Status", |w| w.bytes(1, b"x"));
        let expected = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status\x12\x03\x0a\x01x\x1a\x00\x22\x00";
        assert_eq!(bytes.as_ref(), expected.as_slice());
    }

    #[test]
    fn an_envelope_comes_in_pieces_too() {
        let message = [0x0a, 200, 1].into_iter().chain([b'x'; 200]);
        let message: Vec<u8> = message.collect();
        let whole = envelope("metrics.k8s.io/v1", "PodMetricsList", |w| {
            w.bytes(1, &[b'x'; 200])
        });
        let begin = envelope_begin("metrics.k8s.io/v1", "PodMetricsList", message.len());
        assert_eq!(whole, [&begin, message.as_slice(), ENVELOPE_END].concat());
    }

    #[test]
    fn an_envelope_opens_and_what_is_none_is_told_apart() {
        let bytes = envelope("v1", "Status", |w| w.bytes(1, b"x"));
        assert_eq!(open(&bytes), Ok(Some(b"\x0a\x01x".as_slice())));
        assert_eq!(open(b"k8s\0"), Ok(Some(b"".as_slice())));
        assert_eq!(open(b"{\"kind\":\"Status\"}"), Ok(None));
        assert_eq!(open(b"k8s\0\x12\x07x"), Err(Malformed::Truncated));
    }
}
