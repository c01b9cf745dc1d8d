//! What a meeting room that takes pictures answers to what devices and browsers offer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use model::{
    Fingerprint, FingerprintHash, LocalMedia, PictureContent, PictureFeedback, PictureFormat,
    RoomLinePart,
};
use sdp::{
    AnchorOptions, Encryption, FurtherLine, Limits, OriginState, PictureTerms, Role, RoomPicture,
    SessionDescription, anchor_lines, leg_security, room_lines,
};
use std::net::SocketAddr;

const MAIN: PictureContent = PictureContent::Main;
const SLIDES: PictureContent = PictureContent::Slides;
const TERMS: PictureTerms = PictureTerms { high_definition: false };

fn corpus(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/");
    std::fs::read_to_string(format!("{folder}{name}.sdp")).unwrap()
}

fn seen(offer: &str, encryption: Encryption) -> SessionDescription {
    let limits = Limits { bytes: 65_000, media: 16, lines: 1000 };
    SessionDescription::parse(offer.as_bytes(), &limits).unwrap().for_leg(encryption)
}

/// Ours for the line at this place.
fn local(index: usize) -> LocalMedia {
    let at = |port| SocketAddr::from(([203, 0, 113, 1], port));
    let port = 20_000 + 2 * index as u16;
    LocalMedia { rtp: at(port), rtcp: at(port + 1) }
}

/// What a room answers, with ports for every picture that it takes.
fn answer(offer: &str, encryption: Encryption) -> (Vec<RoomPicture>, String) {
    let offer = seen(offer, encryption);
    let pictures = offer.room_pictures(TERMS);
    let offer = offer.in_room(&pictures);
    let fingerprint = Fingerprint::new(FingerprintHash::Sha256, &[7; 32]);
    let mut origin = OriginState::new(5).with_fingerprint(fingerprint);
    origin.start_leg(encryption);
    let spoken = offer.spoken_in_room(&pictures, TERMS);
    let further: Vec<FurtherLine> = pictures
        .iter()
        .map(|one| FurtherLine { received: one.index, written: one.index, local: local(one.index) })
        .collect();
    let sound = local(offer.audio_ref().unwrap().index);
    let (role, options) = (Role::Answer { to: &offer, at: None }, AnchorOptions::default());
    let body = anchor_lines(&spoken, &sound, &further, &mut origin, role, &options, &mut || 7);
    for picture in &pictures {
        let theirs = offer.line_at(picture.index).unwrap().stream;
        let ours = origin.last_line(picture.index);
        assert!(leg_security(Some(&theirs), ours).is_some(), "keys of line {}", picture.index);
    }
    (pictures, String::from_utf8(body.unwrap()).unwrap())
}

/// The `m=` sections of a description, the session's part first.
fn sections(body: &str) -> Vec<String> {
    body.split("\r\nm=").map(|text| format!("{text}\r\n")).collect()
}

/// A picture in short: where, what for, payload type and what is to be sent.
fn short(picture: &RoomPicture) -> (usize, PictureContent, u8, String) {
    let sends = match &picture.format {
        PictureFormat::H264 { sends, .. } => sends.replace("profile-level-id=", ""),
        PictureFormat::Vp8 => "VP8".to_owned(),
    };
    (picture.index, picture.content, picture.payload_type, sends)
}

type Taken = &'static [(usize, PictureContent, u8, &'static str)];

