//! One batch in one file.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::held::File;
use crate::lifecycle::FolderLock;

/// What a file begins with; then come the length and the checksum of the rest.
const MAGIC: &[u8; 8] = b"LLSPOOL1";
const HEAD: usize = MAGIC.len() + 8 + 4;
const ENDING: &str = "batch";
const UNFINISHED: &str = "unfinished";
/// The longest batch that is read back; more than the largest cluster makes.
const LONGEST: u64 = 4 << 30;

/// A folder's lock, and its files.
pub(super) type Claimed = (FolderLock, Vec<File>);

/// Where the batch with this number lies. Numbers have as many digits as any, so that names are in
/// the order of the numbers.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.{ENDING}"))
}

/// The bytes of a file with this content.
pub(super) fn sealed(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(vec![0; HEAD], Compression::fast());
    encoder.write_all(content)?;
    let mut bytes = encoder.finish()?;
    let (head, body) = bytes.split_at_mut(HEAD);
    let length = body.len() as u64;
    let sum = checksum(body);
    let parts = MAGIC.iter().copied();
    let parts = parts.chain(length.to_le_bytes()).chain(sum.to_le_bytes());
    for (to, from) in head.iter_mut().zip(parts) {
        *to = from;
    }
    Ok(bytes)
}

/// What was sealed; `None` when the bytes are not whole or not the ones that were written.
pub(super) fn opened(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, body) = bytes.split_at_checked(HEAD)?;
    let rest = head.strip_prefix(MAGIC.as_slice())?;
    let (length, sum) = rest.split_at_checked(8)?;
    let whole = u64::from_le_bytes(length.try_into().ok()?) == body.len() as u64;
    if !whole || u32::from_le_bytes(sum.try_into().ok()?) != checksum(body) {
        return None;
    }
    let mut content = Vec::new();
    let mut decoder = ZlibDecoder::new(body).take(LONGEST);
    decoder.read_to_end(&mut content).ok()?;
    Some(content)
}

fn checksum(body: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(body);
    crc.sum()
}

/// Writes the file of a batch as [`write_whole`] does.
pub(super) fn write(folder: &Path, number: u64, bytes: &[u8]) -> io::Result<()> {
    write_whole(&path(folder, number), bytes)
}

/// Writes a file that is there as a whole or not at all, whatever happens meanwhile.
pub(super) fn write_whole(to: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = to.with_extension(UNFINISHED);
    let written = fs::File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&unfinished, to));
    // Its name is to outlive the machine, too.
    let folder = to.parent().unwrap_or(to);
    let renamed = renamed.and_then(|()| fs::File::open(folder)?.sync_all());
    if renamed.is_err() {
        // What is left of it only takes room.
        let _ = fs::remove_file(&unfinished);
    }
    renamed
}

/// Makes a folder ours until the lock is dropped, and lists its files as [`list`] does; `None` when
/// another process has it. Makes the folder if it is not there.
pub(super) fn claim(folder: &Path) -> io::Result<Option<Claimed>> {
    fs::create_dir_all(folder)?;
    let lock = FolderLock::take(folder)?;
    lock.map(|lock| Ok((lock, list(folder)?))).transpose()
}

/// Whether batches lie in this folder.
pub(super) fn holds_batches(folder: &Path) -> bool {
    batches(folder).next().is_some()
}

/// What the batches in this folder take, as far as it can be read.
pub(super) fn taken(folder: &Path) -> u64 {
    let files = batches(folder).filter_map(|file| file.metadata().ok());
    files.map(|file| file.len()).sum()
}

fn batches(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|ending| ending == ENDING)
    })
}

/// That another process has the folder.
pub(super) fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "another process uses it")
}

/// The files in a folder, the oldest first; what never was finished is removed.
fn list(folder: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse().ok());
        match (ending, number) {
            (Some(ENDING), Some(number)) => {
                let bytes = entry.metadata()?.len();
                files.push(File { number, bytes });
            }
            (Some(UNFINISHED), _) => fs::remove_file(&path)?,
            _ => {}
        }
    }
    files.sort_unstable_by_key(|file| file.number);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_torn_or_turned_is_not_opened() {
        let content = b"abc".repeat(1000);
        let sealed = sealed(&content).unwrap();
        assert!(sealed.len() < content.len() / 10);
        assert_eq!(opened(&sealed), Some(content));
        for end in 0..sealed.len() {
            assert_eq!(opened(&sealed[..end]), None, "{end}");
        }
        for at in 0..sealed.len() {
            let mut turned = sealed.clone();
            turned[at] ^= 1;
            assert_eq!(opened(&turned), None, "{at}");
        }
    }
}
