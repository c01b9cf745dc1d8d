//! Files that people play: one track of one channel, from 0 on, written as it comes.
//!
//! Segment and clusters have unknown sizes, so that a file whose writer died can be played up to its last
//! whole block ([`scan_file`] finds that). Where its duration belongs is a gap of the same size, for
//! [`duration_element`] to be put there when it is known.

use crate::ebml::{UNKNOWN_SIZE, id, put, put_id, put_master, put_size, put_unsigned};
use std::io::{self, ErrorKind, Read};

/// Milliseconds of a cluster: far below what a block's timestamp can say (RFC 9559, section 10.1).
const CLUSTER_MS: u64 = 5_000;
/// Milliseconds between 1970 and 2001, when Matroska's dates begin (RFC 9559, section 5.1.2.11).
const EPOCH_MS: i64 = 978_307_200_000;
/// Track number, relative timestamp and flags.
const BLOCK_HEAD: u64 = 4;
/// Octets of [`duration_element`].
const DURATION_OCTETS: usize = 11;
const APP: &[u8] = concat!("tandem ", env!("CARGO_PKG_VERSION")).as_bytes();

/// What a file's blocks hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileAudio {
    /// Signed samples of 16 bits, the low octet first.
    Linear,
    /// A packet of Opus each.
    Opus {
        /// Samples at 48,000 a second by which what is decoded is later than what was encoded.
        pre_skip: u16,
    },
}

/// What a file says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileFacts<'a> {
    /// What its blocks hold.
    pub audio: FileAudio,
    /// Samples a second.
    pub sample_rate: u32,
    /// What players show.
    pub title: &'a str,
    /// When it began: milliseconds since 1970-01-01T00:00:00Z.
    pub began_ms: u64,
    /// Drawn at random, once for each file (RFC 9559, section 5.1.2.1).
    pub segment_uid: [u8; 16],
}

/// Writes a file's octets.
#[derive(Debug)]
pub struct FileWriter {
    /// Where the cluster that is written begins.
    cluster_ms: Option<u64>,
    duration_at: u64,
}

impl FileWriter {
    /// Writes what stands before the first block.
    pub fn begin(facts: &FileFacts<'_>, out: &mut Vec<u8>) -> Self {
        let from = out.len();
        put_master(out, id::EBML, |out| {
            put_unsigned(out, id::EBML_VERSION, 1);
            put_unsigned(out, id::EBML_READ_VERSION, 1);
            put_unsigned(out, id::EBML_MAX_ID_LENGTH, 4);
            put_unsigned(out, id::EBML_MAX_SIZE_LENGTH, 8);
            put(out, id::DOC_TYPE, b"matroska");
            put_unsigned(out, id::DOC_TYPE_VERSION, 4);
            put_unsigned(out, id::DOC_TYPE_READ_VERSION, 2);
        });
        put_id(out, id::SEGMENT);
        out.extend_from_slice(&UNKNOWN_SIZE);
        put_master(out, id::INFO, |out| {
            put(out, id::SEGMENT_UID, &facts.segment_uid);
            put_unsigned(out, id::TIMESTAMP_SCALE, 1_000_000);
            let since = i64::try_from(facts.began_ms).unwrap_or(i64::MAX) - EPOCH_MS;
            put(out, id::DATE_UTC, &since.saturating_mul(1_000_000).to_be_bytes());
            put(out, id::TITLE, facts.title.as_bytes());
            put(out, id::MUXING_APP, APP);
            put(out, id::WRITING_APP, APP);
            // The last element: its place is known by what follows.
            put(out, id::VOID, &[0; DURATION_OCTETS - 2]);
        });
        let duration_at = (out.len() - from - DURATION_OCTETS) as u64;
        put_master(out, id::TRACKS, |out| {
            put_master(out, id::TRACK_ENTRY, |out| put_track(out, facts));
        });
        FileWriter { cluster_ms: None, duration_at }
    }

