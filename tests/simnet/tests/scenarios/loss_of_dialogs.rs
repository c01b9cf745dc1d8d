//! Every message of an exchange is lost once: changes of established calls.

use crate::fax::switch;
use crate::loss::{hang_up, lose_each, rest};
use crate::update::ALLOW;
use simnet::{Ua, World};
use std::time::Duration;

/// Changes media by re-INVITE, through to the other leg.
fn change(w: &mut World, asking: &mut Ua, other: &mut Ua, offer: &str, answer: &str) {
    asking.invite(w, Some(offer));
    other.expect(w, "INVITE");
    other.reply(w, 200, Some(answer));
    other.expect(w, "ACK");
    asking.expect(w, "200");
    asking.ack(w, None);
    rest(w);
}

#[test]
fn of_hold_and_resume() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        let (hold, held) =
            (pbx.sdp_with(30_000, 2, "sendonly"), pstn.sdp_with(40_000, 2, "recvonly"));
        change(w, &mut pbx, &mut pstn, &hold, &held);
        let (resume, resumed) =
            (pbx.sdp_with(31_000, 3, "sendrecv"), pstn.sdp_with(41_000, 3, "sendrecv"));
        change(w, &mut pbx, &mut pstn, &resume, &resumed);
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_a_change_without_an_offer() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        pbx.invite(w, None);
        pstn.expect(w, "INVITE");
        let offer = pstn.sdp_with(41_000, 2, "sendrecv");
        pstn.reply(w, 200, Some(&offer));
        pbx.expect(w, "200");
        let answer = pbx.sdp_with(31_000, 2, "sendrecv");
        pbx.ack(w, Some(&answer));
        pstn.expect(w, "ACK");
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_a_change_that_is_refused() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        let offer = pbx.sdp_with(31_000, 2, "inactive");
        pbx.invite(w, Some(&offer));
        pstn.expect(w, "INVITE");
        pstn.reply(w, 488, None);
        pstn.expect(w, "ACK");
        pbx.expect(w, "488");
        pbx.ack_failure(w);
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_updates_either_way() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish_with(w, &[ALLOW], &[ALLOW]);
        rest(w);
        pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
        for round in 2..4 {
            let (asking, other) =
                if round == 2 { (&mut pbx, &mut pstn) } else { (&mut pstn, &mut pbx) };
            let offer = asking.sdp_with(30_000 + 2 * round as u16, round, "sendonly");
            asking.request(w, "UPDATE", &[], Some(("application/sdp", &offer)));
            other.expect(w, "UPDATE");
            let answer = other.sdp_with(40_000 + 2 * round as u16, round, "recvonly");
            other.ok_with_sdp(w, &answer);
            asking.expect(w, "200");
        }
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_fax_and_audio_again() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        switch(w, &mut pstn, &mut pbx, "", &["m=image ours udptl t38"]);
        rest(w);
        let (offer, answer) =
            (pbx.sdp_with(30_000, 3, "sendrecv"), pstn.sdp_with(40_000, 3, "sendrecv"));
        change(w, &mut pbx, &mut pstn, &offer, &answer);
        hang_up(w, pbx, pstn)
    });
}

/// The refresher of leg A moves from the peer to us by re-INVITE, and back to it by the answer to our
/// UPDATE; then the peer refreshes by UPDATE, and when it stops the call ends.
#[test]
fn of_a_refresher_that_changes() {
    const TIMER: (&str, &str) = ("Supported", "timer");
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) =
            Ua::establish_with(w, &[TIMER, ALLOW, ("Session-Expires", "120;refresher=uac")], &[]);
        rest(w);
        let same = pbx.sdp(30_000);
        pbx.invite_with(w, &[TIMER, ("Session-Expires", "120;refresher=uas")], Some(&same));
        pbx.expect(w, "200");
        pbx.ack(w, None);
        w.advance(Duration::from_secs(59));
        pbx.expect(w, "UPDATE");
        pbx.refuse(w, 200, &[("Session-Expires", "120;refresher=uas"), ("Require", "timer")]);
        w.advance(Duration::from_secs(50));
        pbx.request(w, "UPDATE", &[TIMER, ("Session-Expires", "120;refresher=uac")], None);
        pbx.expect(w, "200");
        w.advance(Duration::from_secs(80));
        let alive = w.edge.active_calls();
        w.advance(Duration::from_secs(10));
        for ua in [&mut pbx, &mut pstn] {
            ua.expect(w, "BYE");
            ua.ok(w);
        }
        rest(w);
        format!("{alive} alive")
    });
}

