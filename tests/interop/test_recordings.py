"""Recordings: what a crash left is finished, encrypted ones open elsewhere, uploads are proven.

The recordings are made here, by the format's description, as a node leaves them that dies; Tandem finds them
at its start.
"""

import base64
import hashlib
import io
import json
import struct
import subprocess
import wave

import pytest

from harness import recordings

from harness.edge import BINARY
from harness.waiting import wait_until

BUCKET = "call-recordings"
BEGAN = "2026-01-02T03:04:05.678Z"
ID = "8a7d1f0e-5b1c-4f7e-9c2d-3e4f5a6b7c8d"



@pytest.fixture
def root(configuration):
    """Where recordings are."""
    root = configuration.data_dir / "recordings"
    root.mkdir(parents=True, mode=0o700)
    configuration.data_dir.chmod(0o700)
    return root


def ramp(count):
    """Left goes up, right goes down."""
    return b"".join(struct.pack("<hh", n % 30_000, -(n % 30_000)) for n in range(count))


def state_of(json_path):
    return json.loads(json_path.read_text())


def wait_state(json_path, state):
    wait_until(lambda: state_of(json_path)["state"] == state, 30,
               lambda: f"{state}: {json_path.read_text()}")
    return state_of(json_path)


def test_what_a_crash_left_is_finished_and_played(stage, root):
    torn = recordings.wav(ramp(12_000), length=8_000 * 4) + b"\x01\x02\x03"
    left = recordings.left_behind(root, torn, "wav", BEGAN, ID)
    edge = stage.start_edge()
    told = wait_state(left, "finished")
    audio = left.with_suffix(".wav").read_bytes()
    assert (told["samples"], told["repaired"], told["bytes"]) == (12_000, True, len(audio))
    assert told["ended"] == "2026-01-02T03:04:07.178Z"
    assert told["sha256"] == hashlib.sha256(audio).hexdigest()
    with wave.open(io.BytesIO(audio)) as played:
        assert (played.getnchannels(), played.getframerate(), played.getnframes()) \
            == (2, 8_000, 12_000)
        assert played.readframes(12_000) == ramp(12_000)
    assert oct(left.stat().st_mode & 0o777) == "0o600"
    edge.wait_metric("tandem_recording_files_total", 1, event="repaired")
    listed = json.loads(edge.command("recording", "list", "--config", edge.file, "--json"))
    assert [each["transaction_id"] for each in listed] == [ID]
    table = edge.command("recording", "list", "--config", edge.file)
    assert "00:01" in table and "finished" in table and str(left.with_suffix(".wav")) in table
    edge.stop()
    notices = (edge.data_dir / "events/recordings.jsonl").read_text().splitlines()
    assert [json.loads(each)["event"] for each in notices] == ["Started", "Stopped"]


