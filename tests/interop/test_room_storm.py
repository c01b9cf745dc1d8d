"""A receiver of pictures that asks for a key frame a hundred times a second."""

import json
import random
import struct
import time

from harness import places
from harness.camera import Camera
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST, MEETING = f"meet.{DOMAIN}", "4081234567"
SOURCE, WATCHER = "127.0.0.21", "127.0.0.22"
PICTURE_LOSS, FULL_INTRA = 1, 4


def requests(camera, seconds=0.0):
    """Key frames that this camera was asked for: (feedback of RFC 4585 or RFC 5104, how many)."""
    found = {PICTURE_LOSS: 0, FULL_INTRA: 0}
    camera.rtcp.settimeout(max(seconds, 0.001))
    while True:
        try:
            data = camera.rtcp.recv(2_048)
        except TimeoutError:
            return found
        while len(data) >= 4:
            first, kind, words = struct.unpack("!BBH", data[:4])
            if kind == 206 and first & 31 in found:
                found[first & 31] += 1
            data = data[4 * (words + 1):]


def join(stage, ip, clip):
    camera, microphone = Camera(ip, clip, 0 if clip else 1), stage.rtp(ip, 440)
    offer = sdp(ip, microphone.port) + camera.line()
    call = OutgoingCall(stage.peer(ip), stage.edge, MEETING, offer, host=HOST)
    body = call.answered().body.decode()
    ports = [int(line.split()[1]) for line in body.split("\r\n") if line.startswith("m=")]
    return camera, microphone, call, ports


def test_the_source_is_asked_once_a_second_whatever_a_receiver_asks_for(stage):
    stage.configuration.more.append(f"""
[rooms]
allow_plain = {json.dumps([SOURCE, WATCHER])}
[[rooms.meeting]]
name = "Open"
attendee_id = "{MEETING}"
moderator_id = "7035550120000"
announce = "off"
""")
    edge = stage.start_edge()
    red, microphone, speaks, ports = join(stage, SOURCE, "red")
    watcher, _, watches, seen_at = join(stage, WATCHER, None)
    try:
        red.start((places.EDGE, ports[1]))
        microphone.start((places.EDGE, ports[0]))
        wait_until(lambda: watcher.colour() == "red", 30, "the watcher sees red")
        requests(red)
        began = time.monotonic()
        ssrc = watcher.received[-1][8:12]
        # RFC 4585 section 3.1: an empty report first. Its own source is any.
        own = struct.pack("!I", random.getrandbits(32))
        loss = (struct.pack("!BBH", 0x80, 201, 1) + own
                + struct.pack("!BBH", 0x80 | PICTURE_LOSS, 206, 2) + own + ssrc)
        came = dict.fromkeys((PICTURE_LOSS, FULL_INTRA), 0)
        for _ in range(40):
            for _ in range(5):
                watcher.rtcp.sendto(loss, (places.EDGE, seen_at[1] + 1))
            for kind, count in requests(red, 0.05).items():
                came[kind] += count
        # The last one may be a second behind.
        lasted = time.monotonic() - began
        assert sum(came.values()), "the storm has reached the source"
        assert max(came.values()) <= lasted + 2, f"{came} in {lasted:.1f} s"
        # Nobody was thrown out for it, and the picture goes on.
        since = len(watcher.received)
        wait_until(lambda: len(watcher.received) > since + 10, 20, "the picture goes on")
    finally:
        red.stop()
        watcher.stop()
    for call in (speaks, watches):
        assert call.bye().status == 200
    edge.wait_idle()
