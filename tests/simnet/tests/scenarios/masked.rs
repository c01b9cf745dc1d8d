//! Calls of proxy phone sessions: who reaches whom, and that neither side learns anything of the other.

use b2bua::EdgeConfig;
use directory::{
    NumberSelection, Participant, ProxyCapability, ProxyConfiguration, ProxySession, Resources,
};
use model::{
    CallEventKind, Instant, ProxySessionId, Refusal, RtcpStyle, UnixTime, VoiceConnectorId,
};
use simnet::{CARRIER, CARRIER_2, CONNECTOR, PBX, Ua, World, carrier, config, directory};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

/// Of [`CARRIER`]'s network.
const ALICE: &str = "+14155550111";
/// Of [`CARRIER_2`]'s.
const BOB: &str = "+12125550333";
/// What Alice calls and sees.
const FOR_ALICE: &str = "+12065550150";
/// What Bob calls and sees.
const FOR_BOB: &str = "+12065550151";
/// Of [`CARRIER_2`]'s network as well.
const FALLBACK: &str = "+12125550999";
const BEGUN: u64 = 1_893_456_000_000;

fn session() -> ProxySession {
    let participant = |number: &str, proxy: &str| Participant {
        number: number.into(),
        proxy_number: proxy.into(),
    };
    ProxySession {
        id: ProxySessionId::from_random(77),
        voice_connector: VoiceConnectorId::new(CONNECTOR).unwrap(),
        name: None,
        participants: [participant(ALICE, FOR_ALICE), participant(BOB, FOR_BOB)],
        capabilities: vec![ProxyCapability::Voice],
        selection: Some(NumberSelection::PreferSticky),
        geo_level: None,
        geo_params: None,
        expiry_minutes: 10,
        created: UnixTime::from_millis(BEGUN),
        updated: UnixTime::from_millis(BEGUN),
        ended: None,
    }
}

/// Two proxy numbers beside the number of the PBX, and one session.
fn resources() -> Resources {
    let mut resources = directory();
    resources.carriers = vec![
        carrier("first", CARRIER, "+1415", 1),
        carrier("second", CARRIER_2, "+1212", 1),
        carrier("third", CARRIER_2, "+1206", 1),
    ];
    resources.carriers[2].inbound_cidrs.clear();
    resources.voice_connectors[0].numbers.extend([FOR_ALICE.into(), FOR_BOB.into()]);
    resources.proxies = vec![ProxyConfiguration {
        voice_connector: VoiceConnectorId::new(CONNECTOR).unwrap(),
        default_expiry_minutes: 10,
        disabled: false,
        fallback: None,
        countries: vec!["US"],
        numbers: Some(vec![FOR_ALICE.into(), FOR_BOB.into()]),
    }];
    resources.proxy_sessions = vec![session()];
    resources
}

fn keeping() -> EdgeConfig {
    EdgeConfig { keep_calls: true, origin: UnixTime::from_millis(BEGUN), ..config() }
}

/// Nothing of Alice may reach Bob's network, nor the other way round.
fn world_of(resources: Resources) -> World {
    let mut w = World::with(keeping(), resources);
    for secret in ["4155550111", "Alice Liddell", "wonderland"] {
        w.audit.keep_secret(CARRIER, secret);
    }
    for secret in ["2125550333", "Robert Paulson", "paper street"] {
        w.audit.keep_secret(CARRIER_2, secret);
    }
    w.command(|edge, _| {
        edge.set_calendar(Instant::from_millis(1_000), UnixTime::from_millis(BEGUN))
    });
    w
}

fn world() -> World {
    world_of(resources())
}

