"""Tones: made as G.711 files and WAV files, and recognised by their spectrum."""

import wave

import numpy as np

RATE = 8_000


def sine(hertz, seconds, amplitude=8_000, rate=RATE):
    time = np.arange(int(rate * seconds)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def ulaw(samples):
    """ITU-T G.711 µ-law."""
    value = samples.astype(np.int32)
    sign = np.where(value < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(value), 32_635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def from_ulaw(data):
    value = ~np.frombuffer(data, np.uint8).astype(np.int32) & 0xFF
    exponent, mantissa = (value >> 4) & 7, value & 0x0F
    magnitude = (((mantissa << 3) + 132) << exponent) - 132
    return np.where(value & 0x80, -magnitude, magnitude).astype(np.int16)


def write_ulaw(path, hertz, seconds=1):
    """A file that can be repeated without a click when `hertz` is whole."""
    path.write_bytes(ulaw(sine(hertz, seconds)))
    return path


def write_wav(path, hertz, seconds, rate=RATE):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sine(hertz, seconds, rate=rate).tobytes())
    return path


def read_wav(path):
    """(samples, rate) of a 16-bit WAV's first channel, also of one that is still being written."""
    data = path.read_bytes()
    try:
        with wave.open(str(path)) as file:
            channels, rate = file.getnchannels(), file.getframerate()
    except (wave.Error, EOFError):
        channels = int.from_bytes(data[22:24], "little") or 1
        rate = int.from_bytes(data[24:28], "little") or RATE
    body = data[44:]
    return np.frombuffer(body[: len(body) // 2 * 2], np.int16)[::channels], rate


def level(samples, rate, hertz):
    """Amplitude of one frequency."""
    if len(samples) == 0:
        return 0.0
    time = np.arange(len(samples)) / rate
    window = np.hanning(len(samples))
    return float(2 * abs(np.sum(samples * window * np.exp(-2j * np.pi * hertz * time)))
                 / max(window.sum(), 1))


def dominant(samples, rate):
    """The strongest frequency, to a few hertz; 0 for silence."""
    if len(samples) < rate // 5 or np.abs(samples).max() < 100:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    spectrum[: max(1, int(50 * len(samples) / rate))] = 0
    return float(np.argmax(spectrum) * rate / len(samples))


def assert_hears(samples, rate, expected, unexpected):
    """The expected tone dominates, and the listener's own tone does not come back."""
    found = dominant(samples, rate)
    assert abs(found - expected) < 8, f"hears {found:.0f} Hz, not {expected} Hz"
    heard, own = level(samples, rate, expected), level(samples, rate, unexpected)
    assert own < heard / 20, f"own tone {unexpected} Hz at {own:.0f} beside {heard:.0f}"
