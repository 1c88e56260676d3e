//! Batches that outlive a process, a broken file and a full disk.

mod away;

use tempfile::TempDir;

use super::super::metrics::Metrics;
use super::*;
use crate::domain::{
    AddressType, Batch, ContainerKind, ContainerName, ContainerRecord, EntityKey, Metric,
    MetricSet, NodeAddress, NodeName, NodeRecord, Point, Qualified, Timestamp,
};
use crate::sinks::tests::{batch, cluster, pod};
use crate::telemetry::Registry;
use crate::telemetry::testing::logged;

type Opened = Arc<Spool<Batch>>;

fn opened_as(
    folder: &TempDir,
    most: u64,
    kind: &'static str,
    pack: fn(&Batch) -> Vec<u8>,
) -> io::Result<Opened> {
    let metrics = Metrics::register(&mut Registry::default()).of_spool("s");
    let lost = None;
    let codec = Codec {
        kind,
        pack,
        unpack,
        lost,
    };
    let owner = Owner {
        sink: "s",
        destination: "log",
    };
    Spool::open(owner, folder.path(), most, codec, metrics)
}

fn open(folder: &TempDir, most: u64) -> Opened {
    opened_as(folder, most, "numbers", pack).unwrap()
}

fn made(secs: i64) -> Arc<Batch> {
    Arc::new(batch(secs, vec![cluster()]))
}

async fn put(spool: &Opened, secs: i64) {
    spool.push(made(secs));
    spool.write_pending(false).await;
}

/// Takes all, the oldest first.
async fn taken(spool: &Opened) -> Vec<i64> {
    let mut stamps = Vec::new();
    while let Some(batch) = spool.next().await {
        stamps.push(batch.timestamp.as_secs());
        spool.done().await;
    }
    stamps
}

/// How many files are there besides those every spool has.
fn files(folder: &TempDir) -> usize {
    let names = fs::read_dir(folder.path().join("s")).unwrap();
    let names = names.map(|file| file.unwrap().file_name());
    let ours = |name: &std::ffi::OsString| name == "lock" || name == "destination";
    names.filter(|name| !ours(name)).count()
}

/// A node, a pod on it and its container, with all that sinks say of them.
fn rich() -> Batch {
    let mut node = NodeRecord::new(NodeName::new("n1").unwrap());
    node.labels = [("zone", "a")].into_iter().collect();
    node.host_id = Some("machine".into());
    let hostname = NodeAddress {
        kind: AddressType::Hostname,
        address: "h.1".into(),
    };
    node.addresses = [hostname].into();
    let node = Arc::new(node);

    let mut pod = pod("a", "p", &[("app", "web")]);
    let mut record = pod.about.pod.as_deref().unwrap().clone();
    let name = ContainerName::new("c").unwrap();
    record.containers = [ContainerRecord {
        name: name.clone(),
        kind: ContainerKind::Regular,
        running: true,
        restart_count: 0,
        image: "busybox:1".into(),
        resources: Arc::default(),
    }]
    .into();
    let key = record.key.clone();
    pod.about.pod = Some(Arc::new(record));
    pod.about.node = Some(Arc::clone(&node));
    pod.about.namespace_uid = Some("uid-a".into());
    pod.started = Some(Timestamp::from_millis(1_234));

    let mut container = MetricSet::new(EntityKey::Container(key.clone(), name));
    container.about = pod.about.clone();
    container.set(Point::int(Metric::CpuUsage, i64::MAX));
    container.set(Point::float(Metric::MemoryPageFaultsRate, 2.0));
    container.qualified.push(Qualified {
        by: "nvidia.com/gpu".into(),
        point: Point::int(Metric::ResourceRequest, 2),
    });
    let of_node = |key| {
        let mut set = MetricSet::new(key);
        set.about.node = Some(Arc::clone(&node));
        set.set(Point::float(Metric::CpuNodeUtilization, 0.1));
        set
    };
    let system = EntityKey::SystemContainer(node.name.clone(), "/a b".into());
    let namespace = EntityKey::Namespace(key.namespace.clone());
    let sets = vec![
        of_node(EntityKey::Node(node.name.clone())),
        of_node(system),
        pod,
        container,
        MetricSet::new(namespace),
        cluster(),
    ];
    batch(60, sets)
}

