"""An edge is killed while it carries out a transfer: the call lives, the transferor hears that the
transfer failed, and the target is not left alone."""

import pytest

from harness import places
from harness.message import sdp
from harness.rtp import lost
from harness.sip import send_bye_from_called_side
from harness.talk import Talk
from harness.waiting import wait_until

TARGET_RTP = 41_000


def refer(talk, edge):
    """The caller asks for a transfer, and the target's INVITE has come."""
    target = f"<sip:{places.JP_NUMBER}@{places.EDGE}:{edge.port}>"
    talk.call.request("REFER", headers=[("Contact", talk.caller.contact()), ("Refer-To", target)])
    assert talk.call.final("REFER").status == 202
    notified(talk, "100 Trying")
    return talk.gateway.expect_request("INVITE")


def notified(talk, line):
    notify = talk.caller.expect_request("NOTIFY")
    assert line in notify.body.decode(), notify.body
    talk.caller.reply(notify, 200, "OK")
    return notify


def withdrawn(talk, invite):
    """The target answers the INVITE, which comes again, as it did before."""
    talk.gateway.reply(invite, 180, "Ringing", tag="target")
    cancel = talk.gateway.expect_request("CANCEL")
    assert cancel["call-id"] == invite["call-id"]
    talk.gateway.reply(cancel, 200, "OK", tag="target")
    talk.gateway.reply(invite, 487, "Request Terminated", tag="target")
    talk.gateway.expect(lambda m: m.method == "ACK" and m["call-id"] == invite["call-id"])


def restarted(stage, halves, written):
    """Killed as soon as its thread has written what the test is about, or a moment after."""
    file = stage.edge.data_dir / "kept-calls.jsonl"
    wait_until(lambda: written in file.read_text(), 10, f"{written} in {file.read_text()}")
    stage.edge.kill()
    edge = halves.start_edge()
    halves.wait_connected()
    return edge


@pytest.mark.parametrize("rings", [False, True])
def test_a_call_outlives_a_transfer_that_does_not(stage, halves, rings):
    talk = Talk(stage)
    invite = refer(talk, stage.edge)
    if rings:
        talk.gateway.reply(invite, 180, "Ringing", tag="target")
        notified(talk, "180 Ringing")
    edge = restarted(stage, halves, '"rings":true' if rings else f"INVITE sip:{places.JP_NUMBER}")
    notify = notified(talk, "503 Service Unavailable")
    assert notify["subscription-state"].startswith("terminated")
    withdrawn(talk, invite)
    talk.goes_on()
    assert lost(talk.near) == 0 and lost(talk.far) == 0
    assert halves.relay_ports() == 4, "the call's alone"
    stage.hang_up(talk.call, talk.gateway)
    record, = edge.wait_records(1)
    assert record["end"]["ended_by"] == "leg_a" and not record.get("transferred_to")
    halves.wait_free()
    edge.wait_idle()


def test_a_transferee_whose_transferor_has_left_is_hung_up(stage, halves):
    talk = Talk(stage)
    invite = refer(talk, stage.edge)
    assert talk.call.bye().status == 200
    edge = restarted(stage, halves, '"gone":true')
    bye = talk.gateway.expect_request("BYE")
    assert "Transfer failed" in bye["reason"]
    talk.gateway.reply(bye, 200, "OK")
    withdrawn(talk, invite)
    record, = edge.wait_records(1)
    assert record["end"]["cause"] == "the transfer failed"
    halves.wait_free()
    edge.wait_idle()


def test_a_transferee_that_was_on_its_way_is_brought_back(stage, halves):
    """Killed while the transferee is asked whether it takes the target's media."""
    talk = Talk(stage)
    invite = refer(talk, stage.edge)
    talk.gateway.reply(invite, 200, "OK", sdp(places.CARRIER, TARGET_RTP), tag="target")
    talk.gateway.expect(lambda m: m.method == "ACK" and m["call-id"] == invite["call-id"])
    talk.gateway.expect_request("INVITE")
    edge = restarted(stage, halves, "BYE sip:")
    bye = talk.gateway.expect_request("BYE")
    assert bye["call-id"] == invite["call-id"], "the target's"
    talk.gateway.reply(bye, 200, "OK")
    notified(talk, "503 Service Unavailable")
    back = talk.gateway.expect_request("INVITE")
    assert back["call-id"] == talk.invite["call-id"] and back.media() == talk.far_target
    talk.gateway.reply(back, 200, "OK", sdp(places.CARRIER, talk.far.port, version=2))
    talk.gateway.expect(lambda m: m.method == "ACK" and m["cseq"] == back["cseq"].replace(
        "INVITE", "ACK"))
    talk.goes_on()
    send_bye_from_called_side(talk.gateway, talk.invite, edge)
    talk.caller.reply(talk.caller.expect_request("BYE"), 200, "OK")
    edge.wait_records(1)
    halves.wait_free()
    edge.wait_idle()
