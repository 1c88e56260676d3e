//! Which object or list of a group a path names.

use super::resource::{Group, Resource, Scope};

/// What a path within a group version names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'p> {
    /// The resource.
    pub(super) resource: &'static Resource,
    /// The namespace, when the path names one.
    pub(super) namespace: Option<&'p str>,
    /// The object, when the path names one; else all of them.
    pub(super) name: Option<&'p str>,
}

impl<'p> Target<'p> {
    /// Reads the path behind `/apis/GROUP/VERSION/`, already percent-decoded. One slash at its end
    /// is tolerated, empty segments elsewhere are not; `None` when there is nothing of that path.
    #[must_use]
    pub(super) fn find(group: &Group, path: &'p str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        if segments.contains(&"") {
            return None;
        }
        let (namespace, resource, name) = match *segments.as_slice() {
            [resource] => (None, resource, None),
            ["namespaces", namespace, resource] => (Some(namespace), resource, None),
            ["namespaces", namespace, resource, name] => (Some(namespace), resource, Some(name)),
            [resource, name] => (None, resource, Some(name)),
            _ => return None,
        };
        let resource = group.resource(resource)?;
        let exists = match resource.scope {
            Scope::Cluster => namespace.is_none(),
            Scope::Namespaced => namespace.is_some() || name.is_none(),
        };
        exists.then_some(Self {
            resource,
            namespace,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::metrics::GROUP;

    fn find(path: &str) -> Option<(&'static str, Option<&str>, Option<&str>)> {
        let target = Target::find(&GROUP, path)?;
        Some((target.resource.name, target.namespace, target.name))
    }

    #[test]
    fn the_five_routes_are_found_with_a_slash_at_the_end_or_without() {
        for (path, expected) in [
            ("nodes", ("nodes", None, None)),
            ("nodes/", ("nodes", None, None)),
            ("nodes/n1", ("nodes", None, Some("n1"))),
            ("nodes/n1/", ("nodes", None, Some("n1"))),
            ("pods", ("pods", None, None)),
            ("namespaces/a/pods", ("pods", Some("a"), None)),
            ("namespaces/a/pods/p", ("pods", Some("a"), Some("p"))),
        ] {
            assert_eq!(find(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for path in [
            "",
            "/",
            "foo",
            "/nodes",
            "nodes//",
            "nodes/n1/status",
            "watch/nodes",
            "pods/p",
            "namespaces/a",
            "namespaces/a/nodes",
            "namespaces//pods",
            "namespaces/a/pods/p/log",
            "namespaces/a/nodes/n1",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
