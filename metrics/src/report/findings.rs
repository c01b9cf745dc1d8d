//! In words: why a call was good or bad, each time with the numbers that say so.

use super::{ms, side_name, span, talk_ms};
use crate::call_record::{CallRecord, QualityRecord};
use crate::printable_line;

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

/// Calls shorter than these may end before the first packet, and before latching has found both
/// sides.
const SHORT_MS: [u64; 2] = [300, 1_000];
/// Loss that G.711 with concealment hides, and that nothing hides, in per cent.
const LOSS_PERCENT: [f64; 2] = [1.0, 5.0];
/// Jitter that usual jitter buffers absorb, and do not.
const JITTER_US: [u64; 2] = [30_000, 80_000];
/// ITU-T G.114: up to 150 ms one way is good, above 400 ms unacceptable; here both ways.
const ROUND_TRIP_US: [u64; 2] = [300_000, 800_000];
/// ITU-T G.107 annex B: below 3.6 many users are dissatisfied, below 3.1 nearly all.
const MOS: [f64; 2] = [3.6, 3.1];
const SETUP_MS: [u64; 2] = [4_000, 10_000];
/// Behind a number of packets, of a leg without any that its key proves.
const WRONG_KEY: &str = "packets came that the SRTP key of its own session description does not \
    prove, and were dropped: it sends plain RTP, or under another key or suite than it says. Look at \
    its SRTP settings, and whether it changed its key in a re-INVITE.";

