//! Audio of a stream for listeners beside the call: a ring of its own, beside that of a recorder
//! ([`crate::ring`]).
//!
//! In it are the RTP packets of legs that are listened to, decrypted and as they came, in the order in
//! which they came, and between them what their payload types stand for, whenever that changes. What
//! finds no room is lost to the listeners, counted, and passes to the other leg as if nobody listened.

use crate::packet_ring::{self, RingReader, RingWriter};
use crate::plan::{CompiledLeg, FORMATS, Format};
use crate::rtp_session::RtpSession;
use codecs::VoiceWriter;
use model::{
    Codec, Instant, LegSide, ListenFailure, ListenedUpdate, Listening, MediaId, TransactionId,
    UnixTime,
};

/// Words before a record's octets: length, leg and kind; when.
const HEAD: usize = 2;
/// Octets of formats in a ring: whether the leg may send, a packet's duration, and each format.
const FORMATS_HEAD: usize = 3;
const FORMAT: usize = 6;
const LONGEST_FORMATS: usize = FORMATS_HEAD + (FORMATS + STATIC) * FORMAT;
/// Static payload types that are read without having been agreed.
const STATIC: usize = 3;

/// What a relay tells whoever brings audio to listeners.
#[derive(Debug)]
pub enum ListenNews {
    /// A stream of a call is listened to from now on. A stream of this id that was there before has no
    /// more to say, and a call that it was of goes on with this one.
    Stream(Box<ListenedStream>),
    /// Nobody listens to a stream that somebody was to listen to. Said once, and not of what is ordered
    /// again because of it.
    Refused(Box<RefusedStream>),
    /// Something of a call has changed.
    Update {
        /// The call.
        transaction_id: TransactionId,
        /// What.
        update: Box<ListenedUpdate>,
    },
}

/// A stream that nobody listens to.
#[derive(Debug)]
pub struct RefusedStream {
    /// What was ordered.
    pub listening: Listening,
    /// Why it is not done.
    pub failure: ListenFailure,
    /// When, by the calendar.
    pub at: UnixTime,
}

/// A stream that is listened to. Its end is the end of its ring: a call whose last stream has ended is
/// over, unless another one of it follows within two seconds (a transfer, audio that moved to another
/// worker).
#[derive(Debug)]
pub struct ListenedStream {
    /// The stream.
    pub id: MediaId,
    /// What was ordered.
    pub listening: Listening,
    /// Its packets.
    pub reader: ListenReader,
    /// Where listeners that may speak do so: to leg A, to leg B.
    pub voices: [Option<VoiceWriter>; 2],
    /// When listening to it began, by the clock of the packets' arrival.
    pub began: Instant,
    /// The same moment by the calendar.
    pub began_at: UnixTime,
}

/// Where the packet path puts audio for listeners.
#[derive(Debug)]
pub struct ListenWriter(RingWriter<HEAD>);

/// Where that audio is taken from.
#[derive(Debug)]
pub struct ListenReader(RingReader<HEAD>);

/// One thing in the ring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listened {
    /// An RTP packet.
    Packet {
        /// The leg that sent it.
        from: LegSide,
        /// When it came.
        arrival: Instant,
    },
    /// What the packets that follow are.
    Formats(LegFormats),
}

/// What a leg sends from now on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LegFormats {
    /// The leg.
    pub from: LegSide,
    /// When it was agreed, or listening began.
    pub at: Instant,
    /// Whether the leg may send; `false` while it is on hold.
    pub may_send: bool,
    /// Of a packet in the first format, in milliseconds, never 0.
    pub packet_ms: u16,
    /// The formats by payload type. Packets of any other type are not in the ring.
    pub formats: Vec<ListenedFormat>,
}

/// What a payload type stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenedFormat {
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The format.
    pub codec: Codec,
    /// RTP clock rate in Hz, never 0. For G.722 it is 8,000.
    pub clock_rate: u32,
}

