//! Seats of steered calls in conferences: ordered, changed, left, lost.

use crate::steered::{answered, file, heard, hung_up, news, order, ringing};
use model::{
    ApplicationNews, ApplicationOrder, Bridge, ConferenceId, ConferenceRecording,
    ConferenceRecordingFailure, ConferenceRecordingId, ConferenceRecordingOrder, LegSide,
    MediaEvent, ParticipantId, PicturesShown, ROOM_ORDERS, RecordedPerson, Seat, SeatFailure,
    Utterance,
};
use simnet::World;
use std::time::Duration;

const A: LegSide = LegSide::A;
const SEAT: Seat =
    Seat { conference: ConferenceId(7), participant: ParticipantId(1), leg: A, is_muted: false };
const MUTED: Seat = Seat { is_muted: true, ..SEAT };

fn sit(w: &mut World, call: model::TransactionId, number: u32, seat: Seat) {
    let shown = PicturesShown::default();
    order(w, call, number, ApplicationOrder::Sit { seat, shown });
}

/// Where the only stream sits.
fn seat(w: &World) -> Option<Seat> {
    assert!(w.relay.seated.len() <= 1);
    w.relay.seated.values().next().copied()
}

#[test]
fn a_leg_sits_is_muted_plays_and_leaves() {
    let (mut w, mut caller, call) = answered();
    sit(&mut w, call, 2, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 2 }]);
    assert_eq!(seat(&w), Some(SEAT));
    for (number, muted) in [(3, MUTED), (4, SEAT)] {
        sit(&mut w, call, number, muted);
        assert_eq!(news(&mut w), [ApplicationNews::Seated { order: number }]);
        assert_eq!(seat(&w), Some(muted));
    }
    // A clip changes nothing of the seat.
    let source = file("a.wav");
    order(&mut w, call, 5, ApplicationOrder::Play { leg: A, source, rounds: Some(1) });
    w.play_to_end(A);
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Played { order: 5, .. }]));
    assert_eq!(w.relay.seats, [SEAT, MUTED, SEAT]);
    // Another place: the relay leaves the one before.
    let elsewhere = Seat { conference: ConferenceId(8), ..SEAT };
    sit(&mut w, call, 6, elsewhere);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 6 }]);
    assert_eq!(seat(&w), Some(elsewhere));
    order(&mut w, call, 7, ApplicationOrder::StandUp);
    assert_eq!(seat(&w), None);
    // Once more is nothing.
    order(&mut w, call, 8, ApplicationOrder::StandUp);
    assert_eq!(news(&mut w), []);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn who_holds_the_call_is_not_heard() {
    for ordered in [SEAT, MUTED] {
        let (mut w, mut caller, call) = answered();
        sit(&mut w, call, 2, ordered);
        assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 2 }]);
        for (version, direction, there) in
            [(2, "sendonly", MUTED), (3, "sendrecv", ordered), (4, "inactive", MUTED)]
        {
            let change = caller.sdp_with(30_000, version, direction);
            caller.request(&mut w, "INVITE", &[], Some(("application/sdp", &change)));
            caller.answered();
            caller.expect(&mut w, "200");
            caller.ack(&mut w, None);
            assert_eq!(seat(&w), Some(there), "{direction}");
        }
        // What the application orders meanwhile holds afterwards.
        sit(&mut w, call, 3, SEAT);
        assert_eq!(
            news(&mut w),
            [ApplicationNews::Seated { order: 3 }],
            "holds are nobody's order"
        );
        assert_eq!(seat(&w), Some(MUTED));
        let back = caller.sdp_with(30_000, 5, "sendrecv");
        caller.request(&mut w, "UPDATE", &[], Some(("application/sdp", &back)));
        caller.expect(&mut w, "200");
        assert_eq!(seat(&w), Some(SEAT));
        caller.bye(&mut w);
        caller.expect(&mut w, "200");
        assert_eq!(seat(&w), None, "with the call");
        assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
        w.finish();
    }
}

#[test]
fn a_seat_that_there_is_not_is_told_and_can_be_ordered_again() {
    let (mut w, mut caller, call) = answered();
    for failure in [SeatFailure::TooMany, SeatFailure::NoConferences] {
        w.relay.cannot_sit = Some(failure);
        sit(&mut w, call, 2, SEAT);
        assert_eq!(news(&mut w), [ApplicationNews::SeatFailed { order: 2, failure }]);
        // Nothing is left of it: neither hold nor leaving says anything to the relay.
        let change = caller.sdp_with(30_000, 2, "sendonly");
        caller.request(&mut w, "UPDATE", &[], Some(("application/sdp", &change)));
        caller.expect(&mut w, "200");
        order(&mut w, call, 3, ApplicationOrder::StandUp);
        let change = caller.sdp_with(30_000, 3, "sendrecv");
        caller.request(&mut w, "UPDATE", &[], Some(("application/sdp", &change)));
        caller.expect(&mut w, "200");
    }
    assert_eq!(w.relay.seats.len(), 2);
    w.relay.cannot_sit = None;
    sit(&mut w, call, 4, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 4 }]);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

