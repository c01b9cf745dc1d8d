"""What `tandem doctor` finds of the services that records go to; it leaves nothing there."""

import json
import subprocess
import time

import pytest

from harness.configuration import CONNECTOR
from harness.delivered import BUCKET, sinks
from harness.edge import BINARY
from harness.objects import KINDS

GROUP = f"/aws/ChimeVoiceConnectorLogs/{CONNECTOR}"


@pytest.fixture(autouse=True)
def everything_goes_there(stage, cloud):
    stage.configuration.sinks = sinks(cloud)


def doctor(stage, *options):
    """(What stands in its area, {subject: [finding]}; the exit code; how long it took)."""
    file = stage.directory / "doctor.toml"
    file.write_text(stage.configuration.text())
    begun = time.monotonic()
    told = subprocess.run([BINARY, "doctor", "--config", file, "--json", *options],
                          capture_output=True, text=True, timeout=60)
    found = {}
    for finding in json.loads(told.stdout):
        if finding["area"] == "aws":
            found.setdefault(finding["subject"], []).append(finding)
    return found, told.returncode, time.monotonic() - begun


def states(found):
    return {subject: [finding["state"] for finding in findings]
            for subject, findings in found.items()}


def test_what_works_is_told_and_nothing_is_left(stage, cloud):
    cloud.client("logs").create_log_group(logGroupName=GROUP)
    found, code, _ = doctor(stage)
    assert states(found) == {"identity": ["fine"], "cloudwatch": ["fine", "unknown"],
                             "logs": ["fine", "unknown"], "s3": ["fine"],
                             "events": ["fine", "unknown"],
                             "kinesis_video": ["fine", "unknown"]}, found
    assert "arn:aws:" in found["identity"][0]["found"]
    assert "1 groups" in found["logs"][0]["found"] and CONNECTOR in found["logs"][0]["found"]
    assert f"bucket {BUCKET} in us-east-1" in found["s3"][0]["found"]
    assert "cannot be asked without a metric" in found["cloudwatch"][1]["found"]
    assert cloud.refusals == ["InvalidParameterValue: 0 data"], "the question is no metric"
    assert cloud.objects(BUCKET) == {} and cloud.events(GROUP) == {}
    assert not cloud.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    assert not cloud.client("cloudwatch").list_metrics(
        Namespace="Tandem/VoiceConnector")["Metrics"]
    assert list(cloud.groups()) == [GROUP]
    assert code in (0, 1), "whatever else is wrong on this host"


@pytest.mark.parametrize("action, subject", [
    ("logs:PutLogEvents", "logs"), ("s3:PutObject", "s3"),
    ("cloudwatch:PutMetricData", "cloudwatch"), ("events:PutEvents", "events")])
def test_a_permission_that_is_missing_is_named(stage, cloud, action, subject):
    cloud.denied = {action, "s3:ListBucket", "logs:DescribeLogGroups"}
    found, _, _ = doctor(stage)
    wrong = [finding for findings in found.values() for finding in findings
             if finding["state"] == "warning"]
    assert [finding["subject"] for finding in wrong] == [subject], found
    assert f"allow {action}" in wrong[0]["advice"] and "docs/aws.md" in wrong[0]["advice"]


@pytest.fixture
def recorded(stage, cloud):
    """Recordings alone go to AWS, under a key of KMS; the key."""
    cloud.make_bucket(BUCKET)
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    stage.configuration.sinks = {
        "endpoint_url": cloud.url,
        "recordings": {"kind": "aws", "bucket": BUCKET, "prefix": "voices/"}}
    stage.configuration.recordings = {"kms_key": key}
    return key


def advice(found):
    """{subject: advice} of what is wrong."""
    return {finding["subject"]: finding["advice"] for findings in found.values()
            for finding in findings if finding["state"] == "warning"}


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_recordings_bucket_and_key_are_asked_without_leaving_anything(stage, cloud, recorded):
    found, _, _ = doctor(stage)
    both = ["fine", "fine"]
    assert states(found) == {"identity": ["fine"], "recordings": both, "kms": both}, found
    put, look = (finding["found"] for finding in found["recordings"])
    assert "allows s3:PutObject" in put and f"bucket {BUCKET}" in put
    assert "allows s3:GetObject (asked for voices/" in look
    made, opened = (finding["found"] for finding in found["kms"])
    assert f"allows kms:GenerateDataKey with {recorded}" in made and "kms:Decrypt" in opened
    assert cloud.objects(BUCKET) == {} and cloud.refusals == []
    assert not cloud.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads")


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
@pytest.mark.parametrize("denied, subject, expected", [
    ({"s3:PutObject"}, "recordings", "allow s3:PutObject"),
    ({"s3:GetObject"}, "recordings", "allow s3:GetObject"),
    ({"kms:GenerateDataKey"}, "kms", "allow kms:GenerateDataKey"),
    ({"kms:Decrypt"}, "kms", "allow kms:Decrypt")])
