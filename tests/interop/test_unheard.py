"""One-way audio although packets flow: a gateway that has lost its far end goes on sending silence."""

import pytest

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

PBX_HERTZ, SILENCE = 440, 0


def established(stage, media):
    """A call in which the carrier sends but silence; (call, carrier, its RTP)."""
    stage.configuration.connector["media"] = media
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    near, far = stage.rtp(places.PBX, PBX_HERTZ), stage.rtp(places.CARRIER, SILENCE)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(caller.ip, near.port))
    invite = carrier.expect_request("INVITE")
    carrier.reply(invite, 200, "OK", sdp(carrier.ip, far.port))
    call.answered()
    carrier.expect_request("ACK")
    near.start(call.answer.media())
    far.start(invite.media())
    return call, carrier


def test_a_leg_that_sends_but_silence_is_reported(stage):
    call, carrier = established(stage, {"unheard_after": "10s"})
    edge = stage.edge
    wait_until(lambda: edge.said("one-way audio"), 20, "the log tells of it")
    stage.hang_up(call, carrier)
    record, = edge.wait_records(1)
    edge.wait_idle()
    assert record["unheard"] == ["B"] and record["end"]["ended_by"] == "leg_a", record["end"]
    report = edge.command("report", record["transaction_id"], "--config", str(edge.file))
    assert "from the first on nothing was heard in them but silence" in " ".join(report.split()), report


def test_such_a_call_ends_where_the_voice_connector_wants_it(stage):
    call, carrier = established(stage, {"unheard_after": "10s", "unheard": "end"})
    bye = carrier.expect(lambda m: m.status is None and m.method == "BYE", 25)
    assert "No audio" in bye.get("reason")
    carrier.reply(bye, 200, "OK")
    record, = stage.edge.wait_records(1)
    assert record["unheard"] == ["B"] and "one-way audio" in record["end"]["cause"]