def test_an_encrypted_one_is_finished_and_opens_in_other_hands(stage, root, tmp_path):
    key, data_key = bytes(range(32)), bytes(range(32, 64))
    key_file = tmp_path / "recordings.key"
    key_file.write_text(key.hex() + "\n")
    key_file.chmod(0o600)
    stage.configuration.recordings = {"key_file": str(key_file)}
    name = recordings.key_file_id(key)
    head = recordings.header("audio/wav", "file", name, recordings.wrap(key, data_key))
    pieces = [recordings.wav(b"", length=0xffff_ffff), ramp(8_000), ramp(4_000)]
    # The last chunk is torn.
    torn = recordings.encrypt(head, data_key, pieces)[:-100]
    encryption = {"provider": "file", "key_id": name}
    left = recordings.left_behind(root, torn, "wav.enc", BEGAN, ID, encryption)
    edge = stage.start_edge()
    assert wait_state(left, "finished")["samples"] == 8_000
    edge.stop()
    sealed = left.with_suffix(".wav.enc")
    plain = recordings.decrypt(sealed.read_bytes(), lambda envelope: recordings.unwrap(
        key, base64.b64decode(envelope["wrapped"])))
    assert plain == recordings.wav(ramp(8_000))
    edge.command("recording", "decrypt", str(sealed), "--config", edge.file)
    assert sealed.with_suffix("").read_bytes() == plain
    key_file.write_text("ff" * 32)
    refused = subprocess.run(
        [BINARY, "recording", "decrypt", sealed, "--out", "-", "--config", edge.file],
        capture_output=True, text=True, timeout=30)
    assert refused.returncode == 1 and f"encrypted with the key {name} of file" in refused.stderr


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_an_upload_is_proven_and_survives_an_outage(stage, root, cloud):
    """One in a single piece, under a key of KMS, and one in several; with S3 away at first."""
    cloud.make_bucket(BUCKET)
    kms = cloud.client("kms")
    made = kms.create_key()["KeyMetadata"]["Arn"]
    data = kms.generate_data_key(KeyId=made, KeySpec="AES_256",
                                 EncryptionContext=dict(recordings.CONTEXT))
    head = recordings.header("audio/wav", "aws-kms", made, data["CiphertextBlob"],
                             recordings.CONTEXT)
    pieces = [recordings.wav(b"", length=0xffff_ffff), ramp(8_000)]
    torn = recordings.encrypt(head, data["Plaintext"], pieces)
    encryption = {"provider": "aws-kms", "key_id": made}
    small = recordings.left_behind(root, torn, "wav.enc", BEGAN, ID, encryption)
    large_pairs = ramp(30_000) * 150
    large = recordings.left_behind(root, recordings.wav(large_pairs), "wav",
                                   "2026-01-03T00:00:00.000Z", ID)
    configuration = stage.configuration
    configuration.recordings = {"kms_key": made}
    configuration.sinks = {
        "endpoint_url": cloud.url,
        "recordings": {"kind": "aws", "bucket": BUCKET, "prefix": "voices/"}}
    cloud.denied = {"s3:PutObject"}
    edge = stage.start_edge()
    wait_until(lambda: edge.metric("tandem_recording_files_total", event="upload_failed") > 0, 30,
               "an upload failed")
    assert small.with_suffix(".wav.enc").exists() and large.with_suffix(".wav").exists()
    # Nothing is forgotten over a crash.
    edge.kill()
    cloud.denied = set()
    edge = stage.start_edge()
    for left, ending in [(small, ".wav.enc"), (large, ".wav")]:
        told = wait_state(left, "uploaded")
        assert not left.with_suffix(ending).exists()
        s3 = cloud.client("s3")
        key = f"voices/{left.with_suffix(ending).relative_to(root)}"
        assert told["upload"]["key"] == key and told["upload"]["bucket"] == BUCKET
        there = s3.get_object(Bucket=BUCKET, Key=key)
        body = there["Body"].read()
        assert hashlib.sha256(body).hexdigest() == told["sha256"]
        assert there["ETag"] == told["upload"]["etag"] and told["upload"]["checksum_sha256"]
        beside = f"voices/{left.relative_to(root)}"
        described = json.loads(s3.get_object(Bucket=BUCKET, Key=beside)["Body"].read())
        assert described["sha256"] == told["sha256"]
        if left is small:
            plain = recordings.decrypt(body, lambda envelope: kms.decrypt(
                CiphertextBlob=base64.b64decode(envelope["wrapped"]),
                EncryptionContext=dict(envelope["context"]))["Plaintext"])
            assert plain == recordings.wav(ramp(8_000))
        else:
            assert body == recordings.wav(large_pairs)
            assert there["ETag"].endswith('-3"'), "in pieces of 8 MiB"
    edge.wait_metric("tandem_recording_files_total", 2, event="uploaded")
    # Keys for new recordings were made ahead.
    assert "TrentService.GenerateDataKey" in cloud.requests
    edge.stop()
    assert not cloud.refusals


def test_a_wrong_section_is_told_with_its_line(stage, tmp_path):
    configuration = stage.configuration
    configuration.recordings = {"key_file": str(tmp_path / "none")}
    file = tmp_path / "t.toml"
    file.write_text(configuration.text())
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "key_file" in text)
    refused = subprocess.run([BINARY, "check", "--config", file], capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"t.toml:{line}: key_file: {tmp_path / 'none'}: No such file" in refused.stderr
    assert "openssl rand -hex 32" in refused.stderr
