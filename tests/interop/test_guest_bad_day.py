"""Guests on a bad day: without a microphone, with a camera that is slow to come, with sound that the browser holds
back, over a network that changes, and while the node is away."""

import pytest

from harness import chromium, places
from harness.guest import Guest

ROOM = "4081234567"

pytestmark = pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")

# What is opened of the devices; some are refused, by the name of the error, and some come late.
DEVICES = """
window.own = {
  tracks: [], refused: {}, held: [], hold: false,
  live: (kind) => own.tracks.filter((track) => track.kind === kind && track.readyState === 'live').length,
  let: () => { own.hold = false; own.held.splice(0).forEach((go) => go()); },
};
for (const name of ['getUserMedia', 'getDisplayMedia']) {
  const opened = devices[name].bind(devices);
  devices[name] = async (wishes) => {
    const why = own.refused[wishes.audio ? 'audio' : 'video'];
    if (why) throw new DOMException('as the test has it', why);
    const stream = await opened(wishes);
    own.tracks.push(...stream.getTracks());
    if (own.hold) await new Promise((go) => own.held.push(go));
    return stream;
  };
}
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  return own.silent ? Promise.reject(new DOMException('no gesture', 'NotAllowedError')) : play.call(this);
};
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...wishes) {
    super(...wishes);
    peers.push(this);
  }
};
"""

# As a browser tells that no way to the other side is left.
FAIL = """
Object.defineProperty(peers[0], 'connectionState', { value: 'failed', configurable: true });
peers[0].dispatchEvent(new Event('connectionstatechange'));
delete peers[0].connectionState;
"""

# As a browser tells that the network is another one: more than once, and while nothing comes through.
NEWS = """
window.offers = 0;
const offer = peers[0].createOffer.bind(peers[0]);
peers[0].createOffer = (...wishes) => { window.offers += 1; return offer(...wishes); };
Object.defineProperty(peers[0], 'connectionState', { value: 'disconnected', configurable: true });
for (let time = 0; time < 3; time += 1) window.dispatchEvent(new Event('online'));
delete peers[0].connectionState;
document.getElementById('room').classList.contains('lost')
"""

# As a microphone is pulled out.
PULL_OUT = """
own.tracks.filter((track) => track.kind === 'audio')
  .forEach((track) => { track.stop(); track.dispatchEvent(new Event('ended')); })
"""

FRAGMENTS = "JSON.stringify(['local', 'remote'].map((side) => /ice-ufrag:(.*)/.exec(peers[0][`${side}Description`].sdp)[1]))"

MUTED = "document.querySelectorAll('#tiles [aria-label=Muted]').length"


def start(stage):
    """A node with a page and one room; the page's address."""
    port = places.free_port(places.EDGE)
    stage.configuration.more.append(f"""
[rooms]
[rooms.guests]
listen = "{places.EDGE}:{port}"
plain = true
[[rooms.meeting]]
name = "Weekly meeting"
attendee_id = "{ROOM}"
moderator_id = "7035550123456"
announce = "off"
""")
    stage.start_edge()
    return f"http://{places.EDGE}:{port}"


def is_seen(selector):
    return f"document.querySelector({selector!r}).checkVisibility()"


def says(guest, selector, words):
    guest.wait(f"document.querySelector({selector!r}).innerText.trim() === {words!r}", f"{selector} says {words}")


def is_pressed(guest, selector, on):
    value = str(on).lower()
    guest.wait(f"document.querySelector({selector!r}).getAttribute('aria-pressed') === '{value}'", f"{selector} is {on}")


