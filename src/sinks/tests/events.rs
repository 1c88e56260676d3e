//! Sinks of events at work, and what becomes of batches.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::receivers::{Act, influxdb, listener, serve};
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

struct Rig {
    inlets: EventInlets,
    workers: Vec<JoinHandle<()>>,
    stop: crate::lifecycle::StopSender,
    _tasks: Tasks,
}

fn rig(sinks: &[String]) -> Rig {
    let config = Config {
        export_timeout: Duration::from_secs(5),
        flush: Duration::from_millis(50),
        retry: (Duration::from_millis(5), Duration::from_millis(20)),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sinks = EventSinkConfig::read(sinks, &|_| None).unwrap();
    let sinks = EventSinks::new(config, sinks, &clock, &mut Registry::default()).unwrap();
    let (sender, stop) = Stop::channel();
    let tasks = Tasks::new(sender.clone());
    let (inlets, workers) = sinks.start(&tasks, &stop);
    Rig {
        inlets,
        workers,
        stop: sender,
        _tasks: tasks,
    }
}

fn put(rig: &mut Rig, events: Vec<Event>) -> Outstanding {
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
    let mut rig = rig(&[url, "log".into()]);
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
    let mut rig = rig(&[format!("webhook:http://{address}/x")]);
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
    rig.inlets.close();
    rig.stop.stop();
    for worker in rig.workers {
        worker.await.unwrap();
    }
    assert_eq!(
        (first.fate(), second.fate()),
        (Fate::Abandoned, Fate::Abandoned)
    );
}

#[tokio::test]
async fn a_webhook_that_refuses_events_for_good_does_not_hold_up_the_next() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |asked| match asked.body.contains("bad") {
        true => Act::Answer(422, "no".into()),
        false => Act::Answer(204, String::new()),
    });
    let url = format!("webhook:http://{address}/x?token=s3cret&batchSize=1");
    let mut rig = rig(&[url]);
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

#[test]
fn sinks_without_events_are_told_apart_from_what_is_no_sink() {
    for (value, what) in [
        ("gcl", "takes no events in this version"),
        ("honeycomb:?writekey=x", "takes no events in this version"),
        ("otlp:http://x", "takes no events in this version"),
        ("statsd:udp://x", "is no sink of events"),
        ("webhook:tcp://x", "must begin with http:// or https://"),
        ("webhook:http://", "names no host"),
    ] {
        let problems = EventSinkConfig::read(&[value], &|_| None).unwrap_err();
        assert!(problems.to_string().contains(what), "{value}: {problems}");
    }
}
