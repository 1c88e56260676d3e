//! The kubelet as we see it: where it is, how it is asked, and what its answer says.

mod decode;

pub use decode::{DecodeError, Limits, decode_resource};
