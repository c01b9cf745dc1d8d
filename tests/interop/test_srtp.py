"""SRTP with keys from session descriptions: real clients that talk SRTP or not at all meet others
that talk RTP only, and hear the right tones.
"""

import json
import subprocess

import pytest

from harness import places, tls
from harness.edge import BINARY
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.sipp import is_bound
from harness.tones import assert_hears
from harness.waiting import wait_until

PBX_HERTZ, CARRIER_HERTZ = 440, 1_000
LISTEN = 1.5
LOCAL_HOLD, ACTIVE = 2, 1


def dial(stage, user):
    return f"sip:{user}@{places.EDGE}:{stage.edge.port}"


def assert_both_hear(pbx, carrier):
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    assert_hears(*carrier.wait_heard(LISTEN), PBX_HERTZ, CARRIER_HERTZ)


def assert_no_key_was_written(edge):
    """The SIP message log is on in these tests: it shows the suites and never a key."""
    log = "".join(path.read_text() for path in edge.configuration.data_dir.rglob("*.jsonl"))
    assert "a=crypto" in log
    keys = [rest.split("|")[0].split("\\r")[0] for rest in log.split("inline:")[1:]]
    assert not [key for key in keys if len(key.strip("*").strip()) > 20], keys


def plain_sipp_carrier(stage):
    carrier = stage.uas(places.CARRIER, hertz=CARRIER_HERTZ)
    stage.configuration.carriers[0].update(port=carrier.port)


@pytest.mark.parametrize("client", ["pjsua", "baresip"])
def test_a_client_with_mandatory_srtp_calls_a_plain_sipp_carrier(stage, client):
    plain_sipp_carrier(stage)
    edge = stage.start_edge()
    if client == "pjsua":
        pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, srtp=True)
        pbx.do("call", uri=dial(stage, places.US_NUMBER))
        pbx.wait("state", state="CONFIRMED")
    else:
        pbx = stage.baresip(places.BARESIP, "pbx", PBX_HERTZ, srtp=True)
        pbx.do("dial", dial(stage, places.US_NUMBER))
        pbx.wait("CALL_ESTABLISHED")
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    pbx.do("hangup")
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200
    edge.wait_idle()
    assert_no_key_was_written(edge)


def test_a_plain_sipp_carrier_calls_a_pjsua_with_mandatory_srtp(stage):
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, srtp=True)
    stage.configuration.origination[0].update(host=places.PBX, port=pbx.port, srtp="required")
    edge = stage.start_edge()
    caller = stage.uac(places.CARRIER, places.NUMBER, hertz=CARRIER_HERTZ)
    assert "RTP/SAVP" in pbx.wait("incoming")["request"]
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    caller.wait(30)
    pbx.wait("state", state="DISCONNECTED")
    edge.wait_idle()


def test_a_plain_pjsua_carrier_calls_a_baresip_with_mandatory_srtp(stage):
    pbx = stage.baresip(places.BARESIP, "pbx", PBX_HERTZ, user=places.NUMBER, srtp=True)
    stage.configuration.origination[0].update(host=places.BARESIP, port=pbx.port, srtp="required")
    carrier = stage.pjsua(places.CARRIER, "carrier", CARRIER_HERTZ)
    edge = stage.start_edge()
    carrier.do("call", uri=dial(stage, places.NUMBER))
    carrier.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)
    carrier.do("hangup")
    pbx.wait("CALL_CLOSED")
    edge.wait_idle()


def test_srtp_on_both_sides_survives_hold_and_resume(stage):
    """Different keys on each leg; a hold re-INVITEs both."""
    carrier = stage.pjsua(places.CARRIER, "carrier", CARRIER_HERTZ, srtp=True)
    stage.configuration.carriers[0].update(port=carrier.port, srtp="required")
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, srtp=True)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    pbx.wait("state", state="CONFIRMED")
    carrier.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)
    for holder in (pbx, carrier):
        holder.do("hold")
        holder.wait("media", status=LOCAL_HOLD)
        holder.do("resume")
        holder.wait("media", status=ACTIVE)
        assert_both_hear(pbx, carrier)
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200
    edge.wait_idle()
    assert_no_key_was_written(edge)


def test_optional_srtp_is_used_or_not_as_the_carrier_can(stage):
    """RFC 8643: pjsua without SRTP takes the offer as plain RTP."""
    carrier = stage.pjsua(places.CARRIER, "carrier", CARRIER_HERTZ)
    stage.configuration.carriers[0].update(port=carrier.port, srtp="optional")
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, srtp=True)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    invite = carrier.wait("incoming")["request"]
    assert "RTP/AVP" in invite and "a=crypto" in invite, invite
    pbx.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    edge.wait_idle()


