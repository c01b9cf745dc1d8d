use super::*;
use crate::ebml::{UNKNOWN_SIZE, put, put_id, put_master, put_unsigned};
use crate::{Audio, Encoding, FragmentWriter, Tags, head};
use std::time::Duration;

const AUDIO: Audio = Audio { encoding: Encoding::Linear, sample_rate: 8_000 };
const BEGAN: u64 = 1_792_000_000_000;

/// What a stream holds, with its payloads copied.
#[derive(Clone, PartialEq, Debug)]
enum Seen {
    Tracks(Vec<Track>),
    Tags(Vec<(String, String)>),
    Fragment(u64),
    Block(u64, Vec<u8>),
}

fn read(octets: &[u8], piece: usize) -> Result<Vec<Seen>, Malformed> {
    let mut reader = Reader::new();
    let mut seen = Vec::new();
    for piece in octets.chunks(piece) {
        reader.push(piece);
        while let Some(event) = reader.poll()? {
            seen.push(match event {
                Event::Tracks(tracks) => Seen::Tracks(tracks.to_vec()),
                Event::Tags(tags) => {
                    Seen::Tags(tags.into_iter().map(|t| (t.name.into(), t.value.into())).collect())
                }
                Event::Fragment { timecode_ns } => Seen::Fragment(timecode_ns / 1_000_000),
                Event::Block { timecode_ns, payload, .. } => {
                    Seen::Block(timecode_ns / 1_000_000, payload.to_vec())
                }
            });
        }
    }
    reader.finish().map(|()| seen)
}

/// A stream of `frames` frames of 20 ms, in fragments of a second.
fn written(frames: u64) -> Vec<u8> {
    let mut first = Tags::new();
    first.add("TransactionId", "1f0c").unwrap();
    let mut writer = FragmentWriter::new(AUDIO, Duration::from_secs(1), first, Tags::new());
    let mut octets = head(AUDIO, [7; 16]);
    for frame in 0..frames {
        let fragment = writer.push(BEGAN + frame * 20, &[frame as u8; 320], 0).unwrap();
        octets.extend(fragment.into_iter().flat_map(|fragment| fragment.octets));
    }
    octets.extend(writer.finish().into_iter().flat_map(|fragment| fragment.octets));
    octets
}

fn failure(octets: &[u8]) -> Malformed {
    read(octets, octets.len().max(1)).unwrap_err()
}

#[test]
fn what_is_written_is_read_in_pieces_of_any_size() {
    let octets = written(60);
    let whole = read(&octets, octets.len()).unwrap();
    let track = Track {
        number: 1,
        name: "audio".into(),
        codec: Codec::LinearLittle,
        sample_rate: 8_000,
        channels: 1,
    };
    assert_eq!(whole[0], Seen::Tracks(vec![track]));
    assert_eq!(whole[1], Seen::Tags(vec![("TransactionId".into(), "1f0c".into())]));
    assert_eq!(whole[2], Seen::Fragment(BEGAN));
    assert_eq!(whole[3], Seen::Block(BEGAN, vec![0; 320]));
    assert_eq!(whole[53], Seen::Fragment(BEGAN + 1_000));
    assert_eq!(whole[54], Seen::Block(BEGAN + 1_000, vec![50; 320]));
    assert_eq!(whole.len(), 3 + 50 + 1 + 10);
    for piece in [1, 2, 3, 7, 319, 4_096] {
        assert_eq!(read(&octets, piece).unwrap(), whole, "{piece}");
    }
}

#[test]
fn a_stream_may_begin_anew_behind_any_fragment() {
    let octets = [written(50), written(50)].concat();
    let seen = read(&octets, 100).unwrap();
    assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Tracks(_))).count(), 2);
    assert_eq!(seen.iter().filter(|seen| **seen == Seen::Fragment(BEGAN)).count(), 2);
}

#[test]
fn a_stream_that_is_cut_says_so_and_keeps_what_came() {
    let octets = written(50);
    assert!(matches!(failure(&octets[..octets.len() - 1]), Malformed::Cut { .. }));
    assert!(matches!(failure(&[]), Malformed::Cut { at: 0 }));
    let mut reader = Reader::new();
    reader.push(&octets[..octets.len() - 1]);
    let mut blocks = 0;
    while let Some(event) = reader.poll().unwrap() {
        blocks += u32::from(matches!(event, Event::Block { .. }));
    }
    assert_eq!(blocks, 49);
    assert_eq!(reader.position(), octets.len() as u64 - 326 - 1);
}

/// The head of a stream, with a segment of unknown size whose Info and tracks are `inside`.
fn with_segment(inside: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put_master(&mut out, id::EBML, |out| put(out, id::DOC_TYPE, b"matroska"));
    put_id(&mut out, id::SEGMENT);
    out.extend_from_slice(&UNKNOWN_SIZE);
    inside(&mut out);
    out
}

