//! `/version`, in the shape of `k8s.io/apimachinery/pkg/version.Info`.

use serde::Serialize;

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

/// The version as JSON, indented by two spaces, without a newline at its end.
pub(super) fn json() -> String {
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
