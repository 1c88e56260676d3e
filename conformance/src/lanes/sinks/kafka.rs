//! A Kafka broker, read back by Kafka's own consumer.

use anyhow::{Context, Result, ensure};

use super::expected::hold;
use super::outage::{Going, outlast, stamps};
use super::told::{PATIENCE, logs, metric, reaches};
use super::{Check, Ground};
use crate::databases::{Kafka, Login};
use crate::real::until;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "kafka: nothing is lost to a broker that comes late and is killed",
        |ground| Box::pin(outage(ground)),
    ),
    Check::new(
        "kafka: a consumer reads the closed form, with every codec, and over TLS with a password",
        |ground| Box::pin(values(ground)),
    ),
];

pub(super) const LOGIN: Login = ("loadline", "the-right-pw");
const WRONG: &str = "the-wrong-pw";
pub(super) const TOPIC: &str = "heapster-metrics";

async fn values(ground: &Ground) -> Result<()> {
    let mut kafka = Kafka::new(&ground.programs, ground.scratch.folder(), LOGIN)?;
    kafka.format().await?;
    kafka.database.start().await?;
    let plain = kafka.plain;
    let secure = format!(
        "kafka:?brokers={}&cacert={}&cert={}&key={}&user={}",
        kafka.secure,
        kafka.authority.display(),
        kafka.identity.certificate.display(),
        kafka.identity.key.display(),
        LOGIN.0
    );
    let codec =
        |codec: &str| format!("kafka:?brokers={plain}&compression={codec}&timeseriestopic={codec}");
    let sinks = [
        format!("kafka:?brokers={plain}"),
        codec("gzip"),
        codec("snappy"),
        codec("lz4"),
        format!("{secure}&password=$RIGHT&timeseriestopic=secure"),
        format!("{secure}&password=$WRONG&timeseriestopic=never"),
    ];
    let topics = [TOPIC, "gzip", "snappy", "lz4", "secure"];
    let consumer = kafka.consume(&topics)?;
    let variables = [("RIGHT", LOGIN.1), ("WRONG", WRONG)];
    ground
        .beside(&sinks, &[], &variables, async |stage| {
            for topic in topics {
                hold(async |series| consumer.points(topic, series.metric, &series.labels()))
                    .await
                    .context(topic)?;
            }
            // Nobody was away, so nothing is there twice.
            let sent = metric(stage, "sent_points_total", "kafka").await?;
            until(PATIENCE, async || {
                let count = f64::from(u32::try_from(consumer.count(TOPIC)?)?);
                ensure!(count >= sent, "{count} messages of {sent}");
                Ok(())
            })
            .await?;
            let refused = metric(stage, "refused_points_total", "kafka").await?;
            ensure!(refused == 0.0, "{refused} points were refused");
            logs(stage, "kafka-6", "refuses our credentials").await?;
            reaches(stage, "retried_total", "kafka-6", 2.0).await?;
            ensure!(metric(stage, "up", "kafka-6").await? == 0.0, "it is up");
            for (number, topic) in (2..).zip(&topics[1..]) {
                let retried = metric(stage, "retried_total", &format!("kafka-{number}")).await?;
                ensure!(retried == 0.0, "{topic} was tried again {retried} times");
            }
            let log = stage.loadline.process.log();
            for password in [WRONG, LOGIN.1] {
                ensure!(!log.contains(password), "the log holds a password");
            }
            Ok(())
        })
        .await
}

async fn outage(ground: &Ground) -> Result<()> {
    let mut kafka = Kafka::new(&ground.programs, ground.scratch.folder(), LOGIN)?;
    kafka.format().await?;
    let sink = format!("kafka:?brokers={}&queue=100", kafka.plain);
    let consumer = kafka.consume(&[TOPIC])?;
    let arrived = async || {
        let points = consumer.points(TOPIC, "memory/usage", &[("type", "cluster")])?;
        Ok(stamps(&points))
    };
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let server = &mut kafka.database;
            outlast(stage, "kafka", server, Going::Killed, arrived).await
        })
        .await
}
