//! How the rows of an entity are packed.
//!
//! The newest row stands first, as differences to zero; each older one behind it as differences to
//! the next newer. So a new row touches only the first record, and the oldest is forgotten by
//! cutting the end off. A series that does not change costs a bit a row.
//!
//! A record is its length in bytes (seven bits a byte, the lowest first, the last below 128), then
//! bits: whether ticks were skipped, and if so the distance to the newer row; whether other series
//! are present than in the newer row (than all, in the first record), and if so which; then each
//! present series: nothing new, or the difference with its width in steps of four bits. Whole pages
//! are counted where amounts are.

use super::bits::{BitReader, BitWriter};
use super::shape::Column;

/// The values of one tick.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// The number of the tick.
    pub(super) tick: u32,
    /// The bits of each series' value.
    pub(super) values: Vec<Option<u64>>,
}

/// The rows of packed bytes, newest first.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    columns: &'a [Column],
    /// How many of the columns are unpacked; the values of the others are arbitrary.
    wanted: usize,
    records: Records<'a>,
    row: Row,
}

/// The records of packed bytes, newest first, not unpacked.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
    tick: u32,
    first: bool,
}

/// One record, and what its head says.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    pub(super) tick: u32,
    /// Whether other series are present than in the newer row.
    pub(super) differs: bool,
    /// All of it.
    pub(super) bytes: &'a [u8],
    bits: BitReader<'a>,
}

const PAGE_BITS: u32 = 12;

/// Appends the record of `row` behind that of the next newer one.
///
/// `scratch` is overwritten.
pub(super) fn write(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    columns: &[Column],
    newer: Option<&Row>,
    row: &Row,
) {
    scratch.clear();
    let mut bits = BitWriter::new(scratch);
    let distance = newer.map_or(1, |newer| newer.tick.wrapping_sub(row.tick));
    bits.flag(distance != 1);
    if distance != 1 {
        bits.write(distance.into(), 32);
    }
    // All are, in the row before the first.
    let differs = match newer {
        Some(newer) => {
            (newer.values.iter().zip(&row.values)).any(|(a, b)| a.is_some() != b.is_some())
        }
        None => row.values.iter().any(Option::is_none),
    };
    bits.flag(differs);
    if differs {
        row.values
            .iter()
            .for_each(|value| bits.flag(value.is_some()));
    }
    let mut bases = newer.map(|newer| newer.values.iter());
    for (column, value) in columns.iter().zip(&row.values) {
        let base = bases.as_mut().and_then(|bases| *bases.next()?);
        if let Some(value) = value {
            write_difference(&mut bits, *column, base.unwrap_or_default(), *value);
        }
    }
    bits.finish();
    write_length(out, scratch.len());
    out.extend_from_slice(scratch);
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        out.extend(u8::try_from(length & 0x7f).map(|low| low | 0x80));
        length >>= 7;
    }
    out.extend(u8::try_from(length));
}

fn write_difference(bits: &mut BitWriter<'_>, column: Column, base: u64, value: u64) {
    if base == value {
        bits.flag(false);
        return;
    }
    let mut difference = zigzag(value.wrapping_sub(base));
    // That it differs, whether in pages, and the steps, written as one.
    let (mut head, mut width) = (1, 1);
    if column.paged {
        let paged = (base | value).trailing_zeros() >= PAGE_BITS;
        (head, width) = (1 | u64::from(paged) << 1, 2);
        if paged {
            difference = zigzag(pages(difference));
        }
    }
    let steps = (64 - difference.leading_zeros()).div_ceil(4).max(1);
    bits.write(head | u64::from(steps - 1) << width, width + 4);
    bits.write(difference, steps * 4);
}

fn read_difference(bits: &mut BitReader<'_>, column: Column, base: u64) -> u64 {
    // What stands before the difference is looked at in one piece.
    let head = bits.peek();
    if head & 1 == 0 {
        bits.pass(1);
        return base;
    }
    let paged = column.paged && head & 2 != 0;
    let before_steps = if column.paged { 2 } else { 1 };
    bits.pass(before_steps + 4);
    let width = match u32::try_from(head >> before_steps & 0xf) {
        Ok(steps) => (steps + 1) * 4,
        Err(_) => 64,
    };
    let difference = unzigzag(bits.read(width));
    let difference = if paged {
        difference << PAGE_BITS
    } else {
        difference
    };
    base.wrapping_add(difference)
}

/// Small numbers of either sign become small numbers.
const fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (difference.cast_signed() >> 63).cast_unsigned()
}

const fn unzigzag(zigzag: u64) -> u64 {
    (zigzag >> 1) ^ (zigzag & 1).wrapping_neg()
}

/// What a zigzag of bytes is in whole pages, its sign kept.
const fn pages(zigzag: u64) -> u64 {
    (unzigzag(zigzag).cast_signed() >> PAGE_BITS).cast_unsigned()
}

impl<'a> Records<'a> {
    /// The records of `bytes`, the newest of which is of `tick`.
    pub(super) const fn new(bytes: &'a [u8], tick: u32) -> Self {
        Self {
            rest: bytes,
            tick,
            first: true,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (mut length, mut head) = (0, 0);
        // Longer than four bytes no length is: a record of another replica's may say anything.
        for byte in self.rest.iter().take(4) {
            length |= usize::from(byte & 0x7f) << (7 * head);
            head += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let bytes = self.rest.get(..head + length).filter(|_| head > 0)?;
        self.rest = self.rest.get(head + length..)?;
        let body = bytes.get(head..)?;
        let mut bits = BitReader::new(body);
        // Looked at for every record each time one is added.
        let flags = body.first().copied().unwrap_or(0);
        let (differs, distance) = if flags & 1 == 0 {
            bits.pass(2);
            (flags & 2 != 0, 1)
        } else {
            bits.pass(1);
            let distance = bits.read(32);
            (bits.flag(), distance)
        };
        if !self.first {
            self.tick = self.tick.wrapping_sub(u32::try_from(distance).ok()?);
        }
        self.first = false;
        Some(Record {
            tick: self.tick,
            differs,
            bytes,
            bits,
        })
    }
}

impl<'a> Rows<'a> {
    /// The rows of `bytes`, the newest of which is of `tick`; the values of the first `wanted`
    /// columns are unpacked, of the others only whether they are there.
    pub(super) fn new(columns: &'a [Column], wanted: usize, bytes: &'a [u8], tick: u32) -> Self {
        Self::within(Row::default(), columns, wanted, bytes, tick)
    }

    /// The same, unpacked into a row that is of no other use.
    pub(super) fn within(
        mut room: Row,
        columns: &'a [Column],
        wanted: usize,
        bytes: &'a [u8],
        tick: u32,
    ) -> Self {
        room.values.clear();
        room.values.resize(columns.len(), Some(0));
        room.tick = tick;
        Self {
            columns,
            wanted,
            records: Records::new(bytes, tick),
            row: room,
        }
    }

    /// The row they were unpacked into, of no use now.
    pub(super) fn into_room(self) -> Row {
        self.row
    }

    /// The next older row.
    pub(super) fn next(&mut self) -> Option<&Row> {
        let record = self.records.next()?;
        let mut bits = record.bits;
        self.row.tick = record.tick;
        if record.differs {
            for value in &mut self.row.values {
                let base = value.unwrap_or_default();
                *value = bits.flag().then_some(base);
            }
        }
        let columns = self.columns.iter().zip(&mut self.row.values);
        for (column, value) in columns.take(self.wanted) {
            if let Some(value) = value {
                *value = read_difference(&mut bits, *column, *value);
            }
        }
        Some(&self.row)
    }
}