    /// Writes a block that begins at `at_ms`, which is not before the last one's.
    pub fn block(&mut self, at_ms: u64, payload: &[u8], out: &mut Vec<u8>) {
        let begun = self.cluster_ms.filter(|begun| at_ms.saturating_sub(*begun) < CLUSTER_MS);
        let begun = begun.unwrap_or_else(|| {
            put_id(out, id::CLUSTER);
            out.extend_from_slice(&UNKNOWN_SIZE);
            put_unsigned(out, id::TIMESTAMP, at_ms);
            self.cluster_ms = Some(at_ms);
            at_ms
        });
        let relative = i16::try_from(at_ms.saturating_sub(begun)).unwrap_or(i16::MAX);
        put_id(out, id::SIMPLE_BLOCK);
        put_size(out, BLOCK_HEAD + payload.len() as u64);
        // Track 1 as a variable-size integer; a key frame, no lacing.
        out.push(0x81);
        out.extend_from_slice(&relative.to_be_bytes());
        out.push(0x80);
        out.extend_from_slice(payload);
    }

    /// Where [`duration_element`] belongs, from the file's beginning on.
    pub const fn duration_at(&self) -> u64 {
        self.duration_at
    }
}

/// The element that says how many milliseconds a file lasts.
pub fn duration_element(ms: u64) -> [u8; DURATION_OCTETS] {
    let mut element = [0; DURATION_OCTETS];
    let octets = [&[0x44, 0x89, 0x88][..], &(ms as f64).to_be_bytes()].concat();
    for (to, from) in element.iter_mut().zip(octets) {
        *to = from;
    }
    element
}

fn put_track(out: &mut Vec<u8>, facts: &FileFacts<'_>) {
    put_unsigned(out, id::TRACK_NUMBER, 1);
    put_unsigned(out, id::TRACK_UID, 1);
    put_unsigned(out, id::TRACK_TYPE, 2);
    put_unsigned(out, id::FLAG_LACING, 0);
    match facts.audio {
        FileAudio::Linear => put(out, id::CODEC_ID, b"A_PCM/INT/LIT"),
        FileAudio::Opus { pre_skip } => {
            put(out, id::CODEC_ID, b"A_OPUS");
            // RFC 7845 section 5.1: version 1, one channel, no gain, mapping family 0.
            let mut head = b"OpusHead\x01\x01".to_vec();
            head.extend_from_slice(&pre_skip.to_le_bytes());
            head.extend_from_slice(&facts.sample_rate.to_le_bytes());
            head.extend_from_slice(&[0, 0, 0]);
            put(out, id::CODEC_PRIVATE, &head);
            // Nanoseconds: of 48,000 samples a second; 80 ms as RFC 7845 section 4.6 asks.
            put_unsigned(out, id::CODEC_DELAY, u64::from(pre_skip) * 1_000_000_000 / 48_000);
            put_unsigned(out, id::SEEK_PRE_ROLL, 80_000_000);
        }
    }
    put_master(out, id::AUDIO, |out| {
        put(out, id::SAMPLING_FREQUENCY, &f64::from(facts.sample_rate).to_be_bytes());
        put_unsigned(out, id::CHANNELS, 1);
        if facts.audio == FileAudio::Linear {
            put_unsigned(out, id::BIT_DEPTH, 16);
        }
    });
}

/// How much of a file is whole.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FileScan {
    /// Octets up to the end of the last whole element.
    pub whole: u64,
    /// Blocks among them.
    pub blocks: u64,
    /// Octets that those hold.
    pub payload: u64,
    /// Where [`duration_element`] belongs, if there is still a gap.
    pub duration_at: Option<u64>,
}

/// Reads a file that [`FileWriter`] has written, up to where it is torn.
///
/// # Errors
/// What reading says; a file that ends early is none.
pub fn scan_file(from: &mut dyn Read) -> io::Result<FileScan> {
    let mut scan = FileScan::default();
    while let Some((element, size, head)) = element_head(from)? {
        let at = scan.whole + head;
        match (element, size) {
            // Their children follow.
            (id::SEGMENT | id::CLUSTER, None) | (id::INFO, Some(_)) => scan.whole = at,
            (_, None) => return Ok(scan),
            (_, Some(size)) => {
                if io::copy(&mut (&mut *from).take(size), &mut io::sink())? < size {
                    return Ok(scan);
                }
                if element == id::VOID {
                    scan.duration_at = Some(scan.whole);
                }
                if element == id::SIMPLE_BLOCK {
                    scan.blocks += 1;
                    scan.payload += size.saturating_sub(BLOCK_HEAD);
                }
                scan.whole = at.saturating_add(size);
            }
        }
    }
    Ok(scan)
}

