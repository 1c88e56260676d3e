//! Disks that are full, somebody else's or not there.

use std::io::{self, Write};
use std::sync::atomic::AtomicU64;

use super::super::folder::Durable;
use super::super::segment::ReadAt;
use super::*;
use crate::telemetry::testing::logged;

/// A disk with so many bytes left for what is being written.
#[derive(Clone)]
struct Small(Arc<AtomicU64>);

struct Limited(fs::File, Small);

impl Volume for Small {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        Ok(Box::new(Limited(fs::File::create(path)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Disk.open(path)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Disk.size(path)
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.1.0.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let fits = bytes.len().min(usize::try_from(left).unwrap());
        self.0.write_all(&bytes[..fits])?;
        self.1.0.fetch_sub(fits as u64, Ordering::Relaxed);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Durable for Limited {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

const BYTES: &str = "loadline_history_dir_bytes";
const MOST: &str = "loadline_history_dir_max_bytes";
const DROPPED: &str = "loadline_history_dir_dropped_ticks_total";
const WRITE_ERRORS: &str = "loadline_history_dir_errors_total{operation=\"write\"}";

#[tokio::test]
async fn a_full_disk_loses_nothing_the_ring_still_holds() {
    let folder = tempdir().unwrap();
    let left = Small(Arc::new(AtomicU64::new(1 << 30)));
    let process = Process::with(folder.path(), 1 << 40, 1000, Box::new(left.clone()));
    process.run(0..20);
    for room in [0, 1, 300] {
        left.0.store(room, Ordering::Relaxed);
        let before = process.on_disk(node()).await;
        let next = before.last().unwrap().0 + 1;
        process.run(next..next + 5);
        assert!(!folder.path().join("unfinished").exists());
        assert!(process.metric(WRITE_ERRORS) > 0);
        assert_eq!(process.on_disk(node()).await, before);
        let expected = of_node(before[0].0..next + 5);
        assert_eq!(process.ask(node(), 0, 1000).await, expected);
        left.0.store(1 << 30, Ordering::Relaxed);
        process.run(next + 5..next + 6);
        let expected = of_node(before[0].0..next + 6);
        assert_eq!(process.on_disk(node()).await, expected);
    }
    assert_eq!(process.metric(DROPPED), 0);
    // Neither does it harm a start.
    left.0.store(0, Ordering::Relaxed);
    let before = process.on_disk(node()).await;
    drop(process);
    let process = Process::with(folder.path(), 1 << 40, 1000, Box::new(left));
    let next = before.last().unwrap().0 + 1;
    assert!(process.restore(next) > 0);
    process.run(next..next + 3);
    assert_eq!(process.on_disk(node()).await, before);
    let expected = of_node(before[0].0..next + 3);
    assert_eq!(process.ask(node(), 0, 1000).await, expected);
}

/// A disk that all segments must fit on, beside what others have there.
struct Whole {
    folder: PathBuf,
    ours: u64,
    others: u64,
}

impl Whole {
    fn new(folder: &TempDir, ours: u64, others: u64) -> Self {
        Self {
            folder: folder.path().to_owned(),
            ours,
            others,
        }
    }
}

impl Volume for Whole {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        let sizes = segments(&self.folder);
        let used: u64 = sizes.iter().map(|f| fs::metadata(f).unwrap().len()).sum();
        let left = Small(Arc::new(AtomicU64::new(self.ours.saturating_sub(used))));
        left.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Disk.open(path)
    }

    fn size(&self, _: &Path) -> io::Result<u64> {
        Ok(self.ours + self.others)
    }
}

#[tokio::test]
async fn on_a_small_volume_the_oldest_make_room_and_nothing_waits_in_memory() {
    for size in [20_000, 60_000, 200_000] {
        let folder = tempdir().unwrap();
        let volume = Whole::new(&folder, size, 0);
        let process = Process::with(folder.path(), 1 << 40, 100_000, Box::new(volume));
        for at in 0..400 {
            process.run([at]);
            let newest = process.ticks().map(|(_, newest)| newest);
            assert_eq!(newest, Some(tick(at)), "{size}");
        }
        assert_eq!(process.metric(WRITE_ERRORS), 0, "{size}");
        assert_eq!(process.metric(DROPPED), 0, "{size}");
        let there = process.on_disk(node()).await;
        let first = there[0].0;
        assert_eq!(there, of_node(first..400), "{size}");
        let (bytes, most) = (process.metric(BYTES), process.metric(MOST));
        assert!(bytes <= most && most < size.cast_signed(), "{size}");
        // As much as fits beside what is being joined.
        assert!(
            first == 0 || bytes * 4 > size.cast_signed(),
            "{size}: {bytes}"
        );
        // And the same after a restart.
        drop(process);
        let volume = Whole::new(&folder, size, 0);
        let process = Process::with(folder.path(), 1 << 40, 100_000, Box::new(volume));
        process.run(400..500);
        assert_eq!(process.metric(WRITE_ERRORS), 0, "{size}");
        let there = process.on_disk(node()).await;
        assert_eq!(there, of_node(there[0].0..500), "{size}");
    }
}

#[tokio::test]
async fn a_volume_that_became_smaller_takes_new_columns_at_once() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    process.run(0..300);
    let bytes = process.metric(BYTES).cast_unsigned();
    drop(process);
    let volume = Whole::new(&folder, bytes / 2, 0);
    let process = Process::with(folder.path(), 1 << 40, 100_000, Box::new(volume));
    process.run([300]);
    let newest = process.ticks().map(|(_, newest)| newest);
    assert_eq!(newest, Some(tick(300)));
    assert!(process.metric(BYTES) <= process.metric(MOST));
}

#[tokio::test]
async fn a_column_the_ring_forgets_is_counted_then_and_once() {
    let folder = tempdir().unwrap();
    let left = Small(Arc::new(AtomicU64::new(1 << 30)));
    let process = Process::with(folder.path(), 1 << 40, 1000, Box::new(left.clone()));
    process.run(0..20);
    left.0.store(0, Ordering::Relaxed);
    let mut counted = 0;
    for at in 20..60 {
        process.run([at]);
        let oldest = process.ring.oldest().unwrap();
        let forgotten = (20..=at).filter(|at| tick(*at) < oldest).count();
        counted = process.metric(DROPPED);
        assert_eq!(counted, i64::try_from(forgotten).unwrap(), "{at}");
    }
    assert!(counted > 20);
    left.0.store(1 << 30, Ordering::Relaxed);
    process.run(60..80);
    let there = i64::try_from(process.on_disk(node()).await.len()).unwrap();
    assert_eq!(process.metric(DROPPED), 80 - there);
}

#[test]
fn the_size_of_a_volume_is_that_of_its_file_system() {
    let size = Disk.size(&std::env::temp_dir()).unwrap();
    assert!(size > 1 << 20, "{size}");
    assert!(Disk.size(Path::new("/nowhere/at/all")).is_err());
}

#[tokio::test]
async fn a_full_disk_keeps_what_it_has_until_its_time_is_over_and_goes_on_then() {
    let folder = tempdir().unwrap();
    let volume = Whole::new(&folder, 20_000, 1 << 40);
    let process = Process::with(folder.path(), 1 << 40, 300, Box::new(volume));
    let mut before = Vec::new();
    for at in (0..900).step_by(10) {
        process.run(at..at + 10);
        let there = process.on_disk(node()).await;
        before.retain(|(tick, _)| at + 9 - tick < 300);
        assert!(before.iter().all(|point| there.contains(point)), "{at}");
        before = there;
    }
    assert!(process.metric(WRITE_ERRORS) > 0);
    assert!(before.len() > 20 && before[0].0 > 300, "{before:?}");
}

#[tokio::test]
async fn a_directory_has_one_user() {
    let folder = tempdir().unwrap();
    let first = Process::start(folder.path());
    first.run(0..5);
    let second = Process::start(folder.path());
    // Both agree on what was before.
    assert_eq!(second.restore(5), 5);
    second.run(5..8);
    assert_eq!(segments(folder.path()).len(), 5);
    let errors = "loadline_history_dir_errors_total{operation=\"open\"}";
    assert!(second.metric(errors) > 0);
    drop(first);
    second.run(8..9);
    assert_eq!(second.on_disk(node()).await, of_node(0..9));
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_waited_for() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("volume");
    fs::write(&path, "a file").unwrap();
    let process = Process::start(&path);
    assert_eq!(process.restore(0), 0);
    process.run(0..5);
    assert_eq!(process.ask(node(), 0, 10).await, of_node(0..5));
    fs::remove_file(&path).unwrap();
    process.run(5..6);
    assert_eq!(process.on_disk(node()).await, of_node(0..6));
}

#[test]
fn only_of_a_directory_that_can_be_read_it_is_said_that_nothing_recent_is_there() {
    let folder = tempdir().unwrap();
    let said = |path: &Path| {
        let process = Process::start(path);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        let (_stop, stopped) = crate::lifecycle::Stop::channel();
        let lines = logged(|| runtime.block_on(process.restoring().run(|| true, stopped)));
        lines
            .iter()
            .any(|line| line.contains("nothing recent on disk"))
    };
    let gone = folder.path().join("gone/history");
    assert!(said(folder.path()) && !said(&gone));
    assert!(!gone.parent().unwrap().exists());
}

#[tokio::test]
async fn columns_come_to_disk_as_they_are_finished() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    let (stop, stopped) = crate::lifecycle::Stop::channel();
    let run = Arc::clone(&process.archive).run(Arc::clone(&process.ring), stopped);
    let ticks = async {
        for at in 0..20 {
            process.tick(at);
            while process.ticks().map(|(_, newest)| newest) != Some(tick(at)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        stop.stop();
    };
    tokio::join!(run, ticks);
    assert_eq!(process.on_disk(node()).await, of_node(0..20));
}
