"""An RTP endpoint that sends pictures at 90 kHz in real time, and keeps what comes."""

import random
import struct
import threading
import time

from .rtp import port_pair

_PICTURES = 30
_PARTS = 3
_PAYLOAD = 900


class VideoEndpoint:
    """Pictures of three fragments (RFC 6184 section 5.8); `drop(n)` says which packets are lost. With
    `codec="VP8"` its line says that, and the packets are what they are."""

    def __init__(self, ip, drop=lambda number: False, codec="H264", payload_type=96):
        self.rtp, self.rtcp = port_pair(ip)
        self.ip, self.port = self.rtp.getsockname()
        self.ssrc = random.getrandbits(32)
        self.sent = []
        self.received = []
        self.feedback = []
        self.done = False
        self.codec, self.payload_type = codec, payload_type
        self._drop = drop
        self._to = None
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._listen, args=(self.rtp, self.received), daemon=True),
            threading.Thread(target=self._listen, args=(self.rtcp, self.feedback), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def line(self):
        """Its `m=` section."""
        number = self.payload_type
        format = (f"a=fmtp:{number} profile-level-id=42e01f;packetization-mode=1\r\n"
                  if self.codec == "H264" else "")
        return (f"m=video {self.port} RTP/AVP {number}\r\nb=TIAS:800000\r\n"
                f"a=rtpmap:{number} {self.codec}/90000\r\n{format}"
                f"a=rtcp-fb:{number} nack pli\r\na=content:main\r\na=sendrecv\r\n").encode()

    def start(self, to, pictures):
        self._to = to
        sender = threading.Thread(target=self._send, args=(pictures,), daemon=True)
        self._threads.append(sender)
        sender.start()

    def redirect(self, to):
        """The same source goes on to another address."""
        self._to = to

    def ask_for_a_picture(self, to):
        """PLI (RFC 4585 section 6.3.1) by itself, without a report before it (RFC 5506)."""
        packet = struct.pack("!BBHII", 0x81, 206, 2, self.ssrc, 7)
        self.rtcp.sendto(packet, (to[0], to[1] + 1))
        return packet

    def _send(self, pictures):
        sequence, stamp = random.getrandbits(15), random.getrandbits(31)
        due, number = time.monotonic(), 0
        for picture in range(pictures):
            for part in range(_PARTS):
                marker = 0x80 if part == _PARTS - 1 else 0
                start = (0x80 if part == 0 else 0) | (0x40 if marker else 0)
                header = struct.pack("!BBHIIBB", 0x80, marker | self.payload_type,
                                     (sequence + number) & 0xFFFF,
                                     (stamp + picture * 90_000 // _PICTURES) & 0xFFFFFFFF,
                                     self.ssrc, 0x7C, start | 5)
                packet = header + random.randbytes(_PAYLOAD)
                if not self._drop(number):
                    self.sent.append(packet)
                    self.rtp.sendto(packet, self._to)
                number += 1
            due += 1 / _PICTURES
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
        self.done = True

    def _listen(self, endpoint, into):
        endpoint.settimeout(0.1)
        while not self._stop.is_set():
            try:
                into.append(endpoint.recv(2_048))
            except TimeoutError:
                continue
            except OSError:
                return

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(2)
        self.rtp.close()
        self.rtcp.close()
