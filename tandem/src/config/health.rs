//! `[health]`.

use super::reader::Table;
use super::sip::{MINUTE, SECOND};
use super::value;
use b2bua::HealthConfig;
use std::time::Duration;

pub(super) fn read(mut table: Table<'_>) -> HealthConfig {
    let default = HealthConfig::default();
    let health = HealthConfig {
        down_after: table
            .or("down_after", default.down_after, |v| value::within(value::integer(v)?, 1..=10)),
        up_after: table
            .or("up_after", default.up_after, |v| value::within(value::integer(v)?, 1..=10)),
        ping_timeout: table.or("ping_timeout", default.ping_timeout, |v| {
            value::duration_within(v, Duration::from_millis(100), 30 * SECOND)
        }),
        avoid_for: table
            .or("avoid_for", default.avoid_for, |v| value::duration_within(v, SECOND, 5 * MINUTE)),
    };
    table.finish();
    health
}
