"""Carriers that go away and come back, that ask for a rest, and strangers that get no word."""

import json

from harness import places, sipp
from harness.configuration import carrier
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

OFFER = sdp(places.PBX, 40_000)


def two_carriers(stage, **first):
    """The second carrier, scripted, and the port of the first, which nobody serves yet."""
    second = stage.peer(places.SECOND_CARRIER)
    port = places.free_port(places.CARRIER)
    stage.configuration.carriers = [
        carrier(port=port, priority=1, **first),
        carrier("pstn-2", places.SECOND_CARRIER, second.port, priority=2),
    ]
    return second, port


def serve(stage, scenario, port, name):
    server = sipp.Sipp(scenario, stage.directory, places.CARRIER, port=port, calls=10_000, name=name)
    wait_until(lambda: sipp.is_bound("udp", places.CARRIER, port), 10, lambda: server.errors())
    return stage._keep(server)


def busy_call(stage, caller, second):
    """A call that ends at the second carrier; the carriers that were tried."""
    before = len(stage.edge.wait_records(0))
    call = OutgoingCall(caller, stage.edge, places.US_NUMBER, OFFER)
    invite = second.expect_request("INVITE")
    second.reply(invite, 486, "Busy Here")
    second.expect(lambda m: m.status is None and m.method == "ACK"
                  and m["call-id"] == invite["call-id"])
    assert call.final().status == 486
    record = stage.edge.wait_records(before + 1)[-1]
    return [route["carrier"] for route in record["routes"]]


def wait_target(stage, up):
    wait_until(lambda: stage.edge.metrics().get("tandem_target_up") == [({"target": "pstn-1"}, up)],
               15, lambda: f"target_up {up}: {stage.edge.metrics().get('tandem_target_up')}")


def test_a_carrier_that_goes_away_is_passed_over_until_it_is_back(stage):
    caller = stage.peer(places.PBX)
    second, port = two_carriers(stage, options_ping="1s")
    stage.configuration.health = {"down_after": 2, "up_after": 2, "ping_timeout": "500ms"}
    server = serve(stage, "options", port, "alive")
    edge = stage.start_edge()
    wait_target(stage, 1)

    server.stop()
    wait_target(stage, 0)
    assert edge.said("is down")
    assert busy_call(stage, caller, second) == ["pstn-2"]
    assert edge.metric("tandem_routes_skipped_total", reason="down") == 1
    health = json.loads(edge.command("health", "--config", str(edge.file), "--json"))
    target, = health["targets"]
    assert (target["name"], target["is_up"]) == ("pstn-1", False)

    serve(stage, "options", port, "back")
    wait_target(stage, 1)
    assert edge.said("is up again")
    # One that was answered, two in vain, two answered.
    assert edge.metric("tandem_pings_total") >= 5


def test_a_503_with_retry_after_gives_the_carrier_a_rest(stage):
    caller = stage.peer(places.PBX)
    second, port = two_carriers(stage)
    serve(stage, "overloaded", port, "overloaded")
    stage.start_edge()
    assert busy_call(stage, caller, second) == ["pstn-1", "pstn-2"]
    assert busy_call(stage, caller, second) == ["pstn-2"]
    wait_until(lambda: busy_call(stage, caller, second) == ["pstn-1", "pstn-2"], 15,
               "the first carrier is tried again")


def test_strangers_get_no_word_and_customers_their_calls(stage):
    caller, gateway = stage.peer(places.PBX), stage.carrier_peer()
    stranger = stage.peer(places.STRANGER)
    stage.configuration.sip["unknown_sources"] = "drop"
    edge = stage.start_edge()
    for number in range(500):
        raw = (f"OPTIONS sip:{places.EDGE} SIP/2.0\r\n"
               f"Via: SIP/2.0/UDP {places.STRANGER}:{stranger.port};branch=z9hG4bK{number}\r\n"
               f"Max-Forwards: 70\r\nFrom: <sip:x@x.invalid>;tag={number}\r\n"
               f"To: <sip:x@{places.EDGE}>\r\nCall-ID: {number}@x\r\nCSeq: 1 OPTIONS\r\n"
               "Content-Length: 0\r\n\r\n")
        stranger.send(raw.encode(), edge.address)
    call, _ = stage.established(caller, gateway)
    stage.hang_up(call, gateway)
    wait_until(lambda: edge.metric("tandem_sip_dropped_total", reason="stranger") == 500, 10,
               lambda: edge.metrics().get("tandem_sip_dropped_total"))
    assert stranger.receive(0.2) is None


def test_a_pbx_that_asks_is_shown(stage):
    pbx = stage.peer(places.PBX)
    edge = stage.start_edge()
    raw = (f"OPTIONS sip:ping@{places.EDGE} SIP/2.0\r\n"
           f"Via: SIP/2.0/UDP {places.PBX}:{pbx.port};branch=z9hG4bKping\r\n"
           "Max-Forwards: 70\r\nFrom: <sip:x@pbx.invalid>;tag=1\r\n"
           f"To: <sip:ping@{places.EDGE}>\r\nCall-ID: ping@x\r\nCSeq: 1 OPTIONS\r\n"
           "Content-Length: 0\r\n\r\n")
    pbx.send(raw.encode(), edge.address)
    pbx.expect_status(200, "OPTIONS")
    shown = lambda: json.loads(edge.command("health", "--config", str(edge.file), "--json"))
    termination = wait_until(lambda: shown()["terminations"], 5, "the PBX is shown")[0]
    assert termination["source"] == f"{places.PBX}:{pbx.port}"
