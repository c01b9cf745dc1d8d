//! Lines that share one transport, over sockets: what comes to the one port goes to the line that it is for, and
//! all that is sent comes from there.

use super::picture::{allocate_video, picture, seat, sent, sit};
use super::rig::{Endpoint, Rig};
use media_relay::{DropReason, SeatedPicture};
use model::{
    BundledLine, CodecMapping, LegPlan, LegSecurity, MediaCommand, MediaId, MediaPlan, SdesKeys,
    SrtpKey, SrtpSuite,
};
use relay_core::PictureSent;
use rtp_proto::rtcp::{write_picture_loss, write_receiver_report};
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpReceiver, SrtpSender};
use rtp_proto::{DatagramKind, RtpHeader, RtpPacket, demultiplex, write_element};
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;

const SOUND: u64 = 1;
const CAMERA: u64 = 2;
const SLIDES: u64 = 3;
const MID_NUMBER: u8 = 4;
/// Of both lines of pictures, as browsers have it.
const PICTURES: u8 = 96;

fn keys() -> SdesKeys {
    let key = |fill| SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[fill; 30]).unwrap();
    SdesKeys { receive: key(1), send: key(2) }
}

/// How the leg is described: at one place, under one pair of keys.
fn leg(endpoint: &Endpoint, payload_type: u8) -> LegPlan {
    let plan = endpoint.plan();
    let codecs: Vec<CodecMapping> =
        plan.codecs.iter().map(|one| CodecMapping { payload_type, ..one.clone() }).collect();
    LegPlan {
        remote_rtcp: plan.remote_rtp,
        rtcp_mux: true,
        codecs,
        telephone_event: None,
        security: LegSecurity::Sdes(Box::new(keys())),
        ..plan
    }
}

fn nobody(endpoint: &Endpoint) -> LegPlan {
    LegPlan {
        remote_rtp: None,
        remote_rtcp: None,
        accepts_from: false,
        sends_to: false,
        codecs: Vec::new(),
        telephone_event: None,
        ..endpoint.plan()
    }
}

fn apply(rig: &Rig, id: u64, mid: &str, payload_type: u8, endpoint: &Endpoint) {
    let mid_extension = Some(MID_NUMBER);
    let line = BundledLine { on: MediaId(SOUND), mid: mid.into(), mid_extension };
    apply_with(rig, id, Some(Box::new(line)), payload_type, endpoint);
}

fn apply_with(
    rig: &Rig,
    id: u64,
    bundled: Option<Box<BundledLine>>,
    payload_type: u8,
    endpoint: &Endpoint,
) {
    let legs = [leg(endpoint, payload_type), nobody(endpoint)];
    let plan = MediaPlan { bundled, ..MediaPlan::rtp(legs) };
    rig.relay.command(MediaCommand::Apply { id: MediaId(id), plan: plan.into() }).unwrap();
}

/// One leg of a browser, with one pair of keys for all of its lines.
struct Browser {
    endpoint: Endpoint,
    sends: SrtpSender,
    receives: SrtpReceiver,
    to: SocketAddr,
}

impl Browser {
    fn new(rig: &Rig, to: SocketAddr) -> Self {
        let keys = keys();
        Browser {
            endpoint: Endpoint::new(rig.ip),
            sends: SrtpSender::new(&keys.receive),
            receives: SrtpReceiver::new(&keys.send),
            to,
        }
    }

    /// Sends a packet; what went over the wire.
    fn send(&mut self, payload_type: u8, ssrc: u32, sequence: u16, mid: Option<&str>) -> Vec<u8> {
        let header = RtpHeader { payload_type, ssrc, sequence, ..RtpHeader::default() };
        let mut packet = header.to_bytes().to_vec();
        if let Some(mid) = mid {
            packet[0] |= 0x10;
            let mut element = [0; 24];
            let len = write_element(&mut element, MID_NUMBER, mid.as_bytes()).unwrap();
            packet.extend_from_slice(&element[..len]);
        }
        packet.extend_from_slice(&[sequence as u8; 20]);
        let len = packet.len();
        packet.resize(len + LONGEST_GROWTH, 0);
        let len = self.sends.protect_rtp(&mut packet, len).unwrap();
        packet.truncate(len);
        self.endpoint.rtp.send_to(&packet, self.to).unwrap();
        packet
    }

