"""A disk that gets full while a call is recorded."""

from harness.capture import Recordings
from harness.disks import fill, small_disk
from harness.ng import NgRelay
from harness.rtp import lost
from harness.waiting import wait_until
from test_ng import client_of
from test_ng_recording import finished, more_of, talking

FAILURES = "tandem_relay_recording_failures_total"


def assert_whole(recordings, name, at_least):
    """All of the file are packets; how many."""
    packets = recordings.packets(name)
    assert len(packets) >= at_least
    assert recordings.checked_by_tshark(name) in (None, len(packets))
    return len(packets)


def test_a_recording_ends_where_the_disk_does_and_the_call_goes_on(stage, tmp_path):
    folder = tmp_path / "recordings"
    with small_disk(folder, 2):
        relay = stage._keep(NgRelay(stage.directory, recording_dir=folder, http=0))
        recordings = Recordings(folder)
        client = client_of(stage, relay)
        near, far, _, _ = talking(stage, client)
        before = client.ok("start recording", call_id="c")["recording"].removesuffix(".pcap")
        more_of(far, 50)
        fill(folder / "ballast")
        wait_until(lambda: relay.metric(FAILURES) == 1, 20, lambda: f"it fails: {relay.log()}")
        more_of(far, 100)
        said = [line for line in relay.log().splitlines() if "a recording ends here" in line]
        assert len(said) == 1 and f"{before}.pcap" in said[0], relay.log()
        assert "No space left" in said[0] and "Free room in its directory" in said[0], said[0]
        whole = assert_whole(recordings, before, 50)
        # There is room again: another recording is written, and the notes of both.
        (folder / "ballast").unlink()
        client.ok("stop recording", call_id="c")
        notes = finished(recordings, before)
        assert notes["is_cut"] and notes["packets"] == whole and notes["lost_packets"] > 100, notes
        after = client.ok("start recording", call_id="c")["recording"].removesuffix(".pcap")
        more_of(far, 50)
        # And full once more, for good.
        fill(folder / "ballast")
        wait_until(lambda: relay.metric(FAILURES) == 2, 20, lambda: f"it fails: {relay.log()}")
        # What the recorder has cut off at the end of its file may have made room for the notes.
        fill(folder / "ballast")
        wait_until(lambda: len(near.received) > 250 and len(far.received) > 250, 30, "media goes on")
        client.ok("delete", call_id="c", from_tag="a")
        wait_until(lambda: relay.metric(FAILURES) == 3, 20, lambda: f"the notes: {relay.log()}")
        assert_whole(recordings, after, 50)
        assert recordings.notes(after)["ended_unix_ms"] is None
        assert not list(folder.glob("*.new")), list(folder.iterdir())
        said = [line for line in relay.log().splitlines() if "what a recording became" in line]
        assert len(said) == 1 and f"{after}.json" in said[0], relay.log()
        totals = client.ok("statistics")["statistics"]["totalstatistics"]
        assert totals["unrecordedpackets"] > 100, totals
        # Nobody has heard anything of it.
        assert lost(near) == 0 and lost(far) == 0
        relay.stop()
