//! Our parsers beside webrtc-rs's: what both accept must say the same.

use bytes::Bytes;
use proptest::prelude::*;
use rtcp::goodbye::Goodbye;
use rtcp::receiver_report::ReceiverReport as OtherReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport as OtherSenderReport;
use rtcp::source_description::{SdesType, SourceDescription};
use rtp_proto::rtcp::{
    ReportBlock, RtcpPacket, SenderInfo, parse_compound, write_bye, write_cname,
    write_receiver_report, write_sender_report,
};
use rtp_proto::{NtpMid, NtpTime, RtpPacket};
use webrtc_util::marshal::{Marshal, Unmarshal};

fn blocks() -> impl Strategy<Value = Vec<ReportBlock>> {
    let block = (any::<[u32; 5]>(), any::<u8>(), -0x80_0000..0x80_0000).prop_map(
        |([ssrc, highest_sequence, jitter, lsr, dlsr], fraction_lost, cumulative_lost)| {
            ReportBlock {
                ssrc,
                fraction_lost,
                cumulative_lost,
                highest_sequence,
                jitter,
                last_sender_report: NtpMid(lsr),
                delay_since_last_sender_report: dlsr,
            }
        },
    );
    prop::collection::vec(block, 0..32)
}

/// The other parser has the cumulative loss as its 24 bits, without a sign.
fn same_blocks(ours: &[ReportBlock], theirs: &[ReceptionReport]) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            ours.ssrc == theirs.ssrc
                && ours.fraction_lost == theirs.fraction_lost
                && ours.cumulative_lost as u32 & 0xff_ffff == theirs.total_lost
                && ours.highest_sequence == theirs.last_sequence_number
                && ours.jitter == theirs.jitter
                && ours.last_sender_report.0 == theirs.last_sender_report
                && ours.delay_since_last_sender_report == theirs.delay
        })
}

fn read_by_other(bytes: &[u8]) -> Option<Vec<Box<dyn rtcp::packet::Packet + Send + Sync>>> {
    rtcp::packet::unmarshal(&mut Bytes::copy_from_slice(bytes)).ok()
}

proptest! {
    #[test]
    fn what_we_write_the_other_reads(
        ssrc: u32, ntp: u64, rtp_timestamp: u32, packet_count: u32, octet_count: u32,
        blocks in blocks(), name in "[a-z@.]{1,255}",
    ) {
        let info = SenderInfo { ntp: NtpTime(ntp), rtp_timestamp, packet_count, octet_count };
        let mut bytes = Vec::new();
        write_sender_report(&mut bytes, ssrc, &info, &blocks);
        write_receiver_report(&mut bytes, ssrc, &blocks);
        write_cname(&mut bytes, ssrc, name.as_bytes());
        write_bye(&mut bytes, ssrc, name.as_bytes());
        let read = read_by_other(&bytes).unwrap();
        prop_assert_eq!(read.len(), 4);
        let sender = read[0].as_any().downcast_ref::<OtherSenderReport>().unwrap();
        prop_assert_eq!(
            (sender.ssrc, sender.ntp_time, sender.rtp_time, sender.packet_count, sender.octet_count),
            (ssrc, ntp, rtp_timestamp, packet_count, octet_count)
        );
        prop_assert!(same_blocks(&blocks, &sender.reports));
        let receiver = read[1].as_any().downcast_ref::<OtherReceiverReport>().unwrap();
        prop_assert!(same_blocks(&blocks, &receiver.reports));
        let sdes = read[2].as_any().downcast_ref::<SourceDescription>().unwrap();
        prop_assert_eq!(sdes.chunks[0].source, ssrc);
        prop_assert_eq!(sdes.chunks[0].items[0].sdes_type, SdesType::SdesCname);
        prop_assert_eq!(&sdes.chunks[0].items[0].text[..], name.as_bytes());
        let bye = read[3].as_any().downcast_ref::<Goodbye>().unwrap();
        prop_assert_eq!(&bye.sources[..], &[ssrc][..]);
        prop_assert_eq!(&bye.reason[..], name.as_bytes());
    }

    /// A sound report with some octets changed: where both still read it, they agree.
    #[test]
    fn reports_that_both_read_say_the_same(
        sender: bool, blocks in blocks(), cut in 0usize..64,
        changes in prop::collection::vec((0usize..800, any::<u8>()), 0..4),
    ) {
        let mut bytes = Vec::new();
        if sender {
            write_sender_report(&mut bytes, 1, &SenderInfo::default(), &blocks);
        } else {
            write_receiver_report(&mut bytes, 1, &blocks);
        }
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - if cut < 8 { cut } else { 0 });
        let ours: Result<Vec<_>, _> = parse_compound(&bytes).collect();
        if let (Ok(ours), Some(theirs)) = (ours, read_by_other(&bytes)) {
            prop_assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(&theirs) {
                match ours {
                    RtcpPacket::SenderReport(report) => {
                        let theirs = theirs.as_any().downcast_ref::<OtherSenderReport>().unwrap();
                        let blocks: Vec<_> = report.blocks.iter().collect();
                        prop_assert!(same_blocks(&blocks, &theirs.reports));
                    }
                    RtcpPacket::ReceiverReport(report) => {
                        let theirs = theirs.as_any().downcast_ref::<OtherReceiverReport>().unwrap();
                        let blocks: Vec<_> = report.blocks.iter().collect();
                        prop_assert!(same_blocks(&blocks, &theirs.reports));
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn the_other_writes_a_report_and_we_read_it(ssrc: u32, blocks in blocks()) {
        let reports = blocks
            .iter()
            .map(|block| ReceptionReport {
                ssrc: block.ssrc,
                fraction_lost: block.fraction_lost,
                total_lost: block.cumulative_lost as u32 & 0xff_ffff,
                last_sequence_number: block.highest_sequence,
                jitter: block.jitter,
                last_sender_report: block.last_sender_report.0,
                delay: block.delay_since_last_sender_report,
            })
            .collect();
        let report = OtherReceiverReport { ssrc, reports, ..Default::default() };
        let bytes = report.marshal().unwrap();
        let Some(Ok(RtcpPacket::ReceiverReport(read))) = parse_compound(&bytes).next() else {
            panic!("not read: {bytes:?}");
        };
        prop_assert_eq!(read.ssrc, ssrc);
        prop_assert_eq!(read.blocks.iter().collect::<Vec<_>>(), blocks);
    }

    /// Any octets behind a version-2 first octet.
    #[test]
    fn packets_that_both_read_say_the_same(
        low in 0u8..64, rest in prop::collection::vec(any::<u8>(), 11..120),
    ) {
        let mut bytes = vec![0x80 | low];
        bytes.extend(rest);
        let theirs = rtp::packet::Packet::unmarshal(&mut Bytes::copy_from_slice(&bytes));
        if let (Ok(ours), Ok(theirs)) = (RtpPacket::parse(&bytes), theirs) {
            prop_assert_eq!(ours.payload_type(), theirs.header.payload_type);
            prop_assert_eq!(ours.marker(), theirs.header.marker);
            prop_assert_eq!(ours.sequence(), theirs.header.sequence_number);
            prop_assert_eq!(ours.timestamp(), theirs.header.timestamp);
            prop_assert_eq!(ours.ssrc(), theirs.header.ssrc);
            prop_assert_eq!(ours.csrcs().collect::<Vec<_>>(), theirs.header.csrc);
            prop_assert_eq!(ours.payload(), &theirs.payload[..]);
        }
    }
}
