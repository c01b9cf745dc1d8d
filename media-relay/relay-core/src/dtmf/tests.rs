use super::*;
use crate::{Decision, DropReason, GROWTH, LONGEST_MADE, LearningPolicy, MediaSocket, RtcpStyle};
use codecs::dtmf::ToneGenerator;
use model::{Codec, CodecMapping, LegPlan, LegSecurity, MediaId, TransactionId, XrWishes};
use rtp_proto::RtpHeader;
use rtp_proto::codecs::g711::{decode_mu_law, encode_a_law, encode_mu_law};
use std::net::SocketAddr;

mod alone;
mod events;
mod formats;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const SSRC: u32 = 0xaaaa_0001;
const EVENTS: u8 = 101;
/// The stream's first event has a number before anything is made that could take it.
const FIRST_EVENT: usize = 1;
const ALL: &str = "0123456789*#ABCD";

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn mapping(payload_type: u8, codec: Codec) -> CodecMapping {
    let packet_duration = Duration::from_millis(20);
    CodecMapping { payload_type, codec, clock_rate: 8_000, packet_duration }
}

fn leg(side: LegSide, has_events: bool) -> LegPlan {
    let mut codecs = vec![mapping(0, Codec::Pcmu)];
    codecs.extend(has_events.then(|| mapping(EVENTS, Codec::TelephoneEvent)));
    LegPlan {
        remote_rtp: Some(address(side)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: false,
        codecs,
        telephone_event: has_events.then_some(EVENTS),
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn plan(conversion: DtmfConversion) -> MediaPlan {
    let from_events = conversion.reads_events();
    let to_events = conversion == DtmfConversion::TonesToEvents;
    let mut plan = MediaPlan::rtp([leg(A, from_events), leg(B, to_events)]);
    plan.dtmf[0] = conversion;
    plan
}

fn draw() -> impl FnMut() -> u64 {
    let mut drawn = 0x0123_4567_89ab_cdef_u64;
    move || {
        drawn = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        drawn
    }
}

/// A stream, what A sends on it, and what B gets.
struct Stage {
    session: RtpSession,
    sequence: u16,
    timestamp: u32,
    now: u64,
    /// Packets for B with the time at which they were sent.
    heard: Vec<(u64, Vec<u8>)>,
    news: Vec<DtmfNews>,
    replaced: u32,
}

impl Stage {
    fn new(plan: &MediaPlan) -> Self {
        let id = TransactionId::from_random(1);
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
        session.set_rtcp(RtcpStyle::default(), crate::REPORT_INTERVAL, &mut draw());
        session.apply(plan, Instant::ZERO);
        let (heard, news) = (Vec::new(), Vec::new());
        // Sequence numbers wrap on the way.
        Stage { session, sequence: 65_500, timestamp: 8_000, now: 100, heard, news, replaced: 0 }
    }

    fn send(&mut self, header: RtpHeader, payload: &[u8]) {
        let mut buffer = [0; 400];
        let len = header.write_header(&mut buffer).unwrap() + payload.len();
        buffer[RtpHeader::BYTES..len].copy_from_slice(payload);
        let now = at(self.now);
        let room = &mut buffer[..len + GROWTH];
        match self.session.forward(A, MediaSocket::Rtp, address(A), room, len, now) {
            Decision::Send { to: B, len, .. } => {
                self.heard.push((self.now, buffer[..len].to_vec()));
            }
            Decision::Drop(DropReason::Replaced) => self.replaced += 1,
            // Nobody is behind.
            Decision::Kept | Decision::Drop(DropReason::NoDestination) => {}
            other => panic!("{other:?}"),
        }
        self.poll();
    }

    fn poll(&mut self) {
        let now = at(self.now);
        while let Some(news) = self.session.poll_dtmf(now, &mut draw()) {
            self.news.push(news);
        }
        let mut buffer = [0; LONGEST_MADE];
        while let Some(packet) = self.session.poll_made(now, &mut buffer) {
            assert_eq!((packet.to, packet.destination), (B, address(B)));
            self.heard.push((self.now, buffer[..packet.len].to_vec()));
        }
    }

    fn wait(&mut self, millis: u64) {
        for _ in 0..millis / 5 {
            self.now += 5;
            self.poll();
        }
    }

    fn header(&mut self, payload_type: u8, marker: bool, timestamp: u32) -> RtpHeader {
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        RtpHeader { payload_type, marker, sequence, timestamp, ssrc: SSRC }
    }

    /// One packet of audio.
    fn audio(&mut self, samples: &[i16; 160]) {
        let payload = samples.map(encode_mu_law);
        let header = self.header(0, false, self.timestamp);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.send(header, &payload);
        self.wait(20);
    }

    fn quiet(&mut self, packets: usize) {
        // Not digital silence: somebody breathes.
        let mut noise = 1_u32;
        for _ in 0..packets {
            let samples = std::array::from_fn(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 26) as i16 - 32
            });
            self.audio(&samples);
        }
    }

    /// A key as events, of which `lost` says which packets never come.
    fn events(&mut self, symbol: char, packets: u16, ends: u16, lost: impl Fn(u16) -> bool) {
        let event = DtmfKey::from_symbol(symbol).unwrap().event();
        let began = self.timestamp;
        for number in 0..packets + ends {
            let end = number >= packets;
            let duration = 160 * (number + 1).min(packets);
            let header = self.header(EVENTS, number == 0, began);
            let payload = TelephoneEvent { event, end, volume: 10, duration }.to_bytes();
            if !lost(number) {
                self.send(header, &payload);
            }
            self.wait(20);
            self.timestamp = self.timestamp.wrapping_add(160);
        }
    }

    /// A key as tones; `begin` samples of quiet stand before it in its first packet.
    fn tones(&mut self, symbol: char, millis: usize, begin: usize) {
        let event = DtmfKey::from_symbol(symbol).unwrap().event();
        let mut generator = ToneGenerator::new(event, 8_000).unwrap();
        let mut samples = vec![0; begin + millis * 8];
        generator.generate(&mut samples[begin..]);
        samples.resize(samples.len().next_multiple_of(160), 0);
        for chunk in samples.chunks_exact(160) {
            self.audio(chunk.try_into().unwrap());
        }
    }

    fn told(&self) -> String {
        let told = self.news.iter().filter_map(|news| match news {
            DtmfNews::Tell { leg: A, press } => Some(press.key.symbol()),
            _ => None,
        });
        told.collect()
    }

    fn durations(&self) -> Vec<u128> {
        let told = self.news.iter().filter_map(|news| match news {
            DtmfNews::Tell { press, .. } => Some(press.duration.as_millis()),
            _ => None,
        });
        told.collect()
    }

    /// The keys that somebody who listens to B's audio finds.
    fn audible(&self) -> String {
        let mut detector = ToneDetector::default();
        let mut found = String::new();
        for (_, packet) in &self.heard {
            let packet = RtpPacket::parse(packet).unwrap();
            if packet.payload_type() != 0 {
                continue;
            }
            let samples: Vec<i16> = packet.payload().iter().map(|o| decode_mu_law(*o)).collect();
            detector.take(&samples, |step| {
                if let ToneStep::Pressed { event, .. } = step {
                    found.push(DtmfKey::from_event(event).unwrap().symbol());
                }
            });
        }
        found
    }

    /// The keys that B gets as events, with their durations in ms.
    fn evented(&self) -> Vec<(char, u32)> {
        let mut receiver = EventReceiver::default();
        let mut found = Vec::new();
        for (_, packet) in &self.heard {
            let packet = RtpPacket::parse(packet).unwrap();
            if packet.payload_type() != EVENTS {
                continue;
            }
            let event = TelephoneEvent::parse(packet.payload()).unwrap();
            for step in receiver.take(packet.timestamp(), &event).into_iter().flatten() {
                if let EventStep::Released { event, duration } = step {
                    found.push((DtmfKey::from_event(event).unwrap().symbol(), duration / 8));
                }
            }
        }
        found
    }

    /// B's numbers have neither repetitions nor more than `gaps` gaps of one packet, in one source.
    fn assert_continuous(&self, gaps: usize) {
        let packets = self.heard.iter().map(|(_, packet)| RtpPacket::parse(packet).unwrap());
        let numbers: Vec<_> = packets.map(|p| (p.ssrc(), p.sequence())).collect();
        let mut found = 0;
        for pair in numbers.windows(2) {
            assert_eq!(pair[0].0, pair[1].0, "one source");
            let step = pair[1].1.wrapping_sub(pair[0].1);
            assert!(step == 1 || step == 2, "{numbers:?}");
            found += usize::from(step - 1);
        }
        assert_eq!(found, gaps);
    }
}

#[test]
fn tones_in_both_laws_are_told_once_and_nobody_behind_us_hears_them() {
    for begin in [0, 40, 80, 120, 159] {
        let mut stage = Stage::new(&plan(DtmfConversion::TonesToSignalling));
        stage.quiet(5);
        for symbol in ALL.chars() {
            stage.tones(symbol, 100, begin);
            stage.quiet(3);
        }
        assert_eq!(stage.told(), ALL, "{begin}");
        assert_eq!(stage.audible(), "", "no double, {begin}");
        for duration in stage.durations() {
            assert!((80..=120).contains(&duration), "{duration}");
        }
        assert_eq!(stage.heard.len(), usize::from(stage.sequence.wrapping_sub(65_500)));
        stage.assert_continuous(0);
    }
}

#[test]
fn no_more_of_a_tone_passes_than_q24_calls_too_short() {
    let mut longest = 0;
    for begin in 0..160 {
        for symbol in ['1', 'D', '0'] {
            let mut stage = Stage::new(&plan(DtmfConversion::TonesToSignalling));
            stage.quiet(3);
            stage.tones(symbol, 200, begin);
            let audible = stage.heard.iter().skip(3).flat_map(|(_, packet)| packet[12..].to_vec());
            let loud = audible.filter(|octet| decode_mu_law(*octet).unsigned_abs() > 500).count();
            // A tone pair is louder than 500 for some nine tenths of its time.
            longest = longest.max(loud / 8);
        }
    }
    assert!(longest < 20, "{longest} ms");
}

#[test]
fn tones_become_events_in_the_place_of_the_audio() {
    for begin in [0, 80, 150] {
        let mut stage = Stage::new(&plan(DtmfConversion::TonesToEvents));
        stage.quiet(5);
        for symbol in ALL.chars() {
            stage.tones(symbol, 100, begin);
            stage.quiet(4);
        }
        stage.tones('9', 2_000, begin);
        stage.quiet(6);
        let evented = stage.evented();
        let symbols: String = evented.iter().map(|(symbol, _)| *symbol).collect();
        assert_eq!(symbols, format!("{ALL}9"));
        for (_, millis) in &evented[..16] {
            assert!((60..=120).contains(millis), "{evented:?}");
        }
        assert!((1_940..=2_020).contains(&evented[16].1), "{evented:?}");
        assert_eq!(stage.audible(), "", "no double");
        let converted = stage.news.iter().filter(|n| **n == DtmfNews::TonesToEvent).count();
        assert_eq!(converted, 17);
        stage.assert_continuous(0);
        let events: Vec<_> = stage
            .heard
            .iter()
            .map(|(_, packet)| RtpPacket::parse(packet).unwrap())
            .filter(|packet| packet.payload_type() == EVENTS)
            .collect();
        let first = TelephoneEvent::parse(events[0].payload()).unwrap();
        assert!(events[0].marker() && !events[1].marker() && !first.end);
        let ends = events.iter().filter(|e| TelephoneEvent::parse(e.payload()).unwrap().end);
        assert_eq!(ends.count(), 17 * 3, "the last packet comes three times");
    }
}

#[test]
fn a_law_is_read_as_well() {
    let mut plan = plan(DtmfConversion::TonesToSignalling);
    for leg in &mut plan.legs {
        leg.codecs = vec![mapping(8, Codec::Pcma)];
    }
    let mut stage = Stage::new(&plan);
    let mut samples = [0; 1_600];
    ToneGenerator::new(3, 8_000).unwrap().generate(&mut samples[..1_000]);
    for chunk in samples.chunks_exact(160) {
        let payload: Vec<u8> = chunk.iter().map(|sample| encode_a_law(*sample)).collect();
        let header = stage.header(8, false, stage.timestamp);
        stage.timestamp += 160;
        stage.send(header, &payload);
        stage.wait(20);
    }
    assert_eq!(stage.told(), "3");
    let silent = stage.heard.iter().filter(|(_, packet)| packet[12..].iter().all(|o| *o == 0xd5));
    assert!(silent.count() >= 4, "the tone is silenced");
}

#[test]
fn events_become_tones_while_they_are_held() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToTones));
    stage.quiet(10);
    for symbol in ALL.chars() {
        stage.events(symbol, 5, 3, |_| false);
        stage.quiet(3);
    }
    stage.events('4', 100, 3, |_| false);
    stage.quiet(10);
    assert_eq!(stage.audible(), format!("{ALL}4"));
    assert!(stage.heard.iter().all(|(_, packet)| packet[1] & 0x7f == 0), "no event passes");
    let began = stage.news.iter().filter(|news| **news == DtmfNews::EventToTones).count();
    assert_eq!(began, 17);
    stage.assert_continuous(FIRST_EVENT);
    // The long one is heard while it is held, not after it.
    let loud = |packet: &[u8]| decode_mu_law(packet[12 + 40]).unsigned_abs() > 0;
    let last = stage.heard.iter().rev().find(|(_, packet)| packet[12..].iter().any(|o| *o != 0xff));
    assert!(last.is_some() && stage.heard.iter().any(|(_, packet)| loud(packet)));
}

