//! A camera and a device that sees it, each behind a network that loses a twentieth of the packets: both
//! have them sent again by generic NACK, and ffmpeg decodes the clip without a complaint, nobody having
//! asked for a key frame. By simulated time, with the relay's own streams and the rooms' own switch.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

#[path = "../../video/tests/support/mod.rs"]
mod support;

use model::{
    Codec, CodecMapping, Instant, LegPlan, LegSecurity, LegSide, MediaId, MediaPlan, RtcpStyle,
    SdesKeys, SrtpKey, SrtpSuite, TransactionId, XrWishes,
};
use relay_core::{
    GROWTH, LONGEST_MADE, LONGEST_PICTURE, LONGEST_REPORT, LearningPolicy, MediaSocket, NtpTime,
    PictureNumbers, PictureRings, PictureSent, RtpSession, SentAgain, picture_rings,
};
use room_video::h264::PacketizationMode;
use room_video::{Feedback, Outgoing, Participant, StreamKey, VideoSwitch};
use rtp_proto::rtcp::{
    FeedbackMessage, Nack, RtcpPacket, parse_compound, write_nack, write_receiver_report,
};
use rtp_proto::srtp::{SrtpReceiver, SrtpSender};
use rtp_proto::{DatagramKind, RtpHeader, RtpPacket, demultiplex};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{BLUE, Depacketizer, receiver_settings, source_settings};

const NUMBER: u8 = 97;
const LEG: LegSide = LegSide::A;
const PLAIN: &str = "profile-level-id=42e01f;packetization-mode=1";
/// A way, in milliseconds.
const WAY: u64 = 12;
const PICTURE: u64 = 66;
/// Pictures that are sent: the clip has 24.
const PICTURES: u64 = 120;

/// Loses a twentieth, by a fixed seed.
struct Luck(u64);

impl Luck {
    fn loses(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33).is_multiple_of(20)
    }
}

fn key(fill: u8) -> SrtpKey {
    SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[fill; 30]).unwrap()
}

fn plan() -> MediaPlan {
    let keys = SdesKeys { receive: key(1), send: key(2) };
    let leg = LegPlan {
        remote_rtp: Some(([192, 0, 2, 1], 4_000).into()),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: false,
        codecs: vec![CodecMapping {
            payload_type: NUMBER,
            codec: Codec::Other,
            clock_rate: 90_000,
            packet_duration: Duration::ZERO,
        }],
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Sdes(Box::new(keys)),
        ice: None,
    };
    let nobody = LegPlan {
        remote_rtp: None,
        codecs: Vec::new(),
        security: LegSecurity::Plain,
        sends_to: false,
        accepts_from: false,
        ..leg.clone()
    };
    MediaPlan::rtp([leg, nobody])
}

/// A device's stream at the relay, and the device's keys.
struct Leg {
    key: StreamKey,
    session: RtpSession,
    rings: PictureRings,
    numbers: PictureNumbers,
    sender: SrtpSender,
    receiver: SrtpReceiver,
    /// On the way to the relay, and to the device: by when they arrive.
    to_relay: BTreeMap<(u64, u64), Vec<u8>>,
    to_device: BTreeMap<(u64, u64), Vec<u8>>,
    sent: u64,
}

impl Leg {
    fn new(participant: u16, has_nack: bool) -> Leg {
        let id = TransactionId::from_random(u128::from(participant) + 1);
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
        let mut number = u64::from(participant) + 0x1234_5678_9abc_def0;
        let mut draw = || {
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            number
        };
        session.set_rtcp(RtcpStyle::Auto, Duration::from_secs(5), &mut draw);
        session.apply(&plan(), Instant::ZERO);
        let (ends, rings) = picture_rings();
        let numbers = session.sit_picture(ends, NUMBER, Instant::ZERO, &mut draw);
        if has_nack {
            session.send_pictures_again();
        }
        Leg {
            key: StreamKey::main(Participant(participant)),
            session,
            rings,
            numbers,
            sender: SrtpSender::new(&key(1)),
            receiver: SrtpReceiver::new(&key(2)),
            to_relay: BTreeMap::new(),
            to_device: BTreeMap::new(),
            sent: 0,
        }
    }

    /// The device sends RTCP; it is not lost.
    fn report(&mut self, now: u64, mut compound: Vec<u8>) {
        let plain = compound.len();
        compound.resize(plain + GROWTH, 0);
        let len = self.sender.protect_rtcp(&mut compound, plain).unwrap();
        compound.truncate(len);
        self.sent += 1;
        self.to_relay.insert((now + WAY, self.sent), compound);
    }

    /// The relay takes what has arrived.
    fn arrive(&mut self, now: u64) {
        while let Some(entry) = self.to_relay.first_entry().filter(|entry| entry.key().0 <= now) {
            let mut octets = entry.remove();
            let len = octets.len();
            octets.resize(len + GROWTH, 0);
            let from = ([192, 0, 2, 1], 4_000).into();
            let at = Instant::from_millis(now);
            self.session.forward(LEG, MediaSocket::Rtp, from, &mut octets, len, at);
        }
    }

