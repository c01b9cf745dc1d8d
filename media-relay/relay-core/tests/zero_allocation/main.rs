//! The packet path allocates nothing: every allocation of this process is counted.
#![expect(unsafe_code, reason = "a global allocator that counts")]

mod made;
mod pictures;
mod srtp;

use codecs::dtmf::ToneGenerator;
use codecs::{Clip, Recording};
use model::{
    Codec, CodecMapping, DtmfConversion, Instant, LegPlan, LegSecurity, LegSide, MediaId,
    MediaLine, MediaPlan, MediaType, OtherMedia, ReportKind, SdesKeys, SrtpKey, SrtpSuite,
    TransactionId, TranscodableFormat, Transcoding, WarningTone, XrWishes,
};
use relay_core::{
    Decision, DropReason, FastForward, ForwardedPacket, GROWTH, LONGEST_MADE, LONGEST_REPORT,
    LearningPolicy, Listened, MediaSocket, NtpTime, REPORT_INTERVAL, RtcpStyle, RtpSession, Track,
    copy_ring, listen_ring, ring, voice_ring,
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

/// Formats that found no room are written between packets.
#[test]
fn audio_for_listeners_allocates_nothing_also_after_a_plan_that_found_no_room() {
    let mut session = session();
    let (writer, mut heard) = listen_ring(4_096);
    session.listen(writer, [true; 2], Instant::ZERO);
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut sequence = 0;
    let mut send = |session: &mut RtpSession| {
        // As short as can be, so that what is left of a full ring is too little for formats.
        let mut rtp = [0_u8; 12];
        for _ in 0..200 {
            sequence += 1;
            RtpHeader { sequence, ssrc: 7, ..RtpHeader::default() }.write_header(&mut rtp);
            let now = Instant::from_millis(u64::from(sequence) * 20);
            let socket = MediaSocket::Rtp;
            let decision = session.forward(LegSide::A, socket, from, &mut rtp, 12, now);
            assert!(matches!(decision, Decision::Send { .. }));
        }
    };
    assert_eq!(allocations_of(|| send(&mut session)), 0);
    session.apply(&MediaPlan::rtp([leg(4_000), leg(5_000)]), Instant::from_millis(4_000));
    assert_eq!(allocations_of(|| send(&mut session)), 0, "without room");
    let mut octets = Vec::new();
    while heard.read(&mut octets).is_some() {}
    assert_eq!(allocations_of(|| send(&mut session)), 0);
    assert!(matches!(heard.read(&mut octets), Some(Listened::Formats(_))));
    assert!(matches!(heard.read(&mut octets), Some(Listened::Packet { .. })));
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

/// Also while all RTCP is copied, be there room or not.
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
        let plan = MediaPlan { copies_rtcp: true, ..MediaPlan::rtp(legs) };
        session.apply(&plan, Instant::ZERO);
        let (mut writer, mut copies) = copy_ring(4_096);
        let of = (MediaId(1), TransactionId::from_random(1));
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
                    let copied = session.take_rtcp_copy();
                    assert!(copied.is_some_and(|copied| writer.write(of, from, &copied)));
                }
                for to in LegSide::BOTH {
                    let ntp = NtpTime(u64::from(number) << 27);
                    sent += u32::from(session.poll_rtcp(to, now, ntp, 500, &mut out).is_some());
                    if number == 4_999 {
                        session.poll_goodbye(to, now, ntp, &mut out);
                    }
                    if let Some(copied) = session.take_rtcp_copy() {
                        writer.write(of, from, &copied);
                    }
                }
            }
        });
        assert_eq!(allocations, 0, "{style:?}");
        assert!(sent > 30, "{style:?}: {sent}");
        assert!(copies.read().is_some() && copies.lost() > 0, "the ring was full at the end");
    }
}

#[test]
fn a_stream_takes_about_four_kibibytes() {
    assert!(size_of::<RtpSession>() < 4 * 1024 + 256, "{}", size_of::<RtpSession>());
}

#[test]
fn copying_a_leg_for_a_recorder_allocates_nothing() {
    let keys = |octet| SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[octet; 30]).unwrap();
    let sdes = LegSecurity::Sdes(SdesKeys { receive: keys(3), send: keys(4) }.into());
    for security in [LegSecurity::Plain, sdes] {
        let mut call = session();
        call.copy_leg(LegSide::A, true);
        let mut copy = session_with([LegSecurity::Plain, security]);
        let source: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let mut copied = 0;
        let allocations = allocations_of(|| {
            for sequence in 0..50_u16 {
                let now = Instant::from_millis(u64::from(sequence) * 20);
                let header = RtpHeader { sequence, ssrc: 7, ..RtpHeader::default() };
                let mut packet = [0; 172];
                packet[..RtpHeader::BYTES].copy_from_slice(&header.to_bytes());
                call.forward(LegSide::A, MediaSocket::Rtp, source, &mut packet, 172, now);
                let mut buffer = [0; 172 + GROWTH];
                let Some(octets) = call.take_copied() else { continue };
                buffer[..172].copy_from_slice(octets);
                let decision = copy.forward_copied(&mut buffer, 172, now);
                copied += usize::from(matches!(decision, Decision::Send { .. }));
            }
        });
        assert_eq!((allocations, copied), (0, 50));
    }
}
