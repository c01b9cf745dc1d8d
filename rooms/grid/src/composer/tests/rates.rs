//! How much is sent.

use super::*;

/// Squares of all brightnesses: as hard to encode as anything.
fn noise(size: (usize, usize), seed: u32) -> Frame {
    let mut frame = Frame::new(size, [0, 128, 128]);
    let (plane, _) = frame.plane_mut(0);
    let mut state = seed;
    for sample in plane {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = (state >> 24) as u8;
    }
    frame
}

#[test]
fn units_fit_into_packets_whatever_is_shown() {
    for (size, bits_per_second) in
        [(GridSize::Usual, 400_000), (GridSize::High, 1_400_000), (GridSize::High, 8_000_000)]
    {
        let settings = OutputSettings { bits_per_second, ..SETTINGS };
        let mut encoder = Encoder::new(settings, 15).unwrap();
        let mut longest = 0;
        for turn in 0..6_u32 {
            let (frame, at) = (noise(size.samples(), turn), u64::from(turn) * 66);
            let made = encoder.encode(&frame.view(), at, turn == 4, &mut |made| {
                longest = longest.max(made.unit.len());
            });
            assert_eq!(made, Ok(()), "{size:?} {bits_per_second} {turn}");
        }
        assert!(longest > 500 && longest <= crate::MOST_UNIT, "{longest}");
    }
}

#[test]
fn the_rate_is_kept_whatever_is_shown() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    let rate = 200_000;
    let settings = OutputSettings { bits_per_second: rate, ..SETTINGS };
    meeting.composer.set_output(GridSize::Usual, Some(settings));
    meeting.composer.set_tiles(&[tile(1)]);
    let mut camera = Camera::new(1, (320, 180), COLOURS[0]);
    let fast = OutputSettings { bits_per_second: 8_000_000, ..SETTINGS };
    camera.encoder = Encoder::new(fast, 15).unwrap();
    for turn in 0..75 {
        camera.frame = noise((320, 180), turn);
        camera.send(&mut meeting.composer, turn == 0);
        meeting.turn(&mut [&mut viewer]);
    }
    // Of five seconds, with the one that may be sent before.
    let is = viewer.octets * 8 / 5;
    assert!(is > 50_000 && is < rate as usize * 15 / 10, "{is} bit/s of {rate}");
    assert!(viewer.pictures > 1 && viewer.pictures < 70, "{}", viewer.pictures);
}

#[test]
fn the_rate_and_the_level_may_change_while_it_is_made() {
    let mut encoder = Encoder::new(SETTINGS, 15).unwrap();
    let mut rates = Vec::new();
    for rate in [400_000, 150_000, 800_000] {
        encoder.set_rate(rate, 15);
        let mut octets = 0;
        for turn in 0..75_u32 {
            // A picture that moves.
            let mut frame = noise((320, 180), 7);
            let (plane, stride) = frame.plane_mut(0);
            plane.rotate_left(turn as usize * 2 * stride / 3);
            // The rate settles first.
            let counts = turn >= 30;
            let at = (rates.len() as u64 * 75 + u64::from(turn)) * 66;
            let made = encoder.encode(&frame.view(), at, false, &mut |made| {
                octets += if counts { made.unit.len() } else { 0 };
            });
            assert_eq!(made, Ok(()));
            encoder.set_rate(rate, 15);
        }
        rates.push(octets * 8 / 3);
    }
    println!("{rates:?}");
    assert!(rates[1] < rates[0] && rates[1] < rates[2] / 2, "{rates:?}");
    assert!(rates[2] > rates[0], "{rates:?}");

    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    let mut camera = Camera::new(1, (320, 180), COLOURS[0]);
    meeting.composer.set_tiles(&[tile(1)]);
    camera.send(&mut meeting.composer, true);
    for idc in [31, 22, 30] {
        let level = Level::from_idc(idc, false).unwrap();
        let settings = OutputSettings { bits_per_second: 3_000_000, level, viewers: 1 };
        meeting.composer.set_output(GridSize::Usual, Some(settings));
        meeting.turn(&mut [&mut viewer]);
        assert!(viewer.level <= idc && viewer.level >= 21, "{} of {idc}", viewer.level);
    }
    meeting.composer.set_output(GridSize::Usual, None);
    let before = viewer.pictures;
    camera.send(&mut meeting.composer, false);
    meeting.turn(&mut [&mut viewer]);
    assert_eq!(viewer.pictures, before);
}

#[test]
fn what_is_owed_holds_nothing_back_for_ever_and_nobody_who_has_left() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    let mut red = Camera::new(1, (320, 180), COLOURS[0]);
    let mut blue = Camera::new(2, (320, 180), COLOURS[2]);
    meeting.composer.set_output(GridSize::Usual, Some(SETTINGS));
    meeting.composer.set_tiles(&[tile(1), tile(2)]);
    red.send(&mut meeting.composer, true);
    blue.send(&mut meeting.composer, true);
    meeting.turn(&mut [&mut viewer]);
    assert_eq!(viewer.pictures, 1);
    let owes = |meeting: &mut Meeting, bits| {
        let now = meeting.now();
        meeting.composer.outputs[GridSize::Usual as usize].as_mut().unwrap().debt = (bits, now);
    };
    // It is drawn while nothing may be sent, and sent once something may.
    owes(&mut meeting, 10_000_000);
    blue.frame = Frame::new((320, 180), COLOURS[3]);
    blue.send(&mut meeting.composer, false);
    (0..3).for_each(|_| drop(meeting.turn(&mut [&mut viewer])));
    assert_eq!(viewer.pictures, 1);
    owes(&mut meeting, 0);
    meeting.turn(&mut [&mut viewer]);
    assert_eq!(viewer.pictures, 2);
    assert!(viewer.sees((480, 180), COLOURS[3]));
    meeting.turn(&mut [&mut viewer]);
    assert_eq!(viewer.pictures, 2, "nothing is new");
    // Who has left is gone with the next.
    owes(&mut meeting, 10_000_000);
    meeting.composer.set_tiles(&[tile(1)]);
    meeting.turn(&mut [&mut viewer]);
    assert_eq!(viewer.pictures, 3);
    assert!(viewer.sees((480, 180), COLOURS[0]), "{:?}", viewer.at(480, 180));
    red.frame = Frame::new((320, 180), COLOURS[1]);
    red.send(&mut meeting.composer, false);
    meeting.turn(&mut [&mut viewer]);
    assert_eq!(viewer.pictures, 3, "what is owed is owed");
}
