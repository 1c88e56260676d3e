//! The requests for the Secret and the APIServices, each with its deadline.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};

use super::bundle::{Registration, Wanted};
use super::contents::Data;
use crate::cluster::describe;
use crate::domain::ObjectName;

/// Whose a Secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// We made it, and keep it.
    Us,
    /// Somebody gives it to us; it is never written.
    SomebodyElse,
}

/// Asks for the one Secret.
#[derive(Clone)]
pub(super) struct Secrets {
    api: Api<Secret>,
    name: ObjectName,
}

/// Asks for the APIServices of our groups.
#[derive(Clone)]
pub(super) struct Registrations {
    api: Api<APIService>,
    service: ObjectName,
}

/// Why the API server did not do what it was asked. Holds nothing of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} {object}: {failure}")]
pub(super) struct AskError {
    pub(super) verb: &'static str,
    pub(super) object: String,
    pub(super) failure: Failure,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// 403: somebody has to grant it.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// 409: it is there already, or has changed since it was read.
    #[error("somebody else was faster")]
    Conflict,
    /// 404.
    #[error("not found: {0}")]
    Absent(String),
    /// Any other answer that is no success.
    #[error("the API server answered {0}: {1}")]
    Refused(u16, String),
    /// No answer, or one that is not understood.
    #[error("{0}")]
    Unreachable(String),
}

/// The APIServices that may be ours, those of the metrics API first. Rights name exactly these.
pub const APISERVICES: [&str; 3] = ["v1.metrics.k8s.io", "v1beta1.metrics.k8s.io", OWN_GROUP];
const OWN_GROUP: &str = "v1alpha1.loadline.io";

const CALL_LIMIT: Duration = Duration::from_secs(10);
const MANAGER: &str = "loadline";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// cert-manager writes into a Secret that is there, and leaves our label on it.
const CERT_MANAGER: &str = "cert-manager.io/certificate-name";
const SECRET_TYPE: &str = "kubernetes.io/tls";
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;
const FORBIDDEN: u16 = 403;
const LONGEST_MESSAGE: usize = 300;

impl Secrets {
    pub(super) fn new(client: kube::Client, name: ObjectName) -> Self {
        let api = Api::namespaced(client, &name.namespace);
        Self { api, name }
    }

    pub(super) async fn read(&self) -> Result<Option<Secret>, AskError> {
        let call = self.api.get_opt(&self.name.name);
        ask("get", self.object(), call).await
    }

    /// Creates the Secret with this data, or replaces that of `found`; `None` when somebody else
    /// was faster, whose Secret is to be read then.
    pub(super) async fn write(
        &self,
        found: Option<&Secret>,
        data: Data,
    ) -> Result<Option<Secret>, AskError> {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = match found {
            None => {
                let secret = self.new_secret(data);
                ask("create", self.object(), self.api.create(&params, &secret)).await
            }
            Some(found) => {
                let secret = Secret {
                    data: Some(data),
                    ..found.clone()
                };
                let call = self.api.replace(&self.name.name, &params, &secret);
                ask("update", self.object(), call).await
            }
        };
        match written {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if error.failure == Failure::Conflict => Ok(None),
            // It went between reading and writing.
            Err(error) if error.is_absence() && found.is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn object(&self) -> String {
        format!("the Secret {}", self.name)
    }

    fn new_secret(&self, data: Data) -> Secret {
        let labels = [("app.kubernetes.io/name", MANAGER), (MANAGED_BY, MANAGER)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Secret {
            metadata: ObjectMeta {
                name: Some(self.name.name.clone()),
                namespace: Some(self.name.namespace.clone()),
                labels: Some(labels.into()),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(data),
            ..Secret::default()
        }
    }
}

impl Registrations {
    pub(super) fn new(client: kube::Client, service: ObjectName) -> Self {
        let api = Api::all(client);
        Self { api, service }
    }

    /// The APIServices that lead to our Service, of those that may.
    pub(super) async fn look(&self) -> Result<Vec<Registration>, AskError> {
        let mut ours = Vec::new();
        for name in APISERVICES {
            let found = match ask("get", object(name), self.api.get_opt(name)).await {
                // The rights are older than this program, which gained a group since: the metrics
                // API must not suffer.
                Err(error) if name == OWN_GROUP && error.is_refusal() => continue,
                found => found?,
            };
            ours.extend(found.and_then(|found| Registration::read(&found, &self.service)));
        }
        Ok(ours)
    }

    /// Makes one right; `false` when it has changed since it was seen and is to be looked at again.
    pub(super) async fn correct(
        &self,
        seen: &Registration,
        wanted: &Wanted,
    ) -> Result<bool, AskError> {
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(seen.patch(wanted));
        let call = self.api.patch(&seen.name, &params, &patch);
        match ask("patch", object(&seen.name), call).await {
            Ok(_) => Ok(true),
            Err(error) if error.failure == Failure::Conflict || error.is_absence() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Owner {
    /// Whose Secret it is: ours when it has our label, and cert-manager does not write it.
    pub(super) fn of(secret: &Secret) -> Self {
        let labels = secret.metadata.labels.as_ref();
        let label = labels.and_then(|labels| labels.get(MANAGED_BY));
        let annotations = secret.metadata.annotations.as_ref();
        let taken = annotations.is_some_and(|annotations| annotations.contains_key(CERT_MANAGER));
        if label.is_some_and(|label| label == MANAGER) && !taken {
            Self::Us
        } else {
            Self::SomebodyElse
        }
    }
}

fn object(apiservice: &str) -> String {
    format!("the APIService {apiservice}")
}

async fn ask<T>(
    verb: &'static str,
    object: String,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, AskError> {
    let failure = match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => Failure::of(&error),
        Err(_) => Failure::Unreachable(format!("no answer within {} s", CALL_LIMIT.as_secs())),
    };
    Err(AskError {
        verb,
        object,
        failure,
    })
}

impl AskError {
    const fn is_absence(&self) -> bool {
        matches!(self.failure, Failure::Absent(_))
    }

    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self.failure, Failure::Forbidden(_))
    }

    /// Tells whether `other` is the same trouble, whatever words it came in.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let kind = |error: &Self| std::mem::discriminant(&error.failure);
        (self.verb, &self.object, kind(self)) == (other.verb, &other.object, kind(other))
    }
}

impl Failure {
    fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            let reason = if matches!(error, kube::Error::SerdeError(_)) {
                // What could not be read may be a part of the Secret.
                "the answer is garbled".to_owned()
            } else {
                describe(error)
            };
            return Self::Unreachable(reason);
        };
        let message: String = status.message.chars().take(LONGEST_MESSAGE).collect();
        match status.code {
            FORBIDDEN => Self::Forbidden(message),
            CONFLICT => Self::Conflict,
            NOT_FOUND => Self::Absent(message),
            code => Self::Refused(code, message),
        }
    }
}
