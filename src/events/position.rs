//! The place events are resumed from, kept in an annotation of a Lease: the one the replicas contend
//! for, if there are several.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::timeout;

use crate::cluster::describe;

/// Which Lease bears the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionConfig {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Reads and writes the place.
///
/// Nothing keeps two from writing, and nothing needs to: a place is only ever written when all
/// before it was sent, so the worst an old one does is that events are sent twice.
#[derive(Clone, Debug)]
pub(super) struct Position {
    api: Api<Lease>,
    config: PositionConfig,
}

/// Why the place could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PositionError {
    /// 403: somebody has to grant it.
    #[error("not allowed to {verb} the Lease {namespace}/{name}: {message}")]
    Forbidden {
        verb: &'static str,
        namespace: String,
        name: String,
        message: String,
    },
    /// Anything that may be over by itself.
    #[error("{0}")]
    Failed(String),
}

/// The annotation that holds the resource version.
const PLACE: &str = "loadline.io/events-resource-version";
const CALL: Duration = Duration::from_secs(5);

impl Position {
    pub(super) fn new(client: &kube::Client, config: PositionConfig) -> Self {
        Self {
            api: Api::namespaced(client.clone(), &config.namespace),
            config,
        }
    }

    /// The place that was written last; `None` when none ever was.
    pub(super) async fn load(&self) -> Result<Option<String>, PositionError> {
        let lease = self.ask("get", self.api.get_opt(&self.config.name)).await?;
        let annotations = lease.and_then(|lease| lease.metadata.annotations);
        let place = annotations.and_then(|mut annotations| annotations.remove(PLACE));
        Ok(place.filter(|place| !place.is_empty()))
    }

    /// Writes the place, and makes the Lease if need be.
    pub(super) async fn save(&self, place: &str) -> Result<(), PositionError> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {PLACE: place}}}));
        let params = PatchParams::default();
        let patched = self.api.patch(&self.config.name, &params, &patch);
        let absent = |error: &kube::Error| matches!(error, kube::Error::Api(s) if s.code == 404);
        let patched = async {
            match patched.await {
                Err(error) if absent(&error) => Ok(false),
                patched => patched.map(|_| true),
            }
        };
        if self.ask("patch", patched).await? {
            return Ok(());
        }
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.config.name.clone()),
                namespace: Some(self.config.namespace.clone()),
                annotations: Some([(PLACE.to_owned(), place.to_owned())].into()),
                ..ObjectMeta::default()
            },
            spec: None,
        };
        let params = PostParams::default();
        self.ask("create", self.api.create(&params, &lease)).await?;
        Ok(())
    }

    async fn ask<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, PositionError> {
        match timeout(CALL, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                Err(PositionError::Forbidden {
                    verb,
                    namespace: self.config.namespace.clone(),
                    name: self.config.name.clone(),
                    message: status.message.clone(),
                })
            }
            Ok(Err(error)) => Err(PositionError::Failed(describe(&error))),
            Err(_) => Err(PositionError::Failed("no answer in time".to_owned())),
        }
    }
}
