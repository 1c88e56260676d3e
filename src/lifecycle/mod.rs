//! How the process lives: its tasks, its end, its health, its memory, and how it waits before trying
//! again.

mod backoff;
mod health;
mod memory;
mod stop;
mod tasks;

pub use backoff::{Backoff, Jitter, random};
pub use health::{Check, CheckReport, CheckResult, Health, Probe};
pub use memory::MemoryLimit;
pub use stop::{Stop, StopSender};
pub use tasks::Tasks;
