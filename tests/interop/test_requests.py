"""Requests besides the plain call, and the routes of inbound calls."""

import pytest

from harness import places
from harness.message import compose, sdp
from harness.sip import OutgoingCall, send_bye_from_called_side


def test_inbound_goes_to_the_next_route(stage):
    """The PBX's first address is overloaded, the second takes the call."""
    gateway, first, second = (stage.carrier_peer(), stage.peer(places.PBX),
                              stage.peer("127.0.0.5"))
    stage.configuration.origination = [
        {"host": places.PBX, "port": first.port, "priority": 1},
        {"host": "127.0.0.5", "port": second.port, "priority": 2},
    ]
    edge = stage.start_edge()
    call = OutgoingCall(gateway, edge, places.NUMBER, sdp(places.CARRIER, 40_000),
                        calling=places.JP_NUMBER, host=places.EDGE)
    first.reply(first.expect_request("INVITE"), 503, "Service Unavailable")
    first.expect_request("ACK")
    second.reply(second.expect_request("INVITE"), 200, "OK", sdp("127.0.0.5", 40_002))
    call.answered()
    second.expect_request("ACK")
    stage.hang_up(call, second)
    record, = edge.wait_records(1)
    assert [route["destination"] for route in record["routes"]] == [
        f"{places.PBX}:{first.port}", f"127.0.0.5:{second.port}"]
    edge.wait_idle()


def test_called_side_hangs_up(stage):
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    _, invite = stage.established(caller, gateway)
    send_bye_from_called_side(gateway, invite, edge)
    caller.reply(caller.expect_request("BYE"), 200, "OK")
    assert gateway.expect_final("BYE").status == 200
    record, = edge.wait_records(1)
    assert record["end"]["ended_by"] == "leg_b"
    edge.wait_idle()


def test_headers_that_pass_and_headers_that_do_not(stage):
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000), headers=[
        ("P-Asserted-Identity", "<sip:+12065550111@pbx.example.com>"),
        ("Diversion", "<sip:+12065550177@pbx.example.com>;reason=unconditional"),
        ("User-to-User", "56a390f3d2b7310023;encoding=hex"), ("X-Account", "4711"),
        ("User-Agent", "secret-pbx/1.0")])
    invite = gateway.expect_request("INVITE")
    assert "+12065550111" in invite["p-asserted-identity"]
    assert "reason=unconditional" in invite["diversion"]
    assert invite["user-to-user"] == "56a390f3d2b7310023;encoding=hex"
    assert invite["x-account"] == "4711"
    assert "secret" not in repr(invite) and places.PBX not in repr(invite)
    assert invite["call-id"] != call.call_id
    assert len(invite.all("via")) == 1 and int(invite["max-forwards"]) < 70
    gateway.reply(invite, 486, "Busy Here")
    call.final()
    edge.wait_idle()


def test_info_passes(stage):
    """With its body, both ways through the edge."""
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    call, _ = stage.established(caller, gateway)
    call.cseq += 1
    raw = compose(f"INFO {call.target} SIP/2.0", [
        ("Via", caller.via()), ("Max-Forwards", "70"), ("From", call.local), ("To", call.remote),
        ("Call-ID", call.call_id), ("CSeq", f"{call.cseq} INFO")],
        b"Signal=5\r\nDuration=160\r\n", "application/dtmf-relay")
    caller.send(raw, edge.address)
    info = gateway.expect_request("INFO")
    assert info.body == b"Signal=5\r\nDuration=160\r\n"
    assert info["content-type"] == "application/dtmf-relay"
    gateway.reply(info, 200, "OK")
    assert call.final("INFO").status == 200
    stage.hang_up(call, gateway)
    edge.wait_idle()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_options(stage, transport):
    edge = stage.start_edge()
    caller = stage.peer(places.PBX, transport=transport, edge=edge.address)
    caller.send(compose(f"OPTIONS sip:{places.EDGE} SIP/2.0", [
        ("Via", caller.via() + ";rport"), ("Max-Forwards", "70"), ("From", "<sip:a@b.test>;tag=1"),
        ("To", f"<sip:{places.EDGE}>"), ("Call-ID", "options-1"), ("CSeq", "1 OPTIONS")]),
        edge.address)
    answer = caller.expect_final("OPTIONS")
    assert answer.status == 200
    assert {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"} <= set(
        answer["allow"].replace(" ", "").split(","))
    assert f"received={places.PBX}" in answer["via"] and f"rport={caller.port}" in answer["via"]


def test_requests_outside_any_dialog(stage):
    """481 for a BYE that belongs to nothing; a method that is not served gets 405."""
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    for method, status in (("BYE", 481), ("REGISTER", 405), ("SUBSCRIBE", 405)):
        caller.send(compose(f"{method} sip:x@{places.EDGE} SIP/2.0", [
            ("Via", caller.via()), ("Max-Forwards", "70"), ("From", "<sip:a@b.test>;tag=1"),
            ("To", "<sip:x@b.test>" + (";tag=2" if method == "BYE" else "")),
            ("Call-ID", f"none-{method}"), ("CSeq", f"1 {method}")]), edge.address)
        assert caller.expect_final(method).status == status, method
