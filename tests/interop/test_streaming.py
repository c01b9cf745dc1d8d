"""What a streamed call leaves: streams, events, records and a recording; in files and at the services."""

import pytest

from harness import places
from harness.aws import ACCESS_KEY, SECRET_KEY
from harness.configuration import CONNECTOR
from harness.kinesis_video import KinesisVideo
from harness.streamed import (by_leg, detail_record, events, recording, samples, spoken, talk_for,
                              wait_told)
from harness.talk import Talk

CALLING = "+12065550111"


def test_a_call_leaves_streams_events_records_and_a_recording(stage):
    stage.configuration.streaming = {"enabled": True, "retention_hours": 2,
                                     "recording": {"format": "wav"}}
    talk = Talk(stage)
    talk_for(talk, 3)
    wait_told(talk.edge, "STARTED")
    talk.end()
    wait_told(talk.edge, "STARTED", "ENDED")
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
    streamed = detail_record(talk.edge)
    assert streamed["TransactionId"] == record["transaction_id"]
    assert streamed["ServiceCode"] == "AmazonChime" and streamed["SchemaVersion"] == "1.0"
    detail, = talk.edge.detail_records()
    assert detail["Streaming"] is True
    _, channels = recording(talk.edge)
    spoken(channels)


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


@pytest.mark.parametrize("processes", [1, 2])
def test_audio_reaches_kinesis_video_streams(stage, service, processes, request):
    if processes == 2:
        halves = request.getfixturevalue("halves")
        halves.relay_configuration.sinks = stage.configuration.sinks
        stage.configuration.sinks = {"kind": "file"}
    talk = Talk(stage)
    node = halves.relay if processes == 2 else talk.edge
    talk_for(talk, 3)
    wait_told(node, "STARTED")
    record = talk.end()
    wait_told(node, "STARTED", "ENDED")
    started, ended, heard = by_leg(node, "STARTED"), by_leg(node, "ENDED"), {}
    assert len(service.streams) == 2 and service.wrong == []
    for name, stream in service.streams.items():
        assert name.startswith(f"ChimeVoiceConnector-{CONNECTOR}-") and stream.hours == 2
        timecodes = sorted(stream.persisted)
        fragments = [stream.persisted[timecode][0] for timecode in timecodes]
        tags = fragments[0].tags
        assert tags["TransactionId"] == record["transaction_id"]
        assert tags["VoiceConnectorId"] == CONNECTOR
        leg = tags["IsCaller"] == "true"
        heard[leg] = samples(fragments)
        # The numbers are the service's own.
        first, last = stream.numbers[timecodes[0]], stream.numbers[timecodes[-1]]
        for detail in (started[leg], ended[leg]):
            assert detail["streamArn"] == stream.arn
            assert detail["startFragmentNumber"] == first
        assert ended[leg]["currentFragmentNumber"] == last != first
    spoken([heard[True], heard[False]])


def test_a_service_that_is_away_is_told_and_none_of_the_call_s_business(stage, service):
    service.stop()
    talk = Talk(stage)
    wait_told(talk.edge, "FAILED", seconds=60)
    talk.goes_on()
    talk.end()
    for entry in events(talk.edge):
        detail = entry["detail"]
        assert detail["failTime"] and service.url.removeprefix("http://") in detail["failureReason"]
