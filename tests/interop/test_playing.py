"""What the relay plays: hold music to real clients and to scripted ones, and ringback to whom is
transferred. What is heard is told by its spectrum, what comes by its numbers.
"""

import re
import struct
import subprocess

import numpy as np
import pytest

from harness import places, tones
from harness.configuration import carrier as carrier_table
from harness.edge import BINARY
from harness.message import sdp
from harness.quality import assert_none_lost
from harness.tones import assert_hears, level
from harness.waiting import wait_until

PBX_HERTZ, CARRIER_HERTZ, MUSIC_HERTZ = 440, 1_000, 620
LISTEN = 1.5
ACTIVE, LOCAL_HOLD, REMOTE_HOLD = 1, 2, 3


def dial(stage, user):
    return f"sip:{user}@{places.EDGE}:{stage.edge.port}"


@pytest.fixture
def music(tmp_path):
    """Two seconds of a tone whose periods fit: it can be repeated without a click."""
    return tones.write_wav(tmp_path / "music.wav", MUSIC_HERTZ, 2)


def assert_both_hear(pbx, carrier):
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    assert_hears(*carrier.wait_heard(LISTEN), PBX_HERTZ, CARRIER_HERTZ)


def settled(client):
    """What is heard a second from now on: buffers are full of what was before."""
    client.wait_heard(1)
    return client.wait_heard(LISTEN)


@pytest.mark.parametrize("srtp", [False, True], ids=["rtp", "srtp"])
@pytest.mark.parametrize("codec", ["PCMU", "G722"])
def test_who_is_held_hears_the_music_and_then_the_call_again(stage, music, codec, srtp):
    stage.configuration.media["hold_music"] = str(music)
    carrier = stage.pjsua(places.CARRIER, "carrier", CARRIER_HERTZ, codec=codec, srtp=srtp)
    stage.configuration.carriers[0].update(port=carrier.port,
                                           srtp="required" if srtp else "off")
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ, codec=codec, srtp=srtp)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    pbx.wait("state", state="CONFIRMED")
    carrier.wait("state", state="CONFIRMED")
    assert_both_hear(pbx, carrier)
    for holder, held in ((pbx, carrier), (carrier, pbx)):
        own = PBX_HERTZ if held is pbx else CARRIER_HERTZ
        holder.do("hold")
        holder.wait("media", status=LOCAL_HOLD)
        held.wait("media", status=REMOTE_HOLD)
        samples, rate = settled(held)
        assert_hears(samples, rate, MUSIC_HERTZ, own)
        assert level(samples, rate, MUSIC_HERTZ) > 4_000, "as loud as it was recorded"
        edge.wait_metric("tandem_relay_played_legs", 1)
        holder.do("resume")
        held.wait("media", status=ACTIVE)
        holder.wait("media", status=ACTIVE)
        edge.wait_metric("tandem_relay_played_legs", 0)
        samples, rate = settled(held)
        assert level(samples, rate, MUSIC_HERTZ) < 50, "the music goes on after the hold"
        assert_both_hear(pbx, carrier)
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200
    for quality in record["quality"]:
        assert_none_lost(quality)
    edge.wait_idle()


def test_baresip_holds_and_pjsua_hears_the_music(stage, music):
    stage.configuration.connector["media"] = {"hold_music": str(music)}
    carrier = stage.pjsua(places.CARRIER, "carrier", CARRIER_HERTZ)
    stage.configuration.carriers[0].update(port=carrier.port)
    edge = stage.start_edge()
    pbx = stage.baresip(places.BARESIP, "pbx", PBX_HERTZ)
    pbx.do("dial", dial(stage, places.US_NUMBER))
    pbx.wait("CALL_ESTABLISHED")
    carrier.wait("state", state="CONFIRMED")
    assert_hears(*carrier.wait_heard(LISTEN), PBX_HERTZ, CARRIER_HERTZ)
    pbx.do("hold")
    carrier.wait("media", status=REMOTE_HOLD)
    assert_hears(*settled(carrier), MUSIC_HERTZ, CARRIER_HERTZ)
    pbx.do("resume")
    carrier.wait("media", status=ACTIVE)
    assert_hears(*settled(carrier), PBX_HERTZ, CARRIER_HERTZ)
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    edge.wait_idle()


