//! What pictures cost on their whole way: sockets, the relay, its rings, the switch, and back. All
//! participants of one conference send 1.4 Mbit/s, each sees one of them, and the active speaker changes.
//!
//! `cargo run --release -p room-media --example picture_load -- [PARTICIPANTS] [SECONDS] [srtp] [nack]`; with
//! `nack` the relay keeps what it has sent, so that it can send it again.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock, and keeps it")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench ends where it cannot go on")]

use media_relay::{Clock, Relay, RelayConfig};
use model::{
    Codec, CodecMapping, ConferenceId, IpFamily, LegPlan, LegSecurity, MediaCommand, MediaEvent,
    MediaId, MediaLine, MediaPlan, MediaType, ParticipantId, PictureContent, PictureFeedback,
    PictureFormat, PictureLayout, PictureSeat, PicturesWithheld, SdesKeys, SrtpKey, SrtpSuite,
    TransactionId, XrWishes,
};
use room_media::{Mixing, MixingConfig, MixingOrders, Recording};
use rtp_proto::RtpHeader;
use rtp_proto::srtp::SrtpSender;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// A picture's packets at 1.4 Mbit/s and 30 pictures a second: 5,833 octets in fragments.
const FRAGMENTS: usize = 5;
const DATA: usize = 1_165;
const PICTURE: Duration = Duration::from_nanos(1_000_000_000 / 30);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        |otherwise: u64| arguments.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (participants, seconds) = (number(20).clamp(2, 200), number(5));
    let words: Vec<String> = arguments.collect();
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let (has_srtp, nack) = (has("srtp"), has("nack"));
    let origin = Instant::now();
    let (seats, news) = sync_channel(512);
    let mut config = RelayConfig::new(vec!["127.0.0.1".parse().unwrap()], 20_000..=24_000);
    config.conferences = Some(seats);
    let (sender, events) = sync_channel(100_000);
    let sink = Arc::new(move |event| sender.send(event).unwrap());
    let relay = Relay::start(config, Clock::new(origin), sink).unwrap();
    let orders = MixingOrders { seats: news, announcements: sync_channel(1).1 };
    let recording = Recording { recorder: None, events: Arc::new(|_| {}) };
    let mixing = Mixing::start(MixingConfig::default(), origin, orders, recording).unwrap();
    let mut cameras: Vec<_> = (0..participants)
        .map(|number| Camera::new(&relay, &events, number, (has_srtp, nack)))
        .collect();
    // Key frames, and whoever is chosen, before it counts.
    let mut latencies = Vec::new();
    run(&mut cameras, origin, 30, &mut latencies);
    latencies.clear();
    let before = (cpu("relay-"), cpu("mixing-"), mixing.statistics().pictures);
    let began = Instant::now();
    run(&mut cameras, origin, seconds * 30, &mut latencies);
    let elapsed = began.elapsed().as_secs_f64();
    let after = (cpu("relay-"), cpu("mixing-"), mixing.statistics().pictures);
    let packets = (after.2.packets - before.2.packets) as f64;
    let given = (after.2.given - before.2.given) as f64;
    let (relay_cpu, switch_cpu) = (after.0 - before.0, after.1 - before.1);
    let kind = if has_srtp { "SRTP" } else { "plain RTP" };
    println!("{participants} participants, {kind}, each sends 1.4 Mbit/s and sees one picture");
    println!("{:.0} packets/s in, {:.0} packets/s out", packets / elapsed, given / elapsed);
    println!(
        "not taken in time: {}, not sent in time: {}",
        after.2.lost_packets, after.2.lost_given
    );
    let each = |cpu: f64| cpu / (packets + given) * 1e6;
    println!(
        "CPU of a packet in or out: relay {:.2} us, switch {:.2} us",
        each(relay_cpu),
        each(switch_cpu)
    );
    let share = (relay_cpu + switch_cpu) / elapsed / participants as f64;
    println!(
        "CPU of a participant: {:.2} % of a core; {:.0} in one core",
        share * 100.0,
        1.0 / share
    );
    if has_srtp {
        // When a packet was sent is not read from under its encryption.
        return;
    }
    latencies.sort_unstable();
    let at = |part: f64| latencies[(latencies.len() as f64 * part) as usize] as f64 / 1e6;
    println!(
        "from socket to socket: median {:.2} ms, 95 % {:.2} ms, 99 % {:.2} ms",
        at(0.5),
        at(0.95),
        at(0.99)
    );
}

/// Sends pictures of all, spread over the time of a picture, and takes what comes.
fn run(cameras: &mut [Camera], origin: Instant, pictures: u64, latencies: &mut Vec<u64>) {
    let began = Instant::now();
    let count = cameras.len() as u32;
    for picture in 0..pictures {
        for at in 0..cameras.len() {
            let due = PICTURE * picture as u32 + PICTURE * at as u32 / count;
            let wait = due.saturating_sub(began.elapsed());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            cameras[at].send(origin, picture % 30 == 0);
            for camera in &mut *cameras {
                camera.take(origin, latencies);
            }
        }
    }
}

struct Camera {
    socket: UdpSocket,
    to: SocketAddr,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    srtp: Option<SrtpSender>,
}

fn key(fill: u8) -> SrtpKey {
    SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[fill; 30]).unwrap()
}

