//! What a datagram on a media port is, from its first bytes (RFC 7983 section 7, RFC 5761
//! section 4).

/// The protocol of a datagram that came to a media port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DatagramKind {
    /// STUN: the first byte is 0 to 3.
    Stun,
    /// DTLS: the first byte is 20 to 63.
    Dtls,
    /// RTP: version 2, and the second byte is none of RTCP's packet types.
    Rtp,
    /// RTCP: version 2, and the second byte is 192 to 223.
    Rtcp,
    /// Anything else, also ZRTP (16 to 19) and TURN channels (64 to 79), and what is too short.
    Unknown,
}

/// Tells the protocols apart that share a media port.
///
/// RTP payload types 64 to 95 with the marker bit set look like RTCP; RFC 5761 section 4 forbids
/// them to peers that multiplex, and such packets are taken for RTCP here. Only the first two
/// bytes are read: the parsers judge the rest.
#[inline]
pub fn demultiplex(datagram: &[u8]) -> DatagramKind {
    let &[first, second, ..] = datagram else {
        return DatagramKind::Unknown;
    };
    match first {
        128..=191 if matches!(second, 192..=223) => DatagramKind::Rtcp,
        128..=191 => DatagramKind::Rtp,
        0..=3 => DatagramKind::Stun,
        20..=63 => DatagramKind::Dtls,
        _ => DatagramKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_follow_the_ranges_of_rfc_7983_and_rfc_5761() {
        let kind = |first: u8, second: u8| demultiplex(&[first, second, 0, 0]);
        for (range, expected) in [
            (0..=3, DatagramKind::Stun),
            (4..=19, DatagramKind::Unknown),
            (20..=63, DatagramKind::Dtls),
            (64..=127, DatagramKind::Unknown),
            (128..=191, DatagramKind::Rtp),
            (192..=255, DatagramKind::Unknown),
        ] {
            for first in range {
                assert_eq!(kind(first, 0), expected, "first byte {first}");
            }
        }
        for second in 0..=255 {
            let rtcp = (192..=223).contains(&second);
            let expected = if rtcp { DatagramKind::Rtcp } else { DatagramKind::Rtp };
            assert_eq!(kind(0x80, second), expected, "second byte {second}");
        }
    }

    #[test]
    fn what_is_shorter_than_two_bytes_is_unknown() {
        assert_eq!(demultiplex(&[]), DatagramKind::Unknown);
        assert_eq!(demultiplex(&[0x80]), DatagramKind::Unknown);
    }
}
