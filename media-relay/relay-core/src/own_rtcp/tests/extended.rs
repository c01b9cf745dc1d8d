//! Extended reports: ours, and those of the legs.

use super::*;
use rtp_proto::rtcp::{
    DlrrReport, VoipMetrics, XrBlock, write_dlrr, write_receiver_reference_time, write_voip_metrics,
};

#[test]
fn voip_metrics_are_sent_to_a_leg_that_asks_though_both_sides_report() {
    let asks = |legs: &mut [LegPlan; 2]| legs[0].xr.voip_metrics = true;
    let mut call = Call::new(RtcpStyle::Auto, asks);
    for _ in 0..3 {
        for from in LegSide::BOTH {
            call.rtcp(from, &empty_report(SSRCS[from.index()]));
        }
        call.run(5_000, &[A, B]);
    }
    assert!(call.own_to(B).is_empty());
    let compound = packets(call.own_to(A)[0]);
    let [RtcpPacket::ReceiverReport(report), _, RtcpPacket::ExtendedReport(extended)] =
        compound[..]
    else {
        panic!("{compound:?}");
    };
    // Who reports on the media is the other side: we speak for ourselves, and of the metrics only.
    assert!(!SSRCS.contains(&report.ssrc) && report.blocks.is_empty());
    assert_eq!(extended.ssrc, report.ssrc);
    let blocks: Vec<_> = extended.blocks.collect();
    let [XrBlock::VoipMetrics(metrics)] = blocks[..] else { panic!("{blocks:?}") };
    assert_eq!((metrics.ssrc, metrics.loss_rate), (SSRCS[0], 0));
    assert_eq!(metrics.known_mos_cq(), Some(44));
    // The other side sends them itself from now on.
    let sent = call.own.len();
    for _ in 0..4 {
        let mut compound = empty_report(SSRCS[1]);
        write_voip_metrics(&mut compound, SSRCS[1], &VoipMetrics::unknown(SSRCS[0]));
        call.rtcp(B, &compound);
        call.rtcp(A, &empty_report(SSRCS[0]));
        call.run(5_000, &[A, B]);
    }
    assert_eq!(call.own.len(), sent);
}

#[test]
fn a_leg_that_answers_a_receivers_clock_gives_a_round_trip_without_any_media_towards_it() {
    let asks = |legs: &mut [LegPlan; 2]| legs[0].xr.receiver_rtt = true;
    let mut call = Call::new(RtcpStyle::Auto, asks);
    let mut clock = empty_report(SSRCS[0]);
    write_receiver_reference_time(&mut clock, SSRCS[0], NtpTime(0x0001_0002_0003_0004));
    call.rtcp(A, &clock);
    call.run(10_000, &[A]);
    let first = call.own_to(A)[0].to_vec();
    let compound = packets(&first);
    let Some(RtcpPacket::ExtendedReport(extended)) = compound.last() else {
        panic!("{compound:?}");
    };
    let blocks: Vec<_> = extended.blocks.collect();
    let [XrBlock::ReceiverReferenceTime(time), XrBlock::Dlrr(answers)] = blocks[..] else {
        panic!("{blocks:?}");
    };
    let delay = dlsr_from_duration(Duration::from_secs(10));
    let expected = DlrrReport { ssrc: SSRCS[0], last_receiver_report: NtpMid(0x0002_0003), delay };
    assert_eq!(answers.iter().collect::<Vec<_>>(), [expected]);
    call.now += 90;
    let mut answer = empty_report(SSRCS[0]);
    let delay = dlsr_from_duration(Duration::from_millis(50));
    let told = DlrrReport { ssrc: extended.ssrc, last_receiver_report: time.mid(), delay };
    write_dlrr(&mut answer, SSRCS[0], &told);
    call.rtcp(A, &answer);
    let rtt = call.reports()[0].rtt.unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(40)) < Duration::from_millis(1), "{rtt:?}");
}

#[test]
fn what_a_leg_says_of_itself_is_kept_when_it_speaks_of_our_media() {
    let mut call = Call::new(RtcpStyle::BackToBack, |_| {});
    call.run(3_000, &[A, B]);
    assert_eq!(call.reports()[0].peer_metrics, None);
    let source = sender_report(call.own_to(A)[0]).ssrc;
    let metrics = |ssrc| VoipMetrics {
        loss_rate: 26,
        discard_rate: 13,
        r_factor: 80,
        mos_lq: 127,
        mos_cq: 39,
        jitter_buffer_nominal: 60,
        ..VoipMetrics::unknown(ssrc)
    };
    for ssrc in [source, SSRCS[1]] {
        let mut compound = empty_report(SSRCS[0]);
        write_voip_metrics(&mut compound, SSRCS[0], &metrics(ssrc));
        assert_eq!(call.rtcp(A, &compound), Decision::Taken);
    }
    let told = call.reports()[0].peer_metrics.unwrap();
    assert_eq!((told.loss_ratio, told.discard_ratio), (26.0 / 256.0, 13.0 / 256.0));
    assert_eq!((told.r_factor, told.mos_listening), (Some(80), None));
    assert_eq!(told.mos_conversational, Some(3.9));
    assert_eq!(told.jitter_buffer, Some(Duration::from_millis(60)));
    assert_eq!(call.reports()[1].peer_metrics, None);
}
