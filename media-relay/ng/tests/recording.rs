//! Recordings that cannot begin.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

mod support;

use model::{MediaCommand, MediaId, RecordingFailure};
use ng_control::{ControlConfig, Dictionary, Notice};
use std::time::Duration;
use support::World;

const OFFER: &str = concat!(
    r#"{"command":"offer","call-id":"c","from-tag":"a","sdp":"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"#,
    r#"s=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n""#
);
const START: &str = r#"{"command":"start recording","call-id":"c"}"#;

fn world() -> World {
    World::new(ControlConfig { records: true, ..ControlConfig::default() })
}

fn full() -> RecordingFailure {
    let path = "/recordings/c-1.pcap".into();
    RecordingFailure::File { path, error: "No space left on device (os error 28)".into() }
}

fn text(reply: &Dictionary, name: &str) -> String {
    let value = reply.get(name).unwrap_or_else(|| panic!("{name} in {reply:?}"));
    String::from_utf8(value.text().unwrap().to_vec()).unwrap()
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_with_its_path_and_what_to_do() {
    let mut world = world();
    world.ask(&format!("{OFFER}}}"));
    world.cannot_record = Some(full());
    let reply = world.ask(START);
    assert_eq!(text(&reply, "result"), "error");
    let reason = text(&reply, "error-reason");
    for part in ["/recordings/c-1.pcap", "No space left", "--recording-dir"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    // The stream is free again, and nobody is told of a recording that there is not.
    let id = MediaId(1);
    assert!(
        matches!(world.ordered.last(), Some(MediaCommand::StopRecording { id: of }) if *of == id)
    );
    let query = world.ask(r#"{"command":"query","call-id":"c"}"#);
    assert_eq!(query.get("recording"), None);
    // With room again it is another file.
    world.cannot_record = None;
    let reply = world.ask(START);
    assert_eq!(text(&reply, "result"), "ok");
    assert!(text(&reply, "recording").starts_with("c-"));
}

#[test]
fn a_call_whose_offer_asks_for_it_goes_on_and_the_operator_is_told() {
    let mut world = world();
    world.cannot_record = Some(full());
    let reply = world.ask(&format!("{OFFER},\"record call\":\"yes\"}}"));
    assert_eq!(text(&reply, "result"), "ok");
    let told = world.notices.iter().any(|notice| {
        matches!(notice, Notice::Failed { call_id, reason }
            if call_id == "c" && reason.contains("/recordings/c-1.pcap"))
    });
    assert!(told, "{:?}", world.notices);
    assert_eq!(world.ask(r#"{"command":"query","call-id":"c"}"#).get("recording"), None);
}

#[test]
fn a_reply_waits_for_a_slow_disk_no_longer_than_its_patience() {
    let mut world = world();
    world.ask(&format!("{OFFER}}}"));
    world.is_mute = true;
    let request = format!("9 {START}").into_bytes();
    assert_eq!(world.send(&request), None);
    world.advance(Duration::from_secs(3));
    let reply = world.send(&request).expect("the kept reply");
    assert!(String::from_utf8_lossy(&reply).contains("\"result\":\"ok\""));
}

#[test]
fn a_call_that_ends_meanwhile_is_an_error() {
    let mut world = world();
    world.ask(&format!("{OFFER}}}"));
    world.is_mute = true;
    let request = format!("9 {START}").into_bytes();
    assert_eq!(world.send(&request), None);
    assert!(world.ask(r#"{"command":"delete","call-id":"c"}"#).get("created").is_some());
    world.advance(Duration::from_secs(3));
    let reply = world.send(&request).expect("the kept reply");
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(reply.contains("error") && reply.contains("deleted"), "{reply}");
    let counted = world.control.counts();
    assert_eq!((counted.calls, counted.deleted, counted.failed), (0, 1, 1));
    assert!(counted.requests.contains(&("start_recording", 1)), "{counted:?}");
}