/// Everything that could tell who somebody is, in headers that pass in other calls.
fn telling(number: &str, name: &str, place: &str) -> Vec<(&'static str, String)> {
    let address = format!("\"{name}\" <sip:{number}@203.0.113.1>");
    vec![
        ("P-Asserted-Identity", address.clone()),
        ("P-Asserted-Identity", format!("<tel:{number}>")),
        ("P-Preferred-Identity", address.clone()),
        ("Remote-Party-ID", format!("{address};party=calling")),
        ("Diversion", format!("{address};reason=unconditional")),
        ("History-Info", format!("<sip:{number}@203.0.113.1>;index=1")),
        ("Referred-By", address.clone()),
        ("Reply-To", address.clone()),
        ("Organization", place.to_owned()),
        ("Subject", format!("{name} of {place}")),
        ("Call-Info", format!("<http://{}.example/photo>", place.replace(' ', "-"))),
        ("User-to-User", format!("{}{name}", number)),
        ("Reason", format!("Q.850;cause=16;text=\"{name} {number}\"")),
        ("X-Account", format!("{name};{number}")),
        ("P-Charging-Vector", format!("icid-value={number}")),
        ("Privacy", "none".to_owned()),
    ]
}

fn alice() -> Vec<(&'static str, String)> {
    telling(ALICE, "Alice Liddell", "wonderland")
}

fn bob() -> Vec<(&'static str, String)> {
    telling(BOB, "Robert Paulson", "paper street")
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, &**value)).collect()
}

/// A description with its maker's name and number in every place that may have one.
fn described(ua: &Ua, port: u16, number: &str, name: &str) -> String {
    let plain = ua.sdp(port).replace("s=-\r\n", &format!("s={name}\r\ni={number}\r\n"));
    format!("{plain}a=label:{name}\r\na=X-number:{number}\r\na=cname:{number}\r\n")
}

fn alice_describes(ua: &Ua, port: u16) -> String {
    described(ua, port, ALICE, "Alice Liddell")
}

fn bob_describes(ua: &Ua, port: u16) -> String {
    described(ua, port, BOB, "Robert Paulson")
}

/// Alice's call has arrived at Bob.
fn calling(w: &mut World) -> (Ua, Ua) {
    let mut caller = w.caller(CARRIER, FOR_ALICE);
    caller.set_caller(ALICE);
    let offer = alice_describes(&caller, 30_000);
    caller.invite_with(w, &borrowed(&alice()), Some(&offer));
    let callee = w.callee(CARRIER_2);
    (caller, callee)
}

fn established(w: &mut World) -> (Ua, Ua) {
    let (mut caller, mut callee) = calling(w);
    let answer = bob_describes(&callee, 40_000);
    callee.reply_with(w, 200, &borrowed(&bob()), Some(&answer));
    callee.expect(w, "ACK");
    caller.expect(w, "200");
    caller.ack(w, None);
    (caller, callee)
}

fn refused(w: &mut World, from: &str, number: &str, status: &str) -> Message {
    let mut caller = w.caller(CARRIER, number);
    caller.set_caller(from);
    let offer = caller.sdp(30_000);
    caller.invite(w, Some(&offer));
    let response = caller.expect(w, status);
    caller.ack_failure(w);
    response
}

