//! A voice connector that requires encryption: neither plain signalling nor plain media, in either
//! direction, at any time.

use crate::keys::{
    KEY, crypto_of, is_plain, key, keys, media_lines, one, over_tls, secure, with_required,
};
use model::{LegSide, Refusal};
use simnet::{CARRIER, PBX, World, config};
use sip_proto::HeaderName;

#[test]
fn a_delayed_offer_carries_keys_where_they_are_required() {
    let mut w = over_tls(with_required());
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.transport = "TLS";
    pbx.invite(&mut w, None);
    let mut pstn = w.callee(CARRIER);
    let offer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&offer));
    let offered = pbx.expect(&mut w, "200");
    assert!(media_lines(&offered)[0].contains("RTP/SAVP"));
    let ours = crypto_of(&offered);
    let answer = secure(&mut w, PBX, 1, &one(4, KEY));
    pbx.ack(&mut w, Some(&answer));
    let ack = pstn.expect(&mut w, "ACK");
    assert!(crypto_of(&ack).is_empty() && media_lines(&ack)[0].contains("RTP/AVP"));
    assert_eq!(keys(&w, LegSide::A), (key(&one(4, KEY)), ours[3].usable().unwrap().clone()));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn plain_signalling_is_refused_where_encryption_is_required() {
    let mut w = World::with(config(), with_required());
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = secure(&mut w, PBX, 1, &one(1, KEY));
    pbx.invite(&mut w, Some(&offer));
    let refused = pbx.expect(&mut w, "403");
    assert!(refused.header(HeaderName::Warning).is_some_and(|text| text.contains("use TLS")));
    assert!(refused.header(HeaderName::Reason).is_some_and(|text| text.contains("cause=403")));
    pbx.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::PlainSignalling]);
    assert!(w.take(CARRIER, None).is_none());
    w.finish();
}

#[test]
fn plain_media_is_refused_where_encryption_is_required() {
    let mut w = over_tls(with_required());
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.transport = "TLS";
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let refused = pbx.expect(&mut w, "488");
    assert!(refused.header(HeaderName::Warning).is_some_and(|text| text.contains("SRTP")));
    assert!(refused.header(HeaderName::Reason).is_some_and(|text| text.contains("cause=488")));
    pbx.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(Refusal::PlainMedia));
    assert!(w.take(CARRIER, None).is_none());
    w.finish();
}

#[test]
fn an_encrypted_call_is_never_made_plain() {
    let mut w = over_tls(with_required());
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.transport = "TLS";
    let offer = secure(&mut w, PBX, 1, &one(1, KEY));
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.answer(&mut w, &mut pbx, &answer);
    let before = keys(&w, LegSide::A);
    let plain = pbx.sdp_with(30_000, 2, "sendrecv");
    pbx.invite(&mut w, Some(&plain));
    let refused = pbx.expect(&mut w, "488");
    assert!(refused.header(HeaderName::Warning).is_some());
    pbx.ack_failure(&mut w);
    pstn.expect_silence(&mut w);
    assert_eq!(w.refusals(), [Refusal::PlainMedia]);
    // The other leg's hold goes out with keys, and a plain answer is not taken.
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.invite(&mut w, Some(&hold));
    assert!(media_lines(&pbx.expect(&mut w, "INVITE"))[0].contains("RTP/SAVP"));
    let answer = pbx.sdp_with(30_000, 3, "recvonly");
    pbx.reply(&mut w, 200, Some(&answer));
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "488");
    pstn.ack_failure(&mut w);
    assert_eq!(keys(&w, LegSide::A), before);
    // Neither does a request without TLS count, though it knows the dialog.
    w.disconnect(PBX);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "403");
    w.connect_tls(PBX);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_inbound_call_reaches_the_customer_with_tls_and_srtp_only() {
    for answers_plain in [false, true] {
        let mut w = over_tls(with_required());
        let mut pstn = w.caller(CARRIER, "+12065550100");
        let offer = pstn.sdp(40_000);
        pstn.invite(&mut w, Some(&offer));
        let mut pbx = w.callee(PBX);
        pbx.transport = "TLS";
        let invite = pbx.invited.clone().unwrap();
        assert!(media_lines(&invite)[0].contains("RTP/SAVP"));
        let answer =
            if answers_plain { pbx.sdp(30_000) } else { secure(&mut w, PBX, 1, &one(4, KEY)) };
        pbx.reply(&mut w, 200, Some(&answer));
        pbx.expect(&mut w, "ACK");
        if answers_plain {
            pbx.expect(&mut w, "BYE");
            pbx.ok(&mut w);
            pstn.expect(&mut w, "502");
            pstn.ack_failure(&mut w);
        } else {
            pstn.expect(&mut w, "200");
            pstn.ack(&mut w, None);
            assert!(is_plain(&w, LegSide::A));
            keys(&w, LegSide::B);
            pstn.hang_up(&mut w, &mut pbx);
        }
        w.finish();
    }
}
