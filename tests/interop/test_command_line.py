"""`tandem vc`, `number`, `directory` and their like: with a node, without one, over TLS."""

import json
import os
import stat
import subprocess

import pytest

from harness import places
from harness.configuration import CONNECTOR
from harness.control_api import ControlApi
from harness.edge import BINARY
from harness.tls import Authority
from harness.waiting import wait_until

LOCAL_KEY = "AKTDLOCALCOMMANDLINE"


@pytest.fixture
def tandem(stage):
    """Runs a command on the stage's configuration: (exit status, output, errors)."""
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}

    def run(*words, text=None):
        done = subprocess.run([BINARY, *words, "--config", str(run.file)], input=text,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    run.port = port
    run.file = None
    return run


def ok(done):
    status, said, complained = done
    assert status == 0, (said, complained)
    return said


def test_a_node_is_asked(stage, tandem, tmp_path):
    edge = stage.start_edge()
    tandem.file = edge.file
    api = ControlApi(edge, tandem.port)
    assert CONNECTOR in ok(tandem("vc", "list"))
    shown = ok(tandem("vc", "show", CONNECTOR))
    assert "origination" in shown and f"voice connector id  {CONNECTOR}" in shown.replace("   ", "  ")
    # Exactly what another client reads.
    client = api.client()
    for words, reply in (
            (("vc", "show", CONNECTOR), client.get_voice_connector(VoiceConnectorId=CONNECTOR)),
            (("vc", "list"), client.list_voice_connectors()),
            (("number", "show", places.NUMBER), client.get_phone_number(PhoneNumberId=places.NUMBER)),
            (("vc", "termination", "show", CONNECTOR),
             client.get_voice_connector_termination(VoiceConnectorId=CONNECTOR))):
        del reply["ResponseMetadata"]
        assert json.loads(ok(tandem(*words, "--json"))) == reply
    status, said, complained = tandem("vc", "show", "a" * 22)
    assert (status, said) == (1, "")
    assert complained.splitlines()[-2:] == [
        f"NotFoundException: there is no voice connector {'a' * 22}",
        "  `tandem vc list` shows what there is"]
    status, _, complained = tandem("vc", "update", CONNECTOR, "--name", "new")
    assert status == 1 and "ForbiddenException" in complained, complained

    # What is made is what boto3 reads, and what it makes is what is listed.
    made = json.loads(ok(tandem("vc", "create", "--name", "by command", "--json")))["VoiceConnector"]
    id = made["VoiceConnectorId"]
    assert client.get_voice_connector(VoiceConnectorId=id)["VoiceConnector"]["Name"] == "by command"
    ok(tandem("vc", "origination", "set", id, "--route", "192.0.2.7:5070,tcp,priority=3"))
    assert client.get_voice_connector_origination(VoiceConnectorId=id)["Origination"] == {
        "Disabled": False, "Routes": [{"Host": "192.0.2.7", "Port": 5070, "Protocol": "TCP",
                                       "Priority": 3, "Weight": 1}]}
    assert "is deleted" in ok(tandem("vc", "delete", id))
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_voice_connector(VoiceConnectorId=id)
    record = wait_until(lambda: next((each for each in api.audit()
                                      if each["eventName"] == "CreateVoiceConnector"), None),
                        10, "the audit tells of it")
    assert record["userIdentity"]["accessKeyId"] == LOCAL_KEY
    assert record["userAgent"].startswith("tandem/")

    # The database is copied and checked while it is used.
    copy = tmp_path / "copy.sqlite"
    assert "directory.key" in ok(tandem("directory", "backup", str(copy)))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    status, _, complained = tandem("directory", "backup", str(copy))
    assert status == 1 and "--force" in complained
    ok(tandem("directory", "backup", str(copy), "--force"))
    assert "sound" in ok(tandem("directory", "check"))
    # What is exported comes back while the node runs, and the API tells it.
    made = json.loads(ok(tandem("vc", "create", "--name", "again", "--json")))["VoiceConnector"]
    id = made["VoiceConnectorId"]
    exported = ok(tandem("directory", "export", "-"))
    status, _, complained = tandem("directory", "import", "-", text=exported)
    assert status == 1 and f"voice-connector {id} is there already" in complained, complained
    ok(tandem("vc", "delete", id))
    assert "the node that runs takes them over" in ok(
        tandem("directory", "import", "-", text=exported))

    def is_told():
        told = client.list_voice_connectors()["VoiceConnectors"]
        return [each for each in told if each["VoiceConnectorId"] == id]

    assert wait_until(is_told, 20, "the API tells what is imported")[0]["Name"] == "again"
    # Nobody who lacks the key file is let in by its id.
    forged = api.client(key=(LOCAL_KEY, "0" * 64))
    with pytest.raises(forged.exceptions.ClientError) as caught:
        forged.list_voice_connectors()
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_without_a_node(stage, tandem, tmp_path):
    tandem.file = tmp_path / "alone.toml"
    data = tmp_path / "alone"
    stage.configuration.data_dir = str(data)
    tandem.file.write_text(stage.configuration.text())
    assert CONNECTOR in ok(tandem("vc", "list"))
    assert not data.exists(), "looking makes nothing"
    id = json.loads(ok(tandem("vc", "create", "--name", "alone", "--json")))[
        "VoiceConnector"]["VoiceConnectorId"]
    assert id in ok(tandem("vc", "list"))
    assert LOCAL_KEY in (data / "audit/cloudtrail.jsonl").read_text()
    file = tmp_path / "made.json"
    ok(tandem("directory", "export", str(file), "--without-secrets"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = json.loads(file.read_text())
    assert [each["id"] for each in document["records"]] == [id]
    status, _, complained = tandem("directory", "import", str(file))
    assert status == 1 and f"voice-connector {id} is there already" in complained, complained
    assert "nothing is imported" in complained
    os.rename(data, tmp_path / "before")
    assert "could be imported" in ok(tandem("directory", "import", str(file), "--check"))
    assert "1 record(s) are imported" in ok(tandem("directory", "import", "-",
                                                   text=file.read_text()))
    assert "alone" in ok(tandem("vc", "show", id))
    assert "sound" in ok(tandem("directory", "check"))


def test_beside_a_node_that_serves_no_api(stage, tandem):
    """A number is ported in and called; each write is in force a moment later."""
    stage.configuration.api = None
    edge = stage.start_edge()
    tandem.file = edge.file
    number = "+12065550907"
    pbx = stage.uas(places.PBX)

    def made(*words):
        return json.loads(ok(tandem(*words, "--json")))

    id = made("vc", "create", "--name", "ported")["VoiceConnector"]["VoiceConnectorId"]
    order = made("number", "port", "create", number, "--reason", "from Example Telecom")
    order = order["PortingOrder"]["PortingOrderId"]
    status, _, complained = tandem("number", "port", "advance", order, "--to", "COMPLETED")
    assert status == 1 and "it may become PENDING_DOCUMENTS, FOC" in complained, complained
    for words in (["--to", "foc", "--foc", "2026-03-31"], ["--to", "completed"]):
        ok(tandem("number", "port", "advance", order, *words))
    shown = ok(tandem("number", "port", "show", order))
    assert "COMPLETED" in shown and "from Example Telecom" in shown, shown
    assert order in ok(tandem("number", "port", "list", "--status", "COMPLETED"))
    ok(tandem("number", "associate", number, "--vc", id))
    status, _, complained = tandem("vc", "origination", "set", id, "--route",
                                   f"{places.PBX}:{pbx.port},udp")
    assert status == 0 and "takes it over within a second" in complained, complained

    def is_called():
        try:
            return int(stage.uac(places.CARRIER, number, host=places.EDGE).wait(30)[
                "SuccessfulCall(C)"]) == 1
        except AssertionError:  # not routed yet
            return False

    wait_until(is_called, 30, "a call reaches the number")
    assert edge.command("complete-ids", "--", "vc", "--config", str(edge.file), "show",
                        id[:3]).split() == [id]


def test_over_tls_the_configured_certificate_is_asked_for(stage, tandem, tmp_path):
    authority = Authority(tmp_path)
    # It is for a name that no command asks for.
    pair = authority.issue("edge.test")
    stage.configuration.api |= {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    tandem.file = stage.start_edge().file
    assert CONNECTOR in ok(tandem("vc", "list"))
    assert authority.issue("edge.test") == pair, "another one in the same files"
    status, _, complained = tandem("vc", "list")
    assert status == 1 and "another certificate" in complained, complained


def test_the_manual_page_can_be_set():
    page = subprocess.run([BINARY, "man"], capture_output=True, timeout=30, check=True).stdout
    assert b".SS tandem vc origination set" in page
    done = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-P-cbou"], input=page,
                          capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert b"tandem vc origination set" in done.stdout
