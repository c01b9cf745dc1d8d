//! The way of one direction's audio from a format to another: packets in, packets out.

mod quiet;

use crate::comfort_noise::ComfortNoise;
use crate::concealment::Concealment;
use crate::error::DecodeError;
use crate::format::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder};
use crate::resample::Resampler;
use crate::silence::Heard;
use quiet::Quiet;
use rtp_proto::{RtpHeader, TelephoneEvent};

/// The most audio that one packet may hold, and the most that a format's silence may ask for.
const LONGEST_PACKET_MS: usize = 120;
/// What is lost beyond this is not made up: the output jumps, as the input did.
const LONGEST_CONCEALMENT_MS: usize = 60;
/// A packet that is older than this is no late one: the sender began anew.
const LATEST_MS: u32 = 1_000;
/// What the transcoder needs of a packet that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp, in the clock of the format.
    pub timestamp: u32,
    /// Without padding.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Its audio waits for [`Transcoder::poll_packet`].
    Audio {
        /// What was made up before it, in ms.
        concealed_ms: u32,
    },
    /// It came after its place was filled, or twice.
    TooLate,
    /// It could not be decoded; its place is filled when the next one comes.
    Refused(DecodeError),
}

/// How the packets that go out are marked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// The payload type of [`Transcoder::new`]'s second format.
    pub payload_type: u8,
    /// Our synchronisation source.
    pub ssrc: u32,
    /// The first sequence number and timestamp, drawn at random (RFC 3550 section 5.1).
    pub sequence: u16,
    /// See `sequence`.
    pub timestamp: u32,
    /// Audio in a packet, in ms; [`AudioFormat::packet_ms`] is what it becomes.
    pub packet_ms: u32,
}

/// Transcodes one direction of a stream. Its size is fixed when it is made.
///
/// After each packet that is taken, [`Transcoder::poll_packet`] is to be called until it gives
/// nothing more. At most 240 ms of audio wait; what comes beyond is thrown away.
///
/// Packets are taken in the order they come. One that comes after a later one is too late: holding
/// back would delay every stream for the few that reorder.
#[derive(Debug)]
pub struct Transcoder {
    decoder: AudioDecoder,
    encoder: AudioEncoder,
    resampler: Resampler,
    concealment: Concealment,
    noise: ComfortNoise,
    from: AudioFormat,
    to: AudioFormat,
    /// At the decoder's rate.
    decoded: Box<[i16]>,
    /// At the encoder's rate; the first `waiting` count.
    queue: Box<[i16]>,
    waiting: usize,
    /// Samples of an outgoing packet.
    frame: usize,
    source: Option<Source>,
    /// The sender said that it is silent.
    is_silent: bool,
    out: Outgoing,
    marker: bool,
    event: Option<EventClock>,
    quiet: Option<Quiet>,
}

/// Where the sender stands.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    sequence: u16,
    /// The timestamp of what follows what came.
    next_timestamp: u32,
}

/// An event keeps its timestamp over all its packets.
#[derive(Clone, Copy, Debug)]
struct EventClock {
    received: u32,
    sent: u32,
}

impl Transcoder {
    /// From one format to another, or to the same with another packet duration. `None` when no
    /// whole factor lies between their sample rates.
    pub fn new(from: AudioFormat, to: AudioFormat, out: Outgoing) -> Option<Self> {
        // G.722 would be coded a second time for other packets, and loses by it.
        let passes_octets = (from, to) == (AudioFormat::G722, AudioFormat::G722);
        let [read_at, write_at] = if passes_octets { [8_000; 2] } else { from.rates_with(to) };
        let (decoder, encoder) = match passes_octets {
            true => (AudioDecoder::Octets, AudioEncoder::Octets),
            false => (AudioDecoder::new(from, read_at)?, AudioEncoder::new(to, write_at)?),
        };
        let per_ms = |rate: u32| (rate / 1_000) as usize;
        let packet_ms = to.packet_ms(out.packet_ms);
        let room = 2 * LONGEST_PACKET_MS * per_ms(write_at);
        Some(Transcoder {
            decoder,
            encoder,
            resampler: Resampler::new(read_at, write_at)?,
            concealment: Concealment::new(read_at),
            noise: ComfortNoise::default(),
            from,
            to,
            decoded: vec![0; LONGEST_PACKET_MS * per_ms(read_at)].into(),
            queue: vec![0; room].into(),
            waiting: 0,
            frame: packet_ms as usize * per_ms(write_at),
            source: None,
            is_silent: false,
            out: Outgoing { packet_ms, ..out },
            marker: true,
            event: None,
            quiet: None,
        })
    }

