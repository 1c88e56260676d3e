//! What was answered before is answered after.

use super::*;

/// Four days of a column every ten minutes.
const DAYS: i64 = 4 * 144;

async fn assert_answers(process: &Process, ticks: impl Iterator<Item = i64> + Clone) {
    let ask = async |subject: Subject| process.ask(subject, 0, 10_000).await;
    assert_eq!(ask(node().into()).await, of_node(ticks.clone()));
    for number in 0..PODS {
        let expected = of_pod(number, ticks.clone());
        assert_eq!(ask(pod(number).into()).await, expected, "pod {number}");
        assert_eq!(ask(container(number).into()).await, expected);
        let life = ticks.clone().filter(|at| at / 100 == 2);
        let uid = uid(number, 200);
        let expected = of_pod(number, life);
        assert_eq!(ask(Subject::PodId(Arc::clone(&uid))).await, expected);
        let name = ContainerName::new("c").unwrap();
        assert_eq!(ask(Subject::PodIdContainer(uid, name)).await, expected);
    }
    let kubelets: Vec<_> = ticks.clone().map(|at| (at, at + 1)).collect();
    assert_eq!(ask(kubelet().into()).await, kubelets);
    assert_eq!(ask(pod(PODS).into()).await, []);
}

#[tokio::test]
async fn days_are_answered_the_same_after_a_restart_and_go_on() {
    let folder = tempdir().unwrap();
    let before = Process::start(folder.path());
    before.run(0..DAYS);
    assert_answers(&before, 0..DAYS).await;
    assert!(
        segments(folder.path()).len() < 60 + 10,
        "small ones are joined"
    );
    drop(before);
    let after = Process::start(folder.path());
    assert_eq!(after.restore(DAYS), usize::try_from(SLOTS).unwrap() - 1);
    assert_answers(&after, 0..DAYS).await;
    let ticks = after.ring.view().ticks();
    assert_eq!(ticks.last(), Some(&tick(DAYS - 1)));
    after.run(DAYS..DAYS + 100);
    assert_answers(&after, 0..DAYS + 100).await;
}

#[tokio::test]
async fn a_span_across_the_seam_has_no_gap_and_nothing_twice() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    process.run(0..200);
    for from in 150..200 {
        for to in [from, from + 3, 199, 250] {
            let expected = of_node(from..=to.min(199));
            assert_eq!(process.ask(node(), from, to).await, expected);
        }
    }
}

/// All of it, wherever it comes from.
fn elsewhere(process: &Process, ticks: impl Iterator<Item = i64>) -> Arc<History> {
    let config = history::Config {
        retention: Duration::from_secs(1 << 30),
        resolution: process.resolution(),
        ..history::Config::default()
    };
    let ring = History::new(config, &mut Registry::default());
    for at in ticks {
        ring.append(tick(at), &column(at)).unwrap();
        ring.finish(tick(at)).unwrap();
    }
    Arc::new(ring)
}

#[tokio::test]
async fn what_nobody_wrote_is_asked_of_a_store_also_within_a_segment() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    let away = |at: &i64| (30..35).contains(at) || (150..170).contains(at) || *at == 180;
    process.run((0..196).filter(|at| !away(at)));
    let files = segments(folder.path()).len();
    assert!(files < 60, "{files} files: small ones are joined");
    let store = elsewhere(&process, 0..200);
    let clock = || Arc::clone(&process.clock) as Arc<dyn Clock>;
    let now = tick(199).as_millis();
    process.clock.now.store(now, Ordering::Relaxed);
    let archive = Arc::clone(&process.archive) as Arc<dyn Recent>;
    let older = Layered::new(archive, store, clock(), process.resolution());
    let ring = Arc::clone(&process.ring) as Arc<dyn Recent>;
    let all = Layered::new(ring, Arc::new(older), clock(), process.resolution());
    for (from, to) in [
        (0, 199),
        (20, 40),
        (31, 33),
        (149, 171),
        (160, 160),
        (197, 199),
    ] {
        // Who misses one column was there all the time.
        let expected = of_node((from..=to).filter(|at| *at != 180));
        assert_eq!(points(&all, node().into(), from, to).await, expected);
    }
}

#[tokio::test]
async fn aggregates_and_names_come_from_disk_where_memory_has_none() {
    let folder = tempdir().unwrap();
    Process::start(folder.path()).run(0..130);
    let process = Process::start(folder.path());
    process.archive.keep_up(&process.ring);
    let archive = &process.archive;
    let query = Query {
        subjects: vec![node().into(), pod(PODS).into()],
        series: Series::of(Metric::MemoryUsage),
        span: Span::new(tick(10), tick(109)),
    };
    let aggregations = [Aggregation::Count, Aggregation::Maximum];
    let answers = archive
        .aggregates(&query, &aggregations, None)
        .await
        .unwrap();
    let [node_s, nobodys] = answers.try_into().unwrap();
    let [bucket] = node_s.unwrap().try_into().unwrap();
    let largest = (10..110).map(node_uses).max().unwrap();
    assert_eq!(bucket.count, Some(100));
    assert_eq!(bucket.maximum, Some(Value::Int(largest)));
    let error = NoResults::new(&query.series, pod(PODS).into());
    assert_eq!(nobodys, Err(error));
    let names = |number| pod_key(number).name;
    assert_eq!(archive.nodes().await.unwrap().len(), 1);
    let namespaces = archive.namespaces().await.unwrap();
    assert_eq!(
        namespaces,
        [0, 1, 2].map(|number| pod_key(number).namespace)
    );
    let pods = archive.pods(&pod_key(1).namespace).await.unwrap();
    assert_eq!(pods, [names(1), names(4)]);
    let of = NodeName::new("n").unwrap();
    let system = archive.system_containers(&of).await.unwrap();
    assert_eq!(system, [Arc::from("kubelet")]);
    let metrics = archive.metric_names(&node()).await.unwrap();
    assert_eq!(metrics, ["cpu/usage", "memory/usage"]);
}

