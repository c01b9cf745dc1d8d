//! Calls to meeting rooms without pictures: who may come how, what is answered to what room devices offer,
//! and what they do inside the call.

use crate::steered::{hung_up, key, news, order};
use b2bua::Listener;
use directory::{Resources, Rooms};
use model::{
    ApplicationNews, ApplicationOrder, ApplicationTold, AudioSource, ConferenceId, DtmfConversion,
    Heard, LegSecurity, LegSide, MediaEvent, ParticipantId, PicturesShown, ROOMS, Refusal,
    RoomLinePart, Seat, SteeredCall, TransactionId, TransportProtocol,
};
use simnet::{CARRIER, EDGE_WSS, PBX, STRANGER, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::net::SocketAddr;
use std::time::Duration;

mod limits;

const A: LegSide = LegSide::A;
const HOST: &str = "meet.tandem.example";
const ID: &str = "4081234567";
const NUMBER: &str = "+12065550777";
/// A device that may come over UDP.
const LISTED: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77)), 5060);

fn resources(change: impl Fn(&mut Rooms)) -> Resources {
    let mut rooms = Rooms {
        regions: vec!["us-east-1".into()],
        allow_plain: vec![format!("{}/32", LISTED.ip()).parse().unwrap()],
        numbers: vec![NUMBER.into()],
        video: false,
        ..Rooms::new("tandem.example")
    };
    change(&mut rooms);
    Resources { rooms: Some(rooms), ..directory() }
}

fn world() -> World {
    World::with(config(), resources(|_| {}))
}

/// A device of nobody's over TLS.
fn device(w: &mut World, uri: &str) -> Ua {
    w.connect_tls(STRANGER);
    let mut device = w.caller(STRANGER, ID);
    device.transport = "TLS";
    device.call_uri(uri);
    device
}

fn offered(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/");
    std::fs::read_to_string(format!("{folder}{name}.sdp")).unwrap()
}

fn begun(w: &mut World) -> (TransactionId, SteeredCall) {
    assert_eq!(w.told.len(), 1, "{:?}\n{}", w.told, w.ladder());
    let event = w.told.remove(0);
    match event.told {
        ApplicationTold::Begun(begun) => (event.call, *begun),
        ApplicationTold::News(news) => panic!("{news:?}"),
    }
}

/// The device's call is answered, and acknowledged.
fn join(w: &mut World, device: &mut Ua, offer: &str) -> (TransactionId, SteeredCall, String) {
    device.invite(w, Some(offer));
    device.expect(w, "180");
    let (call, begun) = begun(w);
    order(w, call, 1, ApplicationOrder::Answer);
    let answer = device.expect(w, "200");
    device.ack(w, None);
    assert_eq!(news(w), [ApplicationNews::Answered(A)]);
    (call, begun, body_of(&answer))
}

fn body_of(message: &Message) -> String {
    String::from_utf8(message.body_bytes().to_vec()).unwrap()
}

