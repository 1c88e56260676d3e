//! Memory while pods come and go: it grows while the history fills, and then no more.
//!
//! It takes an hour, so it runs only when it is asked for by name.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Bench;
use super::stage::{PODS, Stage, until};
use crate::lab::{Container, Lab, LabConfig, Pod, World};
use crate::report::Lane;

/// What is held.
pub(super) const NAME: &str = "memory is flat while a tenth of all pods is replaced every minute";

/// How much more may be resident at the end than when the history was full.
const GROWTH: f64 = 1.05;
/// Minutes whose median is taken at either end: a list that was just asked for is resident, too.
const WINDOW: usize = 5;
/// How often pods are replaced.
const BEAT: Duration = Duration::from_secs(1);
const BEATS: usize = 60;
/// All pods are replaced once in so many minutes.
const TURN: usize = 10;
/// How often everything is asked for.
const LIST_EVERY: usize = 30;
const READY: Duration = Duration::from_secs(240);

/// How much pods come and go, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// The nodes.
    pub nodes: usize,
    /// The pods on each.
    pub pods: usize,
    /// From this minute on memory is to be flat: the history keeps 15.
    pub from: usize,
    /// The last minute.
    pub minutes: usize,
}

/// A pod that will be replaced, and how often it was.
struct Slot {
    namespace: String,
    node: String,
    base: String,
    generation: usize,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            nodes: 1000,
            pods: 30,
            from: 20,
            minutes: 60,
        }
    }
}

/// Runs the measurement and prints what was resident.
pub(super) async fn run(lane: &Lane, bench: &Bench, churn: Churn) {
    let minutes = u64::try_from(churn.minutes).unwrap_or(u64::MAX);
    let deadline = Duration::from_secs(minutes.saturating_mul(60)) + 2 * READY;
    let body = Box::pin(measure(lane, bench, churn));
    if let Some(resident) = lane.value(NAME, deadline, body).await {
        let each: Vec<String> = resident.iter().map(|m| format!("{m:.1}")).collect();
        lane.note(&format!(
            "MiB resident, a minute each from 0: {}",
            each.join(" ")
        ));
    }
}

async fn measure(lane: &Lane, bench: &Bench, churn: Churn) -> Result<Vec<f64>> {
    let world = World::of_size(churn.nodes, churn.pods);
    let lab = Lab::start(world, LabConfig::default()).await?;
    let start = bench
        .start(&lab, &[])?
        .with("metric-resolution", "15s")
        .with("kubelet-request-timeout", "10s");
    let loadline = start.ready(&lab, READY).await?;
    let mut stage = Stage::new(lab, loadline)?;
    let resident = stage
        .hold(async |stage| Box::pin(turn_over(lane, stage, churn)).await)
        .await?;
    hold(&resident, churn.from)?;
    Ok(resident)
}

/// Replaces pods for as long as told; what was resident at each minute, in MiB.
async fn turn_over(lane: &Lane, stage: &Stage, churn: Churn) -> Result<Vec<f64>> {
    let all = churn.nodes * churn.pods;
    until(READY, "everything is measured", async || {
        Ok((listed(stage).await? == all).then_some(()))
    })
    .await?;
    let mut slots = slots(&stage.lab.world);
    let each = all.div_ceil(TURN * BEATS);
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut resident, mut next, began) = (Vec::new(), 0, Instant::now());
    for beat in 0..=churn.minutes * BEATS {
        beats.tick().await;
        if beat % BEATS == 0 {
            let footprint = stage.loadline.process.footprint()?;
            let mebibytes = f64::from(u32::try_from(footprint.resident >> 10)?) / 1024.0;
            resident.push(mebibytes);
            let (minute, cpu) = (beat / BEATS, footprint.cpu.as_secs_f64());
            let took = began.elapsed().as_secs();
            lane.note(&format!(
                "minute {minute} ({took} s): {mebibytes:.1} MiB, {cpu:.1} s of CPU"
            ));
        }
        if beat % LIST_EVERY == LIST_EVERY / 2 {
            // A machine that is late with an answer is nothing of memory.
            if let Err(error) = stage.viewer.get(PODS).await {
                lane.note(&format!("a list: {error:#}"));
            }
        }
        for _ in 0..each {
            if let Some(slot) = slots.get_mut(next % all.max(1)) {
                slot.replace(&stage.lab.world);
            }
            next += 1;
        }
    }
    Ok(resident)
}

async fn listed(stage: &Stage) -> Result<usize> {
    let list = stage.viewer.get_json(PODS).await?;
    Ok(list["items"].as_array().map_or(0, Vec::len))
}

/// All pods, in an order in which neighbours are on different nodes.
fn slots(world: &World) -> Vec<Slot> {
    let of = |pod: &Pod| Slot {
        namespace: pod.meta.namespace.clone(),
        node: pod.node.clone(),
        base: pod.meta.name.clone(),
        generation: 0,
    };
    world.pods().iter().map(|pod| of(pod)).collect()
}

impl Slot {
    fn name(&self) -> String {
        match self.generation {
            0 => self.base.clone(),
            generation => format!("{}-{generation}", self.base),
        }
    }

    /// Deletes the pod and makes one of another name in its place.
    fn replace(&mut self, world: &World) {
        let old = self.name();
        let labels = world.pod(&self.namespace, &old).map(|pod| {
            let labels = pod.meta.labels.clone();
            world.delete_pod(&self.namespace, &old);
            labels
        });
        self.generation += 1;
        let container = Container::new("app").cpu(0.05).memory(48 << 20);
        let mut pod = Pod::new(&self.namespace, &self.name())
            .on(&self.node)
            .with(container.just_started());
        pod.meta.labels = labels.unwrap_or_default();
        world.put_pod(pod);
    }
}

/// Compares the minutes from `from` on with the last ones.
fn hold(resident: &[f64], from: usize) -> Result<()> {
    let flat = resident.get(from..).unwrap_or_default();
    ensure!(
        flat.len() >= 2 * WINDOW,
        "{} minutes say nothing",
        flat.len()
    );
    let (first, last) = (flat.iter().take(WINDOW), flat.iter().rev().take(WINDOW));
    let (first, last) = (median(first), median(last));
    let (first, last) = (
        first.context("no first minutes")?,
        last.context("no last minutes")?,
    );
    ensure!(
        last <= first * GROWTH,
        "{first:.1} MiB at minute {from}, {last:.1} MiB at the end"
    );
    Ok(())
}

fn median<'a>(values: impl Iterator<Item = &'a f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.copied().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_after_the_history_is_full_is_told() {
        let fills: Vec<f64> = (0..=20).map(f64::from).collect();
        let then = |per_minute: f64| {
            let later = (1..=40).map(|n| 20.0 + per_minute * f64::from(n));
            fills.iter().copied().chain(later).collect::<Vec<_>>()
        };
        assert!(hold(&then(0.0), 20).is_ok());
        assert!(hold(&then(0.02), 20).is_ok());
        assert!(hold(&then(0.1), 20).is_err());
        assert!(hold(&fills, 20).is_err());
    }
}
