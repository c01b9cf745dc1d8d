//! Session timers of each leg (RFC 4028).

use simnet::{CARRIER, PBX, Ua, World};
use sip_proto::HeaderName;
use std::time::Duration;

const TIMER: (&str, &str) = ("Supported", "timer");

#[test]
fn the_peer_that_refreshes_keeps_the_call_and_one_that_stops_loses_it() {
    let mut w = World::new();
    let (mut pbx, mut pstn) =
        Ua::establish_with(&mut w, &[TIMER, ("Session-Expires", "120;refresher=uac")], &[]);
    let same = pbx.sdp(30_000);
    for _ in 0..3 {
        w.advance(Duration::from_secs(60));
        pbx.invite_with(&mut w, &[TIMER, ("Session-Expires", "120;refresher=uac")], Some(&same));
        let ok = pbx.expect(&mut w, "200");
        assert_eq!(ok.header(HeaderName::SessionExpires), Some("120;refresher=uac"));
        assert!(ok.has_option_tag(HeaderName::Require, "timer"));
        pbx.ack(&mut w, None);
        pstn.expect_silence(&mut w);
    }
    // RFC 4028 section 10: the BYE goes out a little before the session expires.
    w.advance(Duration::from_secs(87));
    pbx.expect_silence(&mut w);
    w.advance(Duration::from_secs(2));
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    assert!(pstn.expect(&mut w, "BYE").header(HeaderName::Reason).unwrap().contains("408"));
    pstn.ok(&mut w);
    w.finish();
}

#[test]
fn we_refresh_where_that_was_agreed_by_re_invite_or_update() {
    for (allow, method) in [("INVITE, ACK, BYE", "INVITE"), ("INVITE, ACK, BYE, UPDATE", "UPDATE")]
    {
        let mut w = World::new();
        let agreed =
            [("Session-Expires", "200;refresher=uac"), ("Require", "timer"), ("Allow", allow)];
        let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &agreed);
        for _ in 0..3 {
            w.advance(Duration::from_secs(100));
            let refresh = pstn.expect(&mut w, method);
            assert_eq!(refresh.header(HeaderName::SessionExpires), Some("200;refresher=uac"));
            if method == "INVITE" {
                assert!(!refresh.body_bytes().is_empty());
                let answer = pstn.sdp(40_000);
                pstn.reply_with(&mut w, 200, &agreed, Some(&answer));
                pstn.expect(&mut w, "ACK");
            } else {
                pstn.refuse(&mut w, 200, &agreed);
            }
            pbx.expect_silence(&mut w);
        }
        // Then the peer is gone.
        w.advance(Duration::from_secs(250));
        w.take_all(CARRIER);
        pbx.expect(&mut w, "BYE");
        pbx.ok(&mut w);
        w.finish();
    }
}

#[test]
fn an_offer_that_meets_our_refresh_gets_491() {
    let mut w = World::new();
    let agreed = [("Session-Expires", "200;refresher=uac"), ("Require", "timer")];
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &agreed);
    w.advance(Duration::from_secs(100));
    pstn.expect(&mut w, "INVITE");
    for asker in [&mut pstn.clone(), &mut pbx.clone()] {
        let offer = asker.sdp_with(45_000, 2, "sendonly");
        asker.invite(&mut w, Some(&offer));
        asker.expect(&mut w, "491");
        asker.ack_failure(&mut w);
    }
    let answer = pstn.sdp(40_000);
    pstn.reply_with(&mut w, 200, &agreed, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.cseq += 5;
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_interval_below_our_minimum_is_refused_in_and_before_the_dialog() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite_with(&mut w, &[TIMER, ("Session-Expires", "60")], Some(&offer));
    let refused = pbx.expect(&mut w, "422");
    assert_eq!(refused.min_se().unwrap(), Some(90));
    pbx.ack_failure(&mut w);
    assert!(w.take(CARRIER, None).is_none());

    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let changed = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite_with(&mut w, &[TIMER, ("Session-Expires", "89")], Some(&changed));
    pbx.expect(&mut w, "422");
    pbx.ack_failure(&mut w);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_carrier_that_wants_a_longer_interval_is_asked_again() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut first = w.callee(CARRIER);
    first.reply_with(&mut w, 422, &[("Min-SE", "3600")], None);
    first.expect(&mut w, "ACK");
    let mut pstn = w.callee(CARRIER);
    let again = pstn.invited.clone().unwrap();
    assert_eq!(again.header(HeaderName::SessionExpires), Some("3600"));
    assert_eq!(again.min_se().unwrap(), Some(3600));
    let answer = pstn.sdp(40_000);
    pstn.reply_with(&mut w, 200, &[("Session-Expires", "3600;refresher=uas")], Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_carrier_that_is_never_content_with_the_interval_is_given_up() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    for min_se in ["3600", "4000", "5000"] {
        let mut pstn = w.callee(CARRIER);
        pstn.reply_with(&mut w, 422, &[("Min-SE", min_se)], None);
        pstn.expect(&mut w, "ACK");
    }
    let mut second = w.callee(simnet::CARRIER_2);
    second.reply(&mut w, 486, None);
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    w.finish();
}
