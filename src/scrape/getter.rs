//! The seam between schedules and the network.

use std::time::Duration;

use crate::domain::NodeRecord;
use crate::kubelet::{Buffer, Connection, Error, KubeletClient};

/// Gets what the kubelet of one node measured.
pub trait KubeletMetricsGetter: Send + Sync + 'static {
    /// What is kept of a node between two attempts. Clones stand for the same node and may be in
    /// use at once. Dropped when the node goes.
    type Connection: Clone + Default + Send + 'static;

    /// Gets the node's resource metrics: the body, which stands in `buffer`. Ends within a bounded
    /// time; may be dropped at any point.
    ///
    /// # Errors
    /// Why there is no answer.
    fn get<'b>(
        &self,
        node: &NodeRecord,
        connection: &mut Self::Connection,
        buffer: &'b mut Buffer<'_>,
    ) -> impl Future<Output = Result<&'b [u8], Error>> + Send;

    /// Gets the node's summary in the same way, within `timeout`.
    ///
    /// # Errors
    /// Why there is no answer.
    fn get_summary<'b>(
        &self,
        node: &NodeRecord,
        timeout: Duration,
        connection: &mut Self::Connection,
        buffer: &'b mut Buffer<'_>,
    ) -> impl Future<Output = Result<&'b [u8], Error>> + Send;
}

impl KubeletMetricsGetter for KubeletClient {
    type Connection = Connection;

    async fn get<'b>(
        &self,
        node: &NodeRecord,
        connection: &mut Connection,
        buffer: &'b mut Buffer<'_>,
    ) -> Result<&'b [u8], Error> {
        let target = self.target(node)?;
        Self::get(self, &target, connection, buffer).await
    }

    async fn get_summary<'b>(
        &self,
        node: &NodeRecord,
        timeout: Duration,
        connection: &mut Connection,
        buffer: &'b mut Buffer<'_>,
    ) -> Result<&'b [u8], Error> {
        let target = self.target(node)?.summary();
        self.get_within(timeout, &target, connection, buffer).await
    }
}
