mod noise;
mod opus;
mod repacketising;

use crate::made::{LONGEST_MADE, MadePacket};
use crate::{
    Decision, LearningPolicy, MediaSocket, NtpTime, PacketKind, REPORT_INTERVAL, RtcpStyle,
    RtpSession,
};
use codecs::{AudioFormat, Outgoing, Received, Transcoder};
use model::{
    Codec, CodecMapping, Instant, LegPlan, LegSecurity, LegSide, MediaId, MediaPlan, ReportKind,
    SdesKeys, SrtpKey, SrtpSuite, TransactionId, TranscodableFormat, Transcoding, XrWishes,
};
use rtp_proto::rtcp::{ReportBlock, RtcpPacket, parse_compound, write_receiver_report};
use rtp_proto::srtp::{SrtpReceiver, SrtpSender};
use rtp_proto::{RtpHeader, RtpPacket, TelephoneEvent};
use std::net::SocketAddr;
use std::time::Duration;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const SSRC: u32 = 0xaaaa_0001;
const PCMU: u8 = 0;
const PCMA: u8 = 8;
const NOISE: u8 = 13;
const OPUS: u8 = 96;
const KEYS: u8 = 101;
const FAST_KEYS: u8 = 97;
/// Silence in G.711 µ-law.
const QUIET: [u8; 160] = [0xff; 160];

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn format(payload_type: u8, codec: Codec, clock_rate: u32) -> CodecMapping {
    let packet_duration = Duration::from_millis(20);
    CodecMapping { payload_type, codec, clock_rate, packet_duration }
}

fn pcmu() -> CodecMapping {
    format(PCMU, Codec::Pcmu, 8_000)
}

fn pcma() -> CodecMapping {
    format(PCMA, Codec::Pcma, 8_000)
}

fn opus() -> CodecMapping {
    format(OPUS, Codec::Opus, 48_000)
}

fn keys(payload_type: u8, clock_rate: u32) -> CodecMapping {
    format(payload_type, Codec::TelephoneEvent, clock_rate)
}

fn leg(side: LegSide, codecs: Vec<CodecMapping>) -> LegPlan {
    let remote = address(side);
    let events = codecs.iter().find(|mapping| mapping.codec == Codec::TelephoneEvent);
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: Some(SocketAddr::new(remote.ip(), 4_001)),
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        telephone_event: events.map(|mapping| mapping.payload_type),
        codecs,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

/// As signalling compiles it.
fn plan(a: Vec<CodecMapping>, b: Vec<CodecMapping>) -> MediaPlan {
    let legs = [leg(A, a), leg(B, b)];
    let lacks = |to: &LegPlan, mapping: &CodecMapping| {
        TranscodableFormat::of(mapping).is_some()
            && !to.codecs.iter().any(|other| other.codec == mapping.codec)
    };
    let direction = |from: &LegPlan, to: &LegPlan| {
        let foreign: Vec<_> = from.codecs.iter().filter(|m| lacks(to, m)).cloned().collect();
        let first = to.codecs.first().cloned()?;
        (!foreign.is_empty()).then(|| {
            Box::new(Transcoding { from: foreign, to: first, bitrate: None, comfort_noise: None })
        })
    };
    let transcoding = [direction(&legs[0], &legs[1]), direction(&legs[1], &legs[0])];
    MediaPlan { transcoding, ..MediaPlan::rtp(legs) }
}

fn draw() -> impl FnMut() -> u64 {
    let mut drawn = 0x0123_4567_89ab_cdef_u64;
    move || {
        drawn = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        drawn
    }
}

/// A stream, and what its ends send.
struct Call {
    session: RtpSession,
    now: u64,
}

/// What a leg got.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Got {
    payload_type: u8,
    marker: bool,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

fn got(octets: &[u8]) -> Got {
    let packet = RtpPacket::parse(octets).unwrap();
    Got {
        payload_type: packet.payload_type(),
        marker: packet.marker(),
        ssrc: packet.ssrc(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        payload: packet.payload().to_vec(),
    }
}

fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc: SSRC };
    let mut octets = vec![0; RtpHeader::BYTES];
    header.write_header(&mut octets).unwrap();
    octets.extend_from_slice(payload);
    octets
}

