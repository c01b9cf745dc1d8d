"""`tandem run --role edge` and `--role relay`: what goes on when one of them is gone."""

import json
import subprocess
import time

import pytest

from harness import places, split
from harness.edge import BINARY
from harness.message import sdp
from harness.rtp import lost
from harness.sip import OutgoingCall, send_bye_from_called_side
from harness.talk import Talk
from harness.waiting import wait_until


def doctor(edge):
    """What `tandem doctor` says; there is more than the relay that it may find wrong."""
    asked = subprocess.run([BINARY, "doctor", "--config", edge.file], capture_output=True,
                           text=True, timeout=60)
    return asked.stdout


def test_a_call_through_two_processes(stage, halves):
    talk = Talk(stage)
    assert talk.near_target[0] == talk.far_target[0] == places.RELAY
    assert halves.relay_ports() == 4
    edge = stage.edge
    assert edge.metric("tandem_relay_link_streams") == 1
    wait_until(lambda: edge.metric("tandem_relay_link_round_trip_seconds") > 0, 5, "a heartbeat")
    found = edge.calls()
    assert len(found) == 1
    record = talk.end()
    for quality in record["quality"]:
        assert quality["received_packets"] > 25
    halves.wait_free()
    said = doctor(edge)
    assert 'is relay "relay-t"' in said, said
    edge.stop()
    halves.relay.stop()


def test_without_a_relay_calls_are_refused_and_with_one_they_go_through(stage, halves):
    gateway = stage.carrier_peer()
    edge = halves.start_edge()
    caller = stage.peer(places.PBX)
    refused = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000)).final()
    assert refused.status == 503 and refused["retry-after"]
    edge.wait_metric("tandem_refusals_total", 1, reason="relay_unavailable")
    assert edge.said("cannot be reached")
    halves.start_relay()
    halves.wait_connected()
    call, _ = stage.established(caller, gateway)
    stage.hang_up(call, gateway)
    edge.stop()
    halves.relay.stop()


@pytest.mark.parametrize("first", ["caller", "gateway"])
def test_a_call_outlives_its_edge(stage, halves, first):
    """Killed, away for two seconds of audio, started again: nobody hears it, and either side hangs up."""
    talk = Talk(stage)
    before, = stage.edge.calls()
    began = time.time()
    stage.edge.kill()
    for _ in range(4):
        talk.goes_on()
    assert halves.relay_ports() == 4
    assert halves.relay.metric("tandem_relay_link_up") == 0
    sent_before = talk.near.sent
    edge = halves.start_edge()
    halves.wait_connected()
    assert edge.said("calls of the last run are taken up")
    talk.goes_on()
    found, = edge.calls()
    assert found["transaction_id"] == before["transaction_id"]
    assert lost(talk.near) == 0 and lost(talk.far) == 0
    if first == "caller":
        stage.hang_up(talk.call, talk.gateway)
    else:
        send_bye_from_called_side(talk.gateway, talk.invite, edge)
        talk.caller.reply(talk.caller.expect_request("BYE"), 200, "OK")
        assert talk.gateway.expect(lambda m: m.status == 200 and m.method == "BYE")
    record, = edge.wait_records(1)
    assert record["end"]["ended_by"] == ("leg_a" if first == "caller" else "leg_b")
    for quality in record["quality"]:
        assert quality["received_packets"] >= sent_before, "of the whole call"
        assert quality["lost_packets"] == 0
    billed, = edge.detail_records()
    assert billed["StartTimeEpochSeconds"] <= began + 1, "it began before the edge did"
    assert not record["ladder"][0]["start_line"].startswith("INVITE")
    told = edge.command("report", record["transaction_id"], "--config", str(edge.file), "--json")
    ladder = [(rung["leg"], rung["direction"], " ".join(rung["start_line"].split()[:2]))
              for rung in json.loads(told)["ladder"]]
    assert ladder[0][:2] == ("A", "received") and ladder[0][2].startswith("INVITE sip:"), told
    for leg, direction in [("B", "received"), ("A", "sent")]:
        assert (leg, direction, "SIP/2.0 200") in ladder[:8], "of the INVITE"
    assert any(start.startswith("BYE ") for _, _, start in ladder[6:]), "of the end"
    halves.wait_free()
    edge.wait_metric("tandem_relay_link_streams", 0)
    edge.stop()
    halves.relay.stop()


def test_a_call_that_was_taken_up_can_be_changed(stage, halves):
    talk = Talk(stage)
    stage.edge.kill()
    edge = halves.start_edge()
    halves.wait_connected()
    talk.call.request("INVITE", sdp(places.PBX, talk.near.port, "sendonly", 2),
                      [("Contact", talk.caller.contact())])
    held = talk.gateway.expect_request("INVITE")
    assert b"a=sendonly" in held.body
    talk.gateway.reply(held, 200, "OK", sdp(places.CARRIER, talk.far.port, "recvonly", 2))
    talk.call.answered()
    stage.hang_up(talk.call, talk.gateway)
    halves.wait_free()
    edge.stop()


