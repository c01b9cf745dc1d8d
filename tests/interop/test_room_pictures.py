"""Devices of a meeting see each other: whoever speaks is shown to the others, decoded here."""

import json

import pytest

from harness import places, tls
from harness.camera import Camera
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST, MEETING = f"meet.{DOMAIN}", "4081234567"
DEVICES = ["127.0.0.21", "127.0.0.22", "127.0.0.23"]


def rooms(stage):
    stage.configuration.more.append(f"""
[rooms]
allow_plain = {json.dumps(DEVICES)}
[[rooms.meeting]]
name = "Open"
attendee_id = "{MEETING}"
moderator_id = "7035550120000"
announce = "off"
""")


class Device:
    """A caller with a camera; its microphone is silent until it speaks."""

    def __init__(self, stage, ip, clip, mode):
        self.camera = Camera(ip, clip, mode)
        self.microphone = stage.rtp(ip, 440)
        self.offer = sdp(ip, self.microphone.port) + self.camera.line()
        self.call = OutgoingCall(stage.peer(ip), stage.edge, MEETING, self.offer, host=HOST)
        body = self.call.answered().body.decode()
        self.ports = [int(line.split()[1]) for line in body.split("\r\n") if line.startswith("m=")]
        assert len(self.ports) == 2 and all(self.ports), body
        assert f"packetization-mode={mode}" in body and "a=content:main" in body, body
        if clip:
            self.camera.start((places.EDGE, self.ports[1]))

    def speak(self):
        self.microphone.start((places.EDGE, self.ports[0]))

    def sees(self, colour):
        def look():
            since = max(0, len(self.camera.received) - 400)
            return self.camera.colour(since) == colour

        wait_until(look, 30, lambda: f"{self.camera.ip} sees {colour}, not {self.camera.colour()}")


@pytest.fixture
def devices():
    made = []
    yield made
    for device in made:
        device.camera.stop()


def test_who_speaks_is_seen_by_the_others(stage, devices):
    rooms(stage)
    edge = stage.start_edge()
    # Red has slices that fit into packets, as mode 0 needs; blue is fragmented. Only mode 1 takes that.
    for ip, clip, mode in zip(DEVICES, ("red", "blue", None), (0, 1, 1)):
        devices.append(Device(stage, ip, clip, mode))
    red, blue, watcher = devices
    red.speak()
    blue.sees("red")
    watcher.sees("red")
    assert red.camera.colour() != "red", "nobody sees themselves"
    red.microphone.quiet()
    blue.speak()
    watcher.sees("blue")
    # Who spoke before is seen by the speaker.
    blue.sees("red")
    # Who drops its camera is not seen any more, and comes back.
    dropped = sdp(red.camera.ip, red.microphone.port, version=2) + red.camera.line(0)
    answer = red.call.reinvite(dropped)
    assert b"m=video 0 RTP/AVP 97" in answer.body, repr(answer)
    seen = len(blue.camera.received)
    answer = red.call.reinvite(red.offer.replace(b"- 77 1", b"- 77 3"))
    assert b"m=video 0" not in answer.body, repr(answer)
    red.camera.redirect((places.EDGE, int(answer.body.split(b"m=video ")[1].split()[0])))
    wait_until(lambda: blue.camera.colour(seen) == "red", 30, "red is seen again")
    for device in devices:
        device.call.request("BYE")
        assert device.call.final("BYE").status == 200
    for record in edge.wait_records(3):
        assert record["end"]["status"] == 200, record
        # A line that was dropped and came again had two streams.
        assert {line["media"] for line in record["lines"]} == {"video"}, record
    edge.wait_idle()


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_baresip_sees_baresip_over_tls_with_srtp(stage, tmp_path, codec):
    """Strangers with cameras of their own making, encrypted line by line."""
    port = places.free_port(places.EDGE)
    authority = tls.Authority(tmp_path)
    shown = authority.issue("edge.test", f"IP:{places.EDGE}")
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"],
                                   tls_certificate=str(shown.certificate), tls_key=str(shown.key))
    rooms(stage)
    edge = stage.start_edge()
    agents = [stage.baresip(
        places.BARESIP, f"device-{hertz}", hertz, transport="tls", srtp=True, video=codec,
        pair=authority.issue("device.test", f"IP:{places.BARESIP}"), authority=authority.certificate,
        account=f";regint=0;outbound=\"sip:{places.EDGE}:{port};transport=tls\"")
        for hertz in (440, 1_000)]
    for agent in agents:
        agent.do("dial", f"sip:{MEETING}@{HOST}")
        agent.wait("CALL_ESTABLISHED")
    for agent in agents:
        wait_until(lambda: agent.picture() is not None, 30,
                   lambda: f"{agent.name} sees a picture: {agent.output()}")
        # Its size, and bars of several colours.
        width, height, colours = agent.picture()
        assert (width, height) == (320, 240) and colours >= 4, (width, height, colours)
    for agent in agents:
        agent.do("hangup")
        agent.wait("CALL_CLOSED")
    for record in edge.wait_records(2):
        line, = record["lines"]
        assert line["media"] == "video" and [side["codec"] for side in line["quality"][:1]] == [codec], line
    edge.wait_idle()
