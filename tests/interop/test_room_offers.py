"""Room devices may dial and offer what they like: sipp plays the offers, a scripted device dials over TLS."""

import json
import re
from pathlib import Path

from harness import places, sipp, tls
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
MEETING, MODERATOR, PASSCODE = "4081234567", "7035550123456", "987654"
CORPUS = Path(__file__).parents[1] / "corpus"

# What room systems are known to offer, and which line has the sound.
DEVICES = {
    "rooms/codec-with-slides": 0, "rooms/group-series-optional": 0,
    "rooms/encryption-optional-line": 0, "rooms/pictures-first": 1,
    "rooms/data-channel-of-a-series": 0, "rooms/old-without-keys": 0,
    "offers/room-system-twins-with-video": 0, "sdp/poly-video-offer": 0, "sdp/cisco-room-offer": 0,
}
HEAD = "v=0\no=odd 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\n"
CAMERA = "m=video 30002 RTP/AVP 97\na=rtpmap:97 H264/90000\na=fmtp:97 profile-level-id=42801f\n"
SIREN = "m=audio 30000 RTP/AVP 115\na=rtpmap:115 G7221/32000\n"
# And what nobody should; the line of the sound, or None where there is none.
ODD = {
    "no rtpmap": ("m=audio 30000 RTP/AVP 0\n", 0),
    "formats that nobody knows": ("m=audio 30000 RTP/AVP 99 98 8 1000\na=rtpmap:99 WHAT/1\n"
                                  "a=rtpmap:98 telephone-event/44100\na=fmtp:97 x\n", 0),
    "sound in the eighth place": (
        "m=image 30002 udptl t38\nm=message 9 TCP/MSRP *\nm=text 30004 RTP/AVP 100\n"
        "m=application 30006 RTP/AVP 100\na=rtpmap:100 H224/4800\nm=application 9 TCP/BFCP *\n"
        "m=video 0 RTP/AVP 34\nm=chat 9 UDP *\nm=audio 30000 RTP/AVPF 8\n", 7),
    "sound twice": ("m=audio 30000 RTP/AVP 0\nm=audio 30010 RTP/AVP 8\n", 0),
    "the first sound in no format": (SIREN + "m=audio 30010 RTP/AVP 9\n", 1),
    "four cameras": ("m=audio 30000 RTP/AVP 0\n" + CAMERA * 4, 0),
    "pictures in an unknown profile": (
        CAMERA.replace("RTP/AVP", "RTP/XYZ") + "m=audio 30000 RTP/AVP 0\n", 1),
    "directions and bandwidths everywhere": (
        "a=inactive\nb=CT:1\nm=audio 30000 RTP/AVP 0\nb=AS:0\nb=X-MAD:7\na=sendrecv\na=sendrecv\n"
        "a=ptime:0\na=maxptime:99999\n" + CAMERA + "b=TIAS:0\na=sendonly\n", 0),
    "addresses of another family": ("m=audio 30000 RTP/AVP 0\n" + CAMERA + "c=IN IP6 ::1\n", 0),
    "only siren": (SIREN, None),
    "only pictures": (CAMERA, None),
    "the sound is off": ("m=audio 0 RTP/AVP 0\n" + CAMERA, None),
    "keys are said and not there": ("m=audio 30000 RTP/SAVP 0\n", None),
}


def rooms(stage, more="", **settings):
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    stage.configuration.more.append("\n".join(["[rooms]", *lines, more]) + f"""
[[rooms.meeting]]
name = "Board"
attendee_id = "{MEETING}"
moderator_id = "{MODERATOR}"
passcode = "{PASSCODE}"
""")


def m_lines(body):
    """(media, port, protocol, formats) of each line."""
    found = re.findall(r"^m=(\S+) (\d+) (\S+) (.*?)\r?$", body, re.M)
    return [(media, int(port), protocol, formats.split()) for media, port, protocol, formats in found]


def test_sipp_offers_all_that_devices_offer_and_more(stage):
    rooms(stage, allow_plain=[places.PBX])
    edge = stage.start_edge()
    offers = {name: ((CORPUS / f"{name}.sdp").read_text(), at) for name, at in DEVICES.items()}
    offers |= {name: (HEAD + body, at) for name, (body, at) in ODD.items()}
    playing = {}
    for number, (name, (offer, sound)) in enumerate(offers.items()):
        # Their media go nowhere but here.
        offer = re.sub(r"IN IP4 \d\S*", "IN IP4 [media_ip]", offer)
        playing[name] = sipp.uac(
            stage.directory, places.PBX, edge, MEETING, host=HOST, offer=offer, name=f"offer-{number}",
            scenario="uac_offer" if sound is not None else "uac_refused", outcome=488)
    try:
        for name, device in playing.items():
            device.wait(60)
            offer, sound = offers[name]
            if sound is None:
                assert not m_lines(device.received("SIP/2.0 488")[0].body.decode()), name
                continue
            check(name, m_lines(offer), m_lines(device.received("SIP/2.0 200")[0].body.decode()), sound)
    finally:
        for device in playing.values():
            device.stop()
    statuses = sorted(record["end"]["status"] for record in edge.wait_records(len(offers)))
    silent = sum(sound is None for _, sound in offers.values())
    assert statuses == [200] * (len(offers) - silent) + [488] * silent
    edge.wait_idle()