    /// The relay sends what it has; RTCP is not lost.
    fn serve(&mut self, now: u64, luck: &mut Luck) {
        let at = Instant::from_millis(now);
        let mut buffer = [0; LONGEST_MADE];
        while let Some(made) = self.session.poll_made(at, &mut buffer) {
            if !luck.loses() {
                self.sent += 1;
                self.to_device.insert((now + WAY, self.sent), buffer[..made.len].to_vec());
            }
        }
        let mut report = Vec::with_capacity(LONGEST_REPORT);
        let ntp = NtpTime::default();
        while let Some(made) = self.session.poll_rtcp(LEG, at, ntp, 7, &mut report) {
            self.sent += 1;
            self.to_device.insert((now + WAY, self.sent), report[..made.len].to_vec());
        }
    }

    /// The next datagram that the device has, decrypted.
    fn next(&mut self, now: u64) -> Option<(DatagramKind, Vec<u8>)> {
        let entry = self.to_device.first_entry().filter(|entry| entry.key().0 <= now)?;
        let mut octets = entry.remove();
        let kind = demultiplex(&octets);
        let len = match kind {
            DatagramKind::Rtp => self.receiver.unprotect_rtp(&mut octets).unwrap(),
            _ => self.receiver.unprotect_rtcp(&mut octets).unwrap(),
        };
        octets.truncate(len);
        Some((kind, octets))
    }
}

/// A clip that is sent again and again. What was sent is kept, protected, by its number.
struct Camera {
    packets: Vec<support::Packet>,
    next: usize,
    sequence: u16,
    kept: BTreeMap<u16, Vec<u8>>,
}

impl Camera {
    fn show(&mut self, now: u64, leg: &mut Leg, luck: &mut Luck) {
        loop {
            let packet = &self.packets[self.next % self.packets.len()];
            let header = RtpHeader {
                payload_type: NUMBER,
                marker: packet.marker,
                sequence: self.sequence,
                timestamp: now as u32 * 90,
                ssrc: 7,
            };
            let mut octets = [&header.to_bytes()[..], &packet.payload].concat();
            let plain = octets.len();
            octets.resize(plain + GROWTH, 0);
            let len = leg.sender.protect_rtp(&mut octets, plain).unwrap();
            octets.truncate(len);
            if !luck.loses() {
                leg.sent += 1;
                leg.to_relay.insert((now + WAY, leg.sent), octets.clone());
            }
            self.kept.insert(self.sequence, octets);
            (self.next, self.sequence) = (self.next + 1, self.sequence.wrapping_add(1));
            if packet.marker {
                return;
            }
        }
    }

    /// Sends again what it is asked for.
    fn look(&mut self, now: u64, leg: &mut Leg, luck: &mut Luck) {
        while let Some((_, octets)) = leg.next(now) {
            for part in parse_compound(&octets).flatten() {
                let RtcpPacket::Feedback(feedback) = part else { continue };
                let FeedbackMessage::Nack(nacks) = feedback.message() else { continue };
                assert_eq!(feedback.media_ssrc, 7);
                for number in nacks.iter().flat_map(Nack::packets).filter(|_| !luck.loses()) {
                    leg.sent += 1;
                    leg.to_relay.insert((now + WAY, leg.sent), self.kept[&number].clone());
                }
            }
        }
    }
}

/// What a device has seen, by how many packets after the first; what is missing, how often it was asked
/// for, and when it is again.
#[derive(Default)]
struct Watcher {
    came: BTreeMap<u16, Vec<u8>>,
    missing: BTreeMap<u16, (u8, u64)>,
    highest: u16,
}

impl Watcher {
    fn look(&mut self, now: u64, leg: &mut Leg, has_nack: bool) {
        while let Some((kind, octets)) = leg.next(now) {
            if kind == DatagramKind::Rtp {
                let packet = RtpPacket::parse(&octets).unwrap();
                let after = packet.sequence().wrapping_sub(leg.numbers.sequence);
                for missing in self.highest + 1..after {
                    self.missing.insert(missing, (0, now));
                }
                self.highest = self.highest.max(after);
                self.missing.remove(&after);
                self.came.insert(after, octets);
            }
        }
        let mut nacks = Vec::new();
        for (after, (times, due)) in &mut self.missing {
            if has_nack && *times < 3 && *due <= now {
                (*times, *due) = (*times + 1, now + 40);
                let packet = leg.numbers.sequence.wrapping_add(*after);
                nacks.push(Nack { packet, following: 0 });
            }
        }
        if !nacks.is_empty() {
            let mut compound = Vec::new();
            write_receiver_report(&mut compound, 9, &[]);
            write_nack(&mut compound, 9, leg.numbers.ssrc, &nacks);
            leg.report(now, compound);
        }
    }

