//! Composed pictures: a source that sends anything, decoded, scaled and encoded.

use crate::bounded;
use model::Instant;
use room_grid::{Composer, GridPace, GridSize, MOST_UNIT, MOST_UNITS, OutputSettings, Tile};
use room_video::h264::{Level, Nalu};
use rtp_proto::RtpHeader;

const MOST_PARTS: usize = 48;
/// Units that a decoder may be given for a packet: it ends a picture and is one, and the parameter sets that were kept (four
/// and eight) stand before a key frame.
const MOST_FOR_PACKET: u64 = 2 * (MOST_UNITS as u64 + 12);
const SETTINGS: OutputSettings =
    OutputSettings { bits_per_second: 300_000, level: Level::L3_1, viewers: 1 };
/// Of a part's first octet.
const MARKER: u8 = 1;
const GAP: u8 = 2;
const NEXT_TIME: u8 = 4;
const MAKE: u8 = 8;

/// A script of packets: each part is an octet of marks (1: the marker, 2: a packet before it is lost, 4: the
/// timestamp is another one, 8: a picture is composed after it), two with the length of a payload, and the payload.
/// Payloads are what the relay's switch gives: the decoder, which is written in C++, is reached by those that make
/// whole pictures.
///
/// # Panics
/// When a unit is too long or none, when a picture is made of nothing, or when a packet has more decoded than
/// it may.
pub fn room_grid(data: &[u8]) {
    let mut composer = Composer::new(15);
    let tile = |key| Tile { key, name: "Ada".into(), speaks: key == 1 };
    composer.set_tiles(&[tile(1), tile(2)]);
    composer.set_output(GridSize::Small, Some(SETTINGS));
    let (mut rest, mut sequence, mut timestamp) = (bounded(data), 0_u16, 0_u32);
    for turn in 0..MOST_PARTS as u64 {
        let Some((&[marks, high, low], behind)) = rest.split_first_chunk() else { break };
        let length = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (payload, behind) = behind.split_at(length);
        rest = behind;
        sequence = sequence.wrapping_add(if marks & GAP == 0 { 1 } else { 2 });
        timestamp = timestamp.wrapping_add(if marks & NEXT_TIME == 0 { 0 } else { 6_000 });
        let marker = marks & MARKER != 0;
        let header = RtpHeader { payload_type: 97, marker, sequence, timestamp, ssrc: 1 };
        let before = composer.tally();
        composer.packet(1, &[&header.to_bytes()[..], payload].concat());
        let now = composer.tally();
        assert!(now.decoded - before.decoded <= 2);
        assert!(now.units - before.units <= MOST_FOR_PACKET, "{before:?}, {now:?}");
        if marks & MAKE != 0 {
            make(&mut composer, turn);
        }
    }
    make(&mut composer, MOST_PARTS as u64);
    assert_eq!(composer.tally().failed, 0);
}

fn make(composer: &mut Composer, turn: u64) {
    let now = Instant::from_millis(turn * 66);
    composer.wants(now, &mut |key| assert!(key == 1 || key == 2));
    let before = composer.tally();
    let mut ends = 0;
    composer.make(now, GridPace::Full, &mut |unit, octets| {
        assert!(octets.len() <= MOST_UNIT && Nalu::new(octets).is_some());
        ends += u64::from(unit.ends_picture);
        true
    });
    assert_eq!(composer.tally().pictures - before.pictures, ends);
    assert!(before.decoded > 0 || ends == 0, "nothing was decoded");
}

/// The beginnings of two clips, in single units, and of one in fragments.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let red = include_bytes!("../../../rooms/video/tests/fixtures/red.h264");
    let high = include_bytes!("../../../rooms/video/tests/fixtures/high.h264");
    vec![
        ("single", script(red, usize::MAX)),
        ("fragments", script(red, 300)),
        ("high", script(high, usize::MAX)),
    ]
}

/// A clip as a script, in payloads of up to `limit` octets.
fn script(stream: &[u8], limit: usize) -> Vec<u8> {
    let starts = stream.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]);
    let starts: Vec<usize> = starts.map(|(at, _)| at + 3).collect();
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let mut script = Vec::new();
    let mut put = |marks: u8, payload: &[u8]| {
        let Ok(length) = u16::try_from(payload.len()) else { return };
        script.push(marks);
        script.extend_from_slice(&length.to_be_bytes());
        script.extend_from_slice(payload);
    };
    for (number, (start, end)) in starts.iter().zip(ends).enumerate() {
        let unit = stream.get(*start..end).unwrap_or_default();
        let unit = unit.strip_suffix(&[0]).unwrap_or(unit);
        let Some(read) = Nalu::new(unit) else { continue };
        let begins = if read.begins_picture() { NEXT_TIME } else { 0 };
        let make = if number % 12 == 0 { MAKE } else { 0 };
        if unit.len() <= limit {
            put(begins | make, unit);
            continue;
        }
        let (header, data) = (read.header(), unit.get(1..).unwrap_or_default());
        let pieces = data.chunks(limit);
        let count = pieces.len();
        for (at, piece) in pieces.enumerate() {
            let (start, end) = (at == 0, at + 1 == count);
            let head = room_video::h264::Fragment::head(header, start, end);
            put(if start { begins } else { 0 }, &[&head[..], piece].concat());
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_seeds_reach_the_decoder() {
        // A broken script would pass by doing nothing.
        for (name, seed) in seeds() {
            let mut composer = Composer::new(15);
            composer.set_tiles(&[Tile { key: 1, name: "".into(), speaks: false }]);
            let (mut rest, mut sequence, mut timestamp) = (&seed[..], 0, 0);
            while let Some((&[marks, high, low], behind)) = rest.split_first_chunk() {
                let (payload, behind) =
                    behind.split_at(usize::from(u16::from_be_bytes([high, low])));
                rest = behind;
                sequence += 1;
                timestamp += if marks & NEXT_TIME == 0 { 0 } else { 6_000 };
                let header =
                    RtpHeader { payload_type: 97, marker: false, sequence, timestamp, ssrc: 1 };
                composer.packet(1, &[&header.to_bytes()[..], payload].concat());
            }
            let tally = composer.tally();
            assert!(tally.decoded >= 10 && tally.refused == 0, "{name}: {tally:?}");
        }
    }
}
