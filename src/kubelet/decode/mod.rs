//! From the bytes of a kubelet's answer to a reading, in one pass.

mod exposition;
mod lives;
mod number;
mod resource;

#[cfg(test)]
mod tests;

pub use resource::{DecodeError, Limits, decode_resource};
