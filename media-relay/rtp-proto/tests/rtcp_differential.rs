//! Extended reports and feedback beside webrtc-rs's: what one writes the other reads.

use bytes::Bytes;
use proptest::prelude::*;
use rtcp::extended_report::{
    Chunk, DLRRReportBlock, ExtendedReport as OtherExtendedReport, RLEReportBlock,
    ReceiverReferenceTimeReportBlock, VoIPMetricsReportBlock,
};
use rtcp::payload_feedbacks::full_intra_request::FullIntraRequest as OtherFullIntraRequest;
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtp_proto::rtcp::{
    DlrrReport, FeedbackMessage, FullIntraRequest, Nack, OwnExtendedReport, RtcpPacket,
    VoipMetrics, XrBlock, parse_compound, write_extended_report, write_full_intra_request,
    write_nack, write_picture_loss,
};
use rtp_proto::{NtpMid, NtpTime};
use webrtc_util::marshal::{Marshal, Unmarshal};

fn metrics() -> impl Strategy<Value = VoipMetrics> {
    (any::<u32>(), any::<[u8; 4]>(), any::<[u16; 7]>(), any::<[i8; 2]>(), any::<[u8; 7]>())
        .prop_map(|(ssrc, rates, spans, levels, rest)| VoipMetrics {
            ssrc,
            loss_rate: rates[0],
            discard_rate: rates[1],
            burst_density: rates[2],
            gap_density: rates[3],
            burst_duration: spans[0],
            gap_duration: spans[1],
            round_trip_delay: spans[2],
            end_system_delay: spans[3],
            signal_level: levels[0],
            noise_level: levels[1],
            residual_echo_return_loss: rest[0],
            gap_threshold: rest[1],
            r_factor: rest[2],
            external_r_factor: rest[3],
            mos_lq: rest[4],
            mos_cq: rest[5],
            receiver_configuration: rest[6],
            jitter_buffer_nominal: spans[4],
            jitter_buffer_maximum: spans[5],
            jitter_buffer_absolute_maximum: spans[6],
        })
}

fn same_metrics(ours: &VoipMetrics, theirs: &VoIPMetricsReportBlock) -> bool {
    let our_octets = [
        ours.loss_rate,
        ours.discard_rate,
        ours.burst_density,
        ours.gap_density,
        ours.signal_level as u8,
        ours.noise_level as u8,
        ours.residual_echo_return_loss,
        ours.gap_threshold,
        ours.r_factor,
        ours.external_r_factor,
        ours.mos_lq,
        ours.mos_cq,
        ours.receiver_configuration,
    ];
    let their_octets = [
        theirs.loss_rate,
        theirs.discard_rate,
        theirs.burst_density,
        theirs.gap_density,
        theirs.signal_level,
        theirs.noise_level,
        theirs.rerl,
        theirs.gmin,
        theirs.rfactor,
        theirs.ext_rfactor,
        theirs.mos_lq,
        theirs.mos_cq,
        theirs.rx_config,
    ];
    let our_spans = [
        ours.burst_duration,
        ours.gap_duration,
        ours.round_trip_delay,
        ours.end_system_delay,
        ours.jitter_buffer_nominal,
        ours.jitter_buffer_maximum,
        ours.jitter_buffer_absolute_maximum,
    ];
    let their_spans = [
        theirs.burst_duration,
        theirs.gap_duration,
        theirs.round_trip_delay,
        theirs.end_system_delay,
        theirs.jb_nominal,
        theirs.jb_maximum,
        theirs.jb_abs_max,
    ];
    ours.ssrc == theirs.ssrc && our_octets == their_octets && our_spans == their_spans
}

