"""An RTP endpoint that says something in one format and then in another, packet by packet."""

import struct
import time
from fractions import Fraction

import av
import numpy as np

from . import tones
from .rtp import RtpEndpoint

# By name: payload type, RTP units of 20 ms, the codec and its samples a second.
FORMATS = {
    "PCMU/8000": (0, 160, "pcm_mulaw", 8_000),
    "G722/8000": (9, 160, "g722", 16_000),
    "opus/48000/2": (111, 960, "libopus", 48_000),
}


def packets(name, hertz, count):
    """`count` payloads of 20 ms of a tone, made by FFmpeg."""
    _, _, codec, rate = FORMATS[name]
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    encoder.time_base = Fraction(1, rate)
    if codec == "libopus":
        encoder.options = {"frame_duration": "20", "application": "voip", "vbr": "off"}
    step = rate // 50
    # An encoder that looks ahead gives its last packets late.
    samples = tones.sine(hertz, (count + 4) / 50, rate=rate)
    payloads = []
    for at in range(0, len(samples), step):
        frame = av.AudioFrame.from_ndarray(samples[at:at + step].reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return payloads[:count]


class Speaker(RtpEndpoint):
    """Speaks when it is told to. The source stays the same; time goes on while it says nothing."""

    def __init__(self, ip, hertz):
        super().__init__(ip, hertz)
        self._hertz = hertz
        self._sequence = 1_000
        self._begun = time.monotonic()
        # By how much a busy host has held a packet back, at most, in seconds.
        self.held_back = 0.0


    def say(self, to, name, count, drop=lambda number: False, payloads=None):
        """Sends `count` packets in real time but for those that are dropped; returns when it has."""
        number, step, _, _ = FORMATS[name]
        payloads = payloads or packets(name, self._hertz, count)
        assert len(payloads) == count
        begun = time.monotonic()
        first = round((begun - self._begun) * 50) * step
        for at, payload in enumerate(payloads):
            marker = 0x80 if at == 0 else 0
            header = struct.pack("!BBHII", 0x80, marker | number, self._sequence & 0xFFFF,
                                 (first + at * step) & 0xFFFFFFFF, self.ssrc)
            self._sequence += 1
            late = time.monotonic() - begun - at / 50
            time.sleep(max(0.0, -late))
            self.held_back = max(self.held_back, late)
            if not drop(at):
                self.rtp.sendto(header + payload, to)
                self.sent += 1
        return payloads


def decoded(payloads):
    """Samples of PCMU, as everybody decodes it."""
    return np.concatenate([tones.from_ulaw(payload) for payload in payloads])
