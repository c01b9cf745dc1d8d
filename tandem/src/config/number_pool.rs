//! `[[phone_number_pool]]`: numbers that may be ordered through the control API.

use super::reader::Table;
use super::value;
use directory::{NumberPool, NumberRange, country_of, is_toll_free};
use std::sync::Arc;

pub(super) fn read(mut table: Table<'_>) -> Option<NumberPool> {
    let ranges = table.list("numbers", |v| NumberRange::parse(value::text(v)?)).unwrap_or_default();
    let first = ranges.first().map(NumberRange::first).unwrap_or_default();
    let country = table.optional("country", value::country);
    if country.is_none() && country_of(&first).is_none() && !ranges.is_empty() {
        table.error_at("numbers", format!("{first} is of no country; say which: country = \"US\""));
    }
    let country = country.or_else(|| country_of(&first)).unwrap_or("US");
    let is_toll_free = table.or("type", is_toll_free(&first), |v| match value::text(v)? {
        "Local" => Ok(false),
        "TollFree" => Ok(true),
        other => Err(format!("{other:?} is unknown; use \"Local\" or \"TollFree\"")),
    });
    let city = table.optional("city", value::shared_text);
    let state = table.optional("state", value::shared_text);
    table.finish();
    Some(NumberPool { ranges, country: Arc::from(country), is_toll_free, city, state })
}
