//! The room from outside: answers in, views out. Each of the promises 1 to 3 has its tests here.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::*;
use crate::domain::{
    Bytes, ContainerKind, ContainerName, ContainerReading, ContainerRecord, CounterSample, CpuTime,
    GaugeSample, Labels, Namespace, Nanocores, NodeReading, PodKey, PodName, PodPhase, PodRecord,
    Timestamp,
};

const RESOLUTION: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct TestClock {
    began: Instant,
    elapsed: Mutex<Duration>,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.elapsed.lock().as_millis()).unwrap())
    }

    fn monotonic(&self) -> Instant {
        self.began + *self.elapsed.lock()
    }
}

/// A cluster in which time is turned by hand and kubelets answer what the test says.
struct World {
    clock: Arc<TestClock>,
    inventory: Arc<Inventory>,
    live: Live,
}

/// What one kubelet answers: `(pod, container, CPU milliseconds used so far)`, stamped now.
struct Answer<'a> {
    reading: ResourceReading<'a>,
    at: Timestamp,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do to count from"
    )]
    fn new() -> Self {
        let clock = Arc::new(TestClock {
            began: Instant::now(),
            elapsed: Mutex::default(),
        });
        let inventory = Arc::new(Inventory::new());
        let config = Config {
            resolution: RESOLUTION,
        };
        let live = Live::new(
            config,
            Arc::clone(&inventory),
            Arc::clone(&clock) as Arc<dyn Clock>,
            &mut Registry::default(),
        );
        Self {
            clock,
            inventory,
            live,
        }
    }

    fn with_node(self, name: &str) -> Self {
        self.inventory.apply_node(node(name));
        self
    }

    fn with_pod(self, name: &str, on: &str, containers: &[&str]) -> Self {
        self.inventory.apply_pod(pod(name, on, containers));
        self
    }

    fn with_pod_in(self, namespace: &str, name: &str, on: &str, containers: &[&str]) -> Self {
        let mut pod = pod(name, on, containers);
        pod.key.namespace = Namespace::new(namespace).unwrap();
        self.inventory.apply_pod(pod);
        self
    }

    fn after(&self, seconds: u64) -> &Self {
        *self.clock.elapsed.lock() += Duration::from_secs(seconds);
        self
    }

    fn answer(&self) -> Answer<'static> {
        Answer {
            reading: ResourceReading::default(),
            at: self.clock.now(),
        }
    }

    fn commit(&self, on: &str, answer: Answer<'_>) -> Commit {
        self.live.commit(&node(on), &answer.reading)
    }

    /// Two answers 15 s apart in which every container named uses 200m and the node 1 core.
    fn measured(self, on: &str, containers: &[(&'static str, &'static str)]) -> Self {
        for used in [1_000, 4_000] {
            self.after(15);
            let answer = containers
                .iter()
                .fold(self.answer().node(used * 5), |answer, (pod, container)| {
                    answer.container(pod, container, used)
                });
            self.commit(on, answer);
        }
        self
    }

    fn pods(&self) -> Vec<String> {
        let view = self.live.pods(None);
        view.iter()
            .map(|pod| pod.record.key.name.to_string())
            .collect()
    }

    fn cpu(&self, pod: &str, container: &str) -> Option<u64> {
        let view = self.live.pods(None);
        let pod = view.get("default", pod)?;
        let container = pod
            .containers
            .iter()
            .find(|c| c.name.as_str() == container)?;
        Some(container.usage.cpu.get() / 1_000_000)
    }
}

