"""Registrations both ways, with user agents and a registrar of other make."""

import pytest

from harness import places, tls
from harness.configuration import CONNECTOR_HOST
from harness.waiting import wait_until

USER, PASSWORD = "pbx", "correct-horse"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_pjsua_registers_is_called_and_calls(stage, transport):
    """From an address that nobody has configured."""
    configuration = stage.configuration
    configuration.termination.update(
        credentials=[{"username": USER, "password": PASSWORD}], cidr_allowed_list=[])
    configuration.registration = {"min_expires": "30s"}
    configuration.origination = [{"host": "registered"}]
    gateway = stage.uas(places.CARRIER)
    configuration.carriers[0].update(port=gateway.port)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.STRANGER, "pbx", 440, user=USER, transport=transport,
                      credentials=(USER, PASSWORD), registrar=f"sip:{CONNECTOR_HOST}",
                      proxies=[f"sip:{places.EDGE}:{edge.port};transport={transport};lr"])
    pbx.wait("registration", status=200)
    edge.wait_metric("tandem_registered_contacts", 1)

    client = stage.uac(places.CARRIER, places.NUMBER, host=places.EDGE, talk_ms=500)
    incoming = pbx.wait("incoming")["request"]
    assert f"P-Called-Party-ID: <sip:{places.NUMBER}@" in incoming, incoming
    pbx.wait("state", state="CONFIRMED")
    assert int(client.wait(20)["SuccessfulCall(C)"]) == 1
    pbx.wait("state", state="DISCONNECTED")

    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{CONNECTOR_HOST}")
    pbx.wait("state", state="CONFIRMED")
    pbx.do("hangup")
    pbx.wait("state", state="DISCONNECTED")
    inbound, outbound = edge.wait_records(2)
    assert (inbound["direction"], outbound["direction"]) == ("Inbound", "Outbound")
    assert outbound["source"].startswith(places.STRANGER)

    pbx.do("unregister")
    edge.wait_metric("tandem_registered_contacts", 0)
    edge.wait_idle()


def test_baresip_registers_and_is_called(stage):
    configuration = stage.configuration
    configuration.termination.update(
        credentials=[{"username": USER, "password": PASSWORD}], digest_algorithms=["MD5"])
    configuration.registration = {}
    configuration.origination = [{"host": "registered"}]
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", 440, user=USER, domain=CONNECTOR_HOST, account=(
        f";auth_user={USER};auth_pass={PASSWORD};regint=60"
        f';outbound="sip:{places.EDGE}:{edge.port}"'))
    edge.wait_metric("tandem_registered_contacts", 1)
    client = stage.uac(places.CARRIER, places.NUMBER, host=places.EDGE, talk_ms=500)
    pbx.wait("CALL_ESTABLISHED")
    assert int(client.wait(20)["SuccessfulCall(C)"]) == 1
    edge.wait_records(1)
    edge.wait_idle()


@pytest.fixture
def secure(stage, tmp_path):
    """The edge's TLS port, and a certificate that a customer's system shows and trusts."""
    authority = tls.Authority(tmp_path)
    ours = authority.issue(CONNECTOR_HOST, f"IP:{places.EDGE}")
    port = places.free_port(places.EDGE)
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"],
                                   tls_certificate=str(ours.certificate), tls_key=str(ours.key))
    return port, authority


def test_pjsua_registers_over_tls_and_is_called_over_that_connection(stage, secure):
    port, authority = secure
    configuration = stage.configuration
    configuration.connector["require_encryption"] = True
    configuration.termination.update(
        credentials=[{"username": USER, "password": PASSWORD}], cidr_allowed_list=[])
    configuration.registration = {"min_expires": "30s"}
    configuration.origination = [{"host": "registered"}]
    edge = stage.start_edge()
    pbx = stage.pjsua(places.STRANGER, "pbx", 440, user=USER, transport="tls", srtp=True,
                      pair=authority.issue("pbx.test", f"IP:{places.STRANGER}"),
                      authority=authority.certificate,
                      credentials=(USER, PASSWORD), registrar=f"sip:{CONNECTOR_HOST}",
                      proxies=[f"sip:{places.EDGE}:{port};transport=tls;lr"])
    pbx.wait("registration", status=200)
    edge.wait_metric("tandem_registered_contacts", 1)
    handshakes = edge.metric("tandem_tls_handshakes_total", result="ok")
    client = stage.uac(places.CARRIER, places.NUMBER, host=places.EDGE, talk_ms=500)
    assert "RTP/SAVP" in pbx.wait("incoming")["request"]
    pbx.wait("state", state="CONFIRMED")
    assert int(client.wait(20)["SuccessfulCall(C)"]) == 1
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200
    assert edge.metric("tandem_tls_handshakes_total", result="ok") == handshakes
    pbx.do("unregister")
    edge.wait_metric("tandem_registered_contacts", 0)
    edge.wait_idle()


