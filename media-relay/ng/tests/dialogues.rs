//! Whole dialogues with a proxy: requests in `tests/dialogues/NAME.in`, and what they lead to in
//! `NAME.golden`. `UPDATE_GOLDEN=1` writes the latter anew, for a person to read.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use model::{MediaCommand, MediaPlan, StreamKind};
use ng_control::{ControlConfig, Dictionary, Value};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::World;

/// Descriptions are named, because JSON has no lines.
const DESCRIPTIONS: &[(&str, &str)] = &[
    (
        "CALLER",
        "v=0\r\no=alice 7 7 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n",
    ),
    (
        "CALLED",
        "v=0\r\no=bob 9 9 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
    ),
    (
        "FORK",
        "v=0\r\no=carol 9 9 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\n\
         m=audio 6000 RTP/AVP 8\r\n",
    ),
    (
        "HOLD",
        "v=0\r\no=bob 9 10 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n",
    ),
    (
        "HELD",
        "v=0\r\no=alice 7 8 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n",
    ),
    (
        "SECURED",
        "v=0\r\no=bob 9 9 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 5000 RTP/SAVP 0\r\n\
         a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n",
    ),
    (
        "WIDEBAND",
        "v=0\r\no=bob 9 9 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 5000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n",
    ),
    (
        "MUXED",
        "v=0\r\no=alice 7 7 IN IP4 10.0.0.1\r\ns=call\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\na=rtcp-mux\r\n",
    ),
    (
        "ROOM",
        "v=0\r\no=alice 7 7 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         a=group:BUNDLE 0 1\r\nm=audio 4000 RTP/AVP 0\r\na=mid:0\r\n\
         m=video 4002 RTP/AVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n\
         a=rtcp-fb:96 nack pli\r\na=mid:1\r\n\
         m=text 4004 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n\
         m=application 4006 UDP/BFCP *\r\na=floorctrl:c-s\r\n\
         m=application 4008 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n",
    ),
    (
        "SCREEN",
        "v=0\r\no=bob 9 9 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 5000 RTP/AVP 0\r\nm=video 5002 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n\
         m=text 0 RTP/AVP 98\r\nm=application 5006 UDP/BFCP *\r\na=floorctrl:s-only\r\n\
         m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    ),
    (
        "CAMERA_OFF",
        "v=0\r\no=alice 7 8 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
    ),
    (
        "CAMERA_OFF_TOO",
        "v=0\r\no=bob 9 10 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 5000 RTP/AVP 0\r\nm=video 0 RTP/AVPF 96\r\n",
    ),
    (
        "CAMERA_ON",
        "v=0\r\no=alice 7 9 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\nm=video 4012 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
    ),
    (
        "CAMERA_ON_TOO",
        "v=0\r\no=bob 9 11 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 5000 RTP/AVP 0\r\nm=video 5012 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
    ),
];

#[test]
fn dialogues_lead_to_what_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "in"))
        .collect();
    names.sort();
    assert!(names.len() >= 6, "{names:?}");
    for path in names {
        let found = play(&fs::read_to_string(&path).expect("a dialogue"));
        let golden = path.with_extension("golden");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &found).expect("the golden file");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert!(expected == found, "{} is different now:\n{found}", golden.display());
    }
}

fn play(dialogue: &str) -> String {
    let records = dialogue.starts_with("# Recordings");
    let mut world = World::new(ControlConfig { records, ..ControlConfig::default() });
    let mut out = String::new();
    for line in dialogue.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(out, "{line}").unwrap();
        if line.starts_with('#') {
            continue;
        }
        if let Some(seconds) = line.strip_prefix("wait ") {
            world.advance(Duration::from_secs(seconds.parse().expect("seconds")));
        } else if let Some(more) = line.strip_prefix("ports for ") {
            world.ports_left = more.parse().expect("streams");
        } else if let Some(packets) = line.strip_prefix("packets ") {
            world.packets = packets.parse().expect("packets");
        } else {
            let mut request = line.to_owned();
            for (name, text) in DESCRIPTIONS {
                let text = text.replace("\r\n", "\\r\\n");
                request = request.replace(&format!("\"@{name}\""), &format!("\"{text}\""));
            }
            let before = world.plans.clone();
            let reply = world.ask(&request);
            show(&reply, 1, &mut out);
            for command in world.ordered.drain(..) {
                writeln!(out, "    order {}", order_in_words(&command)).unwrap();
            }
            for (media, plan) in &world.plans {
                if before.get(media) != Some(plan) {
                    writeln!(out, "    plan {media}: {}", in_words(plan)).unwrap();
                }
            }
        }
        for notice in world.notices.drain(..) {
            writeln!(out, "    {notice:?}").unwrap();
        }
        writeln!(out, "    streams {:?}", world.open.keys().collect::<Vec<_>>()).unwrap();
    }
    out
}

fn order_in_words(command: &MediaCommand) -> String {
    match command {
        MediaCommand::Record { id, recording, legs } => {
            format!("record {} to {} from {legs:?}: {}", id.0, recording.name, recording.about)
        }
        MediaCommand::StopRecording { id } => format!("record {} no more", id.0),
        MediaCommand::Play { id, leg, playing } => {
            format!("play {} leg {leg:?} {:?} rounds", id.0, playing.rounds)
        }
        MediaCommand::StopPlaying { id, leg } => format!("play {} leg {leg:?} nothing", id.0),
        other => panic!("{other:?}"),
    }
}

fn show(dictionary: &Dictionary, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    for (name, value) in dictionary.iter() {
        let name = String::from_utf8_lossy(name);
        show_value(&name, value, &indent, depth, out);
    }
}

