//! Sources that change, collide or start over (RFC 3550 section 8.2 and appendix A.1), on each path.

use super::*;

const PLAIN: RtcpStyle = RtcpStyle::Auto;
const OURS: RtcpStyle = RtcpStyle::BackToBack;

impl Call {
    /// What the other leg gets of a packet of `from`: source and sequence number.
    fn passed(&mut self, from: LegSide, ssrc: u32, sequence: u16) -> (u32, u16) {
        self.now += 20;
        let timestamp = u32::from(sequence) * 160;
        let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc };
        let mut packet = [0; 172 + GROWTH];
        header.write_header(&mut packet).unwrap();
        let (now, source) = (self.at(), address(from));
        let decision = self.session.forward(from, MediaSocket::Rtp, source, &mut packet, 172, now);
        assert!(matches!(decision, Decision::Send { len: 172, .. }), "{decision:?}");
        let packet = rtp_proto::RtpPacket::parse(&packet[..172]).unwrap();
        (packet.ssrc(), packet.sequence())
    }
}

#[test]
fn a_source_that_changes_is_another_one_and_costs_no_loss() {
    for style in [PLAIN, OURS] {
        let mut call = Call::new(style, |_| {});
        let mut told = Vec::new();
        for (ssrc, first) in [(1, 100), (2, 40_000), (1, 110)] {
            let passed: Vec<_> = (first..first + 10).map(|n| call.passed(A, ssrc, n)).collect();
            assert!(passed.iter().all(|(source, _)| *source == passed[0].0));
            let numbers: Vec<_> = passed.iter().map(|(_, number)| *number).collect();
            assert_eq!(numbers, (first..first + 10).collect::<Vec<_>>());
            told.push(passed[0].0);
        }
        assert_eq!(told[0], told[2]);
        assert_ne!(told[0], told[1]);
        assert_eq!(told == [1, 2, 1], style == PLAIN);
        let [a, _] = call.reports();
        assert_eq!((a.received.rtp_packets, a.received.loss.lost), (30, 0), "{style:?}");
    }
}

#[test]
fn where_packets_are_made_a_source_that_changes_or_jumps_goes_on_as_one() {
    for style in [PLAIN, OURS] {
        let mut call = Call::new(style, |legs| legs[1].telephone_event = Some(101));
        let (ours, last) = call.passed(A, 1, 100);
        let now = call.at();
        call.session.send_event(B, 5, Duration::from_millis(40), now, &mut || 9).unwrap();
        let mut next = last;
        // Goes on, another source, forwards and backwards by more than is lost or late.
        for (ssrc, sequence) in [(1, 101), (2, 7), (2, 8), (2, 20_008), (2, 20_009), (2, 900)] {
            next += 1;
            assert_eq!(call.passed(A, ssrc, sequence), (ours, next), "{style:?} {sequence}");
        }
    }
}

#[test]
fn legs_with_the_same_source_are_told_apart() {
    for style in [PLAIN, OURS] {
        let mut call = Call::new(style, |_| {});
        let told: Vec<_> = (1..50)
            .map(|n| {
                // A loses every second one.
                let a = if n % 2 == 0 { call.passed(A, 5, n).0 } else { 0 };
                (a, call.passed(B, 5, n).0)
            })
            .collect();
        let (to_b, to_a) = told[1];
        // A translator shows the legs what they must resolve among themselves; we never collide.
        assert_eq!((to_b == 5, to_a == 5), (style == PLAIN, style == PLAIN));
        let [a, b] = call.reports();
        assert_eq!((a.received.loss.lost, b.received.loss.lost), (23, 0));
    }
}

/// What a compound takes leave of.
fn goodbyes(compound: &[u8]) -> Vec<u32> {
    let leaves = |packet: RtcpPacket<'_>| match packet {
        RtcpPacket::Goodbye(goodbye) => Some(goodbye.sources().collect::<Vec<_>>()),
        _ => None,
    };
    packets(compound).into_iter().filter_map(leaves).flatten().collect()
}

impl Call {
    fn conflicts(&mut self) -> (u32, u32) {
        let SourceConflicts { collisions, loops } = self.session.take_source_conflicts();
        (collisions, loops)
    }
}

