//! Hand-offs from bytes to bytes, and who gets one.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::frames::{Content, Frames};
use super::giver::{HISTORY, LIVE};
use super::*;
use crate::apimachinery::{Piece, Reply};
use crate::domain::*;
use crate::history::{
    self, FormatError, FormatWriter, History, RingPart, RingReader, Series, Span,
};
use crate::live::{self, Live, NodePoints};
use crate::telemetry::Registry;
use std::sync::Arc;

const MINUTE: i64 = 60_000;
const NOW: i64 = 1_795_253_480_000;

/// Both clocks, turned by hand.
#[derive(Debug)]
struct Hands(Instant, Mutex<Duration>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.1.lock().as_millis()).unwrap();
        Timestamp::from_millis(NOW + elapsed)
    }

    fn monotonic(&self) -> Instant {
        self.0 + *self.1.lock()
    }
}

/// One replica, without its port.
struct Replica {
    clock: Arc<Hands>,
    inventory: Arc<Inventory>,
    live: Arc<Live>,
    history: Arc<History>,
    giver: Arc<Giver>,
    identities: Arc<Identities>,
}

impl Replica {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn new() -> Self {
        let clock = Arc::new(Hands(
            Instant::now() + Duration::from_secs(3600),
            Mutex::default(),
        ));
        let inventory = Arc::new(Inventory::new());
        let mut registry = Registry::default();
        let config = live::Config {
            resolution: Duration::from_secs(15),
        };
        let turned = Arc::clone(&clock) as Arc<dyn Clock>;
        let live = Live::new(config, Arc::clone(&inventory), turned, &mut registry);
        let history = Arc::new(History::new(history::Config::default(), &mut registry));
        let (live, identities) = (Arc::new(live), Identities::new());
        let giver = Giver::new(
            Arc::clone(&live),
            Some(Arc::clone(&history)),
            Arc::clone(&identities),
            Metrics::register(&mut registry),
        );
        Self {
            clock,
            inventory,
            live,
            history,
            giver,
            identities,
        }
    }

    /// A replica that has measured so many nodes with so many pods each, and knows their past.
    fn measured(nodes: usize, pods: usize, columns: i64) -> Self {
        let replica = Self::new();
        for round in 1..=2 {
            *replica.clock.1.lock() += Duration::from_secs(15);
            for node in 0..nodes {
                replica.scrape(node, pods, round);
            }
        }
        for column in 0..columns {
            let tick = Timestamp::from_millis((NOW / MINUTE - columns + column) * MINUTE);
            for node in 0..nodes {
                let sets = sets(node, pods, column);
                replica.history.append(tick, &sets).unwrap();
            }
            replica.history.finish(tick).unwrap();
        }
        replica.giver.open();
        replica
    }

    fn scrape(&self, node: usize, pods: usize, round: u64) {
        let record = NodeRecord {
            ready: true,
            ..NodeRecord::new(node_name(node))
        };
        let at = self.clock.now();
        let cpu = |nanos: u64| {
            let value = CpuTime::from_nanos(nanos * 1_000_003);
            Some(CounterSample { value, at })
        };
        let memory = |bytes: u64| {
            let value = Bytes::new(bytes << 12);
            Some(GaugeSample { value, at })
        };
        let reading = ResourceReading {
            node: NodeReading {
                cpu: cpu(70_000 * round),
                memory: memory(1 << 20),
                swap: memory(1),
            },
            containers: (0..pods)
                .map(|pod| ContainerReading {
                    namespace: namespace(pod).into(),
                    pod: pod_name(node, pod).into(),
                    container: "app".into(),
                    cpu: cpu(1000 * round + pod as u64 + 1),
                    memory: memory(12_345 + pod as u64),
                    swap: memory(0),
                    started: Some(Timestamp::from_millis(
                        NOW - 86_400_000 + pod as i64 * 77_000,
                    )),
                })
                .collect(),
            ..ResourceReading::default()
        };
        self.inventory.apply_node(record.clone());
        self.live.commit(&record, &reading);
    }

    /// The whole stream at a path.
    fn stream(&self, path: &str) -> Vec<u8> {
        let Some(Reply::Stream(mut stream)) = self.giver.respond(&Method::GET, path) else {
            panic!("no stream at {path}");
        };
        let mut bytes = Vec::new();
        loop {
            match stream.pieces.next() {
                Piece::Bytes(piece) => bytes.extend_from_slice(&piece),
                Piece::End => return bytes,
                Piece::Later => panic!("there is always a piece"),
            }
        }
    }

