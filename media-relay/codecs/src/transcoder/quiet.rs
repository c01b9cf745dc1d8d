//! Comfort noise (RFC 3389) on its way, and in the place of silence.

use super::{Place, Received, Source, Transcoder};
use crate::comfort_noise::MAX_ORDER;
use crate::format::{AudioEncoder, Encoder};
use crate::silence::SilenceDetector;
use rtp_proto::RtpHeader;

/// Octets of a comfort noise payload that passes: the level and as many coefficients as are ever used.
const LONGEST_DESCRIPTION: usize = 1 + MAX_ORDER;

/// Comfort noise (RFC 3389) instead of audio.
#[derive(Debug)]
pub(super) struct Quiet {
    payload_type: u8,
    /// Looks for silence in the audio itself.
    pub(super) detector: Option<Box<SilenceDetector>>,
    /// What the sender said of its noise, and has not gone out.
    pub(super) told: Option<Description>,
    /// The sender said that it is silent, and has sent no audio since.
    pub(super) paused: bool,
}

/// A comfort noise payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description {
    octets: [u8; LONGEST_DESCRIPTION],
    len: usize,
}

impl Transcoder {
    /// Lets comfort noise (RFC 3389) go out under `payload_type`, whose clock is that of the second
    /// format: what the sender says of its noise, and where `detects`, in the place of silence that is
    /// found in the audio. The first packet of each talk spurt has the marker then.
    #[must_use]
    pub fn with_comfort_noise(mut self, payload_type: u8, detects: bool) -> Self {
        let has_samples = !matches!(self.encoder, AudioEncoder::Octets);
        let detector = || Box::new(SilenceDetector::new(self.encoder.sample_rate()));
        let detector = (detects && has_samples).then(detector);
        self.quiet = Some(Quiet { payload_type, detector, told: None, paused: false });
        self
    }

    /// Takes a comfort noise packet (RFC 3389): the sender falls silent over noise like this. It
    /// passes where the other side takes such; else a packet of such noise waits then, and
    /// [`Transcoder::fill_silence`] makes more.
    pub fn take_comfort_noise(&mut self, packet: &Received<'_>) {
        if self.quiet.is_some() {
            self.pass_comfort_noise(packet);
            return;
        }
        // Where octets pass nothing can be made of samples.
        if matches!(self.encoder, AudioEncoder::Octets) {
            return;
        }
        self.noise.describe(packet.payload);
        self.is_silent = true;
        // Where speech goes on says nothing: the noise is ours.
        self.source = None;
        self.fill_silence();
    }

    fn pass_comfort_noise(&mut self, packet: &Received<'_>) {
        match self.place(packet) {
            Place::TooLate => return,
            Place::Next => self.jump(0),
            Place::Lost(ticks) | Place::Jump(ticks) => self.jump(ticks),
        }
        let (ssrc, sequence) = (packet.ssrc, packet.sequence);
        self.source = Some(Source { ssrc, sequence, next_timestamp: packet.timestamp });
        let Some(quiet) = &mut self.quiet else { return };
        let mut octets = [0; LONGEST_DESCRIPTION];
        let len = packet.payload.len().min(LONGEST_DESCRIPTION);
        for (to, from) in octets.iter_mut().zip(packet.payload) {
            *to = *from;
        }
        // Without a level it says nothing.
        quiet.told = (len > 0).then_some(Description { octets, len });
        quiet.paused = true;
        if let Some(detector) = &mut quiet.detector {
            detector.begin_again();
        }
    }

    /// The noise that was found.
    pub(super) fn describe(&self) -> Option<Description> {
        let detector = self.quiet.as_ref()?.detector.as_deref()?;
        let mut octets = [0; LONGEST_DESCRIPTION];
        // Of formats with another clock than samples it is not said at which rate noise is made.
        let len = detector.describe(self.to.sample_rate() == 8_000, &mut octets)?;
        Some(Description { octets, len })
    }

    pub(super) fn write_noise(
        &mut self,
        told: Description,
        timestamp: u32,
        out: &mut [u8],
    ) -> Option<usize> {
        let payload_type = self.quiet.as_ref()?.payload_type;
        let end = RtpHeader::BYTES + told.len;
        out.get_mut(RtpHeader::BYTES..end)?.copy_from_slice(told.octets.get(..told.len)?);
        self.write_header(payload_type, false, timestamp, out)?;
        Some(end)
    }
}

#[cfg(test)]
mod tests;
