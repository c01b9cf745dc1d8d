//! The message ladder as a table: leg A's peer, Tandem and leg B's peer are lines from top to
//! bottom, and a message is an arrow between two of them.

use super::escaped;
use crate::call_record::{CallRecord, LadderRecord};
use crate::report::facts::clock;
use crate::report::ladder::{Known, PAUSE_MS, kept_from, name, peer_name, repeated};
use crate::report::{is_outbound, minutes, side_name, span};
use std::fmt::Write as _;

pub(super) fn draw(out: &mut String, record: &CallRecord) {
    out.push_str("<h2>Messages</h2>\n");
    if record.ladder.is_empty() {
        out.push_str("<p>None were recorded.</p>\n");
        return;
    }
    head(out, record);
    let mut lanes = Lanes::default();
    let mut remarks = minutes::remarks(record).into_iter().peekable();
    let mut known = Known::default();
    let mut before = 0;
    for (at, (rung, again)) in record.ladder.iter().zip(repeated(&record.ladder)).enumerate() {
        while let Some((at, remark)) = remarks.next_if(|(at, _)| *at <= rung.offset_ms) {
            note(out, "note", &format!("{} {remark}", clock(record, at)));
        }
        if kept_from(record) == Some(at) {
            let text = format!("{} messages were not kept here", record.ladder_omitted);
            note(out, "note pause", &text);
        }
        let pause = rung.offset_ms.saturating_sub(before);
        if before > 0 && pause >= PAUSE_MS {
            note(out, "note pause", &span(pause));
        }
        before = rung.offset_ms.max(before);
        lanes.message(out, record, rung, again);
        known.told(rung, again).iter().for_each(|text| note(out, "note", text));
    }
    remarks.for_each(|(at, remark)| note(out, "note", &format!("{} {remark}", clock(record, at))));
    out.push_str("</tbody></table>\n");
}

fn head(out: &mut String, record: &CallRecord) {
    let [a, b] = [0, 1].map(|leg| (class(record, leg), side_name(record, leg)));
    let _ = writeln!(
        out,
        "<table class=\"ladder\"><thead><tr><th class=\"num at\">ms</th><th class=\"clock\">time</th>\
         <th colspan=\"2\"><div class=\"ends\"><span class=\"{}\">{} (leg A)</span><span>Tandem</span>\
         <span class=\"{}\">{} (leg B)</span></div></th></tr></thead>\n<tbody>",
        a.0, a.1, b.0, b.1
    );
}

/// The colour of a leg's side, as in the plots.
fn class(record: &CallRecord, leg: usize) -> &'static str {
    if is_outbound(record) == (leg == 0) { "a" } else { "b" }
}

/// What the two lanes have shown last: a text that stands above again is left out.
#[derive(Default)]
struct Lanes {
    peers: [String; 2],
    targets: [String; 2],
}

impl Lanes {
    fn message(&mut self, out: &mut String, record: &CallRecord, rung: &LadderRecord, again: bool) {
        let leg = usize::from(rung.leg == "B");
        let peer = named_peer(record, rung);
        if self.peers[leg] != peer {
            let class = class(record, leg);
            let text = escaped(&format!("leg {}: {peer}", ["A", "B"][leg]));
            // Where its line is: on the left or on the right.
            let [left, right] = if leg == 0 { [text.as_str(), ""] } else { ["", text.as_str()] };
            let _ = writeln!(
                out,
                "<tr><td class=\"at\"></td><td class=\"clock\"></td><td class=\"note now\" \
                 colspan=\"2\"><div class=\"ends {class}\"><span>{left}</span><span>{right}</span>\
                 </div></td></tr>"
            );
            self.peers[leg] = peer;
        }
        // Towards Tandem is rightwards on leg A and leftwards on leg B.
        let rightwards = (rung.direction == "received") == (leg == 0);
        let arrow = format!(
            "<div class=\"go {} {}{}\">{}{}{}</div>",
            if rightwards { "right" } else { "left" },
            class(record, leg),
            if again { " again" } else { "" },
            escaped(&name(&rung.start_line)),
            if again { " (again)" } else { "" },
            self.target(leg, rung),
        );
        let [left, right] = if leg == 0 { [arrow.as_str(), ""] } else { ["", arrow.as_str()] };
        let _ = writeln!(
            out,
            "<tr><td class=\"num at\">{}</td><td class=\"clock\">{}</td><td class=\"lane\">{left}</td>\
             <td class=\"lane last\">{right}</td></tr>",
            rung.offset_ms,
            clock(record, rung.offset_ms)
        );
    }

    /// A request's URI, when the one before on the same leg had another.
    fn target(&mut self, leg: usize, rung: &LadderRecord) -> String {
        let uri = rung.start_line.split(' ').nth(1).unwrap_or_default();
        if rung.start_line.starts_with("SIP/2.0 ") || self.targets[leg] == uri {
            return String::new();
        }
        uri.clone_into(&mut self.targets[leg]);
        format!("<small>{}</small>", escaped(uri))
    }
}

/// A peer's address, and the carrier that it was tried as.
fn named_peer(record: &CallRecord, rung: &LadderRecord) -> String {
    let route = record.routes.iter().find(|route| route.destination == rung.peer);
    match route.filter(|_| rung.leg == "B").and_then(|route| route.carrier.as_deref()) {
        Some(carrier) => format!("{} ({carrier})", peer_name(rung)),
        None => peer_name(rung),
    }
}

/// A row across both lanes.
fn note(out: &mut String, class: &str, text: &str) {
    let _ = writeln!(
        out,
        "<tr><td class=\"at\"></td><td class=\"clock\"></td><td class=\"{class}\" colspan=\"2\">{}\
         </td></tr>",
        escaped(text)
    );
}
