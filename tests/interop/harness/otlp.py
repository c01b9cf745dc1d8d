"""An OpenTelemetry collector that takes traces over OTLP/HTTP and is strict: OpenTelemetry's own
messages read what comes, and what the protocol asks of a span is checked."""

import gzip
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest, ExportTraceServiceResponse)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from . import places
from .waiting import wait_until

PATH = "/v1/traces"


class Collector:
    """Listens on a port that stays the same. `trouble` is what it does to requests: a status, "slow"
    or "closed"; None takes them. "refused" is done by `close`."""

    def __init__(self, ip=places.EDGE, key=None, pair=None):
        self.ip = ip
        self.key = key
        self.port = places.free_port(ip)
        self.url = f"{'https' if pair else 'http'}://{ip}:{self.port}"
        self.trouble = None
        self.retry_after = None
        self.reject = 0
        self.requests = 0
        self.troubled = 0
        self.problems = []
        self.resources = []
        self._spans = []
        self._pair = pair
        self._released = threading.Event()
        self._server = None
        self.open()

    def open(self):
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                collector._serve(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self._server = Server((self.ip, self.port), Handler)
        if self._pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._pair.certificate, self._pair.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        """Nobody listens any more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def stop(self):
        self._released.set()
        self.close()

    def recover(self):
        self.trouble = None
        self._released.set()
        if self._server is None:
            self.open()

    # What came -----------------------------------------------------------------------------------

    def traces(self):
        """Spans by trace id."""
        found = {}
        for span in list(self._spans):
            found.setdefault(span.trace_id.hex(), []).append(span)
        return found

    def wait_trace(self, transaction_id, seconds=20):
        """The spans of a call, checked as a tree."""
        trace_id = transaction_id.replace("-", "")
        wait_until(lambda: trace_id in self.traces(), seconds,
                   lambda: f"the trace of {transaction_id}; {self.problems} {list(self.traces())}")
        assert not self.problems, self.problems
        spans = self.traces()[trace_id]
        check_tree(spans)
        return Tree(spans)

    def _serve(self, handler):
        body = handler.rfile.read(int(handler.headers["content-length"]))
        self.requests += 1
        trouble = self.trouble
        if trouble is not None:
            self.troubled += 1
        if trouble == "closed":
            handler.close_connection = True
            return
        if trouble == "slow":
            self._released.wait(60)
            handler.close_connection = True
            return
        if isinstance(trouble, int):
            handler.send_response(trouble)
            if self.retry_after is not None:
                handler.send_header("retry-after", self.retry_after)
            return self._answer(handler, b"")
        try:
            self._take(handler, body)
        except Exception as problem:  # Whatever is wrong is the test's result.
            self.problems.append(repr(problem))
            handler.send_response(400)
            return self._answer(handler, repr(problem).encode())
        response = ExportTraceServiceResponse()
        if self.reject:
            response.partial_success.rejected_spans = self.reject
            response.partial_success.error_message = "the test says so"
        handler.send_response(200)
        handler.send_header("content-type", "application/x-protobuf")
        self._answer(handler, response.SerializeToString())

    @staticmethod
    def _answer(handler, body):
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _take(self, handler, body):
        assert handler.path == PATH, handler.path
        assert handler.headers["content-type"] == "application/x-protobuf"
        assert self.key is None or handler.headers["x-api-key"] == self.key, "the key is missing"
        encoding = handler.headers.get("content-encoding")
        assert encoding in (None, "gzip"), encoding
        if encoding == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        # No field but those of the protocol, and none written twice.
        request.DiscardUnknownFields()
        assert request.ByteSize() == len(body), (request.ByteSize(), len(body))
        for resource in request.resource_spans:
            self.resources.append(attributes(resource.resource))
            for scope in resource.scope_spans:
                assert scope.scope.name == "tandem" and scope.scope.version
                for span in scope.spans:
                    check_span(span)
                    self._spans.append(span)


def attributes(of):
    """Attributes as a dictionary; each name stands once and each value has a kind."""
    found = {}
    for pair in of.attributes:
        kind = pair.value.WhichOneof("value")
        assert pair.key and pair.key not in found and kind, pair
        found[pair.key] = getattr(pair.value, kind)
    return found


def check_span(span):
    assert len(span.trace_id) == 16 and any(span.trace_id), span
    assert len(span.span_id) == 8 and any(span.span_id), span
    assert len(span.parent_span_id) in (0, 8), span
    assert span.parent_span_id == b"" or any(span.parent_span_id), span
    assert span.name and span.kind != Span.SPAN_KIND_UNSPECIFIED, span
    now = time.time_ns()
    assert now - 3_600e9 < span.start_time_unix_nano <= span.end_time_unix_nano <= now + 1e9, span
    attributes(span)
    for event in span.events:
        assert event.name, event
        assert span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano, span
        attributes(event)
    for link in span.links:
        assert len(link.trace_id) == 16 and len(link.span_id) == 8, link
    assert span.status.code in (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR), span
    assert not span.status.message or span.status.code == Status.STATUS_CODE_ERROR, span


def check_tree(spans):
    """One root, no id twice, every parent there and around its children."""
    ids = {span.span_id: span for span in spans}
    assert len(ids) == len(spans), "an id came twice"
    roots = [span for span in spans if not span.parent_span_id]
    assert len(roots) == 1, [span.name for span in roots]
    for span in spans:
        if span.parent_span_id:
            parent = ids[span.parent_span_id]
            assert parent.start_time_unix_nano <= span.start_time_unix_nano, (parent, span)
            assert span.end_time_unix_nano <= parent.end_time_unix_nano, (parent, span)


class Tree:
    """A call's spans, to be asked."""

    def __init__(self, spans):
        self.spans = spans
        self.root, = [span for span in spans if not span.parent_span_id]
        self.call = attributes(self.root)

    def leg(self, letter):
        return next((span for span in self.spans if span.name == f"leg {letter}"), None)

    def transactions(self, letter):
        """[(kind, method, status)] of a leg, by time."""
        leg = self.leg(letter)
        children = [span for span in self.spans if leg and span.parent_span_id == leg.span_id]
        children.sort(key=lambda span: span.start_time_unix_nano)
        kinds = {Span.SPAN_KIND_SERVER: "server", Span.SPAN_KIND_CLIENT: "client"}
        return [(kinds[span.kind], span.name, attributes(span).get("sip.status_code"))
                for span in children]

    def errors(self):
        return [span for span in self.spans if span.status.code == Status.STATUS_CODE_ERROR]

    def one(self, name, kind):
        wanted = {"server": Span.SPAN_KIND_SERVER, "client": Span.SPAN_KIND_CLIENT}[kind]
        return next(span for span in self.spans if span.name == name and span.kind == wanted)
