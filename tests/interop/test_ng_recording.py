"""Recordings that a proxy orders by the ng protocol."""

import stat

from harness import places
from harness.capture import Recordings
from harness.ng import RELAY, NgRelay
from harness.tones import assert_hears, level, RATE
from harness.waiting import wait_until
from test_ng import (CALLED_HERTZ, CALLER_HERTZ, PROXY, client_of, port_of, proxy_between, sdp,
                     wait_no_ports)


def recording_relay(stage, tmp_path, **options):
    folder = tmp_path / "recordings"
    folder.mkdir()
    return stage._keep(NgRelay(stage.directory, recording_dir=folder, **options)), Recordings(folder)


def talking(stage, client, call="c", **more):
    near, far = stage.rtp(places.PBX, CALLER_HERTZ), stage.rtp(places.CARRIER, CALLED_HERTZ)
    offer = client.ok("offer", call_id=call, from_tag="a", sdp=sdp(near.ip, near.port), **more)
    answer = client.ok("answer", call_id=call, from_tag="a", to_tag="b", sdp=sdp(far.ip, far.port))
    near.start((RELAY, port_of(answer["sdp"])))
    far.start((RELAY, port_of(offer["sdp"])))
    wait_until(lambda: len(near.received) > 20 and len(far.received) > 20, 10, lambda: "media")
    return near, far, offer, answer


def more_of(endpoint, packets):
    seen = len(endpoint.received)
    wait_until(lambda: len(endpoint.received) >= seen + packets, 30, lambda: "media goes on")


def finished(recordings, name):
    wait_until(lambda: recordings.notes(name)["ended_unix_ms"] is not None, 20, lambda: "the end")
    return recordings.notes(name)


def test_what_the_parties_say_is_in_the_file(stage, tmp_path):
    relay, recordings = recording_relay(stage, tmp_path)
    client = client_of(stage, relay)
    near, far, _, answer = talking(stage, client, call="x/../c")
    assert recordings.names() == []
    reply = client.ok("start recording", call_id="x/../c", from_tag="a", metadata="agent:7")
    name = reply["recording"].removesuffix(".pcap")
    more_of(far, 60)
    assert recordings.names() == [name] and "/" not in name
    assert client.ok("query", call_id="x/../c")["recording"] == f"{name}.pcap"
    client.ok("pause recording", call_id="x/../c")
    more_of(far, 10)
    paused_at = (recordings.directory / f"{name}.pcap").stat().st_size
    more_of(far, 50)
    assert (recordings.directory / f"{name}.pcap").stat().st_size == paused_at
    client.ok("start recording", call_id="x/../c")
    more_of(far, 60)
    client.ok("stop recording", call_id="x/../c")
    notes = finished(recordings, name)
    more_of(far, 20)
    assert notes["lost_packets"] == 0 and not notes["is_cut"], notes
    assert notes["about"] == {"call-id": "x/../c", "from-tag": "a", "metadata": "agent:7"}
    assert notes["streams"][0]["a"]["rtp"] == f"{RELAY}:{port_of(answer['sdp'])}"
    packets = recordings.packets(name)
    assert len(packets) == notes["packets"] == recordings.checked_by_tshark(name)
    assert {destination for _, _, destination, _ in packets} <= {
        (RELAY, int(notes["streams"][0][leg]["rtp"].split(":")[1])) for leg in "ab"}
    for source, heard, unheard in ((near, CALLER_HERTZ, CALLED_HERTZ), (far, CALLED_HERTZ, CALLER_HERTZ)):
        samples = recordings.audio_from(name, (source.ip, source.port))
        assert len(samples) >= 100 * 160
        assert_hears(samples, RATE, heard, unheard)
        # Octet by octet what the other side got.
        other = far if source is near else near
        got = {packet for packet in other.received}
        written = [packet for _, came, _, packet in packets if came == (source.ip, source.port)]
        assert set(written) <= got and len(written) == len(set(written))
    for file in recordings.directory.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    # Another recording of the same call is another file.
    other = client.ok("start recording", call_id="x/../c")["recording"].removesuffix(".pcap")
    more_of(far, 20)
    client.ok("delete", call_id="x/../c", from_tag="a")
    assert other != name and finished(recordings, other)["packets"] > 20
    totals = client.ok("statistics")["statistics"]["totalstatistics"]
    assert totals["unrecordedpackets"] == 0


