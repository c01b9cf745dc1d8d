//! Three legs of a real relay in one conference, over sockets: each hears the others and not itself.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

mod rig;
mod tapes;

use model::{
    AudioSource, Codec, ConferenceRecording, ConferenceRecordingFailure, ConferenceRecordingId,
    ConferenceRecordingOrder, MediaCommand, MediaEvent, MediaId, RecordedPerson, TransactionId,
};
use rig::{Phone, Rig, talk, talk_until_told};

#[test]
fn each_hears_the_others_and_not_itself() {
    let rig = Rig::new(21_100..=21_119);
    let kinds = [(Codec::Pcmu, 8_000), (Codec::Opus, 48_000), (Codec::G722, 8_000)];
    let tones = [440.0, 1_000.0, 1_700.0];
    let mut phones: Vec<_> = kinds
        .into_iter()
        .zip(tones)
        .zip(1..)
        .map(|((kind, hertz), id)| Phone::new(&rig, id, kind, hertz))
        .collect();
    (1..=3).for_each(|id| rig.sit(id, false));
    assert_eq!(rig.until(|s| s.participants == 3).conferences, 1);
    // Until voices are found and brought to one loudness.
    talk(&mut phones, 100);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    talk(&mut phones, 100);
    for phone in &phones {
        assert!(phone.heard.len() as u32 >= phone.format.sample_rate(), "a second of sound");
        for hertz in tones {
            let level = phone.level(hertz);
            let is_own = hertz == phone.hertz;
            let fits = if is_own { level < 0.003 } else { level > 0.012 };
            assert!(fits, "phone {} hears {hertz} Hz at {level}", phone.id);
        }
    }
    // Signalling knows that all three speak, how loud, and whom to look at.
    let told = rig.heard();
    for id in 1..=3 {
        let told = &told[&id];
        assert!(told.iter().any(|heard| heard.is_speaking && (5..40).contains(&heard.level)));
    }
    assert!(told.values().flatten().any(|heard| heard.is_active_speaker));
    // One is muted while it speaks, and another one leaves.
    talk_until_told(&mut phones, &rig, 2, true);
    // Without waiting for its answer, which would pass over what is told meanwhile.
    rig.seat(2, true);
    talk_until_told(&mut phones, &rig, 2, false);
    rig.relay.command(MediaCommand::StandUp { id: MediaId(3) }).unwrap();
    rig.until(|s| s.participants == 2);
    talk(&mut phones, 50);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    rig.heard();
    talk(&mut phones, 50);
    let muted = rig.heard().remove(&2).unwrap_or_default();
    assert!(muted.iter().all(|heard| !heard.is_speaking), "{muted:?}");
    let [first, second, _] = &phones[..] else { panic!("three") };
    assert!(first.level(1_000.0) < 0.003 && first.level(1_700.0) < 0.003, "nobody is heard");
    assert!(second.level(440.0) > 0.012, "who is muted hears");
    let statistics = rig.until(|s| s.made > 0);
    assert_eq!((statistics.refused, statistics.lost_packets), (0, 0), "{statistics:?}");
    rig.relay.shutdown();
    rig.mixing.stop();
}

