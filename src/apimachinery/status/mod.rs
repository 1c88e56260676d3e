//! `metav1.Status`: how every error is answered.

mod messages;
#[cfg(test)]
mod tests;
mod wire;

use serde::Serialize;

pub use messages::{ForbiddenRequest, GroupResource};

/// An error as Kubernetes answers it. Built by the constructors, each of which gives the exact text
/// of the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: u16,
    reason: StatusReason,
    message: String,
    details: Option<Box<StatusDetails>>,
}

/// Why a request failed, which is what clients branch on (`metav1.StatusReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum StatusReason {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 400.
    BadRequest,
    /// 405.
    MethodNotAllowed,
    /// 406.
    NotAcceptable,
    /// 410.
    Expired,
    /// 422.
    Invalid,
    /// 504.
    Timeout,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    ServiceUnavailable,
}

/// What a [`Status`] is about. Empty parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusDetails {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource, or the kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What exactly is wrong, field by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<StatusCause>,
    /// Seconds after which it makes sense to try again; 0 when nothing is known.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

/// One thing that is wrong. Empty parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatusCause {
    /// The kind of fault (`FieldValueForbidden`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The fault in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Status {
    /// The HTTP status code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// Why the request failed.
    #[must_use]
    pub const fn reason(&self) -> StatusReason {
        self.reason
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What it is about; `None` where the original sends no details, which is not the same as empty
    /// ones.
    #[must_use]
    pub fn details(&self) -> Option<&StatusDetails> {
        self.details.as_deref()
    }
}

impl StatusReason {
    /// The reason as clients know it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::BadRequest => "BadRequest",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::Expired => "Expired",
            Self::Invalid => "Invalid",
            Self::Timeout => "Timeout",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::Expired => 410,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
        }
    }
}

const fn is_zero(n: &u32) -> bool {
    *n == 0
}
