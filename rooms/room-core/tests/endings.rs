//! How meetings end, and how people leave them.

mod script;

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

#[test]
fn who_vanishes_is_dropped_after_a_while_and_who_comes_back_is_not() {
    let (mut world, meeting) = world(|it| it.vanished_seconds = 20);
    let (one, two) = (world.attend(meeting), world.attend(meeting));
    let now = world.now();
    world.focus.handle_media(now, one, true);
    world.focus.handle_media(now, two, true);
    world.seconds(10);
    let now = world.now();
    world.focus.handle_media(now, one, true);
    world.focus.handle_media(now, two, false);
    world.wait(Duration::from_millis(9_999));
    assert!(world.is_in(one, meeting));
    world.wait(Duration::from_millis(1));
    assert!(world.view(one).hung_up && world.is_in(two, meeting));
    let EventKind::Dropped(person, why) = &world.events.last().unwrap().kind else { panic!() };
    assert_eq!((person.call, *why), (one, DropReason::MediaLost));
    world.gone(two, Some(503));
    assert_eq!(world.events.last().unwrap().kind.reason(), Some("CallFailed"));
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
