"""Browser guests: the page in a real browser meets a telephone in a room, and what strangers send to the
page's server is refused."""

import json

import pytest
from test_meetings import HOST, caller, events, wait_in_mix, wait_levels

from harness import chromium, places
from harness.guest import Guest
from harness.waiting import wait_until

ROOM, MODERATOR, PASSCODE = "4081234567", "7035550123456", "987654"


@pytest.fixture
def page(stage):
    """The address of the page of a node with one room."""
    port = places.free_port(places.EDGE)
    stage.configuration.more.append(f"""
[rooms]
allow_plain = ["127.0.0.21"]
[rooms.guests]
listen = "{places.EDGE}:{port}"
plain = true
[[rooms.meeting]]
name = "Weekly meeting"
attendee_id = "{ROOM}"
moderator_id = "{MODERATOR}"
passcode = "{PASSCODE}"
announce = "off"
""")
    stage.start_edge()
    return f"http://{places.EDGE}:{port}"


@pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")
def test_a_guest_and_a_telephone_hear_each_other(stage, page, tmp_path):
    phone = caller(stage, 0, 440)
    phone.do("call", uri=f"sip:{ROOM}@{HOST}")
    phone.wait("state", state="CONFIRMED")
    guest = stage._keep(Guest(tmp_path, f"{page}/?id={MODERATOR}", 1_000))
    guest.join(MODERATOR, "Ada Byron", PASSCODE)
    guest.wait_in(2)
    assert guest.says("#meeting-name") == "Weekly meeting"
    assert "Ada Byron (you)" in guest.page(), guest.page()
    wait_in_mix(stage, 2)
    guest.wait_hears([440], [1_000])
    wait_levels(phone, [1_000], [440])
    # The guest is a moderator: everyone is muted, and may speak again.
    guest.press("#moderate")
    guest.press("[data-do=mute-all]")
    guest.wait_hears([], [440])
    guest.wait("document.querySelectorAll('#tiles [aria-label=Muted]').length === 1", "one is muted")
    guest.press("[data-do=unmute-all]")
    guest.wait_hears([440], [1_000])
    # The page's own button silences it at once, and the others see it.
    guest.press("#mic")
    wait_levels(phone, [], [1_000])
    guest.wait("document.getElementById('mic').innerText === 'Unmute'", "it is muted")
    guest.browser.tell("document.getElementById('text').value = '<b>hi</b>'")
    guest.press("#say button")
    guest.wait("document.querySelector('#texts p') && "
               "document.querySelector('#texts p').textContent === '<b>hi</b>'", "a text")
    guest.press("#leave")
    guest.wait("!document.getElementById('join').hidden", "it has left")
    phone.do("hangup")
    phone.wait("state", state="DISCONNECTED")
    kinds = lambda: [(event["eventType"], event.get("reason")) for event in events(stage)]  # noqa: E731
    wait_until(lambda: kinds().count(("chime:AttendeeLeft", "HungUp")) == 2, 20, kinds)
    assert guest.browser.complaints == [], guest.browser.complaints
    assert {url.split("/")[2] for url in guest.browser.requests} == {page.split("/")[2]}
    stage.edge.wait_idle()
