//! Legs whose pictures take part in a conference.

use super::*;
use model::BundledLine;
use relay_core::{Bundle, BundleRoute, PICTURE_RING, picture_rings};
use rtp_proto::rtcp::{Nack, write_nack, write_picture_loss, write_receiver_report};

/// A second of 2 Mbit/s, either way, with SRTP, and feedback either way; and all that a ring does not take.
#[test]
fn pictures_allocate_nothing_either_way() {
    let key = |fill| srtp::key(SrtpSuite::AesCm128HmacSha1_80, fill);
    let keys = SdesKeys { receive: key(1), send: key(2) };
    let mut session = session_with([LegSecurity::Sdes(Box::new(keys)), LegSecurity::Plain]);
    session.limit_rate(0);
    session.set_rtcp(RtcpStyle::Auto, REPORT_INTERVAL, &mut || 5);
    session.apply(&plan_of_legs(), Instant::ZERO);
    let (ends, mut rings) = picture_rings();
    let numbers = session.sit_picture(ends, 0, Instant::ZERO, &mut || 9);
    session.send_pictures_again();
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut peer = SrtpSender::new(&key(1));
    let mut asks = Vec::new();
    write_picture_loss(&mut asks, 0, 7);
    let mut said = Vec::new();
    write_receiver_report(&mut said, 7, &[]);
    write_picture_loss(&mut said, 7, numbers.ssrc);
    write_nack(&mut said, 7, numbers.ssrc, &[Nack { packet: 0, following: 0b11 }]);
    let plain = said.len();
    said.resize(plain + GROWTH, 0);
    let mut octets = Vec::with_capacity(2_048);
    let mut out = Vec::with_capacity(LONGEST_REPORT);
    let mut packet = [0_u8; 1_200 + GROWTH];
    let mut buffer = [0; LONGEST_MADE];
    let (mut taken, mut made, mut reports) = (0, 0, 0);
    let allocations = allocations_of(|| {
        for number in 0..10_000_u32 {
            let now = Instant::from_millis(u64::from(number) * 5);
            let header = RtpHeader { sequence: number as u16, ssrc: 7, ..RtpHeader::default() };
            header.write_header(&mut packet);
            let given = RtpHeader {
                sequence: numbers.sequence.wrapping_add(number as u16),
                timestamp: number * 450,
                ..header
            };
            assert!(rings.given.packet(&[given.to_bytes(); 100].as_flattened()[..1_200]));
            let len = peer.protect_rtp(&mut packet, 1_200).unwrap_or_default();
            session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, len, now);
            if number % 100 == 0 {
                let mut report = [0; 128];
                report[..said.len()].copy_from_slice(&said);
                // It misses the last three.
                report[plain - 4..plain - 2]
                    .copy_from_slice(&given.sequence.wrapping_sub(3).to_be_bytes());
                let len = peer.protect_rtcp(&mut report, plain).unwrap_or_default();
                let rtcp: SocketAddr = ([192, 0, 2, 1], 4_001).into();
                session.forward(LegSide::A, MediaSocket::Rtcp, rtcp, &mut report, len, now);
                assert!(rings.given.feedback(&asks));
                session.hide_picture(number % 1_000 == 500);
            }
            while session.poll_made(now, &mut buffer).is_some() {
                made += 1;
            }
            let report = session.poll_rtcp(LegSide::A, now, NtpTime::default(), 3, &mut out);
            reports += u32::from(report.is_some());
            session.take_picture_news();
            // Now and then nobody looks for so long that the ring is full.
            if number % 1_000 < 500 {
                while rings.sent.read(&mut octets).is_some() {
                    taken += 1;
                }
            }
        }
    });
    assert_eq!(allocations, 0);
    assert!(rings.sent.lost() > 100 && taken > PICTURE_RING / 2_000 * 10, "{taken}");
    let again = session.take_sent_again().sent;
    assert!(again > 200, "{again} were sent again");
    assert!(made == 10_000 + again && reports >= 100, "{made} packets, {reports} reports");
}

fn plan_of_legs() -> MediaPlan {
    let key = |fill| srtp::key(SrtpSuite::AesCm128HmacSha1_80, fill);
    let keys = SdesKeys { receive: key(1), send: key(2) };
    let mut first = leg(4_000);
    first.security = LegSecurity::Sdes(Box::new(keys));
    let nobody = LegPlan {
        remote_rtp: None,
        codecs: Vec::new(),
        accepts_from: false,
        sends_to: false,
        ..leg(5_000)
    };
    MediaPlan::rtp([first, nobody])
}

/// Whose a packet is, and what is sent, where several lines share a transport.
#[test]
fn lines_that_share_a_transport_allocate_nothing() {
    let mut plan = plan_of_legs();
    let line = |mid: &str| BundledLine { on: MediaId(1), mid: mid.into(), mid_extension: Some(4) };
    plan.bundled = Some(Box::new(line("1")));
    let mut bundle = Bundle::default();
    for (place, mid) in ["0", "1", "2"].into_iter().enumerate() {
        bundle.set(place, &line(mid), &plan.legs[0].codecs);
    }
    let mut session = session_with([plan.legs[0].security.clone(), LegSecurity::Plain]);
    session.set_rtcp(RtcpStyle::Auto, REPORT_INTERVAL, &mut || 5);
    session.apply(&plan, Instant::ZERO);
    let (ends, mut rings) = picture_rings();
    session.sit_picture(ends, 0, Instant::ZERO, &mut || 9);
    let mut buffer = [0; LONGEST_MADE];
    let (mut sent, mut routed) = (0, 0);
    let allocations = allocations_of(|| {
        for number in 0..10_000_u32 {
            let now = Instant::from_millis(u64::from(number) * 5);
            let header = RtpHeader { sequence: number as u16, ..RtpHeader::default() };
            assert!(rings.given.packet(&[header.to_bytes(); 100].as_flattened()[..1_200]));
            while let Some(made) = session.poll_made(now, &mut buffer) {
                sent += 1;
                // What is said to one end is heard at the other.
                if let BundleRoute::Line { place: 1, .. } = bundle.route(&buffer[..made.len]) {
                    bundle.learn(number, 1);
                    routed += 1;
                }
            }
        }
    });
    assert_eq!((allocations, sent, routed), (0, 10_000, 10_000));
}