proptest! {
    #[test]
    fn an_extended_report_of_ours_is_read_by_the_other(
        ssrc: u32, time: u64, dlrr: [u32; 3], metrics in metrics(),
    ) {
        let report = OwnExtendedReport {
            reference_time: Some(NtpTime(time)),
            dlrr: Some(DlrrReport {
                ssrc: dlrr[0], last_receiver_report: NtpMid(dlrr[1]), delay: dlrr[2],
            }),
            voip_metrics: Some(metrics),
        };
        let mut bytes = Vec::new();
        write_extended_report(&mut bytes, ssrc, &report);
        let theirs = OtherExtendedReport::unmarshal(&mut Bytes::from(bytes)).unwrap();
        prop_assert_eq!((theirs.sender_ssrc, theirs.reports.len()), (ssrc, 3));
        let reference = theirs.reports[0].as_any();
        let reference = reference.downcast_ref::<ReceiverReferenceTimeReportBlock>().unwrap();
        prop_assert_eq!(reference.ntp_timestamp, time);
        let answer = theirs.reports[1].as_any().downcast_ref::<DLRRReportBlock>().unwrap();
        let answer = &answer.reports[0];
        prop_assert_eq!([answer.ssrc, answer.last_rr, answer.dlrr], dlrr);
        let read = theirs.reports[2].as_any().downcast_ref::<VoIPMetricsReportBlock>().unwrap();
        prop_assert!(same_metrics(&metrics, read));
    }

    #[test]
    fn run_lengths_of_the_other_are_counted(
        ssrc: u32, begin: u16, runs in prop::collection::vec((any::<bool>(), 1u16..400), 1..8),
    ) {
        let packets: u16 = runs.iter().map(|(_, length)| length).sum();
        let ones: u32 = runs.iter().filter(|(one, _)| *one).map(|(_, n)| u32::from(*n)).sum();
        let mut chunks: Vec<Chunk> =
            runs.iter().map(|(one, length)| Chunk(u16::from(*one) << 14 | length)).collect();
        if chunks.len() % 2 == 1 {
            chunks.push(Chunk(0));
        }
        let end_seq = begin.wrapping_add(packets);
        let block = RLEReportBlock {
            is_loss_rle: true, t: 0, ssrc, begin_seq: begin, end_seq, chunks,
        };
        let report = OtherExtendedReport { sender_ssrc: 7, reports: vec![Box::new(block)] };
        let bytes = report.marshal().unwrap();
        let Some(Ok(RtcpPacket::ExtendedReport(read))) = parse_compound(&bytes).next() else {
            panic!("not read: {bytes:?}");
        };
        let blocks: Vec<_> = read.blocks.collect();
        let [XrBlock::LossRuns(read)] = blocks[..] else { panic!("{blocks:?}") };
        prop_assert_eq!((read.range.ssrc, read.range.begin, read.range.end), (ssrc, begin, end_seq));
        prop_assert_eq!(read.ones_and_zeros(), (ones, u32::from(packets) - ones));
    }

    #[test]
    fn feedback_of_ours_is_read_by_the_other(
        sender: u32, media: u32, entries in prop::collection::vec(any::<[u16; 2]>(), 1..20),
        requests in prop::collection::vec((any::<u32>(), any::<u8>()), 1..10),
    ) {
        let nacks: Vec<Nack> =
            entries.iter().map(|&[packet, following]| Nack { packet, following }).collect();
        let mut bytes = Vec::new();
        write_nack(&mut bytes, sender, media, &nacks);
        let theirs = TransportLayerNack::unmarshal(&mut Bytes::copy_from_slice(&bytes)).unwrap();
        prop_assert_eq!((theirs.sender_ssrc, theirs.media_ssrc), (sender, media));
        let Some(Ok(RtcpPacket::Feedback(ours))) = parse_compound(&bytes).next() else { panic!() };
        let FeedbackMessage::Nack(read) = ours.message() else { panic!("{ours:?}") };
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), nacks);
        for (ours, theirs) in read.iter().zip(&theirs.nacks) {
            prop_assert_eq!(ours.packets().collect::<Vec<_>>(), theirs.packet_list());
        }

        let requests: Vec<FullIntraRequest> =
            requests.iter().map(|&(ssrc, sequence)| FullIntraRequest { ssrc, sequence }).collect();
        let mut bytes = Vec::new();
        write_full_intra_request(&mut bytes, sender, &requests);
        let theirs = OtherFullIntraRequest::unmarshal(&mut Bytes::copy_from_slice(&bytes)).unwrap();
        let Some(Ok(RtcpPacket::Feedback(ours))) = parse_compound(&bytes).next() else { panic!() };
        let FeedbackMessage::FullIntraRequest(read) = ours.message() else { panic!("{ours:?}") };
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), requests);
        for (ours, theirs) in read.iter().zip(&theirs.fir) {
            prop_assert_eq!((ours.ssrc, ours.sequence), (theirs.ssrc, theirs.sequence_number));
        }

        let mut bytes = Vec::new();
        write_picture_loss(&mut bytes, sender, media);
        let theirs = PictureLossIndication::unmarshal(&mut Bytes::copy_from_slice(&bytes)).unwrap();
        prop_assert_eq!((theirs.sender_ssrc, theirs.media_ssrc), (sender, media));
    }
}
