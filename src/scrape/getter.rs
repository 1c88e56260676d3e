//! The seam between schedules and the network.

use crate::domain::NodeRecord;
use crate::kubelet::{Connection, Error, KubeletClient};

/// Gets the resource metrics of one node.
pub trait KubeletMetricsGetter: Send + Sync + 'static {
    /// What is kept of a node between two attempts. Dropped when the node goes.
    type Connection: Default + Send + 'static;

    /// Gets the body of the node's answer, which stands in `buffer`. Ends within a bounded time;
    /// may be dropped at any point.
    ///
    /// # Errors
    /// Why there is no answer.
    fn get<'b>(
        &self,
        node: &NodeRecord,
        connection: &mut Self::Connection,
        buffer: &'b mut Vec<u8>,
    ) -> impl Future<Output = Result<&'b [u8], Error>> + Send;
}

impl KubeletMetricsGetter for KubeletClient {
    type Connection = Connection;

    async fn get<'b>(
        &self,
        node: &NodeRecord,
        connection: &mut Connection,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], Error> {
        let target = self.target(node)?;
        Self::get(self, &target, connection, buffer).await
    }
}