/// We refresh leg B by re-INVITE, because it takes no UPDATE.
#[test]
fn of_refreshes_by_re_invite() {
    const AGREED: [(&str, &str); 3] = [
        ("Session-Expires", "200;refresher=uac"),
        ("Require", "timer"),
        ("Allow", "INVITE, ACK, BYE"),
    ];
    lose_each(World::new, |w| {
        let (pbx, mut pstn) = Ua::establish_with(w, &[], &AGREED);
        for _ in 0..2 {
            w.advance(Duration::from_secs(99));
            pstn.expect(w, "INVITE");
            let same = pstn.sdp(40_000);
            pstn.reply_with(w, 200, &AGREED, Some(&same));
            pstn.expect(w, "ACK");
        }
        w.advance(Duration::from_secs(60));
        hang_up(w, pbx, pstn)
    });
}

#[test]
fn of_what_passes_beside_the_call() {
    lose_each(World::new, |w| {
        let (mut pbx, mut pstn) = Ua::establish(w);
        rest(w);
        for method in ["INFO", "MESSAGE"] {
            pbx.request(w, method, &[], Some(("text/plain", "1")));
            pstn.expect(w, method);
            pstn.ok(w);
            pbx.expect(w, "200");
        }
        hang_up(w, pbx, pstn)
    });
}

/// One side of a glare: asks for a change until it is taken, and refuses the other's while it waits
/// (RFC 3261 section 14.1).
struct Contender {
    ua: Ua,
    body: String,
    asking: bool,
    again_at: Option<u32>,
    wait: u32,
    done: bool,
}

impl Contender {
    fn ask(&mut self, w: &mut World) {
        self.asking = true;
        let body = self.body.clone();
        self.ua.invite(w, Some(&body));
    }

    fn act(&mut self, w: &mut World, tick: u32) {
        while let Some(message) = self.ua.poll(w) {
            match (message.method().map(|method| method.as_str().to_owned()), message.status()) {
                (Some(method), _) if method == "INVITE" && self.asking => {
                    self.ua.reply(w, 491, None);
                }
                (Some(method), _) if method == "INVITE" => {
                    let body = self.body.clone();
                    self.ua.reply(w, 200, Some(&body));
                }
                (_, Some(200)) => {
                    (self.asking, self.done) = (false, true);
                    self.ua.ack(w, None);
                }
                (_, Some(491 | 500)) => {
                    self.asking = false;
                    self.again_at = Some(tick + self.wait);
                    self.ua.ack_failure(w);
                }
                _ => {}
            }
        }
        if self.again_at.is_some_and(|at| at <= tick) {
            self.again_at = None;
            self.ask(w);
        }
    }
}

#[test]
fn of_changes_that_cross() {
    const TICK: Duration = Duration::from_millis(50);
    lose_each(World::new, |w| {
        let (pbx, mut pstn) = Ua::establish(w);
        rest(w);
        pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
        let contender = |ua: Ua, port: u16, wait: u32| Contender {
            body: ua.sdp_with(port, 2, "sendrecv"),
            ua,
            asking: false,
            again_at: None,
            wait,
            done: false,
        };
        // The owner of the Call-ID waits 2.1 to 4 s, the other side at most 2 s.
        let mut both = [contender(pbx, 31_000, 44), contender(pstn, 41_000, 20)];
        for one in &mut both {
            one.ask(w);
        }
        for tick in 0..1_200 {
            for one in &mut both {
                one.act(w, tick);
            }
            w.advance(TICK);
        }
        assert!(both.iter().all(|one| one.done), "both changes are made\n{}", w.ladder());
        let [near, far] = both;
        hang_up(w, near.ua, far.ua)
    });
}
