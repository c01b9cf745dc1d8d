//! What a voice connector's outbound calls may cost, and where its emergency calls go:
//! `[voice_connector.caps]`, `[voice_connector.emergency]`; and `[fraud]`.

use super::reader::Table;
use super::value;
use directory::{Caps, EmergencyCalling, EmergencyDnis, Money, Price};
use model::CarrierId;
use std::sync::Arc;

pub(super) fn read_caps(mut table: Table<'_>) -> Caps {
    let caps = Caps {
        minutes_per_day: table.optional("minutes_per_day", value::integer),
        spend_per_day: table.optional("spend_per_day", value::money),
        prices: table.tables("prices", read_price),
        max_call_duration: table.optional("max_call_duration", value::duration),
    };
    table.finish();
    caps
}

fn read_price(mut table: Table<'_>) -> Option<Price> {
    let prefix = table.required("prefix", "prefix = \"+44\"", value::shared_text);
    let per_minute = table.required("per_minute", "per_minute = \"0.012\"", value::money);
    table.finish();
    Some(Price { prefix: prefix?, per_minute: per_minute? })
}

pub(super) fn read_emergency(mut table: Table<'_>) -> Option<EmergencyCalling> {
    if !table.is_present() {
        return None;
    }
    let dnis = table.tables("dnis", read_dnis);
    let carrier = table.optional("carrier", |v| {
        CarrierId::new(value::text(v)?).map_err(|error| error.to_string())
    });
    let require_encryption = table.or("require_encryption", false, value::boolean);
    table.finish();
    Some(EmergencyCalling { dnis, carrier, require_encryption })
}

fn read_dnis(mut table: Table<'_>) -> Option<EmergencyDnis> {
    let example = "emergency_phone_number = \"+12065550911\"";
    let number = table.required("emergency_phone_number", example, value::shared_text);
    let test_phone_number = table.optional("test_phone_number", value::shared_text);
    let country = table.required("calling_country", "calling_country = \"US\"", value::country);
    let dialled = table.list("dialled", value::shared_text);
    let dialled_for_test = table.list("dialled_for_test", value::shared_text);
    table.finish();
    let mut dnis = EmergencyDnis::new(&number?, country?);
    dnis.test_phone_number = test_phone_number;
    dnis.dialled = dialled.unwrap_or(dnis.dialled);
    dnis.dialled_for_test = dialled_for_test.unwrap_or(dnis.dialled_for_test);
    Some(dnis)
}

/// `high_risk_prefixes` of `[fraud]`.
pub(super) fn read_fraud(mut table: Table<'_>) -> Vec<Arc<str>> {
    let prefixes = table.list("high_risk_prefixes", value::shared_text).unwrap_or_default();
    table.finish();
    prefixes
}

/// A sum of money with up to six decimals.
pub(super) fn parse_money(text: &str) -> Option<Money> {
    let (whole, parts) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(parts) || parts.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let millionths: u64 = format!("{parts:0<6}").parse().ok()?;
    let sum = whole.checked_mul(1_000_000)?.checked_add(millionths)?;
    // Far beyond any account, and far below where sums of sums would overflow.
    (sum <= 1_000_000_000_000_000).then_some(Money(sum))
}
