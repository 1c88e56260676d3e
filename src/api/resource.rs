//! What a group of resources offers: the one description that discovery, OpenAPI, list options and
//! Table read.

/// An API group we serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name (`metrics.k8s.io`).
    pub name: &'static str,
    /// The versions, the preferred one first. All of them serve the same resources in the same
    /// shape.
    pub versions: &'static [&'static str],
    /// The resources, sorted by name.
    pub resources: &'static [Resource],
}

/// A resource of a [`Group`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The plural name in the URL (`pods`).
    pub name: &'static str,
    /// The name of one; empty for none, where a `pod` of ours would shadow the core type in clients.
    pub singular: &'static str,
    /// Other names clients take for it; none where they would shadow a core type.
    pub short_names: &'static [&'static str],
    /// The words under which clients ask for all resources of a kind at once.
    pub categories: &'static [&'static str],
    /// Whether objects can be had in protobuf.
    pub protobuf: bool,
    /// The kind of one object (`PodMetrics`).
    pub kind: &'static str,
    /// The kind of a list of them (`PodMetricsList`).
    pub list_kind: &'static str,
    /// Whether the objects live in namespaces.
    pub scope: Scope,
    /// What can be done with them, as discovery tells it.
    pub verbs: &'static [&'static str],
    /// The fields a field selector may name.
    pub field_selectors: &'static [&'static str],
}

/// Where the objects of a resource live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the cluster as a whole.
    Cluster,
    /// In a namespace each.
    Namespaced,
}

impl Group {
    /// The resource of this plural name.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&'static Resource> {
        self.resources.iter().find(|one| one.name == name)
    }

    /// The version a path lies below and the rest of the path, without the slash between; `None`
    /// when the path is not below a version of this group, or is the version's own.
    #[must_use]
    pub fn split_path<'p>(&self, path: &'p str) -> Option<(&'static str, &'p str)> {
        let path = path.strip_prefix("/apis/")?.strip_prefix(self.name)?;
        let (version, path) = path.strip_prefix('/')?.split_once('/')?;
        let version = self.versions.iter().find(|one| **one == version)?;
        (!path.is_empty()).then_some((*version, path))
    }

    /// The `apiVersion` of objects in this version (`metrics.k8s.io/v1`).
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        format!("{}/{version}", self.name)
    }
}

impl Resource {
    /// Whether the objects live in namespaces.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}
