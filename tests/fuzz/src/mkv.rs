//! Streams of audio in Matroska, from files and from services.

use crate::bounded;
use mkv::{Audio, Encoding, Event, FragmentWriter, Malformed, Reader, Tags, head};
use std::time::Duration;

/// Reads a stream, at once and in pieces.
///
/// # Panics
/// When pieces of a stream tell something else than the whole of it, when there are more samples than
/// octets, or when a fragment is not later than the one before it in its segment.
pub fn mkv(data: &[u8]) {
    let data = bounded(data);
    let whole = read(data, data.len().max(1));
    assert_eq!(read(data, 61), whole, "pieces tell the same");
    let octets: usize = whole.0.iter().map(|seen| seen.octets).sum();
    assert!(octets <= data.len(), "{octets} octets of samples in {}", data.len());
}

/// One event, without what it holds.
#[derive(PartialEq, Debug)]
struct Seen {
    kind: u8,
    number: u64,
    time: u64,
    octets: usize,
}

fn read(data: &[u8], piece: usize) -> (Vec<Seen>, Result<(), Malformed>) {
    let mut reader = Reader::new();
    let mut seen = Vec::new();
    let mut last = None;
    for piece in data.chunks(piece) {
        reader.push(piece);
        loop {
            let (kind, number, time, octets) = match reader.poll() {
                Ok(None) => break,
                Err(failure) => {
                    assert!(failure.at() <= data.len() as u64);
                    return (seen, Err(failure));
                }
                Ok(Some(Event::Tracks(tracks))) => {
                    last = None;
                    (0, tracks.len() as u64, 0, 0)
                }
                Ok(Some(Event::Tags(tags))) => (1, tags.len() as u64, 0, 0),
                Ok(Some(Event::Fragment { timecode_ns })) => {
                    assert!(last.is_none_or(|last| timecode_ns > last), "fragments go forward");
                    last = Some(timecode_ns);
                    (2, 0, timecode_ns, 0)
                }
                Ok(Some(Event::Block { track, timecode_ns, payload })) => {
                    (3, track, timecode_ns, payload.len())
                }
            };
            seen.push(Seen { kind, number, time, octets });
        }
    }
    (seen, reader.finish())
}

/// A stream as it is written, with linear samples and with µ-law, and a segment that is anew begun.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let linear = stream(Encoding::Linear, 60);
    let mu_law = stream(Encoding::MuLaw, 110);
    let both = [linear.as_slice(), mu_law.as_slice()].concat();
    // Elements of nothing, one behind the other.
    let empty = [head(audio(Encoding::Linear), [1; 16]), [0xEC, 0x80].repeat(30_000)].concat();
    vec![("linear", linear), ("mu-law", mu_law), ("both", both), ("empty", empty)]
}

fn audio(encoding: Encoding) -> Audio {
    Audio { encoding, sample_rate: 8_000 }
}

fn stream(encoding: Encoding, frames: u64) -> Vec<u8> {
    let audio = audio(encoding);
    let mut tags = Tags::new();
    for name in ["TransactionId", "VoiceConnectorId", "CallId"] {
        // A name of three words is none that is refused.
        let _ = tags.add(name, "1f0cb2d4");
    }
    let length = Duration::from_secs(1);
    let mut writer = FragmentWriter::new(audio, length, tags.clone(), tags);
    let mut octets = head(audio, [1; 16]);
    let frame = vec![0x55; 160 * audio.sample_octets()];
    for number in 0..frames {
        let fragment = writer.push(number * 20, &frame, 3).ok().flatten();
        octets.extend(fragment.into_iter().flat_map(|fragment| fragment.octets));
    }
    octets.extend(writer.finish().into_iter().flat_map(|fragment| fragment.octets));
    octets
}
