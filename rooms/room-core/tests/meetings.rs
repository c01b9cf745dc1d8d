//! Meetings: who gets in, and what moderators and keys do.

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
    (world, meeting)
}

fn count(world: &World, name: &str) -> usize {
    world.told().iter().filter(|told| **told == name).count()
}

#[test]
fn attendees_of_a_moderated_meeting_wait_with_music_until_a_moderator_is_in() {
    let (mut world, meeting) = world(|it| it.access = Access::Moderated);
    let waiting = [world.attend(meeting), world.attend(meeting)];
    for call in waiting {
        assert!(world.view(call).music);
        assert_eq!(world.view(call).heard, [Prompt::WaitForModerator]);
    }
    // Keys of those who wait do nothing.
    world.keys(waiting[0], "*6");
    let moderator = world.moderate(meeting);
    for call in [waiting[0], waiting[1], moderator] {
        assert!(world.is_in(call, meeting) && !world.view(call).music);
    }
    let later = world.attend(meeting);
    assert!(world.is_in(later, meeting));
    let told = world.told();
    assert_eq!(
        told,
        [
            "MeetingStarted",
            "AttendeeWaiting",
            "AttendeeWaiting",
            "AttendeeJoined",
            "AttendeeJoined",
            "AttendeeJoined",
            "AttendeeJoined"
        ]
    );
}

#[test]
fn a_locked_meeting_is_entered_by_moderators_alone() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    world.keys(moderator, "*4");
    assert_eq!(world.announced(meeting).last().unwrap(), &[Prompt::Locked]);
    let late = world.attend(meeting);
    assert_eq!(world.view(late).heard, [Prompt::WrongId, Prompt::EnterId]);
    let second = world.moderate(meeting);
    assert!(world.is_in(second, meeting));
    world.keys(second, "*4");
    let (number, _) = world.numbers(meeting);
    world.keys(late, &number);
    assert!(world.is_in(late, meeting));
}

#[test]
fn who_knocks_is_admitted_and_moderators_hear_it_no_oftener_than_every_ten_seconds() {
    let (mut world, meeting) = world(|it| it.when_locked = WhenLocked::Knock);
    let moderator = world.moderate(meeting);
    world.keys(moderator, "*4");
    world.played(moderator);
    let first = world.attend(meeting);
    assert_eq!(world.view(first).heard, [Prompt::WaitToBeAdmitted]);
    assert_eq!(world.view(moderator).heard, [Prompt::Knock]);
    world.played(moderator);
    let second = world.attend(meeting);
    assert_eq!(world.view(moderator).playing, None);
    world.seconds(10);
    let third = world.attend(meeting);
    assert!(world.view(moderator).playing.is_some());
    world.command(meeting, By::Call(moderator), Command::Admit(second)).unwrap();
    assert!(world.is_in(second, meeting) && !world.is_in(first, meeting));
    world.keys(moderator, "*3");
    assert!(world.is_in(first, meeting) && world.is_in(third, meeting));
    world.keys(moderator, "*3");
    assert_eq!(world.view(moderator).heard, [Prompt::NobodyWaits]);
    // Those who knock come in when it is unlocked, too.
    let fourth = world.attend(meeting);
    world.keys(moderator, "*4");
    assert!(world.is_in(fourth, meeting));
}

#[test]
fn where_each_is_admitted_a_moderator_says_who() {
    let (mut world, meeting) = world(|it| it.access = Access::Admitted);
    let call = world.attend(meeting);
    let moderator = world.moderate(meeting);
    assert!(world.view(call).music);
    world.command(meeting, By::Call(call), Command::AdmitAll).unwrap_err();
    world.keys(moderator, "*3");
    assert!(world.is_in(call, meeting));
}

