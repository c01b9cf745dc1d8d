//! Devices that leave the offer to the meeting rooms: what they are offered, and what becomes of each
//! answer.

use crate::loss::{lose_each, rest};
use crate::room_pictures::{
    ALL, BOTH, CAMERA, LISTED, MAIN, NEITHER, SLIDES, begun, body_of, change, device, floor_line,
    hidden, leave, open, places, plain, sit, world,
};
use crate::steered::{news, order};
use directory::{Resources, Rooms};
use model::{
    ApplicationNews, ApplicationOrder, FloorAccess, FloorPeer, FloorTransport, LegSecurity,
    LegSide, TransactionId,
};
use simnet::{CARRIER, PBX, RelayMode, Ua, World, config, directory};
use std::net::SocketAddr;

pub(crate) const ANSWERED: ApplicationNews = ApplicationNews::Answered(LegSide::A);
pub(crate) const ONLY_SLIDES: ApplicationNews =
    ApplicationNews::Pictures { camera: false, slides: true };
const NUMBER: &str = "+12065550188";

pub(crate) fn access() -> FloorAccess {
    let address = "198.51.100.9:5070".parse().unwrap();
    FloorAccess { address, conference: 0xfeed_f00d, user: 9 }
}

/// Who has floor control by [`answering`].
pub(crate) fn floor() -> ApplicationNews {
    let address = SocketAddr::new(LISTED.ip(), 5080);
    ApplicationNews::FloorControl(Some(FloorPeer { transport: FloorTransport::Udp, address }))
}

const NO_FLOOR: ApplicationNews = ApplicationNews::FloorControl(None);

/// A device calls without an offer, and the rooms answer.
fn called(w: &mut World, device: &mut Ua, access: Option<FloorAccess>) -> (TransactionId, String) {
    device.invite(w, None);
    answered(w, device, access)
}

pub(crate) fn answered(
    w: &mut World,
    device: &mut Ua,
    access: Option<FloorAccess>,
) -> (TransactionId, String) {
    device.expect(w, "180");
    let (call, parts) = begun(w);
    assert_eq!(parts, []);
    if let Some(access) = access {
        order(w, call, 1, ApplicationOrder::ControlFloor { access });
    }
    order(w, call, 2, ApplicationOrder::Answer);
    (call, body_of(&device.expect(w, "200")))
}

/// The same in the call; what it is offered.
pub(crate) fn asks_again(w: &mut World, device: &mut Ua) -> String {
    device.request(w, "INVITE", &[], None);
    device.answered();
    body_of(&device.expect(w, "200"))
}

/// An answer of a device that knows what slides are: sound, and whether it takes a camera, slides and
/// their floor.
pub(crate) fn answering(version: u32, taken: [bool; 3]) -> String {
    let port = |at: usize, port: u16| if taken[at] { port } else { 0 };
    format!(
        "v=0\r\no=d 1 {version} IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 9\r\n\
         m=video {} RTP/AVP 103\r\na=rtpmap:103 H264/90000\r\n\
         a=fmtp:103 profile-level-id=42e01f;packetization-mode=1\r\na=content:main\r\n\
         m=video {} RTP/AVP 107\r\na=rtpmap:107 VP8/90000\r\na=content:slides\r\n\
         m=application {} UDP/BFCP *\r\na=floorctrl:c-only\r\n",
        port(0, 4002),
        port(1, 4004),
        port(2, 5080),
    )
}

