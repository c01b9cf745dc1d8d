//! SRTP legs that are transferred: the peer's key stays, ours is a new one, because the relay
//! counts packets anew where the leg comes to.

use crate::keys::{
    KEY, KEY_2, KEY_3, crypto_of, key, keys, media_lines, one, secure, with_carriers,
};
use directory::Srtp;
use model::LegSide;
use simnet::{CARRIER, PBX, Ua, World, config};

const TARGET: &str = "<sip:+12065550177@tandem.example>";

/// Takes NOTIFYs until the last, which ends the subscription.
fn take_notifies(w: &mut World, ua: &mut Ua, count: usize) {
    for _ in 0..count {
        ua.expect(w, "NOTIFY");
        ua.ok(w);
    }
}

#[test]
fn a_blind_transfer_of_an_srtp_leg_to_an_srtp_target() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = secure(&mut w, CARRIER, 1, &one(4, KEY));
    pstn.answer(&mut w, &mut pbx, &answer);
    let before = keys(&w, LegSide::B);

    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "202");
    take_notifies(&mut w, &mut pbx, 1);
    let mut target = w.callee(CARRIER);
    let offered = crypto_of(&target.invited.clone().unwrap());
    assert_eq!(offered.len(), 5, "the target's own keys");
    let answer = secure(&mut w, CARRIER, 1, &one(4, KEY_2)).replace("40000", "41000");
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");

    let asked = pstn.expect(&mut w, "INVITE");
    assert!(media_lines(&asked)[0].contains("RTP/SAVP"));
    let ours = crypto_of(&asked);
    assert!(ours.iter().all(|line| *line.usable().unwrap() != before.1), "new keys of ours");
    let answer = secure(&mut w, CARRIER, 2, &one(4, KEY)).replace("40000", "42000");
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    take_notifies(&mut w, &mut pbx, 1);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);

    let [a, b] = [LegSide::A, LegSide::B].map(|leg| keys(&w, leg));
    let [[(before, LegSide::B), (after, LegSide::A)]] = w.relay.moves[..] else {
        panic!("the roll-over counters went with the leg, once: {:?}", w.relay.moves)
    };
    assert_ne!(before, after);
    assert_eq!(a, (key(&one(4, KEY)), ours[3].usable().unwrap().clone()));
    assert_eq!(b, (key(&one(4, KEY_2)), offered[3].usable().unwrap().clone()));
    pstn.hang_up(&mut w, &mut target);
    w.finish();
}

/// RFC 3891: another device of the customer, with SRTP, takes the place of the plain one.
#[test]
fn a_replacement_with_srtp_joins_a_far_end_with_srtp() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = secure(&mut w, CARRIER, 1, &one(4, KEY));
    let answered = pstn.answer(&mut w, &mut pbx, &answer);
    let before = keys(&w, LegSide::B);

    let to_tag = answered.to().unwrap().tag().unwrap().to_owned();
    let replaces = format!("{};to-tag={to_tag};from-tag={}", pbx.call_id, pbx.tag);
    let mut other = w.caller(PBX, "+12065550123");
    let offer = secure(&mut w, PBX, 1, &one(9, KEY_3)).replace("30000", "33000");
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    let answered = other.expect(&mut w, "200");
    let ours = crypto_of(&answered);
    assert_eq!((ours.len(), ours[0].tag()), (1, 9));
    other.ack(&mut w, None);
    let asked = pstn.expect(&mut w, "INVITE");
    assert!(crypto_of(&asked).iter().all(|line| *line.usable().unwrap() != before.1));
    let answer = secure(&mut w, CARRIER, 2, &one(4, KEY));
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    assert_eq!(keys(&w, LegSide::A), (key(&one(9, KEY_3)), ours[0].usable().unwrap().clone()));
    assert_eq!(keys(&w, LegSide::B).0, key(&one(4, KEY)));
    other.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// A leg that refuses its new far end is back on the ports it had, and its old keys hold.
#[test]
fn a_leg_that_comes_back_has_its_old_keys() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = secure(&mut w, CARRIER, 1, &one(4, KEY));
    pstn.answer(&mut w, &mut pbx, &answer);
    let before = keys(&w, LegSide::B);

    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "202");
    take_notifies(&mut w, &mut pbx, 1);
    let mut target = w.callee(CARRIER);
    let answer = secure(&mut w, CARRIER, 1, &one(4, KEY_2)).replace("40000", "41000");
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    target.expect(&mut w, "BYE");
    target.ok(&mut w);
    take_notifies(&mut w, &mut pbx, 1);

    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    let asked = pstn.expect(&mut w, "INVITE");
    assert!(crypto_of(&asked).iter().any(|line| *line.usable().unwrap() == before.1));
    let answer = secure(&mut w, CARRIER, 2, &one(4, KEY)).replace("a=sendrecv", "a=recvonly");
    pstn.answer(&mut w, &mut pbx, &answer);
    assert_eq!(keys(&w, LegSide::B), before);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
