"""A WebRTC stack of its own making (aiortc) meets plain RTP through Tandem: DTLS-SRTP with an ECDSA
certificate, full ICE against our ICE-lite, AVPF on one side and AVP on the other."""

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.tones import assert_hears

WEB_HERTZ, PLAIN_HERTZ = 440, 1_000
LISTEN = 1.5

def assert_plain_hears(rtp):
    samples, rate = rtp.heard()
    assert len(samples) > rate, f"{len(samples)} samples"
    assert_hears(samples[-rate:], rate, WEB_HERTZ, PLAIN_HERTZ)


def assert_no_failure(edge):
    assert edge.metric("tandem_relay_handshakes_failed_total") == 0
    for reason in ("srtp_authentication", "srtp_replayed"):
        assert edge.metric("tandem_relay_dropped_packets_total", reason=reason) == 0


def test_a_webrtc_endpoint_calls_a_plain_carrier(stage):
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    web = stage.webrtc(places.PBX, WEB_HERTZ)
    plain = stage.rtp(places.CARRIER, PLAIN_HERTZ)
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, web.offer())
    invite = carrier.expect_request("INVITE")
    assert b"RTP/AVP 0" in invite.body and b"fingerprint" not in invite.body, invite
    carrier.reply(invite, 200, "OK", sdp(plain.ip, plain.port))
    answer = call.answered().body
    carrier.expect_request("ACK")
    plain.start(invite.media())
    assert b"UDP/TLS/RTP/SAVPF 0" in answer and b"a=ice-lite" in answer, answer.decode()
    web.take(answer)
    web.wait_connected()
    assert_hears(*web.wait_heard(LISTEN), PLAIN_HERTZ, WEB_HERTZ)
    assert_plain_hears(plain)
    stage.hang_up(call, carrier)
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200
    web_side, carrier_side = record["quality"]
    assert web_side["received_packets"] > 50 and web_side["unauthentic"] == 0, record
    assert carrier_side["sent_packets"] > 50, record
    edge.wait_idle()
    assert_no_failure(edge)


def test_a_plain_carrier_calls_a_webrtc_endpoint(stage):
    carrier = stage.carrier_peer()
    pbx = stage.peer(places.PBX)
    stage.configuration.origination[0].update(host=places.PBX, port=pbx.port, srtp="dtls")
    edge = stage.start_edge()
    web = stage.webrtc(places.PBX, WEB_HERTZ)
    plain = stage.rtp(places.CARRIER, PLAIN_HERTZ)
    call = OutgoingCall(carrier, edge, places.NUMBER, sdp(plain.ip, plain.port))
    invite = pbx.expect_request("INVITE")
    assert b"UDP/TLS/RTP/SAVP" in invite.body and b"a=setup:actpass" in invite.body
    pbx.reply(invite, 200, "OK", web.answer(invite.body))
    pbx.expect_request("ACK")
    answered = call.answered()
    assert b"RTP/AVP 0" in answered.body and b"fingerprint" not in answered.body
    plain.start(answered.media())
    web.wait_connected()
    assert_hears(*web.wait_heard(LISTEN), PLAIN_HERTZ, WEB_HERTZ)
    assert_plain_hears(plain)
    stage.hang_up(call, pbx)
    edge.wait_idle()
    assert_no_failure(edge)
