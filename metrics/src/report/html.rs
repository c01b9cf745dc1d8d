//! The report of a call as one page that needs nothing else: no script, no font, no image of
//! another place. Every text that came from a peer is escaped where it is written.

mod plot;

use super::facts::{clock, status_line};
use super::ladder::Known;
use super::minutes::minutes;
use super::{Severity, course, ending, findings, is_outbound, path, side_name, verdict};
use crate::CallRecord;
use crate::calendar;
use model::UnixTime;
use std::fmt::Write as _;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--rule:#d5dae0;--page:#fff;--box:#f5f7f9;\
--one:#1764c0;--two:#c2571a;--good:#1a7f43;--bad:#b3261e;--fair:#8a6100}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4af;--rule:#363d45;--page:#14171a;\
--box:#1d2226;--one:#6cb0ff;--two:#ff9d5c;--good:#5bd08a;--bad:#ff8a80;--fair:#e6b94d}}\
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:62rem;\
margin:2rem auto;padding:0 1rem}h1{font-size:1.15rem;margin:0}h2{font-size:1rem;margin:2rem 0 .5rem}\
.short{font-size:1.2rem;line-height:1.4;margin:.8rem 0;padding:.8rem 1rem;background:var(--box);\
border-left:4px solid var(--rule)}.BAD,.REFUSED{border-color:var(--bad)}.FAIR{border-color:var(--fair)}\
.GOOD{border-color:var(--good)}.wide{overflow-x:auto}dl{display:grid;grid-template-columns:7rem 1fr;\
gap:.15rem 1rem;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;\
padding:.2rem .6rem;border-bottom:1px solid var(--rule);vertical-align:top}th{color:var(--soft);\
font-weight:500}.num{text-align:right}.sub td{color:var(--soft);font-size:.86rem;border:0}\
.sub td:last-child{overflow-wrap:anywhere}.msg td{border:0;border-top:1px solid var(--rule)}\
.a{color:var(--one)}.b{color:var(--two)}svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);\
font:11px system-ui,sans-serif}svg .name{fill:var(--ink);font-size:12px}.grid{stroke:var(--rule)}\
.one{stroke:var(--one);fill:none;stroke-width:2}.two{stroke:var(--two);fill:none;stroke-width:2;\
stroke-dasharray:6 4}.dot1{fill:var(--one)}.dot2{fill:var(--two)}li{margin:.2rem 0}.sev{color:var(--soft)}";

/// Tells a call as one page of HTML.
pub fn explain_html(record: &CallRecord) -> String {
    let findings = findings(record);
    let verdict = verdict(record, &findings);
    let mut out = String::with_capacity(32 * 1_024);
    let id = escaped(&record.transaction_id);
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>Call {id}</title>\n\
         <style>{STYLE}</style></head>\n<body><h1>Call {id} &middot; {verdict}</h1>"
    );
    let short = super::because(record).text;
    let class = verdict.split(' ').next().unwrap_or_default();
    let _ = writeln!(out, "<p class=\"short {class}\">{}</p>", escaped(&short));
    header(&mut out, record);
    plot::all(&mut out, record);
    by_minute(&mut out, record);
    ladder(&mut out, record);
    let _ = writeln!(out, "<h2>All findings</h2><ul>");
    for finding in &findings {
        let severity = match finding.severity {
            Severity::Bad => "bad",
            Severity::Fair => "fair",
            Severity::Note => "note",
            Severity::Good => "good",
        };
        let text = escaped(&finding.text);
        let _ = writeln!(out, "<li><span class=\"sev\">{severity}:</span> {text}</li>");
    }
    out.push_str("</ul></body></html>\n");
    out
}

/// A text that can stand in an element or an attribute: markup is text, commands are replaced.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::printable_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn header(out: &mut String, record: &CallRecord) {
    let route = record.routes.last();
    let to = route.map_or_else(String::new, |route| {
        let carrier = route.carrier.as_deref().map(|c| format!(" ({c})")).unwrap_or_default();
        format!(" at {} over {}{carrier}", route.destination, route.protocol)
    });
    let connector =
        format!("{}, node {}, {}", record.voice_connector_id, record.node, record.region);
    let began = calendar::readable(UnixTime::from_millis(record.times.attempted));
    let rows = [
        ("Direction", format!("{}, {}", record.direction.to_lowercase(), path(record))),
        ("From", format!("{} at {}", record.from_user, record.source)),
        ("To", format!("{}{to}", record.to_user)),
        ("Connector", connector),
        ("Call-ID", record.call_id.clone()),
        ("Began", began),
        ("Course", course(record)),
        ("Ended", ending(record)),
    ];
    out.push_str("<dl>\n");
    for (name, value) in rows {
        let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    out.push_str("</dl>\n");
}

fn by_minute(out: &mut String, record: &CallRecord) {
    let minutes = minutes(record);
    if minutes.is_empty() {
        return;
    }
    out.push_str(
        "<h2>By minute</h2><div class=\"wide\"><table><tr><th></th><th class=\"num a\" colspan=\"4\">\
         customer</th><th class=\"num b\" colspan=\"4\">carrier</th></tr>\n<tr><th>until</th>",
    );
    for _ in 0..2 {
        for name in ["lost", "jitter", "round trip", "MOS"] {
            let _ = write!(out, "<th class=\"num\">{name}</th>");
        }
    }
    out.push_str("</tr>\n");
    for minute in &minutes {
        let _ = write!(out, "<tr><td>{}</td>", clock(record, minute.offset_ms));
        for cell in minute.sides.iter().flat_map(super::minutes::texts) {
            let _ = write!(out, "<td class=\"num\">{cell}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn ladder(out: &mut String, record: &CallRecord) {
    out.push_str("<h2>Messages</h2><div class=\"wide\"><table>\n<tr><th class=\"num\">ms</th><th>time</th><th>path</th><th>message</th></tr>\n");
    let mut remarks = super::minutes::remarks(record).into_iter().peekable();
    let mut known = Known::default();
    for rung in &record.ladder {
        while let Some((at, remark)) = remarks.next_if(|(at, _)| *at <= rung.offset_ms) {
            sub(out, &format!("{} {remark}", clock(record, at)));
        }
        let leg = usize::from(rung.leg == "B");
        let class = if is_outbound(record) == (leg == 0) { "a" } else { "b" };
        let arrow = if rung.direction == "received" { "&rarr; Tandem" } else { "&larr; Tandem" };
        let line = match rung.start_line.starts_with("SIP/2.0 ") {
            true => status_line(rung),
            false => rung.start_line.clone(),
        };
        let _ = writeln!(
            out,
            "<tr class=\"msg\"><td class=\"num\">{}</td><td>{}</td><td class=\"{class}\">{} {arrow}</td>\
             <td>{}</td></tr>",
            rung.offset_ms,
            clock(record, rung.offset_ms),
            side_name(record, leg),
            escaped(&line)
        );
        known.told(rung, false).iter().for_each(|text| sub(out, text));
    }
    remarks.for_each(|(at, remark)| sub(out, &format!("{} {remark}", clock(record, at))));
    if record.ladder_omitted > 0 {
        sub(out, &format!("{} messages in between were not kept", record.ladder_omitted));
    }
    out.push_str("</table></div>\n");
}

/// A row below a message.
fn sub(out: &mut String, text: &str) {
    let _ = writeln!(
        out,
        "<tr class=\"sub\"><td></td><td></td><td></td><td>{}</td></tr>",
        escaped(text)
    );
}

#[cfg(test)]
mod tests;
