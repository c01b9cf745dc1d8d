//! What holds for every crypto attribute, and for every offer and answer with keys.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::{LegSecurity, SrtpKey, SrtpSuite};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sdp::{
    AnchorOptions, CryptoAttribute, Encryption, OriginState, Role, SessionDescription, leg_security,
};
use support::{description, text, towards_a, towards_b};

fn key() -> impl Strategy<Value = SrtpKey> {
    (select(&SrtpSuite::ALL[..]), vec(any::<u8>(), 46)).prop_map(|(suite, bytes)| {
        let length = suite.key_len() + suite.salt_len();
        SrtpKey::new(suite, &bytes[..length]).expect("the suite's length")
    })
}

/// A line as a peer might write it, with everything that may follow the key.
fn line() -> impl Strategy<Value = String> {
    let lifetime = select(vec!["", "|2^20", "|2^48", "|1000", "|2^49", "|0"]);
    let mki = select(vec!["", "|1:1", "|258:4", "|7:17", "|300:1"]);
    let parameters = select(vec![
        "",
        "",
        "",
        " WSH=128",
        " -x=1",
        " KDR=5",
        " UNENCRYPTED_SRTP",
        " FEC_ORDER=FEC_SRTP",
        " new",
    ]);
    (0_u32..=999_999_999, key(), lifetime, mki, parameters, any::<bool>()).prop_map(
        |(tag, key, lifetime, mki, parameters, padded)| {
            let value = CryptoAttribute::new(tag, key).to_value();
            let value = if padded { &*value } else { value.trim_end_matches('=') };
            format!("{value}{lifetime}{mki}{parameters}")
        },
    )
}

fn offer(proto: &str, lines: &[String]) -> SessionDescription {
    let crypto: String = lines.iter().map(|line| format!("a=crypto:{line}\n")).collect();
    text(&format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n\
         m=audio 4000 {proto} 0\n{crypto}"
    ))
}

fn policy() -> impl Strategy<Value = Encryption> {
    select(vec![Encryption::Off, Encryption::Mirror, Encryption::Optional, Encryption::Required])
}

fn leg(encryption: Encryption) -> OriginState {
    let mut origin = OriginState::new(7);
    origin.start_leg(encryption);
    origin
}

/// What a leg is written, and read back by somebody under `reader`.
fn written(
    received: &SessionDescription,
    origin: &mut OriginState,
    role: Role<'_>,
    seed: u64,
    reader: Encryption,
) -> Option<SessionDescription> {
    let mut drawn = seed;
    let mut draw = || {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        drawn
    };
    let local = if matches!(role, Role::Offer) { towards_b() } else { towards_a() };
    let options = AnchorOptions::default();
    let body = sdp::anchor(received, &local, origin, role, &options, &mut draw).ok()?;
    Some(description(&body).for_leg(reader))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_line_that_is_read_is_written_as_it_means(value in line()) {
        if let Ok(read) = CryptoAttribute::parse(&value) {
            let again = CryptoAttribute::parse(&read.to_value());
            prop_assert_eq!(again.as_ref(), Ok(&read));
            let shown = format!("{read:?}");
            prop_assert!(!shown.contains("inline"));
        }
    }

    #[test]
    fn no_text_causes_a_panic(
        value in "[0-9]{0,10}[ ]?(AES_CM_128_HMAC_SHA1_80|AEAD_AES_256_GCM|[A-Z_0-9]{0,20}) ?(inline:)?[A-Za-z0-9+/=|:^;, ]{0,120}",
        bytes in "\\PC{0,80}",
    ) {
        for text in [value, bytes] {
            if let Ok(read) = CryptoAttribute::parse(&text) {
                let _ = (read.usable(), read.to_value(), read.lifetimes().count());
            }
        }
    }

    #[test]
    fn an_answer_names_a_line_of_its_offer_and_no_key_of_it(
        lines in vec(line(), 0..6),
        proto in select(vec!["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"]),
        own in policy(),
        other in policy(),
        seed in any::<u64>(),
    ) {
        let offer = offer(proto, &lines).for_leg(own);
        let Some(offered) = written(&offer, &mut leg(other), Role::Offer, seed, other) else {
            prop_assert!(offer.audio().is_none());
            return Ok(());
        };
        let mut origin = leg(own);
        let role = Role::Answer { to: &offer, at: Some(0) };
        let answer = written(&offered, &mut origin, role, seed ^ 1, own).expect("an answer");
        let (theirs, ours) = (offer.audio().expect("audio"), answer.audio().expect("audio"));
        prop_assert_eq!(ours.profile, theirs.profile);
        let security = leg_security(Some(&theirs), Some(&ours));
        prop_assert!(security.is_some(), "settled");
        let encrypted = own != Encryption::Off && !theirs.crypto.is_empty();
        prop_assert_eq!(matches!(security, Some(LegSecurity::Sdes(_))), encrypted);
        prop_assert_eq!(ours.crypto.len(), usize::from(encrypted));
        if let Some(chosen) = ours.crypto.first() {
            let same = |l: &&CryptoAttribute| l.tag() == chosen.tag() && l.suite() == chosen.suite();
            prop_assert!(theirs.crypto.iter().any(|line| same(&line)));
        }
        for written in [offered, answer] {
            let body = String::from_utf8(written.write()).expect("text");
            for line in &lines {
                let key = line.split("inline:").nth(1).expect("a key");
                prop_assert!(!body.contains(&key[..37]), "{body}");
            }
        }
    }

    /// Two of us, one behind the other: what one sends with, the other receives with.
    #[test]
    fn both_ends_agree_on_the_keys(
        offering in select(vec![Encryption::Optional, Encryption::Required]),
        answering in policy(),
        renumbered in proptest::option::of(0_u32..20),
        seed in any::<u64>(),
    ) {
        let plain = offer("RTP/AVP", &[]);
        let sent = written(&plain, &mut leg(offering), Role::Offer, seed, offering).expect("an offer");
        let seen = sent.clone().for_leg(answering);
        let role = Role::Answer { to: &seen, at: Some(0) };
        let Some(answer) = written(&plain, &mut leg(answering), role, seed ^ 1, Encryption::Optional)
        else {
            return Ok(());
        };
        let mut heard = answer.audio();
        if let (Some(tag), Some(audio)) = (renumbered, heard.as_mut()) {
            // Every suite is offered once, so that its line is found under any tag.
            for line in &mut audio.crypto {
                let key = line.usable().expect("ours").clone();
                *line = CryptoAttribute::new(tag, key);
            }
        }
        let ours = leg_security(heard.as_ref(), sent.audio_ref());
        let theirs = leg_security(seen.audio_ref(), answer.audio_ref());
        match (ours, theirs, heard) {
            (Some(LegSecurity::Sdes(ours)), Some(LegSecurity::Sdes(theirs)), _) => {
                prop_assert_eq!(ours.send, theirs.receive);
                prop_assert_eq!(ours.receive, theirs.send);
            }
            (Some(LegSecurity::Plain), Some(LegSecurity::Plain), _) => {
                prop_assert_eq!((offering, answering), (Encryption::Optional, Encryption::Off));
            }
            (None, _, None) => prop_assert_eq!((offering, answering), (Encryption::Required, Encryption::Off)),
            (ours, theirs, _) => prop_assert!(false, "{ours:?} {theirs:?}"),
        }
    }
}
