//! Wiring of the eventer, which shares nothing with a server but the rooms below.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use http::{Response, StatusCode};
use tracing::info;

use super::ground::Ground;
use super::outside::{both, told};
use super::{Ended, LEFTOVERS, Signals, settings, tell, wind_down};
use crate::cluster::{self, Election, Leadership};
use crate::config::EventerSettings;
use crate::domain::Clock;
use crate::events::{self, Eventer, EventerHealth};
use crate::lifecycle::{Stop, StopSender, Tasks};
use crate::server::{self, Handler, OpenConfig, OpenDeps, Server};
use crate::sinks::{self, EventSinks};
use crate::telemetry::Registry;

/// An eventer with its port taken and nothing running yet.
#[derive(Debug)]
pub struct BoundEventer {
    eventer: Eventer,
    election: Option<Election>,
    server: server::Bound,
    tasks: Tasks,
    stop: (StopSender, Stop),
}

/// How long sinks have at the end for what waits; the rest of what a pod has is for noting it.
const FLUSH: Duration = Duration::from_secs(10);

/// Builds an eventer and takes its port.
///
/// # Errors
/// When a file that a flag or a sink names cannot be used, there are no credentials for the API
/// server, or the port is taken.
pub async fn bind_eventer(settings: EventerSettings) -> Result<BoundEventer> {
    let mut ground = Ground::new();
    tell(&settings.notes, &settings.warnings, &settings.inert);
    let connected = cluster::connect(settings.api_server.clone()).await;
    let (clock, registry) = (&ground.clock, &mut ground.registry);
    let sinks = sinks(&settings, clock, registry);
    let ((client, _), sinks) = both(connected.map_err(anyhow::Error::from), sinks)?;
    let lease = settings::lease(&settings.lease);
    let config = events::Config {
        frequency: settings.frequency,
        filter: settings.filter.clone(),
        ..events::Config::new(events::PositionConfig {
            namespace: lease.namespace.clone(),
            name: lease.name.clone(),
        })
    };
    let (election, leadership) = match settings.leader_elect {
        true => {
            let (election, leadership) = Election::new(lease, &client, Arc::clone(clock));
            (Some(election), leadership)
        }
        false => (None, Leadership::undisputed()),
    };
    leadership.register(registry);
    let clock = Arc::clone(clock);
    let eventer = Eventer::new(config, &client, leadership, sinks, clock, registry);
    let handler = answers(eventer.health());
    let metrics = server::Metrics::register(registry);
    let deps = OpenDeps {
        handler,
        metrics,
        registry: Arc::new(std::mem::take(registry)),
        clock: Arc::clone(&ground.clock),
        tasks: ground.tasks.clone(),
    };
    let config = OpenConfig {
        address: settings.health,
        flags: "--healthz-ip and --healthz-port",
        tls: None,
        shutdown_delay: Duration::ZERO,
        limits: server::Limits {
            drain: LEFTOVERS,
            ..server::Limits::default()
        },
    };
    Ok(BoundEventer {
        eventer,
        election,
        server: Server::bind_open(config, deps).await?,
        tasks: ground.tasks,
        stop: ground.stop,
    })
}

/// Sets up the sinks that were given.
fn sinks(
    settings: &EventerSettings,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Result<EventSinks> {
    let config = sinks::Config {
        export_timeout: settings.export_timeout,
        flush: FLUSH,
        ..sinks::Config::default()
    };
    let (sinks, spool) = (settings.sinks.clone(), settings.spool.clone());
    let sinks = EventSinks::new(config, sinks, spool, clock, registry);
    sinks.map_err(|problems| anyhow!(told(&problems)))
}

impl BoundEventer {
    /// Where its probes and metrics are.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Runs until a signal comes or a vital task ends. The Lease is let go of when the last events
    /// are sent and noted, so that whoever takes it resumes behind them.
    pub async fn run(self, mut signals: Signals) -> Ended {
        let (stop_sender, stop) = self.stop;
        let (quit_sender, quit) = Stop::channel();
        let tasks = self.tasks;
        info!(version = env!("CARGO_PKG_VERSION"), "starting the eventer");
        let run = self.eventer.run(tasks.clone(), stop.clone());
        let ended = async move {
            run.await;
            quit_sender.stop();
        };
        tasks.spawn_vital("eventer", stop.clone(), ended);
        let server = self.server.run(quit.clone());
        tasks.spawn_vital("server", quit.clone(), server);
        if let Some(election) = self.election {
            tasks.spawn_vital("election", quit.clone(), election.run(quit.clone()));
        }
        tokio::select! {
            () = signals.next() => info!("asked to stop; sending what waits"),
            () = stop.stopped() => {}
        }
        stop_sender.stop();
        wind_down(signals, &quit, &tasks).await
    }
}

/// Answers the probes, in the words of Eventer.
fn answers(health: EventerHealth) -> Handler {
    Arc::new(move |_, parts| {
        let state = match parts.uri.path() {
            "/healthz" | "/livez" => health.live(),
            "/readyz" => health.ready(),
            _ => return None,
        };
        let (status, text) = match state {
            Ok(()) => (StatusCode::OK, "ok".to_owned()),
            Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason),
        };
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = status;
        Some(response.into())
    })
}
