//! Pictures of devices in the meeting rooms: lines that come and go, places, hold, key frames, and what
//! becomes of a call whose pictures cannot be had.

use crate::loss::{lose_each, rest};
use crate::steered::{hung_up, news, order};
use directory::{Resources, Rooms};
use model::{
    ApplicationNews, ApplicationOrder, ApplicationTold, ConferenceId, FloorAccess, FloorPeer,
    FloorTransport, LegSecurity, LegSide, MediaEvent, MediaId, MediaLine, MediaType, ParticipantId,
    PictureCard, PictureContent, PictureFormat, PictureLayout, PictureSeat, PicturesShown,
    PicturesWithheld, RoomLinePart, Seat, SeatFailure, TransactionId,
};
use simnet::{RelayMode, STRANGER, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::net::SocketAddr;
use std::time::Duration;

const A: LegSide = LegSide::A;
pub(crate) const MAIN: PictureContent = PictureContent::Main;
pub(crate) const SLIDES: PictureContent = PictureContent::Slides;
const URI: &str = "sip:4081234567@meet.tandem.example";
/// A device that may come over UDP.
pub(crate) const LISTED: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77)), 5060);
pub(crate) const SEAT: Seat =
    Seat { conference: ConferenceId(7), participant: ParticipantId(1), leg: A, is_muted: false };
const NOTHING: PicturesWithheld = PicturesWithheld { cameras: false, slides: false };
pub(crate) const ALL: PicturesShown =
    PicturesShown { camera: true, slides: true, withheld: NOTHING };
pub(crate) const BOTH: ApplicationNews = ApplicationNews::Pictures { camera: true, slides: true };
pub(crate) const NEITHER: ApplicationNews =
    ApplicationNews::Pictures { camera: false, slides: false };
pub(crate) const CAMERA: ApplicationNews =
    ApplicationNews::Pictures { camera: true, slides: false };
/// What asks for a key frame.
const CONTROL: &str = "application/media_control+xml";

pub(crate) fn world() -> World {
    let rooms = Rooms {
        allow_plain: vec![format!("{}/32", LISTED.ip()).parse().unwrap()],
        ..Rooms::new("tandem.example")
    };
    World::with(config(), Resources { rooms: Some(rooms), ..directory() })
}

/// A device of nobody's over TLS.
pub(crate) fn device(w: &mut World) -> Ua {
    w.connect_tls(STRANGER);
    let mut device = w.caller(STRANGER, "4081234567");
    device.transport = "TLS";
    device.call_uri(URI);
    device
}

/// One over UDP, which need not encrypt.
pub(crate) fn plain(w: &mut World) -> Ua {
    let mut device = w.caller(LISTED, "4081234567");
    device.call_uri(URI);
    device
}

fn offered(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/");
    std::fs::read_to_string(format!("{folder}{name}.sdp")).unwrap()
}

/// Sound and a camera, without keys; `rest` follows.
fn with_camera(version: u32, port: u16, rest: &str) -> String {
    format!(
        "v=0\r\no=d 1 {version} IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\nm=video {port} RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n\
         a=fmtp:97 profile-level-id=42e01f\r\n{rest}"
    )
}

pub(crate) fn begun(w: &mut World) -> (TransactionId, Vec<RoomLinePart>) {
    let event = w.told.remove(0);
    let ApplicationTold::Begun(begun) = event.told else { panic!("{:?}", event.told) };
    let lines = begun.room.unwrap().lines;
    (event.call, lines.iter().map(|line| line.part).collect())
}

/// The device's call is answered, and acknowledged; the answer, and what the rooms hear of pictures.
pub(crate) fn join(
    w: &mut World,
    device: &mut Ua,
    offer: &str,
) -> (TransactionId, String, Vec<ApplicationNews>) {
    device.invite(w, Some(offer));
    device.expect(w, "180");
    let (call, _) = begun(w);
    order(w, call, 1, ApplicationOrder::Answer);
    let answer = body_of(&device.expect(w, "200"));
    device.ack(w, None);
    let mut told = news(w);
    assert_eq!(told.pop(), Some(ApplicationNews::Answered(A)));
    (call, answer, told)
}

