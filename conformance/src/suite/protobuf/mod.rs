//! Kubernetes' protobuf: a strict decoder of the few messages of this API into what its JSON says, and an encoder
//! that writes the bytes a Go server would.
//!
//! Strict means: unknown fields, wrong wire types, singular fields twice, unsorted maps and anything after the end are
//! errors. Field numbers are those of `k8s.io/{apimachinery,metrics}` `generated.proto`.

mod decode;
mod encode;
mod object;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use decode::{decode, field};
pub(crate) use encode::encode;

/// What every message begins with.
const MAGIC: &[u8] = b"k8s\0";
