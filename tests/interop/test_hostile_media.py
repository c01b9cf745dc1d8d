"""Hostile media and session descriptions beside a call that goes on."""

import socket
import struct

import pytest

from harness import places, tones
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.talk import Talk
from harness.waiting import wait_until


def spray(ip, targets, packets):
    """RTP and RTCP that look right, from an address that has no part in the call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        source.bind((ip, 0))
        audio = tones.ulaw(tones.sine(3_000, 0.02))
        for number in range(packets):
            rtp = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160, 0xBADBAD) + audio
            goodbye = struct.pack("!BBHI", 0x81, 203, 1, 0xBADBAD)
            for address, port in targets:
                source.sendto(rtp, (address, port))
                source.sendto(goodbye, (address, port + 1))


@pytest.mark.parametrize("ip", [places.STRANGER, places.PBX])
def test_rtp_from_the_wrong_source(stage, ip):
    """Nothing of it is passed on, neither from a stranger nor from another port of the PBX."""
    talk = Talk(stage)
    spray(ip, [talk.near_target, talk.far_target], 1_000)
    talk.goes_on()
    # The burst may overflow the port's buffer in the kernel, and a packet of the call with it.
    record = talk.end(lost_at_most=5)
    talk.edge.wait_idle()
    for own, other in ((0, 1), (1, 0)):
        quality = record["quality"][own]
        # For the same reason not all of the burst reaches the edge.
        assert quality["wrong_source"] >= 200, quality
        assert quality["received_packets"] == record["quality"][other]["sent_packets"]
        assert quality["received_packets"] <= max(talk.near.sent, talk.far.sent)
    dropped = talk.edge.metric("tandem_relay_dropped_packets_total", reason="wrong_source")
    assert dropped == sum(quality["wrong_source"] for quality in record["quality"])
    assert talk.near.ssrcs() == {talk.far.ssrc} and talk.far.ssrcs() == {talk.near.ssrc}


def test_rtp_before_the_right_source(stage):
    """An attacker that is there first, before any packet of the called side, does not get in."""
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    near, far = stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 1_000)
    call, invite = stage.established(caller, gateway, rtp=near, carrier_rtp=far)
    attacker = stage.rtp(places.STRANGER, 3_000)
    attacker.start(invite.media(), 50)
    attacker_too = stage.rtp(places.STRANGER, 3_000)
    attacker_too.start(call.answer.media(), 50)
    wait_until(lambda: attacker.counted == 50 and attacker_too.counted == 50, 10, "all is sent")
    near.start(call.answer.media())
    far.start(invite.media())
    wait_until(lambda: len(near.received) >= 25 and len(far.received) >= 25, 10, "the call has audio")
    assert near.ssrcs() == {far.ssrc} and far.ssrcs() == {near.ssrc}
    assert not attacker.received and not attacker_too.received, "no audio leaks to the attacker"
    stage.hang_up(call, gateway)
    edge.wait_idle()


LYING_RTCP = {
    "length beyond the datagram": struct.pack("!BBHIQIII", 0x80, 200, 0xFFFF, 1, 2, 3, 4, 5),
    "length zero of a sender report": struct.pack("!BBHIQIII", 0x80, 200, 0, 1, 2, 3, 4, 5),
    "31 blocks that are not there": struct.pack("!BBHI", 0x9F, 201, 1, 1),
    "SDES item beyond its chunk": struct.pack("!BBHIBB", 0x81, 202, 2, 1, 1, 255) + b"ab",
    "BYE reason beyond the packet": struct.pack("!BBHIB", 0x81, 203, 2, 1, 255) + b"abc",
    "padding longer than the packet": struct.pack("!BBHIHH", 0xA0, 201, 2, 1, 0, 0xFFFF),
    "XR block beyond the packet": struct.pack("!BBHIBBH", 0x80, 207, 2, 1, 4, 0, 0xFFFF),
    "half a header": b"\x80\xc8",
    "nothing": b"",
}


def test_rtcp_that_lies(stage):
    talk = Talk(stage)
    for _ in range(50):
        for raw in LYING_RTCP.values():
            talk.near.rtcp.sendto(raw, (talk.near_target[0], talk.near_target[1] + 1))
            talk.near.rtp.sendto(raw, talk.near_target)
    wait_until(lambda: talk.edge.metric("tandem_relay_dropped_packets_total",
                                        reason="malformed_rtcp") >= 50, 5,
               lambda: f"{talk.edge.metrics()['tandem_relay_dropped_packets_total']}")
    talk.goes_on()
    talk.end()
    talk.edge.wait_idle()


BASE = f"v=0\r\no=- 1 1 IN IP4 {places.PBX}\r\ns=-\r\nc=IN IP4 {places.PBX}\r\nt=0 0\r\n"
REFUSED_OFFERS = {
    "binary": (b"\x00\xff\xfe no description", {400, 488}),
    "without media": (BASE.encode(), {488}),
    "a port of zero": (sdp(places.PBX, 0), {488}),
    "a multicast address": (sdp("224.1.1.1", 5_000), {488}),
    "no connection address": (BASE.replace(f"c=IN IP4 {places.PBX}\r\n", "").encode()
                              + b"m=audio 4000 RTP/AVP 0\r\n", {400, 488}),
    "a port beyond 65535": (BASE.encode() + b"m=audio 70000 RTP/AVP 0\r\n", {400, 488}),
    "ten thousand lines": ((BASE + "a=x\r\n" * 10_000).encode(), {400, 413, 488, 513}),
}


@pytest.mark.parametrize("what", REFUSED_OFFERS)
def test_offers_that_cannot_be_relayed(stage, what):
    body, statuses = REFUSED_OFFERS[what]
    talk = Talk(stage)
    call = OutgoingCall(talk.caller, talk.edge, places.US_NUMBER, body)
    assert call.final().status in statuses
    talk.goes_on()
    talk.end()
    talk.edge.wait_idle()


def answered(stage, talk, offer):
    """Offers through to the carrier, which takes the audio; (call, INVITE at the carrier)."""
    call = OutgoingCall(talk.caller, talk.edge, places.US_NUMBER, offer)
    invite = talk.gateway.expect_request("INVITE")
    talk.gateway.reply(invite, 200, "OK", sdp(places.CARRIER, 40_004))
    call.answered()
    talk.gateway.expect(lambda m: m.status is None and m.method == "ACK"
                        and m["call-id"] == invite["call-id"])
    return call, invite


def test_ten_media_lines(stage):
    """Every line is answered in its place: one audio stream, the others refused."""
    talk = Talk(stage)
    lines = "m=audio 41000 RTP/AVP 0\r\n" + "".join(
        f"m={kind} {41_002 + 2 * n} RTP/AVP 96\r\n" for n, kind in enumerate(["video", "audio"] * 4 +
                                                                              ["application"]))
    call, invite = answered(stage, talk, (BASE + lines).encode())
    for body in (invite.body, call.answer.body):
        found = [line.split() for line in body.decode().split("\r\n") if line.startswith("m=")]
        assert len(found) == 10
        assert [kind for kind, *_ in found] == ["m=audio"] + ["m=video", "m=audio"] * 4 + [
            "m=application"]
        assert int(found[0][1]) > 0
    ports = [int(line.split()[1]) for line in call.answer.body.decode().split("\r\n")
             if line.startswith("m=")]
    assert ports[1:] == [0] * 9
    stage.hang_up(call, talk.gateway)
    talk.goes_on()
    talk.end()
    talk.edge.wait_idle()


def test_address_of_zeros(stage):
    """RFC 2543's hold: a call, with nothing sent to 0.0.0.0."""
    talk = Talk(stage)
    call, invite = answered(stage, talk, sdp("0.0.0.0", 41_000))
    assert "0.0.0.0" not in invite.body.decode()
    assert "a=sendrecv" not in invite.body.decode(), "the carrier is told of the hold"
    stage.hang_up(call, talk.gateway)
    talk.goes_on()
    talk.end()
    talk.edge.wait_idle()


def test_address_of_our_own(stage):
    """A description that names the edge's own media ports would make a loop: it is refused, in an
    offer as in an answer."""
    talk = Talk(stage)
    own = sdp(places.EDGE, talk.near_target[1])
    assert OutgoingCall(talk.caller, talk.edge, places.US_NUMBER, own).final().status == 488

    call = OutgoingCall(talk.caller, talk.edge, places.US_NUMBER, sdp(places.PBX, 41_000))
    invite = talk.gateway.expect_request("INVITE")
    talk.gateway.reply(invite, 200, "OK", own)
    # That answer was a final one: it is acknowledged and the dialog ended.
    talk.gateway.expect(lambda m: m.status is None and m.method == "ACK"
                        and m["call-id"] == invite["call-id"])
    talk.gateway.reply(talk.gateway.expect_request("BYE"), 200, "OK")
    assert 400 <= call.final().status < 600
    talk.goes_on()
    talk.end()
    talk.edge.wait_idle()
