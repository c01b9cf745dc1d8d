"""Kinesis Video Streams as far as a producer sees it: streams, and PutMedia.

It checks every signature with botocore's own signer, the chunks, the Matroska of each fragment and every
documented limit; what a producer did wrong without having been asked to is in `wrong`. A `Trouble` makes a
stream's connections go wrong on purpose.
"""

import datetime
import email.utils
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from . import places, tls
from .aws import ACCESS_KEY, REGION, SECRET_KEY
from .put_media import Chunks, PutMedia, leave


class Refusal(Exception):
    def __init__(self, status, code, message="", is_expected=True, headers=None):
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message = status, code, message
        self.is_expected, self.headers = is_expected, headers or {}


class Trouble:
    """What goes wrong with a stream, `times` times.

    `kind` is "error" (an acknowledgement of error `value` for the fragment after `after` others of its
    connection), "drop" (a reset), "close" (the end of the answer), "silent" (no acknowledgements), "stall"
    (nothing is read), "garbage" (`value` stands among the acknowledgements), "slow" (acknowledgements are `value`
    seconds late) or "refuse" (`value` is status and code)."""

    def __init__(self, kind, value=None, after=1, times=1):
        self.kind, self.value, self.after, self.times = kind, value, after, times


class Stream:
    def __init__(self, name, hours, tags):
        self.name, self.hours, self.tags = name, hours, tags
        self.version = 1
        self.arn = f"arn:aws:kinesisvideo:{REGION}:111122223333:stream/{name}/{time.time_ns()}"
        self.active_at = time.monotonic() + 0.3
        # The fragments that are persisted, by timecode, each time.
        self.persisted = {}
        # What each fragment was told to be, by timecode.
        self.numbers = {}
        self.connections = 0
        self.connection = None
        self.requests = []

    def described(self):
        status = "ACTIVE" if time.monotonic() >= self.active_at else "CREATING"
        return {"StreamName": self.name, "StreamARN": self.arn, "Status": status,
                "DataRetentionInHours": self.hours, "Version": f"v{self.version}"}


