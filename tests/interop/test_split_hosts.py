"""Edge and relay on hosts (network namespaces) of their own, and other sides that are none of theirs.
What needs namespaces is skipped, with the reason, where they are not to be had."""

import socket
import ssl
import struct
import threading

from harness import namespaces, places, split, tls
from harness.message import sdp
from harness.namespaces import CALLEE, CALLER, EDGE, RELAY
from harness.rtp import lost
from harness.sip import OutgoingCall
from harness.waiting import wait_until

MARK = b"TDMRELAY"
OTHER_VERSION = 60_000


def test_a_call_outlives_its_edge_on_another_host(network, stage, halves):
    address = f"{RELAY}:{halves.port}"
    stage.configuration.host, halves.relay_configuration.host = EDGE, RELAY
    stage.configuration.relay_control["relays"] = [address]
    halves.relay_configuration.relay_control["listen"] = address
    stage.configuration.termination["cidr_allowed_list"] = [f"{CALLER}/32"]
    stage.configuration.origination[0]["host"] = CALLER

    def start_edge():
        with network.at("edge"):
            edge = halves.start_edge()
            halves.wait_connected()
        return edge

    def relay_ports(count):
        with network.at("relay"):
            wait_until(lambda: halves.relay_ports() == count, 10, f"{count} ports in use")

    with network.at("callee"):
        carrier, far = stage.carrier_peer(CALLEE), stage.rtp(CALLEE, 1_000)
    with network.at("caller"):
        caller, near = stage.peer(CALLER), stage.rtp(CALLER, 440)
    with network.at("relay"):
        halves.start_relay()
    edge = start_edge()
    call, invite = stage.established(caller, carrier, rtp=near, carrier_rtp=far)
    assert call.answer.media()[0] == invite.media()[0] == RELAY
    near.start(call.answer.media())
    far.start(invite.media())

    def talk(packets):
        counts = len(near.received) + packets, len(far.received) + packets
        wait_until(lambda: len(near.received) >= counts[0] and len(far.received) >= counts[1], 15,
                   "audio on both sides")

    talk(50)
    edge.kill()
    talk(100)
    relay_ports(4)
    edge = start_edge()
    assert len(edge.calls()) == 1
    talk(50)
    assert lost(near) == 0 and lost(far) == 0
    held = sdp(CALLER, near.port, "sendonly", 2)
    call.request("INVITE", held, [("Contact", caller.contact())])
    asked = carrier.expect_request("INVITE")
    assert b"a=sendonly" in asked.body and RELAY.encode() in asked.body
    carrier.reply(asked, 200, "OK", sdp(CALLEE, far.port, "recvonly", 2))
    call.answered()
    stage.hang_up(call, carrier)
    record, = edge.wait_records(1)
    for quality in record["quality"]:
        assert quality["received_packets"] >= 200 and quality["lost_packets"] == 0, quality
    relay_ports(0)
    edge.stop()
    halves.relay.stop()


def frame(content):
    return struct.pack("!I", len(content)) + content


def read_opening(stream):
    """(mark, version) of the first frame of a side."""
    stream.settimeout(10)
    read = b""
    while len(read) < 14:
        some = stream.recv(1_024)
        assert some, f"closed after {read}"
        read += some
    return read[4:12], struct.unpack("!H", read[12:14])[0]


def test_an_edge_of_another_version_is_refused_and_the_log_says_what_to_do(stage, halves):
    relay = halves.start_relay()
    for version, side in ((OTHER_VERSION, "this side"), (1, "the other side")):
        with tls.connect(places.RELAY, halves.port, halves.pairs["edge"]) as stream:
            stream.sendall(frame(MARK + struct.pack("!H", version) + b"whatever"))
            mark, ours = read_opening(stream)
        assert mark == MARK and 1 < ours < OTHER_VERSION
        said = f"the other side speaks version {version} of relay control and this one {ours}: " \
               f"bring {side} up to date"
        wait_until(lambda: relay.said(said), 5, lambda: f"{said}; {relay.lines}")
    # One of ours is served all the same.
    edge = halves.start_edge()
    halves.wait_connected()
    edge.stop()
    relay.stop()


def test_a_relay_of_another_version_is_not_used_and_the_log_says_what_to_do(stage, halves):
    listener = socket.create_server((places.RELAY, halves.port))
    context = tls.server_context(halves.pairs["relay"])

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as stream:
                    read_opening(stream)
                    stream.sendall(frame(MARK + struct.pack("!H", OTHER_VERSION) + b"whatever"))
            except (ssl.SSLError, OSError):
                plain.close()

    threading.Thread(target=serve, daemon=True).start()
    edge = halves.start_edge()
    try:
        wait_until(lambda: edge.said(f"speaks version {OTHER_VERSION}"), 10, "the version")
        assert edge.said("bring this side up to date")
        assert edge.metric("tandem_relay_link_up") == 0
        caller = stage.peer(places.PBX)
        call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(places.PBX, 40_000))
        assert call.final().status == 503
    finally:
        listener.close()
    edge.stop()


def test_another_trusted_certificate_does_not_get_the_name_of_an_edge(stage, halves):
    other = split.certificate(stage.directory, "other")
    relay_control = halves.relay_configuration.relay_control
    relay_control["fingerprints"] = [relay_control["fingerprints"], split.fingerprint(other)]
    edge = stage.start_edge()
    edge.kill()
    ours = dict(stage.configuration.relay_control)
    stage.configuration.relay_control.update(certificate=str(other.certificate),
                                             key=str(other.key))
    thief = halves.start_edge()
    wait_until(lambda: thief.said("belongs to an edge with another certificate"), 10, "a refusal")
    assert thief.metric("tandem_relay_link_up") == 0
    thief.kill()
    stage.configuration.relay_control = ours
    edge = halves.start_edge()
    halves.wait_connected()
    edge.stop()
    halves.relay.stop()
