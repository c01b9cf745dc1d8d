//! RTP, RTCP and the relay's packet path.

use crate::seated::Seated;
use crate::{bounded, parts};
use model::{
    BundledLine, Codec, CodecMapping, ComfortNoise, DtmfConversion, Instant, LegPlan, LegSecurity,
    LegSide, MediaId, MediaPlan, ReportKind, SdesKeys, SrtpKey, SrtpSuite, TransactionId,
    Transcoding, XrWishes,
};
use relay_core::{
    Bundle, BundleRoute, Decision, GROWTH, LONGEST_MADE, LONGEST_REPORT, LearningPolicy,
    MediaSocket, NtpTime, REPORT_INTERVAL, RtcpStyle, RtpSession,
};
use rtp_proto::rtcp::{
    Feedback, FeedbackMessage, RtcpPacket, XrBlock, parse_compound, validate_compound,
};
use rtp_proto::{ExtendedSequence, RtpHead, RtpPacket, TelephoneEvent, demultiplex};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Datagrams of one script.
const MOST_PARTS: usize = 512;

/// Reads one RTP packet and a telephone event in it. Header, payload and padding must add up.
///
/// # Panics
/// When they do not.
pub fn rtp(data: &[u8]) {
    let data = bounded(data);
    black_box(demultiplex(data));
    black_box(TelephoneEvent::parse(data).is_ok());
    bundle(data);
    let Ok(packet) = RtpPacket::parse(data) else { return };
    let head = RtpHead::read(data).map(|head| (head.payload_type, head.ssrc, head.extension));
    let same = (packet.payload_type(), packet.ssrc(), packet.extension());
    assert_eq!(head, Ok(same), "a head is the packet's");
    let sum = packet.header_bytes() + packet.payload().len() + packet.padding_bytes();
    assert_eq!(sum, data.len(), "header, payload and padding are the whole packet");
    black_box((packet.csrcs().count(), packet.extension(), packet.marker(), packet.timestamp()));
    black_box(TelephoneEvent::parse(packet.payload()).map(|event| (event.digit(), event)).is_ok());
    let mut sequence = ExtendedSequence::new(packet.sequence());
    for pair in packet.payload().as_chunks::<2>().0 {
        black_box(sequence.update(u16::from_be_bytes(*pair)));
    }
    black_box((sequence.expected(), sequence.report_value()));
}

/// Asks whose of several lines' a datagram is, as often as it has octets, and learns what is said.
fn bundle(data: &[u8]) {
    let mut bundle = Bundle::default();
    for (place, (mid, number)) in
        [("0", None), ("1", Some(1)), ("a-long-mid-of-16", Some(200))].into_iter().enumerate()
    {
        let line = BundledLine { on: MediaId(1), mid: mid.into(), mid_extension: number };
        let packet_duration = Duration::from_millis(20);
        let (payload_type, codec, clock_rate) = (data.len() as u8 & 1, Codec::Other, 90_000);
        let format = CodecMapping { payload_type, codec, clock_rate, packet_duration };
        bundle.set(place, &line, &[format]);
    }
    for cut in 0..data.len().min(64) {
        if let BundleRoute::Line { place, ssrc } = bundle.route(&data[cut..]) {
            assert!(place < 3, "a line that is there");
            bundle.learn(ssrc, place);
        }
        if let Ok(RtpHead { extension: Some(extension), .. }) = RtpHead::read(&data[cut..]) {
            for id in 0..=255 {
                let octets = extension.element(id).map_or(0, <[u8]>::len);
                assert!(octets <= 255.min(extension.data.len()), "an element is of its extension");
            }
        }
    }
}

/// Walks one RTCP compound down to its last item, and copies it for a collector.
///
/// # Panics
/// When a compound has more packets than octets for them, or when the copy breaks a promise.
pub fn rtcp(data: &[u8]) {
    let data = bounded(data);
    black_box(validate_compound(data));
    let mut packets = 0;
    for packet in parse_compound(data).flatten() {
        packets += 1;
        walk(&packet);
    }
    assert!(packets * 4 <= data.len(), "every packet has a header of its own");
    crate::hep::copied(data);
}

