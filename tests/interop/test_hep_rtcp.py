"""RTCP of calls for a HEP collector. What kamailio understood of it is compared with what tshark reads in
the very packets."""

import json
import struct
import subprocess

import pytest

from harness import places, tls
from harness.hep import Collector, KamailioCollector
from harness.message import sdp
from harness.talk import Talk
from harness.waiting import wait_until

PHONE, CNAME = "+12065550123", "alice@192.0.2.7"
# Fields of tshark, and the same in what a collector is told.
FIELDS = {
    "rtcp.senderssrc": "ssrc", "rtcp.timestamp.ntp.msw": "ntp_timestamp_sec",
    "rtcp.timestamp.ntp.lsw": "ntp_timestamp_usec", "rtcp.timestamp.rtp": "rtp_timestamp",
    "rtcp.sender.packetcount": "packets", "rtcp.sender.octetcount": "octets",
    "rtcp.ssrc.identifier": "source_ssrc", "rtcp.ssrc.fraction": "fraction_lost",
    "rtcp.ssrc.cum_nr": "packets_lost", "rtcp.ssrc.ext_high": "highest_seq_no",
    "rtcp.ssrc.jitter": "ia_jitter", "rtcp.ssrc.lsr": "lsr", "rtcp.ssrc.dlsr": "dlsr",
}


def compound(ssrc, of=7, packets=50):
    """A sender report with one block, and a source description with a name and a number."""
    report = struct.pack("!BBHIIIIIIIIIIII", 0x81, 200, 12, ssrc, 0xE8F12345, 0x80000000, 8_000, packets,
                         packets * 160, of, 64 << 24 | 3, 70_000, 12, 0x12345678, 65_536)
    items = b"".join(bytes([kind, len(text)]) + text.encode() for kind, text in [(1, CNAME), (4, PHONE)])
    items += b"\0" * (4 - len(items) % 4)
    return report + struct.pack("!BBHI", 0x81, 202, 1 + len(items) // 4, ssrc) + items


def by_tshark(octets, directory):
    """What tshark reads in a compound."""
    file = directory / "rtcp.pcap"
    udp = struct.pack("!HHHH", 5_001, 5_001, 8 + len(octets), 0) + octets
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4))
    file.write_bytes(struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101, 0, 0,
                                 len(ip + udp), len(ip + udp)) + ip + udp)
    asked = [each for name in [*FIELDS, "rtcp.sdes.text"] for each in ("-e", name)]
    done = subprocess.run(["tshark", "-r", file, "-d", "udp.port==5001,rtcp", "-T", "json", *asked],
                          capture_output=True, text=True, check=True, timeout=60)
    packet, = json.loads(done.stdout)
    return packet["_source"]["layers"]


def assert_the_same(told, octets, directory):
    """Each number that tshark reads is what the collector is told."""
    seen = by_tshark(octets, directory)
    ours = told["sender_information"] | told["report_blocks"][0] | {"ssrc": told["ssrc"]}
    for field, name in FIELDS.items():
        assert int(seen[field][0], 0) == ours[name], (field, seen[field], ours[name])
    texts = [item["text"] for item in told["sdes_information"]]
    assert texts == seen["rtcp.sdes.text"] == [CNAME, PHONE]
    assert (told["type"], told["report_count"], told["sdes_report_count"]) == (200, 1, 1)


def quiet(**more):
    """Of `[hep]`: RTCP alone."""
    return {"messages": False, "quality": False, **more}


def rtcp_of(talk):
    """(socket, ours, theirs) of each side's RTCP."""
    return [(end.rtcp, end.rtcp.getsockname(), (target[0], target[1] + 1))
            for end, target in [(talk.near, talk.near_target), (talk.far, talk.far_target)]]


@pytest.fixture
def collector():
    collector = Collector(places.EDGE)
    yield collector
    collector.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_kamailio_and_tshark_read_the_same(stage, tmp_path, transport):
    hep = quiet(transport=transport)
    if transport == "tls":
        authority = tls.Authority(tmp_path)
        pair, ours = authority.issue("homer.example.com"), authority.issue("edge.example.com")
        homer = KamailioCollector(tmp_path, places.EDGE, True, pair, authority.certificate, demands=True)
        hep |= {"tls_name": "homer.example.com", "tls_ca": str(authority.certificate),
                "tls_certificate": str(ours.certificate), "tls_key": str(ours.key)}
    else:
        homer = KamailioCollector(tmp_path, places.EDGE, transport == "tcp")
    stage._keep(homer)
    stage.configuration.hep = hep | {"target": homer.address}
    talk = Talk(stage)
    sent = []
    for number, (end, ours, theirs) in enumerate(rtcp_of(talk)):
        octets = compound(1_000 + number)
        end.sendto(octets, theirs)
        sent.append((ours, theirs, octets))
    ours_alone = lambda: [each for each in homer.rtcp() if each[3]["ssrc"] in (1_000, 1_001)]
    wait_until(lambda: len(ours_alone()) == 2, 10, lambda: homer.log()[-3_000:])
    for (ours, theirs, octets), (call_id, source, destination, told) in zip(
            sent, sorted(ours_alone(), key=lambda each: each[3]["ssrc"])):
        assert (call_id, source, destination) == (talk.call.call_id, ours, theirs)
        assert_the_same(told, octets, tmp_path)
    talk.end()
    edge = stage.edge
    copied = edge.metric("tandem_relay_rtcp_copies_total", outcome="copied")
    wait_until(lambda: len(homer.rtcp()) == copied, 10, lambda: (copied, homer.rtcp()))
    assert edge.metric("tandem_relay_rtcp_copies_total", outcome="lost") == 0
    assert edge.metric("tandem_hep_packets_total", result="failed") == 0


