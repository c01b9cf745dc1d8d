"""An edge is killed while it sets calls up: no telephone rings on, no caller waits, and the records say
why."""

import json

import pytest

from harness import places
from harness.configuration import carrier
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.talk import Talk
from harness.waiting import wait_until

CALLS = 10
CAUSE = "the edge was started anew during the setup"


def kept(edge):
    """What stands in the file of calls that are being set up. Its last line may be half written."""
    last = {}
    whole, _, _ = (edge.data_dir / "kept-calls.jsonl").read_text().rpartition("\n")
    for line in whole.splitlines():
        (kind, said), = json.loads(line).items()
        about = said if kind in ("ended", "farewell") else said[kind]
        last[str(about if kind == "ended" else about["transaction_id"])] = (kind, about)
    return [about for kind, about in last.values() if kind == "setup"]


def restarted(stage, halves, is_written, count=1, rung=0):
    """Killed when its threads have written of `count` calls that are being set up what `is_written`
    wants, and `rung` messages that say that somebody rings."""
    wait_until(lambda: sum(map(is_written, kept(stage.edge))) == count, 20,
               lambda: f"{count} setups: {kept(stage.edge)}")
    wait_until(lambda: sum(line["sip_message"].startswith("SIP/2.0 180")
                           for line in stage.edge.sip_log()) >= rung, 20, "it is in the log")
    stage.edge.kill()
    edge = halves.start_edge()
    halves.wait_connected()
    assert edge.said("calls that the last run was setting up end")
    return edge


def has_rung(setup):
    return any(invite["has_provisional"] for invite in setup["invites"])


def calling(stage, halves, **options):
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_100), **options)
    return gateway, caller, call, gateway.expect_request("INVITE")


def is_refused(call):
    refusal = call.final()
    assert refusal.status == 503 and refusal["retry-after"] == "5", repr(refusal)
    return refusal


def is_cancelled(gateway, invite):
    cancel = gateway.expect_request("CANCEL")
    for name in ("via", "from", "to", "call-id"):
        assert cancel[name] == invite[name]
    assert cancel["cseq"].split()[0] == invite["cseq"].split()[0]
    gateway.reply(cancel, 200, "OK")
    gateway.reply(invite, 487, "Request Terminated")
    gateway.expect(lambda m: m.method == "ACK" and m["call-id"] == invite["call-id"])


def left_behind(edge, halves, status=503):
    """The call's record, and that nothing else is left of it."""
    record, = edge.wait_records(1)
    assert record["end"]["status"] == status and record["end"]["ended_by"] == "edge"
    assert record["end"]["cause"] == CAUSE
    halves.wait_free()
    edge.wait_idle()
    # Nobody waits for the answers any more, so nothing is owed over the next restart.
    wait_until(lambda: not kept(edge), 40, lambda: f"nothing is kept: {kept(edge)}")
    return record


@pytest.mark.parametrize("called", ["uas_cancelled", "uas_crossing"])
def test_calls_that_ring_at_two_telephones_end_on_both_sides(stage, halves, called):
    server = stage.uas(places.CARRIER, scenario=called, calls=CALLS)
    stage.configuration.carriers = [carrier(port=server.port)]
    stage.start_edge()
    pbx = stage.uac(places.PBX, places.US_NUMBER, scenario="uac_lost", calls=CALLS)
    edge = restarted(stage, halves, has_rung, CALLS, rung=2 * CALLS)
    for party in (pbx, server):
        party.wait(60)
    records = edge.wait_records(CALLS)
    assert {(record["end"]["status"], record["end"]["cause"]) for record in records} == {
        (503, CAUSE)}
    assert all(record["times"]["ringing"] for record in records)
    billed = edge.detail_records()
    assert len(billed) == CALLS
    halves.wait_free()
    edge.wait_idle()
    told = edge.command("report", records[0]["transaction_id"], "--config", str(edge.file))
    assert "ended and was started anew while it set up the call" in told, told
    ladder = [rung["start_line"] for rung in json.loads(edge.command(
        "report", records[0]["transaction_id"], "--config", str(edge.file), "--json"))["ladder"]]
    starts = [" ".join(line.split()[:2]) for line in ladder]
    assert starts[0].startswith("INVITE ") and "SIP/2.0 180" in starts, starts
    for after in ("CANCEL ", "SIP/2.0 503"):
        assert any(line.startswith(after) for line in starts), starts


