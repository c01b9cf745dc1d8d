"""SIP over TLS, with OpenSSL on the other side: calls, certificates, and what must be refused."""

import json
import re
import socket
import ssl
import subprocess

import pytest

from harness import places, tls
from harness.edge import BINARY
from harness.message import compose, sdp
from harness.sip import OutgoingCall, send_bye_from_called_side
from harness.sipp import is_bound
from harness.talk import Talk
from harness.tones import assert_hears
from harness.waiting import wait_until

PEER_HERTZ, TANDEM_HERTZ = 440, 1_000


@pytest.fixture
def port(stage):
    """The edge's TLS port, with the self-signed certificate."""
    port = places.free_port(places.EDGE)
    stage.configuration.sip["tls"] = [f"{places.EDGE}:{port}"]
    return port


def call(port, *more, seconds=2):
    return subprocess.run(
        [BINARY, "call", f"sip:{places.US_NUMBER}@{places.EDGE}:{port}", "--transport", "tls",
         "--local", places.PBX, "--from", "+12065550111", "--seconds", str(seconds), "--json",
         *more], capture_output=True, text=True, timeout=40)


def test_a_call_over_tls_on_both_sides(stage, port, tmp_path):
    """`tandem call` to the edge, and the edge to `tandem answer`, whose name is verified."""
    authority = tls.Authority(tmp_path)
    pair = authority.issue("localhost")
    plain, secure = places.free_port("127.0.0.1"), places.free_port("127.0.0.1")
    # The name resolves to the loopback address; its certificate is for the name alone.
    stage.configuration.carriers[0].update(
        host="localhost", port=secure, transport="tls", tls_ca=str(authority.certificate))
    with subprocess.Popen([BINARY, "answer", "--listen", f"127.0.0.1:{plain}", "--tls",
                           f"127.0.0.1:{secure}", "--tls-certificate", pair.certificate,
                           "--tls-key", pair.key], stdout=subprocess.DEVNULL) as answer:
        try:
            wait_until(lambda: is_bound("tcp", "127.0.0.1", secure), 10, "`answer` listens")
            edge = stage.start_edge()
            done = call(port, "--tls-insecure")
            assert done.returncode == 0, done.stdout + done.stderr
            assert json.loads(done.stdout)["transport"] == "tls"
            # The edge's certificate is from no authority of this system.
            strict = call(port)
            assert strict.returncode == 1 and "TLS" in strict.stdout, strict.stdout
        finally:
            answer.terminate()
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200
    assert edge.metric("tandem_tls_handshakes_total", result="ok") >= 2
    assert edge.metric("tandem_tls_certificate_left_seconds", certificate="default") > 86_400
    edge.wait_idle()


def test_a_carrier_with_the_wrong_name_is_passed_over(stage, port, tmp_path):
    """Its certificate is good and for another name: the next carrier gets the call."""
    authority = tls.Authority(tmp_path)
    pair = authority.issue("elsewhere.test")
    wrong = stage.tls_server(places.CARRIER, pair)
    stage.configuration.carriers[0].update(
        host=places.CARRIER, port=wrong.port, transport="tls", tls_ca=str(authority.certificate))
    second = stage.peer(places.SECOND_CARRIER)
    stage.configuration.carriers.append({
        "id": "pstn-2", "host": places.SECOND_CARRIER, "port": second.port, "prefixes": ["+"],
        "priority": 2, "inbound_cidrs": [f"{places.SECOND_CARRIER}/32"]})
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    outgoing = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000))
    invite = second.expect_request("INVITE", 8)
    second.reply(invite, 486, "Busy Here")
    assert outgoing.final().status == 486
    assert edge.metric("tandem_tls_handshakes_total", result="wrong_name") == 1
    assert edge.said("host must be the name that the peer's certificate is for")
    edge.wait_idle()


