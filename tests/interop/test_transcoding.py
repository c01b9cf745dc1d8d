"""Real clients without a common format talk through the edge, which transcodes."""

import pytest

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.tones import assert_hears
from harness.waiting import wait_until

PBX_HERTZ, CARRIER_HERTZ = 440, 1_000
LISTEN = 1.5


def transcode(stage, formats=None):
    media = {"transcode": "needed"}
    if formats:
        media["transcode_formats"] = formats
    stage.configuration.connector["media"] = media


def party(stage, kind, ip, name, hertz, **options):
    program, codec = kind.split(":")
    return getattr(stage, program)(ip, name, hertz, codec=codec, **options)


def call(stage, near, far):
    """An outbound call from `near` to `far`, programs with their only formats; (caller, called)."""
    near_ip, ip = [places.BARESIP if kind.startswith("baresip") else other
                   for kind, other in ((near, places.PBX), (far, places.CARRIER))]
    carrier = party(stage, far, ip, "carrier", CARRIER_HERTZ, user=places.US_NUMBER)
    stage.configuration.carriers[0].update(host=ip, port=carrier.port, transport="udp",
                                           inbound_cidrs=[f"{places.CARRIER}/32"])
    edge = stage.start_edge()
    pbx = party(stage, near, near_ip, "pbx", PBX_HERTZ)
    pbx.do("dial" if near.startswith("baresip") else "call",
           **_where(near, f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}"))
    established(pbx, near)
    established(carrier, far)
    return pbx, carrier


def _where(kind, uri):
    return {"params": uri} if kind.startswith("baresip") else {"uri": uri}


def established(client, kind):
    if kind.startswith("baresip"):
        client.wait("CALL_ESTABLISHED")
    else:
        client.wait("state", state="CONFIRMED")


def assert_both_hear(pbx, carrier):
    assert_hears(*carrier.wait_heard(LISTEN), PBX_HERTZ, CARRIER_HERTZ)
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)


@pytest.mark.parametrize("near, far, codecs", [
    ("pjsua:PCMU", "pjsua:PCMA", ["PCMU", "PCMA"]),
    ("pjsua:G722", "pjsua:PCMA", ["G722", "PCMA"]),
    ("pjsua:PCMA", "pjsua:G722", ["PCMA", "G722"]),
    ("pjsua:PCMU", "baresip:opus/48000/2", ["PCMU", "opus"]),
    ("baresip:opus/48000/2", "pjsua:PCMU", ["opus", "PCMU"]),
    ("baresip:opus/48000/2", "pjsua:G722", ["opus", "G722"]),
    ("pjsua:PCMU", "baresip:L16/16000/1", ["PCMU", "L16"]),
    ("baresip:L16/16000/1", "pjsua:PCMU", ["L16", "PCMU"]),
])
def test_clients_without_a_common_format_hear_each_other(stage, near, far, codecs):
    transcode(stage, ["PCMU", "PCMA", "G722", "opus", "L16/16000"])
    pbx, carrier = call(stage, near, far)
    assert_both_hear(pbx, carrier)
    edge = stage.edge
    assert edge.metric("tandem_relay_transcoded_streams") == 1
    pbx.do("hangup")
    record, = edge.wait_records(1)
    edge.wait_idle()
    assert [quality["codec"] for quality in record["quality"]] == codecs
    assert [quality["transcoded"] for quality in record["quality"]] == codecs
    for quality in record["quality"]:
        assert quality["lost_packets"] == 0, quality
    wait_until(lambda: edge.metric("tandem_relay_transcoded_streams") == 0, 5, "the stream's end")


@pytest.mark.parametrize("near, far, codecs", [
    ("pjsua:PCMU", "pjsua:PCMA", ["PCMU", "PCMA"]),
    ("baresip:opus/48000/2", "pjsua:PCMU", ["opus", "PCMU"]),
])
def test_a_carrier_alone_asks_for_transcoding(stage, near, far, codecs):
    stage.configuration.carriers[0].update(transcode="needed")
    pbx, carrier = call(stage, near, far)
    assert_both_hear(pbx, carrier)
    pbx.do("hangup")
    record, = stage.edge.wait_records(1)
    stage.edge.wait_idle()
    assert [quality["transcoded"] for quality in record["quality"]] == codecs


def test_a_carrier_without_transcoding_sees_what_the_customer_offers(stage):
    transcode(stage)
    carrier = stage.carrier_peer()
    stage.configuration.carriers[0].update(transcode="off")
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(caller.ip, 30_000))
    invite = carrier.expect_request("INVITE")
    assert b" RTP/AVP 0\r\n" in invite.body, invite.body
    carrier.reply(invite, 200, "OK", sdp(carrier.ip, 40_000))
    call.answered()
    carrier.expect_request("ACK")
    stage.hang_up(call, carrier)
    edge.wait_records(1)
    edge.wait_idle()


def test_each_leg_gets_packets_of_the_duration_that_it_asks_for(stage):
    """A carrier that wants 40 ms and sends 20 all the same, with a customer that wants 20."""
    stage.configuration.connector["media"] = {"repacketise": True}
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    near, far = stage.rtp(places.PBX, PBX_HERTZ), stage.rtp(places.CARRIER, CARRIER_HERTZ)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(caller.ip, near.port))
    invite = carrier.expect_request("INVITE")
    answer = sdp(carrier.ip, far.port).replace(b"a=ptime:20", b"a=ptime:40")
    carrier.reply(invite, 200, "OK", answer)
    call.answered()
    carrier.expect_request("ACK")
    near.start(call.answer.media(), 100)
    far.start(invite.media(), 100)
    wait_until(lambda: len(far.received) == 50 and len(near.received) == 100, 10,
               lambda: f"{len(far.received)} and {len(near.received)} packets")
    assert {len(packet) for packet in far.received} == {12 + 320}
    assert_hears(*far.heard(), PBX_HERTZ, CARRIER_HERTZ)
    assert_hears(*near.heard(), CARRIER_HERTZ, PBX_HERTZ)
    stage.hang_up(call, carrier)
    record, = edge.wait_records(1)
    edge.wait_idle()
    assert [side["lost_packets"] for side in record["quality"]] == [0, 0]