def numbers(packets):
    """Of each packet: sequence number, timestamp, SSRC."""
    return [(*struct.unpack("!HI", packet[2:8]), *struct.unpack("!I", packet[8:12]))
            for packet in packets]


def answered_at(message):
    """Where a description wants its audio."""
    body = message.body.decode()
    return (re.search(r"c=IN IP4 (\S+)", body).group(1),
            int(re.search(r"m=audio (\d+)", body).group(1)))


def reinvite(call, carrier, body):
    """Sends one; the carrier's side of it."""
    call.request("INVITE", body, [("Contact", call.peer.contact())])
    return carrier.expect_request("INVITE")


def acknowledged(call):
    found = call.final()
    assert found.status == 200, repr(found)
    call._send("ACK", call.peer.via())
    return found


@pytest.mark.parametrize("way", ["sendonly", "inactive", "0.0.0.0"])
def test_the_numbers_of_a_held_leg_run_on(stage, music, way):
    """One SSRC, no number missing and no time that runs back, through hold, music and resume."""
    stage.configuration.media.update(hold_music=str(music), fast_path="off")
    stage.configuration.carriers[0]["hold_music"] = "off"
    with stage.rtp(places.PBX, PBX_HERTZ) as near, stage.rtp(places.CARRIER, CARRIER_HERTZ) as far:
        carrier = stage.carrier_peer()
        edge = stage.start_edge()
        caller = stage.peer(places.PBX)
        call, invite = stage.established(caller, carrier, rtp=near, carrier_rtp=far)
        relay = answered_at(call.answer)
        far.start(answered_at(invite))
        near.start(relay, limit=40)
        wait_until(lambda: len(far.received) == 40, 10, lambda: f"{len(far.received)} packets")
        address = "0.0.0.0" if way == "0.0.0.0" else places.PBX
        direction = "sendrecv" if way == "0.0.0.0" else way
        hold = reinvite(call, carrier, sdp(address, near.port, direction, version=2))
        assert "a=sendonly" in hold.body.decode(), "who is held is to listen"
        answer = sdp(places.CARRIER, far.port, "recvonly", version=2)
        carrier.reply(hold, 200, "OK", answer)
        answered = acknowledged(call)
        assert ("a=inactive" if way == "inactive" else "a=recvonly") in answered.body.decode()
        begun = len(far.received)
        wait_until(lambda: len(far.received) >= begun + 150, 10,
                   lambda: f"{len(far.received) - begun} packets of music")
        held = b"".join(packet[12:] for packet in far.received[begun + 20:begun + 120])
        samples = tones.from_ulaw(held)
        assert_hears(samples, tones.RATE, MUSIC_HERTZ, CARRIER_HERTZ)
        time_of_music = 150 * 0.02
        resume = reinvite(call, carrier, sdp(places.PBX, near.port, "sendrecv", version=3))
        carrier.reply(resume, 200, "OK", sdp(places.CARRIER, far.port, "sendrecv", version=3))
        acknowledged(call)
        edge.wait_metric("tandem_relay_played_legs", 0)
        # It counts anew, from random numbers.
        near.start(relay)
        so_far = len(far.received)
        wait_until(lambda: len(far.received) > so_far + 50, 10, lambda: "speech comes back")
        received = numbers(list(far.received))
        assert len({ssrc for _, _, ssrc in received}) == 1
        for (before, then, _), (after, now, _) in zip(received, received[1:]):
            assert after == (before + 1) & 0xFFFF, (before, after)
            assert 0 < (now - then) & 0xFFFFFFFF < 8_000, (then, now)
        span = (received[-1][1] - received[0][1]) & 0xFFFFFFFF
        assert span > time_of_music * 8_000
        stage.hang_up(call, carrier)
    edge.wait_idle()


