//! Reliable provisional responses (RFC 3262), per leg and mapped.

use crate::support::{self, prack, rack_of, ring_reliably};
use simnet::{CARRIER_2, PBX, Ua, World};
use sip_proto::HeaderName;
use std::time::Duration;

const SUPPORTED: [(&str, &str); 1] = [("Supported", "100rel")];
const REQUIRED: [(&str, &str); 1] = [("Require", "100rel")];

fn calling(headers: &[(&str, &str)], offers: bool) -> (World, Ua, Ua) {
    let mut w = World::new();
    let (pbx, pstn) = support::calling(&mut w, headers, offers);
    (w, pbx, pstn)
}

#[test]
fn an_answer_in_a_reliable_183_is_acknowledged_end_to_end() {
    let (mut w, mut pbx, mut pstn) = calling(&SUPPORTED, true);
    let invite = pstn.invited.clone().unwrap();
    assert!(invite.has_option_tag(HeaderName::Supported, "100rel"));
    let answer = pstn.sdp(40_000);
    ring_reliably(&mut w, &mut pstn, 183, 7001, Some(&answer));
    let early = pbx.expect(&mut w, "183");
    assert!(early.has_option_tag(HeaderName::Require, "100rel"));
    assert!(!early.body_bytes().is_empty());
    assert_ne!(early.rseq().unwrap(), Some(7001), "each leg has numbers of its own");
    // Leg B's is acknowledged when leg A has acknowledged ours, and a copy changes nothing.
    ring_reliably(&mut w, &mut pstn, 183, 7001, Some(&answer));
    pstn.expect_silence(&mut w);
    prack(&mut w, &mut pbx, &early, None);
    pbx.expect(&mut w, "200");
    let theirs = pstn.expect(&mut w, "PRACK");
    let rack = theirs.rack().unwrap().unwrap();
    assert_eq!((rack.rseq, rack.cseq.number), (7001, invite.cseq().unwrap().number));
    assert!(theirs.cseq().unwrap().number > invite.cseq().unwrap().number);
    pstn.ok(&mut w);
    ring_reliably(&mut w, &mut pstn, 183, 7001, Some(&answer));
    pstn.expect_silence(&mut w);
    pbx.expect_silence(&mut w);
    pstn.reply(&mut w, 200, None);
    let ack = pstn.expect(&mut w, "ACK");
    assert_eq!(ack.cseq().unwrap().number, invite.cseq().unwrap().number);
    assert!(pbx.expect(&mut w, "200").body_bytes().is_empty(), "the answer was given before");
    pbx.ack(&mut w, None);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 40_000);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_leg_a_without_100rel_hears_the_same_unreliably() {
    let (mut w, mut pbx, mut pstn) = calling(&[], true);
    let answer = pstn.sdp(40_000);
    ring_reliably(&mut w, &mut pstn, 183, 1, Some(&answer));
    let early = pbx.expect(&mut w, "183");
    assert!(
        early.header(HeaderName::RSeq).is_none() && early.header(HeaderName::Require).is_none()
    );
    let prack = pstn.expect(&mut w, "PRACK");
    assert_eq!(prack.rack().unwrap().unwrap().rseq, 1);
    pstn.ok(&mut w);
    // RFC 3262 section 5: the 2xx need not repeat the answer, leg A needs it.
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    assert!(!pbx.expect(&mut w, "200").body_bytes().is_empty());
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_leg_b_without_100rel_rings_unreliably_unless_leg_a_insists() {
    let (mut w, mut pbx, mut pstn) = calling(&SUPPORTED, true);
    pstn.reply(&mut w, 180, None);
    assert!(pbx.expect(&mut w, "180").header(HeaderName::RSeq).is_none());
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.finish();

    let (mut w, mut pbx, mut pstn) = calling(&REQUIRED, true);
    pstn.reply(&mut w, 180, None);
    let ringing = pbx.expect(&mut w, "180");
    assert!(ringing.has_option_tag(HeaderName::Require, "100rel"));
    // The next one waits for the PRACK of this one; the same one again says nothing new.
    pstn.reply(&mut w, 180, None);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 183, Some(&answer));
    pbx.expect_silence(&mut w);
    prack(&mut w, &mut pbx, &ringing, None);
    pbx.expect(&mut w, "200");
    let early = pbx.expect(&mut w, "183");
    assert_eq!(early.rseq().unwrap(), ringing.rseq().unwrap().map(|rseq| rseq + 1));
    prack(&mut w, &mut pbx, &early, None);
    pbx.expect(&mut w, "200");
    pbx.expect_silence(&mut w);
    assert!(pstn.answer(&mut w, &mut pbx, &answer).body_bytes().is_empty());
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_reliable_response_is_repeated_with_back_off_and_then_the_call_fails() {
    let (mut w, mut pbx, mut pstn) = calling(&REQUIRED, true);
    pstn.reply(&mut w, 180, None);
    let first = pbx.expect(&mut w, "180");
    let mut waited = Duration::ZERO;
    // RFC 3262 section 3: T1, doubled each time, to 64 × T1.
    for interval in [500, 1_000, 2_000, 4_000, 8_000, 16_000] {
        w.advance(Duration::from_millis(interval - 1));
        pbx.expect_silence(&mut w);
        w.advance(Duration::from_millis(1));
        let copy = pbx.expect(&mut w, "180");
        assert_eq!(copy.raw(), first.raw());
        waited += Duration::from_millis(interval);
    }
    w.advance(Duration::from_millis(32_000) - waited);
    pbx.expect(&mut w, "504");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.finish();
}

#[test]
fn a_2xx_waits_for_the_prack_of_the_answer() {
    for end in ["prack", "cancel", "bye", "silence"] {
        let (mut w, mut pbx, mut pstn) = calling(&SUPPORTED, true);
        let answer = pstn.sdp(40_000);
        ring_reliably(&mut w, &mut pstn, 183, 5, Some(&answer));
        let early = pbx.expect(&mut w, "183");
        // A leg B that does not wait itself (or whose PRACK is on its way).
        pstn.reply(&mut w, 200, Some(&answer));
        pstn.expect(&mut w, "ACK");
        pbx.expect_silence(&mut w);
        match end {
            "prack" => {
                prack(&mut w, &mut pbx, &early, None);
                pbx.expect(&mut w, "200");
                pstn.expect(&mut w, "PRACK");
                pstn.ok(&mut w);
                let ok = pbx.expect(&mut w, "200");
                assert!(ok.body_bytes().is_empty());
                pbx.ack(&mut w, None);
                pbx.hang_up(&mut w, &mut pstn);
            }
            "cancel" => {
                pbx.cancel(&mut w);
                pbx.expect(&mut w, "200");
                pbx.expect(&mut w, "487");
                pbx.ack_failure(&mut w);
                pstn.expect(&mut w, "BYE");
                pstn.ok(&mut w);
            }
            "bye" => {
                pstn.bye(&mut w);
                pstn.expect(&mut w, "200");
                pbx.expect(&mut w, "480");
                pbx.ack_failure(&mut w);
                pstn.expect_silence(&mut w);
            }
            _ => {
                w.advance(Duration::from_secs(32));
                let left = w.take_all(PBX);
                assert_eq!(left.last().unwrap().status(), Some(504));
                pbx.ack_failure(&mut w);
                pstn.expect(&mut w, "BYE");
                pstn.ok(&mut w);
            }
        }
        w.finish();
    }
}

#[test]
fn a_2xx_overtakes_a_ringing_that_is_not_acknowledged_and_its_prack_comes_late() {
    let (mut w, mut pbx, mut pstn) = calling(&REQUIRED, true);
    pstn.reply(&mut w, 180, None);
    let ringing = pbx.expect(&mut w, "180");
    let answer = pstn.sdp(40_000);
    assert!(!pstn.answer(&mut w, &mut pbx, &answer).body_bytes().is_empty());
    w.advance(Duration::from_secs(2));
    pbx.expect_silence(&mut w);
    prack(&mut w, &mut pbx, &ringing, None);
    pbx.expect(&mut w, "200");
    prack(&mut w, &mut pbx, &ringing, None);
    pbx.expect(&mut w, "481");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_prack_that_names_nothing_gets_481() {
    let (mut w, mut pbx, mut pstn) = calling(&REQUIRED, true);
    pstn.reply(&mut w, 180, None);
    let ringing = pbx.expect(&mut w, "180");
    let [rseq, cseq] = rack_of(&ringing);
    for rack in [
        format!("{} {cseq} INVITE", rseq + 1),
        format!("{rseq} {} INVITE", cseq + 1),
        format!("{rseq} {cseq} UPDATE"),
        "x".to_owned(),
    ] {
        pbx.request(&mut w, "PRACK", &[("RAck", &rack)], None);
        let refused = pbx.expect_any(&mut w);
        assert!(matches!(refused.status(), Some(400 | 481)), "{rack}");
    }
    pbx.request(&mut w, "PRACK", &[], None);
    assert!(matches!(pbx.expect_any(&mut w).status(), Some(400 | 481)));
    // Leg B owes us none.
    pstn.request(&mut w, "PRACK", &[("RAck", "1 1 INVITE")], None);
    pstn.expect(&mut w, "481");
    prack(&mut w, &mut pbx, &ringing, None);
    pbx.expect(&mut w, "200");
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    // The call ends: nothing of it may answer as if it lived.
    prack(&mut w, &mut pbx, &ringing, None);
    pbx.expect(&mut w, "481");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.finish();
}

#[test]
fn reliable_responses_out_of_order_wait_for_their_predecessor() {
    let (mut w, mut pbx, mut pstn) = calling(&[], true);
    ring_reliably(&mut w, &mut pstn, 180, 10, None);
    pbx.expect(&mut w, "180");
    pstn.expect(&mut w, "PRACK");
    pstn.ok(&mut w);
    for skipped in [12, 9, 10] {
        ring_reliably(&mut w, &mut pstn, 182, skipped, None);
        pstn.expect_silence(&mut w);
        pbx.expect_silence(&mut w);
    }
    ring_reliably(&mut w, &mut pstn, 183, 11, None);
    pbx.expect(&mut w, "183");
    assert_eq!(pstn.expect(&mut w, "PRACK").rack().unwrap().unwrap().rseq, 11);
    pstn.ok(&mut w);
    ring_reliably(&mut w, &mut pstn, 182, 12, None);
    pbx.expect(&mut w, "182");
    pstn.expect(&mut w, "PRACK");
    // Its 200 is lost: the transaction repeats, and gives up without harm.
    w.advance(Duration::from_millis(500));
    pstn.expect(&mut w, "PRACK");
    pstn.refuse(&mut w, 481, &[]);
    let answer = pstn.sdp(40_000);
    pstn.answer(&mut w, &mut pbx, &answer);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_further_offer_in_prack_is_answered_in_its_200() {
    let (mut w, mut pbx, mut pstn) = calling(&SUPPORTED, true);
    let answer = pstn.sdp(40_000);
    ring_reliably(&mut w, &mut pstn, 183, 3, Some(&answer));
    let early = pbx.expect(&mut w, "183");
    let offer = pbx.sdp_with(31_000, 2, "sendonly");
    prack(&mut w, &mut pbx, &early, Some(&offer));
    pbx.expect_silence(&mut w);
    let theirs = pstn.expect(&mut w, "PRACK");
    assert!(String::from_utf8_lossy(theirs.body_bytes()).contains("a=sendonly"));
    let second = pstn.sdp_with(41_000, 2, "recvonly");
    pstn.ok_with_sdp(&mut w, &second);
    let ok = pbx.expect(&mut w, "200");
    assert!(String::from_utf8_lossy(ok.body_bytes()).contains("a=recvonly"));
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 31_000);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 41_000);
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    // Nothing is left to be told.
    w.advance(Duration::from_secs(5));
    pbx.expect_silence(&mut w);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 41_000);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_offer_in_a_reliable_183_is_answered_in_prack() {
    let (mut w, mut pbx, mut pstn) = calling(&SUPPORTED, false);
    assert!(pstn.invited.as_ref().unwrap().has_option_tag(HeaderName::Supported, "100rel"));
    let offer = pstn.sdp(40_000);
    ring_reliably(&mut w, &mut pstn, 183, 1, Some(&offer));
    let early = pbx.expect(&mut w, "183");
    assert!(!early.body_bytes().is_empty());
    pstn.expect_silence(&mut w);
    let answer = pbx.sdp(30_000);
    prack(&mut w, &mut pbx, &early, Some(&answer));
    pbx.expect(&mut w, "200");
    assert!(!pstn.expect(&mut w, "PRACK").body_bytes().is_empty());
    pstn.ok(&mut w);
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 30_000);
    pstn.reply(&mut w, 200, None);
    assert!(pstn.expect(&mut w, "ACK").body_bytes().is_empty());
    assert!(pbx.expect(&mut w, "200").body_bytes().is_empty());
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();

    // Without an answer in its PRACK there is no call.
    let (mut w, mut pbx, mut pstn) = calling(&SUPPORTED, false);
    ring_reliably(&mut w, &mut pstn, 183, 1, Some(&offer));
    let early = pbx.expect(&mut w, "183");
    prack(&mut w, &mut pbx, &early, None);
    pbx.expect(&mut w, "488");
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.finish();

    // A leg A that cannot answer early is not exposed to it.
    let (mut w, mut pbx, mut pstn) = calling(&[], false);
    assert!(!pstn.invited.as_ref().unwrap().has_option_tag(HeaderName::Supported, "100rel"));
    pstn.reply(&mut w, 486, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn the_next_route_after_a_reliable_answer_is_made_known_by_a_re_invite() {
    let (mut w, mut pbx, mut pstn) = calling(&SUPPORTED, true);
    let answer = pstn.sdp(40_000);
    ring_reliably(&mut w, &mut pstn, 183, 1, Some(&answer));
    let early = pbx.expect(&mut w, "183");
    pstn.reply(&mut w, 503, None);
    pstn.expect(&mut w, "ACK");
    // Its PRACK belongs to a route that is gone: nobody hears of it.
    prack(&mut w, &mut pbx, &early, None);
    pbx.expect(&mut w, "200");
    pstn.expect_silence(&mut w);
    let mut second = w.callee(CARRIER_2);
    let other = second.sdp(50_000).replace("a=sendrecv", "a=sendonly");
    assert!(second.answer(&mut w, &mut pbx, &other).body_bytes().is_empty());
    let told = pbx.expect(&mut w, "INVITE");
    assert!(String::from_utf8_lossy(told.body_bytes()).contains("a=sendonly"));
    let again = pbx.sdp_with(30_000, 2, "recvonly");
    pbx.reply(&mut w, 200, Some(&again));
    pbx.expect(&mut w, "ACK");
    assert!(!w.plan().legs[0].accepts_from);
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}
