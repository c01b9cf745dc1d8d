"""What Terraform's provider is known to do, each habit a test: docs/control-api.md lists them.
test_connectors.py makes and destroys each resource in its order."""

import json

import pytest

from harness import operations, places
from harness.control_api import REGION, ControlApi


@pytest.fixture
def api(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    return ControlApi(stage.start_edge(), port)


@pytest.fixture
def client(api):
    return api.client()


def made(client):
    told = client.create_voice_connector(Name="made", RequireEncryption=False)
    return {"VoiceConnectorId": told["VoiceConnector"]["VoiceConnectorId"]}


def group_of(client, vc):
    items = [{**vc, "Priority": 1}]
    told = client.create_voice_connector_group(Name="both", VoiceConnectorItems=items)
    return {"VoiceConnectorGroupId": told["VoiceConnectorGroup"]["VoiceConnectorGroupId"]}


def test_a_read_has_its_wrapper_or_is_not_found(api, client):
    """It looks at the member before the error: an empty answer would be a resource that is gone."""
    vc = made(client)
    group = group_of(client, vc)
    path = f"/voice-connectors/{vc['VoiceConnectorId']}"

    def read(target):
        url, headers = api.signed("GET", target)
        status, exception, body = api.send("GET", url, headers)
        return status, exception, json.loads(body)

    for part, wrapper in (("origination", "Origination"), ("termination", "Termination"),
                          ("streaming-configuration", "StreamingConfiguration"),
                          ("emergency-calling-configuration", "EmergencyCallingConfiguration")):
        status, exception, body = read(f"{path}/{part}")
        assert (status, exception) == (404, "NotFoundException"), part
        assert wrapper not in body
    client.put_voice_connector_origination(**vc, Origination={})
    client.put_voice_connector_termination(**vc, Termination={
        "CallingRegions": ["US"], "CidrAllowedList": ["192.0.2.8/29"]})
    for target, wrapper in ((path, "VoiceConnector"), (f"{path}/origination", "Origination"),
                            (f"{path}/termination", "Termination"),
                            (f"{path}/logging-configuration", "LoggingConfiguration"),
                            (f"/voice-connector-groups/{group['VoiceConnectorGroupId']}",
                             "VoiceConnectorGroup"),
                            ("/settings", "VoiceConnector")):
        status, _, body = read(target)
        assert status == 200 and isinstance(body[wrapper], dict), (target, body)


def test_logging_is_deleted_by_putting_both_off(client):
    vc = made(client)
    for logging in ({"EnableSIPLogs": True, "EnableMediaMetricLogs": True},
                    {"EnableSIPLogs": False, "EnableMediaMetricLogs": False}):
        client.put_voice_connector_logging_configuration(**vc, LoggingConfiguration=logging)
        told = client.get_voice_connector_logging_configuration(**vc)
        assert told["LoggingConfiguration"] == logging


def test_a_group_that_is_renamed_is_emptied_as_told(client):
    """A change of the name alone comes with no items: the list is what is said, always."""
    vc = made(client)
    group = group_of(client, vc)
    client.update_voice_connector_group(**group, Name="renamed", VoiceConnectorItems=[])
    told = client.get_voice_connector_group(**group)["VoiceConnectorGroup"]
    assert (told["Name"], told["VoiceConnectorItems"]) == ("renamed", [])
    client.delete_voice_connector_group(**group)
    client.delete_voice_connector(**vc)


def test_credentials_are_there_while_their_list_is_answered(client):
    """Only a 404 means that they are gone; who is on the list it does not look at."""
    vc = made(client)
    client.put_voice_connector_termination(**vc, Termination=operations.TERMINATION)
    credentials = [{"Username": f"u{n}", "Password": "geheim-1"} for n in range(10)]
    client.put_voice_connector_termination_credentials(**vc, Credentials=credentials)
    told = client.list_voice_connector_termination_credentials(**vc)
    assert told["Usernames"] == [each["Username"] for each in credentials]
    client.delete_voice_connector_termination_credentials(**vc, Usernames=told["Usernames"])
    assert client.list_voice_connector_termination_credentials(**vc)["Usernames"] == []
    client.delete_voice_connector(**vc)
    with pytest.raises(client.exceptions.NotFoundException):
        client.list_voice_connector_termination_credentials(**vc)


def test_global_settings_are_deleted_by_an_update_without_a_bucket(client):
    """Where a bucket is configured: test_the_bucket_of_call_detail_records_changes_at_once."""
    client.update_global_settings(VoiceConnector={})
    assert client.get_global_settings()["VoiceConnector"] == {}


def test_rules_and_applications_are_read_after_each_write(client):
    endpoint = [{"LambdaArn": "https://menu.example.com/"}]
    told = client.create_sip_media_application(AwsRegion=REGION, Name="menu", Endpoints=endpoint)
    application = told["SipMediaApplication"]
    id = {"SipMediaApplicationId": application["SipMediaApplicationId"]}
    assert client.get_sip_media_application(**id)["SipMediaApplication"] == application
    # In the default tags of a provider.
    arn = application["SipMediaApplicationArn"]
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "voice"}])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [
        {"Key": "team", "Value": "voice"}]
    targets = [{**id, "Priority": 1, "AwsRegion": REGION}]
    rule = client.create_sip_rule(Name="menu", TriggerType="ToPhoneNumber",
                                  TriggerValue="+12065550900", TargetApplications=targets)["SipRule"]
    of_rule = {"SipRuleId": rule["SipRuleId"]}
    assert client.get_sip_rule(**of_rule)["SipRule"] == rule
    with pytest.raises(client.exceptions.ConflictException):
        client.delete_sip_rule(**of_rule)
    # `disabled = true` is applied first; all that the provider knows is said again.
    changed = client.update_sip_rule(**of_rule, Name="menu", Disabled=True,
                                     TargetApplications=targets)["SipRule"]
    assert client.get_sip_rule(**of_rule)["SipRule"] == changed
    client.delete_sip_rule(**of_rule)
    client.delete_sip_media_application(**id)
    for gone in (lambda: client.get_sip_rule(**of_rule),
                 lambda: client.get_sip_media_application(**id)):
        with pytest.raises(client.exceptions.NotFoundException):
            gone()
