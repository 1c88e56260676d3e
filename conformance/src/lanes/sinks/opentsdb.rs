//! VictoriaMetrics behind OpenTSDB's HTTP API.

use anyhow::{Result, ensure};

use super::expected::hold;
use super::told::metric;
use super::{Check, Ground};
use crate::databases::Victoria;

pub(super) const CHECKS: &[Check] = &[Check::new(
    "opentsdb: VictoriaMetrics takes the points, PromQL finds the closed form",
    |ground| Box::pin(victoria(ground)),
)];

async fn victoria(ground: &Ground) -> Result<()> {
    let mut victoria = Victoria::new(&ground.programs, ground.scratch.folder())?;
    victoria.database.start().await?;
    let sink = format!("opentsdb:http://{}?cluster=lab", victoria.opentsdb);
    let promql = victoria.promql();
    ground
        .beside(&[sink], &[], &[], async |stage| {
            hold(async |series| {
                let name = format!("{}_gauge", series.metric.replace('/', "_"));
                let labels = series.labels().into_iter();
                let labels = labels.map(|(name, value)| format!("{name}=\"{value}\""));
                let labels = labels.collect::<Vec<_>>().join(",");
                let selector = format!("{name}{{cluster=\"lab\",{labels}}}");
                promql.points(&selector).await
            })
            .await?;
            let sum = "sum(cpu_usage_rate_gauge{type=\"ns\"})";
            let (sum, whole) = (
                promql.value(sum).await?,
                promql
                    .value("cpu_usage_rate_gauge{type=\"cluster\"}")
                    .await?,
            );
            ensure!(sum == whole, "{sum} in namespaces, {whole} in all");
            let refused = metric(stage, "refused_points_total", "opentsdb").await?;
            ensure!(refused == 0.0, "{refused} points were refused");
            Ok(())
        })
        .await
}
