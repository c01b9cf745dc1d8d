//! `[authentication]`.

use super::reader::Table;
use super::sip::{HOUR, MINUTE, SECOND};
use super::value;
use b2bua::AuthenticationConfig;

/// How customers with credentials are asked, and how guessing is slowed.
pub(super) fn read(mut table: Table<'_>) -> AuthenticationConfig {
    let mut config = AuthenticationConfig::default();
    // How long one challenge may be used, 10 s to 1 h; default 5 min.
    config.verifier.nonce_lifetime =
        table.or("nonce_lifetime", 5 * MINUTE, |v| value::duration_within(v, 10 * SECOND, HOUR));
    // Wrong passwords that a source may give at once, 1 to 1,000; default 10.
    config.failures =
        table.or("failures", config.failures, |v| value::within(value::integer(v)?, 1..=1_000));
    // How soon a source may give another one after that, 1 s to 1 h; default 30 s.
    config.failure_interval = table.or("failure_interval", config.failure_interval, |v| {
        value::duration_within(v, SECOND, HOUR)
    });
    table.finish();
    config
}
