//! Steered calls under loss, and under orders and hang-ups in any sequence: every run ends, and leaves
//! nothing behind.

use crate::loss::{lose_each, rest};
use crate::steered::{answered, file, key, order, steering};
use crate::steered_recordings::recording;
use model::{ApplicationNews, ApplicationOrder, ApplicationTold, Bridge, LegSide, TransactionId};
use simnet::{CARRIER, Ua, World, config};
use sip_proto::Method;
use std::time::Duration;

fn wanted() -> Bridge {
    Bridge {
        to: "+12065550177".into(),
        from: "+12065550500".into(),
        voice_connector: None,
        ring_timeout: Duration::from_secs(60),
        headers: Vec::new(),
        ringback: Some(file("ring.wav")),
    }
}

/// What the application was told, without what a loss may repeat or delay.
fn story(w: &World) -> String {
    let words = w.told.iter().map(|event| match &event.told {
        ApplicationTold::Begun(begun) => format!("begun {}", begun.application),
        ApplicationTold::News(news) => format!("{news:?}"),
    });
    words.filter(|word| !word.starts_with("Ringing")).collect::<Vec<_>>().join("; ")
}

#[test]
fn of_an_answer_a_leg_b_that_comes_and_goes_and_the_end() {
    lose_each(
        || World::with(config(), steering()),
        |w| {
            let mut caller = w.caller(CARRIER, crate::steered::NUMBER);
            let offer = caller.sdp(30_000);
            caller.invite(w, Some(&offer));
            rest(w);
            let call = w.told[0].call;
            order(w, call, 1, ApplicationOrder::Answer);
            caller.expect(w, "200");
            caller.ack(w, None);
            rest(w);
            order(w, call, 2, ApplicationOrder::Bridge(wanted()));
            let mut callee = w.callee(CARRIER);
            let body = callee.sdp(40_000);
            callee.reply(w, 200, Some(&body));
            callee.expect(w, "ACK");
            rest(w);
            callee.expect(w, "INVITE");
            let body = callee.sdp_with(40_000, 2, "sendrecv");
            callee.reply(w, 200, Some(&body));
            callee.expect(w, "ACK");
            rest(w);
            callee.bye(w);
            callee.expect(w, "200");
            rest(w);
            caller.bye(w);
            caller.expect(w, "200");
            rest(w);
            story(w)
        },
    );
}

#[test]
fn of_a_call_that_an_application_begins() {
    lose_each(
        || World::with(config(), steering()),
        |w| {
            let call = crate::steered_outbound::begin(w);
            let mut callee = w.callee(CARRIER);
            callee.reply(w, 180, None);
            let body = callee.sdp(30_000);
            callee.reply(w, 200, Some(&body));
            callee.expect(w, "ACK");
            rest(w);
            order(w, call, 2, ApplicationOrder::Bridge(wanted()));
            let mut other = w.callee(CARRIER);
            let body = other.sdp(40_000);
            other.reply(w, 200, Some(&body));
            other.expect(w, "ACK");
            rest(w);
            other.expect(w, "INVITE");
            let body = other.sdp_with(40_000, 2, "sendrecv");
            other.reply(w, 200, Some(&body));
            other.expect(w, "ACK");
            rest(w);
            other.bye(w);
            other.expect(w, "200");
            rest(w);
            callee.bye(w);
            callee.expect(w, "200");
            rest(w);
            story(w)
        },
    );
}

/// Numbers without a pattern, the same for a seed on every machine.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Answers whatever has come to an endpoint: INVITEs by luck, all else with 200. Whether it has hung
/// up, or was hung up.
fn react(w: &mut World, ua: &mut Ua, draw: &mut Draw, version: u32) -> bool {
    let mut is_over = false;
    while let Some(message) = ua.poll(w) {
        match message.method() {
            Some(Method::Invite) => match draw.below(4) {
                0 => ua.reply(w, 488, None),
                _ => {
                    let body = ua.sdp_with(42_000, version, "sendrecv");
                    ua.reply(w, 200, Some(&body));
                }
            },
            Some(Method::Ack) => {}
            Some(method) => {
                is_over |= method == Method::Bye;
                ua.ok(w);
                if method == Method::Cancel {
                    ua.reply(w, 487, None);
                    is_over = true;
                }
            }
            None => {}
        }
    }
    is_over
}