impl Call {
    fn new(plan: &MediaPlan) -> Self {
        let id = TransactionId::from_random(1);
        let learning = LearningPolicy::default();
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, learning);
        session.set_rtcp(RtcpStyle::Auto, REPORT_INTERVAL, &mut draw());
        let mut call = Call { session, now: 0 };
        call.apply(plan);
        call
    }

    fn apply(&mut self, plan: &MediaPlan) {
        self.session.apply(plan, at(self.now));
        self.session.begin_transcoding(at(self.now), &mut draw());
    }

    /// What goes out for a packet that comes now, protected or not.
    fn raw(&mut self, from: LegSide, octets: &[u8]) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 2_048 + crate::GROWTH];
        buffer[..octets.len()].copy_from_slice(octets);
        let (len, now) = (octets.len(), at(self.now));
        let decision =
            self.session.forward(from, MediaSocket::Rtp, address(from), &mut buffer, len, now);
        let mut out = Vec::new();
        match decision {
            Decision::Send { to, destination, len, kind: PacketKind::Rtp, .. } => {
                assert_eq!((to, destination), (from.other(), address(from.other())));
                out.push(buffer[..len].to_vec());
            }
            Decision::Kept => {}
            other => panic!("{other:?}"),
        }
        out.extend(self.due(from.other()));
        out
    }

    fn due(&mut self, leg: LegSide) -> Vec<Vec<u8>> {
        let mut buffer = [0; LONGEST_MADE];
        let mut out = Vec::new();
        while let Some(MadePacket { to, len, .. }) =
            self.session.poll_made(at(self.now), &mut buffer)
        {
            assert_eq!(to, leg);
            out.push(buffer[..len].to_vec());
        }
        out
    }

    fn send(&mut self, from: LegSide, octets: &[u8]) -> Vec<Got> {
        self.raw(from, octets).iter().map(|octets| got(octets)).collect()
    }

    /// A second of silence in G.711 from leg A, 20 ms in a packet.
    fn second(&mut self, payload_type: u8, first: u16) -> Vec<Got> {
        let mut all = Vec::new();
        for sequence in first..first + 50 {
            let octets = packet(payload_type, sequence, u32::from(sequence) * 160, &QUIET);
            all.extend(self.send(A, &octets));
            self.now += 20;
        }
        all
    }
}

fn is_one_source(packets: &[Got], ticks: u32) {
    for pair in packets.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(ticks), "{before:?} {after:?}");
    }
}

#[test]
fn every_format_that_signalling_may_name_can_be_transcoded() {
    for TranscodableFormat { codec, clock_rate } in TranscodableFormat::ALL {
        assert!(AudioFormat::new(codec, clock_rate).is_some(), "{codec:?} {clock_rate}");
    }
}

#[test]
fn each_leg_gets_its_own_format_from_one_source() {
    let mut call = Call::new(&plan(vec![pcmu()], vec![pcma()]));
    let heard = call.second(PCMU, 7);
    assert_eq!(heard.len(), 50);
    is_one_source(&heard, 160);
    assert!(heard.iter().all(|got| got.payload_type == PCMA && got.payload == [0xd5; 160]));
    assert!(heard[0].marker && !heard[1].marker);
    assert_ne!(heard[0].ssrc, SSRC, "the numbers are ours, so is the source");
    let back = call.send(B, &packet(PCMA, 1, 0, &[0xd5; 160]));
    // The quietest of A-law is not quite silence.
    assert_eq!((back[0].payload_type, back[0].payload.as_slice()), (PCMU, &[0xfe; 160][..]));
    assert_eq!(call.session.transcodes(A), Some([Codec::Pcmu, Codec::Pcma]));
    assert_eq!(call.session.fast_forward(A, at(60_000)), None);
    let [leg_a, leg_b] = call.session.poll_report(at(2_000), ReportKind::Final);
    assert_eq!(leg_a.codecs.received, Some(Codec::Pcmu));
    assert_eq!(leg_b.codecs.transcoded, Some(Codec::Pcma));
    assert_eq!((leg_a.received.rtp_packets, leg_b.sent.rtp_packets), (50, 50));
    assert_eq!(leg_a.received.ssrc, Some(SSRC));
}

