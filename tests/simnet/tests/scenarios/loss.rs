//! Every message of an exchange is lost once: whatever is missing, the run ends as the one that
//! lost nothing. Here: what happens until the answer.

use crate::authentication as customer;
use crate::carrier_authentication as carrier;
use crate::fax::ports;
use crate::hunting::following;
use crate::support::{calling, prack, ring_reliably};
use crate::update::early;
use simnet::{CARRIER, CARRIER_2, Ua, World};
use std::time::Duration;

/// One exchange: it drives both ends and says what came of it.
pub(super) type Exchange = fn(&mut World) -> String;

/// Runs an exchange without loss, and then once for each of its messages, which is lost.
pub(super) fn lose_each(make: fn() -> World, exchange: Exchange) {
    let mut w = make();
    w.lose(None);
    let outcome = run(&mut w, exchange);
    let count = w.counted();
    w.finish();
    assert!(count >= 10, "{count} messages are no exchange");
    for number in 0..count {
        let mut w = make();
        w.lose(Some(number));
        let lossy = run(&mut w, exchange);
        assert_eq!(lossy, outcome, "message {number} of {count} was lost\n{}", w.ladder());
        assert!(w.ladder().contains(" -x ") || w.ladder().contains(" x- "), "none was lost");
        w.finish();
    }
}

/// What came of an exchange, and how the calls ended.
fn run(w: &mut World, exchange: Exchange) -> String {
    let outcome = exchange(w);
    let mut ends: Vec<_> = w
        .audit
        .ends()
        .iter()
        .map(|end| format!("{} {} {:?}", end.status, end.cause, end.ended_by))
        .collect();
    ends.sort();
    let answers = w.edge.statistics().answers;
    format!("{outcome}; {answers} answered; {ends:?}")
}

/// What was lost last comes once more before the next step.
pub(super) fn rest(w: &mut World) {
    w.advance(Duration::from_secs(2));
}

/// Which ports hear each other now; then one end hangs up.
pub(super) fn hang_up(w: &mut World, mut near: Ua, mut far: Ua) -> String {
    rest(w);
    let legs = w.plan().legs.clone().map(|leg| (leg.accepts_from, leg.sends_to));
    let outcome = format!("{:?} {:?} {legs:?}", w.plan().kind, ports(w));
    near.hang_up(w, &mut far);
    rest(w);
    outcome
}

/// The answer, after early media or with its own.
fn answer(w: &mut World, pbx: &mut Ua, pstn: &mut Ua, body: Option<&str>) {
    pstn.reply(w, 200, body);
    pstn.expect(w, "ACK");
    pbx.expect(w, "200");
    pbx.ack(w, None);
}

/// Acknowledges whatever rings reliably by now.
fn acknowledge_ringing(w: &mut World, pbx: &mut Ua) {
    while let Some(response) = pbx.poll(w) {
        prack(w, pbx, &response, None);
        pbx.expect(w, "200");
    }
}

const RELIABLE: &[(&str, &str)] = &[("Supported", "100rel")];

