"""Fragments to Kinesis Video Streams, against a service that keeps every documented limit and does what
goes wrong at the real one. `put_media`, an example of the crate, hands the audio over."""

import json
import os
import signal
import subprocess
import threading

import pytest

from harness import tls
from harness.aws import ACCESS_KEY, SECRET_KEY
from harness.edge import BINARY
from harness.kinesis_video import KinesisVideo, Trouble
from harness.put_media import CODES
from harness.waiting import wait_until

PROGRAM = BINARY.parent / "examples" / "put_media"
FRAGMENTS = 6
SKIPPED = {4001, 4002, 4004, 4006, 4009, 4010, 4011}
GIVEN_UP = {4005, 4012, 4500, 4501, 4502, 4504, 4505, 4506}


class Producer:
    """A run of the program, and what it said."""

    def __init__(self, service, *streams, environment=None, **options):
        options = {"endpoint": service.url, "streams": ",".join(streams), "fragments": FRAGMENTS,
                   "longest_pause": 1, **options}
        self._process = subprocess.Popen(
            [PROGRAM, *(f"{key}={value}" for key, value in options.items())],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                 "AWS_EC2_METADATA_DISABLED": "true", **(environment or {})})
        self.said = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.said.append(json.loads(line))

    def finished(self, seconds=60):
        self._reader.join(seconds)
        assert self._process.wait(5) == 0, self._process.stderr.read()
        return self.said[-1]

    def reports(self, stream, kind):
        return [said for said in self.said
                if said.get("stream") == stream and said["report"] == kind]

    def handed(self):
        return max((said["handed"] for said in self.said if "handed" in said), default=0)

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(5)


def audio(service, stream):
    """The index of each fragment that is persisted, as its samples tell, by timecode."""
    persisted = service.streams[stream].persisted
    return [int.from_bytes(persisted[timecode][0].audio()[:2], "little") for timecode in sorted(persisted)]


@pytest.fixture
def service():
    service = KinesisVideo()
    yield service
    service.stop()
    assert service.wrong == []


TROUBLES = {
    "works": None,
    "dropped": Trouble("drop"),
    "closed": Trouble("close"),
    "silent": Trouble("silent", after=0),
    "stalled": Trouble("stall"),
    "slow": Trouble("slow", 0.4),
    "garbage": Trouble("garbage", b'<html>{"EventType":"PERSISTED"}\n{"EventType":"PER'),
    "throttled": Trouble("refuse", (400, "ClientLimitExceededException")),
    "connected": Trouble("refuse", (400, "ConnectionLimitExceededException")),
    "moved": Trouble("refuse", (400, "InvalidEndpointException")),
    "forbidden": Trouble("refuse", (401, "NotAuthorizedException")),
    "away": Trouble("refuse", (503, ""), times=3),
    "never": Trouble("refuse", (400, "InvalidArgumentException"), times=99),
    **{f"error-{number}": Trouble("error", number) for number in CODES},
}
# Those that are not there.
MADE = {"dropped", "closed", "slow"}


@pytest.fixture(scope="module")
def everything():
    """One producer with a stream for each trouble: all of it takes as long as the slowest."""
    service = KinesisVideo()
    service.troubles = {name: trouble for name, trouble in TROUBLES.items() if trouble}
    for name in TROUBLES.keys() - MADE:
        service.make(name, hours=2 if name == "works" else 24)
    producer = Producer(service, *TROUBLES, silence=3, finish=2, linger=20)
    counters = producer.finished()
    yield service, producer, counters
    service.stop()


def test_everything_is_as_the_service_wants_it(everything):
    service, _, counters = everything
    assert service.wrong == []
    assert counters["refused"] == len(SKIPPED)
    left = counters["dropped"] + counters["unconfirmed"] + counters["refused"]
    assert counters["taken"] == counters["persisted"] + left
    assert counters["taken"] + counters["rejected"] == len(TROUBLES) * FRAGMENTS
    assert counters["errors"] == {str(number): 1 for number in CODES}
    assert (counters["open"], counters["kept"]) == (0, 0)
    assert service.operations.count("createStream") == len(MADE)
    assert service.streams["works"].hours == 24, "its retention is what was asked for"
    assert service.streams["dropped"].tags == {"tandem-node": "edge-t"}


