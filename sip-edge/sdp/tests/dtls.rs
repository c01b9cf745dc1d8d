//! Keys from a handshake (RFC 5763) and ICE-lite (RFC 8839) in descriptions: what answers them, what
//! stays through re-offers, and that nothing of it passes from leg to leg.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::{DtlsPlan, DtlsRole, Fingerprint, LegPlan, LegSecurity};
use sdp::{
    AnchorOptions, AudioStream, Encryption, OriginState, Role, SdpError, SessionDescription,
    media_plan_leg,
};
use support::{corpus, description, parse, text, towards_a, towards_b};

const OURS: &str = "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:\
                    18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";
const THEIRS: &str = "sha-256 5A:0C:11:9E:43:7B:2F:D6:88:91:C4:0E:72:AA:3D:5F:\
                      19:E8:B7:60:24:CD:93:01:7E:48:F5:6B:D2:8C:3A:99";
const SHA1: &str = "sha-1 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02";
const ICE: &str = "a=ice-ufrag:h3Fs\na=ice-pwd:Jk8ux0pM2Yk3c9b6Zq1VtR5n\n";

fn ours() -> Fingerprint {
    Fingerprint::parse(OURS).expect("a fingerprint")
}

fn body(session: &str, proto: &str, lines: &str) -> SessionDescription {
    text(&format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n{session}\
         m=audio 4000 {proto} 0\n{lines}"
    ))
    .for_leg(Encryption::Optional)
}

fn secure(lines: &str) -> SessionDescription {
    body("", "UDP/TLS/RTP/SAVPF", &format!("a=fingerprint:{THEIRS}\na=rtcp-mux\n{lines}"))
}

fn plain() -> SessionDescription {
    body("", "RTP/AVP", "")
}

/// A leg that we write to.
struct Leg {
    origin: OriginState,
    drawn: u64,
    plan: Option<LegPlan>,
}

impl Leg {
    fn new(encryption: Encryption) -> Self {
        let mut origin = OriginState::new(7).with_fingerprint(Some(ours()));
        origin.start_leg(encryption);
        Leg { origin, drawn: 0, plan: None }
    }

    fn write(&mut self, received: &SessionDescription, role: Role<'_>) -> Result<String, SdpError> {
        let Leg { origin, drawn, .. } = self;
        let mut draw = || {
            *drawn += 1;
            drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let options = AnchorOptions::default();
        let body = sdp::anchor(received, &towards_a(), origin, role, &options, &mut draw)?;
        let written = description(&body).for_leg(Encryption::Optional);
        assert_eq!(written.audio().as_ref(), origin.last_audio(), "what we think we wrote");
        Ok(String::from_utf8(body).expect("text").replace("\r\n", "\n"))
    }

    fn offer(&mut self) -> String {
        self.write(&plain(), Role::Offer).expect("an offer")
    }

    /// Answers, and puts the outcome into force.
    fn answer(&mut self, to: &SessionDescription) -> String {
        let answer = self.write(&plain(), Role::Answer { to, at: Some(0) }).expect("an answer");
        self.apply(to);
        answer
    }

    fn apply(&mut self, received: &SessionDescription) -> &LegPlan {
        let (received, sent) = (received.audio_ref(), self.origin.last_audio());
        let plan = media_plan_leg(received, sent, None, self.plan.as_ref());
        self.origin.note_plan(&plan);
        self.plan.insert(plan)
    }
}

/// The value of our only attribute of this name.
fn value<'a>(written: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("a={name}:");
    let mut found = written.lines().filter_map(|line| line.strip_prefix(&start));
    let value = found.next();
    assert_eq!(found.next(), None, "{written}");
    value
}

fn dtls(leg: &Leg) -> &DtlsPlan {
    match &leg.plan.as_ref().expect("a plan").security {
        LegSecurity::Dtls(plan) => plan,
        other => panic!("{other:?}"),
    }
}