impl Answer<'_> {
    fn node(mut self, cpu_millis: u64) -> Self {
        self.reading.node = NodeReading {
            cpu: Some(counter(cpu_millis, self.at)),
            memory: Some(GaugeSample {
                value: Bytes::new(1 << 30),
                at: self.at,
            }),
            swap: None,
        };
        self
    }

    fn container_in(self, namespace: &'static str, pod: &str, name: &str, cpu: u64) -> Self {
        let mut answer = self.container(pod, name, cpu);
        answer.reading.containers.last_mut().unwrap().namespace = Cow::Borrowed(namespace);
        answer
    }

    fn container(mut self, pod: &str, container: &str, cpu_millis: u64) -> Self {
        let text = |text: &str| Cow::Owned(text.to_owned());
        self.reading.containers.push(ContainerReading {
            namespace: text("default"),
            pod: text(pod),
            container: text(container),
            cpu: Some(counter(cpu_millis, self.at)),
            memory: Some(GaugeSample {
                value: Bytes::new(1 << 20),
                at: self.at,
            }),
            swap: None,
            started: None,
        });
        self
    }

    fn started(mut self, seconds: i64) -> Self {
        self.reading.containers.last_mut().unwrap().started =
            Some(Timestamp::from_millis(seconds * 1000));
        self
    }

    fn stamped(mut self, seconds: i64) -> Self {
        self.at = Timestamp::from_millis(seconds * 1000);
        self
    }

    fn incomplete(mut self) -> Self {
        self.reading.incomplete = true;
        self
    }
}

fn counter(cpu_millis: u64, at: Timestamp) -> CounterSample {
    CounterSample {
        value: CpuTime::from_nanos(cpu_millis * 1_000_000),
        at,
    }
}

fn node(name: &str) -> NodeRecord {
    NodeRecord {
        cpu_capacity: Some(Nanocores::new(4_000_000_000)),
        ready: true,
        ..NodeRecord::new(NodeName::new(name).unwrap())
    }
}

fn pod(name: &str, on: &str, containers: &[&str]) -> PodRecord {
    let container = |name: &&str| {
        let name = ContainerName::new(*name).unwrap();
        ContainerRecord::new(name, ContainerKind::Regular, true)
    };
    PodRecord {
        key: PodKey::new(
            Namespace::new("default").unwrap(),
            PodName::new(name).unwrap(),
        ),
        uid: "uid".into(),
        node: Some(NodeName::new(on).unwrap()),
        labels: Labels::default(),
        phase: PodPhase::Running,
        containers: containers.iter().map(container).collect(),
    }
}

fn one_pod() -> World {
    World::new()
        .with_node("n1")
        .with_pod("web", "n1", &["app"])
        .measured("n1", &[("web", "app")])
}

#[test]
fn two_answers_make_the_number_that_was_used() {
    let world = one_pod();
    assert_eq!(world.cpu("web", "app"), Some(200));
    let view = world.live.pods(None);
    let nodes = world.live.nodes();
    assert_eq!(nodes.get("", "n1").unwrap().usage.cpu, Nanocores::CORE);
    assert_eq!(view.piece(0)[0].window, RESOLUTION);
    assert_eq!(view.piece(0)[0].timestamp, Timestamp::from_millis(30_000));
}

#[test]
fn promise_1_a_failed_scrape_erases_nothing_until_three_resolutions_have_passed() {
    let world = one_pod();
    world.after(45);
    assert_eq!(world.pods(), ["web"]);
    let view = world.live.pods(None);
    assert_eq!(
        view.piece(0)[0].timestamp,
        Timestamp::from_millis(30_000),
        "the true stamp"
    );
    world.after(1);
    assert!(world.pods().is_empty());
    assert!(world.live.nodes().is_empty());
}

#[test]
fn promise_1_a_repeated_stamp_does_not_make_a_number_younger() {
    let world = one_pod();
    for _ in 0..3 {
        world.after(15);
        let answer = world
            .answer()
            .stamped(30)
            .node(20_000)
            .container("web", "app", 4_000);
        world.commit("n1", answer);
    }
    assert_eq!(world.pods(), ["web"]);
    world.after(1);
    assert!(world.pods().is_empty());
}

#[test]
fn promise_1_a_node_with_a_skewed_clock_is_not_blanked() {
    let world = World::new().with_node("n1").with_pod("web", "n1", &["app"]);
    for (skewed, used) in [(-7_200, 1_000), (-7_185, 4_000)] {
        world.after(15);
        let answer = world.answer().stamped(skewed).container("web", "app", used);
        world.commit("n1", answer);
    }
    assert_eq!(world.cpu("web", "app"), Some(200));
}

