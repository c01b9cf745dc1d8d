//! The only place of this crate that reads the clock.

use tokio::time::Instant;

#[expect(clippy::disallowed_methods, reason = "a shell's clock.rs")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
