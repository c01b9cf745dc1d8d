//! The requests of OpenSIPS's module `rtpengine`, octet by octet: its keys in its order, which is not
//! that of their names. `tests/opensips/NN-NAME.request` holds what it sends, `NN-NAME.reply` what it
//! gets; `UPDATE_GOLDEN=1` writes the latter anew, for a person to read.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use model::{Fingerprint, FingerprintHash, LegSide, MediaEvent, MediaId};
use ng_control::{ControlConfig, Dictionary, Notice, Value, bencode};
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::World;

/// What the module wants of each reply: the result, and what it reads besides.
const EXPECTED: &[(&str, &str, &[&str])] = &[
    ("ping", "pong", &[]),
    ("offer", "ok", &["sdp"]),
    ("answer", "ok", &["sdp"]),
    ("query", "ok", &["created", "totals", "tags", "SSRC"]),
    ("start-recording", "ok", &[]),
    ("pause-recording", "ok", &[]),
    ("stop-recording", "ok", &[]),
    ("block-media", "ok", &[]),
    ("unblock-media", "ok", &[]),
    ("block-dtmf", "ok", &[]),
    ("unblock-dtmf", "ok", &[]),
    ("play-media", "ok", &["duration"]),
    ("stop-media", "ok", &[]),
    ("play-dtmf", "ok", &[]),
    ("start-forwarding", "error", &["error-reason"]),
    ("re-offer", "ok", &["sdp"]),
    ("re-answer", "ok", &["sdp"]),
    // The reply to a deletion is kept for statistics.
    ("delete", "ok", &["created", "totals", "tags", "SSRC"]),
    ("delete-unknown", "ok", &["warning"]),
    ("offer-many-flags", "ok", &["sdp"]),
    ("delete-delayed", "ok", &[]),
];

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opensips");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn world() -> World {
    let fingerprint = Fingerprint::new(FingerprintHash::Sha256, &[7; 32]);
    let config =
        ControlConfig { plays_files: true, records: true, fingerprint, ..ControlConfig::default() };
    let mut world = World::new(config);
    world.packets = 500;
    world.says_of_plays = vec![MediaEvent::Plays {
        id: MediaId(1),
        leg: LegSide::A,
        duration: Duration::from_millis(1_500),
        sample_rate: 8_000,
    }];
    world
}

fn dictionary(reply: &[u8], cookie: &str) -> Dictionary {
    let body = reply.strip_prefix(format!("{cookie} ").as_bytes()).expect("its cookie");
    match bencode::parse(body).expect("bencode") {
        Value::Dictionary(dictionary) => dictionary,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_request_gets_what_the_module_reads() {
    let mut world = world();
    for (number, (name, result, keys)) in EXPECTED.iter().enumerate() {
        let request = read(&format!("{number:02}-{name}.request"));
        let reply = world.send(&request).unwrap_or_else(|| panic!("{name}: no reply"));
        let file = format!("{number:02}-{name}.reply");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opensips");
            fs::write(folder.join(&file), &reply).expect("the golden file");
        }
        assert!(reply == read(&file), "{file}: {}", String::from_utf8_lossy(&reply));
        let reply = dictionary(&reply, &format!("4711_{number}"));
        assert_eq!(reply.get("result"), Some(&Value::from(*result)), "{name}: {reply:?}");
        for key in *keys {
            assert!(reply.get(key).is_some(), "{name} without {key}: {reply:?}");
        }
    }
    let ignored = world.notices.iter().filter_map(|notice| match notice {
        Notice::Ignored(name) => Some(name.as_str()),
        _ => None,
    });
    assert_eq!(ignored.collect::<Vec<_>>(), ["direction"]);
    let calls = |world: &mut World| {
        world.ask(r#"{"command":"list"}"#).get("calls").and_then(Value::list).unwrap().len()
    };
    assert_eq!(calls(&mut world), 1, "a deletion waits");
    world.advance(Duration::from_secs(5));
    assert_eq!(calls(&mut world), 0);
}

/// `$rtpstat` finds the scores of a party by the sources of its streams.
#[test]
fn every_score_belongs_to_a_stream_of_its_party() {
    let mut world = world();
    for name in ["01-offer", "02-answer"] {
        world.send(&read(&format!("{name}.request"))).expect("a reply");
    }
    let reply = dictionary(&world.send(&read("03-query.request")).unwrap(), "4711_3");
    let inner = |value: &Value, key: &str| value.dictionary().unwrap().get(key).unwrap().clone();
    let scores = reply.get("SSRC").unwrap();
    for tag in ["near", "far"] {
        let party = inner(reply.get("tags").unwrap(), tag);
        let medias = inner(&party, "medias");
        let streams = inner(&medias.list().unwrap()[0], "streams");
        let source = inner(&streams.list().unwrap()[0], "SSRC").integer().unwrap();
        let score = inner(scores, &source.to_string());
        for key in ["average MOS", "highest MOS", "lowest MOS"] {
            for number in ["MOS", "jitter", "round-trip time", "packet loss"] {
                assert!(inner(&inner(&score, key), number).integer().is_some(), "{key} {number}");
            }
        }
        for key in ["highest MOS", "lowest MOS"] {
            assert!(inner(&inner(&score, key), "reported at").integer().is_some());
        }
    }
    let sums = inner(reply.get("totals").unwrap(), "RTP");
    assert_eq!(inner(&sums, "packets"), Value::Integer(750));
}
