"""What of people's numbers is in the files, copies and log lines of a node, and who can read them."""

import json
import os
import stat
import subprocess

import pytest

from harness import places
from harness.edge import BINARY
from harness.sipp import is_bound
from harness.waiting import wait_until
from test_hep import Collector

CALLER = "+12065550111"


@pytest.fixture
def collector():
    collector = Collector(places.EDGE)
    yield collector
    collector.stop()


@pytest.fixture
def open_umask():
    """Whatever the system grants by default, the node must not."""
    before = os.umask(0)
    yield
    os.umask(before)


def call(stage, edge, port):
    with subprocess.Popen([BINARY, "answer", "--listen", f"{places.CARRIER}:{port}"],
                          stdout=subprocess.DEVNULL) as answer:
        try:
            wait_until(lambda: is_bound("udp", places.CARRIER, port), 10, "`answer` listens")
            subprocess.run(
                [BINARY, "call", f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}", "--local",
                 places.PBX, "--from", CALLER, "--seconds", "1", "--json"],
                check=True, stdout=subprocess.DEVNULL, timeout=30)
        finally:
            answer.terminate()
    record, = edge.wait_records(1)
    return record


def texts(directory):
    for path, _, files in os.walk(directory):
        for name in files:
            if name != "tandem.sock":
                with open(os.path.join(path, name), "rb") as file:
                    yield os.path.join(path, name), file.read()


def finds(edge, number):
    answer = subprocess.run([BINARY, "calls", "--config", edge.file, "--json", "--number", number],
                            capture_output=True, text=True, timeout=30, check=True)
    return [found["transaction_id"] for found in json.loads(answer.stdout)], answer.stderr


@pytest.mark.parametrize("numbers", ["masked", "hashed"])
def test_numbers_leave_the_node_in_no_sink(stage, collector, open_umask, numbers):
    """A call, its files of every kind, HEP and the log; found again by its number all the same."""
    port = places.free_port(places.CARRIER)
    stage.configuration.carriers[0].update(port=port)
    stage.configuration.hep = {"target": collector.address}
    stage.configuration.privacy = {"numbers": numbers, "bodies": "sdp_without_keys"}
    edge = stage.start_edge()
    record = call(stage, edge, port)
    assert record["numbers"] == numbers, record
    wait_until(lambda: finds(edge, CALLER)[0] == [record["transaction_id"]], 10,
               "the call is found by its number")
    assert finds(edge, "+12065550112")[0] == []
    by_end, said = finds(edge, "0111")
    assert by_end == ([record["transaction_id"]] if numbers == "masked" else []), said
    assert numbers == "masked" or "write the whole number" in said, said
    edge.stop()
    shown = 4 if numbers == "masked" else 0
    everything = list(texts(edge.data_dir))
    kinds = ["calls/", "s3/", "ChimeVoiceConnectorSipMessages", "ChimeVoiceConnectorLogs",
             "calls.sqlite"]
    for kind in kinds:
        assert any(kind in path for path, _ in everything), (kind, [path for path, _ in everything])
    copies = [packet[15] for packet in collector.of_kind(1)]
    assert len(copies) >= 8
    everything += [("HEP", copy) for copy in copies]
    everything.append(("the log", "\n".join(edge.lines).encode()))
    for number in (CALLER, places.US_NUMBER):
        digits = number.strip("+")
        for start in range(len(digits) - shown - 4):
            run = digits[start:start + shown + 5].encode()
            for where, octets in everything:
                assert run not in octets, (where, run)
    told = edge.command("report", record["transaction_id"], "--config", str(edge.file))
    assert f"{numbers} when the record was written" in told, told
    capture = edge.data_dir / "call.pcap"
    edge.command("report", record["transaction_id"], "--config", str(edge.file), "--pcap",
                 str(capture))
    # Some of the ports that a test may have are another protocol's to tshark.
    sources = subprocess.run(["tshark", "-r", capture, "-d", "udp.port==1-65535,sip", "-Y", "sip",
                              "-T", "fields", "-e", "ip.src"],
                             capture_output=True, text=True, check=True).stdout.split()
    assert len(sources) == len(record["ladder"]) and sources[0] == places.PBX, sources


def test_files_are_their_owner_s_alone(stage, open_umask):
    """Every file 0600 and every directory 0700, with a umask that would let everybody in."""
    port = places.free_port(places.CARRIER)
    stage.configuration.carriers[0].update(port=port)
    stage.configuration.privacy = {"numbers": "hashed"}
    stage.configuration.data_dir = stage.configuration.data_dir / "new" / "deep"
    edge = stage.start_edge()
    call(stage, edge, port)
    walked = 0
    for path, directories, files in os.walk(edge.data_dir):
        for name in directories + files:
            mode = os.lstat(os.path.join(path, name)).st_mode
            if stat.S_ISSOCK(mode):
                assert mode & 0o077 == 0, (path, name, oct(mode))
                continue
            expected = 0o700 if stat.S_ISDIR(mode) else 0o600
            assert stat.S_IMODE(mode) == expected, (path, name, oct(mode))
            walked += 1
    assert stat.S_IMODE(os.stat(edge.data_dir).st_mode) == 0o700
    assert walked > 10, walked


def test_an_open_directory_is_warned_of_and_stays_as_it_is(stage):
    """What an operator set stays; the log, `check` and `doctor` say what others can read."""
    data = stage.configuration.data_dir
    (data / "calls").mkdir(parents=True)
    # No name of a day: files of old days go.
    copied = data / "calls" / "copied.jsonl"
    copied.write_text("{}\n")
    for path, mode in ((copied, 0o644), (data / "calls", 0o755), (data, 0o755)):
        path.chmod(mode)
    edge = stage.start_edge()
    wait_until(lambda: edge.said("data_dir: "), 10, lambda: f"{edge.lines}")
    expected = f"{data} has mode 0755: other users of this host can read {copied}"
    assert edge.said(expected) and edge.said(f"chmod -R go= {data}"), edge.lines
    checked = subprocess.run([BINARY, "check", "--config", edge.file], capture_output=True, text=True,
                             timeout=30, check=True)
    assert expected in checked.stderr, checked
    told = subprocess.run([BINARY, "doctor", "--config", edge.file, "--json", "--offline"],
                          capture_output=True, text=True, timeout=60)
    found = [each for each in json.loads(told.stdout) if each["subject"] == "data_dir"]
    assert [each["state"] for each in found] == ["fine", "warning"], found
    assert found[1]["found"] == expected and found[1]["advice"] == f"chmod -R go= {data}"
    assert stat.S_IMODE(os.stat(data).st_mode) == 0o755
    edge.stop()
