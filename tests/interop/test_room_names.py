"""Telephones say their names before they join: the others hear them, and the caller itself does not."""

import json

import numpy as np

from harness import places, tones
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
NUMBER, ATTENDEE = "+12065550777", "4081234567"
DEVICE = "127.0.0.21"
NAME_HERTZ = 700
# What is said, each by a tone of its own.
PROMPTS = {"welcome": 400, "enter-id": 400, "say-name": 1_000, "record-tone": 1_300, "joining": 1_600,
           "has-joined": 1_900, "has-left": 2_300, "join-tone": 2_600, "leave-tone": 2_900}
WINDOW = tones.RATE // 10


def spoken_name():
    """Said again and again, so that it does not matter when it is listened to; softer than the prompts, beside which
    it may be heard."""
    return np.concatenate([breath(0.2), tones.sine(NAME_HERTZ, 0.6, 3_000)])


def breath(seconds):
    """No digital silence: somebody breathes."""
    return np.random.default_rng(1).integers(-20, 20, int(seconds * tones.RATE)).astype(np.int16)


def rooms(configuration, directory):
    english = directory / "prompts" / "en"
    english.mkdir(parents=True, exist_ok=True)
    for name, hertz in PROMPTS.items():
        tones.write_wav(english / f"{name}.wav", hertz, 0.4)
    configuration.more.append(f"""
[rooms]
allow_plain = ["{DEVICE}"]
numbers = ["{NUMBER}"]
prompts = {json.dumps(str(english.parent))}
[[rooms.meeting]]
name = "Board"
attendee_id = "{ATTENDEE}"
moderator_id = "7035550123456"
announce = "name"
""")


def heard(endpoint, since=0):
    """The tones that were heard one after the other: those of the prompts, and the name's."""
    samples, rate = endpoint.heard()
    samples = samples[since:]
    known = {**{hertz: name for name, hertz in PROMPTS.items()}, NAME_HERTZ: "name"}
    found = []
    for at in range(0, len(samples) - WINDOW, WINDOW // 2):
        window = samples[at:at + WINDOW].astype(float)
        hertz = max(known, key=lambda hertz: tones.level(window, rate, hertz))
        if tones.level(window, rate, hertz) > 500 and found[-1:] != [known[hertz]]:
            found.append(known[hertz])
    return found


def wait_heard(endpoint, wanted, since=0):
    """Comes to hear these tones last."""
    wait_until(lambda: heard(endpoint, since)[-len(wanted):] == wanted, 25,
               lambda: f"{wanted} is heard, not {heard(endpoint, since)}")


def so_far(endpoint):
    return len(endpoint.heard()[0])


def join_by_number(stage, mixes, says, device):
    """A telephone that has typed the ID, and is asked for its name; what it says now is kept. On a busy machine it
    may be in the meeting already."""
    before = so_far(device)
    rtp = stage.rtp(places.PBX, 0, samples=says)
    call = OutgoingCall(stage.peer(places.PBX), stage.edge, NUMBER, sdp(places.PBX, rtp.port))
    rtp.start(call.answered().media())
    press(call, ATTENDEE + "#")
    wait_heard(rtp, ["record-tone"])
    joined = {"has-joined", "join-tone"}
    wait_until(lambda: mixes.metric("tandem_mixed_conferences") == 2 or joined.intersection(heard(device, before)),
               25, "it is listened to")
    return call, rtp


def press(call, keys):
    for key in keys:
        call.request("INFO", f"Signal={key}\r\nDuration=100\r\n".encode(),
                     content_type="application/dtmf-relay")
        assert call.final("INFO").status == 200


def say_name(stage, mixes):
    """Somebody is in the meeting; two telephones join and leave, of which the first one says its name."""
    device = stage.rtp(DEVICE, 0, samples=breath(2))
    first = OutgoingCall(stage.peer(DEVICE), stage.edge, ATTENDEE, sdp(DEVICE, device.port), calling="device",
                         host=HOST)
    device.start(first.answered().media())
    wait_heard(device, ["joining"])

    call, rtp = join_by_number(stage, mixes, spoken_name(), device)
    since, counted = so_far(rtp), rtp.counted
    # 800 ms of it, and what waits on the way.
    wait_until(lambda: rtp.counted > counted + 55, 25, "all of the name is said")
    rtp.play(breath(2))
    press(call, "#")
    # Whom the key came too late for has joined after four seconds, and may be heard beside the words.
    wait_until(lambda: {"name", "has-joined"} <= set(heard(device)), 25,
               lambda: f"who has joined is heard, not {heard(device)}")
    wait_until(lambda: "joining" in heard(rtp), 25, lambda: f"it joins: {heard(rtp)}")
    before = so_far(device)
    assert call.bye().status == 200
    wait_heard(device, ["name", "has-left"], before)
    assert not {"name", "has-joined"}.intersection(heard(rtp, since)), "it hears its own name"

    before = so_far(device)
    call, rtp = join_by_number(stage, mixes, breath(2), device)
    press(call, "#")
    wait_heard(device, ["join-tone"], before)
    assert call.bye().status == 200
    wait_heard(device, ["leave-tone"], before)
    assert "name" not in heard(device, before)
    assert first.bye().status == 200


def test_the_others_hear_who_has_joined_and_left(stage):
    rooms(stage.configuration, stage.directory)
    stage.start_edge()
    say_name(stage, stage.edge)
    # What was said is in no file, and in no log.
    kept = [file for file in stage.edge.data_dir.rglob("*") if file.suffix in (".wav", ".mkv", ".ogg")]
    assert kept == [], kept
    stage.edge.wait_idle()


def test_a_relay_of_its_own_keeps_what_is_said(stage, halves):
    rooms(stage.configuration, stage.directory)
    rooms(halves.relay_configuration, stage.directory)
    stage.start_edge()
    say_name(stage, halves.relay)
    halves.relay.wait_metric("tandem_relay_seats", 0, 20)
