"""Where requests go: NAPTR, SRV and addresses (RFC 3263), failover between servers, and requests
that are too big for a datagram."""

import json
import socket
import subprocess
import time

import pytest

from harness import places
from harness.configuration import carrier
from harness.dns import NameServer
from harness.edge import BINARY
from harness.message import Message, compose, sdp
from harness.sip import OutgoingCall
from harness.waiting import Deadline, wait_until

OFFER = sdp(places.PBX, 40_000)
NAME = "sip.carrier.test"
SRV = f"_sip._udp.{NAME}"


@pytest.fixture
def names(stage):
    """A name server that the edge asks; the first carrier is a name."""
    server = NameServer()
    stage._keep(server)
    stage.configuration.sip["dns_servers"] = [server.address]
    table = stage.configuration.carriers[0]
    del table["port"]
    table.update(host=NAME, inbound_cidrs=[f"{places.CARRIER}/32"], no_response_timeout="2s")
    return server


def calls(stage, caller, gateway, status=486):
    """A call that `gateway` refuses; its INVITE."""
    call = OutgoingCall(caller, stage.edge, places.US_NUMBER, OFFER)
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, status)
    call.final()
    return invite


def whoever_is_called(stage, caller, *gateways):
    """The one of `gateways` that a call reaches, and refuses."""
    call = OutgoingCall(caller, stage.edge, places.US_NUMBER, OFFER)
    deadline = Deadline(20)
    while not deadline.passed():
        for gateway in gateways:
            invite = gateway.receive(0.02)
            if invite and is_new(gateway, invite):
                gateway.reply(invite, 486)
                call.final()
                return gateway
    raise AssertionError("nobody was called")


def is_new(gateway, message):
    """Whether it is an INVITE that did not come before: no ACK of an earlier one, and none sent again."""
    known = {each["via"] for each in gateway.received}
    gateway.received.append(message)
    return message.status is None and message.method == "INVITE" and message["via"] not in known


def test_naptr_and_srv_lead_to_the_carrier(stage, names):
    caller, gateway = stage.peer(places.PBX), stage.peer(places.CARRIER)
    names.add(NAME, "NAPTR", 60, (20, 10, "s", "SIP+D2T", f"_sip._tcp.{NAME}"))
    names.add(NAME, "NAPTR", 60, (10, 10, "s", "SIP+D2U", SRV))
    names.srv(SRV, 60, (1, 1, gateway.port, places.CARRIER))
    stage.start_edge()
    call, _ = stage.established(caller, gateway)
    stage.hang_up(call, gateway)
    kinds = [kind for kind, _ in names.asked]
    assert kinds[0] == "NAPTR" and kinds[-1] == "A" and "AAAA" not in kinds, names.asked
    asked = len(names.asked)
    calls(stage, caller, gateway)
    assert len(names.asked) == asked, "the records still live"
    stage.edge.wait_records(2)


def test_records_that_have_died_are_asked_again(stage, names):
    caller, first, second = (stage.peer(ip) for ip in
                             (places.PBX, places.CARRIER, places.SECOND_CARRIER))
    names.zone[NAME] = []
    names.srv(SRV, 1, (1, 1, first.port, places.CARRIER))
    stage.start_edge()
    gateway, count = whoever_is_called(stage, caller, first, second), 1
    assert gateway is first
    names.srv(SRV, 1, (1, 1, second.port, places.SECOND_CARRIER))
    asked, deadline = names.asked.count(("SRV", SRV)), Deadline(30)
    # The node's own clock ends their life: it is called until it asks again. Each record has a life of its
    # own: NAPTR and addresses may be asked for while the servers are still known.
    while gateway is first and not deadline.passed():
        gateway, count = whoever_is_called(stage, caller, first, second), count + 1
        is_asked = names.asked.count(("SRV", SRV)) > asked
        assert is_asked == (gateway is second), "no call without living records"
    assert gateway is second
    stage.edge.wait_records(count)


def test_weights_share_the_calls(stage, names):
    caller, often, seldom = (stage.peer(ip) for ip in
                             (places.PBX, places.CARRIER, places.SECOND_CARRIER))
    names.zone[NAME] = []
    names.srv(SRV, 60, (1, 90, often.port, places.CARRIER), (1, 10, seldom.port, places.SECOND_CARRIER))
    stage.start_edge()
    share = 0
    for _ in range(30):
        share += whoever_is_called(stage, caller, often, seldom) is often
    # Of 30 with nine in ten: fewer than 18 would come once in a hundred million runs.
    assert 18 <= share, share
    stage.edge.wait_records(30)


