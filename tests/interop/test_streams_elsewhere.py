"""The streams of a real call before a parser that is not ours: ebmlite, which AWS's own samples of consumers
in Python read Kinesis Video Streams with. It knows every element by Matroska's published schema."""

import ebmlite
import numpy as np
import pytest

from harness.streamed import of_both, told
from harness.talk import FAR_HERTZ, NEAR_HERTZ, Talk
from harness.tones import assert_hears, from_ulaw
from harness.waiting import wait_until

LINEAR, MU_LAW = "A_PCM/INT/LIT", "A_MS/ACM"
KINDS = {
    "linear": ({}, LINEAR, 8_000),
    "wide": ({"sample_rate": 16_000}, LINEAR, 16_000),
    "mu_law": ({"mu_law": True}, MU_LAW, 8_000),
}


def is_known(element):
    """Whether the schema has it and all that is in it."""
    is_foreign = isinstance(element, ebmlite.core.UnknownElement)
    inner = element if isinstance(element, ebmlite.core.MasterElement) else ()
    return not is_foreign and all(is_known(each) for each in inner)


def block(octets):
    """Track, milliseconds after the cluster's time, flags and samples of a SimpleBlock (RFC 9559 section 10.2)."""
    octets = bytes(octets)
    return octets[0] & 0x7F, int.from_bytes(octets[1:3], "big", signed=True), octets[3], octets[4:]


def tags_of(element):
    return {tag["TagName"]: tag["TagString"] for tag in element.dump()["Tag"][0]["SimpleTag"]}


def read(file, codec, rate):
    """Checks a stream; returns its tags and samples."""
    document = ebmlite.loadSchema("matroska.xml").load(str(file))
    segment, = document
    assert segment.name == "Segment" and is_known(segment)
    info, tracks, *fragments = segment
    assert info.name == "Info" and info.dump()["TimecodeScale"] == 1_000_000
    track, = tracks.dump()["TrackEntry"]
    assert (track["CodecID"], track["TrackType"]) == (codec, 2)
    assert (track["Audio"]["SamplingFrequency"], track["Audio"]["Channels"]) == (rate, 1)
    names = [element.name for element in fragments]
    assert names == ["Tags", "Cluster"] * (len(names) // 2) and names
    octets, ends, found = b"", None, []
    for tags, cluster in zip(fragments[::2], fragments[1::2]):
        found.append(tags_of(tags))
        timecode, *blocks = cluster
        assert timecode.name == "Timecode" and {each.name for each in blocks} == {"SimpleBlock"}
        assert ends is None or timecode.value == ends, "fragments follow on each other"
        for number, each in enumerate(blocks):
            of_track, after, flags, samples = block(each.value)
            assert (of_track, after, flags & 0x86) == (1, number * 20, 0x80), "a key frame without lacing"
            octets += samples
        ends = timecode.value + len(blocks) * 20
    return found, octets


@pytest.mark.parametrize("kind", KINDS)
def test_ebmlite_reads_every_fragment(stage, kind):
    options, codec, rate = KINDS[kind]
    stage.configuration.streaming = {"enabled": True, "retention_hours": 1, **options}
    talk = Talk(stage)
    until = len(talk.near.received) + 100
    wait_until(lambda: len(talk.near.received) >= until, 30, "two seconds of audio")
    talk.end()
    wait_until(lambda: told(talk.edge) == of_both("STARTED", "ENDED"), 20,
               lambda: f"both streams end: {told(talk.edge)}")
    record, = talk.edge.call_records()
    files = sorted((talk.edge.data_dir / "kinesis-video").glob("*/*.mkv"))
    assert len(files) == 2
    legs = {}
    for file in files:
        tags, octets = read(file, codec, rate)
        assert {each["TransactionId"] for each in tags} == {record["transaction_id"]}
        assert tags[0]["CallId"] == talk.call.call_id
        samples = from_ulaw(octets) if codec == MU_LAW else np.frombuffer(octets, "<i2")
        sounding = np.flatnonzero(samples)
        legs[tags[0]["IsCaller"]] = samples[sounding[0]:sounding[-1]]
    assert_hears(legs["true"], rate, NEAR_HERTZ, FAR_HERTZ)
    assert_hears(legs["false"], rate, FAR_HERTZ, NEAR_HERTZ)
