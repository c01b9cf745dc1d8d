//! How meetings end, and how people leave them.

mod script;

use model::{Heard, TransactionId};
use room_core::*;
use script::World;
use std::time::Duration;

fn settings(change: impl FnOnce(&mut MeetingSettings)) -> MeetingSettings {
    let mut settings = MeetingSettings { plan: Plan::Personal, ..MeetingSettings::default() };
    change(&mut settings);
    settings
}

fn world(change: impl FnOnce(&mut MeetingSettings)) -> (World, MeetingId) {
    let mut world = World::new(FocusSettings::default());
    let meeting = world.make(settings(change));
    (world, meeting)
}

#[test]
fn nobody_waits_for_ever() {
    let (mut world, meeting) = world(|it| {
        it.access = Access::Moderated;
        it.waiting_minutes = 2;
    });
    let call = world.attend(meeting);
    world.wait(Duration::from_millis(119_999));
    assert!(world.view(call).music);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.view(call).heard, [Prompt::NoModerator, Prompt::Goodbye]);
    world.played(call);
    assert!(world.view(call).hung_up);
}

#[test]
fn a_moderator_ends_it_for_all_after_a_confirmation() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    let one = world.attend(meeting);
    world.keys(moderator, "*99");
    assert_eq!(world.view(moderator).heard, [Prompt::ConfirmEnd]);
    world.keys(moderator, "2");
    assert!(world.is_in(one, meeting));
    world.keys(moderator, "*991");
    for call in [moderator, one] {
        assert_eq!(world.view(call).heard, [Prompt::MeetingEnded]);
        world.played(call);
        assert!(world.view(call).hung_up);
        assert_eq!(world.view(call).status, status::OVER);
    }
    assert_eq!(world.events.last().unwrap().kind, EventKind::Ended(EndReason::Moderator));
    // A personal meeting begins again with the next one.
    let call = world.attend(meeting);
    assert!(world.is_in(call, meeting));
    assert_eq!(world.events.last().unwrap().sequence, 2);
}

#[test]
fn the_last_moderator_gone_is_what_is_set_for_it() {
    // Two moderators: the first to go changes nothing.
    let scene = |policy| {
        let (mut world, meeting) = world(|it| {
            it.last_moderator = policy;
            it.access = Access::Moderated;
        });
        let moderators = [world.moderate(meeting), world.moderate(meeting)];
        let people = [world.attend(meeting), world.attend(meeting)];
        world.gone(moderators[0], None);
        assert!(people.iter().all(|call| world.is_in(*call, meeting)));
        world.gone(moderators[1], None);
        (world, meeting, people)
    };
    let (mut world, meeting, people) = scene(LastModerator::Continue);
    world.seconds(600);
    assert!(people.iter().all(|call| world.is_in(*call, meeting)));

    let (mut world, meeting, people) = scene(LastModerator::EndAfter(20));
    let announced = world.announced(meeting);
    assert!(announced.contains(&vec![Prompt::ModeratorLeft]));
    world.wait(Duration::from_millis(19_999));
    assert!(world.is_in(people[0], meeting));
    world.wait(Duration::from_millis(1));
    assert_eq!(world.events.last().unwrap().kind, EventKind::Ended(EndReason::NoModerator));

    let (mut world, meeting, people) = scene(LastModerator::EndAfter(20));
    world.seconds(19);
    let back = world.moderate(meeting);
    world.seconds(60);
    assert!(world.is_in(people[0], meeting) && world.is_in(back, meeting));

    let (mut world, meeting, people) = scene(LastModerator::Promote);
    assert_eq!(world.view(people[0]).heard, [Prompt::NowModerator]);
    world.keys(people[0], "*5");
    assert!(world.view(people[1]).muted);
    assert!(world.is_in(people[0], meeting));

    let (mut world, meeting, people) = scene(LastModerator::BackToWaiting);
    assert!(people.iter().all(|call| world.view(*call).music));
    let back = world.moderate(meeting);
    assert!(people.iter().chain([&back]).all(|call| world.is_in(*call, meeting)));
}

