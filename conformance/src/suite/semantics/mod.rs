//! What the numbers mean: rates and windows, and who is listed when.

mod presence;
mod rate;
mod script;
mod views;

pub(super) use script::{Sample, Script, write_container, write_node};

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [rate::checks(), presence::checks(), views::checks()].concat()
}