#[test]
fn a_batch_comes_back_as_it_was() {
    let batch = rich();
    let read = unpack(&pack(&batch)).unwrap();
    assert_eq!(read.timestamp, batch.timestamp);
    let (sets, expected): (Vec<_>, Vec<_>) = (read.sets().collect(), batch.sets().collect());
    assert_eq!(sets, expected);
    for content in ["", "{}", "[]", "{\"millis\":1}"] {
        assert!(unpack(content.as_bytes()).is_none());
    }
}

#[tokio::test]
async fn batches_come_back_in_order_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    for secs in [60, 120, 180] {
        put(&spool, secs).await;
    }
    let first = spool.next().await.unwrap();
    assert_eq!(first.timestamp.as_secs(), 60);
    // Killed before it was through.
    drop(spool);
    let spool = open(&folder, 1 << 20);
    put(&spool, 240).await;
    spool.keep(Some(made(30)), [made(300), made(360)]).await;
    drop(spool);
    let spool = open(&folder, 1 << 20);
    assert_eq!(spool.metrics.batches.get(), 7);
    assert_eq!(taken(&spool).await, [30, 60, 120, 180, 240, 300, 360]);
    assert_eq!((files(&folder), spool.metrics.bytes.get()), (0, 0));
}

#[tokio::test]
async fn what_is_not_written_yet_can_be_taken_and_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    spool.push(made(60));
    spool.push(made(120));
    assert!(!spool.is_empty());
    assert_eq!(taken(&spool).await, [60, 120]);
    spool.write_pending(false).await;
    assert_eq!(files(&folder), 0);
    assert!(spool.is_empty());
}

#[tokio::test]
async fn a_broken_file_costs_its_batch_alone() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    for secs in [60, 120, 180, 240] {
        put(&spool, secs).await;
    }
    let path = |at| file::path(&folder.path().join("s"), held::FIRST + at);
    let bytes = fs::read(path(3)).unwrap();
    fs::write(path(3), &bytes[..bytes.len() - 1]).unwrap();
    fs::write(path(1), b"").unwrap();
    fs::write(
        folder.path().join("s/00000000000000000001.unfinished"),
        b"x",
    )
    .unwrap();
    fs::write(folder.path().join("s/README"), b"x").unwrap();
    drop(spool);
    let spool = open(&folder, 1 << 20);
    assert_eq!(taken(&spool).await, [60, 180]);
    assert_eq!(spool.metrics.torn.get(), 2);
    assert_eq!(files(&folder), 1, "what is none of ours stays");
}

#[tokio::test]
async fn the_oldest_make_room_and_what_is_too_large_is_dropped() {
    let folder = TempDir::new().unwrap();
    let one = file::sealed(&pack(&made(60))).unwrap().len() as u64;
    let spool = open(&folder, one * 5 / 2);
    for secs in [60, 120, 180] {
        put(&spool, secs).await;
    }
    assert_eq!(spool.metrics.full.get(), 1);
    let pods = (0..100).map(|n| pod("a", &format!("p{n}"), &[])).collect();
    spool.push(Arc::new(batch(240, pods)));
    spool.write_pending(false).await;
    assert_eq!((spool.metrics.full.get(), files(&folder)), (2, 2));
    drop(spool);
    // A smaller limit takes effect at once.
    let spool = open(&folder, one * 3 / 2);
    assert_eq!(taken(&spool).await, [180]);
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_nothing_else_is_harmed() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder, 1 << 20);
    fs::remove_dir_all(folder.path().join("s")).unwrap();
    put(&spool, 60).await;
    assert_eq!(spool.metrics.failed.get(), 1);
    fs::create_dir(folder.path().join("s")).unwrap();
    put(&spool, 120).await;
    for n in 1..=18 {
        spool.push(made(120 + n * 60));
    }
    assert_eq!(spool.metrics.failed.get(), 3, "the disk is too slow");
    let kept: Vec<i64> = [2].into_iter().chain(5..=20).map(|n| n * 60).collect();
    assert_eq!(taken(&spool).await, kept);
}

