"""What CloudWatch gets, minute by minute, adds up to what the page and the records say."""

import json
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from harness import places
from harness.configuration import CONNECTOR, carrier
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

PATHS = {"CustomerToVc": "cust2vc", "VcToCustomer": "vc2cust",
         "RemoteToVc": "rem2vc", "VcToRemote": "vc2rem"}
DASHBOARDS = Path(__file__).resolve().parents[2] / "configs/dashboards"
OWN = {"VoiceConnectorId": CONNECTOR, "Region": "us-east-1"}


def pairs(datum):
    """A datum as [(value, count)]."""
    if "Value" in datum:
        return [(datum["Value"], 1)]
    assert 0 < len(datum["Values"]) == len(datum["Counts"]) <= 150
    return list(zip(datum["Values"], datum["Counts"]))


class Told:
    """Everything that the lines tell under some dimensions."""

    def __init__(self, lines, dimensions):
        self._pairs, self.minutes = {}, {}
        for line in lines:
            assert line["Namespace"] == "Tandem/VoiceConnector"
            assert 0 < len(line["MetricData"]) <= 1_000
            for datum in line["MetricData"]:
                if {each["Name"]: each["Value"] for each in datum["Dimensions"]} == dimensions:
                    self._pairs.setdefault(datum["MetricName"], []).extend(pairs(datum))
                    self.minutes.setdefault(datum["MetricName"], []).append(datum["Timestamp"])

    def sum(self, name):
        return sum(value * count for value, count in self._pairs.get(name, []))

    def samples(self, name):
        return sum(count for _, count in self._pairs.get(name, []))

    def max(self, name):
        return max((value for value, _ in self._pairs.get(name, [])), default=0)

    def names(self):
        return set(self._pairs)


def play_calls(stage, talk_ms=4_000):
    """Two calls with audio, and a third one that the connector has no room for meanwhile."""
    server = stage.uas(places.CARRIER, calls=2, hertz=1_000)
    gateway = stage.peer(places.SECOND_CARRIER)
    stage.configuration.carriers = [
        carrier(port=server.port, prefixes=["+1"]),
        carrier("pstn-2", places.SECOND_CARRIER, gateway.port, prefixes=["+81"]),
    ]
    stage.configuration.termination["concurrent_calls_limit"] = 2
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, calls=2, talk_ms=talk_ms, hertz=440)
    edge.wait_metric("tandem_calls_answered_total", 2, 20)
    refused = OutgoingCall(stage.peer(places.PBX), edge, places.US_NUMBER, sdp(places.PBX, 40_000))
    assert refused.final().status == 503
    client.wait(30)
    server.wait(10)
    edge.wait_records(2)
    edge.wait_idle()
    return edge, gateway


def declined(stage, edge, gateway):
    call = OutgoingCall(stage.peer(places.PBX), edge, places.JP_NUMBER, sdp(places.PBX, 40_000))
    gateway.reply(gateway.expect_request("INVITE"), 486, "Busy Here")
    assert call.final().status == 486
    edge.wait_records(3)
    edge.wait_idle()


