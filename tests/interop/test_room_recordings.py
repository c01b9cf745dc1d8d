"""Meetings are recorded: by a key, by the API and the command line, at a relay of its own; and told that they cannot be."""

import hashlib
import json
import subprocess

import numpy as np
import pytest

from harness import places, tones
from harness.configuration import DOMAIN
from harness.notified import Notified
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
CALLERS = ["127.0.0.21", "127.0.0.22"]
HERTZ = [440, 1_000]
RATE = 48_000
FAILED_HERTZ, RECORDED_HERTZ = 2_300, 1_700
BUCKET = "meetings"
OPEN, MODERATOR = "4081234567", "7035550120000"


def caller(stage, number):
    return stage.pjsua(CALLERS[number], f"caller-{number}", HERTZ[number], codec="PCMU",
                       proxies=[f"sip:{places.EDGE}:{stage.edge.port};lr"])


def enter(agent, dialled):
    agent.do("call", uri=f"sip:{dialled}@{HOST}")
    agent.wait("state", state="CONFIRMED")


def wait_told(stage, event, count=1):
    """So many of these events, with what else was told."""
    def told():
        return [event["detail"]["eventType"] for event in stage.edge.events()]
    wait_until(lambda: told().count(event) == count, 20, lambda: f"{event}: {told()}")


def wait_written(node, octets):
    """Some of a recording that goes on, by what its JSON says, is on the disk."""
    def sizes():
        described = {file: json.loads(file.read_text())
                     for file in (node.data_dir / "recordings/rooms").rglob("*.json")}
        going_on = [file.with_name(each["audio"]) for file, each in described.items()
                    if each["state"] == "recording" and each["audio"]]
        return [file.stat().st_size for file in going_on if file.exists()]
    wait_until(lambda: max(sizes(), default=0) > octets, 25, sizes)


def finished(node, count):
    """Recordings that are whole, by whose audio they have; `None` of what everybody heard."""
    all_of = lambda: [(file, json.loads(file.read_text()))  # noqa: E731
                      for file in (node.data_dir / "recordings/rooms").rglob("*.json")]
    wait_until(lambda: [each["state"] for _, each in all_of()] == count * ["finished"], 20, all_of)
    return all_of()


