//! The thread with the rooms, and no edge: what is asked and what calls would be told.

use super::*;
use crate::config::accepts;
use call_streaming::events::Event;
use model::{CallDirection, DtmfKey, MeetingDigits, RoomCall, TransportProtocol, VoiceConnectorId};
use outbox::Record;
use room_core::{By, Command};

#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl EventSink for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    fn record(&self, _: Record) {}
}

const MEETING: &str = "[rooms]\n[[rooms.meeting]]\nname = \"Board\"\nattendee_id = \"4081234567\"\n\
    moderator_id = \"7035550123456\"\n";

fn started() -> (Rooms, Arc<Told>) {
    let told = Arc::new(Told::default());
    let people = PerSink::same(Numbers::Plain);
    let rooms = Rooms::start(
        &accepts(MEETING),
        (Arc::<Told>::clone(&told), people, Numbers::Plain),
        (Box::new(|_, _, _| {}), Box::new(|_, _, _| {})),
    )
    .unwrap();
    (rooms, told)
}

fn begun(dialled: &str) -> Box<SteeredCall> {
    let meeting = MeetingDigits::parse(dialled);
    Box::new(SteeredCall {
        application: ROOMS.into(),
        rule: None,
        direction: CallDirection::Inbound,
        from: "board".into(),
        to: dialled.into(),
        voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "1".into(),
        headers: Vec::new(),
        arguments: Vec::new(),
        room: Some(Box::new(RoomCall {
            dialled: model::Dialled { meeting, ..model::Dialled::default() },
            region: None,
            display_name: Some("Board room".into()),
            user_agent: None,
            address: "192.0.2.1:5061".parse().unwrap(),
            protocol: TransportProtocol::Tls,
            lines: Vec::new(),
        })),
    })
}

/// Everything that was sent before is done.
fn names_of(rooms: &Rooms) -> Vec<(String, bool)> {
    let handle = rooms.handle();
    let roster = handle.ask(|focus, _, _| {
        let held: Vec<_> = focus.held().collect();
        held.iter().flat_map(|id| focus.roster(*id)).collect::<Vec<_>>()
    });
    roster.unwrap().into_iter().map(|entry| (entry.person.name.to_string(), entry.muted)).collect()
}

#[test]
fn a_page_does_not_come_back_to_a_meeting_that_was_ended() {
    let (rooms, _) = started();
    let calls = |number, name: &str, digit: &str| {
        let mut call = begun("4081234567");
        call.headers = vec![(name.into(), digit.repeat(64).into())];
        rooms.inputs.send(Input::Begun(TransactionId::from_random(number), call)).unwrap();
        names_of(&rooms).len()
    };
    assert_eq!(calls(7, room_guests::KEY_HEADER, "a"), 1);
    let lost = ApplicationNews::HungUp { leg: LegSide::A, ordered: false, status: 408 };
    assert_eq!(calls(8, room_guests::KEY_HEADER, "b"), 2);
    rooms.inputs.send(Input::News(TransactionId::from_random(7), lost)).unwrap();
    let ended = rooms.handle().ask(|focus, now, draw| {
        let meeting = focus.held().next().unwrap();
        focus.command(now, meeting, By::Api, Command::End, draw)
    });
    assert_eq!(ended.unwrap(), Ok(()));
    for (number, before) in [(9, "a"), (10, "b")] {
        assert_eq!(calls(number, room_guests::BEFORE_HEADER, before), 0, "{before}");
    }
    assert_eq!(calls(11, room_guests::BEFORE_HEADER, "c"), 1, "of a call that nobody knows");
    rooms.stop();
}

