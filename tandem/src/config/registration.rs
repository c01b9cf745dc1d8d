//! Registrations both ways: ours at carriers, and those of customers' systems here.

use super::reader::Table;
use super::sip::{HOUR, MINUTE, SECOND};
use super::value;
use directory::{CarrierRegistration, RegistrationPolicy};
use std::time::Duration;

/// `register` and `register_expires` of a carrier.
pub(super) fn of_carrier(
    table: &mut Table<'_>,
    has_credential: bool,
) -> Option<CarrierRegistration> {
    let wanted = table.or("register", false, value::boolean);
    let default = CarrierRegistration::default();
    let expires = table
        .or("register_expires", default.expires, |v| value::duration_within(v, MINUTE, 24 * HOUR));
    if wanted && !has_credential {
        let message = "needs username and password: the carrier knows us by them";
        table.error_at("register", message);
    }
    wanted.then_some(CarrierRegistration { expires })
}

/// `[voice_connector.registration]`.
pub(super) fn of_voice_connector(mut table: Table<'_>) -> Option<RegistrationPolicy> {
    let default = RegistrationPolicy::default();
    let enabled = table.or("enabled", true, value::boolean) && table.is_present();
    let policy = RegistrationPolicy {
        min_expires: seconds(&mut table, "min_expires", default.min_expires),
        max_expires: seconds(&mut table, "max_expires", default.max_expires),
        max_bindings: table.or("max_bindings", default.max_bindings, |v| {
            value::within(value::integer(v)?, 1..=100)
        }),
    };
    if policy.min_expires > policy.max_expires {
        let most = value::written(policy.max_expires);
        table.error_at("min_expires", format!("must not be longer than max_expires, \"{most}\""));
    }
    table.finish();
    enabled.then_some(policy)
}

fn seconds(table: &mut Table<'_>, key: &'static str, default: Duration) -> Duration {
    table.or(key, default, |v| value::duration_within(v, 10 * SECOND, 24 * HOUR))
}
