"""RTCP of the relay's own: a real client calls through the edge to a carrier that sends none."""

import pytest

from harness import places
from harness.waiting import wait_until


@pytest.mark.parametrize("customer,style", [
    ("pjsua", "auto"), ("baresip", "auto"), ("pjsua", "back-to-back"), ("baresip", "back-to-back"),
])
def test_a_carrier_without_rtcp_leaves_the_customer_its_round_trip(stage, customer, style):
    """sipp sends RTP alone. The client gets the relay's reports and answers them, so that its round
    trip and what it lost are known; and it learns its own round trip from them."""
    carrier = stage.uas(places.CARRIER)
    stage.configuration.carriers[0].update(port=carrier.port)
    stage.configuration.media.update(rtcp=style)
    edge = stage.start_edge()
    number = f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}"
    if customer == "pjsua":
        pbx = stage.pjsua(places.PBX, "pbx", 440)
        pbx.do("call", uri=number)
    else:
        pbx = stage.baresip(places.BARESIP, "pbx", 440)
        pbx.do("dial", number)

    def known():
        call, = edge.calls() or [None]
        return call and call["customer"] and call["customer"]["rtt_us"] is not None

    # Two silent intervals of five seconds, and then as long as the client waits with its answer.
    wait_until(known, 40, lambda: f"a round trip of the customer: {edge.calls()}")
    if customer == "pjsua":
        told = pbx.statistics()
        assert told["lost"] == 0, told
        assert 0 < told["rtt_us"] < 100_000, told
    pbx.do("hangup")
    carrier.wait(10)
    record, = edge.wait_records(1)
    edge.wait_idle()
    line, = edge.last_media_lines().values()
    assert 0 <= line["rtt_btwn_vc_and_cust"] < 100_000, line
    assert line["vc2cust_packets_lost"] == 0, line
    assert line["vc2cust_jitter"] is not None
    assert line["vc2cust_rtcp_packets"] >= 1 and line["cust2vc_rtcp_packets"] >= 1
    # Nothing is made up of a side that says nothing.
    assert line["rem2vc_rtcp_packets"] == 0
    assert line["rtt_btwn_vc_and_rem"] is None and line["vc2rem_packets_lost"] is None
    near, far = record["quality"]
    assert near["rtt_us"] is not None and far["rtt_us"] is None
    for packets in ("cust2vc_rtp_packets", "rem2vc_rtp_packets"):
        assert line[packets] > 200, line
    assert line["cust2vc_packets_lost"] == 0 and line["mos_btwn_vc_and_cust"] >= 4.0
