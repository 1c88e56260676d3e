//! Names of Kubernetes objects, each a type of its own.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A checked, cheaply cloned name of one kind of object.
///
/// Holds 1 to 253 bytes of the characters of a DNS-1123 subdomain (lower-case letters, digits, `-`,
/// `.`), which every name the API server admits for these kinds satisfies. Compares and hashes as
/// its text.
pub struct Name<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

/// Says what a [`Name`] names, for error texts and `Debug`.
pub trait NameKind {
    /// The kind in the singular, lower case: `node`, `pod`.
    const KIND: &'static str;
}

/// Marks the name of a node.
#[derive(Debug)]
pub enum Node {}
/// Marks the name of a namespace.
#[derive(Debug)]
pub enum NamespaceKind {}
/// Marks the name of a pod within its namespace.
#[derive(Debug)]
pub enum Pod {}
/// Marks the name of a container within its pod.
#[derive(Debug)]
pub enum Container {}

/// The name of a node.
pub type NodeName = Name<Node>;
/// The name of a namespace.
pub type Namespace = Name<NamespaceKind>;
/// The name of a pod, unique within its namespace only.
pub type PodName = Name<Pod>;
/// The name of a container, unique within its pod only.
pub type ContainerName = Name<Container>;

/// Where a pod stands: its namespace and its name, ordered by namespace first as lists are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey {
    /// The pod's namespace.
    pub namespace: Namespace,
    /// The pod's name.
    pub name: PodName,
}

/// Namespace and name of an object, as a flag or another object names it: it may not be there, and
/// the texts are not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A text that is no name Kubernetes would have admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind} name")]
pub struct InvalidName {
    kind: &'static str,
}

/// The longest name Kubernetes admits (RFC 1123 subdomain).
const MAX_LEN: usize = 253;

impl NameKind for Node {
    const KIND: &'static str = "node";
}
impl NameKind for NamespaceKind {
    const KIND: &'static str = "namespace";
}
impl NameKind for Pod {
    const KIND: &'static str = "pod";
}
impl NameKind for Container {
    const KIND: &'static str = "container";
}

impl<K: NameKind> Name<K> {
    /// Checks `text` and keeps it as a name.
    ///
    /// # Errors
    /// [`InvalidName`] when the text is empty, longer than 253 bytes, or holds a character no name
    /// may have.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidName> {
        let text = text.into();
        if Self::is_valid(&text) {
            Ok(Self {
                text,
                kind: PhantomData,
            })
        } else {
            Err(InvalidName { kind: K::KIND })
        }
    }

    /// Tells whether `text` could be such a name, without keeping it.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= MAX_LEN
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
    }
}

impl<K> Name<K> {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PodKey {
    /// Joins a namespace and a name.
    #[must_use]
    pub const fn new(namespace: Namespace, name: PodName) -> Self {
        Self { namespace, name }
    }
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl<K> Clone for Name<K> {
    fn clone(&self) -> Self {
        Self {
            text: Arc::clone(&self.text),
            kind: PhantomData,
        }
    }
}

impl<K> PartialEq for Name<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<K> Eq for Name<K> {}

impl<K> PartialOrd for Name<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Name<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl<K> std::hash::Hash for Name<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<K> Borrow<str> for Name<K> {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl<K> fmt::Display for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<K> fmt::Debug for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_what_the_api_server_admits() {
        for ok in ["a", "ip-10-0-0-1.ec2.internal", "web-0", &"x".repeat(253)] {
            assert!(NodeName::new(ok).is_ok(), "{ok}");
        }
    }

    #[test]
    fn refuses_what_no_object_is_called() {
        for bad in ["", "A", "a/b", "a b", "a\"", "ü", &"x".repeat(254)] {
            assert_eq!(PodName::new(bad), Err(InvalidName { kind: "pod" }), "{bad}");
        }
    }

    #[test]
    fn pods_order_by_namespace_then_name() {
        let key = |ns: &str, name: &str| {
            PodKey::new(Namespace::new(ns).unwrap(), PodName::new(name).unwrap())
        };
        assert!(key("a", "z") < key("b", "a"));
        assert!(key("a", "a") < key("a", "b"));
        assert_eq!(key("a", "b").to_string(), "a/b");
    }
}
