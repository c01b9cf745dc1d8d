"""Recordings as docs/recordings.md describes them, read and written without Tandem's code.

`decrypt` is the reference for whoever wants to read encrypted recordings elsewhere; `encrypt` makes what a
node leaves behind that dies while it writes.
"""

import base64
import hashlib
import json
import os
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .configuration import CONNECTOR

MAGIC = b"TDSEAL01"
LAST = 1 << 31
CHUNK = 65_536
CONTEXT = [["purpose", "tandem recording"]]


def key_file_id(key):
    """What names the key of a key file, without telling it."""
    return hashlib.sha256(b"tandem recording key id" + key).hexdigest()[:16]


def wrap(key, data_key):
    """A data key as a key file's key wraps it."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, data_key, b"tandem recording data key")


def unwrap(key, wrapped):
    return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], b"tandem recording data key")


def header(content_type, provider, key_id, wrapped, context=()):
    key = {"provider": provider, "key_id": key_id, "wrapped": base64.b64encode(wrapped).decode()}
    if context:
        key["context"] = context
    text = json.dumps({"algorithm": "AES-256-GCM", "content_type": content_type, "key": key}).encode()
    return MAGIC + struct.pack(">I", len(text)) + text


def _nonce(number, is_last):
    return bytes([is_last, 0, 0, 0]) + struct.pack(">Q", number)


def encrypt(head, data_key, pieces):
    """A file without its end: what a crash leaves."""
    bound = hashlib.sha256(head).digest()
    out = head
    for number, piece in enumerate(pieces):
        assert len(piece) <= CHUNK
        word = struct.pack(">I", len(piece))
        out += word + AESGCM(data_key).encrypt(_nonce(number, False), piece, bound + word)
    return out


def decrypt(octets, data_key_of):
    """What is inside a whole file. `data_key_of` opens the header's envelope."""
    assert octets[:8] == MAGIC, "it is no encrypted recording"
    length, = struct.unpack(">I", octets[8:12])
    head, at = octets[:12 + length], 12 + length
    described = json.loads(head[12:])
    assert described["algorithm"] == "AES-256-GCM"
    cipher, bound = AESGCM(data_key_of(described["key"])), hashlib.sha256(head).digest()
    plain, number = b"", 0
    while True:
        word = octets[at:at + 4]
        value, = struct.unpack(">I", word)
        is_last, size = value & LAST != 0, value & ~LAST
        assert size <= CHUNK
        sealed = octets[at + 4:at + 4 + size + 16]
        plain += cipher.decrypt(_nonce(number, is_last), sealed, bound + word)
        at, number = at + 4 + size + 16, number + 1
        if is_last:
            break
    assert at == len(octets), "there is something behind the end"
    if plain[:4] == b"RIFF" and plain[40:44] == b"\xff" * 4:
        # The header was written before the length was known.
        data = len(plain) - 44
        plain = (plain[:4] + struct.pack("<I", data + 36) + plain[8:40] + struct.pack("<I", data)
                 + plain[44:])
    return plain


def wav(pairs, rate=8_000, length=None):
    """A file of two channels; `length` is what its header says of the samples' octets."""
    length = len(pairs) if length is None else length
    riff = length if length == 0xffff_ffff else length + 36
    return (b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 2, rate, 4 * rate, 4, 16)
            + b"data" + struct.pack("<I", length) + pairs)


def left_behind(root, octets, ending, began, transaction_id, encryption=None):
    """Puts a recording there as a node leaves it that dies; its JSON's path."""
    day = root / CONNECTOR / began[:10].replace("-", "/")
    day.mkdir(parents=True, mode=0o700)
    stem = f"{began[11:23].replace(':', '.')}_{transaction_id}"
    audio = day / f"{stem}.{ending}"
    audio.write_bytes(octets)
    channel = [{"leg": "A", "is_caller": True}, {"leg": "B", "is_caller": False}]
    described = {
        "version": 1, "state": "recording", "transaction_id": transaction_id, "part": 1,
        "voice_connector_id": CONNECTOR, "call_id": "call@pbx", "direction": "Outbound",
        "from_number": "+12065550100", "to_number": "+12065550199", "audio": audio.name,
        "format": ending.split(".")[0], "sample_rate": 8_000, "channels": channel,
        "first_sample": 0, "began": began, "ended": None, "samples": None,
        "missing_samples": None, "bytes": None, "sha256": None, "encryption": encryption,
        "repaired": False, "upload": None}
    path = day / f"{stem}.json"
    path.write_text(json.dumps(described))
    return path
