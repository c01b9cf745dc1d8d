"""Voice connectors, groups, tags and settings as Terraform makes, reads, changes and deletes them,
with calls that follow at once."""

import json
import sqlite3

import pytest
from botocore.exceptions import ClientError

from harness import places
from harness.configuration import CONNECTOR, DOMAIN
from harness.control_api import ACCOUNT, REGION, ControlApi
from harness.delivered import Caller
from harness.message import compose, sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

ARN = f"arn:aws:chime:{REGION}:{ACCOUNT}"
OWN_NUMBER = "+12065550177"


def served(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    # The customer of the file calls from elsewhere.
    stage.configuration.termination["cidr_allowed_list"] = ["192.0.2.1/32"]
    return ControlApi(stage.start_edge(), port)


@pytest.fixture
def api(stage):
    stage.carrier = stage.carrier_peer()
    return served(stage)


def made_connector(client, **more):
    made = client.create_voice_connector(**{"Name": "made", "RequireEncryption": False, **more})
    return made["VoiceConnector"]


def termination(*networks, **more):
    return {"CpsLimit": 50, "CallingRegions": ["US"], "CidrAllowedList": list(networks),
            "Disabled": False, **more}


def origination(port):
    return {"Disabled": False, "Routes": [{"Host": places.PBX, "Port": port, "Protocol": "UDP",
                                           "Priority": 1, "Weight": 1}]}


def status(peer, edge, host, called=places.US_NUMBER):
    """The final status of a call that nobody takes."""
    return OutgoingCall(peer, edge, called, sdp(peer.ip, 40_000), host=host).final().status


def outbound(stage, pbx, host):
    """A call out through the carrier; the carrier's INVITE."""
    call = OutgoingCall(pbx, stage.edge, places.US_NUMBER, sdp(pbx.ip, 40_000), host=host)
    invite = stage.carrier.expect_request("INVITE")
    stage.carrier.reply(invite, 200, "OK", sdp(stage.carrier.ip, 40_002))
    call.answered()
    stage.hang_up(call, stage.carrier)
    return invite


def associated(api, number, connector):
    """Has the number lead to the connector, as another process would write it down."""
    body = json.dumps({"ProductType": "VoiceConnector", "Association": {"Connector": connector}})
    with sqlite3.connect(api.edge.data_dir / "directory.sqlite", timeout=30) as database:
        database.execute("INSERT OR REPLACE INTO records VALUES ('phone-number', ?, ?, 1, 1)",
                         (number, body))
        database.execute("UPDATE facts SET value = value + 1 WHERE name = 'generation'")


def written(call):
    """A write that comes after another process's: the first one only learns of that."""
    try:
        return call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ServiceUnavailableException", error
        return call()


def test_termination_decides_who_calls_out(stage, api):
    client, pbx = api.client(), stage.peer(places.PBX)
    connector = made_connector(client)
    vc = {"VoiceConnectorId": connector["VoiceConnectorId"]}
    host = connector["OutboundHostName"]
    assert host == f"{vc['VoiceConnectorId']}.voiceconnector.{DOMAIN}"
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_voice_connector_termination(**vc)
    assert status(pbx, stage.edge, host) == 403

    told = client.put_voice_connector_termination(**vc, Termination=termination(f"{places.PBX}/32"))
    assert client.get_voice_connector_termination(**vc)["Termination"] == told["Termination"]
    outbound(stage, pbx, host)
    assert status(pbx, stage.edge, host, places.JP_NUMBER) == 403
    default = termination(f"{places.PBX}/32", DefaultPhoneNumber=OWN_NUMBER)
    client.put_voice_connector_termination(**vc, Termination=default)
    assert OWN_NUMBER in outbound(stage, pbx, host)["from"]

    health = client.get_voice_connector_termination_health(**vc)["TerminationHealth"]
    assert health == {}
    ping = compose(f"OPTIONS sip:{host} SIP/2.0", [
        ("Via", pbx.via()), ("Max-Forwards", "70"), ("From", f"<sip:pbx@{host}>;tag=o"),
        ("To", f"<sip:{host}>"), ("Call-ID", "ping-1"), ("CSeq", "1 OPTIONS")])
    pbx.send(ping, stage.edge.address)
    pbx.expect_status(200, "OPTIONS")
    health = wait_until(
        lambda: client.get_voice_connector_termination_health(**vc)["TerminationHealth"], 10,
        "the health tells of the OPTIONS")
    assert health["Source"] == places.PBX and health["Timestamp"].year >= 2026

    # The next call is refused once its network is not listed.
    client.put_voice_connector_termination(**vc, Termination=termination("198.51.100.0/24"))
    assert status(pbx, stage.edge, host) == 403
    client.put_voice_connector_termination(**vc, Termination=termination(f"{places.PBX}/32"))
    outbound(stage, pbx, host)
    client.put_voice_connector_termination(
        **vc, Termination=termination(f"{places.PBX}/32", Disabled=True))
    assert status(pbx, stage.edge, host) == 403
    client.delete_voice_connector_termination(**vc)
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_voice_connector_termination(**vc)
    assert status(pbx, stage.edge, host) == 403
    client.delete_voice_connector(**vc)


def test_telephones_prove_credentials_from_the_next_call_on(stage):
    server = stage.uas(places.CARRIER, calls=2)
    stage.configuration.carriers[0].update(port=server.port)
    api = served(stage)
    client, pbx = api.client(), stage.peer(places.PBX)
    connector = made_connector(client)
    vc, host = {"VoiceConnectorId": connector["VoiceConnectorId"]}, connector["OutboundHostName"]
    client.put_voice_connector_termination(**vc, Termination=termination(f"{places.PBX}/32"))
    client.put_voice_connector_termination_credentials(
        **vc, Credentials=[{"Username": "pbx", "Password": "geheim-7"}])
    listed = client.list_voice_connector_termination_credentials(**vc)
    assert listed["Usernames"] == ["pbx"]
    assert status(pbx, stage.edge, host) == 401
    phone = stage.pjsua(places.PBX, "pbx", 440, credentials=("pbx", "geheim-7"),
                        proxies=[f"sip:{places.EDGE}:{stage.edge.port};lr"])
    phone.do("call", uri=f"sip:{places.US_NUMBER}@{host}")
    phone.wait("state", state="CONFIRMED")
    phone.do("hangup")
    phone.wait("state", state="DISCONNECTED")
    held = b"".join(file.read_bytes() for file in api.edge.data_dir.glob("directory.sqlite*"))
    assert b"geheim-7" not in held and b"made" in held
    client.delete_voice_connector_termination_credentials(**vc, Usernames=["pbx"])
    assert client.list_voice_connector_termination_credentials(**vc)["Usernames"] == []
    stage.uac(places.PBX, places.US_NUMBER, host=host, talk_ms=200).wait(30)
    server.wait(30)


def test_origination_decides_where_calls_arrive(stage, api):
    client, pbx = api.client(), stage.peer(places.PBX)
    connector = made_connector(client)
    id = connector["VoiceConnectorId"]
    vc = {"VoiceConnectorId": id}
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_voice_connector_origination(**vc)
    associated(api, OWN_NUMBER, id)
    told = written(lambda: client.put_voice_connector_origination(
        **vc, Origination=origination(pbx.port)))
    assert client.get_voice_connector_origination(**vc)["Origination"] == told["Origination"]

    def arrives():
        call = OutgoingCall(stage.carrier, stage.edge, OWN_NUMBER, sdp(stage.carrier.ip, 40_002),
                            calling=places.US_NUMBER, host=DOMAIN)
        invite = pbx.expect_request("INVITE")
        pbx.reply(invite, 200, "OK", sdp(pbx.ip, 40_000))
        call.answered()
        stage.hang_up(call, pbx)

    arrives()
    with pytest.raises(client.exceptions.ConflictException):
        client.delete_voice_connector(**vc)
    client.put_voice_connector_origination(**vc, Origination={
        **origination(pbx.port), "Disabled": True})
    refused = status(stage.carrier, stage.edge, DOMAIN, OWN_NUMBER)
    assert refused >= 400
    client.put_voice_connector_origination(**vc, Origination=origination(pbx.port))
    arrives()
    client.delete_voice_connector_origination(**vc)
    assert status(stage.carrier, stage.edge, DOMAIN, OWN_NUMBER) >= 400


def test_terraform_makes_and_destroys_each_resource(api):
    """Its calls for each resource, in its order: every write is read before the next one."""
    client = api.client()
    typed = client.exceptions
    tags = [{"Key": "team", "Value": "voice"}]
    connector = made_connector(client, Tags=tags)
    id, arn = connector["VoiceConnectorId"], connector["VoiceConnectorArn"]
    vc = {"VoiceConnectorId": id}
    assert client.get_voice_connector(**vc)["VoiceConnector"] == connector
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags
    client.untag_resource(ResourceARN=arn, TagKeys=["team"])
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "cost", "Value": "1"}])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "cost", "Value": "1"}]
    with pytest.raises(typed.BadRequestException):
        client.tag_resource(ResourceARN=arn, Tags=[{"Key": "aws:x", "Value": ""}])
    client.update_voice_connector(**vc, Name="renamed", RequireEncryption=False)
    assert client.get_voice_connector(**vc)["VoiceConnector"]["Name"] == "renamed"

    group = client.create_voice_connector_group(Name="both", VoiceConnectorItems=[
        {"VoiceConnectorId": id, "Priority": 1}, {"VoiceConnectorId": CONNECTOR, "Priority": 2},
    ])["VoiceConnectorGroup"]
    vcg = {"VoiceConnectorGroupId": group["VoiceConnectorGroupId"]}
    assert client.get_voice_connector_group(**vcg)["VoiceConnectorGroup"] == group
    with pytest.raises(typed.ConflictException):
        client.delete_voice_connector(**vc)
    with pytest.raises(typed.ConflictException):
        client.delete_voice_connector_group(**vcg)

    streaming = {"DataRetentionInHours": 5, "Disabled": False,
                 "StreamingNotificationTargets": [{"NotificationTarget": "SQS"}]}
    for put, get, delete, member, value in (
            ("put_voice_connector_origination", "get_voice_connector_origination",
             "delete_voice_connector_origination", "Origination", origination(5060)),
            ("put_voice_connector_termination", "get_voice_connector_termination",
             "delete_voice_connector_termination", "Termination", termination("192.0.2.8/29")),
            ("put_voice_connector_emergency_calling_configuration",
             "get_voice_connector_emergency_calling_configuration",
             "delete_voice_connector_emergency_calling_configuration",
             "EmergencyCallingConfiguration", {"DNIS": [
                 {"EmergencyPhoneNumber": "+12065550911", "CallingCountry": "US"}]}),
            ("put_voice_connector_streaming_configuration",
             "get_voice_connector_streaming_configuration",
             "delete_voice_connector_streaming_configuration", "StreamingConfiguration", streaming)):
        with pytest.raises(typed.NotFoundException):
            getattr(client, get)(**vc)
        assert getattr(client, put)(**vc, **{member: value})[member] == value
        assert getattr(client, get)(**vc)[member] == value
    for part in ("origination", "termination"):
        with pytest.raises(typed.ConflictException):
            getattr(client, f"delete_voice_connector_{part}")(**vc)
    for on in (True, False):
        # Terraform deletes logging by switching it off.
        logging = {"EnableSIPLogs": on, "EnableMediaMetricLogs": on}
        client.put_voice_connector_logging_configuration(**vc, LoggingConfiguration=logging)
        got = client.get_voice_connector_logging_configuration(**vc)
        assert got["LoggingConfiguration"] == logging
    client.put_voice_connector_external_systems_configuration(
        **vc, SessionBorderControllerTypes=["AVAYA_SBCE"])
    got = client.get_voice_connector_external_systems_configuration(**vc)
    assert got["ExternalSystemsConfiguration"] == {"SessionBorderControllerTypes": ["AVAYA_SBCE"]}

    for part in ("external_systems_configuration", "emergency_calling_configuration",
                 "streaming_configuration", "termination", "origination"):
        getattr(client, f"delete_voice_connector_{part}")(**vc)
        with pytest.raises(typed.NotFoundException):
            getattr(client, f"get_voice_connector_{part}")(**vc)
    # A group is emptied before it is deleted.
    emptied = client.update_voice_connector_group(**vcg, Name="both", VoiceConnectorItems=[])
    assert emptied["VoiceConnectorGroup"]["VoiceConnectorItems"] == []
    assert client.get_voice_connector_group(**vcg)["VoiceConnectorGroup"] == \
        emptied["VoiceConnectorGroup"]
    client.delete_voice_connector_group(**vcg)
    client.delete_voice_connector(**vc)
    for gone in (lambda: client.get_voice_connector(**vc),
                 lambda: client.get_voice_connector_group(**vcg),
                 lambda: client.delete_voice_connector(**vc),
                 lambda: client.list_tags_for_resource(ResourceARN=arn)):
        with pytest.raises(typed.NotFoundException):
            gone()


