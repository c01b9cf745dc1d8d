"""The script functions of Kamailio's rtpengine module, with Tandem's relay and with rtpengine at once:
the same kamailio.cfg but for the address, the same steps, and the answers side by side."""

import socket

import pytest

from harness import places, tones
from harness.ng import RELAY, NgRelay, Rtpengine
from harness.tones import RATE, level
from harness.waiting import wait_until
from test_ng import (CALLED_HERTZ, CALLER_HERTZ, client_of, port_of, proxy_between, sdp,
                     wait_no_ports)

TONE_HERTZ = 620
EVENT = 101

# What the script does when an operator asks it to, by a request that has the call's identity.
_FUNCTIONS = ("rtpengine_query", "rtpengine_info", "start_recording", "stop_recording", "block_media",
              "unblock_media", "silence_media", "unsilence_media", "block_dtmf", "unblock_dtmf",
              "play_media", "stop_media", "play_dtmf", "rtpengine_delete")
_CASES = "\n".join(
    f"""        if ($hdr(X-Do) == "{name}") {{
            if ({name}("$hdr(X-Flags)")) $var(result) = 1; else $var(result) = -1;
        }}""" for name in _FUNCTIONS)
FIRST = f"""
    if (is_present_hf("X-Do")) {{
        $avp(media_duration) = "none";
        $var(result) = -2;
{_CASES}
        if ($var(result) > 0) sl_send_reply("200", "ok $avp(media_duration)");
        else sl_send_reply("500", "failed $var(result)");
        exit;
    }}
"""


class Operator:
    """Has a proxy call functions for the call of tags `a` and `b`."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((places.PBX, 0))
        self.socket.settimeout(10)
        self.number = 0

    def do(self, function, flags="", body=""):
        """The status and the reason of the reply."""
        self.number += 1
        ip, port = self.socket.getsockname()
        lines = [f"INFO sip:x@{self.proxy.ip}:{self.proxy.port} SIP/2.0",
                 f"Via: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK{id(self)}{self.number}",
                 f"From: <sip:a@{ip}>;tag=a", f"To: <sip:b@{ip}>;tag=b", "Call-ID: c",
                 f"CSeq: {self.number} INFO", "Max-Forwards: 70", f"X-Do: {function}",
                 f"X-Flags: {flags}"]
        lines += ["Content-Type: application/trickle-ice-sdpfrag"] if body else []
        lines += [f"Content-Length: {len(body)}", "", body]
        self.socket.sendto("\r\n".join(lines).encode(), self.proxy.address)
        first = self.socket.recv(65_536).decode().split("\r\n")[0]
        _, status, reason = first.split(" ", 2)
        return int(status), reason

    def stop(self):
        self.socket.close()


class World:
    """A call through one relay, and a Kamailio that drives it."""

    def __init__(self, stage, relay, more=()):
        self.relay = relay
        self.client = client_of(stage, relay)
        self.operator = stage._keep(Operator(proxy_between(stage, relay, 9, first=FIRST)))
        self.near = stage.rtp(places.PBX, CALLER_HERTZ)
        self.far = stage.rtp(places.CARRIER, CALLED_HERTZ)
        # What rtpengine needs before keys can be made; here it is always so.
        flags = ["inject-DTMF", *more]
        offer = self.client.ok("offer", call_id="c", from_tag="a", flags=flags,
                               sdp=sdp(self.near.ip, self.near.port))
        answer = self.client.ok("answer", call_id="c", from_tag="a", to_tag="b", flags=flags,
                                sdp=sdp(self.far.ip, self.far.port))
        self.to = (RELAY, port_of(answer["sdp"]))
        self.near.start(self.to)
        self.far.start((RELAY, port_of(offer["sdp"])))
        self.pass_by(self.far, 20)
        self.pass_by(self.near, 20)

    def pass_by(self, end, packets):
        """The packets that an end gets from now on, so many."""
        start = len(end.received)
        wait_until(lambda: len(end.received) >= start + packets, 10,
                   lambda: f"media at {self.relay.log()[-1_000:]}")
        return end.received[start:start + packets]

    def heard(self, end, hertz):
        """How loud a frequency is that an end hears, behind what was on its way. rtpengine plays
        beside the other party's audio, in a source of its own: the loudest one counts."""
        self.pass_by(end, 10)
        packets = [packet for packet in self.pass_by(end, 40) if packet[1] & 0x7F == 0]
        sources = {packet[8:12] for packet in packets}
        return max(level(tones.from_ulaw(b"".join(p[12:] for p in packets if p[8:12] == source)),
                         RATE, hertz) for source in sources)

    def silent_for(self, end, other, packets=40):
        """Whether an end gets nothing while the other gets so many packets."""
        self.pass_by(other, 10)
        before = len(end.received)
        self.pass_by(other, packets)
        return len(end.received) == before

    def press(self, number=5):
        """Keys of the near end; whether any reaches the far one."""
        # What was ordered last is in force before the next packets.
        self.pass_by(self.far, 5)
        start = len(self.far.received)
        for count in range(number):
            event = (bytes([0x80, 0x80 | EVENT]) + (60_000 + count).to_bytes(2, "big") + bytes(4)
                     + self.near.ssrc.to_bytes(4, "big") + b"\x05\x8a\x00\xa0")
            self.near.rtp.sendto(event, self.to)
        self.pass_by(self.far, 30)
        return any(packet[1] & 0x7F == EVENT for packet in self.far.received[start:])


