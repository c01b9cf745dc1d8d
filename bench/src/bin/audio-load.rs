//! Calls whose audio is listened to: how many one core carries, and how long a packet takes to be a frame.
//!
//! ```text
//! audio-load [--calls 100,250,500] [--seconds 8] [--codec pcmu|g722|opus] [--rate 8000|16000] [--output FILE]
//! ```
//!
//! One thread forwards the packets of all calls through the relay's packet path, without sockets, in real time:
//! first with nobody listening, then into the rings that the hub's one thread takes them from. The hub's
//! listener looks at every sample.
#![expect(clippy::print_stdout, reason = "a command line tool")]
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and sleeps between packets"
)]

use call_audio::{AudioConsumer, ConsumerEnd, DELAY, FRAME, Frame, Opening};
use call_streaming::{Hub, HubConfig, HubStatistics, Openers};
use codecs::{AudioFormat, Outgoing, Received, Transcoder};
use edge_bench::cpu;
use model::{
    CallDirection, Channel, Codec, CodecMapping, LegPlan, LegSecurity, LegSide, ListenedCall,
    ListenedUpdate, Listener, Listening, MediaId, MediaPlan, RecordingFormat, RecordingListener,
    TransactionId, UnixTime, VoiceConnectorId, XrWishes,
};
use relay_core::{
    GROWTH, LearningPolicy, ListenNews, ListenedStream, MediaSocket, RtpSession, listen_ring,
};
use rtp_proto::RtpHeader;
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PAYLOAD_TYPE: u8 = 96;
const RING: usize = 64 * 1_024;
/// What is wanted: calls of two legs on one core.
const GOAL_CALLS: f64 = 500.0;
/// A frame's delay by design, and two turns of the hub.
const GOAL_DELAY: Duration = DELAY.saturating_add(FRAME).saturating_add(FRAME);
/// Packets of a call are sent in one of so many moments of 20 ms.
const MOMENTS: usize = 20;
const MOMENT: Duration = Duration::from_millis(1);
/// Every so many frames its delay is noted.
const SAMPLED: u64 = 16;
const LONGEST: usize = 512;

struct Options {
    calls: Vec<usize>,
    seconds: u64,
    codec: (Codec, u32),
    rate: u32,
    output: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let packets = packets(&options)?;
    let mut rows = Vec::new();
    println!(
        "{}, {} samples a second, two legs a call, one thread of the hub",
        options.name(),
        options.rate
    );
    println!(
        "| calls | forwarded, ns a packet | listened to, ns | hub, ns a packet | calls per core | delay p50/p99, ms | lost |"
    );
    println!("|---|---|---|---|---|---|---|");
    for calls in &options.calls {
        let alone = run(&options, *calls, &packets, None)?;
        let delays = Arc::default();
        let heard = run(&options, *calls, &packets, Some(&delays))?;
        rows.push(report(*calls, &alone, &heard, &delays));
    }
    if let Some(output) = &options.output {
        let result = json!({ "codec": options.name(), "rate": options.rate, "rows": rows });
        std::fs::write(output, serde_json::to_vec_pretty(&result)?)?;
    }
    Ok(())
}

/// What one run came to.
struct Run {
    packets: u64,
    /// Of the thread that forwards, of the hub's.
    forwarding: Duration,
    hub: Duration,
    lasted: Duration,
    statistics: HubStatistics,
}

fn report(calls: usize, alone: &Run, heard: &Run, delays: &Delays) -> Value {
    let per_packet = |spent: Duration, run: &Run| spent.as_nanos() as f64 / run.packets as f64;
    let [alone_ns, heard_ns] = [alone, heard].map(|run| per_packet(run.forwarding, run));
    let hub_ns = per_packet(heard.hub, heard);
    let per_core = calls as f64 * heard.lasted.as_secs_f64() / heard.hub.as_secs_f64().max(1e-9);
    let mut delays = delays.lock().unwrap_or_else(PoisonError::into_inner).clone();
    delays.sort_unstable();
    let at = |share: f64| {
        delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or_default()
    };
    let (p50, p99) = (at(0.5), at(0.99));
    let lost = heard.statistics.lost_packets;
    let verdict = |is_met: bool| if is_met { "" } else { " MISSED" };
    println!(
        "| {calls} | {alone_ns:.0} | {heard_ns:.0} ({:.2}x) | {hub_ns:.0} | {per_core:.0}{} | {p50}/{p99}{} | {lost} |",
        heard_ns / alone_ns,
        verdict(per_core >= GOAL_CALLS),
        verdict(u128::from(p99) <= GOAL_DELAY.as_millis()),
    );
    json!({
        "calls": calls, "forwarded_ns": alone_ns, "listened_ns": heard_ns, "hub_ns": hub_ns,
        "calls_per_core": per_core, "delay_p50_ms": p50, "delay_p99_ms": p99, "lost": lost,
        "late": heard.statistics.late_packets, "missing_samples": heard.statistics.missing_samples,
        "goal_calls_per_core": GOAL_CALLS, "goal_delay_ms": GOAL_DELAY.as_millis() as u64,
    })
}

