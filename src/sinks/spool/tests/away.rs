//! What becomes of batches while their sink, or the disk, is away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::sinks::queue::Queue;
use crate::sinks::tests::working::until;

/// The stamps of what waits in a queue.
fn waiting(queue: &Queue<Batch>) -> Vec<i64> {
    let drained = queue.drain();
    drained
        .iter()
        .map(|batch| batch.timestamp.as_secs())
        .collect()
}

fn queue_of(secs: &[i64]) -> Arc<Queue<Batch>> {
    let queue = Arc::new(Queue::new(100));
    for secs in secs {
        queue.push(made(*secs), |_| panic!("it is full"));
    }
    queue
}

/// Lets a spool write, until it is so.
async fn writing(spool: &Opened, queue: &Arc<Queue<Batch>>, so: impl Fn() -> bool) {
    tokio::select! {
        () = spool.write(queue) => {}
        () = until("it is written", so) => {}
    }
}

#[tokio::test]
async fn while_the_sink_is_away_the_batch_at_hand_and_the_queue_are_on_disk_in_order() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    let queue = queue_of(&[180, 240, 300]);
    put(&spool, 120).await;
    let at_hand = made(60);
    let followed = Arc::downgrade(&at_hand);
    let kept = spool.keep_at_hand(at_hand).await.unwrap();
    assert_eq!(kept.timestamp.as_secs(), 60);
    assert!(followed.upgrade().is_none(), "nobody waits for it any more");
    assert!(spool.keep_at_hand(kept).await.is_none(), "it is there");
    assert_eq!(spool.metrics.batches.get(), 2);
    assert_eq!(queue.len(), 3, "the sink is not known to be away");
    spool.set_away(true);
    writing(&spool, &queue, || queue.len() == 0).await;
    assert_eq!(spool.metrics.queued.get(), 0);
    // Killed at this moment.
    drop(spool);
    let spool = open(&folder, 1 << 20);
    assert_eq!(taken(&spool).await, [60, 120, 180, 240, 300]);
}

#[tokio::test]
async fn the_batch_at_hand_is_through_once_and_its_file_does_not_stay() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    for secs in [60, 120] {
        spool.keep_at_hand(made(secs)).await.unwrap();
        spool.done().await;
    }
    // At the end what is at hand is kept, whether it is in a file or not, and not twice.
    let kept = spool.keep_at_hand(made(180)).await;
    spool.keep(kept, [made(240)]).await;
    assert_eq!(files(&folder), 2);
    assert_eq!(taken(&spool).await, [180, 240]);
}

#[tokio::test]
async fn a_spool_without_room_leaves_batches_in_memory_and_drops_none() {
    let folder = TempDir::new().unwrap();
    let one = file::sealed(&pack(&made(60))).unwrap().len() as u64;
    let spool = open(&folder, one * 5 / 2);
    let queue = queue_of(&[120, 180, 240]);
    spool.set_away(true);
    writing(&spool, &queue, || queue.len() == 1).await;
    assert!(!spool.has_room());
    assert!(spool.keep_at_hand(made(60)).await.is_none());
    assert_eq!((spool.metrics.full.get(), files(&folder)), (0, 2));
    assert_eq!(waiting(&queue), [240]);
}

#[tokio::test]
async fn there_is_no_room_where_a_large_batch_found_none() {
    let folder = TempDir::new().unwrap();
    let pods = (0..100).map(|n| pod("a", &format!("p{n}"), &[])).collect();
    let large = Arc::new(batch(120, pods));
    let size = |batch: &Batch| file::sealed(&pack(batch)).unwrap().len() as u64;
    let spool = open(&folder, size(&large) + size(&made(60)) / 2);
    put(&spool, 60).await;
    assert!(spool.has_room(), "for another of that kind");
    let queue = queue_of(&[]);
    queue.push(large, |_| {});
    spool.set_away(true);
    writing(&spool, &queue, || !spool.has_room()).await;
    assert_eq!((waiting(&queue), spool.metrics.full.get()), (vec![120], 0));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_leaves_batches_in_memory_until_it_does() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    let place = folder.path().join("s");
    fs::remove_dir_all(&place).unwrap();
    let queue = queue_of(&[120, 180]);
    spool.set_away(true);
    writing(&spool, &queue, || !spool.has_room()).await;
    assert!(spool.keep_at_hand(made(60)).await.is_none());
    assert_eq!((queue.len(), spool.metrics.failed.get()), (2, 0));
    fs::create_dir(&place).unwrap();
    writing(&spool, &queue, || queue.len() == 0).await;
    assert!(spool.has_room());
    assert_eq!(taken(&spool).await, [120, 180]);
}

#[tokio::test]
async fn the_batch_at_hand_does_not_make_room_for_others() {
    let folder = TempDir::new().unwrap();
    let one = file::sealed(&pack(&made(60))).unwrap().len() as u64;
    let spool = open(&folder, one * 5 / 2);
    put(&spool, 60).await;
    let at_hand = spool.next().await.unwrap();
    for secs in [120, 180, 240] {
        put(&spool, secs).await;
    }
    assert_eq!(
        (at_hand.timestamp.as_secs(), spool.metrics.full.get()),
        (60, 2)
    );
    spool.done().await;
    assert_eq!(taken(&spool).await, [240]);
}

#[tokio::test(start_paused = true)]
async fn a_file_the_disk_does_not_give_is_asked_for_again_and_stays_where_it_is() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    for secs in [60, 120] {
        put(&spool, secs).await;
    }
    let path = file::path(&folder.path().join("s"), held::FIRST);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(taken(&spool).await, [120]);
    assert_eq!((begun.elapsed(), spool.metrics.torn.get()), (AGAIN * 2, 1));
    fs::remove_dir(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    drop(spool);
    assert_eq!(taken(&open(&folder, 1 << 20)).await, [60]);
}

#[tokio::test]
async fn what_another_program_left_is_not_taken() {
    let folder = TempDir::new().unwrap();
    let of = |kind| opened_as(&folder, 1 << 20, kind, pack);
    let spool = of("events").unwrap();
    put(&spool, 60).await;
    drop(spool);
    let error = of("numbers").map(|_| ());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("1 batches of events"), "{error}");
    let spool = of("events").unwrap();
    assert_eq!(taken(&spool).await, [60]);
}

/// Whether [`pack_late`] waits, and how often it has begun.
static SHUT: AtomicBool = AtomicBool::new(true);
static BEGUN: AtomicUsize = AtomicUsize::new(0);

fn pack_late(batch: &Batch) -> Vec<u8> {
    BEGUN.fetch_add(1, Ordering::Relaxed);
    while SHUT.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
    }
    pack(batch)
}

#[tokio::test]
async fn what_is_taken_while_it_is_written_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let spool = opened_as(&folder, 1 << 20, "numbers", pack_late).unwrap();
    let queue = queue_of(&[120]);
    spool.push(made(60));
    spool.set_away(true);
    // First what is pending, then what is in the queue.
    for (begun, secs) in [(1, 60), (2, 120)] {
        SHUT.store(true, Ordering::Relaxed);
        writing(&spool, &queue, || BEGUN.load(Ordering::Relaxed) == begun).await;
        let taken = match spool.next().await {
            Some(batch) => vec![batch.timestamp.as_secs()],
            None => waiting(&queue),
        };
        assert_eq!(taken, [secs]);
        spool.done().await;
        SHUT.store(false, Ordering::Relaxed);
        // Its turn is over when all is done.
        drop(spool.turn.lock());
        assert_eq!((files(&folder), spool.metrics.failed.get()), (0, 0));
    }
}