#[test]
fn who_dials_a_meeting_is_in_it_until_it_ends() {
    let (rooms, told) = started();
    let call = TransactionId::from_random(7);
    rooms.inputs.send(Input::Begun(call, begun("4081234567"))).unwrap();
    assert_eq!(names_of(&rooms), [("Board room".to_owned(), false)]);
    for key in ['*', '6'] {
        let key = DtmfKey::from_symbol(key).unwrap();
        let news = ApplicationNews::Key { leg: LegSide::A, key };
        rooms.inputs.send(Input::News(call, news)).unwrap();
    }
    assert_eq!(names_of(&rooms), [("Board room".to_owned(), true)]);
    let ended = rooms.handle().ask(|focus, now, draw| {
        let meeting = focus.held().next().unwrap();
        focus.command(now, meeting, By::Api, Command::End, draw)
    });
    assert_eq!(ended.unwrap(), Ok(()));
    assert_eq!(names_of(&rooms), []);
    let gone = ApplicationNews::HungUp { leg: LegSide::A, ordered: true, status: 200 };
    rooms.inputs.send(Input::News(call, gone)).unwrap();
    assert_eq!(names_of(&rooms), []);
    rooms.stop();
    let told = told.0.lock().unwrap();
    let kinds: Vec<_> = told
        .iter()
        .map(|event| serde_json::from_str::<serde_json::Value>(&event.detail).unwrap())
        .map(|detail| detail["eventType"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "chime:MeetingStarted",
        "chime:AttendeeJoined",
        "tandem:AttendeeMuted",
        "chime:AttendeeLeft",
        "chime:MeetingEnded",
    ];
    assert_eq!(kinds, expected);
    let joined: serde_json::Value = serde_json::from_str(&told[1].detail).unwrap();
    assert_eq!(joined["name"], "Board room");
    assert_eq!(joined["transactionId"], call.to_string());
    assert_eq!(joined["externalMeetingId"], "Board");
    assert_eq!(told[1].group, joined["meetingId"].as_str().unwrap());
}

#[test]
fn meetings_end_with_the_node() {
    let (rooms, told) = started();
    let call = TransactionId::from_random(7);
    rooms.inputs.send(Input::Begun(call, begun("4081234567"))).unwrap();
    assert_eq!(names_of(&rooms).len(), 1);
    let dropped = ApplicationNews::HungUp { leg: LegSide::A, ordered: false, status: 503 };
    rooms.inputs.send(Input::News(call, dropped)).unwrap();
    rooms.stop();
    let told = told.0.lock().unwrap();
    let last: Vec<serde_json::Value> =
        told[2..].iter().map(|event| serde_json::from_str(&event.detail).unwrap()).collect();
    let shown = |at: usize| [&last[at]["eventType"], &last[at]["reason"], &last[at]["status"]];
    assert_eq!(last.len(), 2, "{last:?}");
    let dropped: [serde_json::Value; 3] =
        ["chime:AttendeeDropped".into(), "CallFailed".into(), 503.into()];
    assert_eq!(shown(0), dropped.each_ref());
    let ended: [serde_json::Value; 3] =
        ["chime:MeetingEnded".into(), "NodeStops".into(), serde_json::Value::Null];
    assert_eq!(shown(1), ended.each_ref());
}

#[test]
fn who_cannot_be_heard_is_out_of_the_meeting() {
    let (rooms, told) = started();
    let call = TransactionId::from_random(7);
    rooms.inputs.send(Input::Begun(call, begun("4081234567"))).unwrap();
    assert_eq!(names_of(&rooms).len(), 1);
    // Its seat is one of its first orders; all others are of no consequence.
    for order in 1..=8 {
        let failure = model::SeatFailure::NoConferences;
        rooms
            .inputs
            .send(Input::News(call, ApplicationNews::SeatFailed { order, failure }))
            .unwrap();
    }
    assert_eq!(names_of(&rooms), []);
    rooms.stop();
    let told = told.0.lock().unwrap();
    let dropped = told.iter().find(|event| event.detail.contains("chime:AttendeeDropped")).unwrap();
    assert!(dropped.detail.contains("\"status\":503"), "{}", dropped.detail);
}

#[test]
fn whoever_asks_rooms_that_are_gone_is_told_so() {
    let (rooms, _) = started();
    let handle = rooms.handle();
    rooms.stop();
    assert_eq!(handle.ask(|_, _, _| ()), Err(NoAnswer::Late));
}

/// What was told, without who came and went.
fn recordings_of(told: &Told) -> Vec<String> {
    let told = told.0.lock().unwrap();
    let kinds = told.iter().map(|event| {
        let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
        detail["eventType"].as_str().unwrap().to_owned()
    });
    kinds.filter_map(|kind| Some(kind.split_once(":Recording")?.1.to_owned())).collect()
}

#[test]
fn a_meeting_is_told_of_its_recording_when_the_relay_says_so() {
    let (rooms, told) = started();
    let [moderator, attendee] = [7, 8].map(TransactionId::from_random);
    rooms.inputs.send(Input::Begun(moderator, begun("7035550123456"))).unwrap();
    rooms.inputs.send(Input::Begun(attendee, begun("4081234567"))).unwrap();
    let news = |call, news| rooms.inputs.send(Input::News(call, news)).unwrap();
    let record = || {
        for key in ['*', '2'] {
            let key = DtmfKey::from_symbol(key).unwrap();
            news(moderator, ApplicationNews::Key { leg: LegSide::A, key });
        }
    };
    record();
    assert_eq!(names_of(&rooms).len(), 2);
    assert_eq!(recordings_of(&told), [""; 0], "nobody has begun");
    news(moderator, ApplicationNews::ConferenceRecords);
    // Who joins brings the order again, and is answered too.
    news(attendee, ApplicationNews::ConferenceRecords);
    names_of(&rooms);
    assert_eq!(recordings_of(&told), ["Started"]);
    let full = model::ConferenceRecordingFailure::File("no space left".into());
    news(attendee, ApplicationNews::ConferenceRecordingFailed(full));
    names_of(&rooms);
    assert_eq!(recordings_of(&told), ["Started", "Failed"]);
    // The call that had the order goes, and another one gets it: its answer counts.
    record();
    let no_seat = model::ConferenceRecordingFailure::NoSeat;
    news(moderator, ApplicationNews::ConferenceRecordingFailed(no_seat.clone()));
    news(attendee, ApplicationNews::ConferenceRecordingFailed(no_seat));
    names_of(&rooms);
    assert_eq!(recordings_of(&told), ["Started", "Failed"], "it is ordered again");
    news(attendee, ApplicationNews::ConferenceRecords);
    names_of(&rooms);
    assert_eq!(recordings_of(&told), ["Started", "Failed", "Started"]);
    record();
    names_of(&rooms);
    assert_eq!(recordings_of(&told), ["Started", "Failed", "Started", "Stopped"]);
    let asked = rooms.handle().ask(|focus, now, draw| {
        let meeting = focus.held().next().unwrap();
        focus.command(now, meeting, By::Api, Command::Record(true), draw)
    });
    assert_eq!(asked.unwrap(), Err(room_core::Refused::Unrecorded), "by the API it is refused");
    rooms.stop();
}

/// The desk without its thread.
fn desk(told: Arc<Told>, noted: Noted) -> Desk {
    let config = accepts(MEETING);
    let people = PerSink::same(Numbers::Plain);
    Desk::new(
        (config.rooms.clone().unwrap(), None, true),
        (Teller::new(&config, (told, people)), Numbers::Plain, false),
        Arc::default(),
        (Arc::default(), Arc::default()),
        (Steered::new(Box::new(|_, _, _| {}), true, Default::default()), noted),
        (None, Arc::default()),
    )
}

#[test]
fn a_reload_says_whether_telephones_may_be_called() {
    let (rooms, _) = started();
    let handle = rooms.handle();
    let call = || {
        let meeting = handle.ask(|focus, _, _| {
            let number = room_core::AttendeeNumber::parse("4081234567").unwrap();
            focus.registry().by_attendee_number(number).map(|record| record.meeting_id)
        });
        handle.command(meeting.unwrap().unwrap(), Command::DialOut("+12065550177".into()))
    };
    assert_eq!(call(), Err(room_core::Refused::NotAllowed));
    let out = "[rooms.call_out]\ncaller_id = \"+12065550100\"\ncalling_regions = [\"US\"]\n";
    rooms.follow_file(&accepts(&format!("{MEETING}{out}")));
    assert_eq!(call(), Ok(()));
    rooms.follow_file(&accepts(MEETING));
    assert_eq!(call(), Err(room_core::Refused::NotAllowed));
    rooms.stop();
}

mod records;
mod steered;
