//! The Business Calling form of a call detail record: other names, every value a text.
//!
//! Amazon Chime's Business Calling counted each call as a conference of an account. Here the
//! conference is the meeting that the call was in, or the call itself, from its INVITE to its end; the
//! account is the voice connector, and the organizer is the user whose credentials admitted the call.

use super::{Billed, whole_seconds};
use crate::calendar;
use model::UnixTime;
use serde::Serialize;

/// The first directory of such records in the bucket.
const FOLDER: &str = "Amazon-Chime-Business-Calling-CDRs";

/// `…/json/<account>/YYYY/MM/DD/<conference>_YYYY-MM-DD-HH.MM.SS.mmm_<record>`, by the time of the
/// answer, or of the call's beginning when nobody answered. There is one record for a call, with its
/// transaction id.
pub(super) fn path(billed: &Billed<'_>) -> String {
    let (account, id) = (billed.account_id, billed.transaction_id);
    let start = calendar::key(start(billed));
    let (day, time) = start.rsplit_once('/').unwrap_or_default();
    let date = day.replace('/', "-");
    let conference = conference(billed);
    format!("s3/{FOLDER}/json/{account}/{day}/{conference}_{date}-{time}_{id}")
}

/// The meeting's id, or the call's where it was in none.
fn conference(billed: &Billed<'_>) -> String {
    billed.meeting.map_or_else(|| billed.transaction_id.to_string(), str::to_owned)
}

/// The file's content.
pub(super) fn body(billed: &Billed<'_>) -> Vec<u8> {
    let parties = billed.parties;
    let shown = |number| billed.numbers.user(number);
    let seconds = billed.talk.map_or(0, whole_seconds);
    let id = billed.transaction_id.to_string();
    let document = Document {
        schema_version: "2.0",
        cdr_id: &id,
        service_code: "AmazonChimeBusinessCalling",
        chime_account_id: parties.voice_connector.as_str(),
        aws_account_id: billed.account_id,
        conference_id: &conference(billed),
        conference_pin: "",
        organizer_user_id: &shown(parties.sip_auth_user.as_deref().unwrap_or_default()),
        organizer_email: "",
        caller_phone_number: &shown(&parties.from_user),
        caller_country: parties.from_country,
        destination_phone_number: &shown(&parties.to_user),
        destination_country: parties.to_country,
        conference_start_time_epoch_seconds: billed.began.as_secs().to_string(),
        conference_end_time_epoch_seconds: billed.ended.as_secs().to_string(),
        start_time_epoch_seconds: start(billed).as_secs().to_string(),
        end_time_epoch_seconds: billed.ended.as_secs().to_string(),
        billable_duration_seconds: seconds.to_string(),
        billable_duration_minutes: minutes(seconds),
        direction: parties.direction.name(),
    };
    let mut out = Vec::with_capacity(1_024);
    // Serialising plain fields into memory cannot fail.
    let _ = serde_json::to_writer(&mut out, &document);
    out
}

/// When the parties were connected.
fn start(billed: &Billed<'_>) -> UnixTime {
    let Some(talk) = billed.talk else { return billed.began };
    let talk = u64::try_from(talk.as_millis()).unwrap_or(u64::MAX);
    UnixTime::from_millis(billed.ended.as_millis().saturating_sub(talk))
}

/// Such as `.4`, `1` or `1.5`: without a leading zero, as the form has it.
fn minutes(seconds: u64) -> String {
    let text = super::minutes(seconds).to_string();
    match text.strip_prefix('0') {
        Some(fraction) if !fraction.is_empty() => fraction.to_owned(),
        _ => text,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    schema_version: &'a str,
    cdr_id: &'a str,
    service_code: &'a str,
    chime_account_id: &'a str,
    aws_account_id: &'a str,
    conference_id: &'a str,
    conference_pin: &'a str,
    organizer_user_id: &'a str,
    organizer_email: &'a str,
    caller_phone_number: &'a str,
    caller_country: &'a str,
    destination_phone_number: &'a str,
    destination_country: &'a str,
    conference_start_time_epoch_seconds: String,
    conference_end_time_epoch_seconds: String,
    start_time_epoch_seconds: String,
    end_time_epoch_seconds: String,
    billable_duration_seconds: String,
    billable_duration_minutes: String,
    direction: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_have_no_leading_zero() {
        let texts = [0, 6, 7, 24, 60, 90, 600].map(minutes);
        assert_eq!(texts, ["0", ".1", ".1167", ".4", "1", "1.5", "10"]);
    }
}
