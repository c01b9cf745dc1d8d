//! Keys between legs that say them differently.

use crate::transfer::{expect_notify, released, take_offer};
use directory::Dtmf;
use model::{DtmfConversion, DtmfKey, DtmfPress, LegSide};
use simnet::{CARRIER_2, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

const NONE: DtmfConversion = DtmfConversion::None;
const TOLD: DtmfConversion = DtmfConversion::EventsToSignalling;
const RELAY: &str = "application/dtmf-relay";

fn world(customer: Dtmf, carrier: Dtmf) -> World {
    let mut resources = directory();
    resources.voice_connectors[0].dtmf = customer;
    resources.carriers[0].dtmf = carrier;
    World::with(config(), resources)
}

fn press(symbol: char) -> DtmfPress {
    let key = DtmfKey::from_symbol(symbol).unwrap();
    DtmfPress { key, duration: Duration::from_millis(120) }
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body_bytes()).into_owned()
}

/// A key that came in an INFO; it is not answered yet.
fn told(w: &mut World, ua: &mut Ua) -> String {
    let info = ua.expect(w, "INFO");
    assert_eq!(info.header(HeaderName::ContentType), Some(RELAY));
    let body = text(&info);
    let symbol = body.strip_prefix("Signal=").and_then(|b| b.strip_suffix("\r\nDuration=120\r\n"));
    symbol.unwrap_or_else(|| panic!("{body:?}")).to_owned()
}

fn counted(w: &World) -> b2bua::DtmfCounters {
    w.edge.statistics().dtmf
}