def test_a_dead_server_is_followed_by_the_next_and_avoided_for_a_while(stage, names):
    caller, gateway = stage.peer(places.PBX), stage.peer(places.CARRIER)
    names.zone[NAME] = []
    closed = places.free_port(places.SECOND_CARRIER)
    names.srv(SRV, 60, (1, 1, closed, places.SECOND_CARRIER), (2, 1, gateway.port, places.CARRIER))
    stage.start_edge()
    calls(stage, caller, gateway)
    began = time.monotonic()
    calls(stage, caller, gateway)
    assert time.monotonic() - began < 1.5, "the dead one was not waited for"
    stage.edge.wait_records(2)


def test_silent_servers_hold_a_call_for_a_bounded_time(stage, names):
    """Of three silent servers two are tried, then the next carrier."""
    caller, second = stage.peer(places.PBX), stage.peer(places.STRANGER)
    silent = [stage.peer(places.SECOND_CARRIER) for _ in range(3)]
    names.zone[NAME] = []
    names.srv(SRV, 60, *((n, 1, each.port, each.ip) for n, each in enumerate(silent)))
    stage.configuration.sip["max_targets"] = 2
    stage.configuration.carriers[0]["no_response_timeout"] = "1s"
    stage.configuration.carriers.append(carrier("pstn-2", second.ip, second.port, priority=2))
    stage.start_edge()
    calls(stage, caller, second)
    tried = [each.receive(0.1) is not None for each in silent]
    assert tried == [True, True, False], tried
    stage.edge.wait_records(1)


def test_a_request_in_a_dialog_goes_on_to_the_next_server(stage, names):
    """Nothing listens at the first server of the recorded route's name."""
    caller, gateway, proxy = (stage.peer(ip) for ip in
                              (places.PBX, places.CARRIER, places.SECOND_CARRIER))
    names.zone[NAME], names.zone["proxy.test"] = [], []
    names.srv(SRV, 60, (1, 1, gateway.port, gateway.ip))
    closed = places.free_port(proxy.ip)
    names.srv("_sip._udp.proxy.test", 60, (1, 1, closed, proxy.ip), (2, 1, proxy.port, proxy.ip))
    stage.start_edge()
    call = OutgoingCall(caller, stage.edge, places.US_NUMBER, OFFER)
    invite, recorded = gateway.expect_request("INVITE"), [("Record-Route", "<sip:proxy.test;lr>")]
    gateway.reply(invite, 180, "Ringing", headers=recorded)
    call.status(180)
    # The name is looked up as soon as it is known.
    addresses = lambda: sum(kind == "A" and name.endswith(".proxy.test") for kind, name in names.asked)
    wait_until(lambda: addresses() == 2, 5, "the servers of the recorded route are looked up")
    gateway.reply(invite, 200, "OK", sdp(gateway.ip, 40_002), recorded)
    call.answered()
    call.request("BYE")
    bye = proxy.expect_request("BYE")
    assert bye["route"] == "<sip:proxy.test;lr>"
    proxy.reply(bye, 200, "OK")
    assert call.final("BYE").status == 200
    stage.edge.wait_records(1)
    stage.edge.wait_idle()


@pytest.mark.parametrize("silent", [False, True])
def test_a_name_that_is_not_found(stage, names, silent):
    caller = stage.peer(places.PBX)
    names.silent = silent
    stage.start_edge()
    call = OutgoingCall(caller, stage.edge, places.US_NUMBER, OFFER)
    assert call.final().status == 500
    stage.edge.wait_records(1)


@pytest.mark.parametrize("habit", ["lies", "truncates"])
def test_liars_and_messages_that_do_not_fit(stage, names, habit):
    caller, gateway = stage.peer(places.PBX), stage.peer(places.CARRIER)
    names.zone[NAME] = []
    names.srv(SRV, 60, (1, 1, gateway.port, places.CARRIER))
    setattr(names, habit, True)
    stage.start_edge()
    calls(stage, caller, gateway)
    stage.edge.wait_records(1)


def big_offer():
    return OFFER + b"".join(b"a=x-%d:%s\r\n" % (n, b"0123456789" * 3) for n in range(40))