#[test]
fn the_called_side_sees_a_proxy_number_and_nothing_else() {
    let mut w = world();
    let (mut caller, mut callee) = calling(&mut w);
    let invite = callee.invited.clone().unwrap();
    assert_eq!(invite.request_uri(), Some("sip:+12125550333@203.0.114.30:5081"));
    let from = invite.from().unwrap();
    assert_eq!((from.display_name, from.uri_text), (None, "sip:+12065550151@203.0.113.1"));
    assert_eq!(invite.header(HeaderName::Contact), Some("<sip:tandem@203.0.113.1:5060>"));
    // Where the caller asserted a number, the carrier gets the proxy number for it.
    let asserted: Vec<_> = invite.header_lines(HeaderName::PAssertedIdentity).collect();
    assert_eq!(asserted, ["<sip:+12065550151@203.0.113.1>"]);
    for name in [
        HeaderName::PPreferredIdentity,
        HeaderName::Diversion,
        HeaderName::HistoryInfo,
        HeaderName::ReferredBy,
        HeaderName::Subject,
        HeaderName::Privacy,
        HeaderName::UserToUser,
    ] {
        assert_eq!(invite.header(name), None, "{name:?}");
    }
    assert_eq!(invite.header_named("X-Account"), None);
    callee.reply_with(&mut w, 183, &borrowed(&bob()), Some(&bob_describes(&callee, 40_000)));
    let early = caller.expect(&mut w, "183");
    assert_eq!(early.header(HeaderName::PAssertedIdentity), None);
    callee.reply_with(&mut w, 200, &borrowed(&bob()), Some(&bob_describes(&callee, 40_000)));
    callee.expect(&mut w, "ACK");
    let answer = caller.expect(&mut w, "200");
    assert_eq!(answer.header_named("X-Account"), None);
    caller.ack(&mut w, None);
    assert_eq!(w.plan().rtcp, Some(RtcpStyle::BackToBack), "RTCP of theirs has names");
    caller.hang_up(&mut w, &mut callee);
    assert_eq!(w.edge.statistics().proxied_calls, 1);
    let parties = w.audit.events.iter().find_map(|event| match &event.kind {
        CallEventKind::Attempted { parties } => parties.proxy.clone(),
        _ => None,
    });
    assert_eq!(parties.unwrap().session, Some(session().id));
    w.finish();
}

#[test]
fn the_other_participant_calls_back_in_the_same_way() {
    let mut w = world();
    let mut caller = w.caller(CARRIER_2, FOR_BOB);
    caller.set_caller(BOB);
    let offer = bob_describes(&caller, 30_000);
    caller.invite_with(&mut w, &borrowed(&bob()), Some(&offer));
    let mut callee = w.callee(CARRIER);
    let invite = callee.invited.clone().unwrap();
    assert_eq!(invite.request_uri(), Some("sip:+14155550111@198.51.100.20:5080"));
    assert_eq!(invite.from().unwrap().uri_text, "sip:+12065550150@203.0.113.1");
    let answer = alice_describes(&callee, 40_000);
    callee.answer(&mut w, &mut caller, &answer);
    callee.hang_up(&mut w, &mut caller);
    w.finish();
}

#[test]
fn what_comes_inside_the_call_tells_nothing_either_way() {
    let mut w = world();
    let (mut a, mut b) = established(&mut w);
    for version in 2..4 {
        let from_b = version == 3;
        let (ask, far, headers) = match from_b {
            true => (&mut b, &mut a, bob()),
            false => (&mut a, &mut b, alice()),
        };
        let direction = if from_b { "sendrecv" } else { "sendonly" };
        let name = if from_b { "Robert Paulson" } else { "Alice Liddell" };
        let offer = ask.sdp_with(30_000 + version as u16, version, direction);
        let offer = format!("{offer}a=label:{name}\r\n");
        ask.invite_with(&mut w, &borrowed(&headers), Some(&offer));
        let invite = far.expect(&mut w, "INVITE");
        assert_eq!(invite.header(HeaderName::PAssertedIdentity), None);
        let other = if from_b { alice() } else { bob() };
        let answer = far.sdp_with(40_000, version, "sendrecv");
        far.reply_with(&mut w, 200, &borrowed(&other), Some(&answer));
        far.expect(&mut w, "ACK");
        ask.expect(&mut w, "200");
        ask.ack(&mut w, None);
    }
    b.request(&mut w, "BYE", &borrowed(&bob()), None);
    b.expect(&mut w, "200");
    let bye = a.expect(&mut w, "BYE");
    assert_eq!(bye.header(HeaderName::Reason), Some("Q.850;cause=16"));
    a.ok(&mut w);
    w.finish();
}

