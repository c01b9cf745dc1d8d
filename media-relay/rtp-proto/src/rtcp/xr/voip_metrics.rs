//! The VoIP metrics block (RFC 3611 section 4.7): what an endpoint measured of a call.

use crate::wire::{u16_at, u32_at};

/// Octets of its content.
pub(super) const VOIP_METRICS_BYTES: usize = 32;
/// What levels, RERL, R and MOS say where they are not known.
const UNAVAILABLE: u8 = 127;

/// What an endpoint measured of a call (section 4.7). Values as on the wire; 127 stands for
/// "unavailable" in levels, RERL, R and MOS.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VoipMetrics {
    /// The source that it speaks of.
    pub ssrc: u32,
    /// Packets lost in the network, in 1/256.
    pub loss_rate: u8,
    /// Packets discarded by the jitter buffer, in 1/256.
    pub discard_rate: u8,
    /// Share lost or discarded within bursts, in 1/256.
    pub burst_density: u8,
    /// Share lost or discarded within gaps, in 1/256.
    pub gap_density: u8,
    /// Mean length of a burst, ms.
    pub burst_duration: u16,
    /// Mean length of a gap, ms.
    pub gap_duration: u16,
    /// Round-trip time, ms; 0 when unknown.
    pub round_trip_delay: u16,
    /// Delay inside the reporting endpoint, ms.
    pub end_system_delay: u16,
    /// Signal level, dBm0.
    pub signal_level: i8,
    /// Noise level, dBm0.
    pub noise_level: i8,
    /// Residual echo return loss, dB.
    pub residual_echo_return_loss: u8,
    /// Gmin: received packets that end a burst; 16 is recommended.
    pub gap_threshold: u8,
    /// R factor, 0 to 100.
    pub r_factor: u8,
    /// R factor of a segment in another network.
    pub external_r_factor: u8,
    /// MOS for listening quality, times 10.
    pub mos_lq: u8,
    /// MOS for conversational quality, times 10.
    pub mos_cq: u8,
    /// Packet loss concealment and jitter buffer kind.
    pub receiver_configuration: u8,
    /// Nominal jitter buffer delay, ms.
    pub jitter_buffer_nominal: u16,
    /// Largest jitter buffer delay now, ms.
    pub jitter_buffer_maximum: u16,
    /// Largest jitter buffer delay possible, ms.
    pub jitter_buffer_absolute_maximum: u16,
}

impl VoipMetrics {
    pub(super) fn parse(content: &[u8]) -> Option<Self> {
        let octet = |at: usize| content.get(at).copied();
        let half = |at: usize| u16_at(content, at);
        Some(VoipMetrics {
            ssrc: u32_at(content, 0)?,
            loss_rate: octet(4)?,
            discard_rate: octet(5)?,
            burst_density: octet(6)?,
            gap_density: octet(7)?,
            burst_duration: half(8)?,
            gap_duration: half(10)?,
            round_trip_delay: half(12)?,
            end_system_delay: half(14)?,
            signal_level: octet(16)? as i8,
            noise_level: octet(17)? as i8,
            residual_echo_return_loss: octet(18)?,
            gap_threshold: octet(19)?,
            r_factor: octet(20)?,
            external_r_factor: octet(21)?,
            mos_lq: octet(22)?,
            mos_cq: octet(23)?,
            receiver_configuration: octet(24)?,
            jitter_buffer_nominal: half(26)?,
            jitter_buffer_maximum: half(28)?,
            jitter_buffer_absolute_maximum: half(30)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&[self.loss_rate, self.discard_rate]);
        out.extend_from_slice(&[self.burst_density, self.gap_density]);
        for half in
            [self.burst_duration, self.gap_duration, self.round_trip_delay, self.end_system_delay]
        {
            out.extend_from_slice(&half.to_be_bytes());
        }
        out.extend_from_slice(&[self.signal_level as u8, self.noise_level as u8]);
        out.extend_from_slice(&[self.residual_echo_return_loss, self.gap_threshold]);
        out.extend_from_slice(&[self.r_factor, self.external_r_factor, self.mos_lq, self.mos_cq]);
        out.extend_from_slice(&[self.receiver_configuration, 0]);
        for half in [
            self.jitter_buffer_nominal,
            self.jitter_buffer_maximum,
            self.jitter_buffer_absolute_maximum,
        ] {
            out.extend_from_slice(&half.to_be_bytes());
        }
    }
}

/// A value of a peer that is within the range that it can have; `None` for 127, "unavailable", and
/// for what cannot be.
fn within(value: u8, range: std::ops::RangeInclusive<u8>) -> Option<u8> {
    (value != UNAVAILABLE && range.contains(&value)).then_some(value)
}

impl VoipMetrics {
    /// Metrics of a source of which nothing is known yet: every field that can say so does.
    pub const fn unknown(ssrc: u32) -> Self {
        VoipMetrics {
            ssrc,
            loss_rate: 0,
            discard_rate: 0,
            burst_density: 0,
            gap_density: 0,
            burst_duration: 0,
            gap_duration: 0,
            round_trip_delay: 0,
            end_system_delay: 0,
            signal_level: UNAVAILABLE as i8,
            noise_level: UNAVAILABLE as i8,
            residual_echo_return_loss: UNAVAILABLE,
            gap_threshold: 16,
            r_factor: UNAVAILABLE,
            external_r_factor: UNAVAILABLE,
            mos_lq: UNAVAILABLE,
            mos_cq: UNAVAILABLE,
            receiver_configuration: 0,
            jitter_buffer_nominal: 0,
            jitter_buffer_maximum: 0,
            jitter_buffer_absolute_maximum: 0,
        }
    }

    /// The R factor, 0 to 100.
    pub fn known_r_factor(&self) -> Option<u8> {
        within(self.r_factor, 0..=100)
    }

    /// MOS for listening quality times 10, 10 to 50.
    pub fn known_mos_lq(&self) -> Option<u8> {
        within(self.mos_lq, 10..=50)
    }

    /// MOS for conversational quality times 10, 10 to 50.
    pub fn known_mos_cq(&self) -> Option<u8> {
        within(self.mos_cq, 10..=50)
    }
}