#[test]
fn an_empty_meeting_ends() {
    let (mut world, meeting) = world(|it| it.empty_seconds = 30);
    let call = world.attend(meeting);
    world.gone(call, None);
    world.seconds(20);
    let call = world.attend(meeting);
    world.seconds(60);
    world.gone(call, None);
    world.wait(Duration::from_millis(29_999));
    assert_eq!(world.focus.held().count(), 1);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.focus.held().count(), 0);
    assert_eq!(world.events.last().unwrap().kind, EventKind::Ended(EndReason::Empty));
}

#[test]
fn a_meeting_on_demand_is_gone_when_it_has_ended() {
    let (mut world, meeting) = world(|it| (it.plan, it.empty_seconds) = (Plan::OnDemand, 0));
    let call = world.attend(meeting);
    let (number, _) = world.numbers(meeting);
    world.gone(call, None);
    assert!(world.focus.registry().get_meeting(meeting).is_err());
    let call = world.dial(&number, None);
    assert_eq!(world.view(call).heard, [Prompt::WrongId, Prompt::EnterId]);
}

#[test]
fn a_meeting_on_demand_that_nobody_came_to_is_cleared_away_and_one_that_is_held_is_not() {
    let (mut world, meeting) = world(|_| ());
    let empty = world.make(MeetingSettings::default());
    let held = world.make(MeetingSettings::default());
    world.attend(held);
    let later = model::UnixTime::from_millis(script::BEGIN + 1_000_000);
    let removed = world.focus.remove_over(later);
    assert_eq!(removed.iter().map(|it| it.meeting_id).collect::<Vec<_>>(), [empty]);
    assert!(world.focus.registry().get_meeting(meeting).is_ok());
}

#[test]
fn a_flood_of_joins_is_not_announced_one_by_one() {
    let (mut world, meeting) = world(|_| ());
    for _ in 0..50 {
        let call = world.attend(meeting);
        world.gone(call, None);
    }
    // Nobody else is in it: leaving is said to nobody, and joining neither.
    assert!(world.announced(meeting).is_empty());
    world.attend(meeting);
    world.seconds(10);
    for _ in 0..50 {
        let call = world.attend(meeting);
        world.gone(call, None);
    }
    assert_eq!(world.announced(meeting).len(), 8);
    world.seconds(10);
    world.attend(meeting);
    assert_eq!(world.announced(meeting).len(), 9);
}

#[test]
fn the_longest_time_is_warned_of_and_ends_it() {
    let (mut world, meeting) = world(|it| {
        it.longest_minutes = 6;
        it.warnings = vec![10, 1, 5];
        it.announce = Announce::Off;
    });
    let call = world.attend(meeting);
    world.seconds(59);
    assert!(world.announced(meeting).is_empty());
    world.seconds(1);
    assert_eq!(world.announced(meeting), [[Prompt::MinutesLeft(5)]]);
    world.seconds(240);
    assert_eq!(world.announced(meeting).last().unwrap(), &[Prompt::MinutesLeft(1)]);
    world.wait(Duration::from_millis(59_999));
    assert!(world.is_in(call, meeting));
    world.wait(Duration::from_millis(1));
    assert_eq!(world.view(call).heard, [Prompt::MeetingEnded]);
    assert_eq!(world.events.last().unwrap().kind, EventKind::Ended(EndReason::TimeOver));
}

#[test]
fn a_scheduled_meeting_ends_after_its_grace() {
    let at = |seconds: u64| model::UnixTime::from_millis(script::BEGIN + seconds * 1_000);
    let plan = Plan::Scheduled { start: at(100), end: at(200), grace_seconds: 30 };
    let (mut world, meeting) = world(|it| it.plan = plan);
    world.wait(Duration::from_secs(68));
    let call = world.moderate(meeting);
    assert!(!world.is_in(call, meeting));
    world.seconds(1);
    let call = world.moderate(meeting);
    assert!(world.is_in(call, meeting));
    let early = world.attend(meeting);
    assert!(!world.is_in(early, meeting));
    world.seconds(30);
    let attendee = world.attend(meeting);
    assert!(world.is_in(attendee, meeting));
    world.wait(Duration::from_millis(129_999));
    assert!(world.is_in(call, meeting));
    world.wait(Duration::from_millis(1));
    assert!(!world.is_in(call, meeting) && world.focus.held().count() == 0);
    assert!(world.focus.remove_over(at(229)).is_empty());
    assert_eq!(world.focus.remove_over(at(230)).len(), 1);
}

