"""Traces over OTLP: a strict collector reads them with OpenTelemetry's own messages."""

import json
import subprocess
import time

import pytest

from harness import otlp, places, tls
from harness.configuration import carrier
from harness.edge import BINARY
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

OFFER = sdp(places.PBX, 40_000)


@pytest.fixture
def collector(stage):
    collector = otlp.Collector()
    stage.configuration.traces = {"endpoint": collector.url}
    yield collector
    collector.stop()
    assert not collector.problems, collector.problems


class Parties:
    """Two scripted peers, and the edge between them."""

    def __init__(self, stage):
        self.stage = stage
        self.carrier = stage.carrier_peer()
        self.edge = stage.start_edge()
        self.pbx = stage.peer(places.PBX)

    def call(self):
        """A call that is answered and hung up; its record."""
        before = len(self.edge.call_records())
        call, _ = self.stage.established(self.pbx, self.carrier)
        self.stage.hang_up(call, self.carrier)
        return self.edge.wait_records(before + 1)[-1]


def milliseconds(nanoseconds):
    return nanoseconds / 1e6


def test_an_answered_call_is_a_tree(stage, collector):
    collector.key = "k3y"
    stage.configuration.traces |= {
        "headers": {"x-api-key": "k3y"}, "timeout": "5s",
        "attributes": {"service.name": "edge", "deployment.environment.name": "test"}}
    parties = Parties(stage)
    began = time.time_ns()
    record = parties.call()
    tree = collector.wait_trace(record["transaction_id"])
    assert tree.transactions("A") == [("server", "INVITE", 200), ("server", "BYE", 200)]
    assert tree.transactions("B") == [("client", "INVITE", 200), ("client", "BYE", 200)]
    assert tree.errors() == []
    call = tree.call
    assert tree.root.name == "call outbound"
    assert call["sip.call.transaction_id"] == record["transaction_id"]
    assert call["sip.call_id"] == record["call_id"]
    assert (call["sip.call.status_code"], call["sip.call.answered"]) == (200, True)
    assert call["sip.call.carrier"] == record["routes"][0]["carrier"]
    assert call["sip.call.to"] == f"+*******{places.US_NUMBER[-4:]}"
    assert places.US_NUMBER not in str(tree.spans), "numbers are hidden"
    resource = collector.resources[0]
    assert resource["service.name"] == "edge" and resource["service.instance.id"] == "edge-t"
    assert resource["deployment.environment.name"] == "test" and resource["service.version"]
    # The times are those of the events, not of the export.
    offset = milliseconds(tree.root.start_time_unix_nano) - record["times"]["attempted"]
    assert abs(offset) < 50 and tree.root.start_time_unix_nano > began - 5e6
    invite = tree.one("INVITE", "client")
    assert [otlp.attributes(event)["sip.status_code"] for event in invite.events] == [180]
    told = otlp.attributes(invite)
    assert (told["network.peer.address"], told["network.peer.port"]) == (
        places.CARRIER, parties.carrier.port)
    assert told["network.transport"] == told["sip.transport"] == "udp"
    assert [event.name for event in tree.leg("B").events] == ["sip.route", "ACK"]
    wait_until(lambda: parties.edge.metric("tandem_trace_spans_total", outcome="exported") == 7, 10,
               "seven spans are counted")
    assert parties.edge.metric("tandem_trace_exports_total", result="taken") == 1


def test_media_says_how_both_sides_heard(stage, collector):
    gateway = stage.uas(places.CARRIER)
    stage.configuration.carriers[0].update(port=gateway.port)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", 440)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    wait_until(edge.last_media_lines, 15, "a report of the media")
    pbx.do("hangup")
    gateway.wait(10)
    record, = edge.wait_records(1)
    tree = collector.wait_trace(record["transaction_id"])
    a, b = record["quality"]
    assert tree.call["sip.call.mos.customer"] == pytest.approx(a["mos"], abs=0.01)
    assert tree.call["sip.call.mos.remote"] == pytest.approx(b["mos"], abs=0.01)
    leg = otlp.attributes(tree.leg("A"))
    assert leg["sip.leg.received_packets"] == a["received_packets"] > 0
    assert leg["sip.leg.codec"] == a["codec"]


def test_a_failed_call_says_why(stage, collector):
    second = stage.peer(places.SECOND_CARRIER)
    stage.configuration.carriers.append(
        carrier("pstn-2", places.SECOND_CARRIER, second.port, priority=2))
    parties = Parties(stage)
    call = OutgoingCall(parties.pbx, parties.edge, places.US_NUMBER, OFFER)
    first = parties.carrier.expect_request("INVITE")
    parties.carrier.reply(first, 503, "Service Unavailable")
    invite = second.expect_request("INVITE")
    second.reply(invite, 404, "Not Found")
    assert call.final().status == 404
    record, = parties.edge.wait_records(1)
    tree = collector.wait_trace(record["transaction_id"])
    assert tree.transactions("A") == [("server", "INVITE", 404)]
    assert tree.transactions("B") == [("client", "INVITE", 503), ("client", "INVITE", 404)]
    routes = [event for event in tree.leg("B").events if event.name == "sip.route"]
    assert [otlp.attributes(route)["sip.call.carrier"] for route in routes] == ["pstn-1", "pstn-2"]
    assert {span.name for span in tree.errors()} == {"call outbound", "INVITE"}
    said = parties.edge.command("report", record["transaction_id"], "--config",
                                str(parties.edge.file))
    reason = tree.call["sip.call.reason"]
    assert tree.root.status.message == reason and "404" in reason
    assert "".join(reason.split())[:20] in "".join(said.split()), "the sentence of tandem report"
    assert (tree.call["error.type"], tree.call["sip.call.answered"]) == ("404", False)


