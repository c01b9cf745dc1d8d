//! Calls of applications in meetings of the thread.

use super::*;
use media_applications::{MeetingRefusal, Room};
use std::sync::mpsc::{Receiver, sync_channel};

type Answer = (TransactionId, u32, Result<(), MeetingRefusal>);

fn started(config: &str) -> (Rooms, Arc<Told>, Receiver<Answer>) {
    let told = Arc::new(Told::default());
    let people = PerSink::same(Numbers::Plain);
    let (sender, answers) = sync_channel(64);
    let met: Met = Box::new(move |call, number, outcome| {
        sender.send((call, number, outcome)).unwrap();
    });
    let rooms =
        Rooms::start(&accepts(config), (Arc::<Told>::clone(&told), people, Numbers::Plain), met)
            .unwrap();
    (rooms, told, answers)
}

fn join(digits: &str) -> MeetingRequest {
    let room = Room::Number { digits: digits.into(), passcode: "".into() };
    MeetingRequest::Join { room, from: "+12065550199".into() }
}

fn answer(answers: &Receiver<Answer>) -> Answer {
    answers.recv_timeout(Duration::from_secs(60)).unwrap()
}

#[test]
fn a_call_of_an_application_joins_once_it_sits_and_leaves_with_its_end() {
    let (rooms, told, answers) = started(MEETING);
    let (handle, call) = (rooms.handle(), TransactionId::from_random(7));
    handle.meet(call, 3, join("4081234567")).unwrap();
    assert_eq!(names_of(&rooms), [("+12065550199".to_owned(), false)]);
    assert!(answers.try_recv().is_err(), "it is not heard there yet");
    // Its seat is one of its first orders; the numbers are the rooms'.
    for order in (1..=8).map(|number| ROOM_ORDERS + number) {
        rooms.inputs.send(Input::News(call, ApplicationNews::Seated { order })).unwrap();
    }
    assert_eq!(answer(&answers), (call, 3, Ok(())));
    handle.meet(call, 4, join("4081234567")).unwrap();
    assert!(matches!(answer(&answers), (_, 4, Err(MeetingRefusal::Failed(_)))));
    let meeting = handle.held().unwrap()[0].to_string();
    for (number, meeting, attendees, expected) in [
        (5, "x", vec![], MeetingRefusal::NotIn),
        (6, &*meeting, vec!["x".into()], MeetingRefusal::Stranger),
    ] {
        let (meeting, on) = (meeting.into(), true);
        handle.meet(call, number, MeetingRequest::Mute { meeting, attendees, on }).unwrap();
        assert_eq!(answer(&answers), (call, number, Err(expected)));
    }
    handle.meet(call, 0, MeetingRequest::Leave).unwrap();
    assert_eq!(names_of(&rooms), []);
    rooms.stop();
    let told = told.0.lock().unwrap();
    assert!(told.iter().any(|event| event.detail.contains("\"reason\":\"HungUp\"")));
}

#[test]
fn who_gets_no_seat_is_the_application_s_again() {
    let (rooms, told, answers) = started(MEETING);
    let (handle, call) = (rooms.handle(), TransactionId::from_random(7));
    for number in [1, 2] {
        handle.meet(call, number, join("4081234567")).unwrap();
        assert_eq!(names_of(&rooms).len(), 1);
        for order in (1..=8).map(|number| ROOM_ORDERS + number) {
            let failure = model::SeatFailure::TooMany;
            let news = ApplicationNews::SeatFailed { order, failure };
            rooms.inputs.send(Input::News(call, news)).unwrap();
        }
        let (_, answered, outcome) = answer(&answers);
        assert_eq!(answered, number);
        let Err(MeetingRefusal::Failed(why)) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("as many streams as are allowed"), "{why}");
        assert_eq!(names_of(&rooms), []);
    }
    rooms.stop();
    assert!(!told.0.lock().unwrap().is_empty());
}

#[test]
fn wrong_rooms_and_nodes_without_any_are_refused() {
    let (rooms, _, answers) = started(MEETING);
    let call = TransactionId::from_random(7);
    rooms.handle().meet(call, 1, join("4081234568")).unwrap();
    assert_eq!(answer(&answers), (call, 1, Err(MeetingRefusal::Wrong)));
    let room = Room::Attendee { meeting: "x".into(), token: "y".into() };
    let from = "+12065550199".into();
    rooms.handle().meet(call, 2, MeetingRequest::Join { room, from }).unwrap();
    assert_eq!(answer(&answers), (call, 2, Err(MeetingRefusal::Wrong)));
    rooms.stop();
    let (rooms, _, answers) = started("");
    rooms.handle().meet(call, 3, join("4081234567")).unwrap();
    assert_eq!(answer(&answers), (call, 3, Err(MeetingRefusal::NoRooms)));
    let handle = rooms.handle();
    rooms.stop();
    assert!(handle.meet(call, 4, join("4081234567")).is_err());
}

#[test]
fn who_waits_for_a_moderator_has_joined() {
    let (rooms, told, answers) = started(&format!("{MEETING}access = \"moderated\"\n"));
    let call = TransactionId::from_random(7);
    rooms.handle().meet(call, 1, join("4081234567")).unwrap();
    assert_eq!(answer(&answers), (call, 1, Ok(())));
    rooms.stop();
    let told = told.0.lock().unwrap();
    assert!(told.iter().any(|event| event.detail.contains("tandem:AttendeeWaiting")));
}
