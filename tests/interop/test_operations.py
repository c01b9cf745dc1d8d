"""Every operation that works, done and refused: by boto3, which turns refusals into typed exceptions,
and by the aws CLI. Every answer is held against the service's model by the harness."""

import io
import json
import sqlite3
import subprocess
from contextlib import redirect_stderr, redirect_stdout

import pytest
from awscli import clidriver
from botocore import xform_name
from botocore.exceptions import ClientError

from harness import operations, places
from harness.configuration import CONNECTOR
from harness.control_api import ALSO, REGION, ControlApi, served, service_model
from harness.edge import BINARY
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until
from test_media_applications import ID, SECRET, Application

MENU_NUMBER = "+12065550901"
FILE_GROUP, FILE_RULE = "headquarters", "menu"
OF_FILE = {"VoiceConnectorId": CONNECTOR, "VoiceConnectorGroupId": FILE_GROUP,
           "SipMediaApplicationId": ID, "SipRuleId": FILE_RULE, "PhoneNumberId": places.NUMBER}
QUOTA = "Tandem has no such quota"
#: Operations that need more than an API, and the tests that have them.
ELSEWHERE = {"CreateSipMediaApplicationCall": "calls somebody: test_media_applications.py"}
#: Exceptions that the model names and no operation that works says; else by operation.
NEVER = {
    "UnauthorizedClientException": "AWS's front door says who may not ask by other names, and so "
                                   "does Tandem's: test_control_api.py has them",
    "ServiceFailureException": "no fault of Tandem's is known that a request could cause",
    "ThrottledClientException": "said before the operation is known: test_a_key_has_a_rate",
}
NEVER_BY = {
    "BadRequestException": {
        "it has no members": ["GetGlobalSettings", "GetPhoneNumberSettings",
                              "ListAvailableVoiceConnectorRegions"]},
    "NotFoundException": {
        "each number has an error of its own in the answer": [
            "BatchDeletePhoneNumber", "BatchUpdatePhoneNumber"],
        "a filter that fits nothing gives an empty list": ["ListPhoneNumbers", "ListSipRules"],
        "it is about no resource": ["ValidateE911Address"]},
    "ConflictException": {
        "names may be given twice": ["CreateSipMediaApplication", "UpdateSipMediaApplication",
                                     "UpdateVoiceConnectorGroup"],
        "the trigger of a rule does not change": ["UpdateSipRule"],
        "nothing depends on it": ["PutVoiceConnectorExternalSystemsConfiguration"]},
    "ResourceLimitExceededException": {
        QUOTA: ["CreatePhoneNumberOrder", "CreateSipMediaApplication", "CreateSipRule",
                "CreateVoiceConnector", "RestorePhoneNumber", "UpdateSipMediaApplicationCall",
                "UpdateSipRule"]},
}


def expected():
    return served() - ELSEWHERE.keys()


class Node:
    """An API with a call that an application steers."""

    def __init__(self, stage):
        self.stage = stage
        self.application = stage._keep(Application(self._answer))
        port = places.free_port(places.EDGE)
        configuration = stage.configuration
        # Not slowed down by their rates.
        configuration.api = {"listen": f"{places.EDGE}:{port}", "requests_per_second": 10_000,
                             "unproven_per_second": 10_000}
        configuration.more = [operations.POOL, f"""
[[sip_media_application]]
id = "{ID}"
endpoint = "http://{places.EDGE}:{self.application.port}/"
secret = "{SECRET}"
[[sip_rule]]
id = "{FILE_RULE}"
to_phone_number = "{MENU_NUMBER}"
targets = [{{ application = "{ID}" }}]
[[voice_connector_group]]
id = "{FILE_GROUP}"
name = "Head quarters"
[[voice_connector_group.members]]
voice_connector = "{CONNECTOR}"
priority = 1
"""]
        self.gateway = stage.carrier_peer()
        self.api = ControlApi(stage.start_edge(), port)

    @staticmethod
    def _answer(event):
        if event["InvocationEventType"] == "NEW_INBOUND_CALL":
            return [{"Type": "Pause", "Parameters": {"DurationInMilliseconds": 60_000}}]
        return [{"Type": "Hangup"}]

    def call(self):
        """(application, transaction) of a call that goes on until it is steered, and the call."""
        calling = OutgoingCall(self.gateway, self.stage.edge, MENU_NUMBER,
                               sdp(self.gateway.ip, 40_000), host=places.EDGE)
        event = wait_until(lambda: self.application.events, 30, "the application is asked")[0]
        return (ID, event["CallDetails"]["TransactionId"]), calling


@pytest.fixture
def node(stage):
    return Node(stage)


def refused(ask, exception, operation, members):
    try:
        answer = ask(operation, **members)
    except ClientError as caught:
        error = caught
    else:
        pytest.fail(f"{operation} {members} is not refused: {answer}")
    assert error.response["Error"]["Code"] == exception, (operation, members, error.response)
    assert type(error).__name__ in (exception, "ClientError"), error
    return error


def asker(client):
    names = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}

    def ask(operation, **members):
        answer = getattr(client, names[operation])(**members)
        answer.pop("ResponseMetadata")
        return answer

    return ask