#[test]
fn of_a_reliable_answer() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = early(w);
        answer(w, &mut pbx, &mut pstn, None);
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_a_reliable_answer_that_the_caller_hears_unreliably() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, &[], true);
        let body = pstn.sdp(40_000);
        ring_reliably(w, &mut pstn, 183, 1, Some(&body));
        pstn.expect(w, "PRACK");
        pstn.ok(w);
        answer(w, &mut pbx, &mut pstn, None);
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_a_ringing_that_only_the_caller_acknowledges() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, &[("Require", "100rel")], true);
        // Nobody repeats this one to us; ours is repeated.
        pstn.reply(w, 180, None);
        rest(w);
        acknowledge_ringing(w, &mut pbx);
        let body = pstn.sdp(40_000);
        ring_reliably(w, &mut pstn, 183, 9, Some(&body));
        rest(w);
        acknowledge_ringing(w, &mut pbx);
        pstn.expect(w, "PRACK");
        pstn.ok(w);
        answer(w, &mut pbx, &mut pstn, None);
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_an_offer_in_prack() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, RELIABLE, true);
        let body = pstn.sdp(40_000);
        ring_reliably(w, &mut pstn, 183, 3, Some(&body));
        let early = pbx.expect(w, "183");
        let offer = pbx.sdp_with(31_000, 2, "sendonly");
        prack(w, &mut pbx, &early, Some(&offer));
        pstn.expect(w, "PRACK");
        let second = pstn.sdp_with(41_000, 2, "recvonly");
        pstn.ok_with_sdp(w, &second);
        pbx.expect(w, "200");
        answer(w, &mut pbx, &mut pstn, None);
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_an_answer_in_prack() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, RELIABLE, false);
        let offer = pstn.sdp(40_000);
        ring_reliably(w, &mut pstn, 183, 1, Some(&offer));
        let early = pbx.expect(w, "183");
        let body = pbx.sdp(30_000);
        prack(w, &mut pbx, &early, Some(&body));
        pbx.expect(w, "200");
        pstn.expect(w, "PRACK");
        pstn.ok(w);
        answer(w, &mut pbx, &mut pstn, None);
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_an_answer_that_waits_for_the_prack() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, RELIABLE, true);
        let body = pstn.sdp(40_000);
        ring_reliably(w, &mut pstn, 183, 5, Some(&body));
        let early = pbx.expect(w, "183");
        pstn.reply(w, 200, Some(&body));
        pstn.expect(w, "ACK");
        prack(w, &mut pbx, &early, None);
        pstn.expect(w, "PRACK");
        pstn.ok(w);
        for _ in 0..2 {
            let response = pbx.expect(w, "200");
            if response.cseq().unwrap().method.as_str() == "INVITE" {
                pbx.ack(w, None);
            }
        }
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_early_updates() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = early(w);
        let offer = pbx.sdp_with(31_000, 2, "sendonly");
        pbx.request(w, "UPDATE", &[], Some(("application/sdp", &offer)));
        pstn.expect(w, "UPDATE");
        let body = pstn.sdp_with(41_000, 2, "recvonly");
        pstn.ok_with_sdp(w, &body);
        pbx.expect(w, "200");
        let offer = pstn.sdp_with(42_000, 3, "sendrecv");
        pstn.request(w, "UPDATE", &[], Some(("application/sdp", &offer)));
        pbx.expect(w, "UPDATE");
        let body = pbx.sdp_with(32_000, 3, "sendrecv");
        pbx.ok_with_sdp(w, &body);
        pstn.expect(w, "200");
        answer(w, &mut pbx, &mut pstn, None);
        hang_up(w, pbx, pstn)
    });
}

/// One fork gives its answer early, another one with other formats takes the call, and the first
/// answers after all.
#[test]
fn of_forks_and_the_realignment_after_them() {
    lose_each(World::new, |w| {
        let (mut pbx, mut first) = calling(w, RELIABLE, true);
        let mut second = first.fork(w, "second");
        let body = first.sdp(40_000);
        ring_reliably(w, &mut first, 183, 1, Some(&body));
        let early = pbx.expect(w, "183");
        prack(w, &mut pbx, &early, None);
        pbx.expect(w, "200");
        first.expect(w, "PRACK");
        first.ok(w);
        let other = second.sdp(42_000).replace("0 101", "0").replace("a=sendrecv", "a=sendonly");
        answer(w, &mut pbx, &mut second, Some(&other));
        pbx.expect(w, "INVITE");
        let body = pbx.sdp_with(30_000, 2, "recvonly");
        pbx.reply(w, 200, Some(&body));
        pbx.expect(w, "ACK");
        let late = first.sdp(40_000);
        first.reply(w, 200, Some(&late));
        first.expect(w, "ACK");
        first.expect(w, "BYE");
        first.ok(w);
        hang_up(w, pbx, second)
    });
}

#[test]
fn of_a_redirect_that_is_followed() {
    lose_each(
        || following(1),
        |w| {
            let (mut pbx, mut first) = calling(w, &[], true);
            let moved = format!("<sip:+12065550150@{CARRIER_2}>");
            first.reply_with(w, 302, &[("Contact", &moved)], None);
            first.expect(w, "ACK");
            let mut second = w.callee(CARRIER_2);
            let body = second.sdp(40_000);
            answer(w, &mut pbx, &mut second, Some(&body));
            hang_up(w, pbx, second)
        },
    );
}

/// Leg A refuses the realignment once, because it is just about to ask for something itself.
#[test]
fn of_a_realignment_that_meets_another_offer() {
    lose_each(World::new, |w| {
        let (mut pbx, mut first) = calling(w, RELIABLE, true);
        let mut second = first.fork(w, "second");
        let body = first.sdp(40_000);
        ring_reliably(w, &mut first, 183, 1, Some(&body));
        let early = pbx.expect(w, "183");
        prack(w, &mut pbx, &early, None);
        pbx.expect(w, "200");
        first.expect(w, "PRACK");
        first.ok(w);
        let other = second.sdp(42_000).replace("0 101", "0");
        answer(w, &mut pbx, &mut second, Some(&other));
        for (status, body) in [(491, None), (200, Some(pbx.sdp_with(30_000, 2, "sendrecv")))] {
            pbx.expect(w, "INVITE");
            pbx.reply(w, status, body.as_deref());
            pbx.expect(w, "ACK");
        }
        hang_up(w, pbx, second)
    });
}

