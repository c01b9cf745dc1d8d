//! One participant of a room: what it says.

use crate::config::{Format, JoinError, LoudnessExtension, ParticipantId};
use crate::gain::{self, Gain};
use crate::jitter::{JitterBuffer, Played, Taken};
use crate::level::{Heard, Meter};
use crate::limiter::Limiter;
use crate::mouth::{Kind, Loss, Mouth};
use crate::playing::Player;
use crate::room::Muting;
use crate::speakers::Speech;
use crate::{SAMPLE_RATE, TICK_SAMPLES};
use codecs::Resampler;
use model::Instant;
use rtp_proto::RtpPacket;

/// Reports with less loss before less is sent twice.
const CALM_REPORTS: u32 = 3;
/// Ticks for which a loudness that a packet told holds.
const TOLD: u32 = 5;
/// The profile of header extensions with elements of one octet (RFC 8285 section 4.2).
const ONE_BYTE: u16 = 0xbede;

pub(crate) struct Member {
    pub(crate) id: ParticipantId,
    pub(crate) format: Format,
    pub(crate) kind: Kind,
    pub(crate) loss: Loss,
    /// What the last reports would have, and how many of them.
    calm: (Loss, u32),
    pub(crate) jitter: JitterBuffer,
    /// This frame and the one before, at the jitter buffer's rate.
    frame: Box<[i16]>,
    before: Box<[i16]>,
    upsampler: Resampler,
    /// The upsampler has read the frame before this one.
    is_warm: bool,
    raised: Box<[i16; TICK_SAMPLES]>,
    /// What the mix has of it.
    pub(crate) voice: Box<[f32; TICK_SAMPLES]>,
    meter: Meter,
    pub(crate) heard: Heard,
    pub(crate) gain: Gain,
    /// What the voice is multiplied by: without a choice, at the last frame's end, and at this one's.
    wanted: f32,
    factors: (f32, f32),
    pub(crate) speech: Speech,
    /// A loudness that a packet told in dBov, and for how many ticks it holds.
    told: (f32, u32),
    pub(crate) muting: Muting,
    pub(crate) player: Player,
    pub(crate) limiter: Limiter,
    /// An encoder of its own, while it is heard.
    pub(crate) own: Option<Box<Mouth>>,
    /// Ticks for which it keeps that.
    pub(crate) hold: u32,
    /// It has not been sent anything.
    pub(crate) is_new: bool,
}

impl Member {
    pub(crate) fn new(id: ParticipantId, format: &Format) -> Result<Self, JoinError> {
        let jitter = JitterBuffer::new(&format.receive)?;
        let rate = jitter.sample_rate();
        let upsampler = Resampler::new(rate, SAMPLE_RATE).ok_or(JoinError::NoFormat)?;
        let frame = || vec![0; (rate / 50) as usize].into();
        let mut meter = Meter::default();
        Ok(Member {
            id,
            kind: Kind::of(format),
            format: format.clone(),
            loss: Loss::None,
            calm: (Loss::None, 0),
            jitter,
            frame: frame(),
            before: frame(),
            upsampler,
            is_warm: false,
            raised: Box::new([0; TICK_SAMPLES]),
            voice: Box::new([0.0; TICK_SAMPLES]),
            heard: meter.hear_nothing(),
            meter,
            gain: Gain::default(),
            wanted: 0.0,
            factors: (0.0, 0.0),
            speech: Speech::default(),
            told: (0.0, 0),
            muting: Muting::default(),
            player: Player::new(),
            limiter: Limiter::default(),
            own: None,
            hold: 0,
            is_new: true,
        })
    }

    /// Takes an RTP packet's octets.
    pub(crate) fn take(&mut self, octets: &[u8], arrival: Instant) -> Taken {
        let Ok(packet) = RtpPacket::parse(octets) else { return self.jitter.refuse() };
        let taken = self.jitter.put(&packet, arrival);
        if let (Taken::Audio, Some(extension)) = (taken, self.format.loudness)
            && let Some(level) = loudness(&packet, extension)
        {
            self.told = (level, TOLD);
        }
        taken
    }

    /// Takes what is due by `now` and judges it.
    pub(crate) fn pull(&mut self, now: Instant) {
        std::mem::swap(&mut self.frame, &mut self.before);
        let played = self.jitter.pull(now, &mut self.frame);
        let is_mute = self.muting.by_room || self.muting.by_self;
        self.heard = match played {
            Played::Noise => self.meter.hear_nothing(),
            Played::Audio | Played::Concealed => self.meter.hear(&self.frame),
        };
        if self.told.1 > 0 {
            self.told.1 -= 1;
            // Nobody makes itself louder than it is.
            if self.told.0 < self.heard.level - 20.0 {
                (self.heard.is_loud, self.heard.is_voice) = (false, false);
            }
        }
        self.wanted = self.gain.follow(&self.heard);
        let is_speaking = self.heard.is_voice && !is_mute;
        self.speech.take((is_speaking && self.heard.is_loud).then_some(self.heard.level));
    }

    /// Makes what the mix has of it: nothing but for who is chosen. Whether that is anything.
    pub(crate) fn speak(&mut self, is_recorded: bool) -> bool {
        let is_mute = self.muting.by_room || self.muting.by_self;
        let after = if self.speech.is_chosen && !is_mute { self.wanted } else { 0.0 };
        self.factors = (self.factors.1, after);
        let is_heard = self.is_heard();
        if !is_heard && !is_recorded {
            self.is_warm = false;
            return false;
        }
        if !self.is_warm {
            // What it would have read before, so that the beginning is no step.
            self.upsampler.resample(&self.before, self.raised.as_mut());
            self.is_warm = true;
        }
        self.upsampler.resample(&self.frame, self.raised.as_mut());
        if is_heard {
            let (before, after) = self.factors;
            gain::apply(self.raised.as_ref(), self.voice.as_mut(), before, after);
        }
        is_heard
    }

    /// Whether this frame's mix has anything of it.
    pub(crate) const fn is_heard(&self) -> bool {
        self.factors.0 > 0.0 || self.factors.1 > 0.0
    }

    /// What it says, alone, at 48,000 Hz.
    pub(crate) fn alone(&self) -> &[i16; TICK_SAMPLES] {
        &self.raised
    }

    /// Takes a report of how much is lost on its way, 0 to 1; whether that changes what it is sent.
    /// More is believed at once, less after some reports.
    pub(crate) fn hear_of_loss(&mut self, fraction: f32) -> bool {
        let class = Loss::of(fraction);
        let is_same = self.calm.0 == class;
        self.calm = (class, if is_same { self.calm.1.saturating_add(1) } else { 1 });
        let is_believed = class > self.loss || self.calm.1 >= CALM_REPORTS;
        if is_believed && class != self.loss {
            self.loss = class;
            return true;
        }
        false
    }
}

/// What a packet says of its loudness, in dBov (RFC 6464 section 3).
fn loudness(packet: &RtpPacket<'_>, LoudnessExtension(wanted): LoudnessExtension) -> Option<f32> {
    let extension = packet.extension().filter(|extension| extension.profile == ONE_BYTE)?;
    let mut rest = extension.data;
    while let Some((&first, behind)) = rest.split_first() {
        // RFC 8285 section 4.2: 0 is padding, 15 ends the list.
        let (id, len) = (first >> 4, usize::from(first & 0x0f) + 1);
        match id {
            0 => rest = behind,
            15 => return None,
            _ if id == wanted => return behind.first().map(|octet| -f32::from(octet & 0x7f)),
            _ => rest = behind.get(len..)?,
        }
    }
    None
}
