//! The discovery objects of `meta/v1`, as old as Kubernetes' groups.

use serde::Serialize;

use crate::api::{Group, Resource};
use crate::apimachinery::{Object, json, protobuf};

/// `APIGroupList`: all groups.
#[derive(Debug)]
pub(super) struct ApiGroupList<'a> {
    groups: &'a [Group],
}

/// `APIGroup`: the versions of one group.
#[derive(Debug)]
pub(super) struct ApiGroup<'a> {
    group: &'a Group,
}

/// `APIResourceList`: the resources of one version.
#[derive(Debug)]
pub(super) struct ApiResourceList<'a> {
    group_version: String,
    group: &'a Group,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: &'static str,
    versions: Vec<VersionJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_version: Option<VersionJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionJson {
    group_version: String,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupListJson {
    kind: &'static str,
    api_version: &'static str,
    groups: Vec<GroupJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceListJson<'a> {
    kind: &'static str,
    api_version: &'static str,
    group_version: &'a str,
    resources: Vec<ResourceJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceJson {
    name: &'static str,
    singular_name: &'static str,
    namespaced: bool,
    kind: &'static str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [&'static str],
}

impl<'a> ApiGroupList<'a> {
    pub(super) const fn new(groups: &'a [Group]) -> Self {
        Self { groups }
    }
}

impl<'a> ApiGroup<'a> {
    pub(super) const fn new(group: &'a Group) -> Self {
        Self { group }
    }
}

impl<'a> ApiResourceList<'a> {
    pub(super) fn new(group: &'a Group, version: &str) -> Self {
        Self {
            group_version: group.api_version(version),
            group,
        }
    }
}

impl GroupJson {
    /// The group as an item of a list, which names no kind of its own.
    fn new(group: &Group) -> Self {
        let versions = || {
            group.versions.iter().map(|version| VersionJson {
                group_version: group.api_version(version),
                version,
            })
        };
        Self {
            kind: None,
            api_version: None,
            name: group.name,
            versions: versions().collect(),
            preferred_version: versions().next(),
        }
    }
}

impl Object for ApiGroupList<'_> {
    fn api_version(&self) -> &str {
        "v1"
    }

    fn kind(&self) -> &'static str {
        "APIGroupList"
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let list = GroupListJson {
            kind: self.kind(),
            api_version: "v1",
            groups: self.groups.iter().map(GroupJson::new).collect(),
        };
        json::write(out, &list);
    }

    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        for group in self.groups.iter().rev() {
            out.message(1, |out| write_group(out, group));
        }
    }
}

impl Object for ApiGroup<'_> {
    fn api_version(&self) -> &str {
        "v1"
    }

    fn kind(&self) -> &'static str {
        "APIGroup"
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let group = GroupJson {
            kind: Some(self.kind()),
            api_version: Some("v1"),
            ..GroupJson::new(self.group)
        };
        json::write(out, &group);
    }

    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        write_group(out, self.group);
    }
}

impl Object for ApiResourceList<'_> {
    fn api_version(&self) -> &str {
        "v1"
    }

    fn kind(&self) -> &'static str {
        "APIResourceList"
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let resources = self.group.resources.iter().map(|resource| ResourceJson {
            name: resource.name,
            singular_name: resource.singular,
            namespaced: resource.is_namespaced(),
            kind: resource.kind,
            verbs: resource.verbs,
            short_names: resource.short_names,
            categories: resource.categories,
        });
        let list = ResourceListJson {
            kind: self.kind(),
            api_version: "v1",
            group_version: &self.group_version,
            resources: resources.collect(),
        };
        json::write(out, &list);
    }

    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        for resource in self.group.resources.iter().rev() {
            out.message(2, |out| write_resource(out, resource));
        }
        out.bytes(1, self.group_version.as_bytes());
    }
}

fn write_group(out: &mut protobuf::Writer, group: &Group) {
    if let Some(preferred) = group.versions.first() {
        out.message(3, |out| write_version(out, group, preferred));
    }
    for version in group.versions.iter().rev() {
        out.message(2, |out| write_version(out, group, version));
    }
    out.bytes(1, group.name.as_bytes());
}

fn write_version(out: &mut protobuf::Writer, group: &Group, version: &str) {
    out.bytes(2, version.as_bytes());
    out.bytes(1, group.api_version(version).as_bytes());
}

fn write_resource(out: &mut protobuf::Writer, resource: &Resource) {
    // storageVersionHash, version, group
    for empty in [10, 9, 8] {
        out.bytes(empty, b"");
    }
    for category in resource.categories.iter().rev() {
        out.bytes(7, category.as_bytes());
    }
    out.bytes(6, resource.singular.as_bytes());
    for name in resource.short_names.iter().rev() {
        out.bytes(5, name.as_bytes());
    }
    out.message(4, |out| {
        for verb in resource.verbs.iter().rev() {
            out.bytes(1, verb.as_bytes());
        }
    });
    out.bytes(3, resource.kind.as_bytes());
    out.varint(2, u64::from(resource.is_namespaced()));
    out.bytes(1, resource.name.as_bytes());
}