#[test]
fn it_is_offered_a_camera_slides_and_their_floor() {
    let mut w = world();
    let mut device = plain(&mut w);
    let (_, ours) = called(&mut w, &mut device, Some(access()));
    let media: Vec<&str> = ours.lines().filter(|line| line.starts_with("m=")).collect();
    let kinds: Vec<&str> = media.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["m=audio", "m=video", "m=video", "m=application"], "{ours}");
    assert_eq!(open(&ours), [true; 4], "{ours}");
    let sections: Vec<&str> = ours.split("\r\nm=").collect();
    let (camera, slides) = (sections[2], sections[3]);
    assert!(camera.contains("b=AS:715\r\nb=TIAS:650000\r\n"), "{camera}");
    assert!(camera.contains("a=content:main\r\na=label:1\r\n"), "{camera}");
    assert!(slides.contains(" 105 106 107\r\nb=AS:1320\r\nb=TIAS:1200000\r\n"), "{slides}");
    assert!(slides.contains("a=content:slides\r\na=label:2\r\n"), "{slides}");
    assert!(slides.contains("a=fmtp:105 profile-level-id=42e01f;packetization-mode=0"), "{slides}");
    // RFC 8856 section 10.1: the server says its conference, the other's number, and the floor of the label.
    let expected = "application 5070 UDP/BFCP *\r\nc=IN IP4 198.51.100.9\r\na=floorctrl:s-only\r\n\
        a=confid:4277006349\r\na=userid:9\r\na=floorid:1 mstrm:2";
    assert_eq!(floor_line(&ours), expected);
    assert!(ours.len() < 1_400, "{} octets: over UDP each more fragment is a risk", ours.len());
    // An answer that takes all of it.
    device.ack(&mut w, Some(&answering(1, [true; 3])));
    assert_eq!(news(&mut w), [floor(), BOTH, ANSWERED]);
    assert_eq!(w.relay.open(), 3, "floor control is not the relay's");
    leave(w, &mut device);
}

#[test]
fn what_it_declines_is_as_if_it_had_not_been_offered() {
    for number in 0..8 {
        let taken @ [camera, slides, has_floor] = [4, 2, 1].map(|bit| number & bit != 0);
        let mut w = world();
        let mut device = plain(&mut w);
        let (call, _) = called(&mut w, &mut device, Some(access()));
        assert_eq!(w.relay.open(), 3);
        device.ack(&mut w, Some(&answering(1, taken)));
        let mut expected = Vec::new();
        // Without slides there is no floor of them.
        expected.extend((slides && has_floor).then(floor));
        expected.extend(match (camera, slides) {
            (true, true) => Some(BOTH),
            (true, false) => Some(CAMERA),
            (false, true) => Some(ONLY_SLIDES),
            (false, false) => None,
        });
        expected.push(ANSWERED);
        assert_eq!(news(&mut w), expected, "{taken:?}");
        let lines = 1 + usize::from(camera) + usize::from(slides);
        assert_eq!(w.relay.open(), lines, "{taken:?}: what it declines gives its ports back");
        sit(&mut w, call, 3, ALL);
        let seats: Vec<_> = hidden(&w).into_iter().map(|(content, _)| content).collect();
        let expected = [(camera, MAIN), (slides, SLIDES)];
        let expected: Vec<_> = expected.iter().filter(|one| one.0).map(|one| one.1).collect();
        assert_eq!(seats, expected, "{taken:?}");
        assert_eq!(w.relay.seated.len(), 1, "{taken:?}: it is heard");
        leave(w, &mut device);
    }
}

#[test]
fn who_does_not_know_slides_is_sent_none() {
    let (camera, both) = (vec![MAIN], vec![MAIN, SLIDES]);
    for ((from, to), told, shown) in [
        // It takes both lines, and says of neither what it is for.
        (("a=content:slides\r\n", ""), CAMERA, &camera),
        // A second camera.
        (("a=content:slides\r\n", "a=content:main\r\n"), CAMERA, &camera),
        // It leaves out a line that it does not know, against RFC 3264.
        (("m=application 0 UDP/BFCP *\r\na=floorctrl:c-only\r\n", ""), BOTH, &both),
    ] {
        let mut w = world();
        let mut device = plain(&mut w);
        let (call, _) = called(&mut w, &mut device, Some(access()));
        let answer = answering(1, [true, true, false]);
        assert!(answer.contains(from));
        device.ack(&mut w, Some(&answer.replace(from, to)));
        assert_eq!(news(&mut w), [told, ANSWERED], "{from}");
        assert_eq!(w.relay.open(), 3, "what it takes stays open");
        sit(&mut w, call, 3, ALL);
        let seats: Vec<_> = hidden(&w).into_iter().map(|(content, _)| content).collect();
        assert_eq!(&seats, shown, "{from}");
        leave(w, &mut device);
    }
}

