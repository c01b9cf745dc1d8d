//! Calls over TLS: whom connections must lead to, `sips`, and callers that must show a certificate.

use b2bua::PeerCertificate;
use directory::{
    ClientCertificate, ClientCertificatePolicy, Host, KeyPairFiles, Resources, TlsPolicy,
};
use model::{Refusal, TransportProtocol};
use simnet::{CARRIER, CARRIER_2, PBX, PBX_TCP, Ua, World, carrier, config, directory};
use sip_proto::{HeaderName, Message};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

const NAME: &str = "sbc.carrier.example";

/// The first carrier is reached over TLS by its name, the second over UDP.
fn resources() -> Resources {
    let mut first = carrier("first", CARRIER, "+", 1);
    first.host = Host::parse(NAME).unwrap();
    first.transport = TransportProtocol::Tls;
    Resources { carriers: vec![first, carrier("second", CARRIER_2, "+", 2)], ..directory() }
}

fn world(resources: Resources) -> World {
    let mut w = World::with(config(), resources);
    w.names.insert(NAME, vec![CARRIER]);
    w
}

/// The PBX on a TLS connection that it opened.
fn over_tls(w: &mut World) -> Ua {
    w.connect_tls(PBX_TCP);
    let mut pbx = w.caller(PBX_TCP, "+12065550123");
    pbx.transport = "TLS";
    pbx
}

fn answered(w: &mut World, pbx: &mut Ua) -> Ua {
    let mut pstn = w.callee(CARRIER);
    pstn.transport = "TLS";
    let answer = pstn.sdp(40_000);
    pstn.answer(w, pbx, &answer);
    pstn
}

#[test]
fn a_carrier_is_expected_under_its_name_for_the_whole_dialog() {
    let mut w = world(resources());
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = answered(&mut w, &mut pbx);
    assert_eq!(w.opened, [CARRIER]);
    assert_eq!(w.expected_at(CARRIER).as_deref(), Some(NAME));
    let invite = pstn.invited.clone().unwrap();
    assert_eq!(invite.top_via().unwrap().protocol, "TLS");
    assert_eq!(
        invite.contact().unwrap().unwrap().uri_text,
        "sip:tandem@203.0.113.1:5061;transport=tls"
    );
    assert!(invite.request_uri().unwrap().ends_with(";transport=tls"));

    // The Contact is an address: a new connection there must lead to the same name.
    w.disconnect(CARRIER);
    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!(w.opened, [CARRIER, CARRIER]);
    assert_eq!(w.expected_at(CARRIER).as_deref(), Some(NAME));
    w.finish();
}

#[test]
fn requests_of_the_far_side_come_over_the_connection_that_was_opened() {
    let mut w = world(resources());
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = answered(&mut w, &mut pbx);
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    assert_eq!(w.opened, [CARRIER]);
    w.finish();
}

#[test]
fn a_carrier_that_fails_the_handshake_is_followed_by_the_next() {
    let mut w = world(resources());
    w.unreachable.push(CARRIER);
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut second = w.callee(CARRIER_2);
    let answer = second.sdp(40_000);
    second.answer(&mut w, &mut pbx, &answer);
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}

#[test]
fn a_sips_call_stays_sips_and_takes_tls_routes_alone() {
    let mut w = world(resources());
    let mut pbx = over_tls(&mut w);
    pbx.target = pbx.target.replacen("sip:", "sips:", 1);
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.transport = "TLS";
    let invite = pstn.invited.clone().unwrap();
    assert!(invite.request_uri().unwrap().starts_with("sips:"), "{:?}", invite.request_uri());
    assert!(!invite.request_uri().unwrap().contains("transport="));
    assert!(invite.to().unwrap().uri_text.starts_with("sips:"));
    let contact = invite.contact().unwrap().unwrap();
    assert_eq!(contact.uri_text, "sips:tandem@203.0.113.1:5061");
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let ok = pbx.expect(&mut w, "200");
    assert!(ok.contact().unwrap().unwrap().uri_text.starts_with("sips:"));
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);

    // The carrier over TLS fails: the one over UDP is not an alternative.
    let mut again = over_tls(&mut w);
    again.target = again.target.replacen("sip:", "sips:", 1);
    w.disconnect(CARRIER);
    w.unreachable.push(CARRIER);
    let offer = again.sdp(30_000);
    again.invite(&mut w, Some(&offer));
    again.expect(&mut w, "500");
    again.ack_failure(&mut w);
    assert!(w.take(CARRIER_2, None).is_none());
    w.finish();
}

