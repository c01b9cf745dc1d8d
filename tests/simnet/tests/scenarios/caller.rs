//! Who calls: numbers and names by policy, and signatures (RFC 8224).

use directory::{CallerId, ForeignCaller, NumberEntry, NumberOwner, Resources, Verify};
use model::{CallEventKind, CallerVerification, Refusal, UnixTime};
use simnet::{CARRIER, PBX, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::sync::Arc;
use stir::{Attestation, Claims, Signer, Verifier};

const OWN: &str = "+12065550100";
const FOREIGN: &str = "<sip:+442079460000@192.0.2.10>";
/// 2030-01-01.
const NOW: u64 = 1_893_456_000;
const URL: &str = "https://certificates.example/provider.pem";

fn with(change: impl FnOnce(&mut Resources)) -> Resources {
    let mut resources = directory();
    change(&mut resources);
    resources
}

/// The INVITE that the carrier sees of a call from the connector's own number.
fn outbound(resources: Resources, headers: &[(&str, &str)]) -> Message {
    let mut w = World::with(config(), resources);
    let mut caller = w.caller(PBX, "+12065550123");
    let offer = caller.sdp(30_000);
    caller.invite_with(&mut w, headers, Some(&offer));
    let mut callee = w.callee(CARRIER);
    let invite = callee.invited.clone().unwrap();
    callee.reply(&mut w, 486, None);
    caller.expect(&mut w, "486");
    caller.ack_failure(&mut w);
    w.finish();
    invite
}

fn identities(invite: &Message) -> Vec<&str> {
    invite.header_lines(HeaderName::PAssertedIdentity).collect()
}

fn from(invite: &Message) -> &str {
    invite.header(HeaderName::From).unwrap().split(";tag=").next().unwrap()
}

#[test]
fn the_carrier_chooses_the_header_that_tells_the_caller() {
    let asserted = ("P-Asserted-Identity", "<sip:+12065550177@192.0.2.10>");
    for (caller_id, headers, expected) in [
        (CallerId::From, &[asserted][..], &[][..]),
        (CallerId::Both, &[asserted], &["<sip:+12065550177@203.0.113.1>"]),
        (CallerId::Both, &[], &[]),
        (CallerId::Pai, &[asserted], &["<sip:+12065550177@203.0.113.1>"]),
        (CallerId::Pai, &[], &["<sip:+12065550100@203.0.113.1>"]),
    ] {
        let invite = outbound(with(|r| r.carriers[0].caller_id = caller_id), headers);
        assert_eq!(identities(&invite), expected, "{caller_id:?} {headers:?}");
        assert_eq!(from(&invite), "\"Alice\" <sip:+12065550100@203.0.113.1>");
    }
}

#[test]
fn a_foreign_number_passes_is_replaced_or_refused() {
    let asserted = ("P-Asserted-Identity", FOREIGN);
    let policy = |foreign| {
        with(|r| {
            let caller = &mut r.voice_connectors[0].caller;
            caller.foreign = foreign;
            caller.default_number = Some("+12065550101".into());
        })
    };
    let passed = outbound(policy(ForeignCaller::Pass), &[asserted]);
    assert_eq!(identities(&passed), ["<sip:+442079460000@203.0.113.1>"]);
    let replaced = outbound(policy(ForeignCaller::Override), &[asserted]);
    assert_eq!(identities(&replaced), ["<sip:+12065550101@203.0.113.1>"]);
    assert_eq!(from(&replaced), "<sip:+12065550101@203.0.113.1>", "Alice is not there");
    let own = outbound(policy(ForeignCaller::Override), &[]);
    assert_eq!(from(&own), "\"Alice\" <sip:+12065550100@203.0.113.1>");

    let mut w = World::with(config(), policy(ForeignCaller::Refuse));
    let mut caller = w.caller(PBX, "+12065550123");
    let offer = caller.sdp(30_000);
    caller.invite_with(&mut w, &[asserted], Some(&offer));
    caller.expect(&mut w, "403");
    caller.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(Refusal::CallerNotAllowed));
    w.finish();
}

#[test]
fn a_default_number_and_name_stand_for_every_call() {
    let resources = with(|r| {
        let caller = &mut r.voice_connectors[0].caller;
        caller.always_default = true;
        caller.name = Some("Acme \"Inc\"\r\nX-Evil: 1".into());
    });
    let invite = outbound(resources, &[]);
    let name = "\"Acme \\\"Inc\\\"X-Evil: 1\"";
    assert_eq!(from(&invite), format!("{name} <sip:{OWN}@203.0.113.1>"));
    assert_eq!(invite.header_named("X-Evil"), None);
}