#[test]
fn an_odd_line_of_floor_control_is_none() {
    for (from, to) in [
        ("UDP/BFCP", "TCP/BFCP"),
        ("UDP/BFCP", "UDP/TLS/BFCP"),
        ("c-only", "s-only"),
        ("a=floorctrl:c-only\r\n", "c=IN IP4 room.example.com\r\na=floorctrl:c-only\r\n"),
        ("a=floorctrl:c-only\r\n", "a=floorctrl:c-only\r\na=bfcpver:1\r\n"),
        ("m=application 5080", "m=message 5080"),
    ] {
        let mut w = world();
        let mut device = plain(&mut w);
        called(&mut w, &mut device, Some(access()));
        device.ack(&mut w, Some(&answering(1, [true; 3]).replace(from, to)));
        assert_eq!(news(&mut w), [BOTH, ANSWERED], "{to}: slides by their content");
        leave(w, &mut device);
    }
}

#[test]
fn keys_are_offered_for_each_line_of_media() {
    for takes in [true, false] {
        let mut w = world();
        let mut device = device(&mut w);
        let (call, ours) = called(&mut w, &mut device, None);
        let keys: Vec<&str> =
            ours.lines().filter(|line| line.contains(" AES_CM_128_HMAC_SHA1_80 ")).collect();
        assert_eq!((open(&ours), keys.len()), (vec![true; 3], 3), "{ours}");
        assert!(ours.contains(" RTP/SAVP 102 103 104\r\nb=AS:715\r\nb=TIAS:650000\r\n"), "{ours}");
        let tag = keys[0].split(" inline:").next().unwrap();
        let key = |letters: &str| {
            format!("{tag} inline:{letters}X19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n")
        };
        let picture = |port: u16, number: u8, content: &str, letters: &str| {
            format!(
                "m=video {port} RTP/SAVP {number}\r\na=rtpmap:{number} H264/90000\r\n\
                 a=fmtp:{number} profile-level-id=42e01f;packetization-mode=1\r\n\
                 a=content:{content}\r\n{}",
                key(letters)
            )
        };
        let camera = picture(if takes { 4002 } else { 0 }, 103, "main", "WVNg");
        let slides = picture(4004, 106, "slides", "WVNh");
        let answer = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
             m=audio 4000 RTP/SAVP 9\r\n{}{camera}{slides}",
            key("WVNf")
        );
        device.ack(&mut w, Some(&answer));
        assert_eq!(news(&mut w), [if takes { BOTH } else { ONLY_SLIDES }, ANSWERED]);
        sit(&mut w, call, 2, ALL);
        let seats = places(&w);
        assert_eq!(seats.len(), 1 + usize::from(takes));
        assert_eq!(seats.last().unwrap().1.payload_type, 106);
        assert!(w.relay.further.iter().all(|(_, p)| p.legs[0].security != LegSecurity::Plain));
        // It is told all once more, what it declined with it, and its answer may be another one.
        let again = asks_again(&mut w, &mut device);
        assert_eq!(open(&again), [true; 3], "{again}");
        let kept = again.lines().filter(|line| keys.contains(line)).count();
        assert_eq!(kept, 2 + usize::from(takes), "what stays keeps its keys: {again}");
        let declined = answer.replace("m=video 4002", "m=video 0").replace("video 4004", "video 0");
        device.ack(&mut w, Some(&declined));
        assert_eq!((hidden(&w), w.relay.open()), (vec![], 1));
        assert_eq!(news(&mut w), [NEITHER]);
        leave(w, &mut device);
    }
}

