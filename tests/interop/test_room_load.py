"""Two hundred people join four meetings, fifty a second: all hear theirs, and nothing is left of them."""

import numpy as np

from harness import tones
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.rtp import port_pair
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
ATTENDEES, MODERATORS = "127.0.0.21", "127.0.0.22"
JOINS, FLOOD = 200, 60
# Each meeting's moderator says a tone; the last one shouts it, at twice what there is room for.
MEETINGS = [(f"408123000{n}", f"70355501200{n}0", hertz)
            for n, hertz in enumerate((440, 1_000, 1_700, 2_300))]
SHOUTED = 2_300
# A second of it.
FRAMES = 50


def rooms(stage):
    stage.configuration.more.append(f"""
[rooms]
allow_plain = ["{ATTENDEES}", "{MODERATORS}"]
max_calls = {JOINS + len(MEETINGS)}
video = false
""" + "".join(f"""
[[rooms.meeting]]
name = "Meeting {hertz}"
attendee_id = "{attendee}"
moderator_id = "{moderator}"
announce = "off"
""" for attendee, moderator, hertz in MEETINGS))


class Ear:
    """Where an attendee hears. What comes waits in the socket, and is dropped there, until it is looked at."""

    def __init__(self, meeting):
        self.rtp, self.rtcp = port_pair(ATTENDEES)
        self.rtp.setblocking(False)
        self.port, self.meeting = self.rtp.getsockname()[1], meeting
        self._audio = []

    def listen(self):
        """Throws away what came before."""
        while self._read():
            pass
        self._audio.clear()

    def _read(self):
        try:
            packet = self.rtp.recv(2_048)
        except BlockingIOError:
            return False
        # RTP; an attendee who says nothing is latched on to by no other packet.
        if len(packet) == 172:
            self._audio.append(packet[12:])
        return True

    def levels(self):
        """How loud each meeting's tone is in a second of what came since; `None` until it is there."""
        while len(self._audio) < FRAMES and self._read():
            pass
        if len(self._audio) < FRAMES:
            return None
        samples = tones.from_ulaw(b"".join(self._audio)).astype(float)
        return {hertz: tones.level(samples, tones.RATE, hertz) for *_, hertz in MEETINGS}

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def hear(ears):
    """Waits until each of them has heard its own meeting's tone for a second, and no other's; how loud each tone
    is on average. On a busy machine one may have to listen again."""
    for ear in ears:
        ear.listen()
    loud, waiting = {hertz: [] for *_, hertz in MEETINGS}, set(ears)

    def look():
        for ear in list(waiting):
            levels = ear.levels()
            if levels is None:
                continue
            own = levels.pop(ear.meeting[2])
            if own > 200 and max(levels.values()) < own / 20:
                waiting.remove(ear)
                loud[ear.meeting[2]].append(own)
            else:
                ear.listen()
        return not waiting

    wait_until(look, 60, lambda: "all hear their meeting, and no other: "
               f"{[(ear.meeting[2], ear.levels()) for ear in list(waiting)[:3]]}")
    return [sum(levels) / len(levels) for levels in loud.values()]


def moderate(stage, edge):
    """A moderator in each meeting, who speaks."""
    peer, calls = stage.peer(MODERATORS), []
    for _, moderator, hertz in MEETINGS:
        loudness = 2 * 32_000 if hertz == SHOUTED else 3_000
        time = np.arange(tones.RATE) / tones.RATE
        samples = (loudness * np.sin(2 * np.pi * hertz * time)).clip(-32_000, 32_000)
        voice = stage.rtp(MODERATORS, hertz, samples=samples.astype(np.int16))
        call = OutgoingCall(peer, edge, moderator, sdp(MODERATORS, voice.port), host=HOST)
        voice.start(call.answered().media())
        calls.append(call)
    return calls


def test_two_hundred_join_hear_and_are_let_go(stage):
    rooms(stage)
    edge = stage.start_edge()
    moderators = moderate(stage, edge)
    ears = [Ear(MEETINGS[n % len(MEETINGS)]) for n in range(JOINS)]
    try:
        file = stage.directory / "attendees.csv"
        file.write_text("SEQUENTIAL\n" + "".join(f"{ear.port};{ear.meeting[0]}\n" for ear in ears))
        crowd = stage.uac(ATTENDEES, "", "-inf", str(file), "-timeout", "300", host=HOST,
                          scenario="uac_attendee", calls=JOINS, rate=50)
        wait_until(lambda: edge.metric("tandem_mixed_legs") == JOINS + len(MEETINGS), 60,
                   lambda: f"all are in the mix: {edge.metric('tandem_mixed_legs')} {crowd.errors()}")
        edge.wait_metric("tandem_room_callers", JOINS + len(MEETINGS), 20)
        edge.wait_metric("tandem_room_meetings", len(MEETINGS), 20)
        # Voices are as loud as each other, also the one that is cut off at its peaks.
        loud = hear(ears)
        assert max(loud) < 2.5 * min(loud), loud

        # One more than there may be, sixty times at once: refused, and those inside do not notice.
        flood = stage.uac(ATTENDEES, MEETINGS[0][0], host=HOST, scenario="uac_refused", calls=FLOOD,
                          rate=1_000, outcome=503, offer="v=0\no=late 1 1 IN IP4 [local_ip]\ns=-\n"
                          "c=IN IP4 [media_ip]\nt=0 0\nm=audio 9 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n")
        flood.wait(60)
        edge.wait_metric("tandem_refusals_total", FLOOD, 20, reason="concurrent_call_limit")
        assert edge.metric("tandem_mixed_legs") == JOINS + len(MEETINGS)
        hear(ears)

        for call in moderators:
            for key in "*991":
                call.request("INFO", f"Signal={key}\r\nDuration=160\r\n".encode(),
                             content_type="application/dtmf-relay")
                assert call.final("INFO").status == 200
        for call in moderators:
            bye = call.peer.expect(lambda m, call=call: m.status is None and m.method == "BYE"
                                   and call.mine(m), 30)
            call.peer.reply(bye, 200, "OK")
        crowd.wait(60)
    finally:
        for ear in ears:
            ear.close()
    for record in edge.wait_records(JOINS + len(MEETINGS), 40):
        assert record["end"]["status"] == 200, record
        meeting, = record["meetings"]
        assert not meeting["recorded"], record
        assert record["quality"][0]["sent_packets"] > FRAMES, record
    edge.wait_idle(40)
    for name in ("tandem_room_callers", "tandem_room_meetings", "tandem_mixed_legs",
                 "tandem_mixed_conferences", "tandem_relay_seats"):
        edge.wait_metric(name, 0, 20)
    assert edge.metric("tandem_relay_seat_failures_total") == 0
    kinds = [event["detail"]["eventType"] for event in edge.events()]
    assert kinds.count("chime:AttendeeJoined") == JOINS + len(MEETINGS)
    assert kinds.count("chime:AttendeeLeft") == JOINS + len(MEETINGS)
    assert kinds.count("chime:MeetingEnded") == len(MEETINGS)
