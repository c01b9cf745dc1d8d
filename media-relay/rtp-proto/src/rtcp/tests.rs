use super::*;
use crate::{NtpMid, NtpTime};
use proptest::prelude::*;

fn only(bytes: &[u8]) -> Result<RtcpPacket<'_>, RtcpError> {
    let mut packets = parse_compound(bytes);
    let first = packets.next().unwrap();
    assert!(packets.next().is_none());
    first
}

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: 0x0102_0304,
        fraction_lost: 25,
        cumulative_lost: -2,
        highest_sequence: 0x0001_fffe,
        jitter: 77,
        last_sender_report: NtpMid(0xb705_2000),
        delay_since_last_sender_report: 0x0005_4000,
    }
}

#[test]
fn a_compound_is_read_packet_by_packet() {
    let info = SenderInfo {
        ntp: NtpTime(0xb44d_b705_2000_0000),
        rtp_timestamp: 160,
        packet_count: 2,
        octet_count: 320,
    };
    let mut bytes = Vec::new();
    write_sender_report(&mut bytes, 7, &info, &[block()]);
    write_cname(&mut bytes, 7, b"tandem@edge");
    write_bye(&mut bytes, 7, b"end");
    assert!(validate_compound(&bytes));

    let packets: Result<Vec<_>, _> = parse_compound(&bytes).collect();
    let packets = packets.unwrap();
    let [
        RtcpPacket::SenderReport(report),
        RtcpPacket::SourceDescription(sdes),
        RtcpPacket::Goodbye(bye),
    ] = packets[..]
    else {
        panic!("{packets:?}");
    };
    assert_eq!((report.ssrc, report.info), (7, info));
    assert_eq!(report.blocks.iter().collect::<Vec<_>>(), [block()]);
    assert_eq!(sdes.cname(7), Some(&b"tandem@edge"[..]));
    assert_eq!(sdes.cname(8), None);
    assert_eq!(bye.sources().collect::<Vec<_>>(), [7]);
    assert_eq!(bye.reason, b"end");
}

#[test]
fn cumulative_loss_is_signed_and_clamped_to_24_bits() {
    for (lost, wire) in [
        (0, [0, 0, 0]),
        (-1, [0xff, 0xff, 0xff]),
        (CUMULATIVE_LOST_MAX, [0x7f, 0xff, 0xff]),
        (CUMULATIVE_LOST_MIN, [0x80, 0, 0]),
    ] {
        let written = ReportBlock { cumulative_lost: lost, ..block() };
        assert_eq!(written.to_bytes()[5..8], wire);
        let mut bytes = Vec::new();
        write_receiver_report(&mut bytes, 1, &[written]);
        let Ok(RtcpPacket::ReceiverReport(read)) = only(&bytes) else { panic!() };
        assert_eq!(read.blocks.iter().next().unwrap().cumulative_lost, lost);
    }
    assert_eq!(clamp_cumulative_lost(i64::MAX), CUMULATIVE_LOST_MAX);
    assert_eq!(clamp_cumulative_lost(i64::MIN), CUMULATIVE_LOST_MIN);
    let beyond = ReportBlock { cumulative_lost: i32::MAX, ..block() };
    assert_eq!(beyond.to_bytes()[4..8], [25, 0x7f, 0xff, 0xff]);
}

#[test]
fn only_31_blocks_fit() {
    let mut bytes = Vec::new();
    write_receiver_report(&mut bytes, 1, &[block(); 40]);
    let Ok(RtcpPacket::ReceiverReport(read)) = only(&bytes) else { panic!() };
    assert_eq!((read.blocks.len(), read.blocks.iter().count()), (31, 31));
}

