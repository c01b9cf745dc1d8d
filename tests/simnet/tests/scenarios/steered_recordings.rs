//! What applications have recorded: who listens to which leg, and what the caller is told of it.

use crate::steered::{answered, news, order, ringing_with, steering};
use crate::steered_bridge::{answer, wanted};
use model::{
    ApplicationNews, ApplicationOrder, LegSide, ListenFailure, Listener, OrderedRecording,
};
use simnet::{CARRIER, Ua, World, config};
use sip_proto::Message;
use std::time::Duration;

const BOTH: [bool; 2] = [true; 2];

pub(super) fn recording(order: u32, legs: [bool; 2]) -> OrderedRecording {
    OrderedRecording {
        order,
        legs,
        bucket: "demo".into(),
        prefix: "".into(),
        longest: Duration::from_secs(60),
        silence: None,
    }
}

fn record(w: &mut World, call: model::TransactionId, number: u32, legs: [bool; 2]) {
    let ordered = ApplicationOrder::Record(Box::new(recording(number, legs)));
    order(w, call, number, ordered);
}

/// The orders whose recordings listen to the only stream, and which legs it hands on.
fn listening(w: &World) -> Option<(Vec<u32>, [bool; 2])> {
    let listening = w.relay.listened.values().next()?;
    let orders = listening.listeners.iter().map(|listener| match listener {
        Listener::Ordered(recording) => recording.order,
        other => panic!("{other:?}"),
    });
    let legs = LegSide::BOTH.map(|leg| listening.channels[leg.index()].is_some());
    Some((orders.collect(), legs))
}

fn hang_up(mut w: World, mut caller: Ua) {
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn leg_a_is_recorded_alone_and_with_whoever_comes() {
    let (mut w, caller, call) = answered();
    record(&mut w, call, 2, [true, false]);
    assert_eq!(news(&mut w), [ApplicationNews::Records { order: 2 }]);
    assert_eq!(listening(&w), Some((vec![2], [true, false])));
    record(&mut w, call, 3, BOTH);
    assert_eq!(news(&mut w), [ApplicationNews::Records { order: 3 }], "the first goes on");
    order(&mut w, call, 4, ApplicationOrder::StopRecording { order: 2 });
    assert_eq!(listening(&w), Some((vec![3], [true, false])));
    order(&mut w, call, 5, ApplicationOrder::Bridge(wanted()));
    let mut callee = w.callee(CARRIER);
    answer(&mut w, &mut callee);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(LegSide::B)]);
    assert_eq!(listening(&w), Some((vec![3], BOTH)));
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    news(&mut w);
    assert_eq!(listening(&w), Some((vec![3], [true, false])));
    order(&mut w, call, 6, ApplicationOrder::StopRecording { order: 3 });
    order(&mut w, call, 7, ApplicationOrder::StopRecording { order: 3 });
    assert_eq!(listening(&w), None);
    // And once more.
    record(&mut w, call, 8, [true, false]);
    assert_eq!(listening(&w), Some((vec![8], [true, false])));
    hang_up(w, caller);
}

/// The application's leg A is the call's leg B: its audio alone is handed on, as the application's.
#[test]
fn whom_an_application_has_called_is_recorded_as_its_leg_a() {
    let (mut w, mut callee, call) = crate::steered_outbound::answered();
    record(&mut w, call, 2, [true, false]);
    assert_eq!(news(&mut w), [ApplicationNews::Records { order: 2 }]);
    assert_eq!(listening(&w), Some((vec![2], [false, true])));
    let channels = &w.relay.listened.values().next().unwrap().channels;
    assert_eq!(channels[1].as_ref().map(|channel| channel.side), Some(LegSide::A));
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    w.finish();
}

#[test]
fn what_cannot_be_recorded_is_refused_and_the_call_goes_on() {
    let refused = |w: &mut World, number: u32| {
        let all = news(w);
        let is_it = |of: &ApplicationNews| matches!(of, ApplicationNews::Refused { order, .. } if *order == number);
        assert!(all.len() == 1 && is_it(&all[0]), "{all:?} for {number}");
    };
    let (mut w, mut caller, call) = ringing_with(World::with(config(), steering()));
    record(&mut w, call, 1, BOTH);
    refused(&mut w, 1);
    order(&mut w, call, 2, ApplicationOrder::Answer);
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    news(&mut w);
    record(&mut w, call, 3, [false, true]);
    refused(&mut w, 3);
    record(&mut w, call, 4, [false; 2]);
    refused(&mut w, 4);
    for failure in [ListenFailure::TooMany, ListenFailure::NoListeners] {
        w.relay.cannot_listen = Some(failure);
        record(&mut w, call, 5, BOTH);
        refused(&mut w, 5);
        // It is not tried again behind the application's back.
        w.relay.cannot_listen = None;
        w.advance(Duration::from_secs(60));
        assert_eq!((news(&mut w), listening(&w)), (Vec::new(), None));
    }
    for number in 6..9 {
        record(&mut w, call, number, BOTH);
    }
    let all = news(&mut w);
    assert!(matches!(all[..], [.., ApplicationNews::Refused { order: 8, .. }]), "{all:?}");
    hang_up(w, caller);
}

#[test]
fn a_caller_who_wants_to_know_is_told_when_it_begins_and_ends() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, crate::steered::NUMBER);
    let offer = caller.sdp(30_000);
    caller.invite_with(&mut w, &[("Supported", "record-aware")], Some(&offer));
    caller.expect(&mut w, "180");
    let call = w.told.remove(0).call;
    order(&mut w, call, 1, ApplicationOrder::Answer);
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    let told = |w: &mut World, caller: &mut Ua, state: &str| {
        let offer: Message = caller.expect(w, "INVITE");
        let body = String::from_utf8_lossy(offer.body_bytes()).into_owned();
        assert!(body.contains(&format!("a=record:{state}\r\n")), "{body}");
        let answer = caller.sdp_with(30_000, 2, "sendrecv");
        caller.reply(w, 200, Some(&answer));
        caller.expect(w, "ACK");
        // The next word may be said then.
        w.advance(Duration::from_secs(2));
    };
    record(&mut w, call, 2, [true, false]);
    told(&mut w, &mut caller, "on");
    order(&mut w, call, 3, ApplicationOrder::StopRecording { order: 2 });
    told(&mut w, &mut caller, "off");
    hang_up(w, caller);
}
