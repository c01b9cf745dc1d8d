//! A relay whose conferences are mixed and switched, and devices with a microphone and a camera.
#![allow(dead_code, reason = "each test uses its part")]

use codecs::{AudioEncoder, AudioFormat, Encoder};
use media_relay::{Clock, Relay, RelayConfig};
use model::{
    Codec, CodecMapping, ConferenceId, IpFamily, LegPlan, LegSecurity, LegSide, MediaCommand,
    MediaEvent, MediaId, MediaLine, MediaPlan, MediaType, ParticipantId, PictureCard,
    PictureContent, PictureFeedback, PictureFormat, PictureLayout, PictureSeat, PicturesWithheld,
    SdesKeys, Seat, SrtpKey, SrtpSuite, TransactionId, XrWishes,
};
use room_media::{Mixing, MixingConfig, MixingOrders, MixingStatistics, Recording};
use rtp_proto::rtcp::{
    Feedback, FeedbackMessage, Nack, RtcpPacket, parse_compound, write_nack, write_receiver_report,
};
use rtp_proto::srtp::{SrtpReceiver, SrtpSender};
use rtp_proto::{DatagramKind, RtpHeader, RtpPacket, demultiplex};
use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

pub(crate) const FRAME: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(30);
const AUDIO: u8 = 0;
const PICTURES: u8 = 97;
/// Octets of slices in a camera's packets.
const SLICE: usize = 500;

pub(crate) struct Rig {
    pub(crate) relay: Relay,
    events: Receiver<MediaEvent>,
    pub(crate) mixing: Mixing,
}

impl Rig {
    pub(crate) fn new(ports: RangeInclusive<u16>) -> Rig {
        #[expect(clippy::disallowed_methods, reason = "a test is a shell and chooses the origin")]
        let origin = std::time::Instant::now();
        let (seats, news) = sync_channel(64);
        let mut config = RelayConfig::new(vec!["127.0.0.1".parse().unwrap()], ports);
        config.conferences = Some(seats);
        let (sender, events) = sync_channel(10_000);
        let sink = Arc::new(move |event| sender.send(event).unwrap());
        let relay = Relay::start(config, Clock::new(origin), sink).unwrap();
        // Nothing is announced.
        let (_, announcements) = sync_channel(1);
        let orders = MixingOrders { seats: news, announcements };
        let recording = Recording { recorder: None, events: Arc::new(|_| {}) };
        let mixing = Mixing::start(MixingConfig::default(), origin, orders, recording).unwrap();
        Rig { relay, events, mixing }
    }

    pub(crate) fn event<T>(&self, wanted: impl Fn(&MediaEvent) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(DEADLINE).expect("the relay answers in time");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    pub(crate) fn sits(&self, of: u64) {
        self.event(|event| match event {
            MediaEvent::Sits { id } if id.0 == of => Some(()),
            MediaEvent::SeatFailed { id, failure } if id.0 == of => panic!("no seat: {failure}"),
            _ => None,
        });
    }

    fn allocate(&self, id: u64, line: MediaLine, leg: LegPlan) -> SocketAddr {
        let transaction_id = TransactionId::from_random(u128::from(id % 10));
        let (media, families) = (MediaId(id), [IpFamily::V4; 2]);
        let emergency = false;
        let command =
            MediaCommand::Allocate { id: media, transaction_id, families, emergency, line };
        self.relay.command(command).unwrap();
        let to = self.event(|event| match event {
            MediaEvent::Allocated { id: of, local } if *of == media => Some(local[0].rtp),
            _ => None,
        });
        let (remote_rtp, codecs) = (None, Vec::new());
        let security = LegSecurity::Plain;
        let (accepts_from, sends_to) = (false, false);
        let nobody =
            LegPlan { remote_rtp, codecs, security, accepts_from, sends_to, ..leg.clone() };
        let plan = Box::new(MediaPlan::rtp([leg, nobody]));
        self.relay.command(MediaCommand::Apply { id: media, plan }).unwrap();
        to
    }

    pub(crate) fn statistics(&self) -> MixingStatistics {
        self.mixing.statistics()
    }
}

/// How a device sees and is seen.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Single NAL units alone (packetization-mode 0).
    pub(crate) is_single: bool,
    pub(crate) has_srtp: bool,
    /// What feedback it takes.
    pub(crate) feedback: PictureFeedback,
}

