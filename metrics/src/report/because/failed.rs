//! Why a call was not answered.

use super::{Cause, Look, Told};
use crate::call_record::{CallRecord, LadderRecord, RouteRecord};
use crate::report::facts::{
    called, clock, codecs, description, is_invite, lasted_ms, on_leg, refused_by_b, route_name,
    status_line, status_of,
};
use crate::report::findings::refusal_advice;
use crate::report::{is_begun_here, side_name, span};

/// From this on one doubts that a call goes through, ms.
const PATIENCE_MS: u64 = 4_000;

pub(super) const CAUSES: &[Look] = &[
    refused,
    no_prack,
    never_rang,
    gave_up,
    routes_failed,
    unreachable,
    no_answer,
    media_security,
    no_common_codec,
    by_status,
    other_status,
];

fn refused(record: &CallRecord) -> Option<Told> {
    let refusal = record.end.refusal.as_deref()?;
    let cause = match refusal {
        "unknown_source"
        | "source_not_allowed"
        | "wrong_credentials"
        | "too_many_failures"
        | "certificate_required"
        | "identity_missing"
        | "identity_stale"
        | "identity_unknown"
        | "identity_credential"
        | "identity_invalid" => Cause::Credentials,
        "call_rate_limit"
        | "concurrent_call_limit"
        | "routes_full"
        | "overloaded"
        | "ports_exhausted"
        | "relay_unavailable"
        | "daily_minutes_cap"
        | "daily_spend_cap" => Cause::Capacity,
        "plain_media" => Cause::MediaSecurity,
        "not_acceptable" => Cause::NoCommonCodec,
        "draining" => Cause::NodeStopped,
        "call_duration_cap" => Cause::TooLong,
        _ => Cause::Policy,
    };
    let offered = match cause {
        Cause::NoCommonCodec => offered(record, "A", "received"),
        _ => String::new(),
    };
    let text = format!(
        "Tandem refused the {}'s call from {} ({}) to {} at {} with {} ({refusal}{offered}): {}",
        side_name(record, 0),
        record.from_user,
        record.source,
        record.to_user,
        clock(record, lasted_ms(record)),
        record.end.status,
        one_sentence(refusal_advice(refusal))
    );
    Told::new(1_200, cause, text)
}

/// What is advised in a sentence of its own, joined to the first.
fn one_sentence(advice: &str) -> String {
    let mut sentences = advice.split(". ");
    let mut text = sentences.next().unwrap_or_default().to_owned();
    for sentence in sentences {
        let mut rest = sentence.chars();
        let first = rest.next().map(|c| c.to_ascii_lowercase());
        text.push_str("; ");
        text.extend(first);
        text.push_str(rest.as_str());
    }
    text
}

fn no_prack(record: &CallRecord) -> Option<Told> {
    (record.end.cause == "leg A sent no PRACK").then_some(())?;
    let text = format!(
        "The {} never acknowledged a reliable response (no PRACK, RFC 3262) and Tandem gave up at \
         {}, after {}.",
        side_name(record, 0),
        clock(record, lasted_ms(record)),
        span(lasted_ms(record))
    );
    Told::new(930, Cause::NoPrack, text)
}

fn is_given_up(record: &CallRecord) -> bool {
    record.end.status == 487
}

/// Who let go of a call that rang.
fn caller(record: &CallRecord) -> String {
    match is_begun_here(record) {
        true => "The application".to_owned(),
        false => format!("The caller on the {}'s side", side_name(record, 0)),
    }
}

fn gave_up(record: &CallRecord) -> Option<Told> {
    is_given_up(record).then_some(())?;
    let heard = match record.times.ringing {
        Some(rang) => format!(
            "after it had rung for {}, before anyone answered",
            span(record.times.ended.saturating_sub(rang))
        ),
        None => format!("after {}, before it rang", span(lasted_ms(record))),
    };
    let text =
        format!("{} hung up at {} {heard}.", caller(record), clock(record, lasted_ms(record)));
    Told::new(800, Cause::CallerGaveUp, text)
}

