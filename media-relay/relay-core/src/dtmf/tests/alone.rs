//! Tones of a leg whose other leg is nobody, as a caller of a meeting room has it.

use super::*;
use crate::{Listened, SeatRings, seat_rings};

fn seated() -> (Stage, SeatRings) {
    let nobody = LegPlan {
        remote_rtp: None,
        codecs: Vec::new(),
        accepts_from: false,
        sends_to: false,
        ..leg(B, false)
    };
    let mut plan = MediaPlan::rtp([leg(A, false), nobody]);
    plan.dtmf[0] = DtmfConversion::TonesToSignalling;
    let mut stage = Stage::new(&plan);
    let (ends, rings) = seat_rings(1024 * 1024);
    stage.session.sit(LegSide::A, ends, at(0), &mut draw());
    (stage, rings)
}

/// The audio that the conference gets, and how many packets of it.
fn in_conference(rings: &mut SeatRings) -> (Vec<i16>, usize) {
    let (mut octets, mut samples, mut packets) = (Vec::new(), Vec::new(), 0);
    while let Some(listened) = rings.hears.read(&mut octets) {
        if matches!(listened, Listened::Packet { .. }) {
            let packet = RtpPacket::parse(&octets).unwrap();
            samples.extend(packet.payload().iter().map(|octet| decode_mu_law(*octet)));
            packets += 1;
        }
    }
    assert_eq!(rings.hears.lost(), 0);
    (samples, packets)
}

#[test]
fn keys_are_told_and_the_conference_does_not_hear_them() {
    for begin in [0, 40, 80, 120, 159] {
        let (mut stage, mut rings) = seated();
        stage.quiet(5);
        for symbol in ALL.chars() {
            stage.tones(symbol, 80, begin);
            stage.quiet(4);
        }
        assert_eq!(stage.told(), ALL, "{begin} samples into a packet");
        assert!(stage.durations().iter().all(|ms| (60..=110).contains(ms)));
        let (samples, _) = in_conference(&mut rings);
        let mut found = 0;
        ToneDetector::default().take(&samples, |_| found += 1);
        assert_eq!(found, 0);
    }
}

#[test]
fn what_is_no_key_reaches_the_conference_whole() {
    let (mut stage, mut rings) = seated();
    stage.quiet(500);
    assert_eq!(in_conference(&mut rings).1, 500);
    // Somebody who talks: harmonics of a pitch that glides, in syllables.
    let (mut phase, packets) = (0.0_f64, 1_500);
    for packet in 0..packets {
        let samples: [i16; 160] = std::array::from_fn(|n| {
            let time = f64::from(packet * 160 + n as i32) / 8_000.0;
            phase += (130.0 + 40.0 * (time * 1.7).sin()) / 8_000.0;
            let turn = phase.fract() * std::f64::consts::TAU;
            let sound: f64 = (1..16).map(|k| (turn * f64::from(k)).sin() / f64::from(k)).sum();
            let syllable = (time * 2.5 * std::f64::consts::TAU).sin().max(0.0);
            (sound * syllable * 5_000.0) as i16
        });
        stage.audio(&samples);
    }
    assert_eq!(stage.told(), "");
    let (_, heard) = in_conference(&mut rings);
    let missing = packets as usize - heard;
    assert!(missing * 100 <= packets as usize, "{missing} of {packets} packets taken for tones");
}

#[test]
fn who_is_muted_presses_keys_all_the_same() {
    let (mut stage, mut rings) = seated();
    stage.session.mute_seat(true);
    stage.quiet(5);
    stage.tones('6', 100, 0);
    stage.quiet(5);
    assert_eq!(stage.told(), "6");
    assert_eq!(in_conference(&mut rings).1, 0);
}