/// Each file, what a room takes of it, and whether it has keys.
const DEVICES: [(&str, Taken, bool); 13] = [
    (
        "rooms/codec-with-slides",
        &[
            (1, MAIN, 97, "428016;packetization-mode=0"),
            (3, SLIDES, 97, "428014;packetization-mode=0"),
        ],
        true,
    ),
    ("rooms/group-series-optional", &[(1, MAIN, 111, "42801e;packetization-mode=0")], true),
    (
        "rooms/encryption-optional-line",
        &[
            (1, MAIN, 104, "428016;packetization-mode=0"),
            (2, SLIDES, 104, "428016;packetization-mode=0"),
        ],
        true,
    ),
    ("rooms/pictures-first", &[(0, MAIN, 98, "42e01e;packetization-mode=0")], false),
    (
        "rooms/data-channel-of-a-series",
        &[
            (1, MAIN, 97, "42801e;packetization-mode=0"),
            (3, SLIDES, 126, "64001f;packetization-mode=1"),
        ],
        true,
    ),
    ("rooms/old-without-keys", &[], false),
    ("offers/room-system-twins-with-video", &[(2, MAIN, 97, "42000a;packetization-mode=0")], true),
    ("sdp/poly-video-offer", &[(1, MAIN, 109, "42800d;packetization-mode=0")], false),
    (
        "sdp/cisco-room-offer",
        &[
            (1, MAIN, 97, "428016;packetization-mode=0"),
            (3, SLIDES, 97, "428014;packetization-mode=0"),
        ],
        false,
    ),
    (
        "sdp/room-offer",
        &[
            (2, MAIN, 97, "428016;packetization-mode=0"),
            (3, SLIDES, 97, "42000a;packetization-mode=0"),
        ],
        false,
    ),
    ("sdp/baresip-video-offer", &[(1, MAIN, 96, "42e01e;packetization-mode=0")], false),
    ("sdp/linphone-video-offer", &[(1, MAIN, 98, "42801e;packetization-mode=0")], false),
    (
        "sdp/browser-video-offer",
        &[(1, MAIN, 102, "42001e;packetization-mode=1;level-asymmetry-allowed=1")],
        true,
    ),
];

#[test]
fn one_camera_and_one_of_slides_are_taken_of_every_device() {
    for (name, taken, has_keys) in DEVICES {
        let offer = corpus(name);
        let (pictures, body) = answer(&offer, Encryption::Mirror);
        let found: Vec<_> = pictures.iter().map(short).collect();
        let wanted: Vec<_> =
            taken.iter().map(|(at, of, pt, sends)| (*at, *of, *pt, (*sends).to_owned())).collect();
        assert_eq!(found, wanted, "{name}\n{body}");
        let offered = offer.replace("\r\n", "\n").replace('\n', "\r\n");
        let (theirs, ours) = (sections(&offered), sections(&body));
        assert_eq!(theirs.len(), ours.len(), "{name}\n{body}");
        for picture in &pictures {
            let (theirs, ours) = (&theirs[picture.index + 1], &ours[picture.index + 1]);
            let (port, payload_type) = (local(picture.index).rtp.port(), picture.payload_type);
            let proto = theirs.split(' ').nth(2).unwrap();
            assert!(
                ours.starts_with(&format!("video {port} {proto} {payload_type}\r\n")),
                "{ours}"
            );
            assert_eq!(ours.matches("a=rtpmap:").count(), 1, "{ours}");
            let keys = ours.matches("a=crypto:").count() + ours.matches("a=fingerprint:").count();
            assert_eq!(keys, usize::from(has_keys), "{name}\n{ours}");
            for line in ["a=content:", "a=label:", "a=mid:"] {
                let of = |text: &str| {
                    text.lines().find(|said| said.starts_with(line)).map(str::to_owned)
                };
                assert_eq!(of(theirs), of(ours), "{name}");
            }
            let limit = if picture.content == MAIN {
                "b=AS:715\r\nb=TIAS:650000\r\n"
            } else {
                "b=AS:1320\r\nb=TIAS:1200000\r\n"
            };
            assert!(ours.contains(limit), "{name}\n{ours}");
            assert!(ours.contains("a=sendrecv\r\n"), "{name}\n{ours}");
        }
        for foreign in ["group:", "extmap", "msid", "max-mbps", "imageattr", "rtx", "192.0.2."] {
            assert!(!body.contains(foreign), "{foreign} in {name}\n{body}");
        }
        // Everything else is declined.
        let open = ours.iter().skip(1).filter(|text| text.split(' ').nth(1) != Some("0")).count();
        assert_eq!(open, 1 + pictures.len(), "{name}\n{body}");
        let parts = room_lines(&seen(&offer, Encryption::Mirror), &pictures);
        let is_picture = |part| matches!(part, RoomLinePart::Pictures(_));
        assert_eq!(parts.iter().filter(|line| is_picture(line.part)).count(), pictures.len());
    }
}

