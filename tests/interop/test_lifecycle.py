"""SIGHUP and SIGTERM with calls in progress."""

import signal

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.talk import Talk
from harness.waiting import wait_until

OFFER = sdp(places.PBX, 40_000)


def test_reload_leaves_calls_alone(stage):
    talk = Talk(stage)
    edge, caller, gateway = talk.edge, talk.caller, talk.gateway
    stage.configuration.termination["calling_regions"] = ["JP"]
    edge.file.write_text(stage.configuration.text())
    assert "read again" in edge.reload()
    talk.goes_on()
    assert OutgoingCall(caller, edge, places.US_NUMBER, OFFER).final().status == 403
    japan = OutgoingCall(caller, edge, places.JP_NUMBER, OFFER)
    gateway.reply(gateway.expect_request("INVITE"), 486, "Busy Here")
    assert japan.final().status == 486
    talk.goes_on()
    talk.end()
    edge.wait_idle()


def test_a_bad_file_changes_nothing(stage):
    talk = Talk(stage)
    edge, caller, gateway = talk.edge, talk.caller, talk.gateway
    for bad in ("this is no TOML [", stage.configuration.text() + "\n[unknown]\nkey = 1\n",
                stage.configuration.text().replace('"US"', '"XX"')):
        edge.file.write_text(bad)
        assert "not taken" in edge.reload()
        assert edge.said("tandem.toml:"), "the message names file and line"
    talk.goes_on()
    second, _ = stage.established(caller, gateway)
    stage.hang_up(second, gateway)
    talk.end()
    # What is asked of the running node goes by the file, too.
    edge.file.write_text(stage.configuration.text())
    edge.wait_idle()


def test_drain(stage):
    """After SIGTERM new calls are refused, the running one goes on until its BYE."""
    talk = Talk(stage)
    edge, caller, gateway = talk.edge, talk.caller, talk.gateway
    edge.signal(signal.SIGTERM)
    wait_until(lambda: edge.said("SIGTERM: no new calls"), 10, "the edge says that it drains")

    def refused():
        attempt = OutgoingCall(caller, edge, places.US_NUMBER, OFFER)
        return attempt.final().status == 503

    wait_until(refused, 5, "new calls are refused")
    talk.goes_on()
    assert edge.is_running()
    talk.end()
    edge.wait_stopped(10)
    record = next(r for r in edge.call_records() if r["end"]["status"] == 200)
    assert record["end"]["ended_by"] == "leg_a"
    assert record["quality"][0]["received_packets"] > 25
    assert len(edge.last_media_lines()) >= 1, "records are written before the end"


def test_drain_limit(stage):
    """A call that does not end is ended at the limit, on both sides."""
    stage.configuration.drain["timeout"] = "1s"
    talk = Talk(stage)
    edge, caller, gateway = talk.edge, talk.caller, talk.gateway
    edge.signal(signal.SIGTERM)
    for side in (caller, gateway):
        bye = side.expect_request("BYE", 10)
        side.reply(bye, 200, "OK")
    edge.wait_stopped(15)
    assert edge.said("1 call(s) were ended before they were over")
    record, = edge.call_records()
    assert record["end"]["ended_by"] == "edge"


def test_a_second_signal_ends_what_still_runs(stage):
    """Whoever asks twice does not want to wait for the limit."""
    stage.configuration.drain["timeout"] = "600s"
    talk = Talk(stage)
    edge, caller, gateway = talk.edge, talk.caller, talk.gateway
    # As `timeout` does: two signals at once are one wish.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        edge.signal(number)
    wait_until(lambda: edge.said(": no new calls"), 10, "the edge says that it drains")
    talk.goes_on()
    assert not edge.said("once more:")

    def asked_again():
        edge.signal(signal.SIGTERM)
        return edge.said("SIGTERM once more: running calls end now")

    wait_until(asked_again, 10, "the edge says that it waits no longer")
    for side in (caller, gateway):
        bye = side.expect_request("BYE", 10)
        side.reply(bye, 200, "OK")
    edge.wait_stopped(15)
    assert edge.said("1 call(s) were ended before they were over")
    record, = edge.call_records()
    assert record["end"]["ended_by"] == "edge"