#[test]
fn promise_1_a_container_missing_from_a_good_answer_has_ended() {
    let world = World::new()
        .with_node("n1")
        .with_pod("web", "n1", &[])
        .measured("n1", &[("web", "app"), ("web", "old")]);
    world.after(15);
    world.commit(
        "n1",
        world.answer().node(35_000).container("web", "app", 7_000),
    );
    assert_eq!(
        (world.cpu("web", "app"), world.cpu("web", "old")),
        (Some(200), None)
    );
}

#[test]
fn promise_1_an_answer_that_says_it_is_incomplete_ends_nothing() {
    let world = one_pod();
    world.after(15);
    world.commit("n1", world.answer().node(35_000).incomplete());
    assert_eq!(world.cpu("web", "app"), Some(200));
    world.after(31);
    assert!(world.pods().is_empty(), "but it ages all the same");
}

#[test]
fn promise_1_a_line_that_could_not_be_read_ends_nothing() {
    let world = one_pod();
    world.after(15);
    let mut answer = world.answer().node(35_000);
    answer.reading.skipped_lines = 1;
    world.commit("n1", answer);
    assert_eq!(world.cpu("web", "app"), Some(200));
}

#[test]
fn promise_2_a_node_that_goes_wrong_harms_only_itself() {
    let world = World::new()
        .with_node("n1")
        .with_node("n2")
        .with_pod("web", "n1", &["app"])
        .with_pod("db", "n2", &["sql"])
        .measured("n1", &[("web", "app")]);
    for used in [1_000, 4_000, 7_000, 10_000] {
        world.after(15);
        let answer = world.answer().node(used).container("db", "sql", used);
        world.commit("n2", answer);
    }
    assert_eq!(world.pods(), ["db"]);
}

#[test]
fn promise_2_a_kubelet_cannot_write_the_numbers_of_another_node() {
    let world = one_pod().with_node("evil");
    for used in [1_000, 40_000] {
        world.after(10);
        let answer = world.answer().node(used).container("web", "app", used);
        world.commit("evil", answer);
    }
    assert_eq!(world.cpu("web", "app"), Some(200));
}

#[test]
fn promise_3_a_restarted_container_is_absent_until_its_own_pair() {
    let world = World::new().with_node("n1").with_pod("web", "n1", &["app"]);
    let steps = [(1_000, 10), (4_000, 10), (5_000, 40)];
    for (used, started) in steps {
        world.after(15);
        let answer = world
            .answer()
            .node(used)
            .container("web", "app", used)
            .started(started);
        world.commit("n1", answer);
    }
    assert!(
        world.pods().is_empty(),
        "a counter of two lives is no rate, also when it rose"
    );
    world.after(15);
    world.commit(
        "n1",
        world.answer().container("web", "app", 6_500).started(40),
    );
    assert_eq!(world.cpu("web", "app"), Some(100));
}

#[test]
fn promise_3_what_is_left_of_an_older_life_is_not_counted() {
    let world = World::new().with_node("n1").with_pod("web", "n1", &["app"]);
    for used in [1_000, 4_000] {
        world.after(15);
        let answer = world.answer().container("web", "app", used).started(10);
        world.commit("n1", answer);
    }
    world.after(15);
    world.commit(
        "n1",
        world.answer().container("web", "app", 90_000).started(5),
    );
    assert_eq!(world.cpu("web", "app"), Some(200));
}

#[test]
fn promise_3_a_counter_that_falls_gives_no_number() {
    let world = one_pod();
    world.after(15);
    let commit = world.commit(
        "n1",
        world.answer().node(35_000).container("web", "app", 10),
    );
    assert_eq!((commit.resets, commit.settled), (1, false));
    assert!(world.pods().is_empty());
}