def test_a_big_request_to_a_carrier_without_tcp_stays_on_udp(stage):
    caller, gateway = stage.peer(places.PBX), stage.carrier_peer()
    stage.start_edge()
    call = OutgoingCall(caller, stage.edge, places.US_NUMBER, big_offer())
    invite = gateway.expect_request("INVITE")
    assert len(invite.raw) > 1300 and invite["via"].startswith("SIP/2.0/UDP ")
    gateway.reply(invite, 486)
    assert call.final().status == 486
    stage.edge.wait_records(1)


def test_a_big_request_takes_tcp_where_the_carrier_does(stage):
    caller, gateway = stage.peer(places.PBX), stage.carrier_peer()
    with socket.create_server((places.CARRIER, gateway.port)) as listening:
        listening.settimeout(10)
        stage.start_edge()
        call = OutgoingCall(caller, stage.edge, places.US_NUMBER, big_offer())
        stream, _ = listening.accept()
        with stream:
            stream.settimeout(10)
            raw = b""
            while b"\r\n\r\n" not in raw:
                raw += stream.recv(65_536)
            head, _, body = raw.partition(b"\r\n\r\n")
            invite = Message(raw)
            while len(body) < int(invite["content-length"]):
                body += stream.recv(65_536)
            assert invite["via"].startswith("SIP/2.0/TCP ")
            assert ";transport=tcp" in invite["contact"]
            headers = [("Via", invite["via"]), ("From", invite["from"]),
                       ("To", invite["to"] + ";tag=peer"), ("Call-ID", invite["call-id"]),
                       ("CSeq", invite["cseq"])]
            stream.sendall(compose("SIP/2.0 486 Busy Here", headers))
            assert call.final().status == 486
            assert stream.recv(65_536).startswith(b"ACK "), "on the same connection"
        stage.edge.wait_records(1)


def test_tandem_call_finds_servers_as_the_node_does(stage, names):
    """NAPTR leads to TCP, SRV to the port."""
    names.add("edge.test", "NAPTR", 60, (10, 10, "s", "SIP+D2T", "_sip._tcp.edge.test"))
    names.srv("_sip._tcp.edge.test", 60, (1, 1, stage.configuration.sip_port, places.EDGE))
    edge = stage.start_edge()
    done = subprocess.run(
        [BINARY, "call", f"sip:{places.US_NUMBER}@edge.test", "--local", places.PBX, "--dns-server",
         names.address, "--json"], capture_output=True, text=True, timeout=30)
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["status"] == 500, "its carrier's name is not known"
    edge.wait_records(1)
    assert any("SIP/2.0/TCP" in json.dumps(line) for line in edge.sip_log())
    assert ("NAPTR", "edge.test") in names.asked and ("SRV", "_sip._tcp.edge.test") in names.asked


def test_doctor_shows_every_step_to_the_servers(stage, names):
    """`tandem doctor` asks the name servers of the configuration as the edge would, and tells what
    it found and what to change."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((places.CARRIER, 0))
        port = silent.getsockname()[1]
        names.add(NAME, "NAPTR", 60, (10, 10, "s", "SIP+D2U", SRV))
        names.srv(SRV, 60, (1, 1, port, places.CARRIER))
        edge = stage.start_edge()
        told = subprocess.run([BINARY, "doctor", edge.file, "--json"], capture_output=True,
                              text=True, timeout=30)
        found = [f for f in json.loads(told.stdout) if f["area"].startswith("carrier pstn-1")]
    texts = [f["found"] for f in found]
    assert texts[0] == f"NAPTR of {NAME}: 10 10 SIP+D2U -> {SRV}", texts
    assert texts[1].startswith(f"SRV of {SRV}: priority 1 weight 1 ") and f":{port}" in texts[1], texts
    assert f"{NAME} is {places.CARRIER}:{port} (udp)" in texts, texts
    assert found[-1]["subject"] == "OPTIONS" and "said nothing" in texts[-1], texts
    names.zone.clear()
    told = subprocess.run([BINARY, "doctor", edge.file, "--json"], capture_output=True, text=True,
                          timeout=30)
    broken, = [f for f in json.loads(told.stdout)
               if f["area"].startswith("carrier pstn-1") and f["state"] == "broken"]
    assert NAME in broken["found"] and "[[carrier]] host" in broken["advice"], broken