#[test]
fn an_anonymous_caller_is_known_to_the_carrier_alone() {
    let privacy = [("Privacy", "user;id")];
    for (caller_id, expected) in [
        (CallerId::From, &[][..]),
        (CallerId::Both, &[]),
        (CallerId::Pai, &["<sip:+12065550100@203.0.113.1>"]),
    ] {
        let invite = outbound(with(|r| r.carriers[0].caller_id = caller_id), &privacy);
        assert_eq!(from(&invite), "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
        assert_eq!(identities(&invite), expected, "{caller_id:?}");
        assert_eq!(invite.header(HeaderName::Privacy), Some("user;id"));
    }
    let resources = with(|r| r.voice_connectors[0].caller.always_default = true);
    let invite = outbound(resources, &privacy);
    assert_eq!(identities(&invite), ["<sip:+12065550100@203.0.113.1>"], "whose call it is");
    assert_eq!(from(&invite), "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
}

#[test]
fn an_untrusted_carrier_asserts_nothing() {
    let resources = with(|r| r.carriers[0].trust_identity = false);
    let invite = inbound(World::with(config(), resources), &[("P-Asserted-Identity", FOREIGN)]);
    assert_eq!(identities(&invite), [""; 0]);
}

fn signer() -> Signer {
    Signer::new(include_str!("../../../../sip-edge/stir/src/tests/provider.key"), URL).unwrap()
}

fn verifier() -> Verifier {
    let mut verifier = Verifier::default();
    verifier.add_roots(include_str!("../../../../sip-edge/stir/src/tests/root.pem")).unwrap();
    let chain = include_str!("../../../../sip-edge/stir/src/tests/provider.pem");
    verifier.add_certificate(URL, chain, at(NOW)).unwrap();
    verifier
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_millis(seconds * 1_000)
}

/// A node that signs and verifies, on 1 January 2030.
fn trusted(resources: Resources) -> World {
    let mut settings = config();
    settings.stir.signer = Some(Arc::new(signer()));
    settings.stir.verifier = Some(Arc::new(verifier()));
    let mut w = World::with(settings, resources);
    w.command(|edge, now| edge.set_calendar(now, at(NOW)));
    w
}

fn verified_by<'a>(
    values: impl IntoIterator<Item = &'a str>,
    orig: &str,
    dest: &str,
    seconds: u64,
) -> stir::Verified {
    let call = stir::CallFacts { orig, dest, date: None };
    verifier().verify(values, call, at(seconds)).unwrap()
}

#[test]
fn calls_are_signed_as_well_as_the_caller_is_known() {
    let foreign = [("P-Asserted-Identity", FOREIGN), ("Identity", "not;info=<https://x>")];
    for (headers, orig, attestation) in
        [(&[][..], OWN, Attestation::A), (&foreign[..], "+442079460000", Attestation::B)]
    {
        let mut w = trusted(with(|r| r.carriers[0].sign_calls = true));
        let mut caller = w.caller(PBX, "+12065550123");
        let offer = caller.sdp(30_000);
        caller.invite_with(&mut w, headers, Some(&offer));
        let mut callee = w.callee(CARRIER);
        let invite = callee.invited.clone().unwrap();
        let values: Vec<_> = invite.header_lines(HeaderName::Identity).collect();
        assert_eq!(values.len(), 1, "only ours");
        let verified = verified_by(values, orig, "+12065550123", NOW + 5);
        assert_eq!(verified.attestation, Some(attestation));
        let signed = w.audit.events.iter().find_map(|event| match event.kind {
            CallEventKind::CallerSigned { attestation } => Some((attestation, event)),
            _ => None,
        });
        let (level, event) = signed.unwrap();
        assert_eq!(level, attestation.as_str());
        assert_eq!(verified.origid, Some(event.transaction_id.to_string()));
        callee.reply(&mut w, 486, None);
        caller.expect(&mut w, "486");
        caller.ack_failure(&mut w);
        w.finish();
    }
}

#[test]
fn without_the_wish_a_number_or_the_time_nothing_is_signed() {
    let signs = || with(|r| r.carriers[0].sign_calls = true);
    let unsigned = |mut w: World, headers: &[(&str, &str)]| {
        let mut caller = w.caller(PBX, "+12065550123");
        let offer = caller.sdp(30_000);
        caller.invite_with(&mut w, headers, Some(&offer));
        let mut callee = w.callee(CARRIER);
        assert_eq!(callee.invited.clone().unwrap().header(HeaderName::Identity), None);
        callee.reply(&mut w, 486, None);
        caller.expect(&mut w, "486");
        caller.ack_failure(&mut w);
        w.finish();
    };
    unsigned(trusted(directory()), &[]);
    unsigned(World::with(config(), signs()), &[]);
    // A carrier that has only From to read cannot tell whom it would be about.
    let anonymous = with(|r| {
        r.carriers[0].sign_calls = true;
        r.carriers[0].caller_id = CallerId::From;
    });
    unsigned(trusted(anonymous), &[("Privacy", "user")]);
}

#[test]
fn a_transferred_call_is_signed_as_from_a_gateway() {
    let mut w = trusted(with(|r| r.carriers[0].sign_calls = true));
    let mut pstn = w.caller(CARRIER, OWN);
    pstn.set_caller("+442079460000");
    let offer = pstn.sdp(40_000);
    pstn.invite(&mut w, Some(&offer));
    let mut pbx = w.callee(PBX);
    let answer = pbx.sdp(30_000);
    pbx.answer(&mut w, &mut pstn, &answer);
    pbx.request(&mut w, "REFER", &[("Refer-To", "<sip:+12065550177@x.example>")], None);
    pbx.expect(&mut w, "202");
    pbx.expect(&mut w, "NOTIFY");
    pbx.ok(&mut w);
    let mut target = w.callee(CARRIER);
    let invite = target.invited.clone().unwrap();
    let values = invite.header_lines(HeaderName::Identity);
    let verified = verified_by(values, "+442079460000", "+12065550177", NOW);
    assert_eq!(verified.attestation, Some(Attestation::C));
    target.reply(&mut w, 486, None);
    target.expect(&mut w, "ACK");
    pbx.expect(&mut w, "NOTIFY");
    pbx.ok(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// The INVITE that the PBX sees of a carrier's call.
fn inbound(mut w: World, headers: &[(&str, &str)]) -> Message {
    let mut caller = w.caller(CARRIER, OWN);
    let offer = caller.sdp(30_000);
    caller.invite_with(&mut w, headers, Some(&offer));
    let mut callee = w.callee(PBX);
    let invite = callee.invited.clone().unwrap();
    callee.reply(&mut w, 486, None);
    caller.expect(&mut w, "486");
    caller.ack_failure(&mut w);
    w.finish();
    invite
}

fn identity(orig: &str, age: u64) -> String {
    let claims = Claims {
        attestation: Attestation::B,
        orig: orig.trim_start_matches('+').to_owned(),
        dest: vec![OWN.trim_start_matches('+').to_owned()],
        issued_at: NOW - age,
        origid: "carrier".to_owned(),
    };
    signer().sign(&claims).unwrap()
}

fn verifying(verify: Verify) -> World {
    trusted(with(|r| r.carriers[0].verify = verify))
}

#[test]
fn the_customer_learns_what_the_signature_proves() {
    let good = identity(OWN, 10);
    let stale = identity(OWN, 300);
    let lie = ("X-Verstat", "TN-Validation-Passed-A");
    for (headers, verdict, verstat) in [
        (vec![("Identity", good.as_str()), lie], "TN-Validation-Passed-B", "TN-Validation-Passed"),
        (vec![("Identity", stale.as_str()), lie], "TN-Validation-Failed", "TN-Validation-Failed"),
        (vec![("Identity", "junk")], "TN-Validation-Failed", "TN-Validation-Failed"),
        (vec![lie], "No-TN-Validation", "No-TN-Validation"),
    ] {
        let invite = inbound(verifying(Verify::Annotate), &headers);
        assert_eq!(invite.header_named("X-Verstat"), Some(verdict));
        let expected = format!("<sip:{OWN};verstat={verstat}@203.0.113.1;user=phone>");
        assert_eq!(identities(&invite), [expected]);
    }
    let hidden = inbound(verifying(Verify::Annotate), &[("Identity", &good), ("Privacy", "id")]);
    assert_eq!(identities(&hidden), [""; 0]);
    let unread = inbound(verifying(Verify::Off), &[("Identity", &good)]);
    assert_eq!(unread.header_named("X-Verstat"), None);
    assert_eq!(unread.header(HeaderName::Identity), Some(good.as_str()));
}

#[test]
fn a_carrier_that_must_prove_its_callers_is_refused_without() {
    let other = identity("+12065550199", 0);
    let stale = identity(OWN, 61);
    for (headers, status, refusal) in [
        (vec![], "428", Refusal::IdentityMissing),
        (vec![("Identity", stale.as_str())], "403", Refusal::IdentityStale),
        (vec![("Identity", other.as_str())], "438", Refusal::IdentityInvalid),
        (vec![("Identity", "junk")], "438", Refusal::IdentityInvalid),
    ] {
        let mut w = verifying(Verify::Require);
        let mut caller = w.caller(CARRIER, OWN);
        let offer = caller.sdp(30_000);
        caller.invite_with(&mut w, &headers, Some(&offer));
        caller.expect(&mut w, status);
        caller.ack_failure(&mut w);
        assert_eq!(w.refusals(), [refusal]);
        w.finish();
    }
    let mut w = verifying(Verify::Require);
    let mut caller = w.caller(CARRIER, OWN);
    let offer = caller.sdp(30_000);
    caller.invite_with(&mut w, &[("Identity", &identity(OWN, 0))], Some(&offer));
    let mut callee = w.callee(PBX);
    let told = w.audit.events.iter().find_map(|event| match event.kind {
        CallEventKind::CallerVerified(verification) => Some(verification),
        _ => None,
    });
    assert_eq!(told, Some(CallerVerification::Passed { attestation: "B" }));
    let answer = callee.sdp(40_000);
    callee.answer(&mut w, &mut caller, &answer);
    caller.hang_up(&mut w, &mut callee);
    w.finish();
}

#[test]
fn without_the_time_nothing_verifies() {
    let mut settings = config();
    settings.stir.verifier = Some(Arc::new(verifier()));
    let resources = with(|r| r.carriers[0].verify = Verify::Annotate);
    let good = identity(OWN, 0);
    let invite = inbound(World::with(settings, resources), &[("Identity", &good)]);
    assert_eq!(invite.header_named("X-Verstat"), Some("TN-Validation-Failed"));
}

#[test]
fn other_certificates_count_from_the_next_call_on() {
    let good = identity(OWN, 0);
    let mut w = verifying(Verify::Require);
    for (known, status) in [(false, "436"), (true, "486")] {
        let verifier = if known { verifier() } else { Verifier::default() };
        let stir = b2bua::Stir { signer: None, verifier: Some(Arc::new(verifier)) };
        w.command(|edge, _| edge.set_stir(stir));
        let mut caller = w.caller(CARRIER, OWN);
        let offer = caller.sdp(30_000);
        caller.invite_with(&mut w, &[("Identity", &good)], Some(&offer));
        if known {
            let mut pbx = w.callee(PBX);
            pbx.reply(&mut w, 486, None);
            pbx.expect(&mut w, "ACK");
        }
        caller.expect(&mut w, status);
        caller.ack_failure(&mut w);
    }
    assert_eq!(w.refusals(), [Refusal::IdentityUnknown]);
    w.finish();
}

#[test]
fn numbers_beside_the_list_are_own_ones_and_have_calling_names() {
    let with_table = |name: Option<&str>, number: &str| {
        with(|r| {
            let connector = &mut r.voice_connectors[0];
            connector.numbers.clear();
            connector.caller.foreign = ForeignCaller::Override;
            let owner = NumberOwner::Connector(connector.id.clone());
            let entry = NumberEntry { owner, calling_name: name.map(Arc::from) };
            assert!(r.numbers.set(number, Some(entry)));
            r.numbers.set_default_calling_name(Some("Example Corp".into()));
        })
    };
    for (name, number, expected) in [
        (Some("Front desk"), OWN, "\"Front desk\" <sip:+12065550100@203.0.113.1>"),
        (None, OWN, "\"Example Corp\" <sip:+12065550100@203.0.113.1>"),
        // The caller's number is somebody else's: the connector's lowest stands in.
        (None, "+12065550155", "\"Example Corp\" <sip:+12065550155@203.0.113.1>"),
    ] {
        let invite = outbound(with_table(name, number), &[]);
        assert_eq!(from(&invite), expected);
    }
}
