"""Digest credentials both ways, with clients and a proxy of other make."""

import hashlib
import re

import pytest

from harness import places
from harness.configuration import CONNECTOR_HOST, carrier as carrier_table
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

USER, PASSWORD = "pbx", "correct horse"
BOTH = ["SHA-256", "MD5"]


def ask_customers(stage, **more):
    stage.configuration.termination.update(
        credentials=[{"username": USER, "password": PASSWORD}], **more)


def outcomes(edge, **expected):
    for outcome, count in expected.items():
        edge.wait_metric("tandem_sip_authentication_total", count, outcome=outcome)


def assert_unseen(edge, *secrets):
    """No password is in anything that the node wrote or said."""
    kept = [file for file in edge.data_dir.rglob("*") if file.is_file()]
    for secret in secrets:
        assert not edge.said(secret)
        for file in kept:
            assert secret.encode() not in file.read_bytes(), file


def test_sipp_proves_its_password(stage):
    # sipp 3.6 knows MD5 alone and reads one challenge: such clients want it first.
    ask_customers(stage, digest_algorithms=["MD5"])
    calls = 3
    server = stage.uas(places.CARRIER, calls=calls)
    stage.configuration.carriers[0].update(port=server.port)
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, "-au", USER, "-ap", PASSWORD,
                       scenario="uac_credentials", calls=calls, talk_ms=300)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == calls
    server.wait(10)
    edge.wait_records(calls)
    assert {record["SipAuthUser"] for record in edge.detail_records()} == {USER}
    outcomes(edge, challenged=calls, accepted=calls, wrong=0)
    assert_unseen(edge, PASSWORD)
    edge.wait_idle()


def test_a_wrong_password_is_refused_and_its_source_named(stage):
    ask_customers(stage, digest_algorithms=["MD5"])
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, "-au", USER, "-ap", "wrong horse",
                       scenario="uac_credentials", calls=1, talk_ms=300)
    with pytest.raises(AssertionError):
        client.wait(20)
    outcomes(edge, challenged=1, wrong=1, accepted=0)
    wait_until(lambda: any("wrong_credentials" in line and places.PBX in line
                           for line in edge.lines), 5, "the log names the source")
    assert edge.metric("tandem_sip_authentication_failing_sources") == 1
    assert edge.call_records() == [], "nothing was kept of the call"


@pytest.mark.parametrize("algorithms", [BOTH, BOTH[::-1], ["SHA-256"]])
def test_pjsua_proves_its_password(stage, algorithms):
    ask_customers(stage, digest_algorithms=algorithms)
    server = stage.uas(places.CARRIER)
    stage.configuration.carriers[0].update(port=server.port)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", 440, credentials=(USER, PASSWORD),
                      proxies=[f"sip:{places.EDGE}:{edge.port};lr"])
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{CONNECTOR_HOST}")
    pbx.wait("state", state="CONFIRMED")
    pbx.do("hangup")
    pbx.wait("state", state="DISCONNECTED")
    server.wait(10)
    edge.wait_records(1)
    outcomes(edge, challenged=1, accepted=1)
    edge.wait_idle()


def carrier_credentials(stage, port, password="open sesame", **more):
    stage.configuration.carriers[0].update(port=port, username="tandem", password=password, **more)


def test_a_carrier_whose_nonce_is_stale_is_answered_again(stage):
    calls = 3
    server = stage.uas(places.CARRIER, scenario="uas_stale", calls=calls)
    carrier_credentials(stage, server.port, realm="sipp.test")
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, calls=calls, talk_ms=300)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == calls
    server.wait(10)
    for record in edge.wait_records(calls):
        sent = [step["start_line"].split(" ")[0] for step in record["ladder"]
                if step["leg"] == "B" and step["direction"] == "sent"]
        assert sent == ["INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK", "BYE"], sent
        assert len(record["routes"]) == 1, "one attempt, whatever it took"
    assert_unseen(edge, "open sesame")
    edge.wait_idle()


def test_kamailio_asks_for_every_request_of_a_call(stage):
    """INVITE and BYE, through its recorded route; the BYE needs no second asking."""
    calls = 3
    gateway = stage.uas(places.CARRIER, calls=calls)
    carrier = stage.kamailio(places.CARRIER, f"{places.CARRIER}:{gateway.port}", "tandem",
                             "open sesame")
    carrier_credentials(stage, carrier.port)
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, calls=calls, talk_ms=500)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == calls
    gateway.wait(10)
    edge.wait_records(calls)
    edge.wait_idle()
    log = carrier.log()
    assert (carrier.count("asked: INVITE"), carrier.count("proved: INVITE")) == (calls, calls), log
    assert (carrier.count("asked: BYE"), carrier.count("proved: BYE")) == (0, calls), log
    routes = {(route["attempt"], route["carrier"]) for record in edge.call_records()
              for route in record["routes"]}
    assert routes == {(1, "pstn-1")}


