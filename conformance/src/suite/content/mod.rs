//! The forms and bytes of answers.

mod encoding;
mod headers;
mod heads;
mod negotiation;
mod partial;
mod shape;
mod table;
mod values;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [
        encoding::checks(),
        negotiation::checks(),
        table::checks(),
        partial::checks(),
        values::checks(),
        headers::checks(),
        heads::checks(),
    ]
    .concat()
}
