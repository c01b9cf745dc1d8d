"""`tandem report --html`: one page, well-formed, of itself, legible on paper and on a telephone."""

import io

import av
import html5lib
import numpy
import pytest

from harness import chromium
from harness.records import Node, interval, quality, record, rung

HOSTILE = "\"'><script>alert(1)</script><img src=http://192.0.2.1/x onerror=alert(1)>\u202e\x1b[2J"
LONG = "sip:" + "a-very-long-user-part-" * 5 + "@" + "sub-domain." * 9 + "example.com;transport=tls"


def plain():
    ladder = [
        rung(0, "A", "received", "INVITE sip:+81312345678@abcdef.voiceconnector.test SIP/2.0",
             description={"codecs": ["PCMU", "PCMA", "telephone-event"], "profile": "RTP/AVP",
                          "direction": "sendrecv", "address": "192.0.2.4:4000"}),
        rung(1, "A", "sent", "SIP/2.0 100 Trying"),
        rung(2, "B", "sent", "INVITE sip:+81312345678@127.0.0.2 SIP/2.0"),
        rung(150, "B", "received", "SIP/2.0 180 Ringing"),
        rung(151, "A", "sent", "SIP/2.0 180 Ringing"),
        rung(2_300, "B", "received", "SIP/2.0 200 OK"),
        rung(2_301, "A", "sent", "SIP/2.0 200 OK"),
        rung(2_310, "A", "received", "ACK sip:127.0.0.1 SIP/2.0"),
        rung(2_311, "B", "sent", "ACK sip:127.0.0.2 SIP/2.0"),
        rung(301_000, "A", "received", "BYE sip:127.0.0.1 SIP/2.0",
             reason='Q.850;cause=16;text="Terminated"'),
        rung(301_004, "A", "sent", "SIP/2.0 200 OK"),
    ]
    customer = [interval(2_300 + 60_000 * n, lost, 2_000 + 900 * n, mos)
                for n, (lost, mos) in enumerate([(0, 4.4), (210, 3.2), (12, 4.3), (0, 4.4),
                                                 (2, 4.4)], 1)]
    carrier = [interval(2_300 + 60_000 * n) for n in (1, 2, 4, 5)]
    spell = {"from_ms": 70_000, "to_ms": 101_000, "expected": 1_550, "lost": 205}
    return record(ladder, (quality(customer, burst_ratio=2.4, mos=3.9, loss_spells=[spell]),
                           quality(carrier)), answered=2_300, lasts=301_004)


def crowded():
    """A hunt over three carriers, 200 messages, long URIs, an inbound call, a silent carrier."""
    peers = ["10.1.2.3:5060", "[2001:db8:1234:5678:9abc:def0:1234:5678]:50600", "192.0.2.77:5061"]
    ladder = [rung(0, "A", "received", f"INVITE {LONG} SIP/2.0"[:160])]
    for number, peer in enumerate(peers):
        at = 10 + 2_000 * number
        ladder.append(rung(at, "B", "sent", f"INVITE {LONG} SIP/2.0"[:160], peer, "tls"))
        ladder.append(rung(at + 900, "B", "sent", f"INVITE {LONG} SIP/2.0"[:160], peer, "tls"))
    while len(ladder) < 200:
        at = 10_000 + 500 * len(ladder)
        ladder += [rung(at, "A", "received", f"UPDATE {LONG} SIP/2.0"[:160]),
                   rung(at + 3, "B", "sent", "UPDATE sip:b SIP/2.0", peers[-1], "tls"),
                   rung(at + 30, "B", "received", "SIP/2.0 491 Request Pending", peers[-1], "tls")]
    routes = [{"offset_ms": 10 + 2_000 * n, "attempt": n + 1, "carrier": None, "destination": peer,
               "protocol": "tls"} for n, peer in enumerate(peers)]
    minutes = [interval(60_000 * n, 30 * n, 40_000, 3.4) for n in range(1, 91)]
    return record(ladder, (quality([]), quality(minutes)), direction="Inbound", routes=routes,
                  ladder_omitted=17, lasts=5_400_000, to_user=LONG, call_id="x" * 180)


