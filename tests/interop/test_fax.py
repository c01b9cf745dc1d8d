"""T.38: audio becomes fax in the middle of a call and audio again, with real datagrams."""

import socket
import struct

from harness import places
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.talk import Talk

ROUNDS = 20


def fax_sdp(ip, port, version):
    return (f"v=0\r\no=- 77 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n"
            f"m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"
            "a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxDatagram:262\r\n"
            "a=T38FaxUdpEC:t38UDPRedundancy\r\n").encode()


def udptl(ip):
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind((ip, places.free_port(ip)))
    endpoint.settimeout(5)
    return endpoint


def datagram(number, redundancy):
    """A primary IFP and so many secondary ones (ITU-T T.38 section 9.1)."""
    ifp = bytes([0xC0, 0x01, 0x80, number & 0xFF]) * 8
    body = struct.pack("!HB", number, len(ifp)) + ifp + bytes([0x00, redundancy])
    return body + (bytes([len(ifp)]) + ifp) * redundancy


def exchange(one, other, one_to, other_to):
    """Both send; what each gets is exactly what the other sent."""
    for number in range(ROUNDS):
        sent = datagram(number, min(number, 3)), datagram(0x8000 + number, 1)
        one.sendto(sent[0], one_to)
        other.sendto(sent[1], other_to)
        assert other.recv(2_048) == sent[0], number
        assert one.recv(2_048) == sent[1], number


def answer_reinvite(peer, body):
    invite = peer.expect_request("INVITE")
    peer.reply(invite, 200, "OK", body)
    peer.expect_request("ACK")
    return invite


def test_audio_becomes_fax_and_audio_again(stage):
    pbx, carrier = stage.peer(places.PBX), stage.peer(places.CARRIER)
    stage.configuration.carriers[0]["port"] = carrier.port
    edge = stage.start_edge()
    call = OutgoingCall(pbx, edge, places.US_NUMBER, sdp(places.PBX, 30_000))
    invite = carrier.expect_request("INVITE")
    carrier.reply(invite, 200, "OK", sdp(places.CARRIER, 40_000))
    call.answered()
    carrier.expect_request("ACK")

    near, far = udptl(places.PBX), udptl(places.CARRIER)
    call.request("INVITE", fax_sdp(places.PBX, near.getsockname()[1], 2), [("Contact", pbx.contact())])
    offer = carrier.expect_request("INVITE")
    assert b"m=image " in offer.body and b"udptl t38" in offer.body, offer
    assert places.PBX.encode() not in offer.body, offer
    carrier.reply(offer, 200, "OK", fax_sdp(places.CARRIER, far.getsockname()[1], 2))
    answer = call.final()
    call._send("ACK", pbx.via())
    carrier.expect_request("ACK")
    assert b"a=T38FaxUdpEC:t38UDPRedundancy" in answer.body, answer
    exchange(near, far, answer.media(), offer.media())
    # Somebody else's datagrams go nowhere.
    stranger = udptl(places.STRANGER)
    stranger.sendto(datagram(99, 0), answer.media())
    near.sendto(datagram(100, 0), answer.media())
    assert far.recv(2_048) == datagram(100, 0)
    edge.wait_metric("tandem_relay_packets_total", 2 * ROUNDS + 1, direction="udptl")

    call.request("INVITE", sdp(places.PBX, 30_000, version=3), [("Contact", pbx.contact())])
    back = answer_reinvite(carrier, sdp(places.CARRIER, 40_000, version=3))
    assert b"m=audio " in back.body and b"m=image" not in back.body, back
    assert call.final().status == 200
    call._send("ACK", pbx.via())
    call.request("BYE")
    carrier.reply(carrier.expect_request("BYE"), 200, "OK")
    call.final("BYE")
    record, = edge.wait_records(1)
    faxes = [side["fax"] for side in record["quality"]]
    assert [fax["received_packets"] for fax in faxes] == [ROUNDS + 1, ROUNDS]
    assert [fax["sent_packets"] for fax in faxes] == [ROUNDS, ROUNDS + 1]
    edge.wait_idle()


def test_fax_that_is_refused_leaves_the_audio(stage):
    talk = Talk(stage)
    port = places.free_port(places.PBX)
    talk.call.request("INVITE", fax_sdp(places.PBX, port, 2), [("Contact", talk.caller.contact())])
    talk.gateway.reply(talk.gateway.expect_request("INVITE"), 488, "Not Acceptable Here")
    assert talk.call.final().status == 488
    talk.goes_on()
    talk.end()