    /// Takes over what these two streams hold.
    fn take(&self, points: &[u8], ring: &[u8]) {
        for part in parts(points, Content::Points) {
            let points = live_format::read(&part).unwrap();
            let node = NodeRecord::new(points.node.clone());
            self.inventory.apply_node(node.clone());
            let asked = self.clock.monotonic();
            self.live.take_over(&node, &points, asked);
        }
        let mut reader = RingReader::default();
        let mut taking = None;
        for part in parts(ring, Content::Ring) {
            match reader.read(&part).unwrap() {
                RingPart::Columns(columns) => {
                    taking = Some(self.history.take_over(columns, &self.inventory).unwrap());
                }
                RingPart::Families(families) => {
                    let taking = taking.as_mut().unwrap();
                    families.into_iter().for_each(|f| taking.add(f).unwrap());
                }
            }
        }
        taking.unwrap().finish();
    }
}

fn node_name(node: usize) -> NodeName {
    NodeName::new(format!("ip-10-0-{node}.eu-central-1.compute.internal")).unwrap()
}

fn namespace(pod: usize) -> String {
    format!("team-{}", pod % 7)
}

fn pod_name(node: usize, pod: usize) -> String {
    format!("checkout-service-{node:x}f7c9d5b{pod:x}-x{pod}kq2")
}

/// What one column says of a node and its pods: twelve metrics of a pod and ten of its container,
/// some of which change.
fn sets(node: usize, pods: usize, column: i64) -> Vec<MetricSet> {
    use Metric as M;
    let mut all = Vec::new();
    let mut fill = |key: EntityKey, metrics: &[Metric], about: &About, seed: i64| {
        let mut set = MetricSet::new(key);
        set.started = Some(Timestamp::from_millis(NOW - 86_400_000));
        set.sampled = Some(Timestamp::from_millis(NOW + column * MINUTE - seed % 9000));
        for (at, metric) in (0_i64..).zip(metrics) {
            let grown = column * (1 + seed % 37) * 1_234_567;
            let value = seed * 1_000_003 + at * 4096 + if at % 2 == 0 { grown } else { 0 };
            set.set(Point::int(*metric, value));
        }
        set.about = about.clone();
        all.push(set);
    };
    let of_node = About {
        node: Some(Arc::new(NodeRecord::new(node_name(node)))),
        ..About::default()
    };
    let common = [
        M::Uptime,
        M::CpuUsage,
        M::CpuUsageRate,
        M::MemoryUsage,
        M::MemoryWorkingSet,
        M::MemoryRss,
        M::MemoryPageFaults,
        M::MemoryPageFaultsRate,
        M::CpuRequest,
        M::MemoryRequest,
    ];
    fill(EntityKey::Node(node_name(node)), &common, &of_node, 91);
    for pod in 0..pods {
        let key = PodKey::new(
            Namespace::new(namespace(pod)).unwrap(),
            PodName::new(pod_name(node, pod)).unwrap(),
        );
        let record = PodRecord {
            key: key.clone(),
            uid: format!("8d2f9b1c-{node:04x}-4f{pod:06x}a7c3e5b90d12").into(),
            node: Some(node_name(node)),
            labels: Labels::default(),
            phase: PodPhase::Running,
            containers: [].into(),
        };
        let about = About {
            pod: Some(Arc::new(record)),
            ..of_node.clone()
        };
        let seed = i64::try_from(node * 31 + pod * 7 + 1).unwrap();
        let container = ContainerName::new("app").unwrap();
        let network = [M::NetworkRx, M::NetworkTx];
        let pods: Vec<_> = common.iter().chain(&network).copied().collect();
        fill(EntityKey::Pod(key.clone()), &pods, &about, seed);
        let key = EntityKey::Container(key, container);
        fill(key, &common, &about, seed + 3);
    }
    all
}

fn parts(stream: &[u8], content: Content) -> Vec<BytesMut> {
    let mut frames = Frames::new(content);
    frames.push(stream);
    let mut parts = Vec::new();
    while let Some(part) = frames.next().unwrap() {
        parts.push(part);
    }
    frames.finish().unwrap();
    parts
}