/// A WAV file of 16 bits at 8,000 Hz with one tone.
fn wave(hertz: f64, millis: u32) -> Vec<u8> {
    let count = millis * 8;
    let step = std::f64::consts::TAU * hertz / 8_000.0;
    let samples = (0..count).flat_map(|n| {
        let sample = (f64::from(n) * step).sin() * 3_000.0;
        (sample as i16).to_le_bytes()
    });
    let mut file = b"RIFF".to_vec();
    file.extend((36 + 2 * count).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    file.extend([8_000_u32, 16_000].map(u32::to_le_bytes).concat());
    file.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    file.extend(b"data");
    file.extend((2 * count).to_le_bytes());
    file.extend(samples);
    file
}

#[test]
fn all_hear_what_is_announced_and_each_other_meanwhile() {
    let rig = Rig::new(21_120..=21_139);
    let kinds = [(Codec::Pcmu, 8_000), (Codec::G722, 8_000)];
    let mut phones: Vec<_> = kinds
        .into_iter()
        .zip([440.0, 1_000.0])
        .zip(1..)
        .map(|((kind, hertz), id)| Phone::new(&rig, id, kind, hertz))
        .collect();
    (1..=2).for_each(|id| rig.sit(id, false));
    rig.until(|s| s.participants == 2);
    talk(&mut phones, 100);
    let announce = |octets: Vec<u8>| {
        let (source, except) = (AudioSource::Octets(octets.into()), None);
        rig.relay.command(MediaCommand::Announce { id: MediaId(1), source, except }).unwrap();
    };
    announce(wave(2_300.0, 3_000));
    // What is no sound is counted, and so is what comes behind too many.
    announce(b"RIFF, or something like it".to_vec());
    rig.until(|s| s.left_out == 1);
    talk(&mut phones, 20);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    talk(&mut phones, 100);
    for (phone, other) in phones.iter().zip([1_000.0, 440.0]) {
        let (announced, other, own) =
            (phone.level(2_300.0), phone.level(other), phone.level(phone.hertz));
        assert!(announced > 0.03, "phone {} hears {announced} of it", phone.id);
        assert!(other > 0.004 && other < announced, "turned down, and heard: {other}");
        assert!(own < 0.003, "{own}");
    }
    talk(&mut phones, 100);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    talk(&mut phones, 50);
    assert!(phones.iter().all(|phone| phone.level(2_300.0) < 0.003), "it ends");
    for _ in 0..30 {
        announce(wave(2_300.0, 1_000));
    }
    rig.until(|s| s.left_out > 1);
    rig.relay.shutdown();
    rig.mixing.stop();
}

/// How loud a tone is in samples of 48,000 a second, of full scale.
fn level_of(samples: &[i16], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let tenths = samples.chunks_exact(4_800);
    let count = tenths.len().max(1) as f64;
    let levels = tenths.map(|tenth| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in tenth.iter().enumerate() {
            real += f64::from(*sample) * (n as f64 * step).cos();
            imaginary += f64::from(*sample) * (n as f64 * step).sin();
        }
        real.hypot(imaginary) * 2.0 / tenth.len() as f64 / 32_768.0
    });
    levels.sum::<f64>() / count
}

fn recording(meeting: &str, name: &str, call: u64) -> ConferenceRecordingOrder {
    recording_of(1, meeting, name, call)
}

/// A meeting's recording with this number.
fn recording_of(number: u64, meeting: &str, name: &str, call: u64) -> ConferenceRecordingOrder {
    let call = TransactionId::from_random(call.into());
    let person = RecordedPerson { call, name: name.into(), is_moderator: false };
    let (meeting, name) = (meeting.into(), "Weekly".into());
    let id = ConferenceRecordingId(number);
    let people = vec![person];
    let recording = ConferenceRecording { id, meeting, name, people };
    ConferenceRecordingOrder::Record(Box::new(recording))
}

fn record(rig: &Rig, id: u64, recording: ConferenceRecordingOrder) {
    rig.relay.command(MediaCommand::RecordConference { id: MediaId(id), recording }).unwrap();
}

fn records(rig: &Rig, id: u64) {
    rig.event(|event| matches!(event, MediaEvent::ConferenceRecords { id: of } if of.0 == id));
}

fn why_not(rig: &Rig, id: u64) -> ConferenceRecordingFailure {
    let failed = rig.event(
        |event| matches!(event, MediaEvent::ConferenceRecordingFailed { id: of, .. } if of.0 == id),
    );
    let MediaEvent::ConferenceRecordingFailed { failure, .. } = failed else { unreachable!() };
    failure
}

