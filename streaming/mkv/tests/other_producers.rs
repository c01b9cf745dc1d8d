//! Streams that ffmpeg and mkvmerge wrote: a quarter of a second at 440 Hz.

#![expect(clippy::unwrap_used, reason = "a test says why it fails")]

use mkv::{Codec, Event, Reader};
use std::path::Path;

/// The codec, the samples' octets, and when the first and the last block were, in milliseconds.
fn read(name: &str) -> (Codec, Vec<u8>, u64, u64) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/mkv");
    let octets = std::fs::read(corpus.join(name)).unwrap();
    let mut reader = Reader::new();
    let (mut codec, mut samples, mut times) = (None, Vec::new(), Vec::new());
    for piece in octets.chunks(100) {
        reader.push(piece);
        while let Some(event) = reader.poll().unwrap() {
            match event {
                Event::Tracks(tracks) => {
                    assert_eq!((tracks[0].sample_rate, tracks[0].channels), (8_000, 1));
                    codec = Some(tracks[0].codec.clone());
                }
                Event::Block { timecode_ns, payload, .. } => {
                    times.push(timecode_ns / 1_000_000);
                    samples.extend_from_slice(payload);
                }
                Event::Tags(_) | Event::Fragment { .. } => {}
            }
        }
    }
    assert_eq!(reader.finish(), Ok(()));
    (codec.unwrap(), samples, times[0], *times.last().unwrap())
}

#[test]
fn what_ffmpeg_wrote_into_a_file() {
    let (codec, samples, first, last) = read("ffmpeg-linear.mkv");
    assert_eq!((codec, samples.len(), first), (Codec::LinearLittle, 4_000, 0));
    assert!((100..250).contains(&last), "{last}");
}

#[test]
fn what_ffmpeg_wrote_into_a_pipe() {
    let (codec, big, ..) = read("ffmpeg-pipe-big.mkv");
    let (_, little, ..) = read("ffmpeg-linear.mkv");
    assert_eq!(codec, Codec::LinearBig);
    let swapped: Vec<u8> = big.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    assert_eq!(swapped, little);
}

#[test]
fn what_ffmpeg_wrote_for_live_listeners() {
    let (codec, samples, ..) = read("ffmpeg-mu-law-live.mkv");
    assert_eq!((codec, samples.len()), (Codec::MuLaw, 2_000));
}

#[test]
fn laced_blocks_of_mkvmerge() {
    let (codec, samples, ..) = read("mkvmerge-laced.mkv");
    assert_eq!(codec, Codec::LinearLittle);
    assert_eq!(samples, read("ffmpeg-linear.mkv").1);
}
