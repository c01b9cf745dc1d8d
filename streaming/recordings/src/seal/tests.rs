//! Sealed files that are whole, cut off, and changed.

use super::*;
use crate::keys::PlainKey;
use proptest::prelude::*;

fn key(octet: u8) -> PlainKey {
    PlainKey::new([octet; DATA_KEY_BYTES])
}

fn header() -> SealedHeader {
    SealedHeader {
        algorithm: ALGORITHM.to_owned(),
        content_type: "audio/wav".to_owned(),
        key: Envelope {
            provider: "file".to_owned(),
            key_id: "k".to_owned(),
            wrapped: "AA==".to_owned(),
            context: Vec::new(),
        },
    }
}

fn sealed(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sealer = Sealer::begin(&key(1), &header(), &mut out).unwrap();
    pieces.iter().for_each(|piece| sealer.seal(piece, &mut out));
    sealer.finish(&mut out);
    out
}

fn open(octets: &[u8]) -> Result<Unsealed<&[u8]>, SealError> {
    Unsealed::open(octets, |_| Ok(key(1)))
}

fn read(octets: &[u8]) -> Result<Vec<u8>, (Vec<u8>, SealError)> {
    let mut unsealed = open(octets).map_err(|error| (Vec::new(), error))?;
    let mut plain = Vec::new();
    loop {
        match unsealed.chunk() {
            Ok(Some(chunk)) => plain.extend(chunk),
            Ok(None) => return Ok(plain),
            Err(error) => return Err((plain, error)),
        }
    }
}

#[test]
fn large_pieces_become_several_chunks() {
    let piece = vec![3; 2 * MOST_CHUNK + 1];
    let octets = sealed(std::slice::from_ref(&piece));
    assert_eq!(read(&octets).unwrap(), piece);
    let chunks = 4 * (4 + TAG_BYTES);
    let (head, _) = read_sealed_header(&mut octets.as_slice()).unwrap();
    assert_eq!(octets.len(), head.len() + piece.len() + chunks);
}

#[test]
fn the_order_and_the_end_are_authenticated() {
    let octets = sealed(&[vec![1; 10], vec![2; 10]]);
    let head = read_sealed_header(&mut octets.as_slice()).unwrap().0.len();
    let chunk = 4 + 10 + TAG_BYTES;
    let mut swapped = octets.clone();
    swapped[head..head + 2 * chunk].rotate_left(chunk);
    assert!(matches!(read(&swapped), Err((_, SealError::Changed(0)))));
    let without_first = [&octets[..head], &octets[head + chunk..]].concat();
    assert!(matches!(read(&without_first), Err((_, SealError::Changed(0)))));
    let (plain, error) = read(&octets[..head + chunk]).unwrap_err();
    assert_eq!(plain, [1; 10]);
    assert!(matches!(error, SealError::Unfinished(1)));
    // A chunk that says that it is the last one.
    let mut cut = octets[..head + chunk].to_vec();
    cut[head] |= 0x80;
    assert!(matches!(read(&cut), Err((_, SealError::Changed(0)))));
    let other = Unsealed::open(octets.as_slice(), |_| Ok::<_, SealError>(key(2)));
    assert!(matches!(other.unwrap().chunk(), Err(SealError::Changed(0))));
}

proptest! {
    #[test]
    fn what_is_sealed_is_read(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
    ) {
        prop_assert_eq!(read(&sealed(&pieces)).unwrap(), pieces.concat());
    }

    /// Cut anywhere, what was whole is read, and can be finished.
    #[test]
    fn a_torn_file_can_be_finished(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..6),
        cut in 0.0_f64..1.0,
    ) {
        let octets = sealed(&pieces);
        let head = read_sealed_header(&mut octets.as_slice()).unwrap().0.len();
        let at = head + ((octets.len() - head - 1) as f64 * cut) as usize;
        let mut torn = octets[..at].to_vec();
        let mut unsealed = open(&torn).unwrap();
        let mut plain = Vec::new();
        while let Ok(Some(chunk)) = unsealed.chunk() {
            plain.extend(chunk);
        }
        prop_assert!(pieces.concat().starts_with(&plain));
        let whole = usize::try_from(unsealed.whole_bytes()).unwrap();
        let sealer = unsealed.into_sealer();
        torn.truncate(whole);
        sealer.finish(&mut torn);
        prop_assert_eq!(read(&torn).unwrap(), plain);
    }

    #[test]
    fn a_changed_octet_is_found(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..4),
        at in 0.0_f64..1.0,
        flip in 1_u8..,
    ) {
        let mut octets = sealed(&pieces);
        let at = ((octets.len() - 1) as f64 * at) as usize;
        octets[at] ^= flip;
        let (plain, _) = read(&octets).unwrap_err();
        prop_assert!(pieces.concat().starts_with(&plain));
    }

    #[test]
    fn no_octets_are_beyond_understanding(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut file = MAGIC.to_vec();
        file.extend(octets);
        prop_assert!(read(&file).is_err());
    }
}
