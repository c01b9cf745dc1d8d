//! Calls that applications have sent into a meeting.

mod script;

use room_core::*;
use script::{View, World};

#[test]
fn a_token_alone_lets_in_and_mutes_are_of_both_sides() {
    let mut world = World::new(FocusSettings::default());
    let meeting = world.make(MeetingSettings::default());
    let (one, two) = (world.guest(meeting, false), world.guest(meeting, false));
    let attendees = [world.guests[one].1, world.guests[two].1];
    let (token, now) = (world.guests[one].2.clone(), world.now());
    let call = world.new_call();
    for wrong in ["", "x", &token[1..]] {
        let joined = world.focus.handle_token(now, call, meeting, wrong);
        assert_eq!(joined, Err(Refused::NobodyThere), "{wrong}");
    }
    world.views.insert(call, View { answered: true, ..View::default() });
    assert_eq!(world.focus.handle_token(now, call, meeting, &token), Ok(()));
    let muted = |world: &World| -> Vec<bool> {
        world.focus.roster(meeting).iter().map(|entry| entry.muted).collect()
    };
    assert_eq!(muted(&world), [false]);
    let draw = &mut || 7;
    // The other attendee is not there yet: nobody is muted.
    let both = |world: &mut World, of, on| {
        let now = world.now();
        world.focus.mute_attendees(now, (of, meeting), &attendees, on, &mut || 7)
    };
    assert_eq!(both(&mut world, call, true), Err(Refused::NobodyThere));
    assert_eq!(muted(&world), [false]);
    let (other, joined) = world.join_guest(two);
    assert_eq!(joined, Ok(()));
    assert_eq!(both(&mut world, call, true), Ok(()));
    assert_eq!(muted(&world), [true, true]);
    // A moderator's word is as good, and the other way round.
    world.focus.command(now, meeting, By::Api, Command::Mute(call, false), draw).unwrap();
    assert_eq!(muted(&world), [false, true]);
    assert_eq!(both(&mut world, other, false), Ok(()));
    assert_eq!(muted(&world), [false, false]);
    let stranger = world.new_call();
    assert_eq!(both(&mut world, stranger, true), Err(Refused::NoMeeting));
}

#[test]
fn locked_and_full_meetings_take_no_token() {
    let mut world = World::new(FocusSettings::default());
    let meeting = world.make(MeetingSettings { capacity: 2, ..MeetingSettings::default() });
    let guest = world.guest(meeting, false);
    let (number, _) = world.numbers(meeting);
    world.dial(&number, None);
    world.dial(&number, None);
    let (token, now) = (world.guests[guest].2.clone(), world.now());
    let call = world.new_call();
    assert_eq!(world.focus.handle_token(now, call, meeting, &token), Err(Refused::Full));
    world.command(meeting, By::Api, Command::Lock(true)).unwrap();
    assert_eq!(world.focus.handle_token(now, call, meeting, &token), Err(Refused::NotAllowed));
    world.command(meeting, By::Api, Command::End).unwrap();
    assert_eq!(world.focus.roster(meeting), []);
}

#[test]
fn numbers_are_guessed_no_faster_than_in_the_welcome() {
    let mut world = World::new(FocusSettings::default());
    let meeting = world.make(MeetingSettings::default());
    let (attendee, moderator) = world.numbers(meeting);
    let source = || (Source::Caller("+12065550199".into()), "Anna");
    let now = world.now();
    let call = world.new_call();
    let mut join =
        |digits: &str, passcode| world.focus.handle_number(now, call, (digits, passcode), source());
    assert_eq!(join(&moderator, Some("1111")), Err(Refused::NobodyThere));
    assert_eq!(join(&moderator, None), Err(Refused::NobodyThere));
    for _ in 0..4 {
        assert_eq!(join("9999999999", None), Err(Refused::NobodyThere));
    }
    assert_eq!(join(&attendee, None), Err(Refused::TooFast), "right, but after six wrong ones");
    // Somebody else is not held up.
    let other = (Source::Caller("+12065550198".into()), "Bert");
    let joined = world.focus.handle_number(now, call, (&moderator, Some("4321")), other);
    assert_eq!(joined, Ok(()));
    let roster = world.focus.roster(meeting);
    assert!(roster[0].person.moderator && &*roster[0].person.name == "Bert");
}
