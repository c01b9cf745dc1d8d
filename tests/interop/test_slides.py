"""Room devices share slides: the floor by BFCP, over UDP and TCP, and the pictures to the others."""

import json

from harness import places
from harness.bfcp import DENIED, GRANTED, PENDING, REVOKED, FloorDevice
from harness.camera import Camera
from harness.configuration import DOMAIN
from harness.rtp import RtpEndpoint
from harness.sip import OutgoingCall, Peer
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
OPEN, MODERATED, ASKED = "4081234567", "4081230000", "4081230001"
MODERATOR = "7035550129999"
DEVICES = ["127.0.0.21", "127.0.0.22"]


class Device:
    """Sound, a camera, slides and floor control, in one call."""

    def __init__(self, stage, ip, transport, shown, meeting=OPEN):
        self.sound = RtpEndpoint(ip, 440)
        self.camera = Camera(ip, payload_type=96)
        self.slides = Camera(ip, shown, payload_type=97)
        setup = "" if transport == "UDP" else "a=setup:actpass\r\na=connection:new\r\n"
        slides = self.slides.line().decode().replace("content:main", "content:slides")
        offer = (f"v=0\r\no=- 77 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n"
                 f"m=audio {self.sound.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
                 f"{self.camera.line().decode()}"
                 f"m=application 9 {transport}/BFCP *\r\na=floorctrl:c-s\r\na=confid:1\r\n"
                 f"a=userid:2\r\na=floorid:2 mstrm:12\r\n{setup}{slides}a=label:12\r\n")
        self._peer = Peer(ip)
        self.call = OutgoingCall(self._peer, stage.edge, meeting, offer.encode(), calling="device",
                                 host=HOST)
        self.answer = self.call.answered(20).body.decode()
        lines = [line.split() for line in self.answer.split("\r\n") if line.startswith("m=")]
        self.ports = [int(line[1]) for line in lines]
        assert all(self.ports), self.answer
        self.sound.start((places.EDGE, self.ports[0]))
        self.slides_at = places.EDGE, self.ports[3]
        self.floor = FloorDevice(ip, self.answer)
        assert self.floor.label == "12" and "a=label:12" in self.answer, self.answer

    def share(self):
        self.slides.start(self.slides_at)

    def sees(self, colour):
        wait_until(lambda: self.slides.colour(max(0, len(self.slides.received) - 200)) == colour, 30,
                   lambda: f"{colour} slides: {len(self.slides.received)} packets")

    def stop(self):
        self.floor.close()
        for endpoint in (self.sound, self.camera, self.slides):
            endpoint.stop()
        self._peer.close()


class LateDevice(Device):
    """One that leaves the offer to the room, and takes all of it in its ACK."""

    def __init__(self, stage, ip, shown):
        self.sound = RtpEndpoint(ip, 440)
        self.camera = Camera(ip, payload_type=103)
        self.slides = Camera(ip, shown, payload_type=106)
        self._peer = Peer(ip)
        self.call = OutgoingCall(self._peer, stage.edge, OPEN, calling="device", host=HOST)
        offer = self.call.answered(20, describe=self._describe).body.decode()
        lines = [line.split() for line in offer.split("\r\n") if line.startswith("m=")]
        assert [line[0] for line in lines] == ["m=audio", "m=video", "m=video", "m=application"], offer
        assert "a=content:slides\r\na=label:2\r\n" in offer, offer
        self.sound.start((places.EDGE, int(lines[0][1])))
        self.slides_at = places.EDGE, int(lines[2][1])
        self.floor = FloorDevice(ip, offer)
        assert self.floor.label == "2", offer
        # What it says before its ACK was read is nobody's.
        wait_until(lambda: stage.edge.metric("tandem_floor_control_devices") == 1, 20, "it is known")

    def _describe(self, _offer):
        slides = self.slides.line().decode().replace("content:main", "content:slides")
        return (f"v=0\r\no=- 78 1 IN IP4 {self.sound.ip}\r\ns=-\r\nc=IN IP4 {self.sound.ip}\r\nt=0 0\r\n"
                f"m=audio {self.sound.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
                f"{self.camera.line().decode()}{slides}"
                f"m=application 5080 UDP/BFCP *\r\na=floorctrl:c-only\r\n").encode()


