//! The aggregated form: everything of `apidiscovery.k8s.io` in one document.

use http::HeaderValue;
use serde::Serialize;

use crate::api::{Group, Resource};
use crate::apimachinery::{MediaType, Object, json, protobuf};

/// The kind of the document.
pub(super) const KIND: &str = "APIGroupDiscoveryList";
/// The group of the document.
pub(super) const GROUP: &str = "apidiscovery.k8s.io";

/// A version of the document; both have the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// `v2`, since Kubernetes 1.30.
    V2,
    /// `v2beta1`, the only one aggregators of Kubernetes 1.26 to 1.29 ask for.
    V2beta1,
}

/// All groups with all their versions and resources.
#[derive(Debug)]
pub(super) struct ApiGroupDiscoveryList {
    release: Release,
    groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListJson {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    items: Vec<ItemJson>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct ItemJson {
    metadata: NameJson,
    versions: Vec<VersionJson>,
}

#[derive(Serialize)]
struct NameJson {
    name: &'static str,
}

#[derive(Serialize)]
struct VersionJson {
    version: &'static str,
    resources: Vec<ResourceJson>,
    freshness: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceJson {
    resource: &'static str,
    response_kind: KindJson,
    scope: &'static str,
    singular_resource: &'static str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [&'static str],
}

/// Never null, or old clients panic. Group and version are empty where they are those of the
/// resource, as in Kubernetes.
#[derive(Serialize)]
struct KindJson {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
}

/// The document is newer than anything it replaces.
const FRESHNESS: &str = "Current";

impl Release {
    /// The version of this name.
    pub(super) fn of(version: &str) -> Option<Self> {
        match version {
            "v2" => Some(Self::V2),
            "v2beta1" => Some(Self::V2beta1),
            _ => None,
        }
    }

    const fn api_version(self) -> &'static str {
        match self {
            Self::V2 => "apidiscovery.k8s.io/v2",
            Self::V2beta1 => "apidiscovery.k8s.io/v2beta1",
        }
    }

    /// The media type with the conversion behind it, in the one order kube-apiserver compares with.
    pub(super) fn content_type(self, media_type: MediaType) -> HeaderValue {
        let version = match self {
            Self::V2 => "v2",
            Self::V2beta1 => "v2beta1",
        };
        HeaderValue::try_from(format!(
            "{};g={GROUP};v={version};as={KIND}",
            media_type.as_str()
        ))
        // All parts are letters, digits and dots.
        .unwrap_or_else(|_| HeaderValue::from_static(media_type.as_str()))
    }
}

impl ApiGroupDiscoveryList {
    pub(super) fn new(release: Release, groups: &[Group]) -> Self {
        Self {
            release,
            groups: groups.to_vec(),
        }
    }
}

impl Object for ApiGroupDiscoveryList {
    fn api_version(&self) -> &str {
        self.release.api_version()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let items = self.groups.iter().map(|group| ItemJson {
            metadata: NameJson { name: group.name },
            versions: group
                .versions
                .iter()
                .map(|version| VersionJson {
                    version,
                    resources: group.resources.iter().map(ResourceJson::new).collect(),
                    freshness: FRESHNESS,
                })
                .collect(),
        });
        let list = ListJson {
            kind: KIND,
            api_version: self.release.api_version(),
            metadata: Empty {},
            items: items.collect(),
        };
        json::write(out, &list);
    }

    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        for group in self.groups.iter().rev() {
            out.message(2, |out| {
                for version in group.versions.iter().rev() {
                    out.message(2, |out| write_version(out, group, version));
                }
                out.message(1, |out| out.bytes(1, group.name.as_bytes()));
            });
        }
        out.message(1, protobuf::Writer::list_meta);
    }
}

impl ResourceJson {
    fn new(resource: &Resource) -> Self {
        Self {
            resource: resource.name,
            response_kind: KindJson {
                group: "",
                version: "",
                kind: resource.kind,
            },
            scope: scope(resource),
            singular_resource: resource.singular,
            verbs: resource.verbs,
            short_names: resource.short_names,
            categories: resource.categories,
        }
    }
}

fn write_version(out: &mut protobuf::Writer, group: &Group, version: &str) {
    out.bytes(3, FRESHNESS.as_bytes());
    for resource in group.resources.iter().rev() {
        out.message(2, |out| write_resource(out, resource));
    }
    out.bytes(1, version.as_bytes());
}

fn write_resource(out: &mut protobuf::Writer, resource: &Resource) {
    for (field, names) in [
        (7, resource.categories),
        (6, resource.short_names),
        (5, resource.verbs),
    ] {
        for name in names.iter().rev() {
            out.bytes(field, name.as_bytes());
        }
    }
    out.bytes(4, resource.singular.as_bytes());
    out.bytes(3, scope(resource).as_bytes());
    out.message(2, |out| {
        out.bytes(3, resource.kind.as_bytes());
        out.bytes(2, b"");
        out.bytes(1, b"");
    });
    out.bytes(1, resource.name.as_bytes());
}

fn scope(resource: &Resource) -> &'static str {
    if resource.is_namespaced() {
        "Namespaced"
    } else {
        "Cluster"
    }
}