def test_a_permission_that_recordings_lack_is_named(stage, cloud, recorded, denied, subject,
                                                    expected):
    cloud.denied = denied
    found, _, _ = doctor(stage)
    wrong = advice(found)
    assert list(wrong) == [subject] and expected in wrong[subject], found


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_what_recordings_need_and_is_not_there_is_named(stage, cloud, recorded):
    # Without the list of a bucket nobody tells what is not in it from what is hidden.
    cloud.denied = {"s3:ListBucket"}
    found, _, _ = doctor(stage)
    assert states(found)["recordings"] == ["fine", "unknown"], found
    assert "s3:ListBucket" in found["recordings"][1]["found"]
    cloud.denied = set()
    stage.configuration.sinks["recordings"]["bucket"] = "not-there"
    stage.configuration.recordings["kms_key"] = "alias/not-there"
    found, _, _ = doctor(stage)
    wrong = advice(found)
    assert "make the bucket not-there, or correct bucket of [sinks] recordings" \
        in wrong["recordings"], found
    assert wrong["kms"] == "there is no such key; correct kms_key of [recordings]", found
    cloud.refuse()
    found, _, took = doctor(stage)
    assert took < 30 and set(advice(found)) == {"recordings", "kms"}, found


@pytest.mark.parametrize("cloud", KINDS, indirect=True)
def test_storage_is_asked_without_leaving_anything(stage, cloud):
    found, _, _ = doctor(stage)
    assert states(found)["s3"] == ["fine"], found
    assert cloud.objects(BUCKET) == {}
    stage.configuration.sinks["s3"]["bucket"] = "not-there"
    found, _, _ = doctor(stage)
    assert "NoSuchBucket" in found["s3"][0]["found"]
    assert "make the bucket not-there" in found["s3"][0]["advice"]


def test_credentials_that_are_wrong_or_missing_are_named(stage, cloud, monkeypatch):
    cloud.token = "another"
    found, _, _ = doctor(stage)
    for subject in ("cloudwatch", "logs", "s3"):
        assert "ExpiredToken" in found[subject][0]["found"], found
        assert "the credentials have expired" in found[subject][0]["advice"]
    cloud.token = None
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    found, _, _ = doctor(stage)
    for subject in ("cloudwatch", "logs", "s3"):
        assert "correct the credentials (AWS_ACCESS_KEY_ID" in found[subject][0]["advice"], found
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    found, _, _ = doctor(stage)
    assert states(found) == {"identity": ["warning"], "cloudwatch": ["unknown"],
                             "logs": ["unknown"], "s3": ["unknown"], "events": ["unknown"],
                             "kinesis_video": ["unknown"]}, found
    assert "set AWS_ACCESS_KEY_ID" in found["identity"][0]["found"]


@pytest.mark.parametrize("trouble", ["refused", "slow", "half", "unanswered", "error", "throttled"])
def test_it_ends_whatever_the_services_do(stage, cloud, trouble):
    if trouble == "refused":
        cloud.refuse()
    else:
        cloud.trouble = trouble
    found, _, took = doctor(stage)
    assert took < 20, took
    assert states(found)["identity"] == ["unknown"], found
    for subject in ("cloudwatch", "logs", "s3"):
        assert states(found)[subject] == ["warning"], found
        assert found[subject][0]["advice"]


def test_offline_asks_nobody(stage, cloud):
    found, _, _ = doctor(stage, "--offline")
    assert found == {} and not cloud.arrivals


def test_records_in_files_ask_nobody(stage, cloud):
    stage.configuration.sinks = {"kind": "file"}
    found, _, _ = doctor(stage)
    assert found == {} and not cloud.arrivals
