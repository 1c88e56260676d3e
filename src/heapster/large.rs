//! What large answers may take together while clients read them.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

use super::answer;
use crate::domain::{Clock, Timestamp};

/// Bounds the bytes of large answers that nobody has read to their end: 64 MiB, or one answer that is
/// larger. What would be more is refused with 503, and may be asked for again at once. So clients
/// that ask and do not read cost no more memory than that, however many they are. The log says when
/// refusing begins, and when it is over: with the first answer after a minute without.
///
/// Exports of one column are one body, which counts once.
#[derive(Debug)]
pub(super) struct LargeAnswers {
    /// In pieces of [`PIECE`] bytes.
    room: Arc<Semaphore>,
    /// The export somebody still reads, and the column it is of.
    export: Mutex<Option<(Timestamp, Weak<Held>)>>,
    clock: Arc<dyn Clock>,
    /// While answers are refused.
    refusing: Mutex<Option<Refusing>>,
}

/// Answers that were refused since the log said so.
#[derive(Debug)]
struct Refusing {
    answers: u64,
    last: Instant,
}

/// A body, and the room it takes.
#[derive(Debug)]
struct Held {
    body: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The owner of bytes that several answers may have.
struct Reader(Arc<Held>);

/// Smaller answers are not counted: the bound on connections is one on them, too.
const LARGE: usize = 256 * 1024;
const PIECE: usize = 4096;
const ROOM: u32 = 64 * 1024 * 1024 / 4096;
/// Without a refusal for so long refusing is over: clients that come again and again make no flood
/// of lines.
const CALM: Duration = Duration::from_mins(1);

impl AsRef<[u8]> for Reader {
    fn as_ref(&self) -> &[u8] {
        &self.0.body
    }
}

impl LargeAnswers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            room: Arc::new(Semaphore::new(usize::try_from(ROOM).unwrap_or(usize::MAX))),
            export: Mutex::default(),
            clock,
            refusing: Mutex::default(),
        }
    }

    /// The export of the column `tick`: one that somebody reads at the moment, or what `make` makes.
    /// Who asks meanwhile waits for it.
    pub(super) fn export(
        &self,
        tick: Timestamp,
        make: impl FnOnce() -> Response<Bytes>,
    ) -> Response<Bytes> {
        let mut export = self.export.lock();
        let known = export.as_ref().filter(|(of, _)| *of == tick);
        if let Some(held) = known.and_then(|(_, held)| held.upgrade()) {
            return answer::json(Reader::of(held));
        }
        let (head, body) = make().into_parts();
        if !head.status.is_success() {
            return Response::from_parts(head, body);
        }
        match self.hold(body) {
            Ok(held) => {
                let held = Arc::new(held);
                *export = Some((tick, Arc::downgrade(&held)));
                Response::from_parts(head, Reader::of(held))
            }
            Err(body) => Response::from_parts(head, body),
        }
    }

    /// The answer, if there is room for it.
    pub(super) fn admit(&self, response: Response<Bytes>) -> Response<Bytes> {
        if response.body().len() < LARGE || self.is_export(response.body()) {
            self.tell(false);
            return response;
        }
        let (head, body) = response.into_parts();
        let held = self.hold(body);
        self.tell(held.is_err());
        match held {
            Ok(held) => Response::from_parts(head, Reader::of(Arc::new(held))),
            Err(_) => {
                let text = "503: other large answers have to be read first";
                let mut refusal = answer::text(StatusCode::SERVICE_UNAVAILABLE, text);
                let soon = HeaderValue::from_static("1");
                refusal.headers_mut().insert(RETRY_AFTER, soon);
                refusal
            }
        }
    }

    /// Says when refusing begins and when it is over, now that one more answer is `refused` or not.
    fn tell(&self, refused: bool) {
        let now = self.clock.monotonic();
        let mut refusing = self.refusing.lock();
        match &mut *refusing {
            Some(known) if refused => {
                known.answers += 1;
                known.last = now;
            }
            None if refused => {
                let most = u64::from(ROOM) * PIECE as u64;
                warn!(
                    most,
                    "large answers of Heapster's API are refused with 503: clients do not read to their end those they asked for, which take as many bytes as they may; let them read, ask for less at a time, or not ask"
                );
                *refusing = Some(Refusing {
                    answers: 1,
                    last: now,
                });
            }
            Some(known) if now.saturating_duration_since(known.last) >= CALM => {
                let refused = known.answers;
                info!(
                    refused,
                    "large answers of Heapster's API are refused no longer"
                );
                *refusing = None;
            }
            Some(_) | None => {}
        }
    }

    /// The body with its room, or without when there is none.
    fn hold(&self, body: Bytes) -> Result<Held, Bytes> {
        let pieces = u32::try_from(body.len().div_ceil(PIECE)).unwrap_or(ROOM);
        let room = Arc::clone(&self.room).try_acquire_many_owned(pieces.min(ROOM));
        match room {
            Ok(room) => Ok(Held { body, _room: room }),
            Err(_) => Err(body),
        }
    }

    /// Whether these bytes are those of the export, which are counted.
    fn is_export(&self, body: &Bytes) -> bool {
        let export = self.export.lock();
        let held = export.as_ref().and_then(|(_, held)| held.upgrade());
        held.is_some_and(|held| held.body.as_ptr() == body.as_ptr())
    }
}

