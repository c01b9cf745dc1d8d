//! What holds for every offer and answer, whatever they contain.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sdp::{AnchorOptions, OriginState, Role, SdpError, SessionDescription, same_media};
use std::net::IpAddr;
use support::{description, local, parse, towards_a, towards_b};

/// One `m=` section and the addresses that are in it.
#[derive(Clone, Debug)]
struct Section {
    text: String,
    addresses: Vec<IpAddr>,
}

/// Never one of ours, which are in 198.18.0.0/15 and 2001:2::/48.
fn inner_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1_u8..=126, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| IpAddr::from([a, b, c, d])),
        any::<[u16; 7]>()
            .prop_map(|[b, c, d, e, f, g, h]| { IpAddr::from([0xfd00, b, c, d, e, f, g, h]) }),
    ]
}

fn connection(ip: IpAddr) -> String {
    format!("IN {} {ip}", if ip.is_ipv4() { "IP4" } else { "IP6" })
}

/// Attribute lines; those with an address take `ip`.
fn attribute(ip: IpAddr) -> impl Strategy<Value = String> {
    let fixed = select(vec![
        "sendrecv",
        "sendonly",
        "recvonly",
        "inactive",
        "rtcp-mux",
        "ptime:20",
        "ptime:30",
        "ptime:4294967296",
        "maxptime:150",
        "rtpmap:0 PCMU/8000",
        "rtpmap:96 opus/48000/2",
        "rtpmap:101 telephone-event/8000",
        "fmtp:101 0-16",
        "fmtp:96 useinbandfec=1",
        "silenceSupp:off - - - -",
        "mid:1",
        "label:5",
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "setup:actpass",
        "fingerprint:sha-1 00:11",
        "ice-ufrag:a",
        "ice-pwd:b",
        "rtcp:9",
        "rtcp:99999",
        "X-vendor:whatever it is",
        "x",
        "",
        ":",
    ])
    .prop_map(str::to_owned);
    let addressed = select(vec![
        "rtcp:9000 IN IP4 {}",
        "rtcp:9000 IN IP6 {}",
        "candidate:1 1 UDP 1 {} 9000 typ host",
        "candidate:2 1 UDP 1 192.0.2.1 9 typ srflx raddr {} rport 9",
        "remote-candidates:1 {} 9",
        "ssrc:1 cname:user@{}",
        "X-host:{}",
        "X-uri:sip:a@{}:5060;x=y",
        "X-bracket:<sip:[{}]>",
        "source-filter: incl IN IP4 * {}",
        "altc:1 IP4 {} 9",
        "{}",
        "fmtp:0 host={};x",
    ])
    .prop_map(move |template| template.replace("{}", &ip.to_string()));
    prop_oneof![3 => fixed, 2 => addressed].prop_map(|value| format!("a={value}\r\n"))
}

fn section() -> impl Strategy<Value = Section> {
    let kind =
        select(vec!["audio", "audio", "audio", "AUDIO", "video", "image", "application", "text"]);
    let proto = select(vec!["RTP/AVP", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "udptl", "UDP/BFCP"]);
    let port = prop_oneof![4 => 1024_u16..=65535, 1 => Just(0_u16)];
    let formats = vec(select(vec!["0", "8", "9", "18", "96", "101", "127", "t38", "*"]), 1..5);
    (kind, proto, port, formats, any::<bool>(), inner_address()).prop_flat_map(
        |(kind, proto, port, formats, own_connection, ip)| {
            vec(attribute(ip), 0..12).prop_map(move |attributes| {
                let mut text = format!("m={kind} {port} {proto} {}\r\n", formats.join(" "));
                if own_connection {
                    text += &format!("c={}\r\n", connection(ip));
                }
                text += &attributes.concat();
                Section { text, addresses: vec![ip] }
            })
        },
    )
}

fn body() -> impl Strategy<Value = (String, Vec<IpAddr>)> {
    (inner_address(), inner_address(), any::<u32>(), vec(section(), 0..8)).prop_flat_map(
        |(origin, connected, version, sections)| {
            vec(attribute(connected), 0..4).prop_map(move |attributes| {
                let mut text = format!(
                    "v=0\r\no=user 1 {version} {}\r\ns=call from {origin}\r\ni={origin}\r\n\
                     u=http://{origin}/\r\ne=a@{origin}\r\nc={}\r\nb=AS:64\r\nt=0 0\r\n\
                     k=clear:{origin}\r\n",
                    connection(origin),
                    connection(connected),
                );
                text += &attributes.concat();
                let mut addresses = vec![origin, connected];
                for section in &sections {
                    text += &section.text;
                    addresses.extend(&section.addresses);
                }
                (text, addresses)
            })
        },
    )
}

