//! Users who ask in the name of others: the `Impersonate-*` headers.
//!
//! kube-apiserver takes these headers away before it proxies, so they reach us on direct calls
//! only. Acting for another needs the verb `impersonate` on each part of the identity, as in
//! `k8s.io/apiserver`.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::HeaderName;

use super::access::{Authorization, Decision};
use super::request_header::text;
use super::user::{ALL_UNAUTHENTICATED, User};
use super::verdicts::ReviewError;
use crate::apimachinery::{RequestInfo, ResourceInfo, decode_path_lossily};

/// Why a request may not be done in another's name.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImpersonationError {
    /// Groups, a UID or extras, but no user: 400.
    #[error("requested {0} without impersonating a user")]
    WithoutUser(&'static str),
    /// More headers than we are ready to ask about: 400.
    #[error("the impersonation headers cannot be read")]
    TooMany,
    /// The API server says no: 403 for this question.
    #[error("impersonation is not allowed")]
    Forbidden {
        /// What was asked, with the verb `impersonate`.
        request: Box<RequestInfo>,
        /// Why not.
        reason: String,
    },
    /// The API server could not say: 500.
    #[error(transparent)]
    Review(ReviewError),
}

/// The most groups and extra values one request may claim: each is a question to the API server.
const MAX_CLAIMS: usize = 64;
const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

/// What the headers claim.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claim {
    user: String,
    uid: String,
    groups: Vec<String>,
    /// Keys and values in the order of the headers.
    extra: Vec<(String, String)>,
}

impl Authorization {
    /// Whom `user` acts for: the one the `Impersonate-*` headers name, or `user` itself when there
    /// are none. The headers are taken out.
    ///
    /// # Errors
    /// [`ImpersonationError`]; a claim is never passed over.
    pub async fn impersonate(
        &self,
        user: User,
        headers: &mut HeaderMap,
    ) -> Result<User, ImpersonationError> {
        let Some(claim) = Claim::from_headers(headers)? else {
            return Ok(user);
        };
        for request in claim.requests() {
            match self.decide(&user, &request).await {
                Ok(Decision::Allow) => {}
                Ok(Decision::Deny { reason }) => {
                    let request = Box::new(request);
                    return Err(ImpersonationError::Forbidden { request, reason });
                }
                Err(error) => return Err(ImpersonationError::Review(error)),
            }
        }
        Claim::strip(headers);
        Ok(claim.into_user())
    }
}

impl Claim {
    fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, ImpersonationError> {
        let one = |name| headers.get(name).map_or_else(String::new, text);
        let mut claim = Self {
            user: one(USER),
            uid: one(UID),
            groups: headers.get_all(GROUP).iter().map(text).collect(),
            extra: Vec::new(),
        };
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix(EXTRA) {
                let key = decode_path_lossily(key)
                    .unwrap_or(Cow::Borrowed(key))
                    .into_owned();
                claim.extra.push((key, text(value)));
            }
        }
        claim.check()
    }

    fn check(self) -> Result<Option<Self>, ImpersonationError> {
        if self.groups.len() + self.extra.len() > MAX_CLAIMS {
            return Err(ImpersonationError::TooMany);
        }
        if !self.user.is_empty() {
            return Ok(Some(self));
        }
        let without = |what| Err(ImpersonationError::WithoutUser(what));
        if !self.groups.is_empty() {
            return without("groups");
        }
        if !self.extra.is_empty() {
            return without("extra attributes");
        }
        if !self.uid.is_empty() {
            return without("a UID");
        }
        Ok(None)
    }

    /// What must be allowed, part by part.
    fn requests(&self) -> Vec<RequestInfo> {
        let core = |resource, name: &str| part("", resource, name);
        let other = |resource, name: &str| part("authentication.k8s.io", resource, name);
        let user = match self.service_account() {
            Some((namespace, name)) => ResourceInfo {
                namespace: namespace.to_owned(),
                ..core("serviceaccounts", name)
            },
            None => core("users", &self.user),
        };
        let mut parts = vec![user];
        parts.extend(self.groups.iter().map(|group| core("groups", group)));
        parts.extend(self.extra.iter().map(|(key, value)| ResourceInfo {
            subresource: key.clone(),
            ..other("userextras", value)
        }));
        if !self.uid.is_empty() {
            parts.push(other("uids", &self.uid));
        }
        let request = |resource| RequestInfo {
            path: String::new(),
            verb: "impersonate".to_owned(),
            resource: Some(resource),
        };
        parts.into_iter().map(request).collect()
    }

    /// The namespace and name behind `system:serviceaccount:NAMESPACE:NAME`.
    fn service_account(&self) -> Option<(&str, &str)> {
        let rest = self.user.strip_prefix("system:serviceaccount:")?;
        let (namespace, name) = rest.split_once(':')?;
        let whole = !namespace.is_empty() && !name.is_empty() && !name.contains(':');
        whole.then_some((namespace, name))
    }

    fn into_user(self) -> User {
        let account = self.service_account().filter(|_| self.groups.is_empty());
        let mut groups = account.map_or_else(
            || self.groups.clone(),
            |(namespace, _)| {
                vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                ]
            },
        );
        let mut user = User {
            name: self.user,
            uid: self.uid,
            ..User::default()
        };
        if user.is_anonymous() && !groups.iter().any(|g| g == ALL_UNAUTHENTICATED) {
            groups.push(ALL_UNAUTHENTICATED.to_owned());
        }
        user.groups = groups;
        for (key, value) in self.extra {
            user.extra.entry(key).or_default().push(value);
        }
        user.with_authenticated_group()
    }

    fn strip(headers: &mut HeaderMap) {
        let names: Vec<HeaderName> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("impersonate-"))
            .cloned()
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
}

fn part(group: &str, resource: &str, name: &str) -> ResourceInfo {
    ResourceInfo {
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        ..ResourceInfo::default()
    }
}
