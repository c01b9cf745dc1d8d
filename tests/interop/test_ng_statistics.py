"""`statistics` of Tandem's relay and of rtpengine: the same names and units."""

import pytest

from harness import places
from harness.ng import RELAY
from harness.tones import assert_hears
from harness.waiting import wait_until
from test_ng import CALLED_HERTZ, CALLER_HERTZ, client_of, proxy_between, relay_of, wait_no_ports

# What an interval of Tandem's has, by command; rtpengine has further commands.
COMMANDS = ["ping", "offer", "answer", "delete", "query", "list", "start recording", "stop recording",
            "block DTMF", "unblock DTMF", "block media", "unblock media", "silence media",
            "unsilence media", "play media", "stop media", "play DTMF"]
# Of rtpengine's, what Tandem has no such number for: it has no port that it gave out last, which would
# tell the next one, and counts no samples.
ABSENT = {"last", "samplerate", "samples"}


def statistics_of(stage, kind, calls=1):
    """`statistics` while a call is transcoded from PCMU to PCMA through Kamailio, and after it."""
    relay = relay_of(kind, stage)
    called = stage.pjsua(places.CARRIER, "called", CALLED_HERTZ, codec="PCMA")
    proxy = proxy_between(stage, relay, called.port, offer=" transcode=PCMA")
    caller = stage.pjsua(places.PBX, "caller", CALLER_HERTZ, codec="PCMU")
    client = client_of(stage, relay)
    client.ok("list")
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{proxy.ip}:{proxy.port}")
    caller.wait("state", state="CONFIRMED")
    assert_hears(*caller.wait_heard(3), CALLED_HERTZ, CALLER_HERTZ)
    during = client.ok("statistics")["statistics"]
    ports = len(relay.media_ports())
    caller.do("hangup")
    called.wait("state", state="DISCONNECTED")
    wait_no_ports(relay)
    wait_until(lambda: client.ok("statistics")["statistics"]["transcoders"][0]["num"] == 0, 5,
               lambda: client.ok("statistics")["statistics"]["transcoders"])
    after = client.ok("statistics")["statistics"]
    return relay, during, after, ports


@pytest.mark.parametrize("kind", ["tandem", "rtpengine"])
def test_interfaces_transcoders_and_intervals(stage, kind):
    relay, during, after, open_ports = statistics_of(stage, kind)
    interface, = during["interfaces"]
    assert (interface["name"], interface["address"]) == ("default", RELAY)
    ports = interface["ports"]
    assert (ports["min"], ports["max"]) == (relay.first, relay.last)
    assert ports["totals"] == relay.last - relay.first + 1 == ports["used"] + ports["free"]
    assert ports["used"] == open_ports == 4
    assert float(ports["used_pct"]) == pytest.approx(100 * ports["used"] / ports["totals"], abs=0.01)
    assert set(ports) >= {"min", "max", "used", "used_pct", "free", "totals"}
    assert set(ports) - {"min", "max", "used", "used_pct", "free", "totals"} <= ABSENT

    chains = {chain["chain"]: chain for chain in during["transcoders"]}
    assert set(chains) == {"PCMU/8000 -> PCMA/8000", "PCMA/8000 -> PCMU/8000"}, chains
    for chain in chains.values():
        assert chain["num"] == 1
        assert chain["packets"] > 100 and chain["bytes"] == 160 * chain["packets"], chain
        # 50 a second; how many of them a look after a second finds depends on when each side woke.
        assert 25 <= chain["packetrate"] <= 100, chain
        assert chain["byterate"] == pytest.approx(160 * chain["packetrate"], abs=160), chain
        assert set(chain) - {"chain", "num", "packets", "bytes", "packetrate", "byterate"} <= ABSENT
    for chain in after["transcoders"]:
        assert chain["num"] == 0 and chain["packets"] >= chains[chain["chain"]]["packets"]

    interval = during["intervalstatistics"]
    for command in COMMANDS:
        for name in (f"{which}{command}{what}" for which in ("min", "max", "avg")
                     for what in ("delay", "requestrate")):
            assert isinstance(interval[name], str), name
        delays = [float(interval[f"{which}{command}delay"]) for which in ("min", "avg", "max")]
        assert delays == sorted(delays) and delays[2] < 1, delays
    assert {"totalcallsduration", "minmanagedsessions", "maxmanagedsessions"} <= set(interval)
    if kind == "tandem":
        # rtpengine's stay 0 where nothing is sent to Graphite.
        interval = after["intervalstatistics"]
        assert (interval["minmanagedsessions"], interval["maxmanagedsessions"]) == (0, 1)
        assert 2 <= float(interval["totalcallsduration"]) <= 20
        assert 0 < float(interval["minofferdelay"]) and 0 < float(interval["avglistdelay"]) < 0.1
        assert (interval["minofferrequestrate"], interval["maxofferrequestrate"]) == ("0", "1")
        assert float(interval["maxplay mediadelay"]) == 0
