"""Room devices reach the meeting rooms: what they offer is answered, and they hear the welcome."""

import json
import subprocess

from harness import places, sipp, tls, tones
from harness.configuration import DOMAIN
from harness.dns import NameServer
from harness.edge import BINARY
from harness.tones import assert_hears
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
WELCOME_HERTZ, WRONG_HERTZ = 440, 1_000


def rooms(stage, **settings):
    """Rooms whose prompts are tones. They are encoded as a whole before they are heard."""
    english = stage.directory / "prompts" / "en"
    english.mkdir(parents=True)
    for name, hertz, seconds in (("welcome", WELCOME_HERTZ, 1), ("enter-id", WELCOME_HERTZ, 4),
                                 ("wrong-id", WRONG_HERTZ, 8), ("goodbye", 300, 1)):
        tones.write_wav(english / f"{name}.wav", hertz, seconds)
    settings["prompts"] = str(english.parent)
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    stage.configuration.more.append("\n".join(["[rooms]", *lines, ""]))


def test_a_device_with_five_lines_joins_and_leaves(stage):
    rooms(stage, allow_plain=[places.PBX])
    edge = stage.start_edge()
    device = sipp.uac(stage.directory, places.PBX, edge, "4081234567*123456", host=HOST,
                      scenario="uac_room", calls=3)
    try:
        device.wait(30)
    finally:
        device.stop()
    for record in edge.wait_records(3):
        # The meeting's digits, and no passcode.
        assert record["to_user"] == "4081234567" and record["end"]["status"] == 200, record
    edge.wait_idle()


def test_baresip_over_tls_hears_the_welcome_and_presses_keys(stage, tmp_path):
    port = places.free_port(places.EDGE)
    authority = tls.Authority(tmp_path)
    shown = authority.issue("edge.test", f"IP:{places.EDGE}")
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"],
                                   tls_certificate=str(shown.certificate), tls_key=str(shown.key))
    # Nobody's address: a stranger over TLS.
    stage.configuration.termination["cidr_allowed_list"] = [f"{places.STRANGER}/32"]
    rooms(stage)
    edge = stage.start_edge()
    device = stage.baresip(
        places.BARESIP, "device", 600, codec="opus/48000/2", transport="tls", srtp=True,
        pair=authority.issue("device.test", f"IP:{places.BARESIP}"),
        authority=authority.certificate,
        account=f";regint=0;outbound=\"sip:{places.EDGE}:{port};transport=tls\"")
    device.do("dial", f"sip:u@{HOST}")
    device.wait("CALL_ESTABLISHED")
    assert_hears(*device.wait_heard(1), WELCOME_HERTZ, WRONG_HERTZ)
    for key in "1#":
        device.do("sndcode", key)
    wait_until(lambda: hears(device, WRONG_HERTZ), 20, lambda: "the prompt of a wrong ID is heard")
    # Two more: the last try ends the call.
    for key in "2#3#":
        device.do("sndcode", key)
    device.wait("CALL_CLOSED", 20)
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200, record
    edge.wait_idle()


def hears(device, hertz):
    """Whether what comes next is mostly this tone."""
    samples, rate = device.wait_heard(0.5)
    return abs(tones.dominant(samples, rate) - hertz) < 30


def test_the_records_of_the_rooms_are_printed_and_checked(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"])
    rooms(stage, regions=[])
    edge = stage.start_edge()
    server = NameServer()
    try:
        run = lambda *words: subprocess.run(  # noqa: E731
            [BINARY, "dns", "--config", str(edge.file), *words], capture_output=True, text=True,
            timeout=60)
        printed = run("--json")
        assert printed.returncode == 0, printed.stderr
        records = json.loads(printed.stdout)
        assert [record["type"] for record in records] == ["NAPTR", "SRV", "A"]
        missing = run("--check", "--server", server.address)
        assert missing.returncode == 1 and missing.stdout.count("missing  ") == 3, missing
        server.add(HOST, "NAPTR", 60, (10, 10, "s", "SIPS+D2T", f"_sips._tcp.{HOST}"))
        server.add(f"_sips._tcp.{HOST}", "SRV", 60, (10, 10, port, HOST))
        server.add(HOST, "A", 60, places.EDGE)
        there = run("--check", "--server", server.address)
        assert there.returncode == 0 and there.stdout.count("ok  ") == 3, there
    finally:
        server.stop()
