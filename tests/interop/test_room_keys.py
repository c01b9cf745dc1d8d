"""A caller of a meeting room that has tones alone: its keys are found in the audio, and its silence is told."""

import numpy as np

from harness import tones
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

MODERATOR, PASSCODE = "7035550123456", "987654"
CALLER = "127.0.0.21"
ROWS, COLUMNS = (697, 770, 852, 941), (1_209, 1_336, 1_477, 1_633)
LAYOUT = ("123A", "456B", "789C", "*0#D")


def key(symbol):
    """100 ms of a key's two tones, and a pause."""
    row, = (at for at, keys in enumerate(LAYOUT) if symbol in keys)
    column = LAYOUT[row].index(symbol)
    both = sum(tones.sine(hertz, 0.1, 6_000) for hertz in (ROWS[row], COLUMNS[column]))
    return np.concatenate([both, breath(0.1)])


def breath(seconds):
    """No digital silence: somebody breathes."""
    return np.random.default_rng(1).integers(-20, 20, int(seconds * tones.RATE)).astype(np.int16)


def told(stage, kind):
    details = [event["detail"] for event in stage.edge.events()]
    return [detail for detail in details if detail["eventType"] == kind]


def test_a_moderator_types_tones_and_vanishes(stage):
    stage.configuration.more.append(f"""
[rooms]
allow_plain = ["{CALLER}"]
[[rooms.meeting]]
name = "Board"
attendee_id = "4081230000"
moderator_id = "{MODERATOR}"
passcode = "{PASSCODE}"
access = "moderated"
""")
    stage.start_edge()
    typed = [key(symbol) for symbol in f"{MODERATOR}{PASSCODE}#"]
    samples = np.concatenate([breath(1), *typed, breath(120)])
    rtp = stage.rtp(CALLER, 0, samples=samples)
    caller = stage.peer(CALLER)
    call = OutgoingCall(caller, stage.edge, "u", sdp(CALLER, rtp.port), host=f"meet.{DOMAIN}")
    answer = call.answered()
    assert b"telephone-event" not in answer.body, answer
    rtp.start(answer.media())
    wait_until(lambda: told(stage, "chime:AttendeeJoined"), 40, "the tones open the meeting")
    joined, = told(stage, "chime:AttendeeJoined")
    assert joined["moderator"] is True, joined
    # Not before it is in the meeting: what is typed sooner is no key of its menu.
    rtp.play(np.concatenate([breath(2), *(key(symbol) for symbol in "*4"), breath(120)]))
    wait_until(lambda: told(stage, "tandem:MeetingLocked"), 40, "the menu hears tones too")
    rtp.quiet()
    wait_until(lambda: told(stage, "tandem:AttendeeMediaLost"), 40, "its silence is told")
    assert not told(stage, "chime:AttendeeDropped"), "it stays"
    call.request("BYE")
    assert call.final("BYE").status == 200
    wait_until(lambda: told(stage, "chime:AttendeeLeft"), 20, "it left")
    stage.edge.wait_idle()
