//! Reads messages field by field, borrowed from their bytes.

/// Why bytes are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends before its end.
    #[error("the message ends within a field")]
    Truncated,
    /// A number that does not fit into 64 bits.
    #[error("a number of the message has more than 64 bits")]
    Varint,
    /// A field number or a wire type that does not exist. Groups, which Kubernetes does not have,
    /// count as such.
    #[error("the message has a field with an impossible key")]
    Key,
    /// A known field of another wire type.
    #[error("field {0} of the message is of another type")]
    Type(u32),
    /// A text in something else than UTF-8.
    #[error("field {0} of the message is not UTF-8")]
    Text(u32),
}

/// A message that is filled from its fields: as protobuf wants it, a later one replaces an earlier
/// one, and a message that comes in two parts is both.
pub trait Message<'a>: Default {
    /// Takes one field; one it does not know is none of its affair.
    ///
    /// # Errors
    /// When the field is not what its number promises.
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed>;

    /// Takes all fields of `bytes`.
    ///
    /// # Errors
    /// When `bytes` are no message, or a field is not what its number promises.
    fn merge(&mut self, bytes: &'a [u8]) -> Result<(), Malformed> {
        Fields::new(bytes).try_for_each(|field| self.field(&field?))
    }

    /// Reads `bytes`.
    ///
    /// # Errors
    /// As [`Self::merge`].
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        message.merge(bytes)?;
        Ok(message)
    }
}

/// The fields of a message in the order they stand in. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// `fixed32`, `double` and their like, which nothing here reads.
    Fixed,
}

/// What stands before the content of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The field's number.
    pub number: u32,
    /// The integer, if that is what the field is; then it has no content.
    pub varint: Option<u64>,
    /// Whether the content is a text, bytes, or a message.
    pub delimited: bool,
    /// How many bytes the header takes.
    pub head: usize,
    /// How many bytes of content follow.
    pub content: usize,
}

/// Reads the header of the field that `bytes` begin with; `None` when more bytes are needed.
///
/// # Errors
/// When no field can begin so.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let mut rest = bytes;
    let Some(key) = varint(&mut rest)? else {
        return Ok(None);
    };
    let key = u32::try_from(key).map_err(|_| Malformed::Key)?;
    let mut header = Header {
        number: key >> 3,
        varint: None,
        delimited: false,
        head: 0,
        content: 0,
    };
    if header.number == 0 {
        return Err(Malformed::Key);
    }
    match key & 7 {
        0 => match varint(&mut rest)? {
            None => return Ok(None),
            value => header.varint = value,
        },
        1 => header.content = 8,
        2 => {
            let Some(len) = varint(&mut rest)? else {
                return Ok(None);
            };
            header.delimited = true;
            header.content = usize::try_from(len).map_err(|_| Malformed::Truncated)?;
        }
        5 => header.content = 4,
        _ => return Err(Malformed::Key),
    }
    header.head = bytes.len() - rest.len();
    Ok(Some(header))
}

/// The longest varint: 64 bits of seven each.
const LONGEST: usize = 10;

/// Takes a number off the front; `None` when more bytes are needed.
fn varint(bytes: &mut &[u8]) -> Result<Option<u64>, Malformed> {
    if let [one @ ..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Ok(Some(u64::from(*one)));
    }
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(LONGEST) {
        if at == LONGEST - 1 && *byte > 1 {
            return Err(Malformed::Varint);
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = bytes.get(at + 1..).unwrap_or_default();
            return Ok(Some(value));
        }
    }
    Ok(None)
}

