"""Callers meet in rooms: each hears the others and not itself, and moderators have their say."""

import json

from harness import places, tones
from harness.configuration import DOMAIN
from harness.waiting import wait_until

HOST = f"meet.{DOMAIN}"
OPEN, MODERATED = "4081234567", "4081230000"
MODERATOR, PASSCODE = "7035550123456", "987654"
MUSIC_HERTZ, WRONG_HERTZ = 600, 2_300
CALLERS = ["127.0.0.21", "127.0.0.22", "127.0.0.23"]


def rooms(stage):
    """A room for everybody, and one that waits for its moderator; some prompts are tones."""
    prompts = stage.directory / "prompts" / "en"
    prompts.mkdir(parents=True)
    tones.write_wav(prompts / "wrong-id.wav", WRONG_HERTZ, 2)
    music = tones.write_wav(stage.directory / "music.wav", MUSIC_HERTZ, 2)
    stage.configuration.more.append(f"""
[rooms]
allow_plain = {json.dumps(CALLERS)}
prompts = {json.dumps(str(prompts.parent))}
music = {json.dumps(str(music))}
[[rooms.meeting]]
name = "Open"
attendee_id = "{OPEN}"
moderator_id = "7035550120000"
announce = "off"
[[rooms.meeting]]
name = "Board"
attendee_id = "{MODERATED}"
moderator_id = "{MODERATOR}"
passcode = "{PASSCODE}"
access = "moderated"
announce = "off"
""")


def caller(stage, number, hertz, codec="PCMU"):
    return stage.pjsua(CALLERS[number], f"caller-{number}", hertz, codec=codec,
                       proxies=[f"sip:{places.EDGE}:{stage.edge.port};lr"])


def enter(agent, dialled):
    agent.do("call", uri=f"sip:{dialled}@{HOST}")
    agent.wait("state", state="CONFIRMED")


def wait_in_mix(stage, count):
    """So many take part in conferences."""
    stage.edge.wait_metric("tandem_mixed_legs", count, 20)


def events(stage):
    """What was told of meetings, in its order."""
    file = stage.edge.data_dir / "events/events.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line)["detail"] for line in lines]


def wait_levels(agent, loud, silent, seconds=0.5):
    """Comes to hear all of `loud`, in hertz, and none of `silent`."""
    found = {}

    def look():
        samples, rate = agent.wait_heard(seconds)
        samples = samples[-int(seconds * rate):].astype(float)
        found.update({hertz: tones.level(samples, rate, hertz) for hertz in (*loud, *silent)})
        quiet = min((found[hertz] for hertz in loud), default=300) / 20
        return (all(found[hertz] > 100 for hertz in loud)
                and all(found[hertz] < max(quiet, 8) for hertz in silent))

    wait_until(look, 25, lambda: f"{agent.name} hears {loud} and not {silent}: {found}")


