//! Follows the cluster's ConfigMap of trusted authorities, and the files flags name.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::runtime::watcher::{self, Event, watcher};
use parking_lot::Mutex;
use tracing::{info, warn};

use super::trust::LiveTrust;
use crate::lifecycle::{Backoff, Check, Probe, Stop};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// How often the flags' files are read again.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Keeps a [`LiveTrust`] current. Until the first look-up succeeds the server is not ready; afterwards losing the API
/// server leaves the last good values in force.
pub struct TrustLookup {
    trust: Arc<LiveTrust>,
    client: Option<kube::Client>,
    progress: Arc<Mutex<Progress>>,
}

/// How far the look-up got.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Failing(String),
    Done,
}

impl TrustLookup {
    /// A look-up through `client`, or none at all: `--authentication-skip-lookup`.
    #[must_use]
    pub fn new(trust: Arc<LiveTrust>, client: Option<kube::Client>) -> Self {
        let client = client.filter(|_| trust.needs_lookup());
        let progress = if client.is_some() {
            Progress::Waiting
        } else {
            Progress::Done
        };
        Self {
            trust,
            client,
            progress: Arc::new(Mutex::new(progress)),
        }
    }

    /// The readiness check `authentication-lookup`: fails until the ConfigMap was read, or found absent, once.
    /// `tolerate` makes it pass from the start: `--authentication-tolerate-lookup-failure`.
    #[must_use]
    pub fn check(&self, tolerate: bool) -> Check {
        let progress = Arc::clone(&self.progress);
        Check::new(
            "authentication-lookup",
            &[Probe::Readyz],
            move || match &*progress.lock() {
                Progress::Failing(reason) if !tolerate => Err(reason.clone()),
                Progress::Waiting if !tolerate => Err("not looked up yet".into()),
                Progress::Waiting | Progress::Failing(_) | Progress::Done => Ok(()),
            },
        )
    }

    /// Follows files and ConfigMap until stopped.
    pub async fn run(self, stop: Stop) {
        let files = async {
            let mut tick = tokio::time::interval(RELOAD_INTERVAL);
            loop {
                tick.tick().await;
                self.trust.reload_files();
            }
        };
        let lookup = async {
            match &self.client {
                Some(client) => self.follow(events(client.clone()).boxed()).await,
                None => std::future::pending().await,
            }
        };
        stop.until(async { tokio::join!(files, lookup) }).await;
    }

    async fn follow(&self, events: impl Stream<Item = watcher::Result<Event<ConfigMap>>>) {
        let mut events = std::pin::pin!(events);
        let mut backoff = Backoff::doubling(Duration::from_millis(500), Duration::from_secs(30));
        // The watcher's stream has no end; it lists and watches anew after each error.
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    backoff.reset();
                    self.take(event);
                }
                Err(error) => {
                    self.failed(&error);
                    tokio::time::sleep(backoff.wait()).await;
                }
            }
        }
    }

    fn take(&self, event: Event<ConfigMap>) {
        match event {
            Event::Apply(map) | Event::InitApply(map) => {
                self.trust.apply_config_map(&map.data.unwrap_or_default());
                self.succeeded();
            }
            // Absent at the start: nothing is trusted until it appears.
            Event::InitDone => self.succeeded(),
            Event::Delete(_) => warn!(
                name = NAME,
                "the ConfigMap of trusted authorities was deleted; keeping the last good values"
            ),
            Event::Init => {}
        }
    }

    fn succeeded(&self) {
        let mut progress = self.progress.lock();
        if *progress != Progress::Done {
            info!(name = NAME, "looked up the cluster's trusted authorities");
            *progress = Progress::Done;
        }
    }

    fn failed(&self, error: &watcher::Error) {
        let mut progress = self.progress.lock();
        match &*progress {
            Progress::Done => {
                tracing::debug!(name = NAME, %error, "lost the watch of trusted authorities");
                return;
            }
            Progress::Waiting => {
                warn!(name = NAME, %error, "cannot look up trusted authorities; retrying");
            }
            Progress::Failing(_) => {}
        }
        *progress = Progress::Failing(error.to_string());
    }
}

impl std::fmt::Debug for TrustLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustLookup")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// List and watch must both name the one object: that is all the reader role grants.
fn events(client: kube::Client) -> impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Send {
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
    watcher(Api::<ConfigMap>::namespaced(client, NAMESPACE), config)
}
