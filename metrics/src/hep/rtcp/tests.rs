use super::super::tests::{chunks, config, id};
use super::*;
use crate::{KEY_LENGTH, NumberKey};
use model::{Instant, LegSide, MediaId};
use rtp_proto::rtcp::{
    write_bye, write_picture_loss, write_receiver_report, write_sender_report,
    write_source_description, write_voip_metrics,
};
use rtp_proto::{NtpMid, NtpTime};
use serde_json::{Value, json};
use std::sync::Arc;

fn copy(octets: Vec<u8>) -> RtcpCopy {
    RtcpCopy {
        id: MediaId(1),
        transaction_id: id(),
        leg: LegSide::B,
        direction: MessageDirection::Received,
        local: "192.0.2.1:10001".parse().unwrap(),
        remote: "198.51.100.7:4001".parse().unwrap(),
        at: Instant::ZERO,
        octets,
    }
}

fn packet(octets: Vec<u8>, numbers: &Numbers) -> Option<Vec<u8>> {
    of_rtcp(&config(), numbers, 1_700_000_000_123_456, &copy(octets), "abc@x")
}

fn body(octets: Vec<u8>, numbers: &Numbers) -> Value {
    let packet = packet(octets, numbers).unwrap();
    serde_json::from_slice(&chunks(&packet)[&15]).unwrap()
}

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: 11,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_sequence: 70_000,
        jitter: 12,
        last_sender_report: NtpMid(0x1234_5678),
        delay_since_last_sender_report: 65_536,
    }
}

#[test]
fn it_says_who_sent_it_to_whom() {
    let mut octets = Vec::new();
    write_receiver_report(&mut octets, 9, &[]);
    let received = chunks(&packet(octets.clone(), &Numbers::Plain).unwrap());
    assert_eq!((received[&11][0], &received[&17][..], received[&2][0]), (5, &b"abc@x"[..], 17));
    assert_eq!(
        (&received[&3][..], &received[&4][..]),
        (&[198, 51, 100, 7][..], &[192, 0, 2, 1][..])
    );
    assert_eq!(received[&8], 10_001_u16.to_be_bytes());
    let sent = RtcpCopy { direction: MessageDirection::Sent, ..copy(octets) };
    let sent = chunks(&of_rtcp(&config(), &Numbers::Plain, 0, &sent, "abc@x").unwrap());
    assert_eq!((&sent[&3], &sent[&4]), (&received[&4], &received[&3]));
    assert_eq!((&sent[&7], &sent[&8]), (&received[&8], &received[&7]));
}

#[test]
fn a_compound_is_one_object_with_the_names_that_collectors_read() {
    let mut octets = Vec::new();
    let info = SenderInfo {
        ntp: NtpTime(0xe8f1_2345_8000_0000),
        rtp_timestamp: 160,
        packet_count: 3,
        octet_count: 480,
    };
    write_sender_report(&mut octets, 9, &info, &[block()]);
    let cname = SdesItem { kind: SdesKind::Cname, text: b"alice@h\"\n" };
    write_source_description(&mut octets, 9, &[cname]);
    write_bye(&mut octets, 9, b"over");
    assert_eq!(
        body(octets, &Numbers::Plain),
        json!({
            "sender_information": {
                "ntp_timestamp_sec": 0xe8f1_2345_u32, "ntp_timestamp_usec": 0x8000_0000_u32,
                "rtp_timestamp": 160, "packets": 3, "octets": 480,
            },
            "ssrc": 9, "type": 200, "report_count": 1,
            "report_blocks": [{
                "source_ssrc": 11, "fraction_lost": 64, "packets_lost": -2,
                "highest_seq_no": 70_000, "ia_jitter": 12, "lsr": 0x1234_5678, "dlsr": 65_536,
            }],
            "sdes_ssrc": 9, "sdes_report_count": 1,
            "sdes_information": [{"sdes_chunk_ssrc": 9, "type": 1, "text": "alice@h\"\n"}],
            "bye": {"sources": [9], "reason": "over"},
            "leg": "B",
        })
    );
}

#[test]
fn metrics_several_reports_and_what_is_no_report_have_their_place() {
    let mut octets = Vec::new();
    write_receiver_report(&mut octets, 9, &[block()]);
    write_receiver_report(&mut octets, 9, &[block(), block()]);
    let metrics = VoipMetrics { ssrc: 11, loss_rate: 5, mos_cq: 39, ..VoipMetrics::default() };
    write_voip_metrics(&mut octets, 9, &metrics);
    let told = body(octets, &Numbers::Plain);
    assert_eq!((&told["type"], &told["report_count"]), (&json!(201), &json!(3)));
    assert_eq!(told["report_blocks"].as_array().map(Vec::len), Some(3));
    let metrics = &told["report_blocks_xr"];
    assert_eq!((&metrics["type"], &metrics["id"]), (&json!(7), &json!(11)));
    assert_eq!((&metrics["fraction_lost"], &metrics["mos_cq"]), (&json!(5), &json!(39)));
    assert!(told.get("sender_information").is_none() && told.get("sdes_ssrc").is_none());
    let mut feedback = Vec::new();
    write_picture_loss(&mut feedback, 9, 11);
    let told = body(feedback, &Numbers::Plain);
    assert_eq!((&told["type"], &told["ssrc"]), (&json!(206), &json!(9)));
    assert_eq!(packet(Vec::new(), &Numbers::Plain), None);
    assert_eq!(packet(vec![7; 40], &Numbers::Plain), None);
}

#[test]
fn who_hides_numbers_hides_people() {
    let items = [
        (SdesKind::Cname, "12065550100@192.0.2.7"),
        (SdesKind::Name, "Alice"),
        (SdesKind::Phone, "+12065550100"),
        (SdesKind::Tool, "phone 4.2"),
        (SdesKind::Other(90), "12065550100"),
    ];
    let mut octets = Vec::new();
    let all = items.map(|(kind, text)| SdesItem { kind, text: text.as_bytes() });
    write_source_description(&mut octets, 9, &all);
    write_bye(&mut octets, 9, b"12065550100 left");
    let texts = |numbers: &Numbers| {
        let told = body(octets.clone(), numbers);
        let items = told["sdes_information"].as_array().unwrap();
        let mut texts: Vec<_> = items.iter().map(|item| item["text"].clone()).collect();
        texts.push(told["bye"]["reason"].clone());
        texts
    };
    let plain = texts(&Numbers::Plain);
    assert_eq!(plain[..5], items.map(|(_, text)| json!(text)));
    let masked = texts(&Numbers::Masked { shown: 4 });
    let expected = ["***", "***", "+*******0100", "phone 4.2", "***", "*********** left"];
    assert_eq!(masked, expected.map(Value::from));
    let keys: Arc<[NumberKey]> = Arc::new([NumberKey::new([7; KEY_LENGTH])]);
    let hashed = texts(&Numbers::Hashed(keys));
    assert!(hashed[2].as_str().is_some_and(|phone| phone.starts_with('h') && phone.len() == 17));
    assert!(!hashed.iter().any(|text| text.as_str().is_some_and(|text| text.contains("0100"))));
}
