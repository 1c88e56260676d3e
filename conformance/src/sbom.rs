//! What Loadline is made of, as a CycloneDX 1.5 document. The same `Cargo.lock` gives the same bytes: there is no time and
//! no random number in it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The package the document is about.
const ROOT: &str = "loadline";

/// Makes the document of what `cargo metadata` and `Cargo.lock` say: the packages that are linked into the program, with
/// their licenses and the digests of their sources, and which needs which.
///
/// # Errors
/// When one of them is not what cargo writes, or a package from a registry has no digest.
pub fn document(metadata: &Value, lock: &str) -> Result<Value> {
    let digests = digests(lock);
    let packages = by_id(&metadata["packages"])?;
    let nodes = by_id(&metadata["resolve"]["nodes"])?;
    let root = packages
        .iter()
        .find(|(_, package)| package["name"] == ROOT && package["source"].is_null())
        .map(|(id, _)| *id)
        .context("no package loadline")?;
    let mut linked = BTreeSet::new();
    let mut next = vec![root];
    while let Some(id) = next.pop() {
        if linked.insert(id) {
            next.extend(needs(nodes.get(id).context("a package without a node")?));
        }
    }
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in &linked {
        let package = packages.get(id).context("a node without a package")?;
        let needed = needs(nodes.get(id).context("no node")?);
        let needed: BTreeSet<String> = needed
            .filter_map(|id| Some(reference(packages.get(id)?)))
            .collect();
        dependencies.push(json!({ "ref": reference(package), "dependsOn": needed }));
        if *id != root {
            components.push(component(package, &digests)?);
        }
    }
    let root = packages.get(root).context("no root")?;
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": reference(root),
                "name": root["name"],
                "version": root["version"],
                "purl": reference(root),
                "licenses": [{ "expression": root["license"] }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(package: &Value, digests: &BTreeMap<(&str, &str), &str>) -> Result<Value> {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    let digest = digests.get(&(name, version));
    let digest = digest.with_context(|| format!("{name} {version} has no checksum"))?;
    ensure!(digest.len() == 64, "{name} {version}: {digest}");
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(package),
        "name": name,
        "version": version,
        "purl": reference(package),
        "hashes": [{ "alg": "SHA-256", "content": digest }],
    });
    if let Some(license) = package["license"].as_str() {
        // An older way to write it, which is no SPDX expression.
        let license = license.replace('/', " OR ");
        component["licenses"] = json!([{ "expression": license }]);
    }
    if let Some(repository) = package["repository"].as_str() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    Ok(component)
}

/// The packages that end up in whatever this one is linked into.
fn needs(node: &Value) -> impl Iterator<Item = &str> {
    let needed = node["deps"].as_array().map_or(&[][..], Vec::as_slice);
    needed
        .iter()
        .filter(|needed| {
            let kinds = needed["dep_kinds"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        })
        .map(|needed| text(&needed["pkg"]))
}

fn by_id(list: &Value) -> Result<BTreeMap<&str, &Value>> {
    let list = list.as_array().context("no list of packages")?;
    Ok(list.iter().map(|item| (text(&item["id"]), item)).collect())
}

fn reference(package: &Value) -> String {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The checksums of `Cargo.lock`, by name and version.
fn digests(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let mut digests = BTreeMap::new();
    for block in lock.split("[[package]]").skip(1) {
        let value = |name: &str| {
            let line = block.lines().find(|line| line.starts_with(name))?;
            line.split('"').nth(1)
        };
        if let (Some(name), Some(version), Some(digest)) =
            (value("name = "), value("version = "), value("checksum = "))
        {
            digests.insert((name, version), digest);
        }
    }
    digests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Option<&str>) -> Value {
        json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source })
    }

    fn needing(name: &str, needed: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> = needed
            .iter()
            .map(|(pkg, kind)| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] }))
            .collect();
        json!({ "id": name, "deps": deps })
    }

    #[test]
    fn holds_what_is_linked_with_its_digest_and_nothing_that_only_builds_or_tests() {
        let registry = Some("registry");
        let metadata = json!({
            "packages": [
                package("loadline", None), package("tokio", registry), package("mio", registry),
                package("cc", registry), package("proptest", registry),
            ],
            "resolve": { "nodes": [
                needing("loadline", &[("tokio", None), ("proptest", Some("dev")), ("cc", Some("build"))]),
                needing("tokio", &[("mio", None)]),
                needing("mio", &[]), needing("cc", &[]), needing("proptest", &[]),
            ] },
        });
        let digest = "ab".repeat(32);
        let lock: String = ["tokio", "mio"]
            .map(|name| {
                format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nchecksum = \"{digest}\"\n\n")
            })
            .concat();
        let document = document(&metadata, &lock).expect("a document");
        let names: Vec<&str> = document["components"]
            .as_array()
            .expect("components")
            .iter()
            .map(|component| text(&component["name"]))
            .collect();
        assert_eq!(names, ["mio", "tokio"]);
        let mio = &document["components"][0];
        assert_eq!(mio["hashes"][0]["content"], digest);
        assert_eq!(mio["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(mio["purl"], "pkg:cargo/mio@1.0.0");
        let root = &document["dependencies"][0];
        assert_eq!(root["ref"], "pkg:cargo/loadline@1.0.0");
        assert_eq!(root["dependsOn"], json!(["pkg:cargo/tokio@1.0.0"]));
        assert!(super::document(&metadata, "").is_err(), "no checksums");
    }

    #[test]
    fn this_repository_is_told_with_every_digest_and_license_and_the_same_each_time() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let lock = std::fs::read_to_string(root.join("Cargo.lock")).expect("Cargo.lock");
        let once = || {
            let output = std::process::Command::new(env!("CARGO"))
                .args(["metadata", "--format-version=1", "--locked", "--offline"])
                .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
                .current_dir(&root)
                .output()
                .expect("cargo");
            let metadata = serde_json::from_slice(&output.stdout).expect("metadata");
            document(&metadata, &lock).expect("a document")
        };
        let told = once();
        let components = told["components"].as_array().expect("components");
        assert!(components.iter().any(|one| one["name"] == "rustls"));
        for one in components {
            assert!(one["hashes"][0]["content"].is_string(), "{one}");
            assert!(one["licenses"][0]["expression"].is_string(), "{one}");
        }
        assert_eq!(told.to_string(), once().to_string());
    }
}
