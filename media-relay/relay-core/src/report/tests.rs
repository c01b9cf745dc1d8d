use super::*;
use crate::{LearningPolicy, MediaSocket};
use model::{CodecMapping, LegPlan, MediaId, MediaLine, MediaPlan, MediaType, TransactionId};
use rtp_proto::RtpHeader;
use rtp_proto::rtcp::{ReportBlock, write_receiver_report};

fn leg(port: u16) -> LegPlan {
    LegPlan {
        remote_rtp: Some(([192, 0, 2, 1], port).into()),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![CodecMapping {
            payload_type: 0,
            codec: Codec::Pcmu,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(20),
        }],
        telephone_event: None,
        xr: model::XrWishes::default(),
        security: model::LegSecurity::Plain,
        ice: None,
    }
}

fn fresh_session() -> RtpSession {
    RtpSession::new(
        MediaId(7),
        TransactionId::from_random(7),
        Instant::ZERO,
        LearningPolicy::default(),
    )
}

fn session() -> RtpSession {
    let mut session = fresh_session();
    session.apply(&MediaPlan::rtp([leg(4_000), leg(5_000)]), Instant::ZERO);
    session
}

/// From leg A: payload type, source, sequence number and timestamp.
fn send(
    session: &mut RtpSession,
    (payload_type, ssrc, sequence, timestamp): (u8, u32, u16, u32),
    at_ms: u64,
) {
    let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc };
    let mut packet = [0; 172];
    header.write_header(&mut packet).unwrap();
    let source = ([192, 0, 2, 1], 4_000).into();
    let at = Instant::from_millis(at_ms);
    session.forward(LegSide::A, MediaSocket::Rtp, source, &mut packet, 172, at);
}

fn from_a(session: &mut RtpSession, sequences: impl Iterator<Item = u16>) {
    for sequence in sequences {
        let header = RtpHeader {
            payload_type: 0,
            marker: false,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 1,
        };
        let mut packet = [0; 172];
        header.write_header(&mut packet).unwrap();
        let arrival = Instant::from_millis(u64::from(sequence) * 20);
        let source = ([192, 0, 2, 1], 4_000).into();
        session.forward(LegSide::A, MediaSocket::Rtp, source, &mut packet, 172, arrival);
    }
}

/// RFC 3550 A.8 over packets of three a picture at 90 kHz, with a retransmission in between that has
/// a source of its own: neither loss nor jitter knows of it, and nothing has a score.
#[test]
fn video_is_measured_at_90_khz_and_not_scored() {
    let leg = |port| LegPlan {
        codecs: [(96, Codec::H264), (97, Codec::Repair)]
            .map(|(payload_type, codec)| CodecMapping {
                payload_type,
                codec,
                clock_rate: 90_000,
                packet_duration: Duration::from_millis(20),
            })
            .to_vec(),
        ..leg(port)
    };
    let mut session = fresh_session();
    session.set_line(MediaLine::Further { index: 1, media: MediaType::Video });
    session.apply(&MediaPlan::rtp([leg(4_000), leg(5_000)]), Instant::ZERO);
    let mut jitter = 0.0_f64;
    let mut last: Option<(f64, f64)> = None;
    let mut sent = 0;
    for picture in 0..50_u64 {
        for part in 0..3_u64 {
            // Each part a millisecond after the one before; pictures every 40 ms.
            let at_ms = picture * 40 + part;
            let timestamp = picture * 3_600;
            if (picture, part) != (20, 1) {
                let sequence = (picture * 3 + part) as u16;
                send(&mut session, (96, 1, sequence, timestamp as u32), at_ms);
                sent += 1;
                let (arrival, stamp) = (at_ms as f64 * 90.0, timestamp as f64);
                if let Some((before, stamped)) = last {
                    let d = ((arrival - before) - (stamp - stamped)).abs();
                    jitter += (d - jitter) / 16.0;
                }
                last = Some((arrival, stamp));
            }
            if part == 2 && picture % 10 == 0 {
                send(&mut session, (97, 2, 7_000 + picture as u16 * 9, 1), at_ms);
                sent += 1;
            }
        }
    }
    let [video, _] = session.poll_report(Instant::from_millis(2_000), ReportKind::Final);
    assert_eq!(video.line.media(), MediaType::Video);
    assert_eq!((video.mos, video.interval_mos), (None, None));
    assert_eq!(video.codecs.received, Some(Codec::H264));
    assert_eq!(video.received.rtp_packets, sent);
    assert_eq!(video.received.loss, LossCounts { expected: 150, lost: 1 });
    assert_eq!(video.received.ssrc, Some(1));
    let expected = jitter / 90.0;
    let measured = video.received.jitter.as_secs_f64() * 1_000.0;
    assert!((measured - expected).abs() < 0.02, "{measured} ms, not {expected} ms");
}

