"""Streamed and recorded calls over two processes: the audio stays with the relay, whatever dies."""

import json
import re
from collections import Counter

import pytest

from harness import places
from harness.configuration import CONNECTOR
from harness.streamed import (by_leg, detail_record, export, of_both, recording, samples, spoken,
                              stream, streams, talk_for, told, wait_told)
from harness.talk import FAR_HERTZ, NEAR_HERTZ, Talk
from harness.tones import RATE, assert_hears, from_ulaw, level
from harness.voice_bot import Bot
from harness.waiting import wait_until

# What a kill may cost at the most: the fragment that is gathered (1.2 s), what is on its way through
# timeline and queues, and room for a machine that is busy; a recording is written once a second.
MOST_LOST_SECONDS = 5
BOT_HERTZ = 620
CALLING = "+12065550111"


@pytest.fixture
def streamed(stage, halves):
    """Both processes know of streaming what is theirs: the edge which calls, the relay where to."""
    stage.configuration.streaming = {"enabled": True, "recording": {"format": "wav"}}
    return halves


def the_call(edge):
    call, = wait_until(edge.calls, 10, "the call is shown")
    return call["transaction_id"]


def seconds_of(fragments):
    return len(samples(fragments)) / RATE


def grows(relay, seconds=2):
    """Both legs' files get more audio."""
    before = {leg: seconds_of(found) for leg, found in streams(relay).items()}
    assert set(before) == {True, False}
    wait_until(lambda: all(seconds_of(found) >= before[leg] + seconds
                           for leg, found in streams(relay).items()), 60, "more of both streams")


def left_by_the_edge(edge):
    """What only a process with audio writes."""
    return [path for path in ("kinesis-video", "recordings", "events",
                              "s3/Amazon-Chime-Voice-Connector-SDRs")
            if (edge.data_dir / path).exists()]


def test_streams_events_records_and_a_recording_are_the_relay_s(stage, streamed, tmp_path):
    talk = Talk(stage)
    relay = streamed.relay
    wait_told(relay, "STARTED")
    talk_for(talk, 4)
    record = talk.end()
    wait_told(relay, "STARTED", "ENDED")
    started, ended, heard = by_leg(relay, "STARTED"), by_leg(relay, "ENDED"), streams(relay)
    for leg in (True, False):
        first, last = heard[leg][0], heard[leg][-1]
        assert first.tags["TransactionId"] == record["transaction_id"]
        # With the file sink a fragment's number is its timecode.
        assert int(started[leg]["startFragmentNumber"]) == first.timecode
        assert int(ended[leg]["startFragmentNumber"]) == first.timecode
        assert int(ended[leg]["currentFragmentNumber"]) == last.timecode > first.timecode
        assert ended[leg]["streamArn"] == started[leg]["streamArn"]
        for detail in (started[leg], ended[leg]):
            assert detail["transactionId"] == record["transaction_id"]
            assert detail["callId"] == talk.call.call_id
            assert detail["toNumber"] == places.US_NUMBER
            assert detail["inviteHeaders"]["call-id"] == talk.call.call_id
    assert started[True]["streamArn"] != started[False]["streamArn"]
    spoken([samples(heard[True]), samples(heard[False])])
    caller, called, rate = export(relay, record["transaction_id"], tmp_path / "call.wav")
    assert rate == RATE
    spoken([caller, called])
    described, channels = recording(relay)
    spoken(channels)
    assert described["transaction_id"] == record["transaction_id"] and not described["repaired"]
    # As long as the streams: one timeline for all who listen.
    assert abs(described["samples"] / RATE - seconds_of(heard[True])) < 1
    assert detail_record(relay)["TransactionId"] == record["transaction_id"]
    billed, = stage.edge.detail_records()
    assert billed["Streaming"] is True
    assert left_by_the_edge(stage.edge) == []
    streamed.wait_free()
    stage.edge.stop()
    relay.stop()