fn leave(mut w: World, device: &mut Ua) {
    device.bye(&mut w);
    device.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

/// What each device offers; whether that has keys, and the line of its sound.
const DEVICES: [(&str, bool, usize); 9] = [
    ("rooms/codec-with-slides", true, 0),
    ("rooms/group-series-optional", true, 0),
    ("rooms/encryption-optional-line", true, 0),
    ("rooms/pictures-first", true, 1),
    ("rooms/data-channel-of-a-series", true, 0),
    ("offers/room-system-twins-with-video", true, 0),
    ("rooms/old-without-keys", false, 0),
    ("sdp/poly-video-offer", false, 0),
    ("sdp/cisco-room-offer", false, 0),
];

#[test]
fn every_device_is_answered_line_by_line_and_heard() {
    for (name, has_keys, sound) in DEVICES {
        for require_srtp in [true, false] {
            let mut w = World::with(config(), resources(|rooms| rooms.require_srtp = require_srtp));
            let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
            let offer = offered(name);
            if require_srtp && !has_keys {
                device.invite(&mut w, Some(&offer));
                let refused = device.expect(&mut w, "488");
                let warning = refused.header(HeaderName::Warning).unwrap();
                assert!(warning.contains("offer SRTP"), "{warning}");
                device.ack_failure(&mut w);
                assert!(w.told.is_empty(), "the rooms hear nothing of it");
                w.finish();
                continue;
            }
            let (_, begun, answer) = join(&mut w, &mut device, &offer);
            let ports = |body: &str| -> Vec<String> {
                let lines = body.lines().filter_map(|line| line.strip_prefix("m="));
                lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
            };
            let ours = ports(&answer);
            assert_eq!(ours.len(), ports(&offer).len(), "{name}\n{answer}");
            for (index, port) in ours.iter().enumerate() {
                assert_eq!(port != "0", index == sound, "{name}\n{answer}");
            }
            let plan = &w.plan().legs[0];
            assert!(plan.accepts_from && plan.sends_to, "{name}");
            assert_eq!(plan.security != LegSecurity::Plain, has_keys, "{name}");
            assert_eq!(plan.telephone_event.is_some(), offer.contains("telephone-event"), "{name}");
            let lines = begun.room.unwrap().lines;
            assert_eq!(lines.len(), ours.len());
            assert_eq!(lines[sound].part, RoomLinePart::Sound, "{name}");
            leave(w, &mut device);
        }
    }
}

#[test]
fn the_rooms_learn_what_was_dialled_and_who_dials() {
    let secure = offered("rooms/codec-with-slides");
    for (user, meeting, passcode) in [
        ("4081234567@", Some(ID), None),
        ("4081234567890*987654@", Some("4081234567890"), Some("987654")),
        ("%23%23408-123-4567%23987654%23@", Some(ID), Some("987654")),
        ("4081234567;user=x@", Some(ID), None),
        ("u@", None, None),
        ("@", None, None),
        ("", None, None),
        ("nobody*1@", None, None),
    ] {
        for (host, region) in [(HOST, None), ("Meet.us-east-1.tandem.example", Some("us-east-1"))] {
            let mut w = world();
            let mut device = device(&mut w, &format!("sips:{user}{host};user=phone"));
            device.set_display_name("Board room \u{e9}");
            device.invite(&mut w, Some(&secure));
            device.expect(&mut w, "180");
            let (call, begun) = begun(&mut w);
            assert_eq!((&*begun.application, begun.rule.as_deref()), (ROOMS, None));
            assert_eq!(&*begun.to, meeting.unwrap_or_default(), "no passcode in a record");
            let room = begun.room.unwrap();
            let digits = room.dialled.meeting.as_ref().map(|meeting| meeting.digits());
            assert_eq!((digits, room.dialled.passcode.as_deref()), (meeting, passcode), "{user}");
            assert_eq!(room.region.as_deref(), region);
            assert_eq!((room.address, room.protocol), (STRANGER, TransportProtocol::Tls));
            assert_eq!(room.display_name.as_deref(), Some("Board room \u{e9}"));
            assert_eq!(room.user_agent.as_deref(), Some("InnerBox-5060/1.0"));
            assert_eq!(room.lines.len(), 5);
            order(&mut w, call, 1, ApplicationOrder::HangUp { leg: None, status: 486 });
            device.expect(&mut w, "486");
            device.ack_failure(&mut w);
            assert_eq!(news(&mut w), [hung_up(A, true, 486)]);
            w.finish();
        }
    }
}

/// A browser, which has no address but its connection.
fn browser(w: &mut World, at: SocketAddr, uri: &str) -> Ua {
    w.connect_web(at);
    let mut browser = w.caller(at, ID);
    browser.transport = "WSS";
    browser.call_uri(uri);
    browser
}

#[test]
fn a_browser_calls_the_rooms_and_its_call_ends_with_its_connection() {
    let mut w = world();
    let mut browser = browser(&mut w, STRANGER, &format!("sip:{ID}@{HOST}"));
    let offer = offered("rooms/codec-with-slides");
    let (call, begun, _) = join(&mut w, &mut browser, &offer);
    assert_eq!(begun.room.unwrap().protocol, TransportProtocol::Wss);
    // A request of ours goes over its connection, and not to the address in its Contact.
    order(&mut w, call, 2, ApplicationOrder::HangUp { leg: None, status: 200 });
    browser.expect(&mut w, "BYE");
    browser.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
    w.finish();

    let mut w = world();
    let mut browser = self::browser(&mut w, STRANGER, &format!("sip:{ID}@{HOST}"));
    let other = SocketAddr::new(STRANGER.ip(), 40_000);
    let mut neighbour = self::browser(&mut w, other, &format!("sip:{ID}@{HOST}"));
    join(&mut w, &mut browser, &offer);
    let (_, _, _) = join(&mut w, &mut neighbour, &offer);
    w.disconnect(STRANGER);
    // It is told as one that failed, and whoever is behind the same address goes on.
    assert_eq!(news(&mut w), [hung_up(A, false, 480)]);
    leave(w, &mut neighbour);
}

#[test]
fn over_a_web_socket_nothing_but_the_rooms_is_reached() {
    // From the address of a customer too, and of a carrier.
    for (at, uri) in [
        (STRANGER, "sip:+12065550100@tandem.example".to_owned()),
        (PBX, "sip:+12065550100@tandem.example".to_owned()),
        (CARRIER, format!("sip:{NUMBER}@203.0.113.1")),
    ] {
        let mut w = world();
        let mut browser = browser(&mut w, at, &uri);
        let offer = offered("rooms/codec-with-slides");
        browser.invite(&mut w, Some(&offer));
        browser.expect(&mut w, "403");
        browser.ack_failure(&mut w);
        assert_eq!(w.refusals(), [Refusal::UnknownSource], "{at}");
        assert!(w.told.is_empty(), "{at}");
        w.finish();
    }
    let mut w = world();
    let mut browser = browser(&mut w, PBX, &format!("sip:{HOST}"));
    browser.request(&mut w, "REGISTER", &[], None);
    browser.expect(&mut w, "403");
    w.finish();
}

#[test]
fn without_tls_only_listed_devices_come_in() {
    for stream in [false, true] {
        let mut w = world();
        let mut plain = w.caller(STRANGER, ID);
        if stream {
            w.connect(STRANGER);
            plain.transport = "TCP";
        }
        plain.call_uri(&format!("sip:{ID}@{HOST}"));
        let offer = plain.sdp(30_000);
        plain.invite(&mut w, Some(&offer));
        let refused = plain.expect(&mut w, "403");
        assert!(refused.header(HeaderName::Warning).unwrap().contains("use TLS"));
        assert!(refused.header(HeaderName::Reason).unwrap().contains("use TLS"));
        plain.ack_failure(&mut w);
        assert_eq!(w.refusals(), [Refusal::PlainSignalling]);
        assert!(w.told.is_empty());

        let mut listed = w.caller(LISTED, ID);
        if stream {
            w.connect(LISTED);
            listed.transport = "TCP";
        }
        listed.call_uri(&format!("sip:{ID}@{HOST}"));
        let offer = listed.sdp(30_000);
        let (_, begun, answer) = join(&mut w, &mut listed, &offer);
        assert!(answer.contains(" RTP/AVP 0 101\r\n"), "plain as it came: {answer}");
        assert_ne!(begun.room.unwrap().protocol, TransportProtocol::Tls);
        leave(w, &mut listed);
    }
}

#[test]
fn customers_and_carriers_reach_the_rooms_by_a_number() {
    for (from, country) in [(PBX, "customer"), (CARRIER, "carrier")] {
        let mut w = world();
        let mut caller = w.caller(from, NUMBER);
        let offer = caller.sdp(30_000);
        let (_, begun, answer) = join(&mut w, &mut caller, &offer);
        assert!(answer.contains(" RTP/AVP 0 101\r\n"), "{country} {answer}");
        assert_eq!((&*begun.application, &*begun.to), (ROOMS, NUMBER));
        let room = begun.room.unwrap();
        assert_eq!((room.dialled.meeting, room.address), (None, from));
        assert!(w.take(CARRIER, None).is_none_or(|_| from == CARRIER), "nobody is called");
        leave(w, &mut caller);
    }
    // A customer that names the rooms comes as everybody does.
    let mut w = world();
    let mut pbx = w.caller(PBX, NUMBER);
    pbx.call_uri(&format!("sip:{ID}@{HOST}"));
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    pbx.expect(&mut w, "403");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn requests_outside_calls_are_answered_clearly() {
    let mut w = world();
    let mut device = device(&mut w, &format!("sip:{HOST}"));
    device.request(&mut w, "OPTIONS", &[], None);
    let able = device.expect(&mut w, "200");
    assert!(able.header(HeaderName::Allow).unwrap().contains("INVITE"));
    assert_eq!(able.header(HeaderName::Accept), Some("application/sdp"));
    assert!(able.header(HeaderName::Supported).unwrap().contains("timer"));
    device.start_over();
    device.request(&mut w, "REGISTER", &[], None);
    let refused = device.expect(&mut w, "405");
    assert!(!refused.header(HeaderName::Allow).unwrap().contains("REGISTER"));
    for method in ["SUBSCRIBE", "MESSAGE", "PUBLISH"] {
        device.start_over();
        device.request(&mut w, method, &[], None);
        device.expect(&mut w, "405");
    }
    // Another host is another matter.
    device.start_over();
    device.call_uri("sip:tandem.example");
    device.request(&mut w, "OPTIONS", &[], None);
    device.expect(&mut w, "403");
    assert!(w.told.is_empty());
    w.finish();
}

#[test]
fn records_say_why_the_rooms_ended_a_call() {
    let secure = offered("rooms/codec-with-slides");
    for (status, cause) in [
        (404, "no meeting could be entered by what the caller gave"),
        (408, "no media from the caller in the meeting rooms"),
        (480, "the meeting rooms hung up"),
        (486, "the meeting was full"),
    ] {
        let mut w = world();
        let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
        let (call, ..) = join(&mut w, &mut device, &secure);
        order(&mut w, call, 2, ApplicationOrder::HangUp { leg: None, status });
        let bye = device.expect(&mut w, "BYE");
        let bye = String::from_utf8_lossy(bye.raw()).into_owned();
        let reason = bye.contains("Reason: SIP;cause=408;text=\"No media\"\r\n");
        assert_eq!(reason, status == 408, "by it pages of guests know that they are lost: {bye}");
        device.ok(&mut w);
        assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
        let ends: Vec<_> = w.audit.ends().iter().map(|end| (end.status, end.cause)).collect();
        assert_eq!(ends, [(200, cause)]);
        w.finish();
    }
}

#[test]
fn whom_a_node_drops_as_it_stops_has_not_hung_up() {
    let mut w = world();
    let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
    join(&mut w, &mut device, &offered("rooms/codec-with-slides"));
    w.command(|edge, now| edge.end_all(now));
    device.expect(&mut w, "BYE");
    device.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 503)]);
    w.finish();
}