#[test]
fn keys_that_come_as_events_are_told_one_info_at_a_time_and_in_order() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.plan().dtmf, [NONE, TOLD]);
    let events = w.plan().legs.each_ref().map(|leg| leg.telephone_event);
    assert_eq!(events, [None, Some(101)], "a side that speaks INFO has no events");
    for symbol in "159".chars() {
        w.press(LegSide::B, press(symbol));
    }
    for symbol in ["1", "5", "9"] {
        assert_eq!(told(&mut w, &mut pbx), symbol);
        pbx.expect_silence(&mut w);
        pbx.ok(&mut w);
    }
    // Nothing is told that way to whoever hears events.
    w.press(LegSide::A, press('2'));
    pstn.expect_silence(&mut w);
    assert_eq!((counted(&w).events_to_info, counted(&w).dropped), (3, 0));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn keys_that_come_in_info_are_answered_here_and_become_events() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    for (media_type, body) in [
        (RELAY, "Signal=4\r\nDuration=250\r\n"),
        (RELAY, "Signal= #\r\nDuration= 100\r\n"),
        ("application/dtmf", "d"),
    ] {
        pbx.request(&mut w, "INFO", &[], Some((media_type, body)));
        pbx.expect(&mut w, "200");
    }
    let millis = |ms| Duration::from_millis(ms);
    let wanted = [
        (LegSide::B, 4, millis(250)),
        (LegSide::B, 11, millis(100)),
        (LegSide::B, 15, millis(160)),
    ];
    assert_eq!(w.relay.keys, wanted);
    assert_eq!(counted(&w).info_to_events, 3);
    // What is no key passes as ever.
    pbx.request(&mut w, "INFO", &[], Some(("text/plain", "hello")));
    pstn.expect(&mut w, "INFO");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "200");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn bodies_that_hold_no_key_are_refused_for_what_they_are() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    for (headers, media_type, body, status) in [
        (&[][..], RELAY, "Signal=\r\n", "400"),
        (&[], RELAY, "Duration=100\r\n", "400"),
        (&[], "application/dtmf", "123", "400"),
        (&[("Content-Encoding", "gzip")], RELAY, "Signal=1\r\n", "415"),
    ] {
        pbx.request(&mut w, "INFO", headers, Some((media_type, body)));
        let refused = pbx.expect(&mut w, status);
        let accepted = refused.header(HeaderName::Accept);
        assert_eq!(accepted.is_some(), status == "415", "RFC 3261 section 21.4.13");
    }
    assert!(w.relay.keys.is_empty());
    assert_eq!(counted(&w).malformed, 4);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn whoever_speaks_events_is_offered_them_though_nobody_else_asks() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let mut pbx = w.caller(simnet::PBX, "+12065550123");
    let without = |sdp: String| {
        let lines = sdp.split_inclusive("\r\n").filter(|line| !line.contains(":101 "));
        lines.collect::<String>().replace(" 0 101\r\n", " 0\r\n")
    };
    let offer = without(pbx.sdp(30_000));
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(simnet::CARRIER);
    let offered = text(pstn.invited.as_ref().unwrap());
    assert!(offered.contains("RTP/AVP 0 101\r\n"), "{offered}");
    assert!(offered.contains("a=rtpmap:101 telephone-event/8000\r\n"), "{offered}");
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let answered = text(&pbx.expect(&mut w, "200"));
    assert!(answered.contains("RTP/AVP 0\r\n") && !answered.contains("101"), "{answered}");
    pbx.ack(&mut w, None);
    assert_eq!(w.plan().dtmf, [NONE, TOLD]);
    // Hold and resume by the carrier: its offer has events, and so has its answer.
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    for (version, direction, other) in [(2, "sendonly", "recvonly"), (3, "sendrecv", "sendrecv")] {
        let offer = pstn.sdp_with(40_000, version, direction);
        pstn.invite(&mut w, Some(&offer));
        let offered = text(&pbx.expect(&mut w, "INVITE"));
        assert!(!offered.contains("telephone-event"), "{offered}");
        let answer = without(pbx.sdp_with(30_000, version, other));
        pbx.reply(&mut w, 200, Some(&answer));
        pbx.expect(&mut w, "ACK");
        let answered = text(&pstn.expect(&mut w, "200"));
        assert!(answered.contains("a=rtpmap:101 telephone-event/8000\r\n"), "{answered}");
        pstn.ack(&mut w, None);
        assert_eq!(w.plan().dtmf, [NONE, TOLD], "{direction}");
    }
    w.press(LegSide::B, press('0'));
    assert_eq!(told(&mut w, &mut pbx), "0");
    pbx.ok(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_renegotiation_between_two_keys_keeps_their_order() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.press(LegSide::B, press('1'));
    w.press(LegSide::B, press('2'));
    assert_eq!(told(&mut w, &mut pbx), "1");
    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.request(&mut w, "INVITE", &[], Some(("application/sdp", &hold)));
    pstn.expect(&mut w, "INVITE");
    w.press(LegSide::B, press('3'));
    let held = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.reply(&mut w, 200, Some(&held));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.answered();
    pbx.ack(&mut w, None);
    pbx.ok(&mut w);
    for symbol in ["2", "3"] {
        assert_eq!(told(&mut w, &mut pbx), symbol);
        pbx.ok(&mut w);
    }
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn keys_for_a_slow_peer_are_bounded_in_number_and_age() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    for _ in 0..40 {
        w.press(LegSide::B, press('7'));
    }
    assert_eq!(counted(&w).dropped, 7, "one is on its way, 32 wait");
    assert_eq!(told(&mut w, &mut pbx), "7");
    w.advance(Duration::from_secs(9));
    w.press(LegSide::B, press('8'));
    assert_eq!(counted(&w).dropped, 8);
    while pbx.poll(&mut w).is_some() {}
    pbx.ok(&mut w);
    assert_eq!(told(&mut w, &mut pbx), "7");
    w.advance(Duration::from_secs(2));
    w.press(LegSide::B, press('9'));
    while pbx.poll(&mut w).is_some() {}
    pbx.ok(&mut w);
    assert_eq!(told(&mut w, &mut pbx), "9", "31 were too old");
    assert_eq!(counted(&w).dropped, 39);
    pbx.ok(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_peer_that_knows_the_short_form_alone_gets_it() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.press(LegSide::B, press('*'));
    w.press(LegSide::B, press('A'));
    assert_eq!(told(&mut w, &mut pbx), "*");
    pbx.refuse(&mut w, 415, &[]);
    for symbol in ["*\r\n", "A\r\n"] {
        let info = pbx.expect(&mut w, "INFO");
        assert_eq!(info.header(HeaderName::ContentType), Some("application/dtmf"));
        assert_eq!(text(&info), symbol);
        pbx.ok(&mut w);
    }
    assert_eq!((counted(&w).info_failed, counted(&w).dropped), (1, 0));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_peer_that_takes_no_such_info_is_left_alone_and_one_that_fails_once_is_not() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.press(LegSide::B, press('1'));
    w.press(LegSide::B, press('2'));
    told(&mut w, &mut pbx);
    pbx.refuse(&mut w, 500, &[]);
    assert_eq!(told(&mut w, &mut pbx), "2");
    w.press(LegSide::B, press('3'));
    pbx.refuse(&mut w, 501, &[]);
    w.press(LegSide::B, press('4'));
    pbx.expect_silence(&mut w);
    assert_eq!((counted(&w).info_failed, counted(&w).dropped), (2, 2));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_peer_that_does_not_answer_an_info_hears_no_old_keys() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.press(LegSide::B, press('1'));
    w.press(LegSide::B, press('2'));
    told(&mut w, &mut pbx);
    w.advance(Duration::from_secs(33));
    while pbx.poll(&mut w).is_some() {}
    assert_eq!((counted(&w).info_failed, counted(&w).dropped), (1, 1));
    w.press(LegSide::B, press('3'));
    assert_eq!(told(&mut w, &mut pbx), "3");
    pbx.ok(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_that_ends_forgets_the_keys_that_wait() {
    let mut w = world(Dtmf::Info, Dtmf::Rfc4733);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    for _ in 0..3 {
        w.press(LegSide::B, press('5'));
    }
    told(&mut w, &mut pbx);
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    pbx.expect_silence(&mut w);
    w.finish();
}

#[test]
fn settings_that_agree_and_pass_leave_everything_as_it_is() {
    use Dtmf::{Auto, Info, Pass, Rfc4733};
    for (customer, carrier) in
        [(Rfc4733, Rfc4733), (Auto, Auto), (Info, Pass), (Pass, Info), (Auto, Rfc4733)]
    {
        let mut w = world(customer, carrier);
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        assert_eq!(w.plan().dtmf, [NONE; 2]);
        let events = w.plan().legs.each_ref().map(|leg| leg.telephone_event);
        assert_eq!(events, [Some(101); 2], "{customer:?} {carrier:?}");
        pbx.request(&mut w, "INFO", &[], Some((RELAY, "Signal=1\r\n")));
        pstn.expect(&mut w, "INFO");
        pstn.ok(&mut w);
        pbx.expect(&mut w, "200");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn tones_are_asked_for_where_a_side_speaks_them() {
    for (customer, carrier, wanted) in [
        (
            Dtmf::Rfc4733,
            Dtmf::Inband,
            [DtmfConversion::EventsToTones, DtmfConversion::TonesToEvents],
        ),
        (Dtmf::Info, Dtmf::Inband, [NONE, DtmfConversion::TonesToSignalling]),
    ] {
        let mut w = world(customer, carrier);
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        assert_eq!(w.plan().dtmf, wanted);
        let events = w.plan().legs.each_ref().map(|leg| leg.telephone_event);
        assert_eq!(events, [(customer == Dtmf::Rfc4733).then_some(101), None]);
        if customer == Dtmf::Info {
            w.press(LegSide::B, press('6'));
            assert_eq!(told(&mut w, &mut pbx), "6");
            pbx.ok(&mut w);
            pbx.request(&mut w, "INFO", &[], Some((RELAY, "Signal=6\r\n")));
            pbx.expect(&mut w, "200");
            assert_eq!(w.relay.keys, [(LegSide::B, 6, Duration::from_millis(160))]);
            assert_eq!((counted(&w).tones_to_info, counted(&w).info_to_tones), (1, 1));
        }
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_transfer_brings_the_settings_of_the_leg_that_comes() {
    let mut resources = directory();
    resources.carriers[1].dtmf = Dtmf::Info;
    resources.carriers[1].prefixes = vec!["+12065550177".into()];
    let mut w = World::with(config(), resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.plan().dtmf, [NONE; 2]);
    pbx.request(&mut w, "REFER", &[("Refer-To", crate::transfer::TARGET)], None);
    pbx.expect(&mut w, "202");
    expect_notify(&mut w, &mut pbx, "SIP/2.0 100 Trying");
    let mut target = w.callee(CARRIER_2);
    let offered = text(target.invited.as_ref().unwrap());
    assert!(!offered.contains("telephone-event"), "{offered}");
    let answer = target.sdp(41_000).replace(" 0 101\r\n", " 0\r\n");
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    let offer = text(&take_offer(&mut w, &mut pstn, 42_000));
    assert!(offer.contains("telephone-event/8000"), "{offer}");
    released(&mut w, &mut pbx);
    assert_eq!(w.plan().dtmf, [TOLD, NONE]);
    w.press(LegSide::A, press('9'));
    assert_eq!(told(&mut w, &mut target), "9");
    target.ok(&mut w);
    target.request(&mut w, "INFO", &[], Some((RELAY, "Signal=8\r\nDuration=90\r\n")));
    target.expect(&mut w, "200");
    assert_eq!(w.relay.keys, [(LegSide::A, 8, Duration::from_millis(90))]);
    pstn.hang_up(&mut w, &mut target);
    w.finish();
}
