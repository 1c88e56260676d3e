//! Writes messages from the end to the front.

use bytes::Bytes;

/// Writes a message from its last field to its first, so that every length is known when its turn
/// comes.
///
/// This is how Kubernetes' generated code writes, and with the same order of fields it yields the
/// same bytes. A nested message is whatever a closure writes; inside it, too, the last field comes
/// first.
#[derive(Debug, Default)]
pub struct Writer {
    /// Written from the end; `start` is where the written part begins.
    buffer: Vec<u8>,
    start: usize,
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;

impl Writer {
    /// An empty writer with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: vec![0; capacity],
            start: capacity,
        }
    }

    /// Makes room for so many more bytes at once.
    pub fn reserve(&mut self, room: usize) {
        if room > self.start {
            self.grow(room);
        }
    }

    /// How many bytes are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A field of type `string` or `bytes`, written even when empty.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.raw(value);
        self.length(field, value.len());
    }

    /// A field of an integer type, written even when zero.
    pub fn varint(&mut self, field: u32, value: u64) {
        self.push_varint(value);
        self.key(field, VARINT);
    }

    /// A field of a signed integer type (`int32`, `int64`), written even when zero.
    pub fn int(&mut self, field: u32, value: i64) {
        self.varint(field, value.cast_unsigned());
    }

    /// A field of type `fixed64` or `sfixed64`, written even when zero.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.raw(&value.to_le_bytes());
        self.key(field, FIXED64);
    }

    /// A field of type `double`, written even when zero.
    pub fn double(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    /// A packed field of integers.
    pub fn packed(&mut self, field: u32, values: &[u32]) {
        let before = self.len();
        for value in values.iter().rev() {
            self.push_varint(u64::from(*value));
        }
        self.length(field, self.len() - before);
    }

    /// A field that holds the message `write` writes.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let before = self.len();
        write(self);
        let len = self.len() - before;
        self.length(field, len);
    }

    /// A field of type `string` that holds a `resourceVersion`, empty for 0.
    pub fn version(&mut self, field: u32, version: u64) {
        if version == 0 {
            self.bytes(field, b"");
        } else {
            self.bytes(field, itoa::Buffer::new().format(version).as_bytes());
        }
    }

    /// The fields of an empty `metav1.ListMeta`.
    pub fn list_meta(&mut self) {
        self.bytes(3, b"");
        self.bytes(2, b"");
        self.bytes(1, b"");
    }

    /// The fields of a `metav1.Time`, which never has nanoseconds.
    pub fn time(&mut self, seconds: i64) {
        self.int(2, 0);
        self.int(1, seconds);
    }

    /// Bytes already encoded.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let start = self.start - bytes.len();
        if let Some(room) = self.buffer.get_mut(start..self.start) {
            room.copy_from_slice(bytes);
            self.start = start;
        }
    }

    /// The message, without copying it.
    #[must_use]
    pub fn finish(self) -> Bytes {
        Bytes::from(self.buffer).slice(self.start..)
    }

    /// What stands before the content, of this length, of a field that holds bytes or a message.
    pub(super) fn length(&mut self, field: u32, len: usize) {
        self.push_varint(len as u64);
        self.key(field, LENGTH_DELIMITED);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.push_varint(u64::from(field << 3 | wire_type));
    }

    fn push_varint(&mut self, mut value: u64) {
        // As nearly all are: keys, and lengths of names and quantities.
        if let (Ok(byte @ ..0x80), Some(start)) = (u8::try_from(value), self.start.checked_sub(1))
            && let Some(place) = self.buffer.get_mut(start)
        {
            *place = byte;
            self.start = start;
            return;
        }
        let mut bytes = [0_u8; 10];
        let mut len = 0;
        for byte in &mut bytes {
            let low = u8::try_from(value & 0x7f).unwrap_or_default();
            value >>= 7;
            len += 1;
            *byte = if value > 0 { low | 0x80 } else { low };
            if value == 0 {
                break;
            }
        }
        self.raw(bytes.get(..len).unwrap_or_default());
    }

    /// Doubles the buffer, or more if that is still too little, moving what is written to its end.
    fn grow(&mut self, needed: usize) {
        let written = self.len();
        let size = (self.buffer.len() * 2).max(written + needed).max(256);
        let mut buffer = vec![0; size];
        let start = size - written;
        if let (Some(to), Some(from)) = (buffer.get_mut(start..), self.buffer.get(self.start..)) {
            to.copy_from_slice(from);
        }
        *self = Self { buffer, start };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn negative_integers_take_ten_bytes() {
        let mut writer = Writer::default();
        writer.int(1, -1);
        let mut expected = vec![8];
        expected.extend([0xff; 9]);
        expected.push(1);
        assert_eq!(writer.finish().as_ref(), expected);
    }

    proptest! {
        #[test]
        fn a_message_reads_back(value in any::<u64>(), text in ".{0,2000}", capacity in 0..300_usize) {
            let mut writer = Writer::with_capacity(capacity);
            writer.bytes(2, text.as_bytes());
            writer.varint(1, value);
            let bytes = writer.finish();
            let (mut read, mut rest) = (0_u64, bytes.as_ref());
            prop_assert_eq!(rest[0], 8);
            rest = &rest[1..];
            for shift in (0..).step_by(7) {
                read |= u64::from(rest[0] & 0x7f) << shift;
                let more = rest[0] & 0x80 != 0;
                rest = &rest[1..];
                if !more { break; }
            }
            prop_assert_eq!(read, value);
            prop_assert!(rest.ends_with(text.as_bytes()));
        }
    }
}
