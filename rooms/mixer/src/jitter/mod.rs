//! From one participant's packets, as they come, to even audio.
//!
//! A packet waits until its audio is due: as long as 97 in 100 packets of the last ten seconds were
//! late, by the fastest of the last five. While somebody speaks the wait is brought to that by leaving out or putting
//! in periods of the voice ([`fifo`]), which also makes good clocks that differ; between two utterances
//! it is set outright. What is missing when it is due is recovered from the packet behind it (Opus),
//! or made up, and given up after 100 ms. All places are in 1/48,000 s of the sender's clock.

mod delay;
mod fifo;
mod play;
mod source;
mod store;

#[cfg(test)]
mod tests;

use crate::config::{JoinError, ReceiveFormats};
use codecs::{ComfortNoise, Concealment};
use delay::{Delay, MS};
use fifo::Fifo;
use model::Instant;
use rtp_proto::{RtpPacket, TelephoneEvent};
use source::Source;
use store::{Store, Stored};

/// The bounds of the whole wait, in ms: from a packet's arrival, were it the fastest, to the end of the
/// frame that its last sample is played in.
pub(crate) const LEAST_MS: f32 = 20.0;
pub(crate) const MOST_MS: f32 = 200.0;
/// The lateness that is waited for before packets have told, in ms.
const FIRST_WAIT_MS: f32 = 20.0;
/// A sequence number so far ahead is another count (RFC 3550 appendix A.1, MAX_DROPOUT).
const DROPOUT: i64 = 3_000;
/// A timestamp that makes a packet this late or early begins another count of time.
const JUMP: i64 = 1_000 * MS;
/// The same behind a pause, for late ones: the sender's clock stood still meanwhile.
const PAUSE_JUMP: i64 = 300 * MS;

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Audio or comfort noise that waits to be played.
    Audio,
    /// A key, which is the caller's affair (RFC 4733).
    Event {
        /// What the packet says of it.
        event: TelephoneEvent,
        /// Its RTP timestamp, which tells one key from the next.
        timestamp: u32,
    },
    /// Nothing will be heard of it.
    Dropped(Unplayed),
}

/// Why a packet is not played. Each is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unplayed {
    /// Not RTP, or its payload cannot be one of its format.
    Malformed,
    /// A payload type that was not agreed on.
    UnknownPayloadType,
    /// The same packet came before.
    Duplicate,
    /// Its place was played, or filled, before it came.
    Late,
    /// The first packet of another source, which may be a stray one; the second is taken.
    UnprovenSource,
}

/// What [`JitterBuffer`] has counted since it was made. Milliseconds are of audio.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct JitterCounts {
    /// Packets of audio and comfort noise, whatever became of them.
    pub received: u64,
    /// Packets that were not there when they were due.
    pub lost: u64,
    /// Packets that came after that.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that were no RTP, or not of their format.
    pub malformed: u64,
    /// Packets of a payload type that was not agreed on.
    pub unknown: u64,
    /// Packets that were dropped because too many waited.
    pub displaced: u64,
    /// How often sequence numbers, timestamps or the source began anew.
    pub restarts: u64,
    /// What was made up.
    pub concealed_ms: u64,
    /// What was recovered by in-band error correction.
    pub recovered_ms: u64,
    /// What was left out to wait less.
    pub shortened_ms: u64,
    /// What was put in to wait longer.
    pub lengthened_ms: u64,
}

/// What a stretch of audio holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Played {
    /// What the participant sent.
    Audio,
    /// In part what was made up.
    Concealed,
    /// Nothing but noise: the participant says nothing, or nothing comes.
    Noise,
}

/// The packets and the audio of one participant. Its memory, about 300 KB for Opus, is taken when it
/// is made.
pub struct JitterBuffer {
    sources: Vec<Source>,
    events: Vec<u8>,
    noise_type: Option<u8>,
    per_ms: usize,
    store: Store,
    delay: Delay,
    fifo: Fifo,
    concealment: Concealment,
    noise: ComfortNoise,
    /// The sender has said what its noise is like.
    is_described: bool,
    /// The quietest of late, as a mean square.
    floor: f32,
    scratch: Box<[i16]>,
    stream: Option<Stream>,
    /// Another source that wants to be heard.
    candidate: Option<u32>,
    play: play::State,
    counts: JitterCounts,
}