/// An element's id, its size if that is known, and the octets of both; `None` at the end.
fn element_head(from: &mut dyn Read) -> io::Result<Option<(u32, Option<u64>, u64)>> {
    let Some((element, id_octets)) = variable(from, 4)? else { return Ok(None) };
    let Some((size, octets)) = variable(from, 8)? else { return Ok(None) };
    let marker = 1_u64 << (7 * octets);
    let value = size & (marker - 1);
    let size = (value != marker - 1).then_some(value);
    Ok(Some((u32::try_from(element).unwrap_or(0), size, id_octets + octets)))
}

/// A number with its length marker, and its octets; `None` where it is torn or longer than `most`.
fn variable(from: &mut dyn Read, most: u64) -> io::Result<Option<(u64, u64)>> {
    let mut first = [0];
    if !read_whole(from, &mut first)? {
        return Ok(None);
    }
    let octets = u64::from(first[0].leading_zeros()) + 1;
    if octets > most {
        return Ok(None);
    }
    let mut value = u64::from(first[0]);
    for _ in 1..octets {
        let mut next = [0];
        if !read_whole(from, &mut next)? {
            return Ok(None);
        }
        value = value << 8 | u64::from(next[0]);
    }
    Ok(Some((value, octets)))
}

fn read_whole(from: &mut dyn Read, to: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Event, Reader};

    fn file(audio: FileAudio, blocks: u64) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let facts = FileFacts {
            audio,
            sample_rate: 48_000,
            title: "Weekly meeting",
            began_ms: 1_795_355_520_123,
            segment_uid: [7; 16],
        };
        let mut writer = FileWriter::begin(&facts, &mut out);
        for n in 0..blocks {
            writer.block(n * 20, &[n as u8; 40], &mut out);
        }
        (out, writer.duration_at())
    }

    #[test]
    fn blocks_are_read_again_at_their_times() {
        let (octets, _) = file(FileAudio::Opus { pre_skip: 312 }, 600);
        let mut reader = Reader::default();
        let (mut times, mut codec) = (Vec::new(), None);
        for piece in octets.chunks(1_000) {
            reader.push(piece);
            while let Some(event) = reader.poll().unwrap() {
                match event {
                    Event::Tracks([track]) => codec = Some(track.codec.clone()),
                    Event::Block { timecode_ns, payload, .. } => {
                        assert_eq!(payload.len(), 40);
                        times.push(timecode_ns / 1_000_000);
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(times, (0..600).map(|n| n * 20).collect::<Vec<_>>());
        assert!(matches!(codec, Some(Codec::Other(name)) if &*name == "A_OPUS"));
    }

    #[test]
    fn a_torn_file_is_whole_up_to_its_last_block() {
        let (octets, duration_at) = file(FileAudio::Linear, 300);
        let whole = scan_file(&mut &octets[..]).unwrap();
        assert_eq!((whole.whole, whole.blocks), (octets.len() as u64, 300));
        assert_eq!((whole.payload, whole.duration_at), (300 * 40, Some(duration_at)));
        let mut last = FileScan::default();
        for end in 0..octets.len() {
            let scan = scan_file(&mut &octets[..end]).unwrap();
            assert!(
                scan.whole <= end as u64 && scan.whole >= last.whole && scan.blocks >= last.blocks
            );
            last = scan;
        }
        assert_eq!(last.blocks, 299);
    }

    #[test]
    fn the_duration_takes_the_gap_s_place() {
        let (mut octets, at) = file(FileAudio::Linear, 3);
        let at = at as usize;
        let before = scan_file(&mut &octets[..]).unwrap();
        assert_eq!(octets[at], 0xEC);
        octets[at..at + DURATION_OCTETS].copy_from_slice(&duration_element(60));
        let after = scan_file(&mut &octets[..]).unwrap();
        assert_eq!(after, FileScan { duration_at: None, ..before });
    }

    #[test]
    fn what_is_no_file_of_ours_is_no_panic() {
        for octets in [&b""[..], b"RIFF", &[0; 40], &[0xff; 40], &[0x1a, 0x45, 0xdf, 0xa3, 0x01]] {
            assert_eq!(scan_file(&mut &*octets).unwrap().blocks, 0);
        }
    }
}
