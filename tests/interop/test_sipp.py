"""sipp calls sipp through the edge, with audio both ways."""

import itertools

import pytest

from harness import places
from harness.configuration import CONNECTOR

MEDIA_FIELDS = {
    "voice_connector_id", "event_timestamp", "call_id", "from_sip_user", "from_country",
    "to_sip_user", "to_country", "endpoint_id", "aws_region",
    *(f"{path}_{field}" for path in ("cust2vc", "vc2cust", "rem2vc", "vc2rem")
      for field in ("rtp_packets", "rtp_bytes", "rtcp_packets", "rtcp_bytes", "packets_lost",
                    "jitter")),
    "rtt_btwn_vc_and_cust", "mos_btwn_vc_and_cust", "rtt_btwn_vc_and_rem", "mos_btwn_vc_and_rem",
}

TALK_MS = 3_000
PACKETS = TALK_MS // 20
RTP_BYTES = 12 + 160


def assert_media_line(line, calling, called):
    assert MEDIA_FIELDS <= line.keys(), MEDIA_FIELDS - line.keys()
    assert line["voice_connector_id"] == CONNECTOR
    assert (line["from_sip_user"], line["to_sip_user"]) == (calling, called)
    assert (line["aws_region"], line["endpoint_id"]) == ("us-east-1", "edge-t")
    for came, went in (("cust2vc", "vc2rem"), ("rem2vc", "vc2cust")):
        packets = line[f"{came}_rtp_packets"]
        # The called side plays until the BYE has come, the caller for exactly its pause.
        assert 0.9 * PACKETS <= packets <= 1.3 * PACKETS, (came, packets)
        assert line[f"{came}_rtp_bytes"] == packets * RTP_BYTES
        assert line[f"{came}_packets_lost"] == 0, came
        # Microseconds. sipp's own pacing on a busy machine is in it.
        assert 0 <= line[f"{came}_jitter"] < 200_000, (came, line[f"{came}_jitter"])
        # The first packets can come before the other side's address is known.
        assert packets - 10 <= line[f"{went}_rtp_packets"] <= packets, (went, line)
    for side in ("cust", "rem"):
        assert 3.8 <= line[f"mos_btwn_vc_and_{side}"] <= 4.4, side
        # sipp sends no RTCP: the round trip is unknown, which is not zero.
        assert line[f"rtt_btwn_vc_and_{side}"] is None


def assert_record(record, direction, calling, called, source):
    assert record["direction"] == direction
    assert (record["from_user"], record["to_user"]) == (calling, called)
    assert record["source"].startswith(source)
    assert record["voice_connector_id"] == CONNECTOR
    assert record["end"]["status"] == 200
    assert record["end"]["ended_by"] == "leg_a"
    times = record["times"]
    assert times["attempted"] <= times["ringing"] <= times["answered"] <= times["ended"]
    assert 0.9 * TALK_MS <= times["ended"] - times["answered"] <= 1.5 * TALK_MS
    for quality in record["quality"]:
        assert quality["codec"] == "PCMU"
        assert quality["lost_packets"] == 0 and quality["wrong_source"] == 0
    sent = [step["start_line"].split(" ")[0] for step in record["ladder"]
            if step["leg"] == "B" and step["direction"] == "sent"]
    # A busy client says its 2xx again, and each one is acknowledged.
    assert [method for method, _ in itertools.groupby(sent)] == ["INVITE", "ACK", "BYE"], sent


def assert_detail_record(record, direction, calling, called):
    assert record["Status"] == "Completed"
    assert record["Direction"] == direction
    assert record["VoiceConnectorId"] == CONNECTOR
    assert record["AwsAccountId"] == "111122223333"
    assert (record["SourcePhoneNumber"], record["DestinationPhoneNumber"]) == (calling, called)
    assert TALK_MS / 1000 <= record["BillableDurationSeconds"] <= TALK_MS / 1000 + 2
    assert record["EndTimeEpochSeconds"] >= record["StartTimeEpochSeconds"]


def assert_no_inner_address(edge, hidden):
    """Topology hiding: what one side told of itself is in no message to the other."""
    sent = [line["sip_message"] for line in edge.sip_log()]
    towards = {}
    for message in sent:
        towards.setdefault("secret-pbx" in message or "secret-gateway" in message, []).append(message)
    assert towards.get(True), "the clients name themselves in what they send"
    ours = [m for m in sent if m.startswith("INVITE") and f"Via: SIP/2.0/UDP {places.EDGE}" in m
            or m.startswith("INVITE") and f"Via: SIP/2.0/TCP {places.EDGE}" in m]
    assert ours, "INVITEs of the edge are in the SIP message log"
    for message in ours:
        for text in hidden:
            assert text not in message, f"{text} leaks in\n{message}"
        assert "X-Trace: kept-" in message


