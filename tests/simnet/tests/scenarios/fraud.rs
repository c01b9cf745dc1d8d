//! High-risk numbers, caps, dry runs, and floods of strangers.

use b2bua::UnknownSources;
use directory::{Caps, Money, Price, Resources};
use model::Refusal;
use simnet::{CARRIER, PBX, STRANGER, Ua, World, config, directory};
use sip_proto::HeaderName;
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn call(w: &mut World, number: &str) -> Ua {
    let mut ua = w.caller(PBX, number);
    let offer = ua.sdp(30_000);
    ua.invite(w, Some(&offer));
    ua
}

#[track_caller]
fn refused(w: &mut World, number: &str, refusal: Refusal) {
    let mut ua = call(w, number);
    let answer = ua.expect(w, "403");
    let reason = format!("SIP;cause=403;text=\"{}\"", refusal.name());
    assert_eq!(answer.header(HeaderName::Reason), Some(reason.as_str()));
    ua.ack_failure(w);
    assert_eq!(w.refusals().last(), Some(&refusal), "{number}");
}

#[track_caller]
fn reaches_carrier(w: &mut World, number: &str) {
    let mut ua = call(w, number);
    let mut pstn = w.callee(CARRIER);
    pstn.reply(w, 486, None);
    pstn.expect(w, "ACK");
    ua.expect(w, "486");
    ua.ack_failure(w);
}

fn with(change: impl FnOnce(&mut directory::VoiceConnector)) -> Resources {
    let mut resources = directory();
    change(&mut resources.voice_connectors[0]);
    resources
}

fn capped(caps: Caps) -> World {
    World::with(config(), with(|vc| vc.caps = caps))
}

#[test]
fn high_risk_numbers_need_a_word_of_their_own() {
    let listed = |allow: bool| {
        World::with(
            config(),
            with(|vc| {
                let termination = vc.termination.as_mut().unwrap();
                termination.calling_regions.push("JM");
                termination.allow_high_risk = allow;
            }),
        )
    };
    let mut w = listed(false);
    for number in ["+19005550123", "+18765550123", "+881612345678", "+979112345678"] {
        refused(&mut w, number, Refusal::HighRisk);
    }
    reaches_carrier(&mut w, "+12065550123");
    w.finish();

    let mut w = listed(true);
    for number in ["+19005550123", "+18765550123", "+881612345678"] {
        reaches_carrier(&mut w, number);
    }
    // Countries must be listed all the same.
    refused(&mut w, "+2472345678", Refusal::RegionNotAllowed);
    w.finish();

    let mut resources = directory();
    resources.high_risk_prefixes = vec!["+1206555012".into()];
    let mut w = World::with(config(), resources);
    refused(&mut w, "+12065550123", Refusal::HighRisk);
    reaches_carrier(&mut w, "+12065550133");
    w.finish();
}

#[test]
fn a_days_minutes_are_counted_while_calls_run_and_through_a_reload() {
    let caps = Caps { minutes_per_day: Some(2), ..Caps::default() };
    let mut w = capped(caps.clone());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(119 * SECOND);
    reaches_carrier(&mut w, "+12065550123");
    w.advance(SECOND);
    refused(&mut w, "+12065550123", Refusal::DailyMinutesCap);
    // The running call goes on.
    pbx.hang_up(&mut w, &mut pstn);
    refused(&mut w, "+12065550123", Refusal::DailyMinutesCap);
    let snapshot = simnet::snapshot(with(|vc| vc.caps = caps));
    w.command(|edge, _| edge.set_directory(snapshot));
    refused(&mut w, "+12065550123", Refusal::DailyMinutesCap);
    // Inbound calls cost nothing.
    let mut inbound = w.caller(CARRIER, "+12065550100");
    let offer = inbound.sdp(30_000);
    inbound.invite(&mut w, Some(&offer));
    w.callee(PBX);
    inbound.cancel(&mut w);
    w.take_all(CARRIER);
    // A new day.
    w.advance(Duration::from_secs(86_400));
    w.take_all(CARRIER);
    reaches_carrier(&mut w, "+12065550123");
    w.finish();
}

