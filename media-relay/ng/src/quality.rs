//! What is kept of one party's quality reports, for `query` and for the reply to `delete`.

use crate::value::{Dictionary, Value};
use model::{Instant, QualityReport, ReceivedView, ReportKind, SentView, UnixTime};
use std::net::SocketAddr;
use std::time::Duration;

/// Sources that one party is known by; a party that changes its source more often shows its first
/// ones and its last.
const MAX_SOURCES: usize = 8;
/// Measurements of a source that are kept for its progression; when there are more, every second one
/// is forgotten.
const MAX_STEPS: usize = 20;

/// Quality of one party: what came from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartyQuality {
    pub(crate) received: ReceivedView,
    pub(crate) sent: SentView,
    /// When the last RTP and the last RTCP packet was noticed.
    pub(crate) heard: [Option<Instant>; 2],
    sources: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    lost: i64,
    loss_ratio: f64,
    steps: Vec<Step>,
    sum: Sum,
    lowest: Option<Step>,
    highest: Option<Step>,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Step {
    mos: f64,
    rtt: Option<Duration>,
    jitter: Duration,
    loss_ratio: f64,
    at: Instant,
}

#[derive(Clone, Copy, Default, Debug)]
struct Sum {
    count: u32,
    mos: f64,
    rtts: u32,
    rtt: Duration,
    jitter: Duration,
}

impl PartyQuality {
    /// Where the party's RTP comes from, once that is known.
    pub(crate) const fn source(&self) -> Option<SocketAddr> {
        self.received.source
    }

    /// Takes a report.
    pub(crate) fn note(&mut self, report: &QualityReport) {
        let (before, now) = (&self.received, &report.received);
        if now.rtp_packets > before.rtp_packets {
            self.heard[0] = Some(report.at);
        }
        if now.rtcp_packets > before.rtcp_packets {
            self.heard[1] = Some(report.at);
        }
        (self.received, self.sent) = (report.received, report.sent);
        let Some(ssrc) = report.received.ssrc else { return };
        let source = self.source_of(ssrc);
        source.lost = report.received.loss.lost;
        source.loss_ratio = report.received.loss.loss_ratio();
        // Live reports count the packets of the others again. Before there is any other, one of them
        // is better than nothing.
        let first = source.sum.count == 0;
        let mos = match report.kind {
            ReportKind::Interval | ReportKind::Final => report.interval_mos,
            ReportKind::Live => report.mos.filter(|_| first),
        };
        if let Some(mos) = mos {
            let step = Step {
                mos: mos.value(),
                rtt: report.rtt,
                jitter: report.received.jitter,
                loss_ratio: report.received.interval_loss.loss_ratio(),
                at: report.at,
            };
            source.note(step, report.kind == ReportKind::Live);
        }
    }

    fn source_of(&mut self, ssrc: u32) -> &mut Source {
        let at = match self.sources.iter().position(|source| source.ssrc == ssrc) {
            Some(at) => at,
            None => {
                self.sources.truncate(MAX_SOURCES - 1);
                self.sources.push(Source::new(ssrc));
                self.sources.len() - 1
            }
        };
        &mut self.sources[at]
    }

    /// Adds the party's sources to the `SSRC` part of a reply.
    pub(crate) fn write_sources(&self, origin: UnixTime, out: &mut Dictionary) {
        for source in &self.sources {
            let mut entry = Dictionary::new();
            entry.set("cumulative loss", source.lost);
            source.write(origin, &mut entry);
            out.set(source.ssrc.to_string(), entry);
        }
    }
}

impl Source {
    const fn new(ssrc: u32) -> Self {
        let sum = Sum { count: 0, mos: 0.0, rtts: 0, rtt: Duration::ZERO, jitter: Duration::ZERO };
        let steps = Vec::new();
        Source { ssrc, lost: 0, loss_ratio: 0.0, steps, sum, lowest: None, highest: None }
    }

    fn note(&mut self, step: Step, is_stand_in: bool) {
        // A stand-in is what is known so far, until there is a measurement that stays.
        if is_stand_in || self.sum.count == 0 {
            (self.lowest, self.highest) = (Some(step), Some(step));
            self.steps = vec![step];
            if is_stand_in {
                return;
            }
            self.steps.clear();
        }
        self.lowest = self.lowest.filter(|lowest| lowest.mos <= step.mos).or(Some(step));
        self.highest = self.highest.filter(|highest| highest.mos >= step.mos).or(Some(step));
        self.sum.count = self.sum.count.saturating_add(1);
        self.sum.mos += step.mos;
        self.sum.jitter = self.sum.jitter.saturating_add(step.jitter);
        if let Some(rtt) = step.rtt {
            self.sum.rtts = self.sum.rtts.saturating_add(1);
            self.sum.rtt = self.sum.rtt.saturating_add(rtt);
        }
        self.steps.push(step);
        if self.steps.len() > MAX_STEPS {
            let mut number = 0;
            self.steps.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }

    fn write(&self, origin: UnixTime, out: &mut Dictionary) {
        let (Some(lowest), Some(highest)) = (self.lowest, self.highest) else { return };
        let samples = self.sum.count.max(1);
        let average = Step {
            mos: if self.sum.count == 0 { lowest.mos } else { self.sum.mos / f64::from(samples) },
            rtt: if self.sum.rtts == 0 { lowest.rtt } else { Some(self.sum.rtt / self.sum.rtts) },
            jitter: if self.sum.count == 0 { lowest.jitter } else { self.sum.jitter / samples },
            // Of the whole call, which is not the mean of unequal intervals.
            loss_ratio: self.loss_ratio,
            at: lowest.at,
        };
        let mut entry = average.numbers();
        entry.set("samples", u64::from(samples));
        out.set("average MOS", entry);
        out.set("lowest MOS", lowest.written(origin));
        out.set("highest MOS", highest.written(origin));
        let (first, last) = (self.steps.first(), self.steps.last());
        let span = first.zip(last).map_or(0, |(first, last)| (last.at - first.at).as_secs());
        let mut progression = Dictionary::new();
        progression.set("interval", span / (self.steps.len() as u64).max(1));
        let entries: Vec<Value> =
            self.steps.iter().map(|step| step.written(origin).into()).collect();
        progression.set("entries", entries);
        out.set("MOS progression", progression);
    }
}

impl Step {
    /// In rtpengine's units: MOS in tenths, round-trip time in microseconds, jitter in milliseconds,
    /// loss in percent. Numbers are rounded to the nearest; what was not measured is left out.
    fn numbers(&self) -> Dictionary {
        let rounded = |number: f64| number.round() as i64;
        let mut out = Dictionary::new();
        out.set("MOS", rounded(self.mos * 10.0));
        if let Some(rtt) = self.rtt {
            let micros = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
            out.set("round-trip time", micros).set("round-trip time leg", micros);
        }
        out.set("jitter", rounded(self.jitter.as_secs_f64() * 1_000.0));
        out.set("packet loss", rounded(self.loss_ratio * 100.0));
        out
    }

    fn written(&self, origin: UnixTime) -> Dictionary {
        let mut out = self.numbers();
        out.set("reported at", unix_seconds(origin, self.at));
        out
    }
}

/// Seconds since 1970 of a moment of our clock, which began at `origin`.
pub(crate) fn unix_seconds(origin: UnixTime, at: Instant) -> u64 {
    origin.as_millis().saturating_add(at.as_millis()) / 1_000
}
