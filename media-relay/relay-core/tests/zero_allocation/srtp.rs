//! Legs that have SRTP.

use super::*;

#[expect(clippy::expect_used, reason = "a test's helper")]
pub(crate) fn key(suite: SrtpSuite, fill: u8) -> SrtpKey {
    SrtpKey::new(suite, &vec![fill; suite.key_len() + suite.salt_len()]).expect("the right length")
}

/// Also while the packets are copied and listened to, be there room or not.
#[test]
fn srtp_allocates_nothing_either_way() {
    for suite in SrtpSuite::ALL {
        let keys = |fill| SdesKeys { receive: key(suite, fill), send: key(suite, fill + 1) };
        let security = [1, 3].map(|fill| LegSecurity::Sdes(Box::new(keys(fill))));
        let mut session = session_with(security);
        let (writer, mut copies) = ring(64 * 1024);
        session.tap(writer, [true; 2]);
        let (writer, mut heard) = listen_ring(64 * 1024);
        session.listen(writer, [true; 2], Instant::ZERO);
        let mut peer = SrtpSender::new(&key(suite, 1));
        let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let mut buffer = [0_u8; 172 + 2 * GROWTH];
        let allocations = allocations_of(|| {
            for number in 0..2_000_u32 {
                let now = Instant::from_millis(u64::from(number) * 20);
                let header = RtpHeader {
                    sequence: (64_000 + number) as u16,
                    ssrc: number / 200,
                    ..RtpHeader::default()
                };
                header.write_header(&mut buffer);
                let len = peer.protect_rtp(&mut buffer, 172).unwrap_or_default();
                let mut forward = |packet: &mut [u8]| {
                    session.forward(LegSide::A, MediaSocket::Rtp, from, packet, len, now)
                };
                let mut forged = buffer;
                forged[100] ^= 1;
                let refused = Decision::Drop(DropReason::SrtpAuthentication);
                assert_eq!(forward(&mut forged), refused);
                assert!(matches!(forward(&mut buffer), Decision::Send { .. }));
                let mut report = [0_u8; 8 + 2 * GROWTH];
                report[..4].copy_from_slice(&[0x80, 201, 0, 1]);
                let len = peer.protect_rtcp(&mut report, 8).unwrap_or_default();
                let decision =
                    session.forward(LegSide::A, MediaSocket::Rtcp, from, &mut report, len, now);
                assert!(matches!(decision, Decision::Send { .. }), "{decision:?}");
            }
        });
        assert_eq!(allocations, 0, "{suite}");
        // Copies are plain: all of the audio was zeroes.
        let mut copy = Vec::new();
        assert!(copies.read(&mut copy).is_some() && copies.lost() > 3_000);
        assert!(copy.len() == 172 && copy[12..].iter().all(|octet| *octet == 0));
        assert!(copies.read(&mut copy).is_some() && copy == [0x80, 201, 0, 1, 0, 0, 0, 0]);
        for _ in LegSide::BOTH {
            assert!(matches!(heard.read(&mut copy), Some(Listened::Formats(_))));
        }
        assert!(matches!(heard.read(&mut copy), Some(Listened::Packet { .. })));
        assert!(copy.len() == 172 && copy[12..].iter().all(|octet| *octet == 0));
        assert!(heard.lost() > 1_000);
    }
}

/// The first packet of a source that starts over changes how the leg's packets are numbered: far from
/// where it was, and near, where only its timestamp tells it.
#[test]
fn a_source_that_starts_over_allocates_nothing() {
    for length in [400, 60] {
        assert_eq!(allocations_and_sent(length), (0, 2_000), "{length}");
    }
}

/// Of a source that begins again every `length` packets, whose timestamps go on.
fn allocations_and_sent(length: u16) -> (u64, u32) {
    let keys = SdesKeys { receive: key(SrtpSuite::ALL[0], 1), send: key(SrtpSuite::ALL[0], 2) };
    let mut session = RtpSession::new(
        MediaId(1),
        TransactionId::from_random(1),
        Instant::ZERO,
        LearningPolicy::default(),
    );
    session.set_rtcp(RtcpStyle::Auto, REPORT_INTERVAL, &mut || 7);
    let mut legs = [leg(4_000), leg(5_000)];
    legs[1].security = LegSecurity::Sdes(Box::new(keys));
    session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut out = Vec::with_capacity(LONGEST_REPORT);
    let (mut buffer, mut sent) = ([0_u8; 172 + GROWTH], 0);
    let allocations = allocations_of(|| {
        for number in 0..2_000_u16 {
            let now = Instant::from_millis(u64::from(number) * 20);
            // Again and again from where it began.
            let (sequence, timestamp) = (30_000 + number % length, u32::from(number) * 160);
            let header = RtpHeader { sequence, timestamp, ..RtpHeader::default() };
            header.write_header(&mut buffer);
            let decision =
                session.forward(LegSide::A, MediaSocket::Rtp, from, &mut buffer, 172, now);
            sent += u32::from(matches!(decision, Decision::Send { .. }));
            for to in LegSide::BOTH {
                session.poll_rtcp(to, now, NtpTime(7 << 32), 500, &mut out);
            }
        }
    });
    (allocations, sent)
}