def test_a_cancelled_call_is_no_error(stage, collector):
    parties = Parties(stage)
    call = OutgoingCall(parties.pbx, parties.edge, places.US_NUMBER, OFFER)
    invite = parties.carrier.expect_request("INVITE")
    parties.carrier.reply(invite, 180, "Ringing")
    call.status(180)
    call.cancel()
    cancel = parties.carrier.expect_request("CANCEL")
    parties.carrier.reply(cancel, 200, "OK")
    parties.carrier.reply(invite, 487, "Request Terminated")
    assert call.final().status == 487
    record, = parties.edge.wait_records(1)
    tree = collector.wait_trace(record["transaction_id"])
    assert tree.transactions("A") == [("server", "INVITE", 487), ("server", "CANCEL", 200)]
    assert tree.transactions("B") == [("client", "INVITE", 487), ("client", "CANCEL", 200)]
    assert tree.errors() == [] and tree.call["sip.call.status_code"] == 487


@pytest.mark.parametrize("trouble", [503, 429, "slow", "closed", "refused"])
def test_an_outage_costs_no_call_and_what_fits_arrives(stage, collector, trouble):
    stage.configuration.traces["timeout"] = "500ms"
    if trouble == "refused":
        collector.close()
    else:
        collector.trouble = trouble
    collector.retry_after = "1" if trouble == 429 else None
    parties = Parties(stage)
    first = parties.call()
    wait_until(lambda: parties.edge.metric("tandem_trace_exports_total", result="again") >= 1, 20,
               "an attempt failed")
    assert parties.edge.said("the collector does not take traces")
    second = parties.call()
    assert collector.traces() == {}
    collector.recover()
    for record in (first, second):
        collector.wait_trace(record["transaction_id"], 40)
    wait_until(lambda: parties.edge.said("the collector takes traces again"), 10, "it is said")
    assert parties.edge.metric("tandem_trace_spans_total", outcome="failed") == 0
    assert parties.edge.metric("tandem_trace_last_error_timestamp_seconds") > time.time() - 120
    assert parties.edge.metric("tandem_recorder_dropped_total") == 0


def test_what_is_rejected_is_counted(stage, collector):
    collector.reject = 2
    parties = Parties(stage)
    record = parties.call()
    collector.wait_trace(record["transaction_id"])
    wait_until(lambda: parties.edge.metric("tandem_trace_spans_total", outcome="rejected") == 2, 10,
               "two rejected spans")
    assert parties.edge.metric("tandem_trace_spans_total", outcome="exported") == 5
    assert parties.edge.said("2 of 7 spans were rejected: the test says so")


def test_the_rest_is_sent_when_the_node_stops(stage, collector):
    stage.configuration.traces |= {"compression": "none", "numbers": "hashed"}
    parties = Parties(stage)
    call, _ = stage.established(parties.pbx, parties.carrier)
    stage.hang_up(call, parties.carrier)
    parties.edge.stop()
    record, = parties.edge.call_records()
    call = collector.wait_trace(record["transaction_id"], 0.1).call
    called = call["sip.call.to"]
    assert called.startswith("h") and len(called) == 17 and called != call["sip.call.from"]


def test_a_key_goes_over_tls(stage, tmp_path, monkeypatch):
    authority = tls.Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    collector = otlp.Collector(key="k3y", pair=authority.issue("collector", f"IP:{places.EDGE}"))
    stage.configuration.traces = {"endpoint": collector.url, "headers": {"x-api-key": "k3y"}}
    try:
        parties = Parties(stage)
        collector.wait_trace(parties.call()["transaction_id"])
        assert not parties.edge.said("k3y")
    finally:
        collector.stop()


def test_nothing_is_sent_unless_it_is_asked_for(stage, collector):
    """Neither without the section nor for a share of nothing."""
    stage.configuration.traces["sample"] = 0
    parties = Parties(stage)
    parties.call()
    parties.edge.stop()
    stage.configuration.traces = {}
    stage.edge = parties.edge = stage.start_edge()
    parties.call()
    assert "tandem_traces_queued" not in parties.edge.metrics()
    parties.edge.stop()
    assert collector.requests == 0


def test_the_doctor_asks_the_collector(stage, collector):
    def asked():
        told = subprocess.run([BINARY, "doctor", "--config", file, "--json"], capture_output=True,
                              text=True, timeout=60)
        finding, = [each for each in json.loads(told.stdout) if each["area"] == "traces"]
        return finding

    file = stage.directory / "tandem.toml"
    file.write_text(stage.configuration.text())
    found = asked()
    assert found["state"] == "fine" and "takes traces" in found["found"], found
    assert collector.requests == 1 and collector.traces() == {}, "a request without spans"
    collector.trouble = 404
    found = asked()
    assert found["state"] == "warning" and "status 404" in found["found"], found
    assert "4318" in found["advice"]
    collector.trouble = 503
    assert "takes nothing now: status 503" in asked()["found"]
    collector.close()
    found = asked()
    assert found["state"] == "warning" and "firewalls" in found["advice"], found
