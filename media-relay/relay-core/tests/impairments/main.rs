//! Known impairments, in virtual time: what the relay reports of a stream is what our own lossy hop
//! did to it. Loss, duplicates and order are exact; jitter stays within 2 % of RFC 3550 and the score
//! within 0.05 of G.107, both written a second time in `reference`.
//!
//! Every case goes through both paths: packets through sockets, and the kernel's notes.
#![expect(clippy::unwrap_used, reason = "test helpers outside of #[test] functions")]

mod hop;
mod reference;

use hop::{Delivery, Hop, Loss, PACKET, Passage};
use model::{
    Codec, CodecMapping, Instant, LegPlan, LegSecurity, LegSide, MediaId, MediaPlan, QualityReport,
    ReportKind, TransactionId,
};
use reference::{Counted, Equipment, G711, G729};
use relay_core::{Decision, ForwardedPacket, LearningPolicy, MediaSocket, RtpSession};
use rtp_proto::RtpHeader;
use std::net::SocketAddr;
use std::time::Duration;

/// A minute of speech.
const PACKETS: u64 = 3_000;
/// Numbers and timestamps wrap within the first seconds.
const FIRST_SEQUENCE: u16 = 65_400;
const FIRST_TIMESTAMP: u32 = u32::MAX - 10_000;
const BEGIN: Instant = Instant::from_millis(1_000);

/// How packets reach the arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Path {
    Sockets,
    /// The first packet through the sockets, as always, the others in the kernel.
    Kernel,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
struct Speech {
    codec: Codec,
    payload_type: u8,
    clock_rate: u32,
}

const PCMU: Speech = Speech { codec: Codec::Pcmu, payload_type: 0, clock_rate: 8_000 };
const G729_SPEECH: Speech = Speech { codec: Codec::G729, payload_type: 18, clock_rate: 8_000 };
const OPUS: Speech = Speech { codec: Codec::Opus, payload_type: 96, clock_rate: 48_000 };

/// A stream on its way through the relay.
struct Receiver {
    session: RtpSession,
    speech: Speech,
    path: Path,
}

impl Receiver {
    fn new(speech: Speech, path: Path) -> Receiver {
        let id = TransactionId::from_random(1);
        let mut session = RtpSession::new(MediaId(1), id, BEGIN, LearningPolicy::default());
        session.apply(&MediaPlan::rtp([A, B].map(|end| leg(end, speech))), BEGIN);
        Receiver { session, speech, path }
    }

    fn take(&mut self, delivery: Delivery) {
        let is_first = self.session.latched(LegSide::A).is_none();
        let arrival = BEGIN + delivery.at;
        let samples = u64::from(self.speech.clock_rate) * PACKET.as_millis() as u64 / 1_000;
        let header = RtpHeader {
            payload_type: self.speech.payload_type,
            marker: false,
            sequence: sequence(delivery.number),
            timestamp: FIRST_TIMESTAMP.wrapping_add((delivery.number * samples) as u32),
            ssrc: 7,
        };
        if self.path == Path::Kernel && !is_first {
            let RtpHeader { payload_type, marker, sequence, timestamp, ssrc } = header;
            let octets = 172;
            self.session.forwarded(
                LegSide::A,
                &ForwardedPacket {
                    ssrc,
                    sequence,
                    timestamp,
                    numbers: None,
                    payload_type,
                    marker,
                    octets,
                    arrival,
                },
            );
            return;
        }
        let mut packet = header.to_bytes().to_vec();
        packet.resize(172, 0xd5);
        let socket = MediaSocket::Rtp;
        let decision = self.session.forward(LegSide::A, socket, at(A), &mut packet, 172, arrival);
        assert!(matches!(decision, Decision::Send { .. }), "{decision:?}");
    }