#[test]
fn packets_become_longer_and_shorter() {
    let mut long = pcma();
    long.packet_duration = Duration::from_millis(60);
    let mut call = Call::new(&plan(vec![pcmu()], vec![long]));
    let heard = call.second(PCMU, 0);
    assert_eq!(heard.len(), 16);
    is_one_source(&heard, 480);
    // What one packet becomes several of follows at once.
    for sequence in 0..10_u16 {
        let octets = packet(PCMA, sequence, u32::from(sequence) * 480, &[0xd5; 480]);
        let back = call.send(B, &octets);
        assert_eq!(back.len(), 3);
        assert_eq!(call.session.made_deadline(), None);
        call.now += 60;
    }
    let [leg_a, _] = call.session.poll_report(at(2_000), ReportKind::Final);
    assert_eq!(leg_a.sent.rtp_packets, 30);
}

#[test]
fn no_packet_is_too_long_for_its_path() {
    let formats = TranscodableFormat::ALL.map(|f| format(OPUS, f.codec, f.clock_rate));
    for mut to in formats {
        to.packet_duration = Duration::from_millis(120);
        if to.codec == Codec::Pcmu {
            continue;
        }
        let mut call = Call::new(&plan(vec![pcmu()], vec![to.clone()]));
        let heard = call.second(PCMU, 0);
        assert!(heard.len() > 10, "{to:?}");
        assert!(heard.iter().all(|got| got.payload.len() <= codecs::LONGEST_PAYLOAD), "{to:?}");
    }
}

#[test]
fn audio_that_both_legs_have_passes_until_the_other_comes() {
    let mut call = Call::new(&plan(vec![pcmu(), pcma()], vec![pcma()]));
    assert!(call.session.has_transcoding());
    let octets = packet(PCMA, 500, 80_000, &[0x55; 160]);
    let passed = call.send(A, &octets);
    assert_eq!((passed[0].payload_type, passed[0].payload.as_slice()), (PCMA, &[0x55; 160][..]));
    assert_eq!(call.session.transcodes(A), None);
    call.now = 20;
    let heard = call.send(A, &packet(PCMU, 501, 80_160, &QUIET));
    assert_eq!((heard[0].payload_type, heard[0].payload.as_slice()), (PCMA, &[0xd5; 160][..]));
    assert_eq!(call.session.transcodes(A), Some([Codec::Pcmu, Codec::Pcma]));
    call.now = 40;
    let again = call.send(A, &packet(PCMA, 502, 80_320, &[0x55; 160]));
    assert_eq!(again[0].payload, [0x55; 160]);
    is_one_source(&[passed, heard, again].concat(), 160);
}

#[test]
fn keys_change_their_clock_and_keep_their_time() {
    let legs = plan(vec![pcmu(), keys(KEYS, 8_000)], vec![opus(), keys(FAST_KEYS, 48_000)]);
    let mut call = Call::new(&legs);
    let mut heard = Vec::new();
    for sequence in 0..10 {
        heard.extend(call.send(A, &packet(PCMU, sequence, u32::from(sequence) * 160, &QUIET)));
        call.now += 20;
    }
    let mut events = Vec::new();
    for (sequence, duration) in [(10, 160), (11, 320), (12, 480)] {
        let event = TelephoneEvent { event: 5, end: duration == 480, volume: 10, duration };
        let octets = packet(KEYS, sequence, 1_600, &event.to_bytes());
        events.extend(call.send(A, &octets));
        call.now += 20;
    }
    let told: Vec<_> = events
        .iter()
        .map(|got| {
            assert_eq!(got.payload_type, FAST_KEYS);
            let event = TelephoneEvent::parse(&got.payload).unwrap();
            (event.event, event.end, event.duration)
        })
        .collect();
    assert_eq!(told, [(5, false, 960), (5, false, 1_920), (5, true, 2_880)]);
    assert!(events.iter().all(|got| got.timestamp == events[0].timestamp));
    let last = heard.last().unwrap();
    assert_eq!(events[0].timestamp, last.timestamp.wrapping_add(960));
    assert_eq!(events[0].sequence, last.sequence.wrapping_add(1));
    // And back: into 8,000 Hz.
    let event = TelephoneEvent { event: 1, end: true, volume: 10, duration: 4_800 };
    let back = call.send(B, &packet(FAST_KEYS, 0, 0, &event.to_bytes()));
    assert_eq!(back[0].payload_type, KEYS);
    assert_eq!(TelephoneEvent::parse(&back[0].payload).unwrap().duration, 800);
}