/// What realistic devices get, to the letter.
#[test]
fn devices_are_answered_and_their_keys_and_candidates_stay_behind() {
    for (device, ice) in [("browser", true), ("baresip-dtls", false)] {
        let offer =
            description(&corpus(&format!("{device}-offer.sdp"))).for_leg(Encryption::Mirror);
        let answer = description(&corpus(&format!("{device}-answer.sdp")));
        let mut origin = OriginState::new(1001);
        let options = AnchorOptions::default();
        let to_b = sdp::anchor(
            &offer,
            &towards_b(),
            &mut origin,
            Role::Offer,
            &options,
            &mut support::no_keys,
        );
        let mut leg = Leg::new(Encryption::Mirror);
        let to_a = leg
            .write(&answer, Role::Answer { to: &offer, at: Some(0) })
            .expect("the answer is acceptable");
        let to_b = String::from_utf8(to_b.expect("acceptable")).expect("text");
        let to_b = to_b.replace("\r\n", "\n");
        for (side, written) in [("offer", &to_b), ("answer", &to_a)] {
            let path = format!("{}/tests/golden/{device}-{side}.sdp", env!("CARGO_MANIFEST_DIR"));
            let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
            assert_eq!(
                *written, expected,
                "{path}: if the change is meant, store this:\n{written}"
            );
        }
        for foreign in ["fingerprint", "setup", "ice-", "candidate", "SAVP"] {
            assert!(!to_b.contains(foreign), "{to_b}");
        }
        let plan = leg.apply(&offer);
        assert_eq!((plan.rtcp_mux, plan.accepts_from, plan.sends_to), (true, true, true));
        assert_eq!(plan.ice.is_some(), ice);
        assert_eq!(plan.remote_rtp.is_none(), ice, "where ICE has not led yet");
        assert_eq!(dtls(&leg).role, DtlsRole::Passive);
    }
}

#[test]
fn each_setup_has_its_answer() {
    for (offered, answered, role) in [
        ("a=setup:actpass\n", "passive", DtlsRole::Passive),
        ("a=setup:active\n", "passive", DtlsRole::Passive),
        ("a=setup:PASSIVE\n", "active", DtlsRole::Active),
        ("", "passive", DtlsRole::Passive),
    ] {
        let mut leg = Leg::new(Encryption::Mirror);
        let answer = leg.answer(&secure(offered));
        assert_eq!(value(&answer, "setup"), Some(answered), "{offered}");
        assert_eq!(value(&answer, "fingerprint"), Some(OURS));
        assert!(answer.contains("m=audio 20000 UDP/TLS/RTP/SAVPF 0\n"), "{answer}");
        assert!(answer.contains("a=rtcp-mux\n") && !answer.contains("crypto"), "{answer}");
        assert!(!answer.contains("ice") && !answer.contains("candidate"), "{answer}");
        assert_eq!(dtls(&leg).role, role);
        assert_eq!(dtls(&leg).remote_fingerprint.to_string(), THEIRS);
    }
}

#[test]
fn the_strongest_fingerprint_of_the_nearest_level_counts() {
    let long = format!("SHA-512 {}", vec!["ab"; 64].join(":"));
    let told = |session: &str, media: &str| {
        let description = body(session, "UDP/TLS/RTP/SAVP", media);
        description.audio().and_then(|a| a.dtls).map(|d| d.fingerprint.to_string())
    };
    let line = |value: &str| format!("a=fingerprint:{value}\n");
    assert_eq!(told(&line(THEIRS), "").as_deref(), Some(THEIRS));
    assert_eq!(told(&line(&long), &line(THEIRS)).as_deref(), Some(THEIRS));
    let several = format!("{}{}{}", line(SHA1), line(THEIRS), line(&long));
    assert_eq!(told("", &several).map(|f| f.to_lowercase()), Some(long.to_lowercase()));
    for (session, media) in [
        (String::new(), String::new()),
        (String::new(), line(SHA1)),
        (line(THEIRS), line(SHA1)),
        (String::new(), line("sha-256 00:11")),
        (line(THEIRS), "a=setup:holdconn\n".to_owned()),
    ] {
        assert_eq!(told(&session, &media), None, "{session}{media}");
    }
}

#[test]
fn without_a_certificate_of_ours_the_offer_is_refused() {
    let mut origin = OriginState::new(7);
    origin.start_leg(Encryption::Mirror);
    let offer = secure("a=setup:actpass\n");
    let mut write = |received: &SessionDescription, role: Role<'_>| {
        let options = AnchorOptions::default();
        sdp::anchor(received, &towards_a(), &mut origin, role, &options, &mut support::no_keys)
    };
    let refused = write(&plain(), Role::Answer { to: &offer, at: Some(0) });
    assert_eq!(refused, Err(SdpError::NoCertificate));
    assert_eq!(SdpError::NoCertificate.status(), 488);
}

