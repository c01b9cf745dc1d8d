//! The numbers of both sides: of the whole call, of the lines beside the audio, and by minute.

use super::escaped;
use crate::CallRecord;
use crate::report::facts::clock;
use crate::report::minutes::{self, minutes};
use crate::report::{column_names, lines, tables};
use std::fmt::Write as _;

pub(super) fn all(out: &mut String, record: &CallRecord) {
    let whole = tables::rows(record);
    if !whole.is_empty() {
        out.push_str("<h2>The whole call</h2>\n");
        of_sides(out, record, &whole);
    }
    for line in &record.lines {
        let _ = writeln!(out, "<h3>{}</h3>", escaped(&lines::title(line)));
        of_sides(out, record, &lines::rows(record, line));
    }
    by_minute(out, record);
}

/// What came from each side, and what went to it by its own report.
fn of_sides(out: &mut String, record: &CallRecord, rows: &[(&str, tables::Cells)]) {
    let [first, second] = column_names(record);
    let _ = write!(
        out,
        "<div class=\"wide\"><table><thead><tr><th></th><th class=\"mid a split\" colspan=\"2\">{first}\
         </th><th class=\"mid b split\" colspan=\"2\">{second}</th></tr>\n<tr><th></th>",
    );
    for _ in 0..2 {
        out.push_str("<th class=\"num split\">from it</th><th class=\"num\">to it</th>");
    }
    out.push_str("</tr></thead>\n<tbody>");
    for (name, cells) in rows {
        let _ = write!(out, "<tr><td>{}</td>", escaped(name));
        match cells {
            tables::Cells::FromAndTo(sides) => {
                for [from, to] in sides.each_ref().map(|side| side.each_ref().map(|c| escaped(c))) {
                    let _ = write!(
                        out,
                        "<td class=\"num split\">{from}</td><td class=\"num\">{to}</td>"
                    );
                }
            }
            tables::Cells::OfSide(sides) => {
                for cell in sides {
                    let cell = escaped(cell);
                    let _ = write!(out, "<td class=\"mid split\" colspan=\"2\">{cell}</td>");
                }
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn by_minute(out: &mut String, record: &CallRecord) {
    let minutes = minutes(record);
    if minutes.is_empty() {
        return;
    }
    let [first, second] = column_names(record);
    let _ = write!(
        out,
        "<h2>By minute</h2>\n<div class=\"wide\"><table><thead><tr><th></th><th class=\"mid a split\" \
         colspan=\"4\">{first}</th><th class=\"mid b split\" colspan=\"4\">{second}</th></tr>\n<tr>\
         <th>until</th>",
    );
    for _ in 0..2 {
        for (position, name) in ["lost", "jitter", "round trip", "MOS"].into_iter().enumerate() {
            let split = if position == 0 { " split" } else { "" };
            let _ = write!(out, "<th class=\"num{split}\">{name}</th>");
        }
    }
    out.push_str("</tr></thead>\n<tbody>");
    for minute in &minutes {
        let _ = write!(out, "<tr><td>{}</td>", clock(record, minute.offset_ms));
        for side in &minute.sides {
            for (position, cell) in minutes::texts(side).into_iter().enumerate() {
                let split = if position == 0 { " split" } else { "" };
                let _ = write!(out, "<td class=\"num{split}\">{cell}</td>");
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}
