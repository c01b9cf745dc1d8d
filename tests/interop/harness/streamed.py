"""What a streamed call leaves in the folder of files of its node (the relay's, where that is a process of
its own)."""

import json
import subprocess
import wave
from collections import Counter

import numpy as np

from .edge import BINARY
from .matroska import End, fragments


def events(edge):
    """Status events, in their order."""
    file = edge.data_dir / "events/events.jsonl"
    whole, _, _ = file.read_text().rpartition("\n") if file.exists() else ("", "", "")
    entries = [json.loads(line) for line in whole.splitlines()]
    for entry in entries:
        assert entry["detail-type"] == "Chime VoiceConnector Streaming Status"
    return entries


def told(edge):
    """How often each status was told of each leg: the caller's is true."""
    return Counter((entry["detail"]["streamingStatus"], entry["detail"]["isCaller"])
                   for entry in events(edge))


def both(*statuses):
    """Each of them once for each leg."""
    return {(status, leg): 1 for status in statuses for leg in (True, False)}


def stream(edge, *arguments):
    """`tandem stream`."""
    return subprocess.run([BINARY, "stream", *arguments, "--config", edge.file],
                          capture_output=True, text=True, timeout=20)


def export(edge, call, path):
    """The caller's and the called party's samples, samples a second, and what is said of silence."""
    done = stream(edge, "export", call, "--output", str(path))
    assert done.returncode == 0, done.stderr
    with wave.open(str(path)) as file:
        frames = file.readframes(file.getnframes())
        assert file.getnchannels() == 2
        return *np.frombuffer(frames, np.int16).reshape(-1, 2).T, file.getframerate()


def stored(edge, call):
    """The fragments of a call by leg, read without Tandem's code: {is caller: [Fragment]}."""
    legs = {}
    for file in sorted((edge.data_dir / "kinesis-video").glob("*/*.mkv")):
        with file.open("rb") as octets:
            _, *found = fragments(lambda count: _take(octets, count), lambda timecode: None)
        for fragment in found:
            if fragment.tags["TransactionId"] == call:
                legs.setdefault(fragment.tags["IsCaller"] == "true", []).append(fragment)
    return legs


def heard(fragments):
    """How many samples (16 bits) were sent by somebody: all but those of silence that fills gaps."""
    return sum(len(fragment.audio()) // 2 - int(fragment.tags.get("MissingSamples", 0))
               for fragment in fragments)


def _take(octets, count):
    data = octets.read(count)
    if len(data) < count:
        raise End
    return data


def runs(samples, quiet):
    """(begin, end) of what is heard between stretches of at least `quiet` samples that are 0."""
    sounding = np.flatnonzero(samples)
    if not len(sounding):
        return []
    breaks = np.flatnonzero(np.diff(sounding) > quiet)
    begins = [sounding[0], *sounding[breaks + 1]]
    ends = [*sounding[breaks], sounding[-1]]
    return [(int(begin), int(end) + 1) for begin, end in zip(begins, ends)]
