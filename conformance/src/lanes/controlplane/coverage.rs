//! The truth about itself through the real aggregator: `kubectl get nodecoverages`, `loadline check`, `loadline why`.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::real::Table;
use crate::report::Lane;

use super::{CALL, Scene};

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    lane.check("get nodecoverages has columns for people", CALL, async {
        for name in ["nodecoverages", "nodecoverage", "ncov", "loadline"] {
            let text = scene.admin.run(&format!("get {name}")).await?;
            let table = Table::parse(&text)?;
            let header = ["NAME", "STATE", "AGE", "SINCE", "CAUSE"];
            ensure!(table.header() == header, "get {name}: {text}");
            ensure!(table.len() == table_length(scene), "{text}");
            let states = table.column("STATE")?;
            ensure!(states.iter().all(|state| *state == "Fresh"), "{text}");
        }
        let wide = scene.admin.run("get ncov -o wide").await?;
        ensure!(wide.contains("REMEDY"), "{wide}");
        let one = scene.admin.json("get nodecoverage sim-1").await?;
        ensure!(one["status"]["state"] == "Fresh", "{one}");
        let watched = "get ncov -w --output-watch-events --request-timeout=2s";
        let watched = scene.admin.ask(watched).await?;
        let told = watched.out.matches("ADDED").count();
        ensure!(
            told == table_length(scene),
            "{}{}",
            watched.out,
            watched.err
        );
        ensure!(!watched.err.contains("too old"), "{}", watched.err);
        let text = scene.admin.run("explain nodecoverages.status").await?;
        ensure!(text.contains("remedy"), "{text}");
        Ok(())
    })
    .await;
    lane.check("loadline check finds nothing wrong here", CALL, async {
        let report = ask(scene, &["check", "--output", "json"]).await?;
        let findings = report["findings"].as_array().map_or(&[][..], Vec::as_slice);
        let wrong: Vec<_> = findings
            .iter()
            .filter(|one| one["verdict"] != "ok")
            .collect();
        ensure!(wrong.is_empty() && findings.len() > 20, "{report}");
        Ok(())
    })
    .await;
    lane.check("loadline why pod answers", CALL, async {
        let pods = scene.lab.world.pods();
        let pod = pods.iter().find(|pod| pod.phase.as_str() == "Running");
        let pod = pod.map(|pod| format!("{}/{}", pod.meta.namespace, pod.meta.name));
        let pod = pod.unwrap_or_default();
        let kubeconfig = scene.admin.kubeconfig().display().to_string();
        let start = scene.start.clone().with("kubeconfig", &kubeconfig);
        let (ok, text) = start.ask(&["why", "pod", &pod]).await?;
        ensure!(ok && text.contains("it has a number"), "{text}");
        Ok(())
    })
    .await;
}

/// One row a node.
fn table_length(scene: &Scene) -> usize {
    scene.lab.world.nodes().len()
}

async fn ask(scene: &Scene, words: &[&str]) -> Result<Value> {
    let (ok, text) = scene.start.ask(words).await?;
    ensure!(ok, "{text}");
    Ok(serde_json::from_str(&text)?)
}