def test_each_operation_is_done_and_raises_each_of_its_exceptions(node, tmp_path):
    """What is never raised is listed above with its reason, and nothing more than that."""
    api, model = node.api, service_model()
    ask = asker(api.client())
    steered, calling = node.call()
    operations.ask_all(ask, steered)
    calling.final(seconds=30)
    done = {operation for operation, exception in api.answers if exception is None}
    assert done >= expected(), f"never done: {expected() - done}"

    free = asker(api.client(validated=False))
    forbidden = asker(api.client(key=denied(api, tmp_path)))
    broken = asker(api.client(key=unreadable(api)))
    for name in sorted(expected()):
        operation = model.operation_model(name)
        typed = {shape.name for shape in operation.error_shapes}
        refused(forbidden, "AccessDeniedException", name, operations.example(operation))
        refused(broken, "ServiceUnavailableException", name, operations.example(operation))
        wrong = operations.malformed(operation)
        if wrong:
            refused(free, "BadRequestException", name, wrong)
        if "NotFoundException" in typed and name not in never("NotFoundException"):
            refused(free, "NotFoundException", name, operations.example(operation))
    forbidden_things(ask, model)
    conflicts_and_quotas(ask)

    modelled = {(name, shape.name) for name in expected()
                for shape in model.operation_model(name).error_shapes}
    raised = {answer for answer in api.answers if answer[1]}
    assert ALSO <= raised, "what is said beside the model is said"
    told = documented()
    untold = {(name, exception) for name, exception in raised if exception not in told[name]}
    assert not untold, f"not in the printed schema: {sorted(untold)}"
    missing = {(name, exception) for name, exception in modelled - raised
               if exception not in NEVER and name not in never(exception)}
    assert not missing, f"neither raised nor listed: {sorted(missing)}"
    stale = {(name, exception) for name, exception in raised
             if exception in NEVER or name in never(exception)}
    stale |= {(name, exception) for exception in NEVER_BY for name in never(exception)
              if (name, exception) not in modelled}
    assert not stale, f"listed, and raised or not of the model: {sorted(stale)}"


def documented():
    """The exceptions that the printed schema has for each operation."""
    printed = json.loads(subprocess.run([BINARY, "api-schema"], capture_output=True, check=True,
                                        timeout=60).stdout)
    return {operation["operationId"]: {
        exception for response in operation["responses"].values()
        for exception in response["description"].split(", ")}
        for path in printed["paths"].values() for operation in path.values()}


def never(exception):
    listed = {name for names in NEVER_BY.get(exception, {}).values() for name in names}
    return listed | (NOT_FORBIDDEN if exception == "ForbiddenException" else set())


#: Reads tell what there is, of the file as well; what is asked of others is told by its members.
CHANGES_FILE = {
    "AssociatePhoneNumbersWithVoiceConnector", "AssociatePhoneNumbersWithVoiceConnectorGroup",
    "DeletePhoneNumber", "DeleteSipMediaApplication", "DeleteSipRule", "DeleteVoiceConnector",
    "DeleteVoiceConnectorEmergencyCallingConfiguration",
    "DeleteVoiceConnectorExternalSystemsConfiguration", "DeleteVoiceConnectorGroup",
    "DeleteVoiceConnectorOrigination", "DeleteVoiceConnectorStreamingConfiguration",
    "DeleteVoiceConnectorTermination", "DeleteVoiceConnectorTerminationCredentials",
    "DisassociatePhoneNumbersFromVoiceConnector",
    "DisassociatePhoneNumbersFromVoiceConnectorGroup",
    "PutSipMediaApplicationLoggingConfiguration",
    "PutVoiceConnectorEmergencyCallingConfiguration",
    "PutVoiceConnectorExternalSystemsConfiguration", "PutVoiceConnectorLoggingConfiguration",
    "PutVoiceConnectorOrigination", "PutVoiceConnectorStreamingConfiguration",
    "PutVoiceConnectorTermination", "PutVoiceConnectorTerminationCredentials",
    "RestorePhoneNumber", "UpdatePhoneNumber", "UpdateSipMediaApplication", "UpdateSipRule",
    "UpdateVoiceConnector", "UpdateVoiceConnectorGroup"}
#: What is not served of them is forbidden.
ASKS_TOO_MUCH = {"CreateProxySession", "CreateVoiceConnectorGroup", "UpdateGlobalSettings"}
NOT_FORBIDDEN = expected() - CHANGES_FILE - ASKS_TOO_MUCH


def denied(api, directory):
    """A key that may do nothing."""
    file = directory / "policy.json"
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "*", "Resource": "*"}]}))
    return api.create_key("--policy", str(file), "--name", "nobody")


def unreadable(api):
    """A key whose record is damaged: whom it belongs to nobody knows."""
    key = api.create_key("--name", "damaged")
    with sqlite3.connect(api.edge.data_dir / "directory.sqlite", timeout=30) as database:
        database.execute("UPDATE access_keys SET policy = '{' WHERE id = ?", (key[0],))
    return key


