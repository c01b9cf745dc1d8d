//! Telephones that meetings call: under the rules of such calls, and steered by the rooms from their
//! first ringing on.

use crate::steered::{file, hung_up, key, news, order};
use directory::{Caps, Resources, Rooms, RoomsCallOut};
use model::{
    ApplicationNews, ApplicationOrder, ApplicationTold, CallDirection, CallEventKind, ConferenceId,
    LegSide, ParticipantId, PicturesShown, ROOM_ORDERS, ROOMS, Seat, TransactionId,
};
use simnet::{CARRIER, World, config, directory};

const A: LegSide = LegSide::A;
const TO: &str = "+12065550177";
const SHOWN: &str = "+12065550777";

fn resources(change: impl Fn(&mut RoomsCallOut)) -> Resources {
    let mut rules = RoomsCallOut {
        caller_id: SHOWN.into(),
        calling_regions: vec!["US"],
        allow_high_risk: false,
        cps_limit: 100,
        concurrent_calls_limit: 10,
        caps: Caps::default(),
    };
    change(&mut rules);
    let rooms = Rooms { call_out: Some(rules), ..Rooms::new("tandem.example") };
    Resources { rooms: Some(rooms), ..directory() }
}

fn call() -> TransactionId {
    TransactionId::from_random(77)
}

fn dial(w: &mut World, to: &str) {
    w.command(|edge, now| edge.call_for_rooms(now, call(), to.into()));
}

#[test]
fn whom_a_meeting_calls_hears_it_presses_a_key_and_sits() {
    let mut w = World::with(config(), resources(|_| {}));
    dial(&mut w, TO);
    let event = w.told.remove(0);
    assert_eq!(event.call, call(), "the rooms' own id, which the record has too");
    let ApplicationTold::Begun(begun) = event.told else { panic!("{event:?}") };
    assert_eq!((&*begun.application, begun.direction), (ROOMS, CallDirection::Outbound));
    let mut callee = w.callee(CARRIER);
    let invite = callee.invited.clone().unwrap();
    assert!(invite.from().unwrap().uri_text.contains(SHOWN));
    callee.reply(&mut w, 180, None);
    let body = callee.sdp(30_000);
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(A), ApplicationNews::Answered(A)]);
    let invited = ApplicationOrder::Play { leg: A, source: file("invited"), rounds: Some(1) };
    order(&mut w, call(), 1, invited);
    w.press(LegSide::B, key('1'));
    assert_eq!(news(&mut w), [ApplicationNews::Key { leg: A, key: key('1').key }]);
    let seat = Seat {
        conference: ConferenceId(7),
        participant: ParticipantId(1),
        leg: A,
        is_muted: false,
    };
    order(&mut w, call(), 2, ApplicationOrder::Sit { seat, shown: PicturesShown::default() });
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 2 }]);
    assert_eq!(w.relay.seats, [Seat { leg: LegSide::B, ..seat }]);
    order(&mut w, call(), 3, ApplicationOrder::HangUp { leg: None, status: 480 });
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
    let is_steered = |kind: &CallEventKind| matches!(kind, CallEventKind::Steered { .. });
    assert!(!w.audit.events.iter().any(|event| is_steered(&event.kind)), "by no application");
    w.finish();
}

#[test]
fn who_is_called_no_more_is_let_go() {
    let mut w = World::with(config(), resources(|_| {}));
    dial(&mut w, TO);
    w.told.clear();
    let mut callee = w.callee(CARRIER);
    callee.reply(&mut w, 180, None);
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(A)]);
    order(&mut w, call(), 1, ApplicationOrder::HangUp { leg: None, status: 480 });
    callee.expect(&mut w, "CANCEL");
    callee.ok(&mut w);
    callee.reply(&mut w, 487, None);
    callee.expect(&mut w, "ACK");
    assert!(matches!(news(&mut w)[..], [ApplicationNews::HungUp { leg: A, ordered: true, .. }]));
    w.finish();
}

/// Nobody is called, with this status.
fn refused(resources: Resources, to: &str, status: u16) {
    let mut w = World::with(config(), resources);
    dial(&mut w, to);
    let failed = ApplicationNews::BridgeFailed { order: ROOM_ORDERS, status };
    assert_eq!(news(&mut w), [failed], "{to}");
    w.finish();
}

#[test]
fn who_may_not_be_called_is_not() {
    let nobody = Resources { rooms: Some(Rooms::new("tandem.example")), ..directory() };
    refused(nobody, TO, 403);
    refused(resources(|rules| rules.calling_regions = vec!["JP"]), TO, 403);
    // Numbers for help are no E.164.
    for help in ["911", "+911", "112"] {
        refused(resources(|_| {}), help, 484);
    }
}

#[test]
fn calls_of_meetings_have_their_rate() {
    let mut w = World::with(config(), resources(|rules| rules.cps_limit = 1));
    dial(&mut w, TO);
    w.told.clear();
    let mut callee = w.callee(CARRIER);
    w.command(|edge, now| edge.call_for_rooms(now, TransactionId::from_random(78), TO.into()));
    let failed = ApplicationNews::BridgeFailed { order: ROOM_ORDERS, status: 503 };
    assert_eq!(news(&mut w), [failed]);
    callee.reply(&mut w, 486, None);
    callee.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [hung_up(A, false, 486)]);
    w.finish();
}
