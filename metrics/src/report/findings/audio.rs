//! Audio that did not come, was not sent or was not heard.

use super::{Findings, Severity, is_mute};
use crate::call_record::{CallRecord, QualityRecord};
use crate::report::{column_names, is_nobody, side_name, span};

/// Calls shorter than these may end before the first packet, and before latching has found both
/// sides.
const SHORT_MS: [u64; 2] = [300, 1_000];
/// Behind a number of packets, of a leg without any that its key proves.
const WRONG_KEY: &str = "packets came that the SRTP key of its own session description does not \
    prove, and were dropped: it sends plain RTP, or under another key or suite than it says. Look at \
    its SRTP settings, and whether it changed its key in a re-INVITE.";

impl Findings {
    pub(super) fn audio(&mut self, record: &CallRecord, talk: u64) {
        if talk < SHORT_MS[0] {
            return;
        }
        let severity = if talk < SHORT_MS[1] { Severity::Fair } else { Severity::Bad };
        let talked = span(talk);
        if is_nobody(record, 0) || is_nobody(record, 1) {
            return self.audio_of_one(record, severity, &talked);
        }
        match record.quality.each_ref().map(Option::as_ref) {
            [None, None] => self.add(
                Severity::Fair,
                "No media was measured: the relay reported nothing of this call.".to_owned(),
            ),
            [Some(a), Some(b)] if is_mute(a) && is_mute(b) => self.add(
                severity,
                format!(
                    "No audio at all: no audio came from the {} and none from the {} \
                     (0 RTP packets each in {talked}). Check that both can reach Tandem's media \
                     ports and that [media] advertise is the address that they see.",
                    column_names(record)[0],
                    column_names(record)[1]
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

    /// A call with Tandem itself: there is one leg with media.
    fn audio_of_one(&mut self, record: &CallRecord, severity: Severity, talked: &str) {
        for (leg, quality) in record.quality.iter().enumerate() {
            match quality {
                _ if is_nobody(record, leg) => {}
                Some(quality) => {
                    self.not_received(record, leg, [quality, quality], severity, talked);
                    self.not_heard(record, leg, quality, severity);
                }
                None => {
                    let name = side_name(record, leg);
                    let text = format!("The media of the {name}'s side was not reported.");
                    self.add(Severity::Fair, text);
                }
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
}
