"""Hostile signalling: each message gets its status or a counted drop, and a call beside it goes on."""

import random
import socket
import time
import uuid

import pytest

from harness import places
from harness.message import compose, sdp
from harness.sip import OutgoingCall, Peer
from harness.talk import Talk
from harness.waiting import wait_until

# What the edge may grow by under attack, KiB. The tables and buffers that it may fill are far
# below; a leak per message would be far above.
GROWTH_KIB = 48 * 1024


@pytest.fixture
def talk(stage):
    """The bystander. Afterwards it must still sound right, and the edge must not have grown."""
    talk = Talk(stage)
    before = talk.edge.rss_kib()
    yield talk
    talk.goes_on()
    assert talk.edge.rss_kib() - before < GROWTH_KIB
    assert_answers(talk)
    record = talk.end()
    assert record["end"]["status"] == 200
    talk.edge.wait_idle()


def assert_answers(talk):
    """The edge is there for everybody else."""
    call = OutgoingCall(talk.caller, talk.edge, places.US_NUMBER, sdp(places.PBX, 40_000))
    talk.gateway.reply(talk.gateway.expect_request("INVITE"), 486, "Busy Here")
    assert call.final().status == 486


def options(peer, headers=(), **changes):
    """An OPTIONS request with parts replaced; `content_length` is written as it is given."""
    part = {"method": "OPTIONS", "uri": f"sip:{places.EDGE}", "forwards": "70", "version": "2.0",
            "cseq": None, "content_length": "0", **changes}
    raw = compose(f"{part['method']} {part['uri']} SIP/{part['version']}", [
        ("Via", peer.via() + ";rport"), ("Max-Forwards", part["forwards"]),
        ("From", "<sip:a@b.test>;tag=1"), ("To", "<sip:b@b.test>"), ("Call-ID", uuid.uuid4().hex),
        ("CSeq", part["cseq"] or f"1 {part['method']}"), *headers])
    return raw.replace(b"Content-Length: 0", b"Content-Length: " + part["content_length"].encode())


BAD = {
    "ten thousand headers": ({"headers": [("X", "y")] * 9_000}, 400),
    "a long header": ({"headers": [("X", "y" * 60_000)]}, 400),
    "a URI in a URI in a URI": ({"uri": "sip:" * 3_000 + "a@b"}, 400),
    "more body promised than there is": ({"content_length": "100"}, 400),
    "negative length": ({"content_length": "-1"}, 400),
    "huge length": ({"content_length": "9" * 30}, 400),
    "length that is no number": ({"content_length": "abc"}, 400),
    "no hops left": ({"forwards": "0"}, 483),
    "hops that are no number": ({"forwards": "many"}, 400),
    "CSeq of another method": ({"cseq": "1 INVITE"}, 400),
    "CSeq beyond 31 bits": ({"cseq": "99999999999 OPTIONS"}, 400),
    "another scheme": ({"uri": "http://example.com"}, 416),
    "another version": ({"version": "7.0"}, 505),
    "an unknown extension": ({"headers": [("Require", "frobnicate")]}, 420),
}


def test_bad_requests_get_their_status(stage, talk):
    for what, (changes, status) in BAD.items():
        with Peer(places.PBX) as peer:
            peer.send(options(peer, **changes), talk.edge.address)
            answer = peer.receive(5)
            assert answer is not None and answer.status == status, f"{what}: {answer!r}"


@pytest.mark.parametrize(("length", "status"), [("-1", 400), ("abc", 400), ("9" * 30, 513)])
def test_bad_length_on_a_stream(stage, talk, length, status):
    """The border to the next message is lost: an answer, and the connection ends."""
    with Peer(places.PBX, transport="tcp", edge=talk.edge.address) as peer:
        peer.send(options(peer, content_length=length))
        assert peer.receive(5).status == status
        assert peer.receive(5) is None, "the connection is closed"
    talk.edge.wait_metric("tandem_sip_dropped_total", 1, reason="tcp_framing")
    talk.edge.wait_metric("tandem_sip_connections", 0)


