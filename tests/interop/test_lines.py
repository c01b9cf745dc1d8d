"""Video and floor control beside audio, on real sockets: each line is relayed and measured by itself,
and audio goes on whatever becomes of the others."""

import socket

import pytest

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.video import VideoEndpoint
from harness.waiting import wait_until

PICTURES = 90


def ports(message):
    lines = message.body.decode().split("\r\n")
    return [int(line.split()[1]) for line in lines if line.startswith("m=")]


class LinesCall:
    """An established call of audio and whatever lines are given for each side."""

    def __init__(self, stage, near_lines, far_lines):
        self._stage = stage
        self.gateway = stage.carrier_peer()
        self.edge = stage.start_edge()
        caller = stage.peer(places.PBX)
        self.near, self.far = stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 1_000)
        self.call = OutgoingCall(caller, self.edge, places.US_NUMBER,
                                 sdp(places.PBX, self.near.port) + near_lines)
        self.invite = self.gateway.expect_request("INVITE")
        self.gateway.reply(self.invite, 200, "OK", sdp(places.CARRIER, self.far.port) + far_lines)
        self.call.answered()
        self.gateway.expect_request("ACK")
        self.near.start(self.call.answer.media())
        self.far.start(self.invite.media())

    def line_towards(self, message, index):
        return places.EDGE, ports(message)[index]

    def audio_goes_on(self):
        counts = len(self.near.received) + 25, len(self.far.received) + 25
        wait_until(lambda: len(self.near.received) >= counts[0]
                   and len(self.far.received) >= counts[1], 10, "audio on both sides")

    def end(self):
        for endpoint in (self.near, self.far):
            endpoint.stop()
        self._stage.hang_up(self.call, self.gateway)
        record, = self.edge.wait_records(1)
        self.edge.wait_idle()
        return record


@pytest.fixture
def cameras():
    made = [VideoEndpoint(places.PBX, drop=lambda n: n % 30 == 10), VideoEndpoint(places.CARRIER)]
    yield made
    for camera in made:
        camera.stop()


def test_video_passes_and_is_measured_beside_audio(stage, cameras):
    near, far = cameras
    call = LinesCall(stage, near.line(), far.line())
    offered, answered = ports(call.invite), ports(call.call.answer)
    assert all(offered + answered) and len(set(offered + answered)) == 4
    body = call.invite.body.decode()
    assert "a=rtcp-fb:96 nack pli\r\n" in body and "a=content:main\r\n" in body
    near.start(call.line_towards(call.call.answer, 1), PICTURES)
    far.start(call.line_towards(call.invite, 1), PICTURES)
    wait_until(lambda: near.done and far.done, 30, "all pictures are sent")
    # As they were sent, in order; the first may come before the plan.
    wait_until(lambda: len(near.received) >= len(far.sent) - 6
               and len(far.received) >= len(near.sent) - 6, 5, "pictures on both sides")
    assert far.received == near.sent[len(near.sent) - len(far.received):]
    assert near.received == far.sent[len(far.sent) - len(near.received):]
    asked = far.ask_for_a_picture(call.line_towards(call.invite, 1))
    wait_until(lambda: asked in near.feedback, 5, "the wish for a picture")
    call.audio_goes_on()
    live, = call.edge.calls()
    assert [line["media"] for line in live["lines"]] == ["video"]
    record = call.end()
    line, = record["lines"]
    assert (line["index"], line["media"]) == (1, "video")
    from_near, from_far = line["quality"]
    assert from_near["codec"] == "H264" and from_near["mos"] is None
    # 9 of 270 are dropped; as many as came before the plan are not counted at all.
    assert from_near["lost_packets"] == 9, from_near
    assert from_near["received_packets"] == len(far.received)
    assert from_far["lost_packets"] == 0 and from_far["received_packets"] == len(near.received)
    assert from_near["jitter_us"] < 200_000
    for side in record["quality"]:
        assert side["codec"] == "PCMU" and side["lost_packets"] == 0 and side["mos"] > 4
    media, = call.edge.last_media_lines().values()
    assert media["cust2vc_rtp_packets"] == record["quality"][0]["received_packets"]
    report = call.edge.command("report", "--config", str(call.edge.file),
                               record["transaction_id"])
    assert "Line 2: video (H264)" in report, report


@pytest.mark.parametrize("kind", [{}, {"srtp": True}, {"dtls": True}, {"dtls": True, "ice": True}],
                         ids=["plain", "sdes", "dtls", "dtls_ice"])
