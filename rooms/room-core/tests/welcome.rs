//! The dialogue with callers.

mod script;

use model::TransactionId;
use room_core::*;
use script::World;
use std::time::Duration;

fn world() -> (World, MeetingId) {
    let mut world = World::new(FocusSettings::default());
    let meeting =
        world.make(MeetingSettings { plan: Plan::Personal, ..MeetingSettings::default() });
    (world, meeting)
}

/// A call that has heard the question for the id.
fn asked(world: &mut World) -> TransactionId {
    let call = world.call();
    assert!(world.view(call).answered);
    assert_eq!(world.view(call).heard, [Prompt::Welcome, Prompt::EnterId]);
    world.played(call);
    call
}

#[test]
fn ten_right_digits_are_enough_with_pound_or_without() {
    let (mut world, meeting) = world();
    let (number, _) = world.numbers(meeting);
    for (keys, seconds) in [(number.clone(), 0), (format!("{number}#"), 0)] {
        let call = asked(&mut world);
        world.keys(call, &keys);
        world.seconds(seconds);
        assert!(world.is_in(call, meeting), "{keys}");
    }
    // The pound key of the second came in the meeting, where it does nothing.
    assert_eq!(world.focus.roster(meeting).len(), 2);
}

#[test]
fn a_key_ends_the_prompt() {
    let (mut world, meeting) = world();
    let (number, _) = world.numbers(meeting);
    let call = world.call();
    world.keys(call, &number[..1]);
    assert_eq!(world.view(call).playing, None);
    world.keys(call, &number[1..]);
    assert!(world.is_in(call, meeting));
}

#[test]
fn the_star_begins_anew_and_letters_are_no_digits() {
    let (mut world, meeting) = world();
    let (number, _) = world.numbers(meeting);
    let call = asked(&mut world);
    world.keys(call, "12345*AB");
    world.keys(call, &number);
    assert!(world.is_in(call, meeting));
}

#[test]
fn a_prompt_that_never_says_it_has_ended_does_not_hold_the_caller() {
    let (mut world, _) = world();
    let call = world.call();
    // A minute for the prompt, ten seconds for the first key.
    world.wait(Duration::from_millis(69_999));
    assert_eq!(world.view(call).heard, [Prompt::Welcome, Prompt::EnterId]);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.view(call).heard, [Prompt::NoInput, Prompt::EnterId]);
}

#[test]
fn three_tries_of_silence_end_the_call() {
    let (mut world, _) = world();
    let call = asked(&mut world);
    for _ in 0..2 {
        world.wait(Duration::from_millis(9_999));
        assert_eq!(world.view(call).playing, None);
        world.wait(Duration::from_millis(1));
        assert_eq!(world.view(call).heard, [Prompt::NoInput, Prompt::EnterId]);
        world.played(call);
    }
    world.seconds(10);
    assert_eq!(world.view(call).heard, [Prompt::NoInput, Prompt::Goodbye]);
    assert!(!world.view(call).hung_up);
    world.played(call);
    assert!(world.view(call).hung_up);
    assert_eq!((world.view(call).status, world.focus.callers()), (status::NO_MEETING, 0));
}

#[test]
fn three_wrong_ids_end_the_call_even_if_the_last_word_is_never_done() {
    let (mut world, _) = world();
    let call = asked(&mut world);
    for _ in 0..2 {
        world.keys(call, "1111111111#");
        assert_eq!(world.view(call).heard, [Prompt::WrongId, Prompt::EnterId]);
    }
    world.keys(call, "123#");
    assert_eq!(world.view(call).heard, [Prompt::WrongId, Prompt::Goodbye]);
    world.wait(Duration::from_millis(14_999));
    assert!(!world.view(call).hung_up);
    world.wait(Duration::from_millis(1));
    assert!(world.view(call).hung_up);
    assert_eq!(world.view(call).status, status::NO_MEETING);
}

#[test]
fn an_id_without_pound_is_tried_four_seconds_after_its_last_digit() {
    let (mut world, _) = world();
    let call = asked(&mut world);
    world.keys(call, "111");
    world.wait(Duration::from_millis(3_999));
    world.keys(call, "1111111");
    world.wait(Duration::from_millis(3_999));
    assert_eq!(world.view(call).heard, [Prompt::Welcome, Prompt::EnterId]);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.view(call).heard, [Prompt::WrongId, Prompt::EnterId]);
}

