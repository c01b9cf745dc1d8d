"""A scripted SIP peer on a socket: a test says what it sends and what must come."""

import itertools
import socket
import uuid

from . import places, tls
from .configuration import CONNECTOR_HOST
from .message import Message, compose
from .waiting import Deadline

_count = itertools.count(1)


class Peer:
    """One address that speaks SIP over UDP, or over TCP or TLS when `edge` (to connect to) is given."""

    def __init__(self, ip, port=None, transport="udp", edge=None, pair=None):
        self.ip = ip
        self.port = port or places.free_port(ip)
        self.transport = transport
        self.received = []
        self._buffer = b""
        self._seen = set()
        self._passed = []
        if transport == "udp":
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((ip, self.port))
        else:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((ip, self.port))
            self._socket.connect(edge)
            if transport == "tls":
                self._socket = tls.context(pair).wrap_socket(self._socket)

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, raw, to=None):
        if self.transport == "udp":
            self._socket.sendto(raw, to)
        else:
            self._socket.sendall(raw)

    def receive(self, seconds):
        """The next message, or None. A closed connection is None, too."""
        deadline = Deadline(seconds)
        while not deadline.passed():
            self._socket.settimeout(max(deadline.left(), 0.001))
            try:
                if self.transport == "udp":
                    raw, source = self._socket.recvfrom(65_536)
                    message = Message(raw)
                    message.source = source
                    return message
                framed = self._framed()
                if framed:
                    return framed
                data = self._socket.recv(65_536)
            except (TimeoutError, ConnectionResetError):
                return None
            except ConnectionRefusedError:
                continue
            if not data:
                return None
            self._buffer += data
        return None

    def _framed(self):
        self._buffer = self._buffer.lstrip(b"\r\n")
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(Message(head + end)["content-length"])
        if len(rest) < length:
            return None
        message = Message(head + end + rest[:length])
        message.source = self._socket.getpeername()
        self._buffer = rest[length:]
        return message

    def expect(self, wanted, seconds=10):
        """The next new message that `wanted` accepts; others are kept for later, and
        retransmissions are passed over."""
        for kept in self._passed:
            if wanted(kept):
                self._passed.remove(kept)
                return kept
        deadline = Deadline(seconds)
        while not deadline.passed():
            message = self.receive(deadline.left())
            if message is None:
                break
            self.received.append(message)
            identity = (message.start_line, message["via"], message["cseq"], message["call-id"],
                        message.get("to"))
            if identity in self._seen:
                continue
            self._seen.add(identity)
            if wanted(message):
                return message
            self._passed.append(message)
        starts = [message.start_line for message in self.received]
        raise AssertionError(f"{self.ip}:{self.port} did not get it within {seconds} s; got {starts}")

    def expect_request(self, method, seconds=10):
        return self.expect(lambda m: m.status is None and m.method == method, seconds)

    def expect_status(self, status, method="INVITE", seconds=10):
        return self.expect(lambda m: m.status == status and m.method == method, seconds)

    def expect_final(self, method="INVITE", seconds=10):
        return self.expect(lambda m: (m.status or 0) >= 200 and m.method == method, seconds)

    def contact(self):
        return f"<sip:peer@{self.ip}:{self.port};transport={self.transport}>"

    def via(self):
        return f"SIP/2.0/{self.transport.upper()} {self.ip}:{self.port};branch=z9hG4bK{uuid.uuid4().hex}"

    def reply(self, request, status, reason="Because", body=b"", headers=(), tag="peer"):
        """Answers a request to where it came from."""
        out = [("Via", value) for value in request.all("via")]
        out += [("Record-Route", value) for value in request.all("record-route")]
        to = request["to"]
        if ";tag=" not in to and status > 100:
            to += f";tag={tag}"
        out += [("From", request["from"]), ("To", to), ("Call-ID", request["call-id"]),
                ("CSeq", request["cseq"]), ("Contact", self.contact())]
        raw = compose(f"SIP/2.0 {status} {reason}", [*out, *headers], body)
        self.send(raw, request.source)
        return raw


class TcpListener(Peer):
    """A peer that waits for the edge to connect over TCP, and to connect again when it has gone."""

    def __init__(self, ip):
        self.ip, self.port, self.transport = ip, places.free_port(ip), "tcp"
        self.received, self._passed, self._seen, self._buffer = [], [], set(), b""
        self._listener = socket.create_server((ip, self.port))
        self._socket = None
        self.connections = 0

    def receive(self, seconds):
        deadline = Deadline(seconds)
        while not deadline.passed():
            if self._socket is None:
                self._listener.settimeout(max(deadline.left(), 0.001))
                try:
                    self._socket, _ = self._listener.accept()
                except TimeoutError:
                    return None
                self.connections += 1
            found = super().receive(deadline.left())
            if found or deadline.passed():
                return found
            self._socket.close()
            self._socket, self._buffer = None, b""
        return None

    def close(self):
        self._listener.close()
        if self._socket:
            self._socket.close()