pub(crate) fn sit(w: &mut World, call: TransactionId, number: u32, shown: PicturesShown) {
    order(w, call, number, ApplicationOrder::Sit { seat: SEAT, shown });
    assert_eq!(news(w), [ApplicationNews::Seated { order: number }]);
}

pub(crate) fn body_of(message: &Message) -> String {
    String::from_utf8(message.body_bytes().to_vec()).unwrap()
}

/// Whether each `m=` line has a port.
pub(crate) fn open(body: &str) -> Vec<bool> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("m="));
    lines.map(|line| line.split(' ').nth(1) != Some("0")).collect()
}

/// The present places by what they are for.
pub(crate) fn places(w: &World) -> Vec<(PictureContent, PictureSeat)> {
    let mut places: Vec<_> = w.relay.shown.values().map(|s| (s.content, s.clone())).collect();
    places.sort_by_key(|(content, _)| *content);
    places
}

/// What is hidden of the present places.
pub(crate) fn hidden(w: &World) -> Vec<(PictureContent, bool)> {
    places(w).into_iter().map(|(content, seat)| (content, seat.is_hidden)).collect()
}

/// The stream of the only camera.
fn camera(w: &World) -> MediaId {
    let mut found = w.relay.shown.iter().filter(|(_, seat)| seat.content == MAIN);
    *found.next().unwrap().0
}

pub(crate) fn change(w: &mut World, device: &mut Ua, offer: &str) -> String {
    device.request(w, "INVITE", &[], Some(("application/sdp", offer)));
    device.answered();
    let answer = body_of(&device.expect(w, "200"));
    device.ack(w, None);
    answer
}

pub(crate) fn leave(mut w: World, device: &mut Ua) {
    device.bye(&mut w);
    device.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    assert!(w.relay.shown.is_empty() && w.relay.open() == 0);
    w.finish();
}

/// What each device offers, whether it may come over UDP, and the lines that are answered with a port.
const DEVICES: [(&str, bool, &[usize], &[PictureContent]); 7] = [
    ("rooms/codec-with-slides", false, &[0, 1, 3], &[MAIN, SLIDES]),
    ("rooms/group-series-optional", false, &[0, 1], &[MAIN]),
    ("rooms/data-channel-of-a-series", false, &[0, 1, 3], &[MAIN, SLIDES]),
    ("rooms/group-series-optional", true, &[0, 1], &[MAIN]),
    ("sdp/cisco-room-offer", true, &[0, 1, 3], &[MAIN, SLIDES]),
    ("rooms/pictures-first", false, &[1], &[]),
    ("rooms/old-without-keys", true, &[0], &[]),
];

#[test]
fn every_device_has_its_pictures_where_it_sits() {
    for (name, is_plain, lines, contents) in DEVICES {
        let mut w = world();
        let mut device = if is_plain { plain(&mut w) } else { device(&mut w) };
        let (call, answer, told) = join(&mut w, &mut device, &offered(name));
        let found = open(&answer);
        let at: Vec<usize> = (0..found.len()).filter(|index| found[*index]).collect();
        assert_eq!(at, lines, "{name}\n{answer}");
        let expected = match contents.len() {
            0 => vec![],
            1 => vec![CAMERA],
            _ => vec![BOTH],
        };
        assert_eq!(told, expected, "{name}");
        assert_eq!(w.relay.open(), lines.len(), "{name}: no ports for lines that are declined");
        assert!(w.relay.shown.is_empty(), "nobody sits yet");
        let has_keys = answer.contains("a=crypto:");
        for (line, plan) in &w.relay.further {
            assert!(matches!(line, MediaLine::Further { media: MediaType::Video, .. }));
            let [a, b] = &plan.legs;
            assert!(a.accepts_from && a.sends_to && a.remote_rtp.is_some(), "{name}");
            assert!(!b.accepts_from && !b.sends_to, "{name}: nobody is on the other side");
            assert_eq!(a.security != LegSecurity::Plain, has_keys, "{name}");
        }
        sit(&mut w, call, 2, ALL);
        let seats = places(&w);
        let found: Vec<PictureContent> = seats.iter().map(|(content, _)| *content).collect();
        assert_eq!(found, contents, "{name}");
        for (_, seat) in &seats {
            let same = (seat.conference, seat.participant) == (SEAT.conference, SEAT.participant);
            assert!(same && !seat.is_hidden, "{name}");
            let PictureFormat::H264 { sends, receives } = &seat.format else { panic!("{seat:?}") };
            assert!(answer.contains(&format!("a=fmtp:{} {sends}\r\n", seat.payload_type)));
            assert!(offered(name).contains(&**receives));
        }
        leave(w, &mut device);
    }
}

