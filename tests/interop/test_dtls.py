"""DTLS-SRTP with baresip, which shows an RSA certificate: keys from a handshake on one leg, plain RTP
on the other, and the encrypted side hears the plain side's tone."""

import pytest

from harness import places
from harness.tones import assert_hears

BARESIP_HERTZ, PJSUA_HERTZ = 440, 1_000
LISTEN = 1.5


def plain_carrier(stage, **options):
    carrier = stage.pjsua(places.CARRIER, "carrier", PJSUA_HERTZ, **options)
    stage.configuration.carriers[0].update(port=carrier.port)
    return carrier


def assert_both_hear(baresip, pjsua):
    assert_hears(*pjsua.wait_heard(LISTEN), BARESIP_HERTZ, PJSUA_HERTZ)
    assert_hears(*baresip.wait_heard(LISTEN), PJSUA_HERTZ, BARESIP_HERTZ)


def assert_ice(edge, ice):
    """Both speak it, or neither does: baresip sends no media before its checks are done."""
    bodies = [str(entry) for entry in edge.sip_log()]
    assert any("a=ice-lite" in body and "UDP 2130706431" in body for body in bodies) == ice


def assert_no_failure(edge):
    assert edge.metric("tandem_relay_handshakes_failed_total") == 0
    assert not edge.said("handshake failed"), edge.lines


@pytest.mark.parametrize("ice", [False, True], ids=["without_ice", "ice"])
def test_baresip_with_dtls_calls_a_plain_carrier(stage, ice):
    carrier = plain_carrier(stage)
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", BARESIP_HERTZ, dtls=True, ice=ice)
    pbx.do("dial", f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    pbx.wait("CALL_ESTABLISHED")
    offer = carrier.wait("incoming")["request"]
    assert " RTP/AVP " in offer, offer
    assert not any(word in offer for word in ("fingerprint", "setup:", "ice-", "candidate")), offer
    assert_both_hear(pbx, carrier)
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    assert_no_failure(edge)
    edge.wait_idle()
    assert_ice(edge, ice)


@pytest.mark.parametrize("ice", [False, True], ids=["without_ice", "ice"])
def test_a_plain_carrier_calls_baresip_that_is_offered_dtls(stage, ice):
    pbx = stage.baresip(places.BARESIP, "pbx", BARESIP_HERTZ, user=places.NUMBER, dtls=True, ice=ice)
    stage.configuration.origination[0].update(host=places.BARESIP, port=pbx.port, srtp="dtls")
    carrier = plain_carrier(stage, user=places.JP_NUMBER)
    edge = stage.start_edge()
    carrier.do("call", uri=f"sip:{places.NUMBER}@{places.EDGE}:{edge.port}")
    carrier.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)
    carrier.do("hangup")
    pbx.wait("CALL_CLOSED")
    assert_no_failure(edge)
    edge.wait_idle()
