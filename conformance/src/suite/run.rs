//! Runs the checks: first those that leave the cluster as it is, side by side, then those that move it, then one by one
//! those that nobody else must see.

use std::cmp::Reverse;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use futures_util::StreamExt;
use futures_util::stream;

use super::check::{Check, CheckResult, Group, Needs, Outcome, Turn};
use super::context::Context;
use super::target::{Features, Target, Version, protocol_name};
use super::verdict::{Stop, Verdict};
use super::world::World;
use crate::client::Protocol;

/// How many checks run side by side.
const AT_ONCE: usize = 10;

/// Which checks to run; empty lists choose all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these groups.
    pub groups: Vec<Group>,
    /// Only these checks, by name or number.
    pub checks: Vec<String>,
}

/// One run to come.
struct Planned {
    check: Check,
    version: Version,
    protocol: Protocol,
}

impl Filter {
    /// Makes sure that every name is that of a check, and that something is chosen.
    ///
    /// # Errors
    /// Otherwise, with where to find the names there are.
    pub fn validate(&self) -> Result<()> {
        let all = checks();
        for name in &self.checks {
            let known = |check: &Check| check.id == name || check.item.to_string() == *name;
            if all.iter().any(known) {
                continue;
            }
            if name.parse::<u64>().is_ok() {
                let items = || all.iter().map(|check| check.item);
                let (first, last) = (items().min(), items().max());
                let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
                bail!("no check has the number {name}: they go from {first} to {last}");
            }
            bail!("no check is called {name}: --list names them all");
        }
        ensure!(
            all.iter().any(|check| self.chooses(check)),
            "no check of these groups is called so: --list tells the group of each"
        );
        Ok(())
    }

    /// Whether a check is chosen.
    #[must_use]
    pub fn chooses(&self, check: &Check) -> bool {
        let group = self.groups.is_empty() || self.groups.contains(&check.group);
        let number = check.item.to_string();
        let named = self.checks.iter().any(|c| *c == check.id || *c == number);
        group && (self.checks.is_empty() || named)
    }
}

/// All checks, in the order of the contract.
#[must_use]
pub fn checks() -> Vec<Check> {
    let mut checks: Vec<Check> = super::GROUPS.iter().flat_map(|list| list()).collect();
    checks.sort_by_key(|check| check.item);
    checks
}

/// Runs the chosen checks against a server, in `world` when its cluster is in our hands.
///
/// Nothing here fails as a whole: a server that does not answer at all fails every check.
pub async fn run(target: &Target, world: Option<&World<'_>>, filter: &Filter) -> Vec<CheckResult> {
    let counter = AtomicU64::new(1);
    let unknown = Features::default();
    let probing = Context {
        target,
        world,
        features: &unknown,
        counter: &counter,
        version: Version::V1beta1,
        protocol: Protocol::Http1,
    };
    // When discovery fails, the checks of discovery say so; the others ask for both versions.
    let features = Features::probe(&probing)
        .await
        .unwrap_or_else(|_| Features {
            versions: Version::ALL.iter().map(|v| v.as_str().to_owned()).collect(),
            ..Features::default()
        });
    let chosen = checks().into_iter().filter(|c| filter.chooses(c));
    let planned = chosen.flat_map(variants);
    let mut planned: Vec<Planned> = planned.collect();
    // The long ones first, so that nobody waits for one that was begun last.
    planned.sort_by_key(|planned| Reverse(planned.check.deadline));
    let mut results = Vec::new();
    for (turn, at_once) in [
        (Turn::First, AT_ONCE),
        (Turn::Moving, AT_ONCE),
        (Turn::Alone, 1),
        (Turn::Last, 1),
    ] {
        let runs = planned.iter().filter(|planned| planned.check.turn == turn);
        let runs = runs.map(|planned| {
            let cx = Context {
                features: &features,
                version: planned.version,
                protocol: planned.protocol,
                ..probing
            };
            async move { run_one(&cx, &planned.check).await }
        });
        let runs = stream::iter(runs).buffer_unordered(at_once);
        results.extend(runs.collect::<Vec<CheckResult>>().await);
    }
    results.sort_by(|a, b| (a.item, a.id, &a.variant).cmp(&(b.item, b.id, &b.variant)));
    results
}

fn variants(check: Check) -> Vec<Planned> {
    let versions: &[Version] = match check.versions {
        true => &Version::ALL,
        false => &[Version::V1beta1],
    };
    let protocols: &[Protocol] = match check.protocols {
        true => &[Protocol::Http1, Protocol::Http2],
        false => &[Protocol::Http1],
    };
    let mut planned = Vec::new();
    for &version in versions {
        for &protocol in protocols {
            planned.push(Planned {
                check: check.clone(),
                version,
                protocol,
            });
        }
    }
    planned
}

async fn run_one(cx: &Context<'_>, check: &Check) -> CheckResult {
    let started = Instant::now();
    let verdict = match obstacle(cx, check) {
        Some(why) => Err(Stop::Skipped(why)),
        None => within_deadline(cx, check).await,
    };
    let outcome = match verdict {
        Ok(()) => Outcome::Passed,
        Err(Stop::Skipped(why)) => Outcome::Skipped { why },
        Err(Stop::Failed { expected, seen }) => Outcome::Failed { expected, seen },
        Err(Stop::Broken(error)) => Outcome::Failed {
            expected: check.expects.to_owned(),
            seen: format!("{error:#}"),
        },
    };
    let mut variant = Vec::new();
    if check.versions {
        variant.push(cx.version.as_str());
    }
    if check.protocols {
        variant.push(protocol_name(cx.protocol));
    }
    CheckResult {
        item: check.item,
        id: check.id,
        group: check.group,
        expects: check.expects,
        variant: variant.join(" "),
        outcome,
        millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

async fn within_deadline(cx: &Context<'_>, check: &Check) -> Verdict {
    let body = (check.body)(cx);
    tokio::time::timeout(check.deadline, body)
        .await
        .unwrap_or_else(|_| {
            Err(Stop::Failed {
                expected: check.expects.to_owned(),
                seen: format!("nothing within {:?}", check.deadline),
            })
        })
}

/// Why a check cannot be made against this target.
fn obstacle(cx: &Context<'_>, check: &Check) -> Option<String> {
    if check.versions && !cx.features.serves(cx.version) {
        let version = cx.version.group_version();
        return Some(format!("the server does not serve {version}"));
    }
    match check.needs {
        Needs::World if cx.world.is_none() => {
            Some("needs world: a hand on the cluster the server stands in".to_owned())
        }
        Needs::Proxy if cx.target.proxy.is_none() => {
            Some("needs the front proxy's certificate".to_owned())
        }
        Needs::Reader | Needs::Proxy | Needs::World => None,
    }
}
