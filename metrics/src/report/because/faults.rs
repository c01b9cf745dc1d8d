//! Calls with one fault each, as a network, a peer or a host would leave them in the record: the
//! fault itself, what follows from it, and beside it things that look like faults and are none.

use super::Cause;
use crate::call_record::{CallRecord, IntervalRecord, QualityRecord, RouteRecord};
use crate::report::tests::{good_call, rung};
use crate::{DescriptionRecord, SpellRecord};

/// `SplitMix64`: the same seed makes the same call.
pub(in crate::report) struct Dice(pub(in crate::report) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn share(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() % 10_000) as f64 / 10_000.0
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[(self.next() % of.len() as u64) as usize]
    }
}

pub(in crate::report) type Inject = fn(&mut Dice, &mut CallRecord);

/// A call that nothing is wrong with, with what is usual on good days.
pub(in crate::report) fn clean(dice: &mut Dice) -> CallRecord {
    let mut call = good_call();
    if dice.chance(40) {
        call.direction = "Inbound".to_owned();
        call.routes[0].carrier = None;
    }
    let rang = call.times.attempted + dice.between(80, 2_500);
    let answered = rang + dice.between(0, 25_000);
    call.times.ringing = Some(rang);
    call.times.answered = Some(answered);
    let talk = dice.between(2_000, 900_000);
    call.times.ended = answered + talk;
    if dice.chance(25) {
        let mut first = call.routes[0].clone();
        first.destination = "127.0.0.9:5060".to_owned();
        first.carrier = Some("pstn-0".to_owned());
        call.routes.insert(0, first);
        let mut refusal = rung(2, "B", "received", "SIP/2.0 503 Service Unavailable");
        refusal.peer = "127.0.0.9:5060".to_owned();
        call.ladder.insert(3, refusal);
    }
    describe(&mut call, dice);
    let codec = dice.pick(&["PCMU", "PCMA", "G722"]);
    for quality in call.quality.iter_mut().flatten() {
        measure(quality, dice, answered - call.times.attempted, talk);
        quality.codec = Some(codec.to_owned());
    }
    call
}

fn describe(call: &mut CallRecord, dice: &mut Dice) {
    let description = DescriptionRecord {
        codecs: ["PCMU", "PCMA", "telephone-event"].map(str::to_owned).to_vec(),
        profile: dice.pick(&["RTP/AVP", "RTP/SAVP"]).to_owned(),
        direction: "sendrecv".to_owned(),
        address: "192.0.2.4:4000".to_owned(),
        others: Vec::new(),
    };
    for rung in &mut call.ladder {
        if rung.start_line.starts_with("INVITE") || rung.start_line.starts_with("SIP/2.0 200") {
            rung.description = Some(description.clone());
        }
    }
}

fn measure(quality: &mut QualityRecord, dice: &mut Dice, answered_ms: u64, talk: u64) {
    let packets = talk / 20;
    quality.expected_packets = packets;
    quality.lost_packets = (packets as f64 * dice.share(0.0, 0.008)) as i64;
    quality.received_packets = packets - quality.lost_packets as u64;
    quality.sent_packets = packets;
    quality.burst_ratio = dice.share(1.0, 3.0);
    quality.jitter_max_us = dice.between(200, 25_000);
    quality.jitter_us = quality.jitter_max_us / 2;
    quality.reordered = packets * dice.between(0, 8) / 1_000;
    quality.malformed = dice.between(0, 9);
    quality.wrong_source = if dice.chance(20) { dice.between(1, 400) } else { 0 };
    quality.unauthentic = if dice.chance(10) { packets / 200 } else { 0 };
    quality.send_dropped = if dice.chance(10) { packets / 300 } else { 0 };
    quality.peer_lost_packets = Some((packets as f64 * dice.share(-0.001, 0.008)) as i64);
    let rtt = dice.between(2_000, 250_000);
    quality.rtt_us = Some(rtt);
    quality.rtt_max_us = Some(rtt + 20_000);
    if dice.chance(20) {
        quality.received_rtcp_packets = 0;
        (quality.rtt_us, quality.rtt_max_us, quality.peer_lost_packets) = (None, None, None);
    }
    quality.intervals = (0..talk.div_ceil(60_000))
        .map(|minute| IntervalRecord {
            offset_ms: answered_ms + ((minute + 1) * 60_000).min(talk),
            expected: 3_000.min(packets - (minute * 3_000).min(packets)),
            lost: 0,
            jitter_max_us: quality.jitter_max_us,
            rtt_us: quality.rtt_us,
            mos: Some(4.3),
        })
        .collect();
    score(quality);
}

