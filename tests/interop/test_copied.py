"""Copies of calls for somebody else's recorder (SIPREC): sipp as the recorder, and a second Tandem."""

import wave

import numpy as np

from harness import places, tones
from harness.configuration import CONNECTOR, Configuration
from harness.edge import Edge
from harness.talk import FAR_HERTZ, NEAR_HERTZ, Talk
from harness.waiting import wait_until

RECORDER = "127.0.0.12"


def copy_to(stage, port, transport="udp"):
    stage.configuration.siprec_client = {
        "uri": f"sip:srs@{RECORDER}:{port};transport={transport}", "enabled": True}


def test_sipp_records(stage):
    lines = [stage.rtp(RECORDER, 0) for _ in range(2)]
    srs = stage.uas(RECORDER, scenario="uas_recorder", lines=[line.port for line in lines])
    copy_to(stage, srs.port)
    talk = Talk(stage)
    edge = talk.edge
    wait_until(lambda: all(len(line.received) > 100 for line in lines), 20,
               lambda: f"both lines are heard: {edge.lines[-10:]}\n{srs.errors()}")
    assert edge.metric("tandem_copied_calls") == 1
    shown, = edge.calls()
    assert (shown["copied"]["state"], shown["copied"]["failures"]) == ("copied", 0), shown
    assert edge.metric("tandem_copies_total", outcome="begun") == 1
    assert edge.metric("tandem_relay_copied_packets_total") > 200
    record = talk.end()
    srs.wait(20)
    for line, hertz in zip(lines, (NEAR_HERTZ, FAR_HERTZ)):
        assert abs(tones.dominant(*line.heard()) - hertz) < 5
    copied = record["copied"]
    assert (copied["begun"], copied["failures"]) == (1, 0), copied
    assert "lines" not in record or not record["lines"], "the copies are no lines of the call"
    edge.wait_idle()
    assert edge.metric("tandem_copied_calls") == 0


def test_a_relay_of_its_own_copies(stage, halves):
    """The copies are streams beside the call's on one of the relay's workers, by the relay's own ids."""
    lines = [stage.rtp(RECORDER, 0) for _ in range(2)]
    srs = stage.uas(RECORDER, scenario="uas_recorder", lines=[line.port for line in lines])
    copy_to(stage, srs.port)
    talk = Talk(stage)
    wait_until(lambda: all(len(line.received) > 50 for line in lines), 20,
               lambda: f"both lines are heard: {halves.relay.lines[-10:]}\n{srs.errors()}")
    assert halves.relay.metric("tandem_relay_copied_packets_total") > 100
    talk.end()
    srs.wait(20)
    halves.wait_free()
    stage.edge.stop()
    halves.relay.stop()


def test_a_recorder_that_is_not_there_costs_the_call_nothing(stage):
    copy_to(stage, places.free_port(RECORDER))
    talk = Talk(stage)
    edge = talk.edge
    wait_until(lambda: edge.metric("tandem_copies_total", outcome="failed") >= 1, 20, "a failure")
    talk.goes_on()
    assert edge.said("a call is not copied for now"), edge.lines[-10:]
    record = talk.end()
    assert record["end"]["status"] == 200 and record["copied"]["begun"] == 0
    said = edge.command("report", record["transaction_id"], "--config", str(edge.file))
    assert "got no copy of this call" in said, said


def test_another_tandem_records(stage, tmp_path):
    """From end to end: the copy becomes a recording there, the caller left and the called party right."""
    there = Configuration(tmp_path / "recorder")
    there.name, there.host = "recorder", RECORDER
    there.sip_port = places.free_port(RECORDER)
    there.prometheus_port = places.free_port(places.EDGE)
    there.termination = {**there.termination, "cidr_allowed_list": [f"{places.EDGE}/32"]}
    there.streaming = {"enabled": True, "kinesis_video": False, "recording": {"format": "wav"}}
    (tmp_path / "there").mkdir()
    recorder = Edge(there, tmp_path / "there")
    try:
        copy_to(stage, there.sip_port)
        talk = Talk(stage)
        edge = talk.edge
        wait_until(lambda: edge.metric("tandem_relay_copied_packets_total") > 300, 20,
                   lambda: f"packets are copied: {edge.lines[-10:]} {recorder.lines[-10:]}")
        copy = talk.end()
        record, = recorder.wait_records(1)
        assert record["recorded"] == {"lines": 2, "declined": 0, "metadata": "read"}, record
        assert record["from_user"] and record["voice_connector_id"] == CONNECTOR
        root = there.data_dir / "recordings"
        wav, = wait_until(lambda: finished(root), 30, lambda: sorted(root.rglob("*")))
        with wave.open(str(wav)) as file:
            assert file.getnchannels() == 2
            rate, frames = file.getframerate(), file.readframes(file.getnframes())
        left, right = np.frombuffer(frames, np.int16).reshape(-1, 2).T
        assert abs(tones.dominant(left, rate) - NEAR_HERTZ) < 5, "the caller"
        assert abs(tones.dominant(right, rate) - FAR_HERTZ) < 5, "the called party"
        for channel, own, other in ((left, NEAR_HERTZ, FAR_HERTZ), (right, FAR_HERTZ, NEAR_HERTZ)):
            own, other = (tones.level(channel, rate, hertz) for hertz in (own, other))
            assert own > 1_000 and other < own / 20, (own, other)
        assert copy["copied"]["failures"] == 0
        edge.wait_idle()
        recorder.stop()
    finally:
        recorder.kill()


def finished(root):
    """Recordings that nothing more is written to."""
    done = [file for file in root.rglob("*.json") if '"state":"finished"' in
            file.read_text().replace(" ", "")]
    return [file.with_suffix(".wav") for file in done]