#[test]
fn keys_that_the_other_leg_has_no_number_for_go_nowhere() {
    let mut call = Call::new(&plan(vec![pcmu(), keys(KEYS, 8_000)], vec![opus()]));
    let event = TelephoneEvent { event: 1, end: true, volume: 10, duration: 4_800 };
    assert_eq!(call.send(A, &packet(KEYS, 0, 0, &event.to_bytes())), []);
}

#[test]
fn a_plan_that_changes_nothing_goes_on_with_the_same_audio() {
    let legs = plan(vec![pcmu()], vec![pcma()]);
    let mut call = Call::new(&legs);
    let mut heard = call.second(PCMU, 0);
    call.apply(&legs);
    heard.extend(call.second(PCMU, 50));
    is_one_source(&heard, 160);
    assert_eq!(heard.iter().filter(|got| got.marker).count(), 1);
    // To other formats: still one source, whose numbers go on.
    call.apply(&plan(vec![pcmu()], vec![format(9, Codec::G722, 8_000)]));
    heard.extend(call.second(PCMU, 100));
    assert_eq!(heard.len(), 150);
    is_one_source(&heard, 160);
    assert!(heard[100..].iter().all(|got| got.payload_type == 9));
    // And to the same format, where nothing is left to do.
    call.apply(&plan(vec![pcmu()], vec![pcmu()]));
    assert!(!call.session.has_transcoding());
    heard.extend(call.second(PCMU, 150));
    is_one_source(&heard, 160);
    assert!(heard[150..].iter().all(|got| got.payload == QUIET));
}

#[test]
fn loss_is_measured_as_it_came_and_made_up_in_what_goes_out() {
    let mut call = Call::new(&plan(vec![pcmu()], vec![pcma()]));
    let mut heard = Vec::new();
    for sequence in (0..100_u16).filter(|sequence| sequence % 10 != 5) {
        call.now = u64::from(sequence) * 20;
        heard.extend(call.send(A, &packet(PCMU, sequence, u32::from(sequence) * 160, &QUIET)));
    }
    assert_eq!(heard.len(), 100);
    is_one_source(&heard, 160);
    // What B lacks beside is its path's alone.
    let block = ReportBlock { ssrc: heard[0].ssrc, cumulative_lost: 3, ..ReportBlock::default() };
    let mut report = Vec::new();
    write_receiver_report(&mut report, 77, &[block]);
    let len = report.len();
    report.resize(len + crate::GROWTH, 0);
    let from = SocketAddr::new(address(B).ip(), 4_001);
    let now = at(call.now);
    let decision = call.session.forward(B, MediaSocket::Rtcp, from, &mut report, len, now);
    assert_eq!(decision, Decision::Taken);
    let [leg_a, leg_b] = call.session.poll_report(at(2_000), ReportKind::Final);
    assert_eq!(leg_a.received.loss.lost, 10);
    assert_eq!(leg_b.peer.unwrap().packets_lost, 3);
}

