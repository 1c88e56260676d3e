//! Sinks of events at work, and what becomes of batches.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::receivers::{Act, influxdb, listener, serve};
use super::working::{spooling, until, value_of};
use crate::domain::{
    Clock, Event, EventSource, MicroTime, ObjectReference, SystemClock, Timestamp,
};
use crate::lifecycle::{Stop, Tasks};
use crate::sinks::{
    Config, EventBatch, EventInlets, EventSinkConfig, EventSinks, Fate, Outstanding,
};
use crate::telemetry::Registry;

/// A pod that cannot start, told by its kubelet.
pub(in crate::sinks) fn event() -> Event {
    Event {
        name: "web.1".into(),
        namespace: "team-a".into(),
        uid: "u-1".into(),
        resource_version: "7".into(),
        created: Some(MicroTime::from_parts(1_767_323_045, 0)),
        regarding: ObjectReference {
            kind: "Pod".into(),
            namespace: "team-a".into(),
            name: "web".into(),
            uid: "p-1".into(),
            api_version: "v1".into(),
            field_path: "spec.containers{web}".into(),
            ..ObjectReference::default()
        },
        kind: "Warning".into(),
        reason: "BackOff".into(),
        message: "<restarting> \"web\"".into(),
        source: EventSource {
            component: "kubelet".into(),
            host: "n1".into(),
        },
        first_timestamp: Some(MicroTime::from_parts(1_767_323_040, 0)),
        last_timestamp: Some(MicroTime::from_parts(1_767_323_045, 0)),
        count: 3,
        ..Event::default()
    }
}

/// Sinks of events that run.
pub(in crate::sinks) struct EventRig {
    inlets: EventInlets,
    workers: Vec<JoinHandle<()>>,
    stop: crate::lifecycle::StopSender,
    registry: Registry,
    _tasks: Tasks,
}

impl EventRig {
    pub(in crate::sinks) fn new(sinks: &[String]) -> Self {
        rig(sinks, None)
    }

    /// Hands in events and waits until every sink is done with them.
    pub(in crate::sinks) async fn settles(&mut self, events: Vec<Event>) {
        let outstanding = put(self, events);
        becomes(&outstanding, Fate::Settled).await;
    }

    pub(in crate::sinks) fn metric(&self, series: &str) -> u64 {
        value_of(&self.registry, series)
    }

    /// Ends the sinks; returns when they have.
    async fn end(self) -> Registry {
        self.inlets.close();
        self.stop.stop();
        for worker in self.workers {
            worker.await.unwrap();
        }
        self.registry
    }
}