#[test]
fn muting_follows_who_did_it() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    let (one, two) = (world.attend(meeting), world.attend(meeting));
    world.keys(one, "*6");
    assert!(world.view(one).muted);
    assert_eq!(world.view(one).heard, [Prompt::Muted]);
    world.keys(moderator, "*5");
    assert!(world.view(one).muted && world.view(two).muted && !world.view(moderator).muted);
    // Late comers are muted as well.
    let late = world.attend(meeting);
    assert!(world.view(late).muted);
    assert_eq!(world.view(late).heard, [Prompt::Joining, Prompt::Muted]);
    // Nobody opens another one's microphone: who muted oneself stays so.
    world.keys(moderator, "*7");
    assert!(world.view(one).muted && !world.view(two).muted && !world.view(late).muted);
    let by = By::Call(moderator);
    world.command(meeting, by, Command::Mute(one, false)).unwrap();
    assert!(world.view(one).muted);
    world.command(meeting, by, Command::Mute(two, true)).unwrap();
    assert!(world.view(two).muted);
    world.keys(two, "*6");
    assert!(!world.view(two).muted);
    let refused = world.command(meeting, By::Call(one), Command::Mute(two, true));
    assert_eq!(refused, Err(Refused::ModeratorsOnly));
    assert_eq!(count(&world, "AttendeeMuted"), 3);
}

#[test]
fn where_it_is_set_so_attendees_do_not_end_what_a_moderator_did() {
    let (mut world, meeting) = world(|it| it.unmute_oneself = false);
    let moderator = world.moderate(meeting);
    let one = world.attend(meeting);
    world.keys(moderator, "*5");
    world.keys(one, "*6");
    assert!(world.view(one).muted);
    assert_eq!(world.view(one).heard, [Prompt::CannotUnmute]);
    world.command(meeting, By::Call(moderator), Command::Promote(one)).unwrap();
    world.keys(one, "*6");
    assert!(!world.view(one).muted);
}

#[test]
fn hands_are_raised_by_oneself_and_lowered_by_moderators_too() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    let one = world.attend(meeting);
    world.keys(one, "*9");
    assert_eq!(world.view(one).heard, [Prompt::HandRaised]);
    assert_eq!(world.view(moderator).heard, [Prompt::SomebodyRaisedHand]);
    assert!(world.focus.roster(meeting)[1].hand);
    world.command(meeting, By::Call(moderator), Command::Hand(one, false)).unwrap();
    assert!(!world.focus.roster(meeting)[1].hand);
    let raised = world.command(meeting, By::Call(moderator), Command::Hand(one, true));
    assert_eq!(raised, Err(Refused::NotAllowed));
}

#[test]
fn a_recording_is_announced_to_all_and_to_who_comes_late() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    world.keys(moderator, "*2");
    // Nobody hears of it before it is there.
    assert_eq!(world.orders.last().unwrap(), &(meeting, MeetingOrder::StartRecording));
    assert!(!world.focus.state(meeting).unwrap().recording);
    let early = world.attend(meeting);
    assert_eq!(world.view(early).heard, [Prompt::Joining]);
    world.recording_started(meeting);
    assert_eq!(world.announced(meeting).last().unwrap(), &[Prompt::Recorded]);
    assert!(world.focus.state(meeting).unwrap().recording);
    let late = world.attend(meeting);
    assert_eq!(world.view(late).heard, [Prompt::Joining, Prompt::Recorded]);
    assert_eq!(
        world.command(meeting, By::Call(late), Command::Record(false)),
        Err(Refused::ModeratorsOnly)
    );
    world.keys(moderator, "*2");
    assert_eq!(world.announced(meeting).last().unwrap(), &[Prompt::RecordingStopped]);
    world.keys(moderator, "*2");
    let now = world.now();
    world.focus.handle_recording_failed(now, meeting);
    world.drain();
    assert_eq!(world.announced(meeting).last().unwrap(), &[Prompt::RecordingFailed]);
    // One that is stopped before it has begun was none.
    let told = world.announced(meeting).len();
    world.keys(moderator, "*2*2");
    world.recording_started(meeting);
    assert_eq!(world.announced(meeting).len(), told);
    assert!(!world.focus.state(meeting).unwrap().recording);
    // The end of a meeting ends its recording.
    world.keys(moderator, "*2");
    world.recording_started(meeting);
    world.command(meeting, By::Api, Command::End).unwrap();
    assert_eq!(world.orders.last().unwrap(), &(meeting, MeetingOrder::StopRecording));
    assert_eq!(count(&world, "RecordingStarted"), 2);
    assert_eq!(count(&world, "RecordingStopped"), 2);
    assert_eq!(count(&world, "RecordingFailed"), 1);
}

