"""The control API, asked by boto3, the aws CLI and signers of botocore."""

import datetime
import http.client
import json
import random
import stat
import threading
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from botocore.utils import percent_encode_sequence
from botocore.validate import ParamValidator

from harness import places
from harness.configuration import CONNECTOR, CONNECTOR_HOST
from harness.control_api import ACCOUNT, REGION, ControlApi, aws_cli
from harness.tls import Authority
from harness.waiting import wait_until

ARN = f"arn:aws:chime:{REGION}:{ACCOUNT}"
TOLL_FREE = "+18005550123"
SECOND = "zbcdef1ghij2klmno3pqr4"


@pytest.fixture
def api(stage):
    port = places.free_port(places.EDGE)
    configuration = stage.configuration
    configuration.api = {"listen": f"{places.EDGE}:{port}"}
    configuration.termination["credentials"] = [{"username": "pbx", "password": "geheim-1"}]
    configuration.connector["default_caller"] = places.NUMBER
    configuration.streaming = {"enabled": True, "retention_hours": 48,
                               "notifications": ["EventBridge"]}
    configuration.more = [f"""
[[voice_connector]]
id = "{SECOND}"
[[voice_connector_group]]
id = "headquarters"
name = "Head quarters"
numbers = ["{TOLL_FREE}"]
[[voice_connector_group.members]]
voice_connector = "{CONNECTOR}"
priority = 2
"""]
    return ControlApi(stage.start_edge(), port)


def valid(client, operation, answer):
    """The answer is of the shape that the service's model says, required members and all."""
    shape = client.meta.service_model.operation_model(operation).output_shape
    body = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
    if shape is None:
        assert body == {}
        return body
    report = ParamValidator().validate(body, shape)
    assert not report.has_errors(), report.generate_report()
    return body