impl Camera {
    fn new(
        relay: &Relay,
        events: &Receiver<MediaEvent>,
        number: u64,
        (has_srtp, nack): (bool, bool),
    ) -> Camera {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let id = MediaId(number);
        let line = MediaLine::Further { index: 1, media: MediaType::Video };
        let transaction_id = TransactionId::from_random(number.into());
        let (families, emergency) = ([IpFamily::V4; 2], false);
        let command = MediaCommand::Allocate { id, transaction_id, families, emergency, line };
        relay.command(command).unwrap();
        let to = loop {
            if let MediaEvent::Allocated { local, .. } = events.recv().unwrap() {
                break local[0].rtp;
            }
        };
        relay.command(MediaCommand::Apply { id, plan: Box::new(plan(&socket, has_srtp)) }).unwrap();
        let format: Arc<str> = "profile-level-id=42e01f;packetization-mode=1".into();
        let seat = Box::new(PictureSeat {
            conference: ConferenceId(1),
            participant: ParticipantId(number),
            content: PictureContent::Main,
            payload_type: 97,
            format: PictureFormat::H264 { sends: format.clone(), receives: format },
            feedback: PictureFeedback { nack, pli: true, ..PictureFeedback::default() },
            most_bits_per_second: None,
            is_hidden: false,
            withheld: PicturesWithheld::default(),
            card: None,
            name: "".into(),
            layout: PictureLayout::Speaker,
        });
        relay.command(MediaCommand::SitPicture { id, seat }).unwrap();
        let srtp = has_srtp.then(|| SrtpSender::new(&key(1)));
        let ssrc = number as u32 + 1;
        Camera { socket, to, sequence: 0, timestamp: 0, ssrc, srtp }
    }

    fn send(&mut self, origin: Instant, is_key_frame: bool) {
        const SPS: &[u8] = &[
            0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00,
            0x40, 0x00, 0x00, 0x07, 0xa3, 0xc4, 0x89, 0x92,
        ];
        const PPS: &[u8] = &[0x68, 0xcb, 0x81, 0x12, 0xc8];
        if is_key_frame {
            self.packet(SPS, false);
            self.packet(PPS, false);
        }
        let kind = if is_key_frame { 5 } else { 1 };
        for fragment in 0..FRAGMENTS {
            let mut octets = [0x88; DATA];
            let place = match fragment {
                0 => 0x80,
                _ if fragment + 1 == FRAGMENTS => 0x40,
                _ => 0,
            };
            octets[..2].copy_from_slice(&[0x7c, place | kind]);
            // When it was sent, at its end.
            let nanos = origin.elapsed().as_nanos() as u64;
            octets[DATA - 8..].copy_from_slice(&nanos.to_be_bytes());
            self.packet(&octets, fragment + 1 == FRAGMENTS);
        }
        self.timestamp = self.timestamp.wrapping_add(3_000);
    }

    fn packet(&mut self, payload: &[u8], marker: bool) {
        let mut octets = [0; 1_500];
        let Camera { sequence, timestamp, ssrc, .. } = *self;
        let header = RtpHeader { payload_type: 97, marker, sequence, timestamp, ssrc };
        header.write_header(&mut octets).unwrap();
        self.sequence = sequence.wrapping_add(1);
        let len = RtpHeader::BYTES + payload.len();
        octets[RtpHeader::BYTES..len].copy_from_slice(payload);
        let len = match &mut self.srtp {
            Some(srtp) => srtp.protect_rtp(&mut octets, len).unwrap(),
            None => len,
        };
        self.socket.send_to(&octets[..len], self.to).unwrap();
    }

    fn take(&mut self, origin: Instant, latencies: &mut Vec<u64>) {
        let mut octets = [0; 1_500];
        while let Ok(len) = self.socket.recv(&mut octets) {
            let is_fragment = len == RtpHeader::BYTES + DATA;
            if let Some(sent) = octets[..len].last_chunk::<8>().filter(|_| is_fragment) {
                let now = origin.elapsed().as_nanos() as u64;
                latencies.push(now.saturating_sub(u64::from_be_bytes(*sent)));
            }
        }
    }
}

fn plan(socket: &UdpSocket, has_srtp: bool) -> MediaPlan {
    let keys = SdesKeys { receive: key(1), send: key(2) };
    let leg = LegPlan {
        remote_rtp: Some(socket.local_addr().unwrap()),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![CodecMapping {
            payload_type: 97,
            codec: Codec::Other,
            clock_rate: 90_000,
            packet_duration: PICTURE,
        }],
        telephone_event: None,
        xr: XrWishes::default(),
        security: if has_srtp { LegSecurity::Sdes(Box::new(keys)) } else { LegSecurity::Plain },
        ice: None,
    };
    let nobody = LegPlan {
        remote_rtp: None,
        codecs: Vec::new(),
        security: LegSecurity::Plain,
        accepts_from: false,
        sends_to: false,
        ..leg.clone()
    };
    MediaPlan::rtp([leg, nobody])
}

/// Seconds that this process's threads of a name have worked.
fn cpu(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |task: std::path::PathBuf| {
        let own = std::fs::read_to_string(task.join("comm")).ok()?;
        let times = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let nanos: u64 = times.split(' ').next()?.parse().ok()?;
        own.starts_with(name).then_some(nanos as f64 / 1e9)
    };
    tasks.filter_map(|task| of(task.ok()?.path())).sum()
}