#[test]
fn who_asks_by_the_api_where_nothing_is_recorded_is_told() {
    let (registry, settings) = (Registry::default(), FocusSettings::default());
    let mut focus = Focus::new(FocusSettings { unrecorded: true, ..settings }, registry);
    let now = Now { at: model::Instant::ZERO, unix: model::UnixTime::from_millis(0) };
    let meeting = MeetingId::parse("8a7d9f0e-3b2c-4d1a-9e8f-7a6b5c4d3e2f").unwrap();
    let asked = focus.command(now, meeting, By::Api, Command::Record(true), &mut || 0);
    assert_eq!(asked, Err(Refused::Unrecorded));
    assert!(Refused::Unrecorded.to_string().contains("[rooms.recording]"));
    let asked = focus.command(now, meeting, By::Api, Command::Record(false), &mut || 0);
    assert_eq!(asked, Err(Refused::NoMeeting));
}

#[test]
fn a_full_meeting_says_so() {
    let (mut world, meeting) = world(|it| it.capacity = 2);
    let first = world.attend(meeting);
    world.attend(meeting);
    let third = world.attend(meeting);
    assert_eq!(world.view(third).heard, [Prompt::MeetingFull, Prompt::Goodbye]);
    world.gone(first, None);
    let fourth = world.attend(meeting);
    assert!(world.is_in(fourth, meeting));
}

#[test]
fn joining_and_leaving_are_announced_as_it_is_set() {
    for (announce, expected) in [
        (Announce::Off, vec![]),
        (Announce::Tone, vec![vec![Prompt::JoinTone], vec![Prompt::LeaveTone]]),
        // Devices have said no name.
        (Announce::Name, vec![vec![Prompt::JoinTone], vec![Prompt::LeaveTone]]),
    ] {
        let (mut world, meeting) = world(|it| it.announce = announce);
        world.attend(meeting);
        let second = world.attend(meeting);
        world.gone(second, None);
        assert_eq!(world.announced(meeting), expected, "{announce:?}");
    }
}

fn asked_number(world: &World) -> (model::TransactionId, String) {
    let asked = world.orders.iter().rev().find_map(|(_, order)| match order {
        MeetingOrder::AskNumber { call, number, .. } => Some((*call, number.to_string())),
        _ => None,
    });
    asked.unwrap_or_else(|| panic!("no number was asked about"))
}

#[test]
fn a_moderator_calls_somebody_in_by_keys() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    world.keys(moderator, "*8");
    assert_eq!(world.view(moderator).heard, [Prompt::EnterNumber]);
    world.keys(moderator, "12065550100#");
    let (call, number) = asked_number(&world);
    assert_eq!(number, "12065550100");
    world.verdict(meeting, call, true);
    assert_eq!(world.view(moderator).heard, [Prompt::Calling]);
    // Who has not answered confirms nothing.
    world.keys(call, "1");
    assert!(!world.is_in(call, meeting));
    world.called(call, CalledNews::Answered);
    assert_eq!(world.view(call).heard, [Prompt::Invited]);
    world.keys(call, "2");
    assert!(!world.is_in(call, meeting));
    world.keys(call, "1");
    assert!(world.is_in(call, meeting));
    // A mailbox presses nothing.
    world.keys(moderator, "*812065550101#");
    let (mailbox, _) = asked_number(&world);
    world.verdict(meeting, mailbox, true);
    world.called(mailbox, CalledNews::Answered);
    world.seconds(30);
    assert!(world.view(mailbox).hung_up);
    assert_eq!(world.view(moderator).heard, [Prompt::CannotCall]);
}

