//! Packets that tell their own length (RFC 6716 appendix B).

/// Writes `packet` as a self-delimiting one; `false`, and nothing is written, when it is malformed.
pub(crate) fn self_delimited(packet: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(framed) = Framed::parse(packet) else { return false };
    out.extend_from_slice(framed.head);
    length(framed.last, out);
    out.extend_from_slice(framed.rest);
    true
}

/// A packet, split where the length of its last frame is put in.
struct Framed<'a> {
    /// First octet, count of frames, length of the padding, lengths of the frames before the last one.
    head: &'a [u8],
    /// Octets of the last frame, or of each where all are as long.
    last: usize,
    /// The frames and the padding.
    rest: &'a [u8],
}

impl<'a> Framed<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let code = packet.first()? & 3;
        let body = packet.get(1..)?;
        match code {
            // One frame.
            0 => Framed::at(packet, 1, body.len()),
            // Two as long.
            1 => Framed::at(packet, 1, body.len().is_multiple_of(2).then_some(body.len() / 2)?),
            // Two; the length of the first stands before them.
            2 => {
                let (first, octets) = read_length(body)?;
                Framed::at(packet, 1 + octets, body.len().checked_sub(octets + first)?)
            }
            _ => Framed::of_many(packet),
        }
    }

    fn at(packet: &'a [u8], at: usize, last: usize) -> Option<Self> {
        let (head, rest) = packet.split_at_checked(at)?;
        (last <= 1_275).then_some(Framed { head, last, rest })
    }

    /// Code 3 (RFC 6716 section 3.2.5).
    fn of_many(packet: &'a [u8]) -> Option<Self> {
        let count_octet = *packet.get(1)?;
        let (mut at, mut padding) = (2, 0);
        if count_octet & 0x40 != 0 {
            loop {
                let octet = usize::from(*packet.get(at)?);
                at += 1;
                padding += octet.min(254);
                if octet < 255 {
                    break;
                }
            }
        }
        let count = usize::from(count_octet & 0x3f);
        let mut before = 0;
        if count_octet & 0x80 != 0 {
            for _ in 1..count {
                let (frame, octets) = read_length(packet.get(at..)?)?;
                before += frame;
                at += octets;
            }
            return Framed::at(packet, at, packet.len().checked_sub(at + padding + before)?);
        }
        let frames = packet.len().checked_sub(at + padding)?;
        let even = frames.checked_rem(count)? == 0;
        Framed::at(packet, at, even.then_some(frames / count)?)
    }
}

/// The length in one or two octets, and how many those are (RFC 6716 section 3.2.1).
fn read_length(octets: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*octets.first()?);
    match first {
        0..252 => Some((first, 1)),
        _ => Some((first + 4 * usize::from(*octets.get(1)?), 2)),
    }
}

/// Writes a length of at most 1,275.
fn length(length: usize, out: &mut Vec<u8>) {
    if length < 252 {
        out.push(length as u8);
    } else {
        let first = 252 + (length & 3);
        out.push(first as u8);
        out.push(((length - first) / 4) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delimited(packet: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self_delimited(packet, &mut out).then_some(out)
    }

    #[test]
    fn the_last_length_is_put_in() {
        assert_eq!(delimited(&[0x08, 1, 2, 3]), Some(vec![0x08, 3, 1, 2, 3]));
        assert_eq!(delimited(&[0x08]), Some(vec![0x08, 0]));
        assert_eq!(delimited(&[0x09, 1, 2]), Some(vec![0x09, 1, 1, 2]));
        assert_eq!(delimited(&[0x0a, 1, 7, 8, 9]), Some(vec![0x0a, 1, 2, 7, 8, 9]));
        // Two frames as long, one octet of padding.
        assert_eq!(delimited(&[0x0b, 0x42, 1, 7, 8, 0]), Some(vec![0x0b, 0x42, 1, 1, 7, 8, 0]));
        // Three frames of their own lengths.
        assert_eq!(
            delimited(&[0x0b, 0x83, 1, 0, 7, 8, 9]),
            Some(vec![0x0b, 0x83, 1, 0, 2, 7, 8, 9])
        );
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for packet in [
            &[][..],
            &[0x09, 1],
            &[0x0a],
            &[0x0a, 5, 1],
            &[0x0b],
            &[0x0b, 0x00, 1],
            &[0x0b, 0x02, 1],
            &[0x0b, 0x41, 9, 1],
            &[0x0b, 0x83, 1],
        ] {
            assert_eq!(delimited(packet), None, "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn lengths_come_back(value in 0_usize..=1_275) {
            let mut out = Vec::new();
            length(value, &mut out);
            prop_assert_eq!(read_length(&out), Some((value, out.len())));
        }

        #[test]
        fn no_packet_is_beyond_understanding(packet in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(out) = delimited(&packet) {
                prop_assert!(out.len() == packet.len() + 1 || out.len() == packet.len() + 2);
            }
        }
    }
}
