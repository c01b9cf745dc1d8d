"""Records in AWS: what is delivered, and what an outage of each kind does to it.

After each outage the books must balance: a call is in S3 once, and each of its log events is in
CloudWatch Logs once, or marked where it is there again.
"""

import json
import subprocess

import pytest

from harness import aws, places
from harness.configuration import CONNECTOR
from harness.edge import BINARY, Edge
from harness.waiting import wait_until

BUCKET = "voice-records"
SIP = f"/aws/ChimeVoiceConnectorSipMessages/{CONNECTOR}"
MEDIA = f"/aws/ChimeVoiceConnectorLogs/{CONNECTOR}"
PREFIX = f"tandem/Amazon-Chime-Voice-Connector-CDRs/json/{CONNECTOR}/"


@pytest.fixture
def cloud(stage, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    cloud = aws.Aws()
    cloud.make_bucket(BUCKET)
    stage.configuration.sinks = {
        "kind": "aws", "endpoint_url": cloud.url, "logs": {"retention_days": 30},
        "s3": {"bucket": BUCKET, "prefix": "tandem/"}}
    yield cloud
    cloud.stop()


class Caller:
    """Two scripted peers that make calls one after the other."""

    def __init__(self, stage):
        self.stage = stage
        self.carrier = stage.carrier_peer()
        self.edge = stage.start_edge()
        self.pbx = stage.peer(places.PBX)
        self.made = 0

    def call(self, count=1):
        for _ in range(count):
            call, _ = self.stage.established(self.pbx, self.carrier)
            self.stage.hang_up(call, self.carrier)
            self.made += 1
        wait_until(lambda: len(self.edge.call_records()) >= self.made, 20, "the calls' records")

    def restart(self):
        """kill -9, and the next start on the same directory."""
        self.edge.kill()
        self.edge = self.stage.edge = Edge(self.stage.configuration, self.stage.directory)

    def accepted(self):
        """Waits until what was recorded is on disk."""
        wait_until(lambda: self.edge.metric("tandem_outbox_unwritten_records") == 0, 10, "it is written")

    def drained(self, seconds=90):
        """Waits until every queue is empty."""
        wait_until(lambda: self.edge.metric("tandem_outbox_entries") == 0, seconds,
                   lambda: f"an empty outbox: {self.edge.metrics().get('tandem_outbox_entries')} "
                   f"{[line for line in self.edge.lines if 'WARN' in line][-5:]}")


def reconcile(cloud, caller):
    """Every record was delivered, once or marked; returns how often one was marked."""
    assert not cloud.refusals, cloud.refusals
    ids = {record["transaction_id"] for record in caller.edge.call_records()}
    objects = cloud.objects(BUCKET)
    assert all(key.startswith(PREFIX) for key in objects)
    assert sorted(each["TransactionId"] for each in objects.values()) == sorted(ids)
    marked = 0
    for stream, events in cloud.events(SIP).items():
        assert stream.startswith("edge-t/20")
        seen = set()
        for event in events:
            known = event["call_id"], event["event_timestamp"], event["sip_message"]
            again = event.pop("possible_duplicate", False)
            marked += again
            assert again or known not in seen, "an event came twice, unmarked"
            seen.add(known)
    told = {}
    for events in cloud.events(SIP).values():
        for event in events:
            told.setdefault(event["call_id"], set()).add(event["sip_message"].split("\r\n")[0])
    for id in ids:
        assert any(line.startswith("INVITE ") for line in told[id]), told[id]
        assert any(line.startswith("BYE ") for line in told[id]), told[id]
    return marked


def test_logs_and_records_arrive(stage, cloud):
    caller = Caller(stage)
    caller.call(2)
    caller.edge.wait_idle()
    caller.drained()
    assert reconcile(cloud, caller) == 0
    assert cloud.groups()[SIP]["retentionInDays"] == 30
    assert not (caller.edge.data_dir / "logs/aws").exists(), "what goes to AWS is no file"
    assert not (caller.edge.data_dir / "s3").exists()
    caller.edge.stop()


def test_files_are_written_as_well_where_asked_for(stage, cloud):
    stage.configuration.sinks["logs"]["also_file"] = True
    caller = Caller(stage)
    caller.call()
    caller.drained()
    reconcile(cloud, caller)
    assert len(caller.edge.sip_log()) == sum(map(len, cloud.events(SIP).values()))
    caller.edge.stop()


@pytest.mark.parametrize("trouble", ["refused", "error", "throttled", "half", "unanswered", "slow"])
def test_an_outage_and_a_crash_lose_nothing(stage, cloud, trouble):
    caller = Caller(stage)
    caller.call()
    caller.drained()
    if trouble == "refused":
        cloud.refuse()
    else:
        cloud.trouble = trouble
    caller.call(2)
    wait_until(lambda: caller.edge.metric("tandem_outbox_failures_in_a_row") > 0
               or caller.edge.metric("tandem_outbox_again_total") > 0 or cloud.failed > 0,
               30, "an attempt failed")
    caller.accepted()
    assert caller.edge.metric("tandem_outbox_entries") > 0
    caller.restart()
    caller.call()
    caller.accepted()
    cloud.recover()
    caller.drained()
    marked = reconcile(cloud, caller)
    if trouble == "unanswered":
        assert marked > 0, "what had arrived unheard was marked when it was sent again"
    caller.edge.stop()


def test_what_cannot_be_delivered_says_why(stage, cloud):
    stage.configuration.sinks["s3"]["bucket"] = "not-there"
    caller = Caller(stage)
    caller.call()
    wait_until(lambda: caller.edge.said("NoSuchBucket"), 30, lambda: f"{caller.edge.lines}")
    assert caller.edge.said("make the bucket not-there, or correct bucket of [sinks] s3")
    cloud.make_bucket("not-there")
    caller.drained()
    assert len(cloud.objects("not-there")) == 1
    caller.edge.stop()


def test_the_doctor_tells_what_waits_and_why(stage, cloud):
    def asked(caller):
        told = subprocess.run([BINARY, "doctor", "--config", caller.edge.file, "--json"],
                              capture_output=True, text=True, timeout=60)
        return {(f["area"], f["subject"]): f for f in json.loads(told.stdout)
                if f["area"].startswith("outbox ")}

    caller = Caller(stage)
    caller.call()
    caller.drained()
    cloud.refuse()
    caller.call()
    caller.accepted()
    wait_until(lambda: caller.edge.metric("tandem_outbox_failures_in_a_row", destination="s3") > 0,
               30, "an attempt failed")
    found = asked(caller)
    assert found["outbox s3", "waiting"]["found"].startswith("1 record(s), the oldest of ")
    assert found["outbox logs", "waiting"]["state"] == "fine", "it waits for its turn"
    error = found["outbox s3", "last error"]
    assert error["state"] == "warning" and cloud.url in error["found"], error
    assert "in a row failed" in error["advice"]
    caller.edge.stop()
    found = asked(caller)
    assert ("outbox s3", "last error") not in found, "nobody runs who could tell"
    assert found["outbox s3", "waiting"]["found"].startswith("1 record(s)")
