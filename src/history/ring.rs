//! The ring: what writes it, and what makes it forget.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::domain::{MetricSet, Timestamp};
use crate::telemetry::Registry;

use super::columns::Columns;
use super::index::Index;
use super::metrics::Metrics;
use super::totals::Totals;
use super::track::Workbench;
use super::{Config, View};

/// The ring: every metric of every entity within the retention.
///
/// Written by one task, read by any number: readers see the columns that were finished, and take
/// an entity's lock only to unpack its rows, which takes some microseconds; so neither side waits
/// for the other longer than that, and nothing outside the ring ever waits for it.
///
/// A row is kept until the next one of its entity is appended, a tick longer than it is shown, so
/// that a [`View`] stays whole while the next column arrives.
#[derive(Debug)]
pub struct History {
    pub(super) config: Config,
    pub(super) index: Index,
    pub(super) columns: ArcSwap<Columns>,
    pub(super) writer: Mutex<Writer>,
    newest: watch::Sender<Option<Timestamp>>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The column begun last, by number. It is open while that is not the newest finished one.
    pub(super) begun: Option<(u32, Timestamp)>,
    pub(super) bench: Workbench,
    pub(super) totals: Totals,
    /// The most that was ever held.
    most: i64,
    /// The length last told to operators, while the ring is shorter than it should be.
    shortened: Option<usize>,
}

/// The most that may be held now.
struct Limit {
    bytes: i64,
    /// What an operator can do about it.
    remedy: &'static str,
}

/// What was appended or finished is not later than what readers already see, or than the column
/// begun since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tick is not later than the newest")]
pub struct Refused;

impl History {
    /// An empty ring.
    pub fn new(config: Config, registry: &mut Registry) -> Self {
        Self {
            config,
            index: Index::default(),
            columns: ArcSwap::default(),
            writer: Mutex::default(),
            newest: watch::Sender::new(None),
            metrics: Metrics::register(registry),
        }
    }

    /// Adds the sets of one part to the column of `tick`, unseen until it is finished. A column
    /// begun before and never finished is given up. Of two sets of one entity the second is
    /// refused and counted.
    ///
    /// # Errors
    /// [`Refused`] when `tick` is not later than the newest column; nothing was added.
    pub fn append(&self, tick: Timestamp, sets: &[MetricSet]) -> Result<(), Refused> {
        let mut writer = self.writer.lock();
        let begun = self.begin(&mut writer, tick);
        let number = begun.inspect_err(|_| self.metrics.late(sets.len()))?;
        let first = self.columns.load().first().unwrap_or(number);
        for set in sets {
            self.append_set(&mut writer, number, first, set);
        }
        Ok(())
    }

    /// Shows the column of `tick` to readers, an empty one if nothing was appended, and forgets
    /// what is too old or too much.
    ///
    /// # Errors
    /// [`Refused`] when `tick` is not later than the newest column.
    pub fn finish(&self, tick: Timestamp) -> Result<(), Refused> {
        let mut writer = self.writer.lock();
        let number = self.begin(&mut writer, tick)?;
        let mut columns = Columns::clone(&self.columns.load());
        columns.push(number, tick);
        self.show(&mut writer, columns);
        Ok(())
    }

    /// Shows these columns, there is one at least, and forgets what is too old or too much.
    pub(super) fn show(&self, writer: &mut Writer, mut columns: Columns) {
        let tick = columns.newest().unwrap_or_default();
        columns.drop_while(|old| {
            let age = tick.since(old).unwrap_or_default();
            age >= self.config.retention && old < tick
        });
        columns.shed(columns.len().saturating_sub(self.config.slots()));
        let first = columns.first().unwrap_or_default();
        self.columns.store(Arc::new(columns));
        let change = self.index.sweep(first, true, &mut writer.bench);
        writer.totals = writer.totals + change;
        writer.bench.shapes.sweep();
        self.shed(writer);
        let columns = self.columns.load().len();
        self.metrics.held(writer.held(), writer.totals, columns);
        self.newest.send_replace(Some(tick));
    }

    /// Forgets every column, because the wall clock was set back: what comes next may be earlier
    /// than what was shown.
    pub fn begin_anew(&self) {
        let mut writer = self.writer.lock();
        let Some((number, _)) = writer.begun else {
            return;
        };
        self.columns.store(Arc::default());
        let next = number.wrapping_add(1);
        let change = self.index.sweep(next, true, &mut writer.bench);
        writer.totals = writer.totals + change;
        writer.bench.shapes.sweep();
        writer.begun = Some((number, Timestamp::from_millis(i64::MIN)));
        self.metrics.held(writer.held(), writer.totals, 0);
    }