/// In milliseconds.
type Delays = Arc<Mutex<Vec<u64>>>;

/// Looks at every sample, and at the clock now and then.
struct Ear {
    began: u64,
    rate: u64,
    frames: u64,
    loudest: u16,
    delays: Delays,
}

impl AudioConsumer for Ear {
    fn audio(&mut self, frame: &Frame<'_>) {
        let loudest = frame.samples.iter().map(|sample| sample.unsigned_abs()).max();
        self.loudest = self.loudest.max(loudest.unwrap_or_default());
        self.frames += 1;
        // The first second has the packets that came before anybody listened.
        if self.frames.is_multiple_of(SAMPLED) && frame.at > self.rate {
            let heard = self.began + frame.at * 1_000 / self.rate;
            let delay = unix_millis().saturating_sub(heard);
            self.delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay);
        }
    }

    fn update(&mut self, _: &ListenedUpdate) {}

    fn end(self: Box<Self>, _: ConsumerEnd) {
        black_box(self.loudest);
    }
}

fn run(
    options: &Options,
    calls: usize,
    packets: &[Vec<u8>],
    delays: Option<&Delays>,
) -> Result<Run, Box<dyn Error>> {
    let origin = Instant::now();
    let (news, taken) = mpsc::sync_channel(calls.max(1));
    let mut openers = Openers::default();
    if let Some(delays) = delays.cloned() {
        openers.recording = Some(Box::new(move |_: &RecordingListener, opening: &Opening| {
            let (began, rate) = (opening.began.as_millis(), u64::from(opening.sample_rate));
            let delays = Arc::clone(&delays);
            Some(Box::new(Ear { began, rate, frames: 0, loudest: 0, delays }))
        }));
    }
    let hub = Hub::start(HubConfig { threads: 1, max_calls: calls }, origin, taken, openers)?;
    let mut streams = Vec::with_capacity(calls);
    for call in 0..calls {
        let mut stream = Stream::new(call as u64, options);
        if delays.is_some() {
            stream.listen(options, origin, &news)?;
        }
        streams.push(stream);
    }
    let (before, hub_before) = (cpu::of_this_thread()?, cpu::of_threads("listening-")?);
    let begun = Instant::now();
    let sent = forward(&mut streams, packets, origin, Duration::from_secs(options.seconds));
    let (after, hub_after) = (cpu::of_this_thread()?, cpu::of_threads("listening-")?);
    let lasted = begun.elapsed();
    let statistics = hub.statistics();
    hub.stop();
    Ok(Run {
        packets: sent,
        forwarding: after - before,
        hub: hub_after - hub_before,
        lasted,
        statistics,
    })
}

/// Each call's packets in one moment of 20 ms; how many packets.
fn forward(streams: &mut [Stream], packets: &[Vec<u8>], origin: Instant, lasts: Duration) -> u64 {
    let mut buffer = [0; LONGEST + GROWTH];
    let begun = Instant::now();
    let mut sent = 0;
    for moment in 0.. {
        let due = MOMENT * moment;
        if due >= lasts {
            break;
        }
        if let Some(early) = due.checked_sub(begun.elapsed()) {
            thread::sleep(early);
        }
        let now = now(origin);
        let at = moment as usize % MOMENTS;
        for stream in streams.iter_mut().skip(at).step_by(MOMENTS) {
            stream.send(packets, now, &mut buffer);
            sent += 2;
        }
    }
    sent
}

struct Stream {
    id: u64,
    session: RtpSession,
    sent: usize,
    ticks: u32,
}