def test_devices_that_are_refused_or_late_are_told_of_and_closed(stage, tmp_path):
    page = start(stage)
    ada = stage._keep(Guest(tmp_path, page, 500, DEVICES))
    # No microphone, and a camera that is not allowed: she listens, and the meeting knows that.
    ada.browser.tell("own.refused = { audio: 'NotFoundError', video: 'NotAllowedError' }; own.silent = true")
    ada.join(ROOM, "Ada")
    says(ada, "#join-message", "No microphone was found. Plug one in and join again, or only listen.")
    ada.browser.tell("document.getElementById('with-camera').checked = true")
    ada.press("#listen-button")
    says(ada, "#toast", "Your browser keeps the camera from this page. Allow it beside the address.")
    ada.wait_in(1)
    says(ada, "#mic", "No microphone")
    ada.wait(f"{MUTED} === 1", "she is muted")
    # Her browser plays nothing before she says so.
    ada.wait(is_seen("#unblock"), "a button for the sound")
    ada.browser.tell("own.silent = false")
    ada.press("#unblock")
    ada.wait(f"!{is_seen('#unblock')}", "it is heard")

    bob = ada.beside(page)
    bob.join(ROOM, "Bob")
    ada.wait_in(2)
    ada.wait_hears([500])
    bob.wait_hears([], [500])
    # There is one now: she is heard.
    ada.browser.tell("own.refused = {}")
    ada.press("#mic")
    says(ada, "#mic", "Mute")
    bob.wait_hears([500])
    # Another one takes its place; she mutes herself before it is there.
    ada.browser.tell("own.hold = true")
    ada.browser.tell(PULL_OUT)
    ada.wait("own.held.length === 1", "another one is asked for")
    ada.press("#mic")
    bob.wait(f"{MUTED} === 1", "she is muted")
    ada.browser.tell("own.let()")
    says(ada, "#mic", "Unmute")
    bob.wait_hears([], [500])
    ada.press("#mic")
    says(ada, "#mic", "Mute")
    bob.wait_hears([500])
    # It is pulled out, and there is no other one.
    ada.browser.tell("own.refused = { audio: 'NotFoundError' }")
    ada.browser.tell(PULL_OUT)
    says(ada, "#toast", "Your microphone is gone; you only listen now.")
    bob.wait(f"{MUTED} === 1", "she is muted")
    bob.wait_hears([], [500])

    # Pressed twice while the browser asks: none is open, whatever comes then.
    ada.browser.tell("own.hold = true; own.refused = {}")
    ada.press("#camera")
    is_pressed(ada, "#camera", True)
    ada.press("#camera")
    is_pressed(ada, "#camera", False)
    ada.wait("own.held.length === 1 && own.live('video') === 1", "it comes late")
    ada.browser.tell("own.let()")
    ada.wait("own.live('video') === 0", "it is closed")
    # Three times: the last one holds.
    ada.browser.tell("own.hold = true")
    for _ in range(3):
        ada.press("#camera")
    ada.wait("own.held.length === 2", "two are asked for")
    ada.browser.tell("own.let()")
    ada.wait("own.live('video') === 1", "one is open")
    ada.wait("document.getElementById('own').srcObject !== null", "she sees herself")
    is_pressed(ada, "#camera", True)
    # He sees her, and she goes on seeing what the room shows.
    bob.wait_sees(lambda _width, red, green, blue: green > red + 40 and green > blue + 40)
    played = "(({ currentTime }) => currentTime)(document.getElementById('picture'))"
    ada.wait(f"{played} > {ada.browser.tell(played) + 2}", "it is played on")
    ada.press("#camera")
    ada.wait("own.live('video') === 0", "it is off")
    # She leaves over the questions for microphone, camera and screen.
    ada.browser.tell("own.hold = true")
    ada.press("#mic")
    ada.press("#camera")
    ada.press("#share")
    # Where the floor comes late it is hers by another press.
    floor = "document.getElementById('notice').innerText === 'You may share your screen now.'"
    ada.wait(f"own.held.length >= 3 || {floor}", "she may share")
    if ada.browser.tell("own.held.length") < 3:
        ada.press("#share")
    ada.wait("own.held.length >= 3", "three are asked for")
    ada.press("#leave")
    says(ada, "#join-message", "You have left the meeting.")
    ada.browser.tell("own.let()")
    ada.wait("own.live('video') === 0 && own.live('audio') === 0", "nothing is open")
    bob.press("#leave")
    stage.edge.wait_idle()


