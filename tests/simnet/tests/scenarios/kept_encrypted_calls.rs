//! Calls with keys, over TLS, with further lines or limits that outlive the process of their edge.

use crate::keys::{KEY, crypto_of, keys, one, secure, with_carriers};
use crate::lines::{h264, on};
use b2bua::EdgeConfig;
use directory::{Host, Resources, Srtp};
use model::{Fingerprint, LegSecurity, LegSide, TransportProtocol, UnixTime};
use simnet::{CARRIER, PBX, PBX_TCP, Ua, World, carrier, config, directory};
use sip_proto::Message;

/// Keeps calls, and counts instants from the beginning of 2030.
fn keeping() -> EdgeConfig {
    let origin = UnixTime::from_millis(1_893_456_000_000);
    EdgeConfig { keep_calls: true, origin, ..config() }
}

/// The second party answers with `answer`, which the first one hears of.
fn answer(w: &mut World, answering: &mut Ua, answer: &str, other: &mut Ua) -> Message {
    answering.reply(w, 200, Some(answer));
    answering.expect(w, "ACK");
    let told = other.expect(w, "200");
    other.ack(w, None);
    told
}

#[test]
fn both_legs_keep_their_keys_over_a_restart() {
    let mut w = World::with(keeping(), with_carriers(Srtp::Required));
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = secure(&mut w, PBX, 1, &one(5, KEY));
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let offered = crypto_of(pstn.invited.as_ref().unwrap());
    let first = secure(&mut w, CARRIER, 1, &one(offered[3].tag(), KEY));
    let told = answer(&mut w, &mut pstn, &first, &mut pbx);
    let before = [keys(&w, LegSide::A), keys(&w, LegSide::B)];
    w.restart(keeping(), with_carriers(Srtp::Required));
    // A hold by each side, with the keys that it has.
    let hold = secure(&mut w, PBX, 2, &one(5, KEY)).replace("a=sendrecv", "a=sendonly");
    pbx.invite(&mut w, Some(&hold));
    let asked = crypto_of(&pstn.expect(&mut w, "INVITE"));
    let ours = |lines: &[sdp::CryptoAttribute]| -> Vec<_> {
        lines.iter().map(|line| line.usable().unwrap().clone()).collect()
    };
    assert_eq!(ours(&asked), ours(&offered), "what was offered before is offered again");
    let held =
        secure(&mut w, CARRIER, 2, &one(asked[3].tag(), KEY)).replace("a=sendrecv", "a=recvonly");
    let again = answer(&mut w, &mut pstn, &held, &mut pbx);
    assert_eq!(ours(&crypto_of(&again)), ours(&crypto_of(&told)));
    assert_eq!([keys(&w, LegSide::A), keys(&w, LegSide::B)], before);
    assert!(!w.plan().legs[1].sends_to || !w.plan().legs[0].sends_to, "it is on hold");
    pstn.hang_up(&mut w, &mut pbx);
    w.finish();
}

const OURS: &str = "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:\
                    18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";

