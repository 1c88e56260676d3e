//! A double of Cloud Logging that takes what the reference of `entries.write` allows.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::sinks::tests::events::{EventRig, event};
use crate::sinks::tests::receivers::{Act, Asked, listener, serve};

/// The entries of a request, all of them as they should be.
fn entries(asked: &Asked, token: &str) -> Result<Vec<Json>, Act> {
    if asked.authorization != format!("Bearer {token}") {
        return Err(Act::Answer(401, String::new()));
    }
    assert_eq!(asked.line, "POST /v2/entries:write");
    assert_eq!(asked.header("content-type"), "application/json");
    let body: Json = serde_json::from_str(&asked.body).unwrap();
    let body = body.as_object().unwrap();
    let keys: BTreeSet<&str> = body.keys().map(String::as_str).collect();
    let known = ["entries", "logName", "partialSuccess", "resource"];
    assert_eq!(keys, BTreeSet::from(known));
    assert_eq!(body["logName"], "projects/p1/logs/kubernetes.io%2Fevents");
    assert_eq!(
        body["resource"],
        json!({"type": "global", "labels": {"project_id": "p1"}})
    );
    let entries = body["entries"].as_array().unwrap();
    assert!(!entries.is_empty() && asked.body.len() < 10_000_000);
    for entry in entries {
        let id = entry["insertId"].as_str().unwrap();
        assert!(!id.is_empty() && id.len() <= 512);
        let time = entry["timestamp"].as_str().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok());
        assert_eq!(entry["severity"], "NOTICE");
        assert!(entry["jsonPayload"]["metadata"].is_object());
    }
    Ok(entries.clone())
}

fn many(count: usize) -> Vec<Event> {
    let one = |n: usize| Event {
        uid: format!("u-{n}"),
        ..event()
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn an_event_is_an_entry_with_an_id_that_stays() {
    let (listener, address) = listener().await;
    let tries = AtomicUsize::new(0);
    let seen = serve(listener, move |asked| match entries(asked, "t") {
        Err(act) => act,
        // It took them, and its answer is lost.
        Ok(_) if tries.fetch_add(1, Ordering::Relaxed) == 0 => Act::HangUp,
        Ok(_) => Act::Answer(200, "{}".to_owned()),
    });
    let url = format!("gcl:http://{address}?project=p1&token=t&cluster_name=c");
    let mut rig = EventRig::new(&[url]);
    rig.settles(vec![event()]).await;
    let seen = seen.lock();
    let [first, second] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert_eq!(first.body, second.body);
    let Ok(entries) = entries(first, "t") else {
        panic!()
    };
    assert_eq!(entries.len(), 1);
    let mut payload = Vec::new();
    crate::sinks::events::json::write(&mut payload, &event());
    let payload: Json = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        entries[0],
        json!({
            "insertId": "u-1.3", "timestamp": "2026-01-02T03:04:05.000000Z",
            "severity": "NOTICE", "labels": {"cluster_name": "c"}, "jsonPayload": payload,
        })
    );
}

#[tokio::test]
async fn entries_that_are_refused_are_counted_and_those_that_were_in_the_way_tried_again() {
    let (listener, address) = listener().await;
    let (tries, kept) = (
        AtomicUsize::new(0),
        Arc::<Mutex<BTreeSet<String>>>::default(),
    );
    let there = Arc::clone(&kept);
    let _seen = serve(listener, move |asked| {
        let entries = match entries(asked, "t") {
            Ok(entries) => entries,
            Err(act) => return act,
        };
        let partial = |code: u64, not: usize| {
            for (n, entry) in entries.iter().enumerate().filter(|(n, _)| *n != not) {
                assert!(n < 1000);
                there.lock().insert(entry["insertId"].to_string());
            }
            let errors = json!({not.to_string(): {"code": code}});
            let of = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors";
            let details = json!([{"@type": of, "logEntryErrors": errors}]);
            json!({"error": {"code": 400, "details": details}}).to_string()
        };
        match tries.fetch_add(1, Ordering::Relaxed) {
            // RESOURCE_EXHAUSTED.
            0 => Act::Answer(400, partial(8, 3)),
            // INVALID_ARGUMENT.
            1 => Act::Answer(400, partial(3, 5)),
            _ => {
                partial(0, usize::MAX);
                Act::Answer(200, "{}".to_owned())
            }
        }
    });
    let mut rig = EventRig::new(&[format!("gcl:http://{address}?project=p1&token=t")]);
    rig.settles(many(1500)).await;
    let series = |what: &str| format!("loadline_sink_{what}_total{{sink=\"gcl\"}}");
    assert_eq!(rig.metric(&series("retried")), 1);
    assert_eq!(rig.metric(&series("refused_points")), 1);
    assert_eq!(rig.metric(&series("sent_points")), 1499);
    // The one that was refused had been written when it was first asked.
    assert_eq!(kept.lock().len(), 1500);
}

#[tokio::test]
async fn a_token_that_is_refused_costs_no_event() {
    let (listener, address) = listener().await;
    let tries = AtomicUsize::new(0);
    let _seen = serve(listener, move |asked| {
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Act::Answer(401, String::new()),
            1 => Act::Answer(403, String::new()),
            2 => Act::Answer(404, String::new()),
            3 => Act::Answer(429, String::new()),
            _ => {
                assert!(entries(asked, "t").is_ok());
                Act::Answer(200, "{}".to_owned())
            }
        }
    });
    let mut rig = EventRig::new(&[format!("gcl:http://{address}?project=p1&token=t")]);
    rig.settles(many(2)).await;
    let series = |what: &str| format!("loadline_sink_{what}_total{{sink=\"gcl\"}}");
    assert_eq!(rig.metric(&series("retried")), 4);
    assert_eq!(rig.metric(&series("sent_points")), 2);
}
