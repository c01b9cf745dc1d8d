//! SRTP on one leg or both: who gets which keys, and when they change.

use crate::keys::{
    KEY, KEY_2, KEY_3, SUITE, crypto_of, is_plain, key, keys, media_lines, one, optional, secure,
    with_carriers,
};
use directory::Srtp;
use model::{LegSide, Refusal};
use simnet::{CARRIER, CARRIER_2, PBX, Ua, World, config};
use sip_proto::Message;

/// A call from the PBX with keys to a carrier without; the PBX's message is the 200.
fn srtp_to_rtp(w: &mut World) -> (Ua, Ua, Message) {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = secure(w, PBX, 1, &one(5, KEY));
    pbx.invite(w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let invite = pstn.invited.clone().unwrap();
    assert_eq!(
        media_lines(&invite),
        ["m=audio 20002 RTP/AVP 0 101".replace("20002", &port_of(&invite))]
    );
    assert!(crypto_of(&invite).is_empty());
    let answer = pstn.sdp(40_000);
    let answered = pstn.answer(w, &mut pbx, &answer);
    (pbx, pstn, answered)
}

fn port_of(message: &Message) -> String {
    media_lines(message)[0].split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_customers_srtp_meets_a_plain_carrier() {
    let mut w = World::new();
    let (mut pbx, mut pstn, answered) = srtp_to_rtp(&mut w);
    assert!(media_lines(&answered)[0].contains("RTP/SAVP"));
    let ours = crypto_of(&answered);
    assert_eq!((ours.len(), ours[0].tag()), (1, 5));
    assert_eq!(keys(&w, LegSide::A), (key(&one(5, KEY)), ours[0].usable().unwrap().clone()));
    assert!(is_plain(&w, LegSide::B));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_plain_customer_reaches_a_carrier_that_requires_srtp() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    let invite = pstn.invited.clone().unwrap();
    assert!(media_lines(&invite)[0].contains("RTP/SAVP"));
    let offered = crypto_of(&invite);
    // The answer is numbered anew.
    let answer = secure(&mut w, CARRIER, 1, &one(1, KEY));
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let answered = pbx.expect(&mut w, "200");
    assert!(crypto_of(&answered).is_empty() && media_lines(&answered)[0].contains("RTP/AVP"));
    pbx.ack(&mut w, None);
    let ours = offered.iter().find(|line| line.suite().name() == SUITE).unwrap();
    assert_ne!(ours.tag(), 1);
    assert_eq!(keys(&w, LegSide::B), (key(&one(1, KEY)), ours.usable().unwrap().clone()));
    assert!(is_plain(&w, LegSide::A));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_optional_offer_is_answered_either_way() {
    for secure_answer in [false, true] {
        let mut w = World::with(config(), with_carriers(Srtp::Optional));
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
        let invite = pstn.invited.clone().unwrap();
        assert!(media_lines(&invite)[0].contains("RTP/AVP"), "RFC 8643");
        assert_eq!(crypto_of(&invite).len(), 5);
        let answer = if secure_answer {
            optional(&mut w, CARRIER, 1, &one(4, KEY))
        } else {
            pstn.sdp(40_000)
        };
        pstn.answer(&mut w, &mut pbx, &answer);
        assert_eq!(is_plain(&w, LegSide::B), !secure_answer);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_carrier_that_answers_plain_or_with_foreign_keys_where_srtp_is_required_is_hung_up() {
    let long = format!("{KEY}HR4fICEiIyQlJicoKSorLA==");
    for crypto in [None, Some(format!("1 AES_256_CM_HMAC_SHA1_32 {long}"))] {
        let mut w = World::with(config(), with_carriers(Srtp::Required));
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
        let answer = match &crypto {
            Some(crypto) => secure(&mut w, CARRIER, 1, crypto),
            None => pstn.sdp(40_000),
        };
        pstn.reply(&mut w, 200, Some(&answer));
        pstn.expect(&mut w, "ACK");
        pstn.expect(&mut w, "BYE");
        pstn.ok(&mut w);
        pbx.expect(&mut w, "502");
        pbx.ack_failure(&mut w);
        assert!(w.relay.plans.is_empty(), "no packet passed");
        w.finish();
    }
}

#[test]
fn of_twin_lines_the_encrypted_one_is_taken_and_the_other_declined() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let twin = "m=audio 30002 RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
    let offer = format!("{}{twin}a=crypto:{}\r\n", pbx.sdp(30_000), one(1, KEY));
    w.audit.keep_secret(PBX, KEY);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let told = media_lines(&pstn.invited.clone().unwrap());
    assert!(
        told.len() == 2 && !told[0].contains(" 0 RTP") && told[1].contains(" 0 RTP"),
        "{told:?}"
    );
    let answer = format!("{}m=audio 0 RTP/AVP 0\r\n", pstn.sdp(40_000));
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let answered = media_lines(&pbx.expect(&mut w, "200"));
    assert_eq!(answered[0], "m=audio 0 RTP/AVP 0 101");
    assert!(answered[1].contains("RTP/SAVP"));
    pbx.ack(&mut w, None);
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 30_002);
    keys(&w, LegSide::A);
    // The carrier puts the call on hold: the PBX's lines keep their places.
    let hold = format!("{}m=audio 0 RTP/AVP 0\r\n", pstn.sdp_with(40_000, 2, "sendonly"));
    pstn.invite(&mut w, Some(&hold));
    let asked = media_lines(&pbx.expect(&mut w, "INVITE"));
    assert!(asked[0].contains(" 0 RTP/AVP") && asked[1].contains("RTP/SAVP"), "{asked:?}");
    let answer = format!(
        "{}m=audio 30002 RTP/SAVP 0\r\na=crypto:{}\r\na=recvonly\r\n",
        pbx.sdp_with(30_000, 2, "sendrecv")
            .replace("m=audio 30000 RTP/AVP 0 101", "m=audio 0 RTP/AVP 0"),
        one(1, KEY)
    );
    pbx.reply(&mut w, 200, Some(&answer));
    pbx.expect(&mut w, "ACK");
    let told = media_lines(&pstn.expect(&mut w, "200"));
    assert!(!told[0].contains(" 0 RTP") && told[1].contains(" 0 RTP"), "{told:?}");
    pstn.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_hold_keeps_the_keys_and_a_new_key_of_the_peer_changes_both() {
    let mut w = World::new();
    let (mut pbx, mut pstn, _) = srtp_to_rtp(&mut w);
    let before = keys(&w, LegSide::A);
    let mut change = |w: &mut World, version: u32, key: &str, direction: &str, other: &str| {
        let offer = secure(w, PBX, version, &one(5, key)).replace("a=sendrecv", direction);
        pbx.invite(w, Some(&offer));
        assert!(crypto_of(&pstn.expect(w, "INVITE")).is_empty());
        let answer = pstn.sdp_with(40_000, version, other);
        pstn.answer(w, &mut pbx, &answer);
        keys(w, LegSide::A)
    };
    assert_eq!(change(&mut w, 2, KEY, "a=sendonly", "recvonly"), before, "hold");
    assert_eq!(change(&mut w, 3, KEY, "a=sendrecv", "sendrecv"), before, "resume");
    let after = change(&mut w, 4, KEY_2, "a=sendrecv", "sendrecv");
    assert_eq!(after.0, key(&one(5, KEY_2)));
    assert_ne!(after.1, before.1, "ours as well");
    assert_eq!(change(&mut w, 5, KEY_2, "a=sendonly", "recvonly"), after);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn the_other_legs_hold_offers_the_keys_in_force() {
    let mut w = World::new();
    let (mut pbx, mut pstn, answered) = srtp_to_rtp(&mut w);
    let before = keys(&w, LegSide::A);
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.invite(&mut w, Some(&hold));
    let asked = pbx.expect(&mut w, "INVITE");
    assert_eq!(crypto_of(&asked), crypto_of(&answered), "the line in force, alone");
    // A device may choose another key of its own in each answer.
    let answer = secure(&mut w, PBX, 2, &one(5, KEY_3)).replace("a=sendrecv", "a=recvonly");
    pbx.answer(&mut w, &mut pstn, &answer);
    assert_eq!(keys(&w, LegSide::A), (key(&one(5, KEY_3)), before.1));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_refused_rekey_leaves_the_old_keys() {
    let mut w = World::new();
    let (mut pbx, mut pstn, answered) = srtp_to_rtp(&mut w);
    let before = keys(&w, LegSide::A);
    let offer = secure(&mut w, PBX, 2, &one(5, KEY_2));
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    assert_eq!(keys(&w, LegSide::A), before);
    // The refused key was never in force: what follows says what it said.
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.invite(&mut w, Some(&hold));
    assert_eq!(crypto_of(&pbx.expect(&mut w, "INVITE")), crypto_of(&answered));
    pbx.reply(&mut w, 488, None);
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "488");
    pstn.ack_failure(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn forks_have_their_own_keys() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    let offered = crypto_of(&pstn.invited.clone().unwrap());
    let ours = |tag: usize| offered[tag - 1].usable().unwrap().clone();
    let early = secure(&mut w, CARRIER, 1, &one(4, KEY));
    pstn.reply(&mut w, 183, Some(&early));
    pbx.expect(&mut w, "183");
    assert_eq!(keys(&w, LegSide::B), (key(&one(4, KEY)), ours(4)));
    pstn.tag = "inner-fork-2".to_owned();
    let answer = secure(&mut w, CARRIER, 1, &format!("5 AES_CM_128_HMAC_SHA1_32 {KEY_2}"));
    pstn.answer(&mut w, &mut pbx, &answer);
    let fork = key(&format!("5 AES_CM_128_HMAC_SHA1_32 {KEY_2}"));
    assert_eq!(keys(&w, LegSide::B), (fork, ours(5)));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn each_route_gets_keys_of_its_own() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let (mut pbx, mut first) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    let told_first = crypto_of(&first.invited.clone().unwrap());
    first.reply(&mut w, 503, None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    let told_second = crypto_of(&second.invited.clone().unwrap());
    for (a, b) in told_first.iter().zip(&told_second) {
        assert_ne!(a.usable().unwrap(), b.usable().unwrap());
    }
    let answer = secure(&mut w, CARRIER_2, 1, &one(4, KEY));
    second.answer(&mut w, &mut pbx, &answer);
    assert_eq!(keys(&w, LegSide::B).1, told_second[3].usable().unwrap().clone());
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}

#[test]
fn srtp_offered_where_it_is_off_is_refused() {
    let mut w = World::new();
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let offer = secure(&mut w, CARRIER, 1, &one(1, KEY));
    pstn.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "488");
    pstn.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(Refusal::NotAcceptable));
    w.finish();
}

/// The callee refreshes with the description that answered our offer of several keys. What answers it
/// has one line (RFC 4568 section 5.1.2), not our offer once more.
#[test]
fn a_refresh_by_who_answered_is_answered_with_the_line_in_force() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    let described = secure(&mut w, CARRIER, 1, &one(4, KEY));
    pstn.answer(&mut w, &mut pbx, &described);
    let before = keys(&w, LegSide::B);

    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.invite(&mut w, Some(&described));
    pbx.expect(&mut w, "INVITE");
    let answer = pbx.sdp_with(30_000, 2, "sendrecv");
    let answered = crypto_of(&pbx.answer(&mut w, &mut pstn, &answer));
    assert_eq!((answered.len(), answered[0].tag()), (1, 4));
    assert_eq!((keys(&w, LegSide::B), answered[0].usable()), (before.clone(), Ok(&before.1)));

    // From now on it is a refresh like any other, and the other leg hears nothing of it.
    pstn.invite(&mut w, Some(&described));
    assert_eq!(crypto_of(&pstn.expect(&mut w, "200")), answered);
    pstn.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
