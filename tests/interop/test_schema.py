"""The shapes that requests are held against: those of the installed service model, and what the
control API makes of requests that are of them, and of others. Its audit and metrics."""

import importlib.util
import json
import random
import subprocess
from pathlib import Path
from urllib.parse import quote

import botocore.session
import pytest
import urllib3
from botocore.exceptions import ClientError

from harness import places
from harness.configuration import CONNECTOR
from harness.control_api import DOOR, ControlApi, service_model, valid_reply
from harness.edge import BINARY
from harness.waiting import wait_until

DATA = Path(__file__).parents[2] / "control-api" / "data"
TEXTS = ["", " ", "a", "US", "UDP", CONNECTOR, places.NUMBER, "+1", "a" * 257, "é漢\n", "10.0.0.0/8",
         "arn:aws:chime:us-east-1:111122223333:vc/" + CONNECTOR, "b" * 22, "203.0.113.9"]
ODD = [None, True, 0, -1, 1.5, 1 << 40, "", [], {}, [None], {"a": {"b": []}}, "x" * 5000]


@pytest.fixture
def api(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}", "requests_per_second": 10_000,
                               "unproven_per_second": 2}
    stage.configuration.sinks = {"audit": {"events": "writes"}}
    stage.configuration.more = ['[privacy]\naudit = { numbers = "masked" }']
    return ControlApi(stage.start_edge(), port)