    /// What it makes of them in the end.
    fn decodable(&self) -> Depacketizer {
        let mut seen = Depacketizer::default();
        for octets in self.came.values() {
            let packet = RtpPacket::parse(octets).unwrap();
            let header = RtpHeader {
                payload_type: packet.payload_type(),
                marker: packet.marker(),
                sequence: packet.sequence(),
                timestamp: packet.timestamp(),
                ssrc: packet.ssrc(),
            };
            seen.take(&Outgoing { header, head: &[], body: packet.payload() });
        }
        seen
    }
}

/// What a meeting has come to.
struct Met {
    seen: Depacketizer,
    /// Requests for key frames.
    key_frames: u32,
    /// Messages to the camera that asked for packets.
    nacks: u32,
    again: SentAgain,
    /// Packets that were given to the device.
    given: u64,
}

fn meet(has_nack: bool) -> Met {
    let mut luck = Luck(4);
    let [mut near, mut far] = [Leg::new(0, has_nack), Leg::new(1, has_nack)];
    let mut switch = VideoSwitch::new();
    let source = room_video::SourceSettings { sends_again: has_nack, ..source_settings(PLAIN) };
    switch.add_source(Instant::ZERO, near.key, source).unwrap();
    let mode = PacketizationMode::NonInterleaved;
    let mut settings = receiver_settings(far.numbers.ssrc, PLAIN, mode, 1_200);
    settings.outbound.payload_type = NUMBER;
    settings.outbound.first_sequence = far.numbers.sequence;
    settings.outbound.first_timestamp = far.numbers.timestamp;
    switch.add_receiver(Instant::ZERO, far.key, settings).unwrap();
    let packets = support::packets(BLUE, 400, true);
    let mut camera = Camera { packets, next: 0, sequence: 65_400, kept: BTreeMap::new() };
    let mut watcher = Watcher::default();
    let (mut key_frames, mut nacks, mut given) = (0, 0, 0);
    for now in 0..PICTURES * PICTURE + 1_000 {
        if now.is_multiple_of(PICTURE) && now / PICTURE < PICTURES {
            camera.show(now, &mut near, &mut luck);
        }
        near.arrive(now);
        far.arrive(now);
        let at = Instant::from_millis(now);
        let mut emit = |_, packet: Outgoing<'_>| {
            let mut octets = [0; LONGEST_PICTURE];
            let len = packet.write(&mut octets).unwrap();
            assert!(far.rings.given.packet(&octets[..len]));
            given += 1;
        };
        let mut octets = Vec::new();
        while let Some((kind, _)) = near.rings.sent.read(&mut octets) {
            assert_eq!(kind, PictureSent::Packet);
            switch.handle_rtp(at, near.key, &RtpPacket::parse(&octets).unwrap(), &mut emit);
        }
        switch.handle_timeout(at, &mut emit);
        while far.rings.sent.read(&mut octets).is_some() {
            switch.handle_rtcp(at, far.key.participant, &octets);
        }
        while let Some(feedback) = switch.poll_feedback(at) {
            match feedback {
                Feedback::KeyFrame { .. } => key_frames += 1,
                Feedback::Missing { ssrc, packets, .. } => {
                    nacks += 1;
                    let mut said = Vec::new();
                    write_nack(&mut said, 0, ssrc, packets.entries());
                    assert!(near.rings.given.feedback(&said));
                }
                Feedback::Limit { .. } | Feedback::LimitTaken { .. } => {}
            }
        }
        near.serve(now, &mut luck);
        far.serve(now, &mut luck);
        camera.look(now, &mut near, &mut luck);
        watcher.look(now, &mut far, has_nack);
    }
    let again = far.session.take_sent_again();
    Met { seen: watcher.decodable(), key_frames, nacks, again, given }
}

/// How many pictures ffmpeg decodes, and what it complains of.
fn decode(stream: &[u8]) -> Option<(usize, String)> {
    let spawned = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "h264", "-i", "-", "-vf", "scale=1:1:flags=area"])
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: ffmpeg is not installed (tests/setup.sh does that)");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let stream = stream.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&stream));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Some((output.stdout.len(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn a_clip_survives_a_loss_of_a_twentieth_on_either_way() {
    let met = meet(true);
    assert_eq!((met.seen.missing, met.key_frames <= 1), (0, true), "nothing is missing");
    assert!(met.nacks > 20 && met.again.sent > 20, "{} {:?}", met.nacks, met.again);
    assert!(met.again.sent * 10 <= met.given, "{:?} of {}", met.again, met.given);
    let Some((pictures, complaints)) = decode(&met.seen.stream) else { return };
    assert_eq!((pictures as u64, complaints.as_str()), (PICTURES, ""));
}

/// The same network, and devices that ask for nothing: so it is the asking that helps.
#[test]
fn without_it_the_same_clip_has_holes() {
    let met = meet(false);
    assert!(met.seen.missing > 20 && met.nacks == 0, "{}", met.seen.missing);
    assert_eq!(met.again, SentAgain::default());
}
