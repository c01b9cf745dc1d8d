"""A Kamailio that was made for rtpengine drives Tandem's relay: only the address is another."""

import re

import pytest

from harness import places, tones
from harness.message import sdp as audio_alone
from harness.ng import RELAY, NgClient, NgRelay, Rtpengine, RtpengineProxy
from harness.tones import assert_hears
from harness.waiting import wait_until

PROXY = "127.0.0.6"
CALLER_HERTZ, CALLED_HERTZ = 440, 1_000
BURST = 50


def relay_of(kind, stage):
    if kind == "rtpengine" and not Rtpengine.binary():
        pytest.skip("rtpengine-daemon is not installed: nothing to compare with")
    return stage._keep(NgRelay(stage.directory) if kind == "tandem" else Rtpengine(stage.directory))


def proxy_between(stage, relay, called_port, **flags):
    return stage._keep(RtpengineProxy(stage.directory, PROXY, relay,
                                      f"{places.CARRIER}:{called_port}", **flags))


def client_of(stage, relay, **options):
    return stage._keep(NgClient(relay.address, **options))


def sdp(ip, port, more="", proto="RTP/AVP"):
    return (f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n"
            f"m=audio {port} {proto} 0 101\r\na=rtpmap:101 telephone-event/8000\r\n{more}")


def port_of(body):
    return int(re.search(r"^m=audio (\d+) ", body, re.M).group(1))


def wait_no_ports(relay):
    wait_until(lambda: not relay.media_ports(), 10,
               lambda: f"no media port is open: {relay.media_ports()}")


@pytest.mark.parametrize("kind", ["tandem", "rtpengine"])
def test_a_call_through_kamailio_has_audio_both_ways(stage, kind):
    """The same kamailio.cfg with both relays: tones both ways, hold, query, delete with BYE."""
    relay = relay_of(kind, stage)
    called = stage.pjsua(places.CARRIER, "called", CALLED_HERTZ)
    proxy = proxy_between(stage, relay, called.port)
    caller = stage.pjsua(places.PBX, "caller", CALLER_HERTZ)
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{PROXY}:{proxy.port}")
    caller.wait("state", state="CONFIRMED")
    called.wait("state", state="CONFIRMED")
    assert_hears(*caller.wait_heard(1.5), CALLED_HERTZ, CALLER_HERTZ)
    assert_hears(*called.wait_heard(1.5), CALLER_HERTZ, CALLED_HERTZ)
    assert len(relay.media_ports()) == 4

    client = client_of(stage, relay)
    call_id, = client.ok("list")["calls"]
    reply = client.ok("query", call_id=call_id)
    assert len(reply["tags"]) == 2 and reply["totals"]["RTP"]["packets"] > 100, reply
    for tag, party in reply["tags"].items():
        assert party["tag"] == tag and party["subscriptions"][0]["tag"] in reply["tags"]
        media, = party["medias"]
        stream = media["streams"][0]
        assert stream["local port"] in relay.media_ports()
        # pjsip begins with datagrams that keep a NAT open and are no media.
        assert stream["stats"]["packets"] > 50 and stream["stats"]["errors"] <= 5, stream
        assert stream["endpoint"]["address"] in (places.PBX, places.CARRIER)
        # rtpengine lists sources that RTCP spoke of.
        assert kind == "rtpengine" or str(stream["SSRC"]) in reply["SSRC"], reply

    called.do("hold")
    called.wait("media", status=2)
    called.do("resume")
    called.wait("media", status=1)
    assert_hears(*called.wait_heard(1.5), CALLER_HERTZ, CALLED_HERTZ)
    assert len(relay.media_ports()) == 4, "a re-INVITE takes no further ports"

    caller.do("hangup")
    called.wait("state", state="DISCONNECTED")
    wait_no_ports(relay)
    assert client.ok("list")["calls"] == []
    said = wait_until(lambda: re.search(r"mos (\S+) loss (\S+) jitter (\S+) samples", proxy.log()), 5,
                      lambda: f"kamailio read the reply: {proxy.log()[-1_000:]}")
    if kind == "tandem":
        # rtpengine has a score only with enough RTCP; ours comes from RTP.
        assert 4.0 <= float(said.group(1)) <= 4.5 and float(said.group(2)) == 0, said.group(0)
        assert float(said.group(3)) < 20, said.group(0)
        assert "means nothing here" not in relay.log(), relay.log()