def test_a_call_is_recorded_from_its_offer_on_and_without_its_encryption(stage, tmp_path):
    relay, recordings = recording_relay(stage, tmp_path)
    called = stage.pjsua(places.CARRIER, "called", CALLED_HERTZ, srtp=True)
    proxy = proxy_between(stage, relay, called.port, offer=" RTP/SAVP record-call=yes", answer=" RTP/AVP")
    caller = stage.pjsua(places.PBX, "caller", CALLER_HERTZ)
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{PROXY}:{proxy.port}")
    called.wait("state", state="CONFIRMED")
    called.wait_heard(1.5)
    caller.do("hangup")
    called.wait("state", state="DISCONNECTED")
    wait_no_ports(relay)
    name, = recordings.names()
    notes = finished(recordings, name)
    assert notes["lost_packets"] == 0 and recordings.checked_by_tshark(name) == notes["packets"]
    by_source = {came[0] for _, came, _, _ in recordings.packets(name)}
    assert by_source == {places.PBX, places.CARRIER}
    source = next(came for _, came, _, packet in recordings.packets(name)
                  if came[0] == places.CARRIER and len(packet) == 172)
    assert_hears(recordings.audio_from(name, source), RATE, CALLED_HERTZ, CALLER_HERTZ)


def test_kamailio_starts_a_recording_and_asks_for_numbers(stage, tmp_path):
    """start_recording() at the answer, rtpengine_query() at the end, and the numbers of each side."""
    relay, recordings = recording_relay(stage, tmp_path)
    called = stage.pjsua(places.CARRIER, "called", CALLED_HERTZ)
    proxy = proxy_between(stage, relay, called.port, offer=" label=near", answer=" label=far",
                          answered="start_recording();", ended="rtpengine_query();")
    caller = stage.pjsua(places.PBX, "caller", CALLER_HERTZ)
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{PROXY}:{proxy.port}")
    called.wait("state", state="CONFIRMED")
    called.wait_heard(1.5)
    name = wait_until(lambda: recordings.names(), 5, lambda: f"a recording: {relay.log()}")[0]
    caller.do("hangup")
    called.wait("state", state="DISCONNECTED")
    wait_no_ports(relay)
    assert finished(recordings, name)["packets"] > 100
    said = wait_until(lambda: [line for line in proxy.log().splitlines() if "sides near" in line], 5,
                      lambda: proxy.log()[-1_500:])[0]
    near, far = (float(part.split()[0]) for part in said.split("near ")[1].split("far "))
    assert 4.0 <= near <= 4.5 and 4.0 <= far <= 4.5, said
    assert "means nothing here" not in relay.log(), relay.log()


def test_without_a_directory_there_is_a_clear_error(stage):
    relay = stage._keep(NgRelay(stage.directory))
    client = client_of(stage, relay)
    reply = client.ok("offer", call_id="c", from_tag="a", sdp=sdp("192.0.2.1", 4_000), record_call="yes")
    assert "--recording-dir" in reply["warning"]
    reply = client.ask("start recording", call_id="c")
    assert reply["result"] == "error" and "--recording-dir" in reply["error-reason"]


def test_silence_takes_the_place_of_media(stage):
    relay = stage._keep(NgRelay(stage.directory))
    client = client_of(stage, relay)
    near, far, _, _ = talking(stage, client)
    client.ok("silence media", call_id="c", from_tag="a")
    more_of(far, 10)
    seen = len(far.received)
    more_of(far, 50)
    heard = b"".join(packet[12:] for packet in far.received[seen:])
    assert set(heard) <= {0xFF, 0x7F}, "packets go on, and nothing is in them"
    more_of(near, 20)
    client.ok("unsilence media", call_id="c", from_tag="a")
    more_of(far, 10)
    seen = len(far.received)
    more_of(far, 50)
    samples, rate = far.heard()
    assert level(samples[-40 * 160:], rate, CALLER_HERTZ) > 1_000
    assert len(far.ssrcs()) == 1
