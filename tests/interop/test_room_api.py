"""Meetings by boto3 and by the command line: made, kept over a restart, held, and ended."""

import json

import botocore.session
import pytest

from harness import places
from harness.configuration import DOMAIN
from harness.control_api import ControlApi, valid_reply
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
#: No part of an id that is drawn.
PASSCODE = "4711204982"


def test_meetings_are_made_kept_held_and_ended(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.sinks = {"audit": {"events": "writes"}}
    stage.configuration.more.append(f'[rooms]\nallow_plain = ["{places.BARESIP}"]')
    edge = stage.start_edge()
    api = ControlApi(edge, port)
    client = api.client("chime-sdk-meetings")
    model = botocore.session.Session().get_service_model("chime-sdk-meetings")
    names = {operation: method for method, operation in
             client.meta.method_to_api_mapping.items()}

    def ask(operation, **parameters):
        answer = getattr(client, names[operation])(**parameters)
        answer.pop("ResponseMetadata")
        valid_reply(operation, answer, model)
        return answer

    def refused(exception, operation, **parameters):
        with pytest.raises(getattr(client.exceptions, exception)) as caught:
            ask(operation, **parameters)
        return caught.value.response["Error"]["Message"]

    def room(*words):
        return json.loads(edge.command("room", "--config", str(edge.file), "--json", *words))

    asked = {"ClientRequestToken": "token-1", "MediaRegion": "us-east-1", "ExternalMeetingId": "weekly"}
    meeting = ask("CreateMeetingWithAttendees", **asked, Tags=[{"Key": "team", "Value": "a"}],
                  Attendees=[{"ExternalUserId": "anna"}, {"ExternalUserId": "ben"}])
    id = meeting["Meeting"]["MeetingId"]
    anna, ben = meeting["Attendees"]
    uri = meeting["Meeting"]["MediaPlacement"]["AudioHostUrl"]
    assert uri == f"sip:{room('show', id)['attendee_id']}@{HOST}"
    assert ask("GetMeeting", MeetingId=id)["Meeting"] == meeting["Meeting"]
    chloe = ask("CreateAttendee", MeetingId=id, ExternalUserId="chloe")["Attendee"]
    may = {"Audio": "Receive", "Video": "None", "Content": "None"}
    ask("BatchUpdateAttendeeCapabilitiesExcept", MeetingId=id, Capabilities=may,
        ExcludedAttendeeIds=[{"AttendeeId": chloe["AttendeeId"]}])
    listed = ask("ListAttendees", MeetingId=id, MaxResults=2)
    assert [each["Capabilities"] for each in listed["Attendees"]] == [may, may]
    rest = ask("ListAttendees", MeetingId=id, NextToken=listed["NextToken"])
    assert rest["Attendees"] == [chloe]
    arn = meeting["Meeting"]["MeetingArn"]
    ask("TagResource", ResourceARN=arn, Tags=[{"Key": "of", "Value": "b"}])
    assert len(ask("ListTagsForResource", ResourceARN=arn)["Tags"]) == 2
    assert "another request" in refused("ConflictException", "CreateMeeting",
                                        **{**asked, "ExternalMeetingId": "daily"})
    refused("NotFoundException", "GetAttendee", MeetingId=id, AttendeeId=id)
    refused("ForbiddenException", "StopMeetingTranscription", MeetingId=id)
    refused("BadRequestException", "CreateMeeting",
            **{**asked, "ClientRequestToken": "token-2", "PrimaryMeetingId": id})

    made = room("create", "--name", "Board", "--personal", "--capacity", "5", "--passcode", PASSCODE)
    assert len(made["attendee_id"]) == 10 and len(made["moderator_id"]) == 13, made
    assert made["passcode"] == PASSCODE

    def audit():
        return "".join(json.dumps(line) for line in api.audit())

    wait_until(lambda: "CreateRoom" in audit(), 15, audit)
    assert PASSCODE not in audit() and made["attendee_id"] not in audit()

    # The same process of a node that begins anew has them.
    edge.stop()
    edge = stage.start_edge()
    assert {each["name"] for each in room("list")["rooms"]} == {"weekly", "Board"}
    assert ask("GetAttendee", MeetingId=id, AttendeeId=ben["AttendeeId"])["Attendee"] == {
        **ben, "Capabilities": may}
    ask("DeleteAttendee", MeetingId=id, AttendeeId=anna["AttendeeId"])
    ask("DeleteMeeting", MeetingId=id)
    refused("NotFoundException", "DeleteMeeting", MeetingId=id)

    device = stage.baresip(places.BARESIP, "device", 600,
                           account=f";regint=0;outbound=\"sip:{places.EDGE}:{edge.port}\"")
    device.do("dial", f"sip:{made['moderator_id']}*{PASSCODE}@{HOST}")

    def participants():
        return room("show", "Board").get("participants")

    wait_until(participants, 15, lambda: f"nobody is in {room('show', 'Board')}")
    assert participants()[0]["moderator"] is True
    room("lock", "Board")
    assert room("show", made["attendee_id"])["locked"] is True
    room("end", "Board")
    device.wait("CALL_CLOSED")
    wait_until(lambda: not room("show", "Board")["held"], 15, "the meeting goes on")

    # One that is for once is gone when it has ended, from the database too.
    once = room("create", "--name", "Once", "--no-passcode")
    device.do("dial", f"sip:{once['moderator_id']}@{HOST}")
    wait_until(lambda: room("show", "Once")["held"], 15, "nobody is in it")
    room("end", "Once")
    wait_until(lambda: [each["name"] for each in room("list")["rooms"]] == ["Board"], 15,
               lambda: str(room("list")))
    edge.wait_idle()
