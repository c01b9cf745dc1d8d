//! The packet path allocates nothing: every allocation of this process is counted.
#![expect(unsafe_code, reason = "a global allocator that counts")]

use codecs::dtmf::ToneGenerator;
use codecs::{Clip, Recording};
use model::{
    Codec, CodecMapping, DtmfConversion, Instant, LegPlan, LegSecurity, LegSide, MediaId,
    MediaLine, MediaPlan, MediaType, OtherMedia, ReportKind, SdesKeys, SrtpKey, SrtpSuite,
    TransactionId, TranscodableFormat, Transcoding, XrWishes,
};
use relay_core::{
    Decision, DropReason, GROWTH, LONGEST_MADE, LONGEST_REPORT, LearningPolicy, MediaSocket,
    NtpTime, REPORT_INTERVAL, RtcpStyle, RtpSession, Track, ring,
};
use rtp_proto::RtpHeader;
use rtp_proto::rtcp::{
    ReportBlock, SenderInfo, write_bye, write_receiver_reference_time, write_sender_report,
};
use rtp_proto::srtp::SrtpSender;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn session() -> RtpSession {
    session_with([LegSecurity::Plain, LegSecurity::Plain])
}

fn leg(port: u16) -> LegPlan {
    LegPlan {
        remote_rtp: Some(([192, 0, 2, 1], port).into()),
        remote_rtcp: Some(([192, 0, 2, 1], port + 1).into()),
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![CodecMapping {
            payload_type: 0,
            codec: Codec::Pcmu,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(20),
        }],
        telephone_event: Some(101),
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn session_with(security: [LegSecurity; 2]) -> RtpSession {
    let mut session = RtpSession::new(
        MediaId(1),
        TransactionId::from_random(1),
        Instant::ZERO,
        LearningPolicy::default(),
    );
    let mut legs = [leg(4_000), leg(5_000)];
    for (leg, security) in legs.iter_mut().zip(security) {
        leg.security = security;
    }
    session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
    session.limit_rate(2_000);
    session
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_of(|| drop(Box::new(1_u64))), 1);
}

#[test]
fn forwarding_allocates_nothing_in_any_outcome() {
    let mut session = session();
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let stranger: SocketAddr = ([203, 0, 113, 9], 4_000).into();
    let mut rtp = [0_u8; 172];
    let mut rtcp = Vec::new();
    let info = SenderInfo { ntp: NtpTime(7 << 16), ..SenderInfo::default() };
    write_sender_report(&mut rtcp, 1, &info, &[ReportBlock { ssrc: 2, ..Default::default() }]);
    let mut lying = rtcp.clone();
    lying[3] = 99;
    let allocations = allocations_of(|| {
        for number in 0..100_000_u32 {
            let header = RtpHeader {
                payload_type: [0, 101, 96][number as usize % 3],
                marker: false,
                // Losses, duplicates, wraps and other sources among them.
                sequence: (number * 3 / 2) as u16,
                timestamp: number * 160,
                ssrc: number / 10_000,
            };
            header.write_header(&mut rtp);
            let now = Instant::from_millis(u64::from(number) * 20);
            let mut forward = |source, packet: &mut [u8], socket| {
                session.forward(LegSide::A, socket, source, packet, packet.len(), now)
            };
            let decision = forward(from, &mut rtp, MediaSocket::Rtp);
            assert!(matches!(decision, Decision::Send { .. }));
            let decision = forward(stranger, &mut rtp, MediaSocket::Rtp);
            assert_eq!(decision, Decision::Drop(DropReason::WrongSource));
            if number % 100 == 0 {
                let decision = forward(from, &mut rtcp, MediaSocket::Rtp);
                assert!(matches!(decision, Decision::Send { .. }));
                let decision = forward(from, &mut lying, MediaSocket::Rtp);
                assert_eq!(decision, Decision::Drop(DropReason::MalformedRtcp));
            }
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn video_and_what_repairs_it_allocate_nothing() {
    let legs = [4_000, 5_000].map(|port| {
        let mut leg = leg(port);
        leg.codecs = [(96, Codec::H264), (97, Codec::Repair)]
            .map(|(payload_type, codec)| CodecMapping {
                payload_type,
                codec,
                clock_rate: 90_000,
                packet_duration: Duration::from_millis(20),
            })
            .to_vec();
        leg
    });
    let mut session = session();
    session.set_line(MediaLine::Further { index: 1, media: MediaType::Video });
    session.limit_rate(5_000);
    session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut packet = [0_u8; 1_200];
    let allocations = allocations_of(|| {
        for sequence in 0..2_000_u16 {
            let payload_type = if sequence % 100 == 7 { 97 } else { 96 };
            let timestamp = u32::from(sequence / 3) * 3_000;
            let header = RtpHeader { payload_type, sequence, timestamp, ..RtpHeader::default() };
            header.write_header(&mut packet);
            let now = Instant::from_millis(u64::from(sequence) * 11);
            session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 1_200, now);
        }
    });
    assert_eq!(allocations, 0);
    assert_eq!(session.rtp_packets(LegSide::A), 2_000);
}

#[test]
fn other_payload_types_allocate_nothing() {
    let legs = [(4_000, 96), (5_000, 111)].map(|(port, payload_type)| {
        let mut leg = leg(port);
        leg.codecs.iter_mut().for_each(|mapping| {
            (mapping.payload_type, mapping.codec) = (payload_type, Codec::Opus);
        });
        leg
    });
    let mut session = session();
    session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut packet = [0_u8; 172];
    let allocations = allocations_of(|| {
        for sequence in 0..2_000 {
            let header = RtpHeader { payload_type: 96, sequence, ..RtpHeader::default() };
            header.write_header(&mut packet);
            let now = Instant::from_millis(u64::from(sequence) * 20);
            session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 172, now);
            assert_eq!(packet[1], 111);
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn packets_made_among_those_that_pass_allocate_nothing() {
    let mut session = session();
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut packet = [0_u8; 172];
    let order = |session: &mut RtpSession, now| {
        let key = Duration::from_millis(100);
        assert_eq!(session.send_event(LegSide::B, 5, key, now, &mut || 7), Ok(()));
    };
    order(&mut session, Instant::ZERO);
    let mut made = 0;
    let allocations = allocations_of(|| {
        for sequence in 0..2_000 {
            let header = RtpHeader { sequence, ..RtpHeader::default() };
            header.write_header(&mut packet);
            let now = Instant::from_millis(u64::from(sequence) * 20);
            session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 172, now);
            if sequence % 50 == 0 {
                order(&mut session, now);
            }
            let mut buffer = [0; LONGEST_MADE];
            while session.poll_made(now, &mut buffer).is_some() {
                made += 1;
            }
        }
    });
    assert_eq!((allocations, made), (0, 41 * 7));
}

#[test]
fn transcoded_audio_allocates_nothing() {
    let formats = TranscodableFormat::ALL.map(|format| CodecMapping {
        payload_type: 96,
        codec: format.codec,
        clock_rate: format.clock_rate,
        packet_duration: Duration::from_millis(20),
    });
    let noise = CodecMapping { payload_type: 13, codec: Codec::ComfortNoise, ..formats[0].clone() };
    for (a, b) in formats.iter().flat_map(|a| formats.iter().map(move |b| (a, b))) {
        if a == b {
            continue;
        }
        let mut legs = [leg(4_000), leg(5_000)];
        legs[0].codecs = vec![a.clone(), noise.clone()];
        legs[1].codecs = vec![b.clone()];
        let stage = |from: &CodecMapping, to: &CodecMapping| {
            Some(Box::new(Transcoding {
                from: vec![from.clone()],
                to: to.clone(),
                // Towards formats of one octet a sample comfort noise takes the place of silence.
                comfort_noise: matches!(to.codec, Codec::Pcmu | Codec::Pcma)
                    .then_some(model::ComfortNoise { payload_type: 13, in_place_of_silence: true }),
            }))
        };
        let mut session = session();
        let plan = MediaPlan { transcoding: [stage(a, b), stage(b, a)], ..MediaPlan::rtp(legs) };
        session.apply(&plan, Instant::ZERO);
        session.begin_transcoding(Instant::ZERO, &mut || 7);
        let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let mut sent = 0;
        let allocations = allocations_of(|| {
            for sequence in 0..100_u16 {
                // Some are lost, some are spoilt, and sometimes the sender falls silent.
                if sequence % 9 == 4 {
                    continue;
                }
                let payload_type = if sequence % 17 == 8 { 13 } else { 96 };
                let fill = if sequence > 40 { 0xff } else { sequence as u8 };
                let mut packet = [fill; 2_048 + GROWTH];
                let timestamp = u32::from(sequence) * a.clock_rate / 50;
                let header =
                    RtpHeader { payload_type, sequence, timestamp, ..RtpHeader::default() };
                header.write_header(&mut packet);
                let len = if sequence % 13 == 6 { 13 } else { 12 + 160 };
                let now = Instant::from_millis(u64::from(sequence) * 20);
                let decision =
                    session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, len, now);
                sent += u32::from(matches!(decision, Decision::Send { .. }));
                let mut buffer = [0; LONGEST_MADE];
                while session.poll_made(now, &mut buffer).is_some() {
                    sent += 1;
                }
            }
        });
        assert_eq!(allocations, 0, "{a:?} to {b:?}");
        assert!(sent > 10, "{a:?} to {b:?}: {sent}");
    }
}

#[test]
fn what_is_played_allocates_nothing() {
    let mut session = session();
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut packet = [0_u8; 172];
    let playable = session.playable(LegSide::B).expect("PCMU");
    let recording = Recording::ringback(model::Ringback::Europe);
    let clip = Clip::encode(&recording, playable.format, playable.packet_ms).expect("it is made");
    let payload_type = playable.payload_type;
    let track = Track { clip: Arc::new(clip), payload_type, rounds: None, with: OtherMedia::Wins };
    session.play(LegSide::B, track, Instant::ZERO, &mut || 7);
    let (mut made, mut passed) = (0, 0);
    let allocations = allocations_of(|| {
        for millis in 0..60_000_u64 {
            let now = Instant::from_millis(millis);
            // The other leg speaks now and then, and is let through.
            if millis % 10_000 < 1_000 && millis % 20 == 0 {
                let sequence = (millis / 20) as u16;
                let header = RtpHeader { sequence, ..RtpHeader::default() };
                header.write_header(&mut packet);
                let way =
                    session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 172, now);
                passed += u32::from(matches!(way, Decision::Send { .. }));
            }
            let mut buffer = [0; LONGEST_MADE];
            while session.poll_made(now, &mut buffer).is_some() {
                made += 1;
            }
        }
    });
    assert_eq!((allocations, passed), (0, 300));
    // In each ten seconds one is the other leg's, and 180 ms pass before it is thought silent.
    assert!((2_600..2_700).contains(&made), "{made}");
}

#[test]
fn keys_that_are_converted_allocate_nothing() {
    for conversion in [
        DtmfConversion::EventsToSignalling,
        DtmfConversion::EventsToTones,
        DtmfConversion::TonesToSignalling,
        DtmfConversion::TonesToEvents,
    ] {
        let mut legs = [leg(4_000), leg(5_000)];
        legs[1].telephone_event.take_if(|_| conversion != DtmfConversion::TonesToEvents);
        let mut session = session();
        let mut plan = MediaPlan::rtp(legs);
        plan.dtmf[0] = conversion;
        session.apply(&plan, Instant::ZERO);
        let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let mut told = 0;
        let mut turn = |sequence: u16, told: &mut u32| {
            let now = Instant::from_millis(u64::from(sequence) * 20);
            let mut generator = ToneGenerator::new(5, 8_000);
            let mut packet = [0_u8; 172];
            // Five packets of a key, five without.
            let is_key = sequence % 10 < 5;
            let reads = conversion.reads_events();
            let header = RtpHeader {
                payload_type: if is_key && reads { 101 } else { 0 },
                sequence,
                timestamp: u32::from(if is_key && reads { sequence / 10 } else { sequence }) * 160,
                ..RtpHeader::default()
            };
            header.write_header(&mut packet);
            if is_key && reads {
                packet[12..16].copy_from_slice(&[
                    5,
                    if sequence % 10 == 4 { 0x80 } else { 0 },
                    3,
                    0,
                ]);
            } else if let Some(generator) = generator.as_mut().filter(|_| is_key) {
                let mut samples = [0; 800];
                generator.generate(&mut samples);
                let begin = usize::from(sequence % 10) * 160;
                for (octet, sample) in packet[12..].iter_mut().zip(&samples[begin..begin + 160]) {
                    *octet = rtp_proto::codecs::g711::encode_mu_law(*sample);
                }
            } else {
                packet[12..].fill(0xff);
            }
            session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 172, now);
            while session.poll_dtmf(now, &mut || 7).is_some() {
                *told += 1;
            }
            let mut buffer = [0; LONGEST_MADE];
            while session.poll_made(now, &mut buffer).is_some() {}
        };
        // What is made for a leg gets its room with the first key.
        (0..20).for_each(|sequence| turn(sequence, &mut told));
        told = 0;
        let allocations = allocations_of(|| {
            (20..1_000).for_each(|sequence| turn(sequence, &mut told));
        });
        assert_eq!((allocations, told), (0, 98), "{conversion:?}");
    }
}

#[expect(clippy::expect_used, reason = "a test's helper")]
fn key(suite: SrtpSuite, fill: u8) -> SrtpKey {
    SrtpKey::new(suite, &vec![fill; suite.key_len() + suite.salt_len()]).expect("the right length")
}

/// Also while the packets are copied, be there room or not.
#[test]
fn srtp_allocates_nothing_either_way() {
    for suite in SrtpSuite::ALL {
        let keys = |fill| SdesKeys { receive: key(suite, fill), send: key(suite, fill + 1) };
        let security = [1, 3].map(|fill| LegSecurity::Sdes(Box::new(keys(fill))));
        let mut session = session_with(security);
        let (writer, mut copies) = ring(64 * 1024);
        session.tap(writer, [true; 2]);
        let mut peer = SrtpSender::new(&key(suite, 1));
        let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let mut buffer = [0_u8; 172 + 2 * GROWTH];
        let allocations = allocations_of(|| {
            for number in 0..2_000_u32 {
                let now = Instant::from_millis(u64::from(number) * 20);
                let header = RtpHeader {
                    sequence: (64_000 + number) as u16,
                    ssrc: number / 200,
                    ..RtpHeader::default()
                };
                header.write_header(&mut buffer);
                let len = peer.protect_rtp(&mut buffer, 172).unwrap_or_default();
                let mut forward = |packet: &mut [u8]| {
                    session.forward(LegSide::A, MediaSocket::Rtp, from, packet, len, now)
                };
                let mut forged = buffer;
                forged[100] ^= 1;
                let refused = Decision::Drop(DropReason::SrtpAuthentication);
                assert_eq!(forward(&mut forged), refused);
                assert!(matches!(forward(&mut buffer), Decision::Send { .. }));
                let mut report = [0_u8; 8 + 2 * GROWTH];
                report[..4].copy_from_slice(&[0x80, 201, 0, 1]);
                let len = peer.protect_rtcp(&mut report, 8).unwrap_or_default();
                let decision =
                    session.forward(LegSide::A, MediaSocket::Rtcp, from, &mut report, len, now);
                assert!(matches!(decision, Decision::Send { .. }), "{decision:?}");
            }
        });
        assert_eq!(allocations, 0, "{suite}");
        // Copies are plain: all of the audio was zeroes.
        let mut copy = Vec::new();
        assert!(copies.read(&mut copy).is_some() && copies.lost() > 3_000);
        assert!(copy.len() == 172 && copy[12..].iter().all(|octet| *octet == 0));
        assert!(copies.read(&mut copy).is_some() && copy == [0x80, 201, 0, 1, 0, 0, 0, 0]);
    }
}

#[test]
fn reports_allocate_nothing_either() {
    let mut session = session();
    assert_eq!(
        allocations_of(|| {
            session.poll_report(Instant::ZERO, ReportKind::Interval);
            session.poll_silence(LegSide::A, Instant::ZERO, Duration::from_secs(1));
        }),
        0
    );
}

#[test]
fn reports_of_our_own_and_media_with_our_sources_allocate_nothing() {
    for style in [RtcpStyle::Auto, RtcpStyle::BackToBack] {
        let mut session = RtpSession::new(
            MediaId(1),
            TransactionId::from_random(1),
            Instant::ZERO,
            LearningPolicy::default(),
        );
        session.set_rtcp(style, REPORT_INTERVAL, &mut || 7);
        let mut legs = [leg(4_000), leg(5_000)];
        for leg in &mut legs {
            leg.xr = XrWishes { voip_metrics: true, receiver_rtt: true };
        }
        session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
        let (mut out, mut sent) = (Vec::with_capacity(LONGEST_REPORT), 0);
        let mut report = Vec::new();
        write_sender_report(&mut report, 1, &SenderInfo::default(), &[]);
        write_receiver_reference_time(&mut report, 1, NtpTime(7 << 32));
        write_bye(&mut report, 1, b"");
        let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let allocations = allocations_of(|| {
            let mut rtp = [0_u8; 172];
            for number in 0..5_000_u32 {
                let now = Instant::from_millis(u64::from(number) * 20);
                let header = RtpHeader { sequence: number as u16, ssrc: 1, ..RtpHeader::default() };
                header.write_header(&mut rtp);
                session.forward(LegSide::A, MediaSocket::Rtp, from, &mut rtp, 172, now);
                if number == 10 {
                    let len = report.len();
                    session.forward(LegSide::A, MediaSocket::Rtp, from, &mut report, len, now);
                }
                for to in LegSide::BOTH {
                    let ntp = NtpTime(u64::from(number) << 27);
                    sent += u32::from(session.poll_rtcp(to, now, ntp, 500, &mut out).is_some());
                    if number == 4_999 {
                        session.poll_goodbye(to, now, ntp, &mut out);
                    }
                }
            }
        });
        assert_eq!(allocations, 0, "{style:?}");
        assert!(sent > 30, "{style:?}: {sent}");
    }
}

#[test]
fn a_stream_takes_about_four_kibibytes() {
    assert!(size_of::<RtpSession>() < 4 * 1024 + 256, "{}", size_of::<RtpSession>());
}
