"""Sound and pictures of a party whose signalling another program does."""

from .rtp import RtpEndpoint
from .video import VideoEndpoint
from .waiting import wait_until

# More than any test watches: a minute.
_PICTURES = 1_800


class End:
    """An endpoint for audio and one for video. `camera` is what its m-line says of it."""

    def __init__(self, ip, hertz, **camera):
        self.sound = RtpEndpoint(ip, hertz)
        self.camera = VideoEndpoint(ip, **camera)
        self._speaks = False

    def speak(self, places):
        """Sends both lines to the addresses of a description; to others from then on."""
        if self._speaks:
            self.sound.redirect(places[0])
            self.camera.redirect(places[1])
        else:
            self.sound.start(places[0])
            self.camera.start(places[1], _PICTURES)
        self._speaks = True

    def stop(self):
        self.sound.stop()
        self.camera.stop()



def _source(packet):
    return int.from_bytes(packet[8:12], "big")


def _assert_hears(listener, speaker, payload_type, count, what):
    """From the first packet of `speaker` on, `count` of them come and nobody else's, in order and with
    this payload type."""
    before = len(listener.received)
    mine = lambda: [packet for packet in listener.received[before:]
                    if _source(packet) == speaker.ssrc]
    wait_until(lambda: len(mine()) >= count, 15, lambda: f"{what}: {count} packets; {len(mine())} of "
               f"{len(listener.received) - before} came from it")
    came = listener.received[before:]
    first = next(at for at, packet in enumerate(came) if _source(packet) == speaker.ssrc)
    assert {_source(packet) for packet in came[first:]} == {speaker.ssrc}, f"{what}: somebody else"
    assert {packet[1] & 0x7F for packet in came[first:]} == {payload_type}, what
    numbers = [int.from_bytes(packet[2:4], "big") for packet in came[first:]]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))], f"{what}: a gap"


def assert_together(one, two, names):
    """Sound and pictures of each reach the other, as that one's description has them."""
    for listener, speaker, (heard_by, said_by) in ((one, two, names), (two, one, names[::-1])):
        what = f"{said_by} to {heard_by}"
        _assert_hears(listener.sound, speaker.sound, 0, 40, f"sound, {what}")
        number = listener.camera.payload_type
        _assert_hears(listener.camera, speaker.camera, number, 60, f"pictures, {what}")


def assert_pictures_are_whole(listener, speaker):
    """What came last is octet for octet what was sent."""
    assert set(listener.camera.received[-30:]) <= set(speaker.camera.sent)
