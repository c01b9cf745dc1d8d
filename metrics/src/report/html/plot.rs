//! Loss, jitter and MOS of both sides over time, as inline SVG. The drawing stretches to the width
//! of the page; its words stand beside it, so that they stay legible on a telephone.

use crate::CallRecord;
use crate::call_record::IntervalRecord;
use crate::report::facts::clock;
use crate::report::findings::percent;
use crate::report::minutes::{Minute, minutes};
use crate::report::{column_names, is_outbound};
use std::fmt::Write as _;

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 100.0;
/// What is marked is never narrower.
const NARROWEST: f64 = 2.0;

/// One plot: its name, what it reads, and the least extent of its axis.
struct Plot {
    name: &'static str,
    read: fn(&IntervalRecord) -> Option<f64>,
    low: f64,
    high: f64,
    /// Whether the spells of loss are marked in it.
    marks_loss: bool,
}

const PLOTS: [Plot; 3] = [
    Plot { name: "Loss, %", read: lost, low: 0.0, high: 2.0, marks_loss: true },
    Plot { name: "Largest jitter, ms", read: jitter, low: 0.0, high: 30.0, marks_loss: false },
    Plot { name: "MOS", read: mos, low: 1.0, high: 4.5, marks_loss: false },
];

fn lost(interval: &IntervalRecord) -> Option<f64> {
    (interval.expected > 0).then(|| percent(interval.lost, interval.expected))
}

fn jitter(interval: &IntervalRecord) -> Option<f64> {
    (interval.expected > 0).then(|| interval.jitter_max_us as f64 / 1_000.0)
}

fn mos(interval: &IntervalRecord) -> Option<f64> {
    interval.mos.filter(|mos| mos.is_finite())
}

/// All plots; a sentence where nothing was measured.
pub(super) fn all(out: &mut String, record: &CallRecord) {
    let minutes = minutes(record);
    out.push_str("<h2>Quality over time</h2>\n");
    if minutes.is_empty() {
        out.push_str("<p>The call had no measured media.</p>\n");
        return;
    }
    out.push_str("<div class=\"keys\">");
    for (side, (class, name)) in ["a", "b"].into_iter().zip(column_names(record)).enumerate() {
        let came = minutes.iter().filter_map(|m| m.sides[side]).any(|i| i.expected > 0);
        let none = if came { "" } else { ": nothing came" };
        let _ = write!(
            out,
            "<span class=\"{class}\"><i class=\"key {class}\"></i>from the {name}{none}</span>"
        );
    }
    out.push_str("</div>\n");
    let times = &record.times;
    let from = times.answered.unwrap_or(times.attempted).saturating_sub(times.attempted);
    let last = minutes.last().map_or(from + 1, |minute| minute.offset_ms).max(from + 1);
    for plot in &PLOTS {
        let drawing = Drawing { record, minutes: &minutes, from, last, plot };
        drawing.draw(out);
    }
}

struct Drawing<'a> {
    record: &'a CallRecord,
    minutes: &'a [Minute],
    /// Beginning and end of the time axis, ms from the call's beginning.
    from: u64,
    last: u64,
    plot: &'a Plot,
}

impl Drawing<'_> {
    fn draw(&self, out: &mut String) {
        let Plot { name, low, .. } = *self.plot;
        let high = self.high();
        let _ = write!(
            out,
            "<figure><figcaption>{name}</figcaption><div class=\"axes\"><div class=\"up\">"
        );
        for value in [high, low.midpoint(high), low] {
            let _ = write!(out, "<span>{}</span>", short(value));
        }
        let _ = writeln!(
            out,
            "</div>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"{name}\">"
        );
        for at in [0.0, HEIGHT / 2.0, HEIGHT] {
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{at}\" y2=\"{at}\"/>"
            );
        }
        for side in 0..2 {
            if self.plot.marks_loss {
                self.spells(out, side);
            }
            self.lines(out, side, high);
        }
        out.push_str("</svg>\n<div class=\"along\">");
        for at in [self.from, self.from.midpoint(self.last), self.last] {
            let _ = write!(out, "<span>{}</span>", clock(self.record, at));
        }
        out.push_str("</div></div></figure>\n");
    }

    fn high(&self) -> f64 {
        let values = self.minutes.iter().flat_map(|minute| minute.sides.iter().flatten());
        let highest = values.filter_map(self.plot.read).fold(self.plot.high, f64::max);
        if highest > self.plot.high { ceiling(highest) } else { self.plot.high }
    }

    fn x(&self, at: u64) -> f64 {
        let at = at.clamp(self.from, self.last) - self.from;
        at as f64 / (self.last - self.from) as f64 * WIDTH
    }

    /// One line for each stretch of intervals without a gap.
    fn lines(&self, out: &mut String, side: usize, high: f64) {
        let low = self.plot.low;
        let mut before = self.from;
        let mut points = String::new();
        for minute in self.minutes {
            // A value holds for its whole interval: a step, and no slope that nobody measured.
            match minute.sides[side].as_ref().and_then(self.plot.read) {
                Some(value) => {
                    let level = HEIGHT - (value.clamp(low, high) - low) / (high - low) * HEIGHT;
                    let (left, right) = (self.x(before), self.x(minute.offset_ms));
                    let _ = write!(points, "{left:.1},{level:.1} {right:.1},{level:.1} ");
                }
                None => line(out, side, &mut points),
            }
            before = minute.offset_ms;
        }
        line(out, side, &mut points);
    }

    /// When packets were lost, finer than the intervals have it.
    fn spells(&self, out: &mut String, side: usize) {
        let leg = usize::from(is_outbound(self.record) != (side == 0));
        let spells = self.record.quality[leg].iter().flat_map(|quality| &quality.loss_spells);
        for spell in spells {
            let (left, right) = (self.x(spell.from_ms), self.x(spell.to_ms));
            let _ = writeln!(
                out,
                "<rect class=\"spell{}\" x=\"{left:.1}\" width=\"{:.1}\" y=\"0\" \
                 height=\"{HEIGHT}\"/>",
                side + 1,
                (right - left).max(NARROWEST)
            );
        }
    }
}

fn line(out: &mut String, side: usize, points: &mut String) {
    if !points.is_empty() {
        let class = ["one", "two"][side.min(1)];
        let _ = writeln!(out, "<polyline class=\"{class}\" points=\"{}\"/>", points.trim_end());
        points.clear();
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn ceiling(value: f64) -> f64 {
    if !value.is_finite() {
        return 1.0e6;
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
