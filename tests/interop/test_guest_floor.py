"""Browser guests who ask a moderator whether they may share a screen, and take over from each other."""

import pytest

from harness import chromium, places
from harness.guest import Guest

ROOM, MODERATOR, PASSCODE = "4081234567", "7035550123456", "987654"


def share_is(guest, word):
    guest.wait(f"document.getElementById('share').innerText === '{word}'", f"the button says {word}")


def is_green(_width, red, green, blue):
    """As a browser's pretended screen is, and nothing that the room draws."""
    return green > red + 40 and green > blue + 40


def notice_is(guest, words):
    guest.wait(f"document.getElementById('notice').innerText === '{words}'", f"a notice: {words}")


@pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")
def test_a_guest_asks_to_share_and_a_moderator_takes_over(stage, tmp_path):
    port = places.free_port(places.EDGE)
    stage.configuration.more.append(f"""
[rooms]
[rooms.guests]
listen = "{places.EDGE}:{port}"
plain = true
[[rooms.meeting]]
name = "Weekly meeting"
attendee_id = "{ROOM}"
moderator_id = "{MODERATOR}"
passcode = "{PASSCODE}"
announce = "off"
slides = "asked"
""")
    stage.start_edge()
    guests = []
    for name, number, passcode, hertz in [("Ada", ROOM, "", 500), ("Grace", MODERATOR, PASSCODE, 1_500)]:
        directory = tmp_path / name
        directory.mkdir()
        url = f"http://{places.EDGE}:{port}/?id={number}"
        guests.append(stage._keep(Guest(directory, url, hertz)))
        guests[-1].join(number, name, passcode)
    ada, grace = guests
    ada.wait_in(2)
    grace.wait_in(2)
    grace.press("#show-people")
    ada.press("#share")
    notice_is(ada, "A moderator is asked whether you may share your screen.")
    share_is(ada, "Do not ask")
    grace.wait("document.querySelector('[data-key^=refuse-share]') !== null", "somebody asks")
    grace.press("[data-key^=refuse-share]")
    share_is(ada, "Share screen")
    ada.press("#share")
    grace.wait("document.querySelector('[data-key^=let-share]') !== null", "somebody asks again")
    grace.press("[data-key^=let-share]")
    notice_is(ada, "You may share your screen now.")
    ada.press("#share")
    share_is(ada, "Stop sharing")
    grace.wait_sees(is_green)
    # Moderators need not ask: the page of whoever had the floor stops.
    grace.press("#share")
    share_is(grace, "Stop sharing")
    share_is(ada, "Share screen")
    # Who has a line of slides sees others' there.
    ada.wait_sees(is_green, "slides")
    grace.press("#share")
    share_is(grace, "Share screen")
    ada.press("#leave")
    grace.press("#leave")
    assert [guest.browser.complaints for guest in guests] == [[], []]
    stage.edge.wait_idle()
