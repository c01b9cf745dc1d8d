//! What happens in a meeting: loudness, muting, whom the room looks at, announcements, recording.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod hall;

use codecs::{AudioFormat, Recording};
use hall::{Hall, MS, Says, amplitude, format, last, nothing, tone, voice};
use mixer::{
    Ear, Format, JoinError, Muting, PlayError, PlayOptions, Record, RoomConfig, RoomEvent,
};
use mixer::{ParticipantId, ReceiveFormats};
use std::sync::Arc;

fn l16() -> Format {
    format(3)
}

fn strength(hall: &Hall, who: usize, frequency: f32) -> f32 {
    let phone = &hall.phones[who];
    amplitude(last(&phone.heard, phone.rate() / 2), phone.rate(), frequency)
}

/// A recording of a tone.
fn recording(rate: u32, frequency: f32, ms: u32) -> Arc<Recording> {
    let count = rate / 1_000 * ms;
    let mut file = Vec::new();
    let data: Vec<u8> = (0..count)
        .flat_map(|n| {
            let turn = (f64::from(n) * f64::from(frequency) / f64::from(rate)).fract() as f32;
            (((turn * std::f32::consts::TAU).sin() * 4_000.0) as i16).to_le_bytes()
        })
        .collect();
    file.extend(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    Arc::new(Recording::from_wav(&file).unwrap())
}

#[test]
fn all_voices_become_as_loud_and_nothing_wraps() {
    let mut hall = Hall::new(RoomConfig::default());
    // One at 200 %, cut by its own device; one as it should be; one far from its microphone.
    for (at, amplitude) in [60_000.0, 4_000.0, 800.0].into_iter().enumerate() {
        let mut says = voice(110.0 + 40.0 * at as f32, amplitude, at as u64 + 1);
        hall.join(
            l16(),
            Box::new(move |time| {
                // In turns of four seconds.
                if (time / 4.0) as usize % 3 == at { says(time) } else { 0.0 }
            }),
        );
    }
    let listener = hall.join(l16(), nothing());
    hall.run(60_000);
    let phone = &hall.phones[listener];
    let rate = phone.rate();
    let levels: Vec<f64> = (12..15)
        .map(|turn| {
            let from = turn * 4 * rate + rate;
            let part = &phone.heard[from..from + 2 * rate];
            let sum: f64 = part.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
            10.0 * (sum / part.len() as f64 / 32_768.0 / 32_768.0).log10()
        })
        .collect();
    println!("{levels:?} dBov");
    let most = levels.iter().copied().fold(f64::MIN, f64::max);
    let least = levels.iter().copied().fold(f64::MAX, f64::min);
    assert!(most - least < 8.0 && most < -20.0, "37 dB apart they came, {levels:?} they are heard");
}

#[test]
fn eight_at_full_level_are_limited() {
    let mut hall = Hall::new(RoomConfig { voices: 8, ..RoomConfig::default() });
    for at in 0..8 {
        hall.join(l16(), tone(300.0 + 110.0 * at as f32, 32_000.0));
    }
    let listener = hall.join(l16(), nothing());
    // Before their gain has fallen.
    hall.run(400);
    let heard = &hall.phones[listener].heard;
    let steps = heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
    let worst = steps.max().unwrap();
    assert!(worst < 30_000, "a wrap would be a step of 60,000: {worst}");
    let peak = heard.iter().map(|sample| i32::from(*sample).abs()).max().unwrap();
    assert!(peak > 15_000, "{peak}");
}

#[test]
fn who_is_muted_is_not_heard_and_hears() {
    let mut hall = Hall::new(RoomConfig::default());
    let talker = hall.join(l16(), tone(500.0, 3_000.0));
    let other = hall.join(l16(), tone(900.0, 3_000.0));
    hall.run(2_000);
    assert!(strength(&hall, other, 500.0) > 800.0);
    let id = hall.phones[talker].id;
    for muting in
        [Muting { by_room: true, by_self: false }, Muting { by_room: false, by_self: true }]
    {
        assert!(hall.room.set_muted(id, muting));
        hall.run(1_500);
        assert!(strength(&hall, other, 500.0) < 5.0);
        assert!(strength(&hall, talker, 900.0) > 800.0, "it hears all the same");
        let stats = hall.room.stats(id).unwrap();
        assert!(stats.is_voice && !stats.is_heard && stats.muting == muting);
        hall.room.set_muted(id, Muting::default());
        hall.run(1_500);
        assert!(strength(&hall, other, 500.0) > 800.0);
    }
    assert!(!hall.room.set_muted(ParticipantId(99), Muting::default()));
}

#[test]
fn the_room_looks_at_who_speaks() {
    let turn = |from: f64, to: f64, mut says: Says| -> Says {
        Box::new(move |at| if (from..to).contains(&at) { says(at) } else { 0.0 })
    };
    let mut hall = Hall::new(RoomConfig::default());
    hall.join(l16(), turn(0.0, 5.0, tone(300.0, 3_000.0)));
    hall.join(l16(), turn(5.0, 10.0, tone(500.0, 3_000.0)));
    // A cough.
    hall.join(l16(), turn(2.0, 2.3, tone(700.0, 15_000.0)));
    hall.run(10_000);
    let looks: Vec<_> = hall.events.iter().map(|(at, event)| (at / MS, *event)).collect();
    assert_eq!(looks.len(), 2, "{looks:?}");
    assert_eq!(looks[0].1, RoomEvent::ActiveSpeaker(Some(ParticipantId(0))));
    assert_eq!(looks[1].1, RoomEvent::ActiveSpeaker(Some(ParticipantId(1))));
    assert!((5_400..6_500).contains(&looks[1].0), "{looks:?}");
    assert_eq!(hall.room.active_speaker(), Some(ParticipantId(1)));
    hall.room.leave(ParticipantId(1));
    hall.run(40);
    assert_eq!(hall.room.active_speaker(), None);
}

#[test]
fn announcements_are_heard_by_whom_they_are_for() {
    let config = RoomConfig { record: Record { mix: true, each: true }, ..RoomConfig::default() };
    let mut hall = Hall::new(config);
    hall.join(l16(), tone(500.0, 3_000.0));
    let one = hall.join(format(0), nothing());
    let other = hall.join(format(0), nothing());
    hall.run(3_000);
    let before = strength(&hall, one, 500.0);
    let id = hall.phones[one].id;
    let play = |hall: &mut Hall, ear, ms| {
        let recording = recording(16_000, 1_300.0, ms);
        hall.room.play(ear, recording, PlayOptions::default()).unwrap()
    };
    let first = play(&mut hall, Ear::One(id), 1_000);
    hall.run(800);
    assert!(strength(&hall, one, 1_300.0) > 2_000.0);
    let ducked = strength(&hall, one, 500.0) / before;
    assert!((0.15..0.4).contains(&ducked), "12 dB less: {ducked}");
    assert!(strength(&hall, other, 1_300.0) < 5.0);
    assert!((strength(&hall, other, 500.0) / before - 1.0).abs() < 0.1);
    hall.run(1_200);
    assert!((strength(&hall, one, 500.0) / before - 1.0).abs() < 0.1, "it is as before");
    assert!(hall.events.iter().any(|(_, event)| *event == RoomEvent::Played(first)));
    play(&mut hall, Ear::Everybody, 1_000);
    hall.run(800);
    for who in 0..3 {
        assert!(strength(&hall, who, 1_300.0) > 2_000.0, "{who}");
    }
    let tail = last(&hall.recorded, 24_000);
    assert!(amplitude(tail, 48_000, 1_300.0) > 2_000.0, "and it is recorded");
    assert!(amplitude(tail, 48_000, 500.0) > 100.0);
    assert_eq!(hall.recorded.len() as u64, hall.now / MS * 48, "whole, from the beginning on");
}

#[test]
fn who_is_spared_an_announcement_hears_the_others_as_before() {
    for kind in [0, 4] {
        let mut hall = Hall::new(RoomConfig::default());
        hall.join(l16(), tone(500.0, 3_000.0));
        let listeners: Vec<_> = (0..4).map(|_| hall.join(format(kind), nothing())).collect();
        let (spared, other) = (listeners[0], listeners[1]);
        hall.run(3_000);
        let before = strength(&hall, spared, 500.0);
        let id = hall.phones[spared].id;
        let played = recording(16_000, 1_300.0, 1_000);
        let played = hall.room.play(Ear::Everybody, played, PlayOptions::default()).unwrap();
        assert!(hall.room.except(played, id));
        hall.run(900);
        let ratio = strength(&hall, spared, 500.0) / before;
        assert!((ratio - 1.0).abs() < 0.1, "{kind}: neither turned down: {ratio}");
        assert!(strength(&hall, spared, 1_300.0) < 20.0, "{kind}: nor hears it");
        assert!(strength(&hall, other, 1_300.0) > 1_500.0, "{kind}");
        hall.run(3_000);
        let ratio = strength(&hall, spared, 500.0) / before;
        assert!((ratio - 1.0).abs() < 0.1, "{kind}: nor later: {ratio}");
        assert!(!hall.room.except(played, id), "it is over");
    }
}

#[test]
fn who_comes_while_it_is_announced_is_spared_too() {
    let mut hall = Hall::new(RoomConfig::default());
    let first = hall.join(format(0), nothing());
    let clips = [recording(16_000, 1_300.0, 600), recording(8_000, 1_700.0, 600)];
    let newcomer = ParticipantId(1);
    for clip in clips {
        let played = hall.room.play(Ear::Everybody, clip, PlayOptions::default()).unwrap();
        assert!(hall.room.except(played, newcomer));
    }
    hall.run(60);
    let newcomer = hall.join(format(0), nothing());
    hall.run(440);
    assert!(strength(&hall, first, 1_300.0) > 1_500.0);
    hall.run(640);
    assert!(strength(&hall, first, 1_700.0) > 1_500.0);
    for hertz in [1_300.0, 1_700.0] {
        let phone = &hall.phones[newcomer];
        assert!(amplitude(&phone.heard, phone.rate(), hertz) < 20.0, "{hertz}");
    }
}

/// Whoever joins and leaves fills no queue: that a meeting is recorded is heard, and last.
#[test]
fn what_a_meeting_is_told_is_heard_behind_many_who_join_by_name() {
    let mut hall = Hall::new(RoomConfig::default());
    let one = hall.join(l16(), nothing());
    let play = |hall: &mut Hall, hertz, millis| {
        let sound = recording(16_000, hertz, millis);
        hall.room.play(Ear::Everybody, sound, PlayOptions::default())
    };
    for _ in 0..3 {
        play(&mut hall, 1_300.0, 4_000).unwrap();
        play(&mut hall, 900.0, 920).unwrap();
    }
    for _ in 0..5 {
        play(&mut hall, 600.0, 300).unwrap();
    }
    play(&mut hall, 1_700.0, 2_000).unwrap();
    hall.run(3 * 4_920 + 5 * 300);
    assert!(strength(&hall, one, 1_700.0) < 5.0);
    hall.run(1_900);
    assert!(strength(&hall, one, 1_700.0) > 1_500.0);
}

#[test]
fn music_repeats_until_it_is_stopped_and_a_queue_has_an_end() {
    let mut hall = Hall::new(RoomConfig::default());
    let one = hall.join(l16(), nothing());
    let ear = Ear::One(hall.phones[one].id);
    let repeat = PlayOptions { repeat: true, ..PlayOptions::default() };
    let music = hall.room.play(ear, recording(8_000, 1_000.0, 310), repeat).unwrap();
    hall.run(5_000);
    assert!(strength(&hall, one, 1_000.0) > 2_000.0);
    for _ in 1..mixer::MAX_QUEUED {
        hall.room.play(ear, recording(48_000, 700.0, 100), PlayOptions::default()).unwrap();
    }
    let more = hall.room.play(ear, recording(8_000, 700.0, 100), PlayOptions::default());
    assert_eq!(more, Err(PlayError::QueueFull));
    assert!(hall.room.stop(music) && !hall.room.stop(music));
    hall.run(2_000);
    assert_eq!(hall.events.len(), mixer::MAX_QUEUED - 1, "those behind it were played");
    assert!(strength(&hall, one, 1_000.0) < 5.0);
    let absent = Ear::One(ParticipantId(77));
    let played = hall.room.play(absent, recording(8_000, 1.0, 20), PlayOptions::default());
    assert_eq!(played, Err(PlayError::Absent(ParticipantId(77))));
}

#[test]
fn while_nobody_speaks_little_is_sent() {
    let mut hall = Hall::new(RoomConfig::default());
    hall.join(
        l16(),
        Box::new({
            let mut says = tone(500.0, 3_000.0);
            move |at| if at < 2.0 { says(at) } else { 0.0 }
        }),
    );
    let opus = hall.join(format(4), nothing());
    let plain = hall.join(format(0), nothing());
    let mut noisy = format(1);
    noisy.comfort_noise = Some(13);
    let noisy = hall.join(noisy, nothing());
    hall.run(12_000);
    assert_eq!(hall.phones[plain].packets, 600, "G.711 without comfort noise goes on");
    for who in [opus, noisy] {
        // One in 400 ms from about 2.8 s on, and before it began.
        let packets = hall.phones[who].packets;
        assert!((115..180).contains(&packets), "{packets}");
        assert!(hall.phones[who].sent[0].2, "the first is marked");
    }
    let kinds: Vec<u8> = hall.phones[noisy].sent.iter().map(|sent| sent.1).collect();
    assert!(kinds.contains(&13) && kinds.contains(&8));
    let hush = last(&hall.phones[plain].heard, 8_000);
    assert!(hush.iter().any(|sample| *sample != 0), "comfort noise");
    assert!(hush.iter().all(|sample| sample.abs() < 100));
}

#[test]
fn two_share_a_line_of_54_kbit_and_fifty_one_of_less() {
    for (count, most) in [(2, 54_000), (8, 40_000), (50, 32_000)] {
        let mut hall = Hall::new(RoomConfig::default());
        for at in 0..count {
            hall.join(
                format(4),
                if at < 2 { voice(120.0 + 50.0 * at as f32, 6_000.0, at) } else { nothing() },
            );
        }
        hall.run(5_000);
        for phone in &hall.phones {
            let bits = phone.octets * 8 / 5;
            let on_wire = (phone.octets + phone.packets * 40) * 8 / 5;
            if phone.id.0 < 3 {
                println!("{count}: {bits} bit/s, {on_wire} with IPv4, UDP and RTP");
            }
            assert!(on_wire <= most, "{on_wire} bit/s in a room of {count}");
        }
    }
}

#[test]
fn who_cannot_join_is_told_why() {
    let mut hall = Hall::new(RoomConfig::default());
    hall.join(l16(), nothing());
    let mut join = |format: &Format| hall.room.join(ParticipantId(5), format).unwrap_err();
    let mut none = l16();
    none.receive.audio.clear();
    assert_eq!(join(&none), JoinError::NoFormat);
    let mut twice = l16();
    twice.receive.telephone_events.push(96);
    assert_eq!(join(&twice), JoinError::PayloadType(96));
    let mut high = l16();
    high.payload_type = 128;
    assert_eq!(join(&high), JoinError::PayloadType(128));
    let mut many = l16();
    many.receive.audio = (0..5).map(|number| (number, AudioFormat::Pcmu)).collect();
    assert_eq!(join(&many), JoinError::TooManyFormats);
    for sample_rate in [0, 44_100, u32::MAX] {
        let odd = Format::symmetric(96, AudioFormat::L16 { sample_rate });
        assert_eq!(join(&odd), JoinError::NoFormat);
    }
    let one = hall.room.join(ParticipantId(0), &l16());
    assert_eq!(one, Err(JoinError::Present(ParticipantId(0))));
    assert_eq!(hall.room.participants().count(), 1);
    for error in [JoinError::Full, JoinError::PayloadType(9), JoinError::Present(ParticipantId(3))]
    {
        assert!(!error.to_string().is_empty());
    }
    assert!(ReceiveFormats::one(0, AudioFormat::Pcmu).comfort_noise.is_none());
}
