"""The node's own minutes in CloudWatch, of real calls: what went in is what comes out."""

import datetime

import pytest

from harness import emf, places
from harness.configuration import CONNECTOR
from harness.waiting import wait_until

NAMESPACE = "Tandem/VoiceConnector"
OWN = {"VoiceConnectorId": CONNECTOR, "Region": "us-east-1"}
DIMENSIONS = [OWN, {"VoiceConnectorId": CONNECTOR}, {"Region": "us-east-1"}, {}]


@pytest.fixture(autouse=True)
def metrics_go_there(stage, cloud):
    stage.configuration.sinks = {"endpoint_url": cloud.url, "cloudwatch": {"kind": "aws"}}


def talk(stage):
    """Two calls with audio, whose minute is over before the node stops."""
    server = stage.uas(places.CARRIER, calls=2, hertz=1_000)
    stage.configuration.carriers[0].update(port=server.port)
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, calls=2, talk_ms=3_000, hertz=440)
    client.wait(30)
    server.wait(10)
    edge.wait_records(2)
    return edge


def told(lines, dimensions):
    """What the file's lines tell: {(metric, minute): [values]}; moto too looks only at these."""
    found = {}
    for line in lines:
        assert line["Namespace"] == NAMESPACE
        for datum in line["MetricData"]:
            have = {each["Name"]: each["Value"] for each in datum["Dimensions"]}
            if dimensions.items() <= have.items():
                pairs = zip(datum.get("Values", [datum.get("Value")]), datum.get("Counts", [1]))
                values = [value for value, count in pairs for _ in range(int(count))]
                found.setdefault((datum["MetricName"], datum["Timestamp"]), []).extend(values)
    return found


def test_every_minute_reaches_cloudwatch(stage, cloud):
    stage.configuration.sinks["cloudwatch"]["also_file"] = True
    edge = talk(stage)
    wait_until(edge.metric_data, 70, "the first minute is written, while the node runs")
    wait_until(lambda: edge.metric("tandem_outbox_entries") == 0, 20, "an empty outbox")
    edge.stop()
    assert not cloud.refusals, cloud.refusals
    lines = edge.metric_data()
    names = {name for name, _ in told(lines, OWN)}
    assert {"OutboundCallsAnswered", "CustomerToVcRtpPackets", "RemoteToVcJitter",
            "MOSBetweenVcAndCustomer", "VoiceConnectorActiveCallCount"} <= names
    assert len(names) >= 35, sorted(names)
    client = cloud.client("cloudwatch")
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    compared = 0
    for dimensions in DIMENSIONS:
        expected = told(lines, dimensions)
        by_name = {}
        for (name, minute), values in expected.items():
            by_name.setdefault(name, {})[minute] = values
        for name, minutes in by_name.items():
            points = client.get_metric_statistics(
                Namespace=NAMESPACE, MetricName=name, StartTime=now - day, EndTime=now + day,
                Period=60, Statistics=["Sum", "SampleCount", "Minimum", "Maximum"],
                Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            )["Datapoints"]
            came = {int(point["Timestamp"].timestamp()): point for point in points}
            assert came.keys() == minutes.keys(), (name, dimensions)
            for minute, values in minutes.items():
                point = came[minute]
                assert point["SampleCount"] == len(values), (name, minute)
                assert point["Sum"] == pytest.approx(sum(values)), (name, minute)
                assert (point["Minimum"], point["Maximum"]) == (min(values), max(values))
                compared += 1
    assert compared >= 4 * 35, compared
    listed = client.list_metrics(Namespace=NAMESPACE)["Metrics"]
    sets = {frozenset((each["Name"], each["Value"]) for each in metric["Dimensions"])
            for metric in listed if metric["MetricName"] == "CustomerToVcRtpPackets"}
    # moto lists no metric without dimensions beside one of its name that has some.
    assert sets | {frozenset()} == {frozenset(each.items()) for each in DIMENSIONS}


def test_embedded_metrics_reach_cloudwatch_logs(stage, cloud):
    stage.configuration.sinks.update(
        cloudwatch={"kind": "aws", "format": "emf"},
        logs={"kind": "aws", "also_file": True, "retention_days": 7})
    edge = talk(stage)
    page = edge.metric("tandem_rtp_packets_total", path="cust2vc")
    # What is written at the end is delivered before the end.
    edge.stop()
    assert not cloud.refusals, cloud.refusals
    group = "/aws/ChimeVoiceConnectorMetrics"
    assert cloud.groups()[group]["retentionInDays"] == 7
    messages = cloud.messages(group)
    assert {stream.rsplit("/", 3)[0] for stream in messages} == {"edge-t"}
    events = [event for stream in messages.values() for event in stream]
    assert len(events) == len(edge.embedded_metrics()) > 0
    packets, names = {}, set()
    for stamp, message in events:
        for namespace, name, dimensions, unit, values in emf.extracted(message):
            assert namespace == NAMESPACE
            names.add(name)
            if name == "CustomerToVcRtpPackets":
                assert unit == "Count" and stamp % 60_000 == 0
                key = frozenset(dimensions.items())
                packets[key] = packets.get(key, 0) + sum(values)
    assert packets == {frozenset(each.items()): page for each in DIMENSIONS}
    assert {"RemoteToVcJitter", "MOSBetweenVcAndRemote", "Throttles"} <= names


@pytest.mark.parametrize("form", ["business-calling", "both"])
def test_call_detail_records_in_the_form_of_business_calling(stage, cloud, form):
    cloud.make_bucket("voice-records")
    stage.configuration.sinks.update(
        cdr=form, s3={"kind": "aws", "bucket": "voice-records", "also_file": True})
    edge = talk(stage)
    edge.stop()
    assert not cloud.refusals, cloud.refusals
    objects = cloud.objects("voice-records")
    business = {key: value for key, value in objects.items()
                if key.startswith("Amazon-Chime-Business-Calling-CDRs/json/111122223333/")}
    assert len(business) == 2 and len(objects) == {"business-calling": 2, "both": 4}[form]
    records = {record["transaction_id"]: record for record in edge.call_records()}
    for key, document in business.items():
        assert all(isinstance(value, str) for value in document.values()), document
        id = document["CdrId"]
        assert id in records and document["ConferenceId"] == id
        assert key.rsplit("/", 1)[1].startswith(f"{id}_") and key.endswith(f"_{id}")
        assert document["CallerCountry"] == document["DestinationCountry"] == "US"
        assert document["ServiceCode"] == "AmazonChimeBusinessCalling"
        assert 3 <= int(document["BillableDurationSeconds"]) <= 5
        length = int(document["EndTimeEpochSeconds"]) - int(document["StartTimeEpochSeconds"])
        assert 2 <= length <= 5
        file = edge.data_dir / "s3" / key
        assert file.read_bytes() and file.stat().st_mode & 0o777 == 0o600
