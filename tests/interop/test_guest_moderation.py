"""Guests moderate from the page: each of its buttons, as all who are there see it."""

import pytest

from harness import chromium, places
from harness.configuration import DOMAIN
from harness.guest import Guest
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
ROOM, MODERATOR, PASSCODE = "4081234567", "7035550123456", "987654"
OURS, TELEPHONE = "+12065550777", places.US_NUMBER
NAMES = ["Ada", "Bob", "Cleo", "Dora"]

pytestmark = pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")


def start(stage):
    """A node with a page and a room where attendees knock; the page's address."""
    port = places.free_port(places.EDGE)
    stage.configuration.more.append(f"""
[rooms]
country_code = "1"
[rooms.call_out]
caller_id = "{OURS}"
calling_regions = ["US"]
[rooms.recording]
[rooms.guests]
listen = "{places.EDGE}:{port}"
plain = true
[[rooms.meeting]]
name = "Weekly meeting"
attendee_id = "{ROOM}"
moderator_id = "{MODERATOR}"
passcode = "{PASSCODE}"
access = "admitted"
announce = "off"
""")
    stage.start_edge()
    return f"http://{places.EDGE}:{port}"


def told(stage, kind):
    details = [event["detail"] for event in stage.edge.events()]
    return [detail for detail in details if detail["eventType"] == kind]


def wait_told(stage, kind, count=1):
    return wait_until(lambda: len(told(stage, kind)) >= count and told(stage, kind), 25, kind)


def is_seen(selector):
    return f"((one) => one !== null && one.checkVisibility())(document.querySelector({selector!r}))"


def has(selector, words):
    return f"((one) => one !== null && one.innerText.trim() === {words!r})(document.querySelector({selector!r}))"


def press(guest, selector):
    """Once it can be seen."""
    guest.wait(is_seen(selector), f"{selector} is seen")
    guest.press(selector)


def menu(guest, what):
    guest.press("#moderate")
    guest.press(f"[data-do={what}]")


def row(name):
    """Of somebody in the list."""
    return (f"[...document.querySelectorAll('#roster li')]"
            f".find((row) => row.querySelector('b').innerText === '{name}')")


def with_somebody(guest, name, key):
    """A button of the list beside a name."""
    button = f"({row(name)} || document).querySelector('[data-key^={key}-]')"
    guest.wait(f"{button} !== null && {button}.checkVisibility()", f"{key} for {name}")
    guest.browser.tell(f"{button}.click()")


def wait_all(guests, expression, what):
    for guest in guests:
        guest.wait(expression, what)


def speaks(guests, name):
    """All see who speaks."""
    wait_all(guests, "((tile) => tile !== null && tile.querySelector('p').innerText.trim()"
             f".replace(' (you)', '') === '{name}')(document.querySelector('#tiles li.active'))",
             f"{name} speaks")


