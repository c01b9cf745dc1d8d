"""Both parties of a recorded call hear that it is; of a call that nobody can hear an event tells."""

import json
import subprocess
import wave

import numpy as np

from harness import places
from harness.edge import BINARY
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.talk import FAR_HERTZ, NEAR_HERTZ, Talk
from harness.tones import RATE, from_ulaw, level, write_wav
from harness.waiting import wait_until

TONE_HERTZ, SAID_HERTZ = 1_400, 1_900
PACKET = RATE // 50


def packets_with(samples, hertz, at_least):
    """Runs of packets in which a tone is heard: how many packets each has."""
    runs, run = [], 0
    for at in range(0, len(samples) - PACKET + 1, PACKET):
        if level(samples[at:at + PACKET], RATE, hertz) > at_least:
            run += 1
        elif run:
            runs.append(run)
            run = 0
    return runs + [run] if run else runs


def heard(endpoint, since=0):
    return from_ulaw(b"".join(packet[12:] for packet in list(endpoint.received)[since:]))


def tones(endpoint, since=0):
    """How often the whole tone of 200 ms was heard; its ends may stand in a packet each."""
    return [run for run in packets_with(heard(endpoint, since), TONE_HERTZ, 900) if 9 <= run <= 12]


def stream(edge, word, call):
    done = subprocess.run([BINARY, "stream", word, call, "--config", edge.file],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def more(endpoint, packets):
    until = len(endpoint.received) + packets
    wait_until(lambda: len(endpoint.received) >= until, 60, "audio")


def test_both_hear_the_announcement_and_the_tone_while_the_call_is_recorded(stage, tmp_path):
    said = write_wav(tmp_path / "recorded.wav", SAID_HERTZ, 1.0)
    stage.configuration.streaming = {
        "enabled": False, "kinesis_video": False, "recording": {"format": "wav"},
        "consent": {"announcement": str(said), "tone": {"every": "5s"}}}
    talk = Talk(stage)
    both = [talk.near, talk.far]
    call, = talk.edge.calls()
    more(talk.near, 100)
    for endpoint in both:
        assert packets_with(heard(endpoint), TONE_HERTZ, 300) == [], "it is not recorded"
    stream(talk.edge, "on", call["transaction_id"])
    wait_until(lambda: all(len(tones(endpoint)) >= 2 for endpoint in both), 60,
               lambda: f"two tones: {[packets_with(heard(e), TONE_HERTZ, 900) for e in both]}")
    for endpoint in both:
        announced = packets_with(heard(endpoint), SAID_HERTZ, 2_000)
        assert len(announced) == 1 and 45 <= announced[0] <= 55, announced
    stream(talk.edge, "off", call["transaction_id"])
    talk.edge.wait_metric("tandem_relay_listened_streams", 0)
    # A packet that was under way.
    more(talk.near, 5)
    since = [len(endpoint.received) for endpoint in both]
    more(talk.near, 6 * 50)
    for endpoint, begin in zip(both, since):
        assert packets_with(heard(endpoint, begin), TONE_HERTZ, 300) == [], "not recorded any more"
    # What was heard beside the tone, and one source each, as without it.
    assert talk.near.ssrcs() == {talk.far.ssrc} and talk.far.ssrcs() == {talk.near.ssrc}
    talk.end()
    heard_tones = sum(len(tones(endpoint)) for endpoint in both)
    assert talk.edge.metric("tandem_relay_warning_tones_total") >= heard_tones >= 4
    recordings = talk.edge.data_dir / "recordings"
    wait_until(lambda: [each for each in recordings.rglob("*.json")
                        if json.loads(each.read_text())["state"] == "finished"], 20, "a recording")
    file, = recordings.rglob("*.wav")
    with wave.open(str(file)) as recording:
        frames = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    for channel, hertz in zip(frames.reshape(-1, 2).T, (NEAR_HERTZ, FAR_HERTZ)):
        assert max(packets_with(channel, hertz, 2_000)) > 200, "what the party said"
        assert packets_with(channel, TONE_HERTZ, 300) == [], "and not the tone"


def test_a_party_that_wants_to_know_learns_that_the_recording_begins_and_ends(stage):
    """sipp's scenario reads the re-INVITE that says so, and then the UPDATE."""
    gateway = stage.uas(places.CARRIER, scenario="uas_aware")
    stage.configuration.carriers[0].update(host=places.CARRIER, port=gateway.port)
    stage.configuration.streaming = {
        "enabled": False, "kinesis_video": False, "recording": {"format": "wav"}}
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    talk = OutgoingCall(caller, edge, places.US_NUMBER, sdp(caller.ip, 40_000))
    talk.answered()
    wait_until(edge.calls, 10, "the call is live")
    call, = edge.calls()

    def told(begin, state):
        return any(line["sip_message"].startswith(begin) and f"a=record:{state}" in line["sip_message"]
                   for line in edge.sip_log())

    for word, begin in [("on", "INVITE "), ("off", "UPDATE ")]:
        stream(edge, word, call["transaction_id"])
        wait_until(lambda: told(begin, word), 30, lambda: f"it is told: {gateway.errors()}")
    talk.request("BYE")
    assert talk.final("BYE").status == 200
    gateway.wait(30)
    record, = edge.wait_records(1)
    sent = [step["start_line"].split(" ")[0] for step in record["ladder"]
            if step["leg"] == "B" and step["direction"] == "sent"]
    assert sent == ["INVITE", "ACK", "INVITE", "ACK", "UPDATE", "BYE"], sent
    edge.wait_idle()


def test_a_call_that_there_is_no_room_for_is_told_of_once_a_leg(stage):
    stage.configuration.streaming = {"enabled": True}
    stage.configuration.node_streaming = {"max_calls": 1}
    talk = Talk(stage)
    talk.edge.wait_metric("tandem_listened_calls", 1)
    second, _ = stage.established(talk.caller, talk.gateway)
    file = talk.edge.data_dir / "events/events.jsonl"

    def failed():
        lines = file.read_text().splitlines() if file.exists() else []
        details = [json.loads(line)["detail"] for line in lines]
        return [detail for detail in details if detail["streamingStatus"] == "FAILED"]

    wait_until(lambda: len(failed()) >= 2, 30, lambda: f"two events: {failed()}")
    stage.hang_up(second, talk.gateway)
    talk.end()
    talk.edge.wait_records(2)
    details = failed()
    assert sorted(detail["isCaller"] for detail in details) == [False, True]
    for detail in details:
        assert detail["callId"] == second.call_id
        assert "raise [streaming] max_calls" in detail["failureReason"], detail