/// What follows for the score, roughly as the E-model has it.
fn score(quality: &mut QualityRecord) {
    let lost = quality.lost_packets.max(0) as f64 * 100.0 / quality.expected_packets.max(1) as f64;
    let late = (quality.rtt_max_us.unwrap_or(0) as f64 / 2_000.0 - 160.0).max(0.0) / 200.0;
    quality.mos = Some((4.38 - lost * 0.11 - late).max(1.0));
}

fn either<'a>(dice: &mut Dice, call: &'a mut CallRecord) -> &'a mut QualityRecord {
    let leg = dice.between(0, 1) as usize;
    call.quality[leg].as_mut().unwrap()
}

fn lose(dice: &mut Dice, quality: &mut QualityRecord) {
    let share = dice.share(0.015, 0.3);
    quality.lost_packets = (quality.expected_packets as f64 * share) as i64 + 1;
    quality.received_packets = quality.expected_packets.saturating_sub(quality.lost_packets as u64);
    quality.jitter_max_us += dice.between(0, 4_000);
    if dice.chance(60) {
        let from_ms = dice.between(100, 40_000);
        let lost = quality.lost_packets as u64;
        let to_ms = from_ms + dice.between(5_000, 50_000);
        quality.loss_spells = vec![SpellRecord { from_ms, to_ms, expected: 9 * lost, lost }];
    }
    score(quality);
}

fn silence(quality: &mut QualityRecord) {
    quality.received_packets = 0;
    quality.expected_packets = 0;
    quality.lost_packets = 0;
    quality.jitter_max_us = 0;
    quality.unauthentic = 0;
    quality.wrong_source = 0;
    quality.codec = None;
    quality.mos = None;
}

/// The call never was: its ladder ends with what leg B answered, or with nothing.
fn fail(dice: &mut Dice, call: &mut CallRecord, status: u16, words: &str, rings: bool) {
    let waited = dice.between(20, 3_500);
    let rang = call.times.attempted + waited;
    call.times.answered = None;
    call.times.ringing = rings.then_some(rang);
    call.times.ended = rang + if rings { dice.between(500, 60_000) } else { 0 };
    call.quality = [None, None];
    call.end.status = status;
    call.end.cause = "refused by leg B".to_owned();
    call.end.ended_by = "leg_b".to_owned();
    let ended = call.times.ended - call.times.attempted;
    call.ladder.retain(|rung| {
        !rung.start_line.contains(" 200 ")
            && !rung.start_line.starts_with("ACK")
            && !rung.start_line.starts_with("BYE")
            && (rings || !rung.start_line.contains(" 180 "))
    });
    if !words.is_empty() {
        let line = format!("SIP/2.0 {status} {words}");
        call.ladder.push(rung(ended, "B", "received", &line));
        call.ladder.push(rung(ended, "A", "sent", &line));
    }
}

fn answer(dice: &mut Dice, call: &mut CallRecord, choices: &[(u16, &str)], rings: bool) {
    let (status, words) = dice.pick(choices);
    let rings = rings && dice.chance(60);
    fail(dice, call, status, words, rings);
}

fn refuse(dice: &mut Dice, call: &mut CallRecord, names: &[&str]) {
    fail(dice, call, 403, "", false);
    call.routes.clear();
    call.ladder.retain(|rung| rung.leg == "A");
    call.end.refusal = Some(dice.pick(names).to_owned());
    call.end.ended_by = "edge".to_owned();
}

fn cut_by_edge(dice: &mut Dice, call: &mut CallRecord, causes: &[&str]) {
    call.end.cause = dice.pick(causes).to_owned();
    call.end.ended_by = "edge".to_owned();
}

/// Leg B's last answer.
fn last_answer(call: &mut CallRecord) -> &mut crate::LadderRecord {
    call.ladder
        .iter_mut()
        .rev()
        .find(|rung| rung.leg == "B" && rung.direction == "received")
        .unwrap()
}

fn takes(call: &mut CallRecord, change: impl Fn(&mut DescriptionRecord)) {
    let offer = call.ladder.iter().find_map(|rung| rung.description.clone());
    let mut own = offer.unwrap();
    change(&mut own);
    last_answer(call).description = Some(own);
}

