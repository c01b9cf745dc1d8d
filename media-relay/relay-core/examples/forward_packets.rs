//! Forwards N packets of a latched call, for instruction counts:
//! `valgrind --tool=callgrind target/release/examples/forward_packets 10000`, the same with 20000,
//! and the difference divided by 10000 is the cost of one.

use model::{Codec, CodecMapping, Instant, LegPlan, LegSide, MediaId, MediaPlan, TransactionId};
use relay_core::{Decision, LearningPolicy, MediaSocket, RtpSession};
use rtp_proto::RtpHeader;
use std::env;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

fn main() {
    let times: u32 = env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let ends: [SocketAddr; 2] = [([192, 0, 2, 1], 4_000).into(), ([198, 51, 100, 1], 5_000).into()];
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.apply(&MediaPlan::rtp(ends.map(leg)), Instant::ZERO);
    let mut packet = [0_u8; 172];
    let mut sent = 0;
    for number in 0..times {
        let side = if number % 2 == 0 { LegSide::A } else { LegSide::B };
        let round = number / 2;
        let header = RtpHeader {
            payload_type: 0,
            marker: round == 0,
            sequence: round as u16,
            timestamp: round.wrapping_mul(160),
            ssrc: number % 2 + 7,
        };
        header.write_header(&mut packet);
        let now = Instant::from_millis(u64::from(round) * 20);
        let source = black_box(ends[side.index()]);
        let packet = black_box(&mut packet);
        if let Decision::Send { len, .. } =
            session.forward(side, MediaSocket::Rtp, source, packet, 172, now)
        {
            sent += len;
        }
    }
    assert!(black_box(sent) > 0, "every packet was dropped");
}

fn leg(remote: SocketAddr) -> LegPlan {
    LegPlan {
        remote_rtp: Some(remote),
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
        telephone_event: Some(101),
        xr: model::XrWishes::default(),
        security: model::LegSecurity::Plain,
        ice: None,
    }
}