def test_what_nobody_takes_up_ends(stage, halves):
    """Of an edge that has lost its file, and of one whose call was being set up."""
    talk = Talk(stage)
    offer = sdp(places.PBX, 40_100)
    OutgoingCall(talk.caller, stage.edge, places.US_NUMBER, offer)
    ringing = talk.gateway.expect_request("INVITE")
    talk.gateway.reply(ringing, 180, "Ringing")
    wait_until(lambda: halves.relay_ports() == 8, 5, "ports of both calls")
    stage.edge.kill()
    halves.start_edge()
    halves.wait_connected()
    wait_until(lambda: halves.relay_ports() == 4, 5, "the call that rang has no ports any more")
    talk.goes_on()
    stage.edge.kill()
    (stage.edge.data_dir / "kept-calls.jsonl").unlink()
    halves.start_edge()
    halves.wait_connected()
    halves.wait_free()


def test_a_call_whose_relay_is_lost_too_ends(stage, halves):
    talk = Talk(stage)
    stage.edge.kill()
    halves.relay.kill()
    halves.start_relay()
    edge = halves.start_edge()
    for side in (talk.caller, talk.gateway):
        bye = side.expect_request("BYE", 15)
        assert "Media relay lost" in bye["reason"]
        side.reply(bye, 200, "OK")
    record, = edge.wait_records(1)
    assert "relay lost" in record["end"]["cause"]
    edge.stop()


def test_calls_end_when_the_relay_is_lost_and_new_ones_use_the_next(stage, halves):
    talk = Talk(stage)
    halves.relay.kill()
    halves.wait_connected(0)
    halves.start_relay()
    for side in (talk.caller, talk.gateway):
        bye = side.expect_request("BYE", 10)
        assert "Media relay lost" in bye["reason"]
        side.reply(bye, 200, "OK")
    record, = stage.edge.wait_records(1)
    assert record["end"]["ended_by"] == "edge" and "relay lost" in record["end"]["cause"]
    halves.wait_connected()
    call, _ = stage.established(talk.caller, talk.gateway)
    stage.hang_up(call, talk.gateway)
    halves.wait_free()
    stage.edge.stop()


def test_a_relay_that_stops_tells_its_edge(stage, halves):
    halves.relay_configuration.drain["timeout"] = "0s"
    talk = Talk(stage)
    halves.relay.stop()
    for side in (talk.caller, talk.gateway):
        side.reply(side.expect_request("BYE", 10), 200, "OK")
    record, = stage.edge.wait_records(1)
    assert record["quality"][0]["received_packets"] >= 25, "its last reports came"


@pytest.mark.parametrize("wrong", ["edge", "relay"])
def test_a_certificate_that_is_not_known_is_refused(stage, halves, wrong):
    other = split.fingerprint(split.certificate(stage.directory, "other"))
    # The side that is wrong is not the one that the other knows.
    side = stage.configuration if wrong == "relay" else halves.relay_configuration
    side.relay_control["fingerprints"] = other
    halves.start_relay()
    edge = halves.start_edge()
    refusing = edge if wrong == "relay" else halves.relay
    shown = split.fingerprint(halves.pairs[wrong]).upper()
    text = ":".join(shown[at:at + 2] for at in range(0, 64, 2))
    wait_until(lambda: refusing.said(text), 10, "which certificate was shown")
    assert edge.metric("tandem_relay_link_up") == 0
    said = doctor(edge)
    assert "BROKEN   relay " in said and "fingerprint" in said, said


def test_an_authority_vouches_for_both(stage, halves):
    from harness.tls import Authority

    authority = Authority(stage.directory)
    for name, configuration in (("edge", stage.configuration),
                                ("relay", halves.relay_configuration)):
        pair = authority.issue(f"{name}.test")
        table = configuration.relay_control
        del table["fingerprints"]
        table.update(certificate=str(pair.certificate), key=str(pair.key),
                     ca=str(authority.certificate))
    stage.configuration.relay_control["name"] = "relay.test"
    halves.start_both()
    stage.edge.kill()
    stage.configuration.relay_control["name"] = "other.test"
    edge = halves.start_edge()
    wait_until(lambda: edge.said("is not the one that [relay_control] expects"), 10, "a refusal")


def test_what_is_missing_is_said(stage, halves):
    for role, key in (("edge", "relays"), ("relay", "listen")):
        configuration = stage.configuration
        configuration.relay_control = None
        file = stage.directory / "tandem.toml"
        file.write_text(configuration.text())
        done = subprocess.run([BINARY, "run", "--config", file, "--role", role],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert f"--role {role}" in done.stderr and f"{key} =" in done.stderr