#[test]
fn what_is_taken_over_is_what_was_handed_over() {
    let from = Replica::measured(3, 20, 5);
    let to = Replica::new();
    *to.clock.1.lock() = *from.clock.1.lock();
    to.take(&from.stream(LIVE), &from.stream(HISTORY));
    assert_eq!(to.live.node_names(), from.live.node_names());
    for node in from.live.node_names() {
        assert_eq!(to.live.points_of(&node), from.live.points_of(&node));
    }
    assert_eq!(to.live.nodes().len(), 3);
    let (ours, theirs) = (to.history.view(), from.history.view());
    assert_eq!(ours.ticks(), theirs.ticks());
    assert_eq!(ours.keys(), theirs.keys());
    for key in theirs.keys() {
        for name in theirs.metric_names(&key) {
            let series = Series::named(&name, None).unwrap();
            let points = theirs.points(&key.clone().into(), &series, Span::ALL);
            let taken = ours.points(&key.clone().into(), &series, Span::ALL);
            assert_eq!(taken, points, "{key} {name}");
        }
    }
    let figures = (
        read_any(&from.stream(LIVE)),
        read_any(&from.stream(HISTORY)),
    );
    assert!(matches!(figures, (Ok(3), Ok(2..))), "{figures:?}");
}

#[test]
fn a_replica_without_anything_hands_over_an_empty_stream_and_no_ring() {
    let replica = Replica::new();
    let at = |path| replica.giver.respond(&Method::GET, path);
    let code = |reply| match reply {
        Some(Reply::Whole(response)) => Some(response.status()),
        _ => None,
    };
    assert_eq!(code(at(LIVE)), Some(StatusCode::SERVICE_UNAVAILABLE));
    replica.giver.open();
    assert_eq!(read_any(&replica.stream(LIVE)), Ok(0));
    assert!(at(HISTORY).is_none());
    assert!(at("/peer/v1/other").is_none());
    assert!(replica.giver.respond(&Method::POST, LIVE).is_none());
    let held = [at(LIVE), at(LIVE)];
    assert_eq!(code(at(LIVE)), Some(StatusCode::TOO_MANY_REQUESTS));
    drop(held);
    assert!(matches!(at(LIVE), Some(Reply::Stream(_))));
}

#[test]
fn what_is_cut_short_or_changed_is_noticed() {
    let from = Replica::measured(2, 3, 3);
    for path in [LIVE, HISTORY] {
        let stream = from.stream(path);
        assert!(read_any(&stream).is_ok());
        for length in 0..stream.len() {
            assert!(read_any(&stream[..length]).is_err(), "{path} {length}");
        }
        for at in 0..stream.len() {
            let mut changed = stream.clone();
            changed[at] ^= 0x55;
            assert!(read_any(&changed).is_err(), "{path} {at}");
        }
        let more = [stream.as_slice(), &[0]].concat();
        assert_eq!(read_any(&more), Err(FormatError::Malformed));
        let mut newer = stream;
        newer[4] = 2;
        assert_eq!(read_any(&newer), Err(FormatError::Version(2)));
    }
    assert_eq!(read_any(b"HTTP/1.1 200"), Err(FormatError::Stranger));
    let long = [b"LLPR\x01\x01".as_slice(), &[0xff; 8]].concat();
    assert_eq!(read_any(&long), Err(FormatError::TooLong));
}

proptest! {
    /// Past the checksums, which whoever has our key can make right.
    #[test]
    fn parts_of_any_bytes_are_read_to_their_end(
        cut in 0_usize..400,
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let from = Replica::measured(1, 3, 2);
        for (path, content) in [(LIVE, Content::Points), (HISTORY, Content::Ring)] {
            let mut reader = RingReader::default();
            for part in parts(&from.stream(path), content) {
                let kept = &part[..cut.min(part.len())];
                let spoiled: Vec<u8> = kept.iter().chain(&bytes).copied().collect();
                let _ = live_format::read(&spoiled);
                let _ = RingReader::default().read(&spoiled);
                // The columns of a ring must be good for its families to be read.
                let again = if content == Content::Ring { &part[..] } else { &spoiled };
                let _ = reader.read(again);
                let _ = reader.read(&spoiled);
            }
        }
    }
}

fn key(text: &str) -> PodKey {
    let (namespace, name) = text.split_once('/').unwrap();
    PodKey::new(
        Namespace::new(namespace).unwrap(),
        PodName::new(name).unwrap(),
    )
}

#[test]
fn points_without_anything_optional_are_read_back() {
    let life = |pair| live::LifePoints {
        cpu: CpuTime::from_nanos(u64::MAX),
        memory: Bytes::new(0),
        swap: None,
        at: Timestamp::from_millis(-5),
        age: Duration::from_millis(7),
        pair,
    };
    let container = |pod, name, started| live::ContainerPoints {
        pod: key(pod),
        name: ContainerName::new(name).unwrap(),
        started,
        points: life(None),
    };
    let early = Some(Timestamp::from_millis(0));
    let points = NodePoints {
        node: node_name(1),
        own: None,
        containers: vec![
            container("a/p", "c", None),
            container("a/p", "d", early),
            container("b/p", "c", early),
        ],
    };
    let mut writer = FormatWriter::default();
    live_format::write(&mut writer, &points);
    assert_eq!(live_format::read(&writer.out), Ok(points));
}

