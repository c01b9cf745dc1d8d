"""An RTP endpoint that sends a tone in real time and keeps what comes."""

import random
import socket
import struct
import threading
import time

import numpy as np

from . import tones

_FRAME = 160  # 20 ms at 8,000 Hz
_STEP = 0.02


class RtpEndpoint:
    """RTP on an even port and RTCP on the next; `drop(n)` says which packets are lost on the way, and
    `samples` what is sent, again and again, in the place of a tone."""

    def __init__(self, ip, hertz, drop=lambda number: False, ssrc=None, samples=None):
        self.rtp, self.rtcp = port_pair(ip)
        self.ip, self.port = self.rtp.getsockname()
        self.ssrc = ssrc or random.getrandbits(32)
        self.sent = 0
        self.counted = 0
        self.received = []
        self.reports = []
        self._to = None
        self._said = (tones.ulaw(tones.sine(hertz, 1) if samples is None else samples), 0)
        self._drop = drop
        self._quiet, self._stop = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def start(self, to, limit=None):
        """Sends to the pair of ports that begins at `to`, at most `limit` packets."""
        self._to = to
        sender = threading.Thread(target=self._send, args=(limit,), daemon=True)
        self._threads.append(sender)
        sender.start()

    def redirect(self, to):
        """The same source goes on to another address."""
        self._to = to

    def play(self, samples):
        """From the next packet on these, again and again, in the same stream."""
        self._said = (tones.ulaw(samples), self.counted + 1)

    def _send(self, limit):
        sequence, stamp = random.getrandbits(15), random.getrandbits(31)
        due = time.monotonic()
        while not self._quiet.is_set() and (limit is None or self.counted < limit):
            number = self.counted
            if not self._drop(number):
                marker = 0x80 if number == 0 else 0
                header = struct.pack("!BBHII", 0x80, marker, (sequence + number) & 0xFFFF,
                                     (stamp + number * _FRAME) & 0xFFFFFFFF, self.ssrc)
                audio, since = self._said
                at = max(number - since, 0) * _FRAME % len(audio)
                self.rtp.sendto(header + audio[at:at + _FRAME], self._to)
                self.sent += 1
            self.counted += 1
            due += _STEP
            self._quiet.wait(max(0.0, due - time.monotonic()))

    def _listen(self):
        self.rtp.settimeout(0.1)
        while not self._stop.is_set():
            try:
                self.received.append(self.rtp.recv(2_048))
            except TimeoutError:
                continue
            except OSError:
                return

    def heard(self):
        """(samples, rate) of what came, without the gaps."""
        audio = b"".join(packet[12:] for packet in list(self.received))
        return (tones.from_ulaw(audio), tones.RATE) if audio else (np.zeros(0, np.int16), tones.RATE)

    def ssrcs(self):
        return {struct.unpack("!I", packet[8:12])[0] for packet in list(self.received)}

    def quiet(self):
        """Sends nothing more; what is on its way is still received."""
        self._quiet.set()
        for sender in self._threads[1:]:
            sender.join(2)

    def stop(self):
        self._quiet.set()
        self._stop.set()
        for thread in self._threads:
            thread.join(2)
        self.rtp.close()
        self.rtcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def lost(endpoint):
    """How many packets did not come, by their sequence numbers."""
    numbers = [struct.unpack("!H", packet[2:4])[0] for packet in list(endpoint.received)]
    first = numbers[0]
    seen = {(number - first) & 0xFFFF for number in numbers}
    return max(seen) + 1 - len(seen)


def port_pair(ip):
    for _ in range(100):
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port = random.randrange(33_000, 59_000, 2)
        try:
            rtp.bind((ip, port))
            rtcp.bind((ip, port + 1))
            return rtp, rtcp
        except OSError:
            rtp.close()
            rtcp.close()
    raise RuntimeError(f"no free pair of ports on {ip}")
