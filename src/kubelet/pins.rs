//! The pins of all kubelets, kept in a ConfigMap so that a restart does not believe anybody anew.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::pin::{Book, Pin, Shown, Verdict};
use crate::cluster::describe;
use crate::domain::{Inventory, NodeName};
use crate::lifecycle::Stop;

/// What is remembered of each kubelet's certificate, in memory and in a ConfigMap, which has room
/// for some 7,000 nodes. What does not fit, or may not be written, is remembered until the process
/// ends; that is said once.
///
/// Before the ConfigMap has been read nobody is believed.
pub struct Pins {
    api: Api<ConfigMap>,
    /// `NAMESPACE/NAME`.
    stored_in: String,
    name: String,
    book: Mutex<Book>,
    state: watch::Sender<State>,
    remembered: Notify,
}

/// How far the ConfigMap is known.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Read,
    Unread(String),
}

/// How often the ConfigMap is looked at: a person may have taken a pin away.
const EVERY: Duration = Duration::from_secs(30);
/// After a failure it is looked at again so soon.
const AGAIN: Duration = Duration::from_secs(5);
/// Pins of one moment are written together.
const TOGETHER: Duration = Duration::from_millis(500);
/// How long the first handshakes wait for the ConfigMap.
const FIRST_READ: Duration = Duration::from_secs(3);
/// Nodes that nobody knows are forgotten no sooner: they may only not be known yet.
const SETTLED: Duration = Duration::from_mins(10);
const CALL_LIMIT: Duration = Duration::from_secs(10);
const MANAGER: &str = "loadline";

impl Pins {
    /// Pins kept in this ConfigMap. Nothing is read yet.
    #[must_use]
    pub fn new(client: kube::Client, namespace: &str, name: &str) -> Arc<Self> {
        Arc::new(Self {
            api: Api::namespaced(client, namespace),
            stored_in: format!("{namespace}/{name}"),
            name: name.to_owned(),
            book: Mutex::default(),
            state: watch::Sender::new(State::Reading),
            remembered: Notify::new(),
        })
    }

    /// Reads the ConfigMap once. Where that fails nobody is believed who is not known.
    pub async fn load(&self) {
        let read = self.read().await;
        self.state.send_replace(match read {
            Ok(()) => State::Read,
            Err(reason) => State::Unread(reason),
        });
    }

    /// Follows the ConfigMap and writes what is new, until `stop`. Of nodes that are not in
    /// `inventory` any more, pins are taken away.
    pub async fn run(self: Arc<Self>, inventory: Arc<Inventory>, stop: Stop) {
        let began = Instant::now();
        let mut told: Option<String> = None;
        loop {
            let settled = began.elapsed() >= SETTLED;
            let outcome = self.settle(&inventory, settled).await;
            let pause = if outcome.is_ok() { EVERY } else { AGAIN };
            match outcome {
                Ok(()) if told.take().is_some() => {
                    info!(configmap = self.stored_in, "kubelets' pins are kept again");
                }
                Ok(()) => {}
                Err(error) => {
                    if told.as_ref() != Some(&error) {
                        warn!(configmap = self.stored_in, %error, "kubelets' pins cannot be kept");
                    }
                    told = Some(error);
                }
            }
            tokio::select! {
                () = stop.stopped() => return,
                () = sleep(pause) => {}
                () = self.remembered.notified() => sleep(TOGETHER).await,
            }
        }
    }

    /// Waits for the first look at the ConfigMap, but not for long.
    pub(super) async fn read_once(&self) {
        let mut state = self.state.subscribe();
        let read = state.wait_for(|state| *state != State::Reading);
        // Who is still unknown then is refused, with the reason.
        let _ = timeout(FIRST_READ, read).await;
    }

    /// Judges what a node shows.
    ///
    /// # Errors
    /// Why it is not known who is known.
    pub(super) fn judge(
        &self,
        node: &NodeName,
        uid: &str,
        shown: &Shown,
    ) -> Result<Verdict, String> {
        let verdict = self.book.lock().judge(node, uid, shown);
        match &*self.state.borrow() {
            State::Read => Ok(verdict),
            // Whoever is known stays known.
            State::Reading | State::Unread(_) if verdict == Verdict::Known => Ok(verdict),
            State::Reading => Err(format!("{} has not been read yet", self.stored_in)),
            State::Unread(reason) => Err(reason.clone()),
        }
    }

    /// Remembers who showed something for the first time and proved that it owns it.
    pub(super) fn remember(&self, node: &NodeName, uid: &Arc<str>, shown: Shown) {
        let mut book = self.book.lock();
        match book.judge(node, uid, &shown) {
            Verdict::First | Verdict::Vouched => {}
            Verdict::Known | Verdict::Changed { .. } => return,
        }
        match &shown {
            Shown::Key(key) => warn!(
                %node, %key, configmap = self.stored_in,
                "believed a kubelet for whose certificate nobody vouches, and pinned its key"
            ),
            Shown::Vouched => tracing::debug!(%node, "the CA vouches for the kubelet"),
        }
        let uid = Arc::clone(uid);
        book.remember(node.clone(), Pin { uid, shown });
        self.remembered.notify_one();
    }

    /// Where pins are kept, `NAMESPACE/NAME`.
    pub(super) fn stored_in(&self) -> &str {
        &self.stored_in
    }

    async fn settle(&self, inventory: &Inventory, settled: bool) -> Result<(), String> {
        self.load().await;
        if let State::Unread(reason) = &*self.state.borrow() {
            return Err(reason.clone());
        }
        let nodes = inventory.nodes();
        let left = |node: &NodeName| {
            let known = nodes.iter().any(|record| record.name == *node);
            settled && !nodes.is_empty() && !known
        };
        let changes = self.book.lock().changes(left);
        if changes.is_empty() {
            return Ok(());
        }
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({ "data": changes }));
        let call = self.api.patch(&self.name, &params, &patch);
        answer("patch", &self.stored_in, call).await?;
        self.book.lock().written(&changes);
        Ok(())
    }

    async fn read(&self) -> Result<(), String> {
        let found = answer("get", &self.stored_in, self.api.get(&self.name)).await?;
        let mut pins = BTreeMap::new();
        for (node, text) in found.data.unwrap_or_default() {
            match (NodeName::new(&*node), text.parse::<Pin>()) {
                (Ok(node), Ok(pin)) => drop(pins.insert(node, pin)),
                // Believing the node anew is what the person who wrote this can do by deleting it.
                _ => return Err(format!("{}: {node} holds no pin", self.stored_in)),
            }
        }
        self.book.lock().absorb(pins);
        Ok(())
    }
}

async fn answer<T>(
    verb: &str,
    object: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, String> {
    match timeout(CALL_LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!(
            "cannot {verb} the ConfigMap {object}: {}",
            describe(&error)
        )),
        Err(_) => Err(format!("cannot {verb} the ConfigMap {object}: no answer")),
    }
}

/// Two are the same when they are one.
impl PartialEq for Pins {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Pins {}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pins")
            .field("stored_in", &self.stored_in)
            .finish_non_exhaustive()
    }
}
