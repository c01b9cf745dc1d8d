//! What a meeting room that takes sound alone answers to what room devices offer (`tests/corpus/rooms`, and
//! others).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use model::{LegSecurity, LocalMedia, MediaType, PictureContent, RoomLinePart};
use sdp::{
    AnchorOptions, Encryption, Limits, OriginState, PictureTerms, Role, SessionDescription, anchor,
    leg_security, room_lines,
};
use std::net::SocketAddr;

const LIMITS: Limits = Limits { bytes: 65_000, media: 16, lines: 1000 };

fn corpus(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/");
    std::fs::read_to_string(format!("{folder}{name}.sdp")).unwrap()
}

fn seen(offer: &str, encryption: Encryption) -> SessionDescription {
    SessionDescription::parse(offer.as_bytes(), &LIMITS).unwrap().for_leg(encryption)
}

/// The answer of a room, and whether its sound is encrypted; `None` where there is no sound.
fn answer(offer: &str, encryption: Encryption) -> Option<(String, bool)> {
    let offer = seen(offer, encryption).in_room(&[]);
    offer.audio_ref()?;
    let at = |port| SocketAddr::from(([203, 0, 113, 1], port));
    let local = LocalMedia { rtp: at(20_000), rtcp: at(20_001) };
    let mut origin = OriginState::new(5);
    origin.start_leg(encryption);
    let spoken = offer.spoken_in_room(&[], PictureTerms::default());
    let (role, options) = (Role::Answer { to: &offer, at: None }, AnchorOptions::default());
    let body = anchor(&spoken, &local, &mut origin, role, &options, &mut || 7).unwrap();
    let security = leg_security(offer.audio_ref(), origin.last_audio())
        .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&body)));
    Some((String::from_utf8(body).unwrap(), security != LegSecurity::Plain))
}

fn lines(body: &str) -> Vec<(String, u16, String)> {
    let line = |text: &str| {
        let mut words = text.split(' ');
        let (media, port, proto) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        Some((media.to_owned(), port, proto.to_owned()))
    };
    body.lines()
        .filter_map(|text| text.strip_prefix("m=").map(|text| line(text).unwrap()))
        .collect()
}

/// Each file, the line that is taken of it, in which formats, and whether it has keys.
const DEVICES: [(&str, usize, &str, bool); 9] = [
    ("rooms/codec-with-slides", 0, "9 101", true),
    ("rooms/group-series-optional", 0, "9 119", true),
    ("rooms/encryption-optional-line", 0, "9 97", true),
    ("rooms/pictures-first", 1, "9 124", true),
    ("rooms/data-channel-of-a-series", 0, "111 101", true),
    ("rooms/old-without-keys", 0, "9", false),
    ("offers/room-system-twins-with-video", 0, "9 100", true),
    ("sdp/poly-video-offer", 0, "9 127", false),
    ("sdp/cisco-room-offer", 0, "9 101", false),
];

#[test]
fn every_line_of_every_device_is_answered_in_its_place() {
    for (name, sound, formats, has_keys) in DEVICES {
        let offer = corpus(name);
        let (body, encrypted) = answer(&offer, Encryption::Mirror).unwrap();
        assert_eq!(encrypted, has_keys, "{name}\n{body}");
        let (theirs, ours) = (lines(&offer), lines(&body));
        assert_eq!(theirs.len(), ours.len(), "{name}\n{body}");
        for (index, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
            assert_eq!((&theirs.0, &theirs.2), (&ours.0, &ours.2), "{name}\n{body}");
            assert_eq!(ours.1 != 0, index == sound, "{name}\n{body}");
        }
        let taken = body.split("m=").nth(sound + 1).unwrap();
        assert!(taken.lines().next().unwrap().ends_with(&format!(" {formats}")), "{name}\n{body}");
        // The keys of the line that is taken, and of none beside it.
        let keys = |text: &str| text.matches("a=crypto:").count();
        assert_eq!((keys(&body), keys(taken)), (usize::from(has_keys), usize::from(has_keys)));
        for foreign in ["b=", "a=content", "a=label", "a=encryption", "a=extmap", "192.0.2."] {
            assert!(!body.contains(foreign), "{foreign} in {name}\n{body}");
        }
        assert!(body.contains("a=sendrecv\r\n") && body.contains("a=ptime:20\r\n"), "{body}");
    }
}