#[test]
fn sips_without_tls_on_either_side_is_refused_with_a_warning() {
    // No route over TLS; and a request that came over UDP.
    for (resources, tls) in [(directory(), true), (resources(), false)] {
        let mut w = world(resources);
        let mut pbx = if tls { over_tls(&mut w) } else { w.caller(PBX, "+12065550123") };
        pbx.target = pbx.target.replacen("sip:", "sips:", 1);
        let offer = pbx.sdp(30_000);
        pbx.invite(&mut w, Some(&offer));
        let refused = pbx.expect(&mut w, "480");
        let warning = refused.header(HeaderName::Warning).unwrap();
        assert!(warning.starts_with("380 "), "{warning}");
        pbx.ack_failure(&mut w);
        w.finish();
    }
}

/// `peer` has shown a certificate for `name` on its connection.
fn shows(w: &mut World, peer: SocketAddr, name: &str) {
    let id = w.connect_tls(peer);
    let names = vec![name.into()];
    let certificate = PeerCertificate { names, trusted_by: vec![None] };
    w.command(|edge, _| edge.handle_certificate(id, certificate));
}

fn required(name: &str) -> ClientCertificatePolicy {
    let demand = ClientCertificate::Required;
    ClientCertificatePolicy { demand, names: vec![name.into()], ca: None }
}

#[test]
fn a_customer_that_must_show_a_certificate_gets_403_without_the_right_one() {
    let mut resources = resources();
    let termination = resources.voice_connectors[0].termination.as_mut().unwrap();
    termination.client_certificate = required("pbx.example.com");
    let refused = |w: &mut World, mut pbx: Ua| {
        let offer = pbx.sdp(30_000);
        pbx.invite(w, Some(&offer));
        pbx.expect(w, "403");
        pbx.ack_failure(w);
        assert_eq!(w.refusals().last(), Some(&Refusal::CertificateRequired));
    };
    let mut w = world(resources);
    let plain = w.caller(PBX, "+12065550123");
    refused(&mut w, plain);
    let nameless = over_tls(&mut w);
    refused(&mut w, nameless);
    shows(&mut w, PBX_TCP, "other.example.com");
    let mut other = w.caller(PBX_TCP, "+12065550123");
    other.transport = "TLS";
    refused(&mut w, other);

    shows(&mut w, PBX_TCP, "pbx.example.com");
    let mut pbx = w.caller(PBX_TCP, "+12065550123");
    pbx.transport = "TLS";
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = answered(&mut w, &mut pbx);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_carrier_that_must_show_a_certificate_is_not_listened_to_without_it() {
    let mut resources = resources();
    resources.carriers[0].client_certificate = required(NAME);
    let mut w = world(resources);
    w.connect_tls(CARRIER);
    let mut pstn = w.caller(CARRIER, "+12065550100");
    pstn.transport = "TLS";
    let offer = pstn.sdp(40_000);
    pstn.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "403");
    assert_eq!(w.refusals(), [Refusal::CertificateRequired]);
    w.disconnect(CARRIER);

    shows(&mut w, CARRIER, NAME);
    let mut pstn = w.caller(CARRIER, "+12065550100");
    pstn.transport = "TLS";
    pstn.invite(&mut w, Some(&offer));
    let mut pbx = w.callee(PBX);
    let answer = pbx.sdp(30_000);
    pbx.answer(&mut w, &mut pstn, &answer);
    // Its connection closes, and the call goes on over a new one to its name.
    w.disconnect(CARRIER);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    pstn.expect(&mut w, "BYE");
    assert_eq!(w.expected_at(CARRIER).as_deref(), Some(NAME));
    pstn.ok(&mut w);
    w.finish();
}