#[test]
fn numbers_that_policy_refuses_are_not_called() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    for keys in ["*8#", "*81#"] {
        world.keys(moderator, keys);
        assert_eq!(world.view(moderator).heard, [Prompt::CannotCall], "{keys}");
    }
    world.keys(moderator, "*8900123456#");
    let (call, _) = asked_number(&world);
    world.verdict(meeting, call, false);
    assert_eq!(world.view(moderator).heard, [Prompt::CannotCall]);
    // No answer is a refusal, and a late one changes nothing.
    world.keys(moderator, "*8900123457#");
    let (call, _) = asked_number(&world);
    world.seconds(10);
    world.verdict(meeting, call, true);
    assert!(!world.orders.iter().any(|(_, it)| matches!(it, MeetingOrder::DialOut { .. })));
    assert_eq!(count(&world, "DialOutFailed"), 2);
    // Attendees have no such key.
    let attendee = world.attend(meeting);
    world.keys(attendee, "*8900123457#");
    assert_eq!(count(&world, "DialOutFailed"), 2);
    let refused = world.command(meeting, By::Call(attendee), Command::DialOut("900".into()));
    assert_eq!(refused, Err(Refused::ModeratorsOnly));
}

#[test]
fn the_api_calls_somebody_into_a_meeting_that_nobody_is_in() {
    let (mut world, meeting) = world(|it| it.confirm_called = false);
    let now = world.now();
    let mut state = 5_u64;
    let mut draw = || {
        state += 1;
        state
    };
    world.focus.dial_out(now, meeting, "+12065550100", &mut draw).unwrap();
    assert_eq!(world.focus.dial_out(now, meeting, "x", &mut draw), Err(Refused::Malformed));
    world.drain();
    let (call, _) = asked_number(&world);
    world.verdict(meeting, call, true);
    world.called(call, CalledNews::Answered);
    assert!(world.is_in(call, meeting));
    world.gone(call, None);
    for _ in 0..16 {
        let now = world.now();
        world.focus.dial_out(now, meeting, "+12065550100", &mut draw).unwrap();
    }
    assert_eq!(world.focus.dial_out(now, meeting, "+1206", &mut draw), Err(Refused::Full));
    world.drain();
    world.seconds(10 + 60);
    assert_eq!(world.focus.held().count(), 0);
}

#[test]
fn an_attendee_who_comes_by_another_call_takes_its_own_place() {
    let (mut world, meeting) = world(|it| it.capacity = 2);
    let moderator = world.moderate(meeting);
    let guest = world.guest(meeting, false);
    let (old, joined) = world.join_guest(guest);
    assert_eq!(joined, Ok(()));
    world.command(meeting, By::Call(old), Command::Mute(old, true)).unwrap();
    world.command(meeting, By::Call(moderator), Command::Lock(true)).unwrap();
    let tones = world.announced(meeting).len();
    // Locked and full: it was in already.
    let (new, joined) = world.join_guest(guest);
    assert_eq!(joined, Ok(()));
    assert!(world.is_in(new, meeting) && world.view(new).muted);
    assert_eq!(world.view(old).heard, [Prompt::JoinedElsewhere]);
    assert_eq!(world.announced(meeting).len(), tones, "the others hear nothing");
    world.gone(new, None);
    assert_eq!(world.join_guest(guest).1, Err(Refused::NotAllowed));
}

#[test]
fn guests_need_the_right_token() {
    let (mut world, meeting) = world(|_| ());
    let guest = world.guest(meeting, true);
    let (id, attendee, token) = world.guests[guest].clone();
    world.guests[guest].2 = token.replace(&token[..1], "x");
    assert_eq!(world.join_guest(guest).1, Err(Refused::NobodyThere));
    world.guests[guest] = (id, attendee, token);
    let (call, joined) = world.join_guest(guest);
    assert_eq!(joined, Ok(()));
    let roster = world.focus.roster(meeting);
    assert!(roster[0].person.moderator && roster[0].person.call == call);
    let now = world.now();
    world.focus.delete_attendee(now, meeting, attendee).unwrap();
    world.drain();
    assert_eq!(world.view(call).heard, [Prompt::Removed]);
    assert_eq!(world.join_guest(guest).1, Err(Refused::NobodyThere));
}

