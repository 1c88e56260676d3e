//! Takes over what another replica knows, once, at the start.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use super::dial::{Answer, DialError, Dialed};
use super::frames::Content;
use super::giver::{Giver, HISTORY, LIVE};
use super::identity::{Identities, Identity};
use super::{Metrics, live_format};
use crate::domain::{Clock, Inventory, NodeRecord};
use crate::history::{FormatError, History, NotTaken, RingPart, RingReader};
use crate::lifecycle::{Check, Probe, Stop, Tasks};
use crate::live::Live;

/// Where other replicas are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `--peers`: names are looked up; each may have any number of addresses.
    pub peers: Vec<Peer>,
    /// The port of those that say none.
    pub port: u16,
}

/// One name of other replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A host's name, or an address.
    pub host: String,
    /// Its port, where it is not ours.
    pub port: Option<u16>,
}

/// What a hand-off works with.
#[derive(Clone)]
pub struct Deps {
    /// Where points go.
    pub live: Arc<Live>,
    /// Where the ring goes; `None` when none is kept.
    pub history: Option<Arc<History>>,
    /// What points and ring are joined with.
    pub inventory: Arc<Inventory>,
    /// Tells whether the inventory holds the whole cluster.
    pub synced: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Which nodes are to be taken over.
    pub selects: Arc<dyn Fn(&NodeRecord) -> bool + Send + Sync>,
    /// Who we are to the others.
    pub identities: Arc<Identities>,
    /// Opened when the start is over.
    pub giver: Arc<Giver>,
    /// Measures ages.
    pub clock: Arc<dyn Clock>,
    /// Where connections run.
    pub tasks: Tasks,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// Takes over what another replica knows.
#[derive(Debug)]
pub struct Taker {
    config: Config,
    deps: Deps,
    done: watch::Sender<bool>,
}

/// Tells when the hand-off is over, whatever came of it.
#[derive(Clone, Debug)]
pub struct Done(watch::Receiver<bool>);

/// What was taken over.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    nodes: usize,
    lives: usize,
    columns: usize,
    bytes: u64,
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
enum Nothing {
    #[error("there is none")]
    NoPeer,
    #[error("this replica has no certificate of our own authority")]
    NoIdentity,
    #[error("{address}: {error}{}", source(error))]
    Failed {
        address: SocketAddr,
        error: DialError,
    },
}

/// After this the start goes on without.
const LIMIT: Duration = Duration::from_secs(10);
/// What one name may take to be looked up.
const LOOK_UP: Duration = Duration::from_secs(2);
/// Addresses that are tried.
const MOST_TRIED: usize = 8;
/// How often the inventory is looked at until it holds the whole cluster.
const PAUSE: Duration = Duration::from_millis(20);

impl Taker {
    /// A hand-off from one of these replicas.
    #[must_use]
    pub fn new(config: Config, deps: Deps) -> Self {
        Self {
            config,
            deps,
            done: watch::Sender::new(false),
        }
    }

    /// Tells when it is over.
    #[must_use]
    pub fn done(&self) -> Done {
        Done(self.done.subscribe())
    }

    /// The readiness check `peer-hand-off`: fails until the hand-off is over, whatever came of it.
    #[must_use]
    pub fn check(&self) -> Check {
        let done = self.done.subscribe();
        Check::new("peer-hand-off", &[Probe::Readyz], move || {
            let over = *done.borrow();
            over.then_some(())
                .ok_or_else(|| "still taking over from another replica".to_owned())
        })
    }

    /// Tries each of the others in turn until one has handed over, for 10 s at most, and says in
    /// one line of the log what came of it.
    pub async fn run(self, stop: Stop) {
        let clock = Arc::clone(&self.deps.clock);
        let began = clock.monotonic();
        let outcome = stop.until(timeout(LIMIT, self.take())).await;
        let took = clock.monotonic().saturating_duration_since(began);
        let milliseconds = took.as_millis();
        match outcome {
            None => return,
            Some(Ok(Ok((address, taken)))) => {
                self.deps.metrics.took_over(taken.bytes);
                let Taken {
                    nodes,
                    lives,
                    columns,
                    bytes,
                } = taken;
                info!(peer = %address, nodes, lives, columns, bytes, milliseconds, "took over from another replica");
            }
            Some(Ok(Err(Nothing::NoPeer))) => info!("no other replica to take over from"),
            Some(Ok(Err(error))) => {
                warn!(%error, milliseconds, "cannot take over from another replica; starting without");
            }
            Some(Err(_)) => {
                warn!(
                    milliseconds,
                    "taking over from another replica takes too long; starting without the rest"
                );
            }
        }
        self.deps.metrics.waited(took);
        self.deps.giver.open();
        self.done.send_replace(true);
    }

