//! Calls whose audio is listened to, without signalling and sockets: packets of both legs through the relay's
//! packet path, in real time.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and sleeps between packets"
)]

use crate::marks::Marks;
use call_audio::FRAME;
use codecs::{AudioFormat, Outgoing, Received, Transcoder};
use model::{
    CallDirection, Channel, Codec, CodecMapping, LegPlan, LegSecurity, LegSide, ListenedCall,
    Listener, Listening, MediaId, MediaPlan, TransactionId, UnixTime, VoiceConnectorId, XrWishes,
};
use relay_core::{
    GROWTH, LearningPolicy, ListenNews, ListenedStream, MediaSocket, RtpSession, listen_ring,
};
use rtp_proto::RtpHeader;
use std::error::Error;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PAYLOAD_TYPE: u8 = 96;
const RING: usize = 64 * 1_024;
/// Packets of a call are sent in one of so many moments of 20 ms.
const MOMENTS: usize = 20;
const MOMENT: Duration = Duration::from_millis(1);
const LONGEST: usize = 512;
/// Packets of ten seconds, after which they begin anew.
const PACKETS: u16 = 500;
/// One of so many packets is a mark: a loud tone.
const MARKED: usize = 50;

/// What is sent, and at how many samples a second it is listened to.
#[derive(Clone, Copy, Debug)]
pub struct Audio {
    /// With the clock rate of its timestamps.
    pub codec: (Codec, u32),
    /// 8,000 or 16,000.
    pub rate: u32,
}

/// The calls of a run.
pub struct Calls {
    streams: Vec<Stream>,
    packets: Vec<Vec<u8>>,
    origin: Instant,
    moment: u32,
    begun: Option<Instant>,
}

impl Calls {
    /// So many calls, to whom nobody listens. `origin` is when the clock of arrivals was at zero.
    ///
    /// # Errors
    /// When the format cannot be encoded.
    pub fn new(count: usize, audio: Audio, origin: Instant) -> Result<Self, Box<dyn Error>> {
        let streams = (0..count).map(|call| Stream::new(call as u64, audio)).collect();
        Ok(Calls { streams, packets: packets(audio)?, origin, moment: 0, begun: None })
    }

    /// Hands all of them over to `news`, for `listener`.
    ///
    /// # Errors
    /// When nobody takes them.
    pub fn listen(
        &mut self,
        listener: &Listener,
        news: &SyncSender<ListenNews>,
    ) -> Result<(), Box<dyn Error>> {
        for stream in &mut self.streams {
            stream.listen(listener, self.origin, news)?;
        }
        Ok(())
    }

    /// Sends each call's packets in one moment of 20 ms, until `lasts` have gone by since this was called
    /// first; how many packets. Marks are noted in `marks`.
    pub fn forward(&mut self, lasts: Duration, marks: Option<&Marks>) -> u64 {
        let mut buffer = [0; LONGEST + GROWTH];
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let mut sent = 0;
        loop {
            let due = MOMENT * self.moment;
            if due >= lasts {
                return sent;
            }
            if let Some(early) = due.checked_sub(begun.elapsed()) {
                thread::sleep(early);
            }
            let now = now(self.origin);
            for stream in
                self.streams.iter_mut().skip(self.moment as usize % MOMENTS).step_by(MOMENTS)
            {
                stream.send(&self.packets, now, &mut buffer, marks);
                sent += 2;
            }
            self.moment += 1;
        }
    }
}

struct Stream {
    id: u64,
    audio: Audio,
    session: RtpSession,
    sent: usize,
}

impl Stream {
    fn new(id: u64, audio: Audio) -> Self {
        let call = TransactionId::from_random(u128::from(id));
        let start = model::Instant::ZERO;
        let mut session = RtpSession::new(MediaId(id), call, start, LearningPolicy::default());
        let plan = MediaPlan::rtp(LegSide::BOTH.map(|leg| leg_plan(leg, audio.codec)));
        session.apply(&plan, start);
        Stream { id, audio, session, sent: 0 }
    }

    fn listen(
        &mut self,
        listener: &Listener,
        origin: Instant,
        news: &SyncSender<ListenNews>,
    ) -> Result<(), Box<dyn Error>> {
        let (writer, reader) = listen_ring(RING);
        let began = now(origin);
        self.session.listen(writer, [true; 2], began);
        let channel = |side| {
            Some(Channel { side, is_caller: side == LegSide::A, media_index: 0, label: None })
        };
        let listening = Listening {
            call: Arc::new(listened(self.id)?),
            channels: LegSide::BOTH.map(channel),
            sample_rate: self.audio.rate,
            listeners: vec![listener.clone()],
            tone: None,
            is_retry: false,
        };
        let (id, began_at) = (MediaId(self.id), UnixTime::from_millis(unix_micros() / 1_000));
        let stream =
            ListenedStream { id, listening, reader, began, began_at, voices: [None, None] };
        news.send(ListenNews::Stream(Box::new(stream)))?;
        Ok(())
    }

