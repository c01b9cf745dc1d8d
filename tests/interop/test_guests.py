"""Browser guests: the page in a real browser meets a telephone in a room, and what strangers send to the
page's server is refused."""

import json
import ssl

import pytest
import requests
from test_meetings import HOST, caller, events, wait_in_mix, wait_levels

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync import client

from harness import chromium, places
from harness.guest import Guest
from harness.waiting import wait_until

ROOM, MODERATOR, PASSCODE = "4081234567", "7035550123456", "987654"


def start(stage, plain):
    """A node with a page and one room; where the page is, without its scheme."""
    port = places.free_port(places.EDGE)
    stage.configuration.more.append(f"""
[rooms]
allow_plain = ["127.0.0.21"]
[rooms.guests]
listen = "{places.EDGE}:{port}"
plain = {str(plain).lower()}
[[rooms.meeting]]
name = "Weekly meeting"
attendee_id = "{ROOM}"
moderator_id = "{MODERATOR}"
passcode = "{PASSCODE}"
announce = "off"
""")
    stage.start_edge()
    return f"{places.EDGE}:{port}"


@pytest.fixture
def page(stage):
    """The address of the page, which is served without TLS."""
    return f"http://{start(stage, plain=True)}"


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
    guest.press("#moderate")
    guest.press("[data-do=unmute-all]")
    guest.wait_hears([440], [1_000])
    # The page's own button silences it at once, and the others see it.
    guest.press("#mic")
    wait_levels(phone, [], [1_000])
    guest.wait("document.getElementById('mic').innerText === 'Unmute'", "it is muted")
    guest.browser.tell("document.getElementById('text').value = '<b>hi</b>'")
    guest.press("#show-chat")
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


@pytest.mark.skipif(not chromium.FOUND, reason="no chromium here (apt install chromium)")
def test_guests_see_each_other_and_a_screen(stage, page, tmp_path):
    guests = []
    for name, hertz in [("Ada", 500), ("Bob", 1_500)]:
        directory = tmp_path / name
        directory.mkdir()
        guests.append(stage._keep(Guest(directory, f"{page}/?id={ROOM}", hertz)))
        guests[-1].join(ROOM, name, camera=True)
    ada, bob = guests
    ada.wait_in(2)
    bob.wait_in(2)
    # The browser's pretended cameras and screens are green and have different widths; what the room
    # draws is a dark blue.
    def is_green(red, green, blue):
        return green > red + 40 and green > blue + 40

    def is_card(width, red, green, blue):
        return width == 640 and blue > green + 15 and blue > red + 15

    widths = set()
    ada.wait_sees(lambda width, *mean: is_green(*mean) and (widths.add(width) or True))
    bob.wait_sees(lambda _width, *mean: is_green(*mean))
    bob.press("#camera")
    ada.wait_sees(is_card)
    # Whoever has no line of slides sees them in the place of cameras.
    bob.press("#share")
    ada.wait_sees(lambda width, *mean: is_green(*mean) and width not in widths)
    bob.press("#share")
    ada.wait_sees(is_card)
    ada.press("#leave")
    bob.press("#leave")
    stage.edge.wait_idle()


# What strangers send -------------------------------------------------------------------------------


def request_line(method, page, branch, call="c1"):
    host = "guest.invalid"
    return (f"{method} sip:{ROOM}@{HOST} SIP/2.0\r\nVia: SIP/2.0/WS {host};branch=z9hG4bK{branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:guest@{host}>;tag=1\r\nTo: <sip:{ROOM}@{HOST}>\r\n"
            f"Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:guest@{host};transport=ws>\r\n"
            "Content-Length: 0\r\n\r\n")


def web_socket(page, path="/sip", protocols=("sip",), **options):
    address = page.replace("http", "ws") + path
    return client.connect(address, subprotocols=protocols, open_timeout=10, **options)


def refused(edge, reason):
    return edge.metric("tandem_guests_refused_total", reason=reason)