#[test]
fn a_device_that_leaves_the_offer_to_us_gets_one() {
    let mut w = world();
    let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
    device.invite(&mut w, None);
    device.expect(&mut w, "180");
    let (call, begun) = begun(&mut w);
    assert_eq!(begun.room.unwrap().lines, []);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    let ours = body_of(&device.expect(&mut w, "200"));
    assert!(ours.contains(" RTP/SAVP 96 9 0 8 97 101\r\n"), "{ours}");
    assert!(ours.contains("a=rtpmap:96 opus/48000/2\r\n"), "{ours}");
    let key = ours.lines().find(|line| line.contains(" AES_CM_128_HMAC_SHA1_80 ")).unwrap();
    let key = key.split(" inline:").next().unwrap();
    let answer = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio 4000 RTP/SAVP 9 101\r\na=rtpmap:101 telephone-event/8000\r\n\
         {key} inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
    );
    device.ack(&mut w, Some(&answer));
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    let plan = &w.plan().legs[0];
    assert!(plan.sends_to && plan.accepts_from && plan.security != LegSecurity::Plain);
    leave(w, &mut device);
}

#[test]
fn what_devices_ask_for_inside_the_call() {
    let mut w = world();
    let secure = offered("rooms/codec-with-slides");
    let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
    let (.., first) = join(&mut w, &mut device, &secure);
    // The whole offer again, on hold, and back: the answer keeps its lines and its format.
    for (direction, ours) in
        [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("inactive", "inactive")]
    {
        let again =
            secure.replacen("sendrecv", direction, 1).replacen("o=room 3 1", "o=room 3 2", 1);
        device.request(&mut w, "INVITE", &[], Some(("application/sdp", &again)));
        device.answered();
        let answer = body_of(&device.expect(&mut w, "200"));
        device.ack(&mut w, None);
        assert!(answer.contains(&format!("a={ours}\r\n")), "{answer}");
        let lines = |body: &str| body.lines().filter(|l| l.starts_with("m=")).count();
        assert_eq!(lines(&answer), lines(&first));
        assert!(answer.contains(" RTP/SAVP 9 101\r\n"), "{answer}");
        device.request(&mut w, "UPDATE", &[], Some(("application/sdp", &again)));
        assert_eq!(body_of(&device.expect(&mut w, "200")), answer, "nothing new");
    }
    // Without one: what it has.
    device.request(&mut w, "INVITE", &[], None);
    device.answered();
    let offer = body_of(&device.expect(&mut w, "200"));
    assert!(offer.contains(" RTP/SAVP 9 101\r\n"), "{offer}");
    device.ack(&mut w, Some(&secure));
    // Without keys, or over nothing that is encrypted: refused, and nothing changes.
    let plain = offered("rooms/old-without-keys");
    device.request(&mut w, "INVITE", &[], Some(("application/sdp", &plain)));
    device.answered();
    device.expect(&mut w, "488");
    device.ack_failure(&mut w);
    device.request(&mut w, "UPDATE", &[], None);
    device.expect(&mut w, "200");
    assert_eq!(news(&mut w), []);

    let press = |signal: &str| format!("Signal={signal}\r\nDuration=160\r\n");
    device.request(&mut w, "INFO", &[], Some(("application/dtmf-relay", &press("5"))));
    device.expect(&mut w, "200");
    device.request(&mut w, "INFO", &[], Some(("application/dtmf", "#")));
    device.expect(&mut w, "200");
    w.press(A, key('7'));
    let pressed = ['5', '#', '7'].map(|c| ApplicationNews::Key { leg: A, key: key(c).key });
    assert_eq!(news(&mut w), pressed);
    let update = "<?xml version=\"1.0\"?><media_control><vc_primitive><to_encoder>\
        <picture_fast_update/></to_encoder></vc_primitive></media_control>";
    device.request(&mut w, "INFO", &[], Some(("application/media_control+xml", update)));
    device.expect(&mut w, "200");
    device.request(&mut w, "INFO", &[], Some(("text/plain", "hello")));
    device.expect(&mut w, "405");
    device.request(&mut w, "MESSAGE", &[], Some(("text/plain", "hello")));
    device.expect(&mut w, "405");
    device.request(&mut w, "OPTIONS", &[], None);
    device.expect(&mut w, "200");
    device.request(&mut w, "REFER", &[("Refer-To", "<sip:+12065550177@x.example>")], None);
    device.expect(&mut w, "603");
    leave(w, &mut device);
}