#[tokio::test]
async fn what_a_replica_has_that_is_newer_follows_what_was_on_disk() {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    Process::start(folder.path()).run(0..50);
    let other = Process::start(elsewhere.path());
    other.run(0..54);
    let process = Process::start(folder.path());
    process.restore(54);
    assert_eq!(process.ring.view().newest(), Some(tick(49)));
    let mut handing = other.ring.hand_off().unwrap();
    let inventory = Inventory::new();
    let columns = handing.columns().clone();
    let mut taking = process.ring.take_over(columns, &inventory).unwrap();
    assert_eq!(taking.columns(), 4);
    handing
        .by_ref()
        .for_each(|family| taking.add(family).unwrap());
    taking.finish();
    process.archive.keep_up(&process.ring);
    process.run(54..70);
    assert_eq!(process.ask(node(), 0, 100).await, of_node(0..70));
    assert_eq!(process.ask(pod(4), 0, 100).await, of_pod(4, 0..70));
    assert_eq!(process.on_disk(node()).await, of_node(0..70));
}

#[tokio::test]
async fn what_is_too_old_for_the_ring_stays_on_disk() {
    let folder = tempdir().unwrap();
    Process::start(folder.path()).run(0..50);
    let process = Process::start(folder.path());
    assert_eq!(process.restore(50 + SLOTS + 1), 0);
    assert_eq!(process.ring.view().ticks(), []);
    assert_eq!(process.ask(node(), 0, 100).await, of_node(0..50));
    process.run(70..75);
    assert_eq!(
        process.ask(node(), 0, 100).await,
        of_node((0..50).chain(70..75))
    );
}

#[tokio::test]
async fn ticks_that_waited_for_the_disk_are_written_together() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    process.run(0..10);
    (10..15).for_each(|at| process.tick(at));
    process.archive.keep_up(&process.ring);
    assert_eq!(process.on_disk(node()).await, of_node(0..15));
    assert_eq!(
        process.metric("loadline_history_dir_dropped_ticks_total"),
        0
    );
    // Three more than the ring holds.
    (15..15 + SLOTS + 3).for_each(|at| process.tick(at));
    process.archive.keep_up(&process.ring);
    let there = (0..15).chain(18..15 + SLOTS + 3);
    assert_eq!(process.on_disk(node()).await, of_node(there));
    assert_eq!(
        process.metric("loadline_history_dir_dropped_ticks_total"),
        3
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_begins_anew() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    process.run(0..30);
    process.ring.begin_anew();
    process.run(20..25);
    assert_eq!(process.on_disk(node()).await, of_node(0..30));
    process.run(25..40);
    assert_eq!(process.on_disk(node()).await, of_node(0..40));
    assert_eq!(process.on_disk(pod(4)).await, of_pod(4, 0..40));
    drop(process);
    // What lies in the future is not taken up.
    let process = Process::start(folder.path());
    assert_eq!(process.restore(35), 9);
    assert_eq!(process.ring.view().newest(), Some(tick(35)));
}

#[tokio::test]
async fn what_is_too_old_or_too_much_goes_oldest_first() {
    let folder = tempdir().unwrap();
    let process = Process::with(folder.path(), 1 << 40, 200, Box::new(Disk));
    process.run(0..400);
    let there = process.on_disk(node()).await;
    let oldest = there[0].0;
    assert_eq!(there, of_node(oldest..400));
    // A segment goes as a whole, so at most one is older.
    assert!((130..=200).contains(&oldest), "{oldest}");
    let ticks = process.ticks();
    assert_eq!(ticks, Some((tick(oldest), tick(399))));
    let bytes = process.metric("loadline_history_dir_bytes");
    drop(process);
    let half = bytes.cast_unsigned() / 2;
    let process = Process::with(folder.path(), half, 200, Box::new(Disk));
    process.restore(400);
    process.run(400..401);
    let there = process.on_disk(node()).await;
    assert_eq!(there, of_node(there[0].0..401));
    assert!(there[0].0 > oldest);
    let (kept, files) = (
        process.metric("loadline_history_dir_bytes"),
        segments(folder.path()),
    );
    let on_disk: u64 = files
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert_eq!(kept.cast_unsigned(), on_disk);
    assert!(on_disk <= half);
}
