//! The two wire types these messages use.

use anyhow::{Context, Result, bail, ensure};

/// The bytes of one message, read field by field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).context("field number")?;
        ensure!(number > 0, "field number 0");
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?)?;
                let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
                    bail!(
                        "field {number} says {length} bytes, {} are left",
                        self.rest.len()
                    );
                };
                self.rest = rest;
                Field::Bytes(bytes)
            }
            other => bail!("field {number} has wire type {other}"),
        };
        Ok(Some((number, field)))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().context("a varint breaks off")?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            ensure!(shift < 63 || bits < 2, "a varint of more than 64 bits");
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a varint of more than ten bytes")
    }
}

impl<'a> Field<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) => bail!("a number where bytes belong"),
        }
    }

    pub(super) fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).context("not UTF-8")
    }

    pub(super) fn number(self) -> Result<i64> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            Self::Bytes(_) => bail!("bytes where a number belongs"),
        }
    }
}

/// Appends a number, zero too, as Kubernetes' own encoders do.
pub(super) fn put_varint(out: &mut Vec<u8>, number: u32, value: i64) {
    put_raw(out, u64::from(number << 3));
    put_raw(out, value.cast_unsigned());
}

/// Appends bytes, none too.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_raw(out, u64::from(number << 3 | 2));
    put_raw(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_raw(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
