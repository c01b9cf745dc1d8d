"""A recording takes a call out of the kernel's hands for as long as it lasts, and nothing jumps.

Relay, caller and callee are hosts (namespaces) of their own; the relay is driven over ng."""

import pytest

from harness import namespaces
from harness.capture import Recordings
from harness.namespaces import CALLEE, CALLER, EDGE
from harness.ng import NgClient, NgRelay
from harness.rtp import lost
from harness.tones import RATE, assert_hears
from harness.waiting import wait_until
from test_fast_path import FAR_HERTZ, NEAR_HERTZ, doctor
from test_ng import port_of, sdp
from test_ng_recording import finished


class Call:
    """A call between two tones through a relay on the edge's host."""

    def __init__(self, stage, network, folder):
        self.stage, self.network = stage, network
        stage.configuration.host = EDGE
        stage.configuration.media["fast_path"] = "ebpf"
        with network.at("edge"):
            found = doctor(stage)
            if found["state"] != "fine":
                pytest.skip(f"no fast path here: {found['found']}")
            file = stage.directory / "relay.toml"
            file.write_text(stage.configuration.text())
            self.relay = stage._keep(NgRelay(stage.directory, host=EDGE, config=file, http=0,
                                             recording_dir=folder))
            self.client = stage._keep(NgClient(self.relay.address))
        with network.at("caller"):
            self.near = stage.rtp(CALLER, NEAR_HERTZ)
        with network.at("callee"):
            self.far = stage.rtp(CALLEE, FAR_HERTZ)
        ends = [sdp(end.ip, end.port) for end in (self.near, self.far)]
        offer = self.client.ok("offer", call_id="c", from_tag="a", sdp=ends[0])
        answer = self.client.ok("answer", call_id="c", from_tag="a", to_tag="b", sdp=ends[1])
        self.near.start((EDGE, port_of(answer["sdp"])))
        self.far.start((EDGE, port_of(offer["sdp"])))

    def metric(self, name, **labels):
        with self.network.at("edge"):
            return self.relay.metric(name, **labels)

    def fast(self, directions):
        """Waits until the kernel forwards so many directions."""
        wait_until(lambda: self.metric("tandem_relay_fast_streams") == directions, 15,
                   lambda: f"{directions} fast directions: {self.relay.log()}")

    def by_the_kernel(self):
        return self.metric("tandem_relay_fast_packets_total", state="measured")

    def heard(self, packets):
        """Both hear so many packets more."""
        ends = [(end, len(end.received) + packets) for end in (self.near, self.far)]
        wait_until(lambda: all(len(end.received) >= until for end, until in ends), 15,
                   "media goes on")

    def counted(self):
        """(packets, errors) of both parties, as `query` tells."""
        tags = self.client.ok("query", call_id="c")["tags"]
        streams = [tags[tag]["medias"][0]["streams"][0]["stats"] for tag in "ab"]
        return [(stream["packets"], stream["errors"]) for stream in streams]


@pytest.fixture
def call(network, stage, tmp_path):  # noqa: F811
    folder = tmp_path / "recordings"
    folder.mkdir()
    return Call(stage, network, folder), Recordings(folder)


def test_a_recorded_call_leaves_the_kernel_and_comes_back(call):
    call, recordings = call
    call.fast(2)
    call.heard(50)
    fast_before, counted_before = call.by_the_kernel(), call.counted()
    assert fast_before > 20
    name = call.client.ok("start recording", call_id="c")["recording"].removesuffix(".pcap")
    # From the answer on every packet is seen: nothing is forwarded past the recorder.
    call.fast(0)
    gone_by_kernel = call.by_the_kernel()
    call.heard(100)
    assert call.by_the_kernel() == gone_by_kernel, "the kernel forwards nothing of it"
    call.client.ok("stop recording", call_id="c")
    call.fast(2)
    call.heard(100)
    assert call.by_the_kernel() > gone_by_kernel + 50, "it is the kernel's again"
    # Pausing is recording: nothing is written, and the next word may be.
    second = call.client.ok("start recording", call_id="c")["recording"].removesuffix(".pcap")
    call.fast(0)
    call.heard(30)
    call.client.ok("stop recording", call_id="c")
    call.fast(2)
    call.heard(50)
    # No counter has jumped: what was sent is what was counted, what went on is what came.
    for end in (call.near, call.far):
        end.quiet()
    wait_until(lambda: [count for count, _ in call.counted()] == [call.near.sent, call.far.sent], 5,
               lambda: f"{call.counted()}, sent {call.near.sent} and {call.far.sent}")
    wait_until(lambda: (len(call.near.received), len(call.far.received))
               == (call.far.sent, call.near.sent), 5,
               lambda: f"received {len(call.near.received)} and {len(call.far.received)}, "
                       f"sent {call.far.sent} and {call.near.sent}")
    assert all(after > before for (after, _), (before, _) in zip(call.counted(), counted_before))
    assert [errors for _, errors in call.counted()] == [0, 0]
    assert lost(call.near) == lost(call.far) == 0
    gone = call.client.ok("delete", call_id="c", from_tag="a", to_tag="b")
    for end in (call.near, call.far):
        told = gone["SSRC"][str(end.ssrc)]
        assert told["cumulative loss"] == 0 and told["lowest MOS"]["MOS"] >= 43, told
    assert call.metric("tandem_relay_fast_packets_total", state="unmeasured") == 0
    for name in (name, second):
        notes = finished(recordings, name)
        assert notes["lost_packets"] == 0 and notes["packets"] >= 60, notes
        for end in (call.near, call.far):
            # As the other end got them, one after the other: none is missing in between.
            written = [packet for _, came, _, packet in recordings.packets(name)
                       if came == (end.ip, end.port) and len(packet) == 172]
            numbers = [int.from_bytes(packet[2:4], "big") for packet in written]
            assert all(b == (a + 1) & 0xFFFF for a, b in zip(numbers, numbers[1:]))
    samples = recordings.audio_from(name, (call.near.ip, call.near.port))
    assert_hears(samples, RATE, NEAR_HERTZ, FAR_HERTZ)


def test_a_recording_that_cannot_begin_leaves_the_call_to_the_kernel(call):
    call, recordings = call
    call.fast(2)
    recordings.directory.chmod(0o500)
    recordings.directory.rename(recordings.directory.with_name("moved"))
    reply = call.client.ask("start recording", call_id="c")
    assert reply["result"] == "error", reply
    assert f"{recordings.directory}/c-" in reply["error-reason"], reply
    assert "No such file" in reply["error-reason"] and "--recording-dir" in reply["error-reason"]
    assert "recording" not in call.client.ok("query", call_id="c")
    call.fast(2)
    before = call.by_the_kernel()
    call.heard(50)
    wait_until(lambda: call.by_the_kernel() > before, 5, "the kernel forwards it again")
    assert lost(call.near) == lost(call.far) == 0
