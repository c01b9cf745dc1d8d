"""What else goes wrong around a node that sends its records to AWS; the books balance after each."""

import datetime
import http.server
import json
import os
import threading
import time
from pathlib import Path

import pytest

from harness import aws, places, tls
from harness.configuration import CONNECTOR
from harness.delivered import BUCKET, Caller, reconcile, sinks
from harness.disks import fill, small_disk
from harness.waiting import wait_until

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.fixture(autouse=True)
def everything_goes_there(stage, cloud):
    stage.configuration.sinks = sinks(cloud)


class Calendar:
    """The edge's calendar, which jumps as a test says; its monotonic clock does not."""

    def __init__(self, directory):
        self._file = Path(directory) / "calendar"
        self.jump("+0")
        self.environment = {
            "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}

    def jump(self, offset):
        """Such as "+3h", from the true time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        os.replace(fresh, self._file)


def attempts(cloud):
    """The calls that CloudWatch was told of."""
    now = datetime.datetime.now(datetime.timezone.utc)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="Tandem/VoiceConnector", MetricName="OutboundCallAttempts",
        Dimensions=[{"Name": "VoiceConnectorId", "Value": CONNECTOR},
                    {"Name": "Region", "Value": "us-east-1"}],
        StartTime=now - datetime.timedelta(hours=12), EndTime=now + datetime.timedelta(hours=2),
        Period=60, Statistics=["Sum"])["Datapoints"]
    return sum(point["Sum"] for point in points)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is missing: run tests/setup.sh")
def test_a_calendar_that_jumps_loses_nothing(stage, cloud, tmp_path):
    calendar = Calendar(tmp_path)
    caller = Caller(stage, environment=calendar.environment)
    caller.call()
    caller.drained()
    assert cloud.skewed == 0
    for jump in ["+3h", "-5h", "+40d", "-20d"]:
        skewed = cloud.skewed
        calendar.jump(jump)
        caller.call(2)
        caller.drained(30)
        assert cloud.skewed == skewed, "the service's time was known before"
    assert caller.edge.said("this node's clock and the service's are apart")
    # With the next start nothing is known of the service's time, and records have the wrong one.
    calendar.jump("+90m")
    caller.restart()
    caller.call()
    caller.drained(30)
    assert cloud.skewed > 0, "signed once by the calendar, then by the service's time"
    calendar.jump("-4h")
    caller.restart()
    caller.call()
    caller.drained(30)
    assert reconcile(cloud, caller.ids()) == 0
    # Minutes too: the last one is written, and delivered, at the end.
    caller.edge.stop()
    assert not cloud.refusals, cloud.refusals
    assert attempts(cloud) >= 1
    refused = list(caller.edge.data_dir.glob("outbox/*/refused.jsonl"))
    assert not any(file.read_text() for file in refused), refused


def test_calls_go_on_while_the_disk_is_full(stage, cloud):
    data = stage.configuration.data_dir
    with small_disk(data, 24):
        caller = Caller(stage)
        caller.call()
        caller.drained()
        fill(data / "ballast")
        cloud.refuse()
        caller.call(3, recorded=False)
        wait_until(lambda: caller.edge.metric("tandem_outbox_failed_writes_total") > 0, 20,
                   "a write failed")
        assert caller.edge.metric("tandem_outbox_unwritten_records") > 0
        (data / "ballast").unlink()
        caller.accepted()
        cloud.recover()
        caller.call(recorded=False)
        caller.drained()
        assert caller.edge.metric("tandem_outbox_not_accepted_total") == 0
        # The files' disk took no records of these calls: whose they are, S3 tells.
        ids = {each["TransactionId"] for each in cloud.objects(BUCKET).values()}
        assert len(ids) == caller.made
        reconcile(cloud, ids)
        caller.edge.stop()


@pytest.mark.parametrize("named_by", ["tls_ca", "AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_backend_has_its_own_authority(stage, tmp_path, monkeypatch, named_by):
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]:
        monkeypatch.delenv(variable, raising=False)
    authority = tls.Authority(tmp_path, "backend")
    pair = authority.issue("backend.test", f"IP:{places.EDGE}")
    backend = aws.Aws(pair=pair)
    try:
        stage.configuration.sinks = sinks(backend)
        caller = Caller(stage)
        caller.call()
        wait_until(lambda: caller.edge.said("certificate"), 30, lambda: f"{caller.edge.lines[-5:]}")
        assert not backend.requests, "nothing goes to whoever cannot prove that it is the backend"
        if named_by == "tls_ca":
            stage.configuration.sinks["tls_ca"] = str(authority.certificate)
        else:
            caller.environment = {named_by: str(authority.certificate)}
        caller.restart()
        caller.drained()
        reconcile(backend, caller.ids())
        caller.edge.stop()
    finally:
        backend.stop()


def test_connections_that_end_unsaid_lose_nothing(stage, cloud):
    cloud.trouble = "hung up"
    caller = Caller(stage)
    for _ in range(4):
        caller.call()
        caller.drained()
    reconcile(cloud, caller.ids())
    caller.edge.stop()


def test_a_throttled_service_is_left_alone_for_as_long_as_it_says(stage, cloud):
    caller = Caller(stage)
    caller.call()
    caller.drained()
    cloud.arrivals.clear()
    cloud.trouble = "told when"
    caller.call(2)
    wait_until(lambda: cloud.failed >= 4, 60, "it was asked twice by each")
    caller.accepted()
    cloud.recover()
    caller.drained()
    # Logs and S3 (and a minute, perhaps) have one request under way each, S3's of a batch at once.
    gaps = [later - earlier for earlier, later in zip(cloud.arrivals, cloud.arrivals[1:])]
    assert max(gaps) >= aws.RETRY_AFTER - 1, gaps
    assert cloud.failed <= 12, "no more than its own pauses allow"
    reconcile(cloud, caller.ids())
    caller.edge.stop()


class Container:
    """The credentials of a container's role, as its agent hands them out."""

    def __init__(self):
        self.token, self.lives, self.asked = "token-1", 3_600, 0
        container = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                container.asked += 1
                body = json.dumps(container.credentials()).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        port = places.free_port(places.EDGE)
        self._server = http.server.ThreadingHTTPServer((places.EDGE, port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://{places.EDGE}:{port}/credentials"

    def credentials(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        end = now + datetime.timedelta(seconds=self.lives)
        return {"AccessKeyId": aws.ACCESS_KEY, "SecretAccessKey": aws.SECRET_KEY,
                "Token": self.token, "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def container(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    container = Container()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url)
    yield container
    container.stop()


def test_credentials_that_expire_are_looked_up_again(stage, cloud, container):
    cloud.token = "token-1"
    caller = Caller(stage)
    caller.call()
    caller.drained()
    assert container.asked >= 2, "by each service"
    # They are revoked long before the end that they told, and the agent has no others for a while.
    cloud.token = "token-2"
    caller.call(2)
    wait_until(lambda: cloud.expired >= 2, 30, "they have expired")
    wait_until(lambda: caller.edge.said("the credentials have expired"), 30, "the log says so")
    caller.accepted()
    container.token = "token-2"
    caller.drained()
    reconcile(cloud, caller.ids())
    caller.edge.stop()


def test_credentials_are_replaced_before_they_expire(stage, cloud, container):
    container.lives = 303  # replaced five minutes before their end, so after three seconds
    caller = Caller(stage)
    caller.call()
    caller.drained()
    asked, received = container.asked, time.monotonic()
    cloud.token = container.token = "token-2"
    wait_until(lambda: time.monotonic() > received + 3, 10, "they are to be replaced")
    caller.call()
    caller.drained()
    assert container.asked >= asked + 2 and cloud.expired == 0
    reconcile(cloud, caller.ids())
    caller.edge.stop()