#[test]
fn the_rooms_learn_which_lines_are_pictures() {
    let mut w = world();
    let mut device = device(&mut w);
    device.invite(&mut w, Some(&offered("rooms/codec-with-slides")));
    device.expect(&mut w, "180");
    let (call, parts) = begun(&mut w);
    let (main, slides) = (RoomLinePart::Pictures(MAIN), RoomLinePart::Pictures(SLIDES));
    let (sound, declined) = (RoomLinePart::Sound, RoomLinePart::Declined);
    assert_eq!(parts, [sound, main, declined, slides, declined]);
    // A call that is not answered gives its ports back.
    assert_eq!(w.relay.open(), 3);
    order(&mut w, call, 1, ApplicationOrder::HangUp { leg: None, status: 486 });
    device.expect(&mut w, "486");
    device.ack_failure(&mut w);
    assert_eq!(w.relay.open(), 0);
    assert_eq!(news(&mut w), [hung_up(A, true, 486)]);
    w.finish();
}

#[test]
fn a_camera_is_muted_and_slides_are_shown_by_order() {
    let mut w = world();
    let mut device = device(&mut w);
    let (call, ..) = join(&mut w, &mut device, &offered("rooms/codec-with-slides"));
    let mut number = 2;
    for (camera, slides) in [(true, false), (false, false), (false, true), (true, true)] {
        sit(&mut w, call, number, PicturesShown { camera, slides, ..ALL });
        assert_eq!(hidden(&w), [(MAIN, !camera), (SLIDES, !slides)]);
        number += 1;
    }
    order(&mut w, call, number, ApplicationOrder::StandUp);
    assert_eq!(hidden(&w), []);
    sit(&mut w, call, number + 1, ALL);
    assert_eq!(hidden(&w), [(MAIN, false), (SLIDES, false)]);
    leave(w, &mut device);
}

#[test]
fn what_may_not_be_seen_is_told_with_each_line() {
    let mut w = world();
    let mut device = device(&mut w);
    let (call, ..) = join(&mut w, &mut device, &offered("rooms/codec-with-slides"));
    let withheld = |w: &World| -> Vec<_> {
        places(w).into_iter().map(|(content, seat)| (content, seat.withheld)).collect()
    };
    let no_cameras = PicturesWithheld { cameras: true, slides: false };
    for (number, told) in [(2, no_cameras), (3, NOTHING)] {
        sit(&mut w, call, number, PicturesShown { withheld: told, ..ALL });
        assert_eq!(withheld(&w), [(MAIN, told), (SLIDES, told)]);
    }
    leave(w, &mut device);
}

#[test]
fn who_holds_the_call_is_not_seen() {
    let mut w = world();
    let mut device = device(&mut w);
    let offer = offered("rooms/codec-with-slides");
    let (call, ..) = join(&mut w, &mut device, &offer);
    sit(&mut w, call, 2, PicturesShown { slides: false, ..ALL });
    // As devices hold: by the sound's line alone, or by every line.
    for (version, times) in [(2, 1), (3, 9)] {
        let held = offer.replacen("sendrecv", "sendonly", times).replacen(
            "o=room 3 1",
            &format!("o=room 3 {version}"),
            1,
        );
        let answer = change(&mut w, &mut device, &held);
        assert_eq!(open(&answer), [true, true, false, true, false], "{answer}");
        assert_eq!(hidden(&w), [(MAIN, true), (SLIDES, true)]);
        let back = offer.replacen("o=room 3 1", &format!("o=room 3 {}", version + 3), 1);
        change(&mut w, &mut device, &back);
        assert_eq!(hidden(&w), [(MAIN, false), (SLIDES, true)]);
    }
    assert_eq!(news(&mut w), [], "the lines are the same");
    leave(w, &mut device);
}