/// RFC 3550 section 8.2.
#[test]
fn a_source_of_ours_that_a_leg_uses_too_is_left_for_another() {
    let mut call = Call::new(OURS, |_| {});
    let (ours, _) = call.passed(A, 1, 100);
    let towards_a = call.passed(B, 7, 100).0;
    call.run(6_000, &[]);
    assert!(!call.own_to(B).is_empty(), "the leg knows us");
    call.own.clear();
    assert_eq!(call.passed(B, ours, 101).1, 101, "the packet passes");
    assert!(call.session.take_rtcp_is_nearer());
    assert!(call.session.rtcp_deadline().is_some_and(|at| at <= call.at()), "at once");
    call.serve();
    assert_eq!(goodbyes(call.own_to(B)[0]), [ours]);
    assert!(call.own_to(A).is_empty(), "the other leg knows nothing of it");
    let (new, sequence) = call.passed(A, 1, 101);
    assert!(new != ours && new != 1, "{new:x}");
    assert_eq!(sequence, 101);
    assert_eq!((call.conflicts(), call.conflicts()), ((1, 0), (0, 0)));
    // The next report is the new one's, and what the leg says of it is about the same media.
    call.run(8_000, &[]);
    let report = call.own_to(B).last().map(|report| packets(report)).unwrap();
    assert!(matches!(report[0], RtcpPacket::SenderReport(report) if report.ssrc == new));
    let mut told = Vec::new();
    let block = ReportBlock { ssrc: new, cumulative_lost: 3, ..ReportBlock::default() };
    write_receiver_report(&mut told, ours, &[block]);
    assert_eq!(call.rtcp(B, &told), Decision::Taken);
    let [_, b] = call.reports();
    assert_eq!(b.peer.map(|peer| peer.packets_lost), Some(3));
    assert_ne!(towards_a, call.passed(B, ours, 102).0, "another source of B's is another one to A");
}

#[test]
fn what_comes_back_under_the_new_source_too_is_a_loop_and_changes_nothing() {
    for by_rtcp in [false, true] {
        let mut call = Call::new(OURS, |_| {});
        let echo = |call: &mut Call, sequence: u16| {
            let (ours, _) = call.passed(A, 1, sequence);
            if by_rtcp {
                let report = empty_report(ours);
                assert_eq!(call.rtcp(B, &report), Decision::Taken);
            }
            call.passed(B, ours, sequence);
            call.serve();
            ours
        };
        let sources: Vec<u32> = (100..200).map(|sequence| echo(&mut call, sequence)).collect();
        assert_ne!(sources[0], sources[1]);
        assert!(sources[1..].iter().all(|ours| *ours == sources[1]), "{by_rtcp}");
        let (collisions, loops) = call.conflicts();
        assert_eq!((collisions, loops > 0), (1, true), "{by_rtcp}: {loops}");
        // Ten intervals without another one: it may be a collision again.
        call.run(50_000 - 20, &[]);
        let (ours, _) = call.passed(A, 1, 200);
        call.passed(B, 99, 200);
        call.now += 60;
        call.passed(B, ours, 201);
        call.serve();
        assert_ne!(call.passed(A, 1, 201).0, ours);
        assert_eq!(call.conflicts().0, 1);
    }
}

#[test]
fn a_source_of_what_is_made_is_changed_too_and_its_numbers_go_on() {
    for style in [PLAIN, OURS] {
        let mut call = Call::new(style, |legs| legs[1].telephone_event = Some(101));
        let (ours, _) = call.passed(A, 1, 100);
        let now = call.at();
        call.session.send_event(B, 5, Duration::from_millis(40), now, &mut || 9).unwrap();
        call.passed(B, ours, 100);
        call.serve();
        let (new, sequence) = call.passed(A, 1, 101);
        assert_eq!((new == ours, sequence), (false, 101), "{style:?}");
        // What passes to A as it is collides there too.
        assert_eq!(call.conflicts(), (if style == PLAIN { 2 } else { 1 }, 0), "{style:?}");
    }
}

#[test]
fn a_translator_has_no_source_of_its_own_to_change() {
    let mut call = Call::new(RtcpStyle::Translator, |_| {});
    assert_eq!((call.passed(A, 5, 100).0, call.passed(B, 5, 100).0), (5, 5));
    assert!(!call.session.take_rtcp_is_nearer());
    assert_eq!(call.conflicts(), (0, 0));
}