/// A route in front of the present one, and nothing of it in the ladder but what is given.
fn route_before(call: &mut CallRecord, answer: Option<&str>) {
    let destination = "127.0.0.8:5060".to_owned();
    let first = RouteRecord {
        destination: destination.clone(),
        carrier: Some("pstn-8".to_owned()),
        ..call.routes[0].clone()
    };
    call.routes.insert(0, first);
    if let Some(line) = answer {
        let mut answer = rung(3, "B", "received", line);
        answer.peer = destination;
        call.ladder.insert(3, answer);
    }
}

/// One way for each cause to come about, several where it has several faces.
pub(in crate::report) const FAULTS: &[(Cause, Inject)] = &[
    (Cause::Good, |_, _| {}),
    (Cause::Credentials, |d, c| {
        refuse(d, c, &["wrong_credentials", "unknown_source", "identity_stale"])
    }),
    (Cause::Capacity, |d, c| refuse(d, c, &["call_rate_limit", "routes_full", "ports_exhausted"])),
    (Cause::Policy, |d, c| {
        refuse(d, c, &["region_not_allowed", "not_e164", "no_route", "high_risk"])
    }),
    (Cause::NoCommonCodec, |d, c| {
        answer(
            d,
            c,
            &[(488, "Not Acceptable Here"), (415, "Unsupported"), (606, "Not Acceptable")],
            true,
        );
        if d.chance(50) {
            takes(c, |own| own.codecs = vec!["opus".to_owned()]);
        } else if d.chance(50) {
            last_answer(c).reason = Some("305 pbx \"Incompatible media format\"".to_owned());
        }
    }),
    (Cause::MediaSecurity, |d, c| {
        answer(d, c, &[(488, "Not Acceptable Here")], true);
        if d.chance(50) {
            takes(c, |own| {
                own.profile =
                    if own.profile == "RTP/AVP" { "RTP/SAVP" } else { "RTP/AVP" }.to_owned();
            });
        } else {
            last_answer(c).reason = Some("399 pbx \"SRTP required\"".to_owned());
        }
    }),
    (Cause::Unreachable, |d, c| {
        fail(d, c, 408, "", false);
        c.routes.truncate(1);
        c.routes[0].destination = "127.0.0.2:5080".to_owned();
        c.ladder.retain(|rung| rung.leg == "A" || rung.direction == "sent");
        c.end.cause = "no route answered".to_owned();
    }),
    (Cause::NoAnswer, |d, c| {
        let status = d.pick(&[408, 480, 504]);
        let words = if d.chance(50) { "Temporarily Unavailable" } else { "" };
        fail(d, c, status, words, true);
    }),
    (Cause::Busy, |d, c| answer(d, c, &[(486, "Busy Here"), (600, "Busy Everywhere")], true)),
    (Cause::Declined, |d, c| answer(d, c, &[(603, "Decline"), (607, "Unwanted")], true)),
    (Cause::Unavailable, |d, c| fail(d, c, 480, "Temporarily Unavailable", false)),
    (Cause::CallerGaveUp, |d, c| {
        let rings = d.chance(70);
        fail(d, c, 487, "Request Terminated", rings);
        c.end.ended_by = "leg_a".to_owned();
    }),
    (Cause::NeverRang, |d, c| {
        fail(d, c, 487, "Request Terminated", false);
        c.times.ended = c.times.attempted + d.between(4_000, 60_000);
        c.end.ended_by = "leg_a".to_owned();
    }),
    (Cause::UnknownNumber, |d, c| {
        answer(d, c, &[(404, "Not Found"), (484, "Address Incomplete"), (604, "x")], true)
    }),
    (Cause::RouteCredentials, |d, c| {
        answer(d, c, &[(401, "Unauthorized"), (407, "Proxy Auth")], false)
    }),
    (Cause::Forbidden, |d, c| answer(d, c, &[(403, "Forbidden")], true)),
    (Cause::PeerFailed, |d, c| {
        c.routes.truncate(1);
        answer(d, c, &[(500, "Server Error"), (502, "Bad Gateway"), (503, "Unavailable")], true);
        c.routes[0].destination = "127.0.0.2:5080".to_owned();
    }),
    (Cause::RoutesFailed, |d, c| {
        c.routes.drain(1..);
        answer(d, c, &[(503, "Service Unavailable"), (500, "Server Error")], false);
        route_before(c, d.pick(&[None, Some("SIP/2.0 503 Service Unavailable")]));
    }),
    (Cause::NoPrack, |d, c| {
        fail(d, c, 504, "", true);
        cut_by_edge(d, c, &["leg A sent no PRACK"]);
    }),
    (Cause::OtherStatus, |d, c| {
        answer(d, c, &[(400, "Bad Request"), (420, "Bad Extension"), (482, "Loop")], true)
    }),
    (Cause::Incomplete, |d, c| {
        cut_by_edge(
            d,
            c,
            &[
                "nothing was heard of the call any more",
                "the node stopped while the call was running",
            ],
        )
    }),
    (Cause::RelayLost, |d, c| cut_by_edge(d, c, &["the media relay lost the call"])),
    (Cause::ApplicationFailed, |d, c| {
        cut_by_edge(
            d,
            c,
            &[
                "application 1f2e3d4c-5b6a-4798-8a9b-0c1d2e3f4a5b: it cannot be asked: no answer within 2 s",
                "application menu: its answer cannot be understood: the response is no JSON: expected \
                 value at line 1 column 1",
            ],
        )
    }),
    (Cause::NoMeeting, |d, c| {
        cut_by_edge(
            d,
            c,
            &["no meeting could be entered by what the caller gave", "the meeting was full"],
        );
    }),
    (Cause::UnusableAnswer, |d, c| {
        if d.chance(50) {
            fail(d, c, 488, "", true);
        }
        cut_by_edge(d, c, &["the answer cannot be used", "the legs disagree on the media"]);
    }),
    (Cause::NodeStopped, |d, c| cut_by_edge(d, c, &["the node stops"])),
    (Cause::EdgeRestarted, |d, c| {
        let rings = d.chance(50);
        fail(d, c, 503, "", rings);
        cut_by_edge(d, c, &["the edge was started anew during the setup"]);
    }),
    (Cause::TooLong, |d, c| {
        cut_by_edge(
            d,
            c,
            &["the voice connector's max_call_duration is over", "the call's lifetime is over"],
        )
    }),
    (Cause::NoAck, |d, c| cut_by_edge(d, c, &["the 2xx was not acknowledged"])),
    (Cause::PeerGone, |d, c| {
        let leg = d.pick(&["A", "B"]);
        for again in 0..d.between(1, 7) {
            c.ladder.push(rung(60_000 + 500 * again, leg, "sent", "UPDATE sip:x@t SIP/2.0"));
        }
        cut_by_edge(d, c, &["a leg does not answer"]);
    }),
    (Cause::NotRefreshed, |d, c| cut_by_edge(d, c, &["a leg's session was not refreshed"])),
    (Cause::TransferFailed, |d, c| {
        let leg = d.pick(&["A", "B"]);
        c.ladder.push(rung(60_000, leg, "received", "REFER sip:x@t SIP/2.0"));
        cut_by_edge(d, c, &["the transfer failed", "the transferred leg stayed busy"])
    }),
    (Cause::ChangeRefused, |d, c| {
        let at = c.times.answered.unwrap() - c.times.attempted + d.between(50, 1_500);
        let (to, from) = d.pick(&[("A", "B"), ("B", "A")]);
        c.ladder.push(rung(at, from, "received", "INVITE sip:x@t SIP/2.0"));
        c.ladder.push(rung(at + 1, to, "sent", "INVITE sip:x@t SIP/2.0"));
        let line = d.pick(&["SIP/2.0 488 Not Acceptable Here", "SIP/2.0 500 Oops"]);
        c.ladder.push(rung(at + 9, to, "received", line));
    }),
    (Cause::MediaStopped, |d, c| {
        cut_by_edge(
            d,
            c,
            &[
                "no media from the caller for media.one_silent of the voice connector",
                "no media from the caller in the meeting rooms",
                "no media from either side for media.both_silent of the voice connector",
            ],
        )
    }),
    (Cause::NoAudio, |d, c| {
        c.quality.iter_mut().flatten().for_each(silence);
        if d.chance(30) {
            cut_by_edge(
                d,
                c,
                &["no media from either side for media.both_silent of the voice connector"],
            );
        }
    }),
    (Cause::NothingCame, |d, c| {
        let leg = d.between(0, 1) as usize;
        silence(c.quality[leg].as_mut().unwrap());
        // The other hears nothing, and of one that never sent no address may be known.
        c.quality[1 - leg].as_mut().unwrap().sent_packets = 0;
        if d.chance(50) {
            c.quality[leg].as_mut().unwrap().sent_packets = 0;
        }
    }),
    (Cause::WrongSource, |d, c| {
        let packets = d.between(1, 9_000);
        let quality = either(d, c);
        silence(quality);
        quality.wrong_source = packets;
    }),
    (Cause::WrongKey, |d, c| {
        let packets = d.between(1, 9_000);
        let partly = d.chance(40);
        let quality = either(d, c);
        if partly {
            quality.unauthentic = 40 + quality.received_packets / 20;
        } else {
            silence(quality);
            quality.unauthentic = packets;
        }
    }),
    (Cause::OnlySilence, |d, c| c.unheard = vec![d.pick(&["A", "B"]).to_owned()]),
    (Cause::NothingSent, |d, c| either(d, c).sent_packets = 0),
    (Cause::HostDrops, |d, c| {
        let share = d.share(0.02, 0.4);
        let quality = either(d, c);
        quality.send_dropped = (quality.sent_packets as f64 * share) as u64 + 2;
        quality.sent_packets -= quality.send_dropped.min(quality.sent_packets - 1);
        quality.peer_lost_packets = Some(quality.send_dropped as i64);
    }),
    (Cause::UplinkLoss, |d, c| {
        let burst_ratio = d.share(0.9, 1.4);
        let leg = d.between(0, 1) as usize;
        let quality = c.quality[leg].as_mut().unwrap();
        lose(d, quality);
        quality.burst_ratio = burst_ratio;
    }),
    (Cause::UplinkBursts, |d, c| {
        let burst_ratio = d.share(1.6, 6.0);
        let leg = d.between(0, 1) as usize;
        let quality = c.quality[leg].as_mut().unwrap();
        lose(d, quality);
        quality.burst_ratio = burst_ratio;
    }),
    (Cause::DownlinkLoss, |d, c| {
        let share = d.share(0.015, 0.3);
        let quality = either(d, c);
        quality.peer_lost_packets = Some((quality.sent_packets as f64 * share) as i64 + 1);
    }),
    (Cause::Jitter, |d, c| {
        let jitter = d.between(31_000, 300_000);
        let quality = either(d, c);
        quality.jitter_max_us = jitter;
        quality.mos = quality.mos.map(|mos| mos - 0.6);
    }),
    (Cause::LateForBuffer, |d, c| {
        let discard_ratio = d.share(0.03, 0.3);
        either(d, c).peer_metrics = Some(told(discard_ratio));
    }),
    (Cause::Delay, |d, c| {
        let rtt = d.between(310_000, 2_000_000);
        let quality = either(d, c);
        (quality.rtt_us, quality.rtt_max_us) = (Some(rtt - 30_000), Some(rtt));
        score(quality);
    }),
    (Cause::Reordering, |d, c| {
        let percent = d.between(2, 20);
        let quality = either(d, c);
        quality.reordered = 1 + quality.received_packets * percent / 100;
    }),
    (Cause::CodecMismatch, |d, c| either(d, c).codec = Some("G729".to_owned())),
    (Cause::LowScore, |d, c| {
        let mos = d.share(1.5, 3.5);
        either(d, c).mos = Some(mos);
    }),
    (Cause::SlowSetup, |d, c| {
        let shift = d.between(4_100, 20_000);
        let times = &mut c.times;
        times.ringing = times.ringing.map(|at| at + shift);
        times.answered = times.answered.map(|at| at + shift);
        times.ended += shift;
    }),
    (Cause::NotMeasured, |d, c| {
        c.quality[d.between(0, 1) as usize] = None;
        if d.chance(50) {
            c.quality = [None, None];
        }
    }),
];

fn told(discard_ratio: f64) -> crate::PeerMetricsRecord {
    crate::PeerMetricsRecord {
        loss_ratio: 0.001,
        discard_ratio,
        burst_density: 0.0,
        burst_ms: 0,
        gap_density: 0.0,
        gap_ms: 0,
        round_trip_ms: None,
        end_system_delay_ms: None,
        r_factor: None,
        mos_lq: None,
        mos_cq: None,
        jitter_buffer_ms: Some(40),
        jitter_buffer_max_ms: None,
    }
}
