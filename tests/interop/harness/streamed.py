"""What a streamed call leaves below `data_dir`: events, streams' files, records and recordings."""

import io
import json
import subprocess
import wave
from collections import Counter

import numpy as np

from .configuration import CONNECTOR
from .edge import BINARY
from .matroska import End, fragments
from .talk import FAR_HERTZ, NEAR_HERTZ
from .tones import RATE, assert_hears
from .waiting import wait_until

DETAIL_TYPE = "Chime VoiceConnector Streaming Status"
LEGS = (True, False)


def of_both(*statuses):
    """One event of each status for each leg, as `told` counts them."""
    return Counter((status, leg) for status in statuses for leg in LEGS)


def events(node):
    """Status events in the file."""
    file = node.data_dir / "events/events.jsonl"
    whole, _, _ = (file.read_text() if file.exists() else "").rpartition("\n")
    entries = [json.loads(line) for line in whole.splitlines()]
    for entry in entries:
        assert entry["detail-type"] == DETAIL_TYPE
    return entries


def told(node):
    return counted(events(node))


def counted(entries):
    """How often each status was told of each leg."""
    return Counter((entry["detail"]["streamingStatus"], entry["detail"]["isCaller"])
                   for entry in entries)


def wait_told(node, *statuses, seconds=30):
    wait_until(lambda: told(node) == of_both(*statuses), seconds,
               lambda: f"{statuses} of both legs: {events(node)}")


def by_leg(node, status):
    """{is_caller: detail} of the only event of that status of each leg."""
    found = {}
    for entry in events(node):
        detail = entry["detail"]
        if detail["streamingStatus"] == status:
            assert detail["isCaller"] not in found, "told twice"
            found[detail["isCaller"]] = detail
    return found


def spoken(samples):
    """A caller's and a called party's samples have the tones of `Talk`, each its own alone."""
    caller, called = samples
    assert_hears(caller[RATE // 2:-RATE // 4], RATE, NEAR_HERTZ, FAR_HERTZ)
    assert_hears(called[RATE // 2:-RATE // 4], RATE, FAR_HERTZ, NEAR_HERTZ)


def talk_for(talk, seconds):
    """So much more of the called party's audio at the caller."""
    until = len(talk.near.received) + seconds * 50
    wait_until(lambda: len(talk.near.received) >= until, 10 * seconds + 20, "audio")


# Streams in files ---------------------------------------------------------------------------------


def fragments_of(file):
    """The whole fragments of one call's file; a torn one at the end is left out."""
    octets = io.BytesIO(file.read_bytes())

    def read(count):
        read = octets.read(count)
        if len(read) < count:
            raise End
        return read

    told = fragments(read, lambda timecode: None)
    next(told)
    found = []
    try:
        for fragment in told:
            found.append(fragment)
    except End:
        # It was being written.
        pass
    return found


def streams(node):
    """{is_caller: fragments} of the only call in files; their tags say whose they are."""
    found = {}
    for file in sorted(node.data_dir.glob("kinesis-video/*/*.mkv")):
        of_file = fragments_of(file)
        is_caller = of_file[0].tags["IsCaller"] == "true"
        found.setdefault(is_caller, []).extend(of_file)
    return found


def stored(node, call):
    """The fragments of one call of several by leg: {is_caller: fragments}."""
    legs = {}
    for file in sorted(node.data_dir.glob("kinesis-video/*/*.mkv")):
        for fragment in fragments_of(file):
            if fragment.tags["TransactionId"] == call:
                legs.setdefault(fragment.tags["IsCaller"] == "true", []).append(fragment)
    return legs


def heard(fragments):
    """How many samples (16 bits) were sent by somebody: all but those of silence that fills gaps."""
    return sum(len(fragment.audio()) // 2 - int(fragment.tags.get("MissingSamples", 0))
               for fragment in fragments)


def runs(samples, quiet):
    """(begin, end) of what is heard between stretches of at least `quiet` samples that are 0."""
    sounding = np.flatnonzero(samples)
    if not len(sounding):
        return []
    breaks = np.flatnonzero(np.diff(sounding) > quiet)
    begins = [sounding[0], *sounding[breaks + 1]]
    ends = [*sounding[breaks], sounding[-1]]
    return [(int(begin), int(end) + 1) for begin, end in zip(begins, ends)]


def samples(fragments):
    return np.frombuffer(b"".join(fragment.audio() for fragment in fragments), np.int16)


def stream(node, *arguments):
    """`tandem stream …` of a node."""
    return subprocess.run([BINARY, "stream", *arguments, "--config", node.file],
                          capture_output=True, text=True, timeout=60)


def export(node, call, path):
    """The caller's and the called party's audio, and samples a second."""
    done = stream(node, "export", call, "--output", str(path))
    assert done.returncode == 0, done.stderr
    with wave.open(str(path)) as file:
        frames = file.readframes(file.getnframes())
        assert file.getnchannels() == 2
        return *np.frombuffer(frames, np.int16).reshape(-1, 2).T, file.getframerate()


# Records and recordings ---------------------------------------------------------------------------


def detail_record(node):
    """The only streaming detail record."""
    root = node.data_dir / "s3/Amazon-Chime-Voice-Connector-SDRs/json" / CONNECTOR
    wait_until(lambda: list(root.rglob("*_*")), 20, "a streaming detail record")
    file, = root.rglob("*_*")
    return json.loads(file.read_text())


def recording(node, state="finished"):
    """The only recording: (its JSON, both channels' samples) once it has that state."""
    root = node.data_dir / "recordings"

    def described():
        found = list(root.rglob("*.json"))
        return found and json.loads(found[0].read_text())["state"] == state and found

    file, = wait_until(described, 60,
                       lambda: f"a recording {state}: {[f.read_text() for f in root.rglob('*.json')]}")
    audio, = root.rglob("*.wav")
    with wave.open(str(audio)) as played:
        assert (played.getnchannels(), played.getframerate()) == (2, RATE)
        frames = np.frombuffer(played.readframes(played.getnframes()), np.int16)
    return json.loads(file.read_text()), frames.reshape(-1, 2).T
