//! The eventer against an API server and a receiver that tests turn as they like.

mod objects;
mod receiver;
mod rewound;
mod spooled;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::cluster::testing::Remembering;
use crate::cluster::{Election, LeaseConfig};
use crate::domain::SystemClock;
use crate::lifecycle::StopSender;
use crate::sinks::{self, EventSinkConfig, Spooling};
use crate::telemetry::testing::logged;
use receiver::Receiver;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/n/leases/place";

struct Running {
    registry: Registry,
    health: EventerHealth,
    stop: StopSender,
    tasks: Tasks,
}

impl Running {
    fn new(server: &Remembering, sinks: &[String]) -> Self {
        Self::with(server, (sinks, None), Leadership::undisputed(), |_| ())
    }

    fn with(
        server: &Remembering,
        (sinks, spool): (&[String], Option<Spooling>),
        leadership: Leadership,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut registry = Registry::default();
        let sinks = EventSinkConfig::read(sinks, &|_| None).unwrap();
        let config = sinks::Config {
            export_timeout: Duration::from_secs(5),
            flush: Duration::from_millis(500),
            retry: (Duration::from_millis(5), Duration::from_millis(20)),
        };
        let sinks = EventSinks::new(config, sinks, spool, &clock, &mut registry).unwrap();
        let mut config = Config {
            frequency: Duration::from_millis(20),
            save_every: Duration::from_millis(10),
            ..Config::new(PositionConfig {
                namespace: "n".into(),
                name: "place".into(),
            })
        };
        change(&mut config);
        let client = server.client();
        let eventer = Eventer::new(config, &client, leadership, sinks, clock, &mut registry);
        let health = eventer.health();
        let (stop, stopped) = Stop::channel();
        let tasks = Tasks::new(stop.clone());
        tasks.spawn_passing("eventer", eventer.run(tasks.clone(), stopped));
        Self {
            registry,
            health,
            stop,
            tasks,
        }
    }

    async fn ready(&self) {
        eventually("it is ready", || self.health.ready().is_ok()).await;
    }

    async fn stop(self) -> Registry {
        self.stop.stop();
        self.tasks.finished().await;
        self.registry
    }
}

fn metric(registry: &Registry, series: &str) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

async fn eventually(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let limit = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(limit.is_ok(), "not within 20 s: {what}");
}

fn event(name: &str, count: u64) -> Value {
    json!({"metadata": {"name": name, "namespace": "a", "uid": name}, "type": "Warning",
        "reason": "BackOff", "note": "again", "deprecatedCount": count,
        "regarding": {"kind": "Pod", "name": "p"},
        "deprecatedLastTimestamp": "2026-01-02T03:04:05Z"})
}

fn place(server: &Remembering) -> Option<u64> {
    let lease = server.object(LEASE)?;
    let place = &lease["metadata"]["annotations"]["loadline.io/events-resource-version"];
    place.as_str()?.parse().ok()
}

#[tokio::test]
async fn what_happens_is_sent_and_what_happened_before_the_first_start_is_not() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    server.put_event(event("old", 1));
    let running = Running::new(&server, &[receiver.sink()]);
    running.ready().await;
    server.put_event(event("a", 1));
    server.put_event(event("a", 2));
    server.put_event(event("old", 2));
    eventually("all came", || receiver.ids().len() == 3).await;
    assert_eq!(receiver.ids(), ["a.1", "a.2", "old.2"]);
    let version = server.version();
    // Nothing else writes, so the place is that of the last event, whatever the Lease is at.
    eventually("the place is written", || {
        place(&server) >= Some(version - 1)
    })
    .await;
    let registry = running.stop().await;
    assert_eq!(metric(&registry, "loadline_events_received_total"), 3);
    assert_eq!(
        metric(
            &registry,
            "loadline_sink_sent_points_total{sink=\"webhook\"}"
        ),
        3
    );
    let body = receiver.bodies().concat();
    let line: Value = serde_json::from_str(body.lines().next().unwrap()).unwrap();
    assert_eq!(line["cluster_name"], "default");
    assert_eq!(line["timestamp"], "2026-01-02T03:04:05.000000Z");
    assert_eq!(
        line["event"]["involvedObject"],
        json!({"kind": "Pod", "name": "p"})
    );
    assert_eq!(line["event"]["message"], "again");
}

