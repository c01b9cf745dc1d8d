//! DTLS-SRTP and ICE-lite on one leg or both: what the relay's plan says of them.

use crate::keys::{is_plain, media_lines, over_tls, with_carriers, with_required};
use directory::Srtp;
use model::{DtlsPlan, DtlsRole, Fingerprint, IcePlan, LegSecurity, LegSide, Refusal};
use simnet::{CARRIER, PBX, Ua, World, config, directory};
use sip_proto::Message;

const OURS: &str = "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:\
                    18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";
const THEIRS: &str = "sha-256 5A:0C:11:9E:43:7B:2F:D6:88:91:C4:0E:72:AA:3D:5F:\
                      19:E8:B7:60:24:CD:93:01:7E:48:F5:6B:D2:8C:3A:99";
const ICE: &str = "a=ice-ufrag:h3Fs\r\na=ice-pwd:Jk8ux0pM2Yk3c9b6Zq1VtR5n\r\n";

fn world(resources: directory::Resources) -> World {
    let mut config = config();
    config.dtls_fingerprint = Fingerprint::parse(OURS);
    World::with(config, resources)
}

/// A description of `ua` with a fingerprint; its secrets are its side's.
fn secure(w: &mut World, ua: &Ua, version: u32, setup: &str, more: &str) -> String {
    for secret in ["5A:0C:11:9E", "Jk8ux0pM2Yk3c9b6Zq1VtR5n"] {
        w.audit.keep_secret(ua.at, secret);
    }
    let port = if ua.at == PBX { 30_000 } else { 40_000 };
    ua.sdp_with(port, version, "sendrecv").replace("RTP/AVP", "UDP/TLS/RTP/SAVPF")
        + &format!("a=rtcp-mux\r\na=fingerprint:{THEIRS}\r\na=setup:{setup}\r\n{more}")
}

fn dtls(w: &World, leg: LegSide) -> DtlsPlan {
    match &w.plan().legs[leg.index()].security {
        LegSecurity::Dtls(plan) => (**plan).clone(),
        other => panic!("leg {leg:?} has {other:?}\n{}", w.ladder()),
    }
}

fn ice(w: &World, leg: LegSide) -> Option<IcePlan> {
    w.plan().legs[leg.index()].ice.as_deref().cloned()
}

fn attribute(message: &Message, name: &str) -> Option<String> {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    let start = format!("a={name}:");
    body.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
}

