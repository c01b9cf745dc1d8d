//! Calls whose audio goes to listeners (streaming): who says so, and what listeners learn.

use crate::attended::{refer_to, two_calls};
use crate::transfer::{join, part, refer, released, take_offer};
use b2bua::{EdgeConfig, ListenRefusal};
use directory::{Resources, Streaming};
use model::{
    CallEventKind, LegSide, ListenFailure, ListenedUpdate, Listening, MediaId, TransactionId,
    UnixTime,
};
use simnet::{PBX, Ua, World, config, directory};
use std::time::Duration;

fn streaming(change: impl Fn(&mut Streaming)) -> Resources {
    let mut resources = directory();
    for connector in &mut resources.voice_connectors {
        connector.streaming.enabled = true;
        change(&mut connector.streaming);
    }
    resources
}

fn world(change: impl Fn(&mut Streaming)) -> World {
    World::with(config(), streaming(change))
}

/// The only stream that is listened to.
fn listened(w: &World) -> Option<(MediaId, Listening)> {
    assert!(w.relay.listened.len() <= 1, "{:?}", w.relay.listened);
    w.relay.listened.iter().next().map(|(id, listening)| (*id, listening.clone()))
}

fn is_listened(w: &World) -> bool {
    listened(w).is_some()
}

/// Which channel leg A and leg B are.
fn channels(listening: &Listening) -> [LegSide; 2] {
    listening.channels.each_ref().map(|channel| channel.as_ref().unwrap().side)
}

fn header<'a>(headers: &'a [(std::sync::Arc<str>, std::sync::Arc<str>)], name: &str) -> &'a str {
    headers.iter().find(|(found, _)| &**found == name).map_or("", |(_, value)| value)
}

fn told(w: &World) -> Vec<&CallEventKind> {
    let is_one = |kind: &&CallEventKind| {
        matches!(kind, CallEventKind::ListenedTo | CallEventKind::NotListenedTo(_))
    };
    w.audit.events.iter().map(|event| &event.kind).filter(is_one).collect()
}

fn only_call(w: &World) -> TransactionId {
    w.audit.events.first().unwrap().transaction_id
}

#[test]
fn a_call_is_listened_to_from_its_answer_to_its_end() {
    let mut w = world(|_| {});
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000).replace("m=audio", "a=x:1\r\nm=audio") + "a=label:leg-1\r\n";
    pbx.invite_with(&mut w, &[("X-Account", "7"), ("User-to-User", "00")], Some(&offer));
    let mut pstn = w.callee(simnet::CARRIER);
    let body = pstn.sdp(40_000);
    pstn.reply(&mut w, 183, Some(&body));
    pbx.expect(&mut w, "183");
    assert!(!is_listened(&w), "early media is not the call's");
    pstn.reply(&mut w, 200, Some(&body));
    pstn.expect(&mut w, "ACK");
    let (_, listening) = listened(&w).unwrap();
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    assert_eq!(channels(&listening), [LegSide::A, LegSide::B]);
    let [a, b] = listening.channels.map(Option::unwrap);
    assert_eq!((a.is_caller, a.media_index, a.label.as_deref()), (true, 0, Some("leg-1")));
    assert_eq!((b.is_caller, b.media_index, b.label), (false, 0, None));
    let call = listening.call;
    assert_eq!(call.transaction_id, only_call(&w));
    assert_eq!((&*call.from_number, &*call.to_number), ("+12065550100", "+12065550123"));
    assert_eq!(&*call.call_id, &*pbx.call_id);
    let headers = &call.invite_headers;
    assert_eq!(header(headers, "call-id"), pbx.call_id);
    assert_eq!(header(headers, "content-type"), "application/sdp");
    assert_eq!((header(headers, "x-account"), header(headers, "user-to-user")), ("7", "00"));
    assert!(header(headers, "contact").contains("sip:"), "{headers:?}");
    assert!(header(headers, "via").is_empty() && header(headers, "user-agent").is_empty());
    assert!(matches!(told(&w)[..], [CallEventKind::ListenedTo]));
    pbx.hang_up(&mut w, &mut pstn);
    assert!(!is_listened(&w));
    w.finish();
}