#[test]
fn a_sender_that_speaks_on_during_its_events_is_not_heard_through_the_tones() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToTones));
    stage.quiet(10);
    let began = stage.timestamp;
    for number in 0..12_u16 {
        let header = stage.header(EVENTS, number == 0, began);
        let duration = 160 * (number + 1).min(10);
        let event = TelephoneEvent { event: 8, end: number >= 9, volume: 10, duration };
        stage.send(header, &event.to_bytes());
        let loud = std::array::from_fn(|at| if at % 8 < 4 { 8_000 } else { -8_000 });
        stage.audio(&loud);
    }
    stage.quiet(10);
    assert_eq!(stage.audible(), "8");
    assert!(stage.replaced > 12, "audio gave way too: {}", stage.replaced);
    stage.assert_continuous(FIRST_EVENT);
}

#[test]
fn a_key_by_command_is_tones_where_no_events_are_agreed() {
    let mut stage = Stage::new(&MediaPlan::rtp([leg(A, false), leg(B, false)]));
    stage.quiet(10);
    for symbol in ALL.chars() {
        let event = DtmfKey::from_symbol(symbol).unwrap().event();
        let (duration, now) = (Duration::from_millis(100), at(stage.now));
        stage.session.send_event(B, event, duration, now, &mut draw()).unwrap();
    }
    stage.quiet(200);
    assert_eq!(stage.audible(), ALL);
    stage.assert_continuous(0);
}

