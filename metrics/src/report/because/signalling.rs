//! Causes that end calls before and after the answer: what Tandem itself says of the end.

use super::{Cause, Look, Told};
use crate::CallRecord;
use crate::call_record::LadderRecord;
use crate::report::facts::{called, clock, lasted_ms, refused_by_b, status_line};
use crate::report::{side_name, span};

pub(super) const CAUSES: &[Look] = &[
    incomplete,
    relay_lost,
    application_failed,
    no_meeting,
    unusable_answer,
    node_stopped,
    edge_restarted,
    too_long,
];

fn incomplete(record: &CallRecord) -> Option<Told> {
    let lost = matches!(
        record.end.cause.as_str(),
        "the node stopped while the call was running" | "nothing was heard of the call any more"
    );
    (lost || record.end.status == 0).then_some(())?;
    let text = format!(
        "Node {} closed the record at {}, {} after the call began, without the call's end: {}.",
        record.node,
        clock(record, lasted_ms(record)),
        span(lasted_ms(record)),
        record.end.cause
    );
    Told::new(950, Cause::Incomplete, text)
}

fn relay_lost(record: &CallRecord) -> Option<Told> {
    (record.end.cause == "the media relay lost the call").then_some(())?;
    let text = format!(
        "The media relay lost the call at {}, {} after it began.",
        clock(record, lasted_ms(record)),
        span(lasted_ms(record))
    );
    Told::new(1_100, Cause::RelayLost, text)
}

fn application_failed(record: &CallRecord) -> Option<Told> {
    // As the recorder writes it: the application's id, and the reason.
    let failure = record.end.cause.strip_prefix("application ")?;
    let (application, why) = failure.split_once(": ")?;
    let text = format!(
        "The application {application} that steers the {}'s call failed at {}, {} after the call began: {why}.",
        side_name(record, 0),
        clock(record, lasted_ms(record)),
        span(lasted_ms(record))
    );
    Told::new(1_150, Cause::ApplicationFailed, text)
}

fn no_meeting(record: &CallRecord) -> Option<Told> {
    let why = record.end.cause.as_str();
    matches!(
        why,
        "no meeting could be entered by what the caller gave"
            | "the meeting was full"
            | "the meeting rooms could not serve the call"
    )
    .then_some(())?;
    let text = format!(
        "The meeting rooms ended the {}'s call at {}, {} after it began: {why}.",
        side_name(record, 0),
        clock(record, lasted_ms(record)),
        span(lasted_ms(record))
    );
    Told::new(910, Cause::NoMeeting, text)
}

fn unusable_answer(record: &CallRecord) -> Option<Told> {
    matches!(
        record.end.cause.as_str(),
        "the answer cannot be used"
            | "the PRACK has no usable answer"
            | "the answer's dialog cannot be read"
            | "the legs disagree on the media"
    )
    .then_some(())?;
    let text = format!(
        "Tandem ended the call at {} after {}: {} (a session description of {} or of the {} that does \
         not fit its offer).",
        clock(record, lasted_ms(record)),
        span(lasted_ms(record)),
        record.end.cause,
        called(record),
        side_name(record, 0)
    );
    Told::new(920, Cause::UnusableAnswer, text)
}

fn node_stopped(record: &CallRecord) -> Option<Told> {
    (record.end.cause == "the node stops").then_some(())?;
    let text = format!(
        "Node {} was stopped at {} and ended the call after {}.",
        record.node,
        clock(record, lasted_ms(record)),
        span(lasted_ms(record))
    );
    Told::new(1_010, Cause::NodeStopped, text)
}

fn edge_restarted(record: &CallRecord) -> Option<Told> {
    (record.end.cause == "the edge was started anew during the setup").then_some(())?;
    let ended = record.times.ended;
    let before = match (record.times.answered, record.times.ringing) {
        (Some(at), _) => {
            format!("answered {} before and not acknowledged yet", span(ended - at.min(ended)))
        }
        (None, Some(at)) => format!("ringing since {}", span(ended - at.min(ended))),
        (None, None) => "not ringing yet".to_owned(),
    };
    let told = match record.times.answered {
        Some(_) => "BYE".to_owned(),
        None => record.end.status.to_string(),
    };
    let text = format!(
        "The edge of node {} ended and was started anew while it set up the call: it gave the call up at \
         {}, {} after it came, {before}, and told the {} {told}.",
        record.node,
        clock(record, lasted_ms(record)),
        span(lasted_ms(record)),
        side_name(record, 0)
    );
    Told::new(1_050, Cause::EdgeRestarted, text)
}