@pytest.fixture
def pjsua_pair(stage, port, tmp_path):
    """Both sides' certificates by one authority, verified both ways."""
    authority = tls.Authority(tmp_path)
    edge = authority.issue("edge.test", f"IP:{places.EDGE}")
    stage.configuration.sip.update(tls_certificate=str(edge.certificate), tls_key=str(edge.key))
    return authority, authority.issue("pbx.test", f"IP:{places.PBX}")


def test_pjsua_over_tls_calls_a_plain_carrier(stage, port, pjsua_pair):
    authority, pair = pjsua_pair
    carrier = stage.uas(places.CARRIER, hertz=PEER_HERTZ)
    stage.configuration.carriers[0].update(port=carrier.port)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", TANDEM_HERTZ, transport="tls", pair=pair,
                      authority=authority.certificate)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{port};transport=tls")
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*pbx.wait_heard(1.5), PEER_HERTZ, TANDEM_HERTZ)
    pbx.do("hangup")
    pbx.wait("state", state="DISCONNECTED")
    record, = edge.wait_records(1)
    assert record["end"]["status"] == 200
    assert edge.metric("tandem_tls_handshakes_total", result="ok") == 1, "one connection for all"
    edge.wait_idle()


def test_a_plain_carrier_calls_pjsua_over_tls(stage, port, pjsua_pair):
    authority, pair = pjsua_pair
    pbx = stage.pjsua(places.PBX, "pbx", TANDEM_HERTZ, transport="tls", pair=pair,
                      authority=authority.certificate)
    stage.configuration.origination[0].update(
        host=places.PBX, port=pbx.port, protocol="tls", tls_ca=str(authority.certificate))
    edge = stage.start_edge()
    caller = stage.uac(places.CARRIER, places.NUMBER, hertz=PEER_HERTZ)
    incoming = pbx.wait("incoming")["request"]
    assert "SIP/2.0/TLS" in incoming and ";transport=tls>" in incoming, incoming
    pbx.wait("state", state="CONFIRMED")
    assert_hears(*pbx.wait_heard(1.5), PEER_HERTZ, TANDEM_HERTZ)
    caller.wait(30)
    pbx.wait("state", state="DISCONNECTED")
    # pjsua opens one of its own besides, to learn its address; the edge needs one for all.
    opened = pbx.log.read_text(errors="replace").count("got incoming TLS connection")
    assert opened == 1, opened
    edge.wait_idle()


@pytest.mark.parametrize("version, option", [("TLSv1.2", "-tls1_2"), ("TLSv1.3", "-tls1_3")])
def test_openssl_agrees_on_modern_versions(stage, port, version, option):
    edge = stage.start_edge()
    said = s_client(port, option)
    assert f"Protocol  : {version}" in said or version in said, said
    cipher = re.search(r"Cipher is (\S+)", said).group(1)
    assert cipher.startswith("ECDHE-") or cipher.startswith("TLS_"), cipher
    assert edge.metric("tandem_tls_handshakes_total", result="ok") == 1


@pytest.mark.parametrize("options", [
    ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "AES256-SHA:AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0"],
])
def test_old_versions_and_static_keys_are_refused(stage, port, options):
    edge = stage.start_edge()
    said = s_client(port, *options)
    assert "Cipher is (NONE)" in said, said
    assert edge.metric("tandem_tls_handshakes_total", result="ok") == 0
    refused = sum(edge.metric("tandem_tls_handshakes_total", result=kind)
                  for kind in ("version", "nothing_in_common"))
    assert refused == 1, edge.metrics()["tandem_tls_handshakes_total"]


def test_renegotiation_is_refused(stage, port):
    stage.start_edge()
    # `R` asks OpenSSL to renegotiate.
    said = s_client(port, "-tls1_2", typed="R\n")
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said