def test_a_burst_of_calls_leaves_nothing(stage):
    relay = relay_of("tandem", stage)
    server = stage.uas(places.CARRIER, calls=BURST, hertz=CALLED_HERTZ)
    proxy = proxy_between(stage, relay, server.port)
    uac = stage.uac_at(places.PBX, proxy.address, places.US_NUMBER, rate=BURST, calls=BURST,
                       talk_ms=6_000)
    client = client_of(stage, relay)
    wait_until(lambda: len(client.ok("list", limit=100)["calls"]) == BURST, 15,
               lambda: f"{BURST} calls: {client.ok('statistics')}")
    wait_until(lambda: len(relay.media_ports()) == 4 * BURST, 5, lambda: relay.media_ports())
    statistics = uac.wait(60)
    assert int(statistics["SuccessfulCall(C)"]) == BURST
    assert int(statistics["FailedCall(C)"]) == 0
    server.wait(30)
    wait_no_ports(relay)
    totals = client.ok("statistics")["statistics"]["totalstatistics"]
    assert totals["managedsessions"] == BURST == totals["regularterminatedsessions"], totals
    assert totals["rejectedsessions"] == totals["timeoutsessions"] == 0, totals
    # 300 packets each way; sipp is late now and then on a busy machine.
    assert totals["relayedpackets"] > BURST * 2 * 300 * 0.8, totals


@pytest.mark.parametrize("end", ["busy", "cancelled"])
def test_a_call_that_comes_to_nothing_leaves_nothing(stage, end):
    relay = relay_of("tandem", stage)
    called = stage.peer(places.CARRIER)
    proxy = proxy_between(stage, relay, called.port)
    caller = stage.pjsua(places.PBX, "caller", CALLER_HERTZ)
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{PROXY}:{proxy.port}")
    invite = called.expect_request("INVITE")
    assert f"c=IN IP4 {RELAY}".encode() in invite.body and len(relay.media_ports()) == 4
    called.reply(invite, 180, "Ringing")
    caller.wait("state", state="EARLY")
    if end == "busy":
        called.reply(invite, 486, "Busy Here")
    else:
        caller.do("hangup")
        called.reply(called.expect_request("CANCEL"), 200, "OK")
        called.reply(invite, 487, "Request Terminated")
    caller.wait("state", state="DISCONNECTED")
    wait_no_ports(relay)


def test_srtp_on_one_side(stage):
    """The proxy asks for RTP/SAVP towards the called side: keys there, none on the caller's."""
    relay = relay_of("tandem", stage)
    called = stage.pjsua(places.CARRIER, "called", CALLED_HERTZ, srtp=True)
    proxy = proxy_between(stage, relay, called.port, offer=" RTP/SAVP", answer=" RTP/AVP")
    caller = stage.pjsua(places.PBX, "caller", CALLER_HERTZ)
    caller.do("call", uri=f"sip:{places.US_NUMBER}@{PROXY}:{proxy.port}")
    incoming = called.wait("incoming")["request"]
    assert "RTP/SAVP" in incoming and "a=crypto:" in incoming, incoming
    caller.wait("state", state="CONFIRMED")
    assert_hears(*caller.wait_heard(1.5), CALLED_HERTZ, CALLER_HERTZ)
    assert_hears(*called.wait_heard(1.5), CALLER_HERTZ, CALLED_HERTZ)
    client = client_of(stage, relay)
    call_id, = client.ok("list")["calls"]
    parties = client.ok("query", call_id=call_id)["tags"].values()
    suites = [p["medias"][0]["streams"][0].get("crypto suite") for p in parties]
    assert sorted(suite is None for suite in suites) == [False, True], suites
    caller.do("hangup")
    wait_no_ports(relay)


@pytest.mark.parametrize("options", [{}, {"tcp": True}, {"in_json": True},
                                     {"tcp": True, "in_json": True}], ids=str)
def test_every_transport_and_format(stage, options):
    relay = relay_of("tandem", stage)
    client = client_of(stage, relay, **options)
    assert client.ask("ping") == {"result": "pong"}
    offer = client.ok("offer", call_id="c", from_tag="a", sdp=sdp("192.0.2.1", 4_000))
    assert f"IN IP4 {RELAY}" in offer["sdp"] and port_of(offer["sdp"]) in relay.media_ports()
    answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b", sdp=sdp("192.0.2.2", 4_002))
    assert len({port_of(offer["sdp"]), port_of(answer["sdp"])} & set(relay.media_ports())) == 2
    gone = client.ok("delete", call_id="c", from_tag="a", to_tag="b")
    assert set(gone["tags"]) == {"a", "b"} and gone["totals"]["RTP"]["packets"] == 0
    wait_no_ports(relay)
    assert client.ask("delete", call_id="c", from_tag="a")["warning"]
    assert client.ask("delete", call_id="c", from_tag="a", flags=["fatal"])["result"] == "error"
    assert client.ask("query", call_id="c")["result"] == "error"


