"""Real clients transfer their calls: who is left hears whom."""

import pytest

from harness import places
from harness.tones import assert_hears
from harness.waiting import wait_until

PBX_HERTZ, FIRST_HERTZ, SECOND_HERTZ = 440, 1_000, 1_700
LISTEN = 1.5
LOCAL_HOLD = 2


def dial(stage, user):
    return f"sip:{user}@{places.EDGE}:{stage.edge.port}"


@pytest.fixture
def three(stage):
    """A PBX that talks to one carrier, and a second carrier for numbers in Japan."""
    from harness.configuration import carrier
    first = stage.pjsua(places.CARRIER, "first", FIRST_HERTZ)
    second = stage.pjsua(places.SECOND_CARRIER, "second", SECOND_HERTZ)
    stage.configuration.carriers = [
        carrier(port=first.port),
        carrier("pstn-2", places.SECOND_CARRIER, second.port, prefixes=["+81"]),
    ]
    stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    first.wait("state", state="CONFIRMED")
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*first.wait_heard(LISTEN), PBX_HERTZ, SECOND_HERTZ)
    return pbx, first, second


def assert_joined(stage, first, second):
    assert_hears(*first.wait_heard(LISTEN), SECOND_HERTZ, PBX_HERTZ)
    assert_hears(*second.wait_heard(LISTEN), FIRST_HERTZ, PBX_HERTZ)
    second.do("hangup")
    first.wait("state", state="DISCONNECTED")
    edge = stage.edge
    records = edge.wait_records(2)
    ended = {record["end"]["cause"]: record for record in records}
    given = ended.pop("transferred")
    taken, = ended.values()
    assert given["transferred_to"] == taken["transaction_id"]
    assert taken["transferred_from"] == given["transaction_id"]
    edge.wait_idle()


def test_blind_transfer(stage, three):
    pbx, first, second = three
    pbx.do("transfer", uri=dial(stage, places.JP_NUMBER))
    invite = second.wait("incoming")["request"]
    assert "Referred-By:" in invite and places.PBX not in invite, invite
    second.wait("state", state="CONFIRMED")
    pbx.wait("transfer", status=200, final=True)
    pbx.wait("state", state="DISCONNECTED")
    assert_joined(stage, first, second)


def test_blind_transfer_of_a_caller_on_hold(stage, three):
    pbx, first, second = three
    pbx.do("hold")
    pbx.wait("media", status=LOCAL_HOLD)
    pbx.do("transfer", uri=dial(stage, places.JP_NUMBER))
    second.wait("state", state="CONFIRMED")
    pbx.wait("transfer", status=200, final=True)
    pbx.wait("state", state="DISCONNECTED")
    assert_joined(stage, first, second)


def test_attended_transfer(stage, three):
    pbx, first, second = three
    pbx.do("hold")
    pbx.wait("media", status=LOCAL_HOLD)
    pbx.do("call", uri=dial(stage, places.JP_NUMBER))
    second.wait("state", state="CONFIRMED")
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*second.wait_heard(LISTEN), PBX_HERTZ, FIRST_HERTZ)
    pbx.do("transfer_to_newest")
    pbx.wait("transfer", status=200, final=True)
    pbx.wait("state", state="DISCONNECTED")
    pbx.wait("state", state="DISCONNECTED")
    assert_joined(stage, first, second)


def test_a_transfer_that_is_refused_leaves_the_call(stage, three):
    """The target's country is in no calling region."""
    pbx, first, _ = three
    pbx.do("transfer", uri=dial(stage, places.GB_NUMBER))
    pbx.wait("transfer", status=403, final=True)
    assert_hears(*first.wait_heard(LISTEN), PBX_HERTZ, SECOND_HERTZ)
    pbx.do("hangup")
    first.wait("state", state="DISCONNECTED")
    stage.edge.wait_idle()
    wait_until(lambda: len(stage.edge.wait_records(1)) == 1, 5, lambda: "one record")
