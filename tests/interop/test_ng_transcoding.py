"""Formats and packets that a proxy asks the relay for."""

import pytest

from harness import places
from harness.ng import RELAY
from harness.tones import assert_hears
from harness.waiting import wait_until
from test_ng import (CALLED_HERTZ, CALLER_HERTZ, PROXY, client_of, port_of, proxy_between, relay_of,
                     sdp, wait_no_ports)


@pytest.mark.parametrize("kind", ["tandem", "rtpengine"])
@pytest.mark.parametrize("flags", ["codec-mask-PCMU codec-transcode-PCMA", "transcode=PCMA"],
                         ids=["flags", "keys"])
def test_kamailio_has_audio_transcoded(stage, kind, flags):
    """The caller has PCMU alone and the called side PCMA alone; the same kamailio.cfg with both relays."""
    relay = relay_of(kind, stage)
    called = stage.pjsua(places.CARRIER, "called", CALLED_HERTZ, codec="PCMA")
    proxy = proxy_between(stage, relay, called.port, offer=f" {flags}")
    caller = stage.pjsua(places.PBX, "caller", CALLER_HERTZ, codec="PCMU")
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{PROXY}:{proxy.port}")
    incoming = called.wait("incoming")["request"]
    line = next(line for line in incoming.splitlines() if line.startswith("m=audio"))
    assert "8" in line.split()[3:], line
    assert "0" not in line.split()[3:] or "mask" not in flags, line
    caller.wait("state", state="CONFIRMED")
    assert_hears(*caller.wait_heard(2), CALLED_HERTZ, CALLER_HERTZ)
    assert_hears(*called.wait_heard(2), CALLER_HERTZ, CALLED_HERTZ)
    if kind == "tandem":
        assert "means nothing here" not in relay.log(), relay.log()
        current = client_of(stage, relay).ok("statistics")["statistics"]["currentstatistics"]
        assert current["transcodedmedia"] == 1, current
    caller.do("hangup")
    called.wait("state", state="DISCONNECTED")
    wait_no_ports(relay)


def test_packets_are_as_long_as_the_proxy_asks(stage):
    relay = relay_of("tandem", stage)
    client = client_of(stage, relay)
    near, far = stage.rtp(places.PBX, CALLER_HERTZ), stage.rtp(places.CARRIER, CALLED_HERTZ)
    offer = client.ok("offer", call_id="c", from_tag="a", ptime=40,
                      sdp=sdp(near.ip, near.port, "a=ptime:20\r\n"))
    assert "a=ptime:40\r\n" in offer["sdp"] and "a=ptime:20" not in offer["sdp"]
    answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b",
                       sdp=sdp(far.ip, far.port, "a=ptime:40\r\n"))
    near.start((RELAY, port_of(answer["sdp"])))
    far.start((RELAY, port_of(offer["sdp"])))
    wait_until(lambda: len(far.received) > 40 and len(near.received) > 40, 10, lambda: "media")
    assert {len(packet) for packet in far.received[2:]} == {12 + 320}
    assert {len(packet) for packet in near.received[2:]} == {12 + 160}
    assert_hears(*far.heard(), CALLER_HERTZ, CALLED_HERTZ)
    client.ok("delete", call_id="c", from_tag="a")