#[test]
fn moderators_give_their_passcode() {
    let (mut world, meeting) = world();
    let (_, number) = world.numbers(meeting);
    for end in ["#", ""] {
        let call = asked(&mut world);
        // Thirteen digits are known to be all.
        world.keys(call, &number);
        assert_eq!(world.view(call).heard, [Prompt::EnterPasscode]);
        world.keys(call, &format!("4321{end}"));
        world.seconds(if end.is_empty() { 4 } else { 0 });
        assert!(world.is_in(call, meeting));
        let roster = world.focus.roster(meeting);
        assert!(roster.iter().all(|entry| entry.person.moderator));
    }
    let call = asked(&mut world);
    world.keys(call, &number);
    world.keys(call, "4322#");
    assert_eq!(world.view(call).heard, [Prompt::WrongId, Prompt::EnterId]);
    // It begins with the id again.
    world.keys(call, "4321#");
    assert_eq!(world.view(call).heard, [Prompt::WrongId, Prompt::EnterId]);
    assert!(!world.is_in(call, meeting));
}

/// Id, passcode, and what is heard; nothing of who is in.
type Case<'a> = (&'a str, Option<&'a str>, Option<&'a [Prompt]>);

#[test]
fn what_was_dialled_is_tried_at_once() {
    let (mut world, meeting) = world();
    let (attendee, moderator) = world.numbers(meeting);
    let cases: &[Case<'_>] = &[
        (&attendee, None, None),
        (&attendee, Some("4321"), None),
        (&moderator, Some("4321"), None),
        (&moderator, None, Some(&[Prompt::EnterPasscode])),
        (&moderator, Some("1"), Some(&[Prompt::WrongId, Prompt::EnterId])),
        ("2222222222222", None, Some(&[Prompt::EnterPasscode])),
        ("1111111111", None, Some(&[Prompt::WrongId, Prompt::EnterId])),
        ("", None, Some(&[Prompt::WrongId, Prompt::EnterId])),
        ("room-of-anna", None, Some(&[Prompt::WrongId, Prompt::EnterId])),
        ("९९९९९९९९९९", None, Some(&[Prompt::WrongId, Prompt::EnterId])),
    ];
    for (id, passcode, heard) in cases {
        let call = world.dial(id, *passcode);
        assert_eq!(world.is_in(call, meeting), heard.is_none(), "{id}");
        if let Some(heard) = heard {
            assert_eq!(world.view(call).heard, *heard, "{id}");
        }
        world.gone(call, None);
    }
}

/// What a caller who types this hears, and when: milliseconds since the last key.
fn course(world: &mut World, keys: &[&str]) -> Vec<(u128, Vec<Prompt>)> {
    let call = asked(world);
    let mut heard = Vec::new();
    for keys in keys {
        world.keys(call, keys);
        let begin = world.at;
        for _ in 0..100 {
            if world.view(call).playing.is_some() {
                break;
            }
            world.wait(Duration::from_millis(100));
        }
        assert!(world.view(call).meeting.is_none());
        heard.push(((world.at - begin).as_millis(), world.view(call).heard));
        world.played(call);
    }
    world.gone(call, None);
    // Whatever was wrong is forgiven.
    world.seconds(10_000);
    heard
}

#[test]
fn ids_that_do_not_exist_are_locked_or_over_are_told_apart_by_nothing() {
    let (mut world, open) = world();
    let personal = MeetingSettings { plan: Plan::Personal, ..MeetingSettings::default() };
    let locked = world.make(MeetingSettings { longest_minutes: 2_880, ..personal });
    let host = world.moderate(locked);
    world.command(locked, By::Call(host), Command::Lock(true)).unwrap();
    let at = |seconds: u64| model::UnixTime::from_millis(script::BEGIN + seconds * 1_000);
    let plan = |start, end| Plan::Scheduled { start: at(start), end: at(end), grace_seconds: 0 };
    let over = MeetingSettings { plan: plan(1, 2), ..MeetingSettings::default() };
    let early = MeetingSettings { plan: plan(900_000, 900_001), ..MeetingSettings::default() };
    let over = world.make(over);
    let early = world.make(early);
    world.seconds(10);
    let ended = world.make(MeetingSettings::default());
    world.command(ended, By::Api, Command::End).unwrap_err();
    let numbers = world.numbers(ended);
    let now = world.now();
    world.focus.delete_meeting(now, ended).unwrap();
    let reset = world.numbers(open);
    world.focus.registry_mut().reset_numbers(open, &mut || 77_777).unwrap();

    let nobody = course(&mut world, &["1111111111"]);
    assert_eq!(nobody, [(4_000, vec![Prompt::WrongId, Prompt::EnterId])]);
    let nobody_pound = course(&mut world, &["1111111111#"]);
    for meeting in [locked, over, early] {
        let (attendee, _) = world.numbers(meeting);
        assert_eq!(course(&mut world, &[&attendee]), nobody);
        assert_eq!(course(&mut world, &[&format!("{attendee}#")]), nobody_pound);
    }
    for number in [&numbers.0, &reset.0] {
        assert_eq!(course(&mut world, &[number]), nobody);
    }
    // Moderators' ids: the question for the passcode tells nothing, and neither does its answer.
    let nobody = course(&mut world, &["2222222222222", "9999#"]);
    let wrong = vec![Prompt::WrongId, Prompt::EnterId];
    assert_eq!(nobody, [(0, vec![Prompt::EnterPasscode]), (0, wrong)]);
    let (_, right) = world.numbers(open);
    assert_eq!(course(&mut world, &[&right, "9999#"]), nobody);
    for meeting in [over, early] {
        let (_, moderator) = world.numbers(meeting);
        assert_eq!(course(&mut world, &[&moderator, "4321#"]), nobody);
    }
}

