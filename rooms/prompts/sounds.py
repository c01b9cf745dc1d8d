"""The second half of make.sh: speech is trimmed and levelled; tones and music are made. All files are
8,000 Hz, mono, mu-law (ITU-T G.711), which the relay reads as any other WAV file.

usage: sounds.py FOLDER, with LANGUAGE/NAME.wav of 16 bits at 8,000 Hz in it
"""

import math
import struct
import sys
import wave
from pathlib import Path

RATE = 8_000
LANGUAGES = ("en", "ja")
# dBFS, of a sample of 32,768.
SPEECH_RMS, TONE_RMS, MUSIC_RMS = -20.0, -22.0, -26.0
CEILING = 32_768 * 10 ** (-4.0 / 20)
FADE = RATE * 20 // 1_000
FRAME = RATE * 20 // 1_000
# Silence before and after the speech, in samples.
LEAD, TAIL = RATE * 40 // 1_000, RATE * 120 // 1_000


def ulaw(sample):
    """G.711, table 2a: the octet of a sample of 16 bits."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32_635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


def write(path, samples):
    octets = bytes(ulaw(round(sample)) for sample in samples)
    # A chunk has an even length.
    padding = b"\0" * (len(octets) % 2)
    head = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 7, 1, RATE, RATE, 1, 8, 0)
    fact = struct.pack("<4sII", b"fact", 4, len(octets))
    body = b"WAVE" + head + fact + struct.pack("<4sI", b"data", len(octets)) + octets + padding
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)


def read(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        octets = file.readframes(file.getnframes())
    return [sample for (sample,) in struct.iter_unpack("<h", octets)]


def mean_squares(samples):
    frames = (samples[at : at + FRAME] for at in range(0, len(samples), FRAME))
    return [sum(sample * sample for sample in frame) / len(frame) for frame in frames]


def active_rms(samples):
    """Of the frames of 20 ms that are at most 30 dB below the loudest."""
    powers = mean_squares(samples)
    active = [power for power in powers if power >= max(powers) / 1_000]
    return math.sqrt(sum(active) / len(active))


def trim(samples):
    """Without what is 40 dB below the loudest frame before and after the speech."""
    powers = mean_squares(samples)
    loud = [at for at, power in enumerate(powers) if power >= max(powers) / 10_000]
    begin, end = loud[0] * FRAME - LEAD, (loud[-1] + 1) * FRAME + TAIL
    before, after = [0] * max(0, -begin), [0] * max(0, end - len(samples))
    return before + samples[max(0, begin) : end] + after


def limit(sample):
    """Peaks over three quarters of the ceiling bend towards it."""
    knee = CEILING * 0.6
    over = abs(sample) - knee
    if over <= 0:
        return sample
    room = CEILING - knee
    return math.copysign(knee + room * math.tanh(over / room), sample)


def level(samples, dbfs):
    wanted = 32_768 * 10 ** (dbfs / 20)
    # Limiting takes something of the level, which is given back.
    for _ in range(8):
        gain = wanted / active_rms(samples)
        samples = [limit(sample * gain) for sample in samples]
    return samples


def fade(samples):
    for at in range(min(FADE, len(samples) // 2)):
        gain = 0.5 - 0.5 * math.cos(math.pi * at / FADE)
        samples[at] *= gain
        samples[-1 - at] *= gain
    return samples


def notes(sequence):
    """Frequencies in Hz, 0 for silence, with lengths in milliseconds; each with a soft beginning."""
    samples = []
    for hertz, milliseconds in sequence:
        length = RATE * milliseconds // 1_000
        wave_of = [
            math.sin(math.tau * hertz * at / RATE) + 0.15 * math.sin(2 * math.tau * hertz * at / RATE)
            for at in range(length)
        ]
        samples += fade(wave_of) if hertz else [0.0] * length
    return samples


TONES = {
    "join-tone": [(587.33, 110), (880.0, 160)],
    "leave-tone": [(880.0, 110), (587.33, 160)],
    "record-tone": [(1_000.0, 300)],
}


def music():
    """Eight bars at 64 beats a minute, 30 s: broken chords over a soft bass, by rule alone. It ends as it
    begins, so that it can be repeated; notes that ring over the end are heard at the beginning."""
    beat = RATE * 60 // 64
    chords = [  # bass, then four notes, as MIDI numbers: C, Am7, Fmaj7, G; Em7, Am7, Dm7, G
        (48, 60, 64, 67, 71), (45, 57, 60, 64, 67), (41, 57, 60, 64, 65), (43, 59, 62, 67, 69),
        (40, 59, 62, 64, 67), (45, 60, 64, 67, 69), (50, 57, 60, 65, 69), (43, 55, 59, 62, 67),
    ]
    order = (1, 2, 3, 4, 3, 2, 3, 2)
    length = len(chords) * 4 * beat
    samples = [0.0] * length

    def ring(at, note, seconds, loudness, harmonics):
        hertz = 440.0 * 2 ** ((note - 69) / 12)
        for n in range(int(seconds * RATE)):
            t = n / RATE
            envelope = min(1.0, t / 0.012) * math.exp(-3.2 * t / seconds)
            envelope *= min(1.0, (seconds - t) / 0.05)
            value = sum(h * math.sin(math.tau * hertz * (k + 1) * t) for k, h in enumerate(harmonics))
            samples[(at + n) % length] += loudness * envelope * value

    for bar, chord in enumerate(chords):
        begin = bar * 4 * beat
        # A telephone carries little below 300 Hz: the bass has its octaves.
        ring(begin, chord[0], 3.4, 0.5, (1.0, 0.6, 0.35, 0.15))
        for step, which in enumerate(order):
            loudness = 0.55 if step % 4 == 0 else 0.4
            ring(begin + step * beat // 2, chord[which], 2.2, loudness, (1.0, 0.3, 0.1, 0.04))
    return samples


def main():
    raw, here = Path(sys.argv[1]), Path(__file__).resolve().parent
    for path in sorted(raw.glob("*/*.wav")):
        if path.parent.name in LANGUAGES:
            write(here / path.parent.name / path.name, fade(level(trim(read(path)), SPEECH_RMS)))
    for name, sequence in TONES.items():
        tone = fade(level(notes(sequence), TONE_RMS))
        for language in LANGUAGES:
            write(here / language / f"{name}.wav", tone)
    write(here / "music.wav", level(music(), MUSIC_RMS))


main()