impl Stream {
    fn new(id: u64, options: &Options) -> Self {
        let call = TransactionId::from_random(u128::from(id));
        let start = model::Instant::ZERO;
        let mut session = RtpSession::new(MediaId(id), call, start, LearningPolicy::default());
        let plan = MediaPlan::rtp(LegSide::BOTH.map(|leg| leg_plan(leg, options.codec)));
        session.apply(&plan, start);
        Stream { id, session, sent: 0, ticks: options.codec.1 / 50 }
    }

    fn listen(
        &mut self,
        options: &Options,
        origin: Instant,
        news: &SyncSender<ListenNews>,
    ) -> Result<(), Box<dyn Error>> {
        let (writer, reader) = listen_ring(RING);
        let began = now(origin);
        self.session.listen(writer, [true; 2], began);
        let channel = |side| {
            Some(Channel { side, is_caller: side == LegSide::A, media_index: 0, label: None })
        };
        let listener =
            Listener::Recording(RecordingListener { format: RecordingFormat::default() });
        let listening = Listening {
            call: Arc::new(listened(self.id)?),
            channels: LegSide::BOTH.map(channel),
            sample_rate: options.rate,
            listeners: vec![listener],
            tone: None,
            is_retry: false,
        };
        let (id, began_at) = (MediaId(self.id), UnixTime::from_millis(unix_millis()));
        let stream =
            ListenedStream { id, listening, reader, began, began_at, voices: [None, None] };
        news.send(ListenNews::Stream(Box::new(stream)))?;
        Ok(())
    }

    /// 20 ms of both legs.
    fn send(&mut self, packets: &[Vec<u8>], now: model::Instant, buffer: &mut [u8]) {
        self.sent += 1;
        let Some(payload) = packets.get((self.sent + self.id as usize) % packets.len()) else {
            return;
        };
        for leg in LegSide::BOTH {
            let header = RtpHeader {
                payload_type: PAYLOAD_TYPE,
                marker: false,
                sequence: self.sent as u16,
                timestamp: (self.sent as u32).wrapping_mul(self.ticks),
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

/// Payloads of ten seconds: harmonics of a gliding pitch, in syllables.
fn packets(options: &Options) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let (codec, clock_rate) = options.codec;
    let format = AudioFormat::new(codec, clock_rate).ok_or("no such format")?;
    let out = Outgoing { payload_type: 0, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 20 };
    let source = AudioFormat::L16 { sample_rate: 16_000 };
    let mut sender = Transcoder::new(source, format, out).ok_or("no such pair")?;
    let (mut angle, mut packets, mut octets) = (0.0_f64, Vec::new(), [0; LONGEST]);
    for number in 0..500_u16 {
        let mut payload = Vec::with_capacity(640);
        for at in 0..320 {
            let time = f64::from(i32::from(number) * 320 + at) / 16_000.0;
            angle += (140.0 + 30.0 * (2.0 * time).sin()) / 16_000.0 * std::f64::consts::TAU;
            let voice: f64 = (1..=10).map(|h| (f64::from(h) * angle).sin() / f64::from(h)).sum();
            let syllable = 0.55 + 0.45 * (std::f64::consts::TAU * 3.0 * time).sin();
            payload.extend(((6_000.0 * syllable * voice) as i16).to_be_bytes());
        }
        let timestamp = u32::from(number) * 320;
        sender.take(&Received { ssrc: 1, sequence: number, timestamp, payload: &payload });
        while let Some(len) = sender.poll_packet(&mut octets) {
            packets.push(octets.get(RtpHeader::BYTES..len).unwrap_or_default().to_vec());
        }
    }
    Ok(packets)
}

fn now(origin: Instant) -> model::Instant {
    model::Instant::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
        let mut options = Options {
            calls: vec![100, 250, 500],
            seconds: 8,
            codec: (Codec::Pcmu, 8_000),
            rate: 8_000,
            output: None,
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--calls" => {
                    options.calls = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--seconds" => options.seconds = value.parse()?,
                "--codec" => {
                    options.codec = match value.as_str() {
                        "pcmu" => (Codec::Pcmu, 8_000),
                        "g722" => (Codec::G722, 8_000),
                        "opus" => (Codec::Opus, 48_000),
                        _ => return Err(format!("{value}: there are pcmu, g722 and opus").into()),
                    }
                }
                "--rate" => options.rate = value.parse()?,
                "--output" => options.output = Some(value),
                _ => {
                    return Err(format!("{option} is unknown; see the top of audio-load.rs").into());
                }
            }
        }
        Ok(options)
    }

    fn name(&self) -> &'static str {
        self.codec.0.name()
    }
}