#[test]
fn ice_is_answered_as_a_lite_agent() {
    let mut leg = Leg::new(Encryption::Mirror);
    let offer = secure(&format!("a=setup:actpass\n{ICE}"));
    let answer = leg.answer(&offer);
    let before_media = answer.split("m=").next().expect("the session level");
    assert!(before_media.contains("a=ice-lite\n"), "{answer}");
    let candidate = value(&answer, "candidate").expect("one");
    assert_eq!(candidate, "1 1 UDP 2130706431 198.18.0.1 20000 typ host");
    assert!(answer.contains("a=end-of-candidates\n"));
    let (fragment, password) = (value(&answer, "ice-ufrag"), value(&answer, "ice-pwd"));
    assert_eq!((fragment.map(str::len), password.map(str::len)), (Some(8), Some(24)));
    let ice = leg.plan.as_ref().and_then(|plan| plan.ice.as_deref()).expect("a plan with ICE");
    assert_eq!((Some(&*ice.local_fragment), Some(&*ice.local_password)), (fragment, password));
    assert_eq!(&*ice.remote_fragment, "h3Fs");
    assert!(!format!("{:?} {offer:?}", leg.origin).contains("Jk8ux0pM2Yk3c9b6Zq1VtR5n"));
}

#[test]
fn a_lite_peer_or_one_with_odd_credentials_is_answered_without_ice() {
    for lines in [
        format!("a=ice-lite\n{ICE}"),
        ICE.replace("h3Fs", "h3"),
        ICE.replace("h3Fs", "h3:s"),
        ICE.replace("Jk8ux0pM2Yk3c9b6Zq1VtR5n", "short"),
        "a=ice-ufrag:h3Fs\n".to_owned(),
    ] {
        let mut leg = Leg::new(Encryption::Mirror);
        let answer = leg.answer(&secure(&format!("a=setup:actpass\n{lines}")));
        assert!(!answer.contains("ice-") && !answer.contains("candidate"), "{lines}: {answer}");
        assert_eq!(leg.plan.as_ref().and_then(|plan| plan.ice.clone()), None);
    }
}

#[test]
fn credentials_and_roles_stay_until_the_leg_restarts() {
    let offer = |ice: &str, more: &str| secure(&format!("a=setup:actpass\n{ice}{more}"));
    let mut leg = Leg::new(Encryption::Mirror);
    let first = leg.answer(&offer(ICE, ""));
    let held = leg.answer(&offer(ICE, "a=sendonly\n"));
    assert!(held.contains("a=recvonly"));
    for name in ["ice-ufrag", "ice-pwd", "fingerprint", "setup"] {
        assert_eq!(value(&held, name), value(&first, name));
    }
    // The other leg holds: we offer, with the role in force.
    let offered = leg.offer();
    assert!(offered.contains("UDP/TLS/RTP/SAVPF"), "{offered}");
    for name in ["ice-ufrag", "ice-pwd", "fingerprint", "setup"] {
        assert_eq!(value(&offered, name), value(&first, name));
    }
    let before = dtls(&leg).clone();
    leg.apply(&secure(&format!("a=setup:active\n{ICE}")));
    assert_eq!(*dtls(&leg), before);
    let restarted = leg.answer(&offer(&ICE.replace("h3Fs", "n3xt"), ""));
    for name in ["ice-ufrag", "ice-pwd"] {
        assert_ne!(value(&restarted, name), value(&first, name), "{name}");
    }
    assert_eq!(*dtls(&leg), before, "an ICE restart keeps the keys (RFC 8842 section 4)");
    // A leg that moves to another relay port shakes hands anew.
    leg.origin.renew_keys();
    let moved = leg.offer();
    assert_eq!(value(&moved, "setup"), Some("actpass"));
    assert_ne!(value(&moved, "ice-ufrag"), value(&restarted, "ice-ufrag"));
}

/// As it was written before RFC 5764 named a profile: a fingerprint and no key in RTP/SAVP(F).
#[test]
fn the_former_profiles_of_dtls_srtp_are_answered_in_kind() {
    for proto in ["RTP/SAVP", "RTP/SAVPF"] {
        let theirs = format!("a=fingerprint:{THEIRS}\na=setup:actpass\n");
        let offer = body("", proto, &format!("{theirs}a=rtcp-mux\n"));
        let mut leg = Leg::new(Encryption::Required);
        let answer = leg.answer(&offer);
        assert!(answer.contains(&format!("m=audio 20000 {proto} 0\n")), "{answer}");
        assert_eq!(value(&answer, "setup"), Some("passive"));
        assert!(value(&answer, "fingerprint").is_some() && value(&answer, "crypto").is_none());
        let plan = media_plan_leg(offer.audio().as_ref(), leg.origin.last_audio(), None, None);
        assert!(matches!(plan.security, LegSecurity::Dtls(_)), "{plan:?}");
        let again = leg.offer();
        assert!(again.contains(proto) && value(&again, "crypto").is_none(), "{again}");
        assert_eq!(offer.clone().for_leg(Encryption::Off).audio(), None);

        // Keys in the description go before a handshake.
        let key = "1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
        let both = body("", proto, &format!("a=crypto:{key}\n{theirs}"));
        let answer = Leg::new(Encryption::Mirror).answer(&both);
        assert!(value(&answer, "crypto").is_some() && value(&answer, "fingerprint").is_none());
        assert_eq!(body("", proto, "a=setup:actpass\n").audio(), None);
    }
}

