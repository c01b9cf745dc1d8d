"""The kernel's fast path under real calls: edge, caller and callee are hosts (namespaces) of their
own. Skipped, with the reason, where namespaces, eBPF or its capabilities are not to be had."""

import json
import struct
import subprocess
import threading

import pytest

from harness import edge as edge_module
from harness import namespaces, places, tones
from harness.edge import BINARY
from harness.message import sdp
from harness.namespaces import CALLEE, CALLER, EDGE, STRANGER
from harness.quality import assert_none_lost
from harness.sip import OutgoingCall
from harness.sipp import is_bound
from harness.tones import assert_hears
from harness.waiting import wait_until

PORT = 5080
NEAR_HERTZ, FAR_HERTZ = 440, 1_000
# What the fast path cannot do without.
POWERS = "-bpf,-net_admin,-sys_admin"
# pjsua2's PJSUA_CALL_MEDIA_*.
ACTIVE, LOCAL_HOLD = 1, 2


@pytest.fixture
def hosts(network, stage):
    """The stage's edge is to run on its own host. The hosts outlive the stage's parties."""
    configuration = stage.configuration
    configuration.host = EDGE
    configuration.media["fast_path"] = "ebpf"
    configuration.carriers[0].update(host=CALLEE, port=PORT, inbound_cidrs=[f"{CALLEE}/32"])
    configuration.termination["cidr_allowed_list"] = [f"{CALLER}/32"]
    configuration.origination[0]["host"] = CALLER
    return Hosts(stage, network)


class Hosts:
    """Starts parties on their hosts."""

    def __init__(self, stage, network):
        self.stage = stage
        self.network = network
        self.edge = None

    def start_edge(self):
        with self.network.at("edge"):
            found = doctor(self.stage)
            if self.stage.configuration.media["fast_path"] == "ebpf" and found["state"] != "fine":
                pytest.skip(f"no fast path here: {found['found']}")
            self.edge = self.stage.start_edge()
        return self.edge

    def answerer(self):
        with self.network.at("callee"):
            answerer = subprocess.Popen([BINARY, "answer", "--listen", f"{CALLEE}:{PORT}"],
                                        stdout=subprocess.DEVNULL)
            wait_until(lambda: is_bound("udp", CALLEE, PORT), 10, "`answer` listens")
        return answerer

    def caller(self, seconds):
        with self.network.at("caller"):
            return subprocess.Popen(
                [BINARY, "call", f"sip:{places.US_NUMBER}@{EDGE}:{self.edge.port}", "--local",
                 CALLER, "--from", "+12065550111", "--seconds", str(seconds), "--json"],
                stdout=subprocess.PIPE, text=True)

    def call(self, seconds=3):
        """A call of `tandem call` to `tandem answer`; what the kernel forwards while it lasts, and
        the record."""
        before = len(self.edge.call_records())
        answerer = self.answerer()
        try:
            caller = self.caller(seconds)
            streams = self.streams(2)
            output, _ = caller.communicate(timeout=30)
            assert caller.returncode == 0, output
        finally:
            stop(answerer)
        record = self.edge.wait_records(before + 1)[before]
        with self.network.at("edge"):
            self.edge.wait_idle()
        return streams, record

    def streams(self, count):
        """Waits until the kernel forwards so many directions."""
        with self.network.at("edge"):
            wait_until(lambda: self.edge.metric("tandem_relay_fast_streams") == count, 10,
                       lambda: f"{count} fast streams; {self.edge.lines[-10:]}")
        return count

    def metric(self, name, **labels):
        with self.network.at("edge"):
            return self.edge.metric(name, **labels)

    def by_the_kernel(self):
        return self.metric("tandem_relay_fast_packets_total", state="measured")

    def grows(self, packets=25):
        """The kernel forwards more."""
        before = self.by_the_kernel()
        wait_until(lambda: self.by_the_kernel() >= before + packets, 10,
                   lambda: f"more than {before} packets by the kernel")


def stop(process):
    process.terminate()
    process.wait(10)


def doctor(stage):
    """What `tandem doctor` says of the fast path."""
    file = stage.directory / "doctor.toml"
    configuration = stage.configuration
    trunks = configuration.carriers, configuration.origination
    # Nobody is to be asked for anything.
    configuration.carriers, configuration.origination = [], []
    file.write_text(configuration.text())
    configuration.carriers, configuration.origination = trunks
    told = subprocess.run([edge_module.BINARY, "doctor", "--config", file, "--json"],
                          capture_output=True, text=True, timeout=60)
    return next(f for f in json.loads(told.stdout) if f["subject"] == "media fast path")


def is_clean(record, least):
    """Everything came, and went on."""
    near, far = record["quality"]
    for own, other in ((near, far), (far, near)):
        assert own["received_packets"] >= least and own["lost_packets"] == 0, record["quality"]
        assert own["received_packets"] == other["sent_packets"], record["quality"]
        assert own["mos"] >= 4.3 and own["wrong_source"] == 0, record["quality"]