def test_a_new_certificate_is_shown_and_calls_go_on(stage, port, tmp_path):
    """Files are replaced while a call is on; then by rubbish, which changes nothing."""
    authority = tls.Authority(tmp_path)
    first, second = authority.issue("first.test"), authority.issue("second.test")
    used = tls.Pair(tmp_path / "used.pem", tmp_path / "used.key")
    used.become(first)
    stage.configuration.sip.update(tls_certificate=str(used.certificate), tls_key=str(used.key),
                                   tls_poll="1s")
    talk = Talk(stage)
    assert shown(port) == "first.test"
    used.become(second)
    wait_until(lambda: shown(port) == "second.test", 15, "the new certificate is shown")
    used.certificate.write_text("rubbish")
    wait_until(lambda: talk.edge.said("used.pem"), 15, "the log names the bad file")
    assert shown(port) == "second.test"
    talk.goes_on()
    talk.end()


def test_openssl_gets_the_certificate_of_the_name_it_asks_for(stage, port, tmp_path):
    """Each host name has its own (SNI); one is renewed while a call is on, the others stay."""
    authority = tls.Authority(tmp_path)
    default, renewed = authority.issue("edge.test"), authority.issue("new.other.test")
    used = tls.Pair(tmp_path / "used.pem", tmp_path / "used.key")
    used.become(authority.issue("sip.other.test"))
    stage.configuration.sip.update(
        tls_certificate=str(default.certificate), tls_key=str(default.key), tls_poll="1s",
        tls_host=[{"name": "*.other.test", "certificate": str(used.certificate),
                   "key": str(used.key)}])
    talk = Talk(stage)
    held = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"{places.EDGE}:{port}", "-quiet", "-servername",
         "sip.other.test", "-CAfile", authority.certificate, "-verify_return_error"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        exchange(held, "one")
        names = lambda: [presented(port, authority, name)
                         for name in ("edge.test", "sip.other.test", "elsewhere.test")]
        assert names() == ["edge.test", "sip.other.test", "edge.test"]
        used.become(renewed)
        wait_until(lambda: names() == ["edge.test", "new.other.test", "edge.test"], 15,
                   "the renewed certificate is shown for its name alone")
        # Neither the connection from before nor the call has noticed.
        exchange(held, "two")
        talk.goes_on()
        talk.end()
    finally:
        held.kill()
        held.wait(10)
        held.stdin.close()
        held.stdout.close()


def exchange(client, name):
    """An OPTIONS request typed into a running s_client, and its response."""
    client.stdin.write(compose(f"OPTIONS sip:{places.EDGE} SIP/2.0", [
        ("Via", f"SIP/2.0/TLS {places.EDGE};branch=z9hG4bK{name}"), ("Max-Forwards", "70"),
        ("From", "<sip:openssl@peer.test>;tag=1"), ("To", f"<sip:{places.EDGE}>"),
        ("Call-ID", name), ("CSeq", "1 OPTIONS")]))
    client.stdin.flush()
    answer = client.stdout.readline()
    assert answer.startswith(b"SIP/2.0 "), answer
    head = list(iter(client.stdout.readline, b"\r\n"))
    assert any(line.strip().endswith(b"z9hG4bK" + name.encode()) or name.encode() in line
               for line in head), head


def presented(port, authority, name):
    """The name in the certificate that `openssl s_client` is shown when it asks for `name`."""
    said = s_client(port, "-servername", name, "-CAfile", authority.certificate)
    assert "Verify return code: 0 (ok)" in said, said
    return re.search(r"subject=CN ?= ?(\S+)", said).group(1)


def test_a_certificate_with_a_common_name_alone_counts_for_it(stage, port, tmp_path):
    """RFC 5922 section 7.1; with alternative names the common name means nothing."""
    authority = tls.Authority(tmp_path)
    bare = authority.issue_bare("pbx.test")
    other = authority.issue("other.test", common_name="pbx.test")
    stage.configuration.termination.update(
        client_certificate="required", client_certificate_names=["pbx.test"],
        client_certificate_ca=str(authority.certificate))
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    refused = OutgoingCall(stage.tls_peer(places.PBX, edge, port, other), edge,
                           places.US_NUMBER, sdp(places.PBX, 40_000))
    assert refused.final().status == 403
    taken = OutgoingCall(stage.tls_peer(places.PBX, edge, port, bare), edge,
                         places.US_NUMBER, sdp(places.PBX, 40_000))
    carrier.reply(carrier.expect_request("INVITE"), 486, "Busy Here")
    assert taken.final().status == 486
    edge.wait_idle()