    /// 20 ms of both legs.
    fn send(
        &mut self,
        packets: &[Vec<u8>],
        now: model::Instant,
        buffer: &mut [u8],
        marks: Option<&Marks>,
    ) {
        self.sent += 1;
        let number = (self.sent + self.id as usize) % packets.len().max(1);
        let Some(payload) = packets.get(number) else { return };
        let ticks = self.audio.codec.1 / 50;
        if let Some(marks) = marks.filter(|_| is_mark(number)) {
            marks.send(TransactionId::from_random(u128::from(self.id)), unix_micros());
        }
        for leg in LegSide::BOTH {
            let header = RtpHeader {
                payload_type: PAYLOAD_TYPE,
                marker: false,
                sequence: self.sent as u16,
                timestamp: (self.sent as u32).wrapping_mul(ticks),
                ssrc: self.id as u32 * 2 + leg.index() as u32,
            };
            let len = RtpHeader::BYTES + payload.len();
            let Some((head, body)) = buffer.split_at_mut_checked(RtpHeader::BYTES) else { return };
            head.copy_from_slice(&header.to_bytes());
            let Some(body) = body.get_mut(..payload.len()) else { return };
            body.copy_from_slice(payload);
            black_box(self.session.forward(leg, MediaSocket::Rtp, remote(leg), buffer, len, now));
        }
    }
}

fn listened(call: u64) -> Result<ListenedCall, Box<dyn Error>> {
    let id = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").map_err(|e| format!("{e:?}"))?;
    Ok(ListenedCall {
        transaction_id: TransactionId::from_random(u128::from(call)),
        voice_connector_id: id,
        call_id: "bench".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+12065550101".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    })
}

fn remote(leg: LegSide) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4_000 + 2 * leg.index() as u16)
}

fn leg_plan(leg: LegSide, (codec, clock_rate): (Codec, u32)) -> LegPlan {
    let mapping =
        CodecMapping { payload_type: PAYLOAD_TYPE, codec, clock_rate, packet_duration: FRAME };
    LegPlan {
        remote_rtp: Some(remote(leg)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![mapping],
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

/// Payloads of ten seconds: harmonics of a gliding pitch, in syllables, and each second a loud tone of 20 ms.
fn packets(audio: Audio) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let (codec, clock_rate) = audio.codec;
    let format = AudioFormat::new(codec, clock_rate).ok_or("no such format")?;
    let out = Outgoing { payload_type: 0, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 20 };
    let source = AudioFormat::L16 { sample_rate: 16_000 };
    let mut sender = Transcoder::new(source, format, out).ok_or("no such pair")?;
    let (mut angle, mut packets, mut octets) = (0.0_f64, Vec::new(), [0; LONGEST]);
    for number in 0..PACKETS {
        let mut payload = Vec::with_capacity(640);
        for at in 0..320 {
            let time = f64::from(i32::from(number) * 320 + at) / 16_000.0;
            angle += (140.0 + 30.0 * (2.0 * time).sin()) / 16_000.0 * std::f64::consts::TAU;
            let voice: f64 = (1..=10).map(|h| (f64::from(h) * angle).sin() / f64::from(h)).sum();
            let syllable = 0.55 + 0.45 * (std::f64::consts::TAU * 3.0 * time).sin();
            let voice = match is_mark(usize::from(number)) {
                false => 4_000.0 * syllable * voice,
                true => 28_000.0 * (std::f64::consts::TAU * 500.0 * time).sin(),
            };
            payload.extend((voice as i16).to_be_bytes());
        }
        let timestamp = u32::from(number) * 320;
        sender.take(&Received { ssrc: 1, sequence: number, timestamp, payload: &payload });
        while let Some(len) = sender.poll_packet(&mut octets) {
            packets.push(octets.get(RtpHeader::BYTES..len).unwrap_or_default().to_vec());
        }
    }
    Ok(packets)
}

const fn is_mark(number: usize) -> bool {
    number % MARKED == MARKED / 2
}

fn now(origin: Instant) -> model::Instant {
    model::Instant::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Microseconds since 1970.
pub fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