#[tokio::test]
async fn a_restart_resumes_behind_what_was_sent() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let running = Running::new(&server, &[receiver.sink()]);
    running.ready().await;
    server.put_event(event("a", 1));
    eventually("it came", || receiver.ids().len() == 1).await;
    running.stop().await;
    server.put_event(event("b", 1));
    server.put_event(event("b", 2));
    let running = Running::new(&server, &[receiver.sink()]);
    eventually("the rest came", || receiver.ids().len() == 3).await;
    running.stop().await;
    assert_eq!(receiver.ids(), ["a.1", "b.1", "b.2"]);
    let lists = server.asked("GET /apis/events.k8s.io/v1/events?");
    let lists = lists
        .iter()
        .filter(|uri| !uri.contains("watch=") && !uri.contains("limit=1&"));
    let lists = lists.filter(|uri| !uri.ends_with("limit=1")).count();
    assert_eq!(lists, 1, "one list, of the first start");
}

#[tokio::test]
async fn a_forgotten_place_loses_nothing_and_doubles_nothing() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let running = Running::new(&server, &[receiver.sink()]);
    running.ready().await;
    for at in 0..700 {
        server.put_event(event(&format!("a{at}"), 1));
    }
    eventually("all came", || receiver.ids().len() == 700).await;
    // While nobody hears it more happens, and the API server forgets that it did.
    server.stop().await;
    for at in 650..1300 {
        server.put_event(event(&format!("a{at}"), 2));
    }
    server.compact();
    server.start().await;
    eventually("the rest came", || receiver.ids().len() >= 1350).await;
    server.put_event(event("last", 1));
    eventually("the last came", || {
        receiver.ids().contains(&"last.1".to_owned())
    })
    .await;
    running.stop().await;
    let mut ids = receiver.ids();
    ids.sort();
    let mut expected: Vec<String> = (0..700).map(|at| format!("a{at}.1")).collect();
    expected.extend((650..1300).map(|at| format!("a{at}.2")));
    expected.push("last.1".into());
    expected.sort();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_forgotten_place_of_a_process_that_is_gone_is_made_up_for_by_the_next_one() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let running = Running::new(&server, &[receiver.sink()]);
    running.ready().await;
    server.put_event(event("a", 1));
    eventually("it came", || receiver.ids().len() == 1).await;
    running.stop().await;
    server.put_event(event("b", 3));
    server.compact();
    let running = Running::new(&server, &[receiver.sink()]);
    eventually("the rest came", || receiver.ids().len() == 2).await;
    running.ready().await;
    let registry = running.stop().await;
    assert_eq!(receiver.ids(), ["a.1", "b.3"]);
    assert_eq!(
        metric(&registry, "loadline_events_skipped_total{reason=\"known\"}"),
        1
    );
}

#[test]
fn that_all_events_are_listed_again_is_told_once_and_only_then() {
    let listing = |lines: &[String]| {
        let told = lines
            .iter()
            .filter(|line| line.contains("listing all events"));
        told.count()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, receiver) =
        runtime.block_on(async { (Remembering::started().await, Receiver::started().await) });
    let run = |name: &'static str, forgets: bool| {
        let sent = async {
            let running = Running::new(&server, &[receiver.sink()]);
            running.ready().await;
            if forgets {
                server.refuse("watch", 410);
                server.refuse("list", 500);
                server.stop().await;
                server.start().await;
            }
            server.put_event(event(name, 1));
            let came = || receiver.ids().contains(&format!("{name}.1"));
            eventually("it came", came).await;
            running.stop().await;
        };
        listing(&logged(|| runtime.block_on(sent)))
    };
    assert_eq!(run("first", false), 0);
    assert_eq!(run("resumed", false), 0);
    // One line, although the first attempt to list them fails.
    assert_eq!(run("forgotten", true), 1);
    server.put_event(event("between", 1));
    server.compact();
    assert_eq!(run("forgotten before", false), 1);
}