    /// Writes so many bits a second, where the format written has a choice (Opus, 6,000 to 128,000).
    #[must_use]
    pub fn with_bitrate(mut self, bits: u32) -> Self {
        match &mut self.encoder {
            AudioEncoder::Opus(opus) => opus.set_bitrate(bits),
            AudioEncoder::Pcmu
            | AudioEncoder::Pcma
            | AudioEncoder::G722(_)
            | AudioEncoder::L16(_)
            | AudioEncoder::Octets => {}
        }
        self
    }

    /// Takes a packet of the first format. What was lost before it is made up, up to 60 ms of it.
    pub fn take(&mut self, packet: &Received<'_>) -> Taken {
        let paused = self.quiet.as_mut().is_some_and(|quiet| std::mem::take(&mut quiet.paused));
        let decoded = match self.place(packet) {
            Place::TooLate => return Taken::TooLate,
            Place::Next => self.decode(packet.payload, 0),
            // What was lost among descriptions of noise was not speech.
            Place::Lost(ticks) if paused => {
                self.jump(ticks);
                self.decode(packet.payload, 0)
            }
            Place::Lost(ticks) => self.decode(packet.payload, ticks),
            Place::Jump(ticks) => {
                self.jump(ticks);
                self.decode(packet.payload, 0)
            }
        };
        let (samples, concealed_ms) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => {
                // What was lost before it has been made up; its own place has not.
                if let Some(source) = self.source.as_mut().filter(|s| s.ssrc == packet.ssrc) {
                    source.next_timestamp = packet.timestamp;
                }
                return Taken::Refused(error);
            }
        };
        let ticks = self.ticks(samples);
        self.is_silent = false;
        self.source = Some(Source {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            next_timestamp: packet.timestamp.wrapping_add(ticks),
        });
        Taken::Audio { concealed_ms }
    }

    /// Makes a packet of noise while the sender is silent, for formats without comfort noise; to be
    /// called once in each packet duration. Whether it is silent.
    pub fn fill_silence(&mut self) -> bool {
        if self.is_silent {
            let samples = self.out.packet_ms as usize * self.samples_per_ms();
            let samples = samples.min(self.decoded.len());
            if let Some(noise) = self.decoded.get_mut(..samples) {
                self.noise.generate(noise);
            }
            self.enqueue(samples);
        }
        self.is_silent
    }

    /// Whether [`Transcoder::poll_packet`] has a packet.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.waiting >= self.frame || self.quiet.as_ref().is_some_and(|quiet| quiet.told.is_some())
    }

    /// Whether the sender said that it is silent, and nothing came since.
    pub const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Audio in each outgoing packet, in ms.
    pub const fn packet_ms(&self) -> u32 {
        self.out.packet_ms
    }

    /// Forgets what came: what comes next is a beginning, and follows what was sent last.
    pub fn begin_again(&mut self) {
        (self.source, self.is_silent, self.waiting, self.event) = (None, false, 0, None);
        self.marker = true;
        if let Some(quiet) = &mut self.quiet {
            (quiet.told, quiet.paused) = (None, false);
            if let Some(detector) = &mut quiet.detector {
                detector.begin_again();
            }
        }
    }

    /// Writes the next packet, with its RTP header, to the beginning of `out`; its octets, `None`
    /// while there is not enough audio for one. A packet that `out` is too short for is lost: none
    /// has more than [`crate::LONGEST_PAYLOAD`] octets of payload.
    pub fn poll_packet(&mut self, out: &mut [u8]) -> Option<usize> {
        while self.is_ready() {
            if let Some(written) = self.next_packet(out) {
                return Some(written);
            }
        }
        None
    }

    /// Takes one packet from what waits; `None` when nothing goes out for it.
    fn next_packet(&mut self, out: &mut [u8]) -> Option<usize> {
        if let Some(told) = self.quiet.as_mut().and_then(|quiet| quiet.told.take()) {
            return self.write_noise(told, self.out.timestamp, out);
        }
        let timestamp = self.out.timestamp;
        let ticks = self.out.packet_ms * (self.to.clock_rate() / 1_000);
        let samples = self.queue.get(..self.frame)?;
        let detector = self.quiet.as_mut().and_then(|quiet| quiet.detector.as_deref_mut());
        let heard = detector.map_or(Heard::Speech, |detector| detector.judge(samples));
        let encoded = match heard {
            Heard::Speech => {
                let payload = out.get_mut(RtpHeader::BYTES..).unwrap_or_default();
                self.encoder.encode(samples, payload).ok()
            }
            Heard::Noise | Heard::NewNoise => None,
        };
        self.queue.copy_within(self.frame..self.waiting, 0);
        self.waiting -= self.frame;
        self.out.timestamp = timestamp.wrapping_add(ticks);
        if heard == Heard::Speech {
            let octets = encoded?;
            let marker = std::mem::take(&mut self.marker);
            self.write_header(self.out.payload_type, marker, timestamp, out)?;
            return Some(RtpHeader::BYTES + octets);
        }
        // The next talk spurt begins with it (RFC 3551 section 4.1).
        self.marker = true;
        let described = (heard == Heard::NewNoise).then(|| self.describe())??;
        self.write_noise(described, timestamp, out)
    }

    /// Passes a telephone-event packet (RFC 4733) among the audio: its timestamp and duration in
    /// clocks of `clock_rates` (received, sent), in Hz, its payload type and sequence number ours.
    /// The octets written; `None` when it is none or `out` is too short.
    pub fn pass_event(
        &mut self,
        packet: &Received<'_>,
        clock_rates: [u32; 2],
        payload_type: u8,
        marker: bool,
        out: &mut [u8],
    ) -> Option<usize> {
        let [from_rate, to_rate] = clock_rates;
        let mut event = TelephoneEvent::parse(packet.payload).ok()?;
        let duration = u64::from(event.duration) * u64::from(to_rate) / u64::from(from_rate.max(1));
        event.duration = u16::try_from(duration).unwrap_or(u16::MAX);
        let timestamp = self.event_timestamp(packet.timestamp);
        if let Some(source) = &mut self.source
            && source.ssrc == packet.ssrc
            && packet.sequence.wrapping_sub(source.sequence) < 0x8000
        {
            source.sequence = packet.sequence;
        }
        let end = RtpHeader::BYTES + TelephoneEvent::BYTES;
        out.get_mut(RtpHeader::BYTES..end)?.copy_from_slice(&event.to_bytes());
        self.write_header(payload_type, marker, timestamp, out)?;
        Some(end)
    }

    fn event_timestamp(&mut self, received: u32) -> u32 {
        if let Some(event) = self.event.filter(|event| event.received == received) {
            return event.sent;
        }
        // Where the audio that waits ends.
        let waiting = self.waiting as u64 * u64::from(self.to.clock_rate());
        let waiting = waiting / u64::from(self.encoder.sample_rate());
        let end = self.out.timestamp.wrapping_add(waiting as u32);
        let ahead = self.source.map_or(0, |source| received.wrapping_sub(source.next_timestamp));
        let sent = end.wrapping_add(self.to_clock(ahead.cast_signed()).cast_unsigned());
        self.event = Some(EventClock { received, sent });
        sent
    }

    fn write_header(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        out: &mut [u8],
    ) -> Option<usize> {
        let header = RtpHeader {
            payload_type,
            marker,
            sequence: self.out.sequence,
            timestamp,
            ssrc: self.out.ssrc,
        };
        self.out.sequence = self.out.sequence.wrapping_add(1);
        header.write_header(out)
    }

    /// Where a packet stands after those that came.
    fn place(&self, packet: &Received<'_>) -> Place {
        let Some(source) = self.source.filter(|source| source.ssrc == packet.ssrc) else {
            return Place::Jump(0);
        };
        let clock = self.from.clock_rate();
        let gap = packet.timestamp.wrapping_sub(source.next_timestamp);
        let steps = packet.sequence.wrapping_sub(source.sequence);
        let late = source.next_timestamp.wrapping_sub(packet.timestamp);
        match steps {
            0 => Place::TooLate,
            _ if gap == 0 => Place::Next,
            _ if late < LATEST_MS * (clock / 1_000) => match steps {
                // The sender's clock ran back a little: its audio goes on all the same.
                1..0x8000 => Place::Next,
                _ => Place::TooLate,
            },
            _ if gap > u32::MAX / 2 => Place::Jump(0),
            // In sequence: the sender was silent.
            1 => Place::Jump(gap),
            2..0x8000 => Place::Lost(gap),
            _ => Place::Jump(0),
        }
    }

    /// Decodes `payload` behind `lost` ticks of the input's clock that are to be made up; its
    /// samples, and the ms that were made up.
    fn decode(&mut self, payload: &[u8], lost: u32) -> Result<(usize, u32), DecodeError> {
        let lost_ms = lost / (self.from.clock_rate() / 1_000);
        let concealed_ms = match self.decoder {
            // Octets are made up by who decodes them.
            AudioDecoder::Octets => 0,
            _ => lost_ms.min(LONGEST_CONCEALMENT_MS as u32),
        };
        self.conceal(concealed_ms as usize);
        if lost_ms > concealed_ms {
            self.jump(lost - concealed_ms * (self.from.clock_rate() / 1_000));
        }
        let samples = self.decoder.decode(payload, &mut self.decoded)?;
        if let Some(samples) = self.decoded.get_mut(..samples)
            && !matches!(self.decoder, AudioDecoder::Octets)
        {
            self.concealment.received(samples);
        }
        self.enqueue(samples);
        Ok((samples, concealed_ms))
    }

    fn conceal(&mut self, ms: usize) {
        let samples = ms * self.samples_per_ms();
        let Some(out) = self.decoded.get_mut(..samples).filter(|out| !out.is_empty()) else {
            return;
        };
        if !self.decoder.conceal(out) {
            self.concealment.conceal(out);
        }
        self.enqueue(samples);
    }

    /// The input jumped: so does the output, with a marker, and less than a packet that waits is
    /// thrown away.
    fn jump(&mut self, ticks: u32) {
        let waiting = self.waiting as u64 * u64::from(self.to.clock_rate());
        let waiting = waiting / u64::from(self.encoder.sample_rate());
        self.waiting = 0;
        self.marker = true;
        let ahead = self.to_clock(ticks.cast_signed()).cast_unsigned();
        self.out.timestamp = self.out.timestamp.wrapping_add(waiting as u32).wrapping_add(ahead);
    }

    /// The first `samples` of what was decoded go behind what waits.
    fn enqueue(&mut self, samples: usize) {
        let decoded = self.decoded.get(..samples).unwrap_or_default();
        let room = self.queue.get_mut(self.waiting..).unwrap_or_default();
        self.waiting += self.resampler.resample(decoded, room);
    }

    fn samples_per_ms(&self) -> usize {
        (self.decoder.sample_rate() / 1_000) as usize
    }

    /// Decoded samples in ticks of the input's clock.
    fn ticks(&self, samples: usize) -> u32 {
        let ticks = samples as u64 * u64::from(self.from.clock_rate());
        (ticks / u64::from(self.decoder.sample_rate())) as u32
    }

    /// Ticks of the input's clock in the output's.
    fn to_clock(&self, ticks: i32) -> i32 {
        let ticks = i64::from(ticks) * i64::from(self.to.clock_rate());
        (ticks / i64::from(self.from.clock_rate())) as i32
    }
}

enum Place {
    Next,
    TooLate,
    /// After this many ticks that were lost.
    Lost(u32),
    /// After this many ticks in which nothing was sent.
    Jump(u32),
}

#[cfg(test)]
mod tests;
