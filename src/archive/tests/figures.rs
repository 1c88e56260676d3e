//! What it costs, beside memory alone. `cargo test --release --lib archive:: --
//! --ignored --nocapture figures` tells; times are those of a CPU.

use super::*;
use crate::domain::Units;

const NODES: i64 = 20;
const MANY: i64 = 1000;

/// Counters that grow unevenly, gauges that wander, and constants.
fn measured(key: EntityKey, number: i64, at: i64) -> MetricSet {
    let noise = (number * 7_919 + at * 104_729) % 1_009;
    let mut set = MetricSet::new(key);
    let plain = |metric: &Metric| !metric.is_labelled() && *metric != Metric::ResourceRequest;
    for metric in Metric::all().filter(plain) {
        set.set(if metric.is_float() {
            Point::float(metric, f64::from(i32::try_from(noise).unwrap()) / 60.0)
        } else if metric.rate().is_some() {
            Point::int(metric, at * 6_000_000_000 + noise * 1_000_003)
        } else if metric.units() == Units::Bytes {
            Point::int(metric, 4_096 * (20_000 + noise))
        } else {
            Point::int(metric, 100)
        });
    }
    set
}

fn large(at: i64, records: &[Arc<PodRecord>]) -> Vec<MetricSet> {
    let mut sets = Vec::new();
    for number in 0..NODES {
        let name = NodeName::new(format!("node-{number:03}")).unwrap();
        sets.push(measured(EntityKey::Node(name), number, at));
    }
    for (number, record) in (0..).zip(records) {
        let name = ContainerName::new("server").unwrap();
        for key in [
            EntityKey::Pod(record.key.clone()),
            EntityKey::Container(record.key.clone(), name),
        ] {
            let mut set = measured(key, number, at);
            set.about.pod = Some(Arc::clone(record));
            sets.push(set);
        }
    }
    sets
}

/// What this thread has used of a CPU, which no other work on the machine adds to.
fn used() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
#[ignore = "tells figures"]
async fn figures_of_1000_pods() {
    let folder = tempdir().unwrap();
    let process = Process::start(folder.path());
    let record = |number: i64| {
        let namespace = Namespace::new(format!("team-{}", number % 40)).unwrap();
        let name = PodName::new(format!("checkout-6d5c9fb5d7-{number:05}")).unwrap();
        Arc::new(PodRecord {
            key: PodKey::new(namespace, name),
            uid: uuid::Uuid::new_v4().to_string().into(),
            node: Some(NodeName::new(format!("node-{:03}", number % NODES)).unwrap()),
            labels: Labels::default(),
            phase: PodPhase::Running,
            containers: [].into(),
        })
    };
    let records: Vec<_> = (0..MANY).map(record).collect();
    let (mut append, mut write) = (Duration::ZERO, Duration::ZERO);
    let timed = |work: &mut dyn FnMut()| {
        let began = used();
        work();
        used() - began
    };
    for at in 0..59 {
        let sets = large(at, &records);
        append += timed(&mut || {
            process.ring.append(tick(at), &sets).unwrap();
            process.ring.finish(tick(at)).unwrap();
        });
        write += timed(&mut || process.archive.keep_up(&process.ring));
    }
    let bytes = process.metric("loadline_history_dir_bytes");
    println!("a column: {append:?} to append, {write:?} to write, of 59");
    println!("small segments: {} bytes each", bytes / 59);
    println!("ring: {} bytes", process.metric("loadline_history_bytes"));
    process.ring.append(tick(59), &large(59, &records)).unwrap();
    process.ring.finish(tick(59)).unwrap();
    let joined = timed(&mut || process.archive.keep_up(&process.ring));
    let bytes = process.metric("loadline_history_dir_bytes");
    println!(
        "joined in {joined:?} to {bytes} bytes, {} a column",
        bytes / 60
    );
    let pod = EntityKey::Pod(records.first().unwrap().key.clone());
    let began = tokio::time::Instant::now();
    let points = process.on_disk(pod).await;
    let took = began.elapsed();
    println!("{} points of a pod, {took:?} by the clock", points.len());
    let again = Process::start(folder.path());
    drop(process);
    let restored = timed(&mut || assert!(again.restore(60) > 0));
    println!("read back in {restored:?}");
}