def refused(call, exception, status):
    """The typed exception; its message."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == \
        (exception, status), error
    assert error["ResponseMetadata"]["RequestId"]
    return error["Error"]["Message"]


def test_reads_tell_what_the_file_says(api):
    client = api.client()

    def ask(operation, **parameters):
        method = getattr(client, {v: k for k, v in client.meta.method_to_api_mapping.items()}
                         [operation])
        return valid(client, operation, method(**parameters))

    vc = {"VoiceConnectorId": CONNECTOR}
    connector = ask("GetVoiceConnector", **vc)["VoiceConnector"]
    assert connector == {
        "VoiceConnectorId": CONNECTOR, "AwsRegion": REGION, "Name": "test",
        "OutboundHostName": CONNECTOR_HOST, "RequireEncryption": False,
        "VoiceConnectorArn": f"{ARN}:vc/{CONNECTOR}"}
    listed = ask("ListVoiceConnectors")["VoiceConnectors"]
    assert listed[0] == connector and [each["VoiceConnectorId"] for each in listed] == \
        [CONNECTOR, SECOND]
    assert ask("GetVoiceConnectorOrigination", **vc)["Origination"] == {
        "Disabled": False, "Routes": [{"Host": places.PBX, "Port": 5070, "Protocol": "UDP",
                                       "Priority": 1, "Weight": 1}]}
    assert ask("GetVoiceConnectorTermination", **vc)["Termination"] == {
        "CpsLimit": 2000, "CallingRegions": ["US", "JP"], "Disabled": False,
        "CidrAllowedList": [f"{places.PBX}/32", "127.0.0.1/32"],
        "DefaultPhoneNumber": places.NUMBER}
    assert ask("ListVoiceConnectorTerminationCredentials", **vc) == {"Usernames": ["pbx"]}
    assert ask("GetVoiceConnectorStreamingConfiguration", **vc)["StreamingConfiguration"] == {
        "DataRetentionInHours": 48, "Disabled": False,
        "StreamingNotificationTargets": [{"NotificationTarget": "EventBridge"}]}
    assert ask("GetVoiceConnectorLoggingConfiguration", **vc)["LoggingConfiguration"] == {
        "EnableSIPLogs": True, "EnableMediaMetricLogs": True}
    group = ask("GetVoiceConnectorGroup", VoiceConnectorGroupId="headquarters")
    assert group["VoiceConnectorGroup"] == {
        "VoiceConnectorGroupId": "headquarters", "Name": "Head quarters",
        "VoiceConnectorItems": [{"VoiceConnectorId": CONNECTOR, "Priority": 2}],
        "VoiceConnectorGroupArn": f"{ARN}:vcg/headquarters",
        "CallDistributionType": "PriorityWeightedDistribution"}
    assert ask("ListVoiceConnectorGroups")["VoiceConnectorGroups"] == \
        [group["VoiceConnectorGroup"]]
    number = ask("GetPhoneNumber", PhoneNumberId=places.NUMBER)["PhoneNumber"]
    assert (number["Country"], number["Type"], number["Status"]) == ("US", "Local", "Assigned")
    assert number["Associations"] == [{"Name": "VoiceConnectorId", "Value": CONNECTOR}]
    assert ask("ListAvailableVoiceConnectorRegions") == {"VoiceConnectorRegions": [REGION]}
    assert ask("GetGlobalSettings") == {"VoiceConnector": {}}
    for arn in (f"vc/{CONNECTOR}", "vcg/headquarters", f"phone-number/{places.NUMBER}"):
        # Empty, as clients expect it; the model would have at least one.
        assert client.list_tags_for_resource(ResourceARN=f"{ARN}:{arn}")["Tags"] == []


def test_phone_numbers_are_filtered(api):
    client = api.client()

    def numbers(**filters):
        answer = valid(client, "ListPhoneNumbers", client.list_phone_numbers(**filters))
        return [each["PhoneNumberId"] for each in answer["PhoneNumbers"]]

    assert numbers() == [places.NUMBER, TOLL_FREE]
    assert numbers(FilterName="VoiceConnectorId", FilterValue=CONNECTOR) == [places.NUMBER]
    assert numbers(FilterName="VoiceConnectorGroupId", FilterValue="headquarters") == [TOLL_FREE]
    assert numbers(FilterName="SipRuleId", FilterValue="x") == []
    assert numbers(Status="Assigned", ProductType="VoiceConnector") == [places.NUMBER, TOLL_FREE]
    assert numbers(Status="Unassigned") == []
    assert numbers(ProductType="SipMediaApplicationDialIn") == []
    for filters in ({"Status": "assigned"}, {"FilterName": "VoiceConnectorId"},
                    {"FilterName": "Color", "FilterValue": "x"}, {"ProductType": "Fax"},
                    {"FilterName": "VoiceConnectorId", "FilterValue": "short"},
                    {"NextToken": "00"}, {"MaxResults": 1, "NextToken": "x" * 2000}):
        refused(lambda: client.list_phone_numbers(**filters), "BadRequestException", 400)


def test_refusals_are_typed_exceptions(api):
    client = api.client()
    other = "a" * 22
    typed = client.exceptions
    with pytest.raises(typed.NotFoundException):
        client.get_voice_connector(VoiceConnectorId=other)
    with pytest.raises(typed.NotFoundException):
        client.get_voice_connector_termination(VoiceConnectorId=SECOND)
    with pytest.raises(typed.NotFoundException):
        client.get_voice_connector_origination(VoiceConnectorId=SECOND)
    with pytest.raises(typed.NotFoundException):
        client.get_voice_connector_emergency_calling_configuration(VoiceConnectorId=CONNECTOR)
    with pytest.raises(typed.NotFoundException):
        client.get_voice_connector_group(VoiceConnectorGroupId="other")
    with pytest.raises(typed.NotFoundException):
        client.get_phone_number(PhoneNumberId="+12065550999")
    with pytest.raises(typed.NotFoundException):
        client.list_tags_for_resource(ResourceARN=f"{ARN}:vc/{other}")
    with pytest.raises(typed.BadRequestException) as caught:
        client.get_voice_connector(VoiceConnectorId="Short/../id é")
    assert "VoiceConnectorId" in caught.value.response["Error"]["Message"]
    with pytest.raises(typed.ForbiddenException) as caught:
        client.update_voice_connector(VoiceConnectorId=CONNECTOR, Name="n", RequireEncryption=True)
    assert "configuration file" in caught.value.response["Error"]["Message"]
    with pytest.raises(typed.GoneException):
        client.get_sip_media_application_alexa_skill_configuration(SipMediaApplicationId="x")


def test_every_operation_is_known(api):
    """None of the model's 96 is taken for another or for none: what is not served is Forbidden or
    Gone by its own name."""
    client = api.client()
    model = client.meta.service_model
    seen = 0
    for method, operation in client.meta.method_to_api_mapping.items():
        shape = model.operation_model(operation).input_shape
        try:
            answer = getattr(client, method)(**example(shape))
            valid(client, operation, answer)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert code in ("ForbiddenException", "GoneException", "NotFoundException",
                            "BadRequestException"), (operation, error.response)
            if code in ("ForbiddenException", "GoneException"):
                assert error.response["Error"]["Message"].startswith(operation + " ")
        seen += 1
    assert seen == 96
    names = {record["eventName"] for record in wait_until(
        lambda: len(api.audit()) >= 96 and api.audit(), 10, "96 records in the audit")}
    assert names == set(client.meta.method_to_api_mapping.values())


def example(shape):
    """Parameters that botocore takes."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        return {name: example(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [example(shape.member)] * max(1, shape.metadata.get("min", 1))
    if shape.type_name == "map":
        return {}
    return {"string": (getattr(shape, "enum", None) or ["a" * 22])[0], "boolean": True, "integer": 1}[
        shape.type_name]


