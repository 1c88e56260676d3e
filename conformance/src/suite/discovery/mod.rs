//! What the server says it serves: the group's documents, old and aggregated, and OpenAPI.

mod aggregated;
mod documents;
mod openapi;
mod parts;

use super::check::Check;

pub(super) fn checks() -> Vec<Check> {
    [
        documents::checks(),
        aggregated::checks(),
        openapi::checks(),
        parts::checks(),
    ]
    .concat()
}