def test_a_call_goes_through_the_kernel_and_is_measured(hosts):
    edge = hosts.start_edge()
    assert edge.said("media fast path: the kernel forwards plain RTP (eBPF)")
    assert hosts.network.programs() == 1
    _, record = hosts.call()
    is_clean(record, 130)
    packets = sum(quality["received_packets"] for quality in record["quality"])
    # The first ones, and RTCP, go through the sockets.
    assert packets - 40 <= hosts.by_the_kernel() < packets
    assert hosts.metric("tandem_relay_fast_packets_total", state="unmeasured") == 0
    edge.stop()
    assert hosts.network.programs() == 0


def test_nothing_is_left_of_a_killed_edge_and_the_next_one_works_at_once(hosts):
    edge = hosts.start_edge()
    answerer = hosts.answerer()
    caller = hosts.caller(30)
    try:
        hosts.streams(2)
        hosts.grows()
        edge.kill()
        # The links end with the process's descriptors.
        wait_until(lambda: hosts.network.programs() == 0, 5, "no program is on the interface")
    finally:
        stop(caller)
        stop(answerer)
    caller.stdout.close()
    hosts.start_edge()
    assert hosts.network.programs() == 1
    _, record = hosts.call()
    is_clean(record, 130)


def test_hold_leaves_the_kernel_and_resume_comes_back(hosts, stage):
    edge = hosts.start_edge()
    proxy = [f"sip:{EDGE}:{edge.port};lr"]
    with hosts.network.at("callee"):
        callee = stage.pjsua(CALLEE, "callee", FAR_HERTZ)
    stage.configuration.carriers[0]["port"] = callee.port
    edge.file.write_text(stage.configuration.text())
    edge.reload()
    with hosts.network.at("caller"):
        caller = stage.pjsua(CALLER, "caller", NEAR_HERTZ, proxies=proxy)
    caller.do("call", uri=edge.uri(places.US_NUMBER))
    caller.wait("media", status=ACTIVE)
    hosts.streams(2)
    hosts.grows()
    caller.do("hold")
    caller.wait("media", status=LOCAL_HOLD)
    # The holder may still send (sendonly), and nobody sends to it.
    hosts.streams(1)
    caller.do("resume")
    caller.wait("media", status=ACTIVE)
    hosts.streams(2)
    hosts.grows()
    assert_hears(*caller.wait_heard(1), FAR_HERTZ, NEAR_HERTZ)
    assert_hears(*callee.wait_heard(1), NEAR_HERTZ, FAR_HERTZ)
    caller.do("hangup")
    record, = edge.wait_records(1)
    with hosts.network.at("edge"):
        edge.wait_idle()
    for quality in record["quality"]:
        assert_none_lost(quality)
        assert quality["mos"] >= 4.3, record["quality"]
    assert hosts.metric("tandem_relay_fast_packets_total", state="unmeasured") == 0


def test_music_leaves_the_kernel_and_what_is_counted_goes_on(hosts, stage, tmp_path):
    music = tones.write_wav(tmp_path / "music.wav", 620, 2)
    stage.configuration.media["hold_music"] = str(music)
    edge = hosts.start_edge()
    proxy = [f"sip:{EDGE}:{edge.port};lr"]
    with hosts.network.at("callee"):
        callee = stage.pjsua(CALLEE, "callee", FAR_HERTZ)
    stage.configuration.carriers[0]["port"] = callee.port
    edge.file.write_text(stage.configuration.text())
    edge.reload()
    with hosts.network.at("caller"):
        caller = stage.pjsua(CALLER, "caller", NEAR_HERTZ, proxies=proxy)
    caller.do("call", uri=edge.uri(places.US_NUMBER))
    caller.wait("media", status=ACTIVE)
    hosts.streams(2)
    hosts.grows()
    caller.do("hold")
    caller.wait("media", status=LOCAL_HOLD)
    hosts.streams(0)
    callee.wait_heard(1.5)
    assert_hears(*callee.wait_heard(1), 620, FAR_HERTZ)
    caller.do("resume")
    caller.wait("media", status=ACTIVE)
    # The way to who was held has numbers of ours now, and is the kernel's again after two seconds.
    hosts.streams(1)
    hosts.streams(2)
    hosts.grows(150)
    callee.wait_heard(1)
    assert_hears(*caller.wait_heard(1), FAR_HERTZ, NEAR_HERTZ)
    assert_hears(*callee.wait_heard(1), NEAR_HERTZ, FAR_HERTZ)
    received = callee.statistics()
    assert received["lost"] == 0, received
    caller.do("hangup")
    record, = edge.wait_records(1)
    with hosts.network.at("edge"):
        edge.wait_idle()
    for quality in record["quality"]:
        assert_none_lost(quality)
        assert quality["mos"] >= 4.3, record["quality"]
    assert hosts.metric("tandem_relay_fast_packets_total", state="unmeasured") == 0
    made = hosts.metric("tandem_relay_made_packets_total")
    assert made > 40, made


