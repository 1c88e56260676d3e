//! What the alerting rules and the dashboard in `deploy/monitoring` ask for.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::real::repository;

/// What the names of our own metrics begin with.
const PREFIXES: [&str; 2] = ["loadline_", "metrics_server_"];
/// Of parts that have to be asked for by a flag; the lane `sinks` has them.
const OPTIONAL: [&str; 2] = ["loadline_sink_", "loadline_history_dir_"];

/// The metrics the rules and the dashboard name: those that are always there, or those of sinks and of the history on
/// disk.
pub(super) fn named(optional: bool) -> Result<BTreeSet<String>> {
    let folder = repository()?.join("deploy/monitoring");
    let mut named = BTreeSet::new();
    for file in ["prometheusrule.yaml", "dashboard.json"] {
        named.extend(names(&std::fs::read_to_string(folder.join(file))?));
    }
    named.retain(|name| OPTIONAL.iter().any(|part| name.starts_with(part)) == optional);
    ensure!(named.len() > 10, "only {named:?}");
    Ok(named)
}

/// The words in a text that are names of our own metrics.
pub(super) fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}
