//! Large key frames in small slices, as devices of packetization-mode 0 send them.

use super::*;
use crate::access_units::{AccessUnits, PIECE};

const FULL_HD: (usize, usize) = (1_920, 1_080);

/// Noise, in which nothing is like anything before.
fn noise(seed: u32) -> Frame {
    let mut frame = Frame::new(FULL_HD, COLOURS[0]);
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let planes = frame.view().planes.map(|(plane, stride)| {
        let noisy = |sample: &u8| sample.saturating_add(random() / 8);
        (plane.iter().map(noisy).collect::<Vec<u8>>(), stride)
    });
    let planes = planes.each_ref().map(|(plane, stride)| (&plane[..], *stride));
    assert!(frame.copy(&FrameView { size: FULL_HD, planes }));
    frame
}

/// A camera of 1080p with a high rate, and a picture of noise.
fn camera() -> Camera {
    let settings = OutputSettings { bits_per_second: 40_000_000, ..SETTINGS };
    let encoder = Encoder::new(settings, 15).unwrap();
    Camera { encoder, frame: noise(1), ..Camera::new(1, FULL_HD, COLOURS[0]) }
}

#[test]
fn a_key_frame_of_several_hundred_slices_is_shown() {
    let mut composer = Composer::new(15);
    let mut camera = camera();
    composer.set_tiles(&[tile(1)]);
    let packets = camera.packets(true);
    let octets: usize = packets.iter().map(Vec::len).sum();
    println!("{} packets, {octets} octets", packets.len());
    assert!(packets.len() > 200 && octets > 230_000, "{} of {octets}", packets.len());
    let began = crate::clock::thread_time();
    packets.iter().for_each(|packet| composer.packet(1, packet));
    println!("decoded in {:?} of CPU time", crate::clock::thread_time() - began);
    let tally = composer.tally();
    assert_eq!((tally.decoded, tally.refused), (1, 0), "{tally:?}");
    assert_eq!(tally.units, packets.len() as u64);
    // What follows refers to it.
    camera.frame = noise(2);
    camera.send(&mut composer, false);
    assert_eq!((composer.tally().decoded, composer.tally().refused), (2, 0));
}

#[test]
fn pictures_in_pieces_are_those_of_one_call() {
    let mut camera = camera();
    let mut units = AccessUnits::new();
    let (mut whole, mut in_pieces) = (Decoder::new().unwrap(), Decoder::new().unwrap());
    let (mut one, mut other) = (Frame::default(), Frame::default());
    for number in 0..4 {
        camera.frame = noise(number + 1);
        let mut pictures = 0;
        for packet in camera.packets(number == 0) {
            let packet = RtpPacket::parse(&packet).unwrap();
            units.take(&packet, &mut |picture| {
                pictures += 1;
                assert_eq!(whole.decode(picture.octets, &mut one), Ok(true));
                let pieces: Vec<(&[u8], u32)> = picture.pieces().collect();
                let (last, before) = pieces.split_last().unwrap();
                assert!(before.len() > 2, "{}", picture.units);
                assert_eq!(pieces.iter().map(|(_, units)| units).sum::<u32>(), picture.units);
                assert_eq!(
                    pieces.iter().flat_map(|(octets, _)| *octets).copied().collect::<Vec<u8>>(),
                    picture.octets
                );
                for (octets, units) in before {
                    let starts = octets.windows(4).filter(|octets| *octets == [0, 0, 0, 1]).count();
                    assert_eq!((*units, starts), (PIECE, PIECE as usize));
                    assert_eq!(in_pieces.decode(octets, &mut other), Ok(false));
                }
                assert_eq!(in_pieces.decode(last.0, &mut other), Ok(true));
            });
        }
        assert_eq!(pictures, 1);
        assert!(one == other && one.size() == FULL_HD, "picture {number}");
    }
}
