"""A room device's side of floor control (RFC 8855), written apart from the edge's own parser."""

import socket
import struct
import time

FLOOR_REQUEST, FLOOR_RELEASE, FLOOR_REQUEST_STATUS = 1, 2, 4
FLOOR_QUERY, FLOOR_STATUS, CHAIR_ACTION, CHAIR_ACTION_ACK = 7, 8, 9, 10
HELLO, HELLO_ACK, ERROR = 11, 12, 13
_ACKNOWLEDGED = {FLOOR_REQUEST_STATUS: 14, FLOOR_STATUS: 15}
_GROUPS = (14, 15, 16, 17, 18)
PENDING, ACCEPTED, GRANTED, DENIED, CANCELLED, RELEASED, REVOKED = range(1, 8)


class FloorDevice:
    """Speaks as the user of an answer's line of floor control; keeps what it is told."""

    def __init__(self, ip, answer):
        section = next(part for part in answer.split("\r\nm=") if part.startswith("application"))
        words = section.split("\r\n")
        _, port, protocol, _ = words[0].split()
        said = dict(word[2:].split(":", 1) for word in words[1:] if word.startswith("a="))
        address = [line.split()[-1] for line in words if line.startswith("c=")]
        address += [line.split()[-1] for line in answer.split("\r\n") if line.startswith("c=")]
        self.conference, self.user = int(said["confid"]), int(said["userid"])
        self.floor, _, self.label = said["floorid"].partition(" mstrm:")
        self.is_datagram = protocol == "UDP/BFCP"
        kind = socket.SOCK_DGRAM if self.is_datagram else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.bind((ip, 0))
        self._socket.connect((address[0], int(port)))
        self._octets = b""
        self._transaction = 0
        self.statuses = []   # of its requests
        self.holders = []    # users that had the floor, None for nobody
        self.pending = []    # requests of others that nobody has decided, as it was told last
        self.refusals = []   # of what it asked for: error codes

    def close(self):
        self._socket.close()

    def hello(self):
        self._ask(HELLO, b"", HELLO_ACK)
        self._ask(FLOOR_QUERY, self._floor(), FLOOR_STATUS)

    def request(self):
        self._ask(FLOOR_REQUEST, self._floor(), FLOOR_REQUEST_STATUS)

    def chair(self, request, status):
        """Decides somebody's request (RFC 8855 section 13.6.1)."""
        decision = struct.pack("!BBBB", 5 << 1 | 1, 4, status, 0)
        of_floor = struct.pack("!BBH", 17 << 1 | 1, 8, int(self.floor)) + decision
        about = struct.pack("!BBH", 15 << 1 | 1, 4 + len(of_floor), request) + of_floor
        self._ask(CHAIR_ACTION, about, CHAIR_ACTION_ACK, ERROR)

    def wait(self, what, seconds=20):
        """Until it has been told this."""
        end = time.monotonic() + seconds
        while not what(self):
            left = end - time.monotonic()
            assert left > 0, f"statuses {self.statuses}, holders {self.holders}"
            self._listen(left)

    def _floor(self):
        return struct.pack("!BBH", 2 << 1 | 1, 4, int(self.floor))

    def _ask(self, primitive, attributes, *answers):
        self._transaction += 1
        self._write(primitive, attributes, self._transaction, False)
        end = time.monotonic() + 20
        again = time.monotonic() + 0.5
        while True:
            found = self._listen(min(end, again) - time.monotonic())
            if found in [(answer, self._transaction) for answer in answers]:
                return
            assert time.monotonic() < end, f"no answer to {primitive}"
            if time.monotonic() >= again:
                again = end
                if self.is_datagram:
                    self._write(primitive, attributes, self._transaction, False)

    def _write(self, primitive, attributes, transaction, is_response):
        first = (2 << 5 | is_response << 4) if self.is_datagram else 1 << 5
        self._socket.sendall(struct.pack("!BBHIHH", first, primitive, len(attributes) // 4,
                                         self.conference, transaction, self.user) + attributes)

    def _listen(self, seconds):
        """The next message: its primitive and, of a response, its transaction."""
        self._socket.settimeout(max(seconds, 0.01))
        try:
            message = self._socket.recv(2_000) if self.is_datagram else self._whole()
        except TimeoutError:
            return None
        flags, primitive, length, conference, transaction, user = struct.unpack_from("!BBHIHH",
                                                                                     message)
        assert (conference, user) == (self.conference, self.user) and len(message) == 12 + 4 * length
        found = list(_attributes(message[12:]))
        if primitive == FLOOR_REQUEST_STATUS:
            self.statuses += [value[0] for kind, value in found if kind == 5]
        if primitive == FLOOR_STATUS:
            self.holders.append(_holder(message[12:]))
            self.pending = list(_pending(message[12:]))
        if primitive == ERROR:
            self.refusals += [value[0] for kind, value in found if kind == 6]
        is_response = flags & 0x10 if self.is_datagram else transaction
        if not is_response and self.is_datagram:
            self._write(_ACKNOWLEDGED[primitive], b"", transaction, True)
        return (primitive, transaction) if is_response else None

    def _whole(self):
        while True:
            if len(self._octets) >= 12:
                whole = 12 + 4 * struct.unpack_from("!H", self._octets, 2)[0]
                if len(self._octets) >= whole:
                    message, self._octets = self._octets[:whole], self._octets[whole:]
                    return message
            read = self._socket.recv(2_000)
            assert read, "the connection has ended"
            self._octets += read


def _attributes(octets):
    """(type, value) of each attribute, those in groups after their group."""
    while octets:
        kind, length = octets[0] >> 1, octets[1]
        value = octets[2:length]
        yield kind, value
        if kind in _GROUPS:
            yield from _attributes(value[2:])
        octets = octets[(length + 3) // 4 * 4:]


def _holder(octets):
    """Whose granted request a FloorStatus names."""
    while octets:
        kind, length = octets[0] >> 1, octets[1]
        if kind == 15:
            inner = list(_attributes(octets[4:length]))
            if any(of == 5 and value[0] == GRANTED for of, value in inner):
                return next(struct.unpack_from("!H", value)[0] for of, value in inner if of == 14)
        octets = octets[(length + 3) // 4 * 4:]
    return None


def _pending(octets):
    """Requests that a FloorStatus names and nobody has decided."""
    while octets:
        kind, length = octets[0] >> 1, octets[1]
        if kind == 15:
            inner = list(_attributes(octets[4:length]))
            if any(of == 5 and value[0] == PENDING for of, value in inner):
                yield struct.unpack_from("!H", octets, 2)[0]
        octets = octets[(length + 3) // 4 * 4:]
