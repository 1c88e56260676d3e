//! The hand-off: a replica that starts takes over what another one knows, before it reports ready.
//!
//! A replica without it has nothing to serve until it has asked every node twice, and no past. With
//! it, the last two points of every node and container are there within a second, and so is the
//! ring; the schedules of both are aligned, so from then on they see the same.
//!
//! It goes over the secure port, with certificates of our own authority on both sides: whoever can
//! read the serving Secret is a replica of us, and nobody else is answered. What is handed over is
//! packed in a format of its own with a version and checksums, and read as carefully as a kubelet's
//! answer. Everything is bounded; a peer that is broken, older or hostile costs the hand-off alone.

mod dial;
mod frames;
mod giver;
mod identity;
mod live_format;
mod metrics;
mod taker;

#[cfg(test)]
mod tests;

pub use frames::read_any;
pub use giver::Giver;
pub use identity::{Identities, Identity, PEER_NAME};
pub use metrics::Metrics;
pub use taker::{Config, Deps, Done, Peer, Taker};