def test_a_called_side_that_has_said_nothing_is_asked_again_and_cancelled(stage, halves):
    gateway, _, call, invite = calling(stage, halves)
    edge = restarted(stage, halves, lambda setup: setup["invites"] and not has_rung(setup))
    is_refused(call)
    gateway.reply(invite, 100, "Trying")
    is_cancelled(gateway, invite)
    copies = [m for m in gateway.received if m.method == "INVITE" and m.status is None]
    assert len(copies) > 1 and not copies[-1].body, "it came again, without its description"
    assert {copy["via"] for copy in copies} == {invite["via"]}
    left_behind(edge, halves)


@pytest.mark.parametrize("reliable", [False, True])
def test_an_answer_while_the_edge_is_away_is_hung_up(stage, halves, reliable):
    headers = [("Supported", "100rel")] if reliable else []
    gateway, caller, call, invite = calling(stage, halves, headers=headers)
    more = [("Require", "100rel"), ("RSeq", "7")] if reliable else []
    gateway.reply(invite, 180, "Ringing", headers=more)
    last = 1
    if reliable:
        prack = gateway.expect_request("PRACK")
        gateway.reply(prack, 200, "OK")
        last = int(prack["cseq"].split()[0])
    call.status(180)
    wait_until(lambda: any(map(has_rung, kept(stage.edge))), 10, "that it rang is written")
    stage.edge.kill()
    answer = sdp(places.CARRIER, 40_102)
    gateway.reply(invite, 200, "OK", answer)
    edge = halves.start_edge()
    gateway.reply(invite, 200, "OK", answer)
    gateway.expect(lambda m: m.method == "ACK" and m["call-id"] == invite["call-id"])
    bye = gateway.expect_request("BYE")
    assert bye["call-id"] == invite["call-id"] and int(bye["cseq"].split()[0]) > last
    gateway.reply(bye, 200, "OK")
    is_refused(call)
    halves.wait_connected()
    left_behind(edge, halves)


def test_a_caller_that_cancels_while_the_edge_is_away_and_one_that_had(stage, halves):
    gateway, caller, call, invite = calling(stage, halves)
    gateway.reply(invite, 180, "Ringing")
    call.status(180)
    had = OutgoingCall(caller, stage.edge, places.US_NUMBER, sdp(places.PBX, 40_200))
    silent = gateway.expect_request("INVITE")
    had.cancel()
    assert had.status(487)["cseq"] == "1 INVITE"
    edge = restarted(stage, halves, lambda setup: has_rung(setup) or setup["status"] == 487, 2)
    call.cancel()
    assert call.status(200, "CANCEL")
    is_refused(call)
    is_cancelled(gateway, invite)
    # The one that nobody has answered comes once more, and then its CANCEL.
    gateway.reply(silent, 180, "Ringing")
    is_cancelled(gateway, silent)
    copies = [m for m in caller.received if m.status == 487]
    assert len(copies) > 1, "it had not acknowledged the first"
    had.refused(copies[-1])
    ended = {record["call_id"]: record["end"]["status"] for record in edge.wait_records(1)}
    assert ended[call.call_id] == 503 and set(ended.values()) <= {503, 487}
    halves.wait_free()
    edge.wait_idle()


def test_a_call_beside_it_goes_on(stage, halves):
    talk = Talk(stage)
    call = OutgoingCall(talk.caller, stage.edge, places.US_NUMBER, sdp(places.PBX, 40_100))
    invite = talk.gateway.expect(lambda m: m.method == "INVITE" and not m.status)
    talk.gateway.reply(invite, 180, "Ringing")
    edge = restarted(stage, halves, has_rung)
    is_refused(call)
    is_cancelled(talk.gateway, invite)
    wait_until(lambda: halves.relay_ports() == 4, 10, "the ports of the call that goes on")
    talk.goes_on()
    stage.hang_up(talk.call, talk.gateway)
    assert sorted(record["end"]["status"] for record in edge.wait_records(2)) == [200, 503]
    halves.wait_free()
    edge.wait_idle()


def test_what_rings_over_tcp_is_cancelled_over_a_new_connection(stage, halves):
    """The caller's connection is gone with the edge: it hears where it sends the INVITE again."""
    gateway = stage.tcp_listener(places.CARRIER)
    stage.configuration.carriers = [carrier(port=gateway.port, transport="tcp")]
    edge = stage.start_edge()
    caller = stage.peer(places.PBX, transport="tcp", edge=edge.address)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_100))
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 180, "Ringing")
    call.status(180)
    edge = restarted(stage, halves, has_rung)
    is_cancelled(gateway, invite)
    assert gateway.connections == 2
    again = stage.peer(places.PBX, transport="tcp", edge=edge.address)
    again.send(call.sent)
    refusal = again.expect_status(503)
    assert refusal["call-id"] == call.call_id and refusal["retry-after"] == "5"
    call.peer = again
    call.refused(refusal)
    left_behind(edge, halves)