#[test]
fn pictures_are_dropped_and_come_again() {
    let mut w = world();
    let mut device = plain(&mut w);
    let (call, answer, told) = join(&mut w, &mut device, &with_camera(1, 4002, ""));
    assert_eq!((open(&answer), told), (vec![true, true], vec![CAMERA]));
    sit(&mut w, call, 2, ALL);
    let first = camera(&w);
    for version in [2, 4] {
        // Dropped: the ports go, and with them the place.
        let answer = change(&mut w, &mut device, &with_camera(version, 0, ""));
        assert_eq!(open(&answer), [true, false]);
        assert_eq!((w.relay.open(), hidden(&w)), (1, vec![]));
        assert_eq!(news(&mut w), [NEITHER]);
        // Again, with a wait for the ports.
        w.relay.mode = RelayMode::Holds;
        let offer = with_camera(version + 1, 4002, "");
        device.request(&mut w, "INVITE", &[], Some(("application/sdp", &offer)));
        device.answered();
        device.expect_silence(&mut w);
        w.answer_relay();
        w.relay.mode = RelayMode::Answers;
        assert_eq!(open(&body_of(&device.expect(&mut w, "200"))), [true, true]);
        device.ack(&mut w, None);
        assert_eq!(news(&mut w), [CAMERA]);
        assert_eq!(hidden(&w), [(MAIN, false)]);
        assert_ne!(camera(&w), first, "a stream of its own");
    }
    // Slides beside it, in an UPDATE.
    let slides = "m=video 4004 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=content:slides\r\n";
    let offer = with_camera(6, 4002, slides);
    device.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    assert_eq!(open(&body_of(&device.expect(&mut w, "200"))), [true, true, true]);
    assert_eq!(news(&mut w), [BOTH]);
    assert_eq!(places(&w)[1].1.format, PictureFormat::Vp8);
    // The same once more is a refresh, which changes nothing.
    device.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    assert_eq!(open(&body_of(&device.expect(&mut w, "200"))), [true, true, true]);
    assert_eq!((news(&mut w), w.relay.open()), (vec![], 3));
    // An offer that is refused changes nothing either.
    let silent = offer.replace("m=audio 4000 RTP/AVP 0", "m=audio 4000 RTP/AVP 3");
    device.request(&mut w, "UPDATE", &[], Some(("application/sdp", &silent)));
    device.expect(&mut w, "488");
    assert_eq!((news(&mut w), hidden(&w).len()), (vec![], 2));
    leave(w, &mut device);
}

#[test]
fn without_ports_for_pictures_there_is_sound() {
    let mut w = world();
    w.relay.mode = RelayMode::AudioOnly;
    let mut device = plain(&mut w);
    let (call, answer, told) = join(&mut w, &mut device, &with_camera(1, 4002, ""));
    assert_eq!((open(&answer), told), (vec![true, false], vec![]));
    assert_eq!(w.relay.open(), 1);
    sit(&mut w, call, 2, ALL);
    // In the call as well.
    let answer = change(&mut w, &mut device, &with_camera(2, 4006, ""));
    assert_eq!(open(&answer), [true, false]);
    // A relay that says nothing costs the picture alone.
    w.relay.mode = RelayMode::Holds;
    let offer = with_camera(3, 4008, "");
    device.request(&mut w, "INVITE", &[], Some(("application/sdp", &offer)));
    device.answered();
    device.expect_silence(&mut w);
    w.advance(Duration::from_millis(2_100));
    assert_eq!(open(&body_of(&device.expect(&mut w, "200"))), [true, false]);
    device.ack(&mut w, None);
    w.answer_relay();
    assert_eq!(w.relay.open(), 1, "what came too late is given back");
    w.relay.mode = RelayMode::Answers;
    let answer = change(&mut w, &mut device, &with_camera(4, 4010, ""));
    assert_eq!((open(&answer), news(&mut w)), (vec![true, true], vec![CAMERA]));
    assert_eq!(hidden(&w), [(MAIN, false)]);
    leave(w, &mut device);
}

