//! Which path and method is answered how, and what happens when there is too much.

mod limits;
mod missing;
mod paths;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [paths::checks(), missing::checks(), limits::checks()].concat()
}
