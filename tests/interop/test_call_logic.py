"""What real clients see of the call logic beyond plain calls: PRACK, UPDATE, forks, redirects."""

import pytest

from harness import places

CALLS = 5


def serve(stage, scenario, ip=places.CARRIER, **options):
    server = stage.uas(ip, scenario=scenario, calls=CALLS, **options)
    stage.configuration.carriers[0].update(host=ip, port=server.port)
    return server


def call(stage, scenario, server):
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, scenario=scenario, calls=CALLS, talk_ms=300)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == CALLS
    server.wait(15)
    records = edge.wait_records(CALLS)
    edge.wait_idle()
    return records


def test_prack_and_early_update_pass_from_end_to_end(stage):
    server = serve(stage, "uas_prack")
    for record in call(stage, "uac_prack", server):
        sent = [step["start_line"].split(" ")[0] for step in record["ladder"]
                if step["leg"] == "B" and step["direction"] == "sent"]
        assert sent == ["INVITE", "PRACK", "UPDATE", "ACK", "BYE"], sent


def test_a_reliable_callee_and_a_caller_that_never_heard_of_it(stage):
    """The plain caller gets plain responses, and the description that the 200 left out."""
    server = serve(stage, "uas_reliable")
    call(stage, "uac", server)


def test_the_second_answer_of_a_forked_call_is_hung_up(stage):
    server = serve(stage, "uas_fork")
    records = call(stage, "uac", server)
    assert [record["end"]["status"] for record in records] == [200] * CALLS


def test_changes_of_both_sides_that_cross(stage):
    """The one that came second gets 491, the first one passes, and the second one passes when it is
    asked again."""
    server = serve(stage, "uas_glare")
    for record in call(stage, "uac_glare", server):
        assert record["end"]["status"] == 200
        steps = [(step["leg"], step["direction"], step["start_line"]) for step in record["ladder"]]
        refused = [(leg, way) for leg, way, line in steps if " 491 " in line]
        assert refused and set(refused) == {("B", "sent")}, steps
        passed = [leg for leg, way, line in steps if way == "sent" and line.startswith("INVITE")]
        # The call and the caller's change to leg B, then leg B's second attempt to leg A.
        assert passed == ["B", "B", "A"], steps


def test_a_redirect_is_followed_to_a_listed_host(stage):
    final = stage.uas(places.SECOND_CARRIER, calls=CALLS)
    moved = f"{places.US_NUMBER}@{places.SECOND_CARRIER}:{final.port}"
    server = serve(stage, "uas_moved", moved=moved)
    stage.configuration.carriers[0].update(follow_redirects=1,
                                           redirect_hosts=[places.SECOND_CARRIER])
    records = call(stage, "uac", server)
    final.wait(15)
    for record in records:
        assert len(record["routes"]) == 2, record["routes"]


def test_a_redirect_that_nobody_allowed_is_told_to_the_caller(stage):
    moved = f"{places.US_NUMBER}@192.0.2.77"
    server = serve(stage, "uas_moved", moved=moved)
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, calls=1, talk_ms=300)
    try:
        client.wait(20)
    except AssertionError:
        pass
    else:
        raise AssertionError("the call was not refused")
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 302
    server.stop()


@pytest.mark.parametrize("passed", [True, False])
def test_messages_between_telephones(stage, passed):
    """MESSAGE passes inside a call, unless the connector keeps it out; then the sender hears so."""
    if not passed:
        stage.configuration.connector["pass_requests"] = ["INFO"]
    callee = stage.pjsua(places.CARRIER, "callee", 1_000)
    stage.configuration.carriers[0].update(host=places.CARRIER, port=callee.port)
    stage.start_edge()
    caller = stage.pjsua(places.PBX, "caller", 440)
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{stage.edge.port}")
    for phone in (callee, caller):
        phone.wait("state", state="CONFIRMED")
    for sender, receiver in ((caller, callee), (callee, caller)):
        text = f"from {sender.name}: gr\u00fc\u00dfe"
        sender.do("message", text=text)
        sender.wait("message_answered", status=200 if passed else 405)
        if passed:
            assert receiver.wait("message")["body"] == text
        else:
            assert not [event for event in receiver.events if event["event"] == "message"]
    caller.do("hangup")
    callee.wait("state", state="DISCONNECTED")
    stage.edge.wait_idle()