#[test]
fn a_device_that_vanishes_is_noticed_by_its_session_timer() {
    let mut w = world();
    let secure = offered("rooms/group-series-optional");
    let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
    let headers =
        [("Supported", "timer"), ("Session-Expires", "90;refresher=uac"), ("Min-SE", "90")];
    device.invite_with(&mut w, &headers, Some(&secure));
    device.expect(&mut w, "180");
    let (call, _) = begun(&mut w);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    let answer = device.expect(&mut w, "200");
    assert!(answer.header(HeaderName::SessionExpires).unwrap().starts_with("90;"));
    device.ack(&mut w, None);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    w.advance(Duration::from_secs(91));
    let told = news(&mut w);
    assert!(matches!(told[..], [ApplicationNews::HungUp { leg: A, .. }]), "{told:?}");
    w.take_all(STRANGER);
    w.finish();
}

#[test]
fn nobody_is_home_where_no_rooms_are_configured() {
    let mut w = World::new();
    let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
    device.invite(&mut w, Some(&offered("rooms/codec-with-slides")));
    device.expect(&mut w, "403");
    device.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::UnknownSource]);
    w.finish();
}

#[test]
fn where_strangers_are_told_nothing_those_who_come_plain_are_neither() {
    let mut settings = config();
    settings.unknown_sources = b2bua::UnknownSources::Drop;
    let mut w = World::with(settings, resources(|_| {}));
    let mut plain = w.caller(STRANGER, ID);
    plain.call_uri(&format!("sip:{ID}@{HOST}"));
    let offer = plain.sdp(30_000);
    plain.invite(&mut w, Some(&offer));
    plain.expect_silence(&mut w);
    let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
    let (..) = join(&mut w, &mut device, &offered("rooms/codec-with-slides"));
    leave(w, &mut device);
}

