//! Meetings that are changed and taken away elsewhere while people are in them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod script;

use room_core::*;
use script::World;

fn settings(change: impl FnOnce(&mut MeetingSettings)) -> MeetingSettings {
    let mut settings = MeetingSettings { plan: Plan::Personal, ..MeetingSettings::default() };
    change(&mut settings);
    settings
}

fn world(change: impl FnOnce(&mut MeetingSettings)) -> (World, MeetingId) {
    let mut world = World::new(FocusSettings::default());
    let meeting = world.make(settings(change));
    world.focus.registry_mut().take_changed();
    (world, meeting)
}

fn record(world: &World, meeting: MeetingId) -> MeetingRecord {
    world.focus.registry().get_meeting(meeting).unwrap().clone()
}

fn follow(world: &mut World, followed: Vec<(MeetingId, Followed)>) -> Vec<(MeetingId, ApiError)> {
    let now = world.now();
    let faults = world.focus.follow_meetings(now, followed);
    world.drain();
    faults
}

fn stored(record: MeetingRecord) -> (MeetingId, Followed) {
    (record.meeting_id, Followed::Stored(Box::new(StoredMeeting::V1(record))))
}

fn set(world: &mut World, meeting: MeetingId, change: impl FnOnce(&mut MeetingSettings)) {
    let mut record = record(world, meeting);
    change(&mut record.settings);
    assert_eq!(follow(world, vec![stored(record)]), []);
}

fn ended(world: &World) -> Option<EndReason> {
    match world.events.last().map(|event| &event.kind) {
        Some(EventKind::Ended(reason)) => Some(*reason),
        _ => None,
    }
}

#[test]
fn what_is_set_anew_holds_for_who_comes_next_and_nobody_has_to_leave() {
    let (mut world, meeting) = world(|it| it.announce = Announce::Off);
    let [one, two] = [world.attend(meeting), world.attend(meeting)];
    set(&mut world, meeting, |it| (it.capacity, it.access) = (1, Access::Moderated));
    assert!(world.is_in(one, meeting) && world.is_in(two, meeting));
    let third = world.attend(meeting);
    assert_eq!(world.view(third).heard, [Prompt::MeetingFull, Prompt::Goodbye]);
    set(&mut world, meeting, |it| it.capacity = 5);
    let waits = world.attend(meeting);
    assert!(world.view(waits).music && !world.is_in(waits, meeting));
    // Open again, and with a tone: who waited comes in, and the others hear it.
    set(&mut world, meeting, |it| {
        (it.access, it.announce) = (Access::Open, Announce::Tone);
    });
    assert!(world.is_in(waits, meeting));
    assert_eq!(world.announced(meeting), [[Prompt::JoinTone]]);
    set(&mut world, meeting, |it| it.empty_seconds = 10);
    for call in [one, two, waits] {
        world.gone(call, None);
    }
    world.seconds(9);
    assert_eq!(world.focus.held().count(), 1);
    set(&mut world, meeting, |it| it.empty_seconds = 20);
    world.seconds(10);
    assert_eq!(world.focus.held().count(), 1);
    world.seconds(1);
    assert_eq!(ended(&world), Some(EndReason::Empty));
}

#[test]
fn the_end_is_moved_but_not_into_the_past() {
    let (mut world, meeting) = world(|it| it.longest_minutes = 10);
    let call = world.attend(meeting);
    world.seconds(7 * 60);
    set(&mut world, meeting, |it| it.longest_minutes = 6);
    world.seconds(60);
    assert!(world.is_in(call, meeting), "what would be over goes on as it was");
    set(&mut world, meeting, |it| (it.longest_minutes, it.warnings) = (20, vec![10, 5]));
    let warned = |world: &World| {
        let left = |line: Vec<Prompt>| line.contains(&Prompt::MinutesLeft(10));
        world.announced(meeting).into_iter().any(left)
    };
    world.seconds(119);
    assert!(world.is_in(call, meeting) && !warned(&world));
    world.seconds(1);
    assert!(warned(&world), "of what is left now");
    world.seconds(10 * 60);
    assert_eq!(ended(&world), Some(EndReason::TimeOver));
}

