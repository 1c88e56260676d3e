//! The alerting rules and the dashboard: promtool takes the rules, and a running Loadline has every metric they name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::client::Protocol;
use crate::lab::{Answer, Request};
use crate::real::{cache, repository, until};
use crate::report::Lane;

use super::super::monitored::{named, names};
use super::{CALL, Scene};

/// The node whose kubelet fails once, so that failures are counted.
const FAILING: &str = "sim-3";

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    rules(lane).await;
    let name = "loadline has every metric the rules and the dashboard name";
    lane.check(name, CALL * 2, async {
        let named = named(false)?;
        let request = Request::client("prometheus", &["system:masters"]);
        let leaf = scene.cluster.pki().cluster.issue(&request)?;
        let client = scene.client(Protocol::Http1, Some(&leaf)).await?;
        // Failures are counted from the first one on.
        let mut nobody = TcpStream::connect(scene.loadline.address).await?;
        nobody.write_all(b"no handshake at all\r\n\r\n").await?;
        let fault = Answer::Status(503);
        scene.lab.kubelets.behave(FAILING, |b| b.answer = fault)?;
        let all = until(CALL, async || {
            let answer = client.get("/metrics").await?;
            let text = answer.expect_status(200)?.whole_text();
            let missing: Vec<_> = named.difference(&names(&text)).cloned().collect();
            ensure!(missing.is_empty(), "missing: {missing:?}");
            Ok(())
        });
        let all = all.await;
        scene
            .lab
            .kubelets
            .behave(FAILING, |b| b.answer = Answer::Normal)?;
        all
    })
    .await;
}

async fn rules(lane: &Lane) {
    let promtool = match promtool() {
        Ok(promtool) => promtool,
        Err(error) => return lane.skip("the alerting rules", &format!("{error:#}")),
    };
    let name = "promtool takes the alerting rules, and their tests pass";
    lane.check(name, CALL, async {
        let source = repository()?.join("deploy/monitoring");
        let rules = std::fs::read_to_string(source.join("prometheusrule.yaml"))?;
        let rules: Value = serde_saphyr::from_str(&rules)?;
        let folder = lane.folder()?;
        std::fs::write(folder.join("rules.yaml"), rules["spec"].to_string())?;
        std::fs::copy(
            source.join("rules_test.yaml"),
            folder.join("rules_test.yaml"),
        )?;
        call(&promtool, &folder, &["check", "rules", "rules.yaml"]).await?;
        call(&promtool, &folder, &["test", "rules", "rules_test.yaml"]).await?;
        every_alert_is_tested(
            &rules,
            &std::fs::read_to_string(source.join("rules_test.yaml"))?,
        )
    })
    .await;
}

fn every_alert_is_tested(rules: &Value, tests: &str) -> Result<()> {
    let rules = rules["spec"]["groups"][0]["rules"].as_array();
    for rule in rules.context("no rules")? {
        let alert = rule["alert"].as_str().context("no alert")?;
        ensure!(tests.contains(alert), "no test raises {alert}");
    }
    Ok(())
}

async fn call(promtool: &Path, folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(promtool)
        .args(arguments)
        .current_dir(folder)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await??;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success(), "promtool {arguments:?}:\n{said}");
    Ok(())
}

/// promtool as `conformance/run` unpacked it, or as the machine has it.
fn promtool() -> Result<PathBuf> {
    let places = [
        cache()?.join("promtool"),
        PathBuf::from("/usr/bin/promtool"),
    ];
    let found = places.into_iter().find(|place| place.is_file());
    found.context("promtool is missing: start with conformance/run")
}