/// The source that is heard.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    /// Of the packet with the highest number.
    sequence: u16,
    timestamp: u32,
    clock_rate: u32,
    extended: i64,
    position: i64,
    /// Bit n: number `extended - n` has come.
    seen: u64,
}

/// A packet's place.
struct Place {
    sequence: i64,
    position: i64,
    is_newest: bool,
}

impl JitterBuffer {
    /// For packets of `formats`.
    ///
    /// # Errors
    /// [`JoinError`]: no format, too many, or one payload type twice.
    pub fn new(formats: &ReceiveFormats) -> Result<Self, JoinError> {
        formats.check()?;
        let rate = formats.audio.iter().map(|(_, format)| format.sample_rate()).max();
        let rate = rate.ok_or(JoinError::NoFormat)?;
        let sources: Option<Vec<_>> = formats
            .audio
            .iter()
            .map(|&(number, format)| Source::new(number, format, rate))
            .collect();
        let per_ms = (rate / 1_000) as usize;
        Ok(JitterBuffer {
            sources: sources.ok_or(JoinError::NoFormat)?,
            events: formats.telephone_events.clone(),
            noise_type: formats.comfort_noise,
            per_ms,
            store: Store::new(),
            delay: Delay::new(FIRST_WAIT_MS),
            fifo: Fifo::new(rate),
            concealment: Concealment::new(rate),
            noise: ComfortNoise::default(),
            is_described: false,
            floor: play::NO_FLOOR,
            // The longest packet of Opus, at any rate.
            scratch: vec![0; 120 * per_ms].into(),
            stream: None,
            candidate: None,
            play: play::State::default(),
            counts: JitterCounts::default(),
        })
    }

    /// Samples in a second of what [`JitterBuffer::pull`] writes: the highest rate of the formats.
    pub const fn sample_rate(&self) -> u32 {
        self.per_ms as u32 * 1_000
    }

    /// What was counted.
    pub const fn counts(&self) -> JitterCounts {
        self.counts
    }

    /// How long packets are to wait, in ms, and how long they did last, both from the arrival of the
    /// fastest to the end of the frame that they end in.
    pub fn waits_ms(&self) -> (f32, f32) {
        (self.target_ms(), self.play.lag as f32 / MS as f32)
    }

    /// Takes a packet.
    pub fn put(&mut self, packet: &RtpPacket<'_>, arrival: Instant) -> Taken {
        let number = packet.payload_type();
        if self.events.contains(&number) {
            return match TelephoneEvent::parse(packet.payload()) {
                Ok(event) => Taken::Event { event, timestamp: packet.timestamp() },
                Err(_) => self.drop(Unplayed::Malformed),
            };
        }
        let is_noise = self.noise_type == Some(number);
        // Comfort noise is of the source that it interrupts.
        let source = match self.sources.iter().position(|source| source.payload_type == number) {
            Some(source) => source,
            None if is_noise => self.play.source,
            None => return self.drop(Unplayed::UnknownPayloadType),
        };
        let Some(of) = self.sources.get(source) else { return self.drop(Unplayed::Malformed) };
        let duration = if is_noise { Some(0) } else { of.duration(packet.payload()) };
        let clock_rate = of.format.clock_rate();
        let Some(duration) = duration.filter(|_| !packet.payload().is_empty()) else {
            return self.drop(Unplayed::Malformed);
        };
        if !self.is_heard(packet.ssrc()) {
            return self.drop(Unplayed::UnprovenSource);
        }
        self.counts.received += 1;
        let arrival = play::ticks(arrival);
        let place = match self.place(packet, clock_rate, duration, arrival) {
            Ok(place) => place,
            Err(why) => return self.drop(why),
        };
        let end = place.position + duration;
        if place.is_newest || self.delay.fastest().is_some() {
            self.delay.observe(arrival, end);
        }
        if end <= self.play.next && self.play.has_begun {
            return self.drop(Unplayed::Late);
        }
        let source = u8::try_from(source).unwrap_or_default();
        let waiting = store::waiting(place.sequence, place.position, duration, source, is_noise);
        match self.store.put(waiting, packet.payload()) {
            Stored::Kept => Taken::Audio,
            Stored::Displaced => {
                self.counts.displaced += 1;
                Taken::Audio
            }
            Stored::Duplicate => self.drop(Unplayed::Duplicate),
            Stored::TooLong => self.drop(Unplayed::Malformed),
        }
    }

