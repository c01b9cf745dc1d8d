"""Copies for a HEP collector. sngrep is one, and what it understood is read by Wireshark."""

import json
import signal
import struct
import subprocess

import pytest

from harness import places
from harness.hep import Collector
from harness.waiting import wait_until


@pytest.fixture
def collector():
    collector = Collector(places.EDGE)
    yield collector
    collector.stop()


def one_call(stage):
    """A call with audio through the edge; its record."""
    carrier = stage.uas(places.CARRIER)
    stage.configuration.carriers[0].update(port=carrier.port)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", 440)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    wait_until(edge.last_media_lines, 15, "a report of the media")
    pbx.do("hangup")
    carrier.wait(10)
    record, = edge.wait_records(1)
    edge.wait_idle()
    return edge, record


def test_sngrep_shows_the_call(stage, tmp_path):
    port = places.free_port(places.EDGE)
    capture = tmp_path / "seen.pcap"
    sngrep = subprocess.Popen(
        ["sngrep", "-N", "-q", "-F", "-L", f"udp:{places.EDGE}:{port}", "-O", capture],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        listening = f"{int(port):04X}"
        wait_until(lambda: any(line.split()[1].endswith(listening) for line
                               in open("/proc/net/udp").read().splitlines()[1:]),
                   10, "sngrep listens")
        stage.configuration.hep = {"target": f"{places.EDGE}:{port}", "quality": False, "rtcp": False}
        edge, record = one_call(stage)
        sent = edge.metric("tandem_hep_packets_total", result="sent")

        def seen():
            done = subprocess.run(
                ["tshark", "-r", capture, "-d", "udp.port==1-65535,sip", "-T", "fields",
                 "-e", "ip.src", "-e", "ip.dst", "-e", "udp.srcport", "-e", "udp.dstport",
                 "-e", "sip.Method", "-e", "sip.Status-Code"],
                capture_output=True, text=True, timeout=60)
            return [line.split("\t") for line in done.stdout.splitlines()]

        wait_until(lambda: len(seen()) >= sent, 20, lambda: f"{sent} messages: {seen()}")
    finally:
        sngrep.send_signal(signal.SIGTERM)
        sngrep.wait(10)
    shown = [method or status for *_, method, status in seen()]
    lines = [entry["start_line"].split() for entry in record["ladder"]]
    ladder = [line[1] if line[0] == "SIP/2.0" else line[0] for line in lines]
    assert shown[:len(ladder)] == ladder, "the copies have the call's last answer too"
    source, destination, from_port, to_port, method, _ = seen()[0]
    assert (source, destination, method) == (places.PBX, places.EDGE, "INVITE")
    assert int(to_port) == edge.port and int(from_port) > 1_024


def test_reports_of_both_legs_are_rtcp_with_the_call_id(stage, collector):
    stage.configuration.hep = {"target": collector.address, "capture_id": 2_001,
                               "password": "a key", "messages": False, "rtcp": False}
    edge, record = one_call(stage)
    reports = collector.of_kind(5)
    assert reports and len(reports) == len(collector.packets)
    told = [json.loads(report[15]) for report in reports]
    assert {each["leg"] for each in told} == {"A", "B"}
    last = next(each for each in reversed(told) if each["leg"] == "A")
    assert last["packets_received"] == record["quality"][0]["received_packets"]
    assert last["report_blocks"][0]["packets_lost"] == 0 and 4.0 < last["mos"] <= 4.5
    for report in reports:
        assert report[17].decode() == record["call_id"]
        assert (struct.unpack("!I", report[12]), report[14]) == ((2_001,), b"a key")


def test_copies_over_a_connection(stage, collector):
    collector.also_over_tcp()
    stage.configuration.hep = {"target": collector.address, "transport": "tcp"}
    edge, record = one_call(stage)
    sent = edge.metric("tandem_hep_packets_total", result="sent")
    wait_until(lambda: len(collector.packets) >= sent > 0, 10,
               lambda: f"{sent} packets: {len(collector.packets)}")
    assert edge.metric("tandem_hep_packets_total", result="failed") == 0
    lines = [packet[15].split(b"\r\n")[0].decode() for packet in collector.of_kind(1)]
    ladder = [entry["start_line"] for entry in record["ladder"]]
    assert lines[:len(ladder)] == ladder, "in order, each whole"
    assert collector.of_kind(5), "media reports too"


def test_a_voice_connector_that_is_left_out_is_in_no_copy(stage, collector):
    stage.configuration.hep = {"target": collector.address, "others": False}
    stage.configuration.logging["hep_sample"] = 0
    edge, _ = one_call(stage)
    assert edge.metric("tandem_calls_answered_total") == 1
    assert collector.packets == []
    assert edge.metric("tandem_hep_packets_total", result="sent") == 0


def test_a_collector_that_is_not_there_costs_nothing_but_a_count(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.hep = {"target": f"{places.EDGE}:{port}"}
    edge, record = one_call(stage)
    assert record["end"]["status"] == 200
    assert edge.metric("tandem_recorder_dropped_total", what="hep") == 0