#[test]
fn a_new_plan_keeps_a_key_that_is_pressed_and_another_conversion_forgets_it() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    stage.events('6', 5, 0, |_| false);
    stage.session.apply(&plan(DtmfConversion::EventsToSignalling), at(stage.now));
    stage.wait(300);
    assert_eq!(stage.told(), "6");
    stage.events('7', 5, 0, |_| false);
    stage.session.apply(&plan(DtmfConversion::None), at(stage.now));
    stage.wait(300);
    assert_eq!(stage.told(), "6");
    assert_eq!(stage.session.dtmf_deadline(), None);
}

#[test]
fn without_a_conversion_events_and_tones_pass() {
    let mut plan = MediaPlan::rtp([leg(A, true), leg(B, true)]);
    plan.legs.iter_mut().for_each(|leg| leg.relearn = false);
    let mut stage = Stage::new(&plan);
    stage.quiet(3);
    stage.events('3', 5, 3, |_| false);
    stage.tones('4', 100, 0);
    assert_eq!(stage.evented(), [('3', 100)]);
    assert_eq!(stage.audible(), "4");
    assert_eq!((stage.news.len(), stage.replaced), (0, 0));
}

#[test]
fn tones_in_audio_that_is_transcoded_become_events_when_they_end() {
    let mut plan = plan(DtmfConversion::TonesToEvents);
    plan.legs[1].codecs[0] = mapping(8, Codec::Pcma);
    let (from, to) = (vec![mapping(0, Codec::Pcmu)], mapping(8, Codec::Pcma));
    plan.transcoding[0] =
        Some(Box::new(model::Transcoding { from, to, bitrate: None, comfort_noise: None }));
    let mut stage = Stage::new(&plan);
    stage.session.begin_transcoding(Instant::ZERO, &mut draw());
    stage.quiet(5);
    for symbol in "4#D".chars() {
        stage.tones(symbol, 100, 0);
        stage.quiet(15);
    }
    let symbols: String = stage.evented().iter().map(|(symbol, _)| *symbol).collect();
    assert_eq!(symbols, "4#D");
    assert!(stage.heard.iter().any(|(_, packet)| packet[1] & 0x7f == 8), "audio in A-law");
    stage.assert_continuous(0);
}