pub(crate) const NOTHING: PictureFeedback =
    PictureFeedback { nack: false, pli: false, fir: false, remb: false, tmmbr: false, info: false };
pub(crate) const PLAIN: Kind =
    Kind { is_single: false, has_srtp: false, feedback: PictureFeedback { pli: true, ..NOTHING } };

/// A device. What it shows has its number in every octet of its slices.
pub(crate) struct Device {
    pub(crate) number: u64,
    kind: Kind,
    audio: (UdpSocket, SocketAddr),
    video: (UdpSocket, SocketAddr),
    encoder: AudioEncoder,
    srtp: Option<(SrtpSender, SrtpReceiver)>,
    pub(crate) speaks: bool,
    /// It sees the room while it sees nobody.
    pub(crate) has_card: bool,
    /// What it wants to see of the others.
    pub(crate) layout: PictureLayout,
    /// What it may not see.
    pub(crate) withheld: PicturesWithheld,
    frames: u32,
    said: u16,
    shown: u16,
    /// A key frame is to come.
    pub(crate) key_frame: bool,
    /// Requests for key frames that came as RTCP: PLI, and FIR.
    pub(crate) asked: u64,
    pub(crate) asked_by_fir: u64,
    /// What it is to send at most, in bit/s, by REMB and by TMMBR.
    pub(crate) limits: [Option<u64>; 2],
    /// Who owns the limit that it has set, and how much that is.
    pub(crate) owned: Option<(u32, u64)>,
    /// SSRCs of what came, and the last number.
    pub(crate) ssrc: Option<u32>,
    last: Option<u16>,
    /// Whose slice came last, and how many of them since another's.
    pub(crate) sees: Option<u64>,
    pub(crate) pictures: u32,
    /// Packets of what the room draws.
    pub(crate) drawn: u32,
    /// First octets of what came while it saw nobody.
    pub(crate) before: Vec<u8>,
    /// Reports of the relay about what it sends.
    pub(crate) reports: u32,
    /// Its network loses each so many of its packets, and of those that come, which are asked for again.
    pub(crate) loses_each: Option<u16>,
    /// Packets that were lost on their way to the relay, by their numbers, protected.
    lost: HashMap<u16, Vec<u8>>,
    /// Those that it sent again because it was asked for them.
    pub(crate) sent_again: u32,
    /// Numbers that did not come, and how many of them did in the end.
    missing: HashSet<u16>,
    pub(crate) came_again: u32,
}

fn key(fill: u8) -> SrtpKey {
    SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[fill; 30]).unwrap()
}

fn leg(socket: &UdpSocket, codec: CodecMapping, security: LegSecurity) -> LegPlan {
    LegPlan {
        remote_rtp: Some(socket.local_addr().unwrap()),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![codec],
        telephone_event: None,
        xr: XrWishes::default(),
        security,
        ice: None,
    }
}

fn mapping(payload_type: u8, codec: Codec, clock_rate: u32) -> CodecMapping {
    CodecMapping { payload_type, codec, clock_rate, packet_duration: FRAME }
}