/// NACK and PLI (RFC 4585), FIR (RFC 5104), REMB and transport-wide feedback, compound and reduced
/// size (RFC 5506).
#[test]
fn feedback_about_pictures_passes_as_it_is() {
    let mut session = session();
    let feedback: [&[u8]; 5] = [
        &[0x81, 205, 0, 3, 0, 0, 0, 9, 0, 0, 0, 1, 0, 7, 0, 1],
        &[0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 1],
        &[0x84, 206, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 5, 0, 0, 0],
        &[0x8f, 206, 0, 5, 0, 0, 0, 9, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 8, 0, 1, 0, 0, 0, 1],
        &[0x8f, 205, 0, 5, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0x20, 1, 4, 0],
    ];
    for (number, packet) in feedback.into_iter().enumerate() {
        let mut buffer = [0; 64];
        buffer[..packet.len()].copy_from_slice(packet);
        let source = ([192, 0, 2, 1], 5_000).into();
        let decision = session.forward(
            LegSide::B,
            MediaSocket::Rtp,
            source,
            &mut buffer,
            packet.len(),
            Instant::from_millis(number as u64),
        );
        let crate::Decision::Send { to: LegSide::A, len, .. } = decision else {
            panic!("{number}: {decision:?}")
        };
        assert_eq!(&buffer[..len], packet);
    }
}

#[test]
fn a_stream_without_packets_has_no_score() {
    for report in session().poll_report(Instant::ZERO, ReportKind::Final) {
        assert_eq!((report.mos, report.interval_mos, report.rtt), (None, None, None));
        assert_eq!(report.kind, ReportKind::Final);
        assert_eq!(report.peer, None);
    }
}

#[test]
fn a_clean_stream_scores_well_and_loss_costs() {
    let mut session = session();
    from_a(&mut session, 0..500);
    let [a, b] = session.poll_report(Instant::from_millis(10_000), ReportKind::Interval);
    assert!(a.mos.unwrap().value() > 4.2, "{:?}", a.mos);
    assert_eq!(b.mos, None);
    assert_eq!(a.received.ssrc, Some(1));
    assert_eq!(a.received.source, Some(([192, 0, 2, 1], 4_000).into()));
    assert_eq!((b.received.ssrc, b.received.source), (None, None));
    from_a(&mut session, (500..1_000).filter(|n| n % 10 != 3));
    let [lossy, _] = session.poll_report(Instant::from_millis(20_000), ReportKind::Interval);
    // G.107 with G.711 and concealment: 10 % gives about 3.4, 5 % about 3.9.
    let interval = lossy.interval_mos.unwrap().value();
    assert!((3.2..3.6).contains(&interval), "{interval}");
    assert!(lossy.mos.unwrap() > lossy.interval_mos.unwrap());
    assert_eq!(lossy.received.interval_loss.lost, 50);
}

