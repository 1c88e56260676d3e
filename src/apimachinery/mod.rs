//! What Kubernetes' own API machinery prescribes on the wire: quantities, times, request info, Status, selectors,
//! content negotiation and the encodings. Pure functions, no I/O.

mod quantity;

pub use quantity::{CanonicalQuantity, InvalidQuantity, Quantity};
