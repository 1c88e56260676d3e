//! Carbon over TCP and UDP, read back from its files, and VictoriaMetrics behind the same lines.

use anyhow::Result;

use super::expected::{Entity, Series, hold};
use super::{Check, Ground};
use crate::databases::{Carbon, Victoria};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "graphite: carbon's files hold the closed form, sent over TCP and UDP",
        |ground| Box::pin(carbon(ground)),
    ),
    Check::new(
        "graphite: VictoriaMetrics takes the lines, PromQL finds the closed form",
        |ground| Box::pin(victoria(ground)),
    ),
];

/// The path of a series behind its prefix, as `docs/sinks.md` has it.
fn path(series: &Series) -> String {
    let entity = match series.of {
        Entity::Cluster => "cluster".to_owned(),
        Entity::Namespace(name) => format!("namespaces.{name}"),
        Entity::Node(name) => format!("nodes.{name}"),
        Entity::System(node, name) => format!("nodes.{node}.sys-containers.{name}"),
        Entity::Pod(node, namespace, name) => format!("nodes.{node}.pods.{namespace}.{name}"),
        Entity::Container(node, namespace, pod, name) => {
            format!("nodes.{node}.pods.{namespace}.{pod}.containers.{name}")
        }
    };
    let metric = series.metric.replace('/', ".");
    match (series.resource, metric.split_once('.')) {
        (Some(resource), Some((family, rest))) => {
            let resource = resource.replace('/', "_");
            format!("{entity}.{family}.{resource}.{rest}")
        }
        _ => format!("{entity}.{metric}"),
    }
}

async fn carbon(ground: &Ground) -> Result<()> {
    let mut carbon = Carbon::new(&ground.programs, ground.scratch.folder())?;
    carbon.database.start().await?;
    let at = carbon.address;
    let sinks = [
        format!("graphite:tcp://{at}"),
        format!("graphite:udp://{at}?prefix=over.udp"),
    ];
    ground
        .beside(&sinks, &[], &[], async |_| {
            for prefix in ["kubernetes", "over.udp"] {
                hold(async |series| {
                    let read = carbon.whisper.read().await?;
                    let path = format!("{prefix}.{}", path(series));
                    Ok(read.get(&path).cloned().unwrap_or_default())
                })
                .await?;
            }
            Ok(())
        })
        .await
}

async fn victoria(ground: &Ground) -> Result<()> {
    let mut victoria = Victoria::new(&ground.programs, ground.scratch.folder())?;
    victoria.database.start().await?;
    let sink = format!("graphite:tcp://{}?prefix=k8s", victoria.graphite);
    let promql = victoria.promql();
    ground
        .beside(&[sink], &[], &[], async |_| {
            hold(async |series| {
                let name = format!("k8s.{}", path(series));
                promql.points(&format!("{{__name__=\"{name}\"}}")).await
            })
            .await
        })
        .await
}
