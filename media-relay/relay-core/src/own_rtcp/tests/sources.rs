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
