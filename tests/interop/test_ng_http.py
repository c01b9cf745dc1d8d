"""The pages of `tandem relay --http`."""

import json
import os
import signal
import subprocess

from harness import places
from harness.edge import BINARY
from harness.ng import NgRelay
from harness.waiting import wait_until
from test_ng import client_of, sdp


def test_numbers_life_and_readiness(stage):
    relay = stage._keep(NgRelay(stage.directory, http=0, max_calls=2))
    client = client_of(stage, relay)
    assert "Prometheus   http://127.0.0.1:" in relay.log()
    assert relay.asked("/healthz") == (200, '{"alive":true,"missing":[]}\n')
    status, body = relay.asked("/readyz")
    assert status == 200 and json.loads(body) == {"ready": True, "missing": []}
    for call in ("one", "two"):
        client.ok("offer", call_id=call, from_tag="a", sdp=sdp("192.0.2.1", 4_000))
    assert client.ask("query", call_id="none")["result"] == "error"
    wait_until(lambda: relay.metric("tandem_ng_calls") == 2, 5, lambda: relay.asked("/metrics"))
    assert relay.metric("tandem_ng_requests_total", command="offer") == 2
    assert relay.metric("tandem_ng_requests_total", command="query") == 1
    assert relay.metric("tandem_ng_failed_requests_total") == 1
    assert relay.metric("tandem_relay_streams") == 2
    assert relay.metric("process_open_fds") > 10
    status, body = relay.asked("/readyz")
    assert status == 503 and "--max-calls" in body, body
    assert relay.asked("/healthz")[0] == 200
    client.ok("delete", call_id="one", from_tag="a")
    wait_until(lambda: relay.asked("/readyz")[0] == 200, 5, lambda: relay.asked("/readyz"))
    assert relay.metric("tandem_ng_ended_calls_total", outcome="deleted") == 1
    assert relay.asked("/")[0] == 404


def test_no_port_is_free_and_it_is_said(stage):
    relay = stage._keep(NgRelay(stage.directory, 20_000, 20_003, http=0))
    client = client_of(stage, relay)
    client.ok("offer", call_id="one", from_tag="a", sdp=sdp("192.0.2.1", 4_000))
    status, body = relay.asked("/readyz")
    assert status == 503 and "[media] ports" in json.loads(body)["missing"][0]["why"], body


def test_without_the_option_there_is_no_page(stage):
    relay = stage._keep(NgRelay(stage.directory))
    assert "Prometheus" not in relay.log()
    assert open_tcp_ports(relay) == 1, "that of the ng protocol alone"


def open_tcp_ports(relay):
    inodes = {os.readlink(f"/proc/{relay.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{relay.pid}/fd")}
    rows = [row.split() for table in ("tcp", "tcp6") for row in open(f"/proc/{relay.pid}/net/{table}")]
    return sum(row[3] == "0A" and f"socket:[{row[9]}]" in inodes for row in rows if row[0] != "sl")


def test_a_port_that_is_taken_is_a_clear_error(stage):
    relay = stage._keep(NgRelay(stage.directory))
    taken = f"{relay.address[0]}:{relay.address[1]}"
    done = subprocess.run([BINARY, "relay", "--ng", f"{places.PBX}:0", "--http", taken, "--ports", "20000-20099"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and f"--http {taken}" in done.stderr, done
    assert "give a free address" in done.stderr
    help_text = subprocess.run([BINARY, "relay", "--help"], capture_output=True, text=True).stdout
    assert "--http <ADDRESS:PORT>" in help_text and "/readyz" in help_text


def test_who_is_stopped_answers_no_more(stage):
    relay = NgRelay(stage.directory, http=0)
    assert relay.asked("/healthz")[0] == 200
    os.kill(relay.pid, signal.SIGTERM)
    relay.stop()
