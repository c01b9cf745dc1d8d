"""sipp asks for transfers, carries them out, and is their target."""

import pytest

from harness import places
from harness.configuration import carrier

CALLS = 5
TALK_MS = 300


@pytest.fixture
def parties(stage):
    """Starts a transferee behind the first carrier and a target behind the second one, then the
    edge, and asks for a transfer in each of five calls."""
    def transfer(scenario, transferee, target="uas", outcome="200", to=places.JP_NUMBER):
        first = stage.uas(places.CARRIER, scenario=transferee, calls=CALLS, talk_ms=TALK_MS)
        stage.configuration.carriers = [carrier(port=first.port)]
        second = None
        if target:
            second = stage.uas(places.SECOND_CARRIER, scenario=target, calls=CALLS)
            stage.configuration.carriers.append(
                carrier("pstn-2", places.SECOND_CARRIER, second.port, prefixes=["+81"]))
        stage.start_edge()
        pbx = stage.uac(places.PBX, places.US_NUMBER, "-key", "target", to, scenario=scenario,
                        calls=CALLS, talk_ms=TALK_MS, outcome=outcome)
        for party in filter(None, (pbx, first, second)):
            party.wait(40)
        return stage.edge
    return transfer


def test_a_transferor_hears_of_the_transfer_and_is_hung_up(stage, parties):
    edge = parties("uac_refer", "uas_transferee")
    records = edge.wait_records(2 * CALLS)
    edge.wait_idle()
    given = [record for record in records if record["end"]["cause"] == "transferred"]
    taken = {record["transaction_id"]: record for record in records if record not in given}
    assert len(given) == len(taken) == CALLS
    for record in given:
        other = taken[record["transferred_to"]]
        assert other["transferred_from"] == record["transaction_id"]
        assert other["end"]["status"] == 200


def test_a_transferor_whose_target_is_busy_keeps_its_call(stage, parties):
    edge = parties("uac_refer_leaving", "uas", target="uas_busy", outcome="486")
    records = edge.wait_records(2 * CALLS)
    edge.wait_idle()
    assert sorted(record["end"]["status"] for record in records) == [200] * CALLS + [486] * CALLS
    assert not any(record.get("transferred_to") for record in records)


def test_a_passed_transfer_is_carried_out_by_the_transferee(stage, parties):
    """REFER and NOTIFYs go through; the edge calls nobody."""
    stage.configuration.connector["refer"] = "pass"
    edge = parties("uac_refer_leaving", "uas_refer", target=None)
    for record in edge.wait_records(CALLS):
        assert record["end"]["status"] == 200
        steps = [(step["leg"], step["direction"], step["start_line"].split(" ")[0])
                 for step in record["ladder"]]
        assert steps.count(("B", "sent", "REFER")) == 1, steps
        assert steps.count(("A", "sent", "NOTIFY")) == 3, steps
    edge.wait_idle()


def test_a_transfer_that_policy_refuses(stage, parties):
    stage.configuration.connector["refer"] = "refuse"
    edge = parties("uac_refer_refused", "uas", target=None)
    assert [record["end"]["status"] for record in edge.wait_records(CALLS)] == [200] * CALLS
    edge.wait_idle()