#[tokio::test]
async fn a_place_that_is_none_is_not_insisted_on() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let annotations = json!({"loadline.io/events-resource-version": "yesterday"});
    let lease = json!({"metadata": {"name": "place", "annotations": annotations}});
    server.set_object(LEASE, lease);
    let running = Running::new(&server, &[receiver.sink()]);
    running.ready().await;
    server.put_event(event("a", 1));
    eventually("it came", || receiver.ids() == ["a.1"]).await;
    eventually("the place is written", || place(&server).is_some()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_away_holds_the_place_and_gets_everything_later() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let running = Running::new(&server, &[receiver.sink()]);
    running.ready().await;
    eventually("the first place is written", || place(&server).is_some()).await;
    let before = place(&server).unwrap();
    receiver.fail(503);
    for at in 0..20 {
        server.put_event(event(&format!("a{at}"), 1));
    }
    let retried = "loadline_sink_retried_total{sink=\"webhook\"}";
    eventually("it is tried", || metric(&running.registry, retried) > 3).await;
    assert_eq!(place(&server), Some(before));
    assert!(running.health.live().is_ok());
    // It ends suddenly for us: what it had was not through, so the place stays.
    running.stop().await;
    assert_eq!(place(&server), Some(before));
    let running = Running::new(&server, &[receiver.sink()]);
    eventually("it is tried", || metric(&running.registry, retried) > 3).await;
    receiver.fail(200);
    eventually("all came", || receiver.ids().len() == 20).await;
    running.stop().await;
    assert_eq!(receiver.ids().len(), 20);
}

#[tokio::test]
async fn when_no_sink_takes_anything_nothing_is_read_and_nothing_is_lost() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let sink = format!("{}?queue=2", receiver.sink());
    let running = Running::new(&server, &[sink]);
    running.ready().await;
    receiver.fail(503);
    for at in 0..12 {
        server.put_event(event(&format!("a{at}"), 1));
        let ticks = || {
            metric(
                &running.registry,
                "loadline_sink_retried_total{sink=\"webhook\"}",
            )
        };
        let now = ticks();
        eventually("time goes on", || ticks() > now + 1).await;
    }
    receiver.fail(200);
    eventually("all came", || receiver.ids().len() == 12).await;
    let registry = running.stop().await;
    let dropped = "loadline_sink_dropped_total{sink=\"webhook\",reason=\"queue_full\"}";
    assert_eq!(metric(&registry, dropped), 0);
}

#[tokio::test]
async fn a_sink_that_is_away_does_not_hold_up_another() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let broken = Receiver::started().await;
    broken.fail(500);
    let sinks = [format!("{}?queue=2", broken.sink()), receiver.sink()];
    let running = Running::new(&server, &sinks);
    running.ready().await;
    for at in 0..6 {
        server.put_event(event(&format!("a{at}"), 1));
        eventually("it came", || receiver.ids().len() == at + 1).await;
    }
    let registry = running.stop().await;
    let dropped = "loadline_sink_dropped_total{sink=\"webhook\",reason=\"queue_full\"}";
    assert!(metric(&registry, dropped) > 0);
}

#[tokio::test]
async fn only_what_is_wanted_is_sent() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let filter = EventFilter::new(vec!["a".into()], Vec::new(), vec!["Warning".into()]);
    let running = Running::with(
        &server,
        (&[receiver.sink()], None),
        Leadership::undisputed(),
        |config| config.filter = filter,
    );
    running.ready().await;
    let mut other = event("b", 1);
    other["metadata"]["namespace"] = "b".into();
    server.put_event(other);
    server.put_event(event("a", 1));
    eventually("it came", || receiver.ids().len() == 1).await;
    let registry = running.stop().await;
    assert_eq!(receiver.ids(), ["a.1"]);
    let filtered = "loadline_events_skipped_total{reason=\"filtered\"}";
    assert_eq!(metric(&registry, filtered), 1);
}