#[test]
fn promise_3_a_pod_waits_for_every_running_container() {
    let world = World::new()
        .with_node("n1")
        .with_pod("web", "n1", &["app", "proxy"]);
    let world = world.measured("n1", &[("web", "app")]);
    assert!(
        world.pods().is_empty(),
        "the kubelet has not named the second one yet"
    );
    world.after(15);
    let both = world
        .answer()
        .container("web", "app", 7_000)
        .container("web", "proxy", 10);
    assert!(!world.commit("n1", both).settled);
    assert!(world.pods().is_empty(), "the second one has no pair yet");
    world.after(15);
    let both = world
        .answer()
        .container("web", "app", 10_000)
        .container("web", "proxy", 1_510);
    world.commit("n1", both);
    assert_eq!(
        (world.cpu("web", "app"), world.cpu("web", "proxy")),
        (Some(200), Some(100))
    );
}

#[test]
fn promise_3_a_rate_above_the_node_is_refused_and_counted() {
    let world = one_pod();
    world.after(15);
    let commit = world.commit(
        "n1",
        world.answer().node(35_000).container("web", "app", 90_000),
    );
    assert_eq!(commit.refused, 1);
    assert!(world.pods().is_empty());
}

#[test]
fn a_counter_of_zero_is_not_a_measurement() {
    let world = World::new().with_node("n1").with_pod("web", "n1", &["app"]);
    for _ in 0..2 {
        world.after(15);
        world.commit("n1", world.answer().container("web", "app", 0));
    }
    assert!(world.pods().is_empty());
}

#[test]
fn an_idle_container_is_served_as_zero() {
    let world = World::new().with_node("n1").with_pod("web", "n1", &["app"]);
    for _ in 0..2 {
        world.after(15);
        world.commit("n1", world.answer().container("web", "app", 4_000));
    }
    assert_eq!(world.cpu("web", "app"), Some(0));
}

#[test]
fn containers_stand_in_the_pods_own_order() {
    let names = ["zeta", "alpha", "mid"];
    let world = World::new()
        .with_node("n1")
        .with_pod("web", "n1", &names)
        .measured(
            "n1",
            &[
                ("web", "alpha"),
                ("web", "mid"),
                ("web", "unknown"),
                ("web", "zeta"),
            ],
        );
    let view = world.live.pods(None);
    let served: Vec<_> = view.piece(0)[0]
        .containers
        .iter()
        .map(|c| c.name.to_string())
        .collect();
    assert_eq!(served, ["zeta", "alpha", "mid", "unknown"]);
}

#[test]
fn only_running_pods_the_api_server_knows_are_served() {
    let world = one_pod().measured("n1", &[("web", "app"), ("ghost", "app")]);
    assert_eq!(world.pods(), ["web"]);
    let mut done = pod("web", "n1", &["app"]);
    done.phase = PodPhase::Succeeded;
    world.inventory.apply_pod(done);
    world.after(1);
    assert!(world.pods().is_empty());
}

#[test]
fn a_node_that_left_is_forgotten() {
    let world = one_pod();
    assert!(world.live.first_numbers().nodes);
    world.live.forget(&NodeName::new("n1").unwrap());
    world.after(1);
    assert!(world.pods().is_empty());
    assert_eq!(world.live.first_numbers(), FirstNumbers::default());
}

#[test]
fn the_first_numbers_are_there_when_every_node_that_answered_has_its_own() {
    let world = World::new().with_node("n1").with_node("n2");
    let first = |any, pods, nodes| FirstNumbers { any, pods, nodes };
    let told = || world.live.first_numbers();
    let one = |used| world.answer().container("web", "app", used);
    world.commit("n1", one(1_000));
    world.commit("n2", world.answer().container("db", "app", 1_000));
    assert_eq!(told(), first(false, false, false));
    let with_new = |used| one(used).container("new", "app", 1);
    // What starts meanwhile is not waited for, and takes nothing back.
    world.after(3).commit("n1", with_new(1_300));
    assert_eq!(told(), first(true, false, false), "n2 answered too");
    world.commit("n2", world.answer().container("db", "app", 1_300));
    assert_eq!(told(), first(true, true, false));
    world.after(3).commit("n1", with_new(1_600).node(5_000));
    world.after(10).commit("n1", one(2_600).node(9_000));
    assert_eq!(told(), first(true, true, false), "n2 has none of its own");
    let two = |used| world.answer().container("db", "app", used).node(used * 5);
    world.commit("n2", two(2_000));
    world.after(10).commit("n2", two(3_000));
    assert_eq!(told(), first(true, true, true));
}