#[test]
fn whoever_may_show_slides_no_more_shows_none() {
    let (mut world, meeting) = world(|_| ());
    let [moderator, attendee] = [world.moderate(meeting), world.attend(meeting)];
    world.command(meeting, By::Call(attendee), Command::TakeFloor(attendee)).unwrap();
    set(&mut world, meeting, |it| it.floor = FloorPolicy::Asked);
    assert_eq!(world.focus.floor(meeting), Some(attendee));
    set(&mut world, meeting, |it| it.floor = FloorPolicy::Moderators);
    assert_eq!(world.focus.floor(meeting), None);
    world.command(meeting, By::Call(moderator), Command::TakeFloor(moderator)).unwrap();
    set(&mut world, meeting, |it| it.floor = FloorPolicy::Asked);
    world.command(meeting, By::Call(attendee), Command::TakeFloor(attendee)).unwrap();
    set(&mut world, meeting, |it| it.floor = FloorPolicy::Everyone);
    assert_eq!(world.focus.floor(meeting), Some(moderator));
    assert_eq!(world.floors.last(), Some(&(attendee, false)), "it may ask again");
    set(&mut world, meeting, |it| it.floor = FloorPolicy::Nobody);
    assert_eq!(world.focus.floor(meeting), None);
}

#[test]
fn the_layout_changes_for_those_who_have_asked_for_none() {
    use model::PictureLayout::{Grid, Speaker};
    let (mut world, meeting) = world(|_| ());
    let [one, two] = [world.attend(meeting), world.attend(meeting)];
    world.command(meeting, By::Call(two), Command::LayOut(two, Speaker)).unwrap();
    set(&mut world, meeting, |it| it.layout = Grid);
    let seen = |world: &World, call| world.view(call).layout.unwrap().0;
    assert_eq!((seen(&world, one), seen(&world, two)), (Grid, Speaker));
}

#[test]
fn who_is_in_a_meeting_that_is_taken_away_stays_and_nobody_comes() {
    let (mut world, meeting) = world(|_| ());
    let (number, moderators) = world.numbers(meeting);
    let [one, two] = [world.attend(meeting), world.attend(meeting)];
    assert_eq!(follow(&mut world, vec![(meeting, Followed::Retired)]), []);
    assert!(world.is_in(one, meeting) && world.is_in(two, meeting));
    assert!(world.focus.registry().get_meeting(meeting).is_ok(), "it can still be seen and ended");
    let late = world.dial(&number, None);
    assert_eq!(world.view(late).heard, [Prompt::WrongId, Prompt::EnterId]);
    let late = world.dial(&moderators, Some("4321"));
    assert_eq!(world.view(late).heard, [Prompt::WrongId, Prompt::EnterId]);
    let called = Command::DialOut("+12065550177".to_owned());
    assert_eq!(world.command(meeting, By::Api, called), Err(Refused::NotAllowed));
    // What is done in it is done: it is as it was.
    world.command(meeting, By::Api, Command::MuteAll(true)).unwrap();
    assert!(world.view(one).muted);
    world.focus.registry_mut().take_changed();
    world.gone(one, None);
    assert_eq!(world.focus.held().count(), 1);
    world.gone(two, None);
    assert_eq!(ended(&world), Some(EndReason::Empty), "at once: nobody can come back");
    assert!(world.focus.registry().get_meeting(meeting).is_err());
    assert_eq!(world.focus.registry_mut().take_changed(), [(meeting, None)], "that is told");
}

#[test]
fn whoever_is_sent_back_to_wait_waits_for_a_moderator_though_it_is_open() {
    let (mut world, meeting) = world(|it| it.last_moderator = LastModerator::BackToWaiting);
    let [moderator, one] = [world.moderate(meeting), world.attend(meeting)];
    world.gone(moderator, None);
    let two = world.attend(meeting);
    let all_wait = |world: &World| {
        [one, two].iter().all(|call| world.view(*call).music && !world.is_in(*call, meeting))
    };
    assert!(all_wait(&world), "who comes is not in it alone");
    set(&mut world, meeting, |it| it.capacity = 20);
    world.command(meeting, By::Api, Command::Lock(true)).unwrap();
    world.command(meeting, By::Api, Command::Lock(false)).unwrap();
    assert!(all_wait(&world), "that nobody has said");
    let back = world.moderate(meeting);
    assert!(world.is_in(one, meeting) && world.is_in(two, meeting));
    world.gone(back, None);
    assert!(all_wait(&world));
    set(&mut world, meeting, |it| it.last_moderator = LastModerator::Continue);
    assert!(world.is_in(one, meeting) && world.is_in(two, meeting));
    // Once all of them have gone nobody is waited with.
    set(&mut world, meeting, |it| it.last_moderator = LastModerator::BackToWaiting);
    let last = world.moderate(meeting);
    for call in [last, one, two] {
        world.gone(call, None);
    }
    let anew = world.attend(meeting);
    assert!(world.is_in(anew, meeting));
}

