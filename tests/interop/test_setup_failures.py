"""Calls that do not come about: refused, given up, not answered, sent elsewhere."""

import pytest

from harness import places
from harness.configuration import carrier
from harness.message import sdp
from harness.sip import OutgoingCall

OFFER = sdp(places.PBX, 40_000)


@pytest.fixture
def pair(stage):
    """(caller, carrier): scripted, with the edge not started yet."""
    carrier_peer = stage.carrier_peer()
    return stage.peer(places.PBX), carrier_peer


def only_record(stage):
    record, = stage.edge.wait_records(1)
    stage.edge.wait_idle()
    return record


def test_cancel_while_it_rings(stage, pair):
    caller, gateway = pair
    edge = stage.start_edge()
    call = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 180, "Ringing")
    call.status(180)
    call.cancel()
    cancel = gateway.expect_request("CANCEL")
    assert cancel["via"] == invite["via"], "CANCEL belongs to the INVITE's transaction"
    gateway.reply(cancel, 200, "OK")
    gateway.reply(invite, 487, "Request Terminated")
    gateway.expect_request("ACK")
    call.status(200, "CANCEL")
    assert call.final().status == 487
    assert only_record(stage)["end"]["status"] == 487


def test_cancel_before_any_answer(stage, pair):
    """Nothing has come from the carrier: the CANCEL waits for a provisional response."""
    caller, gateway = pair
    edge = stage.start_edge()
    call = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
    invite = gateway.expect_request("INVITE")
    call.cancel()
    assert call.final().status == 487
    assert not any(m.method == "CANCEL" for m in gateway.received if m.status is None)
    gateway.reply(invite, 100, "Trying")
    cancel = gateway.expect_request("CANCEL")
    gateway.reply(cancel, 200, "OK")
    gateway.reply(invite, 487, "Request Terminated")
    gateway.expect_request("ACK")
    only_record(stage)


def test_answer_crosses_cancel(stage, pair):
    """The carrier answered before the CANCEL came: that answer is acknowledged and hung up."""
    caller, gateway = pair
    edge = stage.start_edge()
    call = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 180, "Ringing")
    call.status(180)
    call.cancel()
    cancel = gateway.expect_request("CANCEL")
    gateway.reply(invite, 200, "OK", sdp(places.CARRIER, 40_002))
    gateway.reply(cancel, 200, "OK")
    gateway.expect_request("ACK")
    bye = gateway.expect_request("BYE")
    gateway.reply(bye, 200, "OK")
    assert call.final().status == 487
    only_record(stage)


@pytest.mark.parametrize(("status", "reason"), [(486, "Busy Here"), (404, "Not Found"),
                                                (603, "Decline")])
def test_refusals_pass_to_the_caller(stage, pair, status, reason):
    caller, gateway = pair
    edge = stage.start_edge()
    call = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
    gateway.reply(gateway.expect_request("INVITE"), status, reason)
    gateway.expect_request("ACK")
    assert call.final().status == status
    record = only_record(stage)
    assert record["end"]["status"] == status and len(record["routes"]) == 1
    detail, = edge.detail_records()
    assert detail["Status"] == "Failed" and detail["BillableDurationSeconds"] == 0


def test_no_answer(stage, pair):
    caller, gateway = pair
    stage.configuration.carriers[0]["no_answer_timeout"] = "5s"
    edge = stage.start_edge()
    call = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 180, "Ringing")
    cancel = gateway.expect_request("CANCEL", 10)
    gateway.reply(cancel, 200, "OK")
    gateway.reply(invite, 487, "Request Terminated")
    assert call.final().status == 480
    assert only_record(stage)["end"]["status"] == 480


def test_numbers_that_nobody_may_call(stage, pair):
    caller, gateway = pair
    edge = stage.start_edge()
    for called, status in [(places.GB_NUMBER, 403), ("12345", 404), ("alice", 404)]:
        call = OutgoingCall(caller, edge, called, OFFER)
        assert call.final().status == status, called
    edge.wait_metric("tandem_refusals_total", 1, reason="region_not_allowed")
    edge.wait_metric("tandem_refusals_total", 2, reason="not_e164")
    assert not gateway.receive(0.001)
    edge.wait_idle()


