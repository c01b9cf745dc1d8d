use super::*;
use proptest::prelude::*;

fn header() -> RtpHeader {
    RtpHeader { payload_type: 8, marker: true, sequence: 0xfffe, timestamp: 7, ssrc: 0xdead_beef }
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let mut bytes = header().to_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_plain_packet_gives_its_fields() {
    let bytes = packet(b"audio");
    let parsed = RtpPacket::parse(&bytes).unwrap();
    assert_eq!(parsed.payload_type(), 8);
    assert!(parsed.marker());
    assert_eq!(parsed.sequence(), 0xfffe);
    assert_eq!(parsed.timestamp(), 7);
    assert_eq!(parsed.ssrc(), 0xdead_beef);
    assert_eq!(parsed.payload(), b"audio");
    assert_eq!(parsed.header_bytes(), 12);
    assert_eq!(parsed.padding_bytes(), 0);
    assert_eq!(parsed.csrcs().count(), 0);
    assert_eq!(parsed.extension(), None);
}

#[test]
fn contributing_sources_extension_and_padding_are_cut_away() {
    let mut bytes = packet(&[]);
    bytes[0] |= 0x20 | 0x10 | 2;
    bytes.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2]);
    bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    bytes.extend_from_slice(b"xy");
    bytes.extend_from_slice(&[0, 0, 3]);
    let parsed = RtpPacket::parse(&bytes).unwrap();
    assert_eq!(parsed.csrcs().collect::<Vec<_>>(), [1, 2]);
    let extension = parsed.extension().unwrap();
    assert_eq!((extension.profile, extension.data), (0xbede, &[0x10, 0xff, 0, 0][..]));
    assert_eq!(parsed.payload(), b"xy");
    assert_eq!(parsed.padding_bytes(), 3);
}

#[test]
fn lengths_that_lie_are_named() {
    let whole = packet(&[]);
    assert_eq!(RtpPacket::parse(&whole[..11]), Err(RtpError::TruncatedHeader));
    let changed = |first: u8, tail: &[u8]| {
        let mut bytes = packet(tail);
        bytes[0] = first;
        RtpPacket::parse(&bytes).map(|p| p.payload().len())
    };
    assert_eq!(changed(0x40, &[]), Err(RtpError::Version(1)));
    assert_eq!(changed(0xc0, &[]), Err(RtpError::Version(3)));
    assert_eq!(changed(0x81, &[0; 3]), Err(RtpError::TruncatedHeader));
    assert_eq!(changed(0x8f, &[0; 59]), Err(RtpError::TruncatedHeader));
    assert_eq!(changed(0x8f, &[0; 60]), Ok(0));
    assert_eq!(changed(0x90, &[0; 3]), Err(RtpError::TruncatedExtension));
    assert_eq!(changed(0x90, &[0, 0, 0, 1, 9, 9, 9]), Err(RtpError::TruncatedExtension));
    assert_eq!(changed(0x90, &[0, 0, 0xff, 0xff, 9]), Err(RtpError::TruncatedExtension));
    assert_eq!(changed(0x90, &[0, 0, 0, 0, 9]), Ok(1));
    assert_eq!(changed(0xa0, &[1, 0]), Err(RtpError::Padding(0)));
    assert_eq!(changed(0xa0, &[1, 3]), Err(RtpError::Padding(3)));
    assert_eq!(changed(0xa0, &[1, 2]), Ok(0));
    // Without payload the last octet belongs to the SSRC (0xef): no padding can be there.
    assert_eq!(changed(0xa0, &[]), Err(RtpError::Padding(0xef)));
}

#[test]
fn a_header_needs_twelve_octets_of_room() {
    let mut short = [0xaa; 11];
    assert_eq!(header().write_header(&mut short), None);
    assert_eq!(short, [0xaa; 11]);
    let mut room = [0xaa; 13];
    assert_eq!(header().write_header(&mut room), Some(12));
    assert_eq!(room[12], 0xaa);
}

proptest! {
    #[test]
    fn any_bytes_parse_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        if let Ok(parsed) = RtpPacket::parse(&bytes) {
            let parts = parsed.header_bytes() + parsed.payload().len() + parsed.padding_bytes();
            prop_assert_eq!(parts, bytes.len());
            prop_assert_eq!(parsed.csrcs().count(), usize::from(bytes[0] & 15));
            prop_assert_eq!(parsed.extension().is_some(), bytes[0] & 0x10 != 0);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        payload_type in 0u8..128, marker: bool, sequence: u16, timestamp: u32, ssrc: u32,
    ) {
        let header = RtpHeader { payload_type, marker, sequence, timestamp, ssrc };
        let bytes = header.to_bytes();
        let read = RtpPacket::parse(&bytes).unwrap();
        let again = RtpHeader {
            payload_type: read.payload_type(),
            marker: read.marker(),
            sequence: read.sequence(),
            timestamp: read.timestamp(),
            ssrc: read.ssrc(),
        };
        prop_assert_eq!(again, header);
    }
}
