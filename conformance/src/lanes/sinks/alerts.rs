//! The alerts and the dashboard over our own metrics, in a real Prometheus that scrapes Loadline.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::monitored::{named, names};
use super::told::PATIENCE;
use super::{Check, Ground};
use crate::databases::{Prometheus, Promql};
use crate::loadline::SERVER_NAME;
use crate::real::{repository, until};
use crate::simulated::Stage;

pub(super) const CHECKS: &[Check] = &[Check::new(
    "Prometheus loads the alerting rules, scrapes loadline, finds every metric they name, and answers what its dashboard asks",
    |ground| Box::pin(watched(ground)),
)];

/// What Grafana puts in the place of the dashboard's variables.
const VARIABLES: [(&str, &str); 2] = [("$instance", ".*"), ("$__rate_interval", "1m")];
/// Questions of the dashboard, at least.
const QUESTIONS: usize = 30;
/// What has no answer as long as nothing fails, nothing is turned away and nothing is rotated.
const OF_FAULTS: [&str; 8] = [
    "loadline_scrape_failures_total",
    "loadline_watch_restarts_total",
    "loadline_watch_skipped_objects_total",
    "loadline_serving_",
    "loadline_server_tls_handshake_failures_total",
    "loadline_review_cache_lookups_total",
    "loadline_history_dir_errors_total",
    "loadline_sink_dropped_total",
];

async fn watched(ground: &Ground) -> Result<()> {
    let questions = questions()?;
    let spool = ground.scratch.subfolder("spool")?.display().to_string();
    let history = ground.scratch.subfolder("history")?.display().to_string();
    let flags = [("sink-spool-dir", &*spool), ("history-dir", &*history)];
    ground
        .beside(&["log".to_owned()], &flags, &[], async |stage| {
            stage.until_measured().await?;
            named_are_there(stage).await?;
            let folder = ground.scratch.folder();
            let config = configuration(stage, folder)?;
            let mut prometheus = Prometheus::with(&ground.programs, folder, &config)?;
            prometheus.database.start().await?;
            let promql = prometheus.promql();
            until(PATIENCE, async || answered(&promql, &questions).await).await?;
            until(PATIENCE, async || evaluated(&promql).await).await
        })
        .await
}

/// Every metric of ours that the rules and the dashboard name, those of sinks and of the history on disk too, is there.
async fn named_are_there(stage: &Stage) -> Result<()> {
    let administrator = stage
        .loadline
        .as_proxied(&stage.lab, "root", &["system:masters"])?;
    let answer = administrator.get("/metrics").await?;
    let text = answer.expect_status(200)?.whole_text();
    let missing: Vec<_> = named(true)?.difference(&names(&text)).cloned().collect();
    ensure!(missing.is_empty(), "missing: {missing:?}");
    Ok(())
}

/// The rules as they are delivered, and Loadline to scrape, with a certificate instead of a token.
fn configuration(stage: &Stage, folder: &Path) -> Result<PathBuf> {
    let source = repository()?.join("deploy/monitoring/prometheusrule.yaml");
    let rules: Value = serde_saphyr::from_str(&std::fs::read_to_string(source)?)?;
    std::fs::write(folder.join("rules.yaml"), rules["spec"].to_string())?;
    let leaf = stage.lab.issue_user("prometheus", &["system:masters"])?;
    let files = leaf.write(folder, "prometheus-user")?;
    let authority = folder.join("authority.crt");
    std::fs::write(&authority, stage.lab.pki.serving.pem())?;
    let config = json!({
        "global": { "scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s" },
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{
            "job_name": "loadline",
            "scheme": "https",
            "static_configs": [{ "targets": [stage.loadline.address.to_string()] }],
            "tls_config": {
                "server_name": SERVER_NAME,
                "ca_file": authority,
                "cert_file": files.certificate,
                "key_file": files.key,
            },
        }],
    });
    let file = folder.join("prometheus.yaml");
    std::fs::write(&file, config.to_string())?;
    Ok(file)
}

/// What the panels of the dashboard ask.
fn questions() -> Result<Vec<String>> {
    let file = repository()?.join("deploy/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    ensure!(found.len() >= QUESTIONS, "{} questions", found.len());
    for question in &mut found {
        for (variable, value) in VARIABLES {
            *question = question.replace(variable, value);
        }
        ensure!(!question.contains('$'), "{question} has another variable");
    }
    Ok(found)
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str);
            found.extend(own.map(str::to_owned));
            fields.values().for_each(|inner| expressions(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| expressions(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn answered(promql: &Promql, questions: &[String]) -> Result<()> {
    for question in questions {
        let series = promql.ask(question).await?;
        let of_faults = OF_FAULTS.iter().any(|name| question.contains(name));
        ensure!(of_faults || !series.is_empty(), "{question} finds nothing");
    }
    Ok(())
}

/// Every rule has been evaluated, and none is raised by a Loadline that is well.
async fn evaluated(promql: &Promql) -> Result<()> {
    let rules = promql.rules().await?;
    ensure!(rules.len() >= 10, "{} rules", rules.len());
    for rule in &rules {
        let health = rule["health"].as_str().context("no health")?;
        ensure!(health == "ok", "{rule}");
        ensure!(rule["state"] != "firing", "{rule}");
    }
    Ok(())
}
