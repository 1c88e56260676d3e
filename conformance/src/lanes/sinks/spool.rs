//! A spool whose disk is full.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::faults::{WITNESS, meanwhile};
use super::told::{PATIENCE, columns, logs, metric, more_columns, reaches};
use super::{Check, Ground};
use crate::databases::{Faulty, Kind};
use crate::real::{SmallDisk, until};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "spool: a full disk costs what it does not take, counted, and nothing else",
    |ground| Box::pin(full(ground)),
)
.mounting()];

/// Some batches of the small world.
const DISK: usize = 256 << 10;
/// What is said when it is full.
const SAID: &str = "cannot write to the spool";
/// The sink and the one reason there is to lose anything.
const FAILED: &str = "webhook\",reason=\"spool_failed";

async fn full(ground: &Ground) -> Result<()> {
    let disk = SmallDisk::mount(DISK)?;
    let (mut away, mut witness) = (Faulty::new(Kind::Webhook)?, Faulty::new(Kind::Webhook)?);
    witness.start().await?;
    let sink = |receiver: &Faulty, queue: u8| {
        let few = "metrics=memory/usage&namespaces=none";
        format!("webhook:http://{}?queue={queue}&{few}", receiver.address)
    };
    let sinks = [sink(&away, 1), sink(&witness, 100)];
    let folder = disk.folder().display().to_string();
    let flags = [
        ("sink-export-data-timeout", "3s"),
        ("sink-spool-dir", &folder),
    ];
    ground
        .beside(&sinks, &flags, &[], async |stage| {
            reaches(stage, "spooled", "webhook", 1.0).await?;
            disk.fill()?;
            reaches(stage, "dropped_total", FAILED, 1.0).await?;
            logs(stage, "webhook", SAID).await?;
            logs(stage, "webhook", "No space left on device").await?;
            meanwhile(stage, &witness, WITNESS).await?;
            let log = stage.loadline.process.log();
            let told = log.lines().filter(|line| line.contains(SAID)).count();
            ensure!(told == 1, "it was told {told} times");
            disk.empty()?;
            let before = metric(stage, "spooled", "webhook").await?;
            reaches(stage, "spooled", "webhook", before + 1.0).await?;
            away.start().await?;
            more_columns(stage, 1).await?;
            let made = columns(stage).await?;
            until(PATIENCE, async || {
                let taken = away.taken()?.stamps;
                ensure!(taken.is_sorted(), "{taken:?}");
                let there: BTreeSet<i64> = taken.into_iter().collect();
                ensure!(there.last() >= made.last(), "not yet");
                let lost = made.difference(&there).count();
                let dropped = metric(stage, "dropped_total", "webhook").await?;
                let failed = metric(stage, "dropped_total", FAILED).await?;
                let counted = f64::from(u32::try_from(lost)?);
                ensure!(counted == failed, "{lost} of {made:?}, counted {failed}");
                ensure!(dropped == failed, "{dropped} for other reasons");
                Ok(())
            })
            .await
        })
        .await
}
