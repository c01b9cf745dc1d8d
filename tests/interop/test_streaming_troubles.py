"""What goes wrong at the service in the middle of real calls, each in its way: the call hears nothing of it, and
whoever watches streams does."""

import numpy as np
import pytest

from harness.aws import ACCESS_KEY, SECRET_KEY
from harness.kinesis_video import KinesisVideo, Trouble
from harness.streamed import of_both, events, told
from harness.talk import FAR_HERTZ, NEAR_HERTZ, Talk
from harness.tones import assert_hears
from harness.waiting import wait_until

PASSING = {
    "slow": lambda: Trouble("slow", 0.5, times=3),
    "throttled": lambda: Trouble("refuse", (400, "ClientLimitExceededException")),
    "malformed": lambda: Trouble("garbage", b'<html>{"EventType":"PERSISTED"}\n{"EventType":"PER'),
    "expired": lambda: Trouble("refuse", (403, "ExpiredTokenException")),
    "broken": lambda: Trouble("drop"),
    "at fault": lambda: Trouble("error", 4004),
}


class Everywhere:
    """The same trouble on every stream, which no test knows the name of before."""

    def __init__(self, make):
        self._make, self._made = make, {}

    def get(self, name):
        return self._made.setdefault(name, self._make())


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


def persisted(service):
    """Samples of each stream, as many as came."""
    heard = {}
    for stream in list(service.streams.values()):
        fragments = [stream.persisted[timecode][0] for timecode in sorted(stream.persisted)]
        if fragments:
            audio = b"".join(fragment.audio() for fragment in fragments)
            heard[fragments[0].tags["IsCaller"]] = np.frombuffer(audio, np.int16)
    return heard


@pytest.mark.parametrize("trouble", PASSING)
def test_what_passes_is_told_of_once_and_the_call_hears_nothing(stage, service, trouble):
    service.troubles = Everywhere(PASSING[trouble])
    talk = Talk(stage)
    until = len(talk.near.received) + 150
    wait_until(lambda: len(talk.near.received) >= until, 30, "three seconds of audio")
    talk.goes_on()
    talk.end()
    wait_until(lambda: of_both("STARTED", "ENDED").items() <= told(talk.edge).items(), 40,
               lambda: f"both streams end: {told(talk.edge)}")
    heard = persisted(service)
    rate = 8_000
    assert_hears(heard["true"][rate // 2:-rate // 2], rate, NEAR_HERTZ, FAR_HERTZ)
    assert_hears(heard["false"][rate // 2:-rate // 2], rate, FAR_HERTZ, NEAR_HERTZ)


def test_streams_that_are_deleted_in_mid_call_are_made_again(stage, service):
    talk = Talk(stage)
    wait_until(lambda: len(persisted(service)) == 2, 30, "both legs have audio there")
    made = set(service.streams)
    for name in made:
        service.delete(name)
    wait_until(lambda: set(service.streams) == made and len(persisted(service)) == 2, 40,
               lambda: f"both are there again: {set(service.streams)}")
    talk.goes_on()
    talk.end()
    wait_until(lambda: of_both("ENDED").items() <= told(talk.edge).items(), 40,
               lambda: f"both streams end: {told(talk.edge)}")
    assert service.operations.count("createStream") == 4


def test_another_region_is_told_with_the_setting_and_the_call_hears_nothing(stage, service):
    stage.configuration.sinks["kinesis_video"]["region"] = "eu-west-1"
    talk = Talk(stage)
    wait_until(lambda: of_both("FAILED").items() <= told(talk.edge).items(), 40,
               lambda: f"both legs fail: {told(talk.edge)}")
    talk.goes_on()
    talk.end()
    for entry in events(talk.edge):
        if entry["detail"]["streamingStatus"] == "FAILED":
            assert "[sinks] kinesis_video" in entry["detail"]["failureReason"], entry
    assert talk.edge.metric("tandem_kinesis_video_streams_total", outcome="failed") >= 2


def test_a_clock_that_is_off_is_followed(stage, service):
    service.ahead = 3_600
    talk = Talk(stage)
    wait_until(lambda: len(persisted(service)) == 2, 40, "both legs have audio there")
    talk.end()
    wait_until(lambda: told(talk.edge) == of_both("STARTED", "ENDED"), 40,
               lambda: f"both streams end: {told(talk.edge)}")
