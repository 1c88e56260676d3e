//! Whole documents: one of OpenAPI 2 for everything, one of OpenAPI 3 for each group and version.

use serde_json::{Map, Value, json};

use super::definitions::{Dialect, Scope, group_types, shared_types};
use super::paths::{group_paths, version_paths};

/// The document of OpenAPI 2.
pub(super) fn v2(groups: &[Group], release: &str) -> Value {
    let mut paths = Map::new();
    let mut definitions = Map::new();
    for group in groups {
        for version in group.versions {
            let package = package(group.name, version);
            let scope = scope(Dialect::V2, &package, group, version);
            paths.extend(group_paths(scope));
            paths.extend(version_paths(scope, group.resources));
            definitions.extend(schemas(scope));
        }
    }
    json!({
        "swagger": "2.0",
        "info": info(release),
        "paths": paths,
        "definitions": definitions,
    })
}

/// The documents of OpenAPI 3, each under its place behind `/openapi/v3/`.
pub(super) fn v3(groups: &[Group], release: &str) -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    for group in groups {
        let bare = scope(Dialect::V3, "", group, "");
        let shared = shared_types()
            .map(|ty| (ty.name.to_owned(), bare.schema(ty)))
            .collect();
        documents.push((
            format!("apis/{}", group.name),
            v3_document(release, group_paths(bare), shared),
        ));
        for version in group.versions {
            let package = package(group.name, version);
            let scope = scope(Dialect::V3, &package, group, version);
            documents.push((
                format!("apis/{}/{version}", group.name),
                v3_document(release, version_paths(scope, group.resources), schemas(scope)),
            ));
        }
    }
    documents
}

fn v3_document(release: &str, paths: Map<String, Value>, schemas: Map<String, Value>) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": info(release),
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn info(release: &str) -> Value {
    json!({ "title": "Loadline", "version": release })
}

fn schemas(scope: Scope<'_>) -> Map<String, Value> {
    let shared = shared_types().map(|ty| (ty.name.to_owned(), scope.schema(ty)));
    let own = group_types()
        .iter()
        .map(|ty| (scope.name(ty.name), scope.schema(ty)));
    shared.chain(own).collect()
}

fn scope<'a>(dialect: Dialect, package: &'a str, group: &'a Group, version: &'a str) -> Scope<'a> {
    Scope {
        dialect,
        package,
        group: group.name,
        version,
    }
}

/// What the full names of a version's types begin with, by Kubernetes' rule for the Go package they come from:
/// `k8s.io/metrics/pkg/apis/metrics/v1`.
fn package(group: &str, version: &str) -> String {
    let short = group.split('.').next().unwrap_or_default();
    format!("io.k8s.{short}.pkg.apis.{short}.{version}")
}