#[tokio::test]
async fn where_events_k8s_io_is_not_ours_the_core_api_is_followed() {
    for code in [403, 404] {
        let (server, receiver) = (Remembering::started().await, Receiver::started().await);
        server.refuse("GET /apis/events.k8s.io/v1/events", code);
        let running = Running::new(&server, &[receiver.sink()]);
        running.ready().await;
        server.put_event(
            json!({"metadata": {"name": "a", "namespace": "a", "uid": "a"},
            "message": "again", "count": 3, "involvedObject": {"kind": "Pod", "name": "p"}}),
        );
        eventually("it came", || receiver.ids() == ["a.3"]).await;
        running.stop().await;
        assert!(!server.asked("GET /api/v1/events?").is_empty(), "{code}");
        let body = receiver.bodies().concat();
        let line: Value = serde_json::from_str(body.trim()).unwrap();
        assert_eq!(line["event"]["involvedObject"]["name"], "p", "{code}");
    }
}

#[tokio::test]
async fn without_the_right_to_the_lease_events_are_sent_all_the_same() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    server.refuse(&format!("GET {LEASE}"), 403);
    let running = Running::new(&server, &[receiver.sink()]);
    running.ready().await;
    server.put_event(event("a", 1));
    eventually("it came", || receiver.ids() == ["a.1"]).await;
    let registry = running.stop().await;
    assert_eq!(
        metric(&registry, "loadline_events_position_errors_total"),
        1
    );
}

fn contender(server: &Remembering, identity: &str) -> (Leadership, StopSender, Tasks) {
    let config = LeaseConfig {
        duration: Duration::from_secs(1),
        period: Duration::from_millis(20),
        ..LeaseConfig::new("n".into(), "place".into(), identity.into())
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (election, leadership) = Election::new(config, &server.client(), clock);
    let (stop, stopped) = Stop::channel();
    let tasks = Tasks::new(stop.clone());
    tasks.spawn_passing("election", election.run(stopped));
    (leadership, stop, tasks)
}

#[tokio::test]
async fn who_does_not_lead_is_ready_only_while_another_does() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let (first, stop_first, first_tasks) = contender(&server, "one");
    eventually("the first leads", || first.is_held()).await;
    let (second, stop_second, _) = contender(&server, "two");
    let sinks = [receiver.sink()];
    let running = Running::with(&server, (&sinks, None), second, |_| ());
    running.ready().await;
    // The API server is away: nobody knows who leads, and in a moment nobody does.
    server.stop().await;
    let says = |part: &str| running.health.ready().is_err_and(|why| why.contains(part));
    eventually("it is not ready", || says("it cannot be taken: ")).await;
    server.start().await;
    running.ready().await;
    stop_first.stop();
    first_tasks.finished().await;
    running.ready().await;
    running.stop().await;
    stop_second.stop();
}

#[tokio::test]
async fn without_the_right_to_the_lease_nobody_leads_and_nobody_is_ready() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    for _ in 0..10_000 {
        server.refuse(&format!("GET {LEASE}"), 403);
    }
    let (leadership, stop, _) = contender(&server, "one");
    let sinks = [receiver.sink()];
    let running = Running::with(&server, (&sinks, None), leadership, |_| ());
    let expected = "nobody is known to hold the Lease";
    assert_eq!(running.health.ready(), Err(expected.to_owned()));
    let says = |part: &str| running.health.ready().is_err_and(|why| why.contains(part));
    eventually("it says why", || says("as the test wants")).await;
    running.stop().await;
    stop.stop();
}

#[tokio::test]
async fn of_two_replicas_one_sends_and_the_other_goes_on_where_it_stopped() {
    let (server, receiver) = (Remembering::started().await, Receiver::started().await);
    let replica = |identity: &str| {
        let (leadership, stop, tasks) = contender(&server, identity);
        let sinks = [receiver.sink()];
        let running = Running::with(&server, (&sinks, None), leadership.clone(), |_| ());
        (running, leadership, stop, tasks)
    };
    let (first, leads, stop_first, first_tasks) = replica("one");
    eventually("the first leads", || leads.is_held()).await;
    first.ready().await;
    let (second, follows, stop_second, _) = replica("two");
    server.put_event(event("a", 1));
    eventually("it came", || receiver.ids() == ["a.1"]).await;
    second.ready().await;
    assert!(!follows.is_held());
    first.stop().await;
    server.put_event(event("b", 1));
    stop_first.stop();
    first_tasks.finished().await;
    eventually("the second goes on", || receiver.ids() == ["a.1", "b.1"]).await;
    second.stop().await;
    stop_second.stop();
}
