//! Known impairments while the kernel forwards.

use super::impaired::hop::Hop;
use super::impaired::{HARM, Impaired, PACED, Way};
use super::{End, Rig};

fn through(hop: Hop, packets: u64, seed: u64, v6: bool, is_paced: bool) {
    let Some(rig) = Rig::new(v6) else { return };
    let way = Way {
        sender: rig.end(End::Caller),
        relay: rig.relay_at(End::Caller),
        receiver: rig.end(End::Callee),
    };
    let mut stream = Impaired::default();
    // While an entry settles, its notes wait: a stream must not fill its ring in that time.
    rig.until("the kernel forwards", || {
        stream.unharmed(way);
        rig.fast_packets() > 0
    });
    rig.until("all is counted", || rig.relay.statistics().rtp_packets == stream.sent);
    let before = rig.fast_packets();
    let passage = hop.pass(packets, seed);
    if is_paced {
        stream.pace(way, &passage);
    } else {
        stream.hurry(way, &passage);
    }
    // The worker reads the last notes.
    rig.until("all is counted", || rig.relay.statistics().rtp_packets == stream.sent);
    let by_the_kernel = rig.fast_packets() - before;
    // Beyond what the ring takes between two turns of the worker, packets go through the sockets.
    let least = if is_paced { passage.deliveries.len() as u64 / 2 } else { 1 };
    assert!(by_the_kernel >= least, "{by_the_kernel}");
    let [report, other] = rig.release();
    stream.agrees(&report, &passage);
    if is_paced {
        stream.scores(&report, &passage);
    }
    assert_eq!(other.sent.rtp_packets, stream.sent);
    assert_eq!(rig.relay.statistics().unmeasured_packets, 0);
}

#[test]
fn bursts_duplicates_and_order_are_reported_exactly_over_both_paths_at_once() {
    for seed in 1..=3 {
        through(HARM, 400, seed, false, false);
    }
    through(HARM, 400, 4, true, false);
}

#[test]
fn jitter_of_a_paced_stream_is_that_of_its_arrivals() {
    through(PACED, 100, 1, false, true);
}

#[test]
fn a_stream_that_is_too_fast_for_its_ring_goes_over_to_the_kernel_without_a_seam() {
    let Some(rig) = Rig::new(false) else { return };
    let way = Way {
        sender: rig.end(End::Caller),
        relay: rig.relay_at(End::Caller),
        receiver: rig.end(End::Callee),
    };
    // Thousands a second, from the first packet on and through the handover.
    let mut stream = Impaired::default();
    rig.until("the kernel forwards some of it", || {
        stream.unharmed_at_once(way);
        rig.fast_packets() > 200
    });
    let passage = HARM.pass(400, 5);
    stream.hurry(way, &passage);
    let [report, _] = rig.release();
    stream.agrees(&report, &passage);
}