def test_baresip_registers_over_tls_and_is_called_over_that_connection(stage, secure):
    port, _ = secure
    configuration = stage.configuration
    configuration.termination.update(
        credentials=[{"username": USER, "password": PASSWORD}], digest_algorithms=["MD5"])
    configuration.registration = {}
    configuration.origination = [{"host": "registered", "srtp": "required"}]
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", 440, user=USER, domain=CONNECTOR_HOST,
                        transport="tls", srtp=True, account=(
        f";auth_user={USER};auth_pass={PASSWORD};regint=60"
        f';outbound="sip:{places.EDGE}:{port};transport=tls"'))
    edge.wait_metric("tandem_registered_contacts", 1)
    handshakes = edge.metric("tandem_tls_handshakes_total", result="ok")
    client = stage.uac(places.CARRIER, places.NUMBER, host=places.EDGE, talk_ms=500)
    pbx.wait("CALL_ESTABLISHED")
    assert int(client.wait(20)["SuccessfulCall(C)"]) == 1
    edge.wait_records(1)
    assert edge.metric("tandem_tls_handshakes_total", result="ok") == handshakes
    edge.wait_idle()


def test_a_registration_outlives_a_restart(stage):
    """baresip registers once and not again: only what was kept leads to it."""
    configuration = stage.configuration
    configuration.sip["udp_keep_alive"] = "5s"
    configuration.termination.update(
        credentials=[{"username": USER, "password": PASSWORD}], digest_algorithms=["MD5"])
    configuration.registration = {}
    configuration.origination = [{"host": "registered"}]
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", 440, user=USER, domain=CONNECTOR_HOST, account=(
        f";auth_user={USER};auth_pass={PASSWORD};regint=600"
        f';outbound="sip:{places.EDGE}:{edge.port}"'))
    edge.wait_metric("tandem_registered_contacts", 1)
    edge.stop()
    kept = edge.data_dir / "registrations.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in kept.read_text()
    edge = stage.start_edge()
    assert edge.metric("tandem_registered_contacts") == 1
    wait_until(lambda: edge.metric("tandem_udp_keep_alives_total") >= 2, 12, "the way is used")
    client = stage.uac(places.CARRIER, places.NUMBER, host=places.EDGE, talk_ms=300)
    pbx.wait("CALL_ESTABLISHED")
    assert int(client.wait(20)["SuccessfulCall(C)"]) == 1
    edge.wait_records(1)
    edge.wait_idle()
    edge.stop()
    kept.write_text('{"version": 1, "bindings": [')
    edge = stage.start_edge()
    assert edge.metric("tandem_registered_contacts") == 0
    assert edge.said("registrations.json") and edge.said("nobody counts as registered")


def registering(stage, **options):
    carrier = stage.kamailio(places.CARRIER, f"{places.SECOND_CARRIER}:9", "trunk", "open sesame",
                             **options)
    stage.configuration.carriers[0].update(
        port=carrier.port, username="trunk", password="open sesame", register=True,
        register_expires="2m", inbound_cidrs=[])
    return carrier


def test_kamailio_calls_our_registration(stage):
    carrier = registering(stage)
    server = stage.uas(places.PBX)
    stage.configuration.origination = [{"host": places.PBX, "port": server.port}]
    edge = stage.start_edge()
    edge.wait_metric("tandem_carrier_registered", 1, carrier="pstn-1")
    client = stage.uac_at(places.SECOND_CARRIER, (places.CARRIER, carrier.port), places.NUMBER,
                          talk_ms=500)
    assert int(client.wait(20)["SuccessfulCall(C)"]) == 1
    server.wait(10)
    record, = edge.wait_records(1)
    assert (record["direction"], record["to_user"]) == ("Inbound", places.NUMBER)
    assert record["carrier"] == "pstn-1"
    edge.wait_idle()
    edge.stop()
    wait_until(lambda: carrier.count("proved: REGISTER") >= 2, 5, "the registration is taken back")


def test_a_short_registration_at_kamailio_is_refreshed(stage):
    carrier = registering(stage, granted=30)
    edge = stage.start_edge()
    edge.wait_metric("tandem_carrier_registered", 1, carrier="pstn-1")
    wait_until(lambda: carrier.count("proved: REGISTER") >= 2, 30, "a refresh within 30 s")
    assert carrier.count("asked: REGISTER") == 1, "the nonce is used again"
    assert edge.metric("tandem_carrier_registered", carrier="pstn-1") == 1
