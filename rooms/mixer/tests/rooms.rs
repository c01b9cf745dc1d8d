//! Who hears whom: tones of all participants, sent through any mix of formats.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod hall;

use codecs::AudioFormat;
use hall::{FORMATS, Hall, amplitude, format, last, nothing, tone};
use mixer::{Format, RoomConfig};

/// Frequencies that are no multiples of each other, within G.711's band.
const TONES: [f32; 8] = [430.0, 670.0, 910.0, 1_130.0, 1_470.0, 1_790.0, 2_210.0, 2_630.0];

/// The strength of each tone in what each phone heard last.
fn heard(hall: &Hall, tones: &[f32]) -> Vec<Vec<f32>> {
    hall.phones
        .iter()
        .map(|phone| {
            let second = last(&phone.heard, phone.rate());
            tones.iter().map(|tone| amplitude(second, phone.rate(), *tone)).collect()
        })
        .collect()
}

#[test]
fn each_hears_exactly_the_others_through_any_mix_of_formats() {
    let config = RoomConfig { voices: 8, ..RoomConfig::default() };
    let mut hall = Hall::new(config);
    for (at, frequency) in TONES.iter().enumerate() {
        let mut format = format(at);
        // Other durations of packets for some.
        format.packet_ms = [20, 20, 40, 20, 60, 60, 10, 20][at];
        hall.join(format, tone(*frequency, 3_000.0));
    }
    hall.run(4_000);
    for (who, strengths) in heard(&hall, &TONES).iter().enumerate() {
        let format = hall.phones[who].format.format;
        println!("{who} ({format:?}): {strengths:.0?}");
        // Opus is made for voices: seven tones at once leave noise between them.
        let (least, own) = if format == AudioFormat::Opus { (80.0, 120.0) } else { (500.0, 40.0) };
        for (of, strength) in strengths.iter().enumerate() {
            if who == of {
                assert!(*strength < own, "{who} ({format:?}) hears itself: {strength}");
            } else {
                assert!(*strength > least, "{who} ({format:?}) hears {of} at {strength}");
            }
        }
    }
}

#[test]
fn each_of_three_with_opus_hears_the_other_two() {
    let mut hall = Hall::new(RoomConfig::default());
    for frequency in &TONES[1..4] {
        hall.join(format(4), tone(*frequency, 3_000.0));
    }
    hall.run(3_000);
    for (who, strengths) in heard(&hall, &TONES[1..4]).iter().enumerate() {
        for (of, strength) in strengths.iter().enumerate() {
            let is_right = if who == of { *strength < 60.0 } else { *strength > 500.0 };
            assert!(is_right, "{who} hears {strengths:?}");
        }
    }
}

#[test]
fn fifty_hear_the_loudest_and_share_encoders() {
    let mut hall = Hall::new(RoomConfig::default());
    for at in 0..50 {
        // Four talk, at different loudness.
        let says = match TONES.get(at).filter(|_| at < 4) {
            Some(frequency) => tone(*frequency, 2_000.0 + 500.0 * at as f32),
            None => nothing(),
        };
        hall.join(format(at), says);
    }
    hall.run(3_000);
    for (who, strengths) in heard(&hall, &TONES[..4]).iter().enumerate() {
        for (of, strength) in strengths.iter().enumerate() {
            let is_heard = *strength > 500.0;
            assert_eq!(is_heard, who != of, "{who} hears {of} at {strength}");
        }
    }
    let (shared, own) = hall.room.encoders();
    assert_eq!(shared, FORMATS.len(), "one for each format");
    assert!((4..=50).contains(&own), "{own}");
    // Listeners of one format are sent the same.
    assert_eq!(hall.phones[20].heard, hall.phones[30].heard);
    let opus = hall.phones.iter().skip(4).filter(|p| p.format.format == AudioFormat::Opus);
    for phone in opus {
        let bits = phone.octets * 8 / 3;
        assert!(bits <= 32_000, "{bits} bit/s");
    }
}

#[test]
fn of_too_many_voices_the_loudest_are_heard() {
    let mut hall = Hall::new(RoomConfig { voices: 3, ..RoomConfig::default() });
    for (at, frequency) in TONES.iter().take(6).enumerate() {
        hall.join(format(0), tone(*frequency, if at % 2 == 0 { 4_000.0 } else { 1_000.0 }));
    }
    let listener = hall.join(format(0), nothing());
    hall.run(3_000);
    let strengths = &heard(&hall, &TONES[..6])[listener];
    for (of, strength) in strengths.iter().enumerate() {
        assert_eq!(*strength > 300.0, of % 2 == 0, "{of} at {strength}: {strengths:?}");
    }
}

#[test]
fn who_talks_and_falls_silent_changes_encoders_without_a_break() {
    for at in 0..FORMATS.len() {
        let mut hall = Hall::new(RoomConfig::default());
        hall.join(format(0), tone(TONES[1], 3_000.0));
        let burst: hall::Says = {
            let mut tone = tone(TONES[4], 3_000.0);
            Box::new(move |at| if (2.0..2.5).contains(&at) { tone(at) } else { 0.0 })
        };
        let mut watched = format(at);
        watched.packet_ms = 20;
        let talker = hall.join(watched, burst);
        // Another listener of the same format keeps the shared encoder going.
        let listener = hall.join(format(at), nothing());
        hall.run(7_000);
        let phone = &hall.phones[talker];
        let rate = phone.rate();
        let strength = |heard: &[i16], ms: usize| {
            let from = ms * rate / 1_000;
            amplitude(&heard[from..from + rate / 10], rate, TONES[1])
        };
        // The tone goes on at its loudness over both changes, as it does for who never talked.
        for ms in (1_500..6_600).step_by(50) {
            let heard = strength(&phone.heard, ms);
            let others = strength(&hall.phones[listener].heard, ms);
            let ratio = heard / others;
            // While it talks, others hear both, limited by nothing.
            assert!((0.8..1.25).contains(&ratio), "format {at} at {ms} ms: {heard} of {others}");
        }
    }
}

#[test]
fn a_participant_who_leaves_is_gone_and_may_come_back() {
    let mut hall = Hall::new(RoomConfig::default());
    hall.join(format(0), tone(TONES[0], 3_000.0));
    hall.join(format(4), tone(TONES[1], 3_000.0));
    hall.run(1_000);
    assert!(hall.room.leave(hall.phones[0].id));
    assert!(!hall.room.leave(hall.phones[0].id));
    hall.run(2_000);
    let id = hall.phones[0].id;
    let strengths = heard(&hall, &TONES[..1]);
    assert!(strengths[1][0] < 20.0, "{strengths:?}");
    assert_eq!(hall.room.participants().count(), 1);
    hall.room.join(id, &Format::symmetric(0, AudioFormat::Pcmu)).unwrap();
    hall.run(2_000);
    assert!(heard(&hall, &TONES[..1])[1][0] > 500.0);
}