fn never_rang(record: &CallRecord) -> Option<Told> {
    let waited = lasted_ms(record);
    (is_given_up(record) && record.times.ringing.is_none() && waited >= PATIENCE_MS)
        .then_some(())?;
    let said = on_leg(record, "B", "received")
        .filter(|rung| status_of(rung).is_some_and(|status| status < 200))
        .map(status_line)
        .next_back();
    let said = match said {
        Some(line) => format!("all that {} had said was {line}", called(record)),
        None => format!("{} had answered nothing", called(record)),
    };
    let text = format!(
        "{} gave up at {} after {} in which it never rang; {said}.",
        caller(record),
        clock(record, waited),
        span(waited)
    );
    Told::new(810, Cause::NeverRang, text)
}

/// What the called side itself decided is no fault of the routes before it.
fn is_fault_of_route(status: u16) -> bool {
    matches!(status, 408 | 430 | 500..=599)
}

fn routes_failed(record: &CallRecord) -> Option<Told> {
    (record.routes.len() > 1 && is_fault_of_route(record.end.status) && !rang(record))
        .then_some(())?;
    let tried: Vec<_> = record
        .routes
        .iter()
        .enumerate()
        .map(|(number, route)| {
            let until = record.routes.get(number + 1).map_or(u64::MAX, |next| next.offset_ms);
            format!("{} {}", route_name(route), outcome(record, route, until))
        })
        .collect();
    let text = format!(
        "All {} routes to the {} failed by {}, {} after the call came: {}.",
        tried.len(),
        side_name(record, 1),
        clock(record, lasted_ms(record)),
        span(lasted_ms(record)),
        tried.join(", ")
    );
    Told::new(900, Cause::RoutesFailed, text)
}

/// How a try went that was over at an offset.
fn outcome(record: &CallRecord, route: &RouteRecord, until: u64) -> String {
    let refusal = on_leg(record, "B", "received")
        .filter(|rung| rung.peer == route.destination)
        .filter(|rung| (route.offset_ms..=until).contains(&rung.offset_ms))
        .filter(|rung| status_of(rung).is_some_and(|status| status >= 300))
        .map(status_line)
        .next();
    refusal.unwrap_or_else(|| {
        let waited = until.min(lasted_ms(record)).saturating_sub(route.offset_ms);
        format!("no answer in {}", span(waited))
    })
}

fn unreachable(record: &CallRecord) -> Option<Told> {
    let route = record.routes.last()?;
    let heard = on_leg(record, "B", "received").any(|rung| rung.peer == route.destination);
    (is_fault_of_route(record.end.status) && !heard).then_some(())?;
    let sent = on_leg(record, "B", "sent")
        .filter(|rung| is_invite(rung) && rung.peer == route.destination)
        .count();
    let sent = match sent {
        0 => String::new(),
        1 => " (INVITE sent once)".to_owned(),
        _ => format!(" (INVITE sent {sent} times)"),
    };
    let text = format!(
        "Nothing came back from {} at {} over {} in {} until {}{sent}.",
        called(record),
        route.destination,
        route.protocol,
        span(lasted_ms(record).saturating_sub(route.offset_ms)),
        clock(record, lasted_ms(record))
    );
    Told::new(880, Cause::Unreachable, text)
}

fn rang(record: &CallRecord) -> bool {
    record.times.ringing.is_some()
}

fn no_answer(record: &CallRecord) -> Option<Told> {
    let rang = record.times.ringing?;
    matches!(record.end.status, 408 | 480 | 487 | 504).then_some(())?;
    (!is_given_up(record)).then_some(())?;
    let text = format!(
        "It rang at {} from {} for {} and nobody answered ({}).",
        called(record),
        clock(record, rang.saturating_sub(record.times.attempted)),
        span(record.times.ended.saturating_sub(rang)),
        record.end.status
    );
    Told::new(870, Cause::NoAnswer, text)
}

/// ` (offered …)`.
fn offered(record: &CallRecord, leg: &str, direction: &str) -> String {
    description(record, leg, direction)
        .map_or_else(String::new, |offer| format!("; offered {}", codecs(offer)))
}

/// `pstn-1 said it at 14:02:10`.
fn said_at(record: &CallRecord, rung: &LadderRecord) -> String {
    let who = record.routes.last().map_or_else(|| rung.peer.clone(), route_name);
    format!(
        "{who} said it at {}, {} after the call came",
        clock(record, rung.offset_ms),
        span(rung.offset_ms)
    )
}

