//! Lines of floor control in what a meeting room answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use model::{FloorAccess, FloorPeer, FloorTransport, LocalMedia};
use sdp::{
    AnchorOptions, Encryption, FloorLine, FurtherLine, Limits, OriginState, PictureTerms, Role,
    SessionDescription, agreed_floor, anchor_lines,
};
use std::net::SocketAddr;

const LINE: &str = "m=application 5070 UDP/BFCP *\r\na=floorctrl:c-s\r\na=confid:1\r\n\
    a=floorid:2 mstrm:12\r\na=userid:20\r\na=setup:actpass\r\na=connection:new\r\n";
const SLIDES: &str = "m=video 6002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n\
    a=fmtp:97 profile-level-id=42e01f\r\na=content:slides\r\na=label:12\r\n";

fn access() -> FloorAccess {
    FloorAccess { address: "203.0.113.9:5070".parse().unwrap(), conference: 77, user: 5 }
}

/// Sound, a camera, and these lines.
fn offer(rest: &str) -> String {
    format!(
        "v=0\r\no=d 1 1 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n\
         m=audio 6000 RTP/AVP 0\r\nm=video 6004 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n\
         a=fmtp:97 profile-level-id=42e01f\r\na=content:main\r\n{rest}"
    )
}

/// The answer's sections, the session's part first, and who has floor control.
fn answer(offer: &str, access: FloorAccess) -> (Vec<String>, Option<FloorPeer>) {
    let offer = SessionDescription::parse(offer.as_bytes(), &Limits::default()).unwrap();
    let offer = offer.for_leg(Encryption::Optional);
    let floor = FloorLine::of(&offer, access);
    let pictures = offer.room_pictures(PictureTerms::default());
    let offer = offer.in_room(&pictures);
    let spoken = offer.spoken_in_room(&pictures, PictureTerms::default());
    let local = |index: usize| {
        let at = |port| SocketAddr::from(([203, 0, 113, 1], port));
        LocalMedia { rtp: at(20_000 + index as u16), rtcp: at(20_100 + index as u16) }
    };
    let further: Vec<FurtherLine> = pictures
        .iter()
        .map(|one| FurtherLine { received: one.index, written: one.index, local: local(one.index) })
        .collect();
    let mut origin = OriginState::new(5);
    origin.start_leg(Encryption::Optional);
    let options = AnchorOptions { floor: floor.clone(), ..AnchorOptions::default() };
    let role = Role::Answer { to: &offer, at: None };
    let sound = local(offer.audio_ref().unwrap().index);
    let body =
        anchor_lines(&spoken, &sound, &further, &mut origin, role, &options, &mut || 7).unwrap();
    let peer = floor.and_then(|floor| floor.agreed(&body));
    let text = String::from_utf8(body).unwrap();
    (text.split("\r\nm=").map(|section| section.trim_end().to_owned()).collect(), peer)
}

#[test]
fn floor_control_is_answered_beside_slides() {
    let (sections, peer) = answer(&offer(&format!("{LINE}{SLIDES}")), access());
    let expected = "application 5070 UDP/BFCP *\r\nc=IN IP4 203.0.113.9\r\na=floorctrl:s-only\r\n\
        a=confid:77\r\na=userid:5\r\na=floorid:1 mstrm:12";
    assert_eq!(sections[3], expected);
    assert!(sections[4].contains("\r\na=label:12"), "{}", sections[4]);
    let address = "192.0.2.77:5070".parse().unwrap();
    assert_eq!(peer, Some(FloorPeer { transport: FloorTransport::Udp, address }));
    // Where the media are, it needs no address of its own.
    let here = FloorAccess { address: "203.0.113.1:5070".parse().unwrap(), ..access() };
    let (sections, _) = answer(&offer(&format!("{SLIDES}{LINE}")), here);
    assert!(!sections[4].contains("c="), "{}", sections[4]);
    assert!(sections[4].contains("a=floorid:1 mstrm:12"), "{}", sections[4]);
}

#[test]
fn slides_without_a_label_get_one() {
    for label in ["", "a=label:\r\n", "a=label:a b\r\n"] {
        let slides = SLIDES.replace("a=label:12\r\n", label);
        let (sections, peer) = answer(&offer(&format!("{LINE}{slides}")), access());
        assert!(peer.is_some(), "{label}");
        let floor = sections[3].split("mstrm:").nth(1).unwrap();
        assert!(sections[4].contains(&format!("\r\na=label:{floor}")), "{sections:?}");
    }
}

#[test]
fn over_tcp_the_device_opens_the_connection() {
    let tcp = |setup: &str| {
        let line = LINE.replace("UDP/BFCP", "TCP/BFCP").replace("actpass", setup);
        answer(&offer(&format!("{line}{SLIDES}")), access())
    };
    for setup in ["actpass", "active"] {
        let (sections, peer) = tcp(setup);
        assert!(sections[3].ends_with("a=setup:passive\r\na=connection:new"), "{}", sections[3]);
        assert_eq!(peer.unwrap().transport, FloorTransport::Tcp);
    }
    for setup in ["passive", "holdconn"] {
        let (sections, peer) = tcp(setup);
        assert_eq!((&*sections[3], peer), ("application 0 TCP/BFCP *", None), "{setup}");
    }
    let existing = LINE.replace("UDP/BFCP", "TCP/BFCP").replace(":new", ":existing");
    let (sections, _) = answer(&offer(&format!("{existing}{SLIDES}")), access());
    assert!(sections[3].ends_with("a=connection:existing"), "{}", sections[3]);
}