#[test]
fn where_encryption_is_required_pictures_have_keys_too() {
    for (name, taken, _) in DEVICES {
        let offer = seen(&corpus(name), Encryption::Required);
        let pictures = offer.room_pictures(TERMS);
        let keyed = |picture: &RoomPicture| {
            offer.line_at(picture.index).is_some_and(|line| line.stream.has_keys())
        };
        assert!(pictures.iter().all(keyed), "{name}");
        assert!(pictures.len() <= taken.len(), "{name}");
    }
    let offer = seen(&corpus("rooms/pictures-first"), Encryption::Required);
    assert!(
        offer.audio_ref().is_some() && offer.room_pictures(TERMS).is_empty(),
        "sound alone has keys"
    );
}

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\n";

fn pictures(rest: &str) -> Vec<RoomPicture> {
    seen(&format!("{HEAD}{rest}"), Encryption::Mirror).room_pictures(TERMS)
}

#[test]
fn feedback_is_answered_as_it_was_offered() {
    let line = "m=video 4002 RTP/AVPF 97\r\na=rtpmap:97 H264/90000\r\n\
        a=fmtp:97 profile-level-id=42e01f\r\n";
    let all =
        PictureFeedback { nack: true, pli: true, fir: true, remb: true, tmmbr: true, info: false };
    let none = PictureFeedback { info: true, ..PictureFeedback::default() };
    for (offered, read, written) in [
        ("", none, vec![]),
        ("a=rtcp-fb:* nack\r\n", PictureFeedback { nack: true, ..none }, vec!["* nack"]),
        ("a=rtcp-fb:96 nack pli\r\n", none, vec![]),
        (
            "a=rtcp-fb:* ccm fir tmmbr\r\n",
            PictureFeedback { fir: true, tmmbr: true, ..PictureFeedback::default() },
            vec!["* ccm fir", "* ccm tmmbr"],
        ),
        (
            "a=rtcp-fb:97 NACK PLI\r\na=rtcp-fb:97 nack \r\na=rtcp-fb:97 ccm tmmbr smaxpr=120\r\n\
             a=rtcp-fb:97 goog-remb\r\na=rtcp-fb:97 transport-cc\r\na=rtcp-fb:97 ccm fir\r\n",
            all,
            vec!["97 nack pli", "97 nack", "97 ccm tmmbr", "97 goog-remb", "97 ccm fir"],
        ),
    ] {
        let offer = format!("{HEAD}{line}{offered}");
        let (pictures, body) = answer(&offer, Encryption::Mirror);
        assert_eq!(pictures[0].feedback, read, "{offered}");
        let said: Vec<&str> =
            body.lines().filter_map(|line| line.strip_prefix("a=rtcp-fb:")).collect();
        assert_eq!(said, written, "{offered}");
    }
}

