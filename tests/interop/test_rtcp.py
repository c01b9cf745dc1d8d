"""RTCP of the relay's own: a real client calls through the edge to a carrier that sends none."""

import struct

import pytest

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until


@pytest.mark.parametrize("customer,style", [
    ("pjsua", "auto"), ("baresip", "auto"), ("pjsua", "back-to-back"), ("baresip", "back-to-back"),
    ("pjsua with SRTP", "auto"),
])
def test_a_carrier_without_rtcp_leaves_the_customer_its_round_trip(stage, customer, style):
    """sipp sends RTP alone. The client gets the relay's reports and answers them, so that its round
    trip and what it lost are known; and it learns its own round trip from them."""
    carrier = stage.uas(places.CARRIER)
    stage.configuration.carriers[0].update(port=carrier.port)
    stage.configuration.media.update(rtcp=style)
    edge = stage.start_edge()
    number = f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}"
    if customer.startswith("pjsua"):
        pbx = stage.pjsua(places.PBX, "pbx", 440, srtp="SRTP" in customer)
        pbx.do("call", uri=number)
    else:
        pbx = stage.baresip(places.BARESIP, "pbx", 440)
        pbx.do("dial", number)

    def known():
        call, = edge.calls() or [None]
        return call and call["customer"] and call["customer"]["rtt_us"] is not None

    # Two silent intervals of five seconds, and then as long as the client waits with its answer.
    wait_until(known, 40, lambda: f"a round trip of the customer: {edge.calls()}")
    if customer.startswith("pjsua"):
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


# RFC 3611 section 4.7, after the source: rates, durations, delays, levels, scores, jitter buffer.
VOIP_METRICS = "!BBHI4B4H2b2B4BBx3H"


def voip_metrics(compound):
    """The values of the VoIP metrics in a compound; `None` without any."""
    while compound:
        kind, words = compound[1], struct.unpack("!H", compound[2:4])[0]
        packet, compound = compound[:4 * words + 4], compound[4 * words + 4:]
        blocks = packet[8:] if kind == 207 else b""
        while blocks:
            words = struct.unpack("!H", blocks[2:4])[0]
            if blocks[0] == 7:
                return struct.unpack(VOIP_METRICS, blocks[:36])[3:]
            blocks = blocks[4 * words + 4:]
    return None


def test_who_asks_for_voip_metrics_gets_them_and_its_own_are_kept(stage):
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    near, far = stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 1_000)
    offer = sdp(caller.ip, near.port) + b"a=rtcp-xr:voip-metrics\r\n"
    call = OutgoingCall(caller, edge, places.US_NUMBER, offer)
    invite = gateway.expect_request("INVITE")
    assert b"a=rtcp-xr:voip-metrics" in invite.body, "what the caller asks for is passed on"
    gateway.reply(invite, 200, "OK", sdp(gateway.ip, far.port))
    call.answered()
    assert b"a=rtcp-xr:voip-metrics" in call.answer.body, "the relay has them, if the carrier has not"
    gateway.expect(lambda m: m.status is None and m.method == "ACK")
    near.start(call.answer.media())
    far.start(invite.media())
    near.rtcp.settimeout(30)
    report, source = near.rtcp.recvfrom(2_048)
    ip, port = call.answer.media()
    assert source == (ip, port + 1)
    told = voip_metrics(report)
    assert told, report
    assert told[0] == near.ssrc and told[1:5] == (0, 0, 0, 0), told
    r_factor, external, mos_lq, mos_cq = told[13:17]
    assert 85 <= r_factor <= 95 and external == 127, told
    assert 40 <= mos_cq <= mos_lq <= 45, told

    metrics = struct.pack(VOIP_METRICS, 7, 0, 8, far.ssrc, 3, 26, 0, 0, 0, 0, 0, 30, -20, -60, 55, 16,
                          80, 127, 127, 39, 0, 60, 90, 200)
    empty = struct.pack("!BBHI", 0x80, 201, 1, near.ssrc)
    extended = struct.pack("!BBHI", 0x80, 207, 1 + len(metrics) // 4, near.ssrc) + metrics
    near.rtcp.sendto(empty + extended, source)
    # It is passed on to the carrier as well.
    far.rtcp.settimeout(10)
    passed = iter(lambda: far.rtcp.recv(2_048), None)
    assert next(compound for compound in passed if voip_metrics(compound))
    stage.hang_up(call, gateway)
    record, = edge.wait_records(1)
    edge.wait_idle()
    near_quality, far_quality = record["quality"]
    assert far_quality["peer_metrics"] is None
    kept = near_quality["peer_metrics"]
    assert (kept["r_factor"], kept["mos_lq"], kept["mos_cq"]) == (80, None, 3.9), kept
    assert (kept["jitter_buffer_ms"], kept["end_system_delay_ms"]) == (60, 30), kept
    assert kept["discard_ratio"] == pytest.approx(26 / 256, abs=0.001), kept


def test_a_webrtc_endpoint_gets_reports_on_its_one_port_under_its_keys(stage):
    """DTLS-SRTP and rtcp-mux: SRTCP of ours beside the media that a plain carrier sends."""
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    web = stage.webrtc(places.PBX, 440)
    plain = stage.rtp(places.CARRIER, 1_000)
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, web.offer())
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 200, "OK", sdp(plain.ip, plain.port))
    web.take(call.answered().body)
    gateway.expect_request("ACK")
    plain.start(invite.media())
    web.wait_connected()
    wait_until(lambda: (edge.calls()[0]["customer"] or {}).get("rtt_us") is not None, 40,
               lambda: f"a round trip of the customer: {edge.calls()}")
    stage.hang_up(call, gateway)
    record, = edge.wait_records(1)
    edge.wait_idle()
    near, far = record["quality"]
    assert near["rtt_us"] < 500_000 and near["peer_lost_packets"] == 0, near
    assert near["sent_rtcp_packets"] >= 1 and near["unauthentic"] == 0, near
    assert far["received_rtcp_packets"] == 0 and far["rtt_us"] is None, far
