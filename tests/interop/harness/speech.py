"""Speech in the formats of telephony, coded and decoded by ffmpeg's libraries, and judged by PESQ."""

import struct
import threading
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pesq

# A voice, recorded at 48,000 Hz, of Debian's alsa-utils.
_RECORDINGS = Path("/usr/share/sounds/alsa")
_WORDS = ("Front_Center", "Rear_Left", "Side_Right", "Front_Left", "Rear_Center")
# Of a quiet room, some -55 dBov: PESQ counts the smallest steps of G.711 where a studio is silent.
_ROOM = 60


@dataclass(frozen=True)
class Format:
    """A format of RTP: its name, payload type, clock, and ffmpeg's codec at its own sample rate."""

    name: str
    payload_type: int
    rtpmap: str
    clock: int
    codec: str
    rate: int


FORMATS = {each.name: each for each in (
    Format("PCMU", 0, "PCMU/8000", 8_000, "pcm_mulaw", 8_000),
    Format("PCMA", 8, "PCMA/8000", 8_000, "pcm_alaw", 8_000),
    Format("G722", 9, "G722/8000", 8_000, "g722", 16_000),
    Format("opus", 111, "opus/48000/2", 48_000, "libopus", 48_000),
    Format("L16", 112, "L16/16000", 16_000, "pcm_s16be", 16_000),
)}


def spoken(before=0.0, pause=0.25):
    """Some seconds of speech in a quiet room, which is heard alone for `before` s, and for `pause` s behind
    each phrase; (samples, rate)."""
    parts = []
    for word in _WORDS:
        with wave.open(str(_RECORDINGS / f"{word}.wav")) as file:
            samples, rate = np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate()
            parts += [samples[::file.getnchannels()], np.zeros(int(rate * pause), np.int16)]
    parts.insert(0, np.zeros(int(rate * before), np.int16))
    samples = np.concatenate(parts)
    room = np.random.default_rng(1).normal(0, _ROOM, len(samples))
    return (samples + room).clip(-32_768, 32_767).astype(np.int16), rate


def resampled(samples, rate, to):
    if rate == to:
        return samples
    resampler = av.AudioResampler("s16", "mono", to)
    frame = _frame(samples, rate)
    parts = [part.to_ndarray()[0] for part in resampler.resample(frame) + resampler.resample(None)]
    return np.concatenate(parts)


def _frame(samples, rate):
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
    frame.sample_rate = rate
    return frame


def coded(samples, rate, form):
    """Payloads of 20 ms."""
    samples = resampled(samples, rate, form.rate)
    size = form.rate // 50
    codec = av.CodecContext.create(form.codec, "w")
    codec.sample_rate, codec.layout, codec.format = form.rate, "mono", "s16"
    if form.codec == "libopus":
        codec.bit_rate, codec.options = 40_000, {"frame_duration": "20"}
    payloads, at = [], 0
    for start in range(0, len(samples) - size + 1, size):
        frame = _frame(samples[start:start + size], form.rate)
        frame.pts, at = at, at + size
        payloads += [bytes(packet) for packet in codec.encode(frame)]
    return payloads


def decoded(payloads, form):
    """(samples, rate)."""
    codec = av.CodecContext.create("opus" if form.codec == "libopus" else form.codec, "r")
    codec.sample_rate, codec.layout = form.rate, "mono"
    resampler = av.AudioResampler("s16", "mono", form.rate)
    parts = []
    for payload in payloads:
        for frame in codec.decode(av.Packet(payload)):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16), form.rate


def with_noise(packets, form, noise_type):
    """What a telephone makes of RTP packets of `form`, a format of one octet a sample, and of comfort noise
    (RFC 3389) between them, each a (timestamp, payload type, payload) in order; (samples, rate)."""
    begin, draw = packets[0][0], np.random.default_rng(2)
    parts, at, level = [], 0, None
    for timestamp, payload_type, payload in packets:
        gap = ((timestamp - begin) & 0xFFFFFFFF) - at
        assert gap >= 0 and (gap == 0 or level is not None), "a gap that no comfort noise was announced for"
        if gap:
            parts.append(draw.normal(0, level, gap).astype(np.int16))
        if payload_type == noise_type:
            level, at = 32_768 * 10 ** (-(payload[0] & 0x7F) / 20), at + gap
            continue
        parts.append(decoded([payload], form)[0])
        at, level = at + gap + len(payload), None
    return np.concatenate(parts), form.rate


class Speaker(threading.Thread):
    """Sends payloads in real time from an endpoint's RTP socket."""

    def __init__(self, endpoint, to, form, payloads):
        super().__init__(daemon=True)
        self._endpoint, self._to, self._form, self._payloads = endpoint, to, form, payloads

    def run(self):
        due = time.monotonic()
        for number, payload in enumerate(self._payloads):
            stamp = number * self._form.clock // 50
            header = struct.pack("!BBHII", 0x80, self._form.payload_type, number, stamp, 0x5eec4)
            self._endpoint.rtp.sendto(header + payload, self._to)
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))


def score(reference, degraded, wide):
    """MOS-LQO of ITU-T P.862 (narrowband) or P.862.2 (wideband); each is (samples, rate)."""
    rate = 16_000 if wide else 8_000
    pair = [resampled(*each, rate) for each in (reference, degraded)]
    return pesq.pesq(rate, *pair, "wb" if wide else "nb")
