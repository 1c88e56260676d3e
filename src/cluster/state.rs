//! How a watch stands, for probes and for the one log line per change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::request::WatchError;
use crate::domain::Clock;

/// How a watch stands.
#[derive(Clone, Debug)]
pub struct WatchStatus {
    /// The first list has been read to its end. Stays true: what is known stays served.
    pub synced: bool,
    /// Whether the API server is being heard.
    pub connection: Connection,
}

/// Whether the API server is being heard.
#[derive(Clone, Debug)]
pub enum Connection {
    /// Nothing has been tried to the end yet.
    Connecting,
    /// Changes arrive as they happen.
    Watching {
        /// Since when, by the monotonic clock.
        since: Instant,
    },
    /// Nothing arrives; what was known stays.
    Lost {
        /// When something came for the last time, by the monotonic clock; when it was first asked
        /// if nothing ever did.
        since: Instant,
        /// Why the last attempt failed.
        reason: WatchError,
    },
}

/// The state of one watch, written by it and read by everybody.
#[derive(Debug)]
pub(super) struct WatchState {
    status: Mutex<WatchStatus>,
    /// When something came for the last time.
    heard: Mutex<Instant>,
    clock: Arc<dyn Clock>,
}

/// What a good attempt changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The watch was open before, or is reopened as it should be.
    None,
    /// It is open for the first time.
    First,
    /// It is open again after so long.
    Back(Duration),
}

impl WatchState {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            heard: Mutex::new(clock.monotonic()),
            status: Mutex::new(WatchStatus {
                synced: false,
                connection: Connection::Connecting,
            }),
            clock,
        }
    }

    pub(super) fn status(&self) -> WatchStatus {
        self.status.lock().clone()
    }

    pub(super) fn synced(&self) {
        self.status.lock().synced = true;
    }

    /// Notes that something came from the API server, or that it is asked for the first time.
    pub(super) fn heard(&self) {
        *self.heard.lock() = self.clock.monotonic();
    }

    /// How long nothing has come.
    fn silent_for(&self) -> Duration {
        let heard = *self.heard.lock();
        self.clock.monotonic().saturating_duration_since(heard)
    }

    /// Notes that the watch is open.
    pub(super) fn open(&self) -> Change {
        self.heard();
        let now = self.clock.monotonic();
        let mut status = self.status.lock();
        let change = match status.connection {
            Connection::Watching { .. } => return Change::None,
            Connection::Connecting => Change::First,
            Connection::Lost { since, .. } => Change::Back(now.saturating_duration_since(since)),
        };
        status.connection = Connection::Watching { since: now };
        change
    }

    /// Notes a failed attempt, and gives back why when that is news: the watch stood before, or
    /// failed for another kind of reason. A silence is told as all of it, attempts before this one
    /// included.
    pub(super) fn lost(&self, reason: WatchError) -> Option<WatchError> {
        let reason = if let WatchError::Silent(deadline) = reason {
            WatchError::Silent(deadline.max(self.silent_for()))
        } else {
            reason
        };
        let mut status = self.status.lock();
        let (since, news) = match &status.connection {
            Connection::Lost {
                since,
                reason: last,
            } => {
                let same = std::mem::discriminant(last) == std::mem::discriminant(&reason);
                (*since, !same)
            }
            Connection::Connecting | Connection::Watching { .. } => (*self.heard.lock(), true),
        };
        let told = news.then(|| reason.clone());
        status.connection = Connection::Lost { since, reason };
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    /// A clock that tests turn.
    #[derive(Debug)]
    struct Turned(Mutex<Instant>);

    impl Clock for Turned {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn monotonic(&self) -> Instant {
            *self.0.lock()
        }
    }

    fn refused(code: u16) -> WatchError {
        let message = code.to_string();
        WatchError::Refused { code, message }
    }

    #[test]
    fn only_a_change_is_news() {
        let start = tokio::time::Instant::now().into_std();
        let clock = Arc::new(Turned(Mutex::new(start)));
        let state = WatchState::new(Arc::clone(&clock) as Arc<dyn Clock>);
        assert!(state.lost(refused(500)).is_some(), "at the start");
        assert!(state.lost(refused(503)).is_none(), "the same kind");
        *clock.0.lock() += Duration::from_secs(3);
        assert!(state.lost(WatchError::Expired).is_some(), "another kind");
        *clock.0.lock() += Duration::from_secs(4);
        assert_eq!(state.open(), Change::Back(Duration::from_secs(7)));
        assert_eq!(state.open(), Change::None);
        assert!(state.lost(WatchError::Expired).is_some(), "lost again");
    }

    #[test]
    fn a_good_start_is_told_once() {
        let now = tokio::time::Instant::now().into_std();
        let state = WatchState::new(Arc::new(Turned(Mutex::new(now))));
        assert_eq!((state.open(), state.open()), (Change::First, Change::None));
        assert!(!state.status().synced);
        state.synced();
        assert!(state.status().synced);
    }
}
