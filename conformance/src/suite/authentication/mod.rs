//! Who is asking: the front proxy's headers, client certificates, tokens, nobody.

mod answers;
mod certificate;
mod front_proxy;
mod token;
mod trust;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [
        front_proxy::checks(),
        certificate::checks(),
        token::checks(),
        trust::checks(),
        answers::checks(),
    ]
    .concat()
}