    /// Counts what was no RTP at all.
    pub(crate) fn refuse(&mut self) -> Taken {
        self.drop(Unplayed::Malformed)
    }

    fn drop(&mut self, why: Unplayed) -> Taken {
        match why {
            Unplayed::Malformed => self.counts.malformed += 1,
            Unplayed::UnknownPayloadType => self.counts.unknown += 1,
            Unplayed::Duplicate => self.counts.duplicates += 1,
            Unplayed::Late => self.counts.late += 1,
            Unplayed::UnprovenSource => {}
        }
        Taken::Dropped(why)
    }

    /// Whether a source is the one that is heard, or becomes it with this packet.
    fn is_heard(&mut self, ssrc: u32) -> bool {
        let is_known = self.stream.is_none_or(|stream| stream.ssrc == ssrc);
        if is_known || self.candidate == Some(ssrc) {
            self.candidate = None;
            return true;
        }
        self.candidate = Some(ssrc);
        false
    }

    fn place(
        &mut self,
        packet: &RtpPacket<'_>,
        clock_rate: u32,
        duration: i64,
        arrival: i64,
    ) -> Result<Place, Unplayed> {
        let scale = i64::from(48_000 / clock_rate.max(1));
        let Some(mut stream) = self.stream else {
            return Ok(self.begin_count(packet, clock_rate, duration, arrival));
        };
        let ahead = i64::from(packet.sequence().wrapping_sub(stream.sequence).cast_signed());
        let ticks = i64::from(packet.timestamp().wrapping_sub(stream.timestamp).cast_signed());
        let position = stream.position + ticks * scale;
        let is_newest = ahead > 0;
        if stream.ssrc != packet.ssrc() || stream.clock_rate != clock_rate || ahead.abs() >= DROPOUT
        {
            return Ok(self.begin_count(packet, clock_rate, duration, arrival));
        }
        if !is_newest {
            let bit = 1_u64.checked_shl(u32::try_from(-ahead).unwrap_or(u32::MAX)).unwrap_or(0);
            if stream.seen & bit != 0 {
                return Err(Unplayed::Duplicate);
            }
            if bit == 0 {
                return Err(Unplayed::Late);
            }
            stream.seen |= bit;
            self.stream = Some(stream);
            return Ok(Place { sequence: stream.extended + ahead, position, is_newest });
        }
        let late =
            self.delay.fastest().map_or(0, |fastest| arrival - position - duration - fastest);
        let is_paused = self.play.is_silent && self.store.len() == 0;
        let most_late = if is_paused { PAUSE_JUMP } else { JUMP };
        // The newest packet belongs behind what was played, whatever its timestamp says.
        let is_behind =
            self.play.has_begun && position + duration <= self.play.next && duration > 0;
        if late > most_late || late < -JUMP || is_behind {
            return Ok(self.begin_count(packet, clock_rate, duration, arrival));
        }
        let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
        stream = Stream {
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            extended: stream.extended + ahead,
            position,
            seen: stream.seen.checked_shl(shift).unwrap_or(0) | 1,
            ..stream
        };
        self.stream = Some(stream);
        Ok(Place { sequence: stream.extended, position, is_newest })
    }

    /// A packet from which sequence numbers and timestamps count anew: it follows the one before, and
    /// its audio belongs where it came.
    fn begin_count(
        &mut self,
        packet: &RtpPacket<'_>,
        clock_rate: u32,
        duration: i64,
        arrival: i64,
    ) -> Place {
        self.counts.restarts += u64::from(self.stream.is_some());
        let sequence = self.stream.map_or(0, |stream| stream.extended + 1);
        let came = self.delay.fastest().map_or(0, |fastest| arrival - fastest - duration);
        let behind = self.store.end().unwrap_or(self.play.next);
        let position = if self.stream.is_some() { came.max(behind) } else { came };
        self.stream = Some(Stream {
            ssrc: packet.ssrc(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            clock_rate,
            extended: sequence,
            position,
            seen: 1,
        });
        Place { sequence, position, is_newest: true }
    }

    fn target_ms(&self) -> f32 {
        (self.delay.wait_ms() + self.play.packet as f32 / MS as f32).clamp(LEAST_MS, MOST_MS)
    }
}
