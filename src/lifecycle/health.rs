//! Named checks behind `/livez`, `/readyz` and `/healthz`.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

/// The three probes of a Kubernetes server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `/livez`: should the process be restarted?
    Livez,
    /// `/readyz`: should it be sent requests?
    Readyz,
    /// `/healthz`: the checks that are in neither question in doubt, kept for old probes.
    Healthz,
}

/// One named check and the probes it belongs to.
///
/// The check is asked anew at each probe and must answer at once: it reads state others keep.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    probes: &'static [Probe],
    ask: Arc<dyn Fn() -> CheckResult + Send + Sync>,
}

/// What a check finds: that all is well, perhaps with something to note, or why it is not.
pub type CheckResult = Result<Option<&'static str>, String>;

/// What one check said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// The check's name, as it stands in the probe's path and body.
    pub name: &'static str,
    /// A note, or the reason why it failed, in words for an operator.
    pub result: CheckResult,
}

/// All checks of the process, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Health {
    checks: Arc<RwLock<Vec<Check>>>,
}

impl Check {
    /// A check called `name` that counts for `probes`; `ask` says `Err` with the reason when it
    /// fails.
    pub fn new(
        name: &'static str,
        probes: &'static [Probe],
        ask: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let ask = Arc::new(move || ask().map(|()| None));
        Self { name, probes, ask }
    }

    /// A check that never fails, but has something to note while `note` says so: shown to everybody
    /// who may ask the probe, so it holds fixed words alone.
    pub fn noting(
        name: &'static str,
        probes: &'static [Probe],
        note: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        let ask = Arc::new(move || Ok(note()));
        Self { name, probes, ask }
    }
}

impl Check {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Asks it now.
    ///
    /// # Errors
    /// The reason why it fails.
    pub fn ask(&self) -> CheckResult {
        (self.ask)()
    }
}

impl Health {
    /// Adds a check.
    pub fn add(&self, check: Check) {
        self.checks.write().push(check);
    }

    /// Asks every check of `probe`.
    #[must_use]
    pub fn report(&self, probe: Probe) -> Vec<CheckReport> {
        let checks: Vec<Check> = self
            .checks
            .read()
            .iter()
            .filter(|c| c.probes.contains(&probe))
            .cloned()
            .collect();
        checks
            .iter()
            .map(|c| CheckReport {
                name: c.name,
                result: (c.ask)(),
            })
            .collect()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("probes", &self.probes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_asks_its_own_checks_in_order() {
        let health = Health::default();
        health.add(Check::new(
            "ping",
            &[Probe::Livez, Probe::Readyz],
            || Ok(()),
        ));
        health.add(Check::new("data", &[Probe::Readyz], || {
            Err("none yet".into())
        }));
        let names = |probe| {
            health
                .report(probe)
                .iter()
                .map(|r| r.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Probe::Livez), ["ping"]);
        assert_eq!(names(Probe::Readyz), ["ping", "data"]);
        assert_eq!(
            health.report(Probe::Readyz)[1].result,
            Err("none yet".into())
        );
    }
}
