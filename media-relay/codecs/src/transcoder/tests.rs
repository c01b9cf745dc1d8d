use super::*;
use rtp_proto::RtpPacket;
use rtp_proto::codecs::g711;

const SSRC: u32 = 0x0102_0304;

fn outgoing(packet_ms: u32) -> Outgoing {
    Outgoing { payload_type: 9, ssrc: 77, sequence: 65_534, timestamp: u32::MAX - 100, packet_ms }
}

fn transcoder(from: AudioFormat, to: AudioFormat, packet_ms: u32) -> Transcoder {
    Transcoder::new(from, to, outgoing(packet_ms)).unwrap()
}

fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Received<'_> {
    Received { ssrc: SSRC, sequence, timestamp, payload }
}

/// Header fields and payload length of what waits.
fn polled(transcoder: &mut Transcoder) -> Vec<(u16, u32, bool, usize)> {
    // 60 ms of L16 at 48,000.
    let mut out = [0; 5_772];
    let mut packets = Vec::new();
    while let Some(octets) = transcoder.poll_packet(&mut out) {
        let rtp = RtpPacket::parse(&out[..octets]).unwrap();
        assert_eq!((rtp.ssrc(), rtp.payload_type()), (77, 9));
        packets.push((rtp.sequence(), rtp.timestamp(), rtp.marker(), rtp.payload().len()));
    }
    packets
}

fn took(concealed_ms: u32) -> Taken {
    Taken::Audio { concealed_ms }
}

#[test]
fn packets_are_ours_and_in_sequence_over_both_wraps() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcma, 20);
    let mut all = Vec::new();
    for n in 0..4 {
        let taken = transcoder.take(&packet(n, u32::from(n) * 160, &[0x55; 160]));
        assert_eq!(taken, took(0));
        all.extend(polled(&mut transcoder));
    }
    let start = u32::MAX - 100;
    let expected = [
        (65_534, start, true, 160),
        (65_535, start.wrapping_add(160), false, 160),
        (0, start.wrapping_add(320), false, 160),
        (1, start.wrapping_add(480), false, 160),
    ];
    assert_eq!(all, expected);
}

#[test]
fn packet_durations_change() {
    for (each_ms, packet_ms, expected) in
        [(10, 20, 3), (20, 60, 2), (60, 20, 18), (30, 20, 9), (20, 30, 4), (20, 7, 12), (20, 90, 2)]
    {
        let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcmu, packet_ms);
        let mut packets = Vec::new();
        for n in 0..6_u16 {
            let payload = vec![0x33; each_ms * 8];
            transcoder.take(&packet(n, u32::from(n) * payload.len() as u32, &payload));
            packets.extend(polled(&mut transcoder));
        }
        assert_eq!(packets.len(), expected, "{each_ms} to {packet_ms}");
        for pair in packets.windows(2) {
            let ticks = pair[1].1.wrapping_sub(pair[0].1) as usize;
            assert_eq!(ticks, pair[0].3, "{each_ms} to {packet_ms}");
        }
    }
}

#[test]
fn opus_has_no_frame_of_30_ms() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Opus, 30);
    assert_eq!(transcoder.packet_ms(), 20);
    transcoder.take(&packet(0, 0, &[0x55; 240]));
    assert_eq!(polled(&mut transcoder).len(), 1);
}

#[test]
fn clocks_differ_from_sample_rates() {
    // G.722 has 16,000 samples and a clock of 8,000; Opus a clock of 48,000 whatever its samples.
    let mut transcoder = transcoder(AudioFormat::G722, AudioFormat::Opus, 20);
    let mut stamps = Vec::new();
    for n in 0..3 {
        transcoder.take(&packet(n, u32::from(n) * 160, &[0x55; 160]));
        stamps.extend(polled(&mut transcoder).iter().map(|packet| packet.1));
    }
    let steps: Vec<u32> = stamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert_eq!(steps, [960, 960]);
}

