//! Further lines where a leg has other far ends in turn: forks, routes, transfers, and what is said
//! before the answer.

use crate::attended::refer_to;
use crate::lines::{VIDEO, h264, on, video_call, video_ports, with_video};
use crate::support::{prack, ring_reliably};
use crate::transfer::{expect_notify, part, refer, released};
use simnet::{CARRIER, PBX, RelayMode, Ua, World};
use sip_proto::Message;

#[test]
fn an_offer_in_a_reliable_provisional_response_has_its_lines() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.invite_with(&mut w, &[("Supported", "100rel")], None);
    let mut pstn = w.callee(CARRIER);
    let offer = with_video(&pstn, 40_000, 1);
    ring_reliably(&mut w, &mut pstn, 183, 1, Some(&offer));
    let told = pbx.expect(&mut w, "183");
    assert_eq!(on(&told), [true, true]);
    let answer = with_video(&pbx, 30_000, 1);
    prack(&mut w, &mut pbx, &told, Some(&answer));
    assert_eq!(on(&pstn.expect(&mut w, "PRACK")), [true, true]);
    pstn.ok(&mut w);
    pbx.expect(&mut w, "200");
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    assert_eq!(w.relay.open_lines(), [VIDEO]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_lost_route_takes_its_lines_along_to_the_next() {
    let mut w = World::new();
    let (mut pbx, mut first) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
    let early = with_video(&first, 40_000, 1);
    first.reply(&mut w, 183, Some(&early));
    pbx.expect(&mut w, "183");
    first.reply(&mut w, 503, None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(simnet::CARRIER_2);
    assert_eq!(on(second.invited.as_ref().unwrap()), [true, true]);
    let answer = with_video(&second, 50_000, 1);
    second.answer(&mut w, &mut pbx, &answer);
    assert_eq!(video_ports(&w), [30_002, 50_002]);
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}

#[test]
fn video_of_the_fork_that_answers_counts() {
    let mut w = World::new();
    let (mut pbx, mut desk) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
    let mut mobile = desk.fork(&mut w, "mobile");
    desk.reply(&mut w, 180, None);
    mobile.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    pbx.expect(&mut w, "180");
    let answer = with_video(&mobile, 42_000, 1);
    assert_eq!(on(&mobile.answer(&mut w, &mut pbx, &answer)), [true, true]);
    assert_eq!(video_ports(&w), [30_002, 42_002]);
    pbx.hang_up(&mut w, &mut mobile);
    w.finish();
}

#[test]
fn a_transfer_takes_video_to_the_new_far_end() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = video_call(&mut w);
    let mut target = refer(&mut w, &mut pbx);
    assert_eq!(on(target.invited.as_ref().unwrap()), [true, true]);
    let answer = with_video(&target, 41_000, 1);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    assert_eq!(on(&pstn.expect(&mut w, "INVITE")), [true, true]);
    let answer = with_video(&pstn, 42_000, 7);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    let ports = w.relay.further.last().unwrap().1.legs.clone().map(|leg| leg.remote_rtp);
    assert_eq!(ports.map(|at| at.unwrap().port()), [42_002, 41_002]);
    target.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.hang_up(&mut w, &mut target);
    w.finish();
}

/// Another telephone of the PBX takes the place of `pbx` in its call.
fn replace(w: &mut World, pbx: &Ua, describe: impl FnOnce(&Ua) -> String) -> Ua {
    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut other = w.caller(PBX, "+12065550100");
    other.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let offer = describe(&other);
    other.invite_with(w, &[("Replaces", &replaces)], Some(&offer));
    other
}

/// The leg that came agrees to `body`; who was replaced is hung up. What the leg was offered.
fn joined(w: &mut World, pbx: &mut Ua, pstn: &mut Ua, body: &str) -> Message {
    let offer = pstn.expect(w, "INVITE");
    pstn.reply(w, 200, Some(body));
    pstn.expect(w, "ACK");
    pbx.expect(w, "BYE");
    pbx.ok(w);
    offer
}

#[test]
fn whoever_replaces_a_leg_has_video_from_the_start() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = video_call(&mut w);
    let before = w.relay.local_of(VIDEO);
    let mut other = replace(&mut w, &pbx, |ua| with_video(ua, 33_000, 1));
    assert_eq!(on(&other.expect(&mut w, "200")), [true, true]);
    other.ack(&mut w, None);
    let body = with_video(&pstn, 42_000, 7);
    assert_eq!(on(&joined(&mut w, &mut pbx, &mut pstn, &body)), [true, true]);
    assert_eq!(video_ports(&w), [33_002, 42_002]);
    assert_eq!(w.relay.open_lines(), [VIDEO]);
    assert_ne!(w.relay.local_of(VIDEO), before);
    part(&mut w, &mut other, &mut pstn);
    w.finish();
}