#[test]
fn keys_of_a_device_without_events_are_looked_for_in_its_audio() {
    let mut w = world();
    let mut listed = w.caller(LISTED, ID);
    listed.call_uri(&format!("sip:{ID}@{HOST}"));
    let offer = listed.sdp(30_000);
    let plain: String = offer
        .lines()
        .filter(|line| !line.contains("telephone-event"))
        .fold(String::new(), |text, line| {
            text + &line.replace(" RTP/AVP 0 101", " RTP/AVP 0") + "\r\n"
        });
    let (_, _, answer) = join(&mut w, &mut listed, &plain);
    assert!(!answer.contains("telephone-event"), "{answer}");
    assert_eq!(w.plan().dtmf[0], DtmfConversion::TonesToSignalling);
    let told = |symbols: &[char]| -> Vec<_> {
        symbols.iter().map(|c| ApplicationNews::Key { leg: A, key: key(*c).key }).collect()
    };
    w.press(A, key('4'));
    assert_eq!(news(&mut w), told(&['4']));
    // It says keys by INFO too: each is told once, from the first one on.
    let press = |signal: char| format!("Signal={signal}\r\nDuration=160\r\n");
    for (symbol, by_tone_first) in [('4', false), ('7', true), ('7', false), ('#', true)] {
        if by_tone_first {
            w.press(A, key(symbol));
        }
        let body = press(symbol);
        listed.request(&mut w, "INFO", &[], Some(("application/dtmf-relay", &body)));
        listed.expect(&mut w, "200");
        if !by_tone_first {
            w.press(A, key(symbol));
        }
    }
    // The first was told by its tone, just before.
    assert_eq!(news(&mut w), told(&['7', '7', '#']));
    leave(w, &mut listed);
}