def test_who_is_transferred_hears_the_target_ring(stage):
    first = stage.pjsua(places.CARRIER, "first", CARRIER_HERTZ)
    second = stage.pjsua(places.SECOND_CARRIER, "second", 1_700, first_status=180)
    stage.configuration.carriers = [
        carrier_table(port=first.port),
        carrier_table("pstn-2", places.SECOND_CARRIER, second.port, prefixes=["+81"]),
    ]
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", 300)
    pbx.do("call", uri=dial(stage, places.US_NUMBER))
    first.wait("state", state="CONFIRMED")
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*first.wait_heard(LISTEN), 300, CARRIER_HERTZ)
    pbx.do("transfer", uri=dial(stage, places.JP_NUMBER))
    second.wait("incoming")
    pbx.wait("transfer", status=180)
    # Two seconds of tone in six.
    samples, rate = first.wait_heard(7)
    second_long = [samples[at:at + rate] for at in range(0, len(samples) - rate, rate // 4)]
    loudest = max(second_long, key=lambda part: level(part, rate, 440))
    quietest = min(second_long, key=lambda part: np.abs(part).max())
    for hertz in (440, 480):
        assert level(loudest, rate, hertz) > 1_500, hertz
    assert level(loudest, rate, 300) < 100, "the transferor is still heard"
    assert level(quietest, rate, 440) < 100 and level(quietest, rate, 480) < 100
    second.do("answer", status=200)
    second.wait("state", state="CONFIRMED")
    pbx.wait("transfer", status=200, final=True)
    pbx.wait("state", state="DISCONNECTED")
    assert_hears(*settled(first), 1_700, CARRIER_HERTZ)
    assert_hears(*second.wait_heard(LISTEN), CARRIER_HERTZ, 1_700)
    second.do("hangup")
    first.wait("state", state="DISCONNECTED")
    edge.wait_idle()


def test_a_file_that_cannot_be_played_is_found_before_a_call_needs_it(stage, music, tmp_path):
    stage.configuration.media["hold_music"] = str(music)
    edge = stage.start_edge()
    edge.wait_metric("tandem_relay_audio_files", 1)
    wait_until(lambda: edge.metric("tandem_relay_audio_clips") >= 3, 10, lambda: "clips are made")
    # A reload with a broken file changes nothing, and says so.
    music.write_bytes(b"no music")
    assert "not taken" in edge.reload()
    assert edge.said(f'audio file "{music}": this is no WAV file')
    assert edge.metric("tandem_relay_audio_files") == 1
    checked = subprocess.run([BINARY, "check", "--config", edge.file], capture_output=True, text=True,
                             timeout=30)
    assert checked.returncode != 0
    assert re.search(rf'tandem.toml:\d+: hold_music: audio file "{music}": this is no WAV file',
                     checked.stdout + checked.stderr)
    tones.write_wav(music, 700, 1)
    assert "read again" in edge.reload()
    assert edge.metric("tandem_relay_audio_files") == 1
    stage.configuration.media.pop("hold_music")
    edge.file.write_text(stage.configuration.text())
    assert "read again" in edge.reload()
    edge.wait_metric("tandem_relay_audio_files", 0)
    assert not edge.said("restart"), "which music is played needs no restart"
    # A node does not start with such a file.
    music.write_bytes(b"RIFF")
    edge.stop()
    stage.configuration.media["hold_music"] = str(music)
    edge.file.write_text(stage.configuration.text())
    refused = subprocess.run([BINARY, "run", "--config", edge.file], capture_output=True, text=True,
                             timeout=30)
    assert refused.returncode != 0
    assert f'audio file "{music}"' in refused.stdout + refused.stderr
