"""Real calls whose streams and recordings are told of, and kept, at AWS."""

import base64
import io
import json
import wave

import numpy as np
import pytest

from harness import places, recordings
from harness.configuration import CONNECTOR
from harness.notified import SOURCE, Notified
from harness.streamed import (DETAIL_TYPE, counted, events, of_both, spoken, talk_for, wait_told)
from harness.talk import Talk
from harness.waiting import wait_until

BUCKET = "call-recordings"
WAYS = ("ruled", "published", "sent")


@pytest.fixture
def notified(stage, cloud):
    """Events of every call go to EventBridge, SNS and SQS, and into a file to compare with."""
    notified = Notified(cloud, DETAIL_TYPE)
    notified.sinks["events"]["also_file"] = True
    stage.configuration.sinks = notified.sinks
    stage.configuration.streaming = {"enabled": True,
                                     "notifications": ["EventBridge", "SNS", "SQS"]}
    return notified


def drained(edge, seconds=90):
    wait_until(lambda: edge.metric("tandem_outbox_entries") == 0
               and edge.metric("tandem_outbox_unwritten_records") == 0, seconds,
               lambda: f"an empty outbox: {edge.metrics().get('tandem_outbox_entries')}")


def event_of(way, message):
    """What SQS has of an event, the same whichever way it took."""
    body = json.loads(message["Body"])
    return json.loads(body["Message"]) if way == "published" else body


def assert_arrived(notified, expected):
    """Each way has every event of the file once, in one form; the queue that keeps order, in theirs.

    Returns how many EventBridge may have got twice, by their mark."""
    marked = 0
    for way in WAYS:
        came = [event_of(way, message) for message in notified.wait_messages(way, len(expected))]
        if way == "ruled":
            marked = sum(event["detail"].pop("possibleDuplicate", False) for event in came)
            # EventBridge gives an id and an account of its own.
            told = [{key: event[key] for key in ("version", "detail-type", "source", "time",
                                                 "region", "resources", "detail")}
                    for event in expected]
            came = [{key: event[key] for key in told[0]} for event in came]
        else:
            told = expected
        if way == "sent":
            assert came == told
        else:
            as_text = lambda event: json.dumps(event, sort_keys=True)
            assert sorted(map(as_text, came)) == sorted(map(as_text, told))
    return marked


def test_events_of_a_call_arrive_as_the_file_has_them(stage, cloud, notified):
    talk = Talk(stage)
    wait_told(talk.edge, "STARTED")
    record = talk.end()
    wait_told(talk.edge, "STARTED", "ENDED")
    drained(talk.edge)
    expected = events(talk.edge)
    assert counted(expected) == of_both("STARTED", "ENDED")
    for event in expected:
        assert event["source"] == SOURCE and event["region"] == "us-east-1"
        assert event["detail"]["transactionId"] == record["transaction_id"]
    assert assert_arrived(notified, expected) == 0
    assert cloud.refusals == []


def test_events_of_an_outage_arrive_afterwards_in_their_order(stage, cloud, notified):
    """The services are away from the middle of a call to the middle of the next one."""
    talk = Talk(stage)
    wait_told(talk.edge, "STARTED")
    drained(talk.edge)
    cloud.refuse()
    talk.goes_on()
    talk.end()
    wait_told(talk.edge, "STARTED", "ENDED")
    second, _ = stage.established(talk.caller, talk.gateway, rtp=talk.near, carrier_rtp=talk.far)
    talk.near.redirect(second.answer.media())
    wait_until(lambda: len(events(talk.edge)) >= 5, 30, "the next call's stream begins")
    edge = talk.edge
    wait_until(lambda: edge.metric("tandem_outbox_failures_in_a_row") > 0, 30, "an attempt failed")
    assert edge.metric("tandem_outbox_entries") > 0
    cloud.recover()
    stage.hang_up(second, talk.gateway)
    wait_until(lambda: second_ended(edge), 30, lambda: f"both calls have ended: {events(edge)}")
    drained(edge)
    expected = events(edge)
    transactions = list(dict.fromkeys(event["detail"]["transactionId"] for event in expected))
    assert len(transactions) == 2
    assert edge.metric("tandem_outbox_dropped_total") == 0
    assert edge.metric("tandem_outbox_refused_total") == 0
    # At least what was under way when the service went may have arrived before.
    assert assert_arrived(notified, expected) <= len(expected)
    # Of each leg of each call the beginning came before the end.
    for transaction in transactions:
        of_call = [event for event in expected if event["detail"]["transactionId"] == transaction]
        for leg in {event["detail"]["isCaller"] for event in of_call}:
            statuses = [event["detail"]["streamingStatus"] for event in of_call
                        if event["detail"]["isCaller"] == leg]
            assert statuses == ["STARTED", "ENDED"], (transaction, leg)


