//! Sinks with a spool: what waits there is as good as sent.

use tempfile::tempdir;
use tokio::runtime::Runtime;

use super::*;
use crate::domain::Bytes;
use crate::lifecycle::FolderLock;

#[tokio::test]
async fn the_place_moves_on_while_a_sink_is_away_and_a_kill_repeats_and_loses_nothing() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let away = Receiver::started().await;
    away.fail(503);
    let sinks = [away.sink(), receiver.sink()];
    let folder = tempdir().unwrap();
    let spool = Some(Spooling {
        folder: folder.path().to_owned(),
        most: Bytes::new(1 << 20),
    });
    let start = || {
        let spool = spool.clone();
        Running::with(&server, (&sinks, spool), Leadership::undisputed(), |_| ())
    };
    let runtime = Runtime::new().unwrap();
    let running = {
        let _within = runtime.enter();
        start()
    };
    running.ready().await;
    let mut before = 0;
    for at in 0..6 {
        before = server.version();
        server.put_event(event(&format!("a{at}"), 1));
        eventually("it came", || receiver.ids().len() == at + 1).await;
    }
    eventually("the place is beyond all of them", || {
        place(&server) > Some(before)
    })
    .await;
    let retried = "loadline_sink_retried_total{sink=\"webhook\"}";
    assert!(metric(&running.registry, retried) > 0);
    // Killed: nothing of it runs any more, and it has said nothing.
    runtime.shutdown_background();
    eventually("it is gone", || {
        !FolderLock::is_taken(&folder.path().join("webhook"))
    })
    .await;

    server.put_event(event("b", 1));
    away.fail(200);
    let running = start();
    let all = ["a0.1", "a1.1", "a2.1", "a3.1", "a4.1", "a5.1", "b.1"];
    for receiver in [&receiver, &away] {
        eventually("all came", || receiver.ids().len() >= all.len()).await;
    }
    running.stop().await;
    assert_eq!(
        (receiver.ids(), away.ids()),
        (
            all.map(String::from).to_vec(),
            all.map(String::from).to_vec()
        )
    );
}

#[tokio::test]
async fn with_one_sink_nothing_is_dropped_by_a_disk_that_takes_nothing() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    receiver.fail(503);
    let folder = tempdir().unwrap();
    let spool = Spooling {
        folder: folder.path().to_owned(),
        most: Bytes::new(1 << 20),
    };
    let sinks = [format!("{}?queue=2", receiver.sink())];
    let undisputed = Leadership::undisputed();
    let running = Running::with(&server, (&sinks, Some(spool)), undisputed, |_| ());
    running.ready().await;
    std::fs::remove_dir_all(folder.path().join("webhook")).unwrap();
    let retried = "loadline_sink_retried_total{sink=\"webhook\"}";
    for at in 0..12 {
        server.put_event(event(&format!("a{at}"), 1));
        let tried = metric(&running.registry, retried);
        eventually("time goes on", || {
            metric(&running.registry, retried) > tried + 1
        })
        .await;
    }
    receiver.fail(200);
    eventually("all came", || receiver.ids().len() == 12).await;
    let registry = running.stop().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let dropped = text.lines().filter(|line| line.contains("dropped_total{"));
    assert!(dropped.clone().count() > 0);
    assert!(dropped.clone().all(|line| line.ends_with(" 0")), "{text}");
}