def test_kamailio_forgets_a_nonce_before_the_call_ends(stage):
    gateway = stage.uas(places.CARRIER)
    carrier = stage.kamailio(places.CARRIER, f"{places.CARRIER}:{gateway.port}", "tandem",
                             "open sesame", expire=1)
    carrier_credentials(stage, carrier.port)
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, talk_ms=3_000)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == 1
    gateway.wait(10)
    edge.wait_records(1)
    edge.wait_idle()
    assert (carrier.count("asked: BYE"), carrier.count("proved: BYE")) == (1, 1), carrier.log()


def test_a_password_that_the_carrier_refuses_is_told_and_the_next_carrier_called(stage):
    gateway = stage.uas(places.SECOND_CARRIER)
    proxy = stage.kamailio(places.CARRIER, f"{places.SECOND_CARRIER}:{gateway.port}", "tandem",
                           "open sesame")
    carrier_credentials(stage, proxy.port, password="shut sesame")
    stage.configuration.carriers.append(
        carrier_table("pstn-2", places.SECOND_CARRIER, gateway.port, priority=2))
    edge = stage.start_edge()
    client = stage.uac(places.PBX, places.US_NUMBER, talk_ms=300)
    assert int(client.wait(30)["SuccessfulCall(C)"]) == 1
    record, = edge.wait_records(1)
    assert [route["carrier"] for route in record["routes"]] == ["pstn-1", "pstn-2"]
    edge.wait_metric("tandem_carrier_credential_problems_total", 1, problem="refused")
    wait_until(lambda: any("pstn-1" in line and "correct the carrier's username and password" in line
                           for line in edge.lines), 5, "the log names the carrier and the setting")
    assert_unseen(edge, "shut sesame")
    edge.wait_idle()


def parameters(value):
    """Of a challenge or of credentials."""
    return {name: quoted or plain
            for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', value)}


def test_guessing_is_slowed_and_counted(stage):
    """Ten wrong answers from one source are told so; after them it is not listened to."""
    ask_customers(stage)
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    guesser = stage.peer(places.PBX)

    def attempt(*headers):
        call = OutgoingCall(guesser, edge, places.US_NUMBER, sdp(guesser.ip, 40_000),
                            headers=headers)
        return call, call.final()

    call, asked = attempt()
    challenge = parameters(asked["www-authenticate"])
    statuses = []
    for guess in range(12):
        proof = (f'Digest username="{USER}", realm="{challenge["realm"]}", uri="{call.uri}", '
                 f'nonce="{challenge["nonce"]}", algorithm={challenge["algorithm"]}, qop=auth, '
                 f'nc={guess + 1:08x}, cnonce="c", response="{guess:064x}"')
        statuses.append(attempt(("Authorization", proof))[1].status)
    assert statuses == [401] * 10 + [403] * 2
    outcomes(edge, challenged=1, wrong=10, blocked=2, accepted=0)
    assert edge.metric("tandem_sip_authentication_failing_sources") == 1
    assert carrier.receive(0.2) is None
    edge.wait_idle()


@pytest.mark.parametrize("algorithm, name", [("MD5", "md5"), ("SHA-256", "sha256")])
def test_a_carrier_is_answered_by_the_algorithm_that_it_asks_for(stage, algorithm, name):
    """With the arithmetic of another library."""
    carrier = stage.carrier_peer(username="tandem", password="open sesame")
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(caller.ip, 40_000))
    invite = carrier.expect_request("INVITE")
    carrier.reply(invite, 401, "Unauthorized", headers=[
        ("WWW-Authenticate",
         f'Digest realm="pstn", nonce="n1", qop="auth", algorithm={algorithm}')])
    proven = carrier.expect(lambda m: m.status is None and m.method == "INVITE"
                            and m.get("authorization"))
    given = parameters(proven["authorization"])

    def digest(*parts):
        return hashlib.new(name, ":".join(parts).encode()).hexdigest()

    expected = digest(digest("tandem", "pstn", "open sesame"), "n1", given["nc"], given["cnonce"],
                      "auth", digest("INVITE", given["uri"]))
    assert (given["response"], given["algorithm"]) == (expected, algorithm)
    carrier.reply(proven, 486, "Busy Here")
    assert call.final().status == 486
    assert_unseen(edge, "open sesame")
    edge.wait_idle()
