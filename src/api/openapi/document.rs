//! Whole documents: one of OpenAPI 2 for everything, one of OpenAPI 3 for each group and version.

use serde_json::{Map, Value, json};

use super::definitions::{Dialect, Naming, group_types, shared_types};
use super::paths::{group_paths, version_paths};
use crate::api::Group;

/// The document of OpenAPI 2.
pub(super) fn v2(groups: &[Group], release: &str) -> Value {
    let mut paths = Map::new();
    let mut definitions = Map::new();
    for group in groups {
        for version in group.versions {
            let package = package(group.name, version);
            let naming = naming(Dialect::V2, &package, group, version);
            paths.extend(group_paths(naming));
            paths.extend(version_paths(naming, group.resources));
            definitions.extend(schemas(naming));
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
        let bare = naming(Dialect::V3, "", group, "");
        let shared = shared_types()
            .map(|ty| (ty.name.to_owned(), bare.schema(ty)))
            .collect();
        documents.push((
            format!("apis/{}", group.name),
            v3_document(release, group_paths(bare), shared),
        ));
        for version in group.versions {
            let package = package(group.name, version);
            let naming = naming(Dialect::V3, &package, group, version);
            documents.push((
                format!("apis/{}/{version}", group.name),
                v3_document(
                    release,
                    version_paths(naming, group.resources),
                    schemas(naming),
                ),
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

fn schemas(naming: Naming<'_>) -> Map<String, Value> {
    let shared = shared_types().map(|ty| (ty.name.to_owned(), naming.schema(ty)));
    let own = group_types(naming.group)
        .iter()
        .map(|ty| (naming.name(ty.name), naming.schema(ty)));
    shared.chain(own).collect()
}

fn naming<'a>(
    dialect: Dialect,
    package: &'a str,
    group: &'a Group,
    version: &'a str,
) -> Naming<'a> {
    Naming {
        dialect,
        package,
        group: group.name,
        version,
    }
}

/// What the full names of a version's types begin with: for a group of Kubernetes' own by its rule
/// for the Go package they come from (`k8s.io/metrics/pkg/apis/metrics/v1`), for any other the
/// group's name read backwards, as for custom resources.
fn package(group: &str, version: &str) -> String {
    if group.ends_with(".k8s.io") {
        let short = group.split('.').next().unwrap_or_default();
        return format!("io.k8s.{short}.pkg.apis.{short}.{version}");
    }
    let backwards: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}", backwards.join("."))
}
