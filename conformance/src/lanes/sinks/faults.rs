//! Every sink against every fault: all sinks at once in one Loadline, their backends all with the same fault, beside a
//! sink whose backend is well.

use std::collections::BTreeSet;
use std::pin::Pin;

use anyhow::{Context, Result, ensure};

use super::slow::live_stamp;
use super::told::{PATIENCE, columns, logs, made_columns, metric, more_columns, reaches};
use super::{Check, Ground, RESOLUTION};
use crate::databases::{Faulty, Kind, Mood};
use crate::real::until;
use crate::simulated::Stage;

pub(super) const CHECKS: &[Check] = &[
    Check::new("every sink: down at the start", |ground| {
        run(ground, Fault::Down)
    }),
    Check::new("every sink: killed in the middle of a request", |ground| {
        run(ground, Fault::Killed)
    }),
    Check::new("every sink: too slow", |ground| {
        run(ground, Fault::Ails(Mood::Silent))
    }),
    Check::new("every sink: one item of a request refused", |ground| {
        run(ground, Fault::Ails(Mood::Refusing))
    }),
    Check::new("every sink: a full disk", |ground| {
        run(ground, Fault::Ails(Mood::Full))
    }),
    Check::new("every sink: a wrong password", |ground| {
        run(ground, Fault::Ails(Mood::Denying))
    }),
];

/// What befalls all backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Down,
    Killed,
    Ails(Mood),
}

/// Columns while it lasts.
const MEANWHILE: usize = 3;
/// The sink whose backend is well: the second of its kind.
pub(super) const WITNESS: &str = "webhook-2";

fn run(ground: &Ground, fault: Fault) -> Pin<Box<dyn Future<Output = Result<()>> + '_>> {
    Box::pin(befall(ground, fault))
}

/// Few points, so that what is in one request is the same of all kinds.
fn sink(receiver: &Faulty) -> String {
    let (key, address) = (receiver.kind.key(), receiver.address);
    let scheme = if receiver.kind == Kind::Graphite {
        "tcp"
    } else {
        "http"
    };
    let own = match receiver.kind {
        Kind::Gcm => "&project=p&token=t&concurrency=1",
        Kind::Prometheus | Kind::Webhook => "&batchSize=1",
        Kind::Riemann => "&batchsize=1",
        Kind::Influxdb | Kind::Elasticsearch | Kind::Opentsdb | Kind::Otlp | Kind::Graphite => "",
    };
    let few = "queue=100&metrics=memory/usage&namespaces=none";
    format!("{key}:{scheme}://{address}?{few}{own}")
}

async fn befall(ground: &Ground, fault: Fault) -> Result<()> {
    let mut receivers = Kind::ALL
        .map(Faulty::new)
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let mut witness = Faulty::new(Kind::Webhook)?;
    witness.start().await?;
    if fault != Fault::Down {
        start(&mut receivers).await?;
    }
    let sinks: Vec<String> = receivers.iter().chain([&witness]).map(sink).collect();
    let flags = [("sink-export-data-timeout", "3s")];
    ground
        .beside(&sinks, &flags, &[], async |stage| {
            let mut tried = Vec::new();
            match fault {
                Fault::Down => {
                    everywhere(&receivers, stage, "retried_total", |_| true).await?;
                }
                Fault::Killed => {
                    complete(&receivers, stage).await?;
                    in_the_middle(&mut receivers, stage).await?;
                }
                Fault::Ails(mood) => {
                    complete(&receivers, stage).await?;
                    tried = attempts(&receivers, stage).await?;
                    receivers.iter().for_each(|receiver| receiver.set(mood));
                    if mood != Mood::Refusing {
                        let tells = |kind: Kind| kind.tells(mood);
                        everywhere(&receivers, stage, "retried_total", tells).await?;
                    }
                }
            }
            meanwhile(stage, &witness, WITNESS).await?;
            told(&receivers, stage, fault).await?;
            if matches!(fault, Fault::Down | Fault::Killed) {
                start(&mut receivers).await?;
            }
            receivers
                .iter()
                .for_each(|receiver| receiver.set(Mood::Well));
            if fault == Fault::Ails(Mood::Refusing) {
                counted(&receivers, stage, &tried).await
            } else {
                complete(&receivers, stage).await
            }
        })
        .await
}

async fn start(receivers: &mut [Faulty]) -> Result<()> {
    for receiver in receivers {
        receiver.start().await?;
    }
    Ok(())
}

/// Takes all receivers away while they hold a request they have not answered; who answers nothing, just so.
async fn in_the_middle(receivers: &mut [Faulty], stage: &Stage) -> Result<()> {
    receivers.iter().for_each(|one| one.set(Mood::Silent));
    until(PATIENCE, async || {
        for receiver in receivers.iter().filter(|one| one.kind != Kind::Graphite) {
            ensure!(
                receiver.taken()?.waiting > 0,
                "{:?} holds no request",
                receiver.kind
            );
        }
        Ok(())
    })
    .await?;
    receivers.iter_mut().for_each(Faulty::stop);
    receivers.iter().for_each(|one| one.set(Mood::Well));
    // Carbon's lines of this column may be gone with it: nobody confirmed them.
    everywhere(receivers, stage, "retried_total", |_| true).await
}

