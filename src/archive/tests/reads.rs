//! Disks that do not always let us read.

use std::io;
use std::sync::atomic::AtomicU64;

use super::super::folder::Durable;
use super::super::segment::ReadAt;
use super::*;
use crate::telemetry::testing::logged;

/// A disk that refuses one access of those that read: the one this many are before, if any.
#[derive(Clone)]
struct Flaky(Arc<AtomicU64>);

struct Reads(Box<dyn ReadAt>, Flaky);

const NEVER: u64 = u64::MAX;

impl Flaky {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NEVER)))
    }

    fn fail_after(&self, accesses: u64) {
        self.0.store(accesses, Ordering::Relaxed);
    }

    fn has_failed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NEVER
    }

    fn access(&self) -> io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            NEVER => Ok(()),
            0 => {
                self.0.store(NEVER, Ordering::Relaxed);
                Err(io::Error::from_raw_os_error(5))
            }
            left => {
                self.0.store(left - 1, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

impl Volume for Flaky {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        Disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        self.access()?;
        Ok(Box::new(Reads(Disk.open(path)?, self.clone())))
    }
}

impl ReadAt for Reads {
    fn size(&self) -> io::Result<u64> {
        self.1.access()?;
        self.0.size()
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.1.access()?;
        self.0.fill(into, at)
    }
}

const JOIN_ERRORS: &str = "loadline_history_dir_errors_total{operation=\"join\"}";
const READ_ERRORS: &str = "loadline_history_dir_errors_total{operation=\"read\"}";

/// Writes after which joining is tried again.
const AGAIN: i64 = 10;

#[tokio::test]
async fn a_read_that_fails_while_segments_are_joined_loses_nothing() {
    let folder = Temporary::new();
    let flaky = Flaky::new();
    let process = Process::with(&folder.0, 1 << 40, 1000, Box::new(flaky.clone()));
    process.run(0..59);
    let mut next = 59;
    // To open a segment and to look at it are eight accesses, its only frame of entities is two.
    let of_opening = (0..10).chain([8 * 30 + 3, 8 * 60 - 1]);
    let of_entities = [8 * 60, 8 * 60 + 1, 8 * 60 + 61, 10 * 60 - 1];
    let (mut failed, mut small) = (0, 59);
    for accesses in of_opening.chain(of_entities) {
        flaky.fail_after(accesses);
        process.run(next..=next);
        assert!(flaky.has_failed(), "{accesses} are not reached");
        (next, small, failed) = (next + 1, small + 1, failed + 1);
        assert_eq!(process.metric(JOIN_ERRORS), failed, "{accesses}");
        assert_eq!(segments(&folder.0).len(), small, "{accesses}");
        assert!(!folder.0.join("unfinished").exists());
        assert_eq!(process.on_disk(node()).await, of_node(0..next));
        assert_eq!(process.on_disk(pod(4)).await, of_pod(4, 0..next));
        // It is not tried again at once.
        process.run(next..next + AGAIN - 1);
        next += AGAIN - 1;
        small = segments(&folder.0).len();
        assert_eq!(small, usize::try_from(next).unwrap());
    }
    process.run(next..next + 10);
    next += 10;
    assert!(segments(&folder.0).len() < 70, "they are joined at last");
    assert_eq!(process.metric(JOIN_ERRORS), failed);
    assert_eq!(process.metric(READ_ERRORS), 0);
    assert_eq!(process.on_disk(node()).await, of_node(0..next));
    assert_eq!(process.on_disk(pod(4)).await, of_pod(4, 0..next));
}

#[tokio::test]
async fn what_a_checksum_proves_damaged_is_left_out_when_segments_are_joined() {
    let folder = Temporary::new();
    let process = Process::start(&folder.0);
    process.run(0..59);
    let damaged = &segments(&folder.0)[7];
    let mut bytes = fs::read(damaged).unwrap();
    // The frame of the columns: nothing of the segment can be told.
    bytes[14] ^= 1;
    fs::write(damaged, bytes).unwrap();
    process.run(59..60);
    assert_eq!(segments(&folder.0).len(), 1);
    assert_eq!(process.metric(READ_ERRORS), 1);
    assert_eq!(process.metric(JOIN_ERRORS), 0);
    let expected = of_node((0..7).chain(8..60));
    assert_eq!(process.on_disk(node()).await, expected);
}

#[test]
fn joining_that_fails_is_told_once_until_it_works() {
    let folder = Temporary::new();
    let flaky = Flaky::new();
    let process = Process::with(&folder.0, 1 << 40, 1000, Box::new(flaky.clone()));
    process.run(0..59);
    let lines = logged(|| {
        for at in 59..59 + 5 * AGAIN {
            flaky.fail_after(0);
            process.run(at..=at);
        }
        flaky.fail_after(NEVER);
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