#[test]
fn a_picture_without_a_place_or_a_stream_leaves_the_sound_alone() {
    let mut w = world();
    let mut device = plain(&mut w);
    w.relay.cannot_show = Some(SeatFailure::NoConferences);
    let (call, ..) = join(&mut w, &mut device, &with_camera(1, 4002, ""));
    sit(&mut w, call, 2, ALL);
    assert_eq!(hidden(&w), []);
    order(&mut w, call, 3, ApplicationOrder::StandUp);
    w.relay.cannot_show = None;
    sit(&mut w, call, 4, ALL);
    let lost = camera(&w);
    // The relay loses the stream of the picture.
    w.relay.shown.clear();
    w.relay.lose(lost);
    w.say(vec![MediaEvent::Lost { id: lost }]);
    assert_eq!(news(&mut w), [NEITHER]);
    assert_eq!(w.relay.seated.len(), 1);
    // What comes of it late finds nobody.
    w.say(vec![MediaEvent::PictureWanted { id: lost }]);
    device.expect_silence(&mut w);
    leave(w, &mut device);
}

/// Whoever switches lets a line go while another place is being ordered for it. The relay gives it that place, so
/// it is left when the leg leaves: else others would go on to see who has gone.
#[test]
fn a_place_that_is_lost_while_another_is_ordered_is_left_with_the_conference() {
    let mut w = world();
    let mut device = plain(&mut w);
    let (call, ..) = join(&mut w, &mut device, &with_camera(1, 4002, ""));
    sit(&mut w, call, 2, ALL);
    let id = camera(&w);
    w.relay.holds_seats = true;
    let shown = PicturesShown { camera: false, ..ALL };
    order(&mut w, call, 3, ApplicationOrder::Sit { seat: SEAT, shown });
    w.say(vec![MediaEvent::SeatFailed { id, failure: SeatFailure::Abandoned }]);
    let late = std::mem::take(&mut w.relay.late);
    w.say(late);
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 3 }]);
    assert_eq!(hidden(&w), [(MAIN, true)]);
    order(&mut w, call, 4, ApplicationOrder::StandUp);
    assert_eq!(hidden(&w), []);
    leave(w, &mut device);
}

#[test]
fn key_frames_are_asked_for_by_info_both_ways() {
    let mut w = world();
    let mut device = device(&mut w);
    let (call, ..) = join(&mut w, &mut device, &offered("rooms/data-channel-of-a-series"));
    let update = "<?xml version=\"1.0\"?><media_control><vc_primitive><to_encoder>\
        <picture_fast_update/></to_encoder></vc_primitive></media_control>";
    device.request(&mut w, "INFO", &[], Some((CONTROL, update)));
    device.expect(&mut w, "200");
    assert!(w.relay.refreshed.is_empty(), "nobody sits");
    sit(&mut w, call, 2, ALL);
    device.request(&mut w, "INFO", &[], Some((CONTROL, update)));
    device.expect(&mut w, "200");
    assert_eq!(w.relay.refreshed.len(), 2, "a camera, and slides");
    let fault = "<media_control><general_error>no</general_error></media_control>";
    device.request(&mut w, "INFO", &[], Some((CONTROL, fault)));
    device.expect(&mut w, "200");
    assert_eq!(w.relay.refreshed.len(), 2);
    // The other way: one at a time, whatever is answered.
    let wanted = vec![MediaEvent::PictureWanted { id: camera(&w) }];
    for status in [200, 500, 603] {
        w.say(wanted.clone());
        let info = device.expect(&mut w, "INFO");
        assert_eq!(info.header(HeaderName::ContentType), Some(CONTROL));
        assert!(body_of(&info).contains("<picture_fast_update/>"));
        w.say(wanted.clone());
        device.expect_silence(&mut w);
        device.refuse(&mut w, status, &[]);
    }
    // A device that takes none is not asked again.
    w.say(wanted.clone());
    device.expect(&mut w, "INFO");
    device.refuse(&mut w, 415, &[]);
    w.say(wanted);
    device.expect_silence(&mut w);
    leave(w, &mut device);
}

