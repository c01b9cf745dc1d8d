//! Calls and the services behind their WebSockets, over real connections.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod failing;
mod secure;
mod serving;
mod support;