/// The names of the events about one person.
fn told(world: &World, call: TransactionId) -> Vec<&'static str> {
    let about = |kind: &EventKind| kind.person().is_some_and(|person| person.call == call);
    let events = world.events.iter().filter(|event| about(&event.kind));
    events.map(|event| event.kind.name()).collect()
}

#[test]
fn who_vanishes_is_dropped_after_a_while_and_who_comes_back_is_not() {
    let (mut world, meeting) = world(|it| it.vanished_seconds = 20);
    let (one, two) = (world.attend(meeting), world.attend(meeting));
    let lost = |world: &World, call| {
        let roster = world.focus.roster(meeting);
        roster.iter().find(|entry| entry.person.call == call).map(|entry| entry.is_lost)
    };
    // Told at 5 s, 15 s and 25 s of silence; the second is back in between.
    for (silent_for, both) in [(5, true), (15, false)] {
        let (now, silent_for) = (world.now(), Duration::from_secs(silent_for));
        world.focus.handle_silence(now, one, silent_for);
        if both {
            world.focus.handle_silence(now, two, silent_for);
        }
        world.drain();
        assert_eq!((lost(&world, one), lost(&world, two)), (Some(true), Some(true)));
        world.wait(Duration::from_millis(9_999));
        assert!(world.is_in(one, meeting) && world.is_in(two, meeting));
        world.wait(Duration::from_millis(1));
    }
    assert_eq!((lost(&world, one), lost(&world, two)), (Some(true), Some(false)));
    let now = world.now();
    world.focus.handle_silence(now, one, Duration::from_secs(25));
    world.drain();
    assert!(world.view(one).hung_up && world.is_in(two, meeting));
    assert_eq!(world.view(one).status, status::SILENT);
    let EventKind::Dropped(person, why) = &world.events.last().unwrap().kind else { panic!() };
    assert_eq!((person.call, *why), (one, DropReason::MediaLost));
    let joined = "chime:AttendeeJoined";
    assert_eq!(told(&world, one), [joined, "tandem:AttendeeMediaLost", "chime:AttendeeDropped"]);
    let back = [joined, "tandem:AttendeeMediaLost", "tandem:AttendeeMediaBack"];
    assert_eq!(told(&world, two), back);
    world.gone(two, Some(503));
    assert_eq!(world.events.last().unwrap().kind.reason(), Some("CallFailed"));
}

#[test]
fn what_is_held_ends_with_the_node_and_its_numbers_stay() {
    let mut world = World::new(FocusSettings::default());
    let once = world.make(MeetingSettings::default());
    let personal = world.make(MeetingSettings { plan: Plan::Personal, ..Default::default() });
    let moderator = world.moderate(once);
    world.attend(personal);
    world.command(once, By::Api, Command::Record(true)).unwrap();
    world.focus.handle_recording_started(world.now(), once);
    world.drain();
    // The edge has ended the calls, as far as there was time.
    world.gone(moderator, Some(503));
    world.focus.stop(world.now());
    let mut told = Vec::new();
    while let Some(output) = world.focus.poll_output() {
        match output {
            Output::Event(event) => told.push((event.meeting, event.kind)),
            Output::Meeting { meeting, order } => {
                assert_eq!((meeting, order), (once, MeetingOrder::StopRecording));
            }
            other => drop(other),
        }
    }
    let of = |wanted| {
        let kinds = told.iter().filter(|(meeting, _)| *meeting == wanted).map(|(_, kind)| kind);
        kinds.map(|kind| (kind.name(), kind.reason())).collect::<Vec<_>>()
    };
    let ended = ("chime:MeetingEnded", Some("NodeStops"));
    assert_eq!(of(once), [("tandem:RecordingStopped", None), ended]);
    assert_eq!(of(personal), [("chime:AttendeeLeft", Some("MeetingEnded")), ended]);
    assert_eq!((world.focus.held().count(), world.focus.poll_timeout()), (0, None));
    assert!(
        world.focus.registry().get_meeting(once).is_ok(),
        "one for once goes on by its numbers"
    );
}

