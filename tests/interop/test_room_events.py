"""What happens in a meeting is told: in the file and on EventBridge, in records of calls, in the quality log."""

import json

import pytest

from harness import places
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.notified import Notified
from harness.sip import OutgoingCall
from harness.waiting import wait_until

TYPE = "Chime Meeting State Change"
ATTENDEE, MODERATOR = "4081234567", "7035550123456"
ROOM_DEVICE = "127.0.0.21"
# The voice connector of calls to the rooms.
CONNECTOR = "meetingrooms0000000000"


@pytest.fixture
def notified(stage, cloud):
    notified = Notified(cloud, TYPE)
    notified.sinks["events"]["also_file"] = True
    stage.configuration.sinks = notified.sinks
    return notified


def press(call, keys):
    for key in keys:
        call.request("INFO", f"Signal={key}\r\nDuration=160\r\n".encode(),
                     content_type="application/dtmf-relay")
        assert call.final("INFO").status == 200


def test_what_happens_in_a_meeting_is_told_everywhere(stage, cloud, notified):
    gateway = stage.carrier_peer()
    stage.configuration.numbers = []
    stage.configuration.more.append(f"""
[rooms]
allow_plain = ["{ROOM_DEVICE}"]
numbers = ["{places.NUMBER}"]
[rooms.logging]
media_metrics = true
[rooms.recording]
[[rooms.meeting]]
name = "Board"
attendee_id = "{ATTENDEE}"
moderator_id = "{MODERATOR}"
passcode = "987654"
announce = "off"
""")
    edge = stage.start_edge()
    def wait_told(kind):
        wait_until(lambda: kind in [event["detail"]["eventType"] for event in edge.events()], 30,
                   lambda: f"{kind}: {edge.events()}")

    # A telephone by a number of the rooms, whose ID is typed; a device that dials the moderator's.
    phone_rtp, room_rtp = stage.rtp(places.CARRIER, 440), stage.rtp(ROOM_DEVICE, 1_000)
    phone = OutgoingCall(gateway, edge, places.NUMBER, sdp(gateway.ip, phone_rtp.port),
                         host=places.EDGE)
    phone_rtp.start(phone.answered().media())
    press(phone, ATTENDEE)
    wait_told("chime:AttendeeJoined")
    device = OutgoingCall(stage.peer(ROOM_DEVICE), edge, f"{MODERATOR}*987654",
                          sdp(ROOM_DEVICE, room_rtp.port), host=f"meet.{DOMAIN}")
    room_rtp.start(device.answered().media())
    press(device, "*2")
    wait_told("tandem:RecordingStarted")
    press(device, "*5")
    wait_told("tandem:AttendeeMuted")
    press(phone, "*9")
    wait_told("tandem:HandRaised")
    press(device, "*4")
    wait_told("tandem:MeetingLocked")
    press(device, "*2")
    wait_told("tandem:RecordingStopped")
    wait_until(lambda: len(phone_rtp.received) > 20 and len(room_rtp.received) > 20, 30, "audio")
    assert phone.bye().status == 200
    wait_told("chime:AttendeeLeft")
    press(device, "*991")
    bye = device.peer.expect(lambda m: m.status is None and m.method == "BYE", 30)
    device.peer.reply(bye, 200, "OK")
    wait_told("chime:MeetingEnded")

    told = edge.events()
    kinds = [event["detail"]["eventType"].split(":")[1] for event in told]
    assert kinds == ["MeetingStarted", "AttendeeJoined", "AttendeeJoined", "RecordingStarted",
                     "AttendeeMuted", "HandRaised", "MeetingLocked", "RecordingStopped",
                     "AttendeeLeft", "AttendeeLeft", "MeetingEnded"], kinds
    assert {event["detail-type"] for event in told} == {TYPE}
    assert [event["detail"]["sequence"] for event in told] == list(range(1, len(told) + 1))
    assert [event["detail"]["reason"] for event in told[-3:]] == ["HungUp", "MeetingEnded", "Moderator"]
    arrived = [json.loads(message["Body"]) for message in notified.wait_messages("ruled", len(told))]
    details = {event["detail"]["sequence"]: event["detail"] for event in arrived}
    assert details == {event["detail"]["sequence"]: event["detail"] for event in told}
    assert cloud.refusals == []

    # The records name the meeting, and that it was recorded; both legs were heard as any are.
    meeting = told[0]["detail"]["meetingId"]
    records = {record["transaction_id"]: record for record in edge.wait_records(2)}
    joined = [event["detail"]["transactionId"] for event in told
              if event["detail"]["eventType"] == "chime:AttendeeJoined"]
    assert set(joined) == set(records)
    for record in records.values():
        assert record["meetings"] == [{"meeting_id": meeting, "recorded": True}], record
        near, _ = record["quality"]
        assert near["received_packets"] > 20 and near["sent_packets"] > 20 and near["mos"], record
        assert f"{meeting} (recorded)" in edge.command(
            "report", "--config", str(edge.file), record["transaction_id"])
    wait_until(lambda: {line["call_id"] for line in edge.media_log(CONNECTOR)} == set(records), 20,
               lambda: f"the quality log: {edge.media_log(CONNECTOR)}")
    edge.wait_idle()
