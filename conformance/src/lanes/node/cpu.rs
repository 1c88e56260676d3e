//! A number that is served, against the kernel's own account of the same time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::quantity::parse_quantity;
use crate::real::{CpuCounter, Table};
use crate::report::Lane;

use super::{CALL, NAMESPACE, Scene, container_of};

/// How far a served rate may be from the counter's.
const TOLERANCE: f64 = 0.03;
/// How long the counter is watched: several scrapes at the resolution the manifests set.
const WATCHED: Duration = Duration::from_secs(75);
/// How often the counter is read.
const EVERY: Duration = Duration::from_millis(100);
/// After how many readings the API is asked.
const ASK_EVERY: usize = 10;

/// The counter as it was at many instants.
#[derive(Debug, Default)]
struct Record {
    readings: Vec<(f64, f64)>,
}

/// What the API said of the container.
#[derive(Clone, Debug, PartialEq)]
struct Served {
    /// Seconds since the epoch, rounded down.
    stamp: f64,
    window: f64,
    cores: f64,
}

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    let name = "the CPU served is what the container's control group counted in that window";
    lane.check(name, WATCHED + CALL, async {
        let pod = scene
            .admin
            .json(&format!("get pod burn -n {NAMESPACE}"))
            .await?;
        let (uid, id) = container_of(&pod)?;
        let counter = scene.node.cpu_counter(uid, id)?;
        let (record, served) = watch(scene, &counter).await?;
        let mut judged = 0;
        for served in &served {
            let Some((low, high)) = record.rates(served) else {
                continue;
            };
            judged += 1;
            let (cores, window) = (served.cores, served.window);
            lane.note(&format!(
                "served {cores:.4} over {window:.1} s, counted {low:.4} to {high:.4}"
            ));
            ensure!(
                cores >= low * (1.0 - TOLERANCE) && cores <= high * (1.0 + TOLERANCE),
                "{served:?} is not within {TOLERANCE} of {low} to {high}"
            );
        }
        ensure!(
            judged >= 2,
            "only {judged} answers could be judged: {served:?}"
        );
        Ok(())
    })
    .await;
    lane.check("kubectl top prints that number", CALL, async {
        // The number may change between the two questions, but then it is the next answer's.
        let before = ask(scene).await?;
        let table = scene
            .admin
            .run(&format!("top pod burn -n {NAMESPACE}"))
            .await?;
        let after = ask(scene).await?;
        let table = Table::parse(&table)?;
        let shown = table.cell("NAME", "burn", "CPU(cores)")?;
        let cores = parse_quantity(shown).context("no quantity")?;
        let near = |served: &Served| (served.cores - cores).abs() <= 0.001_01;
        ensure!(
            near(&before) || near(&after),
            "{shown}, but {before:?} and {after:?}"
        );
        Ok(())
    })
    .await;
}

/// Reads the counter all the time, and asks the API now and then.
async fn watch(scene: &Scene, counter: &CpuCounter) -> Result<(Record, Vec<Served>)> {
    let (mut record, mut answers) = (Record::default(), Vec::<Served>::new());
    let asked = std::cell::Cell::new(false);
    let reading = async {
        let readings = WATCHED.as_millis() / EVERY.as_millis();
        for number in 0..usize::try_from(readings)? {
            record.readings.push((now()?, counter.read()?));
            if number % ASK_EVERY == 0 {
                asked.set(true);
            }
            tokio::time::sleep(EVERY).await;
        }
        anyhow::Ok(())
    };
    let asking = async {
        loop {
            if asked.replace(false) {
                let served = ask(scene).await?;
                if answers.last() != Some(&served) {
                    answers.push(served);
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    // Asking has no end of its own.
    tokio::select! {
        result = reading => result?,
        result = asking => { let never: Result<()> = result; never?; }
    }
    Ok((record, answers))
}

async fn ask(scene: &Scene) -> Result<Served> {
    let served = scene.served("burn").await?;
    let text = |pointer: &str| {
        let value = served.pointer(pointer).and_then(serde_json::Value::as_str);
        value.with_context(|| format!("no {pointer} in {served}"))
    };
    let stamp: jiff::Timestamp = text("/timestamp")?.parse()?;
    let window: jiff::SignedDuration = text("/window")?.parse()?;
    let cores = parse_quantity(text("/containers/0/usage/cpu")?);
    Ok(Served {
        stamp: stamp.as_duration().as_secs_f64(),
        window: window.as_secs_f64(),
        cores: cores.context("no quantity")?,
    })
}

impl Record {
    /// The lowest and the highest rate over windows of this length that end within the second the stamp names; none
    /// when the counter was not watched all that time.
    fn rates(&self, served: &Served) -> Option<(f64, f64)> {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for step in 0..=10 {
            let end = served.stamp + f64::from(step) / 10.0;
            let used = self.at(end)? - self.at(end - served.window)?;
            let rate = used / served.window;
            low = low.min(rate);
            high = high.max(rate);
        }
        Some((low, high))
    }

    /// The counter at an instant between two readings.
    fn at(&self, time: f64) -> Option<f64> {
        let after = self.readings.partition_point(|(at, _)| *at < time);
        let (t1, c1) = *self.readings.get(after)?;
        let (t0, c0) = *self.readings.get(after.checked_sub(1)?)?;
        Some(c0 + (c1 - c0) * (time - t0) / (t1 - t0))
    }
}

fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_window_and_absent_outside_of_the_record() {
        let readings = (0..=300).map(|i| {
            let at = f64::from(i) / 10.0;
            // Idle for ten seconds, then a third of a core.
            (at, (at - 10.0).max(0.0) * 0.3)
        });
        let record = Record {
            readings: readings.collect(),
        };
        let served = |stamp, window| Served {
            stamp,
            window,
            cores: 0.0,
        };
        let (low, high) = record.rates(&served(25.0, 10.0)).expect("watched");
        assert!((low - 0.3).abs() < 1e-9 && (high - 0.3).abs() < 1e-9);
        let (low, high) = record.rates(&served(15.0, 10.0)).expect("watched");
        assert!((low - 0.15).abs() < 1e-9 && (high - 0.18).abs() < 1e-9);
        assert!(record.rates(&served(5.0, 10.0)).is_none());
        assert!(record.rates(&served(29.5, 10.0)).is_none());
    }
}