fn walk_feedback(feedback: &Feedback<'_>) {
    match feedback.message() {
        FeedbackMessage::Nack(nacks) => {
            assert!(nacks.iter().all(|nack| nack.packets().count() <= 17));
        }
        FeedbackMessage::FullIntraRequest(requests) => {
            black_box(requests.iter().count());
        }
        FeedbackMessage::PictureLoss | FeedbackMessage::Other => {}
    }
    if let Some(limits) = feedback.max_bit_rates() {
        assert_eq!(limits.iter().count(), feedback.control.len() / 8, "each has eight octets");
    }
    if let Some(remb) = feedback.remb() {
        assert!(remb.sources().count() * 4 <= feedback.control.len(), "sources are counted");
    }
}

fn walk(packet: &RtcpPacket<'_>) {
    match packet {
        RtcpPacket::SenderReport(report) => {
            black_box((report.info.ntp.mid(), report.blocks.iter().count()));
        }
        RtcpPacket::ReceiverReport(report) => {
            assert_eq!(report.blocks.iter().count(), report.blocks.len(), "blocks are counted");
        }
        RtcpPacket::SourceDescription(sdes) => {
            for chunk in sdes.chunks() {
                black_box((sdes.cname(chunk.ssrc), chunk.items().count()));
            }
        }
        RtcpPacket::Goodbye(bye) => {
            black_box((bye.sources().count(), bye.reason));
        }
        RtcpPacket::ExtendedReport(report) => {
            for block in report.blocks {
                match block {
                    XrBlock::Dlrr(reports) => {
                        black_box(reports.iter().count());
                    }
                    XrBlock::LossRuns(runs) | XrBlock::DuplicateRuns(runs) => {
                        let (ones, zeros) = runs.ones_and_zeros();
                        assert!(ones + zeros <= u32::from(runs.range.packets()), "{runs:?}");
                    }
                    XrBlock::ReceiptTimes(times) => {
                        black_box(times.times().count());
                    }
                    XrBlock::VoipMetrics(metrics) => {
                        let scores = [metrics.known_mos_lq(), metrics.known_mos_cq()];
                        assert!(scores.iter().flatten().all(|mos| (10..=50).contains(mos)));
                        assert!(metrics.known_r_factor().is_none_or(|r| r <= 100));
                    }
                    _ => {}
                }
            }
        }
        RtcpPacket::Feedback(feedback) => walk_feedback(feedback),
        RtcpPacket::Application(_) | RtcpPacket::Unknown { .. } => {
            black_box(packet);
        }
    }
}

/// A script of datagrams to one relayed stream. A part's first byte chooses the leg (bit 0), the
/// socket (bit 1), the source (bits 2 and 3), the time since the part before (bits 4 and 5), and
/// whether the plan is swapped (bit 6, by the next two bytes) or a report is taken (bit 7). The last byte
/// chooses who speaks RTCP, and whether leg A takes part in a conference with pictures.
///
/// # Panics
/// When a datagram is sent where no plan and no latch points, or a measure is out of its range.
pub fn rtp_session(data: &[u8]) {
    let mut now = Instant::from_millis(1);
    let transaction = TransactionId::from_random(1);
    let mut stream = RtpSession::new(MediaId(1), transaction, now, LearningPolicy::default());
    let style = match data.last().map(|last| last % 3) {
        Some(1) => RtcpStyle::BackToBack,
        Some(2) => RtcpStyle::Translator,
        _ => RtcpStyle::Auto,
    };
    stream.set_rtcp(style, REPORT_INTERVAL, &mut || 0x0123_4567_89ab_cdef);
    let is_pictured = data.last().is_some_and(|last| last / 3 % 4 == 3);
    let mut seated = is_pictured.then(|| Seated::new(&mut stream, now));
    let (mut srtp, mut converts) = (false, false);
    for (index, part) in parts(bounded(data), MOST_PARTS).enumerate() {
        let Some((&act, datagram)) = part.split_first() else { continue };
        now += Duration::from_millis([0, 1, 20, 30_000][usize::from(act >> 4 & 3)]);
        if index == 0 || act & 0x40 != 0 {
            let choice = datagram.first().copied().unwrap_or_default();
            let secured = datagram.get(1).copied().unwrap_or_default();
            stream.apply(&plan(choice, secured), now);
            stream.begin_transcoding(now, &mut || 0x0123_4567_89ab_cdef);
            srtp = secured & SECURE != 0;
            converts |= secured & CONVERT != 0;
        }
        let from = LegSide::BOTH[usize::from(act & 1)];
        let socket = if act & 2 == 0 { MediaSocket::Rtp } else { MediaSocket::Rtcp };
        let source = SOURCES[usize::from(act >> 2 & 3)];
        let mut packet = datagram.to_vec();
        packet.resize(datagram.len().max(LONGEST_MADE) + GROWTH, 0);
        let decision = stream.forward(from, socket, source, &mut packet, datagram.len(), now);
        if let Decision::Send { to, destination, len, kind, .. } = decision {
            assert!(to == from.other(), "{decision:?}");
            let changed = match stream.has_transcoding() {
                true => usize::MAX,
                false if srtp => GROWTH,
                false => 0,
            };
            // An event may stand in the place of audio.
            let is_whole = len.abs_diff(datagram.len()) <= changed;
            assert!(is_whole || (converts && len <= datagram.len() + changed), "{decision:?}");
            assert!(SOURCES.contains(&destination) || REMOTES.contains(&destination));
            if act & 8 != 0 {
                stream.send_failed(to, kind, len);
            }
        }
        if let Some(seated) = &mut seated {
            seated.turn(now);
        }
        let mut made = [0; LONGEST_MADE];
        while let Some(packet) = stream.poll_made(now, &mut made) {
            let is_known = SOURCES.contains(&packet.destination);
            assert!(is_known || (is_pictured && REMOTES.contains(&packet.destination)));
            assert!(packet.len <= LONGEST_MADE);
        }
        if act & 0x80 != 0 {
            report(&mut stream, now);
        }
        black_box(stream.poll_silence(from, now, Duration::from_secs(30)));
        black_box(stream.silence_deadline(Duration::from_secs(30)));
        own_reports(&mut stream, now, srtp, act);
        keys(&mut stream, now, act);
    }
    report(&mut stream, now);
}