fn put_tracks(out: &mut Vec<u8>, codec: &[u8]) {
    put_master(out, id::TRACKS, |out| {
        put_master(out, id::TRACK_ENTRY, |out| {
            put_unsigned(out, id::TRACK_NUMBER, 1);
            put(out, id::CODEC_ID, codec);
        });
    });
}

#[test]
fn other_producers_blocks_are_read() {
    // Clusters that say their size, block groups, elements that nobody knows, another scale.
    let octets = with_segment(|out| {
        put(out, id::SEEK_HEAD, &[1, 2, 3]);
        put_master(out, id::INFO, |out| put_unsigned(out, id::TIMESTAMP_SCALE, 500_000));
        put_tracks(out, b"A_PCM/INT/BIG");
        put_master(out, id::CLUSTER, |out| {
            put_unsigned(out, id::TIMESTAMP, 2_000);
            put(out, VOID, &[0; 300]);
            put_master(out, id::BLOCK_GROUP, |out| {
                put(out, id::BLOCK, &[0x81, 0, 40, 0, 1, 2]);
                put_unsigned(out, 0x9B, 40);
            });
        });
        put(out, id::CUES, &[0; 40]);
    });
    let seen = read(&octets, 11).unwrap();
    assert_eq!(seen[1..], [Seen::Fragment(1_000), Seen::Block(1_020, vec![1, 2])]);
}

#[test]
fn what_cannot_be_is_refused() {
    let cluster = |out: &mut Vec<u8>, time: u64| {
        put_master(out, id::CLUSTER, |out| put_unsigned(out, id::TIMESTAMP, time));
    };
    let of = |inside: &dyn Fn(&mut Vec<u8>)| failure(&with_segment(|out| inside(out)));
    assert!(matches!(failure(b"RIFF, not EBML"), Malformed::Misplaced { at: 0, .. }));
    assert!(matches!(failure(&[0; 20]), Malformed::NotEbml { at: 0 }));
    assert!(matches!(of(&|out| cluster(out, 1)), Malformed::Misplaced { .. }));
    assert!(matches!(
        of(&|out| {
            put_tracks(out, b"A_PCM/INT/LIT");
            cluster(out, 2);
            cluster(out, 2);
        }),
        Malformed::Backward { .. }
    ));
    let block = |payload: &'static [u8]| {
        of(&|out| {
            put_tracks(out, b"A_PCM/INT/LIT");
            put_master(out, id::CLUSTER, |out| {
                put_unsigned(out, id::TIMESTAMP, 1);
                put(out, id::SIMPLE_BLOCK, payload);
            });
        })
    };
    assert!(matches!(block(&[0x81, 0, 0, 0x80, 1]), Malformed::HalfSample { .. }));
    assert!(matches!(block(&[0x82, 0, 0, 0x80]), Malformed::NoSuchTrack { track: 2, .. }));
    assert!(matches!(block(&[0x81, 0]), Malformed::Value { .. }));
    // A relative time before 1970.
    assert!(matches!(block(&[0x81, 0xF0, 0, 0x80]), Malformed::Value { .. }));
}

#[test]
fn sizes_that_lie_are_refused_before_anything_is_gathered() {
    let of = |inside: &dyn Fn(&mut Vec<u8>)| failure(&with_segment(|out| inside(out)));
    let sized = |out: &mut Vec<u8>, id: u32, size: u64| {
        put_id(out, id);
        out.extend_from_slice(&(size | 1 << 56).to_be_bytes());
    };
    assert!(matches!(of(&|out| sized(out, id::TAGS, MAX_ELEMENT + 1)), Malformed::TooLarge { .. }));
    assert!(matches!(of(&|out| sized(out, id::TAGS, MAX_ELEMENT)), Malformed::Cut { .. }));
    assert!(matches!(
        of(&|out| {
            put_id(out, id::TAGS);
            out.extend_from_slice(&UNKNOWN_SIZE);
        }),
        Malformed::UnknownSize { id: id::TAGS, .. }
    ));
    assert!(matches!(
        of(&|out| {
            put_tracks(out, b"A_PCM/INT/LIT");
            put_master(out, id::CLUSTER, |out| sized(out, VOID, 9));
        }),
        Malformed::TooLong { id: VOID, .. }
    ));
    // 2^56 octets of nothing are passed over, and never come.
    assert!(matches!(of(&|out| sized(out, VOID, (1 << 56) - 2)), Malformed::Cut { .. }));
}

#[test]
fn headers_of_other_documents_are_refused() {
    let header = |children: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        put_master(&mut out, id::EBML, |out| children(out));
        failure(&out)
    };
    let expected = |failure| assert!(matches!(failure, Malformed::NotMatroska { at: 0 }));
    expected(header(&|_| {}));
    expected(header(&|out| put(out, id::DOC_TYPE, b"matroska-like")));
    expected(header(&|out| {
        put(out, id::DOC_TYPE, b"matroska");
        put_unsigned(out, id::DOC_TYPE_READ_VERSION, 5);
    }));
    expected(header(&|out| {
        put(out, id::DOC_TYPE, b"matroska");
        put_unsigned(out, id::EBML_MAX_ID_LENGTH, 5);
    }));
}
