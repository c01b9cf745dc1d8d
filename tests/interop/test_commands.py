"""The command line, with the binary's own caller and called party."""

import json
import subprocess

from harness import places
from harness.configuration import CONNECTOR
from harness.edge import BINARY
from harness.sipp import is_bound
from harness.waiting import wait_until


def test_call_calls_report(stage):
    """`tandem call` through the edge to `tandem answer`, and what `calls` and `report` tell."""
    port = places.free_port(places.CARRIER)
    stage.configuration.carriers[0].update(port=port)
    edge = stage.start_edge()
    with subprocess.Popen([BINARY, "answer", "--listen", f"{places.CARRIER}:{port}"],
                          stdout=subprocess.DEVNULL) as answer:
        try:
            wait_until(lambda: is_bound("udp", places.CARRIER, port), 10, "`answer` listens")
            call = subprocess.Popen(
                [BINARY, "call", f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}", "--local",
                 places.PBX, "--from", "+12065550111", "--seconds", "3", "--json"],
                stdout=subprocess.PIPE, text=True)
            live = wait_until(lambda: [c for c in edge.calls() if c["state"] == "answered"], 10,
                              "the call is live")[0]
            assert live["transaction_id"] in edge.command("calls", "--config", str(edge.file))
            output, _ = call.communicate(timeout=20)
            assert call.returncode == 0, output
            outcome = json.loads(output)
            assert outcome, output
        finally:
            answer.terminate()
    record, = edge.wait_records(1)
    edge.wait_idle()
    assert record["transaction_id"] == live["transaction_id"]
    assert record["voice_connector_id"] == CONNECTOR
    for quality in record["quality"]:
        assert quality["received_packets"] >= 130 and quality["lost_packets"] == 0
        assert quality["mos"] >= 4.0
    told = edge.command("report", record["transaction_id"], "--config", str(edge.file))
    for text in ("INVITE", "200 OK", "BYE", "PCMU", record["transaction_id"]):
        assert text in told, told
    page, capture = edge.data_dir / "call.html", edge.data_dir / "call.pcap"
    edge.command("report", record["transaction_id"], "--config", str(edge.file),
                 "--html", str(page), "--pcap", str(capture))
    assert record["transaction_id"] in page.read_text() and "<svg" in page.read_text()
    methods = subprocess.run(
        ["tshark", "-r", capture, "-d", "udp.port==1-65535,sip", "-Y", "sip", "-T", "fields",
         "-e", "sip.CSeq.method", "-e", "sip.Status-Code", "-e", "sdp.media", "-e", "ip.src"],
        capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(methods) == len(record["ladder"]), methods
    assert methods[0].startswith("INVITE\t\taudio") and methods[0].endswith(places.PBX), methods
    assert any(line.startswith("BYE\t200") for line in methods), methods
    as_json = json.loads(edge.command("report", record["transaction_id"], "--config",
                                      str(edge.file), "--json"))
    assert as_json["transaction_id"] == record["transaction_id"]
    assert edge.command("calls", "--config", str(edge.file)).strip() == "no calls"
    check_history(stage, edge, record)


def check_history(stage, edge, record):
    """The call is found by what it was, also after the node was killed and its database damaged."""
    def found(*filters):
        answer = edge.command("calls", "--config", str(edge.file), "--json", *filters)
        return [call["transaction_id"] for call in json.loads(answer)]

    wait_until(lambda: found("--since", "1h") == [record["transaction_id"]], 10,
               "the call is in the history")
    for filters in (["--number", "5550111"], ["--connector", CONNECTOR], ["--status", "2xx"],
                    ["--mos-below", "4.5"], ["--carrier", record["routes"][0]["carrier"]]):
        assert found(*filters) == [record["transaction_id"]], filters
    for filters in (["--number", "5550112"], ["--status", "failed"], ["--mos-below", "3"],
                    ["--until", "1h"]):
        assert found(*filters) == [], filters
    shown = edge.command("calls", "--config", str(edge.file), "--since", "1h")
    assert record["transaction_id"] in shown and "+12065550111" in shown, shown
    wrong = run("calls", "--config", edge.file, "--since", "soon")
    assert wrong.returncode == 2 and "write 30m" in wrong.stderr
    edge.kill()
    database = edge.data_dir / "calls.sqlite"
    assert database.stat().st_mode & 0o777 == 0o600
    assert found("--since", "1h") == [record["transaction_id"]], "without a node too"
    for file in edge.data_dir.glob("calls.sqlite*"):
        file.write_bytes(b"damaged" * 1000)
    edge = stage.start_edge()
    wait_until(lambda: edge.said("history of calls is damaged"), 10, "it is looked at")
    wait_until(lambda: run("calls", "--config", edge.file, "--json", "--since",
                           "1h").stdout.count(record["transaction_id"]) == 1, 10,
               "it is made anew from the files")


def run(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30)


def test_check(configuration, tmp_path):
    """Exit status 0, or 1 with file, line and what to do."""
    file = tmp_path / "tandem.toml"
    file.write_text(configuration.text())
    good = run("check", "--config", file)
    assert good.returncode == 0, good.stderr
    text = configuration.text().replace('cps_limit = 2000', 'cps_limitt = 2000')
    file.write_text(text)
    line = text[: text.index("cps_limitt")].count("\n") + 1
    bad = run("check", "--config", file)
    assert bad.returncode == 1
    assert f"{file}:{line}:" in bad.stdout + bad.stderr
    assert "cps_limitt" in bad.stdout + bad.stderr


def test_two_nodes_on_one_place(stage):
    """The second says what is taken, and the first is not disturbed."""
    edge = stage.start_edge()
    second = run("run", "--config", edge.file)
    assert second.returncode == 1 and "in use" in second.stderr, second.stderr
    assert edge.is_running() and edge.calls() == []


def test_commands_without_a_node(configuration, tmp_path):
    file = tmp_path / "tandem.toml"
    file.write_text(configuration.text())
    calls = run("calls", "--config", file)
    assert calls.returncode == 1 and "tandem run" in calls.stderr, calls.stderr


def doctor(file, *arguments):
    told = run("doctor", file, "--json", *arguments)
    findings = json.loads(told.stdout)
    assert (told.returncode == 1) == any(f["state"] == "broken" for f in findings), told.stdout
    return findings


def of_trunk(findings, name):
    return [(f["subject"], f["state"], f["found"]) for f in findings if f["area"].startswith(name)]


def test_doctor(stage):
    """A trunk that answers is fine, one where nobody listens is broken, and it says what to do."""
    port = places.free_port(places.CARRIER)
    stage.configuration.carriers[0].update(port=port, transport="tcp")
    edge = stage.start_edge()
    with subprocess.Popen([BINARY, "answer", "--listen", f"{places.CARRIER}:{port}"],
                          stdout=subprocess.DEVNULL) as answer:
        try:
            wait_until(lambda: is_bound("udp", places.CARRIER, port), 10, "`answer` listens")
            findings = doctor(edge.file)
        finally:
            answer.terminate()
    connection, options = of_trunk(findings, "carrier pstn-1")
    assert connection[:2] == ("connection", "fine") and options[:2] == ("OPTIONS", "fine")
    assert f"{places.CARRIER}:{port} answers 200 OK" in options[2]
    (subject, state, found), = of_trunk(findings, "voice connector test, origination route 1")
    assert (subject, state) == ("OPTIONS", "broken"), found
    assert all(f["advice"] for f in findings if f["state"] == "broken")
    # The node that runs on this file holds its own listeners.
    listeners = [f for f in findings if f["subject"] == "listener"]
    assert len(listeners) >= 3 and all(f["state"] == "fine" for f in listeners), listeners
    assert edge.calls() == [] and edge.is_running()


def test_doctor_of_one_connector(configuration, tmp_path):
    file = tmp_path / "tandem.toml"
    file.write_text(configuration.text())
    areas = {f["area"] for f in doctor(file, "--connector", CONNECTOR)}
    assert "host" not in areas and any("origination route 1" in area for area in areas), areas
    unknown = run("doctor", file, "--connector", "a" * 22)
    assert unknown.returncode == 1 and CONNECTOR in unknown.stderr, unknown.stderr
