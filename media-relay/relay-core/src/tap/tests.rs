use super::*;
use crate::{Decision, LearningPolicy};
use model::{LegPlan, LegSecurity, MediaId, MediaPlan, TransactionId, XrWishes};
use proptest::prelude::*;
use rtp_proto::RtpHeader;
use std::collections::VecDeque;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn tapped(number: u64) -> Tapped {
    Tapped {
        from: if number.is_multiple_of(2) { LegSide::A } else { LegSide::B },
        socket: if number.is_multiple_of(5) { MediaSocket::Rtcp } else { MediaSocket::Rtp },
        kind: [PacketKind::Rtp, PacketKind::Rtcp, PacketKind::Udptl][number as usize % 3],
        source: match number % 4 {
            0 => address("192.0.2.1:4000"),
            1 => address("[2001:db8::1]:65535"),
            // Said so by the socket, and not to be made plain IPv4.
            2 => address("[::ffff:192.0.2.1]:1"),
            _ => address("255.255.255.255:0"),
        },
        arrival: Instant::from_nanos(number.wrapping_mul(0x1234_5678_9abc)),
    }
}

proptest! {
    /// Whatever fits comes out as it went in, in its order; the rest is counted.
    #[test]
    fn a_ring_gives_back_what_it_took(
        steps in prop::collection::vec((0_usize..1_600, 0_usize..4), 1..400),
    ) {
        let (mut writer, mut reader) = ring(8_192);
        let (mut waiting, mut lost, mut out) = (VecDeque::new(), 0, vec![7; 3]);
        for (number, (len, reads)) in steps.into_iter().enumerate() {
            let number = number as u64;
            let octets: Vec<u8> = (0..len).map(|at| (at as u64 ^ number) as u8).collect();
            let used: usize = waiting.iter().map(|(_, o): &(Tapped, Vec<u8>)| 32 + o.len().div_ceil(8) * 8).sum();
            let fits = used + 32 + len.div_ceil(8) * 8 <= 8_192;
            prop_assert_eq!(writer.write(&tapped(number), &octets), fits);
            if fits {
                waiting.push_back((tapped(number), octets));
            } else {
                lost += 1;
            }
            for _ in 0..reads {
                let found = reader.read(&mut out).map(|tapped| (tapped, out.clone()));
                prop_assert_eq!(found, waiting.pop_front());
            }
            prop_assert_eq!(reader.lost(), lost);
        }
        drop(writer);
        prop_assert!(reader.is_closed());
        while let Some(expected) = waiting.pop_front() {
            let found = reader.read(&mut out).map(|tapped| (tapped, out.clone()));
            prop_assert_eq!(found, Some(expected));
        }
        prop_assert_eq!(reader.read(&mut out), None);
    }
}

fn leg(remote: &str) -> LegPlan {
    LegPlan {
        remote_rtp: Some(address(remote)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: Vec::new(),
        telephone_event: Some(101),
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

struct World {
    session: RtpSession,
    sequence: u16,
}

impl World {
    fn new() -> Self {
        let id = TransactionId::from_random(1);
        let policy = LearningPolicy::default();
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, policy);
        session.apply(&MediaPlan::rtp([leg(A), leg(B)]), Instant::ZERO);
        World { session, sequence: 0 }
    }

    fn send(&mut self, from: LegSide, source: &str, payload_type: u8) -> (Decision, Vec<u8>) {
        self.sequence += 1;
        let (marker, sequence, timestamp) = (false, self.sequence, 0);
        let header = RtpHeader { payload_type, marker, sequence, timestamp, ssrc: 7 };
        let mut octets = header.to_bytes().to_vec();
        octets.extend_from_slice(b"speech");
        let sent = octets.clone();
        let (len, at) = (octets.len(), Instant::from_millis(u64::from(sequence) * 20));
        let socket = MediaSocket::Rtp;
        (self.session.forward(from, socket, address(source), &mut octets, len, at), sent)
    }
}

#[test]
fn what_passes_from_a_tapped_leg_is_copied_and_nothing_else() {
    let mut world = World::new();
    let mut blocking = MediaPlan::rtp([leg(A), leg(B)]);
    blocking.blocked_events = [true, false];
    world.session.apply(&blocking, Instant::ZERO);
    let (writer, mut reader) = ring(65_536);
    world.session.tap(writer, [true, false]);
    let mut out = Vec::new();
    let (decision, sent) = world.send(LegSide::A, A, 0);
    assert!(matches!(decision, Decision::Send { .. }));
    let found = reader.read(&mut out).unwrap();
    let arrival = Instant::from_millis(20);
    let expected = Tapped::rtp(LegSide::A, address(A), arrival);
    assert_eq!((found, &out), (expected, &sent));
    // A stranger, an event that is kept back, the other leg.
    for (from, source, payload_type) in
        [(LegSide::A, "203.0.113.9:4000", 0), (LegSide::A, A, 101), (LegSide::B, B, 0)]
    {
        world.send(from, source, payload_type);
        assert_eq!(reader.read(&mut out), None);
    }
    assert!(world.session.retap([false, true]));
    world.send(LegSide::A, A, 0);
    world.send(LegSide::B, B, 0);
    assert_eq!(reader.read(&mut out).map(|tapped| tapped.from), Some(LegSide::B));
    assert_eq!((reader.read(&mut out), reader.lost()), (None, 0));
    world.session.untap();
    assert!(reader.is_closed() && !world.session.retap([true; 2]));
}

#[test]
fn a_tapped_direction_leaves_the_fast_path_and_comes_back() {
    let mut world = World::new();
    for _ in 0..200 {
        world.send(LegSide::A, A, 0);
        world.send(LegSide::B, B, 0);
    }
    let later = Instant::from_millis(20_000);
    let is_fast =
        |world: &World| LegSide::BOTH.map(|leg| world.session.fast_forward(leg, later).is_some());
    assert_eq!(is_fast(&world), [true, true]);
    let (writer, _reader) = ring(65_536);
    world.session.tap(writer, [true, false]);
    assert_eq!(is_fast(&world), [false, true]);
    world.session.retap([true, true]);
    assert_eq!(is_fast(&world), [false, false]);
    world.session.retap([false, false]);
    assert_eq!(is_fast(&world), [true, true], "a pause");
    world.session.retap([true, true]);
    world.session.untap();
    assert_eq!(is_fast(&world), [true, true]);
}
