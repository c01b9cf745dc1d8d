//! Leg B forks: several early dialogs, of which leg A sees one.

use crate::support::{self, prack, ring_reliably};
use simnet::{CARRIER, PBX, Ua, World, config, connector, directory};
use sip_proto::HeaderName;
use std::time::Duration;

fn calling(headers: &[(&str, &str)]) -> (World, Ua, Ua) {
    let mut w = World::new();
    let (pbx, pstn) = support::calling(&mut w, headers, true);
    (w, pbx, pstn)
}

fn tag(message: &sip_proto::Message) -> String {
    message.to().unwrap().tag().unwrap().to_owned()
}

#[test]
fn leg_a_sees_one_dialog_and_hears_the_fork_that_rang_last() {
    let (mut w, mut pbx, mut first) = calling(&[]);
    let mut second = first.fork(&mut w, "second");
    let body = first.sdp(40_000);
    first.reply(&mut w, 183, Some(&body));
    let early = pbx.expect(&mut w, "183");
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 40_000);
    let other = second.sdp_with(42_000, 1, "sendrecv");
    second.reply(&mut w, 183, Some(&other));
    let again = pbx.expect(&mut w, "183");
    assert_eq!(tag(&early), tag(&again));
    assert_eq!(early.body_bytes(), again.body_bytes(), "the relay hides the change");
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 42_000);
    // The first answers: its dialog is the call's.
    first.reply(&mut w, 200, Some(&body));
    let ack = first.expect(&mut w, "ACK");
    assert_eq!(ack.request_uri(), Some(first.contact.as_str()));
    let ok = pbx.expect(&mut w, "200");
    assert_eq!((tag(&ok), ok.body_bytes()), (tag(&early), early.body_bytes()));
    pbx.ack(&mut w, None);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 40_000);
    // So does the other: it is acknowledged in its own dialog and hung up, once.
    second.reply(&mut w, 200, Some(&other));
    assert_eq!(second.expect(&mut w, "ACK").to().unwrap().tag(), Some(&*second.tag));
    assert_eq!(second.expect(&mut w, "BYE").request_uri(), Some(second.contact.as_str()));
    second.ok(&mut w);
    second.reply(&mut w, 200, Some(&other));
    second.expect(&mut w, "ACK");
    second.expect_silence(&mut w);
    pbx.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut first);
    w.finish();
}

#[test]
fn a_fork_that_answers_with_other_formats_is_made_known_after_the_ack() {
    for refusal in [None, Some(491), Some(488)] {
        let (mut w, mut pbx, mut first) = calling(&[]);
        let mut second = first.fork(&mut w, "second");
        let body = first.sdp(40_000);
        first.reply(&mut w, 183, Some(&body));
        let early = pbx.expect(&mut w, "183");
        let other = second.sdp(42_000).replace("0 101", "0").replace("a=sendrecv", "a=sendonly");
        second.reply(&mut w, 200, Some(&other));
        second.expect(&mut w, "ACK");
        // RFC 3261 section 13.2.1: what came first was the answer.
        assert_eq!(pbx.expect(&mut w, "200").body_bytes(), early.body_bytes());
        pbx.expect_silence(&mut w);
        pbx.ack(&mut w, None);
        let offer = pbx.expect(&mut w, "INVITE");
        assert!(String::from_utf8_lossy(offer.body_bytes()).contains("a=sendonly"));
        if let Some(status) = refusal {
            // Leg A's own change meets ours.
            let own = pbx.sdp_with(33_000, 2, "sendrecv");
            let mut crossing = pbx.clone();
            crossing.invite(&mut w, Some(&own));
            crossing.expect(&mut w, "491");
            crossing.ack_failure(&mut w);
            pbx.cseq = crossing.cseq;
            pbx.reply(&mut w, status, None);
            pbx.expect(&mut w, "ACK");
            w.advance(Duration::from_millis(2_010));
        }
        if refusal != Some(488) {
            if refusal.is_some() {
                pbx.expect(&mut w, "INVITE");
                // Copies, while the wait was shorter than the test's.
                while w.take(PBX, None).is_some() {}
            }
            let answer = pbx.sdp_with(30_000, 2, "recvonly");
            pbx.reply(&mut w, 200, Some(&answer));
            pbx.expect(&mut w, "ACK");
            pbx.reply(&mut w, 200, Some(&answer));
            pbx.expect(&mut w, "ACK");
            assert!(!w.plan().legs[0].accepts_from);
        }
        pbx.expect_silence(&mut w);
        assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 42_000);
        pbx.hang_up(&mut w, &mut second);
        w.finish();
    }
}

#[test]
fn a_realignment_that_nobody_answers_ends_the_call() {
    let (mut w, mut pbx, mut first) = calling(&[]);
    let mut second = first.fork(&mut w, "second");
    let body = first.sdp(40_000);
    first.reply(&mut w, 183, Some(&body));
    pbx.expect(&mut w, "183");
    let other = second.sdp(42_000).replace("a=sendrecv", "a=sendonly");
    second.answer(&mut w, &mut pbx, &other);
    pbx.expect(&mut w, "INVITE");
    w.advance(Duration::from_secs(33));
    assert_eq!(w.edge.active_calls(), 0);
    w.finish();
}

