"""`/healthz` and `/readyz`: what a load balancer and a supervisor are told."""

import signal

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.talk import Talk
from harness.waiting import wait_until

WELL = (200, {"alive": True, "missing": []})
READY = (200, {"ready": True, "missing": []})


def missing(edge):
    """The parts that are missing for new calls."""
    status, said = edge.asked("readyz")
    assert (status == 200) == said["ready"] == (not said["missing"]), (status, said)
    assert all(lack["why"] for lack in said["missing"]), said
    return [lack["part"] for lack in said["missing"]]


def test_a_draining_node_is_alive_and_not_ready(stage):
    talk = Talk(stage)
    edge = stage.edge
    assert edge.asked("healthz") == WELL
    assert edge.asked("readyz") == READY
    edge.signal(signal.SIGTERM)
    wait_until(lambda: missing(edge) == ["drain"], 5, lambda: f"a drain: {edge.asked('readyz')}")
    assert edge.asked("healthz") == WELL, "the running call is not to be cut off"
    talk.goes_on()
    assert edge.asked("healthz") == WELL
    talk.end()
    edge.wait_stopped(10)


def test_a_node_without_free_ports_is_not_ready(stage, monkeypatch):
    """Ports for two calls, of which one is taken, then both."""
    monkeypatch.setattr(places, "MEDIA_PORTS", (21_000, 21_007))
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    first, _ = stage.established(caller, gateway)
    assert missing(edge) == []
    second, _ = stage.established(caller, gateway)
    assert missing(edge) == ["media"]
    refused = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_200)).final()
    assert refused.status == 503
    assert edge.asked("healthz") == WELL
    for call in (first, second):
        stage.hang_up(call, gateway)
    wait_until(lambda: missing(edge) == [], 5, lambda: f"ready again: {edge.asked('readyz')}")


def test_edge_and_relay_are_ready_on_their_own(stage, halves):
    edge = halves.start_edge()
    assert edge.asked("healthz") == WELL
    assert missing(edge) == ["media"]
    _, said = edge.asked("readyz")
    assert f"{places.RELAY}:{halves.port}" in said["missing"][0]["why"]
    relay = halves.start_relay()
    assert relay.asked("healthz") == WELL and relay.asked("readyz") == READY
    halves.wait_connected()
    assert edge.asked("readyz") == READY
    relay.stop()
    wait_until(lambda: missing(edge) == ["media"], 10, lambda: f"no relay: {edge.asked('readyz')}")
    edge.stop()