def test_only_web_sockets_of_sip_and_of_the_page_are_opened(stage, page):
    for path, protocols, more, status in [
        ("/sip", ["xmpp"], {}, 400),
        ("/sip", None, {}, 400),
        ("/room", ["sip"], {}, 400),
        ("/other", ["sip"], {}, 404),
        ("/sip", ["sip"], {"origin": "https://elsewhere.example"}, 403),
    ]:
        with pytest.raises(InvalidStatus) as refusal:
            web_socket(page, path, protocols, **more)
        assert refusal.value.response.status_code == status, (path, protocols, more)
    assert requests.post(page, data=b"x" * 1_000, timeout=10).status_code == 405
    assert requests.get(f"{page}/sip", timeout=10).status_code == 426
    served = requests.get(page, timeout=10)
    assert served.status_code == 200 and "frame-ancestors 'none'" in served.headers["content-security-policy"]
    assert requests.get(f"{page}/config.json", timeout=10).json() == {"host": HOST, "grid": True}
    assert refused(stage.edge, "request") == 7


def test_sip_over_a_web_socket_is_answered_and_bounded(stage, page):
    with web_socket(page) as socket:
        assert socket.subprotocol == "sip"
        # A keep-alive, whole messages in one and in several frames, as text and as octets.
        socket.send("\r\n\r\n")
        assert socket.recv(timeout=10) == "\r\n"
        socket.send(request_line("OPTIONS", page, 1))
        assert socket.recv(timeout=10).startswith("SIP/2.0 200 ")
        socket.send(iter([request_line("OPTIONS", page, 2)[:50], request_line("OPTIONS", page, 2)[50:]]))
        assert socket.recv(timeout=10).startswith("SIP/2.0 200 ")
        socket.send(request_line("OPTIONS", page, 3).encode())
        assert socket.recv(timeout=10).startswith("SIP/2.0 200 ")
        # Nobody registers here, and nobody is called but the rooms.
        socket.send(request_line("REGISTER", page, 4))
        assert socket.recv(timeout=10).startswith("SIP/2.0 403 ")
        elsewhere = request_line("INVITE", page, 5).replace(f"sip:{ROOM}@{HOST} SIP", "sip:+12065550100@127.0.0.2 SIP")
        socket.send(elsewhere)
        assert socket.recv(timeout=10).startswith("SIP/2.0 403 ")
        # What is no SIP is answered by nothing, and harms nobody.
        socket.send("GET / HTTP/1.1\r\n\r\n")
        socket.send(request_line("OPTIONS", page, 6))
        assert socket.recv(timeout=10).startswith("SIP/2.0 200 ")
        wait_until(lambda: stage.edge.metric("tandem_guest_sip_sockets") == 1, 10, "it is counted")
        socket.send("x" * 70_000)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
        assert socket.close_code == 1009
    assert refused(stage.edge, "message") == 1
    # A frame without a mask (RFC 6455 section 5.1).
    with web_socket(page) as socket:
        socket.socket.sendall(b"\x81\x02hi")
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
    # Too many at once.
    with web_socket(page) as socket, pytest.raises(ConnectionClosed):
        for _ in range(20_000):
            socket.send("\r\n")
        socket.recv(timeout=10)
    assert socket.close_code == 1008
    assert refused(stage.edge, "rate") == 1
    wait_until(lambda: stage.edge.metric("tandem_guest_connections") == 0, 10, "all are gone")


def test_under_tls_the_page_has_the_certificate_of_the_edge(stage, tmp_path):
    address = start(stage, plain=False)
    certificate = stage.edge.data_dir / "tls-self-signed.pem"
    trusting = ssl.create_default_context(cafile=certificate)
    with client.connect(f"wss://{address}/sip", subprotocols=["sip"], ssl=trusting,
                        server_hostname=HOST, open_timeout=10) as socket:
        assert socket.socket.selected_alpn_protocol() in (None, "http/1.1")
        socket.send(request_line("OPTIONS", address, 1).replace("SIP/2.0/WS", "SIP/2.0/WSS"))
        assert socket.recv(timeout=10).startswith("SIP/2.0 200 ")
    # Who speaks no TLS gets nothing.
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{address}", timeout=10)


def test_a_channel_needs_its_key_and_takes_no_nonsense(stage, page):
    with web_socket(page, "/room", ["tandem.room.1"]) as socket:
        socket.send(json.dumps({"key": "k" * 48}))
        assert json.loads(socket.recv(timeout=10)) == {"type": "no-call"}
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
        assert socket.close_code == 1000
    for text in ["", "{}", '{"key":1}', '{"key":"short"}', "[" * 10_000, "\0"]:
        with web_socket(page, "/room", ["tandem.room.1"]) as socket:
            socket.send(text)
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=10)
            assert socket.close_code == 1008, text