#[test]
fn a_days_money_is_counted_by_prefix() {
    let price = |prefix: &str, cents: u64| Price {
        prefix: prefix.into(),
        per_minute: Money(cents * 10_000),
    };
    let mut w = capped(Caps {
        spend_per_day: Some(Money(1_000_000)),
        prices: vec![price("+", 500), price("+1", 10)],
        ..Caps::default()
    });
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(Duration::from_secs(9 * 60));
    reaches_carrier(&mut w, "+12065550123");
    w.advance(Duration::from_secs(60));
    refused(&mut w, "+12065550123", Refusal::DailySpendCap);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_ends_on_both_legs_when_it_has_lasted_long_enough() {
    let mut w = capped(Caps { max_call_duration: Some(60 * SECOND), ..Caps::default() });
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(59 * SECOND);
    pbx.expect_silence(&mut w);
    w.advance(SECOND);
    for ua in [&mut pbx, &mut pstn] {
        let bye = ua.expect(&mut w, "BYE");
        let reason = bye.header(HeaderName::Reason).unwrap();
        assert!(reason.contains("cause=403") && reason.contains("duration"), "{reason}");
        ua.ok(&mut w);
    }
    assert!(w.end().cause.contains("max_call_duration"));
    w.finish();
}

#[test]
fn a_call_that_ends_in_time_leaves_nothing_of_its_cap() {
    let mut w = capped(Caps { max_call_duration: Some(60 * SECOND), ..Caps::default() });
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(30 * SECOND);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_dry_run_tells_what_it_would_refuse_and_lets_it_pass() {
    let mut w = World::with(
        config(),
        with(|vc| {
            vc.dry_run = true;
            let termination = vc.termination.as_mut().unwrap();
            termination.cps_limit = 3;
            termination.concurrent_calls_limit = 100;
            vc.caps.max_call_duration = Some(30 * SECOND);
            vc.caps.minutes_per_day = Some(1);
        }),
    );
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(59 * SECOND);
    reaches_carrier(&mut w, "+442071234567");
    reaches_carrier(&mut w, "+19005550123");
    w.advance(SECOND);
    reaches_carrier(&mut w, "+12065550123");
    for _ in 0..3 {
        reaches_carrier(&mut w, "+12065550123");
    }
    assert_eq!(
        w.audit.would_refuse,
        [
            Refusal::CallDurationCap,
            Refusal::RegionNotAllowed,
            Refusal::HighRisk,
            Refusal::DailyMinutesCap,
            Refusal::DailyMinutesCap,
            Refusal::DailyMinutesCap,
            Refusal::DailyMinutesCap,
        ]
    );
    assert_eq!(w.edge.statistics().would_refuse, 7);
    assert!(w.refusals().is_empty());
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();

    let mut w = World::with(
        config(),
        with(|vc| {
            vc.dry_run = true;
            let termination = vc.termination.as_mut().unwrap();
            termination.cps_limit = 1;
            termination.concurrent_calls_limit = 1;
        }),
    );
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    reaches_carrier(&mut w, "+12065550123");
    pbx.hang_up(&mut w, &mut pstn);
    reaches_carrier(&mut w, "+12065550123");
    assert_eq!(w.audit.would_refuse, [Refusal::ConcurrentCallLimit, Refusal::CallRateLimit]);
    w.finish();
}

fn stranger(n: u32) -> SocketAddr {
    SocketAddr::from(((0x6440_0000 + n).to_be_bytes(), 5060))
}

fn flood_request(from: SocketAddr, n: u32) -> String {
    format!(
        "INVITE sip:+12065550123@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@{from}>;tag={n}\r\nTo: <sip:+12065550123@203.0.113.1>\r\n\
         Call-ID: flood-{n}@{from}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{from}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_flood_from_everywhere_costs_no_transaction_and_known_peers_keep_their_service() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut answered = 0;
    for n in 0..20_000 {
        let from = stranger(n);
        w.send(from, flood_request(from, n));
        answered += w.take_all(from).len();
    }
    assert_eq!(answered, 100, "what all strangers share");
    assert_eq!(w.edge.statistics().strangers_dropped, 19_900);
    assert!(w.edge.statistics().server_transactions < 3);
    // In the middle of it a customer calls, and another one hangs up.
    reaches_carrier(&mut w, "+12065550123");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn one_stranger_does_not_use_up_the_answers_of_the_others() {
    let mut w = World::new();
    for n in 0..1_000 {
        w.send(STRANGER, flood_request(STRANGER, n));
    }
    assert_eq!(w.take_all(STRANGER).len(), 10);
    let other = stranger(1);
    w.send(other, flood_request(other, 1));
    assert_eq!(w.take_all(other).len(), 1);
    w.finish();
}

#[test]
fn unknown_sources_can_be_left_without_a_word() {
    let mut settings = config();
    settings.unknown_sources = UnknownSources::Drop;
    let mut w = World::with(settings, directory());
    for n in 0..20 {
        w.send(STRANGER, flood_request(STRANGER, n));
    }
    assert!(w.take_all(STRANGER).is_empty());
    assert_eq!(w.edge.statistics().strangers_dropped, 20);
    // The operator hears of them, at the rate of the answers.
    assert_eq!(w.refusals(), vec![Refusal::UnknownSource; 10]);
    reaches_carrier(&mut w, "+12065550123");
    w.finish();
}