@pytest.mark.parametrize("stream", [
    "works", "dropped", "closed", "silent", "stalled", "slow", "garbage", "throttled", "connected",
    "moved", "forbidden", "away", *(f"error-{n}" for n in CODES if n not in SKIPPED | GIVEN_UP)])
def test_what_passes_costs_no_fragment(everything, stream):
    service, producer, _ = everything
    assert audio(service, stream) == list(range(FRAGMENTS))
    started, = producer.reports(stream, "started")
    assert started["arn"] == service.streams[stream].arn
    assert started["timecode"] == min(service.streams[stream].persisted)
    assert len(producer.reports(stream, "ended")) == 1
    assert producer.reports(stream, "failed") == []
    first = service.streams[stream].persisted[started["timecode"]][0]
    assert first.tags["TransactionId"] == "7b1c6c54-0d0e-4a3a-9a11-0c5a7f4f3f10"
    again = [f for f in service.streams[stream].persisted.values() if len(f) > 1]
    if stream in ("works", "throttled", "moved"):
        assert not again and service.streams[stream].connections == 1


@pytest.mark.parametrize("number", sorted(SKIPPED))
def test_a_fragment_at_fault_costs_itself(everything, number):
    service, producer, _ = everything
    stream = f"error-{number}"
    assert audio(service, stream) == [index for index in range(FRAGMENTS) if index != 1]
    assert len(producer.reports(stream, "ended")) == 1


@pytest.mark.parametrize("stream", ["never", *(f"error-{number}" for number in sorted(GIVEN_UP))])
def test_what_nobody_here_can_mend_is_given_up_with_its_reason(everything, stream):
    service, producer, _ = everything
    failed, = producer.reports(stream, "failed")
    number = stream.removeprefix("error-")
    assert number in failed["reason"] or "InvalidArgument" in failed["reason"]
    assert failed["usable"] == (not number.startswith("45")), "a key is the stream's own"
    assert ": " in failed["reason"] and producer.reports(stream, "ended") == []
    assert audio(service, stream) == ([] if stream == "never" else [0])


def test_a_stream_that_is_deleted_is_made_again(service):
    service.make("gone")
    producer = Producer(service, "gone", fragments=10)
    before = service.streams["gone"]
    wait_until(lambda: before.persisted, 10, "something is persisted")
    service.delete("gone")
    counters = producer.finished()
    assert len(before.persisted | service.streams["gone"].persisted) == 10
    assert counters["errors"] == {"4008": 1}
    assert service.operations.count("createStream") == 1


def test_expired_credentials_are_looked_up_again(service, tmp_path):
    """The file changes while audio is sent: the next connection has its token."""
    file = tmp_path / "credentials"

    def write(token):
        fresh = tmp_path / "fresh"
        fresh.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\n"
                         f"aws_secret_access_key = {SECRET_KEY}\naws_session_token = {token}\n")
        fresh.rename(file)

    write("first")
    service.token = "first"
    service.troubles = {"token": Trouble("drop", after=2)}
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_ACCESS_KEY_ID": "",
                   "AWS_SECRET_ACCESS_KEY": ""}
    producer = Producer(service, "token", environment=environment, fragments=10)
    wait_until(lambda: "token" in service.streams and service.streams["token"].persisted, 10, "audio")
    write("second")
    service.token = "second"
    counters = producer.finished()
    assert audio(service, "token") == list(range(10))
    assert counters["refusals"] >= 1


def test_a_sudden_end_costs_what_was_not_persisted(service):
    """With a service that works: the fragment that is being sent, and the one before it, which the
    service knows to be complete only when the next one begins."""
    stream = service.make("killed")
    producer = Producer(service, "killed", fragments=100, every=400)
    # From then on it keeps up with what it is handed.
    wait_until(lambda: len(stream.persisted) >= max(5, producer.handed() - 1), 20, "audio")
    before = producer.handed()
    wait_until(lambda: producer.handed() > before, 5, "one more")
    producer.kill()
    handed = producer.handed()
    wait_until(lambda: stream.connection is None, 5, "the service notices")
    heard = audio(service, "killed")
    assert heard == list(range(len(heard))) and len(heard) >= handed - 2, (handed, heard)


