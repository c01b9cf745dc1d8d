"""Calls of sound and pictures that change ends or begin before the answer, with real programs: both
lines reach the right ends, with the payload types that those agreed to."""

import re

import pytest

from harness import places
from harness.configuration import carrier
from harness.ends import End, assert_pictures_are_whole, assert_together
from harness.message import Message
from harness.tones import assert_hears
from harness.waiting import wait_until

PBX_HERTZ, FIRST_HERTZ, SECOND_HERTZ = 440, 1_000, 1_700


@pytest.fixture
def ends():
    """Makes ends that are stopped when the test is over."""
    made = []

    def make(ip, hertz, **camera):
        made.append(End(ip, hertz, **camera))
        return made[-1]

    yield make
    for end in made:
        end.stop()


def called_by(stage, carriers):
    """The edge, with these sipps as its carriers for the US and for Japan."""
    stage.configuration.carriers = [carrier(port=carriers[0].port)]
    for other in carriers[1:]:
        stage.configuration.carriers.append(
            carrier("pstn-2", places.SECOND_CARRIER, other.port, prefixes=["+81"]))
    return stage.start_edge()


def tag(value):
    return re.search(r";tag=([^;\s]+)", value).group(1)


def name_of(answer):
    """The dialog of a 200 that the edge sent, as Replaces names it to the edge (RFC 3891 section 3)."""
    return answer["call-id"], tag(answer["to"]), tag(answer["from"])


def test_an_attended_transfer_joins_sound_and_pictures(stage, ends):
    """REFER with Replaces: the far ends of two calls are joined."""
    one, two = ends(places.CARRIER, FIRST_HERTZ), ends(places.SECOND_CARRIER, SECOND_HERTZ)
    first = stage.uas(places.CARRIER, scenario="uas_transferee", talk_ms=8_000, end=one)
    second = stage.uas(places.SECOND_CARRIER, scenario="uas_changed", end=two)
    edge = called_by(stage, [first, second])

    near_two = ends(places.PBX, PBX_HERTZ)
    consulting = stage.uac(places.PBX, places.JP_NUMBER, scenario="uac_held", end=near_two)
    near_two.speak(consulting.wait_described("SIP/2.0 200"))
    two.speak(second.wait_described("INVITE"))
    assert_together(near_two, two, ("the PBX", "the second carrier"))
    call_id, to_tag, from_tag = name_of(consulting.received("SIP/2.0 200")[0])

    near_one = ends(places.PBX, PBX_HERTZ)
    replaces = f"?Replaces={call_id.replace('@', '%40')}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}"
    transferor = stage.uac(places.PBX, places.US_NUMBER, "-key", "target", places.JP_NUMBER,
                           scenario="uac_refer", outcome="200", replaces=replaces, talk_ms=6_000,
                           end=near_one)
    near_one.speak(transferor.wait_described("SIP/2.0 200"))
    one.speak(first.wait_described("INVITE"))
    assert_together(near_one, one, ("the PBX", "the first carrier"))

    one.speak(first.wait_described("INVITE", count=2))
    two.speak(second.wait_described("INVITE", count=2))
    assert_together(one, two, ("the first carrier", "the second carrier"))
    for listener, speaker in ((one, two), (two, one)):
        assert_pictures_are_whole(listener, speaker)
    for party in (transferor, consulting, first, second):
        party.wait(20)
    records = {record["transaction_id"]: record for record in edge.wait_records(2)}
    taken, = (record for record in records.values() if record.get("transferred_from"))
    line, = taken["lines"]
    assert line["media"] == "video" and all(side["lost_packets"] == 0 for side in line["quality"])
    edge.wait_idle()


def test_sipp_takes_the_place_of_a_baresip_with_pictures(stage, ends):
    """INVITE with Replaces: the far end has sound and pictures of baresip, then of who took its call."""
    far = ends(places.CARRIER, FIRST_HERTZ, codec="VP8")
    gateway = stage.uas(places.CARRIER, scenario="uas_transferee", talk_ms=8_000, end=far)
    edge = called_by(stage, [gateway])
    phone = stage.baresip(places.BARESIP, "pbx", PBX_HERTZ, video="VP8")
    phone.do("dial", f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    far.speak(gateway.wait_described("INVITE"))
    wait_until(lambda: len(far.sound.received) >= 50 and len(far.camera.received) >= 50, 20,
               lambda: f"sound and pictures; {phone.output()}")
    assert {packet[1] & 0x7F for packet in far.sound.received} == {0}
    assert {packet[1] & 0x7F for packet in far.camera.received} == {far.camera.payload_type}
    assert_hears(*phone.wait_heard(1), FIRST_HERTZ, PBX_HERTZ)

    answer = next(Message(line["sip_message"].encode()) for line in edge.sip_log()
                  if line["sip_message"].startswith("SIP/2.0 200")
                  and f":{phone.port};" in line["sip_message"])
    call_id, to_tag, from_tag = name_of(answer)
    near = ends(places.PBX, SECOND_HERTZ, codec="VP8")
    other = stage.uac(places.PBX, places.US_NUMBER, scenario="uac_held", end=near,
                      replaces=f"\n      Replaces: {call_id};to-tag={to_tag};from-tag={from_tag}")
    near.speak(other.wait_described("SIP/2.0 200"))
    far.speak(gateway.wait_described("INVITE", count=2))
    assert_together(near, far, ("whoever came", "the carrier"))
    assert_pictures_are_whole(far, near)
    assert_pictures_are_whole(near, far)
    phone.wait("CALL_CLOSED")
    for party in (gateway, other):
        party.wait(20)
    edge.wait_records(1)
    edge.wait_idle()


@pytest.mark.parametrize("offer", ["invite", "prack"])
def test_sound_and_pictures_before_the_answer(stage, ends, offer):
    """A reliable 183 (RFC 3262) and its PRACK agree on both lines, or the PRACK brings the second one:
    they flow both ways before the 200 and go on behind it."""
    scenario = {"invite": "early", "prack": "early_offer"}[offer]
    near, far = ends(places.PBX, PBX_HERTZ), ends(places.CARRIER, FIRST_HERTZ)
    gateway = stage.uas(places.CARRIER, scenario=f"uas_{scenario}", talk_ms=6_000, end=far)
    edge = called_by(stage, [gateway])
    caller = stage.uac(places.PBX, places.US_NUMBER, scenario=f"uac_{scenario}", talk_ms=6_000, end=near)
    told = {"invite": ("SIP/2.0 183", "INVITE"), "prack": ("SIP/2.0 200", "PRACK")}[offer]
    near.speak(caller.wait_described(told[0]))
    far.speak(gateway.wait_described(told[1]))
    assert_together(near, far, ("the caller", "the carrier"))
    live, = edge.calls()
    assert live["state"] != "established", live
    assert not [answer for answer in caller.received("SIP/2.0 200") if answer.method == "INVITE"]
    wait_until(lambda: [a for a in caller.received("SIP/2.0 200") if a.method == "INVITE"], 15, "the answer")
    assert_together(near, far, ("the caller", "the carrier"))
    for listener, speaker in ((near, far), (far, near)):
        assert_pictures_are_whole(listener, speaker)
    caller.wait(20)
    gateway.wait(20)
    record, = edge.wait_records(1)
    line, = record["lines"]
    assert line["media"] == "video" and [side["codec"] for side in line["quality"]] == ["H264"] * 2
    assert all(side["lost_packets"] == 0 for side in line["quality"])
    edge.wait_idle()
