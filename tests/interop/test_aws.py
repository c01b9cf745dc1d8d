"""Records in AWS: what is delivered, and what an outage of each kind does to it.

After each outage the books must balance: a call is in S3 once, and each of its log events is in
CloudWatch Logs once, or marked where it is there again.
"""

import json
import subprocess

import pytest

from harness import places
from harness.delivered import BUCKET, SIP, Caller, reconcile, sinks
from harness.edge import BINARY
from harness.objects import CONDITIONAL, KINDS
from harness.waiting import wait_until


in_every_storage = pytest.mark.parametrize("cloud", KINDS, indirect=True)


@pytest.fixture(autouse=True)
def everything_goes_there(stage, cloud):
    stage.configuration.sinks = sinks(cloud)


@in_every_storage
def test_logs_and_records_arrive(stage, cloud):
    caller = Caller(stage)
    caller.call(2)
    caller.edge.wait_idle()
    caller.drained()
    assert reconcile(cloud, caller.ids()) == 0
    assert cloud.groups()[SIP]["retentionInDays"] == 30
    assert not (caller.edge.data_dir / "logs/aws").exists(), "what goes to AWS is no file"
    assert not (caller.edge.data_dir / "s3").exists()
    caller.edge.stop()


def test_files_are_written_as_well_where_asked_for(stage, cloud):
    stage.configuration.sinks["logs"]["also_file"] = True
    caller = Caller(stage)
    caller.call()
    caller.drained()
    reconcile(cloud, caller.ids())
    assert len(caller.edge.sip_log()) == sum(map(len, cloud.events(SIP).values()))
    caller.edge.stop()


def test_files_may_tell_numbers_that_aws_is_not_told(stage, cloud):
    """And the other way round: each sink has its own text of the same record."""
    for service in ("logs", "s3"):
        stage.configuration.sinks[service]["also_file"] = True
    stage.configuration.privacy = {
        "cdrs": {"numbers": "hashed", "file": {"numbers": "plain"}},
        "sip_messages": {"bodies": "omitted", "file": {"numbers": "masked", "bodies": "kept"}}}
    caller = Caller(stage)
    caller.call()
    caller.drained()
    reconcile(cloud, caller.ids())
    digits = places.US_NUMBER.strip("+")
    (key, there), = cloud.objects(BUCKET).items()
    here = json.loads((caller.edge.data_dir / "s3" / key.removeprefix("tandem/")).read_text())
    assert digits in json.dumps(here) and digits not in json.dumps(there), (here, there)
    assert {name for name in here if here[name] != there[name]} <= {
        "SourcePhoneNumber", "SourcePhoneNumberName", "DestinationPhoneNumber",
        "DestinationPhoneNumberName", "SipAuthUser"}, (here, there)
    there = json.dumps(cloud.events(SIP))
    here = json.dumps(caller.edge.sip_log())
    assert digits in there and "v=0" not in there
    assert digits not in here and "v=0" in here
    caller.edge.stop()


@pytest.mark.parametrize("trouble", ["refused", "error", "throttled", "half", "half-closed",
                                     "unanswered", "slow"])
def test_an_outage_and_a_crash_lose_nothing(stage, cloud, trouble):
    caller = Caller(stage)
    caller.call()
    caller.drained()
    if trouble == "refused":
        cloud.refuse()
    else:
        cloud.trouble = trouble
    caller.call(2)
    caller.failed(cloud)
    caller.accepted()
    assert caller.edge.metric("tandem_outbox_entries") > 0
    caller.restart()
    caller.call()
    caller.accepted()
    cloud.recover()
    caller.drained()
    marked = reconcile(cloud, caller.ids())
    if trouble == "unanswered":
        assert marked > 0, "what had arrived unheard was marked when it was sent again"
    caller.edge.stop()


@pytest.mark.parametrize("trouble", ["refused", "unanswered", "half"])
@pytest.mark.parametrize("cloud", [kind for kind in KINDS if kind != "moto"], indirect=True)
def test_other_storage_has_each_record_once_after_an_outage_and_a_crash(stage, cloud, trouble):
    test_an_outage_and_a_crash_lose_nothing(stage, cloud, trouble)


@in_every_storage
def test_what_arrived_unheard_is_not_put_again(stage, cloud):
    """Where storage knows If-None-Match; elsewhere the record replaces itself."""
    caller = Caller(stage)
    caller.call()
    caller.drained()
    cloud.trouble = "unanswered"
    caller.call()
    wait_until(lambda: len(cloud.puts) >= 2, 30, "the record has arrived, unheard")
    caller.restart()
    cloud.recover()
    caller.drained()
    reconcile(cloud, caller.ids())
    (first, taken), *again = cloud.puts
    assert taken == 200
    assert len({path for path, _ in again}) == 1 and first not in dict(again)
    assert again[0][1] == 200, again
    expected = {412} if cloud.kind in CONDITIONAL else {200}
    assert {status for _, status in again[1:]} == expected, cloud.puts
    caller.edge.stop()


@in_every_storage
def test_what_cannot_be_delivered_says_why(stage, cloud):
    stage.configuration.sinks["s3"]["bucket"] = "not-there"
    caller = Caller(stage)
    caller.call()
    wait_until(lambda: caller.edge.said("NoSuchBucket"), 30, lambda: f"{caller.edge.lines}")
    assert caller.edge.said("make the bucket not-there, or correct bucket of [sinks] s3")
    cloud.make_bucket("not-there")
    caller.drained()
    assert len(cloud.objects("not-there")) == 1
    caller.edge.stop()


def test_the_doctor_tells_what_waits_and_why(stage, cloud):
    def asked(caller):
        told = subprocess.run([BINARY, "doctor", "--config", caller.edge.file, "--json"],
                              capture_output=True, text=True, timeout=60)
        return {(f["area"], f["subject"]): f for f in json.loads(told.stdout)
                if f["area"].startswith("outbox ")}

    caller = Caller(stage)
    caller.call()
    caller.drained()
    cloud.refuse()
    caller.call()
    caller.accepted()
    wait_until(lambda: caller.edge.metric("tandem_outbox_failures_in_a_row", destination="s3") > 0,
               30, "an attempt failed")
    found = asked(caller)
    assert found["outbox s3", "waiting"]["found"].startswith("1 record(s), the oldest of ")
    assert found["outbox logs", "waiting"]["state"] == "fine", "it waits for its turn"
    error = found["outbox s3", "last error"]
    assert error["state"] == "warning" and cloud.url in error["found"], error
    assert "in a row failed" in error["advice"]
    caller.edge.stop()
    found = asked(caller)
    assert ("outbox s3", "last error") not in found, "nobody runs who could tell"
    assert found["outbox s3", "waiting"]["found"].startswith("1 record(s)")