def test_unknown_inbound_number(stage, pair):
    _, gateway = pair
    edge = stage.start_edge()
    call = OutgoingCall(gateway, edge, places.US_NUMBER, OFFER, host=places.EDGE)
    assert call.final().status == 404
    edge.wait_metric("tandem_refusals_total", 1, reason="unknown_number")


def test_unknown_sources(stage, pair):
    """A stranger is refused, whether it names a voice connector or not."""
    edge = stage.start_edge()
    stranger = stage.peer(places.STRANGER)
    assert OutgoingCall(stranger, edge, places.US_NUMBER, OFFER).final().status == 403
    assert OutgoingCall(stranger, edge, places.US_NUMBER, OFFER,
                        host=places.EDGE).final().status == 403
    edge.wait_metric("tandem_refusals_total", 2, reason="unknown_source")
    edge.wait_idle()


def test_call_rate_limit(stage, pair):
    """One call a second: of a burst, the rest is told when to come again."""
    caller, gateway = pair
    stage.configuration.termination["cps_limit"] = 1
    edge = stage.start_edge()
    calls = [OutgoingCall(caller, edge, places.US_NUMBER, OFFER) for _ in range(6)]
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 486, "Busy Here")
    finals = [call.final() for call in calls]
    throttled = [final for final in finals if final.status == 503]
    # A burst that crosses the second's border may get one more through.
    assert 4 <= len(throttled) <= 5, [final.status for final in finals]
    assert all(int(final["retry-after"]) >= 1 for final in throttled)
    edge.wait_metric("tandem_throttles_total", len(throttled))


def test_concurrent_call_limit(stage, pair):
    caller, gateway = pair
    stage.configuration.termination["concurrent_calls_limit"] = 1
    edge = stage.start_edge()
    running, _ = stage.established(caller, gateway)
    second = OutgoingCall(caller, edge, places.US_NUMBER, OFFER).final()
    assert second.status == 503 and int(second["retry-after"]) >= 1
    stage.hang_up(running, gateway)
    edge.wait_idle()
    third, _ = stage.established(caller, gateway)
    stage.hang_up(third, gateway)
    edge.wait_idle()


@pytest.mark.parametrize("first", ["unreachable", "503", "silent"])
def test_second_carrier_takes_over(stage, first):
    """By ICMP port unreachable, by a refusal, and by saying nothing."""
    stage.configuration.carriers.append(carrier("pstn-2", places.SECOND_CARRIER, priority=2))
    bad = stage.carrier_peer(no_response_timeout="1s")
    good = stage.carrier_peer(places.SECOND_CARRIER, 1)
    edge = stage.start_edge()
    if first == "unreachable":
        bad.close()
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
    if first == "503":
        bad.reply(bad.expect_request("INVITE"), 503, "Service Unavailable")
        bad.expect_request("ACK")
    invite = good.expect_request("INVITE", 3)
    good.reply(invite, 200, "OK", sdp(places.SECOND_CARRIER, 40_002))
    call.answered()
    good.expect_request("ACK")
    stage.hang_up(call, good)
    record, = edge.wait_records(1)
    assert [route["carrier"] for route in record["routes"]] == ["pstn-1", "pstn-2"]
    assert record["end"]["status"] == 200
    if first == "unreachable":
        assert record["times"]["answered"] - record["times"]["attempted"] < 900, "not by timeout"
    edge.wait_idle()


def test_all_carriers_fail(stage):
    stage.configuration.carriers.append(carrier("pstn-2", places.SECOND_CARRIER, priority=2))
    peers = [stage.carrier_peer(), stage.carrier_peer(places.SECOND_CARRIER, 1)]
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
    for peer in peers:
        peer.reply(peer.expect_request("INVITE"), 500, "Server Internal Error")
        peer.expect_request("ACK")
    assert 500 <= call.final().status < 600
    record = only_record(stage)
    assert len(record["routes"]) == 2
