//! What a leg of a real relay says is kept, and played to all in a conference but itself.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

mod rig;
mod tapes;

use codecs::Recording;
use model::{AudioSource, Codec, MediaCommand, MediaEvent, MediaId, ParticipantId, Utterance};
use rig::{Phone, Rig, talk};
use std::time::Duration;

fn keep(rig: &Rig, id: u64, longest: Option<Duration>) {
    rig.relay.command(MediaCommand::RecordUtterance { id: MediaId(id), longest }).unwrap();
}

fn uttered(rig: &Rig, id: u64) -> Option<Utterance> {
    let event =
        rig.event(|event| matches!(event, MediaEvent::Uttered { id: of, .. } if of.0 == id));
    let MediaEvent::Uttered { utterance, .. } = event else { unreachable!() };
    utterance
}

const LONGEST: Option<Duration> = Some(Duration::from_secs(4));

#[test]
fn what_one_says_is_heard_by_the_others() {
    let rig = Rig::new(21_160..=21_179);
    let tones = [440.0, 700.0];
    let mut phones: Vec<_> = (1..=2)
        .map(|id| Phone::new(&rig, id, (Codec::G722, 8_000), tones[id as usize - 1]))
        .collect();
    // Whoever has no seat says nothing that anybody keeps.
    keep(&rig, 2, LONGEST);
    assert_eq!(uttered(&rig, 2), None);
    rig.sit(1, false);
    rig.sit_in(8, 2);
    rig.until(|s| (s.conferences, s.participants) == (2, 2));
    keep(&rig, 2, LONGEST);
    talk(&mut phones, 60);
    keep(&rig, 2, None);
    let said = uttered(&rig, 2).expect("it has said something");
    let recording = Recording::from_wav(said.octets()).unwrap();
    assert_eq!(recording.sample_rate(), 16_000);
    assert!(recording.duration() > Duration::from_millis(300), "{:?}", recording.duration());
    let peak = recording.samples().iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((3_000..24_000).contains(&peak), "{peak}");
    // It comes to the others, who hear it; it does not hear itself.
    rig.sit(2, false);
    rig.until(|s| s.participants == 2 && s.conferences == 1);
    let (source, except) = (AudioSource::Said(said), Some(ParticipantId(2)));
    phones.iter_mut().for_each(|phone| {
        phone.heard.clear();
        phone.is_silent = true;
    });
    for _ in 0..3 {
        let (id, source) = (MediaId(1), source.clone());
        rig.relay.command(MediaCommand::Announce { id, source, except }).unwrap();
    }
    let mut last = 0.0;
    let is_heard = (0..60).any(|_| {
        phones[0].heard.clear();
        talk(&mut phones, 25);
        last = phones[0].level(700.0);
        last > 0.02
    });
    assert!(is_heard, "{last}");
    let own = phones[1].level(700.0);
    assert!(own < 0.003 && !phones[1].heard.is_empty(), "{own}");
    rig.relay.shutdown();
    rig.mixing.stop();
}

#[test]
fn who_is_silent_until_the_time_is_over_has_said_nothing() {
    let rig = Rig::new(21_180..=21_199);
    let mut phones = vec![Phone::new(&rig, 1, (Codec::Pcmu, 8_000), 700.0)];
    phones[0].is_silent = true;
    rig.sit(1, false);
    keep(&rig, 1, Some(Duration::from_millis(400)));
    talk(&mut phones, 30);
    assert_eq!(uttered(&rig, 1), None);
    // Its end was told: nothing more is, and what comes next is another one.
    keep(&rig, 1, None);
    keep(&rig, 1, LONGEST);
    phones[0].is_silent = false;
    talk(&mut phones, 60);
    keep(&rig, 1, None);
    assert!(uttered(&rig, 1).is_some());
    rig.relay.shutdown();
    rig.mixing.stop();
}

/// Whoever asked waits for one answer, also of who has taken another seat meanwhile.
#[test]
fn who_goes_elsewhere_has_said_nothing() {
    let rig = Rig::new(21_940..=21_959);
    let mut phones = vec![Phone::new(&rig, 1, (Codec::Pcmu, 8_000), 700.0)];
    rig.sit_in(8, 1);
    keep(&rig, 1, LONGEST);
    talk(&mut phones, 10);
    // It is not waited for: the one answer may come before the other.
    rig.seat(1, false);
    assert_eq!(uttered(&rig, 1), None);
    rig.until(|s| (s.conferences, s.participants) == (1, 1));
    rig.relay.shutdown();
    rig.mixing.stop();
}
