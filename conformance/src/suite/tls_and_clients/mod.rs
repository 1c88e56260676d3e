//! The connection, its end, and the programs that use it.

mod handshake;
mod kubectl;
mod shutdown;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [handshake::checks(), shutdown::checks(), kubectl::checks()].concat()
}