def test_rtcp_of_a_leg_with_srtp_is_told_in_the_clear(stage, collector):
    carrier = stage.carrier_peer()
    stage.configuration.hep = quiet(target=collector.address)
    edge = stage.start_edge()
    far = stage.rtp(places.CARRIER, 1_000)
    heard = []
    far.rtcp.settimeout(15)
    pbx = stage.pjsua(places.PBX, "pbx", 440, srtp=True)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{edge.port}")
    invite = carrier.expect_request("INVITE")
    carrier.reply(invite, 200, "OK", sdp(carrier.ip, far.port))
    carrier.expect_request("ACK")
    far.start(invite.media())
    # What was encrypted comes to the carrier's side as it was before.
    while not heard or heard[-1][1] != 200:
        heard.append(far.rtcp.recv(2_048))
    ssrc, seconds, fraction, _, packets = struct.unpack("!4xIIIII", heard[-1][:24])
    of_pbx = lambda: [told for _, source, _, told in collector.rtcp() if source[0] == places.PBX]
    same = lambda: [told for told in of_pbx() if told["ssrc"] == ssrc and told["type"] == 200
                    and told["sender_information"]["packets"] == packets]
    told = wait_until(same, 10, of_pbx)[0]
    assert told["sender_information"]["ntp_timestamp_sec"] == seconds
    assert told["sender_information"]["ntp_timestamp_usec"] == fraction
    assert told["leg"] == "A"
    pbx.do("hangup")
    carrier.reply(carrier.expect_request("BYE"), 200, "OK")
    edge.wait_records(1)


def test_a_call_is_sampled_with_its_rtcp_or_not_at_all(stage, collector):
    gateway = stage.carrier_peer()
    stage.configuration.hep = {"target": collector.address, "quality": False, "others": False,
                               "sample": 0.5}
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    for number in range(16):
        near, far = stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 1_000)
        call, invite = stage.established(caller, gateway, rtp=near, carrier_rtp=far)
        target = call.answer.media()
        near.rtcp.sendto(compound(2_000 + number), (target[0], target[1] + 1))
        # It has passed, and so it has been copied if at all.
        far.rtcp.settimeout(5)
        far.rtcp.recv(2_048)
        stage.hang_up(call, gateway)
    records = edge.wait_records(16)
    ours = lambda: {call_id for call_id, _, _, told in collector.rtcp() if 2_000 <= told["ssrc"] < 2_016}
    sip = lambda: {packet[17].decode() for packet in collector.of_kind(1)}
    sampled = [record for record in records if record["transaction_id"] in sip()]
    assert 0 < len(sampled) < 16, "one chance in 32,768"
    wait_until(lambda: len(ours()) >= len(sampled), 10, lambda: (ours(), len(sampled)))
    assert ours() == {record["call_id"] for record in sampled}
    copied = edge.metric("tandem_relay_rtcp_copies_total", outcome="copied")
    assert copied == len(collector.of_kind(5)), "nothing is copied that nobody wants"


def test_people_are_hidden_where_that_is_asked_for(stage, collector):
    stage.configuration.hep = quiet(target=collector.address)
    stage.configuration.privacy = {"hep": {"numbers": "masked"}}
    talk = Talk(stage)
    end, _, theirs = rtcp_of(talk)[0]
    end.sendto(compound(1_000), theirs)
    ours = lambda: [told for *_, told in collector.rtcp() if told["ssrc"] == 1_000]
    told = wait_until(ours, 10, collector.rtcp)[0]
    assert [item["text"] for item in told["sdes_information"]] == ["***", "+*******0123"]
    talk.end()


def test_rtcp_of_a_relay_of_its_own(stage, halves, collector):
    stage.configuration.hep = quiet(target=collector.address)
    talk = Talk(stage)
    end, ours, theirs = rtcp_of(talk)[1]
    assert theirs[0] == places.RELAY
    end.sendto(compound(1_000), theirs)
    found = lambda: [each for each in collector.rtcp() if each[3]["ssrc"] == 1_000]
    (call_id, source, destination, told), = wait_until(found, 10, collector.rtcp)
    assert (call_id, source, destination) == (talk.call.call_id, ours, theirs)
    assert told["leg"] == "B"
    talk.end()
    halves.wait_free()
    stage.edge.stop()
    halves.relay.stop()


def test_a_collector_with_another_certificate_gets_nothing_and_the_log_says_what_to_set(stage, tmp_path):
    authority = tls.Authority(tmp_path)
    pair = authority.issue("homer.example.com")
    homer = stage._keep(KamailioCollector(tmp_path, places.EDGE, True, pair, authority.certificate))
    # By its address, which is in no certificate.
    stage.configuration.hep = {"target": homer.address, "transport": "tls",
                               "tls_ca": str(authority.certificate)}
    talk = Talk(stage)
    wait_until(lambda: stage.edge.said("set tls_name of [hep]"), 10, "the log names the setting")
    talk.end()
    assert homer.read() == []
    assert stage.edge.metric("tandem_hep_packets_total", result="sent") == 0
