//! Transfers that the other leg is to carry out.

use crate::attended::{consulted, two_calls};
use crate::transfer::{TARGET, transfers};
use directory::Refer;
use simnet::{CARRIER, PBX, Ua, World, config, directory};
use sip_proto::HeaderName;
use std::time::Duration;

const TO_EDGE: &str = "sip:tandem@203.0.113.1:5060";

pub(super) fn passing() -> World {
    let mut resources = directory();
    resources.voice_connectors[0].refer = Refer::Pass;
    World::with(config(), resources)
}

#[test]
fn a_refer_is_passed_in_terms_that_the_far_end_knows() {
    let mut w = passing();
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    first.request(&mut w, "REFER", &[("Refer-To", TARGET), ("Refer-Sub", "true")], None);
    let passed = one.expect(&mut w, "REFER");
    let refer_to = passed.header(HeaderName::ReferTo).unwrap();
    assert_eq!(refer_to, format!("<sip:+12065550177@{CARRIER}>"));
    one.refuse(&mut w, 202, &[]);
    first.expect(&mut w, "202");
    let headers = [("Event", "refer"), ("Subscription-State", "active;expires=60")];
    one.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let fragment = "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 198.51.100.20\r\n";
    one.request(&mut w, "NOTIFY", &headers, Some(("message/sipfrag", fragment)));
    let notify = first.expect(&mut w, "NOTIFY");
    assert_eq!(notify.body_bytes(), b"SIP/2.0 100 Trying\r\n");
    assert_eq!(notify.header(HeaderName::Event), Some("refer"));
    first.ok(&mut w);
    one.expect(&mut w, "200");
    // The other call's dialog, as the carrier knows it.
    let target = consulted(&second);
    first.request(&mut w, "REFER", &[("Refer-To", &target)], None);
    let passed = one.expect(&mut w, "REFER");
    let refer_to = passed.header(HeaderName::ReferTo).unwrap();
    assert!(refer_to.contains(&two.call_id) && refer_to.contains(&two.tag), "{refer_to}");
    one.refuse(&mut w, 503, &[]);
    first.expect(&mut w, "500");
    first.hang_up(&mut w, &mut one);
    second.hang_up(&mut w, &mut two);
    w.finish();
}

#[test]
fn a_carrier_may_ask_the_customer_whose_money_it_is() {
    let mut w = passing();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pstn.target = TO_EDGE.to_owned();
    let by = format!("<sip:+12065550123@{}>", CARRIER.ip());
    pstn.request(&mut w, "REFER", &[("Refer-To", TARGET), ("Referred-By", &by)], None);
    let passed = pbx.expect(&mut w, "REFER");
    let refer_to = passed.header(HeaderName::ReferTo).unwrap();
    assert_eq!(refer_to, format!("<sip:+12065550177@{PBX}>"));
    let by = passed.header(HeaderName::ReferredBy).unwrap();
    assert!(by.contains("+12065550123@203.0.113.1"), "{by}");
    pbx.refuse(&mut w, 603, &[]);
    pstn.expect(&mut w, "603");
    assert_eq!(w.edge.statistics().calls, 1, "we call nobody");
    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!(transfers(&w), (vec![], vec![]));
    w.finish();
}

#[test]
fn a_silent_leg_leaves_the_call_and_a_lost_subscription_is_told() {
    let mut w = passing();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pstn.expect(&mut w, "REFER");
    w.advance(Duration::from_secs(33));
    while w.take(CARRIER, None).is_some() {}
    // The asker's own transaction is over at the same moment (RFC 4320 section 4.2).
    pbx.expect_silence(&mut w);
    assert_eq!(w.edge.active_calls(), 1);
    pstn.target = TO_EDGE.to_owned();
    let headers = [("Event", "refer"), ("Subscription-State", "active;expires=60")];
    let fragment = ("message/sipfrag", "SIP/2.0 180 Ringing\r\n");
    pstn.request(&mut w, "NOTIFY", &headers, Some(fragment));
    pbx.expect(&mut w, "NOTIFY");
    pbx.refuse(&mut w, 481, &[]);
    pstn.expect(&mut w, "481");
    // Only what a REFER subscribed to passes.
    let headers = [("Event", "presence"), ("Subscription-State", "active")];
    pstn.request(&mut w, "NOTIFY", &headers, None);
    pstn.expect(&mut w, "489");
    pbx.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn what_means_nothing_to_the_other_leg_is_not_passed() {
    let mut w = passing();
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    // A dialog of ours with the asker's own network, and one that nobody has.
    let own = format!(
        "<sip:x@x.example?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>",
        two.call_id,
        two.tag,
        two.remote_tag()
    );
    let unknown = consulted(&second).replace("to-tag%3D", "to-tag%3Dnot-");
    for (refer_to, status) in
        [(&*own, "404"), (&*unknown, "404"), ("<sip:a@b;method=BYE>", "603"), ("<", "400")]
    {
        first.request(&mut w, "REFER", &[("Refer-To", refer_to)], None);
        first.expect(&mut w, status);
        one.expect_silence(&mut w);
    }
    first.hang_up(&mut w, &mut one);
    second.hang_up(&mut w, &mut two);
    w.finish();
}