#[test]
fn what_is_lost_is_made_up_in_its_place() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcma, 20);
    transcoder.take(&packet(1, 0, &[0x20; 160]));
    polled(&mut transcoder);
    assert_eq!(transcoder.take(&packet(4, 480, &[0x20; 160])), took(40));
    let packets = polled(&mut transcoder);
    assert_eq!(packets.iter().map(|packet| packet.2).collect::<Vec<_>>(), [false; 3]);
    // Late ones and doubles have no place any more.
    assert_eq!(transcoder.take(&packet(2, 160, &[0x20; 160])), Taken::TooLate);
    assert_eq!(transcoder.take(&packet(4, 480, &[0x20; 160])), Taken::TooLate);
    assert_eq!(transcoder.take(&packet(5, 640, &[0x20; 160])), took(0));
}

#[test]
fn a_long_loss_jumps_as_far_as_the_sender_did() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcma, 20);
    transcoder.take(&packet(1, 0, &[0x20; 160]));
    let before = polled(&mut transcoder)[0].1;
    assert_eq!(transcoder.take(&packet(51, 8_000, &[0x20; 160])), took(60));
    let last = *polled(&mut transcoder).last().unwrap();
    assert_eq!(last.1.wrapping_sub(before), 8_000);
    assert!(last.2, "a marker at the jump");
}

#[test]
fn silence_of_the_sender_is_no_loss() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Opus, 20);
    transcoder.take(&packet(1, 0, &[0x20; 160]));
    let before = polled(&mut transcoder)[0].1;
    assert_eq!(transcoder.take(&packet(2, 1_600, &[0x20; 160])), took(0));
    let packets = polled(&mut transcoder);
    assert_eq!(packets.len(), 1);
    assert_eq!(packets[0].1.wrapping_sub(before), 9_600);
    assert!(packets[0].2);
}

#[test]
fn a_sender_that_begins_anew_goes_on_without_a_gap() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcma, 20);
    transcoder.take(&packet(1, 5_000, &[0x20; 160]));
    let before = polled(&mut transcoder)[0].1;
    let other = Received { ssrc: 5, ..packet(900, 3_000_000_000, &[0x20; 160]) };
    assert_eq!(transcoder.take(&other), took(0));
    // The same source, with another timestamp and sequence.
    let again = Received { ssrc: 5, ..packet(40_000, 7, &[0x20; 160]) };
    assert_eq!(transcoder.take(&again), took(0));
    let packets = polled(&mut transcoder);
    assert_eq!(packets.last().unwrap().1.wrapping_sub(before), 320);
}

#[test]
fn a_bad_payload_counts_as_lost() {
    let l16 = AudioFormat::L16 { sample_rate: 8_000 };
    let mut transcoder = transcoder(l16, AudioFormat::Pcmu, 20);
    transcoder.take(&packet(1, 0, &[1; 320]));
    polled(&mut transcoder);
    let odd = transcoder.take(&packet(2, 160, &[1; 319]));
    assert_eq!(odd, Taken::Refused(DecodeError::Malformed));
    let long = transcoder.take(&packet(3, 320, &[1; 4_000]));
    assert_eq!(long, Taken::Refused(DecodeError::NoRoom));
    assert!(polled(&mut transcoder).len() <= 1);
    assert!(matches!(transcoder.take(&packet(4, 480, &[1; 320])), Taken::Audio { .. }));
    assert_eq!(polled(&mut transcoder).last().unwrap().1, (u32::MAX - 100).wrapping_add(480));
}

