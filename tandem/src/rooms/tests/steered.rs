//! Calls of applications in meetings of the thread.

use super::*;
use media_applications::{MeetingRefusal, Room};
use model::ConferenceRecordingOrder;
use std::sync::mpsc::{Receiver, sync_channel};

type Answer = (TransactionId, u32, Result<(), MeetingRefusal>);

fn started(config: &str) -> (Rooms, Arc<Told>, Receiver<Answer>) {
    let told = Arc::new(Told::default());
    let people = PerSink::same(Numbers::Plain);
    let (sender, answers) = sync_channel(64);
    let met: Met = Box::new(move |call, number, outcome| {
        sender.send((call, number, outcome)).unwrap();
    });
    let rooms = Rooms::start(
        &accepts(config),
        (Arc::<Told>::clone(&told), people, Numbers::Plain),
        (met, Box::new(|_, _, _| {})),
    )
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

#[test]
fn calls_that_are_over_while_the_queue_is_full_are_forgotten() {
    let (rooms, told, _answers) = started(MEETING);
    let port = rooms.port(LiveDirectory::of(&accepts(MEETING), None), Box::new(Err));
    let tell = |call, told| port(ApplicationEvent { call, at: model::Instant::ZERO, told });
    let [sits, begins] = [7, 8].map(TransactionId::from_random);
    tell(sits, ApplicationTold::Begun(begun("4081234567"))).unwrap();
    assert_eq!(names_of(&rooms).len(), 1);
    // The thread stands still, and the queue fills behind it.
    let (stands, is_standing) = sync_channel(0);
    let (go_on, goes_on) = sync_channel::<()>(0);
    let work: Work = Box::new(move |_, _, _| {
        stands.send(()).unwrap();
        goes_on.recv().unwrap();
    });
    rooms.inputs.send(Input::Ask(work)).unwrap();
    is_standing.recv_timeout(Duration::from_secs(60)).unwrap();
    tell(begins, ApplicationTold::Begun(begun("4081234567"))).unwrap();
    let nothing = || Input::Ask(Box::new(|_, _, _| ()));
    while rooms.inputs.try_send(nothing()).is_ok() {}
    for call in [sits, begins] {
        let gone = ApplicationNews::HungUp { leg: LegSide::A, ordered: false, status: 200 };
        tell(call, ApplicationTold::News(gone)).unwrap();
    }
    go_on.send(()).unwrap();
    let (count, counted) = sync_channel(1);
    let work: Work = Box::new(move |focus, _, _| count.send(focus.callers()).unwrap());
    rooms.inputs.send(Input::Ask(work)).unwrap();
    assert_eq!(counted.recv_timeout(Duration::from_secs(60)).unwrap(), 0);
    rooms.stop();
    let told = told.0.lock().unwrap();
    let left = told.iter().filter(|event| event.detail.contains("\"reason\":\"HungUp\""));
    assert_eq!(left.count(), 2);
}

/// What the edge tells of a call that is none of the rooms' own.
#[test]
fn the_recording_of_a_meeting_is_answered_by_way_of_an_application_s_call_too() {
    let (rooms, told, _answers) = started(MEETING);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let applications = Arc::clone(&taken);
    let port = rooms.port(
        LiveDirectory::of(&accepts(MEETING), None),
        Box::new(move |event| {
            applications.lock().unwrap().push(event);
            Ok(())
        }),
    );
    let [moderator, call] = [7, 8].map(TransactionId::from_random);
    rooms.inputs.send(Input::Begun(moderator, begun("7035550123456"))).unwrap();
    rooms.handle().meet(call, 1, join("4081234567")).unwrap();
    for key in ['*', '2'] {
        let key = DtmfKey::from_symbol(key).unwrap();
        let news = ApplicationNews::Key { leg: LegSide::A, key };
        rooms.inputs.send(Input::News(moderator, news)).unwrap();
    }
    let tell = |news| {
        let (at, told) = (model::Instant::ZERO, ApplicationTold::News(news));
        port(ApplicationEvent { call, at, told }).unwrap();
        names_of(&rooms);
    };
    tell(ApplicationNews::ConferenceRecords);
    assert_eq!(recordings_of(&told), ["Started"]);
    let full = model::ConferenceRecordingFailure::File("no space left".into());
    tell(ApplicationNews::ConferenceRecordingFailed(full));
    assert_eq!(recordings_of(&told), ["Started", "Failed"]);
    tell(ApplicationNews::Silent { silent_for: Duration::from_secs(5) });
    assert_eq!(taken.lock().unwrap().len(), 0, "the application has no use for them");
    let key = DtmfKey::from_symbol('1').unwrap();
    tell(ApplicationNews::Key { leg: LegSide::A, key });
    assert_eq!(taken.lock().unwrap().len(), 1, "its keys are the application's");
    drop(port);
    rooms.stop();
}

/// The desk without its thread, with applications' calls in its meeting.
fn desk_of(calls: &[TransactionId]) -> (Desk, MeetingId) {
    let mut desk = desk(Arc::new(Told::default()), Box::new(|_, _, _| {}));
    for call in calls {
        desk.meet(*call, 1, join("4081234567"));
        desk.pump();
    }
    let meeting = desk.focus.held().next().unwrap();
    record_orders(&mut desk);
    (desk, meeting)
}

/// New orders to record or not, by their calls.
fn record_orders(desk: &mut Desk) -> Vec<(TransactionId, bool)> {
    let mut orders = Vec::new();
    for (call, ears) in &mut desk.callers {
        for (_, order) in ears.take_orders() {
            if let ApplicationOrder::RecordConference(recording) = order {
                let records = matches!(recording, ConferenceRecordingOrder::Record(_));
                orders.push((*call, records));
            }
        }
    }
    orders.sort();
    orders
}

fn record(desk: &mut Desk, meeting: MeetingId, on: bool) {
    let now = desk::now(desk.clock);
    let command = Command::Record(on);
    desk.focus.command(now, meeting, By::Api, command, &mut desk::draw).unwrap();
    desk.pump();
}

#[test]
fn an_order_to_record_goes_by_another_call_when_the_first_one_leaves() {
    let calls = [7, 8, 9].map(TransactionId::from_random);
    let (mut desk, meeting) = desk_of(&calls);
    record(&mut desk, meeting, true);
    let [(first, true)] = record_orders(&mut desk)[..] else { panic!("one order") };
    desk.meet(first, 0, MeetingRequest::Leave);
    let [(second, true)] = record_orders(&mut desk)[..] else { panic!("one order") };
    assert_ne!(first, second);
    // It is answered, so that nobody else needs it.
    desk.take_news(second, ApplicationNews::ConferenceRecords);
    desk.meet(second, 0, MeetingRequest::Leave);
    assert_eq!(record_orders(&mut desk), []);
}

#[test]
fn the_end_of_a_recording_is_ordered_by_more_than_one_call() {
    let calls = [7, 8, 9].map(TransactionId::from_random);
    let (mut desk, meeting) = desk_of(&calls);
    let by_all = || {
        let mut all = calls.map(|call| (call, false));
        all.sort();
        all
    };
    record(&mut desk, meeting, true);
    desk.take_news(calls[0], ApplicationNews::ConferenceRecords);
    record_orders(&mut desk);
    record(&mut desk, meeting, false);
    assert_eq!(record_orders(&mut desk), by_all());
    // The order that came with somebody who joined found no room: what runs is ended, as everybody hears.
    record(&mut desk, meeting, true);
    desk.take_news(calls[0], ApplicationNews::ConferenceRecords);
    record_orders(&mut desk);
    let full = model::ConferenceRecordingFailure::TooMany;
    desk.take_news(calls[1], ApplicationNews::ConferenceRecordingFailed(full));
    assert_eq!(record_orders(&mut desk), by_all());
}