    fn report(&mut self, compound: &[u8]) {
        let mut packet = compound.to_vec();
        packet.resize(compound.len() + LONGEST_GROWTH, 0);
        let len = self.sends.protect_rtcp(&mut packet, compound.len()).unwrap();
        self.endpoint.rtp.send_to(&packet[..len], self.to).unwrap();
    }

    /// The next RTP packet that comes, decrypted; it came from the port of the sound.
    fn receive(&mut self) -> Vec<u8> {
        loop {
            let (mut packet, from) = self.endpoint.receive();
            assert_eq!(from, self.to);
            if demultiplex(&packet) == DatagramKind::Rtp {
                let len = self.receives.unprotect_rtp(&mut packet).unwrap();
                packet.truncate(len);
                return packet;
            }
        }
    }
}

fn source_of(packet: &[u8]) -> (u32, u16) {
    let packet = RtpPacket::parse(packet).unwrap();
    (packet.ssrc(), packet.sequence())
}

/// The next packet that a line was sent, decrypted, once whoever switches was called for it.
fn taken(line: &mut SeatedPicture, rig: &Rig) -> (u32, u16) {
    source_of(&sent(line, rig))
}

/// Waits until the relay has counted so many packets of no line.
fn nobodys(rig: &Rig, count: u64) {
    rig.until(|statistics| statistics.dropped(DropReason::NoLine) == count);
}

#[test]
fn each_line_gets_what_is_its_own_and_all_is_sent_from_one_port() {
    let (sender, seats) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 21_360..=21_389, |config| config.conferences = Some(sender));
    let to = rig.allocate(SOUND).unwrap()[0].rtp;
    for id in [CAMERA, SLIDES] {
        allocate_video(&rig, id);
    }
    let mut browser = Browser::new(&rig, to);
    apply(&rig, SOUND, "0", 111, &browser.endpoint);
    apply(&rig, CAMERA, "1", PICTURES, &browser.endpoint);
    apply(&rig, SLIDES, "2", PICTURES, &browser.endpoint);
    let [mut camera, mut slides] = [CAMERA, SLIDES].map(|id| {
        let mut place = seat(id, false);
        place.payload_type = PICTURES;
        assert_eq!(sit(&rig, id, place), Ok(()));
        picture(&seats)
    });
    // By its mid, then by its source; neither tells who is nobody.
    browser.send(PICTURES, 20, 1, None);
    nobodys(&rig, 1);
    browser.send(PICTURES, 20, 2, Some("2"));
    assert_eq!(taken(&mut slides, &rig), (20, 2));
    browser.send(PICTURES, 10, 1, Some("1"));
    assert_eq!(taken(&mut camera, &rig), (10, 1));
    browser.send(PICTURES, 20, 3, None);
    assert_eq!(taken(&mut slides, &rig), (20, 3));
    browser.send(PICTURES, 10, 2, Some("7"));
    nobodys(&rig, 2);
    // What nobody could prove is learnt of nothing.
    let mut forged =
        RtpHeader { payload_type: PICTURES, ssrc: 20, ..RtpHeader::default() }.to_bytes().to_vec();
    forged[0] |= 0x10;
    forged.extend_from_slice(&[0xbe, 0xde, 0, 1, MID_NUMBER << 4, b'1', 0, 0]);
    forged.resize(60, 0);
    browser.endpoint.rtp.send_to(&forged, to).unwrap();
    rig.until(|statistics| statistics.dropped(DropReason::SrtpAuthentication) == 1);
    browser.send(PICTURES, 20, 4, None);
    assert_eq!(taken(&mut slides, &rig), (20, 4));
    // By its payload type, which is the sound's alone: it goes on to nobody.
    browser.send(111, 30, 1, None);
    rig.until(|statistics| statistics.dropped(DropReason::NoDestination) == 1);

    // A compound is everybody's, and told whoever switches once.
    let mut compound = Vec::new();
    write_receiver_report(&mut compound, 20, &[]);
    write_picture_loss(&mut compound, 20, slides.numbers.ssrc);
    browser.report(&compound);
    let mut octets = Vec::new();
    let mut reports = 0;
    for _ in 0..10_000 {
        let lines = [&mut camera, &mut slides].map(|line| line.rings.sent.read(&mut octets));
        let is_report = |read: &&Option<_>| matches!(read, Some((PictureSent::Report, _)));
        reports += lines.iter().filter(is_report).count();
        if reports > 0 {
            break;
        }
        rig.pause();
    }
    browser.send(PICTURES, 20, 5, None);
    assert_eq!(taken(&mut slides, &rig), (20, 5), "what follows the report in one ring");
    assert!(camera.rings.sent.read(&mut octets).is_none() && reports == 1);

    // What is given to a line says its mid, from the port that all share.
    assert_ne!(camera.numbers.ssrc, slides.numbers.ssrc);
    for (line, mid) in [(&mut slides, b"2"), (&mut camera, b"1")] {
        let mut packet = vec![0; 300];
        let header = RtpHeader { payload_type: PICTURES, ..RtpHeader::default() };
        header.write_header(&mut packet).unwrap();
        assert!(line.rings.given.packet(&packet));
        line.bell.ring();
        let came = browser.receive();
        let came = RtpPacket::parse(&came).unwrap();
        assert_eq!(came.ssrc(), line.numbers.ssrc);
        assert_eq!(came.extension().unwrap().element(MID_NUMBER), Some(&mid[..]));
        assert_eq!(came.payload(), &packet[12..]);
    }
    // A line that ends leaves the others as they are.
    rig.release(SLIDES);
    browser.send(PICTURES, 20, 6, Some("2"));
    nobodys(&rig, 3);
    browser.send(PICTURES, 10, 3, Some("1"));
    assert_eq!(taken(&mut camera, &rig), (10, 3));
    rig.release(SOUND);
    rig.release(CAMERA);
    rig.until(|statistics| statistics.streams == 0 && statistics.connected_legs == 0);
}