#[test]
fn what_whoever_stores_meetings_has_changed_holds_for_who_is_in_them() {
    let (mut world, meeting) = world(|_| ());
    let guests = [world.guest(meeting, false), world.guest(meeting, false)];
    let [kept, gone] = guests.map(|guest| world.join_guest(guest).0);
    let caller = world.attend(meeting);
    world.focus.registry_mut().take_changed();
    world.command(meeting, By::Call(kept), Command::TakeFloor(kept)).unwrap();
    world.command(meeting, By::Call(kept), Command::LeaveFloor(kept)).unwrap();
    let record = world.focus.registry().get_meeting(meeting).unwrap().clone();
    let mut changed = record.clone();
    changed.attendees.pop();
    changed.attendees[0].capabilities.content = MediaCapability::Receive;
    changed.settings.name = "Renamed".into();
    let now = world.now();
    let stored = Some(StoredMeeting::V1(changed.clone()));
    world.focus.follow_meeting(now, meeting, stored.clone()).unwrap();
    world.drain();
    assert_eq!(world.focus.registry().get_meeting(meeting), Ok(&changed));
    assert!(world.focus.registry_mut().take_changed().is_empty(), "it is stored already");
    assert_eq!(world.view(gone).heard, [Prompt::Removed]);
    assert!(world.is_in(kept, meeting) && world.is_in(caller, meeting));
    let shown = world.command(meeting, By::Call(kept), Command::TakeFloor(kept));
    assert_eq!(shown, Err(Refused::NotAllowed), "it may send no slides any more");
    // The same once more is nothing.
    world.focus.follow_meeting(now, meeting, stored).unwrap();
    world.drain();
    assert!(world.is_in(kept, meeting));
    for _ in 0..2 {
        world.focus.follow_meeting(now, meeting, None).unwrap();
    }
    world.drain();
    assert!(world.focus.registry().get_meeting(meeting).is_err());
    assert!(world.focus.registry_mut().take_changed().is_empty());
    world.seconds(60);
    assert_eq!(world.focus.held().count(), 0);
    // One that was not known, and one whose numbers are another's.
    world.focus.follow_meeting(now, meeting, Some(StoredMeeting::V1(record.clone()))).unwrap();
    world.focus.registry_mut().take_changed();
    let other = world.make(settings(|_| ()));
    let twin = MeetingRecord { meeting_id: other, ..record };
    assert!(world.focus.follow_meeting(now, other, Some(StoredMeeting::V1(twin))).is_err());
    assert!(world.focus.registry().get_meeting(meeting).is_ok());
}

#[test]
fn texts_are_bounded() {
    let (mut world, meeting) = world(|_| ());
    let calls: Vec<_> = (0..30).map(|_| world.attend(meeting)).collect();
    let mut say =
        |call, text: &str| world.command(meeting, By::Call(call), Command::Say(text.into()));
    assert_eq!(say(calls[0], " \u{7} "), Err(Refused::Malformed));
    assert_eq!(say(calls[0], &"é".repeat(MOST_CHAT + 1)), Err(Refused::Malformed));
    for _ in 0..10 {
        say(calls[0], &"é".repeat(MOST_CHAT)).unwrap();
    }
    assert_eq!(say(calls[0], "more"), Err(Refused::TooFast));
    for call in &calls[1..] {
        for _ in 0..10 {
            say(*call, "x").unwrap();
        }
    }
    assert_eq!(world.focus.chat(meeting).count(), KEPT_CHAT);
    assert_eq!(world.focus.chat(meeting).last().unwrap().number, 300);
    world.seconds(10);
    world.command(meeting, By::Call(calls[0]), Command::Say("a\u{1b}[2Jb".into())).unwrap();
    assert_eq!(world.focus.chat(meeting).last().unwrap().text, "a[2Jb");
}

