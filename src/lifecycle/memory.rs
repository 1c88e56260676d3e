//! How much memory the process may take.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::Bytes;

/// The most memory the process may take.
///
/// What can be given up, as the history can, asks from time to time for the room it has and gives
/// up what is above it. What need not be made whole, as long lists, asks for [`Spare`] memory
/// first. Nothing else is bounded by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit(Bytes);

/// The part of the limit, in hundredths, that is filled. The rest is for what comes at once: lists,
/// answers of kubelets, a new column.
const FILLED: u64 = 75;
/// The part of the limit, in hundredths, up to which what can also be made otherwise is made whole.
const SPENT: u64 = 88;
/// The part of the limit, in hundredths, that memory once given up is believed to be free within
/// the process although the kernel still counts it.
const BELIEVED: u64 = 15;
/// cgroup v1 writes about 2^63 where there is no limit.
const UNLIMITED: u64 = 1 << 60;

impl MemoryLimit {
    /// This many bytes.
    #[must_use]
    pub const fn new(limit: Bytes) -> Self {
        Self(limit)
    }

    /// That of the container, by version 2 or 1 of cgroups; `None` where there is none.
    #[must_use]
    pub fn of_cgroup() -> Option<Self> {
        [
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        ]
        .into_iter()
        .find_map(|path| read_limit(Path::new(path)))
    }

    /// How much what now holds `held` bytes and once held `most` may hold, so that the process
    /// stays below the limit; `None` when the kernel does not say what the process has.
    #[must_use]
    pub fn room_for(self, held: u64, most: u64) -> Option<Bytes> {
        let resident = anonymous(&fs::read_to_string("/proc/self/status").ok()?)?;
        Some(Bytes::new(room(self.0.get(), resident, held, most)))
    }
}

/// What is left below a limit for what is made at once and can also be made otherwise.
///
/// Clones share what they have promised. Without a limit, and where the kernel does not say what
/// the process has, everything fits.
#[derive(Clone, Debug, Default)]
pub struct Spare {
    limit: Option<MemoryLimit>,
    promised: Arc<Mutex<u64>>,
}

/// Memory that was promised; until it is dropped, when it is the process's or free, nobody else is
/// promised the same.
#[derive(Debug, Default)]
pub struct Promise {
    bytes: u64,
    promised: Arc<Mutex<u64>>,
}

impl Spare {
    /// What is left below this limit.
    #[must_use]
    pub fn below(limit: Option<MemoryLimit>) -> Self {
        Self {
            limit,
            promised: Arc::default(),
        }
    }

    /// The limit, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<Bytes> {
        self.limit.map(|limit| limit.0)
    }

    /// Promises so many bytes; `None` where they would lead to more than nine tenths, about, of the
    /// limit.
    #[must_use]
    pub fn promise(&self, bytes: Bytes) -> Option<Promise> {
        let mut promised = self.promised.lock();
        let taken = promised.saturating_add(bytes.get());
        let resident = || anonymous(&fs::read_to_string("/proc/self/status").ok()?);
        let known = self.limit.and_then(|limit| Some((limit, resident()?)));
        if known.is_some_and(|(limit, resident)| !fits(limit.0.get(), resident, taken)) {
            return None;
        }
        *promised = taken;
        Some(Promise {
            bytes: bytes.get(),
            promised: Arc::clone(&self.promised),
        })
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut promised = self.promised.lock();
        *promised = promised.saturating_sub(self.bytes);
    }
}

/// Whether a process that has `resident` bytes may take so many more.
const fn fits(limit: u64, resident: u64, more: u64) -> bool {
    resident.saturating_add(more) <= limit / 100 * SPENT
}

/// An allocator keeps what is freed for what comes next, so the process does not shrink when
/// something is given up. Without believing in a part of that, all would be given up.
const fn room(limit: u64, resident: u64, held: u64, most: u64) -> u64 {
    let hundredth = limit / 100;
    let freed = most.saturating_sub(held);
    let believed = if freed < hundredth * BELIEVED {
        freed
    } else {
        hundredth * BELIEVED
    };
    let others = resident.saturating_sub(held).saturating_sub(believed);
    (hundredth * FILLED).saturating_sub(others)
}

fn read_limit(path: &Path) -> Option<MemoryLimit> {
    let text = fs::read_to_string(path).ok()?;
    let limit = text.trim().parse().ok()?;
    (limit < UNLIMITED).then_some(MemoryLimit(Bytes::new(limit)))
}

/// What the process has that is in no file: pages of the program can be read again.
fn anonymous(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_leave_what_they_do_not_take() {
        for (resident, held, most, expected) in [
            // 40 are others'.
            (60, 20, 20, 35),
            (90, 20, 20, 5),
            (99, 10, 10, 0),
            // 10 were given up, and the process is as large as before.
            (60, 10, 20, 35),
            // Of 40 given up, 15 are believed to be free.
            (70, 10, 50, 30),
        ] {
            let (limit, resident, held, most) = (100 << 20, resident << 20, held << 20, most << 20);
            let room = room(limit, resident, held, most).div_ceil(1 << 20);
            assert_eq!(room, expected, "{resident} {held} {most}");
        }
    }

    #[test]
    fn a_process_has_memory_of_its_own() {
        let status = "VmRSS:\t   10000 kB\nRssAnon:\t    4096 kB\nRssFile:\t 5904 kB\n";
        assert_eq!(anonymous(status), Some(4 << 20));
        assert_eq!(anonymous("RssAnon: many kB"), None);
        let limit = MemoryLimit::new(Bytes::new(1 << 50));
        let room = limit.room_for(0, 0).unwrap();
        assert!(room < Bytes::new((1 << 50) / 4 * 3) && room > Bytes::new(1 << 49));
    }

    #[test]
    fn what_is_promised_is_promised_once() {
        // More than this process has, by far, and not so much that nothing is left.
        let spare = Spare::below(Some(MemoryLimit::new(Bytes::new(1 << 40))));
        let half = Bytes::new((1 << 40) / 2);
        let first = spare.promise(half).unwrap();
        assert!(spare.clone().promise(half).is_none());
        drop(first);
        let second = spare.clone().promise(half);
        assert!(second.is_some() && spare.promise(half).is_none());
    }

    #[test]
    fn what_would_lead_to_nine_tenths_of_the_limit_does_not_fit() {
        let mebibytes =
            |limit: u64, resident: u64, more: u64| fits(limit << 20, resident << 20, more << 20);
        assert!(mebibytes(100, 40, 47));
        assert!(!mebibytes(100, 40, 49));
        assert!(!mebibytes(100, 200, 0));
        let none = Spare::below(None);
        let all = Bytes::new(u64::MAX);
        assert!(none.promise(all).is_some() && Spare::default().limit().is_none());
    }

    #[test]
    fn a_limit_is_a_number_and_the_greatest_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.max");
        for (text, expected) in [
            ("134217728\n", Some(128 << 20)),
            ("max\n", None),
            ("9223372036854771712\n", None),
        ] {
            fs::write(&file, text).unwrap();
            let limit = read_limit(&file);
            assert_eq!(limit, expected.map(|bytes| MemoryLimit(Bytes::new(bytes))));
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(read_limit(&file), None);
    }
}
