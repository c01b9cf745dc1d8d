"""baresip and pjsua2 talk through the edge: different tones, told apart by their spectrum."""

import numpy as np
import pytest

from harness import places
from harness.tones import assert_hears, level
from harness.waiting import wait_until

BARESIP_HERTZ, PJSUA_HERTZ = 440, 1_000
LISTEN = 1.5
# pjsua_call_media_status
ACTIVE, LOCAL_HOLD, REMOTE_HOLD = 1, 2, 3


def dial(stage, user):
    return f"sip:{user}@{places.EDGE}:{stage.edge.port}"


def assert_both_hear(baresip, pjsua):
    assert_hears(*pjsua.wait_heard(LISTEN), BARESIP_HERTZ, PJSUA_HERTZ)
    assert_hears(*baresip.wait_heard(LISTEN), PJSUA_HERTZ, BARESIP_HERTZ)


def carrier_pjsua(stage, **options):
    carrier = stage.pjsua(places.CARRIER, "carrier", PJSUA_HERTZ, **options)
    stage.configuration.carriers[0].update(port=carrier.port,
                                           transport=options.get("transport", "udp"))
    return carrier


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_baresip_calls_pjsua(stage, transport):
    """Outbound; the called side holds and resumes, and the caller hangs up.

    baresip 1.0.0 stops its recording with the first hold, whoever it talks to: after that, only
    pjsua2 can tell what it hears.
    """
    carrier = carrier_pjsua(stage, transport=transport)
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", BARESIP_HERTZ, transport=transport)
    pbx.do("dial", dial(stage, places.US_NUMBER))
    pbx.wait("CALL_ESTABLISHED")
    invite = carrier.wait("incoming")["request"]
    assert "baresip" not in invite and f":{pbx.port}" not in invite, invite
    carrier.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)

    carrier.do("hold")
    carrier.wait("media", status=LOCAL_HOLD)
    wait_quiet(edge, "remote")
    carrier.do("resume")
    carrier.wait("media", status=ACTIVE)
    assert_hears(*carrier.wait_heard(LISTEN), BARESIP_HERTZ, PJSUA_HERTZ)

    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    record, = edge.wait_records(1)
    assert record["end"]["ended_by"] == "leg_a"
    edge.wait_idle()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_pjsua_calls_baresip(stage, transport):
    """Inbound, with the caller hanging up."""
    pbx = stage.baresip(places.BARESIP, "pbx", BARESIP_HERTZ, transport=transport,
                        user=places.NUMBER)
    stage.configuration.origination[0].update(host=places.BARESIP, port=pbx.port,
                                              protocol=transport)
    carrier = carrier_pjsua(stage, transport=transport, user=places.JP_NUMBER)
    edge = stage.start_edge()
    carrier.do("call", uri=f"{dial(stage, places.NUMBER)};transport={transport}")
    carrier.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)
    carrier.do("hangup")
    pbx.wait("CALL_CLOSED")
    edge.wait_idle()


def test_pjsua_that_insists_on_100rel_calls_baresip_that_does_not(stage):
    """Outbound: RFC 3262 on the caller's leg only."""
    carrier = stage.baresip(places.BARESIP, "carrier", BARESIP_HERTZ, user=places.US_NUMBER)
    stage.configuration.carriers[0].update(host=places.BARESIP, port=carrier.port,
                                           inbound_cidrs=[f"{places.CARRIER}/32"])
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PJSUA_HERTZ, insists_on_100rel=True)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    pbx.wait("state", state="CONFIRMED")
    assert_both_hear(carrier, pbx)
    pbx.do("hangup")
    carrier.wait("CALL_CLOSED")
    record, = edge.wait_records(1)
    edge.wait_idle()
    came = [step["start_line"].split(" ")[0] for step in record["ladder"]
            if step["leg"] == "A" and step["direction"] == "received"]
    assert "PRACK" in came, came


@pytest.mark.parametrize("holder", ["caller", "called"])
def test_hold_silences_and_resume_brings_back(stage, holder):
    """The held side hears no tone while it is held, and the holder gets no packet."""
    carrier = carrier_pjsua(stage)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", BARESIP_HERTZ)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    pbx.wait("state", state="CONFIRMED")
    carrier.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)

    holding, held, side, tone = ((pbx, carrier, "customer", BARESIP_HERTZ) if holder == "caller"
                                 else (carrier, pbx, "remote", PJSUA_HERTZ))
    holding.do("hold")
    holding.wait("media", status=LOCAL_HOLD)
    held.wait("media", status=REMOTE_HOLD)
    wait_quiet(edge, side)
    samples, rate = held.wait_heard(1)
    assert level(samples, rate, tone) < 50, "the tone goes on during hold"
    holding.do("resume")
    held.wait("media", status=ACTIVE)
    holding.wait("media", status=ACTIVE)
    assert_both_hear(pbx, carrier)

    carrier.do("hangup")
    pbx.wait("state", state="DISCONNECTED")
    record, = edge.wait_records(1)
    assert record["end"]["ended_by"] == "leg_b"
    edge.wait_idle()


