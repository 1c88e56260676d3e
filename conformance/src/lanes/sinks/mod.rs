//! Real databases, asked in their own languages for what Loadline sent them.
//!
//! Every check has a simulated cluster, a Loadline and databases of its own, with free ports and folders that go at
//! its end. What the kubelets measure is a straight line in time, so what every query must answer is known
//! beforehand; which columns there are is asked of Loadline's own history.

mod alerts;
mod broker;
mod cluster;
mod dashboards;
mod deaf;
mod elasticsearch;
mod events;
mod expected;
mod faults;
mod graphite;
mod held;
mod historical;
mod influxdb;
mod kafka;
mod opentsdb;
mod otlp;
mod outage;
mod prometheus;
mod slow;
mod spool;
mod statsd;
mod told;

use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use crate::databases::Programs;
use crate::lab::{Lab, LabConfig, World};
use crate::loadline::program;
use crate::real::{Scratch, SmallDisk};
use crate::report::Lane;
use crate::simulated::{Bench, READY, Stage, small_world};

/// Checks that run at a time; they wait more than they work.
const AT_A_TIME: usize = 6;
/// How long a check may take. They wait for seconds; what is long is a machine that has other things to do.
const DEADLINE: Duration = Duration::from_secs(300);
/// The time between two columns, in seconds: the shortest there is.
const RESOLUTION: i64 = 5;

/// A check under way.
type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// One check; its name says what is held.
struct Check {
    name: &'static str,
    deadline: Duration,
    /// Whether it needs a disk of its own, which only root may mount.
    mounts: bool,
    run: for<'a> fn(&'a Ground) -> Running<'a>,
}

/// What a check stands on.
struct Ground {
    bench: Bench,
    programs: Programs,
    scratch: Scratch,
    /// What the report is to tell besides.
    told: Mutex<Vec<String>>,
}

impl Check {
    const fn new(name: &'static str, run: for<'a> fn(&'a Ground) -> Running<'a>) -> Self {
        let deadline = DEADLINE;
        Self {
            name,
            deadline,
            mounts: false,
            run,
        }
    }

    /// One that may take longer than the others.
    const fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// One that needs a disk of its own.
    const fn mounting(self) -> Self {
        Self {
            mounts: true,
            ..self
        }
    }
}

/// Runs the lane.
///
/// # Errors
/// When Loadline cannot be built.
pub async fn sinks(lane: &Lane) -> Result<()> {
    let bench = Bench {
        binary: program().await?,
    };
    let programs = Programs::find()?;
    // The long ones first, so that the lane ends soon.
    let groups = [
        events::CHECKS,
        cluster::CHECKS,
        elasticsearch::CHECKS,
        faults::CHECKS,
        kafka::CHECKS,
        broker::CHECKS,
        held::CHECKS,
        historical::CHECKS,
        outage::CHECKS,
        prometheus::CHECKS,
        slow::CHECKS,
        spool::CHECKS,
        deaf::CHECKS,
        dashboards::CHECKS,
        alerts::CHECKS,
        influxdb::CHECKS,
        graphite::CHECKS,
        opentsdb::CHECKS,
        otlp::CHECKS,
        statsd::CHECKS,
    ];
    let mut checks = Vec::new();
    let mounted = SmallDisk::mount(4096).map(drop);
    for check in groups.into_iter().flatten() {
        if let (true, Err(error)) = (check.mounts, &mounted) {
            lane.skip(check.name, &format!("{error:#}"));
            continue;
        }
        let ground = Ground {
            bench: bench.clone(),
            programs: programs.clone(),
            scratch: Scratch::new()?,
            told: Mutex::default(),
        };
        checks.push(async move {
            let body = (check.run)(&ground);
            let held = lane.check(check.name, check.deadline, body).await;
            for text in ground.told.lock().iter() {
                lane.note(text);
            }
            held
        });
    }
    stream::iter(checks)
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<bool>>()
        .await;
    Ok(())
}

impl Ground {
    /// Runs `body` beside the small world with these sinks and flags, the environment holding these
    /// variables.
    async fn beside(
        &self,
        sinks: &[String],
        flags: &[(&str, &str)],
        variables: &[(&str, &str)],
        body: impl AsyncFnOnce(&mut Stage) -> Result<()>,
    ) -> Result<()> {
        let world = small_world();
        self.beside_world(world, sinks, flags, variables, body)
            .await
    }

    /// The same beside another world.
    async fn beside_world(
        &self,
        world: World,
        sinks: &[String],
        flags: &[(&str, &str)],
        variables: &[(&str, &str)],
        body: impl AsyncFnOnce(&mut Stage) -> Result<()>,
    ) -> Result<()> {
        let lab = Lab::start(world, LabConfig::default()).await?;
        let start = self.bench.start(&lab, flags)?;
        let start = start.with("rollup-resolution", &format!("{RESOLUTION}s"));
        let start = sinks
            .iter()
            .fold(start, |start, sink| start.also("sink", sink));
        let start = variables
            .iter()
            .fold(start, |start, (name, value)| start.variable(name, value));
        let loadline = start.ready(&lab, READY).await?;
        Stage::new(lab, loadline)?.hold(body).await
    }
}
