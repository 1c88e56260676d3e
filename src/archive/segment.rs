//! One segment, byte by byte.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `LLHD` |
//! | 1 | the version: 1 |
//! | … | frames: the columns; entities, sorted, some 64 KiB of them in a frame; the index, with the first entity of each frame and where the frame is; the UIDs, each by its CRC-32 with the number of its frame |
//! | 8, 8 | where the index is, and the UIDs |
//! | 8, 8 | the first and the last tick, in milliseconds |
//! | 4 | how many columns there are |
//! | 4 | the CRC-32 of the 36 bytes before |
//! | 4 | `LLHE` |
//!
//! A frame is the length of what follows its head, 4 bytes; the CRC-32 of that, 4 bytes; and then
//! the content, deflated. Numbers have their lowest byte first.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::domain::{EntityKey, Timestamp};
use crate::history::{
    FormatError, FormatReader, FormatWriter, HandedFamily, RingColumns, RingPart, RingReader,
    RingWriter, read_key, write_key,
};

/// Why a segment, or a part of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The disk does not let us.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no segment.
    #[error("it is no segment")]
    Stranger,
    /// It is of a release we know nothing of.
    #[error("it is of version {0}")]
    Version(u8),
    /// Its end is missing, or not that of a segment.
    #[error("it is cut short")]
    CutShort,
    /// Something in it is not as it was written.
    #[error("a checksum does not fit")]
    Checksum,
    /// It says what cannot be.
    #[error("it is malformed")]
    Malformed,
}

/// What is known of a segment without reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) columns: u32,
    pub(super) bytes: u64,
    index: u64,
    uids: u64,
}

/// Bytes that are read at any place.
pub(super) trait ReadAt {
    fn size(&self) -> io::Result<u64>;
    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()>;
}

/// A segment that is being read.
#[derive(Debug)]
pub(super) struct Segment<B> {
    bytes: B,
    pub(super) meta: Meta,
}

/// A segment on a volume.
pub(super) type Opened = Segment<Box<dyn ReadAt>>;

/// The first entity of each frame, ascending, and where that is.
pub(super) type Index = Vec<(EntityKey, u64)>;

const MAGIC: [u8; 4] = *b"LLHD";
const END: [u8; 4] = *b"LLHE";
/// Changes with everything that is written differently.
const VERSION: u8 = 1;
const HEAD: u64 = 5;
const FRAME_HEAD: u64 = 8;
const TAIL: u64 = 44;
/// A frame of entities is full with this much, before it is deflated.
const PIECE: usize = 64 << 10;
/// Longer than any frame we write.
const LONGEST: usize = 16 << 20;

struct Output<'a> {
    out: &'a mut dyn Write,
    at: u64,
}