@pytest.mark.parametrize("caller", ["udp", "tcp"])
@pytest.mark.parametrize("called", ["udp", "tcp"])
def test_outbound(stage, caller, called):
    calls = 4
    server = stage.uas(places.CARRIER, transport=called, calls=calls, hertz=1_000)
    stage.configuration.carriers[0].update(port=server.port, transport=called)
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, transport=caller, calls=calls,
                       talk_ms=TALK_MS, hertz=440)
    statistics = client.wait(30)
    assert int(statistics["SuccessfulCall(C)"]) == calls
    assert int(statistics["FailedCall(C)"]) == 0
    server.wait(10)
    records = edge.wait_records(calls)
    edge.wait_idle()
    assert len(records) == calls
    for record in records:
        assert_record(record, "Outbound", "+12065550111", places.US_NUMBER, places.PBX)
        assert [route["protocol"] for route in record["routes"]] == [called]
        assert record["routes"][0]["carrier"] == "pstn-1"
    lines = edge.last_media_lines()
    assert lines.keys() == {record["transaction_id"] for record in records}
    for line in lines.values():
        assert_media_line(line, "+12065550111", places.US_NUMBER)
        assert (line["from_country"], line["to_country"]) == ("US", "US")
    details = edge.detail_records()
    assert len(details) == calls
    for detail in details:
        assert_detail_record(detail, "Outbound", "+12065550111", places.US_NUMBER)
    assert_no_inner_address(edge, [places.PBX, "secret-pbx"])
    labels = {"voice_connector": CONNECTOR, "direction": "outbound"}
    assert edge.metric("tandem_call_attempts_total", **labels) == calls
    assert edge.metric("tandem_calls_answered_total", **labels) == calls
    assert edge.metric("tandem_call_failures_total", **labels) == 0
    assert edge.metric("tandem_calls_active", **labels) == 0
    assert edge.metric("tandem_relay_streams") == 0
    for path in ("cust2vc", "vc2cust", "rem2vc", "vc2rem"):
        told = sum(line[f"{path}_rtp_packets"] for line in lines.values())
        assert edge.metric("tandem_rtp_packets_total", voice_connector=CONNECTOR, path=path) == told


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_outbound_over_ipv6(stage, transport):
    """Signalling and media on [::1], from end to end."""
    calls = 2
    configuration = stage.configuration
    server = stage.uas(places.IPV6, transport=transport, calls=calls, hertz=1_000)
    # One address is everybody's here: whoever comes from it is the customer.
    configuration.host = places.IPV6
    configuration.sip_port = places.free_port(places.IPV6)
    configuration.carriers[0].update(host=places.IPV6, port=server.port, transport=transport,
                                     inbound_cidrs=["2001:db8::/32"])
    configuration.termination["cidr_allowed_list"] = [f"{places.IPV6}/128"]
    edge = stage.start_edge()
    client = stage.uac(places.IPV6, places.US_NUMBER, transport=transport, calls=calls,
                       talk_ms=TALK_MS, hertz=440)
    statistics = client.wait(30)
    assert int(statistics["SuccessfulCall(C)"]) == calls
    server.wait(10)
    records = edge.wait_records(calls)
    edge.wait_idle()
    for record in records:
        assert_record(record, "Outbound", "+12065550111", places.US_NUMBER, f"[{places.IPV6}]")
        assert record["routes"][0]["destination"] == f"[{places.IPV6}]:{server.port}"
    lines = edge.last_media_lines()
    assert len(lines) == calls
    for line in lines.values():
        assert_media_line(line, "+12065550111", places.US_NUMBER)
    offers = [line["sip_message"] for line in edge.sip_log()
              if line["sip_message"].startswith("INVITE")]
    assert offers and all(f"c=IN IP6 {places.IPV6}\r\n" in offer for offer in offers), offers


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_inbound(stage, transport):
    calls = 3
    server = stage.uas(places.PBX, transport=transport, calls=calls, hertz=1_000)
    stage.configuration.origination[0].update(port=server.port, protocol=transport)
    edge = stage.start_edge()
    client = stage.uac(places.CARRIER, places.NUMBER, transport=transport, calls=calls,
                       talk_ms=TALK_MS, hertz=440, host=places.EDGE, calling=places.JP_NUMBER)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == calls
    server.wait(10)
    records = edge.wait_records(calls)
    edge.wait_idle()
    for record in records:
        assert_record(record, "Inbound", places.JP_NUMBER, places.NUMBER, places.CARRIER)
        assert record["routes"][0]["carrier"] is None
    lines = edge.last_media_lines()
    assert len(lines) == calls
    for line in lines.values():
        assert_media_line(line, places.JP_NUMBER, places.NUMBER)
        assert (line["from_country"], line["to_country"]) == ("JP", "US")
    for detail in edge.detail_records():
        assert_detail_record(detail, "Inbound", places.JP_NUMBER, places.NUMBER)
    labels = {"voice_connector": CONNECTOR, "direction": "inbound"}
    assert edge.metric("tandem_calls_answered_total", **labels) == calls
