"""A device's camera: a clip of H.264 that is sent over and over in real time, and what comes back, decoded."""

import random
import struct
import subprocess
import threading
import time
from pathlib import Path

from .rtp import port_pair

CLIPS = Path(__file__).parents[3] / "rooms/video/tests/fixtures"
_RATE = 15
_LARGEST = 1_200


def clip(name):
    """The units of each picture of a clip, in order; parameter sets stand before the picture that they
    are of."""
    data = (CLIPS / f"{name}.h264").read_bytes().replace(b"\0\0\0\1", b"\0\0\1")
    pictures, pending, has_slice = [], [], False
    for unit in data.split(b"\0\0\1")[1:]:
        is_slice = unit[0] & 31 in (1, 5)
        # first_mb_in_slice is 0: one bit that is set (ITU-T H.264 section 9.1).
        begins = not is_slice or unit[1] & 0x80
        if begins and has_slice:
            pictures.append(pending)
            pending, has_slice = [], False
        pending.append(unit)
        has_slice |= is_slice
    return [*pictures, pending]


def _packets(unit):
    """Payloads of one unit: itself, or FU-A (RFC 6184 section 5.8)."""
    if len(unit) <= _LARGEST:
        return [unit]
    parts = [unit[at:at + _LARGEST] for at in range(1, len(unit), _LARGEST)]
    flags = [(0x80 if n == 0 else 0) | (0x40 if n == len(parts) - 1 else 0)
             for n in range(len(parts))]
    return [bytes([unit[0] & 0x60 | 28, flag | unit[0] & 31]) + part
            for flag, part in zip(flags, parts)]


class Camera:
    """Sends the clip of this name, and keeps what it is sent. Without a name it only looks."""

    def __init__(self, ip, name=None, mode=1, payload_type=97):
        self.rtp, self.rtcp = port_pair(ip)
        self.ip, self.port = self.rtp.getsockname()
        self.mode, self.payload_type = mode, payload_type
        self.received = []
        self._clip = clip(name) if name else []
        assert mode == 1 or all(len(unit) <= _LARGEST for units in self._clip for unit in units)
        self._to = None
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def line(self, port=None):
        """Its `m=` section."""
        number, port = self.payload_type, self.port if port is None else port
        return (f"m=video {port} RTP/AVP {number}\r\na=rtpmap:{number} H264/90000\r\n"
                f"a=fmtp:{number} profile-level-id=42e01f;packetization-mode={self.mode}\r\n"
                f"a=rtcp-fb:* nack pli\r\na=content:main\r\na=sendrecv\r\n").encode()

    def start(self, to):
        self._to = to
        sender = threading.Thread(target=self._send, daemon=True)
        self._threads.append(sender)
        sender.start()

    def redirect(self, to):
        """The same source goes on to another address."""
        self._to = to

    def _send(self):
        ssrc, sequence = random.getrandbits(32), random.getrandbits(15)
        due, picture = time.monotonic(), 0
        while not self._stop.is_set():
            units = self._clip[picture % len(self._clip)]
            payloads = [payload for unit in units for payload in _packets(unit)]
            for number, payload in enumerate(payloads):
                marker = 0x80 if number == len(payloads) - 1 else 0
                self.rtp.sendto(struct.pack(
                    "!BBHII", 0x80, marker | self.payload_type, sequence & 0xFFFF,
                    picture * 90_000 // _RATE & 0xFFFFFFFF, ssrc) + payload, self._to)
                sequence += 1
            picture += 1
            due += 1 / _RATE
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _listen(self):
        self.rtp.settimeout(0.1)
        while not self._stop.is_set():
            try:
                packet = self.rtp.recv(2_048)
            except TimeoutError:
                continue
            except OSError:
                return
            # Not what latching or a report on the same port may bring.
            if len(packet) > 12 and packet[0] >> 6 == 2 and packet[1] & 0x7F == self.payload_type:
                self.received.append(packet)

    def _decoded(self, since):
        """The pictures that were received from packet `since` on, as ffmpeg decodes and shrinks them: 8 by
        8, red, green and blue."""
        stream, pending = [], b""
        for packet in self.received[since:]:
            payload = packet[12:]
            if payload[0] & 31 == 28:
                assert self.mode == 1, "a fragment in mode 0"
                if payload[1] & 0x80:
                    pending = bytes([payload[0] & 0x60 | payload[1] & 31])
                pending += payload[2:]
                if payload[1] & 0x40:
                    stream.append(pending)
            elif payload[0] & 31 == 24:
                assert self.mode == 1, "an aggregation in mode 0"
                at = 1
                while at + 2 < len(payload):
                    size, = struct.unpack("!H", payload[at:at + 2])
                    stream.append(payload[at + 2:at + 2 + size])
                    at += 2 + size
            else:
                stream.append(payload)
        if not stream:
            return []
        decoded = subprocess.run(
            ["ffmpeg", "-v", "quiet", "-f", "h264", "-i", "-", "-vf", "scale=8:8", "-f", "rawvideo",
             "-pix_fmt", "rgb24", "-"], timeout=60, capture_output=True,
            input=b"".join(b"\0\0\0\1" + unit for unit in stream)).stdout
        return [decoded[at:at + 192] for at in range(0, len(decoded) - 191, 192)]

    def seen(self, since=0):
        """The colours of those pictures: of each the mean of red, green and blue."""
        pictures = self._decoded(since)
        return [tuple(sum(one[channel::3]) / 64 for channel in range(3)) for one in pictures]

    def colours_at(self, points, since=0):
        """What the newest picture is mostly at these points, in eighths of its width and height; nothing
        without a picture."""
        pictures = self._decoded(since)
        if not pictures:
            return []
        colours = []
        for left, top in points:
            parts = [(row * 8 + column) * 3 for row in (top, top + 1) for column in (left, left + 1)]
            sums = [sum(pictures[-1][at + channel] for at in parts) for channel in range(3)]
            colours.append(("red", "green", "blue")[max(range(3), key=lambda one: sums[one])])
        return colours

    def colour(self, since=0):
        """What the newest picture is mostly; None without one."""
        pictures = self.seen(since)
        if not pictures:
            return None
        return ("red", "green", "blue")[max(range(3), key=lambda channel: pictures[-1][channel])]

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(2)
        self.rtp.close()
        self.rtcp.close()
