"""One PutMedia request as Kinesis Video Streams serves it: chunks in, acknowledgements out at the same time."""

import json
import re
import socket
import threading
import time

from . import matroska

CODES = {
    4000: "STREAM_READ_ERROR", 4001: "MAX_FRAGMENT_SIZE_REACHED",
    4002: "MAX_FRAGMENT_DURATION_REACHED", 4003: "MAX_CONNECTION_DURATION_REACHED",
    4004: "FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS", 4005: "MORE_THAN_ALLOWED_TRACKS_FOUND",
    4006: "INVALID_MKV_DATA", 4007: "INVALID_PRODUCER_TIMESTAMP", 4008: "STREAM_NOT_ACTIVE",
    4009: "FRAGMENT_METADATA_LIMIT_REACHED", 4010: "TRACK_NUMBER_MISMATCH",
    4011: "FRAMES_MISSING_FOR_TRACK", 4012: "MORE_THAN_ALLOWED_TRACKS_FOUND",
    4500: "KMS_KEY_ACCESS_DENIED", 4501: "KMS_KEY_DISABLED", 4502: "KMS_KEY_VALIDATION_ERROR",
    4503: "KMS_KEY_UNAVAILABLE", 4504: "KMS_KEY_INVALID_USAGE", 4505: "KMS_KEY_INVALID_STATE",
    4506: "KMS_KEY_NOT_FOUND", 5000: "INTERNAL_ERROR", 5001: "ARCHIVAL_ERROR",
}


class PutMedia:
    """One connection."""

    def __init__(self, service, handler, chunks, stream):
        self.service, self.handler, self.chunks, self.stream = service, handler, chunks, stream
        self.trouble = service._trouble(
            stream.name, "error", "drop", "close", "silent", "stall", "garbage", "slow")
        self.since = time.monotonic()
        self.begun_at = []
        self._second = (0, 0)
        self.complete = 0
        self._numbers = {}
        self._released = threading.Event()

    @property
    def is_dead(self):
        """Whether a producer may well have left it: nothing is heard of it any more."""
        dead = self.trouble is not None and self.trouble.kind in ("stall", "silent", "slow")
        if dead:
            self._released.set()
        return dead

    def run(self):
        handler = self.handler
        handler.connection.settimeout(self.service.idle)
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        try:
            self._read()
        except matroska.Fault as fault:
            self.service.wrong.append(f"{fault.number}: {fault}")
            self._error(fault.number, fault.timecode)
        except _Over:
            pass
        except matroska.End:
            self.service.wrong.append("the body ended within an element")
        except TimeoutError:
            self.service.wrong.append("a connection without data")
        except OSError:
            return
        self._end()

    def _read(self):
        found = matroska.fragments(self._octets, self._begun)
        tracks = next(found)
        for fragment in found:
            length = matroska.seconds(fragment, tracks)
            if length < 1 and not self.chunks.is_over:
                raise matroska.Fault(4002, f"{length} s", fragment.timecode)
            self._complete(fragment)

    def _octets(self, count):
        if self._is("stall"):
            self._released.wait(30)
            raise OSError("the producer has left")
        data = self.chunks.read(count)
        now = time.monotonic()
        second, octets = self._second
        self._second = (int(now), count + (octets if second == int(now) else 0))
        if self._second[1] > 12_500_000:
            self.service.wrong.append("12.5 MB/s")
        if now - self.since > self.service.max_age:
            self.service.wrong.append("a connection's age")
            self._error(4003, None)
            raise _Over
        return data

    def _begun(self, timecode):
        now = time.monotonic()
        self.begun_at = [at for at in self.begun_at if now - at < 1] + [now]
        # One more is for what a busy machine does to the times.
        if len(self.begun_at) > 6:
            self.service.wrong.append("more than 5 fragments in a second")
        if self.service.streams.get(self.stream.name) is not self.stream:
            self._error(4008, timecode)
            raise _Over
        if not self._is("silent"):
            self._say("BUFFERING", timecode)

    def _is(self, kind):
        return self.trouble is not None and self.trouble.kind == kind and \
            self.complete >= self.trouble.after

    def _complete(self, fragment):
        timecode = fragment.timecode
        if self._is("error"):
            self._error(self.trouble.value, timecode)
            raise _Over
        if self._is("drop"):
            self.handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.handler.connection.close()
            raise OSError
        if self._is("close"):
            raise _Over
        if self._is("garbage"):
            self._write(self.trouble.value)
        self.complete += 1
        self.stream.persisted.setdefault(timecode, []).append(fragment)
        if self._is("silent"):
            return
        if self._is("slow"):
            time.sleep(self.trouble.value)
        self._say("RECEIVED", timecode)
        if self.stream.hours:
            self._say("PERSISTED", timecode)

    def _say(self, event, timecode):
        number = self._numbers.setdefault(timecode, self.service.number())
        self.stream.numbers[timecode] = number
        self._write(json.dumps({"EventType": event, "FragmentTimecode": timecode,
                                "FragmentNumber": number}).encode() + b"\r\n")

    def _error(self, number, timecode):
        told = {"EventType": "ERROR", "ErrorId": number, "ErrorCode": CODES[number]}
        if timecode is not None:
            told["FragmentTimecode"] = timecode
        self._write(json.dumps(told).encode() + b"\r\n")

    def _write(self, octets):
        # Two pieces: a reader has no right to whole objects.
        for piece in (octets[:7], octets[7:]):
            if piece:
                self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.handler.wfile.flush()

    def _end(self):
        try:
            self.handler.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass


def leave(handler):
    """Ends a connection so that what was answered is read, whatever of the request is on its way."""
    handler.close_connection = True
    try:
        handler.connection.settimeout(2)
        handler.connection.shutdown(socket.SHUT_WR)
        while handler.connection.recv(65_536):
            pass
    except OSError:
        pass


class _Over(Exception):
    """The connection is over."""


class Chunks:
    """A body in chunks (RFC 9112 section 7.1)."""

    def __init__(self, file):
        self._file = file
        self._left = 0
        self.is_over = False

    def read(self, count):
        out = b""
        while len(out) < count:
            if not self._left:
                self._next(bool(out))
            piece = self._file.read(min(self._left, count - len(out)))
            if not piece:
                raise OSError("the body broke off")
            self._left -= len(piece)
            out += piece
            if not self._left and self._file.read(2) != b"\r\n":
                raise matroska.Fault(4000, "a chunk without its end")
        return out

    def _next(self, is_within):
        line = self._file.readline(64)
        if not line:
            raise OSError("the body broke off")
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}\r\n", line):
            raise matroska.Fault(4000, f"no chunk: {line}")
        self._left = int(line, 16)
        if not self._left:
            self.is_over = True
            self._file.readline(64)
            raise matroska.Fault(4006, "the body ends in an element") if is_within else matroska.End