/// An authority, and what it signs.
struct Authority(CertificateDer<'static>, Issuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self(certificate, Issuer::new(params, key))
    }

    fn sign(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.1).unwrap();
        (certificate.der().clone(), key)
    }

    fn identity(&self) -> Identity {
        let (certificate, key) = self.sign(PEER_NAME, ExtendedKeyUsagePurpose::ClientAuth);
        Identity {
            authority: self.0.clone(),
            server_authorities: vec![self.0.clone()],
            certificate,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            server_name: "loadline.kube-system.svc".to_owned(),
        }
    }
}

#[test]
fn only_whom_our_authority_signed_as_a_replica_is_one() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let replica = Replica::new();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let now = Timestamp::from_millis(NOW);
    let (good, _) = ours.sign(PEER_NAME, ClientAuth);
    let admits = |chain: &[CertificateDer<'_>]| replica.giver.admits(chain, now);
    assert!(!admits(std::slice::from_ref(&good)), "nothing is known yet");
    replica.identities.set(ours.identity());
    assert!(admits(std::slice::from_ref(&good)));
    for (why, (leaf, _)) in [
        ("of another authority", theirs.sign(PEER_NAME, ClientAuth)),
        ("for a server", ours.sign(PEER_NAME, ServerAuth)),
        (
            "of another name",
            ours.sign("loadline.kube-system.svc", ClientAuth),
        ),
    ] {
        assert!(!admits(&[leaf]), "{why}");
    }
    assert!(!admits(&[]));
    assert!(!admits(&[CertificateDer::from(vec![1, 2, 3])]));
    assert!(!admits(&vec![good.clone(); 5]), "a long chain");
    let late = Timestamp::from_millis(i64::MAX / 2);
    assert!(!replica.giver.admits(&[good], late), "it has ended");
    // Once there is an identity it stays.
    replica.identities.give_up();
    assert!(!format!("{:?}", replica.identities).contains("PRIVATE"));
}

#[tokio::test]
async fn whoever_has_no_identity_is_told_so_and_whoever_gets_one_has_it() {
    let identities = Identities::new();
    let waiting = identities.identity();
    let (found, ()) = tokio::join!(waiting, async {
        identities.set(Authority::new().identity())
    });
    assert!(found.is_some());
    let identities = Identities::new();
    identities.give_up();
    assert!(identities.identity().await.is_none());
}

/// `cargo test --release --lib peer:: -- --ignored --nocapture`
#[test]
#[ignore = "tells figures"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn figures_of_7000_pods() {
    let from = Replica::measured(140, 50, 15);
    let to = Replica::new();
    *to.clock.1.lock() = *from.clock.1.lock();
    let began = Instant::now();
    let (points, written) = (from.stream(LIVE), began.elapsed());
    let ring = from.stream(HISTORY);
    let all = began.elapsed();
    println!(
        "points: {} bytes in {written:?}; ring: {} bytes in {:?}",
        points.len(),
        ring.len(),
        all - written
    );
    let began = Instant::now();
    to.take(&points, &ring);
    println!("taken over in {:?}", began.elapsed());
    assert_eq!(to.history.view().ticks().len(), 15);
}

/// `cargo test --lib peer:: -- --ignored seeds`
#[test]
#[ignore = "writes the seeds of the fuzz target hand_off"]
fn write_the_seeds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/hand_off");
    std::fs::create_dir_all(folder).unwrap();
    let small = Replica::measured(2, 3, 3);
    let empty = Replica::new();
    empty.giver.open();
    let mut newer = small.stream(LIVE);
    newer[4] = 2;
    let ring = small.stream(HISTORY);
    let mut open = ring.clone();
    open.truncate(ring.len() - 8);
    for (name, seed) in [
        ("points", small.stream(LIVE)),
        ("points-none", empty.stream(LIVE)),
        ("points-newer", newer),
        ("ring-cut-short", open),
        ("ring-one-pod", Replica::measured(1, 1, 2).stream(HISTORY)),
        (
            "ring-node-alone",
            Replica::measured(1, 0, 1).stream(HISTORY),
        ),
        ("ring", ring),
    ] {
        std::fs::write(format!("{folder}/{name}"), seed).unwrap();
    }
}