def test_a_live_call_is_switched_on_and_off(stage, streamed):
    stage.configuration.streaming = {"enabled": False}
    talk = Talk(stage)
    edge, relay = stage.edge, streamed.relay
    call = the_call(edge)
    assert relay.metric("tandem_relay_listened_streams") == 0
    for turn in (1, 2):
        assert stream(edge, "on", call).stdout == f"{call}: streaming on\n"
        relay.wait_metric("tandem_relay_listened_streams", 1, 20)
        wait_until(lambda: told(relay)["STARTED", True] == turn, 30, "a stream of the caller")
        talk_for(talk, 2)
        assert stream(edge, "off", call).stdout == f"{call}: streaming off\n"
        relay.wait_metric("tandem_relay_listened_streams", 0, 20)
        wait_until(lambda: all(told(relay)[status, leg] == turn for status in ("STARTED", "ENDED")
                               for leg in (True, False)), 30, lambda: f"{turn}: {told(relay)}")
    heard = streams(relay)
    for leg, hertz, other in ((True, NEAR_HERTZ, FAR_HERTZ), (False, FAR_HERTZ, NEAR_HERTZ)):
        assert_hears(samples(heard[leg])[RATE // 2:-RATE // 4], RATE, hertz, other)
    record = talk.end()
    assert record["streaming"] == "streamed"
    # The relay's own doing is not asked of the relay.
    refused = stream(relay, "on", call)
    assert refused.returncode == 1 and refused.stderr
    edge.stop()
    relay.stop()


def test_recordings_count_in_cloudwatch_where_they_are(stage, streamed, cloud):
    """In the relay's minutes, which tell of nothing else; the edge's have none."""
    stage.configuration.streaming["kinesis_video"] = False
    streamed.relay_configuration.sinks = {"kind": "file", "endpoint_url": cloud.url,
                                          "cloudwatch": {"kind": "aws", "also_file": True}}
    talk = Talk(stage)
    edge, relay = stage.edge, streamed.relay
    talk_for(talk, 2)
    talk.end()
    described, _ = recording(relay)
    edge.stop()
    relay.stop()
    # A node that stops writes the minute that it is in.
    counted = Counter()
    for line in relay.metric_data():
        for datum in line["MetricData"]:
            place = {each["Name"]: each["Value"] for each in datum["Dimensions"]}
            counted[datum["MetricName"], place.get("VoiceConnectorId")] += datum["Value"]
    # Each stands there twice, with the region and without.
    bytes = described["bytes"]
    assert counted == {
        (name, whose): 2 * value for whose in (CONNECTOR, None)
        for name, value in (("RecordingsSaved", 1), ("RecordingsFailed", 0),
                            ("RecordingsSavedBytes", bytes))}, counted
    saved = [datum["Value"] for line in edge.metric_data() for datum in line["MetricData"]
             if datum["MetricName"] == "RecordingsSaved"]
    assert saved and not any(saved)
    # What was not delivered by then is delivered by the next run.
    again = streamed.start_relay()
    wait_until(lambda: again.metric("tandem_outbox_entries") == 0, 60, "an empty outbox")
    told = cloud.client("cloudwatch").list_metrics(Namespace="Tandem/VoiceConnector")["Metrics"]
    assert {metric["MetricName"] for metric in told} == {name for name, _ in counted}
    again.stop()
    assert not cloud.refusals


def test_numbers_beside_recordings_are_as_the_relay_s_file_says(stage, streamed):
    """In the JSON and in the comments of an Ogg file; the edge's own records stay as they are."""
    stage.configuration.streaming.update(kinesis_video=False, recording={"format": "ogg"})
    streamed.relay_configuration.privacy = {"recordings": {"numbers": "hashed"}}
    talk = Talk(stage)
    talk_for(talk, 2)
    record = talk.end()
    relay = streamed.relay
    relay.wait_metric("tandem_recording_files_total", 1, 60, event="saved")
    root = relay.data_dir / "recordings"
    (described,), (audio,) = root.rglob("*.json"), root.rglob("*.ogg")
    numbers = [json.loads(described.read_text())[key] for key in ("from_number", "to_number")]
    assert numbers[0] != numbers[1] and all(re.fullmatch("h[a-z]{16}", each) for each in numbers)
    digits = (places.US_NUMBER.lstrip("+"), CALLING.lstrip("+"))
    for path in (described, audio):
        left = [each for each in digits if each.encode() in path.read_bytes() or each in str(path)]
        assert not left, (path, left)
    assert f"TO_NUMBER={numbers[1]}".encode() in audio.read_bytes()
    assert record["to_user"] == places.US_NUMBER
    stage.edge.stop()
    relay.stop()


@pytest.fixture
def bot():
    served = Bot()
    yield served
    served.stop()


def test_a_bot_goes_on_hearing_while_the_edge_is_away(stage, streamed, bot):
    stage.configuration.streaming = {
        "enabled": True, "kinesis_video": False,
        "web_socket": {"url": bot.url, "token": "open-sesame", "speaks_to": "caller"}}
    talk = Talk(stage, is_spoken_to=True)
    call = the_call(stage.edge)
    heard = bot.wait_call()
    assert heard.start["transaction_id"] == call and heard.start["to"] == places.US_NUMBER

    def hears():
        caller, called, rate = heard.wait_heard(1)
        assert_hears(caller, rate, NEAR_HERTZ, FAR_HERTZ)
        assert_hears(called, rate, FAR_HERTZ, NEAR_HERTZ)

    hears()
    stage.edge.kill()
    hears()
    # It is heard in the call, too.
    before = len(talk.near.received)
    heard.say(BOT_HERTZ, 2, mark="said")
    heard.wait_text("mark", name="said", played=True)
    audio = b"".join(packet[12:] for packet in talk.near.received[before:])
    assert level(from_ulaw(audio), RATE, BOT_HERTZ) > 500
    edge = streamed.start_edge()
    streamed.wait_connected()
    assert the_call(edge) == call
    hears()
    assert len(bot.calls) == 1, "the connection is the first one"
    stage.hang_up(talk.call, talk.gateway)
    heard.wait_text("stop")
    streamed.wait_free()
    edge.stop()


def test_streams_outlive_their_edge(stage, streamed):
    """Killed in mid-call: one stream of each leg, one recording, and no gap where it was away."""
    talk = Talk(stage)
    relay = streamed.relay
    wait_told(relay, "STARTED")
    call = the_call(stage.edge)
    stage.edge.kill()
    grows(relay)
    edge = streamed.start_edge()
    streamed.wait_connected()
    assert the_call(edge) == call
    grows(relay)
    # The edge that has taken the call up still says who listens.
    assert stream(edge, "off", call).stdout == f"{call}: streaming off\n"
    wait_told(relay, "STARTED", "ENDED")
    talk.goes_on()
    stage.hang_up(talk.call, talk.gateway)
    record, = edge.wait_records(1)
    assert record["transaction_id"] == call and record["streaming"] == "streamed"
    described, channels = recording(relay)
    spoken(channels)
    assert described["transaction_id"] == call and described["part"] == 1
    for leg, fragments in streams(relay).items():
        assert {fragment.tags["TransactionId"] for fragment in fragments} == {call}
        for before, after in zip(fragments, fragments[1:]):
            ends = before.timecode + 1_000 * seconds_of([before])
            assert abs(after.timecode - ends) <= 2, f"a gap on leg {leg}"
    assert detail_record(relay)["Status"] == "Completed"
    streamed.wait_free()
    edge.stop()
    relay.stop()


def test_streams_end_cleanly_when_nobody_takes_their_call_up(stage, streamed):
    streamed.relay_configuration.relay_control["orphan_timeout"] = "10s"
    talk = Talk(stage)
    relay = streamed.relay
    wait_told(relay, "STARTED")
    call = the_call(stage.edge)
    stage.edge.kill()
    grows(relay)
    # Both parties give up.
    talk.near.stop()
    talk.far.stop()
    wait_told(relay, "STARTED", "ENDED", seconds=60)
    described, channels = recording(relay)
    assert described["transaction_id"] == call and not described["repaired"]
    assert detail_record(relay)["TransactionId"] == call
    streamed.wait_free()
    relay.stop()


def test_a_relay_that_stops_ends_its_streams_with_their_events(stage, streamed):
    """SIGTERM in mid-call, without time to let it end by itself."""
    streamed.relay_configuration.drain["timeout"] = "0s"
    talk = Talk(stage)
    relay = streamed.relay
    wait_told(relay, "STARTED")
    talk_for(talk, 2)
    call = the_call(stage.edge)
    relay.stop()
    for side in (talk.caller, talk.gateway):
        side.reply(side.expect_request("BYE", 20), 200, "OK")
    # All of it was there when the process ended.
    assert told(relay) == of_both("STARTED", "ENDED")
    described, channels = recording(relay)
    spoken(channels)
    assert described["transaction_id"] == call and not described["repaired"]
    assert detail_record(relay)["Status"] == "Completed"
    stage.edge.stop()


def test_a_killed_relay_costs_the_last_seconds_and_no_edge(stage, streamed):
    talk = Talk(stage)
    edge, relay = stage.edge, streamed.relay
    wait_told(relay, "STARTED")
    talk_for(talk, 2 * MOST_LOST_SECONDS)
    call, sent = the_call(edge), talk.near.sent / 50
    relay.kill()
    again = streamed.start_relay()
    for side in (talk.caller, talk.gateway):
        bye = side.expect_request("BYE", 15)
        assert "Media relay lost" in bye["reason"]
        side.reply(bye, 200, "OK")
    record, = edge.wait_records(1)
    assert record["transaction_id"] == call
    heard = streams(again)
    spoken([samples(heard[True]), samples(heard[False])])
    described, channels = recording(again)
    assert described["repaired"] and described["transaction_id"] == call
    spoken(channels)
    kept = {"caller's stream": seconds_of(heard[True]), "called party's": seconds_of(heard[False]),
            "recording": described["samples"] / RATE}
    for what, seconds in kept.items():
        assert sent - MOST_LOST_SECONDS <= seconds, (what, seconds, sent)
    # The edge serves the next call over the relay that came back, and that is streamed, too.
    streamed.wait_connected()
    next_call, _ = stage.established(talk.caller, talk.gateway, rtp=talk.near, carrier_rtp=talk.far)
    talk.near.redirect(next_call.answer.media())
    wait_until(lambda: told(again)["STARTED", True] == 2, 30, lambda: f"{told(again)}")
    stage.hang_up(next_call, talk.gateway)
    wait_until(lambda: told(again)["ENDED", True] == 1, 30, lambda: f"{told(again)}")
    streamed.wait_free()
    edge.stop()
    again.stop()