def test_a_required_certificate_opens_the_door(stage, port, tmp_path):
    authority = tls.Authority(tmp_path)
    right, wrong = authority.issue("pbx.test"), authority.issue("other.test")
    stage.configuration.termination.update(
        client_certificate="required", client_certificate_names=["pbx.test"],
        client_certificate_ca=str(authority.certificate))
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    for pair in (None, wrong):
        outgoing = OutgoingCall(stage.tls_peer(places.PBX, edge, port, pair), edge,
                                places.US_NUMBER, sdp(places.PBX, 40_000))
        assert outgoing.final().status == 403
    refused = lambda: edge.metric("tandem_refusals_total", reason="certificate_required")
    wait_until(lambda: refused() == 2, 5, lambda: f"2 refusals are counted, not {refused()}")
    taken = OutgoingCall(stage.tls_peer(places.PBX, edge, port, right), edge,
                         places.US_NUMBER, sdp(places.PBX, 40_000))
    carrier.reply(carrier.expect_request("INVITE"), 486, "Busy Here")
    assert taken.final().status == 486
    edge.wait_idle()


def test_check_names_the_line_of_a_bad_file(configuration, tmp_path):
    authority = tls.Authority(tmp_path)
    one, other = authority.issue("one.test"), authority.issue("other.test")
    configuration.sip.update(tls=[f"{places.EDGE}:{places.free_port(places.EDGE)}"],
                             tls_certificate=str(one.certificate), tls_key=str(other.key))
    file = tmp_path / "tandem.toml"
    file.write_text(configuration.text())
    done = subprocess.run([BINARY, "check", "--config", file], capture_output=True, text=True)
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1)
                if text.startswith("tls_certificate"))
    assert done.returncode == 1
    assert f"{file}:{line}: {other.key}: is not the key of" in done.stderr, done.stderr
    configuration.sip["tls_key"] = str(one.key)
    file.write_text(configuration.text())
    done = subprocess.run([BINARY, "check", "--config", file], capture_output=True, text=True)
    assert done.returncode == 0 and "expires in" in done.stderr, done.stderr


# Lost connections ----------------------------------------------------------------------------


def lose(stage, call):
    """The customer's connection closes while its call is on."""
    call.peer.close()
    wait_until(lambda: stage.edge.metric("tandem_sip_connections") == 0, 5, "the edge notices")


@pytest.mark.parametrize("shown", [False, True])
def test_a_customer_that_connects_again_is_found_in_its_dialog(stage, port, tmp_path, shown):
    """As a PBX behind a NAT: nobody can connect to it. The carrier's BYE waits for it."""
    authority = tls.Authority(tmp_path)
    pair = authority.issue("pbx.test") if shown else None
    if shown:
        stage.configuration.termination.update(
            client_certificate="required", client_certificate_names=["pbx.test"],
            client_certificate_ca=str(authority.certificate))
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    call, invite = stage.established(stage.tls_peer(places.PBX, edge, port, pair), carrier)
    lose(stage, call)
    send_bye_from_called_side(carrier, invite, edge)
    assert carrier.expect_final("BYE").status == 200
    back = stage.tls_peer(places.PBX, edge, port, pair)
    back.reply(back.expect_request("BYE"), 200, "OK")
    edge.wait_records(1)
    edge.wait_idle()


def test_an_answer_reaches_a_customer_that_connects_again(stage, port):
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    call = OutgoingCall(stage.tls_peer(places.PBX, edge, port), edge, places.US_NUMBER,
                        sdp(places.PBX, 40_000))
    invite = carrier.expect_request("INVITE")
    carrier.reply(invite, 180, "Ringing")
    call.status(180)
    lose(stage, call)
    call.peer = stage.tls_peer(places.PBX, edge, port)
    carrier.reply(invite, 200, "OK", sdp(places.CARRIER, 40_002))
    call.answered()
    carrier.expect_request("ACK")
    stage.hang_up(call, carrier)
    edge.wait_records(1)
    edge.wait_idle()


