//! From the texts of a path to the names of things.

use super::parameters::Refusal;
use super::route::Subject;
use crate::domain::{ContainerName, EntityKey, Name, NameKind, Namespace, NodeName, PodKey};

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