class TlsListener(Peer):
    """A peer that waits for the edge to connect over TLS, and shows `pair`."""

    def __init__(self, ip, pair):
        self.ip, self.port, self.transport = ip, places.free_port(ip), "tls"
        self.received, self._passed, self._seen, self._buffer = [], [], set(), b""
        self._context = tls.server_context(pair)
        self._listener = socket.create_server((ip, self.port))
        self._socket = None

    def receive(self, seconds):
        if self._socket is None:
            self._listener.settimeout(max(seconds, 0.001))
            try:
                plain, _ = self._listener.accept()
            except TimeoutError:
                return None
            self._socket = self._context.wrap_socket(plain, server_side=True)
        return super().receive(seconds)

    def close(self):
        self._listener.close()
        if self._socket:
            self._socket.close()


class OutgoingCall:
    """A dialog that this peer began."""

    def __init__(self, peer, edge, called, body=b"", calling="+12065550111", host=CONNECTOR_HOST,
                 headers=(), content_type="application/sdp", uri=None):
        """`uri` is what is called in the place of `called` at `host`."""
        self.peer, self.edge = peer, edge
        self.call_id = f"{uuid.uuid4().hex}@{peer.ip}"
        self.local = f"<sip:{calling}@{host}>;tag=t{next(_count)}"
        self.uri = self.target = uri or f"sip:{called}@{host}"
        self.remote = f"<{self.uri}>"
        self.cseq = 1
        self.via = peer.via()
        self.headers = list(headers)
        self.answer = None
        contact = ("Contact", peer.contact())
        self.sent = self._send("INVITE", self.via, body, [contact, *self.headers],
                               content_type=content_type)

    def _send(self, method, via, body=b"", headers=(), cseq=None, content_type="application/sdp"):
        raw = compose(f"{method} {self.target} SIP/2.0", [
            ("Via", via), ("Max-Forwards", "70"), ("From", self.local), ("To", self.remote),
            ("Call-ID", self.call_id), ("CSeq", f"{cseq or self.cseq} {method}"), *headers], body,
            content_type)
        self.peer.send(raw, self.edge.address)
        return raw

    def mine(self, message):
        return message["call-id"] == self.call_id

    def status(self, status, method="INVITE", seconds=10):
        return self.peer.expect(
            lambda m: self.mine(m) and m.status == status and m.method == method, seconds)

    def final(self, method="INVITE", seconds=10):
        """The final response; one that refuses is acknowledged."""
        found = self.peer.expect(
            lambda m: self.mine(m) and (m.status or 0) >= 200 and m.method == method, seconds)
        if method == "INVITE" and found.status >= 300:
            self.refused(found)
        return found

    def answered(self, seconds=10, found=None, describe=None):
        """Waits for 200, unless it was found, and acknowledges it, with what `describe` makes of its offer."""
        found = found or self.final(seconds=seconds)
        assert found.status == 200, repr(found)
        self.answer = found
        self.remote = found["to"]
        self.target = found.contact_uri()
        self._send("ACK", self.peer.via(), describe(found.body.decode()) if describe else b"")
        return found

    def refused(self, response):
        """Acknowledges a refusal, in the INVITE's transaction."""
        remote, self.remote = self.remote, response["to"]
        self._send("ACK", self.via)
        self.remote = remote

    def cancel(self):
        self._send("CANCEL", self.via)

    def request(self, method, body=b"", headers=(), content_type="application/sdp"):
        self.cseq += 1
        return self._send(method, self.peer.via(), body, headers, content_type=content_type)

    def bye(self):
        self.request("BYE")
        return self.final("BYE")

    def reinvite(self, body, headers=(), content_type="application/sdp"):
        self.request("INVITE", body, [("Contact", self.peer.contact()), *headers], content_type)
        found = self.final()
        if found.status == 200:
            self._send("ACK", self.peer.via())
        return found


def send_bye_from_called_side(peer, invite, edge):
    """BYE in the dialog that `invite` began at `peer`."""
    raw = compose(f"BYE {invite.contact_uri()} SIP/2.0", [
        ("Via", peer.via()), ("Max-Forwards", "70"), ("From", invite["to"] + ";tag=peer"),
        ("To", invite["from"]), ("Call-ID", invite["call-id"]), ("CSeq", "900 BYE")])
    peer.send(raw, edge.address)