#[test]
fn a_source_that_guesses_is_slowed_and_right_ids_wait_as_long() {
    let (mut world, meeting) = world();
    let (number, _) = world.numbers(meeting);
    let dialled = |id: &str| Dialled { id: Some(id.into()), passcode: None, ..Dialled::default() };
    for _ in 0..7 {
        let call = world.call_from(9, dialled("1111111111"), false);
        world.gone(call, None);
    }
    // The seventh waits for a second; this one for two more.
    let call = world.call_from(9, dialled(&number), false);
    assert_eq!(world.view(call).heard, []);
    world.wait(Duration::from_millis(2_999));
    assert!(!world.is_in(call, meeting));
    world.wait(Duration::from_millis(1));
    assert!(world.is_in(call, meeting));
    // Somebody else is not slowed.
    let other = world.call_from(10, dialled(&number), false);
    assert!(world.is_in(other, meeting));
    let mut too_many = 0;
    for _ in 0..10 {
        let call = world.call_from(9, dialled("1111111111"), false);
        if world.view(call).heard == [Prompt::TryLater, Prompt::Goodbye] {
            too_many += 1;
            world.played(call);
            assert!(world.view(call).hung_up);
        }
    }
    assert!(too_many >= 6, "{too_many}");
    // Whoever hung up before its turn has not tried.
    assert_eq!(world.focus.guesses(), [6, too_many]);
}

#[test]
fn right_ids_are_not_slowed_however_many_come_from_one_address() {
    let (mut world, meeting) = world();
    let (attendee, moderator) = world.numbers(meeting);
    for _ in 0..40 {
        let call = world.call_from(9, Dialled::default(), true);
        world.keys(call, &attendee);
        assert!(world.is_in(call, meeting));
        let call = world.call_from(9, Dialled::default(), true);
        world.keys(call, &format!("{moderator}4321#"));
        assert!(world.is_in(call, meeting));
    }
}

#[test]
fn the_language_follows_the_number_the_region_and_the_caller() {
    let mut settings = FocusSettings::default();
    let japanese = Language::parse("ja").unwrap();
    settings.languages.called = vec![("+81312345678".into(), japanese.clone())];
    let mut world = World::new(settings);
    let call = TransactionId::from_random(99);
    let mut arrival = Arrival {
        source: Source::Caller("+819012345678".into()),
        name: String::new(),
        dialled: Dialled::default(),
        wished: None,
        region: None,
        called_number: Some("+81312345678".into()),
        calling_number: Some("+819012345678".into()),
        is_telephone: true,
    };
    world.views.insert(call, script::View::default());
    let now = world.now();
    world.focus.handle_call(now, call, arrival.clone());
    // A call that is there already is not another one.
    world.focus.handle_call(now, call, arrival.clone());
    world.drain();
    assert_eq!(world.view(call).language, Some(japanese));
    assert_eq!(world.focus.callers(), 1);
    // Who says what it wishes for gets that.
    let other = TransactionId::from_random(100);
    world.views.insert(other, script::View::default());
    arrival.wished = Some(Language::english());
    world.focus.handle_call(now, other, arrival);
    world.drain();
    assert_eq!(world.view(other).language, Some(Language::english()));
}