#[test]
fn asked_again_it_is_offered_all_again() {
    let mut w = world();
    let mut device = plain(&mut w);
    let (call, ours) = called(&mut w, &mut device, Some(access()));
    device.ack(&mut w, Some(&answering(1, [true, false, false])));
    assert_eq!((news(&mut w), w.relay.open()), (vec![CAMERA, ANSWERED], 2));
    sit(&mut w, call, 3, ALL);
    // With a wait for the ports that it had declined.
    w.relay.mode = RelayMode::Holds;
    device.request(&mut w, "INVITE", &[], None);
    device.answered();
    device.expect_silence(&mut w);
    w.answer_relay();
    w.relay.mode = RelayMode::Answers;
    let again = body_of(&device.expect(&mut w, "200"));
    assert_eq!(open(&again), [true; 4], "{again}");
    assert_eq!(floor_line(&again), floor_line(&ours), "with the same conference and number");
    assert_eq!(
        (hidden(&w), news(&mut w)),
        (vec![(MAIN, false)], vec![]),
        "nothing has changed yet"
    );
    device.ack(&mut w, Some(&answering(2, [true; 3])));
    assert_eq!((news(&mut w), w.relay.open()), (vec![floor(), BOTH], 3));
    assert_eq!(hidden(&w), [(MAIN, false), (SLIDES, false)]);
    // Again without them; an ACK that says nothing changes nothing.
    let again = asks_again(&mut w, &mut device);
    assert_eq!(open(&again), [true; 4], "{again}");
    device.ack(&mut w, None);
    assert_eq!((news(&mut w), w.relay.open(), hidden(&w).len()), (vec![], 3, 2));
    asks_again(&mut w, &mut device);
    device.ack(&mut w, Some(&answering(3, [true, false, true])));
    assert_eq!((news(&mut w), w.relay.open()), (vec![NO_FLOOR, CAMERA], 2));
    assert_eq!(hidden(&w), [(MAIN, false)]);
    // Where there are no ports any more there is the rest, and no floor of nothing.
    w.relay.mode = RelayMode::AudioOnly;
    let again = asks_again(&mut w, &mut device);
    assert_eq!(open(&again), [true, true, false, false], "{again}");
    assert_eq!(floor_line(&again), "application 0 UDP/BFCP *");
    device.ack(&mut w, Some(&answering(4, [true, false, false])));
    assert_eq!((news(&mut w), w.relay.open()), (vec![], 2));
    leave(w, &mut device);
}

#[test]
fn what_it_offers_itself_later_is_answered() {
    let mut w = world();
    let mut device = plain(&mut w);
    let (call, _) = called(&mut w, &mut device, Some(access()));
    let taken = answering(1, [true, false, false]);
    device.ack(&mut w, Some(&taken));
    assert_eq!(news(&mut w), [CAMERA, ANSWERED]);
    sit(&mut w, call, 3, ALL);
    // The same as a refresh: our offer is no answer to it.
    let answer = change(&mut w, &mut device, &taken);
    assert_eq!(open(&answer), [true, true, false, false], "{answer}");
    assert!(answer.contains(" RTP/AVP 9\r\n") && answer.contains(" RTP/AVP 103\r\n"), "{answer}");
    assert_eq!((news(&mut w), hidden(&w)), (vec![], vec![(MAIN, false)]));
    // That answer is told again as it is.
    assert_eq!(change(&mut w, &mut device, &taken), answer);
    // It takes up what it had declined, each line in its place.
    let answer = change(&mut w, &mut device, &answering(2, [true; 3]));
    assert_eq!(open(&answer), [true; 4], "{answer}");
    assert!(floor_line(&answer).contains("a=floorctrl:s-only\r\na=confid:4277006349"), "{answer}");
    assert_eq!((news(&mut w), w.relay.open()), (vec![floor(), BOTH], 3));
    // Asked for an offer, it is told all as before.
    let again = asks_again(&mut w, &mut device);
    assert_eq!(open(&again), [true; 4], "{again}");
    assert!(again.contains(" RTP/AVP 105 106 107\r\n"), "{again}");
    device.ack(&mut w, Some(&answering(3, [false, false, true])));
    assert_eq!((news(&mut w), w.relay.open()), (vec![NO_FLOOR, NEITHER], 1));
    // A line of its own more: what it was told last keeps the order.
    let more =
        answering(4, [true; 3]) + "m=application 6000 RTP/AVP 108\r\na=rtpmap:108 H224/4800\r\n";
    let answer = change(&mut w, &mut device, &more);
    assert_eq!(open(&answer), [true, true, true, true, false], "{answer}");
    assert_eq!(news(&mut w), [floor(), BOTH]);
    assert_eq!(open(&asks_again(&mut w, &mut device)), [true, true, true, true, false]);
    device.ack(&mut w, Some(&more.replace("m=video 4004", "m=video 0")));
    assert_eq!(news(&mut w), [NO_FLOOR, CAMERA]);
    leave(w, &mut device);
}

