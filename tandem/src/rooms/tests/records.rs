//! What a call's record is told of its meeting, and what becomes of calls that vanish.

use super::*;

type Notes = Arc<Mutex<Vec<(TransactionId, MeetingId, bool)>>>;

/// The desk, and what it notes.
fn noting() -> (Desk, Arc<Told>, Notes) {
    let (told, notes) = (Arc::<Told>::default(), Notes::default());
    let sink = Arc::clone(&notes);
    let noted = Box::new(move |call, meeting, is_recorded| {
        sink.lock().unwrap().push((call, meeting, is_recorded));
    });
    (desk(Arc::clone(&told), noted), told, notes)
}

fn call(desk: &mut Desk, call: TransactionId, dialled: &str) {
    desk.begin(call, &begun(dialled));
    desk.pump();
}

fn news(desk: &mut Desk, call: TransactionId, news: ApplicationNews) {
    desk.take_news(call, news);
    desk.pump();
}

#[test]
fn whoever_is_in_a_meeting_has_it_in_its_record_and_that_it_is_recorded() {
    let (mut desk, _, notes) = noting();
    let taken = || std::mem::take(&mut *notes.lock().unwrap());
    let [first, second, late, stranger] = [7, 8, 9, 10].map(TransactionId::from_random);
    call(&mut desk, first, "4081234567");
    call(&mut desk, second, "4081234567");
    call(&mut desk, stranger, "4081111111");
    let meeting = desk.focus.held().next().unwrap();
    assert_eq!(taken(), [(first, meeting, false), (second, meeting, false)]);
    // That a conference is recorded means nothing while nobody wants it.
    news(&mut desk, first, ApplicationNews::ConferenceRecords);
    assert_eq!(taken(), []);
    let now = desk::now(desk.clock);
    desk.focus.command(now, meeting, By::Api, Command::Record(true), &mut desk::draw).unwrap();
    desk.pump();
    assert_eq!(taken(), [], "the file is not there yet");
    news(&mut desk, first, ApplicationNews::ConferenceRecords);
    let mut both = taken();
    both.sort();
    assert_eq!(both, [(first, meeting, true), (second, meeting, true)]);
    // Who comes later brings the order again, and is recorded once the relay has said so.
    call(&mut desk, late, "4081234567");
    assert_eq!(taken(), [(late, meeting, false)]);
    news(&mut desk, late, ApplicationNews::ConferenceRecords);
    assert_eq!(taken(), [(late, meeting, true)]);
}

#[test]
fn a_minute_without_packets_is_forgiven_and_after_it_the_call_is_hung_up() {
    let (mut desk, told, _) = noting();
    let [gone, other] = [7, 8].map(TransactionId::from_random);
    call(&mut desk, gone, "4081234567");
    call(&mut desk, other, "4081234567");
    let silent = |seconds| ApplicationNews::Silent { silent_for: Duration::from_secs(seconds) };
    for seconds in [5, 15, 25, 35, 45, 55] {
        news(&mut desk, gone, silent(seconds));
    }
    let hung_up = |desk: &mut Desk, call| {
        let orders = desk.callers.get_mut(&call).unwrap().take_orders();
        orders.iter().any(|(_, order)| matches!(order, ApplicationOrder::HangUp { .. }))
    };
    assert!(!hung_up(&mut desk, gone));
    news(&mut desk, gone, silent(65));
    assert!(hung_up(&mut desk, gone) && !hung_up(&mut desk, other));
    // Its BYE is answered, or nobody does: either way the edge says that the call is over.
    let over = ApplicationNews::HungUp { leg: LegSide::A, ordered: true, status: 200 };
    news(&mut desk, gone, over);
    assert_eq!(desk.callers.len(), 1);
    let told = told.0.lock().unwrap();
    let details: Vec<serde_json::Value> =
        told.iter().map(|event| serde_json::from_str(&event.detail).unwrap()).collect();
    let of_gone = details.iter().filter(|detail| detail["transactionId"] == gone.to_string());
    let kinds: Vec<_> =
        of_gone.map(|detail| (detail["eventType"].clone(), detail["reason"].clone())).collect();
    let null = serde_json::Value::Null;
    assert_eq!(
        kinds,
        [
            ("chime:AttendeeJoined".into(), null.clone()),
            ("tandem:AttendeeMediaLost".into(), null),
            ("chime:AttendeeDropped".into(), "MediaLost".into()),
        ]
    );
}
