//! Pages of Opus, read again and decoded.

use super::*;
use crate::ogg::read_page;
use codecs::opus::OpusReader;
use std::f64::consts::TAU;

/// Undoes what the encoder did, at its own rate: both channels, without what is skipped and cut off.
fn decoded(octets: &[u8], sample_rate: u32) -> [Vec<i16>; 2] {
    let mut from = octets;
    let head = read_page(&mut from).unwrap().unwrap();
    assert!(head.body().starts_with(b"OpusHead\x01\x02"));
    assert!(read_page(&mut from).unwrap().unwrap().body().starts_with(b"OpusTags"));
    let mut readers = [(); 2].map(|()| OpusReader::new(sample_rate).unwrap());
    let mut channels = [Vec::new(), Vec::new()];
    let mut end = 0;
    while let Some(page) = read_page(&mut from).unwrap() {
        let octets = page.octets();
        let segments = &octets[27..27 + usize::from(octets[26])];
        let (mut at, mut length) = (0, 0);
        for segment in segments {
            length += usize::from(*segment);
            if *segment < 255 {
                let packet = &page.body()[at..at + length];
                at += length;
                length = 0;
                // Of one frame each: the first one's length stands behind its first octet.
                let (own, octets) = match usize::from(packet[1]) {
                    first @ 0..252 => (first, 1),
                    first => (first + 4 * usize::from(packet[2]), 2),
                };
                let first = [&packet[..1], &packet[1 + octets..1 + octets + own]].concat();
                let second = &packet[1 + octets + own..];
                for ((reader, channel), packet) in
                    readers.iter_mut().zip(&mut channels).zip([&first, second])
                {
                    let mut samples = [0; 5_760];
                    let count = reader.decode(packet, &mut samples).unwrap();
                    channel.extend_from_slice(&samples[..count]);
                }
            }
        }
        end = page.granule();
        if page.ends() {
            assert_eq!(read_page(&mut from).unwrap(), None);
        }
    }
    let factor = u64::from(CLOCK / sample_rate);
    let skip = u64::from(pre_skip(sample_rate)) / factor;
    channels.map(|channel| channel[skip as usize..(end / factor) as usize].to_vec())
}

fn encoded(sample_rate: u32, pairs: &[i16], piece: usize) -> Vec<u8> {
    let mut ogg = OggOpus::new(sample_rate, 5).unwrap();
    let mut out = Vec::new();
    ogg.begin(&[("TITLE", "a call".to_owned())], &mut out);
    for piece in pairs.chunks(2 * piece) {
        ogg.encode(piece, &mut out);
    }
    ogg.finish(&mut out);
    out
}

/// Bursts of tones, so that a shift of a few samples shows.
fn tones(sample_rate: u32, seconds: u32) -> Vec<i16> {
    let sample = |n: u32, hertz: f64| {
        let loud = !(n / (sample_rate / 10)).is_multiple_of(3);
        let value = (TAU * hertz * f64::from(n) / f64::from(sample_rate)).sin() * 9_000.0;
        if loud { value as i16 } else { 0 }
    };
    (0..seconds * sample_rate).flat_map(|n| [sample(n, 440.0), sample(n + 800, 1_000.0)]).collect()
}

fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let dot = |a: &[i16], b: &[i16]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1.0)
}

#[test]
fn what_is_decoded_is_as_long_and_at_its_place() {
    for sample_rate in [8_000, 16_000] {
        let pairs = tones(sample_rate, 3);
        let out = decoded(&encoded(sample_rate, &pairs, 777), sample_rate);
        for (channel, decoded) in out.iter().enumerate() {
            let original: Vec<i16> = pairs.iter().skip(channel).step_by(2).copied().collect();
            assert_eq!(decoded.len(), original.len());
            // Where the two agree best.
            let most = 120;
            let best = (-(most as isize)..=most as isize)
                .max_by_key(|shift| {
                    let middle = &original[most..original.len() - most];
                    let start = most.checked_add_signed(*shift).unwrap();
                    (correlation(middle, &decoded[start..start + middle.len()]) * 1e9) as i64
                })
                .unwrap();
            println!("{sample_rate} {channel} shift {best}");
            assert!(best.abs() <= 8, "{sample_rate} Hz, channel {channel}: {best} samples late");
            assert!(correlation(&original, decoded) > 0.8);
        }
        assert!(correlation(&out[0], &out[1]).abs() < 0.1, "one party in the other's channel");
    }
}

#[test]
fn every_length_comes_back_exactly() {
    for pairs in [0, 1, 159, 160, 161, 7_999, 8_000, 8_001, 16_000 - 52, 16_000 - 53] {
        let octets = encoded(8_000, &vec![0; 2 * pairs], 160);
        assert_eq!(decoded(&octets, 8_000)[0].len(), pairs, "{pairs}");
    }
}

#[test]
fn a_page_is_flushed_when_it_is_asked_for() {
    let mut ogg = OggOpus::new(8_000, 5).unwrap();
    let mut out = Vec::new();
    ogg.begin(&[], &mut out);
    out.clear();
    ogg.encode(&[0; 2 * 8_000], &mut out);
    let page = read_page(&mut out.as_slice()).unwrap().unwrap();
    assert_eq!(page.granule(), u64::from(CLOCK));
    out.clear();
    ogg.encode(&[0; 2 * 320], &mut out);
    assert!(out.is_empty());
    ogg.flush(&mut out);
    assert_eq!(read_page(&mut out.as_slice()).unwrap().unwrap().granule(), 49_920);
}

#[test]
fn too_many_comments_are_left_out() {
    let long = "x".repeat(MOST_COMMENTS);
    let tags = tags(&[("A", long), ("B", "b".to_owned())]);
    assert!(tags.ends_with(b"\x01\0\0\0\x03\0\0\0B=b"));
}