/// What is said of floor control in an answer.
pub(crate) fn floor_line(body: &str) -> String {
    let mut sections = body.split("\r\nm=");
    sections.find(|section| section.starts_with("application")).unwrap().trim_end().to_owned()
}

#[test]
fn floor_control_is_answered_where_the_rooms_have_it() {
    let mut w = world();
    let mut device = device(&mut w);
    let offer = offered("rooms/codec-with-slides");
    device.invite(&mut w, Some(&offer));
    device.expect(&mut w, "180");
    let (call, _) = begun(&mut w);
    let address = "198.51.100.9:5070".parse().unwrap();
    let access = FloorAccess { address, conference: 0xfeed_f00d, user: 9 };
    order(&mut w, call, 1, ApplicationOrder::ControlFloor { access });
    order(&mut w, call, 2, ApplicationOrder::Answer);
    let body = body_of(&device.expect(&mut w, "200"));
    device.ack(&mut w, None);
    let said = floor_line(&body);
    assert!(said.starts_with("application 5070 UDP/BFCP *\r\nc=IN IP4 198.51.100.9\r\n"), "{said}");
    assert!(said.contains("a=floorctrl:s-only\r\na=confid:4277006349\r\na=userid:9\r\n"), "{said}");
    let label = said.split("mstrm:").nth(1).unwrap();
    assert!(body.contains(&format!("a=content:slides\r\na=label:{label}\r\n")), "{body}");
    let peer =
        FloorPeer { transport: FloorTransport::Udp, address: "192.0.2.20:5070".parse().unwrap() };
    let told = news(&mut w);
    assert!(told.contains(&ApplicationNews::FloorControl(Some(peer))), "{told:?}");

    // The same again changes nothing; without slides there is no floor.
    for (version, altered, expected) in [
        (2, None, None),
        (3, Some(("m=video 16404", "m=video 0")), Some(ApplicationNews::FloorControl(None))),
        (4, None, Some(ApplicationNews::FloorControl(Some(peer)))),
    ] {
        let offer = offer.replace("o=room 3 1", &format!("o=room 3 {version}"));
        let offer = altered.map_or(offer.clone(), |(from, to)| offer.replace(from, to));
        let said = floor_line(&change(&mut w, &mut device, &offer));
        assert_eq!(said.contains("a=confid:4277006349"), altered.is_none(), "{said}");
        let told = news(&mut w);
        let of_floor = |one: &&ApplicationNews| matches!(one, ApplicationNews::FloorControl(_));
        assert_eq!(told.iter().find(of_floor), expected.as_ref(), "{version}");
    }
    // Asked for an offer, it gets all that is there, each line in its place (RFC 3264 section 8).
    device.request(&mut w, "INVITE", &[], None);
    device.answered();
    let ours = body_of(&device.expect(&mut w, "200"));
    assert_eq!(open(&ours), [true, true, true, true, false], "{ours}");
    assert!(ours.contains("a=content:slides\r\n"), "{ours}");
    assert!(floor_line(&ours).contains("a=confid:4277006349"), "{ours}");
    device.ack(&mut w, Some(&offer.replace("o=room 3 1", "o=room 3 5")));
    let told = news(&mut w);
    assert!(!told.iter().any(|one| matches!(one, ApplicationNews::FloorControl(_))), "{told:?}");
    device.bye(&mut w);
    device.expect(&mut w, "200");
    w.finish();
}