#[test]
fn telephones_say_their_name_where_it_is_announced() {
    let mut world = World::new(FocusSettings::default());
    let plan = Plan::Personal;
    let announce = Announce::Name;
    let meeting = world.make(MeetingSettings { plan, announce, ..MeetingSettings::default() });
    let (number, _) = world.numbers(meeting);
    let device = world.attend(meeting);
    assert!(world.is_in(device, meeting));
    for by_key in [true, false] {
        let call = asked(&mut world);
        world.keys(call, &number);
        assert_eq!(world.view(call).heard, [Prompt::SayName, Prompt::RecordTone]);
        assert!(!world.is_in(call, meeting) && !world.view(call).records_name);
        world.played(call);
        assert!(world.view(call).records_name);
        if by_key {
            world.keys(call, "#");
            assert!(!world.view(call).records_name && !world.is_in(call, meeting));
            // A key more is no other name's end.
            world.keys(call, "#");
        }
        world.name_recorded(call, true);
        assert!(world.is_in(call, meeting));
        let joined = [Prompt::Name(call), Prompt::HasJoined];
        assert_eq!(world.announced(meeting).last().unwrap(), &joined);
        // Who is in, or has joined, is told nothing more of it.
        world.name_recorded(call, true);
        world.gone(call, None);
        let left = [Prompt::Name(call), Prompt::HasLeft];
        assert_eq!(world.announced(meeting).last().unwrap(), &left);
        world.seconds(10);
    }
    // So does who has dialled the id, where it is one.
    let dialled = |id: &str| Dialled { id: Some(id.into()), ..Dialled::default() };
    let call = world.call_from(9, dialled(&number), true);
    assert_eq!(world.view(call).heard, [Prompt::SayName, Prompt::RecordTone]);
    world.gone(call, None);
    let call = world.call_from(9, dialled(&number), false);
    assert!(world.is_in(call, meeting));
    world.gone(call, None);
    // A meeting that was locked while a name was said is not entered.
    let call = asked(&mut world);
    world.keys(call, &number);
    world.command(meeting, By::Api, Command::Lock(true)).unwrap();
    world.played(call);
    world.name_recorded(call, true);
    assert_eq!(world.view(call).heard, [Prompt::WrongId, Prompt::Goodbye]);
}

/// A meeting with somebody in it where names are announced, and a telephone that is asked for its own.
fn naming(set: impl FnOnce(&mut MeetingSettings)) -> (World, MeetingId, TransactionId) {
    let mut world = World::new(FocusSettings::default());
    let mut settings = MeetingSettings {
        plan: Plan::Personal,
        announce: Announce::Name,
        ..MeetingSettings::default()
    };
    set(&mut settings);
    let meeting = world.make(settings);
    world.moderate(meeting);
    let (number, _) = world.numbers(meeting);
    let call = asked(&mut world);
    world.keys(call, &number);
    (world, meeting, call)
}

#[test]
fn who_says_nothing_is_announced_by_the_tone() {
    for is_told in [true, false] {
        let (mut world, meeting, call) = naming(|_| ());
        world.played(call);
        if is_told {
            world.name_recorded(call, false);
        } else {
            // Four seconds for the name, two until it must have been told.
            world.wait(Duration::from_millis(5_999));
            assert!(!world.is_in(call, meeting));
            world.wait(Duration::from_millis(1));
        }
        assert!(world.is_in(call, meeting));
        assert_eq!(world.announced(meeting).last().unwrap(), &[Prompt::JoinTone]);
        // What is told too late is no name any more.
        world.name_recorded(call, true);
        world.gone(call, None);
        assert_eq!(world.announced(meeting).last().unwrap(), &[Prompt::LeaveTone]);
    }
    // Of whom nothing is told after `#`, two seconds later.
    let (mut world, meeting, call) = naming(|_| ());
    world.played(call);
    world.keys(call, "#");
    world.wait(Duration::from_millis(1_999));
    assert!(!world.is_in(call, meeting));
    world.wait(Duration::from_millis(1));
    assert!(world.is_in(call, meeting));
}

#[test]
fn the_pound_key_behind_an_id_does_not_skip_the_question_for_the_name() {
    let (mut world, _, call) = naming(|_| ());
    let question = [Prompt::SayName, Prompt::RecordTone];
    world.keys(call, "#");
    assert_eq!(world.view(call).heard, question);
    assert!(!world.view(call).records_name);
    // Any other key, or another one, leads to the tone, and nothing is recorded before it has been heard.
    world.keys(call, "#");
    assert_eq!(world.view(call).heard, [Prompt::RecordTone]);
    assert!(!world.view(call).records_name);
    world.played(call);
    assert!(world.view(call).records_name);
    // After four seconds it is no id's any more.
    let (mut world, _, call) = naming(|_| ());
    world.seconds(4);
    world.keys(call, "#");
    assert_eq!(world.view(call).heard, [Prompt::RecordTone]);
}