def check(name, offered, answered, sound):
    """Each line is answered in its place, and those that are not wanted with port 0."""
    assert len(answered) == len(offered), (name, answered)
    for at, (theirs, ours) in enumerate(zip(offered, answered)):
        assert (theirs[0], theirs[2]) == (ours[0], ours[2]), (name, answered)
        assert set(ours[3]) <= set(theirs[3]), (name, answered)
        may_be_taken = at == sound or theirs[0] == "video" and theirs[1] and theirs[2] != "RTP/XYZ"
        assert ours[1] == 0 or may_be_taken, (name, answered)
    assert answered[sound][1], (name, answered)
    assert sum(line[0] == "video" and line[1] > 0 for line in answered) <= 2, (name, answered)


def told(edge):
    """Joined people: (the call, whether it moderates)."""
    details = [event["detail"] for event in edge.events()]
    return [each["moderator"] for each in details if each["eventType"] == "chime:AttendeeJoined"]


def dialled(text, host=HOST):
    return f"sip:{text}@{host}"


# What is dialled, and who that lets in: nobody, an attendee, a moderator.
NOBODY, ATTENDEE, MODERATES = None, False, True
DIALLED = [
    (f"sip:@{HOST}", NOBODY), (f"sip:{HOST}", NOBODY), (dialled("u"), NOBODY), (f"sips:@{HOST}", NOBODY),
    (f"sip:u@{HOST};transport=tls", NOBODY), (dialled("408123456"), NOBODY),
    (dialled(MEETING), ATTENDEE), (f"sips:{MEETING}@{HOST}", ATTENDEE),
    (dialled(MEETING, f"meet.eu-1.{DOMAIN}"), ATTENDEE), (dialled(MEETING, HOST.upper()), ATTENDEE),
    (dialled(f"{MEETING};user=phone"), ATTENDEE), (dialled("408-123-4567"), ATTENDEE),
    (dialled(f"%23%23{MEETING}%23"), ATTENDEE), (dialled(f"{MEETING}..03"), ATTENDEE),
    (dialled(MODERATOR), NOBODY),
    (dialled(f"{MODERATOR}*{PASSCODE}"), MODERATES), (dialled(f"{MODERATOR}#{PASSCODE}"), MODERATES),
    (dialled(f"{MODERATOR}%23{PASSCODE}%23"), MODERATES),
    (dialled(f"{MODERATOR}.{PASSCODE}.03.99887766"), MODERATES),
    (dialled(f"{MODERATOR}:{PASSCODE}"), MODERATES), (dialled(f"**{MODERATOR}*{PASSCODE}**"), MODERATES),
]


def test_every_dial_string_lands_where_it_should_over_tls(stage, tmp_path):
    port = places.free_port(places.EDGE)
    authority = tls.Authority(tmp_path)
    shown = authority.issue(HOST, f"DNS:meet.eu-1.{DOMAIN}")
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"],
                                   tls_certificate=str(shown.certificate), tls_key=str(shown.key))
    # It dials faster than strangers may.
    stage.configuration.limits["stranger_answers_per_source"] = 100
    rooms(stage, require_srtp=False, more='regions = [{ code = "eu-1" }]')
    edge = stage.start_edge()
    # No customer's, and no listed device's.
    device = stage.tls_peer(places.STRANGER, edge, port)
    joined = []
    for uri, who in DIALLED:
        before = told(edge)
        call = OutgoingCall(device, edge, "", sdp(places.STRANGER, 30_000), uri=uri)
        answer = call.answered()
        if who is not NOBODY:
            joined.append(who)
            wait_until(lambda: len(told(edge)) > len(before), 20, f"{uri} joins")
        assert call.bye().status == 200, repr(answer)
        assert told(edge) == joined, uri
    for uri in (dialled(MEETING, f"meet.xx-1.{DOMAIN}"), dialled(MEETING, "meet.example.org")):
        assert OutgoingCall(device, edge, "", sdp(places.STRANGER, 30_000), uri=uri).final().status >= 400
    # A passcode is in no record.
    records = edge.wait_records(len(DIALLED))
    assert {record["to_user"] for record in records} <= {"", "u", "408123456", MEETING, MODERATOR}
    meetings = [record.get("meetings", []) for record in records]
    assert sum(map(len, meetings)) == len(joined), meetings
    edge.wait_idle()


def test_rooms_need_no_section_once_there_is_a_meeting(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"])
    edge = stage.start_edge()
    device = stage.tls_peer(places.STRANGER, edge, port)
    # The keys of RFC 4568's example: rooms with all defaults want encrypted media.
    offer = sdp(places.STRANGER, 30_000).replace(b"RTP/AVP", b"RTP/SAVP") + (
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n")

    def dial(user):
        return OutgoingCall(device, edge, "", offer, uri=dialled(user))

    call = dial("u")
    assert call.final().status == 404
    made = json.loads(edge.command("room", "--config", str(edge.file), "--json", "create", "--name", "Board"))
    # The command has told the store, which the node looks at now and then.
    answer = None

    def is_answered():
        nonlocal call, answer
        call = dial(made["attendee_id"])
        answer = call.final()
        return answer.status == 200

    wait_until(is_answered, 20, "the meeting is known")
    call.answered(found=answer)
    assert m_lines(answer.body.decode())[0][1], "the sound is taken"
    wait_until(lambda: told(edge) == [ATTENDEE], 20, "it is in the meeting")
    assert call.bye().status == 200
