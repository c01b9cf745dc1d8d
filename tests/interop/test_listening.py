"""Calls whose audio goes to listeners: what real clients say arrives in its stream's place."""

from harness import places
from harness.configuration import carrier as carrier_table
from harness.streamed import export, stream
from harness.tones import assert_hears
from harness.waiting import wait_until

PBX_HERTZ, FIRST_HERTZ, SECOND_HERTZ = 440, 1_000, 1_700
TALK = 2.0


def dial(stage, user):
    return f"sip:{user}@{places.EDGE}:{stage.edge.port}"


def the_only_call(edge):
    # The recorder takes in what happens every few milliseconds.
    call, = wait_until(edge.calls, 10, "the call is shown")
    return call["transaction_id"]


def test_both_parties_and_the_one_that_a_transfer_brings_are_heard_apart(stage, tmp_path):
    stage.configuration.connector["streaming"] = {"enabled": True}
    first = stage.pjsua(places.CARRIER, "first", FIRST_HERTZ, srtp=True)
    second = stage.pjsua(places.SECOND_CARRIER, "second", SECOND_HERTZ)
    stage.configuration.carriers = [
        carrier_table(port=first.port, srtp="required"),
        carrier_table("pstn-2", places.SECOND_CARRIER, second.port, prefixes=["+81"]),
    ]
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    first.wait("state", state="CONFIRMED")
    pbx.wait("state", state="CONFIRMED")
    call = the_only_call(edge)
    first.wait_heard(TALK)
    pbx.do("transfer", uri=dial(stage, places.JP_NUMBER))
    second.wait("state", state="CONFIRMED")
    pbx.wait("state", state="DISCONNECTED")
    second.wait_heard(TALK)
    second.do("hangup")
    first.wait("state", state="DISCONNECTED")
    edge.wait_records(2)
    assert [detail["Streaming"] for detail in edge.detail_records()] == [True, True]
    edge.wait_metric("tandem_listened_calls", 0)
    caller, called, rate = export(edge, call, tmp_path / "call.wav")
    half = int(rate * TALK / 2)
    assert_hears(caller[half // 2:half * 3 // 2], rate, PBX_HERTZ, FIRST_HERTZ)
    assert_hears(caller[-half * 3 // 2:-half // 2], rate, SECOND_HERTZ, FIRST_HERTZ)
    for part in (called[half // 2:half * 3 // 2], called[-half * 3 // 2:-half // 2]):
        assert_hears(part, rate, FIRST_HERTZ, PBX_HERTZ)


def test_a_live_call_is_switched_on_and_off(stage, tmp_path):
    first = stage.pjsua(places.CARRIER, "first", FIRST_HERTZ, codec="G722")
    stage.configuration.carriers = [carrier_table(port=first.port)]
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, codec="G722")
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    first.wait("state", state="CONFIRMED")
    call = the_only_call(edge)
    assert edge.metric("tandem_listened_calls") == 0
    other = "00000000-0000-4000-8000-000000000001"
    refused = stream(edge, "on", other)
    assert refused.returncode == 1 and f"no call {other} runs here" in refused.stderr, refused
    assert stream(edge, "on", call).stdout == f"{call}: streaming on\n"
    edge.wait_metric("tandem_listened_calls", 1)
    first.wait_heard(TALK)
    assert stream(edge, "off", call).stdout == f"{call}: streaming off\n"
    edge.wait_metric("tandem_relay_listened_streams", 0)
    pbx.do("hangup")
    first.wait("state", state="DISCONNECTED")
    record, = edge.wait_records(1)
    assert record["streaming"] == "streamed"
    detail, = edge.detail_records()
    assert detail["Streaming"] is True
    edge.wait_metric("tandem_listened_calls", 0)
    caller, called, rate = export(edge, call, tmp_path / "call.wav")
    assert_hears(caller[rate // 2:-rate // 4], rate, PBX_HERTZ, FIRST_HERTZ)
    assert_hears(called[rate // 2:-rate // 4], rate, FIRST_HERTZ, PBX_HERTZ)
