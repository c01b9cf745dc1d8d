"""Has a machine listen to the English prompts, and says what it understood.

usage: hear.py [NAME…]; see hear.sh

Twice: with the model's own language (any sentence), and with the sentences of en.tsv alone (which of them was
it). The first says how clear the words are, the second whether a prompt is taken for another one. The model
is for 16,000 Hz and people; the prompts are synthetic, in a telephone's band. So the first is a
yardstick from one version to the next, and no measure of what people understand.
"""

import re
import sys
import wave
from array import array
from pathlib import Path

import pocketsphinx

HERE = Path(__file__).parent
DIGITS = {"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
          "7": "seven", "8": "eight", "9": "nine", "10": "ten", "15": "fifteen", "30": "thirty"}
RATE = 16_000
PAUSE = bytes(RATE)  # half a second


def words(text):
    """As a dictionary has them: "meeting ID" as "meeting i d", numbers as words."""
    text = re.sub(r"\bID\b", "i. d.", text)
    found = re.findall(r"[a-z]\.|[a-z']+|[0-9]+", text.lower().replace("un-mute", "unmute"))
    return [DIGITS.get(word, word) for word in found]


def linear(octet):
    """ITU-T G.711, µ-law."""
    octet = ~octet & 0xFF
    magnitude = ((((octet & 15) << 3) + 132) << (octet >> 4 & 7)) - 132
    return -magnitude if octet & 0x80 else magnitude


def samples_of(path):
    """A prompt at twice its rate, between two pauses; what is above 4,000 Hz is filtered away."""
    data = path.read_bytes()
    octets = data[data.index(b"data") + 8:]
    low = [linear(octet) for octet in octets]
    # Half-band interpolation of eleven taps.
    taps = (3, -25, 150, 150, -25, 3)
    padded = [0] * 2 + low + [0] * 3
    high = array("h")
    for at, sample in enumerate(low):
        between = sum(tap * padded[at + k] for k, tap in enumerate(taps)) >> 8
        high.extend((sample, max(-32_768, min(32_767, between))))
    return PAUSE + high.tobytes() + PAUSE


def errors(said, understood):
    """Words that were put in, left out or taken for others (Levenshtein)."""
    row = list(range(len(understood) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(understood, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def understand(decoder, samples):
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return re.sub(r"\(\d+\)", "", found.hypstr).split() if found else []


def main():
    lines = [line.split("\t") for line in (HERE / "en.tsv").read_text().splitlines()]
    prompts = {name: words(text) for name, text, *_ in lines if not name.endswith("-tone")}
    wanted = sys.argv[1:] or list(prompts)
    free = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL")
    unknown = {word for said in prompts.values() for word in said if free.lookup_word(word) is None}
    sentences = [" ".join(said) for said in prompts.values() if not unknown.intersection(said)]
    bound = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL", lm=None)
    bound.add_jsgf_string("prompts", "#JSGF V1.0; grammar prompts; public <one> = "
                          + " | ".join(sentences) + ";")
    bound.activate_search("prompts")
    wrong = total = itself = asked = 0
    for name in wanted:
        said, samples = prompts[name], samples_of(HERE / "en" / f"{name}.wav")
        understood = understand(free, samples)
        count = errors(said, understood)
        wrong, total = wrong + count, total + len(said)
        if unknown.intersection(said):
            which = "not in the dictionary: " + ", ".join(sorted(unknown.intersection(said)))
        else:
            asked += 1
            is_itself = understand(bound, samples) == said
            itself += is_itself
            which = "itself" if is_itself else "TAKEN FOR ANOTHER"
        print(f"{name:22} {count:2} of {len(said):2} words  {which:18} {' '.join(understood)}")
    print(f"word error rate {wrong / total:.0%} ({wrong} of {total}); "
          f"{itself} of {asked} known as themselves")


if __name__ == "__main__":
    main()
