"""Debian's kamailio as a carrier over TLS: both sides show a certificate, it asks for credentials,
records its route, and requests of both sides share one connection."""

import re

import pytest

from harness import places, tls
from harness.configuration import carrier as carrier_table
from harness.dns import NameServer
from harness.message import compose, sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

NAME = "kamailio.test"
GATEWAY = "127.0.0.5"
PASSWORD = "open sesame"


class Trunk:
    """The edge's first carrier is kamailio, under its name; (call before the edge starts)."""

    def __init__(self, stage, directory):
        self.stage = stage
        self.authority = tls.Authority(directory)
        self.edge_pair = self.authority.issue("edge.test", f"IP:{places.EDGE}")
        self.port = places.free_port(places.EDGE)
        names = stage._keep(NameServer())
        names.add(NAME, "A", 60, places.CARRIER)
        stage.configuration.sip.update(
            tls=[f"{places.EDGE}:{self.port}"], tls_certificate=str(self.edge_pair.certificate),
            tls_key=str(self.edge_pair.key), dns_servers=[names.address])
        self.table = stage.configuration.carriers[0]

    def start(self, gateway_port, shows=True, name=NAME, known=True):
        """Starts kamailio with a certificate for `name`, then the edge, which shows its own and
        trusts kamailio's authority if it is `known`."""
        pair = self.authority.issue(name, f"IP:{places.CARRIER}")
        self.proxy = self.stage.kamailio(
            places.CARRIER, f"{GATEWAY}:{gateway_port}", "tandem", PASSWORD, pair=pair,
            authority=self.authority.certificate)
        trusted = self.authority if known else tls.Authority(self._elsewhere(), "other")
        self.table.update(host=NAME, port=self.proxy.port, transport="tls",
                          tls_ca=str(trusted.certificate), username="tandem", password=PASSWORD,
                          inbound_cidrs=[f"{places.CARRIER}/32"])
        if shows:
            self.table.update(tls_certificate=str(self.edge_pair.certificate),
                              tls_key=str(self.edge_pair.key))
        self.edge = self.stage.start_edge()
        return self.edge

    def _elsewhere(self):
        place = self.stage.directory / "other-authority"
        place.mkdir()
        return place

    def assert_one_connection(self):
        """For requests of either side, whoever opened it."""
        assert self.proxy.connections() == 1, self.proxy.log()[-3_000:]
        assert self.edge.metric("tandem_tls_handshakes_total", result="ok") == 1


@pytest.fixture
def trunk(stage, tmp_path):
    return Trunk(stage, tmp_path)


def test_calls_with_credentials_and_recorded_routes_share_one_connection(stage, trunk):
    calls = 3
    gateway = stage.uas(GATEWAY, calls=calls)
    edge = trunk.start(gateway.port)
    client = stage.uac(places.PBX, places.US_NUMBER, calls=calls, talk_ms=500)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == calls
    gateway.wait(10)
    trunk.assert_one_connection()
    edge.wait_records(calls)
    edge.wait_idle()
    log = trunk.proxy.log()
    proved = trunk.proxy.count("proved: INVITE"), trunk.proxy.count("proved: BYE")
    assert proved == (calls, calls), log
    assert "over tls: INVITE" in log and "over udp" not in log, log
    assert not edge.said(PASSWORD)


def in_dialog(invite, gateway, method, number, body=b"", headers=()):
    """A request of the gateway in the dialog that `invite` began, along its recorded route."""
    routes = [("Route", value) for value in invite.all("record-route")]
    return compose(f"{method} {invite.contact_uri()} SIP/2.0", [
        ("Via", gateway.via()), *routes, ("Max-Forwards", "70"),
        ("From", invite["to"] + ";tag=peer"), ("To", invite["from"]),
        ("Call-ID", invite["call-id"]), ("CSeq", f"{number} {method}"), *headers], body)


def test_requests_of_both_sides_take_the_same_connection(stage, trunk):
    gateway, caller = stage.peer(GATEWAY), stage.peer(places.PBX)
    edge = trunk.start(gateway.port)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000))
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 200, "OK", sdp(GATEWAY, 40_002), tag="peer")
    call.answered()
    gateway.expect_request("ACK")
    assert len(invite.all("record-route")) == 2, "one of each transport"
    # Ours: a hold through the recorded route.
    call.request("INVITE", sdp(places.PBX, 40_000, "sendonly", version=2),
                 [("Contact", caller.contact())])
    hold = gateway.expect_request("INVITE")
    gateway.reply(hold, 200, "OK", sdp(GATEWAY, 40_002, "recvonly", version=2), tag="peer")
    assert call.final().status == 200
    call._send("ACK", caller.via())
    gateway.expect_request("ACK")
    # The carrier's: first an INFO, then it hangs up.
    at = trunk.proxy.ip, trunk.proxy.port
    gateway.send(in_dialog(invite, gateway, "INFO", 900), at)
    info = caller.expect_request("INFO")
    caller.reply(info, 200, "OK")
    assert gateway.expect_final("INFO").status == 200
    gateway.send(in_dialog(invite, gateway, "BYE", 901), at)
    caller.reply(caller.expect_request("BYE"), 200, "OK")
    assert gateway.expect_final("BYE").status == 200
    trunk.assert_one_connection()
    edge.wait_records(1)
    edge.wait_idle()


@pytest.mark.parametrize("fault, counted, advice", [
    ({"name": "elsewhere.test"}, "wrong_name",
     "host must be the name that the peer's certificate is for"),
    ({"known": False}, "unknown_authority", "tls_ca"),
    ({"shows": False}, "our_certificate_refused", "a carrier or route that of its own"),
])
def test_a_carrier_that_cannot_be_trusted_or_does_not_trust_us_is_passed_over(
        stage, trunk, fault, counted, advice):
    """The log says which setting is wrong, and the next carrier gets the call."""
    gateway, second = stage.peer(GATEWAY), stage.peer(places.SECOND_CARRIER)
    stage.configuration.carriers.append(
        carrier_table("pstn-2", places.SECOND_CARRIER, second.port, priority=2))
    edge = trunk.start(gateway.port, **fault)
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000))
    second.reply(second.expect_request("INVITE", 8), 486, "Busy Here")
    assert call.final().status == 486
    edge.wait_metric("tandem_tls_handshakes_total", 1, result=counted)
    wait_until(lambda: edge.said(advice), 5, "the log names the setting")
    assert gateway.receive(0.1) is None, "no request went on to the gateway"
    assert trunk.proxy.count("over tls") == 0, trunk.proxy.log()
    edge.wait_records(1)
    edge.wait_idle()


def test_a_carrier_that_cannot_be_trusted_and_no_other_ends_the_call(stage, trunk):
    gateway, caller = stage.peer(GATEWAY), stage.peer(places.PBX)
    edge = trunk.start(gateway.port, name="elsewhere.test")
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000))
    # RFC 3261 section 16.7: what is 503 for a route is 500 for the caller.
    assert call.final().status == 500
    record, = edge.wait_records(1)
    route, = record["routes"]
    assert route["carrier"] == "pstn-1", re.sub(r"\s+", " ", str(record))
    edge.wait_idle()