/// The relay is slow: what it says of a seat that was left is not about the one that was ordered since.
#[test]
fn a_late_answer_is_about_the_seat_that_it_was_given_to() {
    let (mut w, mut caller, call) = answered();
    let elsewhere = Seat { conference: ConferenceId(8), ..SEAT };
    let failure = SeatFailure::TooMany;
    w.relay.holds_seats = true;
    sit(&mut w, call, 2, SEAT);
    order(&mut w, call, 3, ApplicationOrder::StandUp);
    sit(&mut w, call, 4, elsewhere);
    let mut late = std::mem::take(&mut w.relay.late);
    late[0] = MediaEvent::SeatFailed { id: late[0].id(), failure };
    w.say(late);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 4 }]);
    assert_eq!(seat(&w), Some(elsewhere));
    // And the other way round, of an order that replaced one.
    sit(&mut w, call, 5, SEAT);
    w.relay.cannot_sit = Some(failure);
    sit(&mut w, call, 6, elsewhere);
    let late = std::mem::take(&mut w.relay.late);
    w.say(late);
    assert_eq!(news(&mut w), [ApplicationNews::SeatFailed { order: 6, failure }]);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

/// Whoever mixes is behind and lets a leg go while another seat is being ordered for it: the relay answers that
/// order as ever, and the call goes on.
#[test]
fn a_seat_that_is_lost_while_another_is_ordered_is_none_of_its_failures() {
    let (mut w, mut caller, call) = answered();
    let elsewhere = Seat { conference: ConferenceId(8), ..SEAT };
    let failure = SeatFailure::Abandoned;
    let lose = |w: &mut World| {
        let (&id, _) = w.relay.seated.iter().next().unwrap();
        w.say(vec![MediaEvent::SeatFailed { id, failure }]);
    };
    sit(&mut w, call, 2, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 2 }]);
    w.relay.holds_seats = true;
    sit(&mut w, call, 3, elsewhere);
    lose(&mut w);
    assert_eq!(news(&mut w), []);
    let late = std::mem::take(&mut w.relay.late);
    w.say(late);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 3 }]);
    // A hold is told the relay too, which gives the leg its place anew.
    let change = caller.sdp_with(30_000, 2, "sendonly");
    caller.request(&mut w, "UPDATE", &[], Some(("application/sdp", &change)));
    caller.expect(&mut w, "200");
    lose(&mut w);
    let late = std::mem::take(&mut w.relay.late);
    assert_eq!(late.len(), 1);
    w.say(late);
    assert_eq!(news(&mut w), []);
    assert_eq!(seat(&w), Some(Seat { is_muted: true, ..elsewhere }));
    // Of one that was left, and again of the next.
    order(&mut w, call, 4, ApplicationOrder::StandUp);
    sit(&mut w, call, 5, SEAT);
    lose(&mut w);
    let late = std::mem::take(&mut w.relay.late);
    w.say(late);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 5 }]);
    // While nothing is being ordered it is what it says.
    lose(&mut w);
    assert_eq!(news(&mut w), [ApplicationNews::SeatFailed { order: 5, failure }]);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn who_is_not_answered_or_talks_to_somebody_gets_no_seat() {
    let (mut w, mut caller, call) = ringing();
    sit(&mut w, call, 1, SEAT);
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 1, .. }]));
    order(&mut w, call, 2, ApplicationOrder::Answer);
    caller.expect(&mut w, "200");
    // The ACK is not waited for.
    sit(&mut w, call, 3, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 3 }]);
    caller.ack(&mut w, None);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    assert_eq!(seat(&w), Some(SEAT));
    let bridge = Bridge {
        to: "+12065550177".into(),
        from: "+12065550100".into(),
        voice_connector: None,
        ring_timeout: Duration::from_secs(30),
        headers: Vec::new(),
        ringback: None,
    };
    order(&mut w, call, 4, ApplicationOrder::Bridge(bridge));
    let refused = news(&mut w);
    let [ApplicationNews::Refused { order: 4, why }] = &refused[..] else { panic!("{refused:?}") };
    assert!(why.contains("conference"), "{why}");
    order(&mut w, call, 5, ApplicationOrder::HangUp { leg: None, status: 480 });
    caller.expect(&mut w, "BYE");
    caller.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
    w.finish();
}

