//! What the keeper of the Secret counts.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::objects::APISERVICES;
use super::plan::Plan;
use crate::telemetry::Registry;

/// The keeper's own metrics.
#[derive(Clone, Debug, Default)]
pub struct KeeperMetrics {
    authority_expiry: Gauge,
    rotations: Family<RotationLabels, Counter>,
    patches: Family<PatchLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RotationLabels {
    what: Rotated,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PatchLabels {
    apiservice: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    object: FailedAt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Rotated {
    Authority,
    Certificate,
}

/// What a round failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum FailedAt {
    Secret,
    ApiService,
}

impl KeeperMetrics {
    /// Adds the keeper's metrics to `registry`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register(
            "loadline_serving_ca_expiry_timestamp_seconds",
            "When the authority in the serving Secret ends, in seconds since the epoch",
            metrics.authority_expiry.clone(),
        );
        registry.register(
            "loadline_serving_rotations",
            "Authorities and certificates this replica made and kept in the serving Secret",
            metrics.rotations.clone(),
        );
        registry.register(
            "loadline_serving_ca_bundle_patches",
            "Times this replica corrected the caBundle of an APIService",
            metrics.patches.clone(),
        );
        registry.register(
            "loadline_serving_failures",
            "Rounds that could not read or write the serving Secret or an APIService",
            metrics.failures.clone(),
        );
        for object in [FailedAt::Secret, FailedAt::ApiService] {
            drop(metrics.failures.get_or_create(&FailureLabels { object }));
        }
        Arc::new(metrics)
    }

    pub(super) fn authority_ends(&self, at: i64) {
        self.authority_expiry.set(at);
    }

    pub(super) fn made(&self, plan: &Plan) {
        let made: &[Rotated] = match plan {
            Plan::Keep | Plan::DropAuthorities => &[],
            Plan::Replace(_) => &[Rotated::Authority, Rotated::Certificate],
            Plan::AddAuthority(_) => &[Rotated::Authority],
            Plan::Issue(_) => &[Rotated::Certificate],
        };
        for what in made.iter().copied() {
            self.rotations.get_or_create(&RotationLabels { what }).inc();
        }
    }

    pub(super) fn patched(&self, name: &str) {
        let known = APISERVICES.into_iter().find(|known| *known == name);
        if let Some(apiservice) = known {
            self.patches
                .get_or_create(&PatchLabels { apiservice })
                .inc();
        }
    }

    pub(super) fn failed(&self, object: FailedAt) {
        self.failures.get_or_create(&FailureLabels { object }).inc();
    }
}
