//! Answers that go on.

use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::apimachinery::{Piece, Pieces, Stream};
use crate::server::connection::Connection;
use crate::server::seats::Seats;
use crate::server::stream::Streams;

pub(super) const WATCH: &str = "/apis/g/v1/things?watch=1";
pub(super) const LONG: Duration = Duration::from_secs(30);

/// The far end of a stream that a test feeds.
pub(super) struct Feed {
    pub(super) pieces: mpsc::Sender<&'static [u8]>,
    /// Closed when the stream is dropped.
    pub(super) alive: mpsc::Sender<()>,
}

/// Streams for handlers to answer with, in the order in which they were asked for.
pub(super) type Feeds = Arc<Mutex<Vec<Feed>>>;

struct Fed {
    receiver: mpsc::Receiver<&'static [u8]>,
    next: Option<&'static [u8]>,
    _alive: mpsc::Receiver<()>,
}

impl Pieces for Fed {
    fn next(&mut self) -> Piece {
        match self
            .next
            .take()
            .map_or_else(|| self.receiver.try_recv(), Ok)
        {
            Ok(piece) => Piece::Bytes(Bytes::from_static(piece)),
            Err(mpsc::error::TryRecvError::Empty) => Piece::Later,
            Err(mpsc::error::TryRecvError::Disconnected) => Piece::End,
        }
    }

    fn wait(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.next = self.receiver.recv().await;
        })
    }
}

pub(super) fn stream(feeds: &Feeds, lasts: Duration) -> Stream {
    let (pieces, receiver) = mpsc::channel(1000);
    let (alive, kept) = mpsc::channel(1);
    feeds.lock().push(Feed { pieces, alive });
    Stream {
        head: Response::new(()),
        lasts,
        open_ended: true,
        pieces: Box::new(Fed {
            receiver,
            next: None,
            _alive: kept,
        }),
    }
}

/// The same that has to be complete.
pub(super) fn complete(feeds: &Feeds, lasts: Duration) -> Stream {
    Stream {
        open_ended: false,
        ..stream(feeds, lasts)
    }
}

/// Begins a watch and has its feed.
async fn begin(running: &Running, conversation: &mut Conversation, path: &str) -> (Incoming, Feed) {
    let response = conversation.open(Method::GET, path, &[]).await.unwrap();
    assert_eq!(response.status(), 200);
    (response.into_body(), running.feeds.lock().pop().unwrap())
}

async fn piece(body: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = tokio::time::timeout(LONG, body.frame()).await.unwrap()?;
        let data = frame.unwrap().into_data().unwrap();
        // The end of an HTTP/2 stream is an empty frame.
        if !data.is_empty() {
            return Some(data);
        }
    }
}

#[tokio::test]
async fn pieces_come_as_they_are_made_until_the_last() {
    let running = Running::start().await;
    let bob = running.identity("bob");
    for http1 in [true, false] {
        let dial = Dial {
            identity: Some(&bob),
            http1,
            ..Dial::default()
        };
        let mut conversation = running.talk(dial).await;
        let (mut body, feed) = begin(&running, &mut conversation, WATCH).await;
        for one in [b"one\n".as_slice(), b"two\n"] {
            feed.pieces.send(one).await.unwrap();
            assert_eq!(piece(&mut body).await.unwrap(), one);
        }
        drop(feed);
        assert_eq!(piece(&mut body).await, None);
    }
}

#[tokio::test]
async fn draining_ends_streams_at_once_and_cleanly() {
    let running = Running::start().await;
    let bob = running.identity("bob");
    let mut conversation = running.as_user(&bob).await;
    let (mut body, feed) = begin(&running, &mut conversation, WATCH).await;
    running.stop.stop();
    assert_eq!(piece(&mut body).await, None);
    feed.alive.closed().await;
}