#[test]
fn keys_of_a_device_with_events_are_not() {
    let mut w = world();
    let mut listed = w.caller(LISTED, ID);
    listed.call_uri(&format!("sip:{ID}@{HOST}"));
    let offer = listed.sdp(30_000);
    join(&mut w, &mut listed, &offer);
    assert_eq!(w.plan().dtmf[0], DtmfConversion::EventsToSignalling);
    w.press(A, key('4'));
    listed.request(
        &mut w,
        "INFO",
        &[],
        Some(("application/dtmf-relay", "Signal=4\r\nDuration=160\r\n")),
    );
    listed.expect(&mut w, "200");
    let four = ApplicationNews::Key { leg: A, key: key('4').key };
    assert_eq!(news(&mut w), [four.clone(), four]);
    leave(w, &mut listed);
}

#[test]
fn the_rooms_hear_who_speaks_who_is_silent_and_say_something_to_all() {
    let mut w = world();
    let secure = offered("rooms/codec-with-slides");
    let mut device = device(&mut w, &format!("sip:{ID}@{HOST}"));
    let (call, ..) = join(&mut w, &mut device, &secure);
    let id = w.relay.time_out(None).pop().unwrap().id();
    let heard = Heard { is_speaking: true, is_active_speaker: true, level: 26 };
    w.say(vec![MediaEvent::Heard { id, heard }]);
    assert_eq!(news(&mut w), [], "it has no seat");
    let source = AudioSource::Octets([1, 2, 3].as_slice().into());
    let except = Some(ParticipantId(2));
    let announce = ApplicationOrder::Announce { source: source.clone(), except };
    order(&mut w, call, 2, announce.clone());
    assert!(matches!(&news(&mut w)[..], [ApplicationNews::Refused { order: 2, .. }]));
    let seat = Seat {
        conference: ConferenceId(7),
        participant: ParticipantId(1),
        leg: LegSide::A,
        is_muted: false,
    };
    order(&mut w, call, 3, ApplicationOrder::Sit { seat, shown: PicturesShown::default() });
    assert_eq!(news(&mut w), [ApplicationNews::Seated { order: 3 }]);
    w.say(vec![MediaEvent::Heard { id, heard }]);
    assert_eq!(news(&mut w), [ApplicationNews::Heard(heard)]);
    order(&mut w, call, 4, announce);
    assert_eq!((news(&mut w), w.relay.announced.clone()), (vec![], vec![(source, except)]));
    // What becomes of who is silent is the rooms' word: the call goes on.
    assert_eq!(w.plan().timeouts.one, Some(Duration::from_secs(5)));
    for _ in 0..10 {
        w.fall_silent(Some(A));
        assert!(matches!(news(&mut w)[..], [ApplicationNews::Silent { .. }]));
    }
    leave(w, &mut device);
}
