//! What a watch must know of nodes and pods beyond what an answer holds.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::changes::Changes;
use crate::api::metrics::item::Item;
use crate::api::metrics::snapshot::Snapshot;
use crate::live::{NodeView, PodView, Versions, View};

/// A node or pod that can be watched.
pub(in crate::api::metrics) trait Watched:
    Item + Clone + Send + Sync + 'static
{
    /// The members of its JSON object besides its metadata when nothing is set, each after a comma.
    const NOTHING_SET: &'static str;

    /// All there are, sorted by [`key`](Self::key); those of one namespace when it is given.
    fn entries<'v>(view: &'v View, namespace: Option<&str>) -> &'v [Self];

    /// Those that left after `version`, with when they did.
    fn removed_after(view: &View, version: u64) -> impl Iterator<Item = (u64, &Self)>;

    /// Where the changes of a snapshot are kept for all who watch.
    fn changes(snapshot: &Snapshot) -> &Mutex<Option<Arc<Changes<Self>>>>;

    /// When it changed.
    fn versions(&self) -> Versions;

    /// The same with another version to show.
    fn shown_at(&self, version: u64) -> Self;

    /// The same with the labels it had at `version`, as far as they are remembered.
    fn as_of(&self, version: u64) -> Cow<'_, Self>;

    /// Namespace and name.
    fn key(&self) -> (&str, &str) {
        (self.namespace(), self.name())
    }
}

impl Watched for NodeView {
    const NOTHING_SET: &'static str = r#","timestamp":null,"window":"0s","usage":null"#;

    fn entries<'v>(view: &'v View, _: Option<&str>) -> &'v [Self] {
        view.nodes()
    }

    fn removed_after(view: &View, version: u64) -> impl Iterator<Item = (u64, &Self)> {
        view.nodes_removed_after(version)
    }

    fn changes(snapshot: &Snapshot) -> &Mutex<Option<Arc<Changes<Self>>>> {
        &snapshot.node_changes
    }

    fn versions(&self) -> Versions {
        self.versions
    }

    fn shown_at(&self, version: u64) -> Self {
        let mut this = self.clone();
        this.versions.changed = version;
        this
    }

    fn as_of(&self, version: u64) -> Cow<'_, Self> {
        self.as_of(version)
    }
}

impl Watched for PodView {
    const NOTHING_SET: &'static str = r#","timestamp":null,"window":"0s","containers":null"#;

    fn entries<'v>(view: &'v View, namespace: Option<&str>) -> &'v [Self] {
        namespace.map_or_else(|| view.pods(), |namespace| view.pods_in(namespace))
    }

    fn removed_after(view: &View, version: u64) -> impl Iterator<Item = (u64, &Self)> {
        view.pods_removed_after(version)
    }

    fn changes(snapshot: &Snapshot) -> &Mutex<Option<Arc<Changes<Self>>>> {
        &snapshot.pod_changes
    }

    fn versions(&self) -> Versions {
        self.versions
    }

    fn shown_at(&self, version: u64) -> Self {
        let mut this = self.clone();
        this.versions.changed = version;
        this
    }

    fn as_of(&self, version: u64) -> Cow<'_, Self> {
        self.as_of(version)
    }
}