    async fn take(&self) -> Result<(SocketAddr, Taken), Nothing> {
        let addresses = self.addresses().await;
        if addresses.is_empty() {
            return Err(Nothing::NoPeer);
        }
        let identity = self.deps.identities.identity().await;
        let identity = identity.ok_or(Nothing::NoIdentity)?;
        while !(self.deps.synced)() {
            tokio::time::sleep(PAUSE).await;
        }
        let mut nothing = Nothing::NoPeer;
        for address in addresses {
            match self.take_from(address, &identity).await {
                Ok(taken) => return Ok((address, taken)),
                Err(error) => nothing = Nothing::Failed { address, error },
            }
        }
        Err(nothing)
    }

    /// Everybody's addresses, each once. A name that has none is somebody who is not there.
    async fn addresses(&self) -> Vec<SocketAddr> {
        let mut all = Vec::new();
        for Peer { host, port } in &self.config.peers {
            let host = (host.as_str(), port.unwrap_or(self.config.port));
            if let Ok(Ok(found)) = timeout(LOOK_UP, tokio::net::lookup_host(host)).await {
                for address in found.take(MOST_TRIED) {
                    if !all.contains(&address) && all.len() < MOST_TRIED {
                        all.push(address);
                    }
                }
            }
        }
        all
    }

    async fn take_from(
        &self,
        address: SocketAddr,
        identity: &Identity,
    ) -> Result<Taken, DialError> {
        let mut dialed = Dialed::open(address, identity, &self.deps.tasks).await?;
        let mut taken = Taken::default();
        self.take_points(&mut dialed, &mut taken).await?;
        if let Some(history) = &self.deps.history {
            let answer = match dialed.get(HISTORY, Content::Ring).await {
                // It keeps none, or has no column yet.
                Err(DialError::Refused(code)) if code == http::StatusCode::NOT_FOUND => {
                    return Ok(taken);
                }
                answer => answer?,
            };
            self.take_ring(history, answer, &mut taken).await?;
        }
        Ok(taken)
    }

    async fn take_points(&self, dialed: &mut Dialed, taken: &mut Taken) -> Result<(), DialError> {
        let asked = self.deps.clock.monotonic();
        let mut answer = dialed.get(LIVE, Content::Points).await?;
        while let Some(part) = answer.next().await? {
            let points = live_format::read(&part)?;
            let node = self.deps.inventory.node(points.node.as_str());
            if let Some(node) = node.filter(|node| (self.deps.selects)(node)) {
                taken.lives += self.deps.live.take_over(&node, &points, asked);
                taken.nodes += 1;
            }
            tokio::task::yield_now().await;
        }
        taken.bytes += answer.bytes;
        Ok(())
    }

    async fn take_ring(
        &self,
        history: &History,
        mut answer: Answer,
        taken: &mut Taken,
    ) -> Result<(), DialError> {
        let mut reader = RingReader::default();
        let mut taking = None;
        while let Some(part) = answer.next().await? {
            match (reader.read(&part)?, &mut taking) {
                (RingPart::Columns(columns), None) => {
                    self.ensure_past(columns.begun.1)?;
                    let begun = history.take_over(columns, &self.deps.inventory)?;
                    taken.columns = begun.columns();
                    taking = Some(begun);
                }
                (RingPart::Families(families), Some(taking)) => {
                    for family in families {
                        taking.add(family)?;
                    }
                }
                (RingPart::Columns(_), Some(_)) | (RingPart::Families(_), None) => {
                    return Err(FormatError::Malformed.into());
                }
            }
            tokio::task::yield_now().await;
        }
        taking.ok_or(FormatError::CutShort)?.finish();
        taken.bytes += answer.bytes;
        Ok(())
    }

    /// A column of the future would keep ours out until then.
    fn ensure_past(&self, begun: crate::domain::Timestamp) -> Result<(), DialError> {
        let ahead = begun.since(self.deps.clock.now());
        if ahead.is_some_and(|ahead| ahead > LIMIT) {
            return Err(NotTaken::Columns.into());
        }
        Ok(())
    }
}

impl Done {
    /// Returns when the hand-off is over.
    pub async fn wait(mut self) {
        // An error means that the taker is gone, which is an end too.
        let _ = self.0.wait_for(|done| *done).await;
    }
}

fn source(error: &DialError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}