#[test]
fn a_commit_that_crosses_its_nodes_leaving_leaves_no_number_behind() {
    let world = World::new().with_node("n1").with_pod("web", "n1", &["app"]);
    let commit = |used| {
        let answer = world.answer().node(used).container("web", "app", used);
        world.commit("n1", answer)
    };
    commit(100);
    world.after(15);
    let name = NodeName::new("n1").unwrap();
    let slot = world.live.slot(&name);
    std::thread::scope(|threads| {
        let busy = slot.lives.lock();
        threads.spawn(|| commit(4_000));
        // The map's, ours, and that of the commit, which waits for the lives now.
        while Arc::strong_count(&slot) < 3 {
            std::thread::yield_now();
        }
        world.live.nodes.write().remove(&name);
        drop(busy);
    });
    assert!(slot.published.load().as_deref().unwrap().node.is_none());
    world.live.forget(&name);
    assert_eq!(world.live.metrics.points(), (0, 0));
}

#[test]
fn a_first_number_needs_no_full_resolution() {
    let world = World::new().with_node("n1").with_pod("web", "n1", &["app"]);
    world.commit("n1", world.answer().node(100).container("web", "app", 100));
    world.after(2);
    let commit = world.commit("n1", world.answer().node(200).container("web", "app", 500));
    assert!(commit.settled);
    assert_eq!(world.cpu("web", "app"), Some(200));
}

#[test]
fn concurrent_questions_share_one_view() {
    let world = one_pod();
    let first = world.live.pods(None);
    assert!(Arc::ptr_eq(&first, &world.live.pods(None)));
    world.after(1);
    assert!(!Arc::ptr_eq(&first, &world.live.pods(None)));
}

#[test]
fn a_view_keeps_its_version_until_something_changes() {
    let world = one_pod();
    let first = world.live.pods(None);
    let again = world.after(1).live.pods(None);
    assert_eq!(first.version(), again.version());
    world.after(14);
    world.commit(
        "n1",
        world.answer().node(35_000).container("web", "app", 7_000),
    );
    let moved = world.live.pods(None);
    assert_eq!(moved.version(), first.version() + 1);
    assert_eq!(moved.piece(0)[0].versions.changed, moved.version());
    assert_eq!(moved.piece(0)[0].versions.appeared, first.version());
}

#[test]
fn who_asks_for_one_namespace_joins_that_one_alone() {
    let world = World::new()
        .with_node("n1")
        .with_pod("web", "n1", &["app"])
        .with_pod_in("other", "db", "n1", &["app"]);
    for used in [1_000, 4_000, 8_000] {
        world.after(15);
        let answer = world.answer().node(used).container("web", "app", used);
        let answer = answer.container_in("other", "db", "app", used);
        world.commit("n1", answer);
        if used == 4_000 {
            assert_eq!(world.live.pods(None).len(), 2);
        }
    }
    let whole = |view: &View<PodView>| {
        let stamp = |namespace, pod| view.get(namespace, pod).unwrap().timestamp;
        [stamp("default", "web"), stamp("other", "db")].map(|stamp| stamp.as_secs())
    };
    let one = world.live.pods(Some("default"));
    assert_eq!(whole(&one), [45, 30], "the other one is as it was");
    let version = one.version();
    assert!(Arc::ptr_eq(&one, &world.live.pods(Some("default"))));
    let other = world.live.pods(Some("other"));
    assert_eq!(whole(&other), [45, 45]);
    assert_eq!(other.version(), version + 1);
    let kept = other.get("default", "web").unwrap();
    assert_eq!(kept.versions.changed, version);
    let all = world.after(1).live.pods(None);
    assert_eq!((whole(&all), all.version()), ([45, 45], version + 1));
    let alone = all.only("other");
    assert_eq!((alone.len(), alone.version()), (1, version + 1));
    assert!(alone.get("other", "db").is_some());
    assert!(all.only("none").is_empty());
}

