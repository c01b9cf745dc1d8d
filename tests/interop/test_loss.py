"""Loss on the way to the edge is measured as what it is, and rated as G.107 does."""

import pytest

from harness import places
from harness.waiting import wait_until

PACKETS = 400


def g711_mos(loss_percent):
    """ITU-T G.107 (2015) with all defaults, G.711 with its Appendix I concealment (Ie 0, Bpl 25.1),
    random loss and short delay: R = Ro − Is − Id − Ie,eff, with Ro − Is − Id = 93.2."""
    effective = 95 * loss_percent / (loss_percent + 25.1)
    r = 93.2 - effective
    return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6


@pytest.mark.parametrize("every", [10, 20])
def test_loss_is_measured_and_rated(stage, every):
    """Every n-th packet of the customer does not arrive; the carrier's side is clean."""
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    # The last packets are not lost: a loss at the end shows in nothing.
    near = stage.rtp(places.PBX, 440, drop=lambda n: n % every == every // 2)
    far = stage.rtp(places.CARRIER, 1_000)
    call, invite = stage.established(caller, gateway, rtp=near, carrier_rtp=far)
    near.start(call.answer.media(), PACKETS)
    far.start(invite.media(), PACKETS)
    wait_until(lambda: near.counted == PACKETS and far.counted == PACKETS, 20, "all is sent")
    stage.hang_up(call, gateway)
    edge.wait_records(1)
    edge.wait_idle()
    line, = edge.last_media_lines().values()
    # What comes before the relay has its plan is dropped and counted, and is no loss of the path:
    # at most the first packet or two, when the machine is busy.
    early = edge.metric("tandem_relay_dropped_packets_total")
    assert early <= 6
    lost = PACKETS // every
    assert PACKETS - lost - early <= line["cust2vc_rtp_packets"] <= PACKETS - lost
    assert line["cust2vc_packets_lost"] == lost
    assert line["vc2rem_rtp_packets"] == line["cust2vc_rtp_packets"] == len(far.received)
    assert line["rem2vc_packets_lost"] == 0
    assert line["vc2cust_rtp_packets"] == line["rem2vc_rtp_packets"] == len(near.received)
    # On a busy machine the test's own pacing has jitter, and jitter costs some of the score.
    for side, percent in (("cust", 100 / every), ("rem", 0)):
        missing = g711_mos(percent) - line[f"mos_btwn_vc_and_{side}"]
        assert -0.1 < missing < 0.3, line
    # In microseconds, and losses are no jitter.
    assert line["cust2vc_jitter"] < 200_000, line
    record, = edge.call_records()
    near_quality = record["quality"][0]
    assert near_quality["expected_packets"] == near_quality["received_packets"] + lost
