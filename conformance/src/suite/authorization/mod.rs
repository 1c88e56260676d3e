//! What the asking may do: the questions put to the API server, who decides without it, and how a refusal reads.

mod question;
mod refusal;
mod rules;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [question::checks(), refusal::checks(), rules::checks()].concat()
}