@pytest.fixture
def encrypted(stage, tmp_path):
    """A voice connector that requires encryption; (the TLS port, the authority)."""
    port = places.free_port(places.EDGE)
    authority = tls.Authority(tmp_path)
    edge = authority.issue("edge.test", f"IP:{places.EDGE}")
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"],
                                   tls_certificate=str(edge.certificate), tls_key=str(edge.key))
    stage.configuration.connector["require_encryption"] = True
    return port, authority


def test_mandatory_srtp_over_tls_where_encryption_is_required(stage, encrypted):
    port, authority = encrypted
    plain_sipp_carrier(stage)
    pair = authority.issue("pbx.test", f"IP:{places.PBX}")
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, transport="tls", pair=pair,
                      authority=authority.certificate, srtp=True)
    stage.configuration.origination[0].update(
        host=places.PBX, port=pbx.port, protocol="tls", tls_ca=str(authority.certificate))
    edge = stage.start_edge()
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{port};transport=tls")
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    pbx.do("hangup")
    pbx.wait("state", state="DISCONNECTED")
    edge.wait_records(1)

    caller = stage.uac(places.CARRIER, places.NUMBER, hertz=CARRIER_HERTZ, name="inbound")
    incoming = pbx.wait("incoming")["request"]
    assert "SIP/2.0/TLS" in incoming and "RTP/SAVP" in incoming, incoming
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    caller.wait(30)
    edge.wait_idle()
    assert_no_key_was_written(edge)


def wait_counted(edge, reason):
    wait_until(lambda: edge.metric("tandem_refusals_total", reason=reason) == 1, 10,
               lambda: f"the refusal {reason} on the page")


def test_what_is_not_encrypted_is_refused_where_it_must_be(stage, encrypted):
    port, authority = encrypted
    pair = authority.issue("pbx.test", f"IP:{places.PBX}")
    stage.configuration.origination[0].update(protocol="tls", tls_ca=str(authority.certificate))
    edge = stage.start_edge()
    plain = stage.peer(places.PBX)
    refused = OutgoingCall(plain, edge, places.US_NUMBER, sdp(places.PBX, 40_000)).final("INVITE")
    assert refused.status == 403
    assert "use TLS" in refused["warning"] and "cause=403" in refused["reason"], refused
    wait_counted(edge, "plain_signalling")

    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, transport="tls", pair=pair,
                      authority=authority.certificate)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{port};transport=tls")
    assert pbx.wait("state", state="DISCONNECTED")["status"] == 488
    wait_counted(edge, "plain_media")
    edge.wait_idle()


def test_an_inbound_call_is_not_answered_without_keys_where_they_are_required(stage, encrypted):
    """The customer's system takes the call over TLS and answers plain media: it is hung up on, and
    the caller hears a failure. One that can be reached over plain transports alone is no route."""
    port, authority = encrypted
    pair = authority.issue("pbx.test", f"IP:{places.PBX}")
    pbx = stage.tls_listener(places.PBX, pair)
    stage.configuration.origination[0].update(
        host=places.PBX, port=pbx.port, protocol="tls", tls_ca=str(authority.certificate))
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    call = OutgoingCall(gateway, edge, places.NUMBER, sdp(places.CARRIER, 40_000))
    invite = pbx.expect_request("INVITE")
    assert invite["via"].startswith("SIP/2.0/TLS ") and b"RTP/SAVP" in invite.body, invite
    pbx.reply(invite, 200, "OK", sdp(places.PBX, 40_002))
    pbx.expect_request("ACK")
    bye = pbx.expect_request("BYE")
    assert "cause=488" in bye["reason"] and "SRTP" in bye["reason"], bye
    pbx.reply(bye, 200, "OK")
    assert call.final().status == 502
    edge.wait_idle()


def test_tandems_own_agent_talks_srtp(stage):
    port = places.free_port(places.CARRIER)
    stage.configuration.carriers[0].update(port=port, srtp="required")
    edge = stage.start_edge()
    with subprocess.Popen([BINARY, "answer", "--listen", f"{places.CARRIER}:{port}"],
                          stdout=subprocess.DEVNULL) as answer:
        try:
            wait_until(lambda: is_bound("udp", places.CARRIER, port), 10, "`answer` listens")
            done = subprocess.run(
                [BINARY, "call", f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}", "--local",
                 places.PBX, "--srtp", "--seconds", "2", "--json"],
                capture_output=True, text=True, timeout=20)
        finally:
            answer.terminate()
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["srtp"] == "AEAD_AES_256_GCM", outcome
    record, = edge.wait_records(1)
    assert all(quality["lost_packets"] == 0 for quality in record["quality"]), record
    edge.wait_idle()