#[test]
fn a_leg_may_decline_the_video_of_whoever_comes() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = video_call(&mut w);
    let mut other = replace(&mut w, &pbx, |ua| with_video(ua, 33_000, 1));
    other.expect(&mut w, "200");
    other.ack(&mut w, None);
    let body = pstn.sdp_with(42_000, 7, "sendrecv") + &h264(0);
    joined(&mut w, &mut pbx, &mut pstn, &body);
    assert_eq!(w.relay.open_lines(), []);
    assert_eq!(w.relay.open(), 1);
    part(&mut w, &mut other, &mut pstn);
    w.finish();
}

#[test]
fn whoever_replaces_a_leg_is_not_told_of_lines_that_its_far_end_has_not() {
    // The far end has audio alone, the new leg, or there are no ports.
    for (far, new, ports) in [(false, true, true), (true, false, true), (true, true, false)] {
        let mut w = World::new();
        let (mut pbx, mut pstn) = if far { video_call(&mut w) } else { Ua::establish(&mut w) };
        if !ports {
            w.relay.mode = RelayMode::AudioOnly;
        }
        let mut other =
            replace(
                &mut w,
                &pbx,
                |ua| {
                    if new { with_video(ua, 33_000, 1) } else { ua.sdp(33_000) }
                },
            );
        let answered = other.expect(&mut w, "200");
        assert!(!on(&answered)[1..].contains(&true));
        other.ack(&mut w, None);
        let body = pstn.sdp_with(42_000, 7, "sendrecv") + &h264(0);
        let offered = on(&joined(&mut w, &mut pbx, &mut pstn, &body));
        assert!(!offered[1..].contains(&true), "{far} {new}");
        assert_eq!(w.relay.open(), 1);
        part(&mut w, &mut other, &mut pstn);
        w.finish();
    }
}

#[test]
fn whoever_replaces_a_leg_waits_for_the_ports_of_all_its_lines() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = video_call(&mut w);
    w.relay.mode = RelayMode::Holds;
    let mut other = replace(&mut w, &pbx, |ua| with_video(ua, 33_000, 1));
    other.expect_silence(&mut w);
    w.answer_relay();
    assert_eq!(on(&other.expect(&mut w, "200")), [true, true]);
    other.ack(&mut w, None);
    let body = with_video(&pstn, 42_000, 7);
    joined(&mut w, &mut pbx, &mut pstn, &body);
    part(&mut w, &mut other, &mut pstn);
    w.finish();
    // It gives up meanwhile: nothing has happened to the call.
    let (mut pbx, mut pstn);
    let mut w = World::new();
    (pbx, pstn) = video_call(&mut w);
    w.relay.mode = RelayMode::Holds;
    let mut other = replace(&mut w, &pbx, |ua| with_video(ua, 33_000, 1));
    other.cancel(&mut w);
    other.expect(&mut w, "200");
    other.expect(&mut w, "487");
    other.ack_failure(&mut w);
    w.answer_relay();
    assert_eq!(w.relay.open(), 2);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// A call whose early answer leg A acknowledges with a further offer, one of video.
fn offered_in_prack(mode: RelayMode) -> (World, Ua, Ua) {
    let mut w = World::new();
    let headers = [("Supported", "100rel")];
    let (mut pbx, mut pstn) = crate::support::calling(&mut w, &headers, true);
    let answer = pstn.sdp(40_000);
    ring_reliably(&mut w, &mut pstn, 183, 3, Some(&answer));
    let early = pbx.expect(&mut w, "183");
    w.relay.mode = mode;
    let offer = with_video(&pbx, 30_000, 2);
    prack(&mut w, &mut pbx, &early, Some(&offer));
    (w, pbx, pstn)
}