#[test]
fn the_score_is_the_worse_of_both_directions() {
    let mut session = session();
    from_a(&mut session, 0..1_000);
    let mut report = Vec::new();
    let block = ReportBlock { ssrc: 1, cumulative_lost: 100, ..ReportBlock::default() };
    write_receiver_report(&mut report, 2, &[block]);
    let source = ([192, 0, 2, 1], 5_000).into();
    let now = Instant::from_millis(20_000);
    let len = report.len();
    session.forward(LegSide::B, MediaSocket::Rtp, source, &mut report, len, now);
    let [a, b] = session.poll_report(now, ReportKind::Interval);
    assert!(a.mos.unwrap().value() > 4.2);
    let told = b.mos.unwrap().value();
    assert!((3.2..3.6).contains(&told), "{told}");
    assert_eq!(b.interval_mos, b.mos);
    // Nothing was said in the next interval, and nothing came from the leg.
    let [_, b] = session.poll_report(now, ReportKind::Interval);
    assert_eq!((b.mos.is_some(), b.interval_mos), (true, None));
}

#[test]
fn an_interval_in_which_a_leg_was_silent_has_no_score_of_its_own() {
    let mut session = session();
    from_a(&mut session, 0..10);
    session.poll_report(Instant::from_millis(1_000), ReportKind::Interval);
    let [a, _] = session.poll_report(Instant::from_millis(2_000), ReportKind::Interval);
    assert!(a.mos.is_some());
    assert_eq!(a.interval_mos, None);
}

#[test]
fn live_reports_take_nothing_from_the_records() {
    let mut session = session();
    assert!(!session.has_media());
    from_a(&mut session, 0..250);
    assert!(session.has_media());
    let [live, _] = session.poll_report(Instant::from_millis(5_000), ReportKind::Live);
    assert_eq!((live.kind, live.received.interval_loss.expected), (ReportKind::Live, 250));
    from_a(&mut session, (250..500).filter(|n| n % 10 != 3));
    let [live, _] = session.poll_report(Instant::from_millis(10_000), ReportKind::Live);
    assert_eq!(live.received.interval_loss, LossCounts { expected: 250, lost: 25 });
    assert!(live.interval_mos < live.mos);
    let [whole, _] = session.poll_report(Instant::from_millis(10_000), ReportKind::Interval);
    assert_eq!(whole.received.interval_loss, LossCounts { expected: 500, lost: 25 });
    assert_eq!(whole.received.rtp_packets, live.received.rtp_packets);
}

#[test]
fn live_reports_tell_the_round_trip_and_leave_it_for_the_record() {
    let mut session = session();
    from_a(&mut session, 0..10);
    session.legs[1].stream.round_trips.on_sample(Duration::from_millis(20));
    let now = Instant::from_millis(5_000);
    let rtt = |reports: [QualityReport; 2]| reports[1].rtt;
    assert_eq!(rtt(session.poll_report(now, ReportKind::Live)), Some(Duration::from_millis(20)));
    assert_eq!(
        rtt(session.poll_report(now, ReportKind::Interval)),
        Some(Duration::from_millis(20))
    );
    assert_eq!(rtt(session.poll_report(now, ReportKind::Interval)), None);
}

#[test]
fn a_leg_that_may_not_send_is_told_from_one_that_does_not() {
    let mut session = session();
    let forbidden = |session: &mut RtpSession| session.poll_report(Instant::ZERO, ReportKind::Live);
    assert!(forbidden(&mut session).iter().all(|report| !report.received.forbidden));
    let fresh = || {
        RtpSession::new(
            MediaId(8),
            TransactionId::from_random(8),
            Instant::ZERO,
            LearningPolicy::default(),
        )
    };
    let mut held = fresh();
    let leg = |accepts_from| LegPlan {
        remote_rtp: None,
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: false,
        accepts_from,
        sends_to: true,
        relearn: true,
        codecs: Vec::new(),
        telephone_event: None,
        xr: model::XrWishes::default(),
        security: model::LegSecurity::Plain,
        ice: None,
    };
    held.apply(&MediaPlan::rtp([leg(true), leg(false)]), Instant::ZERO);
    let [a, b] = forbidden(&mut held);
    assert_eq!((a.received.forbidden, b.received.forbidden), (false, true));
    // Once allowed, silence counts again.
    held.apply(&MediaPlan::rtp([leg(true), leg(true)]), Instant::ZERO);
    held.apply(&MediaPlan::rtp([leg(true), leg(false)]), Instant::ZERO);
    assert!(!forbidden(&mut held)[1].received.forbidden);
}