#[test]
fn comfort_noise_fills_the_silence() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcma, 20);
    assert!(!transcoder.fill_silence());
    transcoder.take(&packet(1, 0, &[0xff; 160]));
    polled(&mut transcoder);
    transcoder.take_comfort_noise(&packet(2, 160, &[40]));
    assert_eq!(polled(&mut transcoder).len(), 1);
    assert!(transcoder.fill_silence());
    let mut out = [0; 200];
    let octets = transcoder.poll_packet(&mut out).unwrap();
    let payload = RtpPacket::parse(&out[..octets]).unwrap().payload();
    let power: f64 = payload.iter().map(|o| f64::from(g711::decode_a_law(*o)).powi(2)).sum();
    let level = -10.0 * (power / payload.len() as f64 / 32_768.0_f64.powi(2)).log10();
    assert!((level - 40.0).abs() < 2.0, "{level:.1}");
    // Speech again, much later: the noise has filled the time.
    assert_eq!(transcoder.take(&packet(3, 16_000, &[0xff; 160])), took(0));
    assert!(!transcoder.fill_silence());
    assert_eq!(polled(&mut transcoder).len(), 1);
}

#[test]
fn events_pass_in_the_other_clock() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Opus, 20);
    transcoder.take(&packet(1, 0, &[0x20; 160]));
    let audio = polled(&mut transcoder)[0];
    let mut out = [0; 32];
    let mut sent = Vec::new();
    for (sequence, duration) in [(2, 160), (3, 320), (4, 480)] {
        let event = TelephoneEvent { event: 5, end: sequence == 4, volume: 10, duration };
        let payload = event.to_bytes();
        let octets = transcoder
            .pass_event(&packet(sequence, 160, &payload), [8_000, 48_000], 101, false, &mut out)
            .unwrap();
        let rtp = RtpPacket::parse(&out[..octets]).unwrap();
        assert_eq!((rtp.payload_type(), rtp.ssrc()), (101, 77));
        let event = TelephoneEvent::parse(rtp.payload()).unwrap();
        assert_eq!((event.event, event.volume), (5, 10));
        sent.push((rtp.sequence(), rtp.timestamp(), event.duration, event.end));
    }
    let at = audio.1.wrapping_add(960);
    assert_eq!(sent, [(65_535, at, 960, false), (0, at, 1_920, false), (1, at, 2_880, true)]);
    // Audio goes on behind the event, with nothing made up for it.
    assert_eq!(transcoder.take(&packet(5, 640, &[0x20; 160])), took(0));
    let next = polled(&mut transcoder)[0];
    assert_eq!((next.0, next.1.wrapping_sub(audio.1)), (2, 3_840));
    assert!(transcoder.pass_event(&packet(6, 0, &[1]), [8_000; 2], 101, false, &mut out).is_none());
}

#[test]
fn what_is_not_polled_is_bounded() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::G722, 20);
    for n in 0..500 {
        transcoder.take(&packet(n, u32::from(n) * 160, &[0x20; 160]));
    }
    assert_eq!(polled(&mut transcoder).len(), 12);
}

proptest::proptest! {
    #[test]
    fn any_packets_leave_it_working(
        packets in proptest::collection::vec(
            (0..3_u32, 0..40_u16, proptest::prelude::any::<u32>(), 0..200_usize, 0..4_u8), 0..40),
        from in 0..5_usize, to in 0..5_usize,
    ) {
        const FORMATS: [AudioFormat; 5] = [
            AudioFormat::Pcmu,
            AudioFormat::G722,
            AudioFormat::L16 { sample_rate: 48_000 },
            AudioFormat::Opus,
            AudioFormat::Pcma,
        ];
        let mut transcoder = transcoder(FORMATS[from], FORMATS[to], 20);
        for (ssrc, sequence, timestamp, len, kind) in packets {
            let payload: Vec<u8> = (0..len).map(|at| (at as u32 ^ timestamp) as u8).collect();
            let packet = Received { ssrc, sequence, timestamp, payload: &payload };
            match kind {
                0 => transcoder.take_comfort_noise(&packet),
                1 => {
                    let rates = [timestamp, sequence.into()];
                    transcoder.pass_event(&packet, rates, 101, true, &mut [0; 20]);
                }
                _ => { transcoder.take(&packet); }
            }
            polled(&mut transcoder);
            proptest::prop_assert!(transcoder.waiting < transcoder.frame);
        }
    }
}
