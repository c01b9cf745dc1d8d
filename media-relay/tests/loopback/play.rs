//! What is played to a leg, over sockets.

use super::rig::{DEADLINE, Endpoint, Rig, rtp};
use model::{
    AudioSource, LegSide, MediaCommand, MediaEvent, MediaId, OtherMedia, PlayFailure, PlayOutcome,
    Playing,
};
use rtp_proto::RtpPacket;
use std::sync::Arc;
use std::time::Duration;

const ID: MediaId = MediaId(1);
const LEG: LegSide = LegSide::B;

/// A µ-law file whose packet n has octets n.
fn numbered(packets: u8) -> AudioSource {
    let samples: Vec<u8> = (0..packets).flat_map(|n| [n; 160]).collect();
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0".to_vec();
    file.extend([0; 6]);
    file.extend(*b"\x08\0data");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    AudioSource::Octets(file.into())
}

fn play(rig: &Rig, source: AudioSource, rounds: Option<u32>) {
    let playing = Playing { source, start: 0, rounds, with: OtherMedia::Yields };
    rig.relay.command(MediaCommand::Play { id: ID, leg: LEG, playing }).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn a_clip_is_heard_in_time_and_whole_and_then_the_call_goes_on() {
    let rig = Rig::new("127.0.0.1", 20_980..=20_999, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    a.send(local[0].rtp, 0);
    assert_eq!(b.receive(), (rtp(0), local[1].rtp));
    play(&rig, numbered(25), Some(2));
    let MediaEvent::Plays { id: ID, leg: LEG, duration, .. } = rig.event() else { panic!("plays") };
    assert_eq!(duration, Duration::from_millis(500));
    let mut begin = None;
    let mut latest = Duration::ZERO;
    for n in 0..50_u16 {
        let (packet, from) = b.receive();
        let since = now() - *begin.get_or_insert_with(now);
        latest = latest.max(since.saturating_sub(Duration::from_millis(20) * u32::from(n)));
        assert_eq!(from, local[1].rtp);
        let packet = RtpPacket::parse(&packet).unwrap();
        assert_eq!((packet.sequence(), packet.ssrc(), packet.payload_type()), (n + 1, 5, 0));
        assert_eq!(packet.payload(), [(n % 25) as u8; 160]);
        assert_eq!(packet.marker(), n == 0);
        // The caller speaks all the while, and is not heard.
        if n < 49 {
            a.send(local[0].rtp, n + 1);
        }
    }
    assert!(latest < DEADLINE / 10, "the last packets came {latest:?} late");
    let MediaEvent::Played { outcome: PlayOutcome::Finished, .. } = rig.event() else {
        panic!("played")
    };
    a.send(local[0].rtp, 60);
    let (packet, _) = b.receive();
    let packet = RtpPacket::parse(&packet).unwrap();
    assert_eq!((packet.sequence(), packet.ssrc(), packet.payload()), (51, 5, &[60; 160][..]));
    let statistics = rig.until(|s| s.played_legs == 0);
    assert_eq!(statistics.made_packets, 50);
    let [_, leg_b] = rig.release(1);
    assert_eq!(leg_b.sent.rtp_packets, 52);
}

#[test]
fn who_is_told_to_stop_stops_and_who_cannot_play_says_why() {
    let rig = Rig::new("127.0.0.1", 21_000..=21_019, |_| {});
    rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    let failed = |why| match rig.event() {
        MediaEvent::Played { id: ID, leg: LEG, outcome: PlayOutcome::Failed(failure) } => {
            assert_eq!(failure, why);
        }
        other => panic!("{other:?}"),
    };
    play(&rig, numbered(1), None);
    failed(PlayFailure::NoFormat);
    rig.apply(1, [&a, &b]);
    play(&rig, AudioSource::File("/etc/passwd".into()), None);
    failed(PlayFailure::File);
    play(&rig, numbered(3), None);
    assert!(matches!(rig.event(), MediaEvent::Plays { .. }));
    for _ in 0..5 {
        b.receive();
    }
    rig.until(|s| s.played_legs == 1);
    rig.relay.command(MediaCommand::StopPlaying { id: ID, leg: LEG }).unwrap();
    let stopped = rig.until(|s| s.played_legs == 0).made_packets;
    // What was on its way arrives; then nothing does.
    b.rtp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    while b.rtp.recv(&mut [0; 2048]).is_ok() {}
    assert_eq!(rig.relay.statistics().made_packets, stopped);
    play(&rig, AudioSource::Ringback(model::Ringback::Europe), None);
    assert!(matches!(rig.event(), MediaEvent::Plays { .. }));
    // A stream that ends while it is played to.
    let [_, leg_b] = rig.release(1);
    assert!(leg_b.sent.rtp_packets >= 5);
    let end = rig.until(|s| s.played_legs == 0);
    assert_eq!((end.play_failures, end.streams), (2, 0));
    play(&rig, numbered(1), None);
    failed(PlayFailure::NoStream);
}

#[test]
fn a_new_plan_changes_the_format_of_what_is_played() {
    let rig = Rig::new("127.0.0.1", 21_020..=21_039, |_| {});
    rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    play(&rig, numbered(50), None);
    let first = b.receive().0;
    let first = RtpPacket::parse(&first).unwrap();
    let mut legs = [a.plan(), b.plan()];
    for leg in &mut legs {
        leg.codecs[0] = model::CodecMapping {
            payload_type: 9,
            codec: model::Codec::G722,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(40),
        };
    }
    let plan = Box::new(model::MediaPlan::rtp(legs));
    rig.relay.command(MediaCommand::Apply { id: ID, plan }).unwrap();
    let mut sequence = first.sequence();
    loop {
        let packet = b.receive().0;
        let packet = RtpPacket::parse(&packet).unwrap();
        assert_eq!((packet.ssrc(), packet.sequence()), (first.ssrc(), sequence.wrapping_add(1)));
        sequence = packet.sequence();
        match packet.payload_type() {
            0 => assert_eq!(packet.payload().len(), 160),
            9 => {
                assert_eq!(packet.payload().len(), 320);
                break;
            }
            other => panic!("payload type {other}"),
        }
    }
}

#[test]
fn files_of_the_configuration_are_counted() {
    let folder = std::env::temp_dir().join(format!("tandem-play-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("music.wav");
    let AudioSource::Octets(octets) = numbered(10) else { panic!("octets") };
    std::fs::write(&path, &octets).unwrap();
    let path: Arc<str> = path.to_str().unwrap().into();
    let rig = Rig::new("127.0.0.1", 21_040..=21_059, |config| {
        config.audio_files = vec![Arc::clone(&path)];
    });
    // The formats of most calls are made without being asked for.
    let statistics = rig.until(|s| s.audio_clips == 3);
    assert_eq!(statistics.audio_files, 1);
    assert!(statistics.audio_bytes >= 3 * 1_600, "{statistics:?}");
    rig.relay.reload_audio(&[]).unwrap();
    assert_eq!(rig.relay.statistics().audio_clips, 0);
    std::fs::remove_dir_all(&folder).unwrap();
}
