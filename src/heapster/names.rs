//! From the texts of a path to the names of things.

use super::parameters::Refusal;
use super::route::Subject;
use crate::domain::{ContainerName, EntityKey, Name, NameKind, Namespace, NodeName, PodKey};

/// The longest name of an object.
const MAX_NAME: usize = 253;
/// The longest name of a system container, which is a path among control groups.
const MAX_PATH: usize = 4096;
/// The longest name of a metric: that of a resource, which has a name and a domain, and a suffix.
const MAX_METRIC: usize = 512;

/// Tells names that nobody has, which find nothing, from texts that cannot be meant as a name: longer
/// than any, or with control characters.
///
/// # Errors
/// [`Refusal::LongName`] and [`Refusal::Name`] for the latter.
pub(super) fn conceivable(subject: &Subject<'_>) -> Result<(), Refusal> {
    let named = |what, name: &str| text(what, name, MAX_NAME);
    match *subject {
        Subject::Cluster => Ok(()),
        Subject::Node(node) => named("node name", node),
        Subject::SystemContainer(node, ref name) => {
            named("node name", node)?;
            text("container name", name, MAX_PATH)
        }
        Subject::Namespace(namespace) => named("namespace name", namespace),
        Subject::Pod(namespace, pod) => {
            named("namespace name", namespace)?;
            named("pod name", pod)
        }
        Subject::Container(namespace, pod, name) => {
            conceivable(&Subject::Pod(namespace, pod))?;
            named("container name", name)
        }
        Subject::PodId(id) => named("pod id", id),
        Subject::ContainerOfPodId(id, name) => {
            named("pod id", id)?;
            named("container name", name)
        }
    }
}

/// The same of a metric's name.
///
/// # Errors
/// As [`conceivable`].
pub(super) fn conceivable_metric(name: &str) -> Result<(), Refusal> {
    text("metric name", name, MAX_METRIC)
}

fn text(what: &'static str, name: &str, longest: usize) -> Result<(), Refusal> {
    if name.len() > longest {
        return Err(Refusal::LongName(what, longest));
    }
    match name.chars().any(char::is_control) {
        true => Err(invalid(what, name)),
        false => Ok(()),
    }
}

/// The entity a path names, if it can be one.
///
/// # Errors
/// [`Refusal::Name`] for a name no object has.
pub(super) fn entity(subject: &Subject<'_>) -> Result<EntityKey, Refusal> {
    Ok(match *subject {
        Subject::Cluster => EntityKey::Cluster,
        Subject::Node(node) => EntityKey::Node(self::node(node)?),
        Subject::SystemContainer(node, ref name) => {
            EntityKey::SystemContainer(self::node(node)?, name.as_str().into())
        }
        Subject::Namespace(namespace) => EntityKey::Namespace(self::namespace(namespace)?),
        Subject::Pod(namespace, name) => EntityKey::Pod(pod(namespace, name)?),
        Subject::Container(namespace, of, name) => {
            EntityKey::Container(pod(namespace, of)?, container(name)?)
        }
        // A UID is no entity of its own; whoever has such routes asks for the subject.
        Subject::PodId(id) | Subject::ContainerOfPodId(id, _) => return Err(invalid("pod id", id)),
    })
}

pub(super) fn node(name: &str) -> Result<NodeName, Refusal> {
    checked("node name", name)
}

pub(super) fn namespace(name: &str) -> Result<Namespace, Refusal> {
    checked("namespace name", name)
}

pub(super) fn container(name: &str) -> Result<ContainerName, Refusal> {
    checked("container name", name)
}

pub(super) fn pod(namespace: &str, name: &str) -> Result<PodKey, Refusal> {
    let namespace = self::namespace(namespace)?;
    Ok(PodKey::new(namespace, checked("pod name", name)?))
}

/// A UID as Kubernetes makes them, and what static pods have instead of one.
pub(super) fn pod_id(id: &str) -> Result<std::sync::Arc<str>, Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if id.is_empty() || id.len() > 253 || !id.bytes().all(allowed) {
        return Err(invalid("pod id", id));
    }
    Ok(id.into())
}

/// A metric's name as Heapster's stores take it.
pub(super) fn metric(name: &str) -> Result<&str, Refusal> {
    conceivable_metric(name)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:-".contains(&byte);
    match name.bytes().all(allowed) {
        true => Ok(name),
        false => Err(invalid("metric name", name)),
    }
}

fn checked<K: NameKind>(what: &'static str, name: &str) -> Result<Name<K>, Refusal> {
    Name::new(name).map_err(|_| invalid(what, name))
}

fn invalid(what: &'static str, name: &str) -> Refusal {
    let name = name.to_owned();
    Refusal::Name { what, name }
}
