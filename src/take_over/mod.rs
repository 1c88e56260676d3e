//! `loadline take-over`: leads `metrics.k8s.io` from the server that answers it to Loadline, and
//! `--back`.
//!
//! What leads clients to a server are the APIService objects. Both servers run side by side; both
//! are asked first, then one object is written in one request that is refused when somebody else
//! has changed it meanwhile, then the API server is asked whether numbers come. Where they do not,
//! what was there is written back. What was there is kept in an annotation of the object.
//!
//! Whoever runs it needs rights that Loadline itself does not have: those in `deploy/take-over`.

mod asking;
mod back;
mod direct;
mod forward;
mod objects;
mod registration;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::cluster;
use crate::domain::ObjectName;

/// What is led, and where to.
pub struct TakeOver {
    /// The client of the API server.
    pub client: kube::Client,
    /// The same identity, to ask Loadline itself.
    pub identity: cluster::Config,
    /// The Service that leads to Loadline.
    pub service: ObjectName,
    /// Nothing is written; what would be is told.
    pub dry_run: bool,
    /// How long Loadline may take until it answers, and then until it has everything the other
    /// server has.
    pub patience: Duration,
}

/// Tells a person how far it is, a line each.
pub type Say<'a> = &'a dyn Fn(&str);

/// Why clients are not led where they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A question to the API server failed, or it refused a write.
    #[error("cannot {what}: {reason}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Whoever runs it may not list what the servers have.
    #[error(
        "not allowed to ask what Loadline has: {reason}; grant list on nodes and pods of metrics.k8s.io, as deploy/take-over does"
    )]
    Forbidden {
        /// What was asked, and the answer.
        reason: String,
    },
    /// Nobody answers the API, so there is nothing to take over.
    #[error("there is no APIService {name}: kubectl apply -k apiservice registers Loadline alone")]
    NotRegistered {
        /// The object.
        name: &'static str,
    },
    /// Loadline's own group says where Loadline is and who signed its certificate.
    #[error(
        "the APIService {name} does not tell where Loadline is: {reason}; kubectl apply -k deploy/overlays/beside first"
    )]
    NotBeside {
        /// The object.
        name: &'static str,
        /// What is missing.
        reason: String,
    },
    /// Loadline has not written who signed its certificate.
    #[error("the APIService {name} has no caBundle, which Loadline writes when it starts")]
    NoAuthority {
        /// The object.
        name: &'static str,
    },
    /// The object leads to somebody this is not about.
    #[error("the APIService {name} leads to {to}: it is left as it is")]
    Claimed {
        /// The object.
        name: &'static str,
        /// The Service.
        to: String,
    },
    /// Loadline cannot be asked from here.
    #[error(
        "cannot ask Loadline itself: {reason}; run this where the Service {service} can be reached, as the Job of deploy/take-over is"
    )]
    OutOfReach {
        /// Its Service.
        service: String,
        /// Why not.
        reason: String,
    },
    /// Loadline lacks something the other server has.
    #[error("after {} s Loadline still lacks {missing}; nothing was changed (loadline check and kubectl get nodecoverages say why)", after.as_secs())]
    NotCovering {
        /// How long it was waited for.
        after: Duration,
        /// What it lacks.
        missing: String,
    },
    /// Clients are led to Loadline already, and it gives them nothing.
    #[error(
        "{} and {} lead to {service} already, and {reason}; nothing was changed (kubectl -n {} get pods and loadline check say why)",
        registration::V1BETA1, registration::V1, service.namespace
    )]
    NothingComes {
        /// Loadline's Service.
        service: ObjectName,
        /// What is missing.
        reason: String,
    },
    /// There is no note of what was there before.
    #[error(
        "the APIService {name} has no note of who answered before ({annotation}); docs/migrate-from-metrics-server.md says how to go back by hand"
    )]
    NothingNoted {
        /// The object.
        name: &'static str,
        /// The annotation.
        annotation: &'static str,
    },
    /// The server to go back to does not answer.
    #[error("{service}, which answered before, is not ready: {reason}; nothing was changed")]
    NobodyThere {
        /// Its Service.
        service: String,
        /// Why not.
        reason: String,
    },
    /// It did not work, and all is as it was.
    #[error("{reason}; what was there is back")]
    Undone {
        /// What did not work.
        reason: String,
    },
    /// It did not work, and what was there could not be written back.
    #[error("{reason}; and what was there could not be written back: {then}")]
    NotUndone {
        /// What did not work.
        reason: String,
        /// Why it could not be undone.
        then: String,
    },
}

impl fmt::Debug for TakeOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeOver")
            .field("service", &self.service)
            .field("dry_run", &self.dry_run)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