/// What the relay says itself is sound RTCP, to where the leg's RTCP goes.
fn own_reports(stream: &mut RtpSession, now: Instant, srtp: bool, act: u8) {
    let mut out = Vec::new();
    for to in LegSide::BOTH {
        let ntp = NtpTime(now.as_nanos());
        let report = match act & 0xc0 {
            0xc0 => stream.poll_goodbye(to, now, ntp, &mut out),
            _ => stream.poll_rtcp(to, now, ntp, u64::from(act), &mut out),
        };
        let Some(report) = report else { continue };
        assert!(SOURCES.contains(&report.destination) || REMOTES.contains(&report.destination));
        assert!(report.len <= LONGEST_REPORT && report.len <= out.len(), "{report:?}");
        assert!(srtp || validate_compound(&out[..report.len]), "{out:?}");
    }
}

/// Keys are told and made in bounds, and go where the leg's media goes.
fn keys(stream: &mut RtpSession, now: Instant, act: u8) {
    let mut draw = || 0x0123_4567_89ab_cdef;
    let told = std::iter::from_fn(|| stream.poll_dtmf(now, &mut draw)).count();
    assert!(told <= 2 * 33, "{told} at once");
    if act & 0x30 == 0x30 {
        black_box(stream.send_event(
            LegSide::B,
            act & 15,
            Duration::from_millis(90),
            now,
            &mut draw,
        ))
        .ok();
    }
    let mut buffer = [0; LONGEST_MADE];
    for _ in 0..4 {
        let Some(packet) = stream.poll_made(now, &mut buffer) else { break };
        assert!(packet.len <= LONGEST_MADE, "{packet:?}");
        let known = SOURCES.contains(&packet.destination) || REMOTES.contains(&packet.destination);
        assert!(known, "{packet:?}");
    }
    black_box((stream.dtmf_deadline(), stream.made_deadline(), stream.has_dtmf_news()));
}

const fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port)
}

/// Where datagrams come from: leg A, leg B, a NAT's other port, a stranger.
const SOURCES: [SocketAddr; 4] =
    [address(1, 4000), address(2, 6000), address(1, 4444), address(66, 6666)];
/// Where the descriptions want RTCP.
const REMOTES: [SocketAddr; 2] = [address(1, 4001), address(2, 6001)];

/// The bits of [`plan`]'s `secured` that give leg A and leg B keys.
const SECURE: u8 = 0x60;
/// The bit that has audio transcoded.
const TRANSCODED: u8 = 0x10;