#[test]
fn a_minute_without_a_packet_is_forgiven() {
    let (mut world, meeting) = world(|_| ());
    let call = world.attend(meeting);
    for silent_for in [5, 15, 25, 35, 45, 55] {
        let now = world.now();
        world.focus.handle_silence(now, call, Duration::from_secs(silent_for));
        world.seconds(10);
    }
    // Packets come again: silence is not said any more.
    world.seconds(600);
    assert!(world.is_in(call, meeting));
    let events = ["chime:AttendeeJoined", "tandem:AttendeeMediaLost", "tandem:AttendeeMediaBack"];
    assert_eq!(told(&world, call), events);
}

#[test]
fn who_speaks_is_in_the_roster_and_one_at_a_time_is_the_active_speaker() {
    let (mut world, meeting) = world(|it| it.access = Access::Moderated);
    let waiting = world.attend(meeting);
    let loud = Heard { is_speaking: true, is_active_speaker: true, level: 20 };
    world.focus.handle_heard(waiting, loud);
    assert_eq!(world.focus.speaking(), 0, "nobody hears who waits");
    let (one, two) = (world.moderate(meeting), world.moderate(meeting));
    let shown = |world: &World, call| {
        let roster = world.focus.roster(meeting);
        let entry = roster.iter().find(|entry| entry.person.call == call).unwrap();
        (entry.is_speaking, entry.speaks, entry.level)
    };
    assert_eq!(shown(&world, one), (false, false, -127));
    world.focus.handle_heard(one, loud);
    assert_eq!(shown(&world, one), (true, true, -20));
    // The other one is told before it is told that the first is it no longer.
    world.focus.handle_heard(two, Heard { level: 127, ..loud });
    assert_eq!((shown(&world, one), shown(&world, two)), ((true, false, -20), (true, true, -127)));
    let silent = Heard { is_speaking: false, is_active_speaker: false, level: 255 };
    world.focus.handle_heard(one, silent);
    assert_eq!(
        (shown(&world, one), shown(&world, two)),
        ((false, false, -127), (true, true, -127))
    );
    assert_eq!(world.focus.speaking(), 1);
    world.gone(two, None);
    assert!(world.focus.roster(meeting).iter().all(|entry| !entry.speaks && !entry.is_speaking));
    world.focus.handle_heard(two, loud);
    world.focus.handle_silence(world.now(), two, Duration::MAX);
}

#[test]
fn deleting_a_meeting_ends_it_and_capabilities_change_at_once() {
    let (mut world, meeting) = world(|_| ());
    let guest = world.guest(meeting, false);
    let (call, _) = world.join_guest(guest);
    world.command(meeting, By::Call(call), Command::TakeFloor(call)).unwrap();
    let none = MediaCapability::None;
    let capabilities = Capabilities { content: none, ..Capabilities::default() };
    let attendee = world.guests[guest].1;
    let now = world.now();
    world.focus.update_attendee_capabilities(now, meeting, attendee, capabilities).unwrap();
    world.drain();
    assert_eq!(world.floors, [(call, true), (call, false)]);
    let refused = world.command(meeting, By::Call(call), Command::TakeFloor(call));
    assert_eq!(refused, Err(Refused::NotAllowed));
    world.focus.delete_meeting(now, meeting).unwrap();
    world.drain();
    assert_eq!(world.view(call).heard, [Prompt::MeetingEnded]);
    assert_eq!(world.events.last().unwrap().kind, EventKind::Ended(EndReason::Api));
    assert!(world.focus.registry().get_meeting(meeting).is_err());
}