    /// What is finished now.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// The oldest tick there is a column of; `None` without any. Grows as the ring forgets.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.columns.load().ticks().next()
    }

    /// Follows the newest tick.
    #[must_use]
    pub fn finished(&self) -> watch::Receiver<Option<Timestamp>> {
        self.newest.subscribe()
    }

    /// How long a column is kept.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        self.config.retention
    }

    /// Bytes held, by our own account.
    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        u64::try_from(self.writer.lock().held()).unwrap()
    }

    /// The number of the column of `tick`, begun if it is new.
    fn begin(&self, writer: &mut Writer, tick: Timestamp) -> Result<u32, Refused> {
        let columns = self.columns.load();
        let (number, begun) = writer.begun.unzip();
        let newest = columns.newest();
        let late = newest.max(begun).is_some_and(|newest| tick < newest);
        if late || newest == Some(tick) {
            return Err(Refused);
        }
        let next = number.unwrap_or(0).wrapping_add(1);
        let number = number.filter(|_| begun == Some(tick)).unwrap_or(next);
        writer.begun = Some((number, tick));
        Ok(number)
    }

    fn append_set(&self, writer: &mut Writer, number: u32, first: u32, set: &MetricSet) {
        let (family, is_new) = self.index.find_or_begin(set);
        let appended = family.append(number, first, set, &mut writer.bench);
        writer.totals = writer.totals + appended.change;
        if is_new {
            writer.totals.bytes += Totals::FAMILY;
        }
        if let Some(uid) = appended.uid {
            self.index.name(uid, &family);
        }
        if appended.twice {
            self.metrics.twice();
        }
    }

    /// The limit that is the nearer one now: the ring's own, or what the process has left for it.
    fn limit(&self, writer: &mut Writer) -> Option<Limit> {
        let held = writer.held();
        writer.most = writer.most.max(held);
        let [held, most] = [held, writer.most].map(|bytes| u64::try_from(bytes).unwrap_or(0));
        let process = self.config.process_limit;
        let left = process.and_then(|process| process.room_for(held, most));
        let own = self.config.memory_limit;
        let bytes = [own, left].into_iter().flatten().min()?;
        Some(Limit {
            bytes: i64::try_from(bytes.get()).unwrap_or(i64::MAX),
            remedy: if own == Some(bytes) {
                "raise --history-memory-limit or lower --history-length"
            } else {
                "the process nears its own: raise the container's limit or --memory-limit"
            },
        })
    }

    /// Tells whether more is held than the limits allow.
    pub(super) fn exceeds(&self, writer: &mut Writer) -> bool {
        let limit = self.limit(writer);
        limit.is_some_and(|limit| writer.held() > limit.bytes)
    }

    /// Drops the oldest columns of all entities until the limit is kept or one column is left.
    fn shed(&self, writer: &mut Writer) {
        let Some(Limit {
            bytes: limit,
            remedy,
        }) = self.limit(writer)
        else {
            return;
        };
        let mut columns = Columns::clone(&self.columns.load());
        while writer.held() > limit && columns.len() > 1 {
            let each = (writer.held() / i64::try_from(columns.len()).unwrap_or(i64::MAX)).max(1);
            let excess = usize::try_from((writer.held() - limit) / each).unwrap_or(0);
            let count = excess.clamp(1, columns.len() - 1);
            columns.shed(count);
            self.columns.store(Arc::new(columns.clone()));
            let first = columns.first().unwrap_or_default();
            let change = self.index.sweep(first, false, &mut writer.bench);
            writer.totals = writer.totals + change;
            writer.bench.shapes.sweep();
            self.metrics.shed(count);
            self.tell(writer, &columns, remedy);
        }
        // At the edge of the limit it would be whole and shortened by turns.
        let roomy = writer.held() < limit / 10 * 9;
        if writer.shortened.is_some() && roomy && columns.len() >= self.config.slots() {
            writer.shortened = None;
            info!(columns = columns.len(), "history has its full length again");
        }
    }

    /// Says how long the ring is, if it never was as short since it was whole.
    fn tell(&self, writer: &mut Writer, columns: &Columns, remedy: &str) {
        if writer.shortened.is_some_and(|said| said <= columns.len()) {
            return;
        }
        writer.shortened = Some(columns.len());
        let oldest = columns.ticks().next();
        let length = columns.newest().zip(oldest).and_then(|(a, b)| a.since(b));
        warn!(
            columns = columns.len(),
            seconds = length.unwrap_or_default().as_secs(),
            bytes = writer.held(),
            "history is shortened to stay below a memory limit, the newest column is kept in any case; \
             {remedy}"
        );
    }
}

impl Writer {
    pub(super) fn held(&self) -> i64 {
        let shapes = i64::try_from(self.bench.shapes.held()).unwrap_or(i64::MAX);
        self.totals.bytes.saturating_add(shapes)
    }
}