#[test]
fn what_the_rooms_do_not_have_is_not_offered() {
    // No floor control; no pictures at all.
    let mut w = world();
    let mut device = plain(&mut w);
    let (_, ours) = called(&mut w, &mut device, None);
    assert_eq!(open(&ours), [true; 3], "{ours}");
    device.ack(&mut w, Some(&answering(1, [true, true, false])));
    assert_eq!(news(&mut w), [BOTH, ANSWERED]);
    leave(w, &mut device);

    let rooms = Rooms { video: false, ..rooms() };
    let mut w = World::with(config(), Resources { rooms: Some(rooms), ..directory() });
    let mut device = plain(&mut w);
    let (_, ours) = called(&mut w, &mut device, Some(access()));
    assert_eq!(open(&ours), [true], "{ours}");
    let answer = answering(1, [false; 3]);
    let (sound, _) = answer.split_once("m=video").unwrap();
    device.ack(&mut w, Some(sound));
    assert_eq!(news(&mut w), [ANSWERED]);
    leave(w, &mut device);

    // Without ports for pictures there is sound.
    let mut w = world();
    w.relay.mode = RelayMode::AudioOnly;
    let mut device = plain(&mut w);
    let (_, ours) = called(&mut w, &mut device, Some(access()));
    assert_eq!(open(&ours), [true, false, false, false], "{ours}");
    device.ack(&mut w, Some(&answering(1, [false; 3])));
    assert_eq!((news(&mut w), w.relay.open()), (vec![ANSWERED], 1));
    leave(w, &mut device);
}

fn rooms() -> Rooms {
    Rooms {
        allow_plain: vec![format!("{}/32", LISTED.ip()).parse().unwrap()],
        numbers: vec![NUMBER.into()],
        ..Rooms::new("tandem.example")
    }
}

#[test]
fn who_comes_through_a_carrier_is_offered_sound_alone() {
    for (from, lines) in [(CARRIER, 1), (PBX, 4)] {
        let mut w = World::with(config(), Resources { rooms: Some(rooms()), ..directory() });
        let mut caller = w.caller(from, NUMBER);
        let (_, ours) = called(&mut w, &mut caller, Some(access()));
        assert_eq!(open(&ours), vec![true; lines], "{ours}");
        let body = caller.sdp(30_000);
        caller.ack(&mut w, Some(&body));
        assert_eq!((news(&mut w), w.relay.open()), (vec![ANSWERED], 1));
        leave(w, &mut caller);
    }
}

#[test]
fn of_own_offers_whatever_message_is_lost() {
    lose_each(world, |w| {
        let mut device = plain(w);
        device.invite(w, None);
        rest(w);
        let call = w.told[0].call;
        order(w, call, 1, ApplicationOrder::ControlFloor { access: access() });
        order(w, call, 2, ApplicationOrder::Answer);
        device.expect(w, "200");
        device.ack(w, Some(&answering(1, [true, false, true])));
        rest(w);
        order(w, call, 3, ApplicationOrder::Sit { seat: crate::room_pictures::SEAT, shown: ALL });
        rest(w);
        let mut seen = vec![(w.relay.open(), hidden(w))];
        for (version, taken) in [(2, [true; 3]), (3, [false, true, true])] {
            device.request(w, "INVITE", &[], None);
            device.answered();
            device.expect(w, "200");
            device.ack(w, Some(&answering(version, taken)));
            rest(w);
            seen.push((w.relay.open(), hidden(w)));
        }
        device.bye(w);
        device.expect(w, "200");
        rest(w);
        format!("{seen:?} {} places, {} streams", w.relay.shown.len(), w.relay.open())
    });
}
