//! What is made of a kubelet's answer, however odd.

mod failures;
mod texts;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [texts::checks(), failures::checks()].concat()
}
