//! Every message of an exchange is lost once: transfers.

use crate::attended::{refer_to, two_calls};
use crate::loss::{hang_up, lose_each, rest};
use crate::passed::passing;
use crate::transfer::{TARGET, expect_notify, join, refer, released, take_offer, transfers};
use simnet::{CARRIER, PBX, Ua, World};

/// How many legs went over to another call, and what the call that is left ends with.
fn part(w: &mut World, one: Ua, other: Ua) -> String {
    let left = hang_up(w, one, other);
    let (to, from) = transfers(w);
    format!("{left}, {} to {} from", to.len(), from.len())
}

/// Another device of the customer takes the place of this one.
fn replacing(w: &mut World, pbx: &Ua) -> Ua {
    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut other = w.caller(PBX, "+12065550100");
    other.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let offer = other.sdp(33_000);
    other.invite_with(w, &[("Replaces", &replaces)], Some(&offer));
    other.expect(w, "200");
    other.ack(w, None);
    other
}

#[test]
fn of_a_blind_transfer() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        let mut target = refer(w, &mut pbx);
        join(w, &mut target, &mut pstn);
        released(w, &mut pbx);
        part(w, pstn, target)
    });
}

#[test]
fn of_a_blind_transfer_whose_target_fails() {
    lose_each(World::new, |w| {
        let (mut pbx, pstn) = Ua::establish(w);
        rest(w);
        let mut target = refer(w, &mut pbx);
        target.reply(w, 486, None);
        target.expect(w, "ACK");
        expect_notify(w, &mut pbx, "SIP/2.0 486 Busy Here");
        part(w, pbx, pstn)
    });
}

#[test]
fn of_an_attended_transfer() {
    lose_each(World::new, |w| {
        let [(mut first, mut one), (mut second, mut two)] = two_calls(w);
        rest(w);
        refer_to(w, &mut first, &second);
        take_offer(w, &mut one, 42_000);
        take_offer(w, &mut two, 43_000);
        released(w, &mut first);
        second.expect(w, "BYE");
        second.ok(w);
        part(w, one, two)
    });
}

#[test]
fn of_an_attended_transfer_that_the_far_end_refuses() {
    lose_each(World::new, |w| {
        let [(mut first, mut one), (mut second, mut two)] = two_calls(w);
        rest(w);
        refer_to(w, &mut first, &second);
        one.expect(w, "INVITE");
        one.reply(w, 488, None);
        one.expect(w, "ACK");
        expect_notify(w, &mut first, "SIP/2.0 488 Not Acceptable Here");
        rest(w);
        second.hang_up(w, &mut two);
        part(w, first, one)
    });
}

/// Both far ends refuse their offers once, because they are just about to make one.
#[test]
fn of_an_attended_transfer_that_meets_other_offers() {
    lose_each(World::new, |w| {
        let [(mut first, mut one), (mut second, mut two)] = two_calls(w);
        rest(w);
        refer_to(w, &mut first, &second);
        for (far, port) in [(&mut one, 42_000), (&mut two, 43_000)] {
            far.expect(w, "INVITE");
            far.reply(w, 491, None);
            far.expect(w, "ACK");
            take_offer(w, far, port);
        }
        released(w, &mut first);
        second.expect(w, "BYE");
        second.ok(w);
        part(w, one, two)
    });
}

#[test]
fn of_a_transferee_that_hangs_up_while_the_target_rings() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        let mut target = refer(w, &mut pbx);
        target.reply(w, 180, None);
        rest(w);
        while pbx.poll(w).is_some() {
            pbx.ok(w);
        }
        rest(w);
        pstn.bye(w);
        pstn.expect(w, "200");
        pbx.expect(w, "BYE");
        pbx.ok(w);
        target.expect(w, "CANCEL");
        target.ok(w);
        target.reply(w, 487, None);
        target.expect(w, "ACK");
        expect_notify(w, &mut pbx, "SIP/2.0 487 Request Terminated");
        rest(w);
        format!("{} left", w.edge.active_calls())
    });
}

#[test]
fn of_a_replacement_that_the_far_end_refuses() {
    lose_each(World::new, |w| {
        let (pbx, mut pstn) = Ua::establish(w);
        rest(w);
        let mut other = replacing(w, &pbx);
        pstn.expect(w, "INVITE");
        pstn.reply(w, 488, None);
        pstn.expect(w, "ACK");
        other.expect(w, "BYE");
        other.ok(w);
        part(w, pbx, pstn)
    });
}

#[test]
fn of_an_invite_with_replaces() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        let other = replacing(w, &pbx);
        take_offer(w, &mut pstn, 42_000);
        pbx.expect(w, "BYE");
        pbx.ok(w);
        part(w, other, pstn)
    });
}

#[test]
fn of_a_transfer_that_is_passed() {
    lose_each(passing, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        pbx.request(w, "REFER", &[("Refer-To", TARGET)], None);
        pstn.expect(w, "REFER");
        pstn.refuse(w, 202, &[]);
        pbx.expect(w, "202");
        pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
        for (state, line) in [
            ("active;expires=60", "SIP/2.0 100 Trying\r\n"),
            ("terminated;reason=noresource", "SIP/2.0 200 OK\r\n"),
        ] {
            let headers = [("Event", "refer"), ("Subscription-State", state)];
            pstn.request(w, "NOTIFY", &headers, Some(("message/sipfrag;version=2.0", line)));
            let notify = pbx.expect(w, "NOTIFY");
            assert_eq!(notify.body_bytes(), line.as_bytes());
            pbx.ok(w);
            pstn.expect(w, "200");
        }
        assert!(w.take(CARRIER, None).is_none(), "the carrier calls the target by itself");
        hang_up(w, pbx, pstn)
    });
}