/// A call of the PBX over TLS whose connection has closed; both sides.
fn lost(resources: Resources) -> (World, Ua, Ua) {
    let mut w = world(resources);
    let mut pbx = over_tls(&mut w);
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let pstn = answered(&mut w, &mut pbx);
    w.disconnect(PBX_TCP);
    (w, pbx, pstn)
}

fn carrier_hangs_up(w: &mut World, pbx: &mut Ua, pstn: &mut Ua) {
    pstn.bye(w);
    pstn.expect(w, "200");
    pbx.expect(w, "BYE");
    pbx.ok(w);
}

#[test]
fn a_customer_whose_connection_closed_is_reached_under_its_configured_name() {
    let mut by_route = resources();
    let route = &mut by_route.voice_connectors[0].origination.routes[0];
    route.protocol = TransportProtocol::Tls;
    route.host = Host::parse("pbx.example.com").unwrap();
    let mut by_certificate = resources();
    let termination = by_certificate.voice_connectors[0].termination.as_mut().unwrap();
    let demand = ClientCertificate::Optional;
    termination.client_certificate =
        ClientCertificatePolicy { demand, ..required("pbx.example.com") };
    for resources in [by_route, by_certificate] {
        let (mut w, mut pbx, mut pstn) = lost(resources);
        carrier_hangs_up(&mut w, &mut pbx, &mut pstn);
        assert_eq!(w.opened, [CARRIER, PBX_TCP]);
        assert_eq!(w.expected_at(PBX_TCP).as_deref(), Some("pbx.example.com"));
        w.finish();
    }
}

#[test]
fn a_customer_without_a_name_is_reached_when_it_connects_again() {
    let (mut w, mut pbx, mut pstn) = lost(resources());
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    pbx.expect_silence(&mut w);
    w.connect_tls(PBX_TCP);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    assert_eq!(w.opened, [CARRIER]);
    w.finish();

    // So is one that lost its connection while it waited for the answer.
    let mut w = world(resources());
    let mut pbx = over_tls(&mut w);
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.transport = "TLS";
    w.disconnect(PBX_TCP);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    w.connect_tls(PBX_TCP);
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();

    // One that never comes back ends all the same.
    let (mut w, _, mut pstn) = lost(resources());
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    w.finish();
}

#[test]
fn a_contact_that_takes_only_its_own_connection_is_not_called_up() {
    let mut named = resources();
    let route = &mut named.voice_connectors[0].origination.routes[0];
    route.protocol = TransportProtocol::Tls;
    let mut w = world(named);
    let mut pbx = over_tls(&mut w);
    pbx.contact = "sip:line@192.0.2.99:5061;transport=tls;ob".to_owned();
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = answered(&mut w, &mut pbx);
    w.disconnect(PBX_TCP);
    carrier_hangs_up(&mut w, &mut pbx, &mut pstn);
    assert_eq!(w.opened, [CARRIER, PBX_TCP], "not to the address of its Contact");
    w.finish();
}

#[test]
fn a_peer_that_sees_our_certificate_is_offered_the_connection() {
    for shown in [true, false] {
        let mut resources = resources();
        let pair =
            KeyPairFiles { certificate: Path::new("a.pem").into(), key: Path::new("a.key").into() };
        let certificate = shown.then_some(pair);
        resources.carriers[0].tls = Arc::new(TlsPolicy { certificate, ..TlsPolicy::default() });
        let mut w = world(resources);
        let mut pbx = w.caller(PBX, "+12065550123");
        let offer = pbx.sdp(30_000);
        pbx.invite(&mut w, Some(&offer));
        let mut pstn = answered(&mut w, &mut pbx);
        let offered = |request: &Message| request.top_via().unwrap().params.get("alias").is_some();
        assert_eq!(offered(pstn.invited.as_ref().unwrap()), shown);
        pbx.bye(&mut w);
        pbx.expect(&mut w, "200");
        assert_eq!(offered(&pstn.expect(&mut w, "BYE")), shown);
        pstn.ok(&mut w);
        w.finish();
    }
}
