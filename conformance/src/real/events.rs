//! Events as Kubernetes' recorders make them, in numbers.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;

use super::controlplane::ControlPlane;
use super::wait::until;

/// Makes events, however often the API server goes away meanwhile.
#[derive(Debug)]
pub struct Recorder {
    post: Client,
    patch: Client,
    patience: Duration,
}

/// Every so many events one happens a second time.
const AGAIN: usize = 10;

impl Recorder {
    /// One that has all rights in a cluster, and tries this long.
    ///
    /// # Errors
    /// When its certificate cannot be made.
    pub fn new(cluster: &ControlPlane, patience: Duration) -> Result<Self> {
        let client = cluster.client("recorder")?;
        Ok(Self {
            patch: client.with_header("content-type", "application/merge-patch+json")?,
            post: client.with_header("content-type", "application/json")?,
            patience,
        })
    }

    /// Makes an event, every other one in the old form, as often as it takes; returns the ID of its last state.
    ///
    /// # Errors
    /// When it cannot be made in time.
    pub async fn make(&self, at: usize) -> Result<String> {
        let name = format!("burst-{at}");
        let old = at.is_multiple_of(2);
        let (path, event) = if old {
            old_event(&name)
        } else {
            new_event(&name)
        };
        let body = Bytes::from(event.to_string());
        let one = format!("{path}/{name}");
        let object = until(self.patience, async || {
            let answer = self.post.send(Method::POST, path, body.clone()).await?;
            match answer.status {
                // The API server went away after it had made it.
                StatusCode::CONFLICT => self.post.get_json(&one).await,
                _ => answer.expect_status(201)?.json(),
            }
        })
        .await?;
        let uid = object["metadata"]["uid"].as_str().context("no uid")?;
        if !old || !at.is_multiple_of(AGAIN) {
            return Ok(format!("{uid}.1"));
        }
        let body = Bytes::from(json!({"count": 2, "lastTimestamp": now()}).to_string());
        until(self.patience, async || {
            let answer = self.patch.send(Method::PATCH, &one, body.clone()).await?;
            answer.expect_status(200)?;
            Ok(())
        })
        .await?;
        Ok(format!("{uid}.2"))
    }
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// As client-go's old recorder makes them.
fn old_event(name: &str) -> (&'static str, Value) {
    let event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": name},
        "type": "Normal", "reason": "Burst", "message": "It happened.", "count": 1,
        "source": {"component": "lane"}, "firstTimestamp": now(), "lastTimestamp": now(),
    });
    ("/api/v1/namespaces/default/events", event)
}

/// As its new recorder does.
fn new_event(name: &str) -> (&'static str, Value) {
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": name},
        "type": "Warning", "reason": "Burst", "action": "Bursting", "note": "It happened.",
        "reportingController": "lane.loadline.io/burst", "reportingInstance": "lane-1",
        "eventTime": now().replace('Z', ".000000Z"),
    });
    ("/apis/events.k8s.io/v1/namespaces/default/events", event)
}