impl Device {
    pub(crate) fn new(rig: &Rig, number: u64, kind: Kind) -> Device {
        let sockets = [(); 2].map(|()| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        let [audio, video] = sockets;
        let plan = leg(&audio, mapping(AUDIO, Codec::Pcmu, 8_000), LegSecurity::Plain);
        let audio_to = rig.allocate(number, MediaLine::Main, plan);
        let keys = SdesKeys { receive: key(1), send: key(2) };
        let security =
            if kind.has_srtp { LegSecurity::Sdes(Box::new(keys)) } else { LegSecurity::Plain };
        let plan = leg(&video, mapping(PICTURES, Codec::Other, 90_000), security);
        let line = MediaLine::Further { index: 1, media: MediaType::Video };
        let video_to = rig.allocate(number + 10, line, plan);
        let format = AudioFormat::new(Codec::Pcmu, 8_000).unwrap();
        Device {
            number,
            kind,
            audio: (audio, audio_to),
            video: (video, video_to),
            encoder: AudioEncoder::new(format, 8_000).unwrap(),
            srtp: kind.has_srtp.then(|| (SrtpSender::new(&key(1)), SrtpReceiver::new(&key(2)))),
            speaks: false,
            has_card: false,
            layout: PictureLayout::Speaker,
            withheld: PicturesWithheld::default(),
            frames: 0,
            said: 0,
            shown: 0,
            key_frame: true,
            asked: 0,
            asked_by_fir: 0,
            limits: [None; 2],
            owned: None,
            ssrc: None,
            last: None,
            sees: None,
            pictures: 0,
            drawn: 0,
            before: Vec::new(),
            reports: 0,
            loses_each: None,
            lost: HashMap::new(),
            sent_again: 0,
            missing: HashSet::new(),
            came_again: 0,
        }
    }

    pub(crate) fn sit(&self, rig: &Rig) {
        let (conference, participant) = (ConferenceId(7), ParticipantId(self.number));
        let (id, is_muted) = (MediaId(self.number), false);
        let seat = Seat { conference, participant, leg: LegSide::A, is_muted };
        rig.relay.command(MediaCommand::Sit { id, seat }).unwrap();
        rig.sits(self.number);
    }

    pub(crate) fn sit_picture(&self, rig: &Rig, is_hidden: bool) {
        self.sit_content(rig, PictureContent::Main, is_hidden);
    }

    pub(crate) fn sit_content(&self, rig: &Rig, content: PictureContent, is_hidden: bool) {
        let mode = u8::from(!self.kind.is_single);
        let fmtp = format!("profile-level-id=42e01f;packetization-mode={mode}").into();
        self.sit_as(rig, ParticipantId(self.number), content, fmtp, is_hidden);
    }

    /// As another participant, or with a format of its own.
    pub(crate) fn sit_as(
        &self,
        rig: &Rig,
        participant: ParticipantId,
        content: PictureContent,
        fmtp: Arc<str>,
        is_hidden: bool,
    ) {
        let title = "Board room".into();
        let seat = PictureSeat {
            conference: ConferenceId(7),
            participant,
            content,
            payload_type: PICTURES,
            format: PictureFormat::H264 { sends: fmtp.clone(), receives: fmtp },
            feedback: self.kind.feedback,
            most_bits_per_second: None,
            is_hidden,
            withheld: self.withheld,
            card: self.has_card.then(|| Arc::new(PictureCard { title, ..PictureCard::default() })),
            name: "Huddle room".into(),
            layout: self.layout,
        };
        let (id, seat) = (MediaId(self.number + 10), Box::new(seat));
        rig.relay.command(MediaCommand::SitPicture { id, seat }).unwrap();
        rig.sits(self.number + 10);
    }

    /// 20 ms of a voice, or of silence, and a picture.
    pub(crate) fn send(&mut self) {
        self.say();
        self.show();
        self.frames += 1;
    }

    fn say(&mut self) {
        // Words and pauses: a tone that never ends is noise to who looks for voices.
        let is_loud = self.speaks && self.frames % 30 < 22;
        let loudness = if is_loud { 6_000.0 } else { 0.0 };
        let step = std::f64::consts::TAU * (300.0 + 100.0 * self.number as f64) / 8_000.0;
        let sample = |n: u32| (f64::from(self.frames * 160 + n) * step).sin() * loudness;
        let samples: Vec<_> = (0..160).map(|n| sample(n) as i16).collect();
        let header = RtpHeader {
            payload_type: AUDIO,
            marker: false,
            sequence: self.said,
            timestamp: self.frames * 160,
            ssrc: self.number as u32,
        };
        self.said = self.said.wrapping_add(1);
        let mut packet = [0; RtpHeader::BYTES + 160];
        header.write_header(&mut packet).unwrap();
        let len = self.encoder.encode(&samples, &mut packet[RtpHeader::BYTES..]).unwrap();
        self.audio.0.send_to(&packet[..RtpHeader::BYTES + len], self.audio.1).unwrap();
    }

    /// A picture: of one slice in two fragments where the device may, else in one unit.
    fn show(&mut self) {
        const SPS: &[u8] = &[
            0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00,
            0x40, 0x00, 0x00, 0x07, 0xa3, 0xc4, 0x89, 0x92,
        ];
        const PPS: &[u8] = &[0x68, 0xcb, 0x81, 0x12, 0xc8];
        let is_key = std::mem::take(&mut self.key_frame);
        let kind: u8 = if is_key { 5 } else { 1 };
        // The first bit of a slice says that it begins the picture.
        let slice = vec![0x80 | self.number as u8; SLICE];
        let mut payloads = Vec::new();
        if is_key {
            payloads.extend([SPS.to_vec(), PPS.to_vec()]);
        }
        if self.kind.is_single {
            payloads.push([&[0x60 | kind][..], &slice].concat());
        } else {
            payloads.push([&[0x7c, 0x80 | kind][..], &slice].concat());
            payloads.push([&[0x7c, 0x40 | kind][..], &slice].concat());
        }
        let last = payloads.len() - 1;
        for (n, payload) in payloads.into_iter().enumerate() {
            let header = RtpHeader {
                payload_type: PICTURES,
                marker: n == last,
                sequence: self.shown,
                timestamp: self.frames * 1_800,
                ssrc: 100 + self.number as u32,
            };
            self.shown = self.shown.wrapping_add(1);
            let mut packet = [&header.to_bytes()[..], &payload].concat();
            let plain = packet.len();
            if let Some((sender, _)) = &mut self.srtp {
                packet.resize(plain + 64, 0);
                let len = sender.protect_rtp(&mut packet, plain).unwrap();
                packet.truncate(len);
            }
            let sequence = self.shown.wrapping_sub(1);
            if self.loses_each.is_some_and(|each| sequence % each == 5) {
                self.lost.insert(sequence, packet);
            } else {
                self.video.0.send_to(&packet, self.video.1).unwrap();
            }
        }
    }

    /// Sends RTCP on the line of its pictures.
    pub(crate) fn report(&mut self, mut compound: Vec<u8>) {
        let plain = compound.len();
        if let Some((sender, _)) = &mut self.srtp {
            compound.resize(plain + 64, 0);
            let len = sender.protect_rtcp(&mut compound, plain).unwrap();
            compound.truncate(len);
        }
        self.video.0.send_to(&compound, self.video.1).unwrap();
    }

    /// Takes what has come.
    pub(crate) fn look(&mut self) {
        let mut buffer = [0; 2_000];
        while self.audio.0.recv(&mut buffer).is_ok() {}
        while let Ok(len) = self.video.0.recv(&mut buffer) {
            let datagram = &mut buffer[..len];
            let is_rtp = demultiplex(datagram) == DatagramKind::Rtp;
            // Before it is decrypted: what is lost is not seen, and what comes again is no replay.
            let is_again = is_rtp && self.comes_again(datagram);
            if is_rtp && !is_again && self.loses(datagram) {
                continue;
            }
            let len = match &mut self.srtp {
                Some((_, receiver)) if is_rtp => match receiver.unprotect_rtp(datagram) {
                    Ok(len) => len,
                    // So much later it is behind what is remembered.
                    Err(error) => {
                        assert!(is_again, "{error}");
                        continue;
                    }
                },
                Some((_, receiver)) => receiver.unprotect_rtcp(datagram).unwrap(),
                None => len,
            };
            match (is_rtp, is_again) {
                (true, true) => {}
                (true, false) => self.see(&buffer[..len]),
                (false, _) => self.hear(&buffer[..len]),
            }
        }
    }

    fn see(&mut self, datagram: &[u8]) {
        let packet = RtpPacket::parse(datagram).unwrap();
        let ssrc = *self.ssrc.get_or_insert(packet.ssrc());
        assert_eq!((packet.ssrc(), packet.payload_type()), (ssrc, PICTURES), "one stream");
        if let Some(last) = self.last {
            let step = packet.sequence().wrapping_sub(last);
            assert!(
                self.is_lossy() || step == 1,
                "device {}: a hole, or another order",
                self.number
            );
        }
        self.last = Some(packet.sequence());
        let payload = packet.payload();
        let kind = payload[0] & 0x1f;
        if self.kind.is_single {
            assert!((1..=23).contains(&kind), "a receiver of mode 0 gets single units: {kind}");
        }
        if self.sees.is_none() {
            self.before.push(payload[0]);
        }
        // What the room draws is no camera's.
        let is_room = self.has_card && !is_camera(payload);
        self.drawn += u32::from(is_room);
        if matches!(kind, 7 | 8) || is_room {
            return;
        }
        let whose = u64::from(payload.last().unwrap() & 0x7f);
        assert_ne!(whose, self.number, "its own picture");
        if self.sees != Some(whose) {
            let is_key = matches!(kind, 5) || (kind == 28 && payload[1] == 0x85);
            assert!(
                is_key || self.is_lossy(),
                "device {} is switched within a picture: {kind}",
                self.number
            );
            (self.sees, self.pictures) = (Some(whose), 0);
        }
        self.pictures += u32::from(packet.marker());
    }

    /// Whether what it gets may have holes.
    fn is_lossy(&self) -> bool {
        self.loses_each.is_some() || self.kind.feedback.nack
    }

    /// Whether a packet is lost on its way now; it is asked for again then.
    fn loses(&mut self, datagram: &[u8]) -> bool {
        let sequence = u16::from_be_bytes([datagram[2], datagram[3]]);
        let is_lost = self.loses_each.is_some_and(|each| sequence % each == 3);
        if !is_lost || !self.missing.insert(sequence) {
            return false;
        }
        let ssrc = u32::from_be_bytes(*datagram[8..].first_chunk().unwrap());
        let own = 100 + self.number as u32;
        let mut compound = Vec::new();
        write_receiver_report(&mut compound, own, &[]);
        write_nack(&mut compound, own, ssrc, &[Nack { packet: sequence, following: 0 }]);
        self.report(compound);
        true
    }

    /// Whether a packet was lost before, and has come now.
    fn comes_again(&mut self, datagram: &[u8]) -> bool {
        let comes = self.missing.remove(&u16::from_be_bytes([datagram[2], datagram[3]]));
        self.came_again += u32::from(comes);
        comes
    }

    fn hear(&mut self, compound: &[u8]) {
        for part in parse_compound(compound) {
            match part.unwrap() {
                RtcpPacket::Feedback(feedback) => self.take_feedback(&feedback),
                RtcpPacket::SenderReport(report) => {
                    assert_eq!(Some(report.ssrc), self.ssrc);
                    self.reports += 1;
                }
                _ => {}
            }
        }
    }

    fn take_feedback(&mut self, feedback: &Feedback<'_>) {
        let own = 100 + self.number as u32;
        if let Some(remb) = feedback.remb() {
            assert!(self.kind.feedback.remb && remb.sources().eq([own]));
            self.limits[0] = Some(remb.bits_per_second);
        } else if let Some(limits) = feedback.max_bit_rates() {
            let limit = limits.iter().next().unwrap();
            if limits.notification {
                self.owned = Some((limit.ssrc, limit.bits_per_second));
            } else {
                assert!(self.kind.feedback.tmmbr && limit.ssrc == own);
                self.limits[1] = Some(limit.bits_per_second);
            }
        } else if let FeedbackMessage::FullIntraRequest(requests) = feedback.message() {
            assert!(self.kind.feedback.fir && requests.iter().all(|request| request.ssrc == own));
            (self.asked_by_fir, self.key_frame) = (self.asked_by_fir + 1, true);
        } else if let FeedbackMessage::Nack(nacks) = feedback.message() {
            assert!(self.kind.feedback.nack && feedback.media_ssrc == own);
            for packet in nacks.iter().flat_map(Nack::packets) {
                if let Some(octets) = self.lost.remove(&packet) {
                    self.video.0.send_to(&octets, self.video.1).unwrap();
                    self.sent_again += 1;
                }
            }
        } else {
            assert_eq!(feedback.message(), FeedbackMessage::PictureLoss);
            assert!(self.kind.feedback.pli && feedback.media_ssrc == own);
            (self.asked, self.key_frame) = (self.asked + 1, true);
        }
    }
}

/// Whether a payload has slices as devices send them: one number in every octet.
fn is_camera(payload: &[u8]) -> bool {
    let head = if payload[0] & 0x1f == 28 { 2 } else { 1 };
    let slice = payload.get(head..).unwrap_or_default();
    slice.len() >= SLICE && slice.iter().all(|octet| Some(octet) == slice.first())
}

/// Lets devices send and look, in real time, until something is reached.
#[expect(clippy::disallowed_methods, reason = "a talker speaks in real time")]
pub(crate) fn meet(devices: &mut [Device], what: &str, reached: impl Fn(&[Device]) -> bool) {
    let began = std::time::Instant::now();
    for frame in 1.. {
        for device in &mut *devices {
            device.send();
            device.look();
        }
        if reached(devices) {
            return;
        }
        let sees: Vec<_> = devices.iter().map(|device| (device.number, device.sees)).collect();
        assert!(began.elapsed() < 2 * DEADLINE, "{what}: {sees:?}");
        std::thread::sleep((FRAME * frame).saturating_sub(began.elapsed()));
    }
}