def levels(file, described):
    """How loud each caller's tone is in the file's middle."""
    decoded = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", file.with_name(described["audio"]), "-f", "s16le",
         "-ac", "1", "-ar", str(RATE), "-"], capture_output=True, check=True)
    assert not decoded.stderr, decoded.stderr
    samples = np.frombuffer(decoded.stdout, np.int16).astype(float)
    assert abs(len(samples) - described["samples"]) <= RATE // 25, described
    middle = samples[len(samples) // 4:len(samples) * 3 // 4]
    return [tones.level(middle, RATE, hertz) for hertz in HERTZ]


def test_a_meeting_is_recorded_by_command_and_by_key(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.more.append(
        f"[rooms]\nallow_plain = {json.dumps(CALLERS)}\n[rooms.recording]\nparticipants = true\n"
        '[privacy]\nrecordings = { numbers = "masked" }\n')
    edge = stage.start_edge()

    def room(*words):
        return edge.command("room", "--config", str(edge.file), *words)

    made = json.loads(room("--json", "create", "--name", "Weekly", "--personal", "--no-passcode"))
    agents = [caller(stage, 0), caller(stage, 1)]
    for agent, dialled in zip(agents, (made["attendee_id"], made["moderator_id"])):
        enter(agent, dialled)
    edge.wait_metric("tandem_mixed_legs", 2, 20)
    room("record", "start", "Weekly")
    wait_told(stage, "tandem:RecordingStarted")
    assert json.loads(room("--json", "show", "Weekly"))["recording"] is True
    wait_written(edge, 10_000)
    agents[1].do("dtmf", digits="*2")
    wait_told(stage, "tandem:RecordingStopped")
    first = finished(edge, 3)
    for file, described in first:
        loud = [level > 100 for level in levels(file, described)]
        alone, people = described["meeting"]["alone"], described["meeting"]["participants"]
        assert described["meeting"]["name"] == "Weekly" and described["samples"] >= RATE // 2
        if alone is None:
            assert loud == [True, True] and len(people) == 2, described
            assert sorted(each["moderator"] for each in people) == [False, True], described
        else:
            assert [each["transaction_id"] for each in people] == [alone], described
            assert loud == [not people[0]["moderator"], people[0]["moderator"]], (loud, described)
    # Again, and the meeting's end is the recording's.
    agents[1].do("dtmf", digits="*2")
    wait_told(stage, "tandem:RecordingStarted", 2)
    wait_written(edge, 4_000)
    room("end", "Weekly")
    for agent in agents:
        agent.wait("state", 20, state="DISCONNECTED")
    assert len(finished(edge, 6)) == 6
    listed = edge.command("recording", "list", "--config", str(edge.file))
    assert listed.count("Weekly") == 6 and listed.count("everybody") == 2, listed
    stage.edge.wait_idle()


def test_callers_hear_that_a_meeting_cannot_be_recorded(stage):
    prompts = stage.directory / "prompts" / "en"
    prompts.mkdir(parents=True)
    tones.write_wav(prompts / "recording-failed.wav", FAILED_HERTZ, 3)
    stage.configuration.more.append(
        f'[rooms]\nallow_plain = {json.dumps(CALLERS)}\nprompts = {json.dumps(str(prompts.parent))}\n'
        f'[[rooms.meeting]]\nname = "Open"\nattendee_id = "{OPEN}"\nmoderator_id = "{MODERATOR}"\n'
        'announce = "off"\n')
    stage.start_edge()
    moderator = caller(stage, 1)
    enter(moderator, MODERATOR)
    stage.edge.wait_metric("tandem_mixed_legs", 1, 20)
    moderator.do("dtmf", digits="*2")
    wait_told(stage, "tandem:RecordingFailed")

    def hears():
        samples, rate = moderator.wait_heard(0.5)
        return abs(tones.dominant(samples[-rate // 2:].astype(float), rate) - FAILED_HERTZ) < 30

    wait_until(hears, 20, "the prompt is heard")
    moderator.do("hangup")
    moderator.wait("state", state="DISCONNECTED")


def test_a_relay_of_its_own_records(stage, halves):
    stage.configuration.more.append(
        f"[rooms]\nallow_plain = {json.dumps(CALLERS)}\n"
        f'[[rooms.meeting]]\nname = "Open"\nattendee_id = "{OPEN}"\nmoderator_id = "{MODERATOR}"\n')
    halves.relay_configuration.more = ["[rooms]\n[rooms.recording]\n"]
    stage.start_edge()
    moderator = caller(stage, 1)
    enter(moderator, MODERATOR)
    halves.relay.wait_metric("tandem_mixed_legs", 1, 20)
    moderator.do("dtmf", digits="*2")
    wait_told(stage, "tandem:RecordingStarted")
    wait_written(halves.relay, 10_000)
    moderator.do("hangup")
    moderator.wait("state", state="DISCONNECTED")
    (file, described), = finished(halves.relay, 1)
    quiet, loud = levels(file, described)
    assert loud > 100 and quiet < loud / 20, (quiet, loud)
    halves.relay.wait_metric("tandem_relay_seats", 0, 20)


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_a_meetings_file_and_events_go_to_aws_and_who_comes_late_hears_of_it(stage, cloud):
    cloud.make_bucket(BUCKET)
    prompts = stage.directory / "prompts" / "en"
    prompts.mkdir(parents=True)
    tones.write_wav(prompts / "recorded.wav", RECORDED_HERTZ, 3)
    notified = Notified(cloud, "Chime Meeting State Change")
    stage.configuration.sinks = {
        **notified.sinks, "recordings": {"kind": "aws", "bucket": BUCKET, "prefix": "kept/"}}
    stage.configuration.more.append(
        f'[rooms]\nallow_plain = {json.dumps(CALLERS)}\nprompts = {json.dumps(str(prompts.parent))}\n'
        f'[rooms.recording]\n[[rooms.meeting]]\nname = "Open"\nattendee_id = "{OPEN}"\n'
        f'moderator_id = "{MODERATOR}"\nannounce = "off"\n')
    edge = stage.start_edge()
    moderator, late = caller(stage, 1), caller(stage, 0)
    enter(moderator, MODERATOR)
    edge.wait_metric("tandem_mixed_legs", 1, 20)
    moderator.do("dtmf", digits="*2")
    wait_written(edge, 1_000)
    enter(late, OPEN)

    def hears():
        samples, rate = late.wait_heard(0.5)
        return abs(tones.dominant(samples[-rate // 2:].astype(float), rate) - RECORDED_HERTZ) < 30

    wait_until(hears, 20, "it is told that the meeting is recorded")
    edge.wait_metric("tandem_mixed_legs", 2, 20)
    for agent in (late, moderator):
        agent.do("hangup")
        agent.wait("state", state="DISCONNECTED")
    described = lambda: [json.loads(file.read_text())  # noqa: E731
                         for file in (edge.data_dir / "recordings/rooms").rglob("*.json")]
    wait_until(lambda: [each["state"] for each in described()] == ["uploaded"], 30, described)
    told, = described()
    assert told["upload"]["bucket"] == BUCKET and told["upload"]["key"].startswith("kept/rooms/"), told
    assert not list((edge.data_dir / "recordings/rooms").rglob("*.mkv")), "it is kept in one place"
    body = cloud.client("s3").get_object(Bucket=BUCKET, Key=told["upload"]["key"])["Body"].read()
    assert hashlib.sha256(body).hexdigest() == told["sha256"]
    # Others' tools play it, with nothing to complain of.
    file = stage.directory / "there.mkv"
    file.write_bytes(body)
    probed = json.loads(subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", file],
        capture_output=True, check=True).stdout)
    stream, = probed["streams"]
    assert (stream["codec_name"], stream["sample_rate"], stream["channels"]) == ("opus", "48000", 1)
    assert abs(float(probed["format"]["duration"]) - told["samples"] / RATE) < 0.1, (probed, told)
    read = subprocess.run(["mkvinfo", "--ui-language", "en_US", file], capture_output=True, text=True)
    assert read.returncode == 0 and "A_OPUS" in read.stdout and "(warning" not in read.stdout.lower(), read
    seen = set()

    def arrived():
        for message in notified.messages("ruled"):
            detail = json.loads(message["Body"])["detail"]
            seen.add((detail["eventType"], detail.get("reason"), detail.get("moderator")))
        return {("chime:MeetingStarted", None, None), ("chime:AttendeeJoined", None, True),
                ("chime:AttendeeJoined", None, False), ("tandem:RecordingStarted", None, None),
                ("chime:AttendeeLeft", "HungUp", False)} <= seen

    wait_until(arrived, 60, lambda: f"by EventBridge: {seen}")
    assert cloud.refusals == []
