"""What passes between the node and a guest's page in the call: the session is refreshed, with a description and
without, and the guest is spoken to in the language of its page. A camera that nobody wants is off."""

import json
import re

import pytest

from harness import chromium, places, tones
from harness.guest import Guest

ROOM = "4081234567"
WRONG = {"en": 1_300, "ja": 2_300}

# Keeps the WebSocket of SIP, and what goes over it.
WATCHED = """
window.sip = { sent: [], got: [] };
window.WebSocket = class extends WebSocket {
  constructor(url, protocol) {
    super(url, protocol);
    if (!url.endsWith('/sip')) return;
    window.sip.socket = this;
    this.addEventListener('message', (event) => window.sip.got.push(event.data));
  }
  send(data) {
    if (this === window.sip.socket) window.sip.sent.push(data);
    super.send(data);
  }
};
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...wishes) {
    super(...wishes);
    peers.push(this);
  }
};
"""


# Keeps what cameras were opened, and holds those back that are looked at before the meeting, and the microphone with
# which joining begins.
CAMERAS = """
window.cameras = { all: [], held: [], live: () => cameras.all.filter((track) => track.readyState === 'live').length };
const joins = new Promise((go) => { cameras.join = go; });
const plain = devices.getUserMedia;
devices.getUserMedia = async (wishes) => {
  const stream = await plain(wishes);
  cameras.all.push(...stream.getVideoTracks());
  if (wishes.audio) await joins;
  else if (wishes.video === true) await new Promise((go) => cameras.held.push(go));
  return stream;
};
"""


def join_again(guest):
    """By the form as it is; the dialog, when sound comes through."""
    guest.browser.tell("sip.got = []; sip.sent = []; peers = []")
    guest.press("#join-button")
    guest.wait_in(1)
    guest.wait("peers[0].connectionState === 'connected'", "sound comes through")
    return Dialog(guest)


def header(message, name):
    return re.search(rf"^{name}: (.*)\r$", message, re.MULTILINE).group(1)


class Dialog:
    """Asks the page as the node does, in the node's dialog and without the node."""

    def __init__(self, guest):
        self.guest = guest
        answered = "sip.got.find((text) => text.startsWith('SIP/2.0 200') && /CSeq: \\d+ INVITE/.test(text))"
        guest.wait(f"Boolean({answered})", "the INVITE is answered")
        self.answer = guest.browser.tell(answered)
        self.number = 1_000

    def ask(self, method, body="", more=""):
        """The page's answer; over at once, for nothing of the network is between."""
        self.number += 1
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (f"{method} sip:guest@there.invalid;transport=ws SIP/2.0\r\n"
                f"Via: SIP/2.0/WS node.test;branch=z9hG4bK{self.number}\r\nMax-Forwards: 70\r\n"
                f"From: {header(self.answer, 'To')}\r\nTo: {header(self.answer, 'From')}\r\n"
                f"Call-ID: {header(self.answer, 'Call-ID')}\r\nCSeq: {self.number} {method}\r\n"
                f"{more}{kind}Content-Length: {len(body)}\r\n\r\n{body}")
        self.guest.browser.tell(f"sip.socket.onmessage({{ data: {json.dumps(text)} }})")
        found = f"sip.sent.find((text) => text.includes('CSeq: {self.number} {method}'))"
        self.guest.wait(f"Boolean({found})", f"{method} is answered")
        return self.guest.browser.tell(found)


@pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")
def test_a_page_answers_refreshes_and_goes_on(stage, tmp_path):
    for language, hertz in WRONG.items():
        (stage.directory / "prompts" / language).mkdir(parents=True)
        tones.write_wav(stage.directory / "prompts" / language / "wrong-id.wav", hertz, 10)
    port = places.free_port(places.EDGE)
    stage.configuration.more.append(f"""
[rooms]
prompts = {json.dumps(str(stage.directory / "prompts"))}
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
    page = f"http://{places.EDGE}:{port}"
    ada = stage._keep(Guest(tmp_path, page, 500, WATCHED + CAMERAS))
    # Ticked, and ticked again; who is quick with Join is joining before either of the cameras is there.
    for _ in range(2):
        ada.press("#with-camera")
    ada.join(ROOM, "Ada", camera=True)
    ada.wait("cameras.held.length === 2", "both tries are open")
    assert ada.browser.tell("cameras.live()") == 2
    ada.browser.tell("cameras.held.forEach((go) => go())")
    ada.wait("cameras.live() === 0", "they are wanted no more")
    ada.browser.tell("cameras.join()")
    ada.wait_in(1)
    assert ada.browser.tell("cameras.live()") == 1
    timer = "Session-Expires: 90;refresher=uac\r\nMin-SE: 90\r\n"
    dialog = Dialog(ada)
    invite = ada.browser.tell("sip.sent.find((text) => text.startsWith('INVITE '))")
    assert header(invite, "X-Guest-Language") == "en"
    # The node takes it on itself to refresh the session.
    assert header(dialog.answer, "Session-Expires") == "1800;refresher=uas", dialog.answer
    # RFC 4028 section 7.4: without a description, and with the one that stands.
    answer = dialog.ask("UPDATE", more=timer)
    assert answer.startswith("SIP/2.0 200 ") and header(answer, "Session-Expires") == "90;refresher=uac"
    assert "Require: timer" in answer, answer
    stands = dialog.answer.split("\r\n\r\n", 1)[1]
    lines = stands.count("\r\nm=")
    for method in ("INVITE", "UPDATE", "INVITE"):
        answer = dialog.ask(method, stands, timer)
        assert answer.startswith("SIP/2.0 200 "), answer
        assert answer.count("\r\nm=") == lines == 2 and "\r\nm=audio 0 " not in answer, answer
        assert answer.count("a=sendrecv") == 2, answer
    # What is none, and what is another call's, harms nothing.
    assert dialog.ask("INVITE", "v=0\r\n").startswith("SIP/2.0 488 ")
    assert dialog.ask("MESSAGE").startswith("SIP/2.0 501 ")
    dialog.answer = dialog.answer.replace(header(dialog.answer, "Call-ID"), "another")
    assert dialog.ask("BYE").startswith("SIP/2.0 481 ")
    bob = ada.beside(page)
    bob.join(ROOM, "Bob")
    ada.wait_in(2)
    ada.wait_hears([500])
    bob.wait_hears([500])
    cleo = ada.beside(page)
    cleo.press("#language")
    cleo.join("1111111111", "Cleo")
    cleo.wait_hears([WRONG["ja"]], [WRONG["en"]])
    cleo.press("#leave")
    ada.press("#camera")
    ada.wait("cameras.live() === 0", "her camera is off")
    ada.press("#leave")
    bob.press("#leave")
    stage.edge.wait_idle()
    # A call that has lasted as long as it may is over. One that the room gives up, for nothing comes through any more,
    # is not: it is joined again.
    join_again(ada).ask("BYE", more='Reason: SIP;cause=408;text="Maximum call duration"\r\n')
    over = "document.getElementById('join-message').innerText === 'The meeting or your part in it has ended.'"
    ada.wait(over, "it is over")
    join_again(ada).ask("BYE", more='Reason: SIP;cause=408;text="No media"\r\n')
    ada.wait("peers.length === 2 && peers[1].connectionState === 'connected'"
             " && !document.getElementById('room').classList.contains('lost')", "she is back")
    ada.wait_in(1)
    ada.press("#leave")
    stage.edge.wait_idle()