def test_streams_of_this_node_are_listed_page_by_page(service):
    for name in ("a-1", "a-2", "a-3", "a-4", "b-1"):
        node = "edge-u" if name == "a-2" else "edge-t"
        service.make(f"ChimeVoiceConnector-{name}", tags={"tandem-node": node})
    service.make("ChimeVoiceConnector-a-5")
    producer = Producer(service, list="ChimeVoiceConnector-a-", fragments=0)
    producer.finished()
    assert producer.said[0] == {"listed": [f"ChimeVoiceConnector-a-{n}" for n in (1, 3, 4)]}
    assert service.operations.count("listStreams") == 3


class Run:
    """A producer and a service of its own."""

    def __init__(self, name, service, streams=True, fragments=FRAGMENTS, **options):
        self.name, self.service = name, service
        if streams:
            service.make(name)
        self.producer = Producer(service, name, fragments=fragments, **options)

    def finished(self):
        counters = self.producer.finished()
        assert self.service.wrong == []
        return counters

    def audio(self):
        return audio(self.service, self.name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What need not wait for each other."""
    authority = tls.Authority(tmp_path_factory.mktemp("tls"))
    pair = authority.issue("kinesis.test", "IP:127.0.0.1")
    sealed = KinesisVideo(pair=pair)
    runs = [
        # The service ends connections at 4 s, which stands for its 45 minutes.
        Run("rotated", KinesisVideo(max_age=4), rotate=2.2, fragments=14),
        Run("idle", KinesisVideo(idle=1.5), idle=0.5, fragments=3, every=1_000),
        Run("skewed", KinesisVideo(ahead=3_600)),
        Run("elsewhere", KinesisVideo(), region="eu-west-1"),
        Run("full", KinesisVideo(troubles={"full": Trouble("refuse", (503, ""), times=8)}),
            bytes=70_000, fragments=12, every=200),
        Run("nothing", KinesisVideo(), retention=0),
        Run("sealed", sealed, tls_ca=authority.certificate),
        Run("stranger", sealed, linger=2, fragments=2),
    ]
    yield {run.name: run for run in runs}
    for run in runs:
        run.producer.kill()
        run.service.stop()


def test_connections_are_rotated_without_a_loss(runs):
    run = runs["rotated"]
    counters = run.finished()
    assert run.audio() == list(range(14))
    assert counters["rotations"] >= 1 and counters["connections"] == counters["rotations"] + 1
    assert counters["replayed"] == counters["broken"] == 0
    assert run.service.operations.count("getDataEndpoint") == 1, "it is remembered"


def test_a_pause_ends_a_connection_before_the_service_does(runs):
    counters = runs["idle"].finished()
    assert runs["idle"].audio() == [0, 1, 2]
    assert (counters["connections"], counters["broken"]) == (3, 0)


def test_a_clock_that_is_wrong_is_the_service_s(runs):
    runs["skewed"].finished()
    assert runs["skewed"].audio() == list(range(FRAGMENTS))


def test_another_region_is_given_up_and_says_which_setting(runs):
    runs["elsewhere"].finished()
    failed, = runs["elsewhere"].producer.reports("elsewhere", "failed")
    assert "region of [sinks] kinesis_video" in failed["reason"], failed


def test_an_outage_costs_the_oldest_whole_fragments(runs):
    """A fragment is 16,000 octets and some: four find room."""
    counters = runs["full"].finished()
    heard = runs["full"].audio()
    assert heard == list(range(heard[0], 12)) and heard[0] > 0
    assert counters["dropped"] + counters["unconfirmed"] == heard[0]
    assert counters["persisted"] == len(heard)


def test_a_stream_that_keeps_nothing_is_done_with_what_it_received(runs):
    counters = runs["nothing"].finished()
    assert runs["nothing"].service.streams["nothing"].hours == 0
    assert (counters["persisted"], counters["replayed"]) == (FRAGMENTS, 0)


def test_tls_is_checked_against_the_authorities_that_are_set(runs):
    runs["sealed"].finished()
    assert runs["sealed"].audio() == list(range(FRAGMENTS))
    counters = runs["stranger"].finished()
    assert (counters["sent"], counters["dropped"]) == (0, 2)