#[test]
fn the_pound_key_behind_the_last_digit_there_can_be_skips_nothing() {
    let question = [Prompt::SayName, Prompt::RecordTone];
    for passcode in ["", "1234567890"] {
        let mut world = World::new(FocusSettings::default());
        let announce = Announce::Name;
        let settings = MeetingSettings { announce, ..MeetingSettings::default() };
        let meeting = world.make_with(settings, passcode);
        let (_, number) = world.numbers(meeting);
        let call = asked(&mut world);
        world.keys(call, &format!("{number}#"));
        if !passcode.is_empty() {
            // Nor does it the question for the passcode.
            assert_eq!(world.view(call).heard, [Prompt::EnterPasscode]);
            assert!(world.view(call).playing.is_some());
            world.keys(call, &format!("{passcode}#"));
        }
        assert_eq!(world.view(call).heard, question, "{passcode}");
        assert!(world.view(call).playing.is_some() && !world.view(call).records_name);
        // Another one is no digit's.
        world.keys(call, "#");
        assert_eq!(world.view(call).heard, [Prompt::RecordTone]);
        world.played(call);
        assert!(world.view(call).records_name);
    }
    // What was ended by the key itself has no second one.
    let mut world = World::new(FocusSettings::default());
    let announce = Announce::Name;
    let meeting = world.make(MeetingSettings { announce, ..MeetingSettings::default() });
    let (_, number) = world.numbers(meeting);
    let call = asked(&mut world);
    world.keys(call, &format!("{number}4321#"));
    assert_eq!(world.view(call).heard, question);
    world.keys(call, "#");
    assert_eq!(world.view(call).heard, [Prompt::RecordTone]);
}

#[test]
fn moderators_hear_the_name_of_who_waits() {
    let (mut world, meeting, call) = naming(|it| it.access = Access::Admitted);
    world.played(call);
    world.name_recorded(call, true);
    assert!(!world.is_in(call, meeting));
    let moderator = world.focus.roster(meeting)[0].person.call;
    assert_eq!(world.view(moderator).heard, [Prompt::Name(call), Prompt::IsWaiting]);
    world.command(meeting, By::Call(moderator), Command::Admit(call)).unwrap();
    let joined = [Prompt::Name(call), Prompt::HasJoined];
    assert_eq!(world.announced(meeting).last().unwrap(), &joined);
    // Who has no name is waited for by words alone.
    world.seconds(10);
    let nameless = world.attend(meeting);
    assert!(!world.is_in(nameless, meeting));
    assert_eq!(world.view(moderator).heard, [Prompt::Knock]);
}

#[test]
fn of_many_who_come_at_once_two_are_named() {
    let (mut world, meeting, first) = naming(|_| ());
    let (number, _) = world.numbers(meeting);
    let mut calls = vec![first];
    for _ in 0..4 {
        let call = asked(&mut world);
        world.keys(call, &number);
        calls.push(call);
    }
    for call in &calls {
        world.played(*call);
        world.name_recorded(*call, true);
    }
    let announced = world.announced(meeting);
    let joins = &announced[announced.len() - 5..];
    assert_eq!(joins[1], [Prompt::Name(calls[1]), Prompt::HasJoined]);
    assert_eq!(joins[2..], [[Prompt::JoinTone], [Prompt::JoinTone], [Prompt::JoinTone]]);
}

#[test]
fn all_of_the_dialogue_has_an_end() {
    let (mut world, _) = world();
    let call = asked(&mut world);
    for _ in 0..59 {
        world.seconds(3);
        world.keys(call, "*");
    }
    assert!(world.view(call).heard != [Prompt::Goodbye]);
    world.seconds(3);
    assert_eq!(world.view(call).heard, [Prompt::Goodbye]);
}

#[test]
fn a_full_node_sends_callers_away() {
    let settings = FocusSettings { most_callers: Some(2), ..FocusSettings::default() };
    let mut world = World::new(settings);
    let calls: Vec<_> = (0..3).map(|_| world.call()).collect();
    assert!(world.view(calls[1]).answered);
    assert!(!world.view(calls[2]).answered && world.view(calls[2]).hung_up);
    world.gone(calls[0], None);
    let call = world.call();
    assert!(world.view(call).answered);
}
