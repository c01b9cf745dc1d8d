"""Calls that an application steers: the example of the documentation itself, and what is signed."""

import hashlib
import hmac
import http.server
import json
import re
import subprocess
import sys
import threading
import wave
from pathlib import Path

import pytest

from botocore.exceptions import ClientError

from harness import places, tones
from harness.control_api import ControlApi
from harness.message import sdp
from harness.sip import OutgoingCall, send_bye_from_called_side
from harness.tones import assert_hears
from harness.waiting import wait_until

GUIDE = Path(__file__).resolve().parents[2] / "docs/media-applications.md"
PROMPT_HERTZ, CALLER_HERTZ = 440, 1_000
ID = "1f2e3d4c-5b6a-4798-8a9b-0c1d2e3f4a5b"
SECRET = "open-sesame-open-sesame"


class Called:
    """A program that is run, and what it prints."""

    def __init__(self, text):
        self.lines = []
        self._process = subprocess.Popen([sys.executable, "-c", text], text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line.strip())

    def stop(self):
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()


class Application:
    """An application whose answers a test gives: `answer(event)` is a list of actions."""

    def __init__(self, answer):
        self.events, self.genuine = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.genuine.append(_is_genuine(self.headers["x-tandem-signature"], body))
                event = json.loads(body)
                outer.events.append(event)
                told = json.dumps({"SchemaVersion": "1.0", "Actions": answer(event)}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((places.EDGE, 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def kinds(self):
        return [event["InvocationEventType"] for event in self.events]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def _is_genuine(header, body):
    fields = dict(part.split("=", 1) for part in header.split(","))
    signed = hmac.new(SECRET.encode(), fields["t"].encode() + b"." + body, hashlib.sha256)
    return hmac.compare_digest(signed.hexdigest(), fields["v1"])


def start(stage, port, number=places.NUMBER, **more):
    """An edge whose application listens on `port`, and the carrier that calls it."""
    gateway = stage.carrier_peer(dtmf="info")
    declare(stage, port, number, **more)
    stage.start_edge()
    return gateway


def declare(stage, port, number=places.NUMBER, **more):
    """The application that listens on `port`, the rule of its number, and what it plays."""
    configuration = stage.configuration
    configuration.numbers = []
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    configuration.more.append(f"""
[[sip_media_application]]
id = "{ID}"
endpoint = "http://{places.EDGE}:{port}/"
secret = "{SECRET}"
calling_regions = ["US"]
{extra}
[[sip_rule]]
id = "menu"
to_phone_number = "{number}"
targets = [{{ application = "{ID}" }}]
""")
    sounds = Path(configuration.data_dir) / "sounds/demo"
    sounds.mkdir(parents=True)
    tones.write_wav(sounds / "welcome.wav", PROMPT_HERTZ, 3)


def call(stage, gateway):
    rtp = stage.rtp(places.CARRIER, CALLER_HERTZ)
    return OutgoingCall(gateway, stage.edge, places.NUMBER, sdp(gateway.ip, rtp.port),
                        host=places.EDGE), rtp


def press(calling, keys):
    for key in keys:
        calling.request("INFO", f"Signal={key}\r\nDuration=160\r\n".encode(),
                        content_type="application/dtmf-relay")
        assert calling.final("INFO").status == 200


def test_the_first_application_of_the_guide(stage):
    """It plays, takes digits and hangs up, as it stands there."""
    text = re.search(r"```python\n(import http\.server.*?)```", GUIDE.read_text(), re.S).group(1)
    port = places.free_port(places.EDGE)
    menu = stage._keep(Called(text.replace("8000", str(port))))
    gateway = start(stage, port)
    calling, rtp = call(stage, gateway)
    calling.answered(30)
    rtp.start(calling.answer.media())
    wait_until(lambda: len(rtp.received) >= 50, 30, "a second of the prompt")
    assert_hears(*rtp.heard(), PROMPT_HERTZ, CALLER_HERTZ)
    press(calling, "12#")
    bye = gateway.expect(lambda m: m.status is None and m.method == "BYE", 30)
    gateway.reply(bye, 200, "OK")
    wait_until(lambda: len(menu.lines) == 3, 30, lambda: f"three events; it has {menu.lines}")
    assert menu.lines == ["NEW_INBOUND_CALL", "ACTION_SUCCESSFUL 12", "HANGUP"]
    record, = stage.edge.wait_records(1)
    assert record["end"]["status"] == 200


def test_a_caller_is_bridged_and_comes_back(stage):
    """Leg B is called through the carriers; its end is told, and leg A goes on."""
    def answer(event):
        kind = event["InvocationEventType"]
        if kind == "NEW_INBOUND_CALL":
            return [{"Type": "CallAndBridge", "Parameters": {
                "CallerIdNumber": places.NUMBER, "SipHeaders": {"X-Floor": "3"},
                "Endpoints": [{"BridgeEndpointType": "PSTN", "Uri": places.US_NUMBER}]}}]
        leg = event.get("ActionData", {}).get("Parameters", {}).get("ParticipantTag")
        if kind == "HANGUP" and leg == "LEG-B":
            return [{"Type": "Dance"}]
        return [{"Type": "Hangup"}] if kind == "ACTION_FAILED" else []

    application = stage._keep(Application(answer))
    gateway = start(stage, application.port)
    calling, rtp = call(stage, gateway)
    far = stage.rtp(places.CARRIER, 620)
    invite = gateway.expect_request("INVITE", 30)
    assert invite["x-floor"] == "3"
    gateway.reply(invite, 200, "OK", sdp(gateway.ip, far.port))
    calling.answered(30)
    # Leg B joins leg A's stream, which it is told of.
    again = gateway.expect_request("INVITE", 30)
    gateway.reply(again, 200, "OK", sdp(gateway.ip, far.port))
    rtp.start(calling.answer.media())
    far.start(again.media())
    wait_until(lambda: len(rtp.received) >= 50 and len(far.received) >= 50, 30, "both are heard")
    wait_until(lambda: "ACTION_SUCCESSFUL" in application.kinds(), 30, "the bridge is told")
    send_bye_from_called_side(gateway, invite, stage.edge)
    bye = gateway.expect(lambda m: m.status is None and m.method == "BYE", 30)
    gateway.reply(bye, 200, "OK")
    wait_until(lambda: application.kinds()[-1] == "HANGUP" and len(application.kinds()) == 5, 30,
               lambda: f"the last word; there are {application.kinds()}")
    assert application.kinds() == ["NEW_INBOUND_CALL", "ACTION_SUCCESSFUL", "HANGUP",
                                   "ACTION_FAILED", "HANGUP"]
    failed = application.events[3]["ActionData"]
    assert failed["ErrorType"] == "UnsupportedAction"
    assert "Actions[0], Dance" in failed["ErrorMessage"]
    assert all(application.genuine)


def test_early_media_of_leg_b_reaches_leg_a(stage):
    """What the carrier says before leg B answers, and refuses: over real ports, both ways."""
    def answer(event):
        kind = event["InvocationEventType"]
        if kind == "NEW_INBOUND_CALL":
            return [{"Type": "CallAndBridge", "Parameters": {
                "CallerIdNumber": places.NUMBER,
                "Endpoints": [{"BridgeEndpointType": "PSTN", "Uri": places.US_NUMBER}]}}]
        return [{"Type": "Hangup"}] if kind == "ACTION_FAILED" else []

    def hears(endpoint, hertz):
        newest = tones.from_ulaw(b"".join(packet[12:] for packet in endpoint.received[-10:]))
        return len(newest) >= 1_600 and abs(tones.dominant(newest, tones.RATE) - hertz) < 20

    application = stage._keep(Application(answer))
    gateway = start(stage, application.port)
    calling, rtp = call(stage, gateway)
    far = stage.rtp(places.CARRIER, 620)
    invite = gateway.expect_request("INVITE", 30)
    gateway.reply(invite, 183, "Session Progress", sdp(gateway.ip, far.port))
    calling.answered(30)
    rtp.start(calling.answer.media())
    far.start(invite.media())
    wait_until(lambda: hears(rtp, 620), 30, "leg A hears leg B before its answer")
    wait_until(lambda: hears(far, CALLER_HERTZ), 30, "leg B hears leg A")
    gateway.reply(invite, 486, "Busy Here")
    bye = gateway.expect(lambda m: m.status is None and m.method == "BYE", 30)
    gateway.reply(bye, 200, "OK")
    wait_until(lambda: application.kinds()[-1] == "HANGUP", 30, "the last word")
    assert application.kinds() == ["NEW_INBOUND_CALL", "ACTION_FAILED", "HANGUP"]
    assert application.events[1]["ActionData"]["ErrorType"] == "CallNotAnswered"


@pytest.mark.parametrize("status", [503, 480])
def test_an_application_that_is_away(stage, status):
    gateway = start(stage, places.free_port(places.EDGE), on_failure=status)
    calling, _ = call(stage, gateway)
    assert calling.final(seconds=30).status == status
    wait_until(lambda: stage.edge.said("an application is given up"), 10, "the log says why")


def test_what_a_caller_says_is_recorded_and_played_back(stage):
    """The file that RecordAudio tells of is there, and PlayAudio plays it to the same caller; the recording
    of the call has both parties' places; the reason of a failure is in the report."""
    s3 = {"Type": "S3", "BucketName": "demo"}
    recorded = []

    def answer(event):
        kind, data = event["InvocationEventType"], event.get("ActionData", {})
        if kind == "NEW_INBOUND_CALL":
            return [
                {"Type": "StartCallRecording", "Parameters": {
                    "Track": "BOTH", "Destination": {"Type": "S3", "Location": "demo/calls"}}},
                {"Type": "RecordAudio", "Parameters": {
                    "DurationInSeconds": "60", "RecordingTerminators": ["#"],
                    "RecordingDestination": s3 | {"Prefix": "voice/mail"}}}]
        if data.get("Type") == "RecordAudio":
            recorded.append(data)
            key = data["RecordingDestination"]["Key"]
            return [{"Type": "StopCallRecording"},
                    {"Type": "PlayAudio", "Parameters": {"AudioSource": s3 | {"Key": key}}}]
        return [{"Type": "Hangup"}] if kind == "ACTION_SUCCESSFUL" else []

    application = stage._keep(Application(answer))
    stage.configuration.more.append('[media_applications]\nrecordings = "file"\n')
    gateway = start(stage, application.port)
    calling, rtp = call(stage, gateway)
    calling.answered(30)
    rtp.start(calling.answer.media())
    spool = Path(stage.configuration.data_dir) / "application-recordings"
    wait_until(lambda: len(list(spool.rglob("*.wav"))) == 2 and
               all(path.stat().st_size > 12_000 for path in spool.rglob("*.wav")), 30,
               "some 0.75 s of audio is recorded")
    press(calling, "#")
    wait_until(lambda: len(rtp.received) >= 20, 30,
               lambda: f"the caller hears itself; the application heard {application.events}")
    bye = gateway.expect(lambda m: m.status is None and m.method == "BYE", 30)
    gateway.reply(bye, 200, "OK")
    assert_hears(*rtp.heard(), CALLER_HERTZ, PROMPT_HERTZ)
    data, = recorded
    assert data["RecordingTerminatorUsed"] == "#"
    sounds = Path(stage.configuration.data_dir) / "sounds"
    voice = sounds / "demo" / data["RecordingDestination"]["Key"]
    assert voice.is_relative_to(sounds / "demo/voice/mail") and voice.stat().st_mode & 0o077 == 0
    wait_until(lambda: list(sounds.rglob("demo/calls/**/*.wav")), 30, "the call's recording is there")
    whole, = sounds.rglob("demo/calls/**/*.wav")
    with wave.open(str(whole)) as opened:
        assert (opened.getnchannels(), opened.getframerate()) == (2, 8_000)
        assert opened.getnframes() > 4_000


def test_an_application_calls_somebody(stage):
    """boto3 has sipp called; the application plays, is asked again, and hangs up."""
    def answer(event):
        kind = event["InvocationEventType"]
        if kind == "CALL_ANSWERED":
            return [{"Type": "PlayAudio", "Parameters": {"Repeat": 100, "AudioSource": {
                "Type": "S3", "BucketName": "demo", "Key": "welcome.wav"}}}]
        return [{"Type": "Hangup"}] if kind == "CALL_UPDATE_REQUESTED" else []

    application = stage._keep(Application(answer))
    phone = stage.uas(places.CARRIER, calls=1, hertz=1_000)
    stage.configuration.carriers[0].update(host=places.CARRIER, port=phone.port)
    declare(stage, application.port, message_logs="true")
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    client = ControlApi(stage.start_edge(), port).client()

    def ask(**parameters):
        asked = {"SipMediaApplicationId": ID, "FromPhoneNumber": places.NUMBER,
                 "ToPhoneNumber": places.US_NUMBER, **parameters}
        return client.create_sip_media_application_call(**asked)

    for parameters, code in [({"FromPhoneNumber": "+12065559999"}, "BadRequestException"),
                             ({"ToPhoneNumber": places.JP_NUMBER}, "ForbiddenException"),
                             ({"SipHeaders": {"Route": "<sip:x>"}}, "BadRequestException")]:
        with pytest.raises(ClientError) as refused:
            ask(**parameters)
        assert refused.value.response["Error"]["Code"] == code
    made = ask(ArgumentsMap={"appointment": "tomorrow"}, SipHeaders={"X-Reminder": "7"})
    call = made["SipMediaApplicationCall"]["TransactionId"]
    wait_until(lambda: "CALL_ANSWERED" in application.kinds(), 30, "the phone answers")
    assert application.kinds() == ["NEW_OUTBOUND_CALL", "RINGING", "CALL_ANSWERED"]
    assert application.events[0]["ActionData"]["Parameters"]["Arguments"] == {
        "appointment": "tomorrow"}
    details = application.events[2]["CallDetails"]
    assert details["TransactionId"] == call
    leg, = details["Participants"]
    assert (leg["ParticipantTag"], leg["Direction"], leg["To"], leg["From"]) == \
        ("LEG-A", "Outbound", places.US_NUMBER, places.NUMBER)
    stage.edge.wait_metric("tandem_steered_calls", 1, 30)
    client.update_sip_media_application_call(SipMediaApplicationId=ID, TransactionId=call,
                                             Arguments={"what": "end"})
    phone.wait(60)
    wait_until(lambda: application.kinds()[-1] == "HANGUP", 30, "the last word")
    assert all(application.genuine)
    record, = stage.edge.wait_records(1)
    log = Path(stage.configuration.data_dir) / "logs/aws/ChimeSipMediaApplicationSipMessages"
    lines = wait_until(lambda: (log / f"{ID}.jsonl").exists() and
                       (log / f"{ID}.jsonl").read_text().splitlines(), 30, "messages are logged")
    first = json.loads(lines[0])
    assert (first["kind"], first["call_id"]) == ("told", call)
    assert json.loads(first["message"])["InvocationEventType"] == "NEW_OUTBOUND_CALL"
    assert (record["direction"], record["transaction_id"]) == ("Outbound", call)
    assert (record["from_user"], record["to_user"]) == (places.NUMBER, places.US_NUMBER)
    assert record["end"]["status"] == 200
    told = stage.edge.command("report", call, "--config", str(stage.edge.file))
    assert "begun by an application, to a carrier" in told, told
    assert "customer" not in told and "0.0.0.0" not in told and "No audio" not in told, told
