//! What a watch must know of nodes and pods beyond what an answer holds.

use crate::api::metrics::snapshot::Whole;
use crate::live::{NodeView, PodView};

/// A node or pod that can be watched.
pub(in crate::api::metrics) trait Watched:
    Whole + Send + Sync + 'static
{
    /// The members of its JSON object besides its metadata when nothing is set, each after a comma.
    const NOTHING_SET: &'static str;

    /// The same with another version to show.
    fn shown_at(&self, version: u64) -> Self;

    /// Namespace and name.
    fn key(&self) -> (&str, &str) {
        (self.namespace(), self.name())
    }
}

impl Watched for NodeView {
    const NOTHING_SET: &'static str = r#","timestamp":null,"window":"0s","usage":null"#;

    fn shown_at(&self, version: u64) -> Self {
        let mut this = self.clone();
        this.versions.changed = version;
        this
    }
}

impl Watched for PodView {
    const NOTHING_SET: &'static str = r#","timestamp":null,"window":"0s","containers":null"#;

    fn shown_at(&self, version: u64) -> Self {
        let mut this = self.clone();
        this.versions.changed = version;
        this
    }
}
