"""Calls with keys, over TLS and with video, whose edge is killed and started again: the relay goes on
with them, and the edge takes them up with keys that no disk has seen in the clear."""

import re

import pytest

from harness import places, tls
from harness.message import sdp
from harness.rtp import lost
from harness.sip import OutgoingCall
from harness.tones import assert_hears
from harness.video import VideoEndpoint
from harness.waiting import wait_until

PBX_HERTZ, CARRIER_HERTZ = 440, 1_000
LISTEN = 1.5


def kept(edge):
    return (edge.data_dir / "kept-calls.jsonl").read_text()


def assert_no_secret_is_kept(edge):
    wait_until(lambda: "sealed" in kept(edge), 5, "the call is kept")
    text = kept(edge)
    assert not re.search("inline:|a=crypto|ice-pwd", text), text


def assert_plain_hears(rtp):
    before = len(rtp.received)
    wait_until(lambda: len(rtp.received) >= before + LISTEN * 50, 10, "audio at the carrier")
    samples, rate = rtp.heard()
    assert_hears(samples[-rate:], rate, PBX_HERTZ, CARRIER_HERTZ)


class Carrier:
    """A plain carrier that is scripted, so that each of its packets is counted."""

    def __init__(self, stage):
        self.peer = stage.carrier_peer()
        self.rtp = stage.rtp(places.CARRIER, CARRIER_HERTZ)

    def answer(self):
        self.invite = self.peer.expect_request("INVITE")
        assert b" RTP/AVP " in self.invite.body, self.invite
        self.peer.reply(self.invite, 200, "OK", sdp(places.CARRIER, self.rtp.port))
        self.peer.expect_request("ACK")
        self.rtp.start(self.invite.media())

    def held(self, direction, answer, version):
        """Takes a re-INVITE that asks for this direction."""
        invite = self.peer.expect_request("INVITE")
        assert f"a={direction}".encode() in invite.body, invite.body
        self.peer.reply(invite, 200, "OK", sdp(places.CARRIER, self.rtp.port, answer, version))
        self.peer.expect_request("ACK")

    def ends(self):
        self.peer.reply(self.peer.expect_request("BYE"), 200, "OK")

    def hang_up(self, edge):
        from harness.sip import send_bye_from_called_side

        send_bye_from_called_side(self.peer, self.invite, edge)
        assert self.peer.expect(lambda m: m.status == 200 and m.method == "BYE")


def assert_whole(edge):
    """The record is of the whole call, and no packet of it is missing."""
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200, record["end"]
    for quality in record["quality"]:
        assert quality["received_packets"] > 200 and quality["lost_packets"] == 0, quality
        # baresip's first RTCP packet may be in the clear, see test_encrypted_baresip.py.
        assert quality["unauthentic"] <= 1, quality
    return record


@pytest.mark.parametrize("first", ["pbx", "carrier"])
def test_a_call_of_baresip_over_tls_outlives_its_edge(stage, halves, encrypted, first):
    port, options, kind = encrypted
    carrier = Carrier(stage)
    pbx = stage.baresip(places.BARESIP, "pbx", PBX_HERTZ, **options)
    stage.configuration.origination[0].update(
        host=places.BARESIP, port=pbx.tls_port, protocol="tls",
        tls_ca=str(options["authority"]), srtp="dtls" if kind.startswith("dtls") else "required")
    edge = stage.start_edge()
    pbx.do("dial", f"sip:{places.US_NUMBER}@{places.EDGE}:{port};transport=tls")
    carrier.answer()
    pbx.wait("CALL_ESTABLISHED")
    if kind == "dtls_ice":
        # When its checks are done, it offers what they found.
        carrier.held("sendrecv", "sendrecv", 2)
    assert_plain_hears(carrier.rtp)
    if kind != "dtls":
        assert_no_secret_is_kept(edge)
    edge.kill()
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    assert_plain_hears(carrier.rtp)
    edge = halves.start_edge()
    halves.wait_connected()
    assert len(edge.calls()) == 1
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    assert_plain_hears(carrier.rtp)
    assert lost(carrier.rtp) == 0
    assert halves.relay.metric("tandem_relay_handshakes_total") <= 1, "none began anew"
    if first == "pbx":
        pbx.do("hangup")
        carrier.ends()
    else:
        carrier.hang_up(edge)
        pbx.wait("CALL_CLOSED")
    assert_whole(edge)
    halves.wait_free()
    edge.stop()