#[test]
fn without_rtcp_mux_no_rtcp_goes_to_a_leg_with_a_handshake() {
    for (mux, rtcp) in [("", None), ("a=rtcp-mux\n", Some(4000))] {
        let theirs = format!("a=fingerprint:{THEIRS}\na=setup:actpass\n{mux}");
        let offer = body("", "UDP/TLS/RTP/SAVP", &theirs);
        let mut leg = Leg::new(Encryption::Mirror);
        let answer = leg.answer(&offer);
        assert_eq!(answer.contains("a=rtcp-mux"), rtcp.is_some(), "{answer}");
        let plan = media_plan_leg(offer.audio().as_ref(), leg.origin.last_audio(), None, None);
        assert_eq!(plan.remote_rtcp.map(|at| at.port()), rtcp);
        assert!(plan.accepts_from && plan.remote_rtp.is_some());
    }
}

#[test]
fn who_was_active_stays_active() {
    let mut leg = Leg::new(Encryption::Mirror);
    leg.answer(&secure("a=setup:passive\n"));
    let again = leg.answer(&secure("a=setup:actpass\n"));
    assert_eq!(value(&again, "setup"), Some("active"));
    assert_eq!(value(&leg.offer(), "setup"), Some("active"));
    // Another certificate is another peer: it may begin.
    let other = body(
        "",
        "UDP/TLS/RTP/SAVP",
        &format!("a=fingerprint:{}\na=setup:actpass\n", THEIRS.replace("5A:0C", "00:00")),
    );
    assert_eq!(value(&leg.answer(&other), "setup"), Some("passive"));
}

#[test]
fn a_leg_whose_policy_asks_for_it_is_offered_it() {
    let mut leg = Leg::new(Encryption::Dtls);
    let offer = leg.offer();
    assert!(offer.contains("m=audio 20000 UDP/TLS/RTP/SAVP 0\n"), "{offer}");
    assert_eq!(value(&offer, "setup"), Some("actpass"));
    assert!(offer.contains("a=ice-lite\n") && offer.contains("a=rtcp-mux\n"), "{offer}");
    assert_eq!(leg.offer(), offer, "repeated, it is the same");
    let sent = leg.origin.last_audio().cloned();
    let undecided = media_plan_leg(None, sent.as_ref(), None, None);
    assert!(!undecided.accepts_from && !undecided.sends_to, "no early media without a fingerprint");
    for (setup, role) in [
        ("a=setup:active\n", Some(DtlsRole::Passive)),
        ("a=setup:passive\n", Some(DtlsRole::Active)),
        ("", Some(DtlsRole::Active)),
        ("a=setup:actpass\n", None),
    ] {
        let answer = secure(setup);
        let plan = media_plan_leg(answer.audio_ref(), sent.as_ref(), None, None);
        let found = match plan.security {
            LegSecurity::Dtls(plan) => Some(plan.role),
            _ => None,
        };
        assert_eq!(found, role, "{setup}");
        assert_eq!(plan.sends_to, role.is_some());
        assert_eq!(plan.ice, None, "it answered without");
    }
    let settled = |answer: &SessionDescription| {
        sdp::leg_security(answer.audio_ref(), sent.as_ref()).is_some()
    };
    assert!(!settled(&plain()), "keys were asked for");
    assert!(parse(&plain().write()).is_ok_and(|p| p.for_leg(Encryption::Dtls).audio().is_none()));
}

#[test]
fn policies_take_or_refuse_it() {
    let offer = secure("a=setup:actpass\n");
    let under = |policy| offer.clone().for_leg(policy).audio();
    assert_eq!(under(Encryption::Off), None);
    for policy in [Encryption::Mirror, Encryption::Optional, Encryption::Required, Encryption::Dtls]
    {
        assert!(under(policy).as_ref().is_some_and(AudioStream::has_keys), "{policy:?}");
    }
}
