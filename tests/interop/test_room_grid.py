"""A device that dials for it sees everybody at once, in a picture that Tandem composes."""

import json

import pytest

from harness import places
from harness.camera import Camera
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST, MEETING = f"meet.{DOMAIN}", "4081234567"
DEVICES = [f"127.0.0.{host}" for host in range(21, 26)]
PATIENCE = 60
# The middles of three places: two above, one below, in eighths of the picture.
THREE = [(1, 1), (5, 1), (3, 5)]


class Device:
    """A caller with a camera or, without a clip, one that only looks; silent until it speaks."""

    def __init__(self, stage, ip, clip=None, mode=1, dialled=MEETING):
        self.camera = Camera(ip, clip, mode)
        self.microphone = stage.rtp(ip, 440)
        offer = sdp(ip, self.microphone.port) + self.camera.line()
        self.call = OutgoingCall(stage.peer(ip), stage.edge, dialled, offer, host=HOST)
        body = self.call.answered().body.decode()
        self.ports = [int(line.split()[1]) for line in body.split("\r\n") if line.startswith("m=")]
        assert len(self.ports) == 2 and all(self.ports), body
        if clip:
            self.camera.start((places.EDGE, self.ports[1]))

    def recent(self):
        return max(0, len(self.camera.received) - 400)


@pytest.fixture
def devices():
    made = []
    yield made
    for device in made:
        device.camera.stop()


def test_who_dials_for_it_sees_everybody_at_once(stage, devices):
    stage.configuration.api = {"listen": f"{places.EDGE}:{places.free_port(places.EDGE)}"}
    # Few pictures, so that a slow machine has the time for them.
    stage.configuration.more.append(f"""
[rooms]
allow_plain = {json.dumps(DEVICES)}
[rooms.grid]
frames_per_second = 5
[[rooms.meeting]]
name = "Open"
attendee_id = "{MEETING}"
moderator_id = "7035550120000"
announce = "off"
""")
    edge = stage.start_edge()
    # Green has the high profile: no device here could be shown it as it is.
    for ip, clip, mode in zip(DEVICES, ("red", "blue", "high"), (0, 1, 1)):
        devices.append(Device(stage, ip, clip, mode))
    red = devices[0]
    plain = Device(stage, DEVICES[3])
    devices.append(plain)
    # It takes single units alone.
    asks = Device(stage, DEVICES[4], mode=0, dialled=f"{MEETING}..608")
    devices.append(asks)
    red.microphone.start((places.EDGE, red.ports[0]))
    # All of it: what was composed has key frames when they are asked for.
    wait_until(lambda: sorted(asks.camera.colours_at(THREE)) == ["blue", "green", "red"], PATIENCE,
               lambda: f"it sees {asks.camera.colours_at(THREE)}")
    wait_until(lambda: plain.camera.colour(plain.recent()) == "red", PATIENCE,
               lambda: f"who has not dialled for it sees {plain.camera.colour(plain.recent())}")
    edge.wait_metric("tandem_composed_grids", 1, PATIENCE)
    assert edge.metric("tandem_composed_pictures_total", what="made") > 0

    def composed():
        told = edge.command("room", "--config", str(edge.file), "--json", "show", MEETING)
        return json.loads(told).get("composed", {})

    wait_until(lambda: (composed().get("tiles"), composed().get("viewers")) == (3, 1), PATIENCE,
               lambda: f"room show says {composed()}")
    # By a key it sees the speaker, as the others do.
    for symbol in "#1":
        asks.call.request("INFO", f"Signal={symbol}\r\nDuration=160\r\n".encode(),
                          content_type="application/dtmf-relay")
        assert asks.call.final("INFO").status == 200
    seen = len(asks.camera.received)
    wait_until(lambda: asks.camera.colours_at(THREE, seen) == ["red"] * 3, PATIENCE,
               lambda: f"it sees {asks.camera.colours_at(THREE, seen)}")
    for device in devices:
        device.call.request("BYE")
        assert device.call.final("BYE").status == 200
    edge.wait_idle()
    edge.wait_metric("tandem_composed_grids", 0, PATIENCE)
