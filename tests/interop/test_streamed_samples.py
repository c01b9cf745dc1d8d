"""What of a real call is in its streams, sample by sample: every one that was sent, in its place, and silence
of exactly the length of what was not. Formats that change in mid call, hold, and lines that say nothing."""

import threading
import time

import numpy as np
import pytest

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.speaker import FORMATS, Speaker, decoded
from harness.streamed import of_both, export, heard, runs, stored, told
from harness.tones import RATE, assert_hears
from harness.waiting import wait_until

FRAME = RATE // 50
NEAR_HERTZ, FAR_HERTZ = 440, 1_000
# Of three seconds: one packet alone, some, and more than the reorder buffer waits for.
COUNT = 150
PAUSE = 0.4
DROPPED = {"near": {20, *range(40, 45), *range(80, 130)}, "far": {10, *range(60, 70)}}


@pytest.fixture
def parties(stage):
    near, far = Speaker(places.PBX, NEAR_HERTZ), Speaker(places.CARRIER, FAR_HERTZ)
    yield near, far
    near.stop()
    far.stop()


def only_call(edge):
    """The transaction id of the call that runs, once it is on the page."""
    found, = wait_until(edge.calls, 10, "the call is there")
    return found["transaction_id"]


class Call:
    """A streamed call between two scripted peers, who speak at the same time and only when told."""

    def __init__(self, stage, parties):
        self._stage = stage
        self.near, self.far = parties
        stage.configuration.streaming = {"enabled": True, "retention_hours": 1}
        self.gateway = stage.carrier_peer()
        self.edge = stage.start_edge()
        self.caller = stage.peer(places.PBX)
        self.call, self.invite = stage.established(self.caller, self.gateway, rtp=self.near,
                                                   carrier_rtp=self.far)
        self.targets = self.call.answer.media(), self.invite.media()
        self.id = only_call(self.edge)
        self._version = 1

    def both_say(self, name, count, dropped=None):
        """Both at once; returns the payloads of each."""
        dropped = dropped or {"near": set(), "far": set()}
        said = {}

        def say(party, end, to):
            said[party] = end.say(to, name, count, lambda number: number in dropped[party])

        threads = [threading.Thread(target=say, args=arguments) for arguments in (
            ("near", self.near, self.targets[0]), ("far", self.far, self.targets[1]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return said

    def change(self, name, directions=("sendrecv", "sendrecv")):
        """A re-INVITE to another format, or to hold."""
        self._version += 1
        payloads = ((FORMATS[name][0], name),)
        self.call.request("INVITE", sdp(places.PBX, self.near.port, directions[0], self._version,
                                        payloads), [("Contact", self.caller.contact())])
        offered = self.gateway.expect_request("INVITE")
        self.gateway.reply(offered, 200, "OK", sdp(places.CARRIER, self.far.port, directions[1],
                                                   self._version, payloads))
        assert self.call.answered().status == 200
        self.gateway.expect(lambda m: m.status is None and m.method == "ACK"
                            and m["cseq"].split()[0] == offered["cseq"].split()[0])
        # Where the edge takes audio does not change.
        assert (self.call.answer.media(), offered.media()) == self.targets

    def end(self):
        self._stage.hang_up(self.call, self.gateway)
        expected = of_both("STARTED", "ENDED")
        wait_until(lambda: expected.items() <= told(self.edge).items(), 20,
                   lambda: f"both streams end: {told(self.edge)}")
        return stored(self.edge, self.id)


    def tolerance(self):
        """Samples by which the place of a sound may be off: a frame, and what a busy host has held packets
        back, which nobody can tell from the network."""
        held_back = max(self.near.held_back, self.far.held_back)
        return FRAME + round(held_back * RATE) + self.missed() * FRAME

    def missed(self):
        """Packets that came too late for their place, or were not taken in time."""
        return sum(int(self.edge.metric("tandem_listened_packets_total", outcome=outcome))
                   for outcome in ("late", "lost"))

    def assert_all_heard(self, sent):
        """What of both parties was sent was heard, packet by packet."""
        wait_until(lambda: self.edge.metric("tandem_listened_packets_total") >= sent, 10,
                   lambda: f"{sent} packets: {self.edge.metrics().get('tandem_listened_packets_total')}")
        page = self.edge.metrics()["tandem_listened_packets_total"]
        assert sum(value for _, value in page) == sent
        assert self.edge.metric("tandem_listened_packets_total", outcome="unreadable") == 0


def test_every_sample_is_there_and_gaps_are_as_long_as_what_was_dropped(stage, parties, tmp_path):
    call = Call(stage, parties)
    said = call.both_say("PCMU/8000", COUNT, DROPPED)
    legs = call.end()
    call.assert_all_heard(sum(COUNT - len(dropped) for dropped in DROPPED.values()))
    off = call.tolerance()
    caller, called, rate = export(call.edge, call.id, tmp_path / "call.wav")
    assert rate == RATE and len(caller) == len(called)
    for samples, party, leg, hertz, other in ((caller, "near", True, NEAR_HERTZ, FAR_HERTZ),
                                              (called, "far", False, FAR_HERTZ, NEAR_HERTZ)):
        dropped = DROPPED[party]
        # How many were heard: exact to one frame, but for packets that came too late.
        wanted = (COUNT - len(dropped)) * FRAME
        assert abs(heard(legs[leg]) - wanted) <= FRAME * (1 + call.missed()), (party, heard(legs[leg]))
        wanted = decoded(said[party]).copy()
        for number in dropped:
            wanted[number * FRAME:(number + 1) * FRAME] = 0
        begins = np.flatnonzero(samples)[0] - np.flatnonzero(wanted)[0]
        # What is no packet's is silence to the sample; each sound begins and ends where it was said.
        expected, found = runs(wanted, FRAME // 2), runs(samples, FRAME // 2)
        if not call.missed():
            assert len(found) == len(expected), (party, found)
            for (begin, end), (first, last) in zip(found, expected):
                assert abs(begin - begins - first) <= off and abs(end - begins - last) <= off, (
                    party, begin, end, first, last)
        longest = max(found, key=lambda run: run[1] - run[0])
        assert_hears(samples[longest[0]:longest[1]], rate, hertz, other)


def test_formats_change_and_a_hold_comes_in_one_streamed_call(stage, parties, tmp_path):
    call = Call(stage, parties)
    names, count = list(FORMATS), 75
    for at, name in enumerate(names):
        if at:
            # A pause, so that what is said before and after can be told apart.
            time.sleep(PAUSE)
            call.change(name)
        call.both_say(name, count)
        # The line is held: what the held party says then is none of the call's.
        if at == 0:
            call.change(name, ("sendonly", "recvonly"))
            call.far.say(call.targets[1], name, 50)
            call.change(name)
    legs = call.end()
    call.assert_all_heard(2 * len(names) * count)
    caller, called, rate = export(call.edge, call.id, tmp_path / "call.wav")
    for samples, leg, hertz, other in ((caller, True, NEAR_HERTZ, FAR_HERTZ),
                                       (called, False, FAR_HERTZ, NEAR_HERTZ)):
        # Each change may cost what an encoder and a decoder need to begin: a frame.
        allowed = (len(names) + call.missed()) * FRAME
        assert abs(heard(legs[leg]) - len(names) * count * FRAME) <= allowed, heard(legs[leg])
        assert {fragment.tags["TransactionId"] for fragment in legs[leg]} == {call.id}
        stretches = [run for run in runs(samples, round(PAUSE * RATE / 2)) if run[1] - run[0] > RATE // 2]
        if not call.missed():
            assert len(stretches) == len(names), stretches
        for begin, end in stretches:
            assert abs(end - begin - count * FRAME) <= FRAME + call.tolerance(), (begin, end)
            assert_hears(samples[begin:end], rate, hertz, other)


def test_of_a_recorded_call_a_line_that_says_nothing_is_silence_of_its_length(stage, parties, tmp_path):
    """A recording client (SIPREC) whose second line has no audio at all."""
    stage.configuration.streaming = {"enabled": True, "retention_hours": 1}
    edge = stage.start_edge()
    near, far = parties
    lines = "".join(f"m=audio {end.port} RTP/AVP 0\r\na=label:{label}\r\na=sendonly\r\n"
                    for label, end in enumerate((near, far), 1))
    described = (f"v=0\r\no=- 1 1 IN IP4 {places.PBX}\r\ns=-\r\nc=IN IP4 {places.PBX}\r\nt=0 0\r\n"
                 f"{lines}").encode()
    call = OutgoingCall(stage.peer(places.PBX), edge, "recorder", described,
                        headers=[("Require", "siprec")])
    to = call.answered().places()
    transaction = only_call(edge)
    said = near.say(to[0], "PCMU/8000", COUNT)
    call.bye()
    wait_until(lambda: told(edge) == of_both("STARTED", "ENDED"), 20, lambda: f"all is told: {told(edge)}")
    legs = stored(edge, transaction)
    late = int(edge.metric("tandem_listened_packets_total", outcome="late"))
    assert abs(heard(legs[True]) - COUNT * FRAME) <= FRAME * (1 + late) and heard(legs[False]) == 0
    lengths = [sum(len(fragment.audio()) // 2 for fragment in legs[leg]) for leg in (True, False)]
    assert abs(lengths[0] - lengths[1]) <= FRAME and lengths[0] >= COUNT * FRAME
    caller, called, _ = export(edge, transaction, tmp_path / "call.wav")
    begin, end = runs(caller, len(caller))[0]
    assert abs(end - begin - len(decoded(said))) <= FRAME + round(near.held_back * RATE)
    assert_hears(caller[begin:end], RATE, NEAR_HERTZ, FAR_HERTZ)
    assert not called.any()
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200 and record["recorded"]["lines"] == 2
    edge.wait_idle()