impl Reader {
    fn of(held: Arc<Held>) -> Bytes {
        Bytes::from_owner(Self(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing::logged;

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

    fn turned() -> Arc<Turned> {
        Arc::new(Turned(Mutex::new(tokio::time::Instant::now().into_std())))
    }

    fn large_answers() -> LargeAnswers {
        LargeAnswers::new(turned())
    }

    fn large(megabytes: usize) -> Response<Bytes> {
        answer::json(vec![b' '; megabytes << 20])
    }

    #[test]
    fn what_nobody_reads_takes_no_more_than_its_room() {
        let answers = large_answers();
        let unread: Vec<_> = (0..6).map(|_| answers.admit(large(10))).collect();
        assert!(unread.iter().all(|answer| answer.status() == 200));
        let refused = answers.admit(large(10));
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()[RETRY_AFTER], "1");
        assert_eq!(answers.admit(answer::json("small")).status(), 200);
        // A part that is not read yet keeps the whole.
        let part = unread[0].body().slice(5..7);
        drop(unread);
        let others: Vec<_> = (0..5).map(|_| answers.admit(large(10))).collect();
        assert!(others.iter().all(|answer| answer.status() == 200));
        assert_eq!(answers.admit(large(10)).status(), 503);
        drop(part);
        assert_eq!(answers.admit(large(10)).status(), 200);
    }

    #[test]
    fn an_answer_larger_than_the_room_has_it_to_itself() {
        let answers = large_answers();
        let whole = answers.admit(large(100));
        assert_eq!(whole.status(), 200);
        assert_eq!(answers.admit(large(1)).status(), 503);
        drop(whole);
        assert_eq!(answers.admit(large(1)).status(), 200);
    }

    #[test]
    fn the_log_says_when_refusing_begins_and_when_it_is_over_and_no_more() {
        let clock = turned();
        let answers = LargeAnswers::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let pass = |seconds| *clock.0.lock() += Duration::from_secs(seconds);
        let status = |megabytes| answers.admit(large(megabytes)).status().as_u16();
        let mut unread = Vec::new();
        let begun = logged(|| {
            unread.push(answers.admit(large(60)));
            for _ in 0..100 {
                // One that finds room between two that do not ends nothing.
                assert_eq!((status(10), status(1)), (503, 200));
                pass(1);
            }
        });
        assert_eq!(begun.len(), 1, "{begun:?}");
        assert!(begun[0].starts_with("WARN"), "{begun:?}");
        unread.clear();
        let over = logged(|| {
            pass(58);
            assert_eq!(status(10), 200);
            pass(1);
            answers.admit(answer::json("small"));
            answers.admit(answer::json("small"));
        });
        assert_eq!(over.len(), 1, "{over:?}");
        assert!(over[0].contains("refused=100"), "{over:?}");
        unread.push(answers.admit(large(60)));
        assert_eq!(logged(|| assert_eq!(status(10), 503)).len(), 1);
    }

    #[test]
    fn an_export_is_made_and_counted_once_while_it_is_read() {
        let answers = large_answers();
        let of = |second: i64| Timestamp::from_millis(second * 1000);
        let export =
            |second, make: fn() -> Response<Bytes>| answers.admit(answers.export(of(second), make));
        let read: Vec<_> = (0..100).map(|_| export(1, || large(30))).collect();
        let at = read[0].body().as_ptr();
        assert!(read.iter().all(|answer| answer.body().as_ptr() == at));
        assert_eq!(export(2, || large(30)).body().len(), 30 << 20);
        drop(read);
        let next = export(2, || answer::json("another"));
        assert_eq!(next.body(), "another");
    }
}