/// A ring for so many octets, rounded up to a power of two between 4 KiB and 64 MiB. A packet takes
/// its length and 16 to 23 octets more.
pub fn listen_ring(octets: usize) -> (ListenWriter, ListenReader) {
    let (writer, reader) = packet_ring::pair(octets);
    (ListenWriter(writer), ListenReader(reader))
}

impl ListenWriter {
    #[inline]
    fn write(&mut self, from: LegSide, is_formats: bool, at: Instant, octets: &[u8]) -> bool {
        let tags = from.index() as u64 | u64::from(is_formats) << 1;
        self.0.write([tags << 32, at.as_nanos()], octets)
    }
}

impl ListenReader {
    /// Takes what is next; a packet's octets are put into `into`, in the place of what was there.
    pub fn read(&mut self, into: &mut Vec<u8>) -> Option<Listened> {
        let [first, at] = self.0.read(into)?;
        let from = if first >> 32 & 1 == 0 { LegSide::A } else { LegSide::B };
        let at = Instant::from_nanos(at);
        if first >> 33 & 1 == 0 {
            return Some(Listened::Packet { from, arrival: at });
        }
        let formats = LegFormats::read(from, at, into);
        into.clear();
        Some(Listened::Formats(formats))
    }

    /// Packets that found no room so far.
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }

    /// Whether nothing more will be written. What was written before may still be there.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl LegFormats {
    /// What [`WrittenFormats`] wrote.
    fn read(from: LegSide, at: Instant, octets: &[u8]) -> Self {
        let (head, formats) = octets.split_at_checked(FORMATS_HEAD).unwrap_or_default();
        let [may_send, ms @ ..] = head.first_chunk::<FORMATS_HEAD>().copied().unwrap_or_default();
        let formats = formats.chunks_exact(FORMAT).filter_map(|format| {
            let [payload_type, codec, rate @ ..] = *format.first_chunk::<FORMAT>()?;
            let clock_rate = u32::from_be_bytes(rate).max(1);
            let codec = CODECS.get(usize::from(codec)).copied().unwrap_or(Codec::Other);
            Some(ListenedFormat { payload_type, codec, clock_rate })
        });
        LegFormats {
            from,
            at,
            may_send: may_send != 0,
            packet_ms: u16::from_be_bytes(ms).max(1),
            formats: formats.collect(),
        }
    }
}

/// Formats of audio, by what stands for them in a ring.
const CODECS: [Codec; 11] = [
    Codec::Pcmu,
    Codec::Pcma,
    Codec::G722,
    Codec::G729,
    Codec::Opus,
    Codec::Ilbc,
    Codec::Gsm,
    Codec::Amr,
    Codec::AmrWb,
    Codec::L16,
    Codec::ComfortNoise,
];

/// A leg's formats as they stand in a ring; made when the plan changes, so that writing them is a copy.
#[derive(Clone, Debug)]
struct WrittenFormats {
    octets: [u8; LONGEST_FORMATS],
    len: usize,
    /// They are in the ring, or need not be.
    is_written: bool,
    /// Which payload types are audio.
    audio: u128,
}

impl WrittenFormats {
    fn new(plan: Option<&CompiledLeg>) -> Self {
        let mut octets = [0; LONGEST_FORMATS];
        let (mut len, mut audio) = (FORMATS_HEAD, 0);
        let Some(plan) = plan else {
            return WrittenFormats { octets, len, is_written: true, audio };
        };
        let [high, low] = plan.packet_ms.to_be_bytes();
        octets[..FORMATS_HEAD].copy_from_slice(&[u8::from(plan.accepts_from), high, low]);
        // A static payload type means the same unagreed (RFC 3551 section 6), and some send one so.
        let unagreed: [_; STATIC] = [(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722)];
        let unagreed =
            unagreed.map(|(number, codec)| (number, Format { codec, clock_rate: 8_000 }));
        for (payload_type, format) in plan.numbered().chain(unagreed) {
            let codec = CODECS.iter().position(|codec| *codec == format.codec);
            let is_known = audio >> payload_type & 1 == 1;
            let (Some(codec), Some(place)) = (codec, octets.get_mut(len..len + FORMAT)) else {
                continue;
            };
            if is_known || plan.is_telephone_event(payload_type) {
                continue;
            }
            place[..2].copy_from_slice(&[payload_type, codec as u8]);
            place[2..].copy_from_slice(&format.clock_rate.to_be_bytes());
            (len, audio) = (len + FORMAT, audio | 1 << payload_type);
        }
        WrittenFormats { octets, len, is_written: false, audio }
    }
}

