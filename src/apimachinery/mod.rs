//! What Kubernetes' own API machinery prescribes on the wire: quantities, times, request info, Status, selectors,
//! content negotiation and the encodings. Pure functions, no I/O.

mod duration;
mod quantity;
mod query;
mod quote;
mod request_info;
mod selector;
mod time;

pub use duration::{GoDuration, InvalidDuration};
pub use quantity::{CanonicalQuantity, InvalidQuantity, Quantity};
pub use query::{InvalidEscape, Query, decode_path};
pub use quote::Quoted;
pub use request_info::{InvalidRequest, RequestInfo, ResourceInfo};
pub use selector::{
    FieldOperator, FieldRequirement, FieldSelector, InvalidFieldSelector, InvalidLabelSelector,
    LabelOperator, LabelRequirement, LabelSelector,
};
pub use time::Rfc3339;