/// The answer overtakes a reliable ringing, whose PRACK comes late.
#[test]
fn of_a_ringing_that_the_answer_overtakes() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, &[("Require", "100rel")], true);
        pstn.reply(w, 180, None);
        rest(w);
        let ringing = pbx.poll(w);
        let body = pstn.sdp(40_000);
        answer(w, &mut pbx, &mut pstn, Some(&body));
        rest(w);
        // None came if the carrier's was lost, which nobody repeats.
        if let Some(ringing) = ringing {
            prack(w, &mut pbx, &ringing, None);
            pbx.expect(w, "200");
        }
        hang_up(w, pbx, pstn)
    });
}

/// The caller gives up while the answer waits for its PRACK.
#[test]
fn of_an_answer_that_is_withheld_and_cancelled() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, RELIABLE, true);
        let body = pstn.sdp(40_000);
        ring_reliably(w, &mut pstn, 183, 5, Some(&body));
        pbx.expect(w, "183");
        pstn.reply(w, 200, Some(&body));
        pstn.expect(w, "ACK");
        pbx.cancel(w);
        pbx.expect(w, "200");
        pbx.expect(w, "487");
        pbx.ack_failure(w);
        pstn.expect(w, "BYE");
        pstn.ok(w);
        rest(w);
        format!("{} left", w.edge.active_calls())
    });
}

/// The caller gives up while the callee rings.
#[test]
fn of_a_call_that_is_cancelled() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = calling(w, RELIABLE, true);
        ring_reliably(w, &mut pstn, 180, 1, None);
        let ringing = pbx.expect(w, "180");
        prack(w, &mut pbx, &ringing, None);
        pbx.expect(w, "200");
        pstn.expect(w, "PRACK");
        pstn.ok(w);
        rest(w);
        pbx.cancel(w);
        pbx.expect(w, "200");
        pstn.expect(w, "CANCEL");
        pstn.ok(w);
        pstn.reply(w, 487, None);
        pstn.expect(w, "ACK");
        pbx.expect(w, "487");
        pbx.ack_failure(w);
        rest(w);
        format!("{} left", w.edge.active_calls())
    });
}

#[test]
fn of_a_customers_credentials() {
    lose_each(customer::world, |w| {
        let (mut pbx, answerer) = customer::challenged(w);
        let proof = customer::proof(&pbx, &answerer, customer::PASSWORD);
        customer::again(w, &mut pbx, &proof);
        let mut pstn = w.callee(CARRIER);
        let body = pstn.sdp(40_000);
        answer(w, &mut pbx, &mut pstn, Some(&body));
        hang_up(w, pbx, pstn)
    });
}

/// The carrier asks as a server and as a proxy, before the call and inside it.
#[test]
fn of_a_carriers_credentials() {
    lose_each(carrier::world, |w| {
        let mut pbx = carrier::calling(w);
        let mut pstn = w.callee(CARRIER);
        carrier::ask(w, &mut pstn, 401, &carrier::digest("pstn", "n1", carrier::QOP));
        carrier::answers(w, &mut pbx, &mut pstn);
        rest(w);
        let hold = pbx.sdp_with(30_000, 2, "sendonly");
        pbx.invite(w, Some(&hold));
        pstn.expect(w, "INVITE");
        carrier::ask(w, &mut pstn, 407, &carrier::digest("proxy", "n2", carrier::QOP));
        let held = pstn.sdp_with(40_000, 2, "recvonly");
        answer(w, &mut pbx, &mut pstn, Some(&held));
        rest(w);
        let outcome = format!("{:?}", ports(w));
        pbx.bye(w);
        pbx.expect(w, "200");
        pstn.expect(w, "BYE");
        let stale = carrier::digest("proxy", "n3", ", stale=true, qop=\"auth\"");
        pstn.refuse(w, 407, &[("Proxy-Authenticate", &stale)]);
        pstn.expect(w, "BYE");
        pstn.ok(w);
        rest(w);
        outcome
    });
}