#[test]
fn what_cannot_be_served_is_declined_in_its_place() {
    let muted = SLIDES.replace("6002", "0");
    let v6 = FloorAccess { address: "[2001:db8::9]:5070".parse().unwrap(), ..access() };
    let cases = [
        (LINE.to_owned(), access()),
        (format!("{LINE}{muted}"), access()),
        (format!("{LINE}{SLIDES}"), v6),
        (format!("{}{SLIDES}", LINE.replace("UDP/BFCP", "UDP/TLS/BFCP")), access()),
        (format!("{}{SLIDES}", LINE.replace("UDP/BFCP", "TCP/TLS/BFCP")), access()),
        (format!("{}{SLIDES}", LINE.replace("c-s", "s-only")), access()),
        (format!("{}{SLIDES}", LINE.replace("5070", "0")), access()),
        (format!("{}{SLIDES}", LINE.replace("application", "message")), access()),
        (format!("{LINE}a=bfcpver:1\r\n{SLIDES}"), access()),
        (
            format!("{}{SLIDES}", LINE.replace("*\r\n", "*\r\nc=IN IP4 room.example.com\r\n")),
            access(),
        ),
    ];
    for (rest, access) in cases {
        let (sections, peer) = answer(&offer(&rest), access);
        assert_eq!(peer, None, "{rest}");
        let line = sections[3].split("\r\n").next().unwrap();
        assert_eq!(line.split(' ').nth(1), Some("0"), "{rest}\n{sections:?}");
        assert_eq!(sections[3], line, "nothing is said of it");
    }
    // Of several the first that can be served.
    let both = format!("{}{LINE}{SLIDES}", LINE.replace("UDP/BFCP", "TCP/TLS/BFCP"));
    let (sections, peer) = answer(&offer(&both), access());
    assert!(sections[3].starts_with("application 0 ") && sections[4].contains("s-only"));
    assert!(peer.is_some());
}

/// An offer of the room's own: sound, a camera, slides with ports where `has_slides`, and the floor.
fn own_offer(has_slides: bool, access: FloorAccess) -> String {
    let line = "m=application 9 UDP/BFCP *\r\n";
    let own = offer(&format!("{SLIDES}{line}"));
    let own = SessionDescription::parse(own.as_bytes(), &Limits::default()).unwrap();
    let local = |port| {
        let at = |port| SocketAddr::from(([203, 0, 113, 1], port));
        LocalMedia { rtp: at(port), rtcp: at(port + 1) }
    };
    let places = if has_slides { 1..3 } else { 1..2 };
    let further: Vec<FurtherLine> = places
        .map(|at| FurtherLine { received: at, written: at, local: local(20_000 + 2 * at as u16) })
        .collect();
    let mut origin = OriginState::new(5);
    let floor = FloorLine::offered(&own, access);
    let options = AnchorOptions { floor: floor.clone(), ..AnchorOptions::default() };
    let (role, local) = (Role::Offer, local(20_000));
    let body = anchor_lines(&own, &local, &further, &mut origin, role, &options, &mut || 7);
    let body = body.unwrap();
    assert_eq!(floor.unwrap().agreed(&body), None, "nobody has agreed to anything yet");
    String::from_utf8(body).unwrap()
}

#[test]
fn floor_control_is_offered_beside_slides() {
    let section = |text: &str| text.split("\r\nm=").nth(4).unwrap().trim_end().to_owned();
    let expected = "application 5070 UDP/BFCP *\r\nc=IN IP4 203.0.113.9\r\na=floorctrl:s-only\r\n\
        a=confid:77\r\na=userid:5\r\na=floorid:1 mstrm:12";
    assert_eq!(section(&own_offer(true, access())), expected);
    // Without slides, or at an address of another family, there is none.
    let v6 = FloorAccess { address: "[2001:db8::9]:5070".parse().unwrap(), ..access() };
    let declined = "application 0 UDP/BFCP *";
    assert_eq!(section(&own_offer(false, access())), declined);
    assert_eq!(section(&own_offer(true, v6)), declined);
    let nothing = SessionDescription::parse(offer(SLIDES).as_bytes(), &Limits::default()).unwrap();
    assert_eq!(FloorLine::offered(&nothing, access()), None);
}

#[test]
fn who_answers_an_offer_has_the_floor_it_takes() {
    let read = |text: &str| SessionDescription::parse(text.as_bytes(), &Limits::default()).unwrap();
    let ours = read(&own_offer(true, access()));
    let agreed =
        |floor: &str, slides: &str| agreed_floor(&ours, &read(&offer(&[slides, floor].concat())));
    let line = LINE.replace("c-s", "c-only");
    let address = "192.0.2.77:5070".parse().unwrap();
    let peer = Some(FloorPeer { transport: FloorTransport::Udp, address });
    assert_eq!(agreed(&line, SLIDES), peer);
    assert_eq!(agreed("m=application 5070 UDP/BFCP *\r\n", SLIDES), peer, "a client, by default");
    assert_eq!(agreed(&line.replace("5070", "0"), SLIDES), None);
    assert_eq!(agreed(&line, &SLIDES.replace("6002", "0")), None, "a floor of nothing");
    assert_eq!(agreed(&line.replace("c-only", "s-only"), SLIDES), None);
    assert_eq!(agreed(&line.replace("UDP", "TCP"), SLIDES), None);
    assert_eq!(agreed("", SLIDES), None);
    assert_eq!(agreed(SLIDES, &line), None, "in another order");
    // What declines the floor itself has nobody.
    let declined = read(&own_offer(false, access()));
    assert_eq!(agreed_floor(&declined, &read(&offer(&format!("{SLIDES}{line}")))), None);
}
