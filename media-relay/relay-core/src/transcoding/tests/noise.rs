//! Comfort noise (RFC 3389) from a leg and towards one.

use super::*;
use model::ComfortNoise;

fn noise() -> CodecMapping {
    format(NOISE, Codec::ComfortNoise, 8_000)
}

/// Leg B takes comfort noise under this number.
const FAR_NOISE: u8 = 99;

fn towards_noise(in_place_of_silence: bool) -> MediaPlan {
    let mut plan =
        plan(vec![pcmu(), noise()], vec![pcma(), format(FAR_NOISE, Codec::ComfortNoise, 8_000)]);
    if let Some(to_b) = &mut plan.transcoding[0] {
        to_b.comfort_noise = Some(ComfortNoise { payload_type: FAR_NOISE, in_place_of_silence });
    }
    plan
}

/// A loud tone in G.711 µ-law.
fn loud() -> [u8; 160] {
    std::array::from_fn(|at| {
        let turn = at as f64 * 400.0 / 8_000.0 * std::f64::consts::TAU;
        rtp_proto::codecs::g711::encode_mu_law((9_000.0 * turn.sin()) as i16)
    })
}

#[test]
fn what_a_sender_says_of_its_noise_passes_to_a_leg_that_takes_such() {
    let mut call = Call::new(&towards_noise(false));
    let mut heard = call.second(PCMU, 0);
    heard.extend(call.send(A, &packet(NOISE, 50, 8_000, &[40, 130, 120])));
    call.now += 500;
    assert_eq!(call.session.made_deadline(), None, "the leg makes its noise itself");
    heard.extend(call.send(A, &packet(PCMU, 51, 8_000 + 4_000, &QUIET)));
    let [.., before, told, after] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((told.payload_type, told.payload.as_slice()), (FAR_NOISE, &[40, 130, 120][..]));
    assert!(!told.marker && after.marker, "a talk spurt begins behind it");
    assert_eq!(told.timestamp, before.timestamp.wrapping_add(160));
    assert_eq!(after.timestamp, told.timestamp.wrapping_add(4_000));
    assert_eq!(after.sequence, told.sequence.wrapping_add(1));
    assert_eq!(call.session.transcodes(A), Some([Codec::Pcmu, Codec::Pcma]));
    // And it goes on in the other direction, which has none, as noise that is heard.
    let back = call.send(B, &packet(FAR_NOISE, 1, 0, &[40]));
    assert_eq!((back.len(), back[0].payload_type), (1, PCMU));
}

#[test]
fn silence_becomes_comfort_noise_for_a_leg_that_agreed_to_it() {
    let mut call = Call::new(&towards_noise(true));
    let mut heard = call.second(PCMU, 0);
    heard.extend(call.second(PCMU, 50));
    let (noise, audio): (Vec<&Got>, Vec<&Got>) =
        heard.iter().partition(|got| got.payload_type == FAR_NOISE);
    assert_eq!((audio.len(), noise.len()), (15, 5), "300 ms, then one in 400 ms");
    assert!(noise.iter().all(|got| got.payload.len() == 7 && !got.marker));
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "no number is missing");
    }
    // Speech again: the first packet of it, at its time, with a marker.
    let first = heard[0].timestamp;
    let again = call.send(A, &packet(PCMU, 100, 16_000, &loud()));
    assert_eq!((again.len(), again[0].payload_type, again[0].marker), (1, PCMA, true));
    assert_eq!(again[0].timestamp, first.wrapping_add(16_000));
    call.now += 20;
    assert!(!call.send(A, &packet(PCMU, 101, 16_160, &loud()))[0].marker);
    let [_, leg_b] = call.session.poll_report(at(3_000), ReportKind::Final);
    assert_eq!(leg_b.sent.rtp_packets, 22);
}

#[test]
fn a_sender_that_falls_silent_is_heard_as_noise() {
    let mut call = Call::new(&plan(vec![pcmu(), noise()], vec![pcma()]));
    let mut heard = call.second(PCMU, 0);
    // -40 dBov.
    heard.extend(call.send(A, &packet(NOISE, 50, 8_000, &[40])));
    for _ in 0..50 {
        call.now += 20;
        assert_eq!(call.session.made_deadline(), Some(at(call.now)));
        heard.extend(call.due(B).iter().map(|octets| got(octets)));
    }
    assert_eq!(heard.len(), 50 + 51);
    assert!(heard[51..].iter().any(|got| got.payload.iter().any(|octet| *octet != 0xd5)));
    assert!(heard.iter().all(|got| got.payload_type == PCMA));
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
    }
    // Speech ends it.
    call.now += 5;
    call.send(A, &packet(PCMU, 51, 16_400, &QUIET));
    assert_eq!(call.session.made_deadline(), None);
    // So does a minute without another word.
    call.send(A, &packet(NOISE, 52, 16_560, &[40]));
    for _ in 0..3_002 {
        call.now += 20;
        call.due(B);
    }
    assert_eq!(call.session.made_deadline(), None);
}

#[test]
fn a_leg_on_hold_gets_nothing_that_waited() {
    let mut legs = plan(vec![pcmu(), noise()], vec![pcma()]);
    let mut call = Call::new(&legs);
    call.second(PCMU, 0);
    call.send(A, &packet(NOISE, 50, 8_000, &[40]));
    legs.legs[B.index()].sends_to = false;
    call.apply(&legs);
    call.now += 100;
    assert_eq!(call.due(B), Vec::<Vec<u8>>::new());
    assert_eq!(call.session.made_deadline(), None);
}
