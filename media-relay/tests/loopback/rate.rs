//! A leg that sends more than a leg may.

use super::*;

#[test]
fn a_leg_that_floods_is_capped_and_the_other_is_not() {
    const MOST: u16 = 600;
    let rig = Rig::new("127.0.0.1", 22_200..=22_249, |config| {
        config.max_packets_per_second = u32::from(MOST);
        config.live_interval = Duration::ZERO;
    });
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let mut sent = 0;
    while rig.relay.statistics().dropped(DropReason::RateExceeded) < 10 {
        assert!(sent < 60_000, "the cap holds");
        a.send(local[0].rtp, sent);
        // The other leg, which is not concerned, waits for the relay.
        if sent % 10 == 0 {
            b.send(local[1].rtp, sent);
            assert_eq!(a.receive().0, rtp(sent));
        }
        sent += 1;
    }
    assert!(sent > MOST, "a whole burst passes: {sent}");
    let [leg_a, leg_b] = rig.release(1);
    assert!(leg_b.sent.rtp_packets >= u64::from(MOST));
    assert!(leg_a.received.rtp_packets >= leg_b.sent.rtp_packets + 10, "it came all the same");
    assert_eq!(leg_b.received.rtp_packets, leg_a.sent.rtp_packets);
}
