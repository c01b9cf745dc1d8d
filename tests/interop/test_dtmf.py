"""Keys between sides that say them differently, with pjsua2 on both: SIP INFO, RFC 4733, tones."""

import numpy as np

from harness import places
from harness.tones import level
from harness.waiting import wait_until

KEYS = "0123456789*#ABCD"
ROWS, COLUMNS = (697, 770, 852, 941), (1_209, 1_336, 1_477, 1_633)
LAYOUT = ("123A", "456B", "789C", "*0#D")
# Of the tones that pjsua2 plays beside; between those of keys.
PBX_HERTZ, CARRIER_HERTZ = 440, 1_020


def connected(stage, customer, carrier):
    """A call between two pjsua2: (PBX, carrier), whose sides are set so."""
    far = stage.pjsua(places.CARRIER, "carrier", CARRIER_HERTZ)
    stage.configuration.carriers[0].update(port=far.port, dtmf=carrier)
    stage.configuration.connector["dtmf"] = customer
    stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{stage.edge.port}")
    pbx.wait("state", state="CONFIRMED")
    far.wait("state", state="CONFIRMED")
    far.wait_heard(0.3)
    return pbx, far


def pressed(agent, count=len(KEYS)):
    return "".join(agent.wait("dtmf", 30)["digit"] for _ in range(count))


def audible(samples, rate):
    """The keys that stand out in windows of 20 ms, three in a row, each once."""
    keys, last, steady, told = "", None, 0, None
    for begin in range(0, len(samples) - rate // 50, rate // 100):
        part = samples[begin:begin + rate // 50].astype(float)
        rows, columns = ([level(part, rate, hertz) for hertz in group] for group in (ROWS, COLUMNS))
        pair = max(rows) > 1_000 and max(columns) > 1_000
        key = LAYOUT[int(np.argmax(rows))][int(np.argmax(columns))] if pair else None
        steady = steady + 1 if key == last else 1
        last = key
        if steady == 3:
            if key and key != told:
                keys += key
            told = key
    return keys


def wait_audible(agent, start):
    """All keys stand out in what was recorded since, each once and in their order."""
    heard = [""]

    def look():
        samples, rate = agent.heard()
        heard[0] = audible(samples[int(start * rate):], rate)
        return heard[0] == KEYS

    wait_until(look, 30, lambda: f"{agent.name} hears {KEYS}, not {heard[0]}")


def wait_received(agent, packets):
    """So many packets more have come; more than a key has, and what follows it."""
    before = agent.statistics()["received"]
    wait_until(lambda: agent.statistics()["received"] >= before + packets, 30,
               lambda: f"{agent.name} receives: {agent.events[-3:]}")


def hang_up(stage, pbx, far):
    pbx.do("hangup")
    far.wait("state", state="DISCONNECTED")
    stage.edge.wait_idle()


def test_info_and_events(stage):
    """A customer that speaks INFO, a carrier that speaks RFC 4733; no key in what is logged."""
    pbx, far = connected(stage, "info", "rfc4733")
    pbx.do("info", digits=KEYS)
    assert pressed(far) == KEYS
    far.do("dtmf", digits=KEYS)
    events = [pbx.wait("dtmf", 30) for _ in KEYS]
    assert "".join(event["digit"] for event in events) == KEYS
    assert all(event["info"] for event in events)
    edge = stage.edge
    assert edge.metric("tandem_dtmf_converted_total", kind="info_to_rfc4733") == len(KEYS)
    assert edge.metric("tandem_dtmf_converted_total", kind="rfc4733_to_info") == len(KEYS)
    hang_up(stage, pbx, far)
    written = [path for path in stage.configuration.data_dir.rglob("*") if path.is_file()]
    texts = [path.read_text(errors="replace") for path in written]
    assert any("INFO sip:" in text for text in texts), "the messages are logged"
    assert not any("Signal=" in text for text in texts)


def test_hold_between_keys(stage):
    pbx, far = connected(stage, "info", "rfc4733")
    pbx.do("info", digits="12")
    assert pressed(far, 2) == "12"
    # pjsua2 begins anew with a hold, and takes the rest of a key that is pressed for another one. What it
    # has recorded says nothing of that: on a busy machine it makes up for lost time with silence.
    wait_received(far, 60)
    pbx.do("hold")
    far.wait("media", status=3)
    pbx.do("resume")
    far.wait("media", status=1)
    wait_received(far, 20)
    pbx.do("info", digits="34")
    assert pressed(far, 2) == "34"
    hang_up(stage, pbx, far)


def test_events_and_tones(stage):
    """A carrier that speaks tones hears each key once, and its own keys come as events."""
    pbx, far = connected(stage, "rfc4733", "inband")
    start = far.heard_seconds()
    pbx.do("dtmf", digits=KEYS)
    edge = stage.edge
    edge_wait(edge, "rfc4733_to_inband", len(KEYS))
    wait_audible(far, start)
    start = pbx.heard_seconds()
    far.do("tones", digits=KEYS, on=100, off=100)
    assert pressed(pbx) == KEYS
    edge_wait(edge, "inband_to_rfc4733", len(KEYS))
    samples, rate = pbx.heard()
    assert audible(samples[int(start * rate):], rate) == "", "no double"
    hang_up(stage, pbx, far)


def test_info_and_tones(stage):
    pbx, far = connected(stage, "info", "inband")
    start = far.heard_seconds()
    pbx.do("info", digits=KEYS)
    edge_wait(stage.edge, "info_to_inband", len(KEYS))
    wait_audible(far, start)
    far.do("tones", digits=KEYS, on=80, off=80)
    assert pressed(pbx) == KEYS
    hang_up(stage, pbx, far)


def edge_wait(edge, kind, count):
    wait_until(lambda: edge.metric("tandem_dtmf_converted_total", kind=kind) == count, 20,
               lambda: f"{kind}: {edge.metrics().get('tandem_dtmf_converted_total')}")