def has_heard(agent, hertz):
    """Whether it was this tone for half a second, at any time."""
    samples, rate = agent.heard()
    step = rate // 2
    return any(tones.level(samples[at:at + step].astype(float), rate, hertz) > 100
               for at in range(0, len(samples) - step, step // 2))


def test_three_phones_hear_each_other_and_not_themselves(stage):
    rooms(stage)
    stage.start_edge()
    hertz = [440, 1_000, 1_700]
    agents = [caller(stage, 0, 440), caller(stage, 1, 1_000, "PCMA"), caller(stage, 2, 1_700, "G722")]
    for agent, dialled in zip(agents, (OPEN, "u", "u")):
        enter(agent, dialled)
    # The second by RFC 4733, the third by INFO; the prompt need not end.
    agents[1].do("dtmf", digits=OPEN + "#")
    for digit in OPEN + "#":
        agents[2].do("info", digits=digit)
    wait_in_mix(stage, 3)
    for agent, own in zip(agents, hertz):
        wait_levels(agent, [other for other in hertz if other != own], [own])
    # Whoever goes is not heard any more; whoever stays is.
    agents[0].do("hangup")
    agents[0].wait("state", state="DISCONNECTED")
    wait_levels(agents[1], [1_700], [440, 1_000])
    for agent in agents[1:]:
        agent.do("hangup")
        agent.wait("state", state="DISCONNECTED")
    told = lambda: [event["eventType"] for event in events(stage)]  # noqa: E731
    wait_until(lambda: told().count("chime:AttendeeLeft") == 3, 20, told)
    assert told()[0] == "chime:MeetingStarted" and told().count("chime:AttendeeJoined") == 3
    records = {record["to_user"] for record in stage.edge.wait_records(3)}
    assert records <= {OPEN, "", "u"}, records
    stage.edge.wait_idle()


def test_a_moderator_lets_in_mutes_locks_and_ends(stage):
    rooms(stage)
    stage.start_edge()
    attendee, moderator = caller(stage, 0, 440), caller(stage, 1, 1_000)
    enter(attendee, MODERATED)
    wait_levels(attendee, [MUSIC_HERTZ], [1_000])
    enter(moderator, f"{MODERATOR}*{PASSCODE}")
    wait_levels(attendee, [1_000], [440, MUSIC_HERTZ])
    wait_levels(moderator, [440], [1_000])
    moderator.do("dtmf", digits="*5")
    wait_levels(moderator, [], [440, 1_000])
    moderator.do("dtmf", digits="*7")
    wait_levels(moderator, [440], [1_000])
    moderator.do("dtmf", digits="*4")
    kinds = lambda: [event["eventType"] for event in events(stage)]  # noqa: E731
    wait_until(lambda: "tandem:MeetingLocked" in kinds(), 20, kinds)
    late = caller(stage, 2, 1_700)
    enter(late, MODERATED)
    wait_levels(late, [WRONG_HERTZ], [440, 1_000])
    late.do("hangup")
    moderator.do("dtmf", digits="*991")
    for agent in (attendee, moderator):
        agent.wait("state", 20, state="DISCONNECTED")
    ended = lambda: [event for event in events(stage)  # noqa: E731
                     if event["eventType"] == "chime:MeetingEnded"]
    wait_until(ended, 20, "the meeting's end")
    assert ended()[0]["reason"] == "Moderator", ended()
    stage.edge.wait_idle()


def test_who_types_wrong_ids_is_told_so_and_hung_up(stage):
    rooms(stage)
    stage.start_edge()
    guesser = caller(stage, 0, 440)
    enter(guesser, "1111111111")
    wait_levels(guesser, [WRONG_HERTZ], [440])
    for _ in range(2):
        guesser.do("dtmf", digits="2#")
        wait_levels(guesser, [WRONG_HERTZ], [440])
    guesser.wait("state", 30, state="DISCONNECTED")
    stage.edge.wait_metric("tandem_room_ids_refused_total", 3, 20, outcome="wrong")
    assert not events(stage)
    stage.edge.wait_idle()


def test_three_type_ids_and_passcodes_at_once(stage):
    """A moderator by INFO; by RFC 4733 one whose first passcode is wrong, and one whose first ID is."""
    rooms(stage)
    stage.start_edge()
    by_info, by_events, late = (caller(stage, n, hertz) for n, hertz in enumerate((440, 1_000, 1_700)))
    for agent in (by_info, by_events, late):
        enter(agent, "u")
    # No `#` behind the 13 digits of a moderator: the passcode is asked for, of wrong ones too.
    by_events.do("dtmf", digits=f"{MODERATOR}000000#")
    late.do("dtmf", digits="111#")
    for digit in f"{MODERATOR}{PASSCODE}#":
        by_info.do("info", digits=digit)
    people = lambda: [(event["eventType"], event["moderator"]) for event in events(stage)  # noqa: E731
                      if "moderator" in event]
    wait_until(lambda: people() == [("chime:AttendeeJoined", True)], 30, people)
    for agent in (by_events, late):
        wait_until(lambda agent=agent: has_heard(agent, WRONG_HERTZ), 30,
                   f"{agent.name} hears that it was wrong")
        agent.do("dtmf", digits=MODERATED)
    wait_until(lambda: len(people()) == 3, 40, people)
    assert sorted(people()) == [("chime:AttendeeJoined", who) for who in (False, False, True)]
    wait_levels(late, [440, 1_000], [1_700, WRONG_HERTZ])
    for agent in (by_info, by_events, late):
        agent.do("hangup")
        agent.wait("state", state="DISCONNECTED")
    stage.edge.wait_idle()


def test_a_relay_of_its_own_mixes(stage, halves):
    rooms(stage)
    halves.relay_configuration.more = stage.configuration.more
    stage.start_edge()
    agents = [caller(stage, 0, 440), caller(stage, 1, 1_000, "G722")]
    for agent in agents:
        enter(agent, OPEN)
    wait_levels(agents[0], [1_000], [440])
    wait_levels(agents[1], [440], [1_000])
    halves.relay.wait_metric("tandem_mixed_legs", 2, 20)
    for agent in agents:
        agent.do("hangup")
        agent.wait("state", state="DISCONNECTED")
    halves.relay.wait_metric("tandem_relay_seats", 0, 20)