def test_the_minutes_add_up_to_the_page_and_the_records(stage):
    edge, gateway = play_calls(stage)
    # A minute is written two seconds after its end, while the node runs.
    wait_until(edge.metric_data, 70, "the first minute is written")
    declined(stage, edge, gateway)
    page = edge.metrics()
    records = [record for record in edge.call_records() if record["end"]["status"] != 503]
    edge.stop()
    own, node = Told(edge.metric_data(), OWN), Told(edge.metric_data(), {})

    def shown(name, **labels):
        return sum(value for have, value in page.get(name, []) if labels.items() <= have.items())

    for metric, name, count in [("OutboundCallAttempts", "tandem_call_attempts_total", 3),
                                ("OutboundCallsAnswered", "tandem_calls_answered_total", 2),
                                ("OutboundCallFailures", "tandem_call_failures_total", 1),
                                ("Throttles", "tandem_throttles_total", 1)]:
        assert own.sum(metric) == node.sum(metric) == shown(name) == count, metric
    for code in range(1, 7):
        assert node.sum(f"Sip{code}xxCodes") == shown("tandem_sip_responses_total",
                                                      **{"class": f"{code}xx"}), code
    for path, label in PATHS.items():
        for kind, name in [("Packets", "packets"), ("Bytes", "bytes")]:
            told = own.sum(f"{path}Rtp{kind}")
            assert told > 0
            assert told == shown(f"tandem_rtp_{name}_total", path=label), (path, kind)
        assert own.max(f"{path}PacketsLost") == 0 == shown("tandem_rtp_lost_packets_total",
                                                           path=label)
    # By leg: A is the customer's.
    for leg, came, went in [(0, "CustomerToVc", "VcToCustomer"), (1, "RemoteToVc", "VcToRemote")]:
        quality = [record["quality"][leg] for record in records if record["quality"][leg]]
        for field, metric in [("received_packets", f"{came}RtpPackets"),
                              ("received_bytes", f"{came}RtpBytes"),
                              ("received_rtcp_packets", f"{came}RtcpPackets"),
                              ("sent_packets", f"{went}RtpPackets"),
                              ("sent_rtcp_packets", f"{went}RtcpPackets")]:
            assert own.sum(metric) == sum(each[field] for each in quality), metric
    for side, came, name in [("customer", "CustomerToVc", "Customer"),
                             ("remote", "RemoteToVc", "Remote")]:
        assert own.samples(f"{came}Jitter") == shown("tandem_jitter_seconds_count", side=side) > 0
        score = f"MOSBetweenVcAnd{name}"
        assert own.samples(score) == shown("tandem_mos_count", side=side) > 0
        assert own.max(score) <= 4.4
    assert own.max("OutboundCallsActive") == 2 == node.max("VoiceConnectorActiveCallCount")
    # Whatever the dimensions, one connector is all that there is; some figures belong to nobody.
    for dimensions in [{"VoiceConnectorId": CONNECTOR}, {"Region": "us-east-1"}, {}]:
        assert Told(edge.metric_data(), dimensions).sum("CustomerToVcRtpBytes") \
            == own.sum("CustomerToVcRtpBytes")
    minutes = node.minutes["VoiceConnectorActiveCallCount"]
    assert len(minutes) >= 2 and minutes[0] % 60 == 0
    assert minutes == list(range(minutes[0], minutes[-1] + 60, 60)), "each once, none is missing"


def test_embedded_metrics_tell_the_same(stage):
    stage.configuration.sinks["cloudwatch"] = {"format": "emf", "namespace": "Other/Namespace"}
    edge, _ = play_calls(stage, talk_ms=2_000)
    page = edge.metric("tandem_rtp_packets_total", path="cust2vc")
    edge.stop()
    assert not edge.metric_data()
    packets, samples = {}, 0
    for event in edge.embedded_metrics():
        directive, = event["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Other/Namespace"
        assert event["_aws"]["Timestamp"] % 60_000 == 0
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert len(names) <= 100 and all(name in event for name in names)
        key = tuple(map(tuple, directive["Dimensions"]))
        packets[key] = packets.get(key, 0) + event.get("CustomerToVcRtpPackets", 0)
        samples += len(event.get("CustomerToVcJitter", []))
    assert packets == {(("VoiceConnectorId", "Region"), ("VoiceConnectorId",)): page,
                       (("Region",), ()): page}
    assert samples > 0


def test_cloudwatch_takes_the_dashboard_the_alarms_and_the_lines(stage):
    """As an operator would put them; moto stands in for CloudWatch and takes a little more than it."""
    server = ThreadedMotoServer(port=0)
    edge, _ = play_calls(stage, talk_ms=2_000)
    edge.stop()
    server.start()
    try:
        host, port = server.get_host_and_port()
        cloudwatch = boto3.client(
            "cloudwatch", region_name="us-east-1", endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="a", aws_secret_access_key="b")
        body = (DASHBOARDS / "cloudwatch-dashboard.json").read_text()
        answer = cloudwatch.put_dashboard(DashboardName="tandem", DashboardBody=body)
        assert not answer.get("DashboardValidationMessages")
        alarms = json.loads((DASHBOARDS / "cloudwatch-alarms.json").read_text())
        for alarm in alarms:
            cloudwatch.put_metric_alarm(**alarm)
        put = cloudwatch.describe_alarms()["MetricAlarms"]
        assert {each["AlarmName"] for each in put} == {each["AlarmName"] for each in alarms}
        for line in edge.metric_data():
            cloudwatch.put_metric_data(**line)
        told = cloudwatch.list_metrics(Namespace="Tandem/VoiceConnector")["Metrics"]
        assert {"Throttles", "CustomerToVcJitter", "MOSBetweenVcAndRemote"} <= {
            each["MetricName"] for each in told}
    finally:
        server.stop()
