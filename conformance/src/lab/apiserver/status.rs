//! Status objects, as the API server answers errors.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::lab::serve::{Body, answer};
use crate::lab::{Identity, Question};

fn status(code: StatusCode, reason: &str, message: &str) -> Response<Body> {
    answer(
        code,
        "application/json",
        object(code, reason, message).to_string(),
    )
}

/// A Status object by itself, as watches carry it.
pub(super) fn object(code: StatusCode, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code.as_u16(),
    })
}

pub(super) fn unauthorized() -> Response<Body> {
    status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
}

pub(super) fn forbidden(identity: &Identity, question: &Question<'_>) -> Response<Body> {
    let user = &identity.username;
    let Question {
        verb,
        group,
        resource,
        path,
        ..
    } = question;
    let message = if resource.is_empty() {
        format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"")
    } else {
        let dot = if group.is_empty() { "" } else { "." };
        format!(
            "{resource}{dot}{group} is forbidden: User \"{user}\" cannot {verb} resource \
             \"{resource}\" in API group \"{group}\" at the cluster scope"
        )
    };
    status(StatusCode::FORBIDDEN, "Forbidden", &message)
}

pub(super) fn not_found() -> Response<Body> {
    let message = "the server could not find the requested resource";
    status(StatusCode::NOT_FOUND, "NotFound", message)
}

pub(super) fn no_such_object(resource: &str, name: &str) -> Response<Body> {
    let message = format!("{resource} \"{name}\" not found");
    status(StatusCode::NOT_FOUND, "NotFound", &message)
}

pub(super) fn conflict(message: &str) -> Response<Body> {
    status(StatusCode::CONFLICT, "Conflict", message)
}

pub(super) fn bad_request(message: &str) -> Response<Body> {
    status(StatusCode::BAD_REQUEST, "BadRequest", message)
}

pub(super) fn method_not_allowed() -> Response<Body> {
    let message = "the server does not allow this method on the requested resource";
    status(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}

pub(super) fn unavailable(why: &str) -> Response<Body> {
    let message = format!("error trying to reach service: {why}");
    answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", message)
}

pub(super) fn faulty(code: StatusCode) -> Response<Body> {
    status(code, "InternalError", "a fault of the lab")
}