#[test]
fn a_namespace_that_several_threads_join_is_one_piece() {
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .unwrap();
    let _entered = workers.enter();
    let names: Vec<String> = (0..3 * JOINED_BY_ONE).map(|n| format!("p{n:05}")).collect();
    let nodes = ["n1", "n2"];
    let on = |n: usize| nodes[n % 2];
    let world = World::new().with_node("n1").with_node("n2");
    for (n, name) in names.iter().enumerate() {
        world.inventory.apply_pod(pod(name, on(n), &["app"]));
    }
    let world = world.with_pod_in("aaa", "first", "n1", &["app"]);
    let answer = |node: &str, used: u64| {
        let there = names.iter().enumerate().filter(|(n, _)| on(*n) == node);
        let answer = there.fold(world.answer().node(used), |answer, (_, pod)| {
            answer.container(pod, "app", used)
        });
        world.commit(node, answer.container_in("aaa", "first", "app", used));
    };
    for used in [1_000, 1_001] {
        world.after(15);
        nodes.iter().for_each(|node| answer(node, used));
    }
    let first = world.live.pods(None);
    let named = |view: &View<PodView>| {
        let pods = view.of_namespace("default").iter();
        pods.map(|pod| pod.record.key.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(first.len(), names.len() + 1);
    assert_eq!(named(&first), names);

    world.after(15);
    answer("n2", 1_002);
    let second = world.live.pods(None);
    assert_eq!(named(&second), names);
    let pods = first.of_namespace("default").iter();
    for (n, (before, after)) in pods.zip(second.of_namespace("default")).enumerate() {
        let same = Arc::ptr_eq(&before.containers, &after.containers);
        assert_eq!(same, on(n) == "n1", "{n}");
        assert_eq!(before.versions == after.versions, same, "{n}");
    }
}

#[test]
fn a_namespace_that_is_gone_leaves_by_name() {
    let world = one_pod();
    let before = world.live.pods(None);
    world.inventory.replace_pods(Vec::<PodRecord>::new());
    let after = world.after(1).live.pods(Some("default"));
    assert!(after.is_empty());
    assert_eq!(after.removed_after(before.version()).count(), 1);
    assert!(world.live.pods(Some("no-such")).is_empty());
}

#[test]
fn new_labels_are_a_change_of_their_own() {
    let world = one_pod();
    let (before, nodes) = (world.live.pods(None), world.live.nodes());
    let mut relabelled = pod("web", "n1", &["app"]);
    relabelled.labels = [("app", "web")].into_iter().collect();
    world.inventory.apply_pod(relabelled);
    let after = world.after(1).live.pods(None);
    let versions = after.piece(0)[0].versions;
    assert_eq!(versions.relabelled, before.version() + 1);
    assert_eq!(versions.appeared, before.version());
    assert_eq!(world.live.nodes().version(), nodes.version());
    let pod = &after.piece(0)[0];
    assert!(pod.as_of(before.version()).record.labels.is_empty());
    assert_eq!(pod.as_of(after.version()).record.labels.iter().len(), 1);
}

#[test]
fn the_labels_before_the_present_ones_are_remembered_and_no_older_ones() {
    let world = one_pod();
    let first = world.live.pods(None);
    let mut seen = Vec::new();
    for app in ["a", "b"] {
        let mut relabelled = pod("web", "n1", &["app"]);
        relabelled.labels = [("app", app)].into_iter().collect();
        world.inventory.apply_pod(relabelled);
        seen.push(world.after(1).live.pods(None));
    }
    let pod = &seen[1].piece(0)[0];
    assert_eq!(pod.versions.appeared, first.version());
    assert_eq!(pod.versions.former, seen[0].version());
    let labels = &pod.as_of(seen[0].version()).record.labels;
    assert_eq!(labels.iter().next(), Some(("app", "a")));
}

#[test]
fn what_left_is_remembered_as_it_was_last() {
    let world = one_pod();
    let before = world.live.pods(None);
    let gone = pod("web", "n1", &["app"]);
    world.inventory.remove_pod(&gone.key, "uid");
    let after = world.after(1).live.pods(None);
    assert!(after.remembers(before.version()));
    let removed: Vec<_> = after.removed_after(before.version()).collect();
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0].0, after.version());
    assert_eq!(removed[0].1.record.key, gone.key);
    assert_eq!(after.removed_after(after.version()).count(), 0);
}

