"""A program behind a WebSocket that hears calls and speaks into them, as services do it."""

import json
import threading

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from . import places, tones
from .waiting import wait_until


class Bot:
    """Serves connections; those that show another token are refused with 401."""

    def __init__(self, ip=places.EDGE, token="open-sesame", context=None):
        self.port = places.free_port(ip)
        self.calls = []
        self.refused = 0
        self._token = token
        self._server = serve(self._talk, ip, self.port, ssl=context, process_request=self._admit,
                             ping_interval=None)
        scheme = "wss" if context else "ws"
        self.url = f"{scheme}://{ip}:{self.port}/calls"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _admit(self, connection, request):
        if request.headers.get("Authorization") == f"Bearer {self._token}":
            return None
        self.refused += 1
        return connection.respond(401, "who are you?\n")

    def _talk(self, connection):
        call = Heard(connection)
        self.calls.append(call)
        call.listen()

    def wait_call(self, number=1):
        """The latest of so many connections, once it was told what it hears."""
        wait_until(lambda: len(self.calls) >= number and self.calls[number - 1].start, 10,
                   f"{number} connections of calls")
        return self.calls[number - 1]

    def stop(self):
        self._server.shutdown()


class Heard:
    """One connection."""

    def __init__(self, connection):
        self._connection = connection
        self.start = None
        self.texts = []
        self.sizes = set()
        self.audio = bytearray()
        self.code = None

    def listen(self):
        try:
            for message in self._connection:
                if isinstance(message, bytes):
                    self.sizes.add(len(message))
                    self.audio += message
                elif self.start is None:
                    self.start = json.loads(message)
                else:
                    self.texts.append(json.loads(message))
        except ConnectionClosed:
            pass
        self.code = self._connection.close_code

    def wait_heard(self, seconds):
        """The next so many seconds of both channels."""
        begin = len(self.audio)
        end = begin + int(seconds * self.start["sample_rate"]) * 4
        wait_until(lambda: len(self.audio) >= end, seconds + 10, f"{seconds} s more of the call")
        samples = np.frombuffer(bytes(self.audio[begin:end]), "<i2").reshape(-1, 2)
        return samples[:, 0], samples[:, 1], self.start["sample_rate"]

    def say(self, hertz, seconds, mark=None):
        """All of it at once, in messages of 4,000 octets."""
        octets = tones.sine(hertz, seconds, rate=self.start["sample_rate"]).astype("<i2").tobytes()
        for begin in range(0, len(octets), 4_000):
            self._connection.send(octets[begin:begin + 4_000])
        if mark:
            self.order("mark", name=mark)

    def order(self, kind, **more):
        self._connection.send(json.dumps({"type": kind, **more}))

    def wait_text(self, kind, **fields):
        found = lambda: next((text for text in self.texts if text["type"] == kind
                              and fields.items() <= text.items()), None)
        return wait_until(found, 15, lambda: f"{kind} {fields} among {self.texts}")

    def die(self):
        """As a process that is killed: the connection ends without a word."""
        self._connection.socket.close()
