"""`tandem stream` over streams that another producer, ffmpeg, wrote into data_dir."""

import json
import subprocess
import wave

import numpy as np

from harness.edge import BINARY
from harness.tones import RATE, assert_hears, level

CALL = "0f0e0d0c-0b0a-4908-8706-050403020100"
CONNECTOR = "abcdef1ghij2klmno3pqr4"
BEGAN = 1_792_000_000
CALLER, CALLED = 440, 1000
PARTY = "\x1b[2J+12065550100"


def stream(number):
    return f"ChimeVoiceConnector-{CONNECTOR}-00000000-0000-4000-8000-{number:012}"


def write(data_dir, number, is_caller, hertz, began, seconds):
    """A tone from `began` seconds on, as one leg of the call."""
    folder = data_dir / "kinesis-video" / stream(number)
    folder.mkdir(parents=True)
    tags = {"TransactionId": CALL, "VoiceConnectorId": CONNECTOR, "Direction": "Outbound",
            "IsCaller": str(is_caller).lower(), "Channel": "A" if is_caller else "B",
            "FromNumber": PARTY, "ToNumber": "+12065550111"}
    told = [word for name, value in tags.items() for word in ("-metadata", f"{name}={value}")]
    tone = f"sine={hertz}:r={RATE}:d={seconds}:samples_per_frame=160"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", tone, "-ac", "1", "-c:a",
                    "pcm_s16le", *told, "-output_ts_offset", str(BEGAN + began),
                    folder / f"{number}.mkv"], check=True)


def tandem(configuration, *arguments):
    return subprocess.run([BINARY, "stream", *arguments, "--config", configuration],
                          capture_output=True, timeout=20)


def test_a_call_is_listed_and_exported(tmp_path):
    data_dir = tmp_path / "data"
    configuration = tmp_path / "tandem.toml"
    configuration.write_text(f'[node]\ndata_dir = "{data_dir}"\n[sip]\ndomain = "t.localhost"\n'
                             'udp = ["127.0.0.1:5060"]\n')
    assert b"no audio of calls in" in tandem(configuration, "list").stdout
    write(data_dir, 1, True, CALLER, 0, 3)
    write(data_dir, 2, False, CALLED, 1.5, 2)
    listed = json.loads(tandem(configuration, "list", "--json").stdout)
    assert [call["transaction_id"] for call in listed] == [CALL]
    assert [leg["is_caller"] for leg in listed[0]["legs"]] == [True, False]
    assert (listed[0]["began_ms"], listed[0]["ended_ms"]) == (BEGAN * 1000, BEGAN * 1000 + 3500)
    shown = tandem(configuration, "list").stdout
    assert CALL.encode() in shown and stream(2).encode() in shown and b"\x1b" not in shown, shown

    output = tmp_path / "call.wav"
    done = tandem(configuration, "export", CALL, "--output", str(output))
    assert done.returncode == 0 and b": 3.500 s, the caller left" in done.stderr, done
    assert output.stat().st_mode & 0o777 == 0o600
    with wave.open(str(output)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, RATE, 28_000)
        left, right = np.frombuffer(file.readframes(28_000), np.int16).reshape(-1, 2).T
    assert_hears(left[:24_000], RATE, CALLER, CALLED)
    assert_hears(right[12_000:], RATE, CALLED, CALLER)
    # Where a leg was not heard there is nothing at all, to the sample.
    assert not left[24_000:].any() and not right[:12_000].any()
    assert left[:20].any() and right[12_000:12_020].any() and level(right[-800:], RATE, CALLED) > 100

    piped = tandem(configuration, "play", CALL, "--output", "-")
    assert piped.stdout == output.read_bytes()
    # A stream is one leg alone, on its side.
    alone = tandem(configuration, "export", stream(2), "--output", "-")
    left, right = np.frombuffer(alone.stdout[44:], np.int16).reshape(-1, 2).T
    assert len(left) == 16_000 and not left.any() and right.any()


def test_what_is_not_there_is_said(tmp_path):
    configuration = tmp_path / "tandem.toml"
    configuration.write_text('[node]\ndata_dir = "data"\n[sip]\ndomain = "t.localhost"\n'
                             'udp = ["127.0.0.1:5060"]\n')
    strange = tandem(configuration, "export", "../../etc/passwd")
    assert strange.returncode == 2 and b"neither a transaction id" in strange.stderr
    missing = tandem(configuration, "export", CALL)
    assert missing.returncode == 1 and b"no audio of " + CALL.encode() in missing.stderr
