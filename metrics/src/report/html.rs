//! The report of a call as one page that needs nothing else: no script, no font, no image of
//! another place. Every text that came from a peer is escaped where it is written.

mod ladder;
mod plot;
mod tables;

use super::{Severity, findings, header_rows, verdict};
use crate::CallRecord;
use std::fmt::Write as _;

/// For screens of any width in light and dark, and for paper.
const STYLE: &str = include_str!("html/style.css");

/// Tells a call as one page of HTML.
pub fn explain_html(record: &CallRecord) -> String {
    let findings = findings(record);
    let verdict = verdict(record, &findings);
    let mut out = String::with_capacity(32 * 1_024);
    let id = escaped(&record.transaction_id);
    let class = verdict.split(' ').next().unwrap_or_default();
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<meta name=\"color-scheme\" \
         content=\"light dark\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>Call {id}</title>\n\
         <style>{STYLE}</style></head>\n<body><h1>Call {id} <span class=\"verdict {class}\">\
         {verdict}</span></h1>"
    );
    let short = escaped(&super::because(record).text);
    let _ = writeln!(out, "<p class=\"short {class}\"><span>{short}</span></p>");
    out.push_str("<dl>\n");
    for (name, value) in header_rows(record) {
        let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    out.push_str("</dl>\n");
    plot::all(&mut out, record);
    tables::all(&mut out, record);
    ladder::draw(&mut out, record);
    out.push_str("<h2>All findings</h2>\n<ul>");
    for finding in &findings {
        let severity = match finding.severity {
            Severity::Bad => "bad",
            Severity::Fair => "fair",
            Severity::Note => "note",
            Severity::Good => "good",
        };
        let text = escaped(&finding.text);
        let _ = writeln!(out, "<li><b class=\"{severity}\">{severity}</b> {text}</li>");
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

#[cfg(test)]
mod tests;
