//! How many calls the meeting rooms take, of everybody and of one source.

use super::*;

#[test]
fn a_flood_of_calls_has_the_strangers_rate() {
    let mut w = world();
    let secure = offered("rooms/codec-with-slides");
    w.connect_tls(STRANGER);
    for _ in 0..100 {
        let mut device = w.caller(STRANGER, ID);
        device.transport = "TLS";
        device.call_uri(&format!("sip:{ID}@{HOST}"));
        device.invite(&mut w, Some(&secure));
    }
    assert_eq!(w.told.len(), 10, "a second's share of one source");
    assert!(w.edge.statistics().strangers_dropped >= 90);
    w.command(|edge, now| edge.end_all(now));
    w.take_all(STRANGER);
    w.told.clear();
    w.finish();
}

#[test]
fn the_rooms_have_so_many_calls() {
    let mut w = World::with(config(), resources(|rooms| rooms.max_calls = 1));
    let secure = offered("rooms/codec-with-slides");
    let mut first = device(&mut w, &format!("sip:{ID}@{HOST}"));
    let (call, ..) = join(&mut w, &mut first, &secure);
    let mut second = w.caller(LISTED, ID);
    second.call_uri(&format!("sip:{ID}@{HOST}"));
    let offer = second.sdp(30_000);
    second.invite(&mut w, Some(&offer));
    second.expect(&mut w, "503");
    second.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::ConcurrentCallLimit]);
    order(&mut w, call, 2, ApplicationOrder::HangUp { leg: None, status: 480 });
    first.expect(&mut w, "BYE");
    first.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
    w.finish();
}

#[test]
fn a_stranger_has_its_share_of_the_rooms_and_others_have_theirs() {
    let mut w = World::with(config(), resources(|rooms| rooms.max_calls_per_source = 2));
    let secure = offered("rooms/codec-with-slides");
    let uri = format!("sip:{ID}@{HOST}");
    let mut first = device(&mut w, &uri);
    let mut second = w.caller(STRANGER, ID);
    second.transport = "TLS";
    second.call_uri(&uri);
    for device in [&mut first, &mut second] {
        join(&mut w, device, &secure);
    }
    let mut third = w.caller(STRANGER, ID);
    third.transport = "TLS";
    third.call_uri(&uri);
    third.invite(&mut w, Some(&secure));
    let refused = third.expect(&mut w, "503");
    assert!(refused.header(HeaderName::Warning).unwrap().contains("from this address"));
    assert_eq!(refused.header(HeaderName::RetryAfter), Some("5"));
    third.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::SourceCallLimit]);
    // Who is listed, and who calls a number, has a word with the operator instead.
    let mut listed: Vec<Ua> = Vec::new();
    for _ in 0..3 {
        let mut one = w.caller(LISTED, ID);
        one.call_uri(&uri);
        listed.push(one);
    }
    listed.extend((0..3).map(|_| w.caller(CARRIER, NUMBER)));
    for one in &mut listed {
        let offer = one.sdp(30_000);
        join(&mut w, one, &offer);
    }
    // A place that is left is another one's.
    first.bye(&mut w);
    first.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    let mut fourth = w.caller(STRANGER, ID);
    fourth.transport = "TLS";
    fourth.call_uri(&uri);
    join(&mut w, &mut fourth, &secure);
    // One that is refused by the number of all calls takes no place.
    w.command(|edge, now| edge.end_all(now));
    for place in [STRANGER, LISTED, CARRIER] {
        w.take_all(place);
    }
    w.told.clear();
    w.finish();
}

#[test]
fn guests_behind_a_proxy_are_no_single_source() {
    let mut config = config();
    let listener =
        Listener { protocol: TransportProtocol::Ws, local: EDGE_WSS, advertised: EDGE_WSS };
    config.listeners.push(listener);
    let mut w = World::with(config, resources(|rooms| rooms.max_calls_per_source = 1));
    let offer = offered("rooms/codec-with-slides");
    let uri = format!("sip:{ID}@{HOST}");
    for port in 40_000..40_003 {
        let at = SocketAddr::new(STRANGER.ip(), port);
        w.connect_plain_web(at);
        let mut guest = w.caller(at, ID);
        guest.transport = "WS";
        guest.call_uri(&uri);
        join(&mut w, &mut guest, &offer);
    }
    // A page that browsers open themselves has them from their own addresses.
    let mut first = browser(&mut w, STRANGER, &uri);
    join(&mut w, &mut first, &offer);
    let mut second = browser(&mut w, SocketAddr::new(STRANGER.ip(), 41_000), &uri);
    second.invite(&mut w, Some(&offer));
    second.expect(&mut w, "503");
    second.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::SourceCallLimit]);
    w.command(|edge, now| edge.end_all(now));
    w.told.clear();
}

#[test]
fn what_is_refused_for_another_reason_takes_no_place_of_its_source() {
    let limits = |rooms: &mut Rooms| (rooms.max_calls, rooms.max_calls_per_source) = (1, 2);
    let mut w = World::with(config(), resources(limits));
    let secure = offered("rooms/codec-with-slides");
    let mut first = device(&mut w, &format!("sip:{ID}@{HOST}"));
    join(&mut w, &mut first, &secure);
    for _ in 0..3 {
        let mut next = w.caller(STRANGER, ID);
        next.transport = "TLS";
        next.call_uri(&format!("sip:{ID}@{HOST}"));
        next.invite(&mut w, Some(&secure));
        next.expect(&mut w, "503");
        next.ack_failure(&mut w);
    }
    assert_eq!(w.refusals(), [Refusal::ConcurrentCallLimit; 3]);
    leave(w, &mut first);
}
