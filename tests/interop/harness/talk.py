"""A call between two scripted peers with a tone each way, as the bystander of what a test does."""

from . import places
from .tones import assert_hears
from .waiting import wait_until

NEAR_HERTZ, FAR_HERTZ = 440, 1_000


class Talk:
    """Starts the edge, and an outbound call with audio both ways."""

    def __init__(self, stage, is_spoken_to=False):
        """A caller that a program may speak to gets packets under numbers of the relay's own."""
        self._stage = stage
        self._is_spoken_to = is_spoken_to
        self.gateway = stage.carrier_peer()
        self.edge = stage.start_edge()
        self.caller = stage.peer(places.PBX)
        self.near = stage.rtp(places.PBX, NEAR_HERTZ)
        self.far = stage.rtp(places.CARRIER, FAR_HERTZ)
        self.call, self.invite = stage.established(self.caller, self.gateway, rtp=self.near,
                                                   carrier_rtp=self.far)
        # Where the edge takes the audio of each side.
        self.near_target = self.call.answer.media()
        self.far_target = self.invite.media()
        self.near.start(self.near_target)
        self.far.start(self.far_target)
        self.goes_on()

    def goes_on(self):
        """Half a second more of the right tone on both sides, from the right sources only."""
        counts = len(self.near.received) + 25, len(self.far.received) + 25
        wait_until(lambda: len(self.near.received) >= counts[0]
                   and len(self.far.received) >= counts[1], 10, "audio on both sides")
        assert_hears(*self.near.heard(), FAR_HERTZ, NEAR_HERTZ)
        assert_hears(*self.far.heard(), NEAR_HERTZ, FAR_HERTZ)
        assert self._is_spoken_to or self.near.ssrcs() == {self.far.ssrc}
        assert self.far.ssrcs() == {self.near.ssrc}

    def end(self, lost_at_most=0):
        """Hangs up and returns the call's record, which must show a clean call."""
        self._stage.hang_up(self.call, self.gateway)
        found = lambda: [record for record in self.edge.call_records()
                         if record["call_id"] == self.call.call_id]
        record = wait_until(found, 10, "the call's record")[0]
        for quality in record["quality"]:
            assert quality["lost_packets"] <= lost_at_most, quality
        return record