#[test]
fn numbers_choose_the_calls() {
    for (number, is_one) in [("+12065550123", true), ("+1312", false)] {
        let mut w = world(|streaming| streaming.numbers = [number.into()].into());
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        assert_eq!(is_listened(&w), is_one, "{number}");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

const ON: (&str, &str) = ("X-Tandem-Streaming", "On");
const OFF: (&str, &str) = ("x-tandem-streaming", "off");

#[test]
fn the_customers_header_decides_where_it_may() {
    for (enabled, by_header, header, is_one) in [
        (false, true, ON, true),
        (true, true, OFF, false),
        (true, true, ("X-Tandem-Streaming", "perhaps"), true),
        (false, false, ON, false),
        (true, false, OFF, true),
    ] {
        let mut w = world(|of| (of.enabled, of.by_header) = (enabled, by_header));
        let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[header, ("X-Mark", "1")], &[]);
        assert_eq!(is_listened(&w), is_one, "{enabled} {by_header} {header:?}");
        let invite = pstn.invited.clone().unwrap();
        assert_eq!(invite.header_named(header.0), None, "it is for us");
        assert_eq!(invite.header_named("X-Mark"), Some("1"));
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_carrier_has_no_say() {
    let mut w = world(|of| (of.enabled, of.by_header) = (false, true));
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &[ON]);
    assert!(!is_listened(&w));
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.request(&mut w, "INFO", &[ON], Some(("text/plain", "hello")));
    let info = pbx.expect(&mut w, "INFO");
    assert_eq!(info.header_named(ON.0), None);
    pbx.ok(&mut w);
    pstn.expect(&mut w, "200");
    assert!(!is_listened(&w));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_is_listened_to_and_not_any_more_as_the_customer_says() {
    let mut w = world(|of| (of.enabled, of.by_header) = (false, true));
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert!(!is_listened(&w));
    // Alone in an INFO it goes no further.
    pbx.request(&mut w, "INFO", &[ON], None);
    pbx.expect(&mut w, "200");
    pstn.expect_silence(&mut w);
    let (_, listening) = listened(&w).unwrap();
    let headers = &listening.call.invite_headers;
    assert_eq!(header(headers, "call-id"), pbx.call_id, "what the dialog kept of the INVITE");
    assert!(header(headers, "from").contains("+12065550100"), "{headers:?}");
    // In an INFO for the far end it goes along to us only.
    pbx.request(&mut w, "INFO", &[OFF], Some(("text/plain", "hello")));
    assert_eq!(pstn.expect(&mut w, "INFO").header_named(OFF.0), None);
    pstn.ok(&mut w);
    pbx.expect(&mut w, "200");
    assert!(!is_listened(&w));
    // In a re-INVITE, whatever the far end says to it.
    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite_with(&mut w, &[ON], Some(&hold));
    assert_eq!(pstn.expect(&mut w, "INVITE").header_named(ON.0), None);
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    assert!(is_listened(&w));
    // In one that changes nothing.
    let same = pbx.sdp(30_000);
    pbx.invite_with(&mut w, &[OFF], Some(&same));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pstn.expect_silence(&mut w);
    assert!(!is_listened(&w));
    assert!(matches!(told(&w)[..], [CallEventKind::ListenedTo]), "said once");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn listeners_learn_of_a_change_that_was_agreed() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let before = listened(&w).unwrap();
    for (status, is_told) in [(200, true), (488, false)] {
        w.relay.listened_updates.clear();
        let change = pbx.sdp_with(30_000, status, "sendonly");
        pbx.invite_with(&mut w, &[("X-Why", "hold")], Some(&change));
        pstn.expect(&mut w, "INVITE");
        if is_told {
            let held = pstn.sdp_with(40_000, 2, "recvonly");
            pstn.answer(&mut w, &mut pbx, &held);
        } else {
            pstn.reply(&mut w, 488, None);
            pstn.expect(&mut w, "ACK");
            pbx.expect(&mut w, "488");
            pbx.ack_failure(&mut w);
        }
        let whys: Vec<_> =
            w.relay.listened_updates.iter().map(|of| header(&of.headers, "x-why")).collect();
        assert_eq!(whys, if is_told { vec!["hold"] } else { vec![] });
    }
    assert_eq!(listened(&w).unwrap(), before, "the same listeners all the time");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

fn introduced(w: &World) -> Vec<String> {
    let name = |update: &ListenedUpdate| header(&update.headers, "call-id").to_owned();
    w.relay.listened_updates.iter().map(name).collect()
}

#[test]
fn a_transferee_is_heard_where_it_was_and_the_target_in_the_transferors_place() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (stream, listening) = listened(&w).unwrap();
    let mut target = refer(&mut w, &mut pbx);
    assert_eq!(listened(&w).unwrap().0, stream);
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    let (joined, after) = listened(&w).unwrap();
    assert_ne!(joined, stream);
    assert_eq!(after.call, listening.call, "one call to its listeners");
    // The transferee, who was leg B, is leg A now.
    assert_eq!(channels(&after), [LegSide::B, LegSide::A]);
    assert_eq!(after.channels.map(|channel| channel.unwrap().is_caller), [false, true]);
    assert_eq!(introduced(&w), [target.call_id.clone()]);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_transfer_that_is_refused_leaves_the_listeners_where_they_were() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let before = listened(&w).unwrap();
    let mut target = refer(&mut w, &mut pbx);
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    target.expect(&mut w, "BYE");
    target.ok(&mut w);
    crate::transfer::expect_notify(&mut w, &mut pbx, "SIP/2.0 488 Not Acceptable Here");
    assert_eq!(listened(&w).unwrap(), before);
    assert!(introduced(&w).is_empty());
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn of_two_calls_that_are_joined_the_one_that_stays_is_heard_on() {
    let mut w = world(|_| {});
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    assert_eq!(w.relay.listened.len(), 2);
    let second_call = w.relay.listened.values().find(|of| *of.call.call_id == *second.call_id);
    let second_call = second_call.unwrap().call.clone();
    refer_to(&mut w, &mut first, &second);
    take_offer(&mut w, &mut one, 42_000);
    take_offer(&mut w, &mut two, 43_000);
    released(&mut w, &mut first);
    second.expect(&mut w, "BYE");
    second.ok(&mut w);
    let (_, after) = listened(&w).unwrap();
    assert_eq!(after.call, second_call);
    assert_eq!(channels(&after), [LegSide::A, LegSide::B]);
    assert_eq!(introduced(&w), [one.call_id.clone()]);
    part(&mut w, &mut one, &mut two);
    w.finish();
}

#[test]
fn who_replaces_a_leg_is_heard_in_its_place() {
    let mut w = world(|of| (of.enabled, of.by_header) = (false, true));
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[ON], &[]);
    let (_, listening) = listened(&w).unwrap();
    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut other = w.caller(PBX, "+12065550100");
    other.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    other.expect(&mut w, "200");
    other.ack(&mut w, None);
    take_offer(&mut w, &mut pstn, 42_000);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    let (_, after) = listened(&w).unwrap();
    assert_eq!(after.call, listening.call);
    assert_eq!(channels(&after), [LegSide::A, LegSide::B]);
    assert_eq!(introduced(&w), [other.call_id.clone()]);
    part(&mut w, &mut other, &mut pstn);
    w.finish();
}

#[test]
fn the_operator_says_so_of_any_call_whose_listeners_are_known() {
    let mut w = world(|of| of.enabled = false);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let id = only_call(&w);
    let order = |w: &mut World, id, wanted| {
        let mut outcome = Ok(());
        w.command(|edge, now| outcome = edge.set_listening(now, id, wanted));
        outcome
    };
    assert_eq!(order(&mut w, TransactionId::from_random(9), true), Err(ListenRefusal::NoCall));
    assert_eq!(order(&mut w, id, true), Ok(()));
    assert!(is_listened(&w));
    assert_eq!(order(&mut w, id, true), Ok(()), "already");
    assert_eq!(order(&mut w, id, false), Ok(()));
    assert!(!is_listened(&w));
    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!(order(&mut w, id, true), Err(ListenRefusal::NoCall), "it lingers");
    w.finish();

    let mut w = world(|of| (of.enabled, of.kinesis_video) = (false, false));
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let id = only_call(&w);
    assert_eq!(order(&mut w, id, true), Err(ListenRefusal::NoListeners));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_that_cannot_be_listened_to_goes_on_and_a_busy_relay_is_asked_again() {
    for (failure, is_asked_again) in
        [(ListenFailure::TooMany, true), (ListenFailure::NoListeners, false)]
    {
        let mut w = world(|_| {});
        w.relay.cannot_listen = Some(failure);
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        assert!(!is_listened(&w));
        w.advance(Duration::from_secs(11));
        assert_eq!(told(&w).len(), 1 + usize::from(is_asked_again), "{:?}", told(&w));
        w.relay.cannot_listen = None;
        w.advance(Duration::from_secs(11));
        assert_eq!(is_listened(&w), is_asked_again);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_relay_that_stays_full_is_left_in_peace() {
    let mut w = world(|_| {});
    w.relay.cannot_listen = Some(ListenFailure::TooMany);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(Duration::from_secs(600));
    assert_eq!(told(&w).len(), 7);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn listeners_outlive_a_restart_of_the_edge() {
    let origin = UnixTime::from_millis(1_893_456_000_000);
    let keeping = || EdgeConfig { keep_calls: true, origin, ..config() };
    let mut w = World::with(keeping(), streaming(|of| of.by_header = true));
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let before = listened(&w).unwrap();
    w.restart(keeping(), streaming(|of| of.by_header = true));
    assert_eq!(listened(&w).unwrap(), before, "the relay was not told anew");
    assert_eq!(told(&w).len(), 2, "the new records know of it too");
    pbx.request(&mut w, "INFO", &[OFF], None);
    pbx.expect(&mut w, "200");
    assert!(!is_listened(&w));
    pbx.request(&mut w, "INFO", &[ON], None);
    pbx.expect(&mut w, "200");
    assert_eq!(listened(&w).unwrap(), before, "the INVITE's headers are still known");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