#[test]
fn keys_pass_and_other_texts_do_not() {
    let mut w = world();
    let (mut a, mut b) = established(&mut w);
    let key = "Signal=5\r\nDuration=160\r\nX-From=+14155550111\r\n";
    a.request(&mut w, "INFO", &borrowed(&alice()), Some(("application/dtmf-relay", key)));
    let info = b.expect(&mut w, "INFO");
    assert_eq!(info.body_bytes(), b"Signal=5\r\nDuration=160\r\n");
    assert_eq!(info.header_named("X-Account"), None);
    b.refuse(&mut w, 200, &borrowed(&bob()));
    a.expect(&mut w, "200");
    b.request(&mut w, "INFO", &[], Some(("application/dtmf", "#")));
    assert_eq!(a.expect(&mut w, "INFO").body_bytes(), b"#\r\n");
    a.ok(&mut w);
    b.expect(&mut w, "200");
    for (method, content_type) in [("INFO", "text/plain"), ("MESSAGE", "text/plain")] {
        a.request(&mut w, method, &[], Some((content_type, "I am Alice Liddell")));
        a.expect(&mut w, "405");
    }
    b.expect_silence(&mut w);
    a.hang_up(&mut w, &mut b);
    w.finish();
}

#[test]
fn nobody_is_transferred_and_nobody_comes_in_another_s_place() {
    for refer in [directory::Refer::Handle, directory::Refer::Pass] {
        let mut resources = resources();
        resources.voice_connectors[0].refer = refer;
        let mut w = world_of(resources);
        let (mut a, mut b) = established(&mut w);
        for ua in [&mut a, &mut b] {
            ua.request(&mut w, "REFER", &[("Refer-To", "<sip:+14155550123@203.0.113.1>")], None);
            ua.expect(&mut w, "603");
        }
        let event = [("Event", "refer"), ("Subscription-State", "terminated")];
        a.request(&mut w, "NOTIFY", &event, Some(("message/sipfrag", "SIP/2.0 200 OK\r\n")));
        a.expect(&mut w, "481");
        b.expect_silence(&mut w);
        let mut other = w.caller(CARRIER_2, FOR_ALICE);
        let replaces = format!("{};to-tag={};from-tag={}", b.call_id, b.remote_tag(), b.tag);
        let offer = other.sdp(30_000);
        other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
        other.expect(&mut w, "481");
        other.ack_failure(&mut w);
        a.hang_up(&mut w, &mut b);
        w.finish();
    }
}

#[test]
fn a_failure_tells_its_cause_and_nobody_s_number() {
    let contact = format!("<sip:{BOB}@203.0.114.30>");
    for (status, told) in [(486, "486"), (302, "480"), (603, "603")] {
        let mut w = world();
        let (mut caller, mut callee) = calling(&mut w);
        let mut headers = bob();
        headers.push(("Contact", contact.clone()));
        callee.reply_with(&mut w, status, &borrowed(&headers), None);
        callee.expect(&mut w, "ACK");
        let failure = caller.expect(&mut w, told);
        assert_eq!(failure.header(HeaderName::Contact), None);
        assert_eq!(failure.header(HeaderName::Reason), Some("Q.850;cause=16"));
        caller.ack_failure(&mut w);
        w.finish();
    }
}

#[test]
fn who_has_no_session_gets_404_and_is_counted() {
    let mut w = world();
    for (from, number) in [
        // Somebody else; the other one's proxy number; nobody.
        ("+14155550122", FOR_ALICE),
        (ALICE, FOR_BOB),
        ("anonymous", FOR_ALICE),
    ] {
        refused(&mut w, from, number, "404");
    }
    assert_eq!(w.refusals(), [Refusal::NoProxySession; 3]);
    assert_eq!(w.edge.statistics().proxied_calls, 0);
    w.finish();
}

