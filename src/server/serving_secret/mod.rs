//! The serving certificate in a Secret that all replicas share, and the `caBundle` of our
//! APIServices, which has to vouch for it.
//!
//! A Secret we made holds an authority with its key, the authorities to trust, and the certificate
//! with its key. Whoever finds it missing, spoiled or aged makes the next one; of several who try,
//! the API server lets one through, and the others take what that one wrote. A Secret somebody else
//! made is followed and never written.
//!
//! Nothing is shown that the APIServices do not trust yet. A new authority is trusted first, for a
//! while beside the old one, and signs only then; the old one stays trusted until all it signed has
//! expired.

mod bundle;
mod contents;
mod keeper;
mod make;
mod metrics;
mod objects;
mod peers;
mod plan;
mod secret;
#[cfg(test)]
mod tests;
mod trust;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;

pub use keeper::SecretKeeper;
pub use metrics::KeeperMetrics;
pub use objects::APISERVICES;

use contents::Contents;
use objects::Owner;
use plan::Lifetimes;

use crate::domain::{ObjectName, Timestamp};

/// What flags decide about the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeeperConfig {
    /// `--serving-secret`, as in `kube-system/loadline-serving`.
    pub secret: ObjectName,
    /// `--service-name`, in our own namespace: the Service the APIServices lead to.
    pub service: ObjectName,
    /// `--serving-certificate-lifetime`. An authority lives four times as long.
    pub lifetime: Duration,
}

/// The longest between two looks at Secret and APIServices; short lifetimes shorten it.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The longest that a new authority has to be trusted before it signs.
const LONGEST_SETTLING: Duration = Duration::from_secs(300);

impl KeeperConfig {
    fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            certificate: self.lifetime,
            authority: self.lifetime * 4,
            settling: LONGEST_SETTLING.min(self.lifetime / 10),
        }
    }

    fn pause(&self) -> Duration {
        LONGEST_PAUSE.min(self.lifetime / 20)
    }
}

/// Whether a server for `service` could serve from this Secret at `now`, and whom it is kept by.
///
/// # Errors
/// What is wrong with it, where nobody but who keeps it may mend it: ours is made anew.
pub fn judge(
    secret: &Secret,
    service: &ObjectName,
    now: Timestamp,
) -> Result<&'static str, String> {
    if Owner::of(secret) == Owner::Us {
        return Ok("kept by Loadline");
    }
    let contents = Contents::of(secret, &rustls::crypto::aws_lc_rs::default_provider());
    match contents.servable(service, now) {
        Ok(_) => Ok("given by somebody else, and can be served"),
        Err(flaw) => Err(flaw.to_string()),
    }
}
