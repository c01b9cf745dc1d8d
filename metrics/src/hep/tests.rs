use super::*;
use crate::MessagePrivacy;
use bytes::Bytes;
use model::{
    Codecs, Flow, Instant, LegSide, LossCounts, MediaId, MediaLine, Mos, PeerView, ReceivedView,
    ReportKind, SentView, TransactionId, TransportProtocol,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn id() -> TransactionId {
    TransactionId::from_random(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)
}

fn event(direction: MessageDirection, remote: &str) -> SipMessageEvent {
    let remote: SocketAddr = remote.parse().unwrap();
    let local = if remote.is_ipv4() { "192.0.2.1:5060" } else { "[2001:db8::1]:5060" };
    SipMessageEvent {
        transaction_id: Some(id()),
        voice_connector: None,
        leg: Some(LegSide::A),
        at: Instant::ZERO,
        direction,
        flow: Flow {
            protocol: TransportProtocol::Udp,
            local: local.parse().unwrap(),
            remote,
            connection: None,
            identity: None,
        },
        status: None,
        message: Some(Bytes::from_static(
            b"INVITE sip:1@x SIP/2.0\r\nAuthorization: Digest response=\"0123\"\r\n\r\n",
        )),
        is_logged: false,
        start_line: Bytes::from_static(b"INVITE sip:1@x SIP/2.0"),
    }
}

pub(super) fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    assert_eq!(&packet[..4], b"HEP3");
    assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
    let mut rest = &packet[6..];
    let mut chunks = BTreeMap::new();
    while let [v0, v1, t0, t1, l0, l1, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        assert_eq!((v0, v1), (0, 0));
        chunks.insert(u16::from_be_bytes([t0, t1]), rest[6..length].to_vec());
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    chunks
}

pub(super) fn config() -> HepConfig {
    HepConfig::new("192.0.2.9:9060".parse().unwrap())
}

#[test]
fn a_message_says_who_sent_it_to_whom_and_when() {
    let mut config = config();
    (config.capture_id, config.password) = (2_001, Some("secret".to_owned()));
    let at = 1_700_000_000_123_456;
    let received = event(MessageDirection::Received, "198.51.100.7:5070");
    let chunks = chunks(&of_message(&config, &MessagePrivacy::default(), at, &received).unwrap());
    assert_eq!(chunks[&1], [2]);
    assert_eq!(chunks[&2], [17]);
    assert_eq!((&chunks[&3][..], &chunks[&4][..]), (&[198, 51, 100, 7][..], &[192, 0, 2, 1][..]));
    assert_eq!((&chunks[&7][..], &chunks[&8][..]), (&[0x13, 0xce][..], &[0x13, 0xc4][..]));
    assert_eq!(chunks[&9], 1_700_000_000_u32.to_be_bytes());
    assert_eq!(chunks[&10], 123_456_u32.to_be_bytes());
    assert_eq!(chunks[&11], [1]);
    assert_eq!(chunks[&12], 2_001_u32.to_be_bytes());
    assert_eq!(chunks[&14], b"secret");
    assert_eq!(chunks[&17], id().to_string().as_bytes());
    let message = String::from_utf8(chunks[&15].clone()).unwrap();
    assert!(message.contains("Authorization: Digest") && !message.contains("0123"));
}

#[test]
fn what_was_sent_goes_the_other_way_and_ipv6_has_chunks_of_its_own() {
    let mut sent = event(MessageDirection::Sent, "[2001:db8::7]:5070");
    sent.flow.protocol = TransportProtocol::Tls;
    let chunks = chunks(&of_message(&config(), &MessagePrivacy::default(), 0, &sent).unwrap());
    assert_eq!((chunks[&1][0], chunks[&2][0]), (10, 6));
    assert_eq!((chunks[&5][15], chunks[&6][15]), (1, 7));
    assert!(!chunks.contains_key(&3) && !chunks.contains_key(&14));
}

#[test]
fn a_report_is_rtcp_as_collectors_read_it() {
    let report = QualityReport {
        id: MediaId(1),
        transaction_id: id(),
        leg: LegSide::B,
        at: Instant::ZERO,
        kind: ReportKind::Interval,
        line: MediaLine::default(),
        codecs: Codecs { received: None, transcoded: None },
        received: ReceivedView {
            rtp_packets: 3_000,
            loss: LossCounts { expected: 3_100, lost: 100 },
            interval_loss: LossCounts { expected: 1_000, lost: 250 },
            jitter: Duration::from_micros(1_500),
            ssrc: Some(77),
            source: Some("198.51.100.7:4000".parse().unwrap()),
            ..ReceivedView::default()
        },
        sent: SentView { rtp_packets: 2_990, rtp_bytes: 500_000, ..SentView::default() },
        peer: Some(PeerView::default()),
        peer_metrics: None,
        rtt: Some(Duration::from_millis(40)),
        mos: Some(Mos::new(4.0)),
        interval_mos: Some(Mos::new(3.5)),
        fax: None,
    };
    let chunks = chunks(&of_quality(&config(), 5_007_000, &report, "abc@x"));
    assert_eq!((chunks[&11][0], &chunks[&17][..]), (5, &b"abc@x"[..]));
    let body: serde_json::Value = serde_json::from_slice(&chunks[&15]).unwrap();
    let block = &body["report_blocks"][0];
    assert_eq!((&block["fraction_lost"], &block["packets_lost"]), (&64.into(), &250.into()));
    assert_eq!((&block["cumulative_lost"], &block["ia_jitter"]), (&100.into(), &1_500.into()));
    assert_eq!(
        (&body["type"], &body["ssrc"], &body["mos"]),
        (&200.into(), &77.into(), &3.5.into())
    );
    assert_eq!(body["sender_information"]["packets"], 2_990);
    assert_eq!(body["rtt"], 40_000);
}

#[test]
fn a_message_that_is_too_long_is_known_by_its_packet() {
    let mut long = event(MessageDirection::Sent, "198.51.100.7:5070");
    long.message = Some(Bytes::from(vec![b'x'; 70_000]));
    assert!(of_message(&config(), &MessagePrivacy::default(), 0, &long).unwrap().len() > LONGEST);
}
