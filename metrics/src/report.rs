//! The text of `tandem report`: what happened in a call, how good it was, and why.

mod because;
mod facts;
mod findings;
mod html;
mod ladder;
mod lines;
mod minutes;
mod tables;

use crate::calendar;
use crate::call_record::{CallRecord, MeetingRecord, QualityRecord};
use model::UnixTime;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;

pub use because::{Because, Cause, because};
pub use findings::{Finding, Severity, findings};
pub use html::explain_html;

/// Tells a call in text of at most 100 columns: header, ladder, quality, and in words why it was
/// good or bad.
pub fn explain(record: &CallRecord) -> String {
    let findings = findings(record);
    let mut out = String::with_capacity(8 * 1_024);
    header(&mut out, record, &findings);
    ladder::draw(&mut out, record);
    tables::quality(&mut out, record);
    minutes::table(&mut out, record);
    lines::tables(&mut out, record);
    conclusion(&mut out, &findings);
    // Lines are kept apart where they are made; this is for all that is left.
    match crate::printable(&out) {
        Cow::Borrowed(_) => out,
        Cow::Owned(safe) => safe,
    }
}

/// What a leg's number is called for people: `customer` or `carrier`; `other side` of a call that was
/// begun here, where nobody has called.
fn side_name(record: &CallRecord, leg: usize) -> &'static str {
    if leg == 0 && is_begun_here(record) {
        return "other side";
    }
    let is_customer = is_outbound(record) == (leg == 0) && record.proxy_session.is_none();
    if is_customer { "customer" } else { "carrier" }
}

/// What stands over the columns of tables, the customer's before the carrier's.
fn column_names(record: &CallRecord) -> [&'static str; 2] {
    [if is_begun_here(record) { "other side" } else { "customer" }, "carrier"]
}

/// Whether an application has begun it: the INVITE is ours, from no address.
fn is_begun_here(record: &CallRecord) -> bool {
    let nowhere = |source: SocketAddr| source.ip().is_unspecified() && source.port() == 0;
    is_outbound(record) && record.source.parse().is_ok_and(nowhere)
}

/// Whether Tandem itself was the far end: an application, a meeting room.
fn is_answered_here(record: &CallRecord) -> bool {
    record.times.answered.is_some() && record.routes.is_empty() && record.recorded.is_none()
}

/// Whether a leg of an answered call is nobody's, so that nothing is to be said of its media: its side
/// is Tandem's own, and nobody was called beside.
fn is_nobody(record: &CallRecord, leg: usize) -> bool {
    let is_own = if leg == 0 { is_begun_here(record) } else { is_answered_here(record) };
    let is_still =
        |q: &QualityRecord| q.received_packets == 0 && q.sent_packets == 0 && q.fax.is_none();
    is_own && record.quality.get(leg).is_none_or(|q| q.as_ref().is_none_or(is_still))
}

fn is_outbound(record: &CallRecord) -> bool {
    record.direction == "Outbound"
}

/// Milliseconds as people say them.
fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", millis as f64 / 1_000.0),
        _ => format!("{} min {:02} s", millis / 60_000, millis / 1_000 % 60),
    }
}

/// Microseconds as milliseconds.
fn ms(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1_000.0)
}

fn talk_ms(record: &CallRecord) -> Option<u64> {
    record.times.answered.map(|answered| record.times.ended.saturating_sub(answered))
}

fn header(out: &mut String, record: &CallRecord, findings: &[Finding]) {
    let verdict = verdict(record, findings);
    let rule = "=".repeat(96);
    let title = format!("Call {}", record.transaction_id);
    let gap = 96usize.saturating_sub(title.len() + verdict.len());
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(out, "{rule}\n{title}{:gap$}{verdict}\n{rule}", "");
    let short = ("In short", because(record).text);
    for (name, value) in [short].into_iter().chain(header_rows(record)) {
        let value = crate::printable_line(&value);
        for (number, line) in wrapped(&value, 85).iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            let _ = writeln!(out, "{name:<11}{line}");
        }
    }
}

/// Who called whom, over what, when and how it ended; what a call has not is left out.
fn header_rows(record: &CallRecord) -> impl Iterator<Item = (&'static str, String)> {
    let country = |c: &str| if c.is_empty() { String::new() } else { format!(" ({c})") };
    let rows = [
        ("Direction", format!("{}, {}", record.direction.to_lowercase(), path(record))),
        (
            "From",
            match is_begun_here(record) {
                true => format!("{}{}", record.from_user, country(&record.from_country)),
                false => format!(
                    "{}{} at {}",
                    record.from_user,
                    country(&record.from_country),
                    record.source
                ),
            },
        ),
        ("To", format!("{}{}{}", record.to_user, country(&record.to_country), last_route(record))),
        (
            "Connector",
            format!("{}, node {}, {}", record.voice_connector_id, record.node, record.region),
        ),
        ("Call-ID", record.call_id.clone()),
        ("Began", calendar::readable(UnixTime::from_millis(record.times.attempted))),
        ("Course", course(record)),
        ("Ended", ending(record)),
        ("Transfer", transfer(record)),
        ("Fax", fax(record)),
        ("Recorded", recorded(record)),
        ("Meeting", meetings(record)),
        ("Identity", identity(record)),
        ("Masked", masked(record)),
        ("Numbers", numbers(record)),
    ];
    rows.into_iter().filter(|(_, value)| !value.is_empty())
}

