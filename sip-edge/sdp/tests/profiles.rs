//! What mainstream PBXes, SBCs, telephones, room systems and carriers offer (shapes, not copies:
//! `tests/corpus/offers/<name>.sdp`), what each is answered under every policy of its leg, and what
//! the other leg is offered under every policy of that one: `profiles/<name>.txt`.
//!
//! `UPDATE_PROFILES=1 cargo test -p sdp --test profiles` writes them anew; read the difference.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::{Fingerprint, FingerprintHash, LegSecurity};
use sdp::{
    AnchorOptions, Encryption, OriginState, Role, SdpError, SessionDescription, leg_security,
};
use std::fmt::Write as _;
use std::path::PathBuf;
use support::{description, towards_a, towards_b};

fn directory(under: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(under)
}

fn names() -> Vec<String> {
    let offers = std::fs::read_dir(directory("../../tests/corpus/offers")).expect("the corpus");
    let mut names: Vec<String> = offers
        .filter_map(|entry| {
            Some(entry.ok()?.file_name().to_str()?.strip_suffix(".sdp")?.to_owned())
        })
        .collect();
    names.sort();
    names
}

fn leg(encryption: Encryption) -> OriginState {
    let fingerprint = Fingerprint::new(FingerprintHash::Sha256, &[0xab; 32]);
    let mut origin = OriginState::new(7).with_fingerprint(fingerprint);
    origin.start_leg(encryption);
    origin
}

fn write(
    received: &SessionDescription,
    origin: &mut OriginState,
    role: Role<'_>,
) -> Result<SessionDescription, SdpError> {
    let mut drawn = 0_u64;
    let mut draw = || {
        drawn += 1;
        drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let local = if matches!(role, Role::Offer) { towards_b() } else { towards_a() };
    let options = AnchorOptions::default();
    let body = sdp::anchor(received, &local, origin, role, &options, &mut draw)?;
    Ok(description(&body).for_leg(origin.encryption()))
}

/// A far end that takes whatever it is offered, plain.
fn far_answer(offered: &SessionDescription) -> SessionDescription {
    let body = String::from_utf8(offered.write()).expect("text");
    let body =
        body.replace("198.18.0.2", "198.51.100.99").replace("m=audio 20002", "m=audio 40000");
    description(body.as_bytes())
}

/// The text with every key replaced by its length: keys differ, lengths are the suites'.
fn shown(description: &SessionDescription) -> String {
    let body = String::from_utf8(description.write()).expect("text").replace("\r\n", "\n");
    let mut out = String::new();
    for line in body.lines() {
        match line.split_once("inline:") {
            Some((head, key)) => {
                let symbols = key.trim_end_matches('=').len();
                let _ = writeln!(out, "{head}inline:({} bytes)", symbols * 3 / 4);
            }
            None => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

fn keys_of(text: &str) -> Vec<&str> {
    let ends = |key: &str| key.find(['|', ' ', '\r', '\n', ';']).unwrap_or(key.len());
    text.split("inline:").skip(1).filter_map(|rest| rest.get(..ends(rest))).collect()
}

/// What becomes of one offer.
fn outcome(offer: &SessionDescription) -> String {
    let mut out = String::new();
    for policy in [Encryption::Off, Encryption::Mirror, Encryption::Required] {
        let _ = writeln!(out, "== its own leg {policy:?}: it is answered");
        let offer = offer.clone().for_leg(policy);
        let offered = write(&offer, &mut leg(Encryption::Off), Role::Offer);
        let offered = match offered {
            Ok(offered) => offered,
            Err(error) => {
                let _ = writeln!(out, "{} {error}", error.status());
                continue;
            }
        };
        let at = offered.audio().map(|audio| audio.index);
        let mut origin = leg(policy);
        let role = Role::Answer { to: &offer, at };
        let answer = write(&far_answer(&offered), &mut origin, role).expect("an answer");
        let security = leg_security(offer.audio_ref(), answer.audio_ref());
        let protected = match security.expect("settled") {
            LegSecurity::Sdes(keys) => {
                format!("{} and {}", keys.receive.suite(), keys.send.suite())
            }
            LegSecurity::Dtls(plan) => format!("a handshake, {:?}", plan.role),
            LegSecurity::Plain => "plain".to_owned(),
        };
        let _ = writeln!(out, "-- {protected}");
        out.push_str(&shown(&answer));
    }
    let offer = offer.clone().for_leg(Encryption::Mirror);
    for policy in [Encryption::Off, Encryption::Optional, Encryption::Required] {
        let _ = writeln!(out, "== the other leg {policy:?}: it is offered");
        match write(&offer, &mut leg(policy), Role::Offer) {
            Ok(offered) => out.push_str(&shown(&offered)),
            Err(error) => {
                let _ = writeln!(out, "{} {error}", error.status());
            }
        }
    }
    out
}

#[test]
fn every_profile_gets_what_is_stored_for_it() {
    let names = names();
    assert!(names.len() >= 20, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let body =
            std::fs::read(directory("../../tests/corpus/offers").join(format!("{name}.sdp")))
                .expect("an offer");
        let actual = outcome(&description(&body));
        let path = directory("tests/profiles").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_PROFILES").is_some() {
            std::fs::write(&path, &actual).expect("written");
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != actual {
            wrong.push(format!("{name} now gets:\n{actual}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever the policies: no key, handshake or connectivity of one leg reaches the other, and none
/// that is not ours stands in what we write.
#[test]
fn no_profile_leaks_its_keys() {
    const POLICIES: [Encryption; 4] =
        [Encryption::Off, Encryption::Mirror, Encryption::Optional, Encryption::Required];
    for name in names() {
        let body =
            std::fs::read(directory("../../tests/corpus/offers").join(format!("{name}.sdp")))
                .expect("an offer");
        let text = String::from_utf8(body.clone()).expect("text");
        for (from, to) in POLICIES.into_iter().flat_map(|f| POLICIES.map(|t| (f, t))) {
            let offer = description(&body).for_leg(from);
            let Ok(sent) = write(&offer, &mut leg(to), Role::Offer) else { continue };
            let sent = String::from_utf8(sent.write()).expect("text");
            for key in keys_of(&text) {
                assert!(!sent.contains(key), "{name}: {key} in\n{sent}");
            }
            for attribute in ["a=fingerprint", "a=setup", "a=ice-", "a=candidate", "a=acap"] {
                assert!(!sent.contains(attribute), "{name}: {attribute} in\n{sent}");
            }
            let ours = keys_of(&sent).len();
            let expected =
                if matches!(to, Encryption::Optional | Encryption::Required) { 5 } else { 0 };
            assert_eq!(ours, expected, "{name} {from:?} {to:?}");
        }
    }
}
