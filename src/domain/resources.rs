//! What objects ask for and have: amounts of CPU, memory and storage.

use std::sync::Arc;

use super::Bytes;

/// Amounts of the three resources every node has. One that is not given is `None`, which is not
/// the same as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    /// `cpu` in thousandths of a core, rounded up as `Quantity.MilliValue`.
    pub cpu_millicores: Option<u64>,
    /// `memory`.
    pub memory: Option<Bytes>,
    /// `ephemeral-storage`.
    pub ephemeral_storage: Option<Bytes>,
}

/// `resources` of a container. Containers of equal resources share one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContainerResources {
    /// `requests` of the three.
    pub requests: Amounts,
    /// `limits` of the three.
    pub limits: Amounts,
    /// `requests` of all others (`nvidia.com/gpu`, `hugepages-2Mi`), sorted by name, rounded up to
    /// whole ones. Their limits are equal: Kubernetes does not overcommit them.
    pub other_requests: Box<[(Arc<str>, u64)]>,
}

impl ContainerResources {
    /// The request of a resource other than the three.
    #[must_use]
    pub fn other_request(&self, name: &str) -> Option<u64> {
        let others = &self.other_requests;
        let at = others.binary_search_by(|(other, _)| other.as_ref().cmp(name));
        others.get(at.ok()?).map(|(_, amount)| *amount)
    }
}