#[test]
fn a_handshake_and_its_credentials_outlive_the_edge() {
    let known = EdgeConfig { dtls_fingerprint: Fingerprint::parse(OURS), ..keeping() };
    let mut w = World::with(known, directory());
    let mut pbx = w.caller(PBX, "+12065550123");
    let described = |ua: &Ua, version, setup: &str| {
        ua.sdp_with(30_000, version, "sendrecv").replace("RTP/AVP", "UDP/TLS/RTP/SAVPF")
            + &format!(
                "a=rtcp-mux\r\na=fingerprint:{}\r\na=setup:{setup}\r\na=ice-ufrag:h3Fs\r\n\
                 a=ice-pwd:Jk8ux0pM2Yk3c9b6Zq1VtR5n\r\n",
                OURS.replace("12:DF", "5A:0C")
            )
    };
    let offer = described(&pbx, 1, "actpass");
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let plain = pstn.sdp(40_000);
    let told = answer(&mut w, &mut pstn, &plain, &mut pbx);
    let before = w.plan().legs[0].clone();
    assert!(matches!(before.security, LegSecurity::Dtls(_)) && before.ice.is_some());
    let saved = w.kept.values().next().unwrap();
    assert!(saved.has_secrets(), "a password is one");
    // The edge does not know its relays' certificate yet.
    w.restart(keeping(), directory());
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.invite(&mut w, Some(&hold));
    let asked = pbx.expect(&mut w, "INVITE");
    let attribute = |message: &Message, name: &str| {
        let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
        body.lines().find(|line| line.starts_with(name)).map(str::to_owned).expect("there")
    };
    for name in ["a=fingerprint:", "a=setup:", "a=ice-ufrag:", "a=ice-pwd:"] {
        assert_eq!(attribute(&asked, name), attribute(&told, name));
    }
    let held = described(&pbx, 2, "active").replace("a=sendrecv", "a=recvonly");
    answer(&mut w, &mut pbx, &held, &mut pstn);
    let after = w.plan().legs[0].clone();
    assert_eq!((after.security, after.ice), (before.security, before.ice));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// A browser that was reached by a call without keys asks for a handshake when it changes its media.
#[test]
fn a_plain_leg_has_a_handshake_once_the_certificate_is_known() {
    let known = EdgeConfig { dtls_fingerprint: Fingerprint::parse(OURS), ..keeping() };
    let mut w = World::with(known, directory());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.restart(keeping(), directory());
    let wanted = pbx.sdp_with(30_000, 2, "sendrecv").replace("RTP/AVP", "UDP/TLS/RTP/SAVPF")
        + &format!(
            "a=rtcp-mux\r\na=fingerprint:{}\r\na=setup:actpass\r\na=ice-ufrag:h3Fs\r\n\
             a=ice-pwd:Jk8ux0pM2Yk3c9b6Zq1VtR5n\r\n",
            OURS.replace("12:DF", "5A:0C")
        );
    pbx.invite(&mut w, Some(&wanted));
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    // A relay has connected.
    w.edge.set_dtls_fingerprint(Fingerprint::parse(OURS));
    pbx.invite(&mut w, Some(&wanted));
    pstn.expect(&mut w, "INVITE");
    let plain = pstn.sdp_with(40_000, 2, "sendrecv");
    let told = answer(&mut w, &mut pstn, &plain, &mut pbx);
    let body = String::from_utf8_lossy(told.body_bytes()).into_owned();
    assert!(body.contains("UDP/TLS/RTP/SAVPF") && body.contains("12:DF:3E"), "{body}");
    assert!(matches!(w.plan().legs[0].security, LegSecurity::Dtls(_)));
    assert_eq!(w.plan().legs[1].security, LegSecurity::Plain);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// The carrier is reached over TLS by its name and takes one call.
fn over_tls() -> Resources {
    let mut only = carrier("first", CARRIER, "+", 1);
    only.host = Host::parse("sbc.carrier.example").unwrap();
    only.transport = TransportProtocol::Tls;
    only.max_calls = Some(1);
    Resources { carriers: vec![only], ..directory() }
}

#[test]
fn a_leg_over_tls_is_reached_by_a_connection_to_the_same_name_or_by_one_of_its_peer() {
    for carrier_first in [true, false] {
        let mut w = World::with(keeping(), over_tls());
        w.names.insert("sbc.carrier.example", vec![CARRIER]);
        w.connect_tls(PBX_TCP);
        let mut pbx = w.caller(PBX_TCP, "+12065550123");
        pbx.transport = "TLS";
        let offer = pbx.sdp(30_000);
        pbx.invite(&mut w, Some(&offer));
        let mut pstn = w.callee(CARRIER);
        pstn.transport = "TLS";
        let plain = pstn.sdp(40_000);
        answer(&mut w, &mut pstn, &plain, &mut pbx);
        w.restart(keeping(), over_tls());
        assert_eq!(w.edge.active_calls(), 1);
        w.connect_tls(PBX_TCP);
        if carrier_first {
            w.connect_tls(CARRIER);
            // What the edge is to say goes over the connection that the customer has opened.
            pbx.invite(&mut w, None);
            pstn.expect(&mut w, "INVITE");
            let offer = pstn.sdp_with(40_000, 2, "sendrecv");
            pstn.reply(&mut w, 200, Some(&offer));
            pbx.expect(&mut w, "200");
            let plain = pbx.sdp_with(30_000, 2, "sendrecv");
            pbx.ack(&mut w, Some(&plain));
            pstn.expect(&mut w, "ACK");
            pstn.hang_up(&mut w, &mut pbx);
        } else {
            pbx.hang_up(&mut w, &mut pstn);
            assert_eq!(w.opened.last(), Some(&CARRIER));
            assert_eq!(w.expected_at(CARRIER).as_deref(), Some("sbc.carrier.example"));
        }
        w.finish();
    }
}

#[test]
fn a_call_that_was_taken_up_counts_for_its_carrier() {
    let mut resources = directory();
    resources.carriers.truncate(1);
    resources.carriers[0].max_calls = Some(1);
    let mut w = World::with(keeping(), resources.clone());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.restart(keeping(), resources);
    let mut second = w.caller(PBX, "+12065550123");
    let offer = second.sdp(32_000);
    second.invite(&mut w, Some(&offer));
    assert_eq!(second.expect(&mut w, "503").status(), Some(503));
    second.ack_failure(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    let (mut third, mut far) = Ua::establish(&mut w);
    third.hang_up(&mut w, &mut far);
    w.finish();
}

#[test]
fn video_goes_on_and_is_turned_off_on_the_stream_that_it_has() {
    let mut w = World::with(keeping(), directory());
    let mut pbx = w.caller(PBX, "+12065550123");
    let video = |ua: &Ua, port, version| ua.sdp_with(port, version, "sendrecv") + &h264(port + 2);
    let offer = video(&pbx, 30_000, 1);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let accepted = video(&pstn, 40_000, 1);
    answer(&mut w, &mut pstn, &accepted, &mut pbx);
    assert_eq!(w.relay.open(), 2);
    w.restart(keeping(), directory());
    assert_eq!(w.relay.open(), 2, "both streams are there");
    let moved = video(&pbx, 31_000, 2);
    pbx.invite(&mut w, Some(&moved));
    assert_eq!(on(&pstn.expect(&mut w, "INVITE")), [true, true]);
    let accepted = video(&pstn, 41_000, 2);
    answer(&mut w, &mut pstn, &accepted, &mut pbx);
    assert_eq!(w.relay.open(), 2, "no stream but those");
    let (_, plan) = w.relay.further.last().unwrap();
    let ports = plan.legs.clone().map(|leg| leg.remote_rtp.unwrap().port());
    assert_eq!(ports, [31_002, 41_002]);
    let off = pbx.sdp_with(31_000, 3, "sendrecv") + &h264(0);
    pbx.invite(&mut w, Some(&off));
    assert_eq!(on(&pstn.expect(&mut w, "INVITE")), [true, false]);
    let declined = pstn.sdp_with(41_000, 3, "sendrecv") + &h264(0);
    answer(&mut w, &mut pstn, &declined, &mut pbx);
    assert_eq!(w.relay.open(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
