//! What a spool holds.

use std::collections::VecDeque;
use std::sync::Arc;

use super::PENDING;
use super::told::Told;
use crate::lifecycle::FolderLock;

pub(super) struct Held<B> {
    pub files: VecDeque<File>,
    /// What all files take.
    pub bytes: u64,
    /// What the largest batch took so far.
    largest: u64,
    /// What is to be written, behind all files.
    pub pending: VecDeque<(u64, Arc<B>)>,
    /// The number of the batch that was put before all others last.
    first: u64,
    /// The number of the next batch behind all others.
    next: u64,
    /// The file of the batch the sink is at.
    pub at_hand: Option<u64>,
    /// Whether the sink's last attempt failed.
    pub away: bool,
    /// Held while the folder is ours; without it there are no files.
    pub lock: Option<FolderLock>,
    pub told: Told,
}

#[derive(Clone, Copy)]
pub(super) struct File {
    pub number: u64,
    pub bytes: u64,
}

/// The number of the first batch, so that others can be put before it.
pub(super) const FIRST: u64 = 1 << 32;

impl<B> Default for Held<B> {
    fn default() -> Self {
        Self {
            files: VecDeque::new(),
            bytes: 0,
            largest: 0,
            pending: VecDeque::new(),
            first: FIRST,
            next: FIRST,
            at_hand: None,
            away: false,
            lock: None,
            told: Told::default(),
        }
    }
}

impl<B> Held<B> {
    /// Begins with these files, the oldest first, which are older than what is pending.
    pub(super) fn begin(&mut self, lock: FolderLock, files: Vec<File>) {
        self.lock = Some(lock);
        self.first = files.first().map_or(FIRST, |file| file.number);
        self.next = files.last().map_or(FIRST, |file| file.number + 1);
        for file in files {
            self.put_last(file);
        }
        for (_, batch) in std::mem::take(&mut self.pending) {
            let number = self.behind_all();
            self.pending.push_back((number, batch));
        }
    }

    /// A number below all there were.
    pub(super) const fn before_all(&mut self) -> u64 {
        self.first = self.first.saturating_sub(1);
        self.first
    }

    /// A number above all there were.
    pub(super) const fn behind_all(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    pub(super) fn put_first(&mut self, file: File) {
        self.count(file);
        self.files.push_front(file);
    }

    pub(super) fn put_last(&mut self, file: File) {
        self.count(file);
        self.files.push_back(file);
    }

    fn count(&mut self, file: File) {
        self.bytes += file.bytes;
        self.expect(file.bytes);
    }

    /// Notes that a batch may be this large.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.largest = self.largest.max(bytes);
    }

    /// Forgets a file.
    pub(super) fn remove(&mut self, number: u64) {
        let at = self.files.iter().position(|file| file.number == number);
        if let Some(file) = at.and_then(|at| self.files.remove(at)) {
            self.bytes -= file.bytes;
        }
    }

    /// The oldest file, while there are more than `most` bytes; never the one at hand, which is not
    /// lost. It is forgotten.
    pub(super) fn one_too_many(&mut self, most: u64) -> Option<u64> {
        let oldest = self.files.front().map(|file| file.number);
        let at = usize::from(oldest.is_some() && oldest == self.at_hand);
        let file = *self.files.get(at).filter(|_| self.bytes > most)?;
        self.remove(file.number);
        Some(file.number)
    }

    /// What there is room for, of `most` bytes, besides what is to be written already: nobody knows
    /// what that will take, so each is taken to be as large as the largest so far.
    pub(super) fn free(&self, most: u64) -> u64 {
        let pending = self.largest.saturating_mul(self.pending.len() as u64);
        most.saturating_sub(self.bytes).saturating_sub(pending)
    }

    /// Whether another batch fits, as far as that can be told of one that is not written yet.
    pub(super) fn has_room(&self, most: u64) -> bool {
        let writes = self.lock.is_some() && !self.told.is_failing();
        let free = self.free(most);
        writes && self.pending.len() < PENDING && free > 0 && free >= self.largest.min(most)
    }
}
