//! The requests that read and write APIServices, each with its deadline.

use std::time::Duration;

use http::{Request, header::CONTENT_TYPE};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use serde_json::Value;
use tokio::time::timeout;

use super::registration::{Ours, V1};
use super::{TakeOver, Trouble};
use crate::cluster::describe;

const CALL_LIMIT: Duration = Duration::from_secs(15);
const MANAGER: &str = "loadline-take-over";

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is done.
    Done,
    /// The object has changed since it was read.
    Changed,
}

impl TakeOver {
    pub(super) async fn read(&self, name: &str) -> Result<Option<APIService>, Trouble> {
        let what = || format!("read the APIService {name}");
        let answer = timeout(CALL_LIMIT, self.registrations().get_opt(name)).await;
        answer
            .map_err(|_| Trouble::silence(what()))?
            .map_err(|error| Trouble::refused(what(), &error))
    }

    /// Applies a JSON patch that tests what it changes.
    pub(super) async fn patch(&self, name: &str, patch: &Value) -> Result<Written, Trouble> {
        let what = || format!("patch the APIService {name}");
        let path =
            format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}?fieldManager={MANAGER}");
        let request = Request::patch(path)
            .header(CONTENT_TYPE, "application/json-patch+json")
            .body(patch.to_string().into_bytes());
        let request = request.map_err(|error| Trouble::Refused {
            what: what(),
            reason: error.to_string(),
        })?;
        match timeout(CALL_LIMIT, self.client.request_text(request)).await {
            Ok(Ok(_)) => Ok(Written::Done),
            // 422 is a test that failed.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 409 | 422) => {
                Ok(Written::Changed)
            }
            Ok(Err(error)) => Err(Trouble::refused(what(), &error)),
            Err(_) => Err(Trouble::silence(what())),
        }
    }

    pub(super) async fn create(&self, object: &APIService) -> Result<(), Trouble> {
        let what = || format!("create the APIService {V1}");
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let answer = timeout(CALL_LIMIT, self.registrations().create(&params, object)).await;
        match answer.map_err(|_| Trouble::silence(what()))? {
            Ok(_) => Ok(()),
            // Somebody was faster; whether it works is asked next.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(Trouble::refused(what(), &error)),
        }
    }

    /// Deletes the newer version if it is there and leads to Loadline.
    pub(super) async fn delete_v1(&self, ours: &Ours) -> Result<Option<APIService>, Trouble> {
        let what = || format!("delete the APIService {V1}");
        let found = self.read(V1).await?;
        let Some(found) = found.filter(|found| ours.leads(found)) else {
            return Ok(None);
        };
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: found.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let answer = timeout(CALL_LIMIT, self.registrations().delete(V1, &params)).await;
        match answer.map_err(|_| Trouble::silence(what()))? {
            Ok(_) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(Trouble::refused(what(), &error)),
        }
    }

    fn registrations(&self) -> Api<APIService> {
        Api::all(self.client.clone())
    }
}

impl Trouble {
    pub(super) fn refused(what: String, error: &kube::Error) -> Self {
        Self::Refused {
            what,
            reason: describe(error),
        }
    }

    pub(super) fn silence(what: String) -> Self {
        Self::Refused {
            what,
            reason: format!("no answer within {} s", CALL_LIMIT.as_secs()),
        }
    }
}
