//! What a series costs and how long its ring takes; run it with `--ignored --nocapture` and
//! `--release` to believe the times.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "measures"
)]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Instant;

use super::*;

const PODS: u64 = 30_000;
const PODS_A_NODE: u64 = 30;
const SLOTS: i64 = 15;

/// Some number below `below`, always the same for the same things.
fn noise(of: impl Hash, below: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish() % below
}

/// What the API server says of a pod and what a kubelet would be asked about.
struct Subjects {
    pod: Arc<PodRecord>,
    volume: Arc<str>,
    id: u64,
}

fn subjects(id: u64) -> Subjects {
    let name = format!("checkout-{:010x}-{id:05}", noise(id, 1 << 40));
    let mut pod = with_uid(
        MetricSet::new(pod(&format!("shop-{}", id % 300), &name)),
        &format!("{:08x}-9c1b-4c61-a111-{id:012x}", noise(id, 1 << 32)),
    );
    let volume = format!("Volume:kube-api-access-{:05x}", noise(id, 1 << 20)).into();
    let pod = pod.about.pod.take().unwrap();
    Subjects { pod, volume, id }
}

/// The metrics both containers and pods have: 14 plain ones, and the three of the disk.
fn common(id: u64, at: u64) -> Vec<Point> {
    // The kubelet samples some seconds before the tick, never at the same distance.
    let elapsed = at * 60_000 + noise((id, at, "stamp"), 9_000);
    let busy = !id.is_multiple_of(3);
    let cpu = |at: u64| at * 6_000_000_000 + noise((id, at, "cpu"), 1_800_000_000);
    let faults = |at: u64| at * 900 + noise((id, at, "faults"), 300);
    let pages = |what: &str, spread| 4096 * (20_000 + id + noise((id, at, what), spread));
    let rate = |counter: u64| counter as f64 * 1000.0 / (60_000 + noise((id, at), 500)) as f64;
    let busy_rate = if busy {
        rate(faults(at) - faults(at - 1))
    } else {
        0.0
    };
    vec![
        Point::int(Metric::Uptime, 86_400_000 * (id % 50) + elapsed),
        Point::int(Metric::CpuUsage, cpu(at)),
        Point::int(Metric::CpuUsageRate, 85 + noise((id, at, "rate"), 30)),
        Point::int(Metric::CpuRequest, 100),
        Point::int(Metric::CpuLimit, 500),
        Point::int(Metric::MemoryUsage, pages("usage", 500)),
        Point::int(Metric::MemoryWorkingSet, pages("working set", 400)),
        Point::int(Metric::MemoryRss, pages("rss", 100)),
        Point::int(Metric::MemoryRequest, 128 << 20),
        Point::int(Metric::MemoryLimit, 256 << 20),
        Point::int(
            Metric::MemoryPageFaults,
            if busy { faults(at) } else { 4_711 },
        ),
        Point::float(Metric::MemoryPageFaultsRate, busy_rate),
        Point::int(Metric::MemoryMajorPageFaults, id % 7),
        Point::float(Metric::MemoryMajorPageFaultsRate, 0.0),
        Point::int(Metric::EphemeralStorageUsage, 4096 * (50 + at / 3)),
        Point::int(Metric::EphemeralStorageRequest, 0),
        Point::int(Metric::EphemeralStorageLimit, 0),
    ]
}

fn network(id: u64, at: u64) -> Vec<Point> {
    let bytes = |at: u64| at * 3_000_000 + noise((id, at, "bytes"), 1_000_000);
    let rate = (bytes(at) - bytes(at - 1)) as f64 / 60.0;
    vec![
        Point::int(Metric::NetworkRx, bytes(at)),
        Point::float(Metric::NetworkRxRate, rate),
        Point::int(Metric::NetworkRxErrors, 0),
        Point::float(Metric::NetworkRxErrorsRate, 0.0),
        Point::int(Metric::NetworkTx, bytes(at) / 3),
        Point::float(Metric::NetworkTxRate, rate / 3.0),
        Point::int(Metric::NetworkTxErrors, 0),
        Point::float(Metric::NetworkTxErrorsRate, 0.0),
    ]
}

/// A filesystem of the node's disk: what is used is the entity's, all else the disk's.
fn filesystem(by: &Arc<str>, id: u64, at: u64) -> impl Iterator<Item = Qualified> {
    let node = id / PODS_A_NODE;
    let values = [
        (Metric::FilesystemUsage, 4096 * (30 + at / 5)),
        (Metric::FilesystemLimit, 100 << 30),
        (
            Metric::FilesystemAvailable,
            (60 << 30) - 4096 * noise((node, at, "disk"), 3_000),
        ),
        (Metric::FilesystemInodes, 6_553_600),
        (
            Metric::FilesystemInodesFree,
            6_000_000 - noise((node, at, "inodes"), 300),
        ),
    ];
    let by = Arc::clone(by);
    values.into_iter().map(move |(metric, value)| Qualified {
        by: Arc::clone(&by),
        point: Point::int(metric, value),
    })
}

