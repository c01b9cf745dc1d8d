//! What the causes look at in a record, and how they say it.

use super::{calendar, side_name};
use crate::DescriptionRecord;
use crate::call_record::{CallRecord, LadderRecord, RouteRecord};
use crate::printable_line;
use model::UnixTime;

/// The time of day of an offset, UTC.
pub(super) fn clock(record: &CallRecord, offset_ms: u64) -> String {
    calendar::clock(UnixTime::from_millis(record.times.attempted.saturating_add(offset_ms)))
}

/// From the first INVITE to the end.
pub(super) fn lasted_ms(record: &CallRecord) -> u64 {
    record.times.ended.saturating_sub(record.times.attempted)
}

/// A response's status code.
pub(super) fn status_of(rung: &LadderRecord) -> Option<u16> {
    rung.start_line.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// A response's status and reason, in one printable line.
pub(super) fn status_line(rung: &LadderRecord) -> String {
    let line = rung.start_line.strip_prefix("SIP/2.0 ").unwrap_or(&rung.start_line);
    printable_line(line.trim()).into_owned()
}

pub(super) fn is_invite(rung: &LadderRecord) -> bool {
    rung.start_line.starts_with("INVITE ")
}

pub(super) fn on_leg<'a>(
    record: &'a CallRecord,
    leg: &'a str,
    direction: &'a str,
) -> impl DoubleEndedIterator<Item = &'a LadderRecord> {
    record.ladder.iter().filter(move |rung| rung.leg == leg && rung.direction == direction)
}

/// The last answer of leg B that refuses.
pub(super) fn refused_by_b(record: &CallRecord) -> Option<&LadderRecord> {
    on_leg(record, "B", "received").rev().find(|rung| status_of(rung).is_some_and(|s| s >= 300))
}

/// Leg B's side, with the name of the last carrier.
pub(super) fn called(record: &CallRecord) -> String {
    let side = side_name(record, 1);
    match record.routes.last().and_then(|route| route.carrier.as_deref()) {
        Some(carrier) => format!("the {side} ({})", printable_line(carrier)),
        None => format!("the {side}"),
    }
}

/// A route by its carrier or address.
pub(super) fn route_name(route: &RouteRecord) -> String {
    printable_line(route.carrier.as_deref().unwrap_or(&route.destination)).into_owned()
}

/// Codecs that carry speech, with commas.
pub(super) fn codecs(description: &DescriptionRecord) -> String {
    let speech: Vec<_> = description
        .codecs
        .iter()
        .filter(|codec| !matches!(codec.as_str(), "telephone-event" | "CN"))
        .map(|codec| printable_line(codec))
        .collect();
    if speech.is_empty() { "none".to_owned() } else { speech.join(", ") }
}

/// The newest description of a leg in a direction.
pub(super) fn description<'a>(
    record: &'a CallRecord,
    leg: &'a str,
    direction: &'a str,
) -> Option<&'a DescriptionRecord> {
    on_leg(record, leg, direction).rev().find_map(|rung| rung.description.as_ref())
}
