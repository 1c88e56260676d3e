//! Events on Node objects: what `kubectl describe node` shows.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Coverage;
use super::announcements::{Announcement, Announcements};
use crate::cluster::describe;
use crate::domain::{Clock, Timestamp};
use crate::lifecycle::Stop;

/// Writes an Event when a node's metrics are lost, and when they are back.
///
/// Needs the right to create Events in the namespace `default`, where Kubernetes keeps those of
/// Nodes. Without it that is logged once and tried again every ten minutes; nothing else depends on
/// it. An Event that cannot be written is dropped: it is a hint, the coverage API is the truth.
#[derive(Debug)]
pub struct Announcer {
    coverage: Arc<Coverage>,
    events: kube::Api<Event>,
    clock: Arc<dyn Clock>,
    announcements: Announcements,
    refused: bool,
}

/// Where Events of objects without a namespace are.
const NAMESPACE: &str = "default";
const COMPONENT: &str = "loadline";
/// How often nodes are looked at.
const PAUSE: Duration = Duration::from_secs(10);
/// How long to wait for the right.
const REFUSED_PAUSE: Duration = Duration::from_secs(600);
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// The API server refuses notes of 1024 characters and more.
const LONGEST_NOTE: usize = 1000;
/// Replicas see the same: in one such span of time they give an Event one name, and the second to
/// come is told that it exists already.
const SAME_SECONDS: i64 = 300;

impl Announcer {
    /// Announces what `coverage` shows, through this client.
    #[must_use]
    pub fn new(coverage: Arc<Coverage>, client: &kube::Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            coverage,
            events: kube::Api::namespaced(client.clone(), NAMESPACE),
            clock,
            announcements: Announcements::default(),
            refused: false,
        }
    }

    /// Announces until `stop`.
    pub async fn run(mut self, stop: Stop) {
        let mut pause = PAUSE;
        while stop.until(tokio::time::sleep(pause)).await.is_some() {
            let now = Instant::now().into_std();
            let snapshot = self.coverage.current();
            let news = self.announcements.look(&snapshot, now);
            pause = PAUSE;
            for one in news {
                match stop.until(self.announce(&one)).await {
                    None => return,
                    Some(true) => {}
                    Some(false) => {
                        pause = REFUSED_PAUSE;
                        break;
                    }
                }
            }
        }
    }

    /// Writes one Event; `false` when we may not.
    async fn announce(&mut self, one: &Announcement) -> bool {
        let event = event(one, self.clock.now());
        let params = PostParams::default();
        let call = self.events.create(&params, &event);
        match tokio::time::timeout(CALL_LIMIT, call).await {
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                if !std::mem::replace(&mut self.refused, true) {
                    warn!(
                        "may not create Events in the namespace {NAMESPACE}, so kubectl describe node does not tell \
                         of lost metrics; grant what apiservice/rbac.yaml grants"
                    );
                }
                return false;
            }
            // Another replica was faster.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {}
            Ok(Err(error)) => {
                debug!(node = %one.node, error = %describe(&error), "cannot write an Event");
            }
            Err(_) => debug!(node = %one.node, "no answer when writing an Event"),
            Ok(Ok(_)) => {
                if std::mem::take(&mut self.refused) {
                    info!("may create Events now");
                }
            }
        }
        true
    }
}

fn event(one: &Announcement, now: Timestamp) -> Event {
    let (reason, kind) = if one.available {
        ("MetricsAvailable", "Normal")
    } else {
        ("MetricsUnavailable", "Warning")
    };
    let node = one.node.as_str();
    let span = now.as_secs().div_euclid(SAME_SECONDS);
    let time = jiff::Timestamp::from_second(now.as_secs()).ok().map(Time);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{node}.{}.{span:x}", reason.to_lowercase())),
            namespace: Some(NAMESPACE.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(node.to_owned()),
            // As kubelets do, and as kubectl describe looks for it.
            uid: Some(node.to_owned()),
            ..ObjectReference::default()
        },
        reason: Some(reason.to_owned()),
        type_: Some(kind.to_owned()),
        message: Some(one.note.chars().take(LONGEST_NOTE).collect()),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: None,
        }),
        first_timestamp: time.clone(),
        last_timestamp: time,
        count: Some(1),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NodeName;

    #[test]
    fn an_event_names_the_node_the_reason_and_the_remedy() {
        let one = Announcement {
            node: NodeName::new("n1").unwrap(),
            available: false,
            note: "x".repeat(5000),
        };
        let event = event(&one, Timestamp::from_millis(1_767_323_045_000));
        assert_eq!(event.reason.as_deref(), Some("MetricsUnavailable"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        assert_eq!(event.involved_object.name.as_deref(), Some("n1"));
        assert_eq!(event.message.map(|note| note.len()), Some(1000));
        let name = event.metadata.name.unwrap();
        assert!(name.starts_with("n1.metricsunavailable."), "{name}");
    }
}
