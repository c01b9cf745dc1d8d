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


class Udptl:
    """An end that sends and gets datagrams."""

    def __init__(self, ip):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ip, places.free_port(ip)))
        self.port = self._socket.getsockname()[1]
        self.received = 0

    def send(self, data, to):
        self._socket.sendto(data, to)

    def expect(self, data, seconds=5):
        """The next datagram, other than a repeated probe, is this one."""
        self._socket.settimeout(seconds)
        while True:
            got = self._socket.recv(2_048)
            self.received += 1
            if got == data or got != PROBE:
                assert got == data
                return


def datagram(number, redundancy):
    """A primary IFP and so many secondary ones (ITU-T T.38 section 9.1)."""
    ifp = bytes([0xC0, 0x01, 0x80, number & 0xFF]) * 8
    body = struct.pack("!HB", number, len(ifp)) + ifp + bytes([0x00, redundancy])
    return body + (bytes([len(ifp)]) + ifp) * redundancy


PROBE = datagram(0x7fff, 0)


def probe(one, other, one_to):
    """Sends until it gets through: the relay may hear of the answer a moment after the caller does."""
    for _ in range(50):
        one.send(PROBE, one_to)
        try:
            return other.expect(PROBE, 0.2)
        except TimeoutError:
            continue
    raise AssertionError("nothing gets through")


def exchange(one, other, one_to, other_to):
    """Both send; what each gets is exactly what the other sent."""
    probe(one, other, one_to)
    probe(other, one, other_to)
    for number in range(ROUNDS):
        sent = datagram(number, min(number, 3)), datagram(0x8000 + number, 1)
        one.send(sent[0], one_to)
        other.send(sent[1], other_to)
        other.expect(sent[0])
        one.expect(sent[1])


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

    near, far = Udptl(places.PBX), Udptl(places.CARRIER)
    call.request("INVITE", fax_sdp(places.PBX, near.port, 2), [("Contact", pbx.contact())])
    offer = carrier.expect_request("INVITE")
    assert b"m=image " in offer.body and b"udptl t38" in offer.body, offer
    assert places.PBX.encode() not in offer.body, offer
    carrier.reply(offer, 200, "OK", fax_sdp(places.CARRIER, far.port, 2))
    answer = call.final()
    call._send("ACK", pbx.via())
    carrier.expect_request("ACK")
    assert b"a=T38FaxUdpEC:t38UDPRedundancy" in answer.body, answer
    exchange(near, far, answer.media(), offer.media())
    # Somebody else's datagrams go nowhere.
    stranger = Udptl(places.STRANGER)
    stranger.send(datagram(99, 0), answer.media())
    near.send(datagram(100, 0), answer.media())
    far.expect(datagram(100, 0))
    through = near.received + far.received
    edge.wait_metric("tandem_relay_packets_total", through, direction="udptl")

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
    assert [fax["received_packets"] for fax in faxes] == [far.received, near.received]
    assert [fax["sent_packets"] for fax in faxes] == [near.received, far.received]
    edge.wait_idle()


def test_fax_that_is_refused_leaves_the_audio(stage):
    talk = Talk(stage)
    port = places.free_port(places.PBX)
    talk.call.request("INVITE", fax_sdp(places.PBX, port, 2), [("Contact", talk.caller.contact())])
    talk.gateway.reply(talk.gateway.expect_request("INVITE"), 488, "Not Acceptable Here")
    assert talk.call.final().status == 488
    talk.goes_on()
    talk.end()