def unanswered():
    ladder = [rung(0, "A", "received", "INVITE sip:b@t SIP/2.0"),
              rung(2, "B", "sent", "INVITE sip:b@t SIP/2.0"),
              rung(31, "B", "received", "SIP/2.0 486 Busy Here")]
    return record(ladder, answered=None, lasts=40,
                  end={"status": 486, "cause": "refused by leg B", "ended_by": "leg_b",
                       "refusal": None})


def hostile():
    """All of a record's texts are markup."""
    def spoilt(value):
        if isinstance(value, dict):
            return {key: each if key in ("transaction_id", "leg", "direction", "answered")
                    else spoilt(each) for key, each in value.items()}
        if isinstance(value, list):
            return [spoilt(each) for each in value]
        return f"{value} {HOSTILE}" if isinstance(value, str) else value

    return spoilt(plain())


CALLS = {"plain": plain, "crowded": crowded, "unanswered": unanswered, "hostile": hostile}


@pytest.fixture(params=CALLS)
def page(request, configuration, tmp_path):
    call = CALLS[request.param]()
    node = Node(configuration, tmp_path)
    node.keep(call)
    file = tmp_path / f"{request.param}.html"
    node.report(call, "--html", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    return file


def test_the_page_is_strict_html_of_itself(page):
    text = page.read_text()
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(io.StringIO(text))
    for element in tree.iter():
        name = str(element.tag).rpartition("}")[2]
        assert name not in ("script", "img", "link", "iframe", "object", "form", "a"), name
        for attribute, value in element.attrib.items():
            assert not attribute.startswith("on"), attribute
            assert attribute not in ("src", "href", "action", "style"), attribute
            assert not value.startswith(("http", "//", "javascript")), value
    assert not any(command in text for command in ("\x1b", "\u202e"))


# Texts that lie over each other, and what is wider than the page.
OVERLAPS = """(() => {
  const boxes = [...document.querySelectorAll('td,th,dt,dd,li,h1,h2,h3,p,.along span,.up span')]
    .filter(e => e.innerText.trim() && !e.querySelector('td,li,p'))
    .map(e => [e.getBoundingClientRect(), e.innerText.slice(0, 40)])
    .filter(([r]) => r.width && r.height);
  const bad = [];
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < Math.min(boxes.length, i + 60); j++) {
    const [a, b] = [boxes[i][0], boxes[j][0]];
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 1) bad.push([boxes[i][1], boxes[j][1]]);
  }
  return bad.slice(0, 5);
})()"""
CUT = """[...document.querySelectorAll('td,th,dd,.go,.ends,p,li,h1')].filter(e =>
  !e.closest('.wide') && e.scrollWidth > e.clientWidth + 2 && getComputedStyle(e).display != 'inline')
  .map(e => e.innerText.slice(0, 60)).slice(0, 5)"""


@pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")
def test_the_page_is_legible_in_a_browser(page, tmp_path):
    """In light, dark and on paper, at a desk's and a telephone's width."""
    browser = chromium.Chromium(tmp_path / "browser")
    try:
        grounds = {}
        for width, scheme, medium in [(1_100, "light", "screen"), (1_100, "dark", "screen"),
                                      (390, "dark", "screen"), (390, "light", "screen"),
                                      (720, "dark", "print")]:
            browser.show(page, width, scheme, medium)
            at = (width, scheme, medium)
            assert browser.tell("document.documentElement.scrollWidth") <= width, at
            assert browser.tell(OVERLAPS) == [], at
            assert browser.tell(CUT) == [], at
            picture = tmp_path / f"{width}-{scheme}-{medium}.png"
            browser.picture(picture)
            with av.open(picture) as image:
                frame = next(image.decode(video=0)).to_ndarray(format="gray")
            grounds[at] = int(numpy.median(frame))
        assert grounds[1_100, "light", "screen"] > 240 and grounds[390, "light", "screen"] > 240
        assert grounds[1_100, "dark", "screen"] < 40 and grounds[390, "dark", "screen"] < 40
        assert grounds[720, "dark", "print"] > 240, "paper is light in a dark room too"
        assert browser.paper().startswith(b"%PDF")
        assert {url.split(":")[0] for url in browser.requests} == {"file"}, browser.requests
        assert browser.complaints == []
    finally:
        browser.stop()