@pytest.mark.parametrize("name, reached", [("pbx.test", True), ("elsewhere.test", False)])
def test_a_customer_that_listens_is_connected_to_and_verified(stage, port, tmp_path, name, reached):
    """The new connection goes to the dialog's Contact and must lead to the route's name."""
    authority = tls.Authority(tmp_path)
    listener = stage.tls_listener(places.PBX, authority.issue(name))
    stage.configuration.origination[0].update(
        host="pbx.test", port=listener.port, protocol="tls", tls_ca=str(authority.certificate))
    carrier = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.tls_peer(places.PBX, edge, port)
    caller.contact = listener.contact
    call, invite = stage.established(caller, carrier)
    lose(stage, call)
    send_bye_from_called_side(carrier, invite, edge)
    assert carrier.expect_final("BYE").status == 200
    if reached:
        listener.reply(listener.expect_request("BYE"), 200, "OK")
    else:
        with pytest.raises(ssl.SSLError):
            listener.receive(5)
            listener.receive(5)
        edge.wait_metric("tandem_tls_handshakes_total", 1, result="wrong_name")
        back = stage.tls_peer(places.PBX, edge, port)
        back.reply(back.expect_request("BYE"), 200, "OK")
    edge.wait_records(1)
    edge.wait_idle()


# Hostile -------------------------------------------------------------------------------------


def test_a_thousand_idle_connections_and_slow_handshakes_leave_calls_alone(stage, port):
    """1,000 complete connections, 64 handshakes that stop half-way, and noise: bounded memory, the
    call beside them sounds right, and another one is set up."""
    talk = Talk(stage)
    before = talk.edge.rss_kib()
    idle = []
    for n in range(1_000):
        # The bound for one source is 128.
        idle.append(tls.connect(places.EDGE, port, source=f"127.0.1.{n // 100 + 1}"))
    slow = [raw(port, b"\x16\x03\x01\x02\x00", source="127.0.2.1") for _ in range(64)]
    noise = [raw(port, b"INVITE sip:x SIP/2.0\r\n\r\n", source="127.0.2.2") for _ in range(20)]
    noise += [raw(port, b"\x16\x03\x03\xff\xff" + b"\0" * 70_000, source="127.0.2.3")]
    grown = talk.edge.rss_kib() - before
    assert grown < 100 * 1024, grown
    talk.goes_on()
    for connection in noise:
        assert closed(connection)
    for connection in slow:
        assert closed(connection, 10)
    assert talk.edge.metric("tandem_tls_handshakes_total", result="plaintext") == 20
    assert talk.edge.metric("tandem_tls_handshakes_total", result="timeout") == 64
    idle[-1].sendall(b"\r\n\r\n")
    assert idle[-1].recv(10) == b"\r\n"
    for connection in idle:
        connection.close()
    talk.end()
    talk.edge.wait_idle()


def raw(port, octets, source):
    connection = socket.create_connection((places.EDGE, port), 5, (source, 0))
    try:
        connection.sendall(octets)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return connection


def closed(connection, seconds=5):
    connection.settimeout(seconds)
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def s_client(port, *options, typed="Q\n"):
    done = subprocess.run(["openssl", "s_client", "-connect", f"{places.EDGE}:{port}", *options],
                          input=typed, capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr


def shown(port):
    """The name in the certificate that the edge shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((places.EDGE, port), 5) as plain:
        with context.wrap_socket(plain) as secure:
            certificate = secure.getpeercert(binary_form=True)
    text = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-ext",
                           "subjectAltName"], input=certificate, capture_output=True).stdout
    return re.search(r"DNS:(\S+)", text.decode()).group(1)