#[test]
fn each_change_is_a_line_of_the_log() {
    let folder = TempDir::new().unwrap();
    let one = file::sealed(&pack(&made(60))).unwrap().len() as u64;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let lines = logged(|| {
        let spool = open(&folder, one * 5 / 2);
        // In this thread, whose lines are looked at.
        let put = |secs| {
            spool.push(made(secs));
            spool.write_next(false);
        };
        [60, 120, 180, 240].into_iter().for_each(put);
        assert_eq!(runtime.block_on(taken(&spool)), [180, 240]);
        let place = folder.path().join("s");
        fs::remove_dir_all(&place).unwrap();
        [300, 360].into_iter().for_each(put);
        // A disk that takes one batch and not the next does not work again.
        fs::create_dir(&place).unwrap();
        put(370);
        assert_eq!(runtime.block_on(taken(&spool)), [370]);
        fs::remove_dir_all(&place).unwrap();
        put(380);
        fs::create_dir(&place).unwrap();
        for secs in [390, 400, 420] {
            put(secs);
            assert_eq!(runtime.block_on(taken(&spool)), [secs]);
        }
        for n in 0..18 {
            spool.push(made(480 + n * 60));
        }
        runtime.block_on(taken(&spool));
        put(1800);
    });
    let expected = [
        "the spool is full; its oldest batches are dropped",
        "the spool has room again",
        "cannot write to the spool; batches are in memory alone",
        "the spool is written to again",
        "more batches wait for the spool than may; the oldest of them are dropped",
        "the spool is written to in time again",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{lines:?}");
    }
}

#[test]
fn a_batch_larger_than_the_spool_is_told_once_with_both_sizes() {
    let folder = TempDir::new().unwrap();
    let size = file::sealed(&pack(&made(60))).unwrap().len() as u64;
    let lines = logged(|| {
        let spool = open(&folder, size - 1);
        for secs in [60, 120] {
            spool.push(made(secs));
            spool.write_next(false);
        }
        assert_eq!(spool.metrics.full.get(), 2);
        assert!(!spool.takes());
    });
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    for part in [
        "a batch is larger than the spool may be",
        &format!("bytes={size}"),
        &format!("most={}", size - 1),
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[test]
fn a_folder_another_kind_uses_is_refused_although_nothing_waits_there() {
    let folder = TempDir::new().unwrap();
    let running = open(&folder, 1 << 20);
    let other = opened_as(&folder, 1 << 20, "events", pack);
    let why = other.map(drop).unwrap_err().to_string();
    assert!(why.contains("a sink of numbers uses"), "{why}");
    drop(opened_as(&folder, 1 << 20, "numbers", pack).unwrap());
    drop(running);
    opened_as(&folder, 1 << 20, "events", pack).unwrap();
}

#[tokio::test]
async fn a_folder_has_one_user_and_the_next_sends_what_that_one_left() {
    let folder = TempDir::new().unwrap();
    let first = open(&folder, 1 << 20);
    put(&first, 60).await;
    let unfinished = folder.path().join("s/00000000000000000007.unfinished");
    fs::write(&unfinished, b"x").unwrap();
    let second = open(&folder, 1 << 20);
    assert!(unfinished.exists() && !second.claim().await);
    assert!(second.keep_at_hand(made(30)).await.is_none());
    assert!(
        !second.held.lock().told.is_failing(),
        "it is no disk that fails"
    );
    second.push(made(240));
    assert!(!second.has_room() && !second.is_empty());
    put(&first, 120).await;
    first.keep(None, [made(180)]).await;
    assert_eq!((files(&folder), second.metrics.failed.get()), (4, 0));
    drop(first);
    assert!(second.claim().await && second.has_room());
    second.write_pending(false).await;
    assert_eq!(second.metrics.batches.get(), 4);
    assert_eq!(taken(&second).await, [60, 120, 180, 240]);

    // One that ends before the other has nowhere to put anything, and says so.
    let third = open(&folder, 1 << 20);
    third.keep(Some(made(300)), [made(360)]).await;
    assert_eq!((third.metrics.failed.get(), files(&folder)), (2, 0));
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_read_as_something_they_are_not(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        text in "[\\[\\]{}\"a-z0-9:,.]{0,200}",
    ) {
        proptest::prop_assert_eq!(file::opened(&bytes), None);
        proptest::prop_assert!(unpack(&bytes).is_none());
        proptest::prop_assert!(unpack(text.as_bytes()).is_none());
    }
}
