//! What the driver keeps of each node.

use std::sync::Arc;

use super::metrics::NodeMetrics;
use super::queue::Place;
use super::report::Report;
use super::schedule::Pace;
use crate::domain::NodeRecord;

/// One node that is asked.
#[derive(Debug)]
pub(super) struct ScrapedNode<C> {
    pub record: Arc<NodeRecord>,
    pub pace: Pace,
    pub report: Report,
    pub metrics: NodeMetrics,
    pub state: State<C>,
}

/// Whether an attempt is under way.
#[derive(Debug)]
pub(super) enum State<C> {
    /// It stands in the queue; its connection waits here.
    Waiting(C, Place),
    /// An attempt is under way since it came due at this place. `gone` when the node left
    /// meanwhile: then the attempt is the last, and what it commits is forgotten again.
    Asked { place: Place, gone: bool },
}

impl<C> ScrapedNode<C> {
    /// Takes over what the inventory says now; tells whether that may make a failing kubelet
    /// answer.
    pub(super) fn update(&mut self, record: Arc<NodeRecord>) -> bool {
        let (old, new) = (&self.record, &record);
        let elsewhere = old.addresses != new.addresses
            || old.kubelet_port != new.kubelet_port
            || old.resource_metrics_path != new.resource_metrics_path
            || (new.ready && !old.ready);
        self.record = record;
        elsewhere && self.report.is_failing()
    }
}
