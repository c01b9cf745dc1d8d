use super::*;
use crate::{LearningPolicy, MediaSocket};
use model::{CodecMapping, LegPlan, MediaId, MediaPlan, TransactionId};
use rtp_proto::RtpHeader;
use rtp_proto::rtcp::{ReportBlock, write_receiver_report};

fn session() -> RtpSession {
    let leg = |port| LegPlan {
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
    };
    let mut session = RtpSession::new(
        MediaId(7),
        TransactionId::from_random(7),
        Instant::ZERO,
        LearningPolicy::default(),
    );
    session.apply(&MediaPlan::rtp([leg(4_000), leg(5_000)]), Instant::ZERO);
    session
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
