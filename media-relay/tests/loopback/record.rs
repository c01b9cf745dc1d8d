//! Recordings of a stream, over sockets.

use super::rig::{Endpoint, Rig, rtp};
use media_relay::RecordingConfig;
use model::{MediaCommand, MediaId, Recording};
use std::fs;

const ID: MediaId = MediaId(1);

fn payloads(capture: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &capture[24..];
    let mut out = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(*rest[8..].first_chunk().unwrap()) as usize;
        out.push(rest[16 + 28..16 + len].to_vec());
        rest = &rest[16 + len..];
    }
    out
}

#[test]
fn a_recording_is_paused_taken_up_and_ended() {
    let folder = std::env::temp_dir().join(format!("tandem-record-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let rig = Rig::new("127.0.0.1", 20_960..=20_979, |config| {
        config.recording =
            Some(RecordingConfig { directory: folder.clone(), max_octets: 1_000_000 });
    });
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let record = |name: &str, legs| {
        let recording = Recording { name: name.into(), about: "{}".into() };
        rig.relay.command(MediaCommand::Record { id: ID, recording, legs }).unwrap();
    };
    let pass = |sequences: std::ops::Range<u16>| {
        for sequence in sequences {
            a.send(local[0].rtp, sequence);
            assert_eq!(b.receive().0, rtp(sequence));
            b.send(local[1].rtp, sequence);
            assert_eq!(a.receive().0, rtp(sequence));
        }
    };
    // Every report comes after the orders before it.
    let settle = || {
        rig.relay.command(MediaCommand::Report { id: ID }).unwrap();
        rig.report();
        rig.report();
    };
    pass(0..3);
    record("one", [true, false]);
    settle();
    pass(3..10);
    record("one", [false, false]);
    settle();
    pass(10..15);
    record("one", [true, true]);
    settle();
    pass(15..17);
    record("two", [false, true]);
    settle();
    pass(17..18);
    rig.relay.command(MediaCommand::StopRecording { id: ID }).unwrap();
    settle();
    pass(18..20);
    let statistics = rig.until(|s| s.recordings == 0 && s.recorded_packets == 12);
    assert_eq!((statistics.unrecorded_packets, statistics.recording_failures), (0, 0));
    rig.release(1);
    let one = payloads(&fs::read(folder.join("one.pcap")).unwrap());
    let expected: Vec<_> = (3..10).chain([15, 15, 16, 16]).map(rtp).collect();
    assert_eq!(one, expected);
    assert_eq!(payloads(&fs::read(folder.join("two.pcap")).unwrap()), [rtp(17)]);
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn a_relay_without_a_directory_records_nothing_and_says_so() {
    let rig = Rig::new("127.0.0.1", 20_940..=20_959, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let recording = Recording { name: "one".into(), about: "{}".into() };
    rig.relay.command(MediaCommand::Record { id: ID, recording, legs: [true; 2] }).unwrap();
    rig.until(|s| s.recording_failures == 1);
    a.send(local[0].rtp, 1);
    assert_eq!(b.receive().0, rtp(1));
}
