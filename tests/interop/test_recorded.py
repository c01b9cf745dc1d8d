"""Recording clients (SIPREC, RFC 7866): sipp with metadata in the manner of several vendors, and one with
audio on both of its lines."""

import wave
from pathlib import Path

import numpy as np
import pytest

from harness import places
from harness.rtp import RtpEndpoint
from harness.sip import OutgoingCall
from harness.tones import RATE, assert_hears
from harness.waiting import wait_until

DOCUMENTS = Path(__file__).resolve().parents[1] / "corpus" / "siprec"
LABELS = {
    "cube": ("1", "2"),
    "oracle": ("65804", "65805"),
    "ribbon": ("1", "2"),
    "audiocodes": ("1", "2"),
    "rfc7865": ("96", "97"),
}
CALLS = 3


def document(name):
    return (DOCUMENTS / f"{name}.xml").read_text()


@pytest.fixture
def recorder(stage):
    stage.configuration.streaming = {"enabled": True, "retention_hours": 1}
    return stage.start_edge()


@pytest.fixture
def recorder_of_files(stage):
    stage.configuration.streaming = {"enabled": True, "recording": {"format": "wav"}}
    return stage.start_edge()


def report(edge, record):
    return edge.command("report", record["transaction_id"], "--config", str(edge.file))


def assert_recorded(record, unknown_label=None):
    assert record["end"]["status"] == 200 and record["end"]["ended_by"] == "leg_a"
    recorded = record["recorded"]
    assert (recorded["lines"], recorded["declined"]) == (2, 0)
    assert recorded.get("unknown_label") == unknown_label
    assert record["streaming"] == "streamed"
    assert {step["leg"] for step in record["ladder"]} == {"A"}, "nobody is called"
    assert not record["routes"] and record["quality"][1] is None


def test_clients_of_several_vendors(stage, recorder):
    clients = [
        stage.uac(places.PBX, "recorder", scenario="uac_recorded", calls=CALLS, talk_ms=300,
                  name=name, recorded=(document(name), *labels))
        for name, labels in LABELS.items()
    ]
    for client in clients:
        assert int(client.wait(30)["SuccessfulCall(C)"]) == CALLS, client.errors()
    records = recorder.wait_records(CALLS * len(LABELS))
    for record in records:
        assert_recorded(record)
        assert record["recorded"]["metadata"] == "read"
        assert record["quality"][0]["received_packets"] > 10, record["quality"]
        assert record["quality"][0]["sent_packets"] == 0
    for detail in recorder.detail_records():
        assert detail["Streaming"] is True and detail["Status"] == "Completed"
        assert detail["UsageType"] == "USE1-VC-kinesis-audio-streaming"
    said = report(recorder, records[0])
    assert "SIPREC" in said and "2 of 2 lines, metadata read" in said, said
    recorder.wait_idle()


def test_metadata_that_does_harm_and_labels_of_no_line(stage, recorder):
    """It is recorded, told, and not read."""
    laughs = '<!DOCTYPE r SYSTEM "file:///etc/passwd"><recording/>'
    for text, name in ((laughs, "doctype"), (document("cube"), "labels")):
        client = stage.uac(places.PBX, "recorder", scenario="uac_recorded", talk_ms=200, name=name,
                           recorded=(text, "1", "7"))
        assert int(client.wait(30)["SuccessfulCall(C)"]) == 1, client.errors()
    first, second = recorder.wait_records(2)
    assert_recorded(first)
    assert first["recorded"]["metadata"] == "document_type"
    assert_recorded(second, unknown_label="2")
    said = report(recorder, first)
    assert "metadata was not read (document_type)" in said, said
    assert "names label 2" in report(recorder, second)


def described(ends):
    lines = "".join(
        f"m=audio {end.port} RTP/AVP 0\r\na=label:{label}\r\na=sendonly\r\n"
        for label, end in enumerate(ends, 1))
    return (f"v=0\r\no=- 1 1 IN IP4 {places.PBX}\r\ns=-\r\nc=IN IP4 {places.PBX}\r\nt=0 0\r\n"
            f"{lines}").encode()


def test_a_network_that_records_sends_both_of_its_lines(stage, recorder_of_files):
    recorder = recorder_of_files
    ends = [RtpEndpoint(places.PBX, hertz) for hertz in (440, 1_000)]
    peer = stage.peer(places.PBX)
    call = OutgoingCall(peer, recorder, "+13605550199", described(ends),
                        headers=[("X-Voice-Connector-Record-Only", "true")])
    answer = call.answered()
    assert len(answer.places()) == 2 and answer.body.count(b"a=recvonly") == 2, answer.body
    for end, to in zip(ends, answer.places()):
        end.start(to, limit=100)
    wait_until(lambda: all(end.counted == 100 for end in ends), 10, lambda: "both have sent")
    call.bye()
    record, = recorder.wait_records(1)
    assert record["to_user"] == "+13605550199" and record["recorded"]["metadata"] == "missing"
    assert record["quality"][0]["received_packets"] == 100
    line, = record["lines"]
    assert line["media"] == "audio" and line["quality"][0]["received_packets"] == 100
    assert all(not end.received for end in ends), "a recorder says nothing"
    for end in ends:
        end.stop()
    recordings = recorder.data_dir / "recordings"
    wait_until(lambda: list(recordings.rglob("*.json")), 20, "a recording")
    file, = recordings.rglob("*.wav")
    with wave.open(str(file)) as recording:
        frames = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    caller, called = frames.reshape(-1, 2).T
    # Two seconds, whose ends stand where they came.
    assert_hears(caller[RATE // 2:3 * RATE // 2], RATE, 440, 1_000)
    assert_hears(called[RATE // 2:3 * RATE // 2], RATE, 1_000, 440)
