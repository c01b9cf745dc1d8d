"""AWS as far as records go there: moto behind a front that is as strict as the real services.

moto keeps groups, events, objects and metrics; objects may be kept by another storage (objects.py). The
front checks signatures and every documented limit that moto lets pass, and does what an outage does.
"""

import datetime
import gzip
import hashlib
import hmac
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from . import places, tls
from .objects import Objects
from .waiting import wait_until

ACCESS_KEY = "AKIDOFTANDEMTESTS000"
SECRET_KEY = "a-secret-of-the-tests"
REGION = "us-east-1"
RETRY_AFTER = 4
_LOGS = "Logs_20140328."
_METRICS = "GraniteServiceVersion20100801."
_EVENTS = "AWSEvents."


class Refusal(Exception):
    """What the real service answers to a request that breaks a rule."""

    def __init__(self, code, message, status=400, is_expected=False):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        # Whether the test brought it about, so that it is no fault of the request.
        self.is_expected = is_expected


class Skewed(Refusal):
    """A signature's time is too far from the service's."""


class Aws:
    """A front on a port that stays the same, and moto behind it."""

    def __init__(self, ip=places.EDGE, pair=None, objects="moto"):
        """With the certificate of `pair` it is reached over TLS alone."""
        self.kind = objects
        self.ip = ip
        self.port = places.free_port(ip)
        self._pair = pair
        self.url = f"{'https' if pair else 'http'}://{ip}:{self.port}"
        # What is done to requests: "refused", "slow", "error", "throttled", "told when" (the same with
        # Retry-After), "half" (an answer), "half-closed" (the connection) or "unanswered"; "hung up"
        # answers, and ends each connection afterwards without saying so.
        self.trouble = None
        # The token that requests must have; others have expired.
        self.token = None
        # Actions that the account's policy does not allow, such as "logs:PutLogEvents".
        self.denied = set()
        self.requests = []
        self.arrivals = []
        self.refusals = []
        # What became of what was put into a bucket: (path, status).
        self.puts = []
        self.failed = 0
        self.skewed = 0
        self.expired = 0
        self._moto_port = places.free_port(ip)
        self._moto = subprocess.Popen(
            [Path(sys.executable).with_name("moto_server"), "-H", ip, "-p", str(self._moto_port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._is_up, 60, "moto answers")
        self._objects = None if objects == "moto" else Objects(objects, ip, ACCESS_KEY, SECRET_KEY)
        self._server = None
        self._released = threading.Event()
        self.open()

    def _is_up(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.ip, self._moto_port)) == 0

    def open(self):
        """Listens, after `refuse`."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                front._serve(self)

            do_PUT = do_GET = do_HEAD = do_DELETE = do_POST

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer((self.ip, self.port), Handler)
        self._server.daemon_threads = True
        if self._pair:
            self._server.socket = tls.server_context(self._pair).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def refuse(self):
        """Connections are refused from now on; those that are open do not answer any more."""
        self.trouble = "refused"
        self._server.shutdown()
        self._server.server_close()

    def recover(self):
        was, self.trouble = self.trouble, None
        self._released.set()
        self._released = threading.Event()
        if was == "refused":
            self.open()

    def stop(self):
        self.trouble = self.trouble or "refused"
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._moto.terminate()
        self._moto.wait(20)
        if self._objects:
            self._objects.stop()

    def _port_of(self, service):
        return self._objects.port if self._objects and service == "s3" else self._moto_port

    # What is kept -------------------------------------------------------------------------------

    def client(self, service):
        import boto3

        return boto3.client(service, region_name=REGION, aws_access_key_id=ACCESS_KEY,
                            aws_secret_access_key=SECRET_KEY,
                            endpoint_url=f"http://{self.ip}:{self._port_of(service)}")

    def make_bucket(self, name):
        self.client("s3").create_bucket(Bucket=name)

    def groups(self):
        return {group["logGroupName"]: group
                for group in self.client("logs").describe_log_groups()["logGroups"]}

    def events(self, group):
        """Every event of a group as the object that it is, by stream, in order."""
        return {stream: [json.loads(message) for _, message in events]
                for stream, events in self.messages(group).items()}

    def messages(self, group):
        """Every event of a group, by stream, in order: (time in milliseconds, text)."""
        logs = self.client("logs")
        if group not in self.groups():
            return {}
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        found = {}
        for stream in streams:
            name, events, token = stream["logStreamName"], [], None
            while True:
                more = {"nextToken": token} if token else {}
                page = logs.get_log_events(logGroupName=group, logStreamName=name,
                                           startFromHead=True, **more)
                events += [(event["timestamp"], event["message"]) for event in page["events"]]
                if page["nextForwardToken"] == token or not page["events"]:
                    break
                token = page["nextForwardToken"]
            found[name] = events
        return found

    def objects(self, bucket):
        s3 = self.client("s3")
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
                for key in keys}

    # The front ----------------------------------------------------------------------------------

    def _serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        released = self._released
        trouble = self.trouble
        self.arrivals.append(time.monotonic())
        if trouble not in (None, "hung up"):
            self.failed += 1
        if trouble == "unanswered":
            # Taken, but nobody hears of it.
            self._forward(handler, body)
        if trouble in ("refused", "unanswered"):
            handler.close_connection = True
            return
        if trouble in ("slow", "half-closed"):
            if trouble == "half-closed":
                handler.connection.shutdown(socket.SHUT_WR)
            released.wait(60)
            handler.close_connection = True
            return
        if trouble == "half":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
            handler.close_connection = True
            return
        try:
            if trouble == "error":
                raise Refusal("InternalFailure", "trouble", 500)
            if trouble in ("throttled", "told when"):
                raise Refusal("ThrottlingException", "Rate exceeded")
            self._check(handler, body)
            status, headers, answer = self._forward(handler, body)
        except Refusal as refusal:
            if trouble is None and not refusal.is_expected:
                self.refusals.append(f"{refusal.code}: {refusal.message}")
            status, headers = refusal.status, {}
            if trouble == "told when":
                headers["retry-after"] = str(RETRY_AFTER)
            answer = json.dumps({"__type": refusal.code, "message": refusal.message}).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if handler.command != "HEAD" or "content-length" not in headers:
            handler.send_header("content-length", str(len(answer)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer)
        if trouble == "hung up":
            handler.close_connection = True

    def _check(self, handler, body):
        try:
            check_signature(handler, body)
            check_time(handler)
        except Skewed:
            self.skewed += 1
            raise
        if self.token and handler.headers.get("x-amz-security-token") != self.token:
            self.expired += 1
            raise Refusal("ExpiredTokenException", "The security token included in the request is "
                          "expired", is_expected=True)
        self._check_permission(handler)
        target = handler.headers.get("x-amz-target", "")
        self.requests.append(target or f"{handler.command} {handler.path}")
        if handler.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if target == f"{_LOGS}PutLogEvents":
            check_events(json.loads(body))
        elif target.startswith(_METRICS):
            check_metrics(json.loads(body), len(body))
        elif target == f"{_EVENTS}PutEvents":
            check_put_events(json.loads(body)["Entries"])
        elif handler.command == "PUT" and "uploadId=" not in handler.path:
            check_object(handler, body)

    def _check_permission(self, handler):
        target = handler.headers.get("x-amz-target", "")
        service, _, operation = target.partition(".")
        action = {f"{_LOGS}{operation}": f"logs:{operation}",
                  f"{_METRICS}{operation}": f"cloudwatch:{operation}",
                  f"{_EVENTS}{operation}": f"events:{operation}",
                  f"AmazonSQS.{operation}": f"sqs:{operation}",
                  f"TrentService.{operation}": f"kms:{operation}"}.get(target)
        if not target:
            look = "s3:GetObject" if _is_of_object(handler) else "s3:ListBucket"
            action = {"PUT": "s3:PutObject", "HEAD": look}.get(handler.command)
        if action in self.denied:
            code = "AccessDenied" if action.startswith("s3:") else "AccessDeniedException"
            status = 403 if action.startswith("s3:") else 400
            raise Refusal(code, f"not authorized to perform: {action}", status, is_expected=True)

    def _forward(self, handler, body):
        if handler.headers.get("x-amz-target") == f"{_EVENTS}PutEvents":
            answer = of_reserved_sources(json.loads(body)["Entries"])
            if answer:
                return 200, {"content-type": "application/x-amz-json-1.1"}, answer
        signed = handler.headers.get("authorization", "")
        service = "s3" if "/s3/aws4_request" in signed else "others"
        moto = http.client.HTTPConnection(self.ip, self._port_of(service), timeout=30)
        moto.request(handler.command, handler.path, body, dict(handler.headers))
        response = moto.getresponse()
        answer = response.read()
        if handler.command == "PUT":
            self.puts.append((handler.path, response.status))
        headers = {name: value for name, value in response.getheaders()
                   if name.lower() in ("content-type", "x-amzn-errortype", "x-amz-bucket-region",
                                       "etag", "x-amz-checksum-sha256")}
        if handler.command == "HEAD":
            headers["content-length"] = response.getheader("content-length", "0")
        moto.close()
        if handler.command == "HEAD" and response.status == 404 and "s3:ListBucket" in self.denied:
            # Only whoever may list a bucket is told what is not there.
            raise Refusal("AccessDenied", "Access Denied", 403, is_expected=True)
        if response.status == 500 and "uploadId=" in handler.path:
            # moto falls over parts of uploads that it does not know.
            raise Refusal("NoSuchUpload", "The specified upload does not exist.", 404,
                          is_expected=True)
        return response.status, headers, answer


def _is_of_object(handler):
    """Whether a request to S3 names more than a bucket."""
    return "/" in handler.path.partition("?")[0].strip("/")


def check_signature(handler, body):
    """Signature version 4, computed again from what came."""
    wrong = Refusal("InvalidSignatureException", "the signature does not match", 403)
    scheme, _, rest = handler.headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if scheme != "AWS4-HMAC-SHA256" or set(fields) != {"Credential", "SignedHeaders", "Signature"}:
        raise Refusal("MissingAuthenticationTokenException", "not signed", 403)
    key, *scope = fields["Credential"].split("/")
    date, region, service, end = scope
    digest = hashlib.sha256(body).hexdigest()
    told = handler.headers.get("x-amz-content-sha256")
    if key != ACCESS_KEY or region != REGION or end != "aws4_request" or told not in (None, digest):
        raise wrong
    stamp = handler.headers["x-amz-date"]
    names = fields["SignedHeaders"].split(";")
    if "host" not in names or (service == "s3" and "x-amz-content-sha256" not in names):
        raise wrong
    path, _, query = handler.path.partition("?")
    # Only S3 takes its paths as they are.
    path = path if service == "s3" else urllib.parse.quote(path)
    headers = "".join(f"{name}:{handler.headers[name].strip()}\n" for name in names)
    request = "\n".join([handler.command, path, query, headers, ";".join(names), digest])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, "/".join(scope),
                      hashlib.sha256(request.encode()).hexdigest()])
    secret = f"AWS4{SECRET_KEY}".encode()
    for part in scope:
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    if hmac.new(secret, text.encode(), hashlib.sha256).hexdigest() != fields["Signature"]:
        raise wrong


def check_time(handler):
    """Five minutes, for S3 fifteen."""
    stamp = datetime.datetime.strptime(handler.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    off = time.time() - stamp.replace(tzinfo=datetime.timezone.utc).timestamp()
    if "/s3/" in handler.headers["authorization"]:
        if abs(off) > 900:
            raise Skewed("RequestTimeTooSkewed", "The difference between the request time and the "
                         "current time is too large.", 403, is_expected=True)
    elif off > 300:
        raise Skewed("InvalidSignatureException", f"Signature expired: {off} s", is_expected=True)
    elif off < -300:
        raise Skewed("InvalidSignatureException", f"Signature not yet current: {off} s",
                     is_expected=True)


def check_events(request):
    events = request["logEvents"]
    times = [event["timestamp"] for event in events]
    size = sum(len(event["message"].encode()) + 26 for event in events)
    day = 24 * 3_600_000
    for is_wrong, message in [
        (not 1 <= len(events) <= 10_000, f"{len(events)} events"),
        (size > 1_048_576, f"{size} octets"),
        (times != sorted(times), "not in chronological order"),
        (times and times[-1] - times[0] > day, "spans more than 24 hours"),
        (any(not event["message"] for event in events), "an event is empty"),
        (request["logGroupName"].startswith("aws/"), "the group's name begins with aws/"),
        (":" in request["logStreamName"] or "*" in request["logStreamName"], "the stream's name"),
    ]:
        if is_wrong:
            raise Refusal("InvalidParameterException", message)


def check_put_events(entries):
    """What an entry counts: its time 14 octets, source, type and detail their own."""
    size = sum(14 + sum(len(entry[key].encode()) for key in ("Source", "DetailType", "Detail"))
               for entry in entries)
    for is_wrong, message in [
        (not 1 <= len(entries) <= 10, f"{len(entries)} entries"),
        (size > 262_144, f"{size} octets"),
    ]:
        if is_wrong:
            raise Refusal("ValidationException", message, is_expected=not entries)


def of_reserved_sources(entries):
    """AWS takes no event of its own sources from others, in an answer of success."""
    failed = [entry["Source"].startswith("aws.") for entry in entries]
    if not any(failed):
        return None
    refused = {"ErrorCode": "NotAuthorizedForSourceException",
               "ErrorMessage": "Not authorized for the source."}
    told = [refused if is_failed else {"EventId": "an-event"} for is_failed in failed]
    return json.dumps({"FailedEntryCount": sum(failed), "Entries": told}).encode()


def check_metrics(request, size):
    data, now = request["MetricData"], time.time()
    values = [value for datum in data for value in datum.get("Values", [datum.get("Value")])]
    for is_wrong, message in [
        (request["Namespace"].startswith("AWS/"),
         "The value AWS/ for parameter Namespace is invalid."),
        (not 1 <= len(data) <= 1_000, f"{len(data)} data"),
        (size > 1_000_000, f"{size} octets"),
        (any(len(datum.get("Values", [])) > 150 for datum in data), "more than 150 values"),
        (any(len(datum.get("Values", [])) != len(datum.get("Counts", datum.get("Values", [])))
             for datum in data), "values and counts differ"),
        (any(len(datum.get("Dimensions", [])) > 30 for datum in data), "more than 30 dimensions"),
        (any(value is None or abs(value) > 2 ** 360 for value in values), "a value"),
        (any(not now - 14 * 86_400 - 60 <= datum["Timestamp"] <= now + 7_260 for datum in data),
         "Timestamp"),
    ]:
        if is_wrong:
            raise Refusal("InvalidParameterValue", message)


def check_object(handler, body):
    import base64

    told = handler.headers.get("x-amz-checksum-sha256")
    if told != base64.b64encode(hashlib.sha256(body).digest()).decode():
        raise Refusal("BadDigest", "the checksum does not match")
    if len(urllib.parse.unquote(handler.path).split("/", 2)[2].encode()) > 1_024:
        raise Refusal("KeyTooLongError", "the key is too long")