/// What every description that we write has to be.
fn check_written(
    body: &[u8],
    ours: &model::LocalMedia,
    lines: usize,
    inner: &[IpAddr],
) -> Result<SessionDescription, TestCaseError> {
    let text = std::str::from_utf8(body).expect("UTF-8");
    let written = parse(body).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
    prop_assert_eq!(written.media_count(), lines, "{}", text);
    for address in inner {
        prop_assert!(!text.contains(&address.to_string()), "{address} leaks: {text}");
    }
    for line in text.lines() {
        let secret = ["a=crypto", "a=candidate", "a=ice-", "a=fingerprint", "a=setup", "a=ssrc"];
        prop_assert!(!secret.iter().any(|s| line.starts_with(s)), "{line}");
        if line.starts_with("c=") {
            let our_address = ours.rtp.ip().to_string();
            prop_assert_eq!(line.rsplit(' ').next(), Some(our_address.as_str()));
        }
    }
    let active = text.lines().filter(|l| l.starts_with("m=") && !l.contains(" 0 ")).count();
    prop_assert!(active <= 1, "{}", text);
    if let Some(audio) = written.audio() {
        prop_assert_eq!(audio.remote_rtp, Some(ours.rtp));
        prop_assert_eq!(audio.remote_rtcp, Some(ours.rtcp));
        let directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
        prop_assert_eq!(text.lines().filter(|l| directions.contains(l)).count(), 1);
    }
    Ok(written)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn offers_are_anchored_without_leaks((offer, inner) in body()) {
        let offer = description(offer.as_bytes());
        let mut origin = OriginState::new(5);
        let options = AnchorOptions::default();
        for ours in [towards_b(), local("[2001:2::9]:20002")] {
            match sdp::anchor(&offer, &ours, &mut origin, Role::Offer, &options, &mut support::no_keys) {
                Ok(body) => {
                    let sent = check_written(&body, &ours, offer.media_count(), &inner)?;
                    let (audio, theirs) = (sent.audio().unwrap(), offer.audio().unwrap());
                    // A line that cannot be relayed gives its place to the one that can.
                    prop_assert!(audio.index <= theirs.index);
                    prop_assert_eq!(audio.direction, theirs.direction);
                    prop_assert_eq!(audio.rtcp_mux, theirs.rtcp_mux);
                }
                Err(error) => {
                    prop_assert_eq!(error, SdpError::NoAudio);
                    prop_assert!(offer.audio().is_none());
                }
            }
        }
    }

    #[test]
    fn answers_fit_their_offers((offer, _) in body(), (answer, inner) in body()) {
        let (offer, answer) = (description(offer.as_bytes()), description(answer.as_bytes()));
        let role = Role::Answer { to: &offer, at: None };
        let ours = towards_a();
        let mut origin = OriginState::new(5);
        let body = sdp::anchor(&answer, &ours, &mut origin, role, &AnchorOptions::default(), &mut support::no_keys)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        // What the offerer put into its own declined m= lines may come back to it.
        let sent = check_written(&body, &ours, offer.media_count(), &inner)?;
        if let Some(audio) = sent.audio() {
            let offered = offer.audio().unwrap();
            prop_assert_eq!(audio.index, offered.index);
            prop_assert!(audio.direction.answers(offered.direction));
            prop_assert_eq!(audio.rtcp_mux, offered.rtcp_mux);
        }
    }

    #[test]
    fn the_version_is_idempotent((first, _) in body(), (second, _) in body()) {
        let mut origin = OriginState::new(5);
        let options = AnchorOptions::default();
        let mut previous: Option<(Vec<u8>, u64)> = None;
        for body in [&first, &first, &second, &second, &first] {
            let received = description(body.as_bytes());
            let written = sdp::anchor(&received, &towards_b(), &mut origin, Role::Offer, &options, &mut support::no_keys);
            let Ok(written) = written else { continue };
            let version = origin.origin().version;
            if let Some((last, last_version)) = previous.replace((written.clone(), version)) {
                let same = same_media(&description(&last), &description(&written));
                if same {
                    prop_assert_eq!(version, last_version);
                    prop_assert_eq!(&last, &written);
                } else {
                    prop_assert_eq!(version, last_version + 1);
                }
            }
        }
    }

    #[test]
    fn writing_and_reading_again_changes_nothing((body, _) in body()) {
        let once = description(body.as_bytes());
        let twice = description(&once.write());
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(once.write(), twice.write());
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn no_damage_to_a_description_causes_a_panic(
        (body, _) in body(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..12),
    ) {
        let mut bytes = body.into_bytes();
        for (at, byte, insert) in edits {
            let at = at.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        exercise(&bytes);
    }

    #[test]
    fn multipart_search_never_panics(bytes in "(--edge(--)?|[a-z:/ \r\n-]{0,12}|Content-Type: application/sdp\r\n\r\n){0,30}") {
        if let Some(found) = sdp::extract_sdp("multipart/mixed;boundary=edge", bytes.as_bytes()) {
            prop_assert!(!found.is_empty() && found.len() < bytes.len());
        }
    }
}

/// Everything that a body from outside reaches.
fn exercise(bytes: &[u8]) {
    let _ = sdp::extract_sdp("multipart/mixed;boundary=a", bytes);
    let Ok(read) = parse(bytes) else { return };
    let audio = read.audio();
    let _ = read.points_at(towards_a().rtp.ip(), 0..=65_535);
    let _ = sdp::media_plan_leg(audio.as_ref(), audio.as_ref(), None, None);
    let options = AnchorOptions::default();
    for role in [Role::Offer, Role::Answer { to: &read, at: None }] {
        let mut origin = OriginState::new(u64::MAX);
        if let Ok(body) =
            sdp::anchor(&read, &towards_b(), &mut origin, role, &options, &mut support::no_keys)
        {
            assert_eq!(description(&body).media_count(), read.media_count());
        }
    }
}
