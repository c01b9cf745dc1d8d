"""Calls that are listened to, of our own and copies of others (SIPREC), whose edge is killed and comes back
while the relay goes on handing their audio to listeners."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness import places
from harness.message import sdp
from harness.rtp import RtpEndpoint
from harness.sip import OutgoingCall
from harness.streamed import of_both, events, export, stored, told
from harness.talk import FAR_HERTZ, NEAR_HERTZ, Talk
from harness.tones import RATE, assert_hears
from harness.waiting import wait_until

CUBE = (Path(__file__).resolve().parents[1] / "corpus" / "siprec" / "cube.xml").read_text()
SIPREC = ("Require", "siprec")
# Fragments of a call have 1.2 s: of so much audio there is more than one before and after a restart.
LONG = 75


@pytest.fixture
def streaming(stage, halves):
    stage.configuration.streaming = {"enabled": True, "retention_hours": 2,
                                     "recording": {"format": "wav"}}
    return halves


def assert_whole(fragments, loss=0.1):
    """One stream without a seam: each fragment begins where the one before ended, and next to nothing is
    missing but before the first packet and after the last."""
    for before, after in zip(fragments, fragments[1:]):
        milliseconds = len(before.audio()) // 2 * 1_000 // RATE
        assert abs(after.timecode - before.timecode - milliseconds) <= 20
    inner = fragments[1:-2]
    missing = sum(int(fragment.tags.get("MissingSamples", 0)) for fragment in inner)
    samples = sum(len(fragment.audio()) // 2 for fragment in inner)
    assert samples and missing <= samples * loss, (missing, samples)


def assert_told_once(relay, call, updates=0):
    """One STARTED and one ENDED of each leg, of one call and of one stream each."""
    expected = of_both("STARTED", "ENDED")
    if updates:
        expected |= {("UPDATED", leg): updates for leg in (True, False)}
    wait_until(lambda: sum(told(relay).values()) >= sum(expected.values()), 20,
               lambda: f"all is told: {told(relay)}")
    assert told(relay) == expected
    arns = {}
    for entry in events(relay):
        assert entry["detail"]["transactionId"] == call
        # An update is of the call.
        if entry["detail"]["streamingStatus"] != "UPDATED":
            arns.setdefault(entry["detail"]["isCaller"], set()).add(entry["detail"]["streamArn"])
    assert [len(names) for names in arns.values()] == [1, 1] and arns[True] != arns[False]
    records = list((relay.data_dir / "s3").rglob("*SDRs/json/*/*/*/*/*_*"))
    assert len(records) == 1 and json.loads(records[0].read_text())["TransactionId"] == call


def assert_one_recording(relay):
    """Of a call there is one file, and one description of it."""
    wait_until(lambda: list((relay.data_dir / "recordings").rglob("*.json")), 10, "a recording")
    described, = (relay.data_dir / "recordings").rglob("*.json")
    wait_until(lambda: json.loads(described.read_text())["state"] == "finished", 10, "it is finished")
    assert len(list((relay.data_dir / "recordings").rglob("*.wav"))) == 1
    return json.loads(described.read_text())


def sound(samples):
    """Without the silence before and behind it."""
    sounding = np.flatnonzero(samples)
    return samples[sounding[0]:sounding[-1] + 1]


def test_a_streamed_call_outlives_its_edge(stage, streaming, tmp_path):
    talk = Talk(stage)
    relay = streaming.relay
    wait_until(lambda: told(relay) == of_both("STARTED"), 20, lambda: f"both begin: {told(relay)}")
    call, = (call["transaction_id"] for call in stage.edge.calls())
    stage.edge.kill()
    until = len(talk.near.received) + LONG
    wait_until(lambda: len(talk.near.received) >= until, 20, "audio without the edge")
    edge = streaming.start_edge()
    streaming.wait_connected()
    assert edge.said("calls of the last run are taken up")
    until = len(talk.near.received) + LONG
    wait_until(lambda: len(talk.near.received) >= until, 20, "audio with the next one")
    assert told(relay) == of_both("STARTED"), "nothing has happened to the streams"
    # The next process tells listeners of a change.
    talk.call.request("INVITE", sdp(places.PBX, talk.near.port, version=2),
                      [("Contact", talk.caller.contact())])
    talk.gateway.reply(talk.gateway.expect_request("INVITE"), 200, "OK",
                       sdp(places.CARRIER, talk.far.port, version=2))
    talk.call.answered()
    talk.goes_on()
    stage.hang_up(talk.call, talk.gateway)
    record, = edge.wait_records(1)
    assert record["transaction_id"] == call and record["streaming"] == "streamed"
    detail, = edge.detail_records()
    assert detail["Streaming"] is True
    assert_told_once(relay, call, updates=1)
    assert assert_one_recording(relay)["transaction_id"] == call
    legs = stored(relay, call)
    for fragments in legs.values():
        assert_whole(fragments)
    caller, called, rate = export(relay, call, tmp_path / "call.wav")
    assert_hears(sound(caller), rate, NEAR_HERTZ, FAR_HERTZ)
    assert_hears(sound(called), rate, FAR_HERTZ, NEAR_HERTZ)
    streaming.wait_free()
    edge.stop()
    relay.stop()


class Client:
    """A recording client with a tone on each of its two lines."""

    def __init__(self, stage, labels=("1", "2")):
        self.ends = [RtpEndpoint(places.PBX, hertz) for hertz in (NEAR_HERTZ, FAR_HERTZ)]
        self.labels = labels
        self.version = 0
        self.peer = stage.peer(places.PBX)
        self.edge = stage.edge
        self.call = OutgoingCall(self.peer, stage.edge, "recorder", self.body(CUBE),
                                 headers=[SIPREC], content_type=MULTIPART)
        self.answer = self.call.answered()
        self.targets = self.answer.places()
        for end, to in zip(self.ends, self.targets):
            end.start(to)

    def body(self, metadata, direction="sendonly"):
        self.version += 1
        lines = "".join(f"m=audio {end.port} RTP/AVP 0\r\na=label:{label}\r\na={direction}\r\n"
                        for label, end in zip(self.labels, self.ends))
        described = (f"v=0\r\no=- 1 {self.version} IN IP4 {places.PBX}\r\ns=-\r\n"
                     f"c=IN IP4 {places.PBX}\r\nt=0 0\r\n{lines}")
        return (f"--part\r\nContent-Type: application/sdp\r\n\r\n{described}\r\n--part\r\n"
                f"Content-Type: application/rs-metadata+xml\r\n"
                f"Content-Disposition: recording-session\r\n\r\n{metadata}\r\n--part--\r\n").encode()

    def sends(self, packets):
        """Waits for so many more on both lines."""
        until = [end.counted + packets for end in self.ends]
        wait_until(lambda: all(end.counted >= of for end, of in zip(self.ends, until)), 30, "audio")

    def stop(self):
        for end in self.ends:
            end.stop()


MULTIPART = "multipart/mixed;boundary=part"


@pytest.fixture
def recorded(stage, streaming):
    streaming.start_both()
    client = Client(stage)
    yield client
    client.stop()


def test_a_recorded_call_outlives_its_edge(stage, streaming, recorded, tmp_path):
    relay = streaming.relay
    wait_until(lambda: told(relay) == of_both("STARTED"), 20, lambda: f"both begin: {told(relay)}")
    call, = (call["transaction_id"] for call in stage.edge.calls())
    stage.edge.kill()
    recorded.sends(LONG)
    edge = streaming.start_edge()
    streaming.wait_connected()
    assert edge.said("calls of the last run are taken up")
    found, = edge.calls()
    assert found["transaction_id"] == call
    recorded.sends(LONG)
    # The client goes on in its dialog: other metadata, the same lines.
    recorded.call.edge = edge
    later = CUBE.replace("Agent 4000", "Agent 4711")
    answer = recorded.call.reinvite(recorded.body(later), [SIPREC], MULTIPART)
    assert answer.status == 200 and answer.places() == recorded.targets
    assert answer.body.count(b"a=label:") == 2 and answer.body.count(b"a=recvonly") == 2
    wait_until(lambda: told(relay)["UPDATED", True] == 1, 10, lambda: f"news: {told(relay)}")
    update = next(entry["detail"] for entry in events(relay)
                  if entry["detail"]["streamingStatus"] == "UPDATED")
    assert "Agent 4711" in update["siprecMetadata"]
    recorded.sends(25)
    for end in recorded.ends:
        end.quiet()
    assert recorded.call.bye().status == 200
    record, = edge.wait_records(1)
    assert record["transaction_id"] == call and record["streaming"] == "streamed"
    assert (record["end"]["status"], record["end"]["ended_by"]) == (200, "leg_a")
    assert (record["recorded"]["lines"], record["recorded"]["metadata"]) == (2, "read")
    sent = [end.sent for end in recorded.ends]
    assert record["quality"][0]["received_packets"] == sent[0], "of the whole call"
    assert record["lines"][0]["quality"][0]["received_packets"] == sent[1]
    detail, = edge.detail_records()
    assert detail["UsageType"] == "USE1-VC-kinesis-audio-streaming"
    assert_told_once(relay, call, updates=1)
    assert assert_one_recording(relay)["transaction_id"] == call
    for fragments in stored(relay, call).values():
        assert_whole(fragments)
    caller, called, rate = export(relay, call, tmp_path / "call.wav")
    assert_hears(sound(caller), rate, NEAR_HERTZ, FAR_HERTZ)
    assert_hears(sound(called), rate, FAR_HERTZ, NEAR_HERTZ)
    streaming.wait_free()
    edge.stop()
    relay.stop()


def test_a_recorded_call_whose_relay_is_lost_too_is_hung_up(stage, streaming, recorded):
    wait_until(lambda: told(streaming.relay) == of_both("STARTED"), 20, "both streams begin")
    stage.edge.kill()
    streaming.relay.kill()
    streaming.start_relay()
    edge = streaming.start_edge()
    bye = recorded.peer.expect_request("BYE", 20)
    recorded.peer.reply(bye, 200, "OK")
    record, = edge.wait_records(1)
    assert "relay lost" in record["end"]["cause"]
    edge.stop()