def test_guests_come_back_over_another_network_and_when_the_node_does(stage, tmp_path):
    stage.configuration.drain["timeout"] = "0s"
    page = start(stage)
    ada = stage._keep(Guest(tmp_path, page, 500, DEVICES))
    ada.join(ROOM, "Ada", camera=True)
    ada.wait_in(1)
    bob = ada.beside(page)
    bob.join(ROOM, "Bob")
    for guest in (ada, bob):
        guest.wait_in(2)
    ada.wait_hears([500])
    # All at once: the button shows what the meeting says, whoever has wished for it.
    for _ in range(2):
        is_pressed(ada, "#layout", False)
        ada.press("#layout")
        is_pressed(ada, "#layout", True)
        ada.press("#layout")
    is_pressed(ada, "#layout", False)
    ada.press("#keys")
    ada.browser.tell("['#', '1'].forEach((key) => [...document.querySelectorAll('#keypad button')]"
                     ".find((one) => one.innerText === key).click())")
    is_pressed(ada, "#layout", True)
    is_pressed(bob, "#layout", False)
    # Another network: the way is found anew, in the same call.
    ada.wait("peers[0].connectionState === 'connected'", "she is connected")
    before = ada.browser.tell(FRAGMENTS)
    ada.browser.tell(FAIL)
    ada.wait(f"{FRAGMENTS} !== {before!r}", "another way is offered")
    ada.wait("peers[0].signalingState === 'stable' && peers[0].connectionState === 'connected'", "and found")
    assert all(old != new for old, new in zip(eval(before), eval(ada.browser.tell(FRAGMENTS)))), "both sides have another name"
    # Told three times at once: it is the same call, and one further offer.
    before = ada.browser.tell(FRAGMENTS)
    assert ada.browser.tell(NEWS) is False, "she is in the same call"
    ada.wait(f"{FRAGMENTS} !== {before!r}", "another way is offered")
    ada.wait("peers[0].signalingState === 'stable' && peers[0].connectionState === 'connected'", "and found")
    assert ada.browser.tell("offers") == 1
    ada.wait_hears([500])
    assert ada.browser.tell("peers.length") == 1

    bob.press("#mic")
    says(bob, "#mic", "Unmute")
    for guest, words in ((ada, "before"), (bob, "and after")):
        guest.browser.tell(f"document.getElementById('text').value = {words!r}")
        guest.browser.tell("document.getElementById('say').requestSubmit()")
        for each in (ada, bob):
            each.wait(f"[...document.querySelectorAll('#texts p')].some((one) => one.textContent === {words!r})", words)
    # It stops, and says so in its last word.
    stage.edge.stop()
    for guest in (ada, bob):
        says(guest, "#notice", "The connection was lost. Joining again…")
    assert ada.browser.tell("own.live('video')") == 1
    # Her microphone is pulled out while there is no call; another one is taken when there is.
    ada.browser.tell(PULL_OUT)
    stage.start_edge()
    for guest in (ada, bob):
        guest.wait(f"!document.getElementById('room').classList.contains('lost') && {MUTED} === 1"
                   " && document.querySelectorAll('#tiles > li').length === 2", "they are back", 60)
    says(bob, "#mic", "Unmute")
    says(ada, "#mic", "Mute")
    bob.wait_hears([500])
    assert ada.browser.tell("document.querySelectorAll('#texts p').length") == 2
    assert ada.browser.tell("own.live('video')") == 1
    bob.wait(is_seen("#picture"), "her picture")
    bob.press("#mic")
    ada.wait(f"{MUTED} === 0", "he is heard again")
    for guest in (ada, bob):
        guest.press("#leave")
        says(guest, "#join-message", "You have left the meeting.")
    stage.edge.wait_idle()
