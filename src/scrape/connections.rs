//! What is kept of each node between two attempts, for all that ask it.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::domain::NodeName;

/// One connection a node, of which everybody gets a clone. Bounded by the nodes there are: whoever
/// adds one forgets it.
#[derive(Debug)]
pub(super) struct Connections<C>(Mutex<HashMap<NodeName, C>>);

impl<C: Clone + Default> Connections<C> {
    /// The node's connection from now on, if it has none yet.
    pub(super) fn add(&self, node: &NodeName) -> C {
        self.0.lock().entry(node.clone()).or_default().clone()
    }

    /// The node's connection, or one of its own for somebody who asks a node just forgotten.
    pub(super) fn lend(&self, node: &NodeName) -> C {
        self.0.lock().get(node).cloned().unwrap_or_default()
    }

    /// Closes a node's connection once nobody uses it.
    pub(super) fn forget(&self, node: &NodeName) {
        let before = self.0.lock().remove(node);
        drop(before);
    }
}

impl<C> Default for Connections<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