/// Waits until a counter has begun to count for every sink this is true of.
async fn everywhere(
    receivers: &[Faulty],
    stage: &Stage,
    name: &str,
    of: impl Fn(Kind) -> bool,
) -> Result<()> {
    for receiver in receivers.iter().filter(|receiver| of(receiver.kind)) {
        reaches(stage, name, receiver.kind.key(), 1.0).await?;
    }
    Ok(())
}

/// While all others are unwell the witness has each column before the next but one is made, and live numbers come.
pub(super) async fn meanwhile(stage: &Stage, witness: &Faulty, name: &str) -> Result<()> {
    let before = live_stamp(stage).await?;
    for _ in 0..MEANWHILE {
        more_columns(stage, 1).await?;
        let made = columns(stage).await?;
        let there: BTreeSet<i64> = witness.taken()?.stamps.into_iter().collect();
        let missing = made.difference(&there).count();
        ensure!(missing <= 1, "{missing} of {made:?} wait for other sinks");
    }
    let retried = metric(stage, "retried_total", name).await?;
    ensure!(
        retried == 0.0,
        "the witness was tried again {retried} times"
    );
    until(PATIENCE, async || {
        let now = live_stamp(stage).await?;
        ensure!(now >= before + RESOLUTION, "live numbers of {now}");
        Ok(())
    })
    .await
}

/// What the metrics and the log say of a fault while it lasts.
async fn told(receivers: &[Faulty], stage: &Stage, fault: Fault) -> Result<()> {
    let text = match fault {
        Fault::Down | Fault::Killed => "cannot be reached",
        Fault::Ails(Mood::Silent) => "did not take the batch in time",
        Fault::Ails(Mood::Refusing) => "the sink refuses",
        Fault::Ails(Mood::Denying) => "refuses our credentials",
        Fault::Ails(Mood::Full | Mood::Well) => "answers with an error",
    };
    let mood = match fault {
        Fault::Ails(mood) => Some(mood),
        Fault::Down | Fault::Killed => None,
    };
    for receiver in receivers {
        let key = receiver.kind.key();
        if mood.is_some_and(|mood| !receiver.kind.tells(mood)) {
            continue;
        }
        logs(stage, &format!("sink=\"{key}\""), text).await?;
        let up = metric(stage, "up", key).await?;
        let refusing = mood == Some(Mood::Refusing);
        ensure!(up == f64::from(u8::from(refusing)), "{key} is up: {up}");
        if !refusing {
            let lag = metric(stage, "lag_seconds", key).await?;
            ensure!(lag > 0.0, "{key} lags by {lag} s");
        }
    }
    Ok(())
}

/// Waits until every receiver has all columns made by now; nothing was dropped or refused, and all came in order.
async fn complete(receivers: &[Faulty], stage: &Stage) -> Result<()> {
    let made = made_columns(stage).await?;
    for receiver in receivers {
        let key = receiver.kind.key();
        let taken = until(PATIENCE, async || {
            let taken = receiver.taken()?;
            let there: BTreeSet<i64> = taken.stamps.iter().copied().collect();
            let lost: Vec<_> = made.difference(&there).collect();
            // One column of a carbon that is killed may be lost: it confirms nothing.
            let may_be = usize::from(receiver.kind == Kind::Graphite);
            ensure!(lost.len() <= may_be, "without {lost:?} of {made:?}");
            Ok(taken)
        });
        let taken = taken.await.context(key)?;
        ensure!(taken.stamps.is_sorted(), "{key}: {:?}", taken.stamps);
        for lost in ["dropped_total", "refused_points_total"] {
            let lost_points = metric(stage, lost, key).await?;
            ensure!(lost_points == 0.0, "{lost} of {key} is {lost_points}");
        }
    }
    Ok(())
}

/// How often each sink has failed so far: on a busy machine a first request may take too long.
async fn attempts(receivers: &[Faulty], stage: &Stage) -> Result<Vec<f64>> {
    let mut attempts = Vec::new();
    for receiver in receivers {
        attempts.push(metric(stage, "retried_total", receiver.kind.key()).await?);
    }
    Ok(attempts)
}

/// What was refused is counted to the point, what was not is there, and nothing was sent again for it.
async fn counted(receivers: &[Faulty], stage: &Stage, tried: &[f64]) -> Result<()> {
    for (receiver, tried) in receivers.iter().zip(tried) {
        let key = receiver.kind.key();
        until(PATIENCE, async || {
            let taken = receiver.taken()?;
            let count = |points: usize| anyhow::Ok(f64::from(u32::try_from(points)?));
            let (sent, refused) = (count(taken.stamps.len())?, count(taken.refused)?);
            let told = metric(stage, "refused_points_total", key).await?;
            ensure!(told == refused, "{told} refused of {refused}");
            let told = metric(stage, "sent_points_total", key).await?;
            ensure!(told == sent, "{told} sent of {sent}");
            let some = refused > 0.0 || !receiver.kind.tells(Mood::Refusing);
            ensure!(some, "nothing was refused");
            Ok(())
        })
        .await
        .context(key)?;
        for (other, before) in [("retried_total", *tried), ("dropped_total", 0.0)] {
            let count = metric(stage, other, key).await?;
            ensure!(count == before, "{other} of {key} is {count}");
        }
    }
    Ok(())
}
