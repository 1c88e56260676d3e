//! The historical API over what the sinks wrote: what Loadline itself has forgotten comes back from the store, once.

mod compare;
mod edges;
mod holes;
mod told;

use anyhow::{Context, Result};

use self::compare::{aggregations, by_uid, seam};
use self::edges::{alone, away, hangs, hostile};
use self::told::{counter, place, tell};
use super::expected::{Series, hold};
use super::influxdb::condition;
use super::prometheus::points as prometheus_points;
use super::{Check, Ground};
use crate::databases::{
    Database, Guard, Influxdb, LOGIN, Pace, Point, Prometheus, Proxy, Victoria,
};
use crate::simulated::Stage;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "historical: InfluxDB answers what was forgotten, also by UID",
        |ground| Box::pin(influxdb(ground, "pod_id=true")),
    ),
    Check::new(
        "historical: InfluxDB answers what was forgotten, with a field for each metric",
        |ground| {
            Box::pin(influxdb(
                ground,
                "withfields=true&pod_id=true&cluster_name=it's",
            ))
        },
    ),
    Check::new(
        "historical: Prometheus answers what was forgotten, over HTTPS to who has its password",
        |ground| Box::pin(prometheus(ground)),
    ),
    Check::new(
        "historical: VictoriaMetrics answers what was forgotten",
        |ground| Box::pin(victoria(ground)),
    ),
    Check::new(
        "historical: columns nobody made here while we were away come from the store",
        |ground| Box::pin(holes::filled(ground)),
    ),
    Check::new(
        "historical: a store that hangs keeps nobody from the live numbers",
        |ground| Box::pin(hanging(ground)),
    ),
];

/// How much Loadline itself keeps: four columns.
const KEPT: &str = "20s";
/// Columns that have to be forgotten before anything is compared.
const FORGOTTEN: usize = 4;
const PASSWORD: &str = LOGIN.1;

/// Everything that is held beside one store; `own` asks it in its own language.
async fn answers(
    stage: &mut Stage,
    ground: &Ground,
    server: &mut Database,
    source: &str,
    own: impl AsyncFn(&Series) -> Result<Vec<Point>>,
) -> Result<()> {
    hold(async |series| tell(&stage.viewer, "historical", &place(series.of), series).await).await?;
    let own_counter = async || own(&counter()).await;
    seam(stage, &own_counter).await.context("the seam")?;
    aggregations(&stage.viewer, &own_counter)
        .await
        .context("aggregations")?;
    by_uid(stage).await.context("by UID")?;
    hostile(stage).await.context("hostile names")?;
    alone(stage, ground, source)
        .await
        .context("without a ring")?;
    away(stage, server).await.context("the store is away")
}

async fn influxdb(ground: &Ground, options: &str) -> Result<()> {
    let mut influxdb = Influxdb::new(&ground.programs, ground.scratch.folder(), true)?;
    influxdb.database.start().await?;
    let create = format!("CREATE USER root WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES");
    influxdb.as_user(None).ask("", &create).await?;
    let ask = influxdb.as_user(Some(("root", PASSWORD)));
    let with_fields = options.contains("withfields");
    let uri = format!(
        "influxdb:http://{}?pw=$PW&queue=100&{options}",
        influxdb.address
    );
    let flags = [
        ("historical-source", uri.as_str()),
        ("history-length", KEPT),
    ];
    ground
        .beside(
            std::slice::from_ref(&uri),
            &flags,
            &[("PW", PASSWORD)],
            async |stage| {
                let own = async |series: &Series| {
                    let condition = condition(series);
                    let (name, field) = match series.metric.split_once('/') {
                        Some(parts) if with_fields => parts,
                        _ => (series.metric, "value"),
                    };
                    let statement = format!("SELECT \"{field}\" FROM \"{name}\" WHERE {condition}");
                    ask.points("k8s", &statement).await
                };
                answers(stage, ground, &mut influxdb.database, &uri, own).await
            },
        )
        .await
}

async fn prometheus(ground: &Ground) -> Result<()> {
    let folder = ground.scratch.folder();
    let guard = Guard::new(folder)?;
    let mut prometheus = Prometheus::guarded(&ground.programs, folder, &guard)?;
    prometheus.database.start().await?;
    let uri = format!(
        "prometheus:https://{}:$PW@{}?queue=100&cluster_name=it's&cacert={}",
        LOGIN.0,
        prometheus.address,
        guard.ca.display()
    );
    let flags = [
        ("historical-source", uri.as_str()),
        ("history-length", KEPT),
    ];
    let ask = prometheus.promql();
    let (sinks, variables) = (std::slice::from_ref(&uri), [("PW", PASSWORD)]);
    ground
        .beside(sinks, &flags, &variables, async |stage| {
            let own = async |series: &Series| prometheus_points(&ask, "heapster_", series).await;
            answers(stage, ground, &mut prometheus.database, &uri, own).await
        })
        .await
}

async fn victoria(ground: &Ground) -> Result<()> {
    let mut victoria = Victoria::new(&ground.programs, ground.scratch.folder())?;
    victoria.database.start().await?;
    let uri = format!("prometheus:http://{}?queue=100&prefix=k8s_", victoria.http);
    let flags = [
        ("historical-source", uri.as_str()),
        ("history-length", KEPT),
    ];
    let ask = victoria.promql();
    ground
        .beside(std::slice::from_ref(&uri), &flags, &[], async |stage| {
            let own = async |series: &Series| prometheus_points(&ask, "k8s_", series).await;
            answers(stage, ground, &mut victoria.database, &uri, own).await
        })
        .await
}

async fn hanging(ground: &Ground) -> Result<()> {
    let mut influxdb = Influxdb::new(&ground.programs, ground.scratch.folder(), false)?;
    influxdb.database.start().await?;
    let proxy = Proxy::start(influxdb.address, Pace::Free).await?;
    let sink = format!("influxdb:http://{}", influxdb.address);
    let source = format!("influxdb:http://{}", proxy.address);
    let flags = [
        ("historical-source", source.as_str()),
        ("history-length", KEPT),
    ];
    ground
        .beside(std::slice::from_ref(&sink), &flags, &[], async |stage| {
            hangs(stage, &proxy).await
        })
        .await
}