/// Writes a segment of these columns, all of them finished, and says what is known of it.
pub(super) fn write(
    out: &mut dyn Write,
    columns: &RingColumns,
    families: &mut dyn Iterator<Item = HandedFamily>,
) -> io::Result<Meta> {
    let mut output = Output { out, at: 0 };
    output.write(&MAGIC)?;
    output.write(&[VERSION])?;
    let mut writer = FormatWriter::default();
    RingWriter::default().columns(&mut writer, columns.clone());
    output.frame(&writer.out)?;
    let (mut index, mut uids) = (FormatWriter::default(), Vec::new());
    let mut families = families.peekable();
    let mut number: u32 = 0;
    while let Some(first) = families.peek() {
        index.number(output.at);
        write_key(&mut index, &first.key);
        let (mut writer, mut ring) = (FormatWriter::default(), RingWriter::of(columns.clone()));
        while writer.out.len() < PIECE
            && let Some(family) = families.next()
        {
            ring.family(&mut writer, &family);
            let of = family.lives.iter().filter_map(|life| life.uid.as_ref());
            uids.extend(of.map(|uid| (checksum(uid.as_bytes()), number)));
        }
        output.frame(&writer.out)?;
        number += 1;
    }
    let index_at = output.at;
    output.frame(&index.out)?;
    let uids_at = output.at;
    uids.sort_unstable();
    let pairs = uids.iter().flat_map(|(uid, frame)| [*uid, *frame]);
    output.frame(&pairs.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
    let tick = |one: Option<&(u32, Timestamp)>| one.map_or(columns.begun.1, |(_, tick)| *tick);
    let meta = Meta {
        first: tick(columns.finished.first()),
        last: tick(columns.finished.last()),
        columns: u32::try_from(columns.finished.len()).unwrap_or(u32::MAX),
        bytes: output.at + TAIL,
        index: index_at,
        uids: uids_at,
    };
    output.write(&meta.tail())?;
    Ok(meta)
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn frame(&mut self, content: &[u8]) -> io::Result<()> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content)?;
        let packed = encoder.finish()?;
        let too_long = || io::Error::other("a frame would be too long");
        let fits = content.len() <= LONGEST && packed.len() <= LONGEST;
        let length = u32::try_from(packed.len()).ok().filter(|_| fits);
        self.write(&length.ok_or_else(too_long)?.to_le_bytes())?;
        self.write(&checksum(&packed).to_le_bytes())?;
        self.write(&packed)
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

impl Meta {
    fn tail(&self) -> Vec<u8> {
        let mut tail = Vec::new();
        tail.extend(self.index.to_le_bytes());
        tail.extend(self.uids.to_le_bytes());
        tail.extend(self.first.as_millis().to_le_bytes());
        tail.extend(self.last.as_millis().to_le_bytes());
        tail.extend(self.columns.to_le_bytes());
        tail.extend(checksum(&tail).to_le_bytes());
        tail.extend(END);
        tail
    }

    fn read(tail: &[u8], bytes: u64) -> Result<Self, Broken> {
        let (content, end) = tail.split_at_checked(36).ok_or(Broken::CutShort)?;
        let sum = checksum(content).to_le_bytes();
        if end != [sum, END].concat() {
            return Err(Broken::CutShort);
        }
        let mut rest = content;
        let mut eight = || -> Result<[u8; 8], Broken> {
            let (number, behind) = rest.split_first_chunk().ok_or(Broken::CutShort)?;
            rest = behind;
            Ok(*number)
        };
        let (index, uids) = (u64::from_le_bytes(eight()?), u64::from_le_bytes(eight()?));
        let (first, last) = (i64::from_le_bytes(eight()?), i64::from_le_bytes(eight()?));
        let columns = rest.first_chunk().ok_or(Broken::CutShort)?;
        Ok(Self {
            first: Timestamp::from_millis(first),
            last: Timestamp::from_millis(last),
            columns: u32::from_le_bytes(*columns),
            bytes,
            index,
            uids,
        })
    }
}

impl<B: ReadAt> Segment<B> {
    /// Looks at a segment's head and end.
    pub(super) fn open(bytes: B) -> Result<Self, Broken> {
        let size = bytes.size()?;
        if size < HEAD + TAIL {
            return Err(Broken::CutShort);
        }
        let mut head = [0; 5];
        bytes.fill(&mut head, 0)?;
        let [magic @ .., version] = head;
        if magic != MAGIC {
            return Err(Broken::Stranger);
        }
        if version != VERSION {
            return Err(Broken::Version(version));
        }
        let mut tail = [0; 44];
        bytes.fill(&mut tail, size - TAIL)?;
        let meta = Meta::read(&tail, size)?;
        Ok(Self { bytes, meta })
    }

    /// The columns.
    pub(super) fn columns(&self) -> Result<RingColumns, Broken> {
        let (content, _) = self.frame(HEAD)?;
        match RingReader::default().read(&content)? {
            RingPart::Columns(columns) => Ok(columns),
            RingPart::Families(_) => Err(Broken::Malformed),
        }
    }

    /// Which entities lie where.
    pub(super) fn index(&self) -> Result<Index, Broken> {
        let (content, _) = self.frame(self.meta.index)?;
        let mut reader = FormatReader::new(&content);
        let mut index = Index::new();
        while !reader.is_empty() {
            let at = reader.number()?;
            index.push((read_key(&mut reader)?, at));
        }
        let ascend = |pair: &[(EntityKey, u64)]| match pair {
            [a, b] => a.0 < b.0 && a.1 < b.1,
            _ => true,
        };
        let ascends = index.windows(2).all(ascend);
        ascends.then_some(index).ok_or(Broken::Malformed)
    }

    /// The numbers of the frames that may hold the pod of a UID, ascending.
    pub(super) fn frames_of(&self, uids: &[Arc<str>]) -> Result<Vec<Vec<usize>>, Broken> {
        let (content, _) = self.frame(self.meta.uids)?;
        let (pairs, rest) = content.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(Broken::Malformed);
        }
        let pair = |[a, b, c, d, rest @ ..]: &[u8; 8]| {
            let frame = u32::from_le_bytes(*rest);
            (u32::from_le_bytes([*a, *b, *c, *d]), frame)
        };
        let frames = |uid: &Arc<str>| {
            let sum = checksum(uid.as_bytes());
            let from = pairs.partition_point(|one| pair(one).0 < sum);
            let of = pairs.iter().skip(from).map(pair);
            let of = of.take_while(|(uid, _)| *uid == sum);
            let mut frames: Vec<usize> = of.filter_map(|(_, at)| at.try_into().ok()).collect();
            frames.dedup();
            frames
        };
        Ok(uids.iter().map(frames).collect())
    }

    /// The entities of the frame at this place.
    pub(super) fn families(
        &self,
        at: u64,
        columns: &RingColumns,
    ) -> Result<Vec<HandedFamily>, Broken> {
        let (content, _) = self.frame(at)?;
        match RingReader::of(columns.clone()).read(&content)? {
            RingPart::Families(families) => Ok(families),
            RingPart::Columns(_) => Err(Broken::Malformed),
        }
    }

    /// The content of the frame at this place, and where the next one is.
    fn frame(&self, at: u64) -> Result<(Vec<u8>, u64), Broken> {
        let end = self.meta.bytes.saturating_sub(TAIL);
        let start = at.checked_add(FRAME_HEAD).filter(|start| *start <= end);
        let start = start.ok_or(Broken::Malformed)?;
        let mut head = [0; 8];
        self.bytes.fill(&mut head, at)?;
        let [a, b, c, d, sum @ ..] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        let next = start + u64::from(length);
        let length = usize::try_from(length).ok().filter(|l| *l <= LONGEST);
        let length = length.filter(|_| next <= end).ok_or(Broken::Malformed)?;
        let mut packed = vec![0; length];
        self.bytes.fill(&mut packed, start)?;
        if checksum(&packed) != u32::from_le_bytes(sum) {
            return Err(Broken::Checksum);
        }
        let mut content = Vec::new();
        let decoder = DeflateDecoder::new(packed.as_slice());
        let read = decoder.take(LONGEST as u64 + 1).read_to_end(&mut content);
        if read.is_err() || content.len() > LONGEST {
            return Err(Broken::Malformed);
        }
        Ok((content, next))
    }
}

impl From<FormatError> for Broken {
    fn from(_: FormatError) -> Self {
        Self::Malformed
    }
}

impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(into, at)
    }
}

impl ReadAt for Box<dyn ReadAt> {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        (**self).fill(into, at)
    }
}

impl ReadAt for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let mut from = usize::try_from(at).ok().and_then(|at| self.get(at..));
        let from = from.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
        from.read_exact(into)
    }
}

/// Reads every part of a segment, and says how many entities it has.
///
/// # Errors
/// [`Broken`].
pub fn read_any(bytes: &[u8]) -> Result<usize, Broken> {
    let segment = Segment::open(bytes)?;
    let columns = segment.columns()?;
    let nobody = [Arc::from("")];
    segment.frames_of(&nobody)?;
    let mut entities = 0;
    for (_, at) in segment.index()? {
        entities += segment.families(at, &columns)?.len();
    }
    Ok(entities)
}