def test_ten_thousand_headers_on_a_stream(stage, talk):
    """Refused as soon as it is too much; nothing of it is kept."""
    with Peer(places.PBX, transport="tcp", edge=talk.edge.address) as peer:
        try:
            peer.send(options(peer, headers=[("X", "y")] * 10_000))
        except (BrokenPipeError, ConnectionResetError):
            pass
        talk.edge.wait_metric("tandem_sip_dropped_total", 1, reason="tcp_framing")
    talk.edge.wait_metric("tandem_sip_connections", 0)


def test_two_messages_in_one_segment_and_one_in_many(stage, talk):
    with Peer(places.PBX, transport="tcp", edge=talk.edge.address) as peer:
        peer.send(options(peer) + b"\r\n\r\n" + options(peer))
        assert [peer.receive(5).status for _ in range(2)] == [200, 200]
        for byte in options(peer):
            peer.send(bytes([byte]))
        assert peer.receive(5).status == 200


@pytest.mark.parametrize("ip", [places.PBX, places.STRANGER])
def test_junk_datagrams(stage, talk, ip):
    chance = random.Random(7)
    sample = options(Peer(ip))
    invite = sample.replace(b"OPTIONS", b"INVITE")
    with Peer(ip) as peer:
        for number in range(3_000):
            kind = number % 6
            junk = (chance.randbytes(chance.randrange(1, 1_400)) if kind == 0
                    else invite[:chance.randrange(1, len(invite))] if kind == 1
                    else b"" if kind == 2
                    else b"\r\n\r\n" if kind == 3
                    else bytes(b ^ (1 << chance.randrange(8)) if chance.random() < 0.02 else b
                               for b in sample) if kind == 4
                    else b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bKno\r\n\r\n")
            peer.send(junk, talk.edge.address)
        for _ in range(20):
            peer.send(chance.randbytes(65_507), talk.edge.address)
        reason = "stranger" if ip == places.STRANGER else "malformed"
        wait_until(lambda: talk.edge.metric("tandem_sip_dropped_total", reason=reason) > 0, 10,
                   lambda: f"drops are counted: {talk.edge.metrics()['tandem_sip_dropped_total']}")


def test_slow_drip(stage):
    """Connections that send a byte now and then are ended, and are bounded in number."""
    stage.configuration.limits["tcp_connections"] = 16
    talk = Talk(stage)
    sockets = []
    for _ in range(40):
        drip = socket.create_connection(talk.edge.address, timeout=5, source_address=(places.PBX, 0))
        drip.sendall(b"INVITE sip:")
        sockets.append(drip)
    wait_until(lambda: talk.edge.metric("tandem_sip_dropped_total", reason="tcp_refused") == 24, 5,
               lambda: f"refusals: {talk.edge.metrics()['tandem_sip_dropped_total']}")
    assert talk.edge.metric("tandem_sip_connections") == 16

    def ended():
        for drip in sockets:
            try:
                drip.send(b"a")
            except OSError:
                pass
        return talk.edge.metric("tandem_sip_connections") == 0

    # The edge gives a message ten seconds; a byte now and then does not prolong that.
    wait_until(ended, 20, "slow messages are given up")
    assert talk.edge.metric("tandem_sip_dropped_total", reason="tcp_slow_message") == 16
    for drip in sockets:
        drip.close()
    with Peer(places.PBX, transport="tcp", edge=talk.edge.address) as peer:
        peer.send(options(peer))
        assert peer.receive(5).status == 200
    talk.goes_on()
    talk.end()
    talk.edge.wait_idle()


def test_flood_from_a_stranger(stage, talk):
    """Twenty thousand INVITEs: few answers, no call, no memory."""
    edge = talk.edge
    flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flood.bind((places.STRANGER, 0))
    flood.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    with Peer(places.STRANGER) as form:
        text = options(form, method="INVITE", uri=f"sip:{places.US_NUMBER}@{places.EDGE}")
    began = time.monotonic()
    for number in range(20_000):
        flood.sendto(text.replace(b"branch=z9hG4bK", b"branch=z9hG4bK%d" % number), edge.address)
    talk.goes_on()
    elapsed = time.monotonic() - began
    wait_until(lambda: edge.metric("tandem_sip_dropped_total", reason="stranger") > 1_000, 10,
               lambda: f"drops: {edge.metrics()['tandem_sip_dropped_total']}")
    flood.setblocking(False)
    answers = 0
    try:
        while flood.recv(4_096):
            answers += 1
    except BlockingIOError:
        pass
    flood.close()
    # 100 a second, with as many saved up.
    assert 0 < answers <= 100 * (elapsed + 2), f"{answers} answers in {elapsed:.1f} s"
    assert len(edge.calls()) == 1
    assert edge.metric("tandem_sip_transactions") < 50


def test_flood_from_a_customer(stage):
    """CVE-2021-41145: whoever is configured may fill its share of the table of transactions and no
    more; the call that runs goes on and can be hung up."""
    stage.configuration.limits["max_transactions"] = 2_000
    stage.configuration.limits["transactions_per_source"] = 800
    talk = Talk(stage)
    edge = talk.edge
    before = edge.rss_kib()
    with Peer(places.PBX) as flooder:
        # A number that the customer may not call, as fraud tries them.
        texts = [options(flooder, method=method, uri=f"sip:{places.GB_NUMBER}@{places.EDGE}",
                         headers=[("Contact", flooder.contact())])
                 for method in ("REGISTER", "SUBSCRIBE", "MESSAGE", "INVITE")]
        for number in range(12_000):
            text = texts[number % 4].replace(b"branch=z9hG4bK", b"branch=z9hG4bK%d" % number)
            flooder.send(text.replace(b"Call-ID: ", b"Call-ID: %d" % number), edge.address)
            if number % 2_000 == 0:
                assert edge.metric("tandem_sip_transactions") <= 1_000
    assert len(edge.calls()) == 1
    assert 500 < edge.metric("tandem_sip_transactions") <= 1_000
    assert edge.metric("tandem_sip_overload_refusals_total", reason="source_share") > 1_000
    assert edge.metric("tandem_sip_responses_total", direction="sent", **{"class": "5xx"}) > 1_000
    assert edge.rss_kib() - before < GROWTH_KIB
    talk.goes_on()
    talk.end(lost_at_most=100)
    edge.wait_idle()


# What a terminal would obey, a log would take for a line, or a page for a label.
COMMANDS = "\x1b[2J\x1b]0;owned\x07\x9b31m"
ESCAPED = "%1b%5b2J%0d%0a%0aFORGED%22%7d%20%e2%80%ae1"


def harmless(text):
    return not [c for c in text if ord(c) < 32 and c not in "\n\t" or 127 <= ord(c) < 160
                or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"]


def test_commands_to_the_terminal_in_headers(stage):
    """Names and reasons that peers choose do nothing to whoever looks at them: in `calls`, in
    `report`, in the log and on the Prometheus page."""
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000), calling=ESCAPED,
                        headers=[("Subject", COMMANDS), ("User-Agent", COMMANDS)])
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 180, COMMANDS)
    call.status(180)
    wait_until(edge.calls, 5, "the call is listed")
    told = edge.command("calls", "--config", str(edge.file))
    assert len(told.splitlines()) == 2 and harmless(told), repr(told)
    gateway.reply(invite, 486, "Busy " + COMMANDS, headers=[("Reason", f'SIP;text="{COMMANDS}"')])
    assert call.final().status == 486
    record, = edge.wait_records(1)
    told = edge.command("report", record["transaction_id"], "--config", str(edge.file))
    assert harmless(told) and "\nFORGED" not in told, repr(told)
    # A stranger's start line is in the log.
    with Peer(places.STRANGER) as stranger:
        stranger.send(options(stranger, uri=f"sip:{ESCAPED}{chr(27)}[31m@{places.EDGE}"), edge.address)
        stranger.send(options(stranger, method="EVIL'`~", uri=f"sip:{ESCAPED}@{places.EDGE}"),
                      edge.address)
    wait_until(lambda: edge.said("refused a request"), 5, lambda: f"the log: {edge.lines}")
    # Our own log may be coloured; nothing of theirs may be a command.
    assert not [line for line in edge.lines if "\x1b[2J" in line or "\x1b]0" in line
                or "\x07" in line or "\x9b" in line or line.startswith("FORGED")]
    labels = [value for samples in edge.metrics().values() for have, _ in samples
              for value in have.values()]
    assert not [value for value in labels if "FORGED" in value or "EVIL" in value
                or not harmless(value)]
    edge.wait_idle()
