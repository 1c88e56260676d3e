//! What the ring holds, by its own account.

use std::ops::{Add, Sub};

/// What is held, or by how much that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) bytes: i64,
    pub(super) entities: i64,
    pub(super) containers: i64,
    pub(super) series: i64,
}

impl Totals {
    /// The bytes of a family without lives, its place in the index included.
    pub(super) const FAMILY: i64 = 160;
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            entities: self.entities + other.entities,
            containers: self.containers + other.containers,
            series: self.series + other.series,
        }
    }
}

impl Sub for Totals {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            bytes: self.bytes - other.bytes,
            entities: self.entities - other.entities,
            containers: self.containers - other.containers,
            series: self.series - other.series,
        }
    }
}
