//! Whether somebody answers `metrics.k8s.io` while we are not ready yet: the replica we replace,
//! another one, or metrics-server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::lifecycle::Stop;

/// Looks at the APIServices until readiness has been reached.
#[derive(Debug)]
pub(super) struct Incumbent {
    api: Api<APIService>,
    shared: Arc<Shared>,
}

/// What the readiness check and the look at the APIServices tell each other.
#[derive(Debug)]
pub(super) struct Shared {
    /// Somebody answers, nobody is led to us, or nobody has looked yet.
    answers: watch::Sender<bool>,
    /// Nobody asks any more.
    done: AtomicBool,
}

const NAMES: [&str; 2] = ["v1beta1.metrics.k8s.io", "v1.metrics.k8s.io"];
const EVERY: Duration = Duration::from_secs(1);
const CALL_LIMIT: Duration = Duration::from_secs(5);

impl Incumbent {
    pub(super) fn new(client: &kube::Client) -> Self {
        Self {
            api: Api::all(client.clone()),
            shared: Arc::new(Shared {
                answers: watch::Sender::new(true),
                done: AtomicBool::new(false),
            }),
        }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Looks once a second, until nobody wants to know any more.
    pub(super) async fn run(self, stop: Stop) {
        let look = async {
            while !self.shared.done.load(Ordering::Relaxed) {
                let answers = self.look().await;
                self.shared.answers.send_replace(answers);
                sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = look => {}
            () = stop.stopped() => {}
        }
    }

    /// Where that cannot be told, as without the right to look, somebody may answer. Where there is
    /// no APIService, nobody is led to us, and so nobody waits.
    async fn look(&self) -> bool {
        let mut registered = false;
        for name in NAMES {
            match timeout(CALL_LIMIT, self.api.get_opt(name)).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(found))) if !is_available(&found) => registered = true,
                Ok(Ok(Some(_)) | Err(_)) | Err(_) => return true,
            }
        }
        !registered
    }
}

impl Shared {
    /// Somebody answers, or may.
    pub(super) fn answers(&self) -> bool {
        *self.answers.borrow()
    }

    /// Returns once nobody answers.
    pub(super) async fn alone(&self) {
        let mut answers = self.answers.subscribe();
        // It cannot end while it is borrowed.
        let _ = answers.wait_for(|answers| !answers).await;
    }

    /// Nobody wants to know any more.
    pub(super) fn done(&self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

/// The API server reaches whoever stands behind it.
fn is_available(object: &APIService) -> bool {
    let status = object.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let mut all = conditions.into_iter().flatten();
    all.any(|one| one.type_ == "Available" && one.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_apiservice_answers_when_the_api_server_says_it_is_available() {
        for (conditions, expected) in [
            (json!([{ "type": "Available", "status": "True" }]), true),
            (json!([{ "type": "Available", "status": "False" }]), false),
            (json!([{ "type": "Other", "status": "True" }]), false),
            (json!([]), false),
        ] {
            let object: APIService = serde_json::from_value(json!({
                "metadata": { "name": "v1.metrics.k8s.io" },
                "status": { "conditions": conditions },
            }))
            .unwrap();
            assert_eq!(is_available(&object), expected, "{object:?}");
        }
    }
}
