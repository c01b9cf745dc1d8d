//! Packets that are made here: keys, transcoded audio, what is played.

use super::*;

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

/// What the kernel forwards between keys, with the numbers that these left.
#[test]
fn notes_of_a_leg_that_got_keys_allocate_nothing() {
    let mut session = session();
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut packet = [0_u8; 172];
    let order = |session: &mut RtpSession, now| {
        let key = Duration::from_millis(100);
        assert_eq!(session.send_event(LegSide::B, 5, key, now, &mut || 7), Ok(()));
    };
    order(&mut session, Instant::ZERO);
    let mut noted = 0;
    let allocations = allocations_of(|| {
        for sequence in 0..60_000_u16 {
            let arrival = Instant::from_millis(u64::from(sequence) * 20);
            if sequence % 1_000 == 999 {
                order(&mut session, arrival);
            }
            let mut buffer = [0; LONGEST_MADE];
            while session.poll_made(arrival, &mut buffer).is_some() {}
            let ssrc = u32::from(sequence / 10_000);
            let fast = session.fast_forward(LegSide::A, arrival).filter(|way| way.ssrc == ssrc);
            let Some(FastForward { numbers, .. }) = fast else {
                let header = RtpHeader { sequence, ssrc, ..RtpHeader::default() };
                header.write_header(&mut packet);
                session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 172, arrival);
                continue;
            };
            let (timestamp, payload_type, marker, octets) = (0, 0, false, 172);
            session.forwarded(
                LegSide::A,
                &ForwardedPacket {
                    ssrc,
                    sequence,
                    timestamp,
                    numbers,
                    payload_type,
                    marker,
                    octets,
                    arrival,
                },
            );
            noted += 1;
        }
    });
    assert_eq!(allocations, 0);
    assert!(noted > 50_000, "{noted}");
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
                bitrate: None,
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
    let (clip, with) = (Arc::new(clip), OtherMedia::Wins);
    let track = Track { clip, payload_type, first: 0, rounds: None, with };
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

#[test]
fn a_voice_allocates_nothing() {
    for format in TranscodableFormat::ALL {
        let mapping = CodecMapping {
            payload_type: 96,
            codec: format.codec,
            clock_rate: format.clock_rate,
            packet_duration: Duration::from_millis(20),
        };
        for with in [OtherMedia::Wins, OtherMedia::Yields] {
            let mut legs = [leg(4_000), leg(5_000)];
            for leg in &mut legs {
                leg.codecs = vec![mapping.clone()];
            }
            let mut session = session();
            session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
            let (mut writer, reader) = voice_ring(16_000);
            session.speak(LegSide::B, reader, with, Instant::ZERO, &mut || 7);
            let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
            let (mut said, mut packet) = (0, [0xff_u8; 172 + GROWTH]);
            let allocations = allocations_of(|| {
                for sequence in 0..200_u16 {
                    let now = Instant::from_millis(u64::from(sequence) * 20);
                    if sequence % 50 < 30 {
                        writer.write(&[1_000; 320]);
                    }
                    if sequence % 50 == 25 {
                        writer.clear();
                    }
                    if sequence < 100 {
                        let header =
                            RtpHeader { payload_type: 96, sequence, ..RtpHeader::default() };
                        header.write_header(&mut packet);
                        session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 172, now);
                    }
                    let mut buffer = [0; LONGEST_MADE];
                    while session.poll_made(now, &mut buffer).is_some() {
                        said += 1;
                    }
                }
            });
            assert_eq!(allocations, 0, "{format:?}");
            assert!(said > 40, "{format:?}: {said}");
        }
    }
}

#[test]
fn a_warning_tone_allocates_nothing() {
    let tone = WarningTone { every: Duration::from_secs(5), ..WarningTone::default() };
    for format in TranscodableFormat::ALL {
        let mapping = CodecMapping {
            payload_type: 96,
            codec: format.codec,
            clock_rate: format.clock_rate,
            packet_duration: Duration::from_millis(20),
        };
        let mut legs = [leg(4_000), leg(5_000)];
        for leg in &mut legs {
            leg.codecs = vec![mapping.clone()];
        }
        let mut session = session();
        session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
        session.warn(tone, Instant::ZERO, &mut || 7);
        let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let (mut made, mut packet) = (0, [0_u8; 172 + GROWTH + 1_400]);
        let allocations = allocations_of(|| {
            for sequence in 0..600_u16 {
                let now = Instant::from_millis(u64::from(sequence) * 20);
                // The second tone is mixed into what passes, the others are sent alone.
                if (200..400).contains(&sequence) {
                    // 20 ms: a packet of Opus says so in its first octet.
                    let octets = if format.codec == Codec::L16 { 640 } else { 160 };
                    packet.fill(0);
                    let header = RtpHeader { payload_type: 96, sequence, ..RtpHeader::default() };
                    header.write_header(&mut packet);
                    packet[12] = 0x08;
                    let len = 12 + octets;
                    session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, len, now);
                }
                let mut buffer = [0; LONGEST_MADE];
                while session.poll_made(now, &mut buffer).is_some() {
                    made += 1;
                }
            }
        });
        assert_eq!(allocations, 0, "{format:?}");
        assert!(made >= 40, "{format:?}: {made}");
        assert!(session.warnings_of(LegSide::B) >= Some(3), "{format:?}");
    }
}

#[test]
fn a_seat_in_a_conference_allocates_nothing() {
    let mut session = session();
    let (ends, mut rings) = relay_core::seat_rings(32_768);
    session.sit(LegSide::A, ends, Instant::ZERO, &mut || 7);
    let from: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut packet = [0_u8; 172];
    let (mut made, mut heard) = (0, 0);
    let mut octets = Vec::with_capacity(2_048);
    // The formats stand at the front, once.
    assert!(rings.hears.read(&mut octets).is_some());
    let allocations = allocations_of(|| {
        for n in 0..2_000_u16 {
            let header = RtpHeader { sequence: n, ..RtpHeader::default() };
            header.write_header(&mut packet);
            let now = Instant::from_millis(u64::from(n) * 20);
            session.forward(LegSide::A, MediaSocket::Rtp, from, &mut packet, 172, now);
            while rings.hears.read(&mut octets).is_some() {
                heard += 1;
            }
            let timestamp = u32::from(n) * 160;
            let mixed =
                relay_core::MixedPacket { payload_type: 0, marker: false, timestamp, ticks: 160 };
            assert!(rings.says.write(mixed, &[1; 160]));
            let mut buffer = [0; LONGEST_MADE];
            while session.poll_made(now, &mut buffer).is_some() {
                made += 1;
            }
        }
    });
    assert_eq!((allocations, made), (0, 2_000));
    assert!(heard >= 2_000, "{heard}");
}