    fn report(&mut self, kind: ReportKind) -> QualityReport {
        let [report, _] = self.session.poll_report(BEGIN, kind);
        report
    }
}

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn leg(remote: &str, speech: Speech) -> LegPlan {
    let Speech { codec, payload_type, clock_rate } = speech;
    LegPlan {
        remote_rtp: Some(at(remote)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![CodecMapping { payload_type, codec, clock_rate, packet_duration: PACKET }],
        telephone_event: None,
        xr: model::XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn sequence(number: u64) -> u16 {
    FIRST_SEQUENCE.wrapping_add(number as u16)
}

/// Takes the whole passage; the final report.
fn received(passage: &Passage, speech: Speech, path: Path) -> QualityReport {
    let mut receiver = Receiver::new(speech, path);
    passage.deliveries.iter().for_each(|delivery| receiver.take(*delivery));
    receiver.report(ReportKind::Final)
}

fn counted(deliveries: &[Delivery]) -> Counted {
    let mut counted = Counted::default();
    deliveries.iter().for_each(|delivery| counted.update(sequence(delivery.number)));
    counted
}

/// 2 % or one timestamp unit: RFC 3550 counts in whole ones.
fn jitter_is_near(reported: Duration, expected: f64, clock_rate: u32, what: &str) {
    let within = (0.02 * expected).max(1.0 / f64::from(clock_rate));
    let reported = reported.as_secs_f64();
    assert!((reported - expected).abs() <= within, "{what}: {reported} for {expected}");
}

fn is_as_the_hop_made_it(hop: Hop, seed: u64) {
    for (speech, equipment) in [(PCMU, Some(G711)), (G729_SPEECH, Some(G729)), (OPUS, None)] {
        let passage = hop.pass(PACKETS, seed);
        for path in [Path::Sockets, Path::Kernel] {
            agrees(&passage, speech, equipment, path, &format!("{hop:?} seed {seed} {path:?}"));
        }
        let [sockets, kernel] =
            [Path::Sockets, Path::Kernel].map(|path| received(&passage, speech, path));
        assert_eq!(sockets, kernel, "both paths are one truth");
    }
}

fn agrees(passage: &Passage, speech: Speech, equipment: Option<Equipment>, path: Path, what: &str) {
    let report = received(passage, speech, path);
    let counted = counted(&passage.deliveries);
    let loss = report.received.loss;
    assert_eq!((loss.expected, loss.lost), (counted.expected(), counted.lost()), "{what}");
    // The same from what the hop knows it did.
    let (first, last) = passage.ends();
    let lost = passage.lost[first as usize..=last as usize].iter().filter(|l| **l).count();
    let starts_in_order = passage.deliveries[0].number == first;
    if starts_in_order {
        assert_eq!(loss.expected, last - first + 1, "{what}");
        assert_eq!(loss.lost, lost as i64 - passage.duplicated as i64, "{what}");
        assert_eq!(report.received.reordered, passage.overtaken(), "{what}");
        assert_eq!(report.received.duplicated, passage.duplicated, "{what}");
    }
    assert_eq!(report.received.rtp_packets, passage.deliveries.len() as u64, "{what}");
    let jitter = reference::jitter_of(&passage.deliveries, PACKET);
    jitter_is_near(report.received.jitter, jitter, speech.clock_rate, what);
    if let Some(equipment) = equipment {
        let (scored, expected) =
            (report.mos.unwrap().value(), reference::mos(equipment, passage, jitter));
        assert!((scored - expected).abs() <= 0.05, "{what}: {scored} for {expected}");
    }
}

const LOSSES: [Loss; 9] = [
    Loss::None,
    Loss::Random(0.01),
    Loss::Random(0.05),
    Loss::Random(0.10),
    Loss::Random(0.20),
    Loss::Random(0.40),
    // 1 %, 6 % and 30 % in bursts.
    Loss::Bursts { begin: 0.005, end: 0.3, lost: 0.7 },
    Loss::Bursts { begin: 0.02, end: 0.25, lost: 0.8 },
    Loss::Bursts { begin: 0.08, end: 0.16, lost: 0.9 },
];

#[test]
fn loss_of_every_kind_is_reported_exactly() {
    for (seed, loss) in LOSSES.into_iter().enumerate() {
        is_as_the_hop_made_it(Hop { loss, ..Hop::default() }, seed as u64);
    }
}

#[test]
fn jitter_up_to_200_ms_follows_the_reference() {
    for millis in [1, 2, 5, 10, 20, 40, 80, 120, 160, 200] {
        let jitter = Duration::from_millis(millis);
        is_as_the_hop_made_it(Hop { jitter, ..Hop::default() }, millis);
    }
}

#[test]
fn duplicates_and_overtaken_packets_are_counted_exactly() {
    for (seed, (duplicated, held)) in
        [(0.01, 0.0), (0.2, 0.0), (0.0, 0.01), (0.0, 0.2), (0.05, 0.05)].into_iter().enumerate()
    {
        is_as_the_hop_made_it(Hop { duplicated, held, ..Hop::default() }, seed as u64);
    }
}

#[test]
fn everything_at_once_is_told_apart() {
    for (seed, loss) in (100..).zip(LOSSES) {
        for jitter in [0, 30, 200].map(Duration::from_millis) {
            for drift_ppm in [-200, 200] {
                let hop = Hop { loss, duplicated: 0.02, held: 0.03, jitter, drift_ppm };
                is_as_the_hop_made_it(hop, seed);
            }
        }
    }
}

#[test]
fn another_clock_is_neither_loss_nor_growing_jitter() {
    const HOUR: u64 = 180_000;
    for drift_ppm in [-200, -50, 50, 200] {
        for path in [Path::Sockets, Path::Kernel] {
            let passage = Hop { drift_ppm, ..Hop::default() }.pass(HOUR, 1);
            let mut receiver = Receiver::new(PCMU, path);
            let mut largest = Duration::ZERO;
            for (deliveries, minute) in passage.deliveries.chunks(3_000).zip(0..) {
                deliveries.iter().for_each(|delivery| receiver.take(*delivery));
                let report = receiver.report(ReportKind::Interval).received;
                // Four microseconds a packet: now and then one more unit of the media's clock.
                assert!(report.interval_jitter_max <= Duration::from_micros(250), "{minute}");
                if minute == 0 {
                    largest = report.interval_jitter_max;
                } else {
                    let grown = report.interval_jitter_max.saturating_sub(largest);
                    assert!(grown < Duration::from_micros(20), "minute {minute}: {report:?}");
                }
                assert_eq!((report.loss.lost, report.interval_loss.lost), (0, 0));
            }
            let report = receiver.report(ReportKind::Final);
            assert_eq!(report.received.loss.expected, HOUR);
        }
    }
}

#[test]
fn every_interval_has_its_own_exact_loss() {
    let hop = Hop {
        loss: Loss::Bursts { begin: 0.02, end: 0.1, lost: 0.9 },
        duplicated: 0.01,
        held: 0.02,
        jitter: Duration::from_millis(60),
        drift_ppm: 50,
    };
    for path in [Path::Sockets, Path::Kernel] {
        let passage = hop.pass(PACKETS, 11);
        let mut receiver = Receiver::new(PCMU, path);
        let (mut reference, mut prior) = (Counted::default(), (0, 0));
        for deliveries in passage.deliveries.chunks(250) {
            for delivery in deliveries {
                receiver.take(*delivery);
                reference.update(sequence(delivery.number));
            }
            // A.3: expected_interval and lost_interval.
            let now = (reference.expected(), reference.lost());
            let interval = receiver.report(ReportKind::Interval).received.interval_loss;
            assert_eq!((interval.expected, interval.lost), (now.0 - prior.0, now.1 - prior.1));
            prior = now;
        }
        assert!(prior.1 > 100, "the hop lost something: {prior:?}");
    }
}

#[test]
fn the_hop_does_what_it_is_told_and_repeats_itself() {
    let share = |hop: Hop| {
        let passage = hop.pass(100_000, 5);
        passage.lost.iter().filter(|lost| **lost).count() as f64 / 100_000.0
    };
    for asked in [0.0, 0.01, 0.4] {
        let lost = share(Hop { loss: Loss::Random(asked), ..Hop::default() });
        assert!((lost - asked).abs() < 0.005, "{lost} for {asked}");
    }
    // Gilbert-Elliott: begin / (begin + end) of the time is bad.
    let lost =
        share(Hop { loss: Loss::Bursts { begin: 0.02, end: 0.1, lost: 0.9 }, ..Hop::default() });
    assert!((lost - 0.15).abs() < 0.015, "{lost}");
    let hop = Hop { held: 0.1, duplicated: 0.1, ..Hop::default() };
    let passage = hop.pass(10_000, 5);
    assert!((800..1_200).contains(&passage.overtaken()), "{}", passage.overtaken());
    assert!((800..1_200).contains(&passage.duplicated), "{}", passage.duplicated);
    assert_eq!(passage.deliveries, hop.pass(10_000, 5).deliveries);
    assert_ne!(passage.deliveries, hop.pass(10_000, 6).deliveries);
}