def wait_quiet(edge, side):
    """Waits until the edge tells that nothing more goes to a side while its call is on."""
    seen = []

    def unchanged():
        call, = edge.calls()
        seen.append((call["talk_ms"], call[side]["sent_packets"]))
        same = [talk for talk, packets in seen if packets == seen[-1][1]]
        # Longer than two quality reports, so that an old number is not taken for silence.
        return same[-1] - same[0] >= 2_500

    wait_until(unchanged, 15, lambda: f"nothing goes to the {side} during hold: {seen[-5:]}")


@pytest.mark.parametrize("customer", ["pjsua", "baresip"])
def test_both_sides_report_round_trips(stage, customer):
    """RTCP of real clients: round trips and what each says of the other direction."""
    carrier = carrier_pjsua(stage)
    edge = stage.start_edge()
    if customer == "pjsua":
        pbx = stage.pjsua(places.PBX, "pbx", BARESIP_HERTZ)
        pbx.do("call", uri=dial(stage, places.US_NUMBER))
    else:
        pbx = stage.baresip(places.BARESIP, "pbx", BARESIP_HERTZ)
        pbx.do("dial", dial(stage, places.US_NUMBER))
    carrier.wait("state", state="CONFIRMED")

    def both():
        call, = edge.calls() or [None]
        sides = [call and call[side] for side in ("customer", "remote")]
        return all(side and side["rtt_us"] is not None for side in sides)

    # Clients send reports about every five seconds.
    wait_until(both, 30, lambda: f"round trips of both sides: {edge.calls()}")
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    edge.wait_records(1)
    edge.wait_idle()
    line, = edge.last_media_lines().values()
    for side in ("cust", "rem"):
        # On loopback: far under a client's own scheduling of some ten milliseconds.
        assert 0 <= line[f"rtt_btwn_vc_and_{side}"] < 100_000, line
        assert line[f"vc2{side}_packets_lost"] == 0
        assert line[f"vc2{side}_jitter"] is not None
        assert line[f"{side}2vc_rtcp_packets"] >= 1
        assert line[f"mos_btwn_vc_and_{side}"] >= 4.0


def test_dtmf_passes(stage):
    """RFC 4733 digits arrive at the other side."""
    carrier = carrier_pjsua(stage)
    stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", BARESIP_HERTZ)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    pbx.wait("state", state="CONFIRMED")
    carrier.wait_heard(0.3)
    pbx.do("dtmf", digits="19#")
    digits = [carrier.wait("dtmf")["digit"] for _ in range(3)]
    assert digits == ["1", "9", "#"]
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    stage.edge.wait_idle()


def test_caller_gives_up_while_it_rings(stage):
    carrier = carrier_pjsua(stage, first_status=180)
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", BARESIP_HERTZ)
    pbx.do("dial", dial(stage, places.US_NUMBER))
    pbx.wait("CALL_RINGING")
    wait_until(lambda: [call["state"] for call in edge.calls()] == ["ringing"], 10, "it is shown ringing")
    pbx.do("hangup")
    assert carrier.wait("state", state="DISCONNECTED")["status"] == 487
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 487
    assert edge.metric("tandem_call_failures_total") == 0, "giving up is no failure"
    edge.wait_idle()


def test_called_side_is_busy(stage):
    carrier = carrier_pjsua(stage, first_status=486)
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", BARESIP_HERTZ)
    pbx.do("dial", dial(stage, places.US_NUMBER))
    assert pbx.wait("CALL_CLOSED")["param"].startswith("486")
    carrier.wait("state", state="DISCONNECTED", status=486)
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 486
    assert edge.metric("tandem_call_failures_total") == 1
    edge.wait_idle()


def test_g722_is_relayed_as_it_is(stage):
    """A codec that the edge does not decode goes through unharmed."""
    carrier = carrier_pjsua(stage, codec="G722")
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", BARESIP_HERTZ, codec="G722")
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    pbx.wait("state", state="CONFIRMED")
    samples, rate = carrier.wait_heard(LISTEN)
    assert_hears(samples, rate, BARESIP_HERTZ, PJSUA_HERTZ)
    assert level(samples, rate, BARESIP_HERTZ) > 500 and np.abs(samples).max() < 32_768
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    record, = edge.wait_records(1)
    assert [quality["codec"] for quality in record["quality"]] == ["G722", "G722"]
    edge.wait_idle()
