"""Events on EventBridge, in SNS and SQS: that the three take them, and who is named when one does not."""

import json
import subprocess

import pytest

from harness.edge import BINARY
from harness.notified import SOURCE, TOPIC, Notified

EVENT = "Tandem Test Event"


@pytest.fixture
def notified(stage, cloud):
    notified = Notified(cloud, EVENT)
    stage.configuration.sinks = notified.sinks
    return notified


def doctor(stage, *options):
    """{subject: [finding]} of the services."""
    file = stage.directory / "doctor.toml"
    file.write_text(stage.configuration.text())
    told = subprocess.run([BINARY, "doctor", "--config", file, "--json", *options],
                          capture_output=True, text=True, timeout=60)
    found = {}
    for finding in json.loads(told.stdout):
        if finding["area"] == "aws":
            found.setdefault(finding["subject"], []).append(finding)
    return found


def states(found):
    return {subject: [finding["state"] for finding in findings]
            for subject, findings in found.items()}


def test_an_event_arrives_everywhere_in_one_form(stage, cloud, notified):
    asked = doctor(stage)
    expected = ["fine", "unknown"]
    assert states(asked) == {"identity": ["fine"], "events": expected, "sns": expected,
                             "sqs": expected}, asked
    assert not any(notified.messages(name) for name in notified.queues), "questions are no events"
    found = doctor(stage, "--send-event")
    for subject in ("events", "sns", "sqs"):
        last = found[subject][-1]
        assert last["state"] == "fine" and f'took a "{EVENT}"' in last["found"], found
    sent = notified.message("sent")
    event = json.loads(sent["Body"])
    assert sent["Attributes"]["MessageGroupId"].startswith("doctor-")
    assert {key: event[key] for key in ("version", "detail-type", "source", "region", "resources")} \
        == {"version": "0", "detail-type": EVENT, "source": SOURCE, "region": "us-east-1",
            "resources": []}
    published = json.loads(notified.message("published")["Body"])
    assert published["Type"] == "Notification" and json.loads(published["Message"]) == event
    ruled = json.loads(notified.message("ruled")["Body"])
    # EventBridge gives an id and an account of its own.
    for key in ("version", "detail-type", "source", "time", "region", "resources", "detail"):
        assert ruled[key] == event[key], key
    assert cloud.refusals == []


def test_what_cannot_arrive_is_named(stage, cloud, notified):
    notified.sinks["events"]["source"] = "aws.chime"
    notified.sinks["sns"]["topic_arn"] = f"{TOPIC}-not-there"
    notified.sinks["sqs"]["queue_url"] += "-not-there"
    found = doctor(stage, "--send-event")
    bridge = found["events"][-1]
    assert bridge["state"] == "warning" and "NotAuthorizedForSourceException" in bridge["found"]
    advice = 'set source of [sinks] events to a name of your own; it is "aws.chime"'
    assert advice in bridge["found"], bridge
    for subject, advice in [("sns", f"make the topic {TOPIC}-not-there, or correct topic_arn"),
                            ("sqs", "sent.fifo-not-there, or correct queue_url of [sinks] sqs")]:
        asked, sent = found[subject]
        assert advice in asked["advice"], asked
        assert asked["state"] == sent["state"] == "warning"
        assert advice in sent["found"], sent
    assert not any(notified.messages(name) for name in notified.queues)