def test_baresip_is_seen_by_a_plain_carrier(stage, kind):
    """Each line of baresip's has keys, handshake and checks of its own."""
    carrier = stage.carrier_peer()
    pbx = stage.baresip(places.BARESIP, "pbx", 440, video="VP8", **kind)
    edge = stage.start_edge()
    camera, far = VideoEndpoint(places.CARRIER), stage.rtp(places.CARRIER, 1_000)
    pbx.do("dial", f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    invite = carrier.expect_request("INVITE")
    assert len(ports(invite)) == 2 and all(ports(invite)), repr(invite)
    assert "VP8/90000" in invite.body.decode() and "crypto" not in invite.body.decode()
    video = camera.line().split(b"a=rtpmap")[0] + b"a=rtpmap:96 VP8/90000\r\n"
    number = next(line.split()[3] for line in invite.body.decode().split("\r\n")
                  if line.startswith("m=video")).encode()
    carrier.reply(invite, 200, "OK", sdp(places.CARRIER, far.port) + video.replace(b"96", number))
    carrier.expect_request("ACK")
    far.start(invite.media())
    wait_until(lambda: len(camera.received) >= 30, 20, lambda: f"pictures; {pbx.output()}")
    wait_until(lambda: len(far.received) >= 50, 10, "audio")
    # In the clear and whole: its payload type, one source, no gap.
    assert {packet[1] & 0x7F for packet in camera.received} == {int(number)}
    numbers = [int.from_bytes(packet[2:4], "big") for packet in camera.received]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]
    pbx.do("hangup")
    bye = carrier.expect_request("BYE")
    carrier.reply(bye, 200, "OK")
    record, = edge.wait_records(1)
    camera.stop()
    line, = record["lines"]
    from_pbx, _ = line["quality"]
    assert (from_pbx["codec"], from_pbx["mos"], from_pbx["lost_packets"]) == ("VP8", None, 0)
    assert from_pbx["received_packets"] >= len(camera.received)
    assert record["quality"][0]["lost_packets"] == 0
    edge.wait_idle()


def test_audio_goes_on_when_video_is_declined(stage, cameras):
    near, _ = cameras
    call = LinesCall(stage, near.line(), b"m=video 0 RTP/AVP 96\r\n")
    assert all(ports(call.invite)) and ports(call.call.answer)[1] == 0
    call.edge.wait_metric("tandem_relay_streams", 1)
    call.audio_goes_on()
    record = call.end()
    assert all(side["received_packets"] > 0 for side in record["quality"])


def test_without_ports_for_video_the_call_is_audio(stage, cameras, monkeypatch):
    near, _ = cameras
    # Two pairs: one stream.
    monkeypatch.setattr(places, "MEDIA_PORTS", (21_000, 21_003))
    call = LinesCall(stage, near.line(), b"m=video 0 RTP/AVP 96\r\n")
    assert ports(call.invite)[1] == 0
    call.audio_goes_on()
    assert "lines" not in call.end()


def test_floor_control_passes_as_it_is(stage):
    ends = []
    for ip in (places.PBX, places.CARRIER):
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind((ip, places.free_port(ip)))
        end.settimeout(5)
        ends.append(end)
    near, far = ends
    line = lambda end: (f"m=application {end.getsockname()[1]} UDP/BFCP *\r\na=confid:1\r\n"
                        "a=floorid:2 mstrm:12\r\na=floorctrl:c-s\r\n").encode()
    call = LinesCall(stage, line(near), line(far))
    to_far, to_near = (call.line_towards(call.call.answer, 1), call.line_towards(call.invite, 1))
    # Hello and HelloAck (RFC 8855 section 5.1): version 2, primitives 11 and 12.
    for number in range(20):
        hello = bytes([0x40, 11, 0, 0, 0, 0, 0, 1, 0, number, 0, 7])
        near.sendto(hello, to_far)
        assert far.recv(2_048) == hello
        ack = bytes([0x50, 12, 0, 0, 0, 0, 0, 1, 0, number, 0, 9])
        far.sendto(ack, to_near)
        assert near.recv(2_048) == ack
    call.audio_goes_on()
    record = call.end()
    line, = record["lines"]
    assert line["media"] == "application"
    assert [side["fax"]["received_packets"] for side in line["quality"]] == [20, 20]
    for end in ends:
        end.close()