fn too_long(record: &CallRecord) -> Option<Told> {
    let limit = match record.end.cause.as_str() {
        "the call's lifetime is over" => "Tandem's longest lifetime of a call",
        "the voice connector's max_call_duration is over" => {
            "the voice connector's max_call_duration"
        }
        _ => return None,
    };
    let text = format!(
        "The {}'s call was cut at {} after {}: {limit} was over.",
        side_name(record, 0),
        clock(record, lasted_ms(record)),
        span(lasted_ms(record))
    );
    Told::new(700, Cause::TooLong, text)
}

/// Behind the causes that only an answered call can have; they end it, so they stand with these.
pub(super) fn ended_by_signalling(record: &CallRecord) -> Option<Told> {
    let (rank, cause, why) = match record.end.cause.as_str() {
        "the 2xx was not acknowledged" => {
            (900, Cause::NoAck, "no ACK came for the 200 that answered the call")
        }
        "a leg does not answer" => (890, Cause::PeerGone, "a side answered no more requests"),
        "a leg's session was not refreshed" => (
            880,
            Cause::NotRefreshed,
            "neither the customer nor the carrier refreshed its session timer (RFC 4028)",
        ),
        "the transfer failed"
        | "a leg hung up during its transfer"
        | "the transferred leg refused the media"
        | "the transferred leg stayed busy"
        | "the transferred legs have no common media" => {
            (870, Cause::TransferFailed, record.end.cause.as_str())
        }
        _ => return None,
    };
    let who = match cause {
        Cause::NoAck => unacknowledged(record),
        Cause::PeerGone => unanswered(record),
        Cause::TransferFailed => asked_for(record),
        _ => String::new(),
    };
    let text = format!(
        "Tandem ended the call at {} after {}: {why}{who}.",
        clock(record, lasted_ms(record)),
        span(lasted_ms(record))
    );
    Told::new(rank, cause, text)
}

fn unacknowledged(record: &CallRecord) -> String {
    let answers = record
        .ladder
        .iter()
        .filter(|rung| rung.leg == "A" && rung.direction == "sent")
        .filter(|rung| rung.start_line.starts_with("SIP/2.0 200"))
        .count();
    format!(" (it was sent to the {} {answers} times)", side_name(record, 0))
}

/// Who wanted the transfer.
fn asked_for(record: &CallRecord) -> String {
    let refer = |rung: &&LadderRecord| {
        rung.direction == "received" && rung.start_line.starts_with("REFER ")
    };
    record.ladder.iter().rev().find(refer).map_or_else(String::new, |rung| {
        let side = side_name(record, usize::from(rung.leg == "B"));
        format!(" (the {side} asked for it at {})", clock(record, rung.offset_ms))
    })
}

/// Whose, and for how long: the leg whose last requests stand in the ladder without an answer.
fn unanswered(record: &CallRecord) -> String {
    let of_leg = |letter: &'static str| {
        let open = |rung: &&LadderRecord| {
            rung.direction == "sent"
                && !rung.start_line.starts_with("SIP/2.0 ")
                && !rung.start_line.starts_with("ACK ")
        };
        let newest = record.ladder.iter().rev().filter(|rung| rung.leg == letter);
        let tries: Vec<_> =
            newest.take_while(|rung| rung.direction == "sent").filter(open).collect();
        let first = tries.last()?.offset_ms;
        Some((tries.len(), first, usize::from(letter == "B")))
    };
    let [a, b] = ["A", "B"].map(of_leg);
    // A BYE that nobody waits for stands last on the other leg.
    let Some((tries, from, leg)) = a.into_iter().chain(b).max_by_key(|(tries, ..)| *tries) else {
        return String::new();
    };
    format!(" (the {}: {tries} requests from {} on)", side_name(record, leg), clock(record, from))
}

/// A re-INVITE or UPDATE of an answered call that was refused, but for what mends itself: a
/// challenge, or glare (491).
pub(super) fn change_refused(record: &CallRecord) -> Option<Told> {
    let answered = record.times.answered?.saturating_sub(record.times.attempted);
    let refusal = refused_by_b(record).filter(|rung| rung.offset_ms > answered).or_else(|| {
        record.ladder.iter().rev().find(|rung| {
            rung.offset_ms > answered
                && rung.leg == "A"
                && rung.direction == "received"
                && crate::report::facts::status_of(rung).is_some_and(|s| s >= 300)
        })
    })?;
    let status = crate::report::facts::status_of(refusal)?;
    matches!(status, 400 | 415 | 420 | 488 | 500..=699).then_some(())?;
    let side = side_name(record, usize::from(refusal.leg == "B"));
    let text = format!(
        "The {side} refused a change of the call's media at {}, {} into the call, with {}.",
        clock(record, refusal.offset_ms),
        span(refusal.offset_ms),
        status_line(refusal)
    );
    Told::new(430, Cause::ChangeRefused, text)
}