fn random_order(draw: &mut Draw, step: u32) -> ApplicationOrder {
    let leg = if draw.below(2) == 0 { LegSide::A } else { LegSide::B };
    let duration = Duration::from_millis(60);
    match draw.below(11) {
        0 => ApplicationOrder::Answer,
        1 | 2 => ApplicationOrder::Play { leg, source: file("x.wav"), rounds: Some(1) },
        3 => ApplicationOrder::StopPlaying { leg },
        4 => ApplicationOrder::SendKeys { leg, keys: vec![key('4').key; 3], duration },
        5 => ApplicationOrder::Mute { leg, on: draw.below(2) == 0 },
        6 => ApplicationOrder::HangUp { leg: Some(LegSide::B), status: 480 },
        7 => ApplicationOrder::Record(Box::new(recording(step, [true, draw.below(2) == 0]))),
        8 => ApplicationOrder::StopRecording { order: step.saturating_sub(draw.below(6) as u32) },
        _ => ApplicationOrder::Bridge(wanted()),
    }
}

fn run(seed: u64, begun: (World, Ua, TransactionId)) {
    let draw = &mut Draw(seed);
    let (mut w, mut caller, call) = begun;
    let mut callees: Vec<Ua> = Vec::new();
    for step in 0..40_u32 {
        match draw.below(12) {
            0..7 => {
                let wanted = random_order(draw, step);
                let is_bridge = matches!(wanted, ApplicationOrder::Bridge(_));
                if is_bridge {
                    // The next message to the carrier is then the INVITE.
                    react(&mut w, &mut caller, draw, step + 2);
                    for callee in &mut callees {
                        react(&mut w, callee, draw, step + 2);
                    }
                }
                w.told.clear();
                order(&mut w, call, step, wanted);
                let is_refused = w.told.iter().any(|event| {
                    matches!(
                        event.told,
                        ApplicationTold::News(
                            ApplicationNews::Refused { .. } | ApplicationNews::BridgeFailed { .. }
                        )
                    )
                });
                if is_bridge && !is_refused {
                    callees.push(w.callee(CARRIER));
                }
            }
            7 => w.play_to_end(if draw.below(2) == 0 { LegSide::A } else { LegSide::B }),
            8 => {
                if let Some(callee) = callees.last_mut() {
                    match draw.below(4) {
                        0 => callee.reply(&mut w, 180, None),
                        1 => callee.reply(&mut w, 486, None),
                        _ => {
                            let body = callee.sdp_with(42_000, step + 1, "sendrecv");
                            callee.reply(&mut w, 200, Some(&body));
                        }
                    }
                }
            }
            9 => {
                // Only one that has a dialog can.
                if let Some(mut callee) = callees.pop() {
                    callee.bye(&mut w);
                    callees.push(callee);
                }
            }
            10 => w.advance(Duration::from_millis(draw.below(3_000))),
            _ => {
                let moved = caller.sdp_with(30_000, step + 2, "sendrecv");
                caller.invite(&mut w, Some(&moved));
                while let Some(message) = caller.poll(&mut w) {
                    match message.status() {
                        Some(200) => caller.ack(&mut w, None),
                        Some(status) if status >= 300 => caller.ack_failure(&mut w),
                        _ => {}
                    }
                }
            }
        }
        if draw.below(3) > 0 {
            react(&mut w, &mut caller, draw, step + 2);
            for callee in &mut callees {
                react(&mut w, callee, draw, step + 2);
            }
        }
    }
    order(&mut w, call, 99, ApplicationOrder::HangUp { leg: None, status: 480 });
    for _ in 0..40 {
        w.advance(Duration::from_secs(1));
        react(&mut w, &mut caller, draw, 99);
        for callee in &mut callees {
            react(&mut w, callee, draw, 99);
        }
    }
    assert_eq!(w.edge.active_calls(), 0, "seed {seed}\n{}", w.ladder());
    w.finish();
}

#[test]
fn any_sequence_of_orders_and_hang_ups_ends_and_leaves_nothing() {
    for seed in 0..100 {
        run(seed, answered());
        run(seed, crate::steered_outbound::answered());
    }
}