/// Sinks, with a spool of so many bytes each if one is given.
fn rig(sinks: &[String], spool: Option<(&TempDir, u64)>) -> EventRig {
    let config = Config {
        export_timeout: Duration::from_secs(5),
        flush: Duration::from_millis(50),
        retry: (Duration::from_millis(5), Duration::from_millis(20)),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sinks = EventSinkConfig::read(sinks, &|_| None).unwrap();
    let mut registry = Registry::default();
    let spooling = spool.map(|(folder, most)| spooling(folder.path(), most));
    let sinks = EventSinks::new(config, sinks, spooling, &clock, &mut registry).unwrap();
    let (sender, stop) = Stop::channel();
    let tasks = Tasks::new(sender.clone());
    let (inlets, workers) = sinks.start(&tasks, &stop);
    EventRig {
        inlets,
        workers,
        stop: sender,
        registry,
        _tasks: tasks,
    }
}

fn put(rig: &mut EventRig, events: Vec<Event>) -> Outstanding {
    let (batch, outstanding) = EventBatch::new(Timestamp::from_millis(0), events);
    rig.inlets.put(&batch);
    outstanding
}

async fn becomes(outstanding: &Outstanding, fate: Fate) {
    let wait = async {
        while outstanding.fate() != fate {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let limit = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(limit.is_ok(), "it is {:?}", outstanding.fate());
}

#[tokio::test]
async fn influxdb_and_the_log_get_events_and_the_batch_is_settled() {
    let (listener, address) = listener().await;
    let takes = influxdb("root");
    let seen = serve(listener, move |asked| {
        // Its events have line breaks in a string, which this receiver of numbers does not know.
        if asked.line.contains("/write") {
            Act::Answer(204, String::new())
        } else {
            takes(asked)
        }
    });
    let url = format!("influxdb:http://{address}?withfields=true&types=Warning");
    let mut rig = EventRig::new(&[url, "log".into()]);
    let normal = Event {
        kind: "Normal".into(),
        ..event()
    };
    let outstanding = put(&mut rig, vec![event(), normal]);
    assert_eq!(outstanding.events, 2);
    becomes(&outstanding, Fate::Settled).await;
    let bodies: Vec<String> = seen.lock().iter().map(|asked| asked.body.clone()).collect();
    assert_eq!(
        bodies,
        [
            "",
            "events,cluster_name=default,component=kubelet,hostname=n1,kind=Pod,\
             namespace_name=team-a,object_name=web,pod_id=p-1,reason=BackOff,type=Warning,uid=u-1 \
             message=\"<restarting> \\\"web\\\"\" 1767323045000000000\n"
        ]
    );
}

#[tokio::test]
async fn what_a_stopped_sink_had_left_is_abandoned_not_settled() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |_| Act::Hang);
    let mut rig = EventRig::new(&[format!("webhook:http://{address}/x")]);
    let (first, second) = (put(&mut rig, vec![event()]), put(&mut rig, vec![event()]));
    let wait = async {
        while seen.lock().is_empty() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    wait.await;
    assert_eq!(
        (first.fate(), second.fate()),
        (Fate::Waiting, Fate::Waiting)
    );
    let registry = rig.end().await;
    assert_eq!(
        (first.fate(), second.fate()),
        (Fate::Abandoned, Fate::Abandoned)
    );
    let lost = "loadline_sink_dropped_total{sink=\"webhook\",reason=\"shutdown\"}";
    assert_eq!(value_of(&registry, lost), 0, "it is read again");
}

#[tokio::test]
async fn a_webhook_that_refuses_events_for_good_does_not_hold_up_the_next() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |asked| match asked.body.contains("bad") {
        true => Act::Answer(422, "no".into()),
        false => Act::Answer(204, String::new()),
    });
    let url = format!("webhook:http://{address}/x?token=s3cret&batchSize=1");
    let mut rig = EventRig::new(&[url]);
    let bad = Event {
        reason: "bad".into(),
        ..event()
    };
    let outstanding = put(&mut rig, vec![bad, event()]);
    becomes(&outstanding, Fate::Settled).await;
    let seen = seen.lock();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].line.as_str(), seen[0].authorization.as_str()),
        ("POST /x", "Bearer s3cret")
    );
    assert!(seen[1].body.starts_with(
        "{\"id\":\"u-1.3\",\"cluster_name\":\"default\",\"timestamp\":\
        \"2026-01-02T03:04:05.000000Z\",\"event\":{\"metadata\":{\"name\":\"web.1\""
    ));
}

fn named(uid: usize) -> Event {
    Event {
        uid: format!("u-{uid}"),
        ..event()
    }
}