class KinesisVideo:
    def __init__(self, ip=places.EDGE, pair=None, max_age=45 * 60, idle=30, ahead=0, troubles=None):
        """With the certificate of `pair` it is reached over TLS alone."""
        self.max_age, self.idle = max_age, idle
        self.streams = {}
        self.troubles = troubles or {}
        self.token = None
        self.ahead = ahead
        self.denied = set()
        self.operations = []
        self.wrong = []
        self._lock = threading.RLock()
        self._number = 0
        self._listed_page = 2
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                service._serve(self)

            def date_time_string(self, timestamp=None):
                return email.utils.formatdate(time.time() + service.ahead, usegmt=True)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self._server = Server((ip, 0), Handler)
        if pair:
            self._server.socket = tls.server_context(pair).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
        port = self._server.server_address[1]
        self.url = f"{'https' if pair else 'http'}://{ip}:{port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def make(self, name, hours=24, tags=None):
        self.streams[name] = Stream(name, hours, tags or {})
        self.streams[name].active_at = 0
        return self.streams[name]

    def delete(self, name):
        """Connections to it hear of it with the next fragment."""
        with self._lock:
            del self.streams[name]

    def _trouble(self, name, *kinds):
        with self._lock:
            trouble = self.troubles.get(name)
            if trouble is None or trouble.times == 0 or trouble.kind not in kinds:
                return None
            trouble.times -= 1
            return trouble

    # Requests ---------------------------------------------------------------------------------------

    def _serve(self, handler):
        chunks = None
        try:
            operation = handler.path.strip("/")
            if operation == "putMedia":
                chunks = Chunks(handler.rfile)
                body = None
            else:
                body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
            self._check_signature(handler, body)
            with self._lock:
                self.operations.append(operation)
            if operation in self.denied:
                raise Refusal(403, "AccessDeniedException", f"not authorized: {operation}")
            if body is None:
                return self._put_media(handler, chunks)
            with self._lock:
                answer = getattr(self, f"_{operation}")(json.loads(body))
            self._answer(handler, 200, answer)
        except Refusal as refusal:
            if not refusal.is_expected:
                self.wrong.append(str(refusal))
            headers = {"x-amzn-ErrorType": refusal.code, **refusal.headers}
            self._answer(handler, refusal.status, {"Message": refusal.message}, headers)
            if chunks:
                leave(handler)

    def _answer(self, handler, status, answer, headers=None):
        body = json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _check_signature(self, handler, body):
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
                             r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
                             handler.headers.get("authorization", ""))
        if not match:
            raise Refusal(403, "MissingAuthenticationTokenException", "not signed", False)
        key, _, region, service, names, signature = match.groups()
        if region != REGION:
            raise Refusal(403, "InvalidSignatureException",
                          f"Credential should be scoped to a valid region, not '{region}'.")
        wrong = Refusal(403, "InvalidSignatureException", "the signature does not match", False)
        names = names.split(";")
        needed = {"host", "x-amz-date"}
        if body is None:
            needed |= {"x-amz-content-sha256", "x-amzn-stream-name", "x-amzn-fragment-timecode-type",
                       "x-amzn-producer-start-timestamp"}
            if handler.headers.get("x-amz-content-sha256") != "UNSIGNED-PAYLOAD":
                raise wrong
        if key != ACCESS_KEY or service != "kinesisvideo" or not needed <= set(names):
            raise wrong
        token = handler.headers.get("x-amz-security-token")
        signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "kinesisvideo", REGION)
        headers = {name: handler.headers[name] for name in names}
        request = AWSRequest("POST", f"{self.url}{handler.path}", headers=headers, data=body or b"")
        stamp = handler.headers["x-amz-date"]
        request.context["timestamp"] = stamp
        text = signer.string_to_sign(request, signer.canonical_request(request))
        if signer.signature(text, request) != signature:
            raise wrong
        signed = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
        off = time.time() + self.ahead - signed.replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(off) > 300:
            raise Refusal(403, "InvalidSignatureException", f"Signature expired: {off:.0f} s off")
        if self.token and token != self.token:
            raise Refusal(403, "ExpiredTokenException", "The security token is expired")

    def _stream(self, name):
        stream = self.streams.get(name)
        if stream is None:
            raise Refusal(404, "ResourceNotFoundException", f"no stream {name}")
        return stream

    def _paced(self, stream, what):
        """Five of a kind a second and stream."""
        now = time.monotonic()
        with self._lock:
            recent = [at for kind, at in stream.requests if kind == what and now - at < 1]
            stream.requests.append((what, now))
        if len(recent) >= 5:
            raise Refusal(400, "ClientLimitExceededException", f"{what} too often", False)

    def _describeStream(self, order):
        return {"StreamInfo": self._stream(order["StreamName"]).described()}

    def _createStream(self, order):
        name = order["StreamName"]
        if name in self.streams:
            raise Refusal(400, "ResourceInUseException", name)
        if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,256}", name):
            raise Refusal(400, "InvalidArgumentException", "StreamName", False)
        if not 0 <= order["DataRetentionInHours"] <= 87_600:
            raise Refusal(400, "InvalidArgumentException", "DataRetentionInHours", False)
        stream = self.streams[name] = Stream(name, order["DataRetentionInHours"], order["Tags"])
        return {"StreamARN": stream.arn}

    def _updateDataRetention(self, order):
        stream = self._stream(order["StreamName"])
        if order["CurrentVersion"] != f"v{stream.version}":
            raise Refusal(400, "VersionMismatchException", order["CurrentVersion"])
        sign = {"INCREASE_DATA_RETENTION": 1, "DECREASE_DATA_RETENTION": -1}[order["Operation"]]
        change = order["DataRetentionChangeInHours"]
        if change < 1 or stream.hours + sign * change < 0:
            raise Refusal(400, "InvalidArgumentException", "DataRetentionChangeInHours", False)
        stream.hours += sign * change
        stream.version += 1
        return {}

    def _getDataEndpoint(self, order):
        if order["APIName"] != "PUT_MEDIA":
            raise Refusal(400, "InvalidArgumentException", "APIName", False)
        self._paced(self._stream(order["StreamName"]), "GetDataEndpoint")
        return {"DataEndpoint": self.url}

    def _listStreams(self, order):
        condition = order["StreamNameCondition"]
        assert condition["ComparisonOperator"] == "BEGINS_WITH"
        names = sorted(n for n in self.streams if n.startswith(condition["ComparisonValue"]))
        first = int(order.get("NextToken", "0"))
        page = names[first:first + self._listed_page]
        answer = {"StreamInfoList": [self.streams[name].described() for name in page]}
        if first + len(page) < len(names):
            answer["NextToken"] = str(first + len(page))
        return answer

    def _listTagsForStream(self, order):
        return {"Tags": self._stream(order["StreamName"]).tags}

    # PutMedia ---------------------------------------------------------------------------------------

    def _put_media(self, handler, chunks):
        headers = handler.headers
        name = headers["x-amzn-stream-name"]
        trouble = self._trouble(name, "refuse")
        if trouble:
            status, code = trouble.value
            raise Refusal(status, code, "on purpose")
        for is_wrong, what in [
            (headers.get("transfer-encoding") != "chunked", "not chunked"),
            ("expect" in headers, "Expect"),
            (headers["x-amzn-fragment-timecode-type"] != "ABSOLUTE", "timecode type"),
            (headers.get("x-amzn-fragment-acknowledgment-required") != "1", "acknowledgements"),
            (not re.fullmatch(r"\d{10}\.\d{3}", headers["x-amzn-producer-start-timestamp"]),
             f"producer timestamp {headers['x-amzn-producer-start-timestamp']}"),
        ]:
            if is_wrong:
                raise Refusal(400, "InvalidArgumentException", what, False)
        stream = self._stream(name)
        self._paced(stream, "PutMedia")
        if stream.described()["Status"] != "ACTIVE":
            raise Refusal(400, "ResourceNotFoundException", "not active", False)
        # A connection that the producer has just closed may not be over here.
        deadline = time.monotonic() + 1
        while stream.connection and time.monotonic() < deadline:
            time.sleep(0.01)
        with self._lock:
            if stream.connection and not stream.connection.is_dead:
                raise Refusal(400, "ConnectionLimitExceededException", name, False)
            connection = stream.connection = PutMedia(self, handler, chunks, stream)
            stream.connections += 1
        try:
            connection.run()
        finally:
            with self._lock:
                if stream.connection is connection:
                    stream.connection = None
            leave(handler)

    def number(self):
        with self._lock:
            self._number += 1
            return f"913438523331814323926820626077439201{self._number:011}"