def test_a_retransmission_is_not_served_twice(stage):
    relay = relay_of("tandem", stage)
    client = client_of(stage, relay)
    request = {"command": "offer", "call-id": "c", "from-tag": "a", "sdp": sdp("192.0.2.1", 4_000)}
    client.send(b"cookie", request)
    first = client.receive()
    for _ in range(3):
        client.send(b"cookie", request)
        assert client.receive() == first
    assert client.ok("statistics")["statistics"]["totalstatistics"]["managedsessions"] == 1
    assert len(relay.media_ports()) == 4


def test_blocked_media_and_events_stay_out_and_come_back(stage):
    relay = relay_of("tandem", stage)
    client = client_of(stage, relay)
    near, far = stage.rtp(places.PBX, CALLER_HERTZ), stage.rtp(places.CARRIER, CALLED_HERTZ)
    offer = client.ok("offer", call_id="c", from_tag="a", sdp=sdp(near.ip, near.port))
    answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b", sdp=sdp(far.ip, far.port))
    near.start((RELAY, port_of(answer["sdp"])))
    far.start((RELAY, port_of(offer["sdp"])))
    wait_until(lambda: len(near.received) > 20 and len(far.received) > 20, 10, lambda: "media")

    def count_until(reference, packets):
        """What the other endpoint got while `reference` got so many."""
        start = len(reference.received)
        wait_until(lambda: len(reference.received) >= start + packets, 10, lambda: "media goes on")

    client.ok("block media", call_id="c", from_tag="a")
    # What was on its way when the plan changed may still come.
    count_until(near, 5)
    before = len(far.received)
    count_until(near, 50)
    assert len(far.received) - before == 0, "from a nothing passes"
    client.ok("unblock media", call_id="c", from_tag="a")
    wait_until(lambda: len(far.received) > before + 20, 10, lambda: "it passes again")

    client.ok("block DTMF", call_id="c", from_tag="a")
    seen = len(far.received)
    count_until(far, 20)
    event = b"\x80\xe5" + (9).to_bytes(2, "big") + bytes(4) + near.ssrc.to_bytes(4, "big") + b"\x05\x0a\x00\xa0"
    for _ in range(5):
        near.rtp.sendto(event, (RELAY, port_of(answer["sdp"])))
    count_until(far, 20)
    is_event = lambda packet: packet[1] & 0x7F == 101
    assert not any(map(is_event, far.received[seen:]))
    client.ok("unblock DTMF", call_id="c", from_tag="a")
    count_until(far, 5)
    near.rtp.sendto(event, (RELAY, port_of(answer["sdp"])))
    wait_until(lambda: any(map(is_event, far.received[seen:])), 5, lambda: "the event passes")


