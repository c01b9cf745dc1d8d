"""The printed schema, by validators of other make, and a generator of requests that reads it:
schemathesis asks a node for every operation, and holds each answer against the schema.

SCHEMA_EXAMPLES is how many requests of each kind an operation gets, SCHEMA_SEED begins them, and
SCHEMA_TELLS=1 shows what was answered: `make schema-hardship` asks for hundreds."""

import json
import os
import subprocess
import warnings

import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, Phase, given, seed, settings
from openapi_spec_validator import OpenAPIV30SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance, negative_data_rejection, response_headers_conformance,
    response_schema_conformance, status_code_conformance)

from harness import places
from harness.control_api import REGION, ControlApi, served_at_all
from harness.edge import BINARY

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "2"))
SEED = int(os.environ.get("SCHEMA_SEED", "11"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance,
          response_schema_conformance, response_headers_conformance]


class Signed(requests.auth.AuthBase):
    """What botocore would sign of a request."""

    def __init__(self, key):
        self._signer = SigV4Auth(Credentials(*key), "chime", REGION)

    def __call__(self, prepared):
        body = prepared.body or b""
        headers = {name: value for name, value in prepared.headers.items()
                   if name.lower() == "content-type"}
        request = AWSRequest(prepared.method, prepared.url, headers=headers,
                             data=body.encode() if isinstance(body, str) else body)
        self._signer.add_auth(request)
        prepared.headers.update(dict(request.headers))
        return prepared


def printed():
    """What `tandem api-schema` prints."""
    said = subprocess.run([BINARY, "api-schema"], capture_output=True, check=True, timeout=60)
    return json.loads(said.stdout)


@pytest.fixture
def api(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}", "requests_per_second": 10_000,
                               "unproven_per_second": 10_000}
    stage.configuration.more = ['[[phone_number_pool]]\nnumbers = ["+12065550200-+12065550299"]']
    return ControlApi(stage.start_edge(), port)


def test_the_schema_is_of_openapi():
    faults = [f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}"
              for fault in OpenAPIV30SpecValidator(printed()).iter_errors()]
    assert not faults, faults


def own(api, path, **members):
    """Does an operation of Tandem's own, which boto3 has none of."""
    reply = requests.post(api.url + path, json=members, auth=Signed(api.key), timeout=60)
    assert reply.status_code == 201, reply.text
    return reply.json()


def ids(api):
    """A value for each member of a path, so that requests find something."""
    client = api.client()
    made = client.create_voice_connector(Name="made", RequireEncryption=False)["VoiceConnector"]
    id = made["VoiceConnectorId"]
    group = client.create_voice_connector_group(Name="g", VoiceConnectorItems=[])
    application = client.create_sip_media_application(
        AwsRegion=REGION, Name="a", Endpoints=[{"LambdaArn": "https://menu.example.com/"}])
    order = client.create_phone_number_order(ProductType="VoiceConnector",
                                             E164PhoneNumbers=["+12065550200"])
    return {"voiceconnectorid": id, "phonenumberid": "+12065550200",
            "voiceconnectorgroupid": group["VoiceConnectorGroup"]["VoiceConnectorGroupId"],
            "sipmediaapplicationid": application["SipMediaApplication"]["SipMediaApplicationId"],
            "phonenumberorderid": order["PhoneNumberOrder"]["PhoneNumberOrderId"],
            "portingorderid": own(api, "/tandem/porting-orders", E164PhoneNumbers=["+12065550907"])
            ["PortingOrder"]["PortingOrderId"],
            **of_meetings(api)}


def of_meetings(api):
    room = own(api, "/tandem/rooms", Name="weekly")["Room"]["MeetingId"]
    reply = requests.post(f"{api.url}/meetings/{room}/attendees", json={"ExternalUserId": "anna"},
                          auth=Signed(api.key), timeout=60)
    assert reply.status_code == 201, reply.text
    return {"roomid": room, "meetingid": room,
            "attendeeid": reply.json()["Attendee"]["AttendeeId"]}


def test_schemathesis_finds_nothing(api):
    """Positive and negative requests for each operation; those of even numbers are for resources that
    there are."""
    document = printed()
    # Every request is signed by the session; who does not sign is tests/interop/test_control_api.py's.
    del document["security"], document["components"]["securitySchemes"]
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=api.url)
    session = requests.Session()
    session.auth = Signed(api.key)
    known, faults, statuses = ids(api), [], {}
    known_operations = served_at_all()
    assert {"CreateVoiceConnector", "CreateMeeting", "CreateRoom"} <= known_operations

    def run(operation, mode):
        count = 0

        @seed(SEED)
        @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            nonlocal count
            count += 1
            for name in case.path_parameters or {}:
                if count % 2 == 0 and mode == GenerationMode.POSITIVE and name.lower() in known:
                    case.path_parameters[name] = known[name.lower()]
            response = case.call(session=session)
            statuses.setdefault((mode.name, response.status_code), []).append(operation.label)
            try:
                # 431 rejects as well, which the check for that does not know.
                done = response.status_code < 300
                case.validate_response(
                    response, checks=CHECKS + [negative_data_rejection] * done)
            except (Failure, FailureGroup) as fault:
                told = getattr(fault, "exceptions", [fault])
                asked = (case.path_parameters, case.query, case.body)
                faults.append(f"{operation.label} {str(asked)[:500]}: {response.status_code} "
                              f"{response.text[:300]} " + "; ".join(
                                  f"{each.title}: {each.message[:500]}" for each in told))

        ask()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for result in schema.get_all_operations():
            operation = result.ok()
            run(operation, GenerationMode.POSITIVE)
            # Without a member nothing can be wrong, and what is not served looks at none.
            raw = operation.definition.raw
            if raw["operationId"] in known_operations and (raw.get("parameters") or operation.body):
                run(operation, GenerationMode.NEGATIVE)
    if os.environ.get("SCHEMA_TELLS"):
        print(f"seed {SEED}:", {key: len(each) for key, each in statuses.items()})
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:40])
    positive = {status for mode, status in statuses if mode == "POSITIVE"}
    assert {200, 201, 204} <= positive, "requests of the schema are done"