#[test]
fn the_floor_is_had_by_one_and_taken_over() {
    let (mut world, meeting) = world(|_| ());
    let moderator = world.moderate(meeting);
    let (one, two) = (world.attend(meeting), world.attend(meeting));
    let mut take = |call| world.command(meeting, By::Call(call), Command::TakeFloor(call));
    assert_eq!(take(one), Ok(()));
    assert_eq!(take(two), Ok(()));
    assert_eq!(take(two), Ok(()), "it has it");
    assert_eq!(take(moderator), Ok(()));
    let expected = [(one, true), (one, false), (two, true), (two, false), (moderator, true)];
    assert_eq!(world.floors, expected);
    world.gone(moderator, None);
    assert_eq!(world.focus.floor(meeting), None);
    assert_eq!(world.floors.last(), Some(&(moderator, false)));
    let told: Vec<_> = world.events.iter().map(|event| event.kind.name()).collect();
    let of_floor: Vec<_> = told.iter().filter(|name| name.contains("Presenting")).collect();
    assert_eq!(of_floor.len(), 6, "{told:?}");
    // The last word about who shows comes before that about who leaves.
    let place = |name: &str| told.iter().rposition(|told| *told == name);
    assert!(place("tandem:PresentingStopped") < place("chime:AttendeeLeft"), "{told:?}");
    // Nobody gives it to others but moderators and the API.
    for (by, command, expected) in [
        (By::Call(one), Command::TakeFloor(two), Err(Refused::ModeratorsOnly)),
        (By::Api, Command::TakeFloor(two), Ok(())),
        (By::Call(one), Command::LeaveFloor(two), Err(Refused::ModeratorsOnly)),
        (By::Api, Command::LeaveFloor(two), Ok(())),
        (By::Api, Command::TakeFloor(moderator), Err(Refused::NobodyThere)),
    ] {
        assert_eq!(world.command(meeting, by, command), expected);
    }
    for (policy, expected) in [
        (FloorPolicy::Moderators, Err(Refused::ModeratorsOnly)),
        (FloorPolicy::Nobody, Err(Refused::NotAllowed)),
    ] {
        let (mut world, meeting) = self::world(|it| it.floor = policy);
        let call = world.attend(meeting);
        let taken = world.command(meeting, By::Call(call), Command::TakeFloor(call));
        assert_eq!(taken, expected);
    }
}

#[test]
fn moderators_are_asked_for_the_floor() {
    let (mut world, meeting) = world(|it| it.floor = FloorPolicy::Asked);
    let moderator = world.moderate(meeting);
    let (one, two) = (world.attend(meeting), world.attend(meeting));
    let asks = |world: &World| {
        let roster = world.focus.roster(meeting);
        roster.iter().filter(|entry| entry.asks_to_show).map(|entry| entry.person.call).collect()
    };
    for call in [one, one, two] {
        world.command(meeting, By::Call(call), Command::TakeFloor(call)).unwrap();
    }
    let asking: Vec<model::TransactionId> = asks(&world);
    assert_eq!((asking, world.focus.floor(meeting)), (vec![one, two], None));
    assert!(world.floors.is_empty());
    world.command(meeting, By::Call(moderator), Command::TakeFloor(two)).unwrap();
    world.command(meeting, By::Call(moderator), Command::LeaveFloor(one)).unwrap();
    assert_eq!(world.floors, [(two, true), (one, false)]);
    assert!(asks(&world).is_empty());
    // Moderators need nobody's word.
    world.command(meeting, By::Call(moderator), Command::TakeFloor(moderator)).unwrap();
    assert_eq!(world.focus.floor(meeting), Some(moderator));
}

#[test]
fn the_menu_is_said_as_it_is_set() {
    let mut focus = FocusSettings::default();
    focus.menus.attendees =
        Menu::new(MenuOf::Attendees, [("1#", MenuAction::MuteSelf), ("2", MenuAction::Help)])
            .unwrap();
    let mut world = World::new(focus);
    let meeting = world.make(settings(|_| ()));
    let call = world.attend(meeting);
    world.keys(call, "2");
    assert_eq!(
        world.view(call).heard,
        [
            Prompt::Menu(MenuAction::MuteSelf),
            Prompt::Key('1'),
            Prompt::Key('#'),
            Prompt::Menu(MenuAction::Help),
            Prompt::Key('2')
        ]
    );
    world.keys(call, "1#");
    assert!(world.view(call).muted);
    let moderator = world.moderate(meeting);
    world.keys(moderator, "*1");
    assert_eq!(world.view(moderator).heard, [Prompt::PeopleCount, Prompt::Key('2')]);
}

