//! The kubelet as we see it: where it is, how it is asked, and what its answer says.
//!
//! [`Target`] says where, [`KubeletClient`] asks, [`decode_resource`] and [`decode_summary`] read.
//! What can go wrong is one [`Error`], whose variants are what an operator can act on;
//! [`explain()`] says it in words.

mod address;
mod buffers;
mod client;
mod connection;
mod decode;
mod error;
mod explain;
mod http1;
mod material;
mod pin;
mod pinned;
mod pins;
mod resolve;
mod session;
mod through;
mod tls;
mod tls_stream;
mod token;
mod verify;

#[cfg(test)]
mod tests;

pub use address::{Addresses, Target};
pub use buffers::{Buffer, Buffers};
pub use client::{Config, KubeletClient, Trust};
pub use connection::Connection;
pub use decode::{
    Consumed, ContainerSummary, DecodeError, Filesystem, Limits, Network, NodeSummary, PodSummary,
    Pressure, SourceSets, SummaryReading, decode_resource, decode_summary,
};
pub use error::{Error, Phase, TlsError};
pub use explain::{Explanation, Platform, explain, faults_reference};
#[cfg(fuzzing)]
pub use http1::check_http1;
pub use material::MaterialError;
pub use pins::Pins;
pub use through::ApiServer;

/// What an error's body says, as [`printable`] has it, or that it says nothing.
fn said(body: &[u8], limit: usize) -> String {
    let said = printable(body, limit);
    if said.is_empty() {
        return "nothing is said of it".to_owned();
    }
    said
}

/// The begin of what a peer sent, fit for a log line: at most `limit` characters, control
/// characters replaced.
fn printable(bytes: &[u8], limit: usize) -> String {
    let begin = bytes.get(..limit * 4).unwrap_or(bytes);
    String::from_utf8_lossy(begin)
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(limit)
        .collect()
}
