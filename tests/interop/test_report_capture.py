"""`tandem report --pcap`: Wireshark reads every message, each over what it really went over."""

import subprocess

from harness import places, tls
from harness.edge import BINARY
from harness.message import sdp
from harness.records import ID, Node, record, rung
from harness.sipp import is_bound
from harness.waiting import wait_until

OURS = {"udp": "127.0.0.1:5060", "tcp": "127.0.0.1:5060", "tls": "127.0.0.1:5061"}


def seen(capture, *fields, more=()):
    """The SIP messages that tshark finds, as lists of fields."""
    fields = [part for field in fields for part in ("-e", field)]
    checks = [part for layer in ("ip", "udp", "tcp")
              for part in ("-o", f"{layer}.check_checksum:TRUE")]
    out = subprocess.run(["tshark", "-r", capture, *checks, *more, "-Y", "sip", "-T", "fields", *fields],
                         capture_output=True, text=True, check=True, timeout=60).stdout
    return [line.split("\t") for line in out.splitlines()]


def wrong(capture, more=()):
    """Packets whose checksum or numbers are wrong, or that no reader understood."""
    unread = "(tcp or udp) and not sip and not tcp.reassembled_in"
    lost = "tcp.analysis.lost_segment or tcp.analysis.retransmission or tcp.analysis.out_of_order"
    bad = "ip.checksum.status==0 or udp.checksum.status==0 or tcp.checksum.status==0"
    out = subprocess.run(
        ["tshark", "-2", "-r", capture, *more, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
         "-o", "tcp.check_checksum:TRUE", "-Y", f"({unread}) or {lost} or {bad} or _ws.malformed"],
        capture_output=True, text=True, check=True, timeout=60).stdout
    return out.splitlines()


def message(start_line, via, body="", length=None):
    return (f"{start_line}\r\nVia: {via};branch=z9hG4bK1\r\nFrom: <sip:a@t>;tag=1\r\n"
            f"To: <sip:b@t>\r\nCall-ID: c\r\nCSeq: 1 {'INVITE' if 'SIP/2.0 ' in start_line else start_line.split()[0]}\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body) if length is None else length}"
            f"\r\n\r\n{body}")


def test_a_call_from_tls_to_tcp(stage, tmp_path):
    """One leg over TLS and one over TCP, from a real call."""
    secure = places.free_port(places.EDGE)
    stage.configuration.sip["tls"] = [f"{places.EDGE}:{secure}"]
    port = places.free_port(places.CARRIER)
    stage.configuration.carriers[0].update(port=port, transport="tcp")
    with subprocess.Popen([BINARY, "answer", "--listen", f"{places.CARRIER}:{port}"],
                          stdout=subprocess.DEVNULL) as answer:
        try:
            wait_until(lambda: is_bound("tcp", places.CARRIER, port), 10, "`answer` listens")
            edge = stage.start_edge()
            done = subprocess.run(
                [BINARY, "call", f"sip:{places.US_NUMBER}@{places.EDGE}:{secure}", "--transport",
                 "tls", "--tls-insecure", "--local", places.PBX, "--from", "+12065550111",
                 "--seconds", "1", "--json"], capture_output=True, text=True, timeout=40)
            assert done.returncode == 0, done.stdout + done.stderr
        finally:
            answer.terminate()
    call, = edge.wait_records(1)
    edge.wait_idle()
    capture = tmp_path / "call.pcap"
    edge.command("report", call["transaction_id"], "--config", str(edge.file), "--pcap",
                 str(capture))
    lines = [each["start_line"].split() for each in call["ladder"]]
    ladder = [(line[1] if line[0] == "SIP/2.0" else line[0], each["protocol"])
              for line, each in zip(lines, call["ladder"])]
    assert {protocol for _, protocol in ladder} == {"tls", "tcp"}, ladder
    # Some of the ports of tests belong to other protocols: gryphon has 7000.
    by_content = ("-o", "tcp.try_heuristic_first:TRUE")
    found = seen(capture, "sip.Method", "sip.Status-Code", "tcp.srcport", "tcp.dstport",
                 more=by_content)
    assert [method or status for method, status, *_ in found] == [name for name, _ in ladder]
    for (*_, source, destination), (_, protocol) in zip(found, ladder):
        own = secure if protocol == "tls" else edge.port
        assert str(own) in (source, destination), (protocol, source, destination)
    assert wrong(capture, by_content) == []


def test_every_transport_family_and_length(configuration, tmp_path):
    """TLS at its usual port, IPv6, bodies beyond any MTU and beyond any segment, masked keys."""
    node = Node(configuration, tmp_path)
    invite, ok, bye = "INVITE sip:b@t SIP/2.0", "SIP/2.0 200 OK", "BYE sip:b@t SIP/2.0"
    short = sdp("192.0.2.1", 4_000).decode()
    attributes = "".join(f"a=x-{number}:{'y' * 60}\r\n" for number in range(2_000))
    masked = short.replace("\r\n", "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\r\n", 1)
    six = "[2001:db8::7]:5066"
    steps = [
        # (ms, leg, direction, protocol, peer, start line, Via is ours, body, Content-Length)
        (0, "A", "received", "tls", "127.0.0.3:41000", invite, False, masked, len(masked) + 37),
        (0, "A", "sent", "tls", "127.0.0.3:41000", "SIP/2.0 100 Trying", False, "", 0),
        (2, "B", "sent", "udp", "127.0.0.2:5080", invite, True, short + attributes[:9_000], None),
        (9, "B", "received", "udp", "127.0.0.2:5080", "SIP/2.0 503 Busy", True, "", 0),
        (10, "B", "sent", "tcp", six, invite, True, short + attributes, None),
        (20, "B", "received", "tcp", six, ok, True, masked, len(masked) + 30),
        (21, "A", "sent", "tls", "127.0.0.3:41000", ok, False, short, None),
        (900, "A", "received", "tls", "127.0.0.3:41000", bye, False, "", 0),
        (900, "B", "sent", "tcp", six, bye, True, "", 0),
        (905, "B", "received", "tcp", six, ok, True, "", 0),
        (906, "A", "sent", "tls", "127.0.0.3:41000", ok, False, "", 0),
    ]
    ladder = [rung(at, leg, way, line, peer, protocol)
              for at, leg, way, protocol, peer, line, *_ in steps]
    six_ours = "[2001:db8::1]:5060"
    messages = []
    for at, _, _, protocol, peer, line, is_ours, body, length in steps:
        place = (six_ours if peer == six else OURS[protocol]) if is_ours else peer
        via = f"SIP/2.0/{protocol.upper()} {place}"
        messages.append((at, message(line, via, body, length)))
    call = record(ladder)
    node.keep(call, messages)
    capture = tmp_path / "call.pcap"
    node.report(call, "--pcap", str(capture))
    found = seen(capture, "sip.Method", "sip.Status-Code", "ip.src", "ipv6.src", "tcp.srcport",
                 "udp.srcport", "sdp.media")
    names = [line.split()[1] if line.startswith("SIP/2.0") else line.split()[0]
             for _, _, _, _, _, line, *_ in steps]
    assert [method or status for method, status, *_ in found] == names, found
    for (_, _, source, six_source, tcp, udp, media), step in zip(found, steps):
        assert bool(tcp) == (step[3] != "udp") and bool(udp) == (step[3] == "udp"), step
        assert bool(six_source) == (step[4] == six) and bool(source) != bool(six_source), step
        assert bool(media) == bool(step[7]), "the whole description was read"
    assert wrong(capture) == []
    assert ID in node.report(call)
