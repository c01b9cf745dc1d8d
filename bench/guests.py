#!/usr/bin/env python3
"""Pages of guests in one meeting: headless Chromium with pretended cameras and microphones, beside a node of its
own. Whoever plays the browsers is the limit, so only the node's CPU is looked at, and how soon all see a hand.

`guests.py TANDEM [--guests 4] [--seconds 10]`, with the tests' Python (tests/setup.sh).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "interop"))

import requests  # noqa: E402
from harness import chromium, places  # noqa: E402
from harness.guest import Guest  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

ROOM = "4081234567"
HANDS = 6

# When tiles with a hand come and go, by the clock that all browsers of this machine share.
WATCH = """
window.hands = [];
let before = 0;
new MutationObserver(() => {
  const now = document.querySelectorAll('#tiles > li.hand').length;
  if (now !== before) window.hands.push([Date.now(), now]);
  before = now;
}).observe(document.getElementById('tiles'),
           { subtree: true, childList: true, attributes: true, attributeFilter: ['class'] });
"""


def start(tandem, directory):
    port = places.free_port(places.EDGE)
    sip = places.free_port(places.EDGE)
    (directory / "edge.toml").write_text(f"""
[node]
data_dir = "{directory}/data"
[sip]
domain = "localhost.test"
udp = ["{places.EDGE}:{sip}"]
[media]
bind = ["{places.EDGE}"]
ports = "20000-21999"
[rooms.guests]
listen = "{places.EDGE}:{port}"
plain = true
[[rooms.meeting]]
name = "Bench"
attendee_id = "{ROOM}"
moderator_id = "7035550123456"
announce = "off"
""")
    with (directory / "log").open("w") as log:
        node = subprocess.Popen([tandem, "run", "--config", directory / "edge.toml"],
                                stdout=subprocess.DEVNULL, stderr=log)
    page = f"http://{places.EDGE}:{port}"

    def answers():
        try:
            return requests.get(page, timeout=1).ok
        except requests.ConnectionError:
            return False

    wait_until(answers, 20, lambda: (directory / "log").read_text()[-2_000:])
    return node, page


def cores(pid, seconds):
    """The CPU of all of a process's threads, by the scheduler, in cores."""

    def used():
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    before, began = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / 1e9 / (time.monotonic() - began)


def look_at_hands(guests):
    """In ms, from one page's button to another page's tile."""
    for guest in guests:
        guest.browser.tell(WATCH)
    delays = []
    for number in range(HANDS):
        up = number % 2 == 0
        pressed = guests[0].browser.tell("(document.getElementById('hand').click(), Date.now())")
        for guest in guests[1:]:
            wanted = f"(window.hands.find(([at, count]) => at >= {pressed} - 5 && count === {int(up)}) || [0])[0]"
            seen = wait_until(lambda: guest.browser.tell(wanted), 20, guest.page)  # noqa: B023
            delays.append(seen - pressed)
    return sorted(delays)


def main():
    reader = argparse.ArgumentParser()
    reader.add_argument("tandem")
    reader.add_argument("--guests", type=int, default=4)
    reader.add_argument("--seconds", type=float, default=10)
    options = reader.parse_args()
    if not chromium.FOUND:
        sys.exit("no chromium here (apt install chromium)")
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        node, page = start(options.tandem, directory)
        guests = []
        try:
            idle = cores(node.pid, 2)
            for number in range(options.guests):
                home = directory / str(number)
                home.mkdir()
                guests.append(Guest(home, f"{page}/?id={ROOM}", 400 + 200 * number))
                guests[-1].join(ROOM, f"Guest {number}", camera=True)
                guests[-1].wait_in(number + 1)
            for guest in guests:
                guest.wait_sees(lambda width, *mean: width > 0)
            busy = cores(node.pid, options.seconds)
            hands = look_at_hands(guests)
        finally:
            for guest in guests:
                guest.stop()
            node.terminate()
            node.wait()
    each = (busy - idle) / options.guests * 100
    print(f"{options.guests} browsers in one meeting, each with microphone and camera")
    print(f"the node's CPU: {busy * 100:.1f} % of a core, {each:.2f} % for each guest; "
          f"{idle * 100:.2f} % before they came")
    print(f"a hand, from a page's button to another page's tile: median {hands[len(hands) // 2]:.0f} ms, "
          f"most {hands[-1]:.0f} ms of {len(hands)}")


if __name__ == "__main__":
    main()
