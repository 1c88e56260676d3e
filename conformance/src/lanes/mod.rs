//! The lanes: what is checked, beside what, in which order.

mod compare;
mod contract;
mod controlplane;
mod document;
mod fuzz;
mod monitored;
mod node;
mod quality;
mod simulated;
mod sinks;

pub use compare::compare;
pub use contract::contract;
pub use controlplane::controlplane;
pub use node::node;
pub use quality::quality;
pub use simulated::simulated;
pub use sinks::sinks;