@pytest.fixture
def media(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    tones.write_wav(folder / "tone.wav", TONE_HERTZ, 1)
    (tmp_path / "recordings").mkdir()
    return folder


@pytest.fixture
def worlds(stage, media):
    """Tandem's and, where it is installed, rtpengine's."""
    recordings = media.parent / "recordings"
    mine = World(stage, stage._keep(NgRelay(stage.directory, media_dir=media,
                                            recording_dir=recordings)))
    if not Rtpengine.binary():
        return {"tandem": mine}
    theirs = media.parent / "theirs"
    theirs.mkdir()
    other = stage._keep(Rtpengine(stage.directory, recording_dir=theirs, recording_method="pcap",
                                  recording_format="eth"))
    return {"tandem": mine, "rtpengine": World(stage, other)}


def same(worlds, function, flags="", body=""):
    """The reply of every relay, which is to be the same one."""
    replies = {kind: world.operator.do(function, flags, body) for kind, world in worlds.items()}
    assert len(set(replies.values())) == 1, (function, flags, replies)
    return next(iter(replies.values()))


def each(worlds, found):
    """What is found in every world, by its name."""
    return {kind: found(world) for kind, world in worlds.items()}


def every(worlds, found):
    told = each(worlds, found)
    assert all(told.values()), told


OK, FAILED = (200, "ok none"), (500, "failed -1")


def test_media_and_keys_are_blocked_and_let_through(worlds):
    assert same(worlds, "block_media", "from-tag=a") == OK
    every(worlds, lambda w: w.silent_for(w.far, w.near))
    assert same(worlds, "unblock_media", "from-tag=a") == OK
    every(worlds, lambda w: w.heard(w.far, CALLER_HERTZ) > 1_000)
    assert same(worlds, "block_dtmf", "from-tag=a") == OK
    every(worlds, lambda w: not w.press())
    assert same(worlds, "unblock_dtmf", "from-tag=a") == OK
    every(worlds, lambda w: w.press())
    assert same(worlds, "block_media", "all") == OK
    assert same(worlds, "unblock_media", "all") == OK
    every(worlds, lambda w: w.heard(w.near, CALLED_HERTZ) > 1_000)
    for function in ("block_media", "unblock_media", "block_dtmf", "silence_media"):
        assert same(worlds, function, "from-tag=nobody") == FAILED


def test_silence_takes_the_place_of_audio(worlds):
    assert same(worlds, "silence_media", "from-tag=a") == OK
    every(worlds, lambda w: w.heard(w.far, CALLER_HERTZ) < 50)
    every(worlds, lambda w: w.heard(w.near, CALLED_HERTZ) > 1_000)
    assert same(worlds, "unsilence_media", "from-tag=a") == OK
    every(worlds, lambda w: w.heard(w.far, CALLER_HERTZ) > 1_000)


def test_a_file_is_played_and_stopped(worlds, media):
    file = media / "tone.wav"
    assert same(worlds, "play_media", f"from-tag=b file={file} repeat-times=100") == (200, "ok 1000")
    every(worlds, lambda w: w.heard(w.far, TONE_HERTZ) > 1_000)
    every(worlds, lambda w: w.heard(w.near, CALLED_HERTZ) > 1_000)
    assert same(worlds, "stop_media", "from-tag=b") == OK
    every(worlds, lambda w: w.heard(w.far, CALLER_HERTZ) > 1_000)
    # To all of them, and once.
    assert same(worlds, "play_media", f"all file={file}") == (200, "ok 1000")
    wait_until(lambda: all(each(worlds, lambda w: w.heard(w.near, CALLED_HERTZ) > 1_000).values()), 15,
               lambda: f"it ends: {each(worlds, lambda w: w.heard(w.near, CALLED_HERTZ))}")
    assert same(worlds, "play_media", f"from-tag=b file={media}/missing.wav") == FAILED
    assert same(worlds, "play_media", f"from-tag=nobody file={file}") == FAILED
    # No file at all.
    assert same(worlds, "play_media", "from-tag=b") == FAILED


def test_a_key_is_played(worlds):
    started = each(worlds, lambda w: len(w.far.received))
    assert same(worlds, "play_dtmf", "from-tag=a code=7 duration=200") == OK

    def events(kind):
        world = worlds[kind]
        return [p for p in world.far.received[started[kind]:] if p[1] & 0x7F == EVENT]

    for kind in worlds:
        wait_until(lambda: any(p[13] & 0x80 for p in events(kind)), 5, lambda: f"{kind}: the key ends")
        assert {p[12] for p in events(kind)} == {7}
        # 200 ms at 8,000 Hz, up to a packet more.
        longest = max(int.from_bytes(p[14:16], "big") for p in events(kind))
        assert 1_600 <= longest <= 1_920, (kind, longest)
    every(worlds, lambda w: w.heard(w.far, CALLER_HERTZ) > 1_000)
    for wrong in ("from-tag=a code=16", "from-tag=a code=x", "from-tag=a", "from-tag=nobody code=1"):
        assert same(worlds, "play_dtmf", wrong) == FAILED, wrong


def test_a_recording_begins_and_ends(worlds, media):
    assert same(worlds, "start_recording") == OK
    every(worlds, lambda w: w.pass_by(w.far, 50))
    assert same(worlds, "stop_recording") == OK
    mine = list((media.parent / "recordings").glob("*.pcap"))
    assert len(mine) == 1 and mine[0].stat().st_size > 40 * 200
    if "rtpengine" in worlds:
        theirs = list((media.parent / "theirs").rglob("*.pcap"))
        assert len(theirs) == 1 and theirs[0].stat().st_size > 40 * 200


def test_questions_and_the_end(worlds):
    assert same(worlds, "rtpengine_query") == OK
    assert same(worlds, "rtpengine_info", "", "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
                "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
                "a=candidate:1 1 UDP 1 192.0.2.9 4000 typ host\r\n") == OK
    # What was asked has changed nothing. (rtpengine stops the media of a call without ICE over it.)
    assert worlds["tandem"].heard(worlds["tandem"].far, CALLER_HERTZ) > 1_000
    assert same(worlds, "rtpengine_delete") == OK
    for world in worlds.values():
        wait_no_ports(world.relay)
        assert world.client.ok("list")["calls"] == []
    for function in ("rtpengine_query", "block_media", "start_recording"):
        assert same(worlds, function) == FAILED, function