def test_media_and_keys_that_a_proxy_orders(stage, tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    tones.write_wav(folder / "tone.wav", 620, 1)
    (folder / "none.wav").write_bytes(b"RIFF")
    tones.write_wav(tmp_path / "outside.wav", 900, 1)
    relay = stage._keep(NgRelay(stage.directory, media_dir=folder))
    client = client_of(stage, relay)
    near, far = stage.rtp(places.PBX, CALLER_HERTZ), stage.rtp(places.CARRIER, CALLED_HERTZ)
    offer = client.ok("offer", call_id="c", from_tag="a", sdp=sdp(near.ip, near.port))
    answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b", sdp=sdp(far.ip, far.port))
    near.start((RELAY, port_of(answer["sdp"])))
    far.start((RELAY, port_of(offer["sdp"])))
    wait_until(lambda: len(near.received) > 20 and len(far.received) > 20, 10, lambda: "media")

    def heard_by(endpoint, packets=40):
        start = len(endpoint.received) + 5
        wait_until(lambda: len(endpoint.received) >= start + packets, 10, lambda: "media goes on")
        return tones.from_ulaw(b"".join(p[12:] for p in endpoint.received[start:start + packets]))

    reply = client.ok("play media", call_id="c", from_tag="b", file="tone.wav", repeat_times=100)
    assert reply["duration"] == 1_000
    assert_hears(heard_by(far), tones.RATE, 620, CALLER_HERTZ)
    assert_hears(heard_by(near), tones.RATE, CALLED_HERTZ, 620)
    client.ok("stop media", call_id="c", from_tag="b")
    assert_hears(heard_by(far), tones.RATE, CALLER_HERTZ, 620)
    client.ok("play media", call_id="c", all="all", blob=(folder / "tone.wav").read_bytes(),
              repeat_times="2")
    assert_hears(heard_by(near), tones.RATE, 620, CALLED_HERTZ)
    # It ends by itself.
    wait_until(lambda: tones.level(heard_by(near), tones.RATE, 620) < 50, 10, lambda: "it ends")
    assert_hears(heard_by(far), tones.RATE, CALLER_HERTZ, 620)
    for file in ("none.wav", "missing.wav", "../outside.wav", "/etc/passwd", str(tmp_path / "outside.wav")):
        reply = client.ask("play media", call_id="c", from_tag="b", file=file)
        assert reply["result"] == "error" and "cannot be played" in reply["error-reason"], reply
    seen = len(far.received)
    client.ok("play DTMF", call_id="c", from_tag="a", code="7", duration=120)
    events = lambda: [p for p in far.received[seen:] if p[1] & 0x7F == 101]
    wait_until(lambda: any(p[13] & 0x80 for p in events()), 5, lambda: "the key ends")
    assert {p[12] for p in events()} == {7}
    assert len(far.ssrcs()) == 1 and len(near.ssrcs()) == 1
    sequences = [int.from_bytes(p[2:4], "big") for p in far.received]
    assert all(b == (a + 1) & 0xFFFF for a, b in zip(sequences, sequences[1:])), "no number is missing"
    client.ok("delete", call_id="c", from_tag="a")


def test_a_call_without_media_is_deleted(stage):
    relay = stage._keep(NgRelay(stage.directory, timeout=2, silent_timeout=4))
    client = client_of(stage, relay)
    client.ok("offer", call_id="answered", from_tag="a", sdp=sdp("192.0.2.1", 4_000))
    client.ok("answer", call_id="answered", from_tag="a", to_tag="b", sdp=sdp("192.0.2.2", 4_002))
    client.ok("offer", call_id="ringing", from_tag="a", sdp=sdp("192.0.2.1", 4_004))
    wait_until(lambda: client.ok("list")["calls"] == ["ringing"], 6, lambda: "the timeout")
    wait_until(lambda: client.ok("list")["calls"] == [], 6, lambda: "the silent timeout")
    wait_no_ports(relay)
    totals = client.ok("statistics")["statistics"]["totalstatistics"]
    assert (totals["timeoutsessions"], totals["offertimeoutsessions"]) == (1, 1), totals


def test_bounds_and_delays(stage):
    """Ports run out, calls run out, a deletion waits."""
    relay = stage._keep(NgRelay(stage.directory, 20_000, 20_007, max_calls=3))
    client = client_of(stage, relay)

    def offer(call, **more):
        return client.ask("offer", call_id=call, from_tag="a", sdp=sdp("192.0.2.1", 4_000), **more)

    assert [offer(call)["result"] for call in ("one", "two")] == ["ok", "ok"]
    assert "ports" in offer("three")["error-reason"]
    assert sorted(client.ok("list")["calls"]) == ["one", "two"]
    reply = client.ok("delete", call_id="one", from_tag="a", **{"delete delay": 2})
    assert "a" in reply["tags"] and len(relay.media_ports()) == 8
    wait_until(lambda: client.ok("list")["calls"] == ["two"], 6, lambda: "the delay")
    assert len(relay.media_ports()) == 4
    small = stage._keep(NgRelay(stage.directory, 22_000, 22_099, max_calls=1))
    client = client_of(stage, small)
    assert offer("one")["result"] == "ok"
    assert offer("two")["error-reason"] == "Too many calls"
    assert offer("two", supports=["load limit"])["result"] == "load limit"


def parties_by_tag(client, call):
    reply = client.ok("query", call_id=call)
    party = {tag: value["medias"][0]["streams"][0] for tag, value in reply["tags"].items()}
    return reply, party


def test_quality_is_what_was_lost(stage):
    """Every tenth packet from one side is lost before the relay, none from the other."""
    relay = relay_of("tandem", stage)
    client = client_of(stage, relay)
    near = stage.rtp(places.PBX, CALLER_HERTZ, drop=lambda number: number % 10 == 5)
    far = stage.rtp(places.CARRIER, CALLED_HERTZ)
    offer = client.ok("offer", call_id="c", from_tag="a", sdp=sdp(near.ip, near.port))
    answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b", sdp=sdp(far.ip, far.port))
    near.start((RELAY, port_of(answer["sdp"])), limit=300)
    far.start((RELAY, port_of(offer["sdp"])), limit=300)
    wait_until(lambda: near.counted == 300 == far.counted, 15, lambda: "all is sent")

    def all_counted():
        _, streams = parties_by_tag(client, "c")
        counts = [streams[tag]["stats"]["packets"] for tag in ("a", "b")]
        return counts == [near.sent, far.sent]

    wait_until(all_counted, 5, lambda: parties_by_tag(client, "c")[1])
    reply = client.ok("delete", call_id="c", from_tag="a", to_tag="b")
    lossy, clean = (reply["SSRC"][str(end.ssrc)] for end in (near, far))
    # From the first packet to the last, which is not one of those that were lost.
    assert lossy["cumulative loss"] == 300 - near.sent == 30
    assert lossy["average MOS"]["packet loss"] == 10 and clean["average MOS"]["packet loss"] == 0
    assert clean["cumulative loss"] == 0 and clean["lowest MOS"]["MOS"] >= 43, clean
    assert 20 <= lossy["average MOS"]["MOS"] <= 35, lossy
    assert lossy["lowest MOS"]["MOS"] <= lossy["average MOS"]["MOS"] <= lossy["highest MOS"]["MOS"]
    assert "round-trip time" not in lossy["average MOS"], "nobody measured it"
    assert reply["totals"]["RTP"] == {"packets": near.sent + far.sent, "errors": 0,
                                      "bytes": 172 * (near.sent + far.sent)}


def assert_hears_plainly(rtp, expected, unexpected):
    samples, rate = rtp.heard()
    assert_hears(samples[-rate:], rate, expected, unexpected)


def test_a_browser_offers_to_a_plain_side(stage):
    """DTLS-SRTP and ICE on one side, RTP/AVP on the other."""
    relay = relay_of("tandem", stage)
    client = client_of(stage, relay)
    web, plain = stage.webrtc(places.PBX, CALLER_HERTZ), stage.rtp(places.CARRIER, CALLED_HERTZ)
    offer = client.ok("offer", call_id="c", from_tag="a", sdp=web.offer(),
                      transport_protocol="RTP/AVP", ICE="remove")["sdp"]
    assert " RTP/AVP 0" in offer and "fingerprint" not in offer and "candidate" not in offer, offer
    answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b",
                       sdp=audio_alone(plain.ip, plain.port), ICE="force")["sdp"]
    assert "UDP/TLS/RTP/SAVPF" in answer and "a=ice-lite" in answer, answer
    plain.start((RELAY, port_of(offer)))
    web.take(answer.encode())
    web.wait_connected()
    assert_hears(*web.wait_heard(1.5), CALLED_HERTZ, CALLER_HERTZ)
    assert_hears_plainly(plain, CALLER_HERTZ, CALLED_HERTZ)
    reply = client.ok("query", call_id="c")
    assert {"DTLS-SRTP", "ICE"} <= set(reply["tags"]["a"]["medias"][0]["flags"]), reply


def test_a_plain_side_offers_to_a_browser(stage):
    relay = relay_of("tandem", stage)
    client = client_of(stage, relay)
    web, plain = stage.webrtc(places.CARRIER, CALLED_HERTZ), stage.rtp(places.PBX, CALLER_HERTZ)
    offer = client.ok("offer", call_id="c", from_tag="a", sdp=audio_alone(plain.ip, plain.port),
                      transport_protocol="UDP/TLS/RTP/SAVPF", ICE="force")["sdp"]
    assert "a=setup:actpass" in offer and "a=rtcp-mux" in offer, offer
    answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b",
                       sdp=web.answer(offer.encode()))["sdp"]
    assert " RTP/AVP 0" in answer and "fingerprint" not in answer, answer
    plain.start((RELAY, port_of(answer)))
    web.wait_connected()
    assert_hears(*web.wait_heard(1.5), CALLER_HERTZ, CALLED_HERTZ)
    assert_hears_plainly(plain, CALLED_HERTZ, CALLER_HERTZ)