#[test]
fn a_browser_that_gathers_its_addresses_later_is_heard() {
    let offer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 0 110\r\nc=IN IP4 0.0.0.0\r\n\
         a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Q451\r\na=ice-pwd:Oba9vSsQeeWU49Go1t0GVPSf\r\n\
         a=ice-options:trickle\r\n\
         a=fingerprint:sha-256 74:50:8D:B3:6E:96:DB:3E:93:CA:6B:F5:4C:DF:83:89:5F:E9:0D:23:9D:6F:\
         82:AF:D9:EF:C6:E2:F0:6A:73:09\r\na=setup:actpass\r\na=mid:0\r\na=sendrecv\r\n\
         a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=recvonly\r\n\
         a=rtpmap:96 VP8/90000\r\n";
    let offer = seen(offer, Encryption::Required).in_room(&[]);
    let spoken = offer.spoken_in_room(&[], PictureTerms::default());
    let audio = spoken.audio_ref().unwrap();
    assert!(!audio.held);
    assert_eq!(audio.direction.as_str(), "sendrecv");
}

#[test]
fn where_encryption_is_required_only_devices_without_keys_get_no_sound() {
    for (name, _, _, has_keys) in DEVICES {
        let answered = answer(&corpus(name), Encryption::Required);
        assert_eq!(answered.is_some_and(|(_, encrypted)| encrypted), has_keys, "{name}");
    }
}

#[test]
fn what_becomes_of_each_line_is_told() {
    let offer = seen(&corpus("rooms/data-channel-of-a-series"), Encryption::Required);
    let told: Vec<_> = room_lines(&offer, &offer.room_pictures(PictureTerms::default()))
        .into_iter()
        .map(|line| (line.media, line.content.as_deref().map(str::to_owned), line.part))
        .collect();
    let (sound, declined) = (RoomLinePart::Sound, RoomLinePart::Declined);
    let (video, application) = (Some(MediaType::Video), Some(MediaType::Application));
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(
        told,
        [
            (Some(MediaType::Audio), None, sound),
            (video, word("main"), RoomLinePart::Pictures(PictureContent::Main)),
            (application, None, declined),
            (video, word("slides"), RoomLinePart::Pictures(PictureContent::Slides)),
            (application, None, declined),
            (application, None, declined),
        ]
    );
    let offer = seen(&corpus("rooms/old-without-keys"), Encryption::Required);
    assert!(
        room_lines(&offer, &offer.room_pictures(PictureTerms::default()))
            .iter()
            .all(|line| line.part == declined),
        "no keys, no sound"
    );
}

fn audio(rest: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{rest}")
}

#[test]
fn the_best_format_is_taken_whatever_the_devices_order_is() {
    for (offered, taken) in [
        ("8 0", "0"),
        ("0 9 8", "9"),
        ("0 9 96 8\r\na=rtpmap:96 opus/48000/2", "96"),
        ("18 8\r\na=rtpmap:18 G729/8000", "8"),
        ("0 101\r\na=rtpmap:101 telephone-event/8000", "0 101"),
        (
            "96 0 97 98\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\n\
          a=rtpmap:98 telephone-event/48000",
            "96 98",
        ),
        ("96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000", "96 97"),
    ] {
        let offer = audio(&format!("m=audio 4000 RTP/AVP {offered}\r\n"));
        let (body, _) = answer(&offer, Encryption::Mirror).unwrap();
        assert!(body.contains(&format!("m=audio 20000 RTP/AVP {taken}\r\n")), "{offered}\n{body}");
    }
}

#[test]
fn a_line_in_formats_that_nobody_speaks_is_passed_over() {
    let siren = "m=audio 4000 RTP/AVP 115\r\na=rtpmap:115 G7221/32000\r\n";
    let offer = audio(&format!("{siren}m=audio 4002 RTP/AVP 0\r\n"));
    let (body, _) = answer(&offer, Encryption::Mirror).unwrap();
    assert!(body.contains("m=audio 0 RTP/AVP 115\r\nm=audio 20000 RTP/AVP 0\r\n"), "{body}");
    assert_eq!(answer(&audio(siren), Encryption::Mirror), None);
    assert_eq!(answer(&audio("m=audio 0 RTP/AVP 0\r\n"), Encryption::Mirror), None);
    assert_eq!(answer(&audio("m=video 4000 RTP/AVP 97\r\n"), Encryption::Mirror), None);
}

#[test]
fn hold_is_answered_with_hold() {
    for (theirs, ours) in
        [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")]
    {
        let offer = audio(&format!("m=audio 4000 RTP/AVP 0\r\na={theirs}\r\n"));
        let (body, _) = answer(&offer, Encryption::Mirror).unwrap();
        assert!(body.contains(&format!("a={ours}\r\n")), "{body}");
    }
}