fn sets_of(of: &Subjects, at: u64) -> [MetricSet; 3] {
    let id = of.id;
    let named = |key, points, by: &[Arc<str>]| {
        let mut set = MetricSet::new(key);
        set.points = points;
        set.points.sort_by_key(|point| point.metric());
        set.qualified = by.iter().flat_map(|by| filesystem(by, id, at)).collect();
        set.started = Some(minute(0));
        let offset = i64::try_from(noise((id, at, "stamp"), 9_000)).unwrap();
        set.sampled = Some(Timestamp::from_millis(
            minute(at as i64).as_millis() - offset,
        ));
        set.about.pod = Some(Arc::clone(&of.pod));
        set
    };
    let container = |name: &str, part: u64| {
        let name = ContainerName::new(name).unwrap();
        let mut points = common(id * 3 + part, at);
        points.push(Point::int(Metric::RestartCount, 0));
        let by = ["/".into(), "logs".into()];
        named(EntityKey::Container(of.pod.key.clone(), name), points, &by)
    };
    let mut points = common(id * 3, at);
    points.extend(network(id, at));
    let volume = std::slice::from_ref(&of.volume);
    [
        named(EntityKey::Pod(of.pod.key.clone()), points, volume),
        container("c", 1),
        container("istio-proxy", 2),
    ]
}

/// Resident memory by the kernel's account.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Seconds this thread has run, whoever else wants the processor.
fn busy() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: u64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds as f64 / 1e9
}

/// Appends one column node by node, and returns the seconds the ring took for it.
fn column(ring: &History, pods: &[Subjects], at: i64) -> f64 {
    let mut seconds = 0.0;
    for node in pods.chunks(PODS_A_NODE as usize) {
        let sets: Vec<MetricSet> = node
            .iter()
            .flat_map(|pod| sets_of(pod, at as u64))
            .collect();
        let begun = busy();
        ring.append(minute(at), &sets).unwrap();
        seconds += busy() - begun;
    }
    let begun = busy();
    ring.finish(minute(at)).unwrap();
    println!(
        "{at}: {:.0} ms to append, {:.0} ms to finish",
        seconds * 1e3,
        (busy() - begun) * 1e3
    );
    seconds
}

/// Keys and index included, by the account that `--history-memory-limit` goes by.
#[test]
fn a_series_of_fifteen_points_takes_at_most_forty_bytes() {
    let pods: Vec<Subjects> = (0..PODS / 30).map(subjects).collect();
    let ring = ring(SLOTS as u64);
    for at in 1..=SLOTS + 3 {
        column(&ring, &pods, at);
    }
    let series = series(&pods[0]) * pods.len();
    let bytes = ring.held() as f64 / series as f64;
    assert!(bytes <= 40.0, "{bytes:.1} B a series");
}

/// How many series a pod and its containers have.
fn series(of: &Subjects) -> usize {
    let sets = sets_of(of, 1);
    let series = sets.iter().map(|s| s.points.len() + s.qualified.len());
    series.sum()
}

#[test]
#[ignore = "measures"]
fn bytes_and_time_per_series() {
    let pods: Vec<Subjects> = (0..PODS).map(subjects).collect();
    let ring = ring(SLOTS as u64);
    let before = resident();
    for at in 1..=SLOTS {
        column(&ring, &pods, at);
    }
    let series = series(&pods[0]) * PODS as usize;
    let report = |when: &str| {
        let (used, own) = (resident() - before, ring.held() as usize);
        println!(
            "{when}: {} MB resident ({:.1} B/series), {} MB by our own account ({:.1})",
            used >> 20,
            used as f64 / series as f64,
            own >> 20,
            own as f64 / series as f64,
        );
    };
    report("filled");
    let mut seconds = 0.0;
    for at in SLOTS + 1..=SLOTS + 10 {
        seconds += column(&ring, &pods, at);
    }
    report("turning");
    let sets = (10 * 3 * PODS) as f64;
    println!(
        "{} series of {} pods; {:.2} us/set appended",
        series,
        PODS,
        seconds * 1e6 / sets
    );
    let view = ring.view();
    let usage = Series::of(Metric::MemoryUsage);
    let read = |pod: &Subjects| {
        let key = EntityKey::Pod(pod.pod.key.clone());
        view.points(&key.into(), &usage, Span::ALL).len()
    };
    let begun = busy();
    let points: usize = pods.iter().map(read).sum();
    assert_eq!(points, pods.len() * SLOTS as usize);
    let each = (busy() - begun) / pods.len() as f64;
    println!("a series of a pod read in {:.2} us", each * 1e6);
    let begun = Instant::now();
    let mut shown = 0;
    view.for_each_latest(|set| shown += set.points.len());
    println!(
        "{shown} newest points in {:.0} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    let begun = Instant::now();
    let names = view.pods(&pods[0].pod.key.namespace).len();
    println!(
        "{names} names of pods in {:.2} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
}