#[tokio::test]
async fn what_waits_on_disk_is_settled_and_comes_through_in_order_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let (reserved, address) = listener().await;
    drop(reserved);
    let sinks = [format!("webhook:http://{address}/x?queue=2")];
    let mut first = rig(&sinks, Some((&folder, 1 << 20)));
    let mut batches = Vec::new();
    for uid in 1..=6 {
        batches.push(put(&mut first, vec![named(uid)]));
    }
    // None waits in memory alone: all of them are as good as sent.
    for batch in &batches {
        becomes(batch, Fate::Settled).await;
    }
    assert!(first.inlets.room().is_none(), "there is room on the disk");
    first.end().await;
    let fates: Vec<Fate> = batches.iter().map(Outstanding::fate).collect();
    assert_eq!(fates, [Fate::Settled; 6]);

    let seen = serve(TcpListener::bind(address).await.unwrap(), |_| {
        Act::Answer(204, String::new())
    });
    let mut second = rig(&sinks, Some((&folder, 1 << 20)));
    second.settles(vec![named(7)]).await;
    let ids: Vec<String> = seen
        .lock()
        .iter()
        .map(|asked| asked.body[..13].into())
        .collect();
    let expected: Vec<String> = (1..=7)
        .map(|uid| format!("{{\"id\":\"u-{uid}.3\""))
        .collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_at_the_end_is_told_again_by_whoever_resumes() {
    let folder = TempDir::new().unwrap();
    let (reserved, address) = listener().await;
    drop(reserved);
    let sinks = [format!("webhook:http://{address}/x?queue=9")];
    let mut rig = rig(&sinks, Some((&folder, 1 << 20)));
    let elsewhere = folder.path().with_extension("gone");
    std::fs::rename(folder.path(), &elsewhere).unwrap();
    let outstanding = put(&mut rig, vec![event()]);
    let retried = "loadline_sink_retried_total{sink=\"webhook\"}";
    until("it is tried", || rig.metric(retried) > 2).await;
    assert_eq!(outstanding.fate(), Fate::Waiting);
    let registry = rig.end().await;
    assert_eq!(outstanding.fate(), Fate::Abandoned);
    let failed = "loadline_sink_dropped_total{sink=\"webhook\",reason=\"spool_failed\"}";
    assert_eq!(value_of(&registry, failed), 0, "it is not lost");
    std::fs::remove_dir_all(elsewhere).unwrap();
}

#[tokio::test]
async fn a_spool_without_room_makes_the_reader_wait_and_at_the_end_nothing_is_lost_for_it() {
    let folder = TempDir::new().unwrap();
    let (reserved, address) = listener().await;
    drop(reserved);
    let sinks = [format!("webhook:http://{address}/x?queue=2")];
    let mut rig = rig(&sinks, Some((&folder, 2_000)));
    let mut batches = Vec::new();
    while rig.inlets.room().is_none() {
        let batch = put(&mut rig, vec![named(batches.len())]);
        let is_full = || rig.inlets.room().is_some();
        until("it is written, or does not fit", || {
            batch.fate() == Fate::Settled || is_full()
        })
        .await;
        batches.push(batch);
        assert!(batches.len() < 50, "it never is full");
    }
    assert!(batches.len() > 4, "{}", batches.len());
    let full = "loadline_sink_dropped_total{sink=\"webhook\",reason=\"spool_full\"}";
    assert_eq!(rig.metric(full), 0);
    let registry = rig.end().await;
    // The last one did not fit, and has cost no older one its place.
    let last = batches.pop().unwrap();
    assert_eq!(last.fate(), Fate::Abandoned);
    assert!(batches.iter().all(|batch| batch.fate() == Fate::Settled));
    let spooled = value_of(&registry, "loadline_sink_spooled{sink=\"webhook\"}");
    assert_eq!(spooled, batches.len() as u64);
}

#[test]
fn sinks_without_events_are_told_apart_from_what_is_no_sink() {
    for (value, what) in [
        ("gcl:http://x?metadata=:", "is no address"),
        ("honeycomb:?writekey=x", "takes no events in this version"),
        ("otlp:http://x?compression=zip", "neither none nor gzip"),
        ("statsd:udp://x", "takes numbers alone"),
        ("nonsense:", "is no sink of events"),
        ("webhook:tcp://x", "must begin with http:// or https://"),
        ("webhook:http://", "names no host"),
    ] {
        let problems = EventSinkConfig::read(&[value], &|_| None).unwrap_err();
        assert!(problems.to_string().contains(what), "{value}: {problems}");
    }
}
