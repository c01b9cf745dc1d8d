//! In words: why a call was good or bad, each time with the numbers that say so.

mod advice;
mod audio;
mod recorded;

use super::because::{Cause, because};
use super::{is_begun_here, is_nobody, ms, side_name, span, talk_ms};
use crate::call_record::{CallRecord, QualityRecord};
use crate::printable_line;
use advice::status_advice;

pub(super) use advice::refusal_advice;

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Nothing is wrong.
    Good,
    /// Worth knowing; nobody heard it.
    Note,
    /// Some will have noticed.
    Fair,
    /// The call was bad, or did not come about.
    Bad,
}

/// One reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// One or more sentences.
    pub text: String,
}

/// Loss that G.711 with concealment hides, and that nothing hides, in per cent.
const LOSS_PERCENT: [f64; 2] = [1.0, 5.0];
/// Jitter that usual jitter buffers absorb, and do not.
const JITTER_US: [u64; 2] = [30_000, 80_000];
/// ITU-T G.114: up to 150 ms one way is good, above 400 ms unacceptable; here both ways.
const ROUND_TRIP_US: [u64; 2] = [300_000, 800_000];
/// ITU-T G.107 annex B: below 3.6 many users are dissatisfied, below 3.1 nearly all.
const MOS: [f64; 2] = [3.6, 3.1];
const SETUP_MS: [u64; 2] = [4_000, 10_000];
/// What a call's record tells, worst first.
pub fn findings(record: &CallRecord) -> Vec<Finding> {
    let mut list = Findings(Vec::new());
    list.outcome(record);
    list.routes(record);
    if let Some(copied) = &record.copied {
        list.copied(copied);
    }
    if let Some(why) = &record.not_recorded {
        let why = printable_line(why);
        let text = format!("What its application has ordered to be recorded is not whole: {why}.");
        list.add(Severity::Fair, text);
    }
    if let Some(recorded) = &record.recorded {
        list.recorded(record, recorded);
    } else if let Some(talk) = talk_ms(record) {
        list.audio(record, talk);
        for (leg, quality) in record.quality.iter().enumerate() {
            if let Some(quality) = quality.as_ref().filter(|_| !is_nobody(record, leg)) {
                list.side(side_name(record, leg), quality);
            }
        }
        list.codecs(record);
        list.0.append(&mut super::lines::findings(record));
    }
    list.finish(record)
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, text: String) {
        self.0.push(Finding { severity, text });
    }

    /// Adds nothing below the first limit.
    fn graded<T: PartialOrd>(&mut self, value: T, [fair, bad]: [T; 2], text: String) {
        if value >= bad {
            self.add(Severity::Bad, text);
        } else if value >= fair {
            self.add(Severity::Fair, text);
        }
    }

    fn outcome(&mut self, record: &CallRecord) {
        if let Some(refusal) = &record.end.refusal {
            let text = format!(
                "Tandem refused the call with {} ({refusal}): {}",
                record.end.status,
                refusal_advice(refusal)
            );
            return self.add(Severity::Bad, text);
        }
        if record.times.answered.is_some() {
            // The sentence above says more of it, and nobody is to read that the call was good.
            if matches!(because(record).cause, Cause::NoMeeting | Cause::MediaStopped) {
                let text = format!("Tandem ended the call: {}.", record.end.cause);
                self.add(Severity::Fair, text);
            }
            return;
        }
        let waited = span(record.times.ended.saturating_sub(record.times.attempted));
        let rang = if record.times.ringing.is_some() { "it rang" } else { "it never rang" };
        let text = format!(
            "The call was not answered: {} ({}) after {waited}; {rang}. {}",
            record.end.status,
            record.end.cause,
            status_advice(record.end.status)
        );
        let nobodys_fault = matches!(record.end.status, 480 | 486 | 487 | 600 | 603);
        self.add(if nobodys_fault { Severity::Note } else { Severity::Bad }, text);
    }

    fn routes(&mut self, record: &CallRecord) {
        if record.routes.len() > 1 {
            let tried: Vec<_> = record
                .routes
                .iter()
                .map(|r| match &r.carrier {
                    Some(carrier) => format!("{carrier} ({})", r.destination),
                    None => r.destination.clone(),
                })
                .collect();
            self.add(
                Severity::Note,
                format!("The hunt tried {} routes: {}.", tried.len(), tried.join(", then ")),
            );
        }
        let progress = record.times.ringing.or(record.times.answered);
        if let Some(progress) = progress {
            let setup = progress.saturating_sub(record.times.attempted);
            let who = if is_begun_here(record) { "application" } else { "caller" };
            self.graded(
                setup,
                SETUP_MS,
                format!(
                    "The {who} heard nothing for {} before it rang or was answered.",
                    span(setup)
                ),
            );
        }
    }

    fn side(&mut self, name: &str, q: &QualityRecord) {
        if let Some(mos) = q.mos {
            self.graded(
                -mos,
                MOS.map(|m| -m),
                format!(
                    "MOS on the {name}'s side was {mos:.2} (below 3.6 many users are dissatisfied)."
                ),
            );
        }
        let lost = percent(q.lost_packets, q.expected_packets);
        let bursts = if q.burst_ratio >= 1.5 {
            format!(
                " It came in bursts (burst ratio {:.1}), which is heard more than the same loss spread out.",
                q.burst_ratio
            )
        } else {
            String::new()
        };
        self.graded(lost, LOSS_PERCENT, format!(
            "{lost:.1} % of the {name}'s packets ({} of {}) were lost on the way to Tandem.{bursts}",
            q.lost_packets.max(0), q.expected_packets
        ));
        if let Some(peer_lost) = q.peer_lost_packets {
            let lost = percent(peer_lost, q.sent_packets);
            self.graded(lost, LOSS_PERCENT, format!(
                "{lost:.1} % of the packets that Tandem sent to the {name} ({peer_lost} of {}) were lost on the way, by the {name}'s own report.",
                q.sent_packets
            ));
        }
        self.graded(
            q.jitter_max_us,
            JITTER_US,
            format!(
                "Jitter from the {name} rose to {}; usual jitter buffers hold 30 to 60 ms.",
                ms(q.jitter_max_us)
            ),
        );
        if let Some(rtt) = q.rtt_max_us {
            self.graded(rtt, ROUND_TRIP_US, format!(
                "The round trip to the {name} rose to {}; above 300 ms people begin to talk over each other.", ms(rtt)
            ));
        }
        self.oddities(name, q);
    }

    /// Packets that the leg's key does not prove. Some are to be expected while keys change; with
    /// none of its own that it does, the one-way finding has said it.
    fn wrong_keys(&mut self, name: &str, q: &QualityRecord) {
        if q.unauthentic == 0 || is_mute(q) {
            return;
        }
        let many = q.unauthentic.saturating_mul(100) > q.received_packets;
        let severity = if many { Severity::Fair } else { Severity::Note };
        let text = format!(
            "{} packets from the {name} were not under the SRTP key of its session description and \
             were dropped. A few are usual while keys change; if there are many, compare its SRTP \
             settings with its descriptions in the SIP log, most of all after a re-INVITE or a \
             transfer.",
            q.unauthentic
        );
        self.add(severity, text);
    }

    fn oddities(&mut self, name: &str, q: &QualityRecord) {
        self.wrong_keys(name, q);
        let notes = [
            (
                // Without any packet of its own, the one-way finding has said it.
                if is_mute(q) { 0 } else { q.wrong_source },
                "packets for the {} came from a wrong source and were dropped: an old stream, a NAT that changed, or somebody's probe.",
            ),
            (q.malformed, "datagrams on the {}'s ports were no media and were dropped."),
            (
                q.send_dropped,
                "packets to the {} were refused by this host's network stack: it is overloaded or has no route.",
            ),
        ];
        for (count, text) in notes {
            if count > 0 {
                self.add(Severity::Note, format!("{count} {}", text.replace("{}", name)));
            }
        }
        let reordered = q.reordered.saturating_mul(100);
        if q.received_packets > 0 && reordered > q.received_packets {
            self.add(Severity::Fair, format!(
                "{} of the {name}'s {} packets came out of order; small jitter buffers drop such packets.",
                q.reordered, q.received_packets
            ));
        }
        if q.received_packets > 0 && q.received_rtcp_packets == 0 {
            self.add(
                Severity::Note,
                format!("The {name} sent no RTCP: its round trip and what it heard are unknown."),
            );
        }
    }

    fn codecs(&mut self, record: &CallRecord) {
        let [Some(a), Some(b)] = &record.quality else { return };
        let (Some(codec_a), Some(codec_b)) = (&a.codec, &b.codec) else { return };
        let (name_a, name_b) = (side_name(record, 0), side_name(record, 1));
        for (name, quality, got, sent) in
            [(name_a, b, &a.transcoded, codec_b), (name_b, a, &b.transcoded, codec_a)]
        {
            if let Some(got) = got.as_ref().filter(|_| quality.received_packets > 0) {
                let [got, sent] = [got, sent].map(|codec| printable_line(codec));
                let text = format!("The {name} got {got}, transcoded from {sent}.");
                self.add(Severity::Note, text);
            }
        }
        let passed = a.transcoded.is_none() && b.transcoded.is_none();
        if codec_a != codec_b && passed {
            self.add(
                Severity::Fair,
                format!(
                    "The sides sent different codecs ({name_a}: {codec_a}, {name_b}: {codec_b}), and \
                     Tandem did not transcode: each must play the other's. transcode = \"needed\" \
                     in [voice_connector.media], or of the carrier, would."
                ),
            );
        }
    }

    fn finish(mut self, record: &CallRecord) -> Vec<Finding> {
        let fine = self.0.iter().all(|f| f.severity <= Severity::Note);
        if fine && record.times.answered.is_some() {
            let scores: Vec<_> = record
                .quality
                .iter()
                .enumerate()
                .filter_map(|(leg, q)| {
                    q.as_ref()?.mos.map(|mos| format!("{} {mos:.2}", side_name(record, leg)))
                })
                .collect();
            let both_ways =
                record.quality.iter().all(|q| q.as_ref().is_some_and(|q| q.received_packets > 0));
            let text = if scores.is_empty() || !both_ways {
                "The call was set up and ended as it should.".to_owned()
            } else {
                format!(
                    "The call was good: audio both ways, loss, jitter and round trip within what nobody hears (MOS: {}).",
                    scores.join(", ")
                )
            };
            self.add(Severity::Good, text);
        }
        self.0.sort_by_key(|f| std::cmp::Reverse(f.severity));
        self.0
    }
}

/// Nothing came though something was to be expected.
pub(super) fn is_mute(quality: &QualityRecord) -> bool {
    let fax = quality.fax.is_some_and(|fax| fax.received_packets > 0);
    quality.received_packets == 0 && !quality.forbidden && !fax
}

pub(super) fn percent(lost: i64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { lost.max(0) as f64 * 100.0 / of as f64 }
}
