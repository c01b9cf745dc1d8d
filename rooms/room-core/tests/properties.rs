//! Any sequence of calls, keys, commands and pauses keeps what the view of each call must be
//! (`script/mod.rs` says what).

mod script;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_scene_keeps_its_promises(octets in proptest::collection::vec(any::<u8>(), 0..750)) {
        script::acts::run(&octets);
    }
}

#[test]
fn scenes_reach_most_of_what_can_happen() {
    // A scene that does nothing would keep every promise.
    let mut names = std::collections::BTreeSet::new();
    let mut state = 1_u32;
    for _ in 0..200 {
        let octets: Vec<u8> = (0..750)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        names.extend(script::acts::run(&octets).told());
    }
    let expected = [
        "MeetingStarted",
        "MeetingEnded",
        "AttendeeJoined",
        "AttendeeLeft",
        "AttendeeDropped",
        "AttendeeWaiting",
        "AttendeeMuted",
        "AttendeeUnmuted",
        "HandRaised",
        "HandLowered",
        "AttendeePromoted",
        "MeetingLocked",
        "MeetingUnlocked",
        "RecordingStarted",
        "RecordingStopped",
        "RecordingFailed",
        "DialOutStarted",
        "DialOutFailed",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !names.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
