"""A browser that insists on one transport for all of its lines (`bundlePolicy: "max-bundle"`), as applications set
it: it takes no answer without its group."""

import pytest

from harness import chromium, places
from harness.guest import Guest

ROOM, MODERATOR = "4081234567", "7035550123456"

# Before the page's own script: its connections, kept where the test finds them.
INSIST = """
const Own = RTCPeerConnection;
window.peers = [];
window.RTCPeerConnection = function (wishes) {
  const peer = new Own({ ...wishes, bundlePolicy: "max-bundle" });
  window.peers.push(peer);
  return peer;
};
"""

# Ways that have been found, and the groups and ports of what was answered.
WAYS = """(async () => {
  const peer = window.peers[0];
  const facts = Array.from((await peer.getStats()).values());
  const ways = facts.filter((fact) => fact.type === "transport");
  const lines = peer.remoteDescription.sdp.split("\\r\\n");
  return {
    ways: ways.length,
    states: ways.map((way) => way.dtlsState),
    groups: lines.filter((line) => line.startsWith("a=group:")),
    ports: lines.filter((line) => line.startsWith("m=")).map((line) => line.split(" ")[1]),
  };
})()"""


def is_green(_width, red, green, blue):
    """As a browser's pretended cameras and screens are, and nothing that the room draws."""
    return green > red + 40 and green > blue + 40


@pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")
def test_lines_that_share_a_transport_carry_sound_cameras_and_a_screen(stage, tmp_path):
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
announce = "off"
""")
    stage.start_edge()
    guests = []
    for name, hertz, script in [("Ada", 500, INSIST), ("Bob", 1_500, "")]:
        directory = tmp_path / name
        directory.mkdir()
        guests.append(stage._keep(Guest(directory, f"http://{places.EDGE}:{port}/?id={ROOM}", hertz, script)))
        guests[-1].join(ROOM, name, camera=True)
    ada, bob = guests
    ada.wait_in(2)
    bob.wait_in(2)
    ada.wait_hears([1_500], [500])
    bob.wait_hears([500], [1_500])
    ada.wait_sees(is_green)
    widths = set()
    bob.wait_sees(lambda width, *mean: is_green(width, *mean) and (widths.add(width) or True))
    found = ada.browser.tell(WAYS)
    assert (found["ways"], found["states"]) == (1, ["connected"]), found
    assert found["groups"] == ["a=group:BUNDLE 0 1"] and len(set(found["ports"])) == 1, found
    # A line that a re-INVITE adds has the same way. Whoever has none for slides sees them in the place of cameras.
    ada.press("#share")
    ada.wait("document.getElementById('share').innerText === 'Stop sharing'", "the screen is shared")
    bob.wait_sees(lambda width, *mean: is_green(width, *mean) and width not in widths)
    found = ada.browser.tell(WAYS)
    assert (found["ways"], found["groups"]) == (1, ["a=group:BUNDLE 0 1 2"]), found
    assert len(set(found["ports"])) == 1, found
    ada.press("#share")
    bob.press("#share")
    ada.wait_sees(is_green, "slides")
    ada.wait_hears([1_500], [500])
    bob.press("#share")
    ada.press("#leave")
    bob.press("#leave")
    assert [guest.browser.complaints for guest in guests] == [[], []]
    stage.edge.wait_idle()
