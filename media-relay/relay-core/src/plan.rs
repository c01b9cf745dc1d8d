//! Compiles a [`model::MediaPlan`] into fixed-size tables, so that a packet never searches.

use crate::latch::Expectation;
use codecs::AudioFormat;
use model::{Codec, CodecMapping, LegPlan, XrWishes};

/// Formats of one leg that get a clock of their own; more are forwarded all the same and count with
/// the first one's clock.
pub(crate) const FORMATS: usize = 12;
const DEFAULT_CLOCK_RATE: u32 = 8_000;
const PACKET_MS: u16 = 20;

/// What a payload type stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// The format.
    pub codec: Codec,
    /// RTP clock rate in Hz, never 0.
    pub clock_rate: u32,
}

impl Default for Format {
    fn default() -> Self {
        Format { codec: Codec::Other, clock_rate: DEFAULT_CLOCK_RATE }
    }
}

/// One leg's part of the plan, compiled.
#[derive(Clone, Debug)]
pub struct CompiledLeg {
    /// See [`LegPlan::accepts_from`].
    pub accepts_from: bool,
    /// See [`LegPlan::sends_to`].
    pub sends_to: bool,
    /// There is nobody: the other leg sends the copy of a call, for listeners alone.
    pub is_nobody: bool,
    /// See [`LegPlan::rtcp_mux`].
    pub rtcp_mux: bool,
    /// See [`LegPlan::xr`].
    pub xr: XrWishes,
    /// Of the first format, ms, never 0.
    pub packet_ms: u16,
    /// See [`model::MediaPlan::blocked_events`].
    pub blocks_events: bool,
    formats: [Format; FORMATS],
    /// Position in `formats` for each payload type; 0, the first format, for those not agreed.
    by_payload_type: [u8; 128],
    /// The payload types of `formats`; the first `listed` count.
    payload_types: [u8; FORMATS],
    listed: usize,
    telephone_event: Option<u8>,
    /// How many payload types are events, and the first of them.
    events: (u8, Option<u8>),
    /// The payload type of the first format, and what that is, if it is read and written here.
    tones: Option<(u8, AudioFormat)>,
}

impl CompiledLeg {
    /// Compiles `plan`. Of two mappings for one payload type the first counts.
    pub fn new(plan: &LegPlan) -> Self {
        let mut formats = [Format::default(); FORMATS];
        let mut by_payload_type = [0_u8; 128];
        let mut payload_types = [0_u8; FORMATS];
        for (position, mapping) in plan.codecs.iter().enumerate().take(FORMATS).rev() {
            formats[position] = format_of(mapping);
            payload_types[position] = mapping.payload_type;
            if let Some(entry) = by_payload_type.get_mut(usize::from(mapping.payload_type)) {
                *entry = position as u8;
            }
        }
        let mut compiled = CompiledLeg {
            accepts_from: plan.accepts_from,
            sends_to: plan.sends_to,
            is_nobody: plan.codecs.is_empty() && plan.remote_rtp.is_none() && !plan.sends_to,
            rtcp_mux: plan.rtcp_mux,
            xr: plan.xr,
            packet_ms: plan
                .codecs
                .first()
                .and_then(|first| u16::try_from(first.packet_duration.as_millis()).ok())
                .filter(|millis| *millis > 0)
                .unwrap_or(PACKET_MS),
            blocks_events: false,
            formats,
            by_payload_type,
            payload_types,
            listed: plan.codecs.len().min(FORMATS),
            telephone_event: plan.telephone_event,
            events: (0, None),
            tones: plan.codecs.first().and_then(|first| {
                Some((first.payload_type, AudioFormat::new(first.codec, first.clock_rate)?))
            }),
        };
        let events = (0..=127).filter(|number| compiled.is_telephone_event(*number));
        compiled.events = (events.clone().count() as u8, events.clone().next());
        compiled
    }

    /// How many payload types are events, and the first of them.
    pub fn events(&self) -> (u8, Option<u8>) {
        self.events
    }

    /// The payload type and the format of tones in the audio; `None` when there can be none.
    pub fn tones(&self) -> Option<(u8, AudioFormat)> {
        self.tones
    }

