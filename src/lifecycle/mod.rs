//! How the process lives: its tasks, its end, its health, its memory and its disk, and how it waits
//! before trying again and divides long work.

mod backoff;
mod folder_lock;
mod health;
mod memory;
mod parts;
mod stop;
mod tasks;
mod volume;

pub use backoff::{Backoff, Jitter, random};
pub use folder_lock::FolderLock;
pub use health::{Check, CheckReport, CheckResult, Health, Probe};
pub use memory::{MemoryLimit, Promise, Spare};
pub use parts::in_parts;
pub use stop::{Stop, StopSender};
pub use tasks::Tasks;
pub use volume::Volume;