#[tokio::test]
async fn a_stream_ends_after_its_time_and_when_its_client_leaves() {
    let running = Running::start().await;
    let bob = running.identity("bob");
    let mut conversation = running.as_user(&bob).await;
    let path = "/apis/g/v1/short?watch=1";
    let (mut body, feed) = begin(&running, &mut conversation, path).await;
    assert_eq!(piece(&mut body).await, None);
    feed.alive.closed().await;
    let (body, feed) = begin(&running, &mut conversation, WATCH).await;
    drop(body);
    feed.alive.closed().await;
}

#[tokio::test]
async fn a_stream_outlives_the_time_a_connection_may_be_idle_and_a_request_may_take() {
    let limits = |config: &mut Config| {
        config.limits.idle = Duration::from_millis(100);
        config.limits.request_timeout = Duration::from_millis(100);
    };
    let running = Running::with(FakeAccess::allowing(), limits).await;
    let bob = running.identity("bob");
    let mut conversation = running.as_user(&bob).await;
    // No Go duration, but nobody reads it.
    let path = "/apis/g/v1/things?watch=1&timeout=1x";
    let (mut body, feed) = begin(&running, &mut conversation, path).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    feed.pieces.send(b"late").await.unwrap();
    assert_eq!(piece(&mut body).await.unwrap(), b"late".as_slice());
}

#[tokio::test]
async fn watches_have_a_number_of_their_own_and_masters_one_besides() {
    let limits = |config: &mut Config| {
        config.limits.watches = 1;
        config.limits.reads_in_flight = 1;
    };
    let running = Running::with(FakeAccess::allowing(), limits).await;
    let bob = running.identity("bob");
    let mut conversation = running.as_user(&bob).await;
    let (body, feed) = begin(&running, &mut conversation, WATCH).await;
    let refused = conversation.get(WATCH).await;
    assert_eq!((refused.code, refused.header("retry-after")), (429, "1"));
    // A fifth of one is one.
    let master = Subject::new("root").organization("system:masters");
    let master = running.client_ca.issue(master);
    let mut above = running.as_user(&master).await;
    let (kept, held) = begin(&running, &mut above, WATCH).await;
    assert_eq!(above.get(WATCH).await.code, 429);
    drop((kept, held));
    assert_eq!(
        running.get("/apis/g/v1/other").await.code,
        200,
        "reads go on"
    );
    drop(body);
    feed.alive.closed().await;
    // The place is free when the stream is gone, a moment after what it told.
    let open = loop {
        let response = conversation.open(Method::GET, WATCH, &[]).await.unwrap();
        if response.status() == 200 {
            break response;
        }
    };
    drop(open);
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_connection() {
    static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let limits = |config: &mut Config| {
        config.limits.stalled = Duration::from_millis(200);
        config.limits.drain = Duration::from_millis(200);
    };
    let running = Running::with(FakeAccess::allowing(), limits).await;
    let bob = running.identity("bob");
    for http1 in [true, false] {
        let dial = Dial {
            identity: Some(&bob),
            http1,
            ..Dial::default()
        };
        let mut conversation = running.talk(dial).await;
        let (body, feed) = begin(&running, &mut conversation, WATCH).await;
        let mut sent = 0;
        // More than any buffer on the way holds.
        while sent < 1000 && feed.pieces.send(&PIECE).await.is_ok() {
            sent += 1;
        }
        tokio::time::timeout(LONG, feed.alive.closed())
            .await
            .unwrap();
        drop(body);
        let gone = async {
            while conversation
                .send(Method::GET, "/version", &[])
                .await
                .is_ok()
            {}
        };
        tokio::time::timeout(LONG, gone).await.unwrap();
    }
}

#[tokio::test]
async fn what_has_to_be_complete_ends_well_or_is_broken_off() {
    let running = Running::start().await;
    let bob = running.identity("bob");
    for http1 in [true, false] {
        let dial = || Dial {
            identity: Some(&bob),
            http1,
            ..Dial::default()
        };
        let mut conversation = running.talk(dial()).await;
        for path in ["/apis/g/v1/lists", "/apis/g/v1/later"] {
            let (mut body, feed) = begin(&running, &mut conversation, path).await;
            feed.pieces.send(b"all of it").await.unwrap();
            assert_eq!(piece(&mut body).await.unwrap(), b"all of it".as_slice());
            drop(feed);
            assert_eq!(piece(&mut body).await, None);
        }
        let (mut body, feed) = begin(&running, &mut conversation, "/apis/g/v1/hasty").await;
        let broken = async {
            loop {
                match body.frame().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return true,
                    None => return false,
                }
            }
        };
        let broken = tokio::time::timeout(LONG, broken).await.unwrap();
        assert!(broken, "it ended as if it were complete");
        feed.alive.closed().await;
    }
}

