//! An API server that says nothing, in time that jumps forward when nothing happens.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use futures_util::stream::{self, Stream, StreamExt};
use http::{Request, Response, StatusCode};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::cluster::watch::Nobody;
use crate::cluster::{Connection, Target, Watch, WatchError};
use crate::domain::{Clock, Timestamp};
use crate::lifecycle::Stop;
use crate::telemetry::testing::logged;

/// The time of the test.
#[derive(Debug)]
struct Passing;

impl Clock for Passing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

fn watch<F>(answer: impl FnMut(Request<kube::client::Body>) -> F + Send + 'static) -> Watch
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let client = kube::Client::new(tower::service_fn(answer), "default");
    let target = Target {
        resource: "pods",
        path: "/api/v1/pods",
        field_selector: None,
    };
    Watch::new(client, target, Arc::new(Passing))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_begin_is_given_up() {
    let (_sender, stop) = Stop::channel();
    let watch = watch(|_| std::future::pending());
    let mut nobody = Nobody;
    let run = watch.run(&mut nobody, &stop);
    assert!(timeout(Duration::from_secs(31), run).await.is_err());
    let Connection::Lost { reason, .. } = watch.status().connection else {
        panic!("{:?}", watch.status());
    };
    assert_eq!(reason, WatchError::Silent(Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_does_not_end_is_given_up() {
    let (_sender, stop) = Stop::channel();
    let watch = watch(async |_| Ok(Response::new(Body::from_stream(never()))));
    let mut nobody = Nobody;
    let run = watch.run(&mut nobody, &stop);
    assert!(timeout(Duration::from_secs(61), run).await.is_err());
    let Connection::Lost { reason, .. } = watch.status().connection else {
        panic!("{:?}", watch.status());
    };
    assert_eq!(reason, WatchError::Silent(Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_outlives_its_time_in_silence_is_opened_anew() {
    let (sender, stop) = Stop::channel();
    let watches = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&watches);
    let begun = Instant::now();
    let watch = watch(move |request| {
        let list = r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#;
        let body = if !request
            .uri()
            .path_and_query()
            .unwrap()
            .as_str()
            .contains("watch=true")
        {
            Body::from(list)
        } else if opened.fetch_add(1, Ordering::Relaxed) == 1 {
            sender.stop();
            Body::empty()
        } else {
            Body::from_stream(never())
        };
        std::future::ready(Ok(Response::new(body)))
    });
    watch.run(&mut Nobody, &stop).await;
    assert_eq!(watches.load(Ordering::Relaxed), 2);
    assert_eq!(begun.elapsed().as_secs(), 190);
    let status = watch.status();
    assert!(
        matches!(status.connection, Connection::Watching { .. }),
        "{status:?}"
    );
}

/// What the log says of an API server whose watch ends as `ending` does, which then takes requests
/// and answers none, and is there again 280 s after the start.
fn outage(ending: fn() -> Body) -> Vec<String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    logged(|| {
        runtime.block_on(async {
            let (_sender, stop) = Stop::channel();
            let (begun, watches) = (Instant::now(), AtomicUsize::new(0));
            let watch = watch(move |request| {
                let is_watch = request.uri().query().unwrap().contains("watch=true");
                let number = match is_watch {
                    false => 0,
                    true => 1 + watches.fetch_add(1, Ordering::Relaxed),
                };
                async move {
                    let body = match number {
                        0 => Body::from(r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#),
                        1 => ending(),
                        _ => {
                            sleep_until(begun + Duration::from_secs(280)).await;
                            Body::from_stream(never())
                        }
                    };
                    Ok(Response::new(body))
                }
            });
            let mut nobody = Nobody;
            let run = watch.run(&mut nobody, &stop);
            let _ = timeout(Duration::from_secs(300), run).await;
        });
    })
}

/// A bookmark after 50 s, and then `rest`.
fn bookmark<S>(rest: S) -> Body
where
    S: Stream<Item = io::Result<&'static str>> + Send + 'static,
{
    let bookmark = concat!(
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8"}}}"#,
        "\n"
    );
    let first = stream::once(async move {
        sleep(Duration::from_secs(50)).await;
        Ok(bookmark)
    });
    Body::from_stream(first.chain(rest))
}

#[test]
fn an_outage_is_told_from_the_last_time_anything_came() {
    for (ending, silent, lost) in [
        // 190 s until the silent watch is given up, 30 s for the next request.
        ((|| bookmark(stream::pending())) as fn() -> Body, 220, 230),
        // The system gave the connection up 60 s after the bookmark: nothing came then.
        (
            || bookmark(broken_after_a_minute(io::ErrorKind::TimedOut)),
            90,
            230,
        ),
        // The other side reset it.
        (
            || bookmark(broken_after_a_minute(io::ErrorKind::ConnectionReset)),
            30,
            170,
        ),
    ] {
        let lines = outage(ending);
        let told = |what: &str| lines.iter().any(|line| line.contains(what));
        let (silent, lost) = (format!("silent for {silent} s"), format!("lost_for={lost}"));
        assert!(told(&silent) && told(&lost), "{silent}, {lost}: {lines:#?}");
    }
}

#[test]
fn whoever_refuses_is_not_silent() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    let lines = logged(|| {
        runtime.block_on(async {
            let (_sender, stop) = Stop::channel();
            let begun = Instant::now();
            let watch = watch(move |_| async move {
                if begun.elapsed() > Duration::from_secs(600) {
                    std::future::pending::<()>().await;
                }
                let refusal = Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR);
                Ok(refusal.body(Body::empty()).unwrap())
            });
            let _ = timeout(Duration::from_secs(700), watch.run(&mut Nobody, &stop)).await;
        });
    });
    let silent = lines.iter().find_map(|line| {
        let (_, rest) = line.split_once("silent for ")?;
        rest.split_once(" s")?.0.parse::<u64>().ok()
    });
    // One wait between two attempts, and one request that nobody answered.
    assert!(silent.is_some_and(|silent| silent <= 60), "{lines:#?}");
}

fn broken_after_a_minute(kind: io::ErrorKind) -> impl Stream<Item = io::Result<&'static str>> {
    stream::once(async move {
        sleep(Duration::from_secs(60)).await;
        Err(kind.into())
    })
}

#[tokio::test(start_paused = true)]
async fn slow_lists_that_are_outdated_at_once_are_not_asked_for_again_and_again() {
    let (sender, stop) = Stop::channel();
    let lists = Arc::new(Mutex::new(Vec::new()));
    let listed = Arc::clone(&lists);
    let watch = watch(move |request| {
        let is_watch = request.uri().query().unwrap().contains("watch=true");
        let listed = Arc::clone(&listed);
        async move {
            if is_watch {
                let gone = Response::builder().status(StatusCode::GONE);
                return Ok(gone.body(Body::empty()).unwrap());
            }
            listed.lock().push(Instant::now());
            sleep(Duration::from_secs(6)).await;
            let list = r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#;
            Ok(Response::new(Body::from(list)))
        }
    });
    let stopping = async {
        sleep(Duration::from_secs(300)).await;
        sender.stop();
    };
    let mut nobody = Nobody;
    tokio::join!(watch.run(&mut nobody, &stop), stopping);
    let lists = lists.lock();
    let gaps: Vec<_> = lists.windows(2).map(|two| two[1] - two[0]).collect();
    // 30 s, shortened by a fifth at most, after the list itself.
    assert!(gaps.last().unwrap().as_secs() >= 30, "{gaps:?}");
}

fn never() -> stream::Pending<Result<axum::body::Bytes, Infallible>> {
    stream::pending()
}