/// The bit that asks for keys to be converted.
const CONVERT: u8 = 0x80;
const CONVERSIONS: [DtmfConversion; 4] = [
    DtmfConversion::EventsToSignalling,
    DtmfConversion::EventsToTones,
    DtmfConversion::TonesToSignalling,
    DtmfConversion::TonesToEvents,
];

/// The security of a leg, with one of two keys of every suite.
fn security(secured: u8, bit: u8) -> LegSecurity {
    let suite = SrtpSuite::ALL[usize::from(secured & 7) % SrtpSuite::ALL.len()];
    let fill = secured >> 3 & 1;
    let key = |fill| SrtpKey::new(suite, &vec![fill; suite.key_len() + suite.salt_len()]);
    match (key(fill), key(fill + 2)) {
        (Some(receive), Some(send)) if secured & bit != 0 => {
            LegSecurity::Sdes(Box::new(SdesKeys { receive, send }))
        }
        _ => LegSecurity::Plain,
    }
}

/// Two legs; `choice` turns their features on and off, `secured` gives them keys, and keys of
/// telephones that are converted.
fn plan(choice: u8, secured: u8) -> MediaPlan {
    let leg = |side: usize, bits: u8| LegPlan {
        remote_rtp: (bits & 8 == 0).then_some(SOURCES[side]),
        remote_rtcp: (bits & 8 == 0).then_some(REMOTES[side]),
        signalling_source: Some(SOURCES[side].ip()),
        rtcp_mux: bits & 1 != 0,
        accepts_from: bits & 2 == 0,
        sends_to: bits & 4 == 0,
        relearn: true,
        codecs: [(0, Codec::Pcmu, 8_000), (111, Codec::Opus, 48_000), (13, Codec::ComfortNoise, 0)]
            .map(|(payload_type, codec, clock_rate)| CodecMapping {
                payload_type,
                codec,
                clock_rate,
                packet_duration: Duration::from_millis(20),
            })
            .to_vec(),
        telephone_event: Some(101),
        xr: XrWishes { voip_metrics: bits & 1 != 0, receiver_rtt: bits & 2 != 0 },
        security: security(secured, [0x20, 0x40][side]),
        ice: None,
    };
    let mut legs = [leg(0, choice & 15), leg(1, choice >> 4)];
    let mut dtmf = [DtmfConversion::None; 2];
    if secured & CONVERT != 0 {
        dtmf = [choice & 3, choice >> 4 & 3].map(|at| CONVERSIONS[usize::from(at)]);
    }
    if secured & TRANSCODED == 0 {
        return MediaPlan { dtmf, bundled: bundled(choice), ..MediaPlan::rtp(legs) };
    }
    for mapping in &mut legs[1].codecs {
        if mapping.codec == Codec::Opus {
            (mapping.codec, mapping.clock_rate) = (Codec::L16, 16_000);
        }
    }
    let noise = ComfortNoise { payload_type: 13, in_place_of_silence: choice & 1 != 0 };
    let comfort_noise = (choice & 2 != 0).then_some(noise);
    let stage = |from: &LegPlan, to: &LegPlan, shared: usize| {
        let from = from.codecs.iter().take(2).skip(shared).cloned().collect();
        let to = to.codecs[1 - shared].clone();
        Some(Box::new(Transcoding { from, to, bitrate: None, comfort_noise }))
    };
    let transcoding = [stage(&legs[0], &legs[1], 0), stage(&legs[1], &legs[0], 1)];
    MediaPlan { dtmf, transcoding, ..MediaPlan::rtp(legs) }
}

/// A line whose packets to leg A say its mid.
fn bundled(choice: u8) -> Option<Box<BundledLine>> {
    let line = BundledLine { on: MediaId(1), mid: "1".into(), mid_extension: Some(choice & 15) };
    (choice & 0x88 == 0x88).then(|| Box::new(line))
}

fn report(stream: &mut RtpSession, now: Instant) {
    for report in stream.poll_report(now, ReportKind::Interval) {
        for mos in [report.mos, report.interval_mos].into_iter().flatten() {
            assert!((1.0..=5.0).contains(&mos.value()), "{report:?}");
        }
        let ratio = report.received.loss.loss_ratio();
        assert!((0.0..=1.0).contains(&ratio), "{report:?}");
        assert!(report.received.burst_ratio.is_finite(), "{report:?}");
    }
}