#[test]
fn the_first_camera_and_the_first_slides_that_can_be_taken() {
    let line = |port: u16, format: &str, content: &str| {
        format!("m=video {port} RTP/AVP 97\r\na=rtpmap:97 {format}\r\na={content}\r\n")
    };
    let vp8 = |port, content| line(port, "VP8/90000", content);
    let places = |lines: &[String]| -> Vec<(usize, PictureContent)> {
        pictures(&lines.concat()).iter().map(|one| (one.index, one.content)).collect()
    };
    let (main, slides) = ("content:main", "content:slides");
    assert_eq!(places(&[vp8(4002, slides), vp8(4004, main)]), [(1, SLIDES), (2, MAIN)]);
    assert_eq!(places(&[vp8(4002, "x"), vp8(4004, main), vp8(4006, "content:alt")]), [(1, MAIN)]);
    assert_eq!(
        places(&[vp8(4002, "content:alt"), vp8(4004, "content:slides,main")]),
        [(2, SLIDES)]
    );
    assert_eq!(
        places(&[vp8(0, main), line(4004, "H263/90000", main), vp8(4006, main)]),
        [(3, MAIN)]
    );
    assert_eq!(places(&[line(4002, "VP8/8000", main), line(4004, "VP8", main)]), []);
    // Without sound there are none.
    let silent = HEAD.replace("m=audio 4000 RTP/AVP 0", "m=audio 4000 RTP/AVP 3");
    let offer = seen(&format!("{silent}{}", vp8(4002, main)), Encryption::Mirror);
    assert_eq!(offer.room_pictures(TERMS), []);
}

#[test]
fn the_format_that_everybody_can_be_given_is_taken() {
    let of = |formats: &[(u8, &str, &str)]| {
        let list: Vec<String> = formats.iter().map(|(pt, ..)| pt.to_string()).collect();
        let mut line = format!("m=video 4002 RTP/AVP {}\r\n", list.join(" "));
        for (pt, name, parameters) in formats {
            line += &format!("a=rtpmap:{pt} {name}/90000\r\na=fmtp:{pt} {parameters}\r\n");
        }
        pictures(&line).first().map(|picture| picture.payload_type)
    };
    let (high, mode_1) = (
        "profile-level-id=64001f;packetization-mode=1",
        "profile-level-id=42e01f;packetization-mode=1",
    );
    assert_eq!(of(&[(96, "VP8", ""), (97, "H264", high)]), Some(97), "devices have no VP8");
    assert_eq!(of(&[(97, "H264", high), (98, "h264", mode_1)]), Some(98));
    assert_eq!(of(&[(98, "H264", mode_1), (99, "H264", "profile-level-id=42801f")]), Some(99));
    assert_eq!(of(&[(98, "H264", "packetization-mode=2"), (96, "VP8", "max-fr=30")]), Some(96));
    assert_eq!(of(&[(98, "H264", &"x".repeat(4_097))]), None, "too long to be read");
    assert_eq!(of(&[(98, "H265", mode_1)]), None);
}

#[test]
fn a_device_answers_in_the_format_that_it_sends() {
    let line = "m=video 4002 RTP/AVP 103 102\r\na=rtpmap:102 H264/90000\r\na=rtpmap:103 H264/90000\r\n\
        a=fmtp:102 profile-level-id=42e01f\r\n\
        a=fmtp:103 profile-level-id=42e01f;packetization-mode=1\r\n";
    let described = seen(&format!("{HEAD}{line}"), Encryption::Mirror);
    assert_eq!(described.room_pictures(TERMS)[0].payload_type, 102);
    assert_eq!(described.answered_pictures(&described, TERMS)[0].payload_type, 103);
}

