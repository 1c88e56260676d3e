//! Plain data every room speaks in: names, units, clocks, samples, usage and who is out there.
//!
//! Nothing here does I/O. A value that exists is valid: names were checked where they came in,
//! units cannot be mixed up, and a counter is not a rate.

mod clock;
mod inventory;
mod labels;
mod names;
mod reading;
mod units;
mod usage;

pub use clock::{Clock, SystemClock, Timestamp};
pub use inventory::{
    AddressType, ContainerKind, ContainerRecord, Inventory, InventoryChange, NodeAddress,
    NodeRecord, PodPhase, PodRecord,
};
pub use labels::Labels;
pub use names::{ContainerName, InvalidName, Name, NameKind, Namespace, NodeName, PodKey, PodName};
pub use reading::{ContainerReading, CounterSample, GaugeSample, NodeReading, ResourceReading};
pub use units::{Bytes, CpuTime, Nanocores};
pub use usage::{ContainerUsage, Usage};
