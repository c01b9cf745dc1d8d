"""Registrations both ways, with user agents and a registrar of other make."""

import pytest

from harness import places
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