#[test]
fn a_version_of_another_process_is_told_apart() {
    let world = one_pod();
    let view = world.live.pods(None);
    assert!(!view.remembers(view.version() + 1));
    assert!(!view.remembers(5));
}

#[test]
fn a_watch_that_was_away_too_long_is_told_so() {
    let world = one_pod();
    let before = world.live.pods(None);
    let names: Vec<String> = (0..=versions::REMOVED_KEPT)
        .map(|n| format!("p{n}"))
        .collect();
    for name in &names {
        world.inventory.apply_pod(pod(name, "n1", &["app"]));
    }
    for used in [1_000, 4_000] {
        world.after(15);
        let fold = |answer: Answer<'static>, name: &String| answer.container(name, "app", used);
        world.commit("n1", names.iter().fold(world.answer().node(used), fold));
    }
    let full = world.live.pods(None);
    assert!(full.remembers(before.version()));
    world.inventory.replace_pods(Vec::<PodRecord>::new());
    let empty = world.after(1).live.pods(None);
    assert!(
        !empty.remembers(before.version()),
        "more left than is remembered"
    );
    assert!(empty.remembers(empty.version()));
}

impl World {
    /// Hands everything of a node to another replica, which has asked `ago` before it has it.
    fn hand_to(&self, other: &Self, on: &str, ago: u64) -> usize {
        let name = NodeName::new(on).unwrap();
        let points = self.live.points_of(&name).unwrap();
        let asked = other.clock.monotonic() - Duration::from_secs(ago);
        other.live.take_over(&node(on), &points, asked)
    }
}

/// Two replicas of one cluster; the second has just started.
fn replicas() -> (World, World) {
    let first = World::new()
        .with_node("n1")
        .with_pod("p", "n1", &["c"])
        .measured("n1", &[("p", "c")]);
    let second = World::new().with_node("n1").with_pod("p", "n1", &["c"]);
    *second.clock.elapsed.lock() = *first.clock.elapsed.lock();
    (first, second)
}

#[test]
fn what_is_handed_over_is_served_at_once_and_as_it_was() {
    let (first, second) = replicas();
    assert_eq!(first.hand_to(&second, "n1", 0), 2);
    let (ours, theirs) = (second.live.pods(None), first.live.pods(None));
    assert_eq!(second.pods(), ["p"]);
    let told = second.live.first_numbers();
    assert!(told.pods && told.nodes, "{told:?}");
    let (ours, theirs) = (&ours.piece(0)[0], &theirs.piece(0)[0]);
    assert_eq!(ours.containers, theirs.containers);
    assert_eq!(
        (ours.timestamp, ours.window),
        (theirs.timestamp, theirs.window)
    );
}

#[test]
fn the_next_scrape_goes_on_from_what_was_handed_over() {
    let (first, second) = replicas();
    first.hand_to(&second, "n1", 0);
    second.after(15);
    let answer = second.answer().node(35_000).container("p", "c", 10_000);
    let commit = second.commit("n1", answer);
    assert!(commit.settled);
    assert_eq!(commit.new_containers, 0);
    assert_eq!(second.cpu("p", "c"), Some(400));
}

#[test]
fn what_was_handed_over_is_served_no_longer_than_where_it_came_from() {
    let (first, second) = replicas();
    first.after(40);
    *second.clock.elapsed.lock() = *first.clock.elapsed.lock();
    first.hand_to(&second, "n1", 2);
    assert_eq!(second.pods(), ["p"]);
    assert_eq!(second.after(3).pods(), ["p"]);
    second.after(1);
    assert_eq!(second.pods(), [""; 0]);
    // What is too old is not handed on.
    let name = NodeName::new("n1").unwrap();
    let points = second.live.points_of(&name).unwrap();
    assert_eq!((points.own, points.containers), (None, Vec::new()));
}