def test_a_list_of_250_has_pages(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    ids = [f"many{n:018}" for n in range(249)]
    stage.configuration.more = [f'[[voice_connector]]\nid = "{id}"\n' for id in ids]
    client = ControlApi(stage.start_edge(), port).client()
    for size, pages in ((None, [100, 100, 50]), (99, [99, 99, 52]), (50, [50] * 5)):
        found, sizes, token = [], [], None
        while True:
            more = {"MaxResults": size} if size else {}
            answer = client.list_voice_connectors(**more, **({"NextToken": token} if token else {}))
            found += [each["VoiceConnectorId"] for each in answer["VoiceConnectors"]]
            sizes.append(len(answer["VoiceConnectors"]))
            token = answer.get("NextToken")
            if not token:
                break
        assert (sizes, sorted(found), len(set(found))) == (pages, sorted([CONNECTOR, *ids]), 250)
    token = client.list_voice_connectors(MaxResults=1)["NextToken"]
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    for call in (lambda: client.list_voice_connectors(NextToken=forged),
                 lambda: client.list_phone_numbers(NextToken=token),
                 lambda: client.list_voice_connectors(MaxResults=101)):
        refused(call, "BadRequestException", 400)


def test_who_may_not_ask(api):
    id, secret = api.key
    wrong = {
        "InvalidSignatureException": api.client(key=(id, secret[:-1] + "x")),
        "UnrecognizedClientException": api.client(key=("AKTDAAAAAAAAAAAAAAAA", secret)),
    }
    for exception, client in wrong.items():
        refused(client.list_voice_connectors, exception, 403)
    refused(api.client(token="t").list_voice_connectors, "UnrecognizedClientException", 403)
    skewed = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)
    with mock.patch("botocore.auth.get_current_datetime",
                    lambda *_, **__: skewed.replace(tzinfo=None)):
        told = refused(api.client().list_voice_connectors, "InvalidSignatureException", 403)
    assert "Signature expired" in told
    status, exception, _ = api.send("GET", f"{api.url}/voice-connectors")
    assert (status, exception) == (403, "MissingAuthenticationTokenException")
    url, headers = api.signed("GET", "/voice-connectors", service="s3")
    assert api.send("GET", url, headers)[:2] == (403, "InvalidSignatureException")
    url, headers = api.signed("GET", "/nothing/here")
    assert api.send("GET", url, headers)[:2] == (404, "UnknownOperationException")


