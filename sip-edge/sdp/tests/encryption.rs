//! Keys in descriptions (RFC 4568): who offers what, who answers what, and that no key passes from
//! leg to leg.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::{LegSecurity, SrtpSuite};
use sdp::{
    AnchorOptions, AudioStream, CryptoAttribute, Encryption, OriginState, Role, SdpError,
    SessionDescription, leg_security, media_plan_leg,
};
use support::{description, text, towards_b};

const KEY: &str = "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
const OTHER_KEY: &str = "inline:HRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";

fn stream(proto: &str, lines: &str) -> String {
    format!("m=audio 4000 {proto} 0\na=rtpmap:0 PCMU/8000\n{lines}")
}

fn body(streams: &str) -> SessionDescription {
    text(&format!("v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n{streams}"))
}

fn secure(proto: &str) -> SessionDescription {
    body(&stream(proto, &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n")))
}

/// A leg that we write to, with its generator.
struct Leg {
    origin: OriginState,
    drawn: u64,
}

impl Leg {
    fn new(encryption: Encryption) -> Self {
        let mut origin = OriginState::new(7);
        origin.start_leg(encryption);
        Leg { origin, drawn: 0 }
    }

    fn write(
        &mut self,
        received: &SessionDescription,
        role: Role<'_>,
    ) -> Result<SessionDescription, SdpError> {
        let Leg { origin, drawn } = self;
        let mut draw = || {
            *drawn += 1;
            drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let options = AnchorOptions::default();
        let body = sdp::anchor(received, &towards_b(), origin, role, &options, &mut draw)?;
        let written = description(&body).for_leg(origin.encryption());
        assert_eq!(written.audio().as_ref(), origin.last_audio(), "what we think we wrote");
        Ok(written)
    }

    fn offer(&mut self, received: &SessionDescription) -> SessionDescription {
        self.write(received, Role::Offer).expect("an offer")
    }

    fn answer(&mut self, to: &SessionDescription) -> SessionDescription {
        let plain = body(&stream("RTP/AVP", ""));
        let to = to.clone().for_leg(self.origin.encryption());
        let answer = self.write(&plain, Role::Answer { to: &to, at: Some(0) }).expect("an answer");
        let security = leg_security(to.audio_ref(), answer.audio_ref());
        self.origin.note_security(&security.expect("settled"));
        answer
    }
}

fn lines(description: &SessionDescription) -> Vec<String> {
    let written = String::from_utf8(description.write()).expect("text");
    written
        .lines()
        .filter(|l| l.starts_with("m=") || l.contains("crypto"))
        .map(str::to_owned)
        .collect()
}

fn crypto(description: &SessionDescription) -> Vec<CryptoAttribute> {
    description.audio().map(|audio| audio.crypto).unwrap_or_default()
}

#[test]
fn each_policy_offers_its_own_form() {
    let plain = body(&stream("RTP/AVP", ""));
    for (policy, proto, keys) in [
        (Encryption::Off, "RTP/AVP", 0),
        (Encryption::Mirror, "RTP/AVP", 0),
        (Encryption::Optional, "RTP/AVP", 5),
        (Encryption::Required, "RTP/SAVP", 5),
    ] {
        let mut leg = Leg::new(policy);
        let sent = leg.offer(&plain);
        let lines = lines(&sent);
        assert_eq!(lines[0], format!("m=audio 20002 {proto} 0"));
        let offered = crypto(&sent);
        assert_eq!((offered.len(), lines.len()), (keys, keys + 1), "{lines:?}");
        assert_eq!(
            offered.iter().map(CryptoAttribute::tag).collect::<Vec<_>>(),
            (1..).take(keys).collect::<Vec<_>>()
        );
        let material: std::collections::HashSet<_> =
            offered.iter().map(|line| line.usable().expect("ours").master_key().to_vec()).collect();
        assert_eq!(material.len(), keys, "each suite has a key of its own");
        // Repeated, it is the same description; for another peer there are other keys.
        assert_eq!(leg.offer(&plain), sent);
        leg.origin.start_leg(policy);
        assert_eq!(leg.offer(&plain) == sent, keys == 0);
    }
    let mut feedback = Leg::new(Encryption::Required);
    assert_eq!(
        lines(&feedback.offer(&body(&stream("RTP/AVPF", ""))))[0],
        "m=audio 20002 RTP/SAVPF 0"
    );
}

#[test]
fn the_offer_is_strongest_first_and_ends_with_what_everybody_has() {
    let sent = Leg::new(Encryption::Required).offer(&body(&stream("RTP/AVP", "")));
    let suites: Vec<SrtpSuite> = crypto(&sent).iter().map(CryptoAttribute::suite).collect();
    assert_eq!(suites.first(), Some(&SrtpSuite::AeadAes256Gcm));
    assert_eq!(suites[3..], [SrtpSuite::AesCm128HmacSha1_80, SrtpSuite::AesCm128HmacSha1_32]);
}

#[test]
fn srtp_is_answered_with_the_offers_profile_and_the_chosen_lines_tag() {
    for proto in ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF"] {
        for policy in [Encryption::Mirror, Encryption::Optional, Encryption::Required] {
            let offer = body(&stream(
                proto,
                &format!(
                    "a=crypto:4 F8_128_HMAC_SHA1_80 {KEY}\n\
                     a=crypto:7 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTP\n\
                     a=crypto:5 AES_CM_128_HMAC_SHA1_80 {KEY}|1:4;{KEY}|2:4\n\
                     a=crypto:6 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:128\n\
                     a=crypto:9 AES_CM_128_HMAC_SHA1_32 {KEY}|2^31|1:4\n\
                     a=crypto:2 AES_CM_128_HMAC_SHA1_80 {KEY}\n"
                ),
            ));
            let answer = Leg::new(policy).answer(&offer);
            assert_eq!(lines(&answer)[0], format!("m=audio 20002 {proto} 0"));
            let chosen = crypto(&answer);
            assert_eq!(chosen.len(), 1);
            assert_eq!((chosen[0].tag(), chosen[0].suite()), (9, SrtpSuite::AesCm128HmacSha1_32));
            assert!(!lines(&answer)[1].contains(KEY), "our own key");
        }
    }
}

#[test]
fn policies_refuse_what_they_must() {
    let none = |offer: &SessionDescription, policy| offer.clone().for_leg(policy).audio().is_none();
    let plain = body(&stream("RTP/AVP", ""));
    assert!(none(&plain, Encryption::Required));
    assert!(!none(&plain, Encryption::Mirror));
    assert!(none(&secure("RTP/SAVP"), Encryption::Off));
    assert!(!none(&secure("RTP/AVP"), Encryption::Off), "optional SRTP may be answered plain");
    assert!(!none(&secure("RTP/AVP"), Encryption::Required), "and may be answered with SRTP");
    let answer = Leg::new(Encryption::Off).answer(&secure("RTP/AVP"));
    assert_eq!(lines(&answer), ["m=audio 20002 RTP/AVP 0"]);
    for unusable in [
        stream("RTP/SAVP", ""),
        stream("RTP/SAVP", &format!("a=crypto:1 AES_192_CM_HMAC_SHA1_80 {KEY}\n")),
        stream("RTP/SAVP", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=8\n")),
        stream("RTP/SAVPF", "a=fingerprint:sha-256 00:11\na=setup:actpass\n"),
        stream("UDP/TLS/RTP/SAVP", "a=fingerprint:sha-256 00:11\na=setup:actpass\n"),
        stream("UDP/TLS/RTP/SAVPF", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n")),
        format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n{}", stream("RTP/SAVP", "")),
    ] {
        for policy in
            [Encryption::Off, Encryption::Mirror, Encryption::Optional, Encryption::Required]
        {
            assert!(none(&body(&unusable), policy), "{policy:?}: {unusable}");
        }
    }
}

#[test]
fn of_twins_the_policy_picks_one_and_the_other_is_declined_in_its_place() {
    let keys = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n");
    let [plain, secure] = [stream("RTP/AVP", ""), stream("RTP/SAVP", &keys)];
    for (policy, encrypted) in [
        (Encryption::Off, false),
        (Encryption::Mirror, true),
        (Encryption::Optional, true),
        (Encryption::Required, true),
    ] {
        for plain_first in [false, true] {
            let offer = body(&if plain_first {
                format!("{plain}{secure}")
            } else {
                format!("{secure}{plain}")
            })
            .for_leg(policy);
            let picked = usize::from(plain_first == encrypted);
            assert_eq!(offer.audio().expect("audio").index, picked);
            let to_b = Leg::new(Encryption::Off).offer(&offer);
            assert_eq!(to_b.audio().expect("audio").index, 0, "first, for simple answerers");
            assert_eq!(to_b.media_count(), 2);
            let answer = Leg::new(policy).answer(&offer);
            let protos = if plain_first { ["AVP", "SAVP"] } else { ["SAVP", "AVP"] };
            let m: Vec<String> =
                lines(&answer).into_iter().filter(|line| line.starts_with("m=")).collect();
            for (index, proto) in protos.into_iter().enumerate() {
                let port = if index == picked { 20002 } else { 0 };
                assert_eq!(m[index], format!("m=audio {port} RTP/{proto} 0"));
            }
            assert_eq!(crypto(&answer).len(), usize::from(encrypted));
        }
    }
}

#[test]
fn a_stream_keeps_its_place_when_the_other_side_offers_later() {
    let keys = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n");
    let twins = body(&format!("{}{}", stream("RTP/AVP", ""), stream("RTP/SAVP", &keys)));
    let mut a = Leg::new(Encryption::Mirror);
    let first = a.answer(&twins);
    let from_b = body(&format!("{}m=audio 0 RTP/AVP 0\n", stream("RTP/AVP", "")));
    let again = a.offer(&from_b);
    assert_eq!(lines(&again)[0], "m=audio 0 RTP/AVP 0");
    assert_eq!(lines(&again)[1], "m=audio 20002 RTP/SAVP 0");
    assert_eq!(crypto(&again), crypto(&first), "the key stays");
}

fn audio(description: &SessionDescription) -> AudioStream {
    description.audio().expect("audio")
}

/// An answer of a peer to `offer`: the line of `suite` under `tag`, with `key`.
fn peer_answers(proto: &str, tag: u32, suite: SrtpSuite, key: &str) -> AudioStream {
    audio(
        &body(&stream(proto, &format!("a=crypto:{tag} {suite} {key}\n")))
            .for_leg(Encryption::Optional),
    )
}

#[test]
fn keys_go_by_suite_also_when_the_tag_is_another() {
    let mut leg = Leg::new(Encryption::Required);
    let sent = audio(&leg.offer(&body(&stream("RTP/AVP", ""))));
    let ours = |suite| {
        let line = sent.crypto.iter().find(|line| line.suite() == suite).expect("offered");
        line.usable().expect("ours").clone()
    };
    for (tag, suite) in [
        (4, SrtpSuite::AesCm128HmacSha1_80),
        (1, SrtpSuite::AesCm128HmacSha1_80),
        (99, SrtpSuite::AesCm128HmacSha1_32),
    ] {
        let received = peer_answers("RTP/SAVP", tag, suite, KEY);
        let Some(LegSecurity::Sdes(keys)) = leg_security(Some(&received), Some(&sent)) else {
            panic!("{suite} under {tag}");
        };
        assert_eq!(keys.send, ours(suite));
        assert_eq!(Some(&keys.receive), received.crypto[0].usable().ok());
        let plan = media_plan_leg(Some(&received), Some(&sent), None, None);
        assert_eq!(plan.security, LegSecurity::Sdes(keys));
        assert!(plan.accepts_from && plan.sends_to);
    }
}

#[test]
fn two_lines_of_one_suite_are_told_apart_by_tag() {
    let offer = body(&stream(
        "RTP/SAVP",
        &format!(
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY} FEC_ORDER=FEC_SRTP\n\
             a=crypto:2 AES_CM_128_HMAC_SHA1_80 {OTHER_KEY}\n\
             a=crypto:3 AES_CM_128_HMAC_SHA1_80 {KEY}\n"
        ),
    ))
    .for_leg(Encryption::Mirror);
    let answer = Leg::new(Encryption::Mirror).answer(&offer);
    let received = audio(&offer);
    let security = leg_security(Some(&received), answer.audio_ref());
    let Some(LegSecurity::Sdes(keys)) = security else { panic!("agreed") };
    assert_eq!(Some(&keys.receive), received.crypto[0].usable().ok());
    assert_eq!(received.crypto[0].tag(), 2);
}

#[test]
fn what_is_not_agreed_stops_the_stream_rather_than_pass_plain() {
    let required = audio(&Leg::new(Encryption::Required).offer(&body(&stream("RTP/AVP", ""))));
    let optional = audio(&Leg::new(Encryption::Optional).offer(&body(&stream("RTP/AVP", ""))));
    let plain = audio(&body(&stream("RTP/AVP", "")));
    let unknown = peer_answers(
        "RTP/SAVP",
        1,
        SrtpSuite::AesCm256HmacSha1_32,
        &format!("{KEY}Hh8gISIjJCUmJygpKissLQ=="),
    );
    for (received, sent) in [
        (None, Some(&required)),
        (None, Some(&optional)),
        (Some(&plain), Some(&required)),
        (Some(&unknown), Some(&required)),
        (Some(&unknown), Some(&optional)),
        (Some(&unknown), Some(&plain)),
        (Some(&unknown), None),
    ] {
        assert_eq!(leg_security(received, sent), None);
        let plan = media_plan_leg(received, sent, None, None);
        assert!(!plan.accepts_from && !plan.sends_to);
    }
    assert_eq!(leg_security(Some(&plain), Some(&optional)), Some(LegSecurity::Plain), "RFC 8643");
    assert_eq!(leg_security(Some(&plain), Some(&plain)), Some(LegSecurity::Plain));
}

#[test]
fn a_peer_that_changes_its_key_gets_another_of_ours_and_one_that_does_not_keeps_it() {
    let offer = |key: &str, direction: &str| {
        let lines = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}\na={direction}\n");
        body(&stream("RTP/SAVP", &lines))
    };
    let mut leg = Leg::new(Encryption::Mirror);
    let first = crypto(&leg.answer(&offer(KEY, "sendrecv")));
    assert_eq!(crypto(&leg.answer(&offer(KEY, "sendonly"))), first, "hold");
    assert_eq!(crypto(&leg.answer(&offer(KEY, "sendrecv"))), first, "resume");
    let rekeyed = crypto(&leg.answer(&offer(OTHER_KEY, "sendrecv")));
    assert_ne!(rekeyed, first);
    assert_eq!(crypto(&leg.answer(&offer(OTHER_KEY, "sendrecv"))), rekeyed);
}

#[test]
fn a_withdrawn_offer_leaves_the_keys_as_they_were() {
    let mut leg = Leg::new(Encryption::Optional);
    let first = leg.offer(&body(&stream("RTP/AVP", "")));
    let before = leg.origin.clone();
    let held = leg.offer(&body(&stream("RTP/AVP", "a=sendonly\n")));
    assert_eq!(crypto(&held), crypto(&first), "a hold keeps the keys");
    leg.origin = before;
    assert_eq!(leg.offer(&body(&stream("RTP/AVP", ""))), first);
}

#[test]
fn nothing_of_keys_handshakes_or_connectivity_passes() {
    let offer = body(&stream(
        "RTP/SAVP",
        &format!(
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n\
             a=cryptoscale:1 client AES_CM_128_HMAC_SHA1_80 {KEY}\n\
             a=cpar: a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n\
             a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\n\
             a=X-keys:{KEY}\na=X-KEYS:{}\n\
             a=fingerprint:sha-256 00:11\na=setup:actpass\na=tls-id:abc\na=dtls-id:abc\n\
             a=ice-ufrag:abcd\na=ice-pwd:efgh\na=ice-options:trickle\na=ice-lite\n\
             a=candidate:1 1 UDP 1 192.0.2.10 4000 typ host\n",
            KEY.replace("inline", "INLINE")
        ),
    ))
    .for_leg(Encryption::Mirror);
    let sent = Leg::new(Encryption::Off).offer(&offer);
    let written = String::from_utf8(sent.write()).expect("text");
    assert_eq!(
        written.split("m=audio").nth(1),
        Some(" 20002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n")
    );
    assert!(!format!("{offer:?}{:?}", OriginState::new(1)).contains("AAEC"), "nor does printing");
}