def test_what_is_refused_and_how(api):
    client = api.client()
    typed = client.exceptions
    vc = {"VoiceConnectorId": made_connector(client)["VoiceConnectorId"]}
    of_file = {"VoiceConnectorId": CONNECTOR}
    address = {"AwsAccountId": ACCOUNT, "StreetNumber": "1", "StreetInfo": "Main St",
               "City": "Seattle", "State": "WA", "Country": "US", "PostalCode": "98109"}
    assert client.validate_e911_address(**address)["ValidationResult"] == 0
    balanced = {"Name": "g", "VoiceConnectorItems": [],
                "CallDistributionType": "LoadBalancedDistribution"}
    many = [{**vc, "Priority": n} for n in range(1, 5)]
    for exception, call in (
            (typed.ForbiddenException, lambda: client.put_voice_connector_termination(
                **of_file, Termination=termination())),
            (typed.ForbiddenException, lambda: client.delete_voice_connector(**of_file)),
            (typed.ForbiddenException, lambda: client.create_voice_connector_group(**balanced)),
            (typed.ForbiddenException, lambda: client.update_global_settings(
                VoiceConnector={"CdrBucket": "cdrs"})),
            (typed.ForbiddenException,
             lambda: client.put_voice_connector_streaming_configuration(
                 **vc, StreamingConfiguration={
                     "DataRetentionInHours": 0, "Disabled": False,
                     "MediaInsightsConfiguration": {"Disabled": False}})),
            (typed.ResourceLimitExceededException, lambda: client.create_voice_connector_group(
                Name="g", VoiceConnectorItems=many)),
            (typed.BadRequestException, lambda: client.put_voice_connector_termination(
                **vc, Termination=termination("192.0.2.1/24"))),
            (typed.BadRequestException,
             lambda: client.put_voice_connector_emergency_calling_configuration(
                 **vc, EmergencyCallingConfiguration={"DNIS": []})),
            (typed.NotFoundException,
             lambda: client.put_voice_connector_termination_credentials(**vc, Credentials=[])),
            (typed.UnprocessableEntityException,
             lambda: client.validate_e911_address(**{**address, "PostalCode": "1"}))):
        with pytest.raises(exception):
            call()
    # Terraform's end of global settings, where there is nothing to take away.
    client.update_global_settings(VoiceConnector={})
    assert client.get_global_settings()["VoiceConnector"] == {}
    # The file's resources have tags of the API.
    arn = f"{ARN}:vc/{CONNECTOR}"
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "k", "Value": "v"}])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]


