"""Calls whose records go to AWS, and the books that must balance afterwards."""

from . import places
from .configuration import CONNECTOR
from .edge import Edge
from .waiting import wait_until

BUCKET = "voice-records"
SIP = f"/aws/ChimeVoiceConnectorSipMessages/{CONNECTOR}"
PREFIX = f"tandem/Amazon-Chime-Voice-Connector-CDRs/json/{CONNECTOR}/"


def sinks(cloud):
    """Everything goes to `cloud`."""
    cloud.make_bucket(BUCKET)
    return {"kind": "aws", "endpoint_url": cloud.url, "logs": {"retention_days": 30},
            "s3": {"bucket": BUCKET, "prefix": "tandem/"}}


class Caller:
    """Two scripted peers that make calls one after the other."""

    def __init__(self, stage, environment=None):
        self.stage = stage
        self.environment = environment
        self.carrier = stage.carrier_peer()
        self.edge = stage.start_edge(environment=environment)
        self.pbx = stage.peer(places.PBX)
        self.made = 0

    def call(self, count=1, recorded=True):
        """Unless `recorded`, the files' disk is known to take nothing."""
        for _ in range(count):
            call, _ = self.stage.established(self.pbx, self.carrier)
            self.stage.hang_up(call, self.carrier)
            self.made += 1
        if recorded:
            wait_until(lambda: len(self.edge.call_records()) >= self.made, 20, "the calls' records")

    def restart(self):
        """kill -9, and the next start on the same directory."""
        self.edge.kill()
        self.edge = self.stage.edge = Edge(self.stage.configuration, self.stage.directory,
                                           environment=self.environment)

    def accepted(self):
        """Waits until what was recorded is on disk."""
        wait_until(lambda: self.edge.metric("tandem_outbox_unwritten_records") == 0, 10,
                   "it is written")

    def failed(self, cloud):
        """Waits until an attempt failed."""
        wait_until(lambda: self.edge.metric("tandem_outbox_failures_in_a_row") > 0
                   or self.edge.metric("tandem_outbox_again_total") > 0 or cloud.failed > 0,
                   30, "an attempt failed")

    def drained(self, seconds=90):
        """Waits until every queue is empty."""
        wait_until(lambda: self.edge.metric("tandem_outbox_entries") == 0
                   and self.edge.metric("tandem_outbox_unwritten_records") == 0, seconds,
                   lambda: f"an empty outbox: {self.edge.metrics().get('tandem_outbox_entries')} "
                   f"{[line for line in self.edge.lines if 'WARN' in line][-5:]}")

    def ids(self):
        return {record["transaction_id"] for record in self.edge.call_records()}


def reconcile(cloud, ids):
    """Every record of these calls was delivered, once or marked; returns how often one was marked."""
    assert not cloud.refusals, cloud.refusals
    objects = cloud.objects(BUCKET)
    assert all(key.startswith(PREFIX) for key in objects)
    assert sorted(each["TransactionId"] for each in objects.values()) == sorted(ids)
    marked, told = 0, {}
    for stream, events in cloud.events(SIP).items():
        assert stream.startswith("edge-t/20")
        seen = set()
        for event in events:
            known = event["call_id"], event["event_timestamp"], event["sip_message"]
            again = event.pop("possible_duplicate", False)
            marked += again
            assert again or known not in seen, "an event came twice, unmarked"
            seen.add(known)
            told.setdefault(event["call_id"], set()).add(event["sip_message"].split("\r\n")[0])
    for id in ids:
        assert any(line.startswith("INVITE ") for line in told[id]), told[id]
        assert any(line.startswith("BYE ") for line in told[id]), told[id]
    return marked
