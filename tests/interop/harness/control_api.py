"""Clients of the control API: boto3, the aws CLI, and requests that no client would send."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.session
import urllib3
from botocore.config import Config
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

from . import places

REGION = "us-east-1"
ACCOUNT = "111122223333"
OPERATIONS = Path(__file__).resolve().parents[3] / "docs/control-api.md"
#: What is said before an operation is asked, whatever its model names.
DOOR = {"AccessDeniedException", "ForbiddenException", "IncompleteSignatureException",
        "InvalidSignatureException", "MissingAuthenticationTokenException",
        "RequestEntityTooLargeException", "ServiceUnavailableException", "ThrottledClientException",
        "UnknownOperationException", "UnrecognizedClientException"}
#: What an operation says beside what its model names.
ALSO = {("DeleteVoiceConnectorOrigination", "ConflictException"),
        ("DeleteVoiceConnectorTermination", "ConflictException"),
        ("ValidateE911Address", "UnprocessableEntityException")}


class ControlApi:
    """The API of an edge, and the key that it asks with."""

    def __init__(self, edge, port, scheme="http", verify=None):
        self.edge = edge
        self.url = f"{scheme}://{places.EDGE}:{port}"
        self.verify = verify
        #: (operation, exception or None) of every answer to a client of this API.
        self.answers = []
        self.key = self.create_key()

    def create_key(self, *more):
        """`tandem key create`: (id, secret)."""
        said = json.loads(self.edge.command("key", "create", "--config", str(self.edge.file),
                                            "--json", *more))
        return said["access_key_id"], said["secret_access_key"]

    def client(self, service="chime-sdk-voice", key=None, token=None, attempts=1, validated=True):
        id, secret = key or self.key
        config = Config(retries={"total_max_attempts": attempts}, parameter_validation=validated)
        client = boto3.client(service, endpoint_url=self.url, region_name=REGION,
                              verify=self.verify, aws_access_key_id=id,
                              aws_secret_access_key=secret, aws_session_token=token, config=config)
        self.watch(client.meta.events)
        return client

    def watch(self, events):
        """Holds every answer of the service against its model."""
        events.register("after-call.chime-sdk-voice", self._answered)

    def _answered(self, http_response, parsed, model, **_):
        exception = parsed.get("Error", {}).get("Code")
        self.answers.append((model.name, exception))
        if exception is None:
            assert http_response.status_code == model.http.get("responseCode", 200), model.name
            valid_reply(model.name, json.loads(http_response.content or b"{}"), model.service_model)
            return
        modelled = {shape.name: shape.metadata["error"] for shape in model.error_shapes}
        told = f"{model.name}: {http_response.status_code} {parsed}"
        assert exception in modelled or exception in DOOR or (model.name, exception) in ALSO, told
        if exception in modelled:
            assert http_response.status_code == modelled[exception]["httpStatusCode"], told
        assert parsed["Error"]["Message"] and parsed["ResponseMetadata"]["RequestId"], told

    def aws(self, *arguments):
        """What the aws CLI says, as JSON."""
        id, secret = self.key
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret,
                       "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
                       "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        done = subprocess.run([aws_cli(), "--endpoint-url", self.url, *arguments],
                              capture_output=True, text=True, timeout=120, env=environment)
        return done.returncode, done.stdout, done.stderr

    def signed(self, method, path, body=b"", headers=(), service="chime", presigned=False):
        """A request that botocore signs: (address, headers)."""
        request = AWSRequest(method, self.url + path, headers=dict(headers), data=body)
        signer = SigV4QueryAuth if presigned else SigV4Auth
        signer(Credentials(*self.key), service, REGION).add_auth(request)
        prepared = request.prepare()
        return prepared.url, dict(prepared.headers)

    def send(self, method, url, headers=(), body=b"", pool=None):
        """(status, exception, body) of exactly this request; `pool` keeps a connection."""
        # Nothing is normalised on the way: the target is sent as it is.
        target = url[len(self.url):]
        connection = (pool or urllib3.PoolManager(retries=False)).connection_from_url(self.url)
        answer = connection.urlopen(method, target, body=body, headers=dict(headers),
                                    assert_same_host=False, redirect=False, timeout=30)
        kind = answer.headers.get("x-amzn-ErrorType")
        return answer.status, kind, answer.data.decode()

    def audit(self):
        file = self.edge.data_dir / "audit/cloudtrail.jsonl"
        whole, _, _ = (file.read_text() if file.exists() else "").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]


def aws_cli():
    """The CLI beside this Python."""
    return Path(sys.executable).parent / "aws"


def _unknown(shape, value, path=""):
    """Members of a reply that its shape does not have."""
    if value is None:
        return
    if shape.type_name == "structure":
        for name, inner in value.items():
            if name in shape.members:
                yield from _unknown(shape.members[name], inner, f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif shape.type_name == "list":
        for at, inner in enumerate(value):
            yield from _unknown(shape.member, inner, f"{path}[{at}]")


def served():
    """The operations of chime-sdk-voice that work, as docs/control-api.md lists them (a test of control-api
    writes it); those of meetings follow there."""
    listed, _ = OPERATIONS.read_text().split("\nOperations of chime-sdk-meetings", 1)
    return set(re.findall(r"^\| (\w+) \| `[^`]*` \| works \|$", listed, re.M))


def served_at_all():
    """The same of chime-sdk-meetings as well, and Tandem's own operations, all of which work."""
    return set(re.findall(r"^\| (\w+) \| `[^`]*` \| (?:works|`tandem:\w+`) \|$",
                          OPERATIONS.read_text(), re.M))


def service_model():
    """The installed model of the service."""
    return botocore.session.Session().get_service_model("chime-sdk-voice")


def valid_reply(operation, reply, model=None):
    """Whether a successful reply, the JSON of its body, is of the shape of its operation: types,
    required members, limits, no member that the model does not know. An AssertionError tells."""
    shape = (model or service_model()).operation_model(operation).output_shape
    if shape is None:
        assert not reply, f"{operation} answers nothing, and not {reply}"
        return
    unknown = list(_unknown(shape, reply))
    assert not unknown, f"{operation}: the model has no {unknown}"
    parsed = create_parser("rest-json").parse(
        {"status_code": 200, "headers": {}, "body": json.dumps(reply).encode()}, shape)
    parsed.pop("ResponseMetadata")
    if operation == "ListTagsForResource" and parsed == {"Tags": []}:
        # Clients expect an empty list where the model would have at least one.
        return
    report = ParamValidator().validate(parsed, shape)
    assert not report.has_errors(), f"{operation}: {report.generate_report()}"