def test_a_moderator_has_a_button_for_all_that_keys_do(stage, tmp_path):
    phone = stage.pjsua(places.CARRIER, "phone", 1_000)
    stage.configuration.carriers[0].update(port=phone.port)
    page = start(stage)
    ada = stage._keep(Guest(tmp_path, page, 500))
    bob, cleo, dora = attendees = [ada.beside(page) for _ in range(3)]
    everybody = [ada, *attendees]
    ada.join(MODERATOR, "Ada", PASSCODE)
    ada.wait_in(1)
    ada.press("#show-people")
    for guest, name in zip(attendees, NAMES[1:]):
        guest.join(ROOM, name)
    wait_all(attendees, has("#notice", "Please wait. You will be let in soon."), "they wait")
    # One is admitted by name, the others together.
    with_somebody(ada, "Bob", "admit")
    ada.wait_in(2)
    menu(ada, "admit-all")
    for guest in everybody:
        guest.wait_in(4)
    wait_all(everybody, has("#count", "4"), "how many there are")
    assert not bob.browser.tell(is_seen("#moderate"))

    # Everybody is muted, and who is heard is who unmutes oneself, one after the other.
    menu(ada, "mute-all")
    ada.press("#mic")
    wait_all(everybody, has("#mic", "Unmute"), "they are muted")
    wait_all(everybody, "document.querySelectorAll('#tiles [aria-label=Muted]').length === 4", "all see it")
    bob.press("#mic")
    speaks(everybody, "Bob")
    bob.press("#mic")
    cleo.press("#mic")
    speaks(everybody, "Cleo")
    wait_all([ada, bob, dora], "document.querySelector('#tiles li.active .face.speaks') !== null", "a level")
    with_somebody(ada, "Cleo", "mute")
    cleo.wait(has("#toast", "You were muted by a moderator."), "Cleo is told")
    menu(ada, "unmute-all")
    wait_all([cleo, dora], has("#mic", "Mute"), "whom a moderator muted may speak")
    assert bob.says("#mic") == ada.says("#mic") == "Unmute", "who muted oneself stays so"

    # Hands, and texts both ways.
    dora.press("#hand")
    ada.wait(has("#toast", "Dora has raised a hand."), "a hand")
    with_somebody(ada, "Dora", "hand")
    dora.wait(has("#hand", "Raise hand"), "her hand is lowered")
    for guest, words in ((ada, "Good morning"), (dora, "おはよう <b>")):
        guest.browser.tell(f"document.getElementById('text').value = {words!r}")
        guest.browser.tell("document.getElementById('say').requestSubmit()")
        wait_all(everybody, f"[...document.querySelectorAll('#texts p')].at(-1)?.textContent === {words!r}", words)
    bob.wait(has("#unread", "2"), "what is unread is counted")

    # Locked and unlocked, recorded and not.
    for what, badge, started, stopped in (
            ("lock", "#badge-locked", "tandem:MeetingLocked", "tandem:MeetingUnlocked"),
            ("record", "#badge-recording", "tandem:RecordingStarted", "tandem:RecordingStopped")):
        menu(ada, what)
        wait_all(everybody, is_seen(badge), badge)
        wait_told(stage, started)
        menu(ada, what)
        wait_all(everybody, f"!{is_seen(badge)}", f"no {badge}")
        wait_told(stage, stopped)

    # Somebody is called, and presses 1.
    menu(ada, "dial")
    ada.browser.tell(f"document.getElementById('answer').value = '{TELEPHONE}'")
    ada.press("#yes")
    phone.wait("state", 25, state="CONFIRMED")
    phone.do("dtmf", digits="1")
    wait_all(everybody, has("#count", "5"), "the telephone is there")
    menu(ada, "dial")
    ada.browser.tell("document.getElementById('answer').value = '+442079460000'")
    ada.press("#yes")
    wait_told(stage, "tandem:DialOutFailed")
    phone.do("hangup")
    phone.wait("state", state="DISCONNECTED")

    # Help, in both languages.
    bob.press("#show-help")
    assert "Raise or lower your hand" in bob.says("#help"), bob.says("#help")
    bob.press("#help .main")
    bob.press("#language")
    bob.wait(has("#leave", "退出"), "another language")

    # A second moderator; one is removed, one closes the page; and the end.
    with_somebody(ada, "Bob", "promote")
    bob.wait(is_seen("#moderate"), "he moderates")
    with_somebody(ada, "Dora", "remove")
    ada.press("#ask [value=no]")
    with_somebody(ada, "Dora", "remove")
    ada.press("#yes")
    dora.wait(has("#join-message", "The meeting or your part in it has ended."), "she is removed")
    cleo.browser.close_page()
    wait_all([ada, bob], has("#count", "2"), "two are left")
    # A page that goes says so, if there is time for that.
    gone = lambda: {left["name"]: left["reason"] for kind in ("Left", "Dropped")  # noqa: E731
                    for left in told(stage, f"chime:Attendee{kind}")}
    wait_until(lambda: {"Dora", "Cleo"} <= set(gone()), 25, lambda: f"who is gone: {gone()}")
    reasons = gone()
    assert reasons["Dora"] == "Removed" and reasons["Cleo"] in ("HungUp", "CallFailed", "MediaLost"), reasons
    menu(ada, "end")
    ada.press("#yes")
    wait_all([ada, bob], "!document.getElementById('join').hidden", "it is over")
    ended, = wait_told(stage, "chime:MeetingEnded")
    assert ended["reason"] == "Moderator", ended
    assert ada.browser.complaints == [], ada.browser.complaints
    stage.edge.wait_idle()
