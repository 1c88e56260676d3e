//! Numbers of any width, one behind the other.

/// Appends numbers to a buffer, lowest bit first.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    /// How many bits are held; less than 64.
    count: u32,
}

/// Reads what a [`BitWriter`] wrote; beyond the end there are zeros.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            held: 0,
            count: 0,
        }
    }

    /// Appends the lowest `width` bits of a value that has no others; `width` is at most 64.
    #[inline]
    pub(super) fn write(&mut self, value: u64, width: u32) {
        self.held |= value << self.count;
        let count = self.count + width;
        if count < 64 {
            self.count = count;
            return;
        }
        self.out.extend_from_slice(&self.held.to_le_bytes());
        self.held = value.checked_shr(64 - self.count).unwrap_or(0);
        self.count = count - 64;
    }

    #[inline]
    pub(super) fn flag(&mut self, flag: bool) {
        self.write(u64::from(flag), 1);
    }

    /// Fills the last byte with zeros.
    pub(super) fn finish(self) {
        let bytes = self.held.to_le_bytes();
        let used = self.count.div_ceil(8) as usize;
        self.out.extend(bytes.iter().take(used));
    }
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next 57 bits at least, which stay to be read.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        self.word(self.at / 8) >> (self.at % 8)
    }

    /// Passes over bits that are known.
    #[inline]
    pub(super) const fn pass(&mut self, width: usize) {
        self.at += width;
    }

    /// The next `width` bits, at most 64.
    #[inline]
    pub(super) fn read(&mut self, width: u32) -> u64 {
        let (byte, shift) = (self.at / 8, self.at % 8);
        self.at += width as usize;
        let mut value = self.word(byte) >> shift;
        if shift + width as usize > 64 {
            value |= self.word(byte + 8) << (64 - shift);
        }
        match width {
            64 => value,
            _ => value & ((1 << width) - 1),
        }
    }

    #[inline]
    pub(super) fn flag(&mut self) -> bool {
        self.read(1) == 1
    }

    /// The eight bytes from here.
    #[inline]
    fn word(&self, byte: usize) -> u64 {
        let rest = self.bytes.get(byte..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            word
        });
        u64::from_le_bytes(word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec((any::<u64>(), 1_u32..=64), 0..200)) {
            let numbers: Vec<(u64, u32)> =
                numbers.iter().map(|(value, width)| (value >> (64 - width), *width)).collect();
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for (value, width) in &numbers {
                writer.write(*value, *width);
            }
            writer.finish();
            let bits: u32 = numbers.iter().map(|(_, width)| width).sum();
            prop_assert_eq!(bytes.len(), bits.div_ceil(8) as usize);
            let mut reader = BitReader::new(&bytes);
            for (value, width) in numbers {
                let mask = (1 << width.min(57)) - 1;
                prop_assert_eq!(reader.peek() & mask, value & mask);
                prop_assert_eq!(reader.read(width), value);
            }
        }
    }

    #[test]
    fn beyond_the_end_there_are_zeros() {
        let mut reader = BitReader::new(&[0xff]);
        assert_eq!((reader.read(12), reader.read(64)), (0xff, 0));
    }
}
