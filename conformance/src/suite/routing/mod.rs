//! Which path and method is answered how, and what happens when there is too much.

mod escapes;
mod limits;
mod missing;
mod panics;
mod paths;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [
        paths::checks(),
        missing::checks(),
        escapes::checks(),
        limits::checks(),
        panics::checks(),
    ]
    .concat()
}