@pytest.mark.parametrize("first", ["pbx", "carrier"])
def test_an_srtp_call_of_pjsua_is_held_resumed_and_ended_after_its_edge_was_killed_twice(
        stage, halves, first):
    carrier = Carrier(stage)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, srtp=True)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    carrier.answer()
    pbx.wait("state", state="CONFIRMED")
    assert_plain_hears(carrier.rtp)
    for _ in range(2):
        assert_no_secret_is_kept(edge)
        edge.kill()
        assert_plain_hears(carrier.rtp)
        edge = halves.start_edge()
        halves.wait_connected()
        assert len(edge.calls()) == 1
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    assert lost(carrier.rtp) == 0
    pbx.do("hold")
    carrier.held("sendonly", "recvonly", 2)
    pbx.do("resume")
    carrier.held("sendrecv", "sendrecv", 3)
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    assert_plain_hears(carrier.rtp)
    if first == "pbx":
        pbx.do("hangup")
        carrier.ends()
    else:
        carrier.hang_up(edge)
        pbx.wait("state", state="DISCONNECTED")
    assert_whole(edge)
    halves.wait_free()
    edge.stop()


def test_without_its_key_an_encrypted_call_ends_and_a_plain_one_goes_on(stage, halves):
    """The relay was started anew: what was sealed is lost with the media; nobody waits for long."""
    carrier = Carrier(stage)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, srtp=True)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    carrier.answer()
    pbx.wait("state", state="CONFIRMED")
    assert_no_secret_is_kept(edge)
    edge.kill()
    halves.relay.kill()
    halves.start_relay()
    edge = halves.start_edge()
    assert edge.said("has the key that they were written down under"), edge.lines
    record, = edge.wait_records(1)
    assert "could not take it up" in record["end"]["cause"]
    assert not edge.calls()
    edge.stop()


def test_video_outlives_its_edge(stage, halves):
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    near, far = VideoEndpoint(places.PBX), VideoEndpoint(places.CARRIER)
    audio = [stage.rtp(places.PBX, PBX_HERTZ), stage.rtp(places.CARRIER, CARRIER_HERTZ)]
    try:
        call = OutgoingCall(caller, edge, places.US_NUMBER,
                            sdp(places.PBX, audio[0].port) + near.line())
        invite = carrier.expect_request("INVITE")
        carrier.reply(invite, 200, "OK", sdp(places.CARRIER, audio[1].port) + far.line())
        call.answered()
        carrier.expect_request("ACK")
        port = lambda message: int(re.search(rb"m=video (\d+)", message.body).group(1))
        audio[0].start(call.answer.media())
        audio[1].start(invite.media())
        near.start((places.RELAY, port(call.answer)), 150)
        far.start((places.RELAY, port(invite)), 150)
        wait_until(lambda: len(near.received) > 60 and len(far.received) > 60, 10, "pictures")
        assert halves.relay_ports() == 8
        edge.kill()
        wait_until(lambda: len(near.received) > 150 and len(far.received) > 150, 10, "pictures")
        edge = halves.start_edge()
        halves.wait_connected()
        wait_until(lambda: near.done and far.done, 20, "all pictures are sent")
        wait_until(lambda: len(near.received) >= len(far.sent) - 6
                   and len(far.received) >= len(near.sent) - 6, 5, "pictures on both sides")
        # None is missing between the first and the last; the first may come before the plan.
        assert far.received == near.sent[len(near.sent) - len(far.received):]
        assert near.received == far.sent[len(far.sent) - len(near.received):]
        assert lost(audio[0]) == 0 and lost(audio[1]) == 0
        assert halves.relay_ports() == 8
        # The picture goes, the call stays.
        off = sdp(places.PBX, audio[0].port, "sendrecv", 2) + b"m=video 0 RTP/AVP 96\r\n"
        call.request("INVITE", off, [("Contact", caller.contact())])
        asked = carrier.expect_request("INVITE")
        assert b"m=video 0 " in asked.body, asked.body
        carrier.reply(asked, 200, "OK", sdp(places.CARRIER, audio[1].port, "sendrecv", 2)
                      + b"m=video 0 RTP/AVP 96\r\n")
        call.answered()
        wait_until(lambda: halves.relay_ports() == 4, 5, "the picture's ports are free")
        stage.hang_up(call, carrier)
        record, = edge.wait_records(1)
        lines = [quality for quality in record["quality"] if quality["lost_packets"]]
        assert not lines, lines
        halves.wait_free()
        edge.stop()
    finally:
        near.stop()
        far.stop()