def test_the_bucket_of_call_detail_records_changes_at_once(stage, cloud):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.sinks = {"kind": "file", "s3": {
        "kind": "aws", "endpoint_url": cloud.url, "bucket": "not-there"}}
    caller = Caller(stage)
    client = ControlApi(caller.edge, port).client()

    def update(**bucket):
        client.update_global_settings(VoiceConnector=bucket)
        assert client.get_global_settings()["VoiceConnector"] == bucket

    assert client.get_global_settings()["VoiceConnector"] == {"CdrBucket": "not-there"}
    caller.call()
    caller.accepted()
    # What waits for a bucket that is not there goes where there is one.
    cloud.make_bucket("chosen-later")
    update(CdrBucket="chosen-later")
    caller.drained()
    assert len(cloud.objects("chosen-later")) == 1
    update()
    caller.call()
    caller.edge.wait_idle()
    wait_until(lambda: len([*(caller.edge.data_dir / "s3").rglob("*_*")]) == 1, 20,
               "the second call's record is a file")
    caller.drained()
    assert len(cloud.objects("chosen-later")) == 1
    # After a restart as well.
    update(CdrBucket="chosen-later")
    caller.restart()
    assert client.get_global_settings()["VoiceConnector"] == {"CdrBucket": "chosen-later"}
    caller.call()
    caller.drained()
    assert len(cloud.objects("chosen-later")) == 2