def rooms(stage):
    stage.configuration.more.append(f"""
[rooms]
allow_plain = {json.dumps(DEVICES)}
bfcp = "{places.EDGE}:{places.free_port(places.EDGE)}"
[[rooms.meeting]]
name = "Open"
attendee_id = "{OPEN}"
moderator_id = "7035550120000"
[[rooms.meeting]]
name = "Board"
attendee_id = "{MODERATED}"
moderator_id = "7035550123456"
slides = "moderators"
[[rooms.meeting]]
name = "Asked"
attendee_id = "{ASKED}"
moderator_id = "{MODERATOR}"
slides = "asked"
""")


def presented(stage):
    file = stage.edge.data_dir / "events/events.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    kinds = [json.loads(line)["detail"]["eventType"] for line in lines]
    return [kind.removeprefix("tandem:Presenting") for kind in kinds if "Presenting" in kind]


def test_a_device_takes_the_floor_and_the_other_sees_its_slides(stage):
    rooms(stage)
    edge = stage.start_edge()
    one, two = Device(stage, DEVICES[0], "UDP", "red"), Device(stage, DEVICES[1], "TCP", "blue")
    try:
        one.floor.hello()
        two.floor.hello()
        assert two.floor.holders == [None]
        # What it sends before is shown to nobody.
        one.share()
        one.floor.request()
        one.floor.wait(lambda told: GRANTED in told.statuses)
        two.floor.wait(lambda told: told.holders[-1] == one.floor.user)
        two.sees("red")
        assert not one.slides.received, "nobody sees itself"
        # The other one begins, and takes over.
        two.floor.request()
        two.floor.wait(lambda told: GRANTED in told.statuses)
        one.floor.wait(lambda told: REVOKED in told.statuses)
        one.floor.wait(lambda told: told.holders[-1] == two.floor.user)
        two.share()
        one.sees("blue")
        two.call.bye()
        one.floor.wait(lambda told: told.holders[-1] is None)
        told = ["Started", "Stopped", "Started", "Stopped"]
        wait_until(lambda: presented(stage) == told, 20, lambda: f"events: {presented(stage)}")
        one.call.bye()
    finally:
        one.stop()
        two.stop()
    edge.wait_idle()


def test_a_device_that_leaves_the_offer_to_the_room_shows_its_slides(stage):
    rooms(stage)
    edge = stage.start_edge()
    late = LateDevice(stage, DEVICES[0], "red")
    other = Device(stage, DEVICES[1], "TCP", "blue")
    try:
        late.floor.hello()
        other.floor.hello()
        late.share()
        late.floor.request()
        late.floor.wait(lambda told: GRANTED in told.statuses)
        other.floor.wait(lambda told: told.holders[-1] == late.floor.user)
        other.sees("red")
        # And it sees those of the others.
        other.floor.request()
        late.floor.wait(lambda told: REVOKED in told.statuses)
        other.share()
        late.sees("blue")
        late.call.bye()
        other.call.bye()
    finally:
        late.stop()
        other.stop()
    edge.wait_idle()


def test_who_is_no_moderator_is_denied_where_only_those_share(stage):
    rooms(stage)
    edge = stage.start_edge()
    device = Device(stage, DEVICES[0], "TCP", None, MODERATED)
    try:
        device.floor.hello()
        device.floor.request()
        device.floor.wait(lambda told: DENIED in told.statuses)
        device.call.bye()
    finally:
        device.stop()
    edge.wait_idle()
    assert presented(stage) == []


def test_a_moderators_device_is_the_chair(stage):
    rooms(stage)
    edge = stage.start_edge()
    asks = Device(stage, DEVICES[0], "TCP", None, ASKED)
    leads = Device(stage, DEVICES[1], "UDP", None, MODERATOR)
    try:
        asks.floor.hello()
        leads.floor.hello()
        asks.floor.request()
        asks.floor.wait(lambda told: told.statuses == [PENDING])
        leads.floor.wait(lambda told: told.pending)
        request, = leads.floor.pending
        # Nobody decides about oneself.
        asks.floor.chair(request, GRANTED)
        asks.floor.wait(lambda told: told.refusals)
        assert GRANTED not in asks.floor.statuses
        leads.floor.chair(request, GRANTED)
        asks.floor.wait(lambda told: GRANTED in told.statuses)
        leads.floor.wait(lambda told: told.holders[-1] == asks.floor.user)
        leads.floor.chair(request, REVOKED)
        asks.floor.wait(lambda told: REVOKED in told.statuses)
        assert leads.floor.refusals == []
        told = ["Asked", "Started", "Stopped"]
        wait_until(lambda: presented(stage) == told, 20, lambda: f"events: {presented(stage)}")
        asks.call.bye()
        leads.call.bye()
    finally:
        asks.stop()
        leads.stop()
    edge.wait_idle()
