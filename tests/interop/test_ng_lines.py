"""Video beside audio through a proxy that drives the relay by the ng protocol."""

import pytest

from harness import places
from harness.message import sdp
from harness.ng import RELAY, NgRelay
from harness.sip import OutgoingCall
from harness.video import VideoEndpoint
from harness.waiting import wait_until
from test_ng import PROXY, client_of, proxy_between, relay_of, wait_no_ports

PICTURES = 60


@pytest.fixture
def cameras():
    made = [VideoEndpoint(places.PBX), VideoEndpoint(places.CARRIER)]
    yield made
    for camera in made:
        camera.stop()


def ports(body):
    lines = body.decode().split("\r\n") if isinstance(body, bytes) else body.split("\r\n")
    return [int(line.split()[1]) for line in lines if line.startswith("m=")]


@pytest.mark.parametrize("kind", ["tandem", "rtpengine"])
def test_video_through_kamailio(stage, cameras, kind):
    """The same kamailio.cfg and call with both relays."""
    near, far = cameras
    relay = relay_of(kind, stage)
    called = stage.peer(places.CARRIER)
    proxy = proxy_between(stage, relay, called.port)
    sound = [stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 1_000)]
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, proxy, places.US_NUMBER, sdp(places.PBX, sound[0].port) + near.line())
    invite = called.expect_request("INVITE")
    assert f"c=IN IP4 {RELAY}".encode() in invite.body and b"a=rtcp-fb:96 nack pli" in invite.body
    called.reply(invite, 200, "OK", sdp(places.CARRIER, sound[1].port) + far.line())
    call.answered()
    offered, answered = ports(invite.body), ports(call.answer.body)
    assert all(offered + answered) and set(offered + answered) <= set(relay.media_ports())
    for endpoint, own in zip(sound, (answered, offered)):
        endpoint.start((RELAY, own[0]))
    near.start((RELAY, answered[1]), PICTURES)
    far.start((RELAY, offered[1]), PICTURES)
    wait_until(lambda: near.done and far.done, 30, "all pictures are sent")
    # Before a source is latched, some of the first are not passed on.
    wait_until(lambda: len(near.received) >= len(far.sent) - 10
               and len(far.received) >= len(near.sent) - 10, 5, "pictures on both sides")
    assert set(far.received) <= set(near.sent) and set(near.received) <= set(far.sent)
    asked = far.ask_for_a_picture((RELAY, offered[1]))
    wait_until(lambda: asked in near.feedback, 5, "the wish for a picture")
    client = client_of(stage, relay)
    call_id, = client.ok("list")["calls"]
    reply = client.ok("query", call_id=call_id)
    for party in reply["tags"].values():
        assert [media["type"] for media in party["medias"]] == ["audio", "video"], party
        assert [media["index"] for media in party["medias"]] == [1, 2], party
        assert party["medias"][1]["streams"][0]["stats"]["packets"] == 3 * PICTURES
    for endpoint in sound:
        assert len(endpoint.received) > 50
    client.ok("delete", call_id=call_id)
    wait_no_ports(relay)


def test_lines_come_and_go(stage):
    relay = stage._keep(NgRelay(stage.directory))
    client = client_of(stage, relay)

    def exchange(near, far):
        own = lambda lines, ip: sdp(ip, 4_000).decode() + lines
        offer = client.ok("offer", call_id="c", from_tag="a", to_tag="b", sdp=own(near, "192.0.2.1"))
        answer = client.ok("answer", call_id="c", from_tag="a", to_tag="b", sdp=own(far, "192.0.2.2"))
        return ports(offer["sdp"]), ports(answer["sdp"])

    def holds(count):
        wait_until(lambda: len(relay.media_ports()) == count, 5, lambda: relay.media_ports())

    video = lambda port: f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    text = lambda port: f"m=text {port} RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n"
    first, _ = exchange(video(5_000) + text(5_002), video(6_000) + text(0))
    assert all(first)
    holds(8)
    off, _ = exchange(video(0) + text(0), video(0) + text(0))
    assert off == [first[0], 0, 0]
    holds(4)
    again, answered = exchange(video(5_000) + text(5_002), video(6_000) + text(6_002))
    assert again[0] == first[0] and all(again + answered)
    holds(12)
    client.ok("delete", call_id="c", from_tag="a", to_tag="b")
    wait_no_ports(relay)


def test_a_line_without_ports_leaves_the_audio(stage):
    relay = stage._keep(NgRelay(stage.directory, 23_000, 23_007))
    client = client_of(stage, relay)
    lines = "".join(f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n" for port in (5_000, 5_002))
    reply = client.ok("offer", call_id="c", from_tag="a", sdp=sdp("192.0.2.1", 4_000).decode() + lines)
    audio, *others = ports(reply["sdp"])
    assert audio and others == [0, 0]
    wait_until(lambda: len(relay.media_ports()) == 4, 5, lambda: relay.media_ports())