#[test]
fn who_has_no_session_reaches_the_fallback_number() {
    let mut resources = resources();
    resources.proxies[0].fallback = Some(FALLBACK.into());
    let mut w = world_of(resources);
    w.audit.keep_secret(CARRIER, "4155550122");
    let mut caller = w.caller(CARRIER, FOR_ALICE);
    caller.set_caller("+14155550122");
    let offer = caller.sdp(30_000);
    caller.invite(&mut w, Some(&offer));
    let mut callee = w.callee(CARRIER_2);
    let invite = callee.invited.clone().unwrap();
    assert!(invite.request_uri().unwrap().contains(FALLBACK));
    assert_eq!(invite.from().unwrap().uri_text, "sip:+12065550150@203.0.113.1");
    assert_eq!(w.edge.statistics().proxy_fallbacks, 1);
    callee.reply(&mut w, 486, None);
    callee.expect(&mut w, "ACK");
    caller.expect(&mut w, "486");
    caller.ack_failure(&mut w);
    w.finish();
}

#[test]
fn fallback_numbers_that_lead_round_call_nobody() {
    const OTHER: &str = "+12065550160";
    let leading_to = |second: &str| {
        let mut resources = resources();
        let id = VoiceConnectorId::new("zzzzzz1ghij2klmno3pqr4").unwrap();
        let mut other = simnet::connector();
        (other.id, other.numbers) = (id.clone(), vec![OTHER.into()]);
        other.termination.as_mut().unwrap().cidr_allowed_list.clear();
        resources.voice_connectors.push(other);
        resources.proxies[0].fallback = Some(OTHER.into());
        let (fallback, numbers) = (Some(second.into()), Some(vec![OTHER.into()]));
        let voice_connector = id;
        let proxy = ProxyConfiguration {
            voice_connector,
            fallback,
            numbers,
            ..resources.proxies[0].clone()
        };
        resources.proxies.push(proxy);
        resources
    };
    // The first one's calls go to the second one's number, whose calls would come back.
    let mut w = world_of(leading_to(FOR_ALICE));
    refused(&mut w, "+14155550122", FOR_ALICE, "404");
    refused(&mut w, "+14155550122", OTHER, "404");
    assert!(w.take_all(CARRIER_2).is_empty());
    assert_eq!(w.edge.statistics().proxy_fallbacks, 0);
    w.finish();
    // A way that ends is one.
    let mut w = world_of(leading_to(FALLBACK));
    let mut caller = w.caller(CARRIER, FOR_ALICE);
    caller.set_caller("+14155550122");
    let offer = caller.sdp(30_000);
    caller.invite(&mut w, Some(&offer));
    let mut callee = w.callee(CARRIER_2);
    assert!(callee.invited.as_ref().unwrap().request_uri().unwrap().contains(OTHER));
    callee.reply_with(&mut w, 486, &[("Retry-After", "120 (I am at +12125550333)")], None);
    callee.expect(&mut w, "ACK");
    let told = caller.expect(&mut w, "486");
    assert_eq!(told.header(HeaderName::RetryAfter), None, "its comment may tell anything");
    caller.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_session_that_is_over_takes_no_call_and_lets_one_finish() {
    let mut w = world();
    let (mut a, mut b) = established(&mut w);
    w.advance(Duration::from_secs(600));
    refused(&mut w, ALICE, FOR_ALICE, "404");
    assert_eq!(w.edge.active_calls(), 1, "what is up goes on");
    let mut ended = resources();
    ended.proxy_sessions[0].close(UnixTime::from_millis(BEGUN + 1));
    w.command(|edge, _| edge.set_directory(simnet::snapshot(ended)));
    a.hang_up(&mut w, &mut b);
    w.finish();
}

#[test]
fn without_the_time_of_day_no_session_is_known_to_be_open() {
    let mut w = World::with(config(), resources());
    refused(&mut w, ALICE, FOR_ALICE, "404");
    w.finish();
}

#[test]
fn the_voice_connector_s_rules_hold_for_masked_calls() {
    type Change = fn(&mut directory::Termination);
    let cases: [(&str, Refusal, Change); 4] = [
        ("403", Refusal::RegionNotAllowed, |t| t.calling_regions = vec!["JP"]),
        ("403", Refusal::Disabled, |t| t.disabled = true),
        ("503", Refusal::CallRateLimit, |t| t.cps_limit = 1),
        ("503", Refusal::ConcurrentCallLimit, |t| t.concurrent_calls_limit = 1),
    ];
    for (status, refusal, change) in cases {
        let mut resources = resources();
        change(resources.voice_connectors[0].termination.as_mut().unwrap());
        let mut w = world_of(resources);
        let up = (status == "503").then(|| established(&mut w));
        refused(&mut w, ALICE, FOR_ALICE, status);
        assert_eq!(w.refusals(), [refusal]);
        if let Some((mut a, mut b)) = up {
            a.hang_up(&mut w, &mut b);
        }
        w.finish();
    }
}

#[test]
fn a_carrier_is_not_asked_for_the_customer_s_password() {
    let mut resources = resources();
    let termination = resources.voice_connectors[0].termination.as_mut().unwrap();
    let (username, password) = ("customer".into(), "secret".into());
    termination.credentials = vec![directory::Credential { username, password }];
    let mut w = world_of(resources);
    let (mut a, mut b) = established(&mut w);
    a.hang_up(&mut w, &mut b);
    w.finish();
}

#[test]
fn what_a_carrier_asserts_counts_only_from_one_that_is_trusted() {
    for trust_identity in [true, false] {
        let mut resources = resources();
        resources.carriers[0].trust_identity = trust_identity;
        let mut w = world_of(resources);
        let mut caller = w.caller(CARRIER, FOR_ALICE);
        caller.set_caller("+14155550122");
        let offer = caller.sdp(30_000);
        let asserted = [("P-Asserted-Identity", "<tel:+1-415-555-0111>")];
        caller.invite_with(&mut w, &asserted, Some(&offer));
        if trust_identity {
            let mut callee = w.callee(CARRIER_2);
            callee.reply(&mut w, 486, None);
            callee.expect(&mut w, "ACK");
            caller.expect(&mut w, "486");
        } else {
            caller.expect(&mut w, "404");
        }
        caller.ack_failure(&mut w);
        w.finish();
    }
}

#[test]
fn a_masked_call_stays_masked_over_a_restart() {
    let mut w = world();
    let (mut a, mut b) = established(&mut w);
    w.restart(keeping(), resources());
    assert_eq!(w.edge.active_calls(), 1);
    a.request(&mut w, "REFER", &[("Refer-To", "<sip:+14155550123@203.0.113.1>")], None);
    a.expect(&mut w, "603");
    a.request(&mut w, "INFO", &[], Some(("text/plain", "I am Alice Liddell")));
    a.expect(&mut w, "405");
    let offer = a.sdp_with(30_000, 2, "sendonly");
    let offer = format!("{offer}a=label:Alice Liddell\r\n");
    a.invite_with(&mut w, &borrowed(&alice()), Some(&offer));
    b.expect(&mut w, "INVITE");
    let answer = bob_describes(&b, 40_000);
    b.answer(&mut w, &mut a, &answer);
    a.request(&mut w, "BYE", &borrowed(&alice()), None);
    a.expect(&mut w, "200");
    assert_eq!(b.expect(&mut w, "BYE").header(HeaderName::Reason), Some("Q.850;cause=16"));
    b.ok(&mut w);
    w.finish();
}

#[test]
fn other_numbers_of_the_voice_connector_are_as_they_were() {
    // The customer may know who calls: nothing is a secret here.
    let mut w = World::with(config(), resources());
    let mut caller = w.caller(CARRIER, "+12065550100");
    caller.set_caller(ALICE);
    let offer = caller.sdp(30_000);
    caller.invite(&mut w, Some(&offer));
    let mut pbx = w.callee(PBX);
    assert!(pbx.invited.clone().unwrap().from().unwrap().uri_text.contains(ALICE));
    pbx.reply(&mut w, 486, None);
    pbx.expect(&mut w, "ACK");
    caller.expect(&mut w, "486");
    caller.ack_failure(&mut w);
    w.finish();
}
