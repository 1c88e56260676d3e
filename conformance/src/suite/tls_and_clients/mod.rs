//! The connection, its end, and the programs that use it.

mod handshake;
mod hpa;
mod kubectl;
mod shutdown;
mod size;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [
        handshake::checks(),
        shutdown::checks(),
        kubectl::checks(),
        hpa::checks(),
        size::checks(),
    ]
    .concat()
}