#[test]
fn each_fork_has_its_own_numbers_and_its_own_prack() {
    let (mut w, mut pbx, mut first) = calling(&[("Supported", "100rel")]);
    let mut second = first.fork(&mut w, "second");
    ring_reliably(&mut w, &mut first, 180, 100, None);
    let ringing = pbx.expect(&mut w, "180");
    assert_eq!(first.expect(&mut w, "PRACK").to().unwrap().tag(), Some(&*first.tag));
    first.ok(&mut w);
    let answer = second.sdp(42_000);
    ring_reliably(&mut w, &mut second, 183, 7, Some(&answer));
    pbx.expect_silence(&mut w);
    // The first goes on with its own numbers while the second's PRACK waits for leg A's.
    ring_reliably(&mut w, &mut first, 182, 101, None);
    assert_eq!(first.expect(&mut w, "PRACK").rack().unwrap().unwrap().rseq, 101);
    first.ok(&mut w);
    prack(&mut w, &mut pbx, &ringing, None);
    pbx.expect(&mut w, "200");
    let early = pbx.expect(&mut w, "183");
    prack(&mut w, &mut pbx, &early, None);
    pbx.expect(&mut w, "200");
    let owed = second.expect(&mut w, "PRACK");
    assert_eq!(owed.to().unwrap().tag(), Some(&*second.tag));
    assert_eq!(owed.request_uri(), Some(second.contact.as_str()));
    assert_eq!(owed.rack().unwrap().unwrap().rseq, 7);
    second.ok(&mut w);
    let next = pbx.expect(&mut w, "182");
    prack(&mut w, &mut pbx, &next, None);
    pbx.expect(&mut w, "200");
    second.reply(&mut w, 200, None);
    second.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 42_000);
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}

#[test]
fn a_fork_that_does_not_lead_may_not_change_media() {
    let (mut w, mut pbx, mut first) = calling(&[]);
    let mut second = first.fork(&mut w, "second");
    first.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    second.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    first.contact = "sip:first-moved@198.51.100.20:5080".to_owned();
    first.request(&mut w, "UPDATE", &[], None);
    first.expect(&mut w, "200");
    let body = first.sdp(40_000);
    first.request(&mut w, "UPDATE", &[], Some(("application/sdp", &body)));
    assert!(first.expect(&mut w, "500").header(HeaderName::RetryAfter).is_some());
    first.request(&mut w, "OPTIONS", &[], None);
    first.expect(&mut w, "200");
    first.bye(&mut w);
    first.expect(&mut w, "500");
    let mut nobody = first.fork(&mut w, "nobody");
    nobody.request(&mut w, "UPDATE", &[], None);
    nobody.expect(&mut w, "481");
    first.cseq += 10;
    first.answer(&mut w, &mut pbx, &body);
    pbx.hang_up(&mut w, &mut first);
    w.finish();
}

#[test]
fn a_199_ends_one_fork_and_leg_a_does_not_hear_of_it() {
    let (mut w, mut pbx, mut first) = calling(&[]);
    let mut second = first.fork(&mut w, "second");
    first.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    ring_reliably(&mut w, &mut second, 180, 1, None);
    pbx.expect(&mut w, "180");
    second.expect(&mut w, "PRACK");
    second.ok(&mut w);
    ring_reliably(&mut w, &mut second, 199, 2, None);
    second.expect(&mut w, "PRACK");
    second.ok(&mut w);
    pbx.expect_silence(&mut w);
    // Its dialog is gone; the other one leads again.
    second.request(&mut w, "UPDATE", &[], None);
    second.expect(&mut w, "481");
    first.request(&mut w, "UPDATE", &[], None);
    first.expect(&mut w, "200");
    first.reply(&mut w, 486, None);
    first.expect(&mut w, "ACK");
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn more_forks_than_anybody_has_telephones_are_not_followed_but_may_answer() {
    let (mut w, mut pbx, pstn) = calling(&[]);
    let mut last = pstn.clone();
    for index in 0..40 {
        last = pstn.fork(&mut w, &format!("fork{index}"));
        ring_reliably(&mut w, &mut last, 180, 1, None);
        let followed = w.take(CARRIER, None).is_some();
        assert_eq!(followed, index < 8, "{index}");
        while w.take(PBX, None).is_some() {}
    }
    let body = last.sdp(40_000);
    last.answer(&mut w, &mut pbx, &body);
    // The PRACKs that nobody answered run out.
    w.advance(Duration::from_secs(40));
    while w.take(CARRIER, None).is_some() {}
    pbx.hang_up(&mut w, &mut last);
    w.finish();
}

#[test]
fn a_2xx_without_contact_is_acknowledged_where_the_call_went() {
    let (mut w, mut pbx, mut pstn) = calling(&[]);
    let answer = pstn.sdp(40_000);
    let invite = pstn.invited.clone().unwrap();
    let raw = pstn.response(&invite, 200, &[], Some(("application/sdp", &answer)));
    let text = String::from_utf8(raw.to_vec()).unwrap();
    let contact = format!("Contact: <{}>\r\n", pstn.contact);
    assert!(text.contains(&contact));
    w.send(CARRIER, text.replace(&contact, ""));
    let ack = pstn.expect(&mut w, "ACK");
    assert_eq!(ack.request_uri(), invite.request_uri());
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_connector_may_prefer_the_callers_own_ringback_tone() {
    let mut resources = directory();
    let mut with = connector();
    with.early_media = ::directory::EarlyMedia::Ringback;
    resources.voice_connectors = vec![with];
    for reliable in [false, true] {
        let mut w = World::with(config(), resources.clone());
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
        let answer = pstn.sdp(40_000);
        if reliable {
            ring_reliably(&mut w, &mut pstn, 183, 1, Some(&answer));
            pstn.expect(&mut w, "PRACK");
            pstn.ok(&mut w);
        } else {
            pstn.reply(&mut w, 183, Some(&answer));
        }
        assert!(pbx.expect(&mut w, "180").body_bytes().is_empty());
        pstn.reply(&mut w, 200, (!reliable).then_some(&*answer));
        pstn.expect(&mut w, "ACK");
        assert!(!pbx.expect(&mut w, "200").body_bytes().is_empty());
        pbx.ack(&mut w, None);
        pbx.expect_silence(&mut w);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}