def second_ended(edge):
    """Whether all that began has ended, of two calls."""
    told = counted(events(edge))
    started = {leg: told["STARTED", leg] for leg in (True, False)}
    return sum(started.values()) > 2 and all(
        told["ENDED", leg] == count for leg, count in started.items())


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_a_recorded_call_comes_to_the_bucket_and_the_topic_hears_of_trouble(stage, cloud, notified):
    """Under a key of KMS, with numbers that its JSON hides; S3 takes nothing at first."""
    cloud.make_bucket(BUCKET)
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    told, topic = notified.subscribed("trouble")
    configuration = stage.configuration
    configuration.streaming = {"enabled": True, "kinesis_video": False,
                               "recording": {"format": "wav"}}
    configuration.sinks["recordings"] = {
        "kind": "aws", "bucket": BUCKET, "prefix": "voices/"}
    configuration.recordings = {"kms_key": key, "notify_topic": topic}
    configuration.privacy = {"recordings": {"numbers": "masked"}, "shown_digits": 2}
    cloud.denied = {"s3:PutObject"}
    talk = Talk(stage)
    edge = talk.edge
    talk_for(talk, 3)
    record = talk.end()
    edge.wait_metric("tandem_recording_files_total", 1, 30, event="saved")
    wait_until(lambda: edge.metric("tandem_recording_files_total", event="upload_failed") > 0, 60,
               "an upload failed")
    cloud.denied = set()
    edge.wait_metric("tandem_recording_files_total", 1, 90, event="uploaded")
    assert not list((edge.data_dir / "recordings").rglob("*.enc"))
    s3 = cloud.client("s3")
    keys = sorted(each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"])
    assert [name.split(".", 3)[-1].split("_")[-1] for name in keys] == [
        f"{record['transaction_id']}.json", f"{record['transaction_id']}.wav.enc"], keys
    assert all(name.startswith(f"voices/{CONNECTOR}/") for name in keys)
    text, sealed = (s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in keys)
    described = json.loads(text)
    plain = recordings.decrypt(sealed, lambda envelope: kms.decrypt(
        CiphertextBlob=base64.b64decode(envelope["wrapped"]),
        EncryptionContext=dict(envelope["context"]))["Plaintext"])
    with wave.open(io.BytesIO(plain)) as played:
        frames = np.frombuffer(played.readframes(played.getnframes()), np.int16)
    spoken(frames.reshape(-1, 2).T)
    # Here and there, beside the audio and in names, no number is left.
    here, = (edge.data_dir / "recordings").rglob("*.json")
    digits = places.US_NUMBER.lstrip("+")
    for place in (text.decode(), here.read_text(), str(here), *keys):
        assert digits not in place and "2065550111" not in place, place
    assert described["to_number"] == "+" + "*" * (len(digits) - 2) + digits[-2:]
    edge.stop()
    lines = (edge.data_dir / "events/recordings.jsonl").read_text().splitlines()
    written = [json.loads(line) for line in lines]
    assert [notice["event"] for notice in written] == ["Started", "UploadFailed", "Stopped"]
    assert "allow s3:PutObject" in written[1]["message"], written
    came = [json.loads(json.loads(message["Body"])["Message"])
            for message in notified.wait_messages(told, 3)]
    by_event = lambda notice: notice["event"]
    assert sorted(came, key=by_event) == sorted(written, key=by_event)
