"""Meetings of the configuration file: changed, added and taken away by a reload while people are in them."""

import json

from harness import places
from harness.configuration import DOMAIN
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
BOARD, SALES = "4081234567", "4081230000"
DEVICES = ["127.0.0.21", "127.0.0.22", "127.0.0.23"]


def meeting(name, attendee, moderator="7035550123456", **more):
    lines = [f"{key} = {json.dumps(value)}" for key, value in more.items()]
    return "\n".join(["[[rooms.meeting]]", f'name = "{name}"', f'attendee_id = "{attendee}"',
                      f'moderator_id = "{moderator}"', 'announce = "off"', *lines])


def test_a_reload_changes_meetings_under_those_who_are_in_them(stage):
    port = places.free_port(places.EDGE)
    stage.configuration.api = {"listen": f"{places.EDGE}:{port}"}
    more = list(stage.configuration.more)

    def file_with(*meetings):
        stage.configuration.more = [*more, f"[rooms]\nallow_plain = {json.dumps(DEVICES)}", *meetings]

    file_with(meeting("Board", BOARD))
    edge = stage.start_edge()
    said = len(edge.lines)

    def reload(*meetings):
        file_with(*meetings)
        edge.file.write_text(stage.configuration.text())
        return edge.reload()

    def room(*words):
        return json.loads(edge.command("room", "--config", str(edge.file), "--json", *words))

    def names():
        return sorted(each["name"] for each in room("list")["rooms"])

    peers = [stage.peer(device) for device in DEVICES]

    def dial(place, number):
        peer, rtp = peers[place], stage.rtp(DEVICES[place], 440)
        call = OutgoingCall(peer, edge, number, sdp(peer.ip, rtp.port), host=HOST)
        rtp.start(call.answered().media())
        return call

    device = dial(0, BOARD)
    edge.wait_metric("tandem_mixed_legs", 1, 20)

    # Its name, passcode and capacity are others; another one is new. Nobody notices.
    assert "read again" in reload(
        meeting("Management", BOARD, passcode="987654", capacity=7, last_moderator="promote"),
        meeting("Sales", SALES, "7035550120000"))
    assert not [line for line in edge.lines[said:] if "restart" in line], edge.lines[said:]
    assert names() == ["Management", "Sales"]
    told = room("show", "Management")
    assert (told["capacity"], told["passcode"], told["last_moderator"]) == (7, "987654", "Promote")
    assert told["people"] == 1
    caller = dial(1, SALES)
    edge.wait_metric("tandem_mixed_legs", 2, 20)

    # An id that a meeting of the API has is refused with its line, and nothing has changed.
    made = room("create", "--name", "Weekly", "--personal")
    assert "not taken" in reload(meeting("Board", BOARD),
                                 meeting("Copy", made["attendee_id"], "7035550120000"))
    line = 1 + stage.configuration.text().splitlines().index(f'attendee_id = "{made["attendee_id"]}"')
    assert edge.said(f'tandem.toml:{line}: attendee_id: the meeting "Weekly" of the control API'), \
        edge.lines[said:]
    assert names() == ["Management", "Sales", "Weekly"]

    # One that the file has no more goes on for who is in it; nobody else gets in.
    assert "read again" in reload(meeting("Sales", SALES, "7035550120000"))
    late = dial(2, BOARD)
    wait_until(lambda: edge.metric("tandem_room_ids_refused_total") == 1, 20, "the id is wrong")
    assert late.bye().status == 200
    assert room("show", "Management")["people"] == 1
    assert device.bye().status == 200
    wait_until(lambda: names() == ["Sales", "Weekly"], 20, lambda: str(names()))

    # It is there again, with the id that it had.
    assert "read again" in reload(meeting("Board", BOARD), meeting("Sales", SALES, "7035550120000"))
    assert room("show", "Board")["meeting_id"] == told["meeting_id"]
    device = dial(0, BOARD)
    edge.wait_metric("tandem_mixed_legs", 2, 20)
    for call in (device, caller):
        assert call.bye().status == 200
    edge.wait_idle()
