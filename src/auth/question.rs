//! What a request wants to do, as a SubjectAccessReview asks it.

use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReviewSpec,
};

use super::user::User;

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Question(Target);

#[derive(Clone, Debug, PartialEq)]
enum Target {
    Resource(Box<ResourceAttributes>),
    Path(NonResourceAttributes),
}

/// The most bytes of the caller's choosing in a question whose answer is remembered.
const SMALL: usize = 10_000;

impl Question {
    /// May they do this to a resource?
    pub(super) fn resource(attributes: ResourceAttributes) -> Self {
        Self(Target::Resource(Box::new(attributes)))
    }

    /// May they ask for a path that is no resource, with this verb, the method in lower case?
    #[must_use]
    pub fn path_access(path: &str, verb: &str) -> Self {
        Self(Target::Path(NonResourceAttributes {
            path: Some(path.to_owned()),
            verb: Some(verb.to_owned()),
        }))
    }

    /// The path, when the question is about one.
    pub(super) fn path(&self) -> Option<&str> {
        match &self.0 {
            Target::Path(path) => path.path.as_deref(),
            Target::Resource(_) => None,
        }
    }

    /// The question on behalf of `user`.
    pub(super) fn spec(&self, user: &User) -> SubjectAccessReviewSpec {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let (resource, path) = match &self.0 {
            Target::Resource(resource) => (Some((**resource).clone()), None),
            Target::Path(path) => (None, Some(path.clone())),
        };
        SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            uid: some(&user.uid),
            groups: (!user.groups.is_empty()).then(|| user.groups.clone()),
            extra: (!user.extra.is_empty()).then(|| user.extra.clone()),
            resource_attributes: resource,
            non_resource_attributes: path,
        }
    }

    /// Tells whether the caller-chosen part is short enough for the answer to be remembered.
    pub(super) fn is_small(&self) -> bool {
        let json = match &self.0 {
            Target::Resource(resource) => serde_json::to_vec(resource),
            Target::Path(path) => serde_json::to_vec(path),
        };
        json.is_ok_and(|json| json.len() < SMALL)
    }
}