class Spray:
    """Forged RTP at both legs of a call, as the legs' own streams look, from a stranger's address
    (and one that takes everything that comes back)."""

    def __init__(self, stage, targets, ssrcs):
        self.endpoint = stage.rtp(STRANGER, 3_000)
        self.sent = 0
        self._packets = [(struct.pack("!BBHII", 0x80, 0, number, number * 160, ssrc)
                          + tones.ulaw(tones.sine(3_000, 0.02)), target)
                         for number in range(50) for target, ssrc in zip(targets, ssrcs)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self):
        # Some thousand a second, in bursts that a socket's buffer holds.
        while not self._stop.is_set():
            for packet, target in self._packets:
                self.endpoint.rtp.sendto(packet, target)
                self.sent += 1
            self._stop.wait(0.02)

    def end(self):
        self._stop.set()
        self._thread.join(10)


def test_a_spray_from_the_first_packet_on_misdirects_nothing(hosts, stage):
    """The stranger is there before the call's first packet, knows its ports and its SSRCs."""
    with hosts.network.at("callee"):
        gateway = stage.carrier_peer(CALLEE)
        far = stage.rtp(CALLEE, FAR_HERTZ)
    edge = hosts.start_edge()
    with hosts.network.at("caller"):
        caller = stage.peer(CALLER)
        near = stage.rtp(CALLER, NEAR_HERTZ)
    call, invite = stage.established(caller, gateway, rtp=near, carrier_rtp=far)
    targets = call.answer.media(), invite.media()
    with hosts.network.at("caller"):
        spray = Spray(stage, targets, (near.ssrc, far.ssrc))
    wait_until(lambda: spray.sent >= 500, 10, "the spray is there first")
    near.start(targets[0])
    far.start(targets[1])
    hosts.streams(2)
    hosts.grows(100)
    wait_until(lambda: len(near.received) >= 100 and len(far.received) >= 100, 20, "audio")
    spray.end()
    stage.hang_up(call, gateway)
    record, = edge.wait_records(1)
    assert_hears(*near.heard(), FAR_HERTZ, NEAR_HERTZ)
    assert_hears(*far.heard(), NEAR_HERTZ, FAR_HERTZ)
    assert not spray.endpoint.received, "no audio leaks to the stranger"
    refused = sum(quality["wrong_source"] for quality in record["quality"])
    # What a full socket buffer loses, nobody counts.
    assert spray.sent // 2 <= refused <= spray.sent
    with hosts.network.at("edge"):
        edge.wait_idle()
    assert refused == hosts.metric("tandem_relay_dropped_packets_total", reason="wrong_source")
    for own, other, party in ((0, 1, near), (1, 0, far)):
        quality = record["quality"][own]
        assert quality["received_packets"] == record["quality"][other]["sent_packets"]
        assert quality["received_packets"] <= party.sent, "nothing forged is counted as received"


def weaken(directory, monkeypatch):
    """From here on the edge runs without the capabilities."""
    wrapper = directory / "tandem-without-powers"
    wrapper.write_text(f'#!/bin/sh\nexec setpriv --bounding-set={POWERS} --inh-caps={POWERS} '
                       f'{BINARY} "$@"\n')
    wrapper.chmod(0o700)
    monkeypatch.setattr(edge_module, "BINARY", wrapper)


def test_without_capabilities_auto_says_why_and_the_sockets_carry_the_call(hosts, stage, tmp_path,
                                                                          monkeypatch):
    with hosts.network.at("edge"):
        able = doctor(stage)
    assert able["state"] == "fine" and "eth0" in able["found"], able
    weaken(tmp_path, monkeypatch)
    stage.configuration.media["fast_path"] = "auto"
    with hosts.network.at("edge"):
        unable = doctor(stage)
    assert unable["state"] == "warning" and "CAP_BPF" in unable["found"], unable
    edge = hosts.start_edge()
    lines = [line for line in edge.lines if "fast path" in line]
    assert len(lines) == 1 and "media fast path off" in lines[0] and "CAP_BPF" in lines[0], lines
    assert hosts.network.programs() == 0
    answerer = hosts.answerer()
    try:
        output, _ = hosts.caller(2).communicate(timeout=30)
    finally:
        stop(answerer)
    record, = edge.wait_records(1)
    is_clean(record, 80)
    assert hosts.by_the_kernel() == 0, output


def test_without_capabilities_ebpf_does_not_start(hosts, stage, tmp_path, monkeypatch):
    weaken(tmp_path, monkeypatch)
    file = tmp_path / "tandem.toml"
    file.write_text(stage.configuration.text())
    with hosts.network.at("edge"):
        done = subprocess.run([edge_module.BINARY, "run", "--config", file], capture_output=True,
                              text=True, timeout=30)
    assert done.returncode == 1, done.stdout
    assert "CAP_BPF" in done.stdout + done.stderr, done.stdout + done.stderr
