//! How batches get to the disk.
//!
//! Whatever is done with files is done by threads that may wait for them, one at a time, without the
//! lock on what is held. Who waits for such a thread may be dropped: it sees its work through all the
//! same, and what is held says what became of it.

use std::fs;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::held::{File, Held};
use super::{AGAIN, Spool, file};
use crate::sinks::queue::Queue;

/// Why a batch was not written.
enum Unwritten {
    /// There is no room for it.
    NoRoom,
    /// The disk does not take it.
    Failed,
}

/// What became of the queue's oldest batch.
enum Moved {
    Yes,
    /// There is none, it has to stay or does not fit.
    No,
    /// The disk did not take it.
    Failed,
}

impl<B: Send + Sync + 'static> Spool<B> {
    /// Writes what is pending, as it comes, and while the sink is away what waits in its queue, as
    /// long as it fits; never ends.
    pub(in crate::sinks) async fn write(self: &Arc<Self>, queue: &Arc<Queue<B>>) {
        loop {
            if !self.claim().await {
                sleep(AGAIN).await;
                continue;
            }
            self.write_pending(false).await;
            match self.move_from(queue).await {
                Moved::Yes => {}
                Moved::No => self.changed.notified().await,
                Moved::Failed => drop(timeout(AGAIN, self.changed.notified()).await),
            }
        }
    }

    /// Writes the batch at hand, which is older than all others, if there is room; gives back another
    /// one like it, which is the one at hand from then on. `None` when it is in a file already or
    /// cannot be written, as while another process has the folder: it stays in memory then.
    pub(in crate::sinks) async fn keep_at_hand(self: &Arc<Self>, batch: Arc<B>) -> Option<Arc<B>> {
        let waits = {
            let held = self.held.lock();
            held.lock.is_some() && held.at_hand.is_none()
        };
        if !waits {
            return None;
        }
        let spool = Arc::clone(self);
        let kept = spawn_blocking(move || {
            let _turn = spool.turn.lock();
            let content = (spool.codec.pack)(&batch);
            let other = (spool.codec.unpack)(&content)?;
            let room = spool.held.lock().free(spool.most);
            let kept = spool.write_first(&file::sealed(&content).ok()?, room);
            kept.ok().map(|()| Arc::new(other))
        });
        kept.await.ok().flatten()
    }

    /// Writes what has to outlive the process: the batch at hand, which is older than all here, and
    /// what is newer. What could not be written is counted.
    pub(in crate::sinks) async fn keep(
        self: &Arc<Self>,
        at_hand: Option<Arc<B>>,
        rest: impl IntoIterator<Item = Arc<B>>,
    ) {
        self.claim().await;
        if let Some(batch) = at_hand {
            let spool = Arc::clone(self);
            let _ = spawn_blocking(move || spool.keep_last(&batch)).await;
        }
        self.held.lock().at_hand = None;
        self.write_pending(true).await;
        for batch in rest {
            self.push(batch);
            self.write_pending(true).await;
        }
    }

    /// Writes the batch at hand when the process ends, unless it is in a file.
    fn keep_last(&self, batch: &B) {
        let _turn = self.turn.lock();
        if self.held.lock().at_hand.is_some() {
            return;
        }
        let room = self.room(true);
        let sealed = file::sealed(&(self.codec.pack)(batch));
        let sealed = sealed.map_err(|_| Unwritten::Failed);
        if let Err(why) = sealed.and_then(|bytes| self.write_first(&bytes, room)) {
            self.lose(&mut self.held.lock(), &why, batch, true);
            return;
        }
        let mut held = self.held.lock();
        held.at_hand = None;
        let gone = self.shrink(&mut held);
        drop(held);
        self.unlink(&gone);
    }

    /// Writes all that is pending; when the process is at its `end`, whoever can have it told again
    /// hears of what could not be written.
    pub(super) async fn write_pending(self: &Arc<Self>, end: bool) {
        while !self.held.lock().pending.is_empty() {
            let spool = Arc::clone(self);
            if spawn_blocking(move || spool.write_next(end)).await.is_err() {
                return;
            }
        }
    }

    /// Writes the oldest that is pending. What somebody took meanwhile is no file then. Blocks.
    pub(super) fn write_next(&self, end: bool) {
        let _turn = self.turn.lock();
        let Some((number, batch)) = self.held.lock().pending.front().cloned() else {
            return;
        };
        let room = self.room(end);
        let sealed = file::sealed(&(self.codec.pack)(&batch));
        let sealed = sealed.map_err(|_| Unwritten::Failed);
        let written = sealed.and_then(|bytes| self.write_file(number, &bytes, room));
        let mut held = self.held.lock();
        let is_this = |(front, _): &mut (u64, _)| *front == number;
        let waits = held.pending.pop_front_if(is_this).is_some();
        let mut gone = Vec::new();
        match written {
            Ok(file) if waits => {
                held.put_last(file);
                gone = self.shrink(&mut held);
            }
            Ok(_) => gone.push(number),
            Err(why) if waits => self.lose(&mut held, &why, &batch, end),
            Err(_) => {}
        }
        if held.pending.is_empty() {
            held.told.in_time(&self.sink);
        }
        self.tell(&held);
        drop(held);
        self.unlink(&gone);
    }

    /// While the sink is away, moves the oldest batch of its queue here, if it fits. It is in the
    /// queue until it is written.
    async fn move_from(self: &Arc<Self>, queue: &Arc<Queue<B>>) -> Moved {
        let moves = {
            let held = self.held.lock();
            // One that was not written is tried for as long as the disk fails.
            held.away && (held.told.is_failing() || held.has_room(self.most))
        };
        let Some(batch) = queue.oldest().filter(|_| moves) else {
            return Moved::No;
        };
        let (spool, queue) = (Arc::clone(self), Arc::clone(queue));
        let moved = spawn_blocking(move || spool.move_one(&queue, &batch));
        moved.await.unwrap_or(Moved::No)
    }

    fn move_one(&self, queue: &Queue<B>, batch: &Arc<B>) -> Moved {
        let _turn = self.turn.lock();
        let (number, room) = {
            let mut held = self.held.lock();
            (held.behind_all(), held.free(self.most))
        };
        let Ok(bytes) = file::sealed(&(self.codec.pack)(batch)) else {
            return Moved::No;
        };
        let file = match self.write_file(number, &bytes, room) {
            Ok(file) => file,
            Err(Unwritten::NoRoom) => return Moved::No,
            Err(Unwritten::Failed) => return Moved::Failed,
        };
        let moved = queue.take(batch, || {
            let mut held = self.held.lock();
            held.put_last(file);
            self.tell(&held);
        });
        if moved {
            self.metrics.queued.set(queue.queued());
        } else {
            // Somebody took it meanwhile.
            self.unlink(&[number]);
        }
        Moved::Yes
    }

    /// Writes the batch at hand, before all others, if it takes no more than `room`.
    fn write_first(&self, bytes: &[u8], room: u64) -> Result<(), Unwritten> {
        let number = self.held.lock().before_all();
        let file = self.write_file(number, bytes, room)?;
        let mut held = self.held.lock();
        held.put_first(file);
        held.at_hand = Some(number);
        self.tell(&held);
        Ok(())
    }

    fn write_file(&self, number: u64, bytes: &[u8], room: u64) -> Result<File, Unwritten> {
        let size = bytes.len() as u64;
        if size > room {
            let mut held = self.held.lock();
            held.expect(size);
            if size > self.most {
                held.told.too_large(&self.sink, size, self.most);
            }
            return Err(Unwritten::NoRoom);
        }
        let written = if self.is_ours() {
            file::write(&self.folder, number, bytes)
        } else {
            Err(file::in_use())
        };
        let told = &mut self.held.lock().told;
        match written {
            Ok(()) => {
                told.wrote(&self.sink);
                let bytes = size;
                Ok(File { number, bytes })
            }
            Err(error) => {
                told.failed(&self.sink, &self.folder, &error);
                Err(Unwritten::Failed)
            }
        }
    }

    /// What a batch may take that older ones make room for, unless at the end somebody makes it again.
    fn room(&self, end: bool) -> u64 {
        match self.codec.lost {
            Some(_) if end => self.most.saturating_sub(self.held.lock().bytes),
            _ => self.most,
        }
    }

    /// Counts a batch that was not written and is not kept; one that is made again is not lost.
    fn lose(&self, held: &mut Held<B>, why: &Unwritten, batch: &B, end: bool) {
        if let Some(lost) = self.codec.lost.filter(|_| end) {
            held.told.left(&self.sink);
            return lost(batch);
        }
        let counter = match why {
            Unwritten::NoRoom => &self.metrics.full,
            Unwritten::Failed => &self.metrics.failed,
        };
        counter.inc();
    }

    /// Forgets the oldest files while there are more bytes than may be, and counts them; they are to
    /// be removed.
    pub(super) fn shrink(&self, held: &mut Held<B>) -> Vec<u64> {
        let gone: Vec<u64> = std::iter::from_fn(|| held.one_too_many(self.most)).collect();
        for _ in &gone {
            self.metrics.full.inc();
            held.told.full(&self.sink);
        }
        self.tell(held);
        gone
    }

    pub(super) fn unlink(&self, numbers: &[u64]) {
        for number in numbers {
            if let Err(error) = fs::remove_file(file::path(&self.folder, *number)) {
                let sink = &self.sink;
                warn!(sink, number, %error, "cannot remove a batch from the spool");
            }
        }
    }
}
