//! Checks Loadline from outside: over HTTPS alone, as the API server, `kubectl` and the HPA do.

#![expect(
    clippy::disallowed_methods,
    reason = "the bans keep the product testable; a test driver reads the clock and its environment"
)]

pub mod report;
