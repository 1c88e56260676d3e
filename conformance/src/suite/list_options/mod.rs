//! Selectors and the other parameters of a list.

mod fields;
mod labels;
mod parameters;
mod selector;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [labels::checks(), fields::checks(), parameters::checks()].concat()
}
