//! Loss, jitter and MOS of both sides over time, as inline SVG.

use crate::CallRecord;
use crate::call_record::IntervalRecord;
use crate::report::facts::clock;
use crate::report::findings::percent;
use crate::report::minutes::{Minute, minutes};
use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 22.0;

/// One plot: its name, what it reads, and the least extent of its axis.
struct Plot {
    name: &'static str,
    read: fn(&IntervalRecord) -> Option<f64>,
    low: f64,
    high: f64,
}

const PLOTS: [Plot; 3] = [
    Plot { name: "Loss, %", read: lost, low: 0.0, high: 2.0 },
    Plot { name: "Largest jitter, ms", read: jitter, low: 0.0, high: 30.0 },
    Plot { name: "MOS", read: |interval| interval.mos, low: 1.0, high: 4.5 },
];

fn lost(interval: &IntervalRecord) -> Option<f64> {
    (interval.expected > 0).then(|| percent(interval.lost, interval.expected))
}

fn jitter(interval: &IntervalRecord) -> Option<f64> {
    (interval.expected > 0).then(|| interval.jitter_max_us as f64 / 1_000.0)
}

/// All plots; a sentence where nothing was measured.
pub(super) fn all(out: &mut String, record: &CallRecord) {
    let minutes = minutes(record);
    out.push_str("<h2>Quality over time</h2>\n");
    if minutes.is_empty() {
        out.push_str("<p>The call had no measured media.</p>\n");
        return;
    }
    out.push_str(
        "<p><span class=\"a\">&#9473; from the customer</span> &nbsp; <span class=\"b\">&#9477; from \
         the carrier</span></p>\n",
    );
    for plot in &PLOTS {
        draw(out, record, &minutes, plot);
    }
}

fn draw(out: &mut String, record: &CallRecord, minutes: &[Minute], plot: &Plot) {
    let times = &record.times;
    let from = times.answered.unwrap_or(times.attempted).saturating_sub(times.attempted);
    let last = minutes.last().map_or(from + 1, |minute| minute.offset_ms).max(from + 1);
    let values = minutes.iter().flat_map(|m| m.sides.iter().flatten()).filter_map(plot.read);
    let high = ceiling(values.fold(plot.high, f64::max));
    let x = |at: u64| {
        let share = at.saturating_sub(from) as f64 / (last - from) as f64;
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let y = |value: f64| {
        let share = (value.clamp(plot.low, high) - plot.low) / (high - plot.low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let _ = writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\"><text class=\"name\" \
         x=\"0\" y=\"13\">{0}</text>",
        plot.name
    );
    for value in [plot.low, (plot.low + high) / 2.0, high] {
        let at = y(value);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text \
             x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            short(value)
        );
    }
    for (at, anchor) in [(from, "start"), (from.midpoint(last), "middle"), (last, "end")] {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            x(at),
            HEIGHT - 6.0,
            clock(record, at)
        );
    }
    for (side, class) in [(0, "one"), (1, "two")] {
        let mut before = from;
        let mut points = String::new();
        for minute in minutes {
            // A value holds for its whole interval: a step, and no slope that nobody measured.
            if let Some(value) = minute.sides[side].as_ref().and_then(plot.read) {
                let (left, right, level) = (x(before), x(minute.offset_ms), y(value));
                let _ = write!(points, "{left:.1},{level:.1} {right:.1},{level:.1} ");
            }
            before = minute.offset_ms;
        }
        let points = points.trim_end();
        if !points.is_empty() {
            let _ = writeln!(out, "<polyline class=\"{class}\" points=\"{points}\"/>");
        }
    }
    out.push_str("</svg>\n");
}

/// The next of 1, 2 and 5 times a power of ten, for axes beyond their usual extent; that itself
/// where it holds all.
fn ceiling(value: f64) -> f64 {
    if !value.is_finite() {
        return 1.0e6;
    }
    if matches!(value, 2.0 | 4.5 | 30.0) {
        return value;
    }
    let power = 10f64.powf(value.max(0.001).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|c| *c >= value)
        .unwrap_or(value)
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