#[test]
fn what_a_line_is_for_is_what_was_offered() {
    let camera = |port: u16, said: &str| {
        format!("m=video {port} RTP/AVP 103\r\na=rtpmap:103 H264/90000\r\n{said}")
    };
    let (main, slides) = ("a=content:main\r\n", "a=content:slides\r\na=label:2\r\n");
    let floor = |port: u16, said: &str| format!("m=application {port} UDP/BFCP *\r\n{said}");
    let server = "a=floorctrl:s-only\r\na=confid:7\r\na=userid:1\r\na=floorid:1 mstrm:2\r\n";
    let ours =
        format!("{HEAD}{}{}{}", camera(4002, main), camera(4004, slides), floor(5070, server));
    let ours = seen(&ours, Encryption::Mirror);
    let taken = |lines: [&str; 3]| -> Vec<PictureContent> {
        let answer = seen(&format!("{HEAD}{}", lines.concat()), Encryption::Mirror);
        let pictures = answer.answered_pictures(&ours, TERMS);
        pictures.iter().map(|picture| picture.content).collect()
    };
    let (yes, no) = (floor(5070, "a=floorctrl:c-only\r\n"), floor(0, ""));
    let (both, first) = (vec![MAIN, SLIDES], vec![MAIN]);
    // In these words, or by taking the floor of it.
    assert_eq!(taken([&camera(6002, main), &camera(6004, slides), &no]), both);
    assert_eq!(taken([&camera(6002, ""), &camera(6004, ""), &yes]), both);
    assert_eq!(taken([&camera(0, ""), &camera(6004, ""), &yes]), [SLIDES]);
    // A device that does not know what slides are sends its camera once.
    assert_eq!(taken([&camera(6002, ""), &camera(6004, ""), &no]), first);
    assert_eq!(taken([&camera(6002, ""), &camera(6004, ""), ""]), first);
    assert_eq!(taken([&camera(6002, main), &camera(6004, main), &no]), first);
    let server = floor(5070, "a=floorctrl:s-only\r\n");
    assert_eq!(taken([&camera(6002, ""), &camera(6004, ""), &server]), first);
    // What it says of the camera's line is no reason to take it for anything else.
    assert_eq!(taken([&camera(6002, slides), &camera(0, ""), &no]), first);
    assert_eq!(taken(["", "", ""]), []);
}

#[test]
fn what_a_device_wants_to_receive_is_the_least_that_it_says() {
    let of = |session: &str, media: &str, parameters: &str| {
        let head = HEAD.replace("t=0 0\r\n", &format!("{session}t=0 0\r\n"));
        let line = format!(
            "m=video 4002 RTP/AVP 97\r\n{media}a=rtpmap:97 H264/90000\r\na=fmtp:97 {parameters}\r\n"
        );
        let described = seen(&format!("{head}{line}"), Encryption::Mirror);
        described.room_pictures(TERMS)[0].most_bits_per_second
    };
    assert_eq!(of("", "", "x=1"), None);
    assert_eq!(of("b=AS:384\r\n", "", ""), Some(384_000));
    assert_eq!(of("b=AS:384\r\n", "b=AS:512\r\n", "x=1"), Some(512_000));
    assert_eq!(of("", "b=AS:512\r\nb=TIAS:450000\r\n", "x=1"), Some(450_000));
    assert_eq!(of("", "b=TIAS:4000000\r\n", "max-br=1500"), Some(1_500_000));
    assert_eq!(of("", "b=AS:18446744073709551615\r\n", "x=1"), Some(u64::MAX));
}

#[test]
fn high_definition_is_another_level_and_bandwidth_of_the_camera() {
    let offer = seen(&corpus("rooms/data-channel-of-a-series"), Encryption::Required);
    let terms = PictureTerms { high_definition: true };
    let found: Vec<_> = offer.room_pictures(terms).iter().map(short).collect();
    let wanted = |index, content, payload_type, sends: &str| {
        (index, content, payload_type, sends.to_owned())
    };
    assert_eq!(
        found,
        [
            wanted(1, MAIN, 97, "42801f;packetization-mode=0"),
            wanted(3, SLIDES, 126, "64001f;packetization-mode=1"),
        ]
    );
    assert_eq!([MAIN, SLIDES].map(|content| terms.most(content)), [1_400_000, 1_200_000]);
}

#[test]
fn hold_of_a_picture_is_answered_with_hold() {
    for (theirs, ours) in
        [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")]
    {
        let line = format!("m=video 4002 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\na={theirs}\r\n");
        let (_, body) = answer(&format!("{HEAD}{line}"), Encryption::Mirror);
        let picture = sections(&body).pop().unwrap();
        assert!(picture.contains(&format!("a={ours}\r\n")), "{body}");
    }
}