#[tokio::test]
async fn draining_lets_what_has_to_be_complete_come_to_its_end() {
    let running = Running::start().await;
    let bob = running.identity("bob");
    let mut conversation = running.as_user(&bob).await;
    let (mut body, feed) = begin(&running, &mut conversation, "/apis/g/v1/lists").await;
    running.stop.stop();
    for one in [b"one".as_slice(), b"two"] {
        feed.pieces.send(one).await.unwrap();
        assert_eq!(piece(&mut body).await.unwrap(), one);
    }
    drop(feed);
    assert_eq!(piece(&mut body).await, None);
}

#[tokio::test]
async fn a_body_that_goes_on_is_under_way_until_its_end() {
    let limits = |config: &mut Config| config.limits.reads_in_flight = 1;
    let running = Running::with(FakeAccess::allowing(), limits).await;
    let bob = running.identity("bob");
    let mut conversation = running.as_user(&bob).await;
    let (mut body, feed) = begin(&running, &mut conversation, "/apis/g/v1/lists").await;
    assert_eq!(conversation.get("/apis/g/v1/other").await.code, 429);
    drop(feed);
    assert_eq!(piece(&mut body).await, None);
    let free = async { while conversation.get("/apis/g/v1/other").await.code != 200 {} };
    tokio::time::timeout(LONG, free).await.unwrap();
}

/// A connection that nobody is at the other end of.
fn unconnected() -> Arc<Connection> {
    let certificate = ServingCertificate::SelfSigned {
        services: vec![],
        namespace: "a".into(),
    };
    let limits = Config::new(([127, 0, 0, 1], 0).into(), certificate).limits;
    let metrics = Metrics::register(&mut Registry::default());
    let seats = Seats::new(&limits, metrics);
    let seat = seats.take([127, 0, 0, 1].into()).unwrap();
    Connection::new(vec![], Arc::new(seat))
}

/// Time passes only when nothing is left to do.
#[tokio::test(start_paused = true)]
async fn no_more_than_two_pieces_are_ahead_of_the_connection() {
    let feeds = Feeds::default();
    let stream = complete(&feeds, LONG);
    let feed = feeds.lock().pop().unwrap();
    for _ in 0..10 {
        feed.pieces.send(b"piece").await.unwrap();
    }
    let (stop, _stopped) = Stop::channel();
    let streams = Streams::new(Tasks::new(stop), Arc::new(Semaphore::new(1)), LONG * 2);
    let mut body = streams.answer(stream, unconnected(), None).into_body();
    let next = async |body: &mut axum::body::Body| {
        let frame = tokio::time::timeout(LONG / 3, body.frame()).await;
        frame.map(|frame| frame.unwrap().unwrap().into_data().unwrap())
    };
    let held = [
        next(&mut body).await.unwrap(),
        next(&mut body).await.unwrap(),
    ];
    assert!(next(&mut body).await.is_err(), "a third piece was made");
    assert_eq!(feed.pieces.capacity(), 1000 - 8);
    drop(held);
    assert_eq!(next(&mut body).await.unwrap(), b"piece".as_slice());
}