    /// What a payload type (its low seven bits) stands for.
    #[inline]
    pub fn format(&self, payload_type: u8) -> Format {
        let position = self.by_payload_type[usize::from(payload_type & 0x7f)];
        self.formats.get(usize::from(position)).copied().unwrap_or_default()
    }

    /// The formats in the leg's order, each with the payload type that the leg has for it; of several
    /// the first.
    pub fn numbered(&self) -> impl Iterator<Item = (u8, Format)> + '_ {
        let listed = self.payload_types.iter().zip(&self.formats).take(self.listed);
        listed.map(|(number, format)| (*number, *format)).filter(|(number, _)| *number < 128)
    }

    /// The clock rate of the first format, in Hz.
    pub fn clock_rate(&self) -> u32 {
        self.formats[0].clock_rate
    }

    /// The payload type of telephone events, if agreed, and its format.
    pub fn telephone_event(&self) -> Option<(u8, Format)> {
        self.telephone_event.map(|number| (number, self.format(number)))
    }

    /// Whether the payload type carries RFC 4733 events.
    #[inline]
    pub fn is_telephone_event(&self, payload_type: u8) -> bool {
        self.telephone_event == Some(payload_type)
            || self.format(payload_type).codec == Codec::TelephoneEvent
    }
}

/// The expectations for RTP and for RTCP that a leg's plan gives.
pub(crate) fn expectations(plan: &LegPlan) -> [Expectation; 2] {
    let rtp = Expectation::new(plan.remote_rtp, plan.signalling_source);
    let rtcp = if plan.rtcp_mux { plan.remote_rtp } else { plan.remote_rtcp };
    [rtp, Expectation::new(rtcp, plan.signalling_source)]
}

fn format_of(mapping: &CodecMapping) -> Format {
    Format {
        codec: mapping.codec,
        clock_rate: if mapping.clock_rate == 0 { DEFAULT_CLOCK_RATE } else { mapping.clock_rate },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn mapping(payload_type: u8, codec: Codec, clock_rate: u32) -> CodecMapping {
        CodecMapping { payload_type, codec, clock_rate, packet_duration: Duration::ZERO }
    }

    fn leg(codecs: Vec<CodecMapping>) -> LegPlan {
        LegPlan {
            remote_rtp: None,
            remote_rtcp: None,
            signalling_source: None,
            rtcp_mux: false,
            accepts_from: true,
            sends_to: true,
            relearn: true,
            codecs,
            telephone_event: Some(101),
            xr: XrWishes::default(),
            security: model::LegSecurity::Plain,
            ice: None,
        }
    }

    #[test]
    fn a_payload_type_that_was_not_agreed_counts_with_the_first_formats_clock() {
        let plan = CompiledLeg::new(&leg(vec![
            mapping(96, Codec::Opus, 48_000),
            mapping(0, Codec::Pcmu, 8_000),
        ]));
        assert_eq!(plan.format(96).clock_rate, 48_000);
        assert_eq!(plan.format(0).codec, Codec::Pcmu);
        assert_eq!(plan.format(127).clock_rate, 48_000);
        assert!(plan.is_telephone_event(101));
        assert!(!plan.is_telephone_event(0));
    }

    #[test]
    fn hostile_mappings_compile_to_something_usable() {
        let many = (0..=255).map(|pt| mapping(pt, Codec::Pcma, 0)).collect();
        let plan = CompiledLeg::new(&leg(many));
        for payload_type in 0..=255 {
            assert_eq!(plan.format(payload_type).clock_rate, 8_000);
        }
        let empty = CompiledLeg::new(&leg(Vec::new()));
        assert_eq!(empty.format(0), Format::default());
    }

    #[test]
    fn the_first_of_two_mappings_for_a_payload_type_counts() {
        let plan = CompiledLeg::new(&leg(vec![
            mapping(0, Codec::Pcmu, 8_000),
            mapping(0, Codec::Opus, 48_000),
        ]));
        assert_eq!(plan.format(0).codec, Codec::Pcmu);
    }
}
