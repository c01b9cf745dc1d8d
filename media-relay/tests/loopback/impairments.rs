//! Known impairments through sockets on loopback.

use super::impaired::hop::Hop;
use super::impaired::{HARM, Impaired, PACED, Way};
use super::{Endpoint, Rig};

/// Runs a stream from A to B.
fn through(hop: Hop, packets: u64, seed: u64, ports: u16, is_paced: bool) {
    let rig = Rig::new("127.0.0.1", ports..=ports + 49, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let way = Way { sender: &a.rtp, relay: local[0].rtp, receiver: &b.rtp };
    let passage = hop.pass(packets, seed);
    let mut stream = Impaired::default();
    stream.unharmed(way);
    if is_paced {
        stream.pace(way, &passage);
    } else {
        stream.hurry(way, &passage);
    }
    let [report, other] = rig.release(1);
    stream.agrees(&report, &passage);
    if is_paced {
        stream.scores(&report, &passage);
    }
    assert_eq!(other.sent.rtp_packets, stream.sent);
}

#[test]
fn bursts_duplicates_and_order_are_reported_exactly() {
    for seed in 1..=3 {
        through(HARM, 400, seed, 22_000, false);
    }
}

#[test]
fn jitter_of_a_paced_stream_is_that_of_its_arrivals() {
    through(PACED, 100, 1, 22_100, true);
}