#[test]
fn a_relay_that_forgets_ends_the_call_with_its_seat() {
    let (mut w, mut caller, call) = answered();
    sit(&mut w, call, 2, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 2 }]);
    w.lose_media();
    caller.expect(&mut w, "BYE");
    caller.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn whom_an_application_has_called_sits_as_leg_b_of_the_stream() {
    let (mut w, mut callee, call) = crate::steered_outbound::answered();
    let there = Seat { leg: LegSide::B, ..SEAT };
    sit(&mut w, call, 2, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 2 }]);
    assert_eq!(seat(&w), Some(there));
    // Its own hold mutes it.
    for (version, direction, muted) in [(2, "sendonly", true), (3, "sendrecv", false)] {
        let change = callee.sdp_with(30_000, version, direction);
        callee.request(&mut w, "UPDATE", &[], Some(("application/sdp", &change)));
        callee.expect(&mut w, "200");
        assert_eq!(seat(&w), Some(Seat { is_muted: muted, ..there }), "{direction}");
    }
    // The application's leg B is nobody.
    sit(&mut w, call, 3, there);
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 3, .. }]));
    order(&mut w, call, 4, ApplicationOrder::StandUp);
    assert_eq!(seat(&w), None);
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn what_a_meeting_says_waits_for_what_the_application_plays() {
    let room = |number: u32| ROOM_ORDERS + number;
    let play = |name: &str, rounds| {
        let source = file(name);
        ApplicationOrder::Play { leg: A, source, rounds }
    };
    let played = |w: &mut World| match &news(w)[..] {
        [ApplicationNews::Played { order, .. }] => *order,
        other => panic!("{other:?}"),
    };
    let (mut w, mut caller, call) = answered();
    order(&mut w, call, room(1), play("joining.wav", Some(1)));
    assert_eq!(heard(&w, A), Some(file("joining.wav")));
    // The application's own comes first, and the other again after it.
    order(&mut w, call, 2, play("hello.wav", Some(1)));
    assert_eq!(heard(&w, A), Some(file("hello.wav")));
    w.play_to_end(A);
    assert_eq!(played(&mut w), 2);
    assert_eq!(heard(&w, A), Some(file("joining.wav")));
    w.play_to_end(A);
    assert_eq!(played(&mut w), room(1));
    assert_eq!(heard(&w, A), None);
    // What comes meanwhile waits, and what is no longer said is not heard.
    order(&mut w, call, 3, play("hello.wav", None));
    order(&mut w, call, room(2), play("music.wav", None));
    assert_eq!(heard(&w, A), Some(file("hello.wav")));
    order(&mut w, call, 4, ApplicationOrder::StopPlaying { leg: A });
    assert_eq!(heard(&w, A), Some(file("music.wav")));
    order(&mut w, call, 5, play("hello.wav", Some(1)));
    order(&mut w, call, room(3), ApplicationOrder::StopPlaying { leg: A });
    assert_eq!(heard(&w, A), Some(file("hello.wav")));
    w.play_to_end(A);
    assert_eq!(played(&mut w), 5);
    assert_eq!(heard(&w, A), None);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn a_conference_is_recorded_by_way_of_a_seat() {
    let (mut w, mut caller, call) = answered();
    let person = RecordedPerson { call, name: "Room 4".into(), is_moderator: true };
    let recording = ConferenceRecording {
        id: ConferenceRecordingId(7),
        meeting: "17bc8b19-cac7-45cb-b632-af6821e0843e".into(),
        name: "Weekly".into(),
        people: vec![person],
    };
    let record = |w: &mut World, number, recording: Option<&ConferenceRecording>| {
        let recording = match recording.cloned() {
            Some(recording) => ConferenceRecordingOrder::Record(Box::new(recording)),
            None => ConferenceRecordingOrder::Stop(ConferenceRecordingId(7)),
        };
        order(w, call, number, ApplicationOrder::RecordConference(recording));
    };
    record(&mut w, 2, Some(&recording));
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 2, .. }]), "no seat");
    sit(&mut w, call, 3, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 3 }]);
    record(&mut w, 4, Some(&recording));
    assert_eq!(news(&mut w), [ApplicationNews::ConferenceRecords]);
    let full = ConferenceRecordingFailure::File("no space left".into());
    w.relay.cannot_record_conferences = Some(full.clone());
    record(&mut w, 5, Some(&recording));
    assert_eq!(news(&mut w), [ApplicationNews::ConferenceRecordingFailed(full)]);
    // Its end is not answered.
    record(&mut w, 6, None);
    assert_eq!(news(&mut w), []);
    assert_eq!(
        w.relay.conference_recordings,
        [
            ConferenceRecordingOrder::Record(Box::new(recording.clone())),
            ConferenceRecordingOrder::Record(Box::new(recording.clone())),
            ConferenceRecordingOrder::Stop(recording.id),
        ]
    );
    // Who stands has no conference any more.
    order(&mut w, call, 7, ApplicationOrder::StandUp);
    record(&mut w, 8, Some(&recording));
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 8, .. }]));
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn what_a_caller_says_in_its_seat_is_told_once() {
    let (mut w, mut caller, call) = answered();
    let say = |w: &mut World, number, longest| {
        order(w, call, number, ApplicationOrder::RecordUtterance { longest });
    };
    let longest = Some(Duration::from_secs(4));
    say(&mut w, 2, longest);
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 2, .. }]), "no seat");
    sit(&mut w, call, 3, SEAT);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 3 }]);
    say(&mut w, 4, longest);
    assert_eq!(news(&mut w), []);
    let said = Utterance::new(*b"RIFF");
    w.relay.utterance = Some(said.clone());
    say(&mut w, 5, None);
    assert_eq!(news(&mut w), [ApplicationNews::Uttered(Some(said))]);
    w.relay.utterance = None;
    say(&mut w, 6, longest);
    say(&mut w, 7, None);
    assert_eq!(news(&mut w), [ApplicationNews::Uttered(None)]);
    assert_eq!(w.relay.utterances, [longest, None, longest, None]);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}
