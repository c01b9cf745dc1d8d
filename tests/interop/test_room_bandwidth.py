"""What a receiver says that it can take is asked of the camera that it sees."""

import json
import struct

from harness import places
from harness.camera import Camera
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST, MEETING = f"meet.{DOMAIN}", "4081234567"
DEVICES = ["127.0.0.21", "127.0.0.22"]
OWN = 7


def remb(bits_per_second, ssrc):
    """A receiver report, and what can be taken of a stream."""
    exponent = max(0, bits_per_second.bit_length() - 18)
    estimate = 1 << 24 | exponent << 18 | bits_per_second >> exponent
    return (struct.pack("!BBHI", 0x80, 201, 1, OWN)
            + struct.pack("!BBHII4sII", 0x8F, 206, 5, OWN, 0, b"REMB", estimate, ssrc))


def limits(endpoint):
    """What the estimates say that have come."""
    endpoint.setblocking(False)
    while True:
        try:
            packet = endpoint.recv(2_048)
        except BlockingIOError:
            return
        while packet:
            first, kind, length = struct.unpack_from("!BBH", packet)
            if (kind, first & 31) == (206, 15) and packet[12:16] == b"REMB":
                estimate, = struct.unpack_from("!I", packet, 16)
                yield (estimate & 0x3FFFF) << (estimate >> 18 & 63)
            packet = packet[4 * (length + 1):]


def test_a_camera_is_asked_for_what_its_receiver_can_take(stage):
    stage.configuration.more.append(f"""
[rooms]
allow_plain = {json.dumps(DEVICES)}
[[rooms.meeting]]
name = "Open"
attendee_id = "{MEETING}"
moderator_id = "7035550120000"
announce = "off"
""")
    edge = stage.start_edge()
    cameras, calls = [Camera(DEVICES[0], "blue"), Camera(DEVICES[1])], []
    try:
        for camera in cameras:
            microphone = stage.rtp(camera.ip, 440)
            line = camera.line().replace(b"a=rtcp-fb:* nack pli",
                                         b"a=rtcp-fb:* nack pli\r\na=rtcp-fb:* goog-remb")
            call = OutgoingCall(stage.peer(camera.ip), edge, MEETING,
                                sdp(camera.ip, microphone.port) + line, host=HOST)
            answer = call.answered().body.decode()
            assert "a=rtcp-fb:* goog-remb" in answer, answer
            sound, picture = (int(line.split()[1]) for line in answer.split("\r\n") if line.startswith("m="))
            microphone.start((places.EDGE, sound))
            calls.append((call, picture))
        sends, sees = cameras
        sends.start((places.EDGE, calls[0][1]))
        told = []

        def is_told(what):
            told.extend(limits(sends.rtcp))
            return told and what(told[-1])

        wait_until(lambda: sees.received, 30, "a picture")
        wait_until(lambda: is_told(lambda limit: limit == 650_000), 30, lambda: f"what is enough: {told}")
        ssrc, = struct.unpack_from("!I", sees.received[-1], 8)
        sees.rtcp.sendto(remb(200_000, ssrc), (places.EDGE, calls[1][1] + 1))
        wait_until(lambda: is_told(lambda limit: limit <= 200_000), 30, lambda: f"less: {told}")
        assert told[-1] >= 190_000, told
        for call, _ in calls:
            call.bye()
    finally:
        for camera in cameras:
            camera.stop()
    edge.wait_idle()