#[test]
fn a_recording_has_all_in_the_mix_and_each_alone() {
    let rig = Rig::new(21_140..=21_159);
    let tones = [440.0, 1_000.0];
    let mut phones: Vec<_> = (1..=2)
        .map(|id| Phone::new(&rig, id, (Codec::G722, 8_000), tones[id as usize - 1]))
        .collect();
    // Whoever has no seat names no conference.
    record(&rig, 1, recording("m", "One", 1));
    assert_eq!(why_not(&rig, 1), ConferenceRecordingFailure::NoSeat);
    rig.sit(1, false);
    record(&rig, 1, recording("m", "One", 1));
    records(&rig, 1);
    rig.sit(2, false);
    record(&rig, 2, recording("m", "Two", 2));
    records(&rig, 2);
    rig.until(|s| s.participants == 2);
    let taped = rig.tapes.get(0);
    talk(&mut phones, 100);
    let from = taped.lock().unwrap().mix.len();
    talk(&mut phones, 100);
    let calls = [1, 2].map(TransactionId::from_random);
    {
        let taped = taped.lock().unwrap();
        assert_eq!((&*taped.meeting, &taped.named[..]), ("m", &["One".into(), "Two".into()][..]));
        assert_eq!(taped.joined[0].0, calls[0]);
        assert!(taped.joined[1].0 == calls[1] && taped.joined[1].1.is_multiple_of(960));
        let mix = &taped.mix[from..];
        assert!(mix.len() >= 48_000 && !taped.is_over, "a second of sound");
        for (n, hertz) in tones.into_iter().enumerate() {
            assert!(level_of(mix, hertz) > 0.012, "{hertz} Hz in the mix");
            for (m, call) in calls.iter().enumerate() {
                let level = level_of(&taped.alone[call][from..], hertz);
                let fits = if n == m { level > 0.012 } else { level < 0.001 };
                assert!(fits, "{hertz} Hz alone in {m}: {level}");
            }
        }
        assert!(taped.alone[&calls[1]].len().abs_diff(taped.mix.len()) <= 960, "they are aligned");
    }
    // The last one's end is the recording's; who comes after begins another.
    for id in 1..=2 {
        rig.relay.command(MediaCommand::StandUp { id: MediaId(id) }).unwrap();
    }
    rig.until(|s| s.conferences == 0);
    rig.until(|_| taped.lock().unwrap().is_over);
    assert_eq!(taped.lock().unwrap().left.len(), 2);
    rig.sit(1, false);
    record(&rig, 1, recording("m", "One", 1));
    records(&rig, 1);
    let second = rig.tapes.get(1);
    assert_eq!(second.lock().unwrap().joined.len(), 1);
    // What breaks off is told once, and nothing more is handed over.
    let full = ConferenceRecordingFailure::File("no space left".into());
    second.lock().unwrap().failure = Some(full.clone());
    assert_eq!(why_not(&rig, 1), full);
    rig.until(|_| second.lock().unwrap().is_over);
    record(&rig, 1, recording("m", "One", 1));
    records(&rig, 1);
    let stop = |number| ConferenceRecordingOrder::Stop(ConferenceRecordingId(number));
    record(&rig, 1, stop(1));
    let third = rig.tapes.get(2);
    rig.until(|_| third.lock().unwrap().is_over);
    // What comes late of one that was stopped begins nothing, and ends nothing of the next.
    record(&rig, 1, recording("m", "One", 1));
    record(&rig, 1, recording_of(2, "m", "One", 1));
    records(&rig, 1);
    let fourth = rig.tapes.get(3);
    record(&rig, 1, stop(1));
    record(&rig, 1, recording("m", "One", 1));
    record(&rig, 1, recording_of(2, "m", "Two", 1));
    records(&rig, 1);
    assert_eq!(fourth.lock().unwrap().named, ["One", "One", "Two"].map(String::from));
    assert!(!fourth.lock().unwrap().is_over);
    record(&rig, 1, stop(2));
    rig.until(|_| fourth.lock().unwrap().is_over);
    rig.relay.shutdown();
    rig.mixing.stop();
}