/// What a call's record tells, worst first.
pub fn findings(record: &CallRecord) -> Vec<Finding> {
    let mut list = Findings(Vec::new());
    list.outcome(record);
    list.routes(record);
    if let Some(talk) = talk_ms(record) {
        list.audio(record, talk);
        for (leg, quality) in record.quality.iter().enumerate() {
            if let Some(quality) = quality {
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
            self.graded(
                setup,
                SETUP_MS,
                format!(
                    "The caller heard nothing for {} before it rang or was answered.",
                    span(setup)
                ),
            );
        }
    }

    fn audio(&mut self, record: &CallRecord, talk: u64) {
        if talk < SHORT_MS[0] {
            return;
        }
        let severity = if talk < SHORT_MS[1] { Severity::Fair } else { Severity::Bad };
        let talked = span(talk);
        match record.quality.each_ref().map(Option::as_ref) {
            [None, None] => self.add(
                Severity::Fair,
                "No media was measured: the relay reported nothing of this call.".to_owned(),
            ),
            [Some(a), Some(b)] if is_mute(a) && is_mute(b) => self.add(
                severity,
                format!(
                    "No audio at all: no audio came from the customer and none from the carrier \
                     (0 RTP packets each in {talked}). Check that both can reach Tandem's media \
                     ports and that [media] advertise is the address that they see."
                ),
            ),
            [Some(a), Some(b)] => {
                for (leg, quality, other) in [(0, a, b), (1, b, a)] {
                    self.not_received(record, leg, [quality, other], severity, &talked);
                    self.not_sent(record, leg, [quality, other], severity);
                    self.not_heard(record, leg, quality, severity);
                }
            }
            [a, _] => {
                let name = side_name(record, usize::from(a.is_some()));
                let text = format!("The media of the {name}'s side was not reported.");
                self.add(Severity::Fair, text);
            }
        }
    }

    /// A leg that should have sent and did not.
    fn not_received(
        &mut self,
        record: &CallRecord,
        leg: usize,
        [quality, other]: [&QualityRecord; 2],
        severity: Severity,
        talked: &str,
    ) {
        let (silent, heard) = (side_name(record, leg), side_name(record, 1 - leg));
        if quality.forbidden && quality.received_packets == 0 {
            return self.add(
                Severity::Note,
                format!(
                    "No audio was to come from the {silent}: its session descriptions said so \
                     (recvonly or inactive)."
                ),
            );
        }
        if !is_mute(quality) {
            return;
        }
        let hint = if quality.unauthentic > 0 {
            format!("{} {}", quality.unauthentic, WRONG_KEY)
        } else if quality.wrong_source > 0 {
            format!(
                "{} packets came from an address that its session description did not name and \
                 were dropped: look for a NAT or a second media address.",
                quality.wrong_source
            )
        } else {
            "Its packets do not reach Tandem: look at its firewall, its NAT and the media address \
             it was given."
                .to_owned()
        };
        let other = match other.received_packets {
            0 => String::new(),
            packets => format!("; the {heard} sent {packets}"),
        };
        self.add(
            severity,
            format!(
                "One-way audio: no audio came from the {silent} (0 RTP packets in {talked}{other}). \
                 {hint}"
            ),
        );
    }

    /// A leg whose audio was but silence, where the voice connector has that looked for.
    fn not_heard(
        &mut self,
        record: &CallRecord,
        leg: usize,
        quality: &QualityRecord,
        severity: Severity,
    ) {
        let letter = if leg == 0 { "A" } else { "B" };
        if !record.unheard.iter().any(|unheard| unheard == letter) {
            return;
        }
        let name = side_name(record, leg);
        self.add(
            severity,
            format!(
                "One-way audio: {} RTP packets came from the {name}, and from the first on nothing \
                 was heard in them but silence, for as long as media.unheard_after says. Look at its microphone, and at what is behind it: a gateway \
                 that has lost its far end goes on sending silence.",
                quality.received_packets
            ),
        );
    }

    /// A leg that got nothing of what the other one sent.
    fn not_sent(
        &mut self,
        record: &CallRecord,
        leg: usize,
        [quality, other]: [&QualityRecord; 2],
        severity: Severity,
    ) {
        if quality.sent_packets > 0 || other.received_packets == 0 || other.forbidden {
            return;
        }
        let (deaf, heard) = (side_name(record, leg), side_name(record, 1 - leg));
        self.add(
            severity,
            format!(
                "One-way audio: nothing was sent to the {deaf}, though {} RTP packets came from \
                 the {heard}. The {deaf}'s session description did not want audio or named no \
                 usable address, and no packet of its own told where it is.",
                other.received_packets
            ),
        );
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
                     in [voice_connector.media] would."
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

pub(super) fn refusal_advice(refusal: &str) -> &'static str {
    match refusal {
        "unknown_source" => {
            "no voice connector and no carrier owns the source address. Add it to a cidr_allowed_list or to inbound_cidrs."
        }
        "source_not_allowed" => {
            "the source address is not in the voice connector's cidr_allowed_list."
        }
        "wrong_credentials" => {
            "the user name or password is none of the voice connector's credentials."
        }
        "too_many_failures" => {
            "the source gave wrong credentials too often. Correct its password and wait half a minute."
        }
        "not_e164" => "the called number is not '+' and 7 to 15 digits. Let the PBX send E.164.",
        "region_not_allowed" => "the called country is not in calling_regions.",
        "call_rate_limit" => "the voice connector's cps_limit is used up.",
        "concurrent_call_limit" => "the voice connector's concurrent_calls_limit is used up.",
        "no_route" => "no carrier has a prefix of the called number.",
        "unknown_number" => "no voice connector has the called number.",
        "no_origination" => "the voice connector has no origination route.",
        "disabled" => "termination or origination is switched off for the voice connector.",
        "loop" => "the request went round in a circle. Look at which system sends it back.",
        "draining" => "this node was being stopped.",
        "overloaded" => "a table of this node was full.",
        "relay_unavailable" => {
            "no media relay was there, or it lost the call. Start it, and see docs/split.md."
        }
        "ports_exhausted" => "all of [media] ports was in use. Widen the range.",
        "not_acceptable" => "the session description offered nothing that can be relayed.",
        "certificate_required" => {
            "the caller showed no certificate that client_certificate_ca vouches for with one of \
             client_certificate_names."
        }
        "sips_not_allowed" => {
            "the call was for a sips: URI, and came without TLS or has no route over TLS."
        }
        "high_risk" => {
            "the called number is in a high-risk range and the connector has no allow_high_risk."
        }
        "daily_minutes_cap" => "the voice connector's minutes_per_day were used up.",
        "daily_spend_cap" => "the voice connector's spend_per_day was used up.",
        "call_duration_cap" => "the voice connector's caps.max_call_duration was over.",
        "routes_full" => "every route had its max_calls or cps_limit. Raise them or add a carrier.",
        "caller_not_allowed" => {
            "the calling number is not one of the voice connector's. Add it to numbers, or change \
             caller_policy."
        }
        "identity_missing" => "the carrier did not sign the call, and its verify is \"require\".",
        "identity_stale" => {
            "the carrier's signature was more than a minute off. Compare both clocks."
        }
        "identity_unknown" => {
            "the signature names a certificate that is not in [stir] certificates. Add it there."
        }
        "identity_credential" => {
            "the certificate is expired, or may not speak for the calling number."
        }
        "identity_invalid" => "the signature does not fit the call.",
        "method_not_allowed" => "the method is not served here.",
        "plain_signalling" => {
            "the voice connector requires encryption and the request came without TLS. Let the \
             customer's system use TLS."
        }
        "plain_media" => {
            "SRTP is required and only plain RTP was offered. Switch SRTP (SDES) on in the system \
             that called."
        }
        "no_emergency_number" => {
            "the call was for the emergency service (urn:service:sos) and the voice connector has no \
             number for it. Add [voice_connector.emergency] with a dnis."
        }
        _ => "see the refusal's name.",
    }
}

fn status_advice(status: u16) -> &'static str {
    match status {
        0 => "The record was closed without the call's end.",
        401 | 407 => {
            "The called side asked for credentials: check username and password of the route."
        }
        403 => "The called side forbids it: check what it allows for this number and source.",
        404 | 484 | 604 => "The called side does not know the number.",
        408 => "Nobody answered Tandem's INVITE in time: the peer is down or a firewall drops SIP.",
        415 | 488 | 606 => "The sides have no codec or media security in common.",
        480 => "The called party was not available.",
        486 | 600 => "The called party was busy.",
        487 => "The caller gave up.",
        603 => "The called party declined.",
        500..=599 => "A server on the way failed or was overloaded.",
        _ => "",
    }
}
