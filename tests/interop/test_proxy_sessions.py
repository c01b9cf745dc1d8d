"""Proxy phone sessions: made by boto3, called by sipp."""

import pytest
from botocore.exceptions import ClientError

from harness import places
from harness.configuration import CONNECTOR, carrier
from harness.control_api import ControlApi
from harness.waiting import wait_until

ALICE, BOB = "+13125550111", "+12125550333"
VC = {"VoiceConnectorId": CONNECTOR}


def refused(call, exception):
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    assert error["Code"] == exception, error
    return error["Message"]


def test_two_people_call_each_other_and_learn_nothing(stage):
    port = places.free_port(places.EDGE)
    callee = stage.uas(places.SECOND_CARRIER, calls=1, hertz=1_000)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.carriers = [
        carrier(prefixes=["+1312"]),
        carrier(id="pstn-2", host=places.SECOND_CARRIER, port=callee.port, prefixes=["+1212"])]
    edge = stage.start_edge()
    api = ControlApi(edge, port)
    client = api.client()

    make = {**VC, "ParticipantPhoneNumbers": [ALICE, BOB], "Capabilities": ["Voice"]}
    message = refused(lambda: client.create_proxy_session(**make), "NotFoundException")
    assert "proxy configuration" in message
    put = client.put_voice_connector_proxy(
        **VC, DefaultSessionExpiryMinutes=60, PhoneNumberPoolCountries=["US"])["Proxy"]
    assert put == {"DefaultSessionExpiryMinutes": 60, "Disabled": False,
                   "PhoneNumberCountries": ["US"]}
    assert client.get_voice_connector_proxy(**VC)["Proxy"] == put
    message = refused(lambda: client.create_proxy_session(**{**make, "Capabilities": ["SMS"]}),
                      "BadRequestException")
    assert "SMS is not served" in message
    made = client.create_proxy_session(**make, Name="ride 7", ExpiryMinutes=5,
                                       NumberSelectionBehavior="PreferSticky",
                                       GeoMatchLevel="Country")["ProxySession"]
    assert made["Participants"] == [
        {"PhoneNumber": number, "ProxyPhoneNumber": places.NUMBER} for number in (ALICE, BOB)]
    session = {**VC, "ProxySessionId": made["ProxySessionId"]}

    def status():
        return client.get_proxy_session(**session)["ProxySession"]["Status"]

    assert status() == "Open"
    caller = stage.uac(places.CARRIER, places.NUMBER, host=places.EDGE, calling=ALICE,
                       talk_ms=4_000)
    wait_until(lambda: status() == "InProgress", 20, "the session is in progress")
    assert int(caller.wait(30)["SuccessfulCall(C)"]) == 1
    callee.wait(10)
    [record] = edge.wait_records(1)
    assert record["proxy_session"] == made["ProxySessionId"]
    assert record["routes"][-1]["carrier"] == "pstn-2"
    wait_until(lambda: status() == "Open", 20, "the session is open again")

    edge.wait_idle()
    # Each side's messages have a Call-ID of their own, and no Call-ID comes with both numbers.
    of_call = {}
    for line in edge.sip_log():
        call_id = line["sip_message"].split("Call-ID: ")[1].split("\r\n")[0]
        for number in (ALICE, BOB):
            if number[1:] in line["sip_message"]:
                of_call.setdefault(call_id, set()).add(number)
    assert sorted(map(sorted, of_call.values())) == [[BOB], [ALICE]], of_call

    updated = client.update_proxy_session(**session, Capabilities=["Voice"], ExpiryMinutes=9)
    assert updated["ProxySession"]["ExpiryMinutes"] == 9
    client.delete_proxy_session(**session)
    assert status() == "Closed"
    listed = client.list_proxy_sessions(**VC, Status="Closed")["ProxySessions"]
    assert [each["ProxySessionId"] for each in listed] == [made["ProxySessionId"]]
    assert client.list_proxy_sessions(**VC, Status="Open")["ProxySessions"] == []
    client.delete_voice_connector_proxy(**VC)
    refused(lambda: client.get_voice_connector_proxy(**VC), "NotFoundException")
    numbers = [ALICE, BOB]
    wait_until(lambda: len(api.audit()) > 12, 10, "the audit is written")
    assert not any(number in str(api.audit()) for number in numbers)
    assert edge.metric("tandem_proxy_calls_total", to="participant") == 1
