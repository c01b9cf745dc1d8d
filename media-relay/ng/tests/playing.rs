//! Media and keys that a proxy orders for the parties of a call.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

mod support;

use model::{
    AudioSource, LegSide, MediaCommand, MediaEvent, MediaId, OtherMedia, PlayFailure, PlayOutcome,
    Playing,
};
use ng_control::{ControlConfig, Dictionary, Value};
use std::time::Duration;
use support::World;

const ID: MediaId = MediaId(1);

fn sdp(port: u16) -> String {
    format!(
        "v=0\\r\\no=- 1 1 IN IP4 192.0.2.1\\r\\ns=-\\r\\nc=IN IP4 192.0.2.1\\r\\nt=0 0\\r\\n\
         m=audio {port} RTP/AVP 0 101\\r\\na=rtpmap:101 telephone-event/8000\\r\\n"
    )
}

/// A call between tags `a` and `b`.
fn answered(plays_files: bool) -> World {
    let mut world = World::new(ControlConfig { plays_files, ..ControlConfig::default() });
    let (one, other) = (sdp(4_000), sdp(5_000));
    let offer = format!(r#"{{"command":"offer","call-id":"c","from-tag":"a","sdp":"{one}"}}"#);
    assert_eq!(world.ask(&offer).get("result"), Some(&Value::from("ok")));
    let answer = format!(
        r#"{{"command":"answer","call-id":"c","from-tag":"a","to-tag":"b","sdp":"{other}"}}"#
    );
    assert_eq!(world.ask(&answer).get("result"), Some(&Value::from("ok")));
    world
}

fn ask(world: &mut World, command: &str, more: &str) -> Dictionary {
    world.ask(&format!(r#"{{"command":"{command}","call-id":"c",{more}}}"#))
}

fn reason(reply: &Dictionary) -> String {
    assert_eq!(reply.get("result"), Some(&Value::from("error")));
    String::from_utf8(reply.get("error-reason").unwrap().text().unwrap().to_vec()).unwrap()
}

fn is_ok(reply: &Dictionary) {
    assert_eq!(reply.get("result"), Some(&Value::from("ok")), "{reply:?}");
}

fn begins(leg: LegSide) -> MediaEvent {
    let duration = Duration::from_millis(1_500);
    MediaEvent::Plays { id: ID, leg, duration, sample_rate: 16_000 }
}

#[test]
fn a_file_is_played_to_the_party_that_is_named() {
    let mut world = answered(true);
    world.says_of_plays = vec![begins(LegSide::B)];
    let reply =
        ask(&mut world, "play media", r#""from-tag":"b","file":"a.wav","repeat-times":"3""#);
    is_ok(&reply);
    assert_eq!(reply.get("duration"), Some(&Value::Integer(1_500)));
    let [MediaCommand::Play { id: ID, leg: LegSide::B, playing }] = &world.ordered[..] else {
        panic!("{:?}", world.ordered)
    };
    let source = AudioSource::File("a.wav".into());
    let expected = Playing { source, start: 0, rounds: Some(3), with: OtherMedia::Yields };
    assert_eq!(*playing, expected);
    world.ordered.clear();
    is_ok(&ask(&mut world, "stop media", r#""from-tag":"b""#));
    assert!(matches!(world.ordered[..], [MediaCommand::StopPlaying { id: ID, leg: LegSide::B }]));
}

#[test]
fn all_parties_hear_it_when_all_are_to() {
    let mut world = answered(true);
    world.says_of_plays = vec![begins(LegSide::A), begins(LegSide::B)];
    is_ok(&ask(&mut world, "play media", r#""all":"all","blob":"RIFF""#));
    let legs = world.ordered.iter().map(|command| match command {
        MediaCommand::Play { leg, playing, .. } => (*leg, playing.source.clone()),
        other => panic!("{other:?}"),
    });
    let source = AudioSource::Octets(b"RIFF".as_slice().into());
    assert_eq!(legs.collect::<Vec<_>>(), [(LegSide::A, source.clone()), (LegSide::B, source)]);
}

#[test]
fn what_cannot_be_played_is_an_error_with_its_reason() {
    let mut world = answered(true);
    for (more, why) in [
        (r#""file":"a.wav""#, "No participant"),
        (r#""from-tag":"x","file":"a.wav""#, "no such tag"),
        (r#""from-tag":"a""#, "No media file"),
        (r#""from-tag":"a","db-id":7"#, "database"),
        (r#""from-tag":"a","file":"""#, "no text"),
    ] {
        let found = reason(&ask(&mut world, "play media", more));
        assert!(found.contains(why), "{more}: {found}");
    }
    let unknown = r#"{"command":"play media","call-id":"x","from-tag":"a","file":"a.wav"}"#;
    assert!(reason(&world.ask(unknown)).contains("Unknown call-id"));
    assert!(world.ordered.is_empty());
    let outcome = PlayOutcome::Failed(PlayFailure::File);
    world.says_of_plays = vec![MediaEvent::Played { id: ID, leg: LegSide::A, outcome }];
    let found = reason(&ask(&mut world, "play media", r#""from-tag":"a","file":"a.wav""#));
    assert!(found.contains("cannot be played"), "{found}");
    let mut without = answered(false);
    let found = reason(&ask(&mut without, "play media", r#""from-tag":"a","file":"a.wav""#));
    assert!(found.contains("--media-dir"), "{found}");
}

#[test]
fn a_reply_waits_for_no_more_than_its_patience() {
    let mut world = answered(true);
    let request = br#"9 {"command":"play media","call-id":"c","from-tag":"a","file":"a.wav"}"#;
    assert_eq!(world.send(request), None);
    world.advance(Duration::from_secs(3));
    let reply = world.send(request).expect("the kept reply");
    assert_eq!(reply, br#"9 {"result":"ok"}"#);
    assert_eq!(world.ordered.len(), 1, "the request that came again did nothing");
}

#[test]
fn keys_go_to_the_other_side_of_who_presses_them() {
    let mut world = answered(false);
    for (code, event, duration, millis) in [
        (r#""5""#, 5, "", 250),
        ("11", 11, r#","duration":500"#, 500),
        (r##""#""##, 11, r#","duration":"1""#, 100),
        (r#""*""#, 10, r#","duration":999999"#, 5_000),
        (r#""d""#, 15, "", 250),
        (r#""15""#, 15, "", 250),
    ] {
        world.ordered.clear();
        let more = format!(r#""from-tag":"a","code":{code}{duration}"#);
        is_ok(&ask(&mut world, "play DTMF", &more));
        let [MediaCommand::SendEvent { id: ID, leg: LegSide::B, key: sent, duration }] =
            world.ordered[..]
        else {
            panic!("{:?}", world.ordered)
        };
        assert_eq!((sent.event(), duration), (event, Duration::from_millis(millis)));
    }
    for code in [r#""x""#, "16", "-1", r#""""#, "[]"] {
        let more = format!(r#""from-tag":"a","digit":{code}"#);
        assert!(reason(&ask(&mut world, "play DTMF", &more)).contains("code"), "{code}");
    }
}

#[test]
fn what_is_repeated_for_a_while_ends_then() {
    let mut world = answered(true);
    world.says_of_plays = vec![begins(LegSide::B)];
    let more = r#""from-tag":"b","file":"a.wav","repeat-duration":2500"#;
    is_ok(&ask(&mut world, "play media", more));
    let rounds = |command: &MediaCommand| match command {
        MediaCommand::Play { leg: LegSide::B, playing, .. } => Some(playing.rounds),
        _ => None,
    };
    assert_eq!(world.ordered.iter().find_map(rounds), Some(None), "{:?}", world.ordered);
    world.ordered.clear();
    world.advance(Duration::from_millis(2_499));
    assert!(world.ordered.is_empty());
    world.advance(Duration::from_millis(1));
    assert!(matches!(world.ordered[..], [MediaCommand::StopPlaying { id: ID, leg: LegSide::B }]));
    // Stopped before, and deleted before: nothing is left to end.
    world.says_of_plays = vec![begins(LegSide::B), begins(LegSide::B)];
    is_ok(&ask(&mut world, "play media", more));
    is_ok(&ask(&mut world, "stop media", r#""from-tag":"b""#));
    is_ok(&ask(&mut world, "play media", more));
    is_ok(&ask(&mut world, "delete", r#""from-tag":"a""#));
    world.ordered.clear();
    world.advance(Duration::from_secs(60));
    assert!(world.ordered.is_empty());
}

#[test]
fn silence_comes_back_after_what_is_played() {
    let mut world = answered(true);
    is_ok(&ask(&mut world, "silence media", r#""from-tag":"a""#));
    let is_silence = |command: &MediaCommand| {
        matches!(command, MediaCommand::Play { leg: LegSide::B, playing, .. }
            if matches!(playing.source, AudioSource::Octets(_)) && playing.rounds.is_none())
    };
    assert!(world.ordered.drain(..).all(|command| is_silence(&command)));
    assert!(!world.plans[&1].legs[0].accepts_from && world.plans[&1].legs[1].accepts_from);
    world.says_of_plays = vec![begins(LegSide::B)];
    is_ok(&ask(&mut world, "play media", r#""from-tag":"b","file":"a.wav""#));
    assert!(!is_silence(world.ordered.last().unwrap()));
    // What is played to the leg now ends by itself.
    let outcome = PlayOutcome::Finished;
    world.says_of_plays = vec![MediaEvent::Played { id: ID, leg: LegSide::B, outcome }];
    world.ordered.clear();
    is_ok(&ask(&mut world, "silence media", r#""from-tag":"a""#));
    assert!(world.ordered.len() == 2 && world.ordered.iter().all(is_silence));
    is_ok(&ask(&mut world, "stop media", r#""from-tag":"b""#));
    assert!(world.ordered.last().is_some_and(is_silence));
    is_ok(&ask(&mut world, "unsilence media", r#""from-tag":"a""#));
    assert!(matches!(
        world.ordered.last(),
        Some(MediaCommand::StopPlaying { leg: LegSide::B, .. })
    ));
    assert!(world.plans[&1].legs[0].accepts_from);
}

/// As an announcement that is taken up where it was left: `last-frame-pos` is the next `start-pos`.
#[test]
fn what_is_stopped_says_where_and_can_begin_there() {
    let mut world = answered(true);
    world.says_of_plays = vec![begins(LegSide::B); 2];
    let more = r#""from-tag":"b","file":"a.wav","start-pos":"8000""#;
    is_ok(&ask(&mut world, "play media", more));
    let start = |command: &MediaCommand| match command {
        MediaCommand::Play { playing, .. } => Some(playing.start),
        _ => None,
    };
    assert_eq!(world.ordered.iter().find_map(start), Some(8_000));
    world.advance(Duration::from_millis(250));
    let reply = ask(&mut world, "stop media", r#""from-tag":"b""#);
    assert_eq!(reply.get("last-frame-pos"), Some(&Value::Integer(12_000)));
    // Nothing is played now, and that has no place.
    let reply = ask(&mut world, "stop media", r#""from-tag":"b""#);
    assert_eq!(reply.get("last-frame-pos"), None);
    // Over its end it begins anew: 1.5 s have 24,000 samples.
    is_ok(&ask(&mut world, "play media", more));
    world.advance(Duration::from_millis(1_250));
    let reply = ask(&mut world, "stop media", r#""from-tag":"b""#);
    assert_eq!(reply.get("last-frame-pos"), Some(&Value::Integer(4_000)));
    for wrong in [r#""x""#, "-1", "4294967296"] {
        let more = format!(r#""from-tag":"b","file":"a.wav","start-pos":{wrong}"#);
        assert!(reason(&ask(&mut world, "play media", &more)).contains("start-pos"), "{wrong}");
    }
    let outcome = PlayOutcome::Failed(PlayFailure::PastEnd);
    world.says_of_plays = vec![MediaEvent::Played { id: ID, leg: LegSide::B, outcome }];
    assert!(reason(&ask(&mut world, "play media", more)).contains("ends before start-pos"));
}

/// Whose description has no telephone-event hears tones, where they can be made; who has neither, an
/// error tells.
#[test]
fn keys_are_tones_for_who_takes_no_events() {
    for (formats, hears) in [("0", true), ("9 18", true), ("18 0", false), ("3", false)] {
        let mut world = World::new(ControlConfig::default());
        let described = sdp(5_000)
            .replace("RTP/AVP 0 101", &format!("RTP/AVP {formats}"))
            .replace("a=rtpmap:101 telephone-event/8000", "a=x");
        for request in [
            format!(r#"{{"command":"offer","call-id":"d","from-tag":"a","sdp":"{described}"}}"#),
            format!(
                r#"{{"command":"answer","call-id":"d","from-tag":"a","to-tag":"b","sdp":"{described}"}}"#
            ),
        ] {
            is_ok(&world.ask(&request));
        }
        let key = r#"{"command":"play DTMF","call-id":"d","from-tag":"a","code":"7"}"#;
        let reply = world.ask(key);
        if hears {
            is_ok(&reply);
            let [MediaCommand::SendEvent { leg: LegSide::B, .. }] = world.ordered[..] else {
                panic!("{:?}", world.ordered)
            };
        } else {
            let why = reason(&reply);
            assert!(why.contains("telephone-event") && why.contains("PCMU"), "{formats}: {why}");
            assert!(world.ordered.is_empty());
        }
    }
}

#[test]
fn a_party_on_hold_gets_no_key() {
    let mut world = answered(true);
    let held = sdp(5_000).replace("a=rtpmap", "a=sendonly\\r\\na=rtpmap");
    let offer = format!(
        r#"{{"command":"offer","call-id":"c","from-tag":"b","to-tag":"a","sdp":"{held}"}}"#
    );
    is_ok(&world.ask(&offer));
    let answer = format!(
        r#"{{"command":"answer","call-id":"c","from-tag":"b","to-tag":"a","sdp":"{}"}}"#,
        sdp(4_000).replace("a=rtpmap", "a=recvonly\\r\\na=rtpmap")
    );
    is_ok(&world.ask(&answer));
    let key = ask(&mut world, "play DTMF", r#""from-tag":"a","code":"7""#);
    assert!(reason(&key).contains("on hold"));
}