fn identity(record: &CallRecord) -> String {
    let signed =
        record.attestation.as_ref().map(|level| format!("signed with attestation {level}"));
    let verified = record.caller_verification.as_ref().map(|verdict| match verdict.as_str() {
        "no_identity" => "the carrier's call was not signed".to_owned(),
        verdict => verdict.replacen('_', ": ", 1),
    });
    verified.into_iter().chain(signed).collect::<Vec<_>>().join("; ")
}

/// By which proxy phone session neither side learned of the other.
fn masked(record: &CallRecord) -> String {
    match record.proxy_session.as_deref() {
        None => String::new(),
        Some("fallback") => {
            "the proxy number's caller had no open session: fallback number".to_owned()
        }
        Some(session) => format!("proxy session {session}"),
    }
}

/// How the numbers were hidden, if they were.
fn numbers(record: &CallRecord) -> String {
    let hidden = |how: &String| format!("{how} when the record was written ([privacy] history)");
    record.numbers.as_ref().map(hidden).unwrap_or_default()
}

/// The meetings that it was in, and which were recorded.
fn meetings(record: &CallRecord) -> String {
    let shown = |meeting: &MeetingRecord| match meeting.recorded {
        true => format!("{} (recorded)", meeting.meeting_id),
        false => meeting.meeting_id.clone(),
    };
    if record.meetings.is_empty() && record.voice_connector_id == model::ROOMS_CONNECTOR {
        return "none: no right ID was given, or the caller was not let in".to_owned();
    }
    record.meetings.iter().map(shown).collect::<Vec<_>>().join("; ")
}

fn recorded(record: &CallRecord) -> String {
    let Some(recorded) = &record.recorded else { return String::new() };
    let metadata = match recorded.metadata.as_str() {
        "read" => "metadata read".to_owned(),
        "missing" => "no metadata".to_owned(),
        why => format!("metadata not read ({why})"),
    };
    format!(
        "{} of {} lines, {metadata}",
        recorded.lines,
        recorded.lines.saturating_add(recorded.declined)
    )
}

fn fax(record: &CallRecord) -> String {
    let told = |leg: usize| {
        let fax = record.quality[leg].as_ref()?.fax?;
        Some(format!("{} T.38 datagrams from the {}", fax.received_packets, side_name(record, leg)))
    };
    [told(0), told(1)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn transfer(record: &CallRecord) -> String {
    let to = record.transferred_to.as_ref().map(|id| format!("goes on as call {id}"));
    let from = record.transferred_from.as_ref().map(|id| format!("came from call {id}"));
    from.into_iter().chain(to).collect::<Vec<_>>().join("; ")
}

fn verdict(record: &CallRecord, findings: &[Finding]) -> &'static str {
    if record.end.refusal.is_some() {
        return "REFUSED";
    }
    if record.times.answered.is_none() {
        return "NOT ANSWERED";
    }
    match findings.iter().map(|f| f.severity).max() {
        Some(Severity::Bad) => "BAD",
        Some(Severity::Fair) => "FAIR",
        _ => "GOOD",
    }
}

fn path(record: &CallRecord) -> &'static str {
    if record.recorded.is_some() {
        return "the copy of a call that took place elsewhere (SIPREC)";
    }
    if record.proxy_session.is_some() {
        return "carrier to carrier, masked";
    }
    match (is_outbound(record), is_begun_here(record), is_answered_here(record)) {
        (_, true, _) => "begun by an application, to a carrier",
        (true, false, true) => "from a customer, answered here",
        (false, false, true) => "from a carrier, answered here",
        (true, false, false) => "customer to carrier",
        (false, false, false) => "carrier to customer",
    }
}

fn last_route(record: &CallRecord) -> String {
    record.routes.last().map_or_else(String::new, |route| {
        let carrier = route.carrier.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
        format!(" at {} over {}{carrier}", route.destination, route.protocol)
    })
}

fn course(record: &CallRecord) -> String {
    let times = &record.times;
    let given_up = if record.end.refusal.is_some() { "refused" } else { "given up" };
    let mut parts = Vec::new();
    if record.routes.len() > 1 {
        parts.push(format!("{} routes tried", record.routes.len()));
    }
    if let Some(ringing) = times.ringing {
        parts.push(format!("rang after {}", span(ringing.saturating_sub(times.attempted))));
    }
    if let Some(answered) = times.answered {
        parts.push(format!("answered after {}", span(answered.saturating_sub(times.attempted))));
    }
    match talk_ms(record) {
        Some(talk) => parts.push(format!("talked for {}", span(talk))),
        None => parts.push(format!(
            "{given_up} after {}",
            span(times.ended.saturating_sub(times.attempted))
        )),
    }
    parts.join(", ")
}

fn ending(record: &CallRecord) -> String {
    let who = match record.end.ended_by.as_str() {
        "leg_a" if is_begun_here(record) => "the other side",
        "leg_a" => "the caller",
        "leg_b" => "the called side",
        _ => "Tandem",
    };
    format!("by {who}: {} (INVITE was answered {})", record.end.cause, record.end.status)
}

fn conclusion(out: &mut String, findings: &[Finding]) {
    let _ = writeln!(out, "\nWhy");
    for finding in findings {
        let mark = match finding.severity {
            Severity::Bad => "[bad ]",
            Severity::Fair => "[fair]",
            Severity::Note => "[note]",
            Severity::Good => "[good]",
        };
        for (number, line) in wrapped(&finding.text, 88).iter().enumerate() {
            let mark = if number == 0 { mark } else { "" };
            let _ = writeln!(out, " {mark:<6} {line}");
        }
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let fits = lines
            .last()
            .is_some_and(|l| l.is_empty() || l.chars().count() + 1 + word.chars().count() <= width);
        match lines.last_mut().filter(|_| fits) {
            Some(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
pub(crate) mod tests;