#[test]
fn lengths_that_lie_end_the_compound() {
    let mut good = Vec::new();
    write_receiver_report(&mut good, 1, &[block()]);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let inner = Err(RtcpError::Inner { packet_type: 201 });
    // One word more than came; two blocks announced in a packet of one; no room for the SSRC.
    assert_eq!(only(&changed(3, 8)), Err(RtcpError::Truncated { packet_type: 201 }));
    assert_eq!(only(&changed(2, 0xff)), Err(RtcpError::Truncated { packet_type: 201 }));
    assert_eq!(only(&changed(0, 0x82)), inner);
    assert_eq!(only(&[0x80, 201, 0, 0]), inner);
    assert_eq!(only(&[0x80, 200, 0, 1, 0, 0, 0, 1]), Err(RtcpError::Inner { packet_type: 200 }));
    assert_eq!(only(&changed(0, 0x41)), Err(RtcpError::Version(1)));
    for cut in 1..4 {
        let expected = Err(RtcpError::Truncated { packet_type: 0 });
        assert_eq!(only(&good[..cut]), expected, "{cut}");
    }
    assert_eq!(parse_compound(&[]).next(), None);

    // A length too short by a word: the rest is no packet.
    let short = changed(3, 6);
    let results: Vec<_> = parse_compound(&short).collect();
    assert_eq!(results, [inner]);
}

#[test]
fn padding_belongs_to_the_last_packet_and_fits_it() {
    let padded = |count: u8| [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, count];
    assert!(only(&padded(4)).is_ok());
    for bad in [0, 3, 12, 255] {
        assert_eq!(only(&padded(bad)), Err(RtcpError::Padding), "{bad}");
    }
    // The padding may not eat the reporter.
    assert_eq!(only(&padded(8)), Err(RtcpError::Inner { packet_type: 201 }));
    assert_eq!(only(&[0xa0, 201, 0, 0]), Err(RtcpError::Padding));

    let mut followed = padded(4).to_vec();
    write_bye(&mut followed, 1, b"");
    assert_eq!(parse_compound(&followed).next(), Some(Err(RtcpError::Padding)));
}

#[test]
fn a_whole_compound_begins_with_a_report_without_padding() {
    let mut bye_first = Vec::new();
    write_bye(&mut bye_first, 1, b"");
    assert!(!validate_compound(&bye_first));
    assert!(only(&bye_first).is_ok(), "reduced-size RTCP is read all the same");
    assert!(!validate_compound(&[]));
    assert!(!validate_compound(&[0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4]));
    assert!(!validate_compound(&[0x80, 201, 0, 9, 0, 0, 0, 1]));
}