/// What a stream has while it is listened to.
#[derive(Debug)]
pub(crate) struct AudioTap {
    writer: ListenWriter,
    legs: [bool; 2],
    formats: [WrittenFormats; 2],
}

impl AudioTap {
    /// Hands on an RTP packet, if anybody listens to its leg. Keys (RFC 4733) and what was not agreed
    /// are nobody's business.
    #[inline]
    pub(crate) fn hear(
        tap: &mut Option<Box<AudioTap>>,
        from: LegSide,
        payload_type: u8,
        packet: &[u8],
        arrival: Instant,
    ) {
        if let Some(tap) = tap
            && tap.legs[from.index()]
            && tap.formats[from.index()].audio >> (payload_type & 0x7f) & 1 == 1
            && tap.tell_formats(from, arrival)
        {
            tap.writer.write(from, false, arrival, packet);
        }
    }

    /// Whether somebody reads it.
    pub(crate) fn is_read(&self) -> bool {
        !self.writer.0.is_abandoned()
    }

    fn tell_all(&mut self, now: Instant) {
        for leg in LegSide::BOTH {
            if self.legs[leg.index()] {
                self.tell_formats(leg, now);
            }
        }
    }

    /// Whether they are in the ring; where they find no room the packets that follow are lost too, for
    /// nobody could read them.
    #[inline]
    fn tell_formats(&mut self, from: LegSide, at: Instant) -> bool {
        let formats = &mut self.formats[from.index()];
        if !formats.is_written {
            let octets = formats.octets.get(..formats.len).unwrap_or_default();
            formats.is_written = self.writer.write(from, true, at, octets);
        }
        formats.is_written
    }
}

impl RtpSession {
    /// From now on hands packets of `legs` to listeners: what came from the leg's own source while it
    /// may send, without its encryption, also where the other leg gets something else in its place.
    /// The writer of before is dropped.
    pub fn listen(&mut self, writer: ListenWriter, legs: [bool; 2], now: Instant) {
        self.audio_tap = Some(Box::new(self.tap_of(writer, legs, now)));
    }

    /// A tap that has said what the formats of `legs` are.
    pub(crate) fn tap_of(&self, writer: ListenWriter, legs: [bool; 2], now: Instant) -> AudioTap {
        let formats = self.legs.each_ref().map(|leg| WrittenFormats::new(leg.plan.as_ref()));
        let mut tap = AudioTap { writer, legs, formats };
        tap.tell_all(now);
        tap
    }

    /// Hands on nothing more.
    pub fn unlisten(&mut self) {
        self.audio_tap = None;
    }

    /// Whether packets of a leg go to listeners.
    pub fn is_listened_to(&self, from: LegSide) -> bool {
        self.audio_tap.as_ref().is_some_and(|tap| tap.legs[from.index()])
    }

    /// After a plan.
    pub(crate) fn renew_listened(&mut self, now: Instant) {
        let seated = self.seated.as_deref_mut().and_then(|seated| seated.tap.as_deref_mut());
        for tap in self.audio_tap.as_deref_mut().into_iter().chain(seated) {
            tap.formats = self.legs.each_ref().map(|leg| WrittenFormats::new(leg.plan.as_ref()));
            tap.tell_all(now);
        }
    }
}

#[cfg(test)]
mod tests;