/// The rest of it.
fn answered(mut w: World, mut pbx: Ua, mut pstn: Ua) {
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_offer_in_prack_brings_its_lines_before_the_answer() {
    for mode in [RelayMode::Answers, RelayMode::Holds] {
        let (mut w, mut pbx, mut pstn) = offered_in_prack(mode);
        if mode == RelayMode::Holds {
            pstn.expect_silence(&mut w);
            w.answer_relay();
        }
        assert_eq!(on(&pstn.expect(&mut w, "PRACK")), [true, true]);
        let second = with_video(&pstn, 40_000, 2);
        pstn.ok_with_sdp(&mut w, &second);
        assert_eq!(on(&pbx.expect(&mut w, "200")), [true, true]);
        assert_eq!(video_ports(&w), [30_002, 40_002]);
        answered(w, pbx, pstn);
    }
}

#[test]
fn an_offer_in_prack_goes_without_lines_that_have_no_ports_in_time() {
    for mode in [RelayMode::AudioOnly, RelayMode::Holds] {
        let (mut w, mut pbx, mut pstn) = offered_in_prack(mode);
        if mode == RelayMode::Holds {
            w.advance(std::time::Duration::from_millis(2_100));
        }
        assert_eq!(on(&pstn.expect(&mut w, "PRACK")), [true, false]);
        w.answer_relay();
        let second = pstn.sdp_with(40_000, 2, "sendrecv") + &h264(0);
        pstn.ok_with_sdp(&mut w, &second);
        assert_eq!(on(&pbx.expect(&mut w, "200")), [true, false]);
        assert_eq!(w.relay.open(), 1);
        answered(w, pbx, pstn);
    }
}

#[test]
fn a_call_may_be_given_up_while_an_offer_in_prack_waits() {
    let (mut w, mut pbx, mut pstn) = offered_in_prack(RelayMode::Holds);
    pbx.cancel(&mut w);
    assert_eq!(on(&pstn.expect(&mut w, "PRACK")), [true, false]);
    let left = w.take_all(PBX);
    assert!(left.iter().any(|message| message.status() == Some(487)));
    pbx.ack_failure(&mut w);
    pstn.refuse(&mut w, 481, &[]);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.answer_relay();
    assert_eq!(w.relay.open(), 0);
    w.finish();
}

#[test]
fn video_of_another_fork_than_the_one_that_rang_comes_by_a_re_invite() {
    let mut w = World::new();
    let (mut pbx, mut desk) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
    let mut mobile = desk.fork(&mut w, "mobile");
    let early = desk.sdp(40_000) + &h264(0);
    desk.reply(&mut w, 183, Some(&early));
    assert_eq!(on(&pbx.expect(&mut w, "183")), [true, false]);
    let body = with_video(&mobile, 42_000, 1);
    // Leg A heard its answer, and that one stands until it can be told another.
    assert_eq!(on(&mobile.answer(&mut w, &mut pbx, &body)), [true, false]);
    assert_eq!(on(&pbx.expect(&mut w, "INVITE")), [true, true]);
    let body = with_video(&pbx, 30_000, 2);
    pbx.reply(&mut w, 200, Some(&body));
    pbx.expect(&mut w, "ACK");
    assert_eq!(video_ports(&w), [30_002, 42_002]);
    pbx.hang_up(&mut w, &mut mobile);
    w.finish();
}

#[test]
fn an_attended_transfer_joins_the_video_of_both_far_ends() {
    let mut w = World::new();
    let [first, second] = [41_000, 43_000].map(|port| {
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| with_video(ua, port - 10_000, 1));
        let answer = with_video(&pstn, port, 1);
        pstn.answer(&mut w, &mut pbx, &answer);
        (pbx, pstn)
    });
    let ((mut pbx, mut one), (mut other, mut two)) = (first, second);
    refer_to(&mut w, &mut pbx, &other);
    for (far, port) in [(&mut one, 41_000), (&mut two, 43_000)] {
        assert_eq!(on(&far.expect(&mut w, "INVITE")), [true, true]);
        let body = with_video(far, port, 7);
        far.reply(&mut w, 200, Some(&body));
        far.expect(&mut w, "ACK");
    }
    released(&mut w, &mut pbx);
    other.expect(&mut w, "BYE");
    other.ok(&mut w);
    assert_eq!(video_ports(&w), [41_002, 43_002]);
    part(&mut w, &mut one, &mut two);
    w.finish();
}