#[test]
fn who_only_waits_for_a_meeting_that_is_taken_away_does_not_wait_on() {
    let (mut world, meeting) = world(|it| {
        (it.access, it.last_moderator) = (Access::Moderated, LastModerator::BackToWaiting);
    });
    let waits = world.attend(meeting);
    follow(&mut world, vec![(meeting, Followed::Retired)]);
    assert_eq!(world.view(waits).heard, [Prompt::MeetingEnded]);
    assert_eq!(ended(&world), Some(EndReason::NoModerator));
    // And those who would begin to wait.
    let meeting = world.make(settings(|it| {
        (it.access, it.last_moderator) = (Access::Moderated, LastModerator::BackToWaiting);
    }));
    let [moderator, attendee] = [world.moderate(meeting), world.attend(meeting)];
    follow(&mut world, vec![(meeting, Followed::Retired)]);
    assert!(world.is_in(attendee, meeting));
    world.gone(moderator, None);
    assert_eq!(ended(&world), Some(EndReason::NoModerator));
    // One that nobody is in is gone at once.
    let meeting = world.make(settings(|_| ()));
    follow(&mut world, vec![(meeting, Followed::Retired)]);
    assert!(world.focus.registry().get_meeting(meeting).is_err());
}

#[test]
fn a_meeting_that_was_taken_away_comes_back_as_it_goes_on() {
    let (mut world, meeting) = world(|_| ());
    let before = record(&world, meeting);
    let call = world.attend(meeting);
    follow(&mut world, vec![(meeting, Followed::Retired)]);
    follow(&mut world, vec![stored(before)]);
    let late = world.attend(meeting);
    assert!(world.is_in(call, meeting) && world.is_in(late, meeting));
    world.gone(call, None);
    world.gone(late, None);
    world.seconds(59);
    assert_eq!(world.focus.held().count(), 1);
    world.seconds(1);
    assert!(world.focus.registry().get_meeting(meeting).is_ok());
}

#[test]
fn ids_go_from_one_meeting_to_another_and_stay_unlike_all_others() {
    let (mut world, first) = world(|_| ());
    let second = world.make(settings(|_| ()));
    let [mut one, mut two] = [first, second].map(|id| record(&world, id));
    let call = world.attend(first);
    // The moderator ids change places at once.
    std::mem::swap(&mut one.moderator_number, &mut two.moderator_number);
    assert_eq!(follow(&mut world, vec![stored(one.clone()), stored(two.clone())]), []);
    let moderator = world.moderate(second);
    assert!(world.is_in(moderator, second) && world.is_in(call, first));
    // A new one gets the ids of one that is taken away, whose end leaves them alone.
    let mut third = two.clone();
    third.meeting_id = MeetingId::parse("123e4567-e89b-42d3-a456-426614174000").unwrap();
    third.request.client_request_token = "third".into();
    third.moderator_number = one.moderator_number;
    third.attendee_number = one.attendee_number;
    assert_eq!(follow(&mut world, vec![stored(third.clone()), (first, Followed::Retired)]), []);
    world.gone(call, None);
    assert!(world.focus.registry().get_meeting(first).is_err());
    let call = world.attend(third.meeting_id);
    assert!(world.is_in(call, third.meeting_id));
    // What is another's cannot be, and leaves no meeting.
    one.meeting_id = first;
    assert_eq!(follow(&mut world, vec![stored(one)]).len(), 1);
    assert!(world.focus.registry().get_meeting(first).is_err());
}

#[test]
fn a_clash_says_which_id_it_is_of() {
    let (mut world, first) = world(|_| ());
    let second = world.make(settings(|_| ()));
    let [one, two] = [first, second].map(|id| record(&world, id));
    assert_eq!(one.clash(&two), None);
    let with = |attendee: &str, moderator: &str| MeetingRecord {
        attendee_number: AttendeeNumber::parse(attendee).unwrap(),
        moderator_number: ModeratorNumber::parse(moderator).unwrap(),
        ..one.clone()
    };
    let base = with("4081234567", "7035550123456");
    for (attendee, moderator, clash) in [
        ("4081234567", "7035550123457", Some(Clash::Attendee)),
        ("7035550123", "8035550123457", Some(Clash::Attendee)),
        ("4081234568", "7035550123456", Some(Clash::Moderator)),
        ("4081234568", "4081234567000", Some(Clash::Moderator)),
        ("4081234568", "4081234568000", None),
    ] {
        assert_eq!(with(attendee, moderator).clash(&base), clash, "{attendee} {moderator}");
    }
}