#[test]
fn a_line_that_is_taken_up_again_takes_no_packet_again() {
    const SLIDES_AGAIN: u64 = 4;
    let (sender, seats) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 21_400..=21_419, |config| config.conferences = Some(sender));
    let to = rig.allocate(SOUND).unwrap()[0].rtp;
    let mut browser = Browser::new(&rig, to);
    apply(&rig, SOUND, "0", 111, &browser.endpoint);
    let begin = |id, browser: &Browser| {
        allocate_video(&rig, id);
        apply(&rig, id, "2", PICTURES, &browser.endpoint);
        let mut place = seat(id, false);
        place.payload_type = PICTURES;
        assert_eq!(sit(&rig, id, place), Ok(()));
        picture(&seats)
    };
    let mut slides = begin(SLIDES, &browser);
    let first = browser.send(PICTURES, 20, 1, Some("2"));
    assert_eq!(taken(&mut slides, &rig), (20, 1));
    rig.release(SLIDES);
    browser.send(PICTURES, 20, 2, None);
    nobodys(&rig, 1);
    let mut slides = begin(SLIDES_AGAIN, &browser);
    browser.endpoint.rtp.send_to(&first, to).unwrap();
    rig.until(|statistics| statistics.dropped(DropReason::SrtpReplayed) == 1);
    // Its source is its own again, and goes on.
    browser.send(PICTURES, 20, 3, None);
    assert_eq!(taken(&mut slides, &rig), (20, 3));
}

#[test]
fn sound_that_has_left_a_bundle_is_heard_under_whatever_number() {
    let rig = Rig::new("127.0.0.1", 21_420..=21_429, |_| {});
    let to = rig.allocate(SOUND).unwrap()[0].rtp;
    let mut browser = Browser::new(&rig, to);
    apply(&rig, SOUND, "0", 111, &browser.endpoint);
    browser.send(9, 30, 1, None);
    nobodys(&rig, 1);
    apply_with(&rig, SOUND, None, 9, &browser.endpoint);
    // Asked once more it answers, after all that it was told before.
    assert_eq!(rig.allocate(SOUND).unwrap()[0].rtp, to);
    // It goes on to nobody: that is whom the plan has there.
    browser.send(9, 30, 2, None);
    rig.until(|statistics| statistics.dropped(DropReason::NoDestination) == 1);
    browser.send(9, 30, 3, Some("7"));
    rig.until(|statistics| statistics.dropped(DropReason::NoDestination) == 2);
}

#[test]
fn a_line_whose_transport_is_no_streams_has_none_and_ends_as_any_other() {
    let rig = Rig::new("127.0.0.1", 21_390..=21_399, |_| {});
    let own = allocate_video(&rig, CAMERA);
    let endpoint = Endpoint::new(rig.ip);
    apply(&rig, CAMERA, "1", PICTURES, &endpoint);
    rig.until(|statistics| statistics.unknown_streams == 1);
    endpoint.send(own, 1);
    rig.release(CAMERA);
    rig.until(|statistics| statistics.streams == 0);
}
