//! TokenReview, SubjectAccessReview and the same about oneself.

use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, status};
use crate::lab::serve::{Body, answer};
use crate::lab::{Identity, Question};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenSpec {
    token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AccessSpec {
    user: String,
    groups: Vec<String>,
    resource_attributes: Option<ResourceAttributes>,
    non_resource_attributes: Option<PathAttributes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResourceAttributes {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PathAttributes {
    path: String,
    verb: String,
}

impl Shared {
    /// Answers a review; `None` when the resource is no review.
    pub(super) fn review(
        &self,
        identity: &Identity,
        resource: &str,
        body: &[u8],
    ) -> Option<Response<Body>> {
        let review: Value = match serde_json::from_slice(body) {
            Ok(review) => review,
            Err(error) => return Some(status::bad_request(&error.to_string())),
        };
        let spec = review.get("spec").cloned().unwrap_or_default();
        let verdict = match resource {
            "tokenreviews" => self.review_token(spec),
            "subjectaccessreviews" => self.review_access(spec),
            "selfsubjectaccessreviews" => self.review_self(identity, spec),
            _ => return None,
        };
        let mut review = review;
        if let Some(fields) = review.as_object_mut() {
            fields.insert("status".to_owned(), verdict);
        }
        let created = StatusCode::CREATED;
        Some(answer(created, "application/json", review.to_string()))
    }

    fn review_token(&self, spec: Value) -> Value {
        let asked: TokenSpec = serde_json::from_value(spec.clone()).unwrap_or_default();
        self.journal.note_token_review(spec);
        match self.access.authenticate(&asked.token) {
            Some(mut user) => {
                // As the real one: `system:authenticated` is added by whoever authenticates.
                user.groups.retain(|g| g != "system:authenticated");
                json!({ "authenticated": true, "user": user })
            }
            None => json!({ "error": "invalid bearer token" }),
        }
    }

    fn review_access(&self, spec: Value) -> Value {
        let asked: AccessSpec = serde_json::from_value(spec.clone()).unwrap_or_default();
        if let Some(verdict) = self.journal.note_access_review(&asked.user, spec) {
            return verdict;
        }
        let identity = Identity {
            username: asked.user.clone(),
            groups: asked.groups.clone(),
            ..Identity::default()
        };
        self.judge(&identity, asked)
    }

    fn review_self(&self, identity: &Identity, spec: Value) -> Value {
        self.judge(identity, serde_json::from_value(spec).unwrap_or_default())
    }

    fn judge(&self, identity: &Identity, asked: AccessSpec) -> Value {
        let resource = asked.resource_attributes.unwrap_or_default();
        let path = asked.non_resource_attributes.unwrap_or_default();
        let full = match resource.subresource.as_str() {
            "" => resource.resource.clone(),
            sub => format!("{}/{sub}", resource.resource),
        };
        let question = Question {
            verb: if full.is_empty() {
                &path.verb
            } else {
                &resource.verb
            },
            group: &resource.group,
            resource: &full,
            name: &resource.name,
            path: &path.path,
        };
        json!({ "allowed": self.access.allows(identity, &question) })
    }
}