#[test]
fn our_own_newer_sample_is_paired_with_what_is_handed_over() {
    let (first, second) = replicas();
    second.after(12);
    let answer = second.answer().node(32_000).container("p", "c", 7_000);
    second.commit("n1", answer);
    assert_eq!(second.cpu("p", "c"), None);
    first.after(12);
    first.hand_to(&second, "n1", 0);
    assert_eq!(second.cpu("p", "c"), Some(250));
    // The same again changes nothing: ours is newer.
    let before = second.live.pods(None).piece(0)[0].timestamp;
    first.hand_to(&second, "n1", 0);
    assert_eq!(second.live.pods(None).piece(0)[0].timestamp, before);
}

#[test]
fn a_container_our_own_answer_does_not_name_is_not_brought_back() {
    let (first, second) = replicas();
    second.after(5);
    second.commit("n1", second.answer().node(21_000));
    first.after(5);
    assert_eq!(first.hand_to(&second, "n1", 0), 1);
    assert_eq!(second.pods(), [""; 0]);
}

#[test]
fn no_number_is_taken_over_that_no_kubelet_could_have_made() {
    let (first, _) = replicas();
    let name = NodeName::new("n1").unwrap();
    let honest = first.live.points_of(&name).unwrap();
    let spoil = |change: fn(&mut LifePoints)| {
        let mut points = honest.clone();
        change(&mut points.containers[0].points);
        let (_, second) = replicas();
        let asked = second.clock.monotonic();
        let taken = second.live.take_over(&node("n1"), &points, asked);
        assert_eq!((taken, second.pods().len()), (1, 0));
    };
    spoil(|points| points.age = Duration::from_secs(46));
    spoil(|points| points.age = Duration::MAX);
    spoil(|points| points.cpu = CpuTime::from_nanos(0));
    // A rate above what the node has, a counter that fell, and a window no scrape makes.
    spoil(|points| points.cpu = CpuTime::from_nanos(900_000_000_000_000));
    spoil(|points| points.pair.as_mut().unwrap().cpu = CpuTime::from_nanos(u64::MAX));
    spoil(|points| points.pair.as_mut().unwrap().window = Duration::from_millis(1));
    spoil(|points| points.pair.as_mut().unwrap().window = Duration::ZERO);
}

proptest::proptest! {
    /// What is taken over from the view before is what would be joined anew.
    #[test]
    fn a_view_made_from_the_one_before_says_what_a_fresh_one_says(
        steps in proptest::collection::vec((0_usize..6, 0_usize..4, 0_usize..16), 1..40)
    ) {
        const PODS: [&str; 4] = ["a", "b", "c", "d"];
        const NODES: [&str; 2] = ["n1", "n2"];
        let world = World::new().with_node("n1").with_node("n2");
        let mut used = 1_000;
        for (step, which, some) in steps {
            let (name, on) = (PODS[which], NODES[some % 2]);
            match step {
                0 => world.inventory.apply_pod(pod(name, on, &["x", "y"])),
                1 => world.inventory.remove_pod(&pod(name, on, &[]).key, "uid"),
                2 if some == 0 => world.live.forget(&node(on).name),
                _ => {
                    world.after(if some == 15 { 40 } else { 7 });
                    used += 500;
                    let there = PODS.iter().enumerate().filter(|(n, _)| some >> n & 1 == 0);
                    let answer = there.fold(world.answer().node(used), |answer, (_, pod)| {
                        answer.container(pod, "y", used).container(pod, "x", used)
                    });
                    world.commit(NODES[which % 2], answer);
                }
            }
            *world.clock.elapsed.lock() += VIEW_REUSED;
            let (view, now) = (world.live.pods(None), world.clock.monotonic());
            let nothing = View::new(0, world.clock.now(), vec![]);
            let pieces = world.live.join_pods(now, &nothing);
            let fresh = nothing.followed_by(pieces, world.clock.now());
            let told = |view: &View<PodView>| {
                let told = |pod: &PodView| {
                    let numbers = (pod.timestamp, pod.window, pod.containers.to_vec());
                    (Arc::as_ptr(&pod.record), numbers)
                };
                view.iter().map(told).collect::<Vec<_>>()
            };
            proptest::prop_assert_eq!(told(&view), told(&fresh));
        }
    }
}
