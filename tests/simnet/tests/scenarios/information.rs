//! INFO and MESSAGE inside a call.

use directory::PassedRequests;
use simnet::{Ua, World, config, directory};
use sip_proto::HeaderName;

const TEXT: (&str, &str) = ("text/plain;charset=UTF-8", "Gr\u{fc}\u{df}e\r\n");

#[test]
fn messages_pass_either_way_with_type_and_body() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    for method in ["MESSAGE", "INFO"] {
        for customer_asks in [true, false] {
            let (from, to) =
                if customer_asks { (&mut pbx, &mut pstn) } else { (&mut pstn, &mut pbx) };
            let own = format!("Inner Name <sip:inner@{}>", from.at.ip());
            from.request(&mut w, method, &[("X-Mark", "7"), ("Reply-To", &own)], Some(TEXT));
            let message = to.expect(&mut w, method);
            assert_eq!(message.header(HeaderName::ContentType), Some(TEXT.0));
            assert_eq!(message.body_bytes(), TEXT.1.as_bytes());
            assert!(message.contact().unwrap().is_none(), "RFC 3428 section 4");
            to.refuse(&mut w, 202, &[]);
            from.expect(&mut w, "202");
        }
    }
    // A refusal comes back as one; the call goes on.
    pbx.request(&mut w, "MESSAGE", &[], Some(TEXT));
    pstn.expect(&mut w, "MESSAGE");
    pstn.refuse(&mut w, 415, &[]);
    pbx.expect(&mut w, "415");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_leg_is_sent_what_its_allow_names() {
    let allow = ("Allow", "INVITE, ACK, BYE, CANCEL, MESSAGE");
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &[allow]);
    pbx.request(&mut w, "MESSAGE", &[], Some(TEXT));
    pstn.expect(&mut w, "MESSAGE");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "200");
    pbx.request(&mut w, "INFO", &[], Some(("application/dtmf-relay", "Signal=1\r\n")));
    let refused = pbx.expect(&mut w, "405");
    assert!(!refused.has_option_tag(HeaderName::Allow, "INFO"));
    assert!(refused.has_option_tag(HeaderName::Allow, "UPDATE"));
    pstn.expect_silence(&mut w);
    // The next Allow is what counts.
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.invite_with(&mut w, &[("Allow", "INVITE, ACK, BYE, INFO")], Some(&hold));
    pbx.expect(&mut w, "INVITE");
    let held = pbx.sdp_with(30_000, 2, "recvonly");
    pbx.answer(&mut w, &mut pstn, &held);
    pbx.request(&mut w, "MESSAGE", &[], Some(TEXT));
    pbx.expect(&mut w, "405");
    pbx.request(&mut w, "INFO", &[], Some(("application/dtmf-relay", "Signal=1\r\n")));
    pstn.expect(&mut w, "INFO");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "200");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_connector_says_what_passes() {
    let mut resources = directory();
    resources.voice_connectors[0].passed_requests = PassedRequests { info: true, message: false };
    let mut w = World::with(config(), resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "MESSAGE", &[], Some(TEXT));
    let refused = pbx.expect(&mut w, "405");
    assert!(!refused.has_option_tag(HeaderName::Allow, "MESSAGE"));
    pstn.expect_silence(&mut w);
    pbx.request(&mut w, "INFO", &[], Some(TEXT));
    pstn.expect(&mut w, "INFO");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "200");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// Nothing of a call that is being set up or is over goes anywhere.
#[test]
fn nothing_passes_before_and_after_the_call() {
    let mut w = World::new();
    let mut pbx = w.caller(simnet::PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(simnet::CARRIER);
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.request(&mut w, "MESSAGE", &[], Some(TEXT));
    pbx.expect(&mut w, "481");
    pbx.ack_failure(&mut w);
    pstn.reply(&mut w, 180, None);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    pstn.expect_silence(&mut w);
    w.finish();
}
