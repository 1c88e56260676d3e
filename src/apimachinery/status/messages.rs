//! The errors Kubernetes knows, each with its exact text and details.

use std::fmt;

use super::{Status, StatusCause, StatusDetails, StatusReason};
use crate::apimachinery::negotiate::NotAcceptable;
use crate::apimachinery::plain::entities;
use crate::apimachinery::quote::Quoted;
use crate::apimachinery::request_info::RequestInfo;

/// A resource and its group (`nodes.metrics.k8s.io`; without a group just `pods`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupResource<'a> {
    /// The API group, empty for the core group.
    pub group: &'a str,
    /// The resource or kind.
    pub resource: &'a str,
}

/// What a 403 says of the request that was denied.
#[derive(Clone, Copy, Debug)]
pub struct ForbiddenRequest<'a> {
    /// The name of the user who asked.
    pub user: &'a str,
    /// What was asked.
    pub request: &'a RequestInfo,
    /// Why the authorizer said no; may be empty.
    pub reason: &'a str,
}

impl fmt::Display for GroupResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

impl GroupResource<'_> {
    fn details(self, name: &str) -> StatusDetails {
        StatusDetails {
            name: name.to_owned(),
            group: self.group.to_owned(),
            kind: self.resource.to_owned(),
            ..StatusDetails::default()
        }
    }
}

impl Status {
    fn new(
        reason: StatusReason,
        message: impl Into<String>,
        details: Option<StatusDetails>,
    ) -> Self {
        Self {
            code: reason.code(),
            reason,
            message: message.into(),
            details: details.map(Box::new),
        }
    }

    /// 401: nobody vouched for the request.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusReason::Unauthorized, "Unauthorized", None)
    }

    /// 403: the authorizer did not allow the request.
    #[must_use]
    pub fn forbidden(denied: ForbiddenRequest<'_>) -> Self {
        let verb = &denied.request.verb;
        let user = Quoted(denied.user);
        let (what, subject, details) = match &denied.request.resource {
            None => {
                let path = Quoted(&denied.request.path);
                let what = format!("User {user} cannot {verb} path {path}");
                (what, "forbidden".to_owned(), StatusDetails::default())
            }
            Some(info) => {
                let (group, resource) = (info.group.as_str(), info.resource.as_str());
                let asked = if info.subresource.is_empty() {
                    resource.to_owned()
                } else {
                    format!("{resource}/{}", info.subresource)
                };
                let scope = if info.namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace {}", Quoted(&info.namespace))
                };
                let what = format!(
                    "User {user} cannot {verb} resource {} in API group {} {scope}",
                    Quoted(&asked),
                    Quoted(group)
                );
                let resource = GroupResource { group, resource };
                let subject = match info.name.as_str() {
                    "" => format!("{resource} is forbidden"),
                    name => format!("{resource} {} is forbidden", Quoted(name)),
                };
                (what, subject, resource.details(&info.name))
            }
        };
        let what = entities(&what);
        let message = match denied.reason {
            "" => format!("{subject}: {what}"),
            reason => format!("{subject}: {what}: {reason}"),
        };
        Self::new(StatusReason::Forbidden, message, Some(details))
    }

    /// 403 with a text of our own, for a request we refuse whoever asks.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        let details = Some(StatusDetails::default());
        Self::new(StatusReason::Forbidden, message, details)
    }

    /// 404: there is no such object.
    #[must_use]
    pub fn not_found(resource: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{resource} {} not found", Quoted(name));
        Self::new(
            StatusReason::NotFound,
            message,
            Some(resource.details(name)),
        )
    }

    /// 404: there is no such path within a group version.
    #[must_use]
    pub fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        let details = Some(StatusDetails::default());
        Self::new(StatusReason::NotFound, message, details)
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusReason::BadRequest, message, None)
    }

    /// 400: the `timeout` parameter is no Go duration.
    #[must_use]
    pub fn invalid_timeout(error: impl fmt::Display) -> Self {
        Self::bad_request(format!(
            "invalid timeout specified in the request URL - {error}"
        ))
    }

    /// 405: the path exists, the method does not.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let details = Some(StatusDetails::default());
        Self::new(StatusReason::MethodNotAllowed, message, details)
    }

    /// 405: the resource cannot do this (`watch`).
    #[must_use]
    pub fn method_not_supported(resource: GroupResource<'_>, action: &str) -> Self {
        let kind = resource.to_string();
        let message = format!(
            "{action} is not supported on resources of kind {}",
            Quoted(&kind)
        );
        Self::new(
            StatusReason::MethodNotAllowed,
            message,
            Some(resource.details("")),
        )
    }

    /// 406: nothing we serve is accepted.
    #[must_use]
    pub fn not_acceptable(error: NotAcceptable) -> Self {
        let details = match error {
            NotAcceptable::Route | NotAcceptable::JsonRoute => Some(StatusDetails::default()),
            NotAcceptable::Parameters
            | NotAcceptable::WithoutProtobuf
            | NotAcceptable::Stream
            | NotAcceptable::StreamWithoutProtobuf => None,
        };
        Self::new(StatusReason::NotAcceptable, error.to_string(), details)
    }

    /// 406: the form that was asked for does not fit the object.
    #[must_use]
    pub fn wrong_form(message: impl Into<String>) -> Self {
        Self::new(StatusReason::NotAcceptable, message, None)
    }

    /// 410: what changed since that version is not remembered. `oldest` is the oldest that would do.
    #[must_use]
    pub fn expired(version: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {version} ({oldest})");
        Self::new(StatusReason::Expired, message, None)
    }

    /// 422: readable, but against the rules. `causes` must not be empty.
    #[must_use]
    pub fn invalid(kind: GroupResource<'_>, name: &str, causes: Vec<StatusCause>) -> Self {
        let faults: Vec<_> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let faults = match faults.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{kind} {} is invalid: {faults}", Quoted(name));
        let details = StatusDetails {
            causes,
            ..kind.details(name)
        };
        Self::new(StatusReason::Invalid, message, Some(details))
    }

    /// 504: the request took longer than it may.
    #[must_use]
    pub fn timeout() -> Self {
        let message = "Timeout: request did not complete within the allotted timeout";
        let details = Some(StatusDetails::default());
        Self::new(StatusReason::Timeout, message, details)
    }

    /// 429: come back after so many seconds, of which Kubernetes' type holds no more than an `i32`.
    #[must_use]
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let details = StatusDetails {
            retry_after_seconds: retry_after_seconds.min(i32::MAX.cast_unsigned()),
            ..StatusDetails::default()
        };
        Self::new(StatusReason::TooManyRequests, message, Some(details))
    }

    /// 500: our fault.
    #[must_use]
    pub fn internal_error(error: impl fmt::Display) -> Self {
        let cause = StatusCause {
            message: error.to_string(),
            ..StatusCause::default()
        };
        let details = StatusDetails {
            causes: vec![cause],
            ..StatusDetails::default()
        };
        let message = format!("Internal error occurred: {error}");
        Self::new(StatusReason::InternalError, message, Some(details))
    }

    /// 503: not now.
    #[must_use]
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusReason::ServiceUnavailable, message, None)
    }
}
