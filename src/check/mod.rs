//! `loadline check`: tries every precondition and says what to do, before or after installation.
//!
//! Each part asks one question of the cluster and judges the answer with a pure function. It asks as
//! whoever the kubeconfig (or the pod's service account) is, so run it as Loadline's own account to
//! judge its rights. Nothing is changed: the reviews it creates are questions.

mod api_server;
mod finding;
mod front_proxy;
mod kubelets;
mod registrations;
mod rights;
mod serving;

use std::fmt;
use std::sync::Arc;

use crate::domain::{Clock, NodeRecord, ObjectName};
use crate::kubelet::KubeletClient;

pub use finding::{Finding, Report, Verdict};

/// What is checked.
pub struct Preflight {
    /// The client for everything else.
    pub client: kube::Client,
    /// The client of `--authentication-kubeconfig`; or, in words, why that file is of no use.
    pub authentication: Result<kube::Client, String>,
    /// The client of `--authorization-kubeconfig`; or why that file is of no use.
    pub authorization: Result<kube::Client, String>,
    /// How kubelets are asked; or, in words, what of a flag or the kubeconfig keeps them from being
    /// asked.
    pub kubelet: Result<KubeletClient, String>,
    /// Which nodes are asked at all.
    pub selects: Arc<dyn Fn(&NodeRecord) -> bool + Send + Sync>,
    /// The Service that leads to us.
    pub service: ObjectName,
    /// The Secret of the serving certificate, when there is to be one.
    pub secret: Option<ObjectName>,
    /// Kubelets are asked through the API server.
    pub via_api_server: bool,
    /// The ConfigMap of kubelets' pins, when they are pinned.
    pub pins: Option<ObjectName>,
    /// The ConfigMap of trusted authorities is looked at when the server starts.
    pub lookup: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Preflight {
    /// Tries everything. Takes some tens of seconds at most, however much hangs: each question has a
    /// deadline.
    pub async fn run(&self) -> Report {
        let mut report = Report::default();
        let reachable = api_server::check(self, &mut report).await;
        // Takes nobody's answer.
        let kubelet = kubelets::client(self, &mut report);
        if !reachable {
            // Everything else would only say so again.
            return report;
        }
        rights::check(self, &mut report).await;
        if self.lookup {
            front_proxy::check(self, &mut report).await;
        }
        serving::check(self, &mut report).await;
        kubelets::check(self, kubelet, &mut report).await;
        registrations::check(self, &mut report).await;
        report
    }
}

impl fmt::Debug for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preflight")
            .field("service", &self.service)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// How long one question may take.
const CALL_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Asks with a deadline; the error is in words.
async fn ask<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(crate::cluster::describe(&error)),
        Err(_) => Err(format!("no answer within {} s", CALL_LIMIT.as_secs())),
    }
}