fn because_of_media(record: &CallRecord) -> Option<&LadderRecord> {
    matches!(record.end.status, 415 | 488 | 606).then_some(())?;
    refused_by_b(record)
}

fn media_security(record: &CallRecord) -> Option<Told> {
    let rung = because_of_media(record)?;
    let offer = description(record, "B", "sent")?;
    let takes = rung.description.as_ref().map(|description| description.profile.as_str());
    let is_secure = |profile: &str| profile.contains("SAVP");
    let says = rung.reason.as_deref().unwrap_or_default().to_ascii_lowercase();
    let differs = takes.is_some_and(|takes| is_secure(takes) != is_secure(&offer.profile));
    // RFC 3261 section 20.43: 302 is a transport protocol that is not available.
    let named = ["srtp", "crypto", "savp", "encrypt"].iter().any(|word| says.contains(word))
        || says.starts_with("302");
    (differs || named).then_some(())?;
    let wants = match takes {
        Some(takes) => format!("; it takes {takes}"),
        None if says.is_empty() => String::new(),
        None => format!("; it says {}", rung.reason.as_deref().unwrap_or_default()),
    };
    let text = format!(
        "{} from the {}: the sides do not agree on encrypting the audio (offered {}{wants}); {}.",
        record.end.status,
        side_name(record, 1),
        offer.profile,
        said_at(record, rung)
    );
    Told::new(865, Cause::MediaSecurity, text)
}

fn no_common_codec(record: &CallRecord) -> Option<Told> {
    let rung = because_of_media(record)?;
    let offer = description(record, "B", "sent").map(codecs);
    let takes = rung.description.as_ref().map(codecs);
    let evidence = match (offer, takes, rung.reason.as_deref()) {
        (Some(offer), Some(takes), _) => format!(" (offered {offer}; it takes {takes})"),
        (Some(offer), None, Some(reason)) => format!(" (offered {offer}; it says {reason})"),
        (Some(offer), None, None) => format!(" (offered {offer}; it does not say what it takes)"),
        _ => String::new(),
    };
    let text = format!(
        "{} from the {}: no common codec{evidence}; {}.",
        record.end.status,
        side_name(record, 1),
        said_at(record, rung)
    );
    Told::new(860, Cause::NoCommonCodec, text)
}

fn by_status(record: &CallRecord) -> Option<Told> {
    let status = record.end.status;
    let (cause, means) = match status {
        401 | 407 => (Cause::RouteCredentials, "it wants credentials, or other ones"),
        403 => (Cause::Forbidden, "it forbids the call"),
        404 | 410 | 484 | 604 => (Cause::UnknownNumber, "it does not know the number"),
        480 => (Cause::Unavailable, "the called party was not available"),
        486 | 600 => (Cause::Busy, "the called party was busy"),
        603 | 607 | 608 => (Cause::Declined, "the called party declined"),
        500..=599 => (Cause::PeerFailed, "it failed or was overloaded"),
        _ => return None,
    };
    let rung = refused_by_b(record)?;
    Told::new(850, cause, from_called(record, rung, means))
}

fn other_status(record: &CallRecord) -> Option<Told> {
    let means = "the call was not answered";
    let text = match refused_by_b(record) {
        Some(rung) => from_called(record, rung, means),
        None => format!(
            "The call to {} was not answered: {} ({}) at {}, {} after it came.",
            called(record),
            record.end.status,
            record.end.cause,
            clock(record, lasted_ms(record)),
            span(lasted_ms(record))
        ),
    };
    Told::new(10, Cause::OtherStatus, text)
}

/// `503 Service Unavailable from the carrier (pstn-1) at 14:02:10: it failed …`
fn from_called(record: &CallRecord, rung: &LadderRecord, means: &str) -> String {
    let reason = rung.reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
    let number = match means.ends_with("the number") {
        true => format!(" {}", record.to_user),
        false => String::new(),
    };
    format!(
        "{} from {} at {}, {} after the call came: {means}{number}{reason}.",
        status_line(rung),
        called(record),
        clock(record, rung.offset_ms),
        span(rung.offset_ms)
    )
}