#[test]
fn whoever_sees_nobody_sees_where_it_is() {
    let mut w = world();
    let mut device = plain(&mut w);
    let slides = "m=video 5000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=content:slides\r\n";
    let (call, _, told) = join(&mut w, &mut device, &with_camera(1, 4002, slides));
    assert_eq!(told, [BOTH]);
    let card = |title: &str| PictureCard { title: title.into(), ..PictureCard::default() };
    let show = |title: &str| ApplicationOrder::ShowCard { card: Some(card(title).into()) };
    order(&mut w, call, 2, show("Welcome"));
    // Before it has a place it is alone, and shown to nobody.
    let before = places(&w);
    let titles = |places: &[(PictureContent, PictureSeat)]| -> Vec<Option<String>> {
        let title = |seat: &PictureSeat| seat.card.as_ref().map(|card| card.title.to_string());
        places.iter().map(|(_, seat)| title(seat)).collect()
    };
    assert_eq!(titles(&before), [Some("Welcome".to_owned())], "slides have no place yet");
    assert!(before.iter().all(|(_, seat)| seat.conference != SEAT.conference && seat.is_hidden));
    order(&mut w, call, 3, show("Board room"));
    sit(&mut w, call, 4, ALL);
    let after = places(&w);
    assert_eq!(titles(&after), [Some("Board room".to_owned()), None]);
    assert!(after.iter().all(|(_, seat)| seat.conference == SEAT.conference));
    assert_eq!(hidden(&w), [(MAIN, false), (SLIDES, false)]);
    // Out of the meeting it sees the room again.
    order(&mut w, call, 5, ApplicationOrder::StandUp);
    assert_eq!(titles(&places(&w)), [Some("Board room".to_owned())]);
    order(&mut w, call, 6, ApplicationOrder::ShowCard { card: None });
    assert_eq!(places(&w), []);
    assert_eq!(news(&mut w), [], "nothing of it is answered");
    device.bye(&mut w);
    device.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
}

#[test]
fn who_sees_all_at_once_keeps_its_place() {
    let mut w = world();
    let mut device = plain(&mut w);
    let slides = "m=video 5000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=content:slides\r\n";
    let (call, _, _) = join(&mut w, &mut device, &with_camera(1, 4002, slides));
    let lay_out = |layout| ApplicationOrder::LayOut { name: "Huddle room".into(), layout };
    assert_eq!(places(&w), [], "nothing to see yet");
    order(&mut w, call, 2, ApplicationOrder::ShowCard { card: Some(Default::default()) });
    let alone = places(&w);
    assert_eq!(alone.len(), 1, "the card");
    order(&mut w, call, 3, lay_out(PictureLayout::Grid));
    assert_eq!(
        places(&w),
        alone,
        "its camera is not given another place before that of the meeting"
    );
    sit(&mut w, call, 4, ALL);
    let seen = |w: &World| -> Vec<(String, PictureLayout)> {
        places(w).into_iter().map(|(_, seat)| (seat.name.to_string(), seat.layout)).collect()
    };
    let of_slides = (String::new(), PictureLayout::Speaker);
    let camera = |layout| ("Huddle room".to_owned(), layout);
    assert_eq!(seen(&w), [camera(PictureLayout::Grid), of_slides.clone()]);
    let before = places(&w);
    order(&mut w, call, 5, lay_out(PictureLayout::Speaker));
    assert_eq!(seen(&w), [camera(PictureLayout::Speaker), of_slides]);
    assert!(places(&w).iter().zip(&before).all(|((_, now), (_, then))| now.is_same_place(then)));
    device.bye(&mut w);
    device.expect(&mut w, "200");
}

#[test]
fn of_pictures_that_come_and_go_whatever_message_is_lost() {
    lose_each(world, |w| {
        let mut device = plain(w);
        device.invite(w, Some(&with_camera(1, 4002, "")));
        rest(w);
        let call = w.told[0].call;
        order(w, call, 1, ApplicationOrder::Answer);
        device.expect(w, "200");
        device.ack(w, None);
        rest(w);
        order(w, call, 2, ApplicationOrder::Sit { seat: SEAT, shown: ALL });
        w.say(vec![MediaEvent::PictureWanted { id: camera(w) }]);
        rest(w);
        device.expect(w, "INFO");
        device.ok(w);
        rest(w);
        let mut seen = Vec::new();
        for (version, port) in [(2, 0), (3, 4002)] {
            let offer = with_camera(version, port, "");
            device.request(w, "INVITE", &[], Some(("application/sdp", &offer)));
            device.answered();
            device.expect(w, "200");
            device.ack(w, None);
            rest(w);
            seen.push((w.relay.open(), hidden(w)));
        }
        device.bye(w);
        device.expect(w, "200");
        rest(w);
        format!("{seen:?} {} places, {} streams", w.relay.shown.len(), w.relay.open())
    });
}