/// A call from the PBX with DTLS and ICE to a plain carrier; the message is the PBX's 200.
fn established(w: &mut World) -> (Ua, Ua, Message) {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = secure(w, &pbx, 1, "actpass", ICE);
    pbx.invite(w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let told = pstn.invited.clone().unwrap();
    assert!(media_lines(&told)[0].contains(" RTP/AVP "), "{:?}", media_lines(&told));
    for name in ["fingerprint", "setup", "ice-ufrag", "ice-pwd", "candidate"] {
        assert_eq!(attribute(&told, name), None);
    }
    let answer = pstn.sdp(40_000);
    let answered = pstn.answer(w, &mut pbx, &answer);
    (pbx, pstn, answered)
}

#[test]
fn a_customers_dtls_meets_a_plain_carrier_and_a_hold_changes_no_key() {
    let mut w = world(directory());
    let (mut pbx, mut pstn, answered) = established(&mut w);
    assert!(media_lines(&answered)[0].contains("UDP/TLS/RTP/SAVPF"));
    assert_eq!(attribute(&answered, "fingerprint").as_deref(), Some(OURS));
    let plan = dtls(&w, LegSide::A);
    assert_eq!(plan.role, DtlsRole::Passive);
    assert_eq!(plan.remote_fingerprint.to_string(), THEIRS);
    let checks = ice(&w, LegSide::A).unwrap();
    assert_eq!(attribute(&answered, "ice-ufrag").as_deref(), Some(&*checks.local_fragment));
    assert!(is_plain(&w, LegSide::B) && ice(&w, LegSide::B).is_none());
    // The carrier holds: the PBX is asked with the role and the credentials in force.
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.invite(&mut w, Some(&hold));
    let asked = pbx.expect(&mut w, "INVITE");
    for name in ["fingerprint", "setup", "ice-ufrag", "ice-pwd"] {
        assert_eq!(attribute(&asked, name), attribute(&answered, name), "{name}");
    }
    let answer = secure(&mut w, &pbx, 2, "active", ICE).replace("a=sendrecv", "a=recvonly");
    pbx.answer(&mut w, &mut pstn, &answer);
    assert_eq!((dtls(&w, LegSide::A), ice(&w, LegSide::A)), (plan.clone(), Some(checks.clone())));
    // The PBX restarts ICE: other credentials of ours, the same keys.
    let restart = secure(&mut w, &pbx, 3, "actpass", &ICE.replace("h3Fs", "n3xt"));
    pbx.invite(&mut w, Some(&restart));
    pstn.expect(&mut w, "INVITE");
    let answer = pstn.sdp_with(40_000, 3, "sendrecv");
    pstn.answer(&mut w, &mut pbx, &answer);
    let restarted = ice(&w, LegSide::A).unwrap();
    assert_ne!(restarted.local_password, checks.local_password);
    assert_eq!((&*restarted.remote_fragment, dtls(&w, LegSide::A)), ("n3xt", plan));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_carrier_with_dtls_is_offered_it_and_must_answer_it() {
    for keeps_to_it in [true, false] {
        let mut w = world(with_carriers(Srtp::Dtls));
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
        let told = pstn.invited.clone().unwrap();
        assert!(media_lines(&told)[0].contains("UDP/TLS/RTP/SAVP "), "{:?}", media_lines(&told));
        assert_eq!(attribute(&told, "setup").as_deref(), Some("actpass"));
        let answer =
            if keeps_to_it { secure(&mut w, &pstn, 1, "active", ICE) } else { pstn.sdp(40_000) };
        pstn.reply(&mut w, 200, Some(&answer));
        pstn.expect(&mut w, "ACK");
        if keeps_to_it {
            pbx.expect(&mut w, "200");
            pbx.ack(&mut w, None);
            assert!(is_plain(&w, LegSide::A));
            assert_eq!(dtls(&w, LegSide::B).role, DtlsRole::Passive);
            let checks = ice(&w, LegSide::B).unwrap();
            assert_eq!(attribute(&told, "ice-pwd").as_deref(), Some(&*checks.local_password));
            pbx.hang_up(&mut w, &mut pstn);
        } else {
            pstn.expect(&mut w, "BYE");
            pstn.ok(&mut w);
            pbx.expect(&mut w, "502");
            pbx.ack_failure(&mut w);
            assert!(w.relay.plans.is_empty(), "no packet passed");
        }
        w.finish();
    }
}

#[test]
fn required_encryption_is_content_with_dtls() {
    let mut w = over_tls(with_required());
    let mut config = config();
    config.dtls_fingerprint = Fingerprint::parse(OURS);
    let mut with = World::with(config, with_required());
    with.connect_tls(PBX);
    for (w, served) in [(&mut with, true), (&mut w, false)] {
        let mut pbx = w.caller(PBX, "+12065550123");
        let offer = secure(w, &pbx, 1, "actpass", "");
        pbx.invite(w, Some(&offer));
        if !served {
            pbx.expect(w, "488");
            pbx.ack_failure(w);
            continue;
        }
        let mut pstn = w.callee(CARRIER);
        let answer = pstn.sdp(40_000);
        pstn.answer(w, &mut pbx, &answer);
        assert_eq!(dtls(w, LegSide::A).role, DtlsRole::Passive);
        pbx.hang_up(w, &mut pstn);
    }
    with.finish();
    w.finish();
}

#[test]
fn an_offer_that_vouches_for_nothing_is_refused() {
    let sha1 = "sha-1 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02";
    for line in [format!("a=fingerprint:{sha1}\r\n"), String::new()] {
        let mut w = world(directory());
        let mut pbx = w.caller(PBX, "+12065550123");
        let offer = secure(&mut w, &pbx, 1, "actpass", "")
            .replace(&format!("a=fingerprint:{THEIRS}\r\n"), &line);
        pbx.invite(&mut w, Some(&offer));
        pbx.expect(&mut w, "488");
        pbx.ack_failure(&mut w);
        assert_eq!(w.end().refusal, Some(Refusal::NotAcceptable));
        w.finish();
    }
}
