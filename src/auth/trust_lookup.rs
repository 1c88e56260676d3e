//! Follows the cluster's ConfigMap of trusted authorities, and the files flags name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tracing::{info, warn};

use super::trust::LiveTrust;
use crate::apimachinery::protobuf::{Field, Malformed, Message};
use crate::cluster::{Connection, Follower, Object, Target, Watch};
use crate::domain::Clock;
use crate::lifecycle::{Check, Probe, Stop};

const NAME: &str = "extension-apiserver-authentication";

/// List and watch must both name the one object: that is all the reader role grants.
const TARGET: Target = Target {
    resource: "configmaps",
    path: "/api/v1/namespaces/kube-system/configmaps",
    field_selector: Some("metadata.name=extension-apiserver-authentication"),
};

/// How often the flags' files are read again.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Keeps a [`LiveTrust`] current. Until the first look-up succeeds the server is not ready;
/// afterwards losing the API server leaves the last good values in force.
#[derive(Debug)]
pub struct TrustLookup {
    trust: Arc<LiveTrust>,
    watch: Option<Arc<Watch>>,
}

/// Hands what the ConfigMap says to the trust.
struct Reader<'a> {
    trust: &'a LiveTrust,
    looked_up: bool,
}

/// The part of a ConfigMap that is read.
#[derive(Default, Deserialize)]
struct ConfigMap {
    data: Option<BTreeMap<String, String>>,
}

impl<'a> Message<'a> for ConfigMap {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        if field.number == 2 {
            let (key, value) = field.text_entry()?;
            let data = self.data.get_or_insert_default();
            data.insert(key.into(), value.into());
        }
        Ok(())
    }
}

impl TrustLookup {
    /// A look-up through `client`, or none at all: `--authentication-skip-lookup`.
    #[must_use]
    pub fn new(
        trust: Arc<LiveTrust>,
        client: Option<kube::Client>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let client = client.filter(|_| trust.needs_lookup());
        let watch = |client| Arc::new(Watch::new(client, TARGET, Arc::clone(clock)));
        Self {
            watch: client.map(watch),
            trust,
        }
    }

    /// The readiness check `authentication-lookup`: fails until the ConfigMap was read, or found
    /// absent, once. `tolerate` makes it pass from the start:
    /// `--authentication-tolerate-lookup-failure`.
    #[must_use]
    pub fn check(&self, tolerate: bool) -> Check {
        let watch = self.watch.clone().filter(|_| !tolerate);
        Check::new("authentication-lookup", &[Probe::Readyz], move || {
            watch.as_deref().map_or(Ok(()), looked_up)
        })
    }

    /// Follows files and ConfigMap until stopped.
    pub async fn run(self, stop: Stop) {
        let files = stop.until(async {
            let mut tick = tokio::time::interval(RELOAD_INTERVAL);
            loop {
                tick.tick().await;
                self.trust.reload_files();
            }
        });
        let lookup = async {
            if let Some(watch) = &self.watch {
                let mut reader = Reader {
                    trust: &self.trust,
                    looked_up: false,
                };
                watch.run(&mut reader, &stop).await;
            }
        };
        tokio::join!(files, lookup);
    }
}

fn looked_up(watch: &Watch) -> Result<(), String> {
    let status = watch.status();
    if status.synced {
        return Ok(());
    }
    Err(match status.connection {
        Connection::Connecting | Connection::Watching { .. } => "not looked up yet".into(),
        Connection::Lost { reason, .. } => reason.to_string(),
    })
}

impl Reader<'_> {
    fn read(&self, object: Object<'_>) {
        match object.read::<ConfigMap>() {
            Ok(map) => self.trust.apply_config_map(&map.data.unwrap_or_default()),
            Err(error) => warn!(
                name = NAME,
                %error,
                "cannot read the ConfigMap of trusted authorities; keeping the last good values"
            ),
        }
    }
}

impl Follower for Reader<'_> {
    fn list_begins(&mut self) {}

    fn listed(&mut self, object: Object<'_>) {
        self.read(object);
    }

    /// When the list was empty, nothing is trusted until the ConfigMap appears.
    fn list_ends(&mut self) {
        if !std::mem::replace(&mut self.looked_up, true) {
            info!(name = NAME, "looked up the cluster's trusted authorities");
        }
    }

    fn applied(&mut self, object: Object<'_>) {
        self.read(object);
    }

    fn deleted(&mut self, _: Object<'_>) {
        warn!(
            name = NAME,
            "the ConfigMap of trusted authorities was deleted; keeping the last good values"
        );
    }
}