#[test]
fn events_carry_what_services_want_of_them() {
    let (mut world, meeting) = world(|_| ());
    let guest = world.guest(meeting, false);
    assert_eq!(world.join_guest(guest).1, Ok(()));
    let event = world.events.last().unwrap();
    assert_eq!(event.meeting, meeting);
    assert_eq!(&*event.external_meeting_id, "token-0");
    assert_eq!(&*event.media_region, "eu-central-1");
    assert_eq!(event.kind.name(), "chime:AttendeeJoined");
    let person = event.kind.person().unwrap();
    let (id, external) = person.attendee.clone().unwrap();
    assert_eq!((id, &*external), (world.guests[guest].1, "user-0"));
}

#[test]
fn each_sees_what_it_asks_for_else_what_the_meeting_shows() {
    use model::PictureLayout::{Grid, Speaker};
    let (mut world, meeting) = world(|it| it.layout = Grid);
    let layout = |world: &World, call| world.view(call).layout.clone().unwrap().0;
    let moderator = world.moderate(meeting);
    let (number, _) = world.numbers(meeting);
    let dialled = Dialled { id: Some(number), layout: Some(Speaker), ..Dialled::default() };
    let device = world.call_from(9, dialled, false);
    world.focus.handle_pictures(device, true, false);
    assert_eq!((layout(&world, moderator), layout(&world, device)), (Grid, Speaker));
    assert!(!world.view(device).layout.clone().unwrap().1.is_empty(), "how it is called");
    // Its own key, and back; it alone hears that.
    let heard_before = world.view(moderator).heard.clone();
    for (seen, said) in [(Grid, Prompt::EverybodyShown), (Speaker, Prompt::SpeakerShown)] {
        world.played(device);
        world.keys(device, "#1");
        assert_eq!(layout(&world, device), seen);
        assert_eq!(world.view(device).heard, [said]);
    }
    // Whoever has no pictures is told of none.
    world.focus.handle_pictures(device, false, false);
    world.played(device);
    world.keys(device, "#1");
    assert_eq!(layout(&world, device), Speaker);
    assert_eq!(world.view(device).heard, [Prompt::SpeakerShown], "what it heard before");
    assert_eq!(layout(&world, moderator), Grid, "nobody else's");
    assert_eq!(world.view(moderator).heard, heard_before);
    world.played(device);
    // Others of it by moderators and the API alone.
    let by = By::Call(device);
    let refused = world.command(meeting, by, Command::LayOut(moderator, Speaker));
    assert_eq!(refused, Err(Refused::ModeratorsOnly));
    for (by, wanted) in [(By::Call(moderator), Grid), (By::Api, Speaker), (By::Api, Speaker)] {
        assert_eq!(world.command(meeting, by, Command::LayOut(device, wanted)), Ok(()));
        assert_eq!(layout(&world, device), wanted);
    }
    assert_eq!(world.view(device).heard, [Prompt::SpeakerShown], "it did not ask itself");
    let seen: Vec<_> = world.focus.roster(meeting).into_iter().map(|entry| entry.layout).collect();
    assert_eq!(seen, [Grid, Speaker]);
    world.gone(device, None);
    let refused = world.command(meeting, By::Api, Command::LayOut(device, Grid));
    assert_eq!(refused, Err(Refused::NobodyThere));
}

#[test]
fn who_waits_has_what_it_asked_for_when_it_comes_in() {
    use model::PictureLayout::Grid;
    let (mut world, meeting) = world(|it| it.access = Access::Moderated);
    let waits = world.attend(meeting);
    assert_eq!(world.command(meeting, By::Api, Command::LayOut(waits, Grid)), Ok(()));
    assert_eq!(world.view(waits).layout, None);
    world.moderate(meeting);
    assert_eq!(world.view(waits).layout.clone().unwrap().0, Grid);
}