#[test]
fn reports_speak_of_the_sources_that_each_leg_knows() {
    let mut call = Call::new(&plan(vec![pcmu()], vec![opus()]));
    let heard = call.second(PCMU, 0);
    let (mut out, ntp) = (Vec::new(), NtpTime::from_unix(Duration::from_secs(1_700_000_000)));
    let due = call.session.rtcp_deadline().unwrap();
    let sent = call.session.poll_rtcp(B, due, ntp, 0, &mut out).unwrap();
    let first = parse_compound(&out[..sent.len]).next().unwrap().unwrap();
    let RtcpPacket::SenderReport(report) = first else { panic!("{first:?}") };
    let last = heard.last().unwrap();
    assert_eq!((report.ssrc, report.info.packet_count), (last.ssrc, 50));
    let octets: usize = heard.iter().map(|got| got.payload.len()).sum();
    assert_eq!(report.info.octet_count, octets as u32);
    let since = (due - at(call.now - 20)).as_millis() as u32;
    assert_eq!(report.info.rtp_timestamp, last.timestamp.wrapping_add(since * 48));
    let sent = call.session.poll_rtcp(A, due, ntp, 0, &mut out).unwrap();
    let first = parse_compound(&out[..sent.len]).next().unwrap().unwrap();
    let RtcpPacket::ReceiverReport(report) = first else { panic!("{first:?}") };
    assert_eq!(report.blocks.iter().next().unwrap().ssrc, SSRC);
}

#[test]
fn srtp_is_opened_before_and_closed_after() {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let key = |seed: u8| SrtpKey::new(suite, &[seed; 30]).unwrap();
    let mut legs = plan(vec![pcmu()], vec![pcma()]);
    let (from_a, to_b) = (key(1), key(2));
    let sdes = |send: &SrtpKey, receive: &SrtpKey| {
        LegSecurity::Sdes(SdesKeys { send: send.clone(), receive: receive.clone() }.into())
    };
    legs.legs[0].security = sdes(&key(3), &from_a);
    legs.legs[1].security = sdes(&to_b, &key(4));
    let mut call = Call::new(&legs);
    let (mut sender, mut receiver) = (SrtpSender::new(&from_a), SrtpReceiver::new(&to_b));
    for sequence in 0..50_u16 {
        let mut octets = packet(PCMU, sequence, u32::from(sequence) * 160, &QUIET);
        let plain = octets.len();
        octets.resize(plain + crate::GROWTH, 0);
        let len = sender.protect_rtp(&mut octets, plain).unwrap();
        let mut out = call.raw(A, &octets[..len]);
        assert_eq!(out.len(), 1);
        let len = receiver.unprotect_rtp(&mut out[0]).unwrap();
        assert_eq!(got(&out[0][..len]).payload, [0xd5; 160]);
        call.now += 20;
    }
    // What the key does not prove is not even decoded.
    let mut forged = packet(PCMU, 60, 9_600, &[0; 160]);
    forged.resize(forged.len() + 10, 0);
    let len = forged.len();
    forged.resize(len + crate::GROWTH, 0);
    let now = at(call.now);
    let decision = call.session.forward(A, MediaSocket::Rtp, address(A), &mut forged, len, now);
    assert_eq!(decision, Decision::Drop(crate::DropReason::SrtpAuthentication));
}

#[test]
fn nothing_goes_out_before_its_numbers_are_drawn() {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.set_rtcp(RtcpStyle::Auto, REPORT_INTERVAL, &mut draw());
    session.apply(&plan(vec![pcmu()], vec![pcma()]), Instant::ZERO);
    let mut call = Call { session, now: 0 };
    assert_eq!(call.send(A, &packet(PCMU, 0, 0, &QUIET)), []);
}

#[test]
fn hostile_payloads_are_dropped_and_the_audio_goes_on() {
    for (a, b) in [(opus(), pcmu()), (format(96, Codec::L16, 16_000), opus())] {
        let mut call = Call::new(&plan(vec![a], vec![b]));
        for sequence in 0..200_u16 {
            let fill = (sequence * 37) as u8;
            let payload = vec![fill; usize::from(sequence % 23)];
            call.send(A, &packet(96, sequence, u32::from(sequence) * 320, &payload));
            call.now += 20;
        }
        let [leg_a, _] = call.session.poll_report(at(10_000), ReportKind::Final);
        assert_eq!(leg_a.received.rtp_packets, 200);
    }
}