def forbidden_things(ask, model):
    for name in sorted(CHANGES_FILE):
        operation = model.operation_model(name)
        of_file = {member: value for member, value in OF_FILE.items()
                   if member in operation.input_shape.members}
        told = refused(ask, "ForbiddenException", name, {**operations.example(operation), **of_file})
        assert "configuration file" in told.response["Error"]["Message"], name
    for name, members in (
            ("CreateVoiceConnectorGroup", {"CallDistributionType": "LoadBalancedDistribution"}),
            ("UpdateGlobalSettings", {"VoiceConnector": {"CdrBucket": "records"}})):
        example = operations.example(model.operation_model(name))
        if "VoiceConnectorItems" in example:
            example["VoiceConnectorItems"] = []
        refused(ask, "ForbiddenException", name, {**example, **members})
    vc = {"VoiceConnectorId": CONNECTOR}
    ask("PutVoiceConnectorProxy", **vc, DefaultSessionExpiryMinutes=60, Disabled=True,
        PhoneNumberPoolCountries=["US"])
    refused(ask, "ForbiddenException", "CreateProxySession",
            {**operations.example(model.operation_model("CreateProxySession")), **vc})


def conflicts_and_quotas(ask):
    made = ask("CreateVoiceConnector", Name="n", RequireEncryption=False)["VoiceConnector"]
    id, arn = made["VoiceConnectorId"], made["VoiceConnectorArn"]
    vc = {"VoiceConnectorId": id}
    group = ask("CreateVoiceConnectorGroup", Name="g",
                VoiceConnectorItems=[{**vc, "Priority": 1}])["VoiceConnectorGroup"]
    application = ask("CreateSipMediaApplication", AwsRegion=REGION, Name="a", Endpoints=[
        {"LambdaArn": "https://menu.example.com/"}])["SipMediaApplication"]
    application = {"SipMediaApplicationId": application["SipMediaApplicationId"]}
    rule = {"Name": "r", "TriggerType": "ToPhoneNumber", "TriggerValue": "+12065550900",
            "TargetApplications": [{**application, "Priority": 1}]}
    made = ask("CreateSipRule", **rule)["SipRule"]
    ask("PutVoiceConnectorOrigination", **vc, Origination=operations.ORIGINATION)
    ask("PutVoiceConnectorTermination", **vc, Termination=operations.TERMINATION)
    ask("PutVoiceConnectorEmergencyCallingConfiguration", **vc,
        EmergencyCallingConfiguration=operations.EMERGENCY)
    for name, members in (
            ("CreateSipRule", rule), ("DeleteSipMediaApplication", application),
            ("DeleteSipRule", {"SipRuleId": made["SipRuleId"]}), ("DeleteVoiceConnector", vc),
            ("DeleteVoiceConnectorGroup",
             {"VoiceConnectorGroupId": group["VoiceConnectorGroupId"]}),
            ("DeleteVoiceConnectorOrigination", vc), ("DeleteVoiceConnectorTermination", vc),
            ("UpdatePhoneNumber", {"PhoneNumberId": operations.NUMBERS[0],
                                   "CallingName": "Back office"})):
        refused(ask, "ConflictException", name, members)
    ask("TagResource", ResourceARN=arn,
        Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    refused(ask, "ResourceLimitExceededException", "TagResource",
            {"ResourceARN": arn, "Tags": [{"Key": "one more", "Value": ""}]})
    refused(ask, "ResourceLimitExceededException", "CreateVoiceConnectorGroup",
            {"Name": "g", "VoiceConnectorItems": [{**vc, "Priority": n} for n in range(1, 5)]})
    refused(ask, "UnprocessableEntityException", "ValidateE911Address",
            {**operations.ADDRESS, "PostalCode": "1"})


class Cli:
    """The aws CLI, in this process: it would take a second to start each time."""

    def __init__(self, api, monkeypatch):
        id, secret = api.key
        for name, value in {"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret,
                            "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
                            "AWS_CONFIG_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1",
                            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                            "AWS_ENDPOINT_URL_CHIME_SDK_VOICE": api.url}.items():
            monkeypatch.setenv(name, value)
        self._driver = clidriver.create_clidriver()
        api.watch(self._driver.session.get_component("event_emitter"))

    def run(self, operation, **members):
        """(status, output, errors)"""
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            status = self._driver.main(["chime-sdk-voice", xform_name(operation, "-"),
                                        "--cli-input-json", json.dumps(members)])
        return status, out.getvalue(), errors.getvalue()

    def ask(self, operation, **members):
        status, out, errors = self.run(operation, **members)
        assert status == 0, (operation, members, errors)
        return json.loads(out or "{}")


def test_the_aws_cli_drives_each_operation(node, monkeypatch):
    cli = Cli(node.api, monkeypatch)
    steered, calling = node.call()
    operations.ask_all(cli.ask, steered)
    calling.final(seconds=30)
    done = {operation for operation, exception in node.api.answers if exception is None}
    assert done >= expected(), f"never done: {expected() - done}"
    status, out, errors = cli.run("DeleteVoiceConnector", VoiceConnectorId=CONNECTOR)
    assert (status, out) != (0, "") and "(ForbiddenException)" in errors
    assert "configuration file" in errors
