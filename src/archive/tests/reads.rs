//! Disks that do not always let us read.

use std::io;
use std::sync::atomic::AtomicU64;

use super::super::folder::Durable;
use super::super::segment::ReadAt;
use super::*;
use crate::telemetry::testing::logged;

/// A disk that refuses one access of those that read, or of those that make a file: the one this
/// many are before, if any.
#[derive(Clone)]
struct Flaky {
    reads: Arc<AtomicU64>,
    creates: Arc<AtomicU64>,
}

struct Reads(Box<dyn ReadAt>, Flaky);

const NEVER: u64 = u64::MAX;

impl Flaky {
    fn new() -> Self {
        Self {
            reads: Arc::new(AtomicU64::new(NEVER)),
            creates: Arc::new(AtomicU64::new(NEVER)),
        }
    }

    fn fail_after(&self, accesses: u64) {
        self.reads.store(accesses, Ordering::Relaxed);
    }

    fn has_failed(&self) -> bool {
        self.reads.load(Ordering::Relaxed) == NEVER
    }
}

fn access(left: &AtomicU64) -> io::Result<()> {
    match left.load(Ordering::Relaxed) {
        NEVER => Ok(()),
        0 => {
            left.store(NEVER, Ordering::Relaxed);
            Err(io::Error::from_raw_os_error(5))
        }
        more => {
            left.store(more - 1, Ordering::Relaxed);
            Ok(())
        }
    }
}

impl Volume for Flaky {
    fn size(&self, path: &Path) -> io::Result<u64> {
        Disk.size(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        access(&self.creates)?;
        Disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        access(&self.reads)?;
        Ok(Box::new(Reads(Disk.open(path)?, self.clone())))
    }
}

impl ReadAt for Reads {
    fn size(&self) -> io::Result<u64> {
        access(&self.1.reads)?;
        self.0.size()
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        access(&self.1.reads)?;
        self.0.fill(into, at)
    }
}

/// A disk of which one file has a sector that cannot be read: the one behind its head.
struct Worn(PathBuf);

struct Sector(Box<dyn ReadAt>);

impl Volume for Worn {
    fn size(&self, path: &Path) -> io::Result<u64> {
        Disk.size(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        Disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        let file = Disk.open(path)?;
        Ok(if path == self.0 {
            Box::new(Sector(file))
        } else {
            file
        })
    }
}

impl ReadAt for Sector {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        match at {
            5 => Err(io::Error::from_raw_os_error(5)),
            _ => self.0.fill(into, at),
        }
    }
}

const JOIN_ERRORS: &str = "loadline_history_dir_errors_total{operation=\"join\"}";
const READ_ERRORS: &str = "loadline_history_dir_errors_total{operation=\"read\"}";

/// Writes after which joining is tried again.
const AGAIN: i64 = 10;

#[tokio::test]
async fn a_read_that_fails_while_segments_are_joined_loses_nothing() {
    // To open a segment and to look at it are eight accesses, its only frame of entities is two.
    let of_opening = [0, 3, 8 * 30 + 3, 8 * 60 - 1];
    let of_entities = [8 * 60, 8 * 60 + 61, 10 * 60 - 1];
    for accesses in of_opening.into_iter().chain(of_entities) {
        let folder = tempdir().unwrap();
        let flaky = Flaky::new();
        let process = Process::with(folder.path(), 1 << 40, 1000, Box::new(flaky.clone()));
        process.run(0..59);
        flaky.fail_after(accesses);
        let lines = logged(|| process.run(59..62));
        assert!(flaky.has_failed(), "{accesses} are not reached");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!folder.path().join("unfinished").exists());
        assert_eq!(process.metric(JOIN_ERRORS), 1, "{accesses}");
        assert_eq!(process.metric(READ_ERRORS), 0, "{accesses}");
        assert_eq!(process.on_disk(node()).await, of_node(0..62));
        assert_eq!(process.on_disk(pod(4)).await, of_pod(4, 0..62));
    }
}

#[tokio::test]
async fn a_sector_that_cannot_be_read_holds_up_no_other_segment() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    process.run(0..20);
    let worn = segments(folder.path()).swap_remove(7);
    drop(process);
    let volume = Box::new(Worn(worn.clone()));
    let process = Process::with(folder.path(), 1 << 40, 1000, volume);
    let lines = logged(|| process.run(20..200));
    let told: Vec<_> = lines.iter().filter(|l| l.contains("not joined")).collect();
    let [line] = told.as_slice() else {
        panic!("{lines:#?}");
    };
    let name = worn.file_name().unwrap().to_string_lossy();
    assert!(line.contains(&*name), "{line}");
    assert!(line.contains("Input/output error"), "{line}");
    assert_eq!(process.metric(JOIN_ERRORS), 1);
    // Seven before it, itself, three of sixty, and what is not enough yet.
    assert_eq!(segments(folder.path()).len(), 2 + 3 + 12);
    let expected = of_node((0..7).chain(8..200));
    assert_eq!(process.on_disk(node()).await, expected);
    drop(process);
    // What can be read again is joined after a restart.
    let process = Process::start(folder.path());
    process.run(200..201);
    assert!(!worn.exists(), "it is left as it was");
    assert_eq!(process.on_disk(node()).await, of_node(0..201));
}

#[tokio::test]
async fn what_a_checksum_proves_damaged_is_left_out_when_segments_are_joined() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    process.run(0..59);
    let damaged = &segments(folder.path())[7];
    let mut bytes = fs::read(damaged).unwrap();
    // The frame of the columns: nothing of the segment can be told.
    bytes[14] ^= 1;
    fs::write(damaged, bytes).unwrap();
    process.run(59..60);
    assert_eq!(segments(folder.path()).len(), 1);
    assert_eq!(process.metric(READ_ERRORS), 1);
    assert_eq!(process.metric(JOIN_ERRORS), 0);
    let expected = of_node((0..7).chain(8..60));
    assert_eq!(process.on_disk(node()).await, expected);
}

#[test]
fn joining_that_fails_is_told_once_until_it_works() {
    let folder = tempdir().unwrap();
    let flaky = Flaky::new();
    let process = Process::with(folder.path(), 1 << 40, 1000, Box::new(flaky.clone()));
    process.run(0..59);
    let lines = logged(|| {
        for at in 59..59 + 5 * AGAIN {
            // The first is the column's.
            flaky.creates.store(1, Ordering::Relaxed);
            process.run(at..=at);
        }
        flaky.creates.store(NEVER, Ordering::Relaxed);
        process.run(59 + 5 * AGAIN..80 + 5 * AGAIN);
    });
    assert_eq!(process.metric(JOIN_ERRORS), 5);
    let [unwell, well] = lines.as_slice() else {
        panic!("{lines:#?}");
    };
    assert!(
        unwell.contains("small segments cannot be joined"),
        "{unwell}"
    );
    assert!(unwell.contains("Input/output error"), "{unwell}");
    assert!(well.contains("is well again"), "{well}");
}