fn show_value(name: &str, value: &Value, indent: &str, depth: usize, out: &mut String) {
    match value {
        Value::Text(text) => {
            let text = String::from_utf8_lossy(text);
            let mut lines = text.lines().map(without_key);
            writeln!(out, "{indent}{name}: {}", lines.next().unwrap_or_default()).unwrap();
            lines.for_each(|line| writeln!(out, "{indent}  {line}").unwrap());
        }
        Value::Integer(number) => writeln!(out, "{indent}{name}: {number}").unwrap(),
        Value::List(list) => {
            for (at, value) in list.iter().enumerate() {
                show_value(&format!("{name}[{at}]"), value, indent, depth, out);
            }
        }
        Value::Dictionary(inner) => {
            writeln!(out, "{indent}{name}:").unwrap();
            show(inner, depth + 1, out);
        }
    }
}

/// Keys are drawn; that they are ours is tested in `sdp`.
fn without_key(line: &str) -> String {
    line.split_once("inline:").map_or(line.to_owned(), |(head, _)| format!("{head}inline:…"))
}

fn in_words(plan: &MediaPlan) -> String {
    let mut out = String::new();
    for ((name, leg), blocked) in ["a", "b"].into_iter().zip(&plan.legs).zip(plan.blocked_events) {
        let remote = leg.remote_rtp.map_or("nowhere".to_owned(), |at| at.to_string());
        write!(out, "{name} at {remote}").unwrap();
        let words = [
            (leg.accepts_from, " sends"),
            (leg.sends_to, " receives"),
            (leg.rtcp_mux, " mux"),
            (leg.relearn, " relearn"),
            (leg.security != model::LegSecurity::Plain, " secured"),
            (blocked, " without events"),
        ];
        words.iter().filter(|(is, _)| *is).for_each(|(_, word)| out.push_str(word));
        if let Some(source) = leg.signalling_source {
            write!(out, " signals from {source}").unwrap();
        }
        out.push_str("; ");
    }
    out.push_str(match plan.kind {
        StreamKind::Rtp => "rtp",
        StreamKind::Udptl => "udptl",
        StreamKind::Bfcp => "bfcp",
    });
    for (name, stage) in ["a", "b"].into_iter().zip(&plan.transcoding) {
        let Some(stage) = stage else { continue };
        let from: Vec<_> = stage.from.iter().map(|mapping| mapping.codec.name()).collect();
        write!(out, "; {name} from {} to {}", from.join(" "), stage.to.codec.name()).unwrap();
    }
    out
}

fn calls(world: &mut World) -> usize {
    let reply = world.ask(r#"{"command":"list","limit":1000}"#);
    reply.get("calls").and_then(Value::list).expect("calls").len()
}

fn offer(call: usize) -> String {
    let text = DESCRIPTIONS[0].1.replace("\r\n", "\\r\\n");
    format!(
        r#"{{"command":"offer","sdp":"{text}","call-id":"{call}","from-tag":"a","supports":["load limit"]}}"#
    )
}

#[test]
fn calls_are_bounded_and_refused_in_the_words_of_the_protocol() {
    let mut world = World::new(ControlConfig { max_calls: 3, ..ControlConfig::default() });
    let mut results = (0..5).map(|call| world.ask(&offer(call)));
    let ok = Some(Value::from("ok"));
    assert!(results.by_ref().take(3).all(|reply| reply.get("result").cloned() == ok));
    assert!(results.all(|reply| reply.get("result") == Some(&Value::from("load limit"))));
    assert_eq!(calls(&mut world), 3);
}

#[test]
fn branches_of_one_call_are_bounded() {
    let mut world = World::new(ControlConfig::default());
    for branch in 0..40 {
        let with_branch = format!(r#""via-branch":"{branch}","supports""#);
        world.ask(&offer(1).replace("\"supports\"", &with_branch));
    }
    assert_eq!(world.open.len(), 16);
    world.ask(r#"{"command":"delete","call-id":"1"}"#);
    assert!(world.open.is_empty() && world.control.poll_timeout().is_some());
}

#[test]
fn a_relay_without_ports_is_no_call() {
    let mut world = World::new(ControlConfig::default());
    world.ports_left = 0;
    let reply = world.ask(&offer(1));
    assert_eq!(reply.get("result"), Some(&Value::from("error")));
    assert_eq!(calls(&mut world), 0);
    assert!(world.open.is_empty());
}

#[test]
fn a_repeated_cookie_is_answered_and_not_served_again() {
    let mut world = World::new(ControlConfig::default());
    let message = format!("cookie {}", offer(1));
    let first = world.send(message.as_bytes()).expect("a reply");
    let plans = world.plans.clone();
    assert_eq!(world.send(message.as_bytes()), Some(first));
    assert_eq!((world.open.len(), world.plans.clone()), (1, plans));
    // Later it is another request.
    world.advance(Duration::from_secs(11));
    world.ask(r#"{"command":"delete","call-id":"1"}"#);
    assert!(world.send(message.as_bytes()).is_some());
    assert_eq!(world.open.len(), 1);
}

#[test]
fn a_call_that_is_heard_lives() {
    let mut world = World::new(ControlConfig::default());
    world.ask(&offer(1));
    let answer = offer(1)
        .replace("\"offer\"", "\"answer\"")
        .replace("\"supports\"", "\"to-tag\":\"b\",\"supports\"");
    assert_eq!(world.ask(&answer).get("result"), Some(&Value::from("ok")));
    for minute in 1..=5 {
        world.packets = minute * 2_500;
        world.report(model::MediaId(1), model::ReportKind::Interval);
        world.advance(Duration::from_secs(59));
    }
    assert_eq!(calls(&mut world), 1);
    world.advance(Duration::from_secs(2));
    assert_eq!(calls(&mut world), 0);
    assert!(world.open.is_empty());
}