def test_a_body_is_what_was_signed(api):
    path, body = "/tags?operation=tag-resource", b'{"ResourceARN":"a","Tags":[]}'
    url, headers = api.signed("POST", path, body, {"Content-Type": "application/json"})
    assert api.send("POST", url, headers, body)[:2] in ((400, "BadRequestException"),
                                                         (404, "NotFoundException"))
    tampered = body.replace(b"a", b"b", 1)
    assert api.send("POST", url, headers, tampered)[:2] == (403, "InvalidSignatureException")
    unsigned = {**headers, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    assert api.send("POST", url, unsigned, body)[:2] == (403, "InvalidSignatureException")
    too_long = b"x" * (1024 * 1024 + 1)
    url, headers = api.signed("POST", path, too_long)
    assert api.send("POST", url, headers, too_long)[:2] == (413, "RequestEntityTooLargeException")


#: Of paths and queries, as they are sent: what signers and servers have read differently.
ODD = ["a", "Z9", "-_.~", "%2F", "%2f", "%20", "+", "%2B", "%25", "%7E", "%C3%A9", "%F0%9F%93%9E",
       "%E6%BC%A2", "*", "'", "(", ")", "!", "$", ",", ";", ":", "@", "%00", "%3D", "%26", "%23"]


def odd(luck, most=4):
    return "".join(luck.choice(ODD) for _ in range(luck.randint(1, most)))


def odd_request(luck):
    """(method, target, headers, body)"""
    segments = [luck.choice([odd(luck), "..", ".", "", "voice-connectors"])
                for _ in range(luck.randint(0, 4))]
    # What is for / alone is for STS.
    path = "/" + ("/".join(segments) or "x") + luck.choice(["", "/", "//"])
    names = [odd(luck, 2), odd(luck, 2), "operation", "Zz", "aa"]
    if luck.random() < 0.5:
        # Names that come again, values that are empty, names without a value.
        query = "&".join(luck.choice(names) + luck.choice(["", "=", "=" + odd(luck), "=1"])
                         for _ in range(luck.randint(0, 5)))
    else:
        words = ["", "a b", "+", "é", "漢", "~", "/", "%", "=&", "\"<>", "📞", "a"]
        # As botocore's clients write members of the query.
        query = percent_encode_sequence([(luck.choice(words[1:]), luck.choice(words))
                                         for _ in range(luck.randint(0, 5))])
    space = luck.choice(["", " ", "   ", "\t"])
    headers = {"X-Amz-Meta": f"{space}a{space}  b,c  \"d   e\"{space}", "Content-Type": "t/x",
               "X-Amz-Empty": ""}
    body = luck.choice([b"", b"{}", "é漢".encode(), bytes(range(256))])
    target = f"{path}?{query}" if query else path
    return luck.choice(["GET", "POST", "PUT", "DELETE"]), target, headers, body


def test_what_botocore_signs_is_taken(stage):
    """Paths, queries and headers at random, in the header and presigned: never a wrong signature, and
    always one when the method or the query is another."""
    port = places.free_port(places.EDGE)
    # However many come at once, and most of them not proven.
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}", "requests_per_second": 10_000,
                               "unproven_per_second": 10_000}
    api, luck = ControlApi(stage.start_edge(), port), random.Random(7)
    connection = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=30)

    def sent(method, url, headers, body):
        # Other clients would write the target their way.
        connection.request(method, url[len(api.url):], body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.headers["x-amzn-ErrorType"], text

    for turn in range(300):
        presigned = turn % 2 == 1
        method, target, headers, body = odd_request(luck)
        if presigned:
            # What is presigned has no body, and no header but the host's.
            method, headers, body = "GET", {}, b""
        url, signed = api.signed(method, target, body, headers, presigned=presigned)
        exception, text = sent(method, url, signed, body)
        assert exception in ("UnknownOperationException", "BadRequestException"), \
            (method, url, signed, text)
        for another in ((method, url + ("&" if "?" in url else "?") + "zzz=1", signed, body),
                        ("PATCH", url, signed, body)):
            exception, _ = sent(*another)
            assert exception == "InvalidSignatureException", (another, exception)


def test_presigned_requests(api):
    url, _ = api.signed("GET", f"/voice-connectors/{CONNECTOR}", presigned=True)
    status, _, body = api.send("GET", url)
    assert (status, json.loads(body)["VoiceConnector"]["VoiceConnectorId"]) == (200, CONNECTOR)
    assert api.send("GET", url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"))[:2] == \
        (403, "InvalidSignatureException")
    sts = api.client("sts")
    for method in ("GET", "POST"):
        url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod=method)
        assert "user/key</Arn>" in api.send(method, url)[2]


def test_sts_says_whose_key_it_is(api):
    key = api.create_key("--name", "terraform")
    identity = api.client("sts", key=key).get_caller_identity()
    assert (identity["Arn"], identity["Account"], identity["UserId"]) == \
        (f"arn:aws:iam::{ACCOUNT}:user/terraform", ACCOUNT, key[0])
    refused(lambda: api.client("sts", key=(key[0], "x")).get_caller_identity(),
            "SignatureDoesNotMatch", 403)
    refused(lambda: api.client("sts", key=("AKTDAAAAAAAAAAAAAAAA", "x")).get_caller_identity(),
            "InvalidClientTokenId", 403)
    refused(lambda: api.client("sts").get_session_token(), "InvalidAction", 404)


def test_policies_decide(api, tmp_path):
    def key(*statements):
        file = tmp_path / "policy.json"
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
        return api.create_key("--policy", str(file), "--name", "limited")

    reader = api.client(key=key(
        {"Effect": "Allow", "Action": ["chime:Get*", "chime:List*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": f"{ARN}:vc/{SECOND}"}))
    reader.list_voice_connectors()
    reader.get_voice_connector(VoiceConnectorId=CONNECTOR)
    with pytest.raises(reader.exceptions.AccessDeniedException) as caught:
        reader.get_voice_connector(VoiceConnectorId=SECOND)
    assert caught.value.response["Error"]["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/limited is not authorized to perform: "
        f"chime:GetVoiceConnector on resource: {ARN}:vc/{SECOND}")
    refused(lambda: reader.delete_voice_connector(VoiceConnectorId=CONNECTOR),
            "AccessDeniedException", 403)
    nobody = key({"Effect": "Deny", "Action": "*", "Resource": "*"})
    refused(api.client(key=nobody).list_voice_connectors, "AccessDeniedException", 403)
    assert api.client("sts", key=nobody).get_caller_identity()["UserId"] == nobody[0]
    with pytest.raises(AssertionError, match="NotAction"):
        key({"Effect": "Allow", "NotAction": "chime:Get*", "Resource": "*"})


def test_keys_are_made_and_deleted_while_it_runs(api):
    file = str(api.edge.file)
    first = json.loads(api.edge.command("key", "list", "--config", file, "--json"))
    assert [each["name"] for each in first] == ["first", "key"]
    assert any(f"first key    {first[0]['access_key_id']} secret " in line
               for line in api.edge.lines), "the first key is shown"
    key = api.create_key("--name", "short-lived")
    client = api.client(key=key)
    client.list_voice_connectors()
    assert "short-lived" in api.edge.command("key", "list", "--config", file)
    api.edge.command("key", "delete", key[0], "--config", file)
    refused(client.list_voice_connectors, "UnrecognizedClientException", 403)


def test_a_reload_is_seen_at_once(api):
    client = api.client()
    api.edge.file.write_text(api.edge.configuration.text().replace('name = "test"', 'name = "new"'))
    assert "read again" in api.edge.reload()
    assert client.get_voice_connector(VoiceConnectorId=CONNECTOR)["VoiceConnector"]["Name"] == "new"


def test_the_audit_tells_who_asked_for_what(api):
    client = api.client()
    client.get_voice_connector(VoiceConnectorId=CONNECTOR)
    refused(lambda: client.put_voice_connector_termination_credentials(
        VoiceConnectorId=CONNECTOR, Credentials=[{"Username": "u-1", "Password": "geheim-2"}]),
        "ForbiddenException", 403)
    refused(api.client(key=(api.key[0], "x")).list_voice_connectors,
            "InvalidSignatureException", 403)
    read, put, stranger = wait_until(lambda: len(api.audit()) == 3 and api.audit(), 10,
                                     lambda: f"three records: {api.audit()}")
    assert (read["eventSource"], read["eventName"], read["readOnly"]) == \
        ("chime.amazonaws.com", "GetVoiceConnector", True)
    assert read["requestParameters"] == {"voiceConnectorId": CONNECTOR}
    assert read["userIdentity"]["accessKeyId"] == api.key[0]
    assert (read["sourceIPAddress"], read["recipientAccountId"]) == ("127.0.0.1", ACCOUNT)
    assert "Boto3" in read["userAgent"] and "errorCode" not in read
    assert (put["eventName"], put["errorCode"]) == \
        ("PutVoiceConnectorTerminationCredentials", "ForbiddenException")
    assert stranger["userIdentity"] == {"type": "Unknown"}
    file = api.edge.data_dir / "audit/cloudtrail.jsonl"
    assert "geheim-2" not in file.read_text() and "u-1" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_has_a_rate(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}", "requests_per_second": 1}
    api = ControlApi(stage.start_edge(), port)
    client, refusals = api.client(), []

    def ask():
        try:
            client.list_voice_connectors()
        except client.exceptions.ThrottledClientException as error:
            refusals.append(error)

    def asked_eight_times():
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return refusals

    # However slow this machine is, at some time nine requests come within a second.
    wait_until(asked_eight_times, 60, "a key is throttled")
    assert refusals[0].response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_over_tls(stage, tmp_path):
    port = places.free_port(places.EDGE)
    authority = Authority(tmp_path)
    pair = authority.issue("edge.test", f"IP:{places.EDGE}")
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}",
                               "tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    api = ControlApi(stage.start_edge(), port, "https", verify=str(authority.certificate))
    assert api.edge.said(f"control API  https://{places.EDGE}:{port}")
    assert len(api.client().list_voice_connectors()["VoiceConnectors"]) == 1


def test_a_damaged_database_keeps_no_call(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    stage.configuration.data_dir.mkdir()
    (stage.configuration.data_dir / "directory.sqlite").write_bytes(b"no database, " * 100)
    carrier, caller = stage.carrier_peer(), stage.peer(places.PBX)
    edge = stage.start_edge()
    assert edge.said("the control API is not served, calls are")
    call, _ = stage.established(caller, carrier)
    stage.hang_up(call, carrier)


@pytest.mark.skipif(not aws_cli().exists(), reason="the aws CLI is not beside this Python")
def test_the_aws_cli(api):
    """As a process; test_operations.py drives every operation with it."""
    code, said, told = api.aws("chime-sdk-voice", "list-voice-connectors")
    assert code == 0, told
    assert [each["Name"] for each in json.loads(said)["VoiceConnectors"]] == ["test", SECOND]
    code, said, told = api.aws("sts", "get-caller-identity")
    assert code == 0 and json.loads(said)["Account"] == ACCOUNT, told
