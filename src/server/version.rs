//! `/version`, in the shape of `k8s.io/apimachinery/pkg/version.Info`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use serde::Serialize;

use crate::apimachinery::{NotAcceptable, Status, takes_json};

/// What is told of the program.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    major: &'static str,
    minor: &'static str,
    git_version: &'static str,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    compiler: &'static str,
    platform: String,
}

/// Tells the version to who gets it and takes JSON.
pub(super) fn answer(request: &Parts) -> Response<Bytes> {
    if request.method != Method::GET {
        return Status::method_not_allowed().respond(request);
    }
    if !takes_json(&request.headers) {
        return Status::not_acceptable(NotAcceptable::JsonRoute).respond(request);
    }
    let mut response = Response::new(json().into());
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The version as JSON, indented by two spaces, without a newline at its end.
fn json() -> String {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let info = Info {
        major: env!("CARGO_PKG_VERSION_MAJOR"),
        minor: env!("CARGO_PKG_VERSION_MINOR"),
        git_version: concat!("v", env!("CARGO_PKG_VERSION")),
        git_commit: "",
        git_tree_state: "",
        build_date: "",
        go_version: "",
        compiler: "rustc",
        platform: format!("{}/{platform}", std::env::consts::OS),
    };
    // A struct of texts cannot fail to serialize.
    serde_json::to_string_pretty(&info).unwrap_or_default()
}
