"""What a streamed call leaves: streams, events, records and a recording; in files and at the services."""

import json
import wave
from collections import Counter

import numpy as np
import pytest

from harness import places
from harness.aws import ACCESS_KEY, SECRET_KEY
from harness.configuration import CONNECTOR
from harness.kinesis_video import KinesisVideo
from harness.talk import FAR_HERTZ, NEAR_HERTZ, Talk
from harness.tones import RATE, assert_hears
from harness.waiting import wait_until


CALLING = "+12065550111"


def events(edge):
    """Status events, with the leg that each is about."""
    file = edge.data_dir / "events/events.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        assert entry["detail-type"] == "Chime VoiceConnector Streaming Status"
    return entries


def told(edge):
    return Counter((entry["detail"]["streamingStatus"], entry["detail"]["isCaller"])
                   for entry in events(edge))


def spoken(talk, samples):
    """Whose tones a caller's and a called party's samples are."""
    caller, called = samples
    assert_hears(caller[RATE // 2:-RATE // 4], RATE, NEAR_HERTZ, FAR_HERTZ)
    assert_hears(called[RATE // 2:-RATE // 4], RATE, FAR_HERTZ, NEAR_HERTZ)


def talk_for(talk, seconds):
    until = len(talk.near.received) + seconds * 50
    wait_until(lambda: len(talk.near.received) >= until, 20, "audio")


def test_a_call_leaves_streams_events_records_and_a_recording(stage):
    stage.configuration.streaming = {"enabled": True, "retention_hours": 2,
                                     "recording": {"format": "wav"}}
    talk = Talk(stage)
    talk_for(talk, 3)
    wait_until(lambda: told(talk.edge) == {("STARTED", True): 1, ("STARTED", False): 1}, 10,
               lambda: f"both streams begin: {events(talk.edge)}")
    talk.end()
    both = {(status, leg): 1 for status in ("STARTED", "ENDED") for leg in (True, False)}
    wait_until(lambda: told(talk.edge) == both, 10, lambda: f"streams end: {events(talk.edge)}")
    record, = talk.edge.call_records()
    arns = {}
    for entry in events(talk.edge):
        detail = entry["detail"]
        assert entry["source"] == "tandem.voiceconnector"
        assert detail["transactionId"] == record["transaction_id"]
        assert detail["voiceConnectorId"] == CONNECTOR and detail["version"] == "0"
        assert detail["direction"] == "Outbound" and detail["callId"] == talk.call.call_id
        assert detail["fromNumber"] == CALLING and detail["toNumber"] == places.US_NUMBER
        arns.setdefault(detail["isCaller"], set()).add(detail["streamArn"])
        if detail["streamingStatus"] == "STARTED":
            assert detail["mediaType"] == "audio/L16" and detail["startFragmentNumber"]
            assert detail["inviteHeaders"]["call-id"] == talk.call.call_id
        else:
            assert detail["endTime"] > detail["startTime"]
    # One stream for each leg, named as it began and as it ended.
    assert [len(names) for names in arns.values()] == [1, 1] and arns[True] != arns[False]
    records = talk.edge.data_dir / "s3/Amazon-Chime-Voice-Connector-SDRs/json" / CONNECTOR
    wait_until(lambda: list(records.rglob("*_*")), 10, "a streaming detail record")
    file, = records.rglob("*_*")
    streamed = json.loads(file.read_text())
    assert streamed["TransactionId"] == record["transaction_id"]
    assert streamed["ServiceCode"] == "AmazonChime" and streamed["SchemaVersion"] == "1.0"
    detail, = talk.edge.detail_records()
    assert detail["Streaming"] is True
    recordings = talk.edge.data_dir / "recordings"
    wait_until(lambda: list(recordings.rglob("*.json")), 10, "a recording")
    file, = recordings.rglob("*.wav")
    with wave.open(str(file)) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, RATE)
        frames = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    spoken(talk, frames.reshape(-1, 2).T)


@pytest.fixture
def service(stage, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    service = KinesisVideo()
    stage.configuration.sinks["kinesis_video"] = {"kind": "aws", "endpoint_url": service.url}
    stage.configuration.streaming = {"enabled": True, "retention_hours": 2}
    yield service
    service.stop()


def test_audio_reaches_kinesis_video_streams(stage, service):
    talk = Talk(stage)
    talk_for(talk, 3)
    wait_until(lambda: told(talk.edge) == {("STARTED", True): 1, ("STARTED", False): 1}, 15,
               lambda: f"both streams begin: {events(talk.edge)}")
    talk.end()
    both = {(status, leg): 1 for status in ("STARTED", "ENDED") for leg in (True, False)}
    wait_until(lambda: told(talk.edge) == both, 15, lambda: f"streams end: {events(talk.edge)}")
    record, = talk.edge.call_records()
    heard = {}
    assert len(service.streams) == 2 and service.wrong == []
    for name, stream in service.streams.items():
        assert name.startswith(f"ChimeVoiceConnector-{CONNECTOR}-") and stream.hours == 2
        fragments = [stream.persisted[timecode][0] for timecode in sorted(stream.persisted)]
        tags = fragments[0].tags
        assert tags["TransactionId"] == record["transaction_id"]
        assert tags["VoiceConnectorId"] == CONNECTOR
        audio = b"".join(fragment.audio() for fragment in fragments)
        heard[tags["IsCaller"]] = np.frombuffer(audio, np.int16)
    spoken(talk, [heard["true"], heard["false"]])
    by_leg = {entry["detail"]["isCaller"]: entry["detail"]["streamArn"]
              for entry in events(talk.edge)}
    assert set(by_leg.values()) == {stream.arn for stream in service.streams.values()}


def test_a_service_that_is_away_is_told_and_none_of_the_call_s_business(stage, service):
    service.stop()
    talk = Talk(stage)
    wait_until(lambda: told(talk.edge) == {("FAILED", True): 1, ("FAILED", False): 1}, 30,
               lambda: f"both streams fail: {events(talk.edge)}")
    talk.goes_on()
    talk.end()
    for entry in events(talk.edge):
        detail = entry["detail"]
        assert detail["failTime"] and service.url.removeprefix("http://") in detail["failureReason"]
