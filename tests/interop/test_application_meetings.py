"""Applications send their callers into meetings, where they hear each other; meetings call telephones."""

import json

from harness import places, tones
from harness.control_api import ControlApi
from harness.message import compose, sdp
from harness.sip import OutgoingCall
from harness.tones import level
from harness.waiting import wait_until
from test_media_applications import ID, Application, declare, press

HERTZ = [1_000, 1_700]
PASSED_ON = "token-that-nobody-has"


def hears(rtp, loud, silent):
    """The last half second has the one tone and not the other."""
    def look():
        samples, rate = rtp.heard()
        samples = samples[-rate // 2:].astype(float)
        if len(samples) < rate // 2:
            return False
        found = level(samples, rate, loud), level(samples, rate, silent)
        return found[0] > 100 and found[1] < max(found[0] / 20, 8)

    wait_until(look, 30, lambda: f"{loud} Hz and not {silent}")


def test_callers_of_an_application_meet(stage):
    """boto3 makes a meeting and its attendees; the application answers JoinChimeMeeting to two callers, is
    told of a wrong token, mutes and hangs up; whom it has called joins too."""
    port = places.free_port(places.EDGE)
    tokens, attendees, meeting = {}, {}, {}

    def join(token):
        return {"Type": "JoinChimeMeeting",
                "Parameters": {"JoinToken": token, "MeetingId": meeting["MeetingId"]}}

    def answer(event):
        kind, data = event["InvocationEventType"], event.get("ActionData", {})
        leg = event["CallDetails"]["Participants"][0]
        caller = leg["From"] if leg["Direction"] == "Inbound" else leg["To"]
        if kind == "NEW_INBOUND_CALL":
            return [join(PASSED_ON)]
        if kind == "ACTION_FAILED" and data["Type"] == "JoinChimeMeeting":
            return [join(tokens[caller])]
        if kind == "CALL_ANSWERED":
            return [join(tokens[caller])]
        if kind == "ACTION_SUCCESSFUL" and data["Type"] == "JoinChimeMeeting":
            return [{"Type": "ReceiveDigits", "Parameters": {
                "InputDigitsRegex": "[0-9]", "InBetweenDigitsDurationInMilliseconds": 100,
                "FlushDigitsDurationInMilliseconds": 1_000}}]
        if kind == "DIGITS_RECEIVED":
            operation = {"1": "Mute", "2": "Unmute"}.get(data["ReceivedDigits"])
            return [{"Type": "ModifyChimeMeetingAttendees", "Parameters": {
                "Operation": operation, "MeetingId": meeting["MeetingId"],
                "AttendeeList": [attendees[caller]]}}] if operation else [{"Type": "Hangup"}]
        return []

    application = stage._keep(Application(answer))
    gateway = stage.carrier_peer(dtmf="info")
    declare(stage, application.port)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.more.append(f'[rooms]\nallow_plain = ["{places.CARRIER}"]')
    edge = stage.start_edge()
    api = ControlApi(edge, port)
    client = api.client("chime-sdk-meetings")
    meeting.update(client.create_meeting(ClientRequestToken="token-1", MediaRegion="us-east-1",
                                         ExternalMeetingId="weekly")["Meeting"])
    callers = ["+12065550111", "+12065550112", places.US_NUMBER]
    for caller in callers:
        made = client.create_attendee(MeetingId=meeting["MeetingId"], ExternalUserId=caller)
        tokens[caller] = made["Attendee"]["JoinToken"]
        attendees[caller] = made["Attendee"]["AttendeeId"]

    ends = []
    for caller, hertz in zip(callers, HERTZ):
        rtp = stage.rtp(places.CARRIER, hertz)
        calling = OutgoingCall(gateway, edge, places.NUMBER, sdp(gateway.ip, rtp.port),
                               calling=caller, host=places.EDGE)
        calling.answered(30)
        rtp.start(calling.answer.media())
        ends.append((calling, rtp))
    (first, one), (second, two) = ends
    hears(one, HERTZ[1], HERTZ[0])
    hears(two, HERTZ[0], HERTZ[1])
    failed = next(event for event in application.events
                  if event["InvocationEventType"] == "ACTION_FAILED")["ActionData"]
    assert failed["ErrorType"] == "InvalidActionParameter", failed
    assert failed["ErrorMessage"].startswith("JoinToken parameter value is invalid"), failed
    # The first caller's key is its application's, which mutes it; the second hears nobody then.
    press(first, "1")
    wait_until(lambda: level(two.heard()[0][-4_000:].astype(float), 8_000, HERTZ[0]) < 8, 30,
               "the first one is muted")
    press(first, "2")
    hears(two, HERTZ[0], HERTZ[1])
    # Whom the application calls joins as well: leg B of its stream.
    phone = stage.rtp(places.CARRIER, 620)
    api.client().create_sip_media_application_call(
        SipMediaApplicationId=ID, FromPhoneNumber=places.NUMBER, ToPhoneNumber=places.US_NUMBER)
    invite = gateway.expect_request("INVITE", 30)
    gateway.reply(invite, 200, "OK", sdp(gateway.ip, phone.port))
    phone.start(invite.media())
    hears(one, 620, HERTZ[0])
    hears(phone, HERTZ[1], 620)
    # The application hangs up on the second; the end of the meeting on the others.
    press(second, "9")
    bye = gateway.expect(lambda m: second.mine(m) and m.method == "BYE" and m.status is None, 30)
    gateway.reply(bye, 200, "OK")
    client.delete_meeting(MeetingId=meeting["MeetingId"])
    for _ in range(2):
        bye = gateway.expect(lambda m: m.method == "BYE" and m.status is None, 30)
        gateway.reply(bye, 200, "OK")
    wait_until(lambda: application.kinds().count("HANGUP") == 3, 30, application.kinds)
    assert all(application.genuine)
    edge.wait_idle()


def test_a_meeting_calls_telephones(stage):
    """The moderator's menu and `tandem room call`: who answers hears the invitation, presses 1 and is in;
    who may not be called or does not answer is told of."""
    port = places.free_port(places.EDGE)
    prompts = stage.directory / "prompts" / "en"
    prompts.mkdir(parents=True)
    tones.write_wav(prompts / "invited.wav", 620, 3)
    tones.write_wav(prompts / "cannot-call.wav", 2_300, 3)
    gateway = stage.carrier_peer(dtmf="info")
    stage.configuration.numbers = []
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.more.append(f"""
[rooms]
allow_plain = ["{places.CARRIER}"]
numbers = ["{places.NUMBER}"]
prompts = {json.dumps(str(prompts.parent))}
country_code = "1"
[rooms.call_out]
caller_id = "{places.NUMBER}"
calling_regions = ["US"]
""")
    edge = stage.start_edge()
    ControlApi(edge, port)

    def room(*words):
        return edge.command("room", "--config", str(edge.file), *words)

    made = json.loads(room("create", "--json", "--name", "Board", "--no-passcode"))

    def told(kind):
        file = edge.data_dir / "events/events.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        details = [json.loads(line)["detail"] for line in lines]
        return [detail for detail in details if detail["eventType"] == kind]

    rtp = stage.rtp(places.CARRIER, HERTZ[0])
    moderator = OutgoingCall(gateway, edge, places.NUMBER, sdp(gateway.ip, rtp.port),
                             host=places.EDGE)
    moderator.answered(30)
    rtp.start(moderator.answer.media())
    press(moderator, made["moderator_id"] + "#")
    wait_until(lambda: told("chime:AttendeeJoined"), 30, "the moderator is in")
    press(moderator, "*8" + places.US_NUMBER[2:] + "#")
    invite = gateway.expect_request("INVITE", 30)
    assert places.NUMBER in invite["from"] and places.US_NUMBER in invite["to"]
    phone = stage.rtp(places.CARRIER, HERTZ[1])
    gateway.reply(invite, 200, "OK", sdp(gateway.ip, phone.port))
    phone.start(invite.media())
    hears(phone, 620, HERTZ[0])
    key = compose(f"INFO {invite.contact_uri()} SIP/2.0", [
        ("Via", gateway.via()), ("Max-Forwards", "70"), ("From", invite["to"] + ";tag=peer"),
        ("To", invite["from"]), ("Call-ID", invite["call-id"]), ("CSeq", "800 INFO")],
        b"Signal=1\r\nDuration=160\r\n", content_type="application/dtmf-relay")
    gateway.send(key, edge.address)
    hears(phone, HERTZ[0], 620)
    hears(rtp, HERTZ[1], 620)
    joined = told("chime:AttendeeJoined")[1]
    assert joined["name"] == places.US_NUMBER[2:], joined
    # A country that is not listed: the moderator hears so.
    press(moderator, "*8" + "011" + places.JP_NUMBER[1:] + "#")
    wait_until(lambda: told("tandem:DialOutFailed"), 30, "the call is refused")
    assert told("tandem:DialOutFailed")[0]["status"] == 403
    hears(rtp, 2_300, HERTZ[0])
    assert "is called into" in room("call", made["attendee_id"], places.US_NUMBER)
    invite = gateway.expect_request("INVITE", 30)
    gateway.reply(invite, 486, "Busy Here")
    wait_until(lambda: len(told("tandem:DialOutFailed")) == 2, 30, "nobody answers")
    assert told("tandem:DialOutFailed")[1]["status"] == 486
    room("end", made["attendee_id"])
    for _ in range(2):
        bye = gateway.expect(lambda m: m.method == "BYE" and m.status is None, 30)
        gateway.reply(bye, 200, "OK")
    record = next(record for record in edge.wait_records(3)
                  if record["to_user"] == places.US_NUMBER and record["end"]["status"] == 200)
    assert record["transaction_id"] == joined["transactionId"], record
    edge.wait_idle()