def test_the_shapes_are_those_of_the_installed_model():
    spec = importlib.util.spec_from_file_location("make_shapes", DATA / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.text() == (DATA / "shapes.txt").read_text(), \
        "write them anew: tests/.venv/bin/python control-api/data/make.py > " \
        "control-api/data/shapes.txt"
    service = "chime-sdk-meetings"
    assert make.text(service) == (DATA / "meetings.txt").read_text(), \
        f"write them anew: tests/.venv/bin/python control-api/data/make.py {service} > " \
        "control-api/data/meetings.txt"


def test_the_printed_schema_has_every_operation_where_the_model_has_it():
    printed = json.loads(subprocess.run([BINARY, "api-schema"], capture_output=True, check=True,
                                        timeout=60).stdout)
    found = {operation["operationId"]: (method.upper(), path.replace("#", "?"))
             for path, methods in printed["paths"].items() for method, operation in methods.items()}
    expected = {}
    for model in (botocore.session.Session().get_service_model("chime-sdk-meetings"),
                  service_model()):
        for name in model.operation_names:
            http = model.operation_model(name).http
            expected[name] = (http["method"], http["requestUri"])
    own = {name for name, (_, path) in found.items() if path.startswith("/tandem/")}
    assert {"CreateRoom", "AdvancePortingOrder"} <= own
    assert {name: at for name, at in found.items() if name not in own} == expected


def value(shape, luck, wildness):
    """A value for a shape, now and then of another one."""
    if luck.random() < wildness:
        return luck.choice(ODD)
    kind = shape.type_name
    if kind == "structure":
        return {name: value(member, luck, wildness) for name, member in shape.members.items()
                if name in shape.required_members or luck.random() < 0.5}
    if kind == "list":
        least = shape.metadata.get("min", 0)
        return [value(shape.member, luck, wildness) for _ in range(luck.randint(least, least + 2))]
    if kind == "map":
        return {luck.choice(TEXTS): value(shape.value, luck, wildness) for _ in range(2)}
    if kind == "string":
        return luck.choice((getattr(shape, "enum", None) or []) + TEXTS)
    if kind == "boolean":
        return luck.random() < 0.5
    least = shape.metadata.get("min", 0)
    return luck.choice([least, least + 1, shape.metadata.get("max", 100), least - 1])


def request(operation, luck):
    """(method, target, body) for an operation of the model."""
    path, _, query = operation.http["requestUri"].partition("?")
    members = operation.input_shape.members if operation.input_shape else {}
    wildness = luck.choice([0, 0, 0.1, 0.3])
    body, pairs = {}, [query] if query else []
    for name, shape in members.items():
        chosen = value(shape, luck, wildness)
        where, key = shape.serialization.get("location"), shape.serialization.get("name", name)
        if where == "uri":
            named = CONNECTOR if name == "VoiceConnectorId" and luck.random() < 0.8 else str(chosen)
            path = path.replace("{%s}" % key, quote(named, safe="") or "x")
        elif where == "querystring":
            if luck.random() < 0.5:
                pairs.append(f"{key}={quote(str(chosen), safe='')}")
        elif name in operation.input_shape.required_members or luck.random() < 0.5:
            body[name] = chosen
    if luck.random() < wildness:
        body["Unknown"] = luck.choice(ODD)
    text = json.dumps(body) if body else ""
    if luck.random() < 0.05:
        text = text[:-1] + luck.choice([",", "]", '"Name":1,"Name":2}'])
    return operation.http["method"], path + ("?" + "&".join(pairs) if pairs else ""), text.encode()


def test_whatever_is_asked_is_answered_or_refused_by_name(api):
    """Requests at random for each operation of the model: no failure of the server, every error one
    that the model has for it, every reply of its shape."""
    model, luck = service_model(), random.Random(11)
    pool = urllib3.PoolManager(retries=False)
    answered, refused = 0, 0
    for name in model.operation_names:
        operation = model.operation_model(name)
        typed = {shape.name for shape in operation.error_shapes} | DOOR
        for _ in range(10):
            method, target, body = request(operation, luck)
            url, headers = api.signed(method, target, body, {"Content-Type": "application/json"})
            status, exception, text = api.send(method, url, headers, body, pool)
            told = (name, method, target, body, status, exception, text)
            assert status < 500, told
            if exception is None:
                answered += 1
                valid_reply(name, json.loads(text) if text else {}, model)
            else:
                refused += 1
                error = json.loads(text)
                assert exception in typed and error["Message"] and error["Code"], told
    assert answered > 20 and refused > 200, (answered, refused)


def whole_lines(file):
    return file.read_text().rpartition("\n")[0].splitlines()


def test_a_refusal_names_the_member(api):
    url, headers = api.signed("GET", "/voice-connectors?max-results=0&max-results=1")
    status, exception, text = api.send("GET", url, headers)
    assert (status, exception) == (400, "BadRequestException")
    assert json.loads(text)["Message"] == "MaxResults: must be given once"
    with pytest.raises(ClientError) as caught:
        api.client().list_phone_numbers(MaxResults=101, ProductType="Fax")
    message = caught.value.response["Error"]["Message"]
    assert message == ("ProductType: must be one of VoiceConnector, SipMediaApplicationDialIn; "
                       "MaxResults: must be between 1 and 100")


def test_the_audit_masks_numbers_and_becomes_events_and_everything_is_counted(api):
    client, edge = api.client(), api.edge
    client.get_phone_number(PhoneNumberId=places.NUMBER)
    for call in (lambda: client.get_phone_number(PhoneNumberId="+12065559999"),
                 lambda: client.create_voice_profile(SpeakerSearchTaskId="geheim")):
        with pytest.raises(ClientError):
            call()
    read, missing, write = wait_until(lambda: len(api.audit()) == 3 and api.audit(), 30,
                                      lambda: f"three records: {api.audit()}")
    shown = "*" * (len(places.NUMBER) - 5) + places.NUMBER[-4:]
    assert read["requestParameters"] == {"phoneNumberId": "+" + shown}
    assert missing["errorMessage"].endswith('"+*******9999"'), missing
    events = edge.data_dir / "events/events.jsonl"
    lines = wait_until(lambda: events.exists() and whole_lines(events), 30, "an event")
    event = json.loads(lines[0])
    assert (len(lines), event["detail-type"]) == (1, "AWS API Call via CloudTrail")
    assert event["detail"] == write and event["id"] == write["eventID"]
    assert write["eventName"] == "CreateVoiceProfile"
    requests = "tandem_control_api_requests_total"
    assert edge.metric(requests, operation="GetPhoneNumber", outcome="ok") == 1
    assert edge.metric(requests, operation="GetPhoneNumber", outcome="NotFoundException") == 1
    assert edge.metric(requests, operation="CreateVoiceProfile") == 1
    assert edge.metric("tandem_control_api_request_seconds_count", kind="read") == 2

    # However slow this machine is, at some time requests come faster than two a second.
    def throttled():
        answers = [api.send("GET", f"{api.url}/voice-connectors")[:2] for _ in range(10)]
        return (429, "ThrottledClientException") in answers

    wait_until(throttled, 60, "an address is throttled")
    assert edge.metric(requests, operation="unknown", outcome="ThrottledClientException") > 0
    assert client.list_voice_connectors()["VoiceConnectors"], "a key is answered all the same"
