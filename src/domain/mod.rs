//! Plain data every room speaks in: names, units, clocks, samples, usage, metrics over time, and
//! who is out there.
//!
//! Nothing here does I/O. A value that exists is valid: names were checked where they came in,
//! units cannot be mixed up, and a counter is not a rate.

mod clock;
mod entity;
mod event;
mod inventory;
mod labels;
mod metric;
mod metric_set;
mod names;
mod reading;
mod record;
mod resources;
mod units;
mod usage;

pub use clock::{Clock, SystemClock, Timestamp};
pub use entity::{EntityKey, EntityKind};
pub use event::{Event, EventId, EventSeries, EventSource, MicroTime, ObjectReference};
pub use inventory::{Inventory, InventoryChange, SortedPods};
pub use labels::Labels;
pub use metric::{Metric, MetricKind, Point, Qualified, Units, Value};
pub use metric_set::{About, Batch, MetricSet};
pub use names::{
    ContainerName, InvalidName, Name, NameKind, Namespace, NodeName, ObjectName, PodKey, PodName,
};
pub use reading::{ContainerReading, CounterSample, GaugeSample, NodeReading, ResourceReading};
pub use record::{
    AddressType, ContainerKind, ContainerRecord, NodeAddress, NodeRecord, PodPhase, PodRecord,
};
pub use resources::{Amounts, ContainerResources};
pub use units::{Bytes, CpuTime, Nanocores};
pub use usage::{ContainerUsage, Usage};