impl<'a> Fields<'a> {
    /// The fields of the message `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self) -> Result<Field<'a>, Malformed> {
        let header = header(self.0)?.ok_or(Malformed::Truncated)?;
        let (_, rest) = self.0.split_at_checked(header.head).unwrap_or_default();
        let content = rest.split_at_checked(header.content);
        let (content, rest) = content.ok_or(Malformed::Truncated)?;
        self.0 = rest;
        let value = match header.varint {
            Some(value) => Value::Varint(value),
            None if header.delimited => Value::Bytes(content),
            None => Value::Fixed,
        };
        Ok(Field {
            number: header.number,
            value,
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Field<'a> {
    /// The content of a field of type `bytes`, or of a message.
    ///
    /// # Errors
    /// [`Malformed::Type`].
    pub const fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) | Value::Fixed => Err(Malformed::Type(self.number)),
        }
    }

    /// The content of a field of type `string`.
    ///
    /// # Errors
    /// [`Malformed::Type`] and [`Malformed::Text`].
    pub fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Text(self.number))
    }

    /// The content of a field of type `int32`, which counts the low 32 bits alone.
    ///
    /// # Errors
    /// [`Malformed::Type`].
    pub fn int32(&self) -> Result<i32, Malformed> {
        match self.value {
            Value::Varint(value) => {
                let low = u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default();
                Ok(low.cast_signed())
            }
            Value::Bytes(_) | Value::Fixed => Err(Malformed::Type(self.number)),
        }
    }

    /// The content of a field of type `int64`.
    ///
    /// # Errors
    /// [`Malformed::Type`].
    pub const fn int64(&self) -> Result<i64, Malformed> {
        match self.value {
            Value::Varint(value) => Ok(value.cast_signed()),
            Value::Bytes(_) | Value::Fixed => Err(Malformed::Type(self.number)),
        }
    }

    /// The message in the field.
    ///
    /// # Errors
    /// When there is none.
    pub fn message<M: Message<'a>>(&self) -> Result<M, Malformed> {
        M::read(self.bytes()?)
    }

    /// One entry of a map: its key, and its value with `read` applied to each field that holds it.
    ///
    /// # Errors
    /// When there is none.
    pub fn entry<V: Default>(
        &self,
        mut read: impl FnMut(&Self, &mut V) -> Result<(), Malformed>,
    ) -> Result<(&'a str, V), Malformed> {
        let (mut key, mut value) = ("", V::default());
        for field in Fields::new(self.bytes()?) {
            let field = field?;
            match field.number {
                1 => key = field.text()?,
                2 => read(&field, &mut value)?,
                _ => {}
            }
        }
        Ok((key, value))
    }

    /// One entry of a map from texts to texts.
    ///
    /// # Errors
    /// When there is none.
    pub fn text_entry(&self) -> Result<(&'a str, &'a str), Malformed> {
        self.entry(|field, value: &mut &'a str| {
            *value = field.text()?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Status<'a> {
        message: &'a str,
        code: i32,
        details: Vec<&'a [u8]>,
    }

    impl<'a> Message<'a> for Status<'a> {
        fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
            match field.number {
                3 => self.message = field.text()?,
                5 => self.details.push(field.bytes()?),
                6 => self.code = field.int32()?,
                _ => {}
            }
            Ok(())
        }
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        use Malformed::{Key, Text, Truncated, Type, Varint};
        for (bytes, expected) in [
            (b"\x1a\x05abc".as_slice(), Truncated),
            (b"\x1a", Truncated),
            (b"\x80", Truncated),
            (b"\x30\x80\x80", Truncated),
            (b"\x09\0\0\0", Truncated),
            (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Truncated),
            (b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Varint),
            (b"\x02\0", Key),
            (b"\x33", Key),
            (b"\xfa\xff\xff\xff\xff\x01\0", Key),
            (b"\x18\x01", Type(3)),
            (b"\x32\0", Type(6)),
            (b"\x1a\x01\xff", Text(3)),
        ] {
            assert_eq!(Status::read(bytes), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn unknown_fields_of_every_type_are_skipped() {
        let bytes = b"\x78\x96\x01\x79abcdefgh\x7a\x03abc\x7dabcd\x30\x2a";
        assert_eq!(Status::read(bytes).unwrap().code, 42);
    }

    #[test]
    fn fields_end_after_the_first_error() {
        let fields: Vec<_> = Fields::new(b"\x30\x01\x33\x30\x01").collect();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[1].unwrap_err(), Malformed::Key);
    }

    proptest! {
        #[test]
        fn what_kubernetes_definitions_write_is_read(
            message in ".{0,300}", code in any::<i32>(), name in ".{0,9}",
            labels in prop::collection::btree_map(".{0,9}", ".{0,200}", 0..9),
        ) {
            let status = meta::Status {
                status: Some("Failure".into()),
                message: Some(message.clone()),
                code: Some(code),
                details: Some(meta::StatusDetails { name: Some(name), ..Default::default() }),
                ..Default::default()
            };
            let bytes = status.encode_to_vec();
            let read = Status::read(&bytes).unwrap();
            prop_assert_eq!((read.message, read.code), (message.as_str(), code));
            prop_assert_eq!(read.details[0], status.details.unwrap().encode_to_vec());

            let bytes = meta::ObjectMeta { labels: labels.clone(), ..Default::default() }.encode_to_vec();
            let read: Vec<_> = Fields::new(&bytes).map(|field| field.unwrap().text_entry().unwrap()).collect();
            let expected: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = Status::read(&bytes);
            if let Ok(theirs) = meta::Status::decode(bytes.as_slice()) {
                // Groups are the one thing it reads and we do not.
                let theirs = (theirs.message.unwrap_or_default(), theirs.code.unwrap_or_default());
                match read {
                    Ok(ours) => prop_assert_eq!((ours.message.to_owned(), ours.code), theirs),
                    // Groups are the one thing it reads and we do not.
                    Err(error) => prop_assert_eq!(error, Malformed::Key),
                }
            }
        }
    }
}
