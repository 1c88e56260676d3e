//! Numbers and texts as they are written, and what can be wrong with them.

use std::sync::Arc;

use crate::domain::{Namespace, PodKey, PodName, Timestamp};

/// Why what was written elsewhere, or before, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It is no hand-off at all, or of something else.
    #[error("it is no hand-off")]
    Stranger,
    /// It is a hand-off of a release we know nothing of.
    #[error("it is of version {0}")]
    Version(u8),
    /// A part is not as it was sent.
    #[error("a checksum does not fit")]
    Checksum,
    /// A part is longer than any we write.
    #[error("a part is too long")]
    TooLong,
    /// It says what cannot be.
    #[error("it is malformed")]
    Malformed,
    /// It ended before it was complete.
    #[error("it ended too early")]
    CutShort,
}

/// Appends numbers and texts to bytes.
#[derive(Debug, Default)]
pub struct FormatWriter {
    /// What was appended.
    pub out: Vec<u8>,
}

/// Reads what a [`FormatWriter`] wrote.
#[derive(Clone, Copy, Debug)]
pub struct FormatReader<'a>(&'a [u8]);

impl FormatWriter {
    /// A byte.
    pub fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// Seven bits a byte, the lowest first, the last below 128.
    pub fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.out
                .extend(u8::try_from(number & 0x7f).map(|b| b | 0x80));
            number >>= 7;
        }
        self.out.extend(u8::try_from(number));
    }

    /// Small numbers of either sign take few bytes.
    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// How many of something there are.
    pub fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Bytes and how many they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// A text and how long it is.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A time by its distance to another.
    pub fn time(&mut self, at: Timestamp, from: Timestamp) {
        self.signed(at.as_millis().wrapping_sub(from.as_millis()));
    }
}

impl<'a> FormatReader<'a> {
    /// Reads these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Tells whether all of it was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    ///
    /// # Errors
    /// [`FormatError::Malformed`], as all of these, when it is not there.
    pub fn byte(&mut self) -> Result<u8, FormatError> {
        let (first, rest) = self.0.split_first().ok_or(FormatError::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn number(&mut self) -> Result<u64, FormatError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(FormatError::Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(FormatError::Malformed)
    }

    /// A number of either sign.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn signed(&mut self) -> Result<i64, FormatError> {
        let zigzag = self.number()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A number of 32 bits.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn small(&mut self) -> Result<u32, FormatError> {
        u32::try_from(self.number()?).map_err(|_| FormatError::Malformed)
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn bytes(&mut self) -> Result<&'a [u8], FormatError> {
        let length = usize::try_from(self.number()?).map_err(|_| FormatError::Malformed)?;
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(FormatError::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A text.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn text(&mut self) -> Result<Arc<str>, FormatError> {
        let text = std::str::from_utf8(self.bytes()?);
        text.map(Arc::from).map_err(|_| FormatError::Malformed)
    }

    /// A pod's namespace and name.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn pod(&mut self) -> Result<PodKey, FormatError> {
        let malformed = FormatError::Malformed;
        let namespace = Namespace::new(self.text()?).map_err(|_| malformed)?;
        let name = PodName::new(self.text()?).map_err(|_| malformed)?;
        Ok(PodKey::new(namespace, name))
    }

    /// A time by its distance to another.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn time(&mut self, from: Timestamp) -> Result<Timestamp, FormatError> {
        let millis = from.as_millis().checked_add(self.signed()?);
        millis
            .map(Timestamp::from_millis)
            .ok_or(FormatError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(any::<u64>(), 0..20), text in ".{0,40}") {
            let mut writer = FormatWriter::default();
            for (at, number) in numbers.iter().enumerate() {
                writer.number(number >> (at * 7 % 64));
                writer.signed(number.cast_signed());
            }
            writer.text(&text);
            let mut reader = FormatReader::new(&writer.out);
            for (at, number) in numbers.iter().enumerate() {
                prop_assert_eq!(reader.number(), Ok(number >> (at * 7 % 64)));
                prop_assert_eq!(reader.signed(), Ok(number.cast_signed()));
            }
            let read = reader.text().unwrap();
            prop_assert_eq!(&*read, text.as_str());
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let malformed = Err(FormatError::Malformed);
        assert_eq!(FormatReader::new(&[]).number(), malformed);
        assert_eq!(FormatReader::new(&[0x80]).number(), malformed);
        assert_eq!(FormatReader::new(&[0xff; 10]).number(), malformed);
        assert_eq!(FormatReader::new(&[0x80; 11]).number(), malformed);
        assert!(FormatReader::new(&[2, 1]).bytes().is_err());
        assert!(FormatReader::new(&[1, 0xff]).text().is_err());
        let late = Timestamp::from_millis(i64::MAX);
        assert!(FormatReader::new(&[2]).time(late).is_err());
    }
}