#[test]
fn source_descriptions_with_wrong_ends_are_refused() {
    let sdes = |count: u8, body: &[u8]| {
        let mut bytes = vec![0x80 | count, 202, 0, (body.len() / 4) as u8];
        bytes.extend_from_slice(body);
        only(&bytes).map(|packet| match packet {
            RtcpPacket::SourceDescription(sdes) => {
                sdes.chunks().map(|chunk| chunk.items().count()).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        })
    };
    let refused = Err(RtcpError::Inner { packet_type: 202 });
    assert_eq!(sdes(1, &[0, 0, 0, 1, 1, 1, b'a', 0]), Ok(vec![1]));
    assert_eq!(sdes(1, &[0, 0, 0, 1, 0, 0, 0, 0]), Ok(vec![0]));
    assert_eq!(sdes(0, &[]), Ok(vec![]));
    // An item longer than the packet; no end of the list; a chunk that is not there.
    assert_eq!(sdes(1, &[0, 0, 0, 1, 1, 200, b'a', 0]), refused);
    assert_eq!(sdes(1, &[0, 0, 0, 1, 1, 2, b'a', b'b']), refused);
    assert_eq!(sdes(2, &[0, 0, 0, 1, 1, 1, b'a', 0]), refused);
    assert_eq!(sdes(1, &[0, 0, 0, 1]), refused);
    let two = [0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 6, 0, 0, 0, 0, 0];
    assert_eq!(sdes(2, &two), Ok(vec![1, 2]));
}

#[test]
fn a_goodbye_reason_stays_within_its_packet() {
    let bye = |bytes: &[u8]| only(bytes).map(|_| ());
    assert_eq!(bye(&[0x81, 203, 0, 1, 0, 0, 0, 1]), Ok(()));
    assert_eq!(bye(&[0x81, 203, 0, 2, 0, 0, 0, 1, 3, b'e', b'n', b'd']), Ok(()));
    let refused = Err(RtcpError::Inner { packet_type: 203 });
    assert_eq!(bye(&[0x81, 203, 0, 2, 0, 0, 0, 1, 4, b'e', b'n', b'd']), refused);
    assert_eq!(bye(&[0x82, 203, 0, 1, 0, 0, 0, 1]), refused);
}

#[test]
fn applications_feedback_and_unknown_types_give_their_parts() {
    let app = [0x85, 204, 0, 3, 0, 0, 0, 1, b'n', b'a', b'm', b'e', 1, 2, 3, 4];
    let expected = App { subtype: 5, ssrc: 1, name: *b"name", data: &[1, 2, 3, 4] };
    assert_eq!(only(&app), Ok(RtcpPacket::Application(expected)));
    let nack = [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 0];
    let expected = Feedback {
        kind: FeedbackKind::Transport,
        format: 1,
        sender_ssrc: 1,
        media_ssrc: 2,
        control: &[0, 9, 0, 0],
    };
    assert_eq!(only(&nack), Ok(RtcpPacket::Feedback(expected)));
    let expected = RtcpPacket::Unknown { packet_type: 195, count: 3, body: &[1, 2, 3, 4] };
    assert_eq!(only(&[0x83, 195, 0, 1, 1, 2, 3, 4]), Ok(expected));
    for packet_type in [204, 205, 206] {
        let short = [0x80, packet_type, 0, 1, 0, 0, 0, 1];
        assert_eq!(only(&short), Err(RtcpError::Inner { packet_type }));
    }
}

fn metrics() -> VoipMetrics {
    VoipMetrics {
        ssrc: 9,
        loss_rate: 1,
        discard_rate: 2,
        burst_density: 3,
        gap_density: 4,
        burst_duration: 500,
        gap_duration: 600,
        round_trip_delay: 70,
        end_system_delay: 80,
        signal_level: -20,
        noise_level: -60,
        residual_echo_return_loss: 55,
        gap_threshold: 16,
        r_factor: 93,
        external_r_factor: 127,
        mos_lq: 44,
        mos_cq: 43,
        receiver_configuration: 0xb3,
        jitter_buffer_nominal: 40,
        jitter_buffer_maximum: 60,
        jitter_buffer_absolute_maximum: 200,
    }
}

#[test]
fn extended_reports_survive_the_round_trip() {
    let dlrr = DlrrReport { ssrc: 3, last_receiver_report: NtpMid(4), delay: 5 };
    let mut bytes = Vec::new();
    write_receiver_reference_time(&mut bytes, 1, NtpTime(0x1234_5678_9abc_def0));
    write_dlrr(&mut bytes, 1, &dlrr);
    write_voip_metrics(&mut bytes, 1, &metrics());
    let mut seen = Vec::new();
    for packet in parse_compound(&bytes) {
        let Ok(RtcpPacket::ExtendedReport(report)) = packet else { panic!("{packet:?}") };
        assert_eq!(report.ssrc, 1);
        seen.extend(report.blocks);
    }
    let [XrBlock::ReceiverReferenceTime(time), XrBlock::Dlrr(reports), XrBlock::VoipMetrics(read)] =
        seen[..]
    else {
        panic!("{seen:?}");
    };
    assert_eq!(time, NtpTime(0x1234_5678_9abc_def0));
    assert_eq!(reports.iter().collect::<Vec<_>>(), [dlrr]);
    assert_eq!(read, metrics());
}

#[test]
fn extended_report_blocks_with_lying_lengths_are_refused() {
    let xr = |body: &[u8]| {
        let mut bytes = vec![0x80, 207, 0, 1 + (body.len() / 4) as u8, 0, 0, 0, 1];
        bytes.extend_from_slice(body);
        only(&bytes).map(|_| ())
    };
    let refused = Err(RtcpError::Inner { packet_type: 207 });
    assert_eq!(xr(&[]), Ok(()));
    assert_eq!(xr(&[99, 1, 0, 0]), Ok(()));
    assert_eq!(xr(&[99, 1, 0, 1]), refused);
    assert_eq!(xr(&[7, 0, 0xff, 0xff]), refused);
    // Known blocks have the one length that they can have.
    assert_eq!(xr(&[4, 0, 0, 1, 0, 0, 0, 0]), refused);
    assert_eq!(xr(&[5, 0, 0, 1, 0, 0, 0, 0]), refused);
    assert_eq!(xr(&[7, 0, 0, 1, 0, 0, 0, 0]), refused);
    assert_eq!(xr(&[5, 0, 0, 0]), Ok(()));
    // Those of packets name a source and a range at least.
    for block_type in [1, 2, 3, 6] {
        assert_eq!(xr(&[block_type, 0, 0, 1, 0, 0, 0, 1]), refused);
    }
}

#[test]
fn what_a_peer_cannot_have_measured_is_not_known() {
    let told = |value| VoipMetrics { r_factor: value, mos_lq: value, mos_cq: value, ..metrics() };
    let known = |value| {
        let metrics = told(value);
        (metrics.known_r_factor(), metrics.known_mos_lq(), metrics.known_mos_cq())
    };
    assert_eq!(known(127), (None, None, None));
    assert_eq!(known(44), (Some(44), Some(44), Some(44)));
    assert_eq!(known(9), (Some(9), None, None));
    assert_eq!(known(51), (Some(51), None, None));
    assert_eq!(known(101), (None, None, None));
    let unknown = VoipMetrics::unknown(1);
    assert_eq!((unknown.known_r_factor(), unknown.known_mos_cq()), (None, None));
}

#[test]
fn applications_feedback_and_descriptions_of_ours_are_read_as_written() {
    let app = App { subtype: 5, ssrc: 1, name: *b"name", data: &[1, 2, 3, 4] };
    let kind = FeedbackKind::PayloadSpecific;
    // REMB (format 15) and the like pass as they are.
    let control = b"REMB\x01\x02\x03\x04";
    let remb = Feedback { kind, format: 15, sender_ssrc: 1, media_ssrc: 0, control };
    let items = [
        SdesItem { kind: SdesKind::Cname, text: b"a@b" },
        SdesItem { kind: SdesKind::Tool, text: b"tandem" },
        SdesItem { kind: SdesKind::Other(0), text: b"would end the list" },
    ];
    let mut bytes = Vec::new();
    write_app(&mut bytes, &app);
    write_feedback(&mut bytes, &remb);
    write_source_description(&mut bytes, 9, &items);
    let read: Result<Vec<_>, _> = parse_compound(&bytes).collect();
    let read = read.unwrap();
    assert_eq!(read[..2], [RtcpPacket::Application(app), RtcpPacket::Feedback(remb)]);
    assert_eq!(remb.message(), FeedbackMessage::Other);
    let RtcpPacket::SourceDescription(sdes) = read[2] else { panic!("{read:?}") };
    let chunk = sdes.chunks().next().unwrap();
    assert_eq!((chunk.ssrc, chunk.items().collect::<Vec<_>>()), (9, items[..2].to_vec()));
}

#[test]
fn a_nack_names_a_packet_and_those_that_follow_it() {
    // RFC 4585 section 6.2.1: the lowest bit of BLP stands for PID + 1.
    let nack = Nack { packet: 65_534, following: 0b1000_0000_0000_0011 };
    assert_eq!(nack.packets().collect::<Vec<_>>(), [65_534, 65_535, 0, 14]);
    let mut bytes = Vec::new();
    write_nack(&mut bytes, 1, 2, &[nack]);
    assert_eq!(bytes, [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 0x80, 0x03]);
    // What does not fit its format is opaque, not an error: it passes.
    let kind = FeedbackKind::Transport;
    let cut = Feedback { kind, format: 1, sender_ssrc: 1, media_ssrc: 2, control: &[0; 6] };
    assert_eq!(cut.message(), FeedbackMessage::Other);
}

/// Reads everything that a view offers.
fn exhaust(bytes: &[u8]) -> usize {
    let mut parts = 0;
    for packet in parse_compound(bytes) {
        parts += match packet {
            Ok(RtcpPacket::SenderReport(report)) => report.blocks.iter().count(),
            Ok(RtcpPacket::ReceiverReport(report)) => report.blocks.iter().count(),
            Ok(RtcpPacket::SourceDescription(sdes)) => {
                sdes.chunks().flat_map(|chunk| chunk.items()).count()
            }
            Ok(RtcpPacket::Goodbye(bye)) => bye.sources().count() + bye.reason.len(),
            Ok(RtcpPacket::ExtendedReport(report)) => report
                .blocks
                .map(|block| match block {
                    XrBlock::Dlrr(reports) => reports.iter().count(),
                    XrBlock::ReceiptTimes(times) => times.times().count(),
                    XrBlock::LossRuns(runs) | XrBlock::DuplicateRuns(runs) => {
                        let (ones, zeros) = runs.ones_and_zeros();
                        assert!(ones + zeros <= u32::from(runs.range.packets()));
                        1
                    }
                    _ => 1,
                })
                .sum(),
            Ok(_) | Err(_) => 1,
        };
    }
    parts
}

proptest! {
    #[test]
    fn any_bytes_parse_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        prop_assert!(exhaust(&bytes) <= bytes.len() + 1);
    }

    /// Random bytes rarely pass the header: these have one that fits.
    #[test]
    fn sound_frames_with_any_body_never_panic(
        packet_type in 199u8..209, count in 0u8..32,
        words in prop::collection::vec(any::<[u8; 4]>(), 0..40),
    ) {
        let mut bytes = vec![0x80 | count, packet_type, 0, words.len() as u8];
        bytes.extend(words.concat());
        prop_assert!(exhaust(&bytes) <= bytes.len());
        let first = parse_compound(&bytes).next();
        let truncated = matches!(first, Some(Err(RtcpError::Truncated { .. })));
        prop_assert!(!truncated);
    }

    #[test]
    fn names_and_reasons_of_any_length_survive(name in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = Vec::new();
        write_cname(&mut bytes, 5, &name);
        write_bye(&mut bytes, 5, &name);
        let packets: Result<Vec<_>, _> = parse_compound(&bytes).collect();
        let packets = packets.unwrap();
        let kept = &name[..name.len().min(255)];
        prop_assert_eq!(packets.len(), 2);
        for packet in packets {
            match packet {
                RtcpPacket::SourceDescription(sdes) => prop_assert_eq!(sdes.cname(5), Some(kept)),
                RtcpPacket::Goodbye(bye) => prop_assert_eq!(bye.reason, kept),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn applications_feedback_and_metrics_survive_the_round_trip(
        subtype in 0u8..32, format in 0u8..32, ssrc: u32, media: u32, name: [u8; 4], payload: bool,
        words in prop::collection::vec(any::<[u8; 4]>(), 0..20), octets: [u8; 8], spans: [u16; 7],
    ) {
        let data = words.concat();
        let app = App { subtype, ssrc, name, data: &data };
        let kind = if payload { FeedbackKind::PayloadSpecific } else { FeedbackKind::Transport };
        let feedback =
            Feedback { kind, format, sender_ssrc: ssrc, media_ssrc: media, control: &data };
        let told = VoipMetrics {
            ssrc: media,
            loss_rate: octets[0],
            discard_rate: octets[1],
            signal_level: octets[2] as i8,
            r_factor: octets[3],
            mos_cq: octets[4],
            burst_duration: spans[0],
            gap_duration: spans[1],
            jitter_buffer_nominal: spans[2],
            jitter_buffer_absolute_maximum: spans[3],
            ..metrics()
        };
        let mut bytes = Vec::new();
        write_app(&mut bytes, &app);
        write_feedback(&mut bytes, &feedback);
        write_voip_metrics(&mut bytes, ssrc, &told);
        let read: Result<Vec<_>, _> = parse_compound(&bytes).collect();
        let read = read.unwrap();
        prop_assert_eq!(read.len(), 3);
        prop_assert_eq!(read[0], RtcpPacket::Application(app));
        prop_assert_eq!(read[1], RtcpPacket::Feedback(feedback));
        let RtcpPacket::ExtendedReport(report) = read[2] else { panic!("{read:?}") };
        prop_assert_eq!(report.blocks.collect::<Vec<_>>(), [XrBlock::VoipMetrics(told)]);
    }

    #[test]
    fn report_blocks_survive_the_round_trip(
        ssrc: u32, fraction_lost: u8, lost in CUMULATIVE_LOST_MIN..=CUMULATIVE_LOST_MAX,
        highest_sequence: u32, jitter: u32, lsr: u32, dlsr: u32,
    ) {
        let written = ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost: lost,
            highest_sequence,
            jitter,
            last_sender_report: NtpMid(lsr),
            delay_since_last_sender_report: dlsr,
        };
        let mut bytes = Vec::new();
        write_receiver_report(&mut bytes, 1, &[written]);
        let Ok(RtcpPacket::ReceiverReport(read)) = only(&bytes) else { panic!() };
        prop_assert_eq!(read.blocks.iter().next(), Some(written));
    }
}
