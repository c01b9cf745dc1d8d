//! Who holds and lets us play something describes to the other leg that media comes.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use sdp::{Direction, Role, SessionDescription};
use support::{anchored, audio, towards_b};

fn described(direction: &str, address: &str) -> SessionDescription {
    audio(&format!("IP4 {address}"), direction)
}

#[test]
fn a_hold_that_sends_nothing_sends_with_music_and_no_other_direction_changes() {
    for (direction, address, plain, with_music) in [
        ("a=inactive\n", "192.0.2.1", Direction::Inactive, Direction::SendOnly),
        ("a=inactive\n", "0.0.0.0", Direction::Inactive, Direction::SendOnly),
        ("a=recvonly\n", "0.0.0.0", Direction::Inactive, Direction::SendOnly),
        ("", "0.0.0.0", Direction::SendOnly, Direction::SendOnly),
        ("a=sendonly\n", "192.0.2.1", Direction::SendOnly, Direction::SendOnly),
        ("a=recvonly\n", "192.0.2.1", Direction::RecvOnly, Direction::RecvOnly),
        ("", "192.0.2.1", Direction::SendRecv, Direction::SendRecv),
    ] {
        let description = described(direction, address);
        for (received, expected) in
            [(description.clone(), plain), (description.sending_on_hold(), with_music)]
        {
            let written = anchored(&received, &towards_b(), Role::Offer).unwrap();
            assert_eq!(written.audio_ref().unwrap().direction, expected, "{direction} {address}");
        }
    }
}

#[test]
fn an_answer_sends_music_only_to_who_wants_media() {
    for (offered, expected) in [
        ("a=sendrecv\n", Direction::SendOnly),
        ("a=recvonly\n", Direction::SendOnly),
        ("a=sendonly\n", Direction::Inactive),
        ("a=inactive\n", Direction::Inactive),
    ] {
        let offer = described(offered, "192.0.2.9");
        let answer = described("a=inactive\n", "192.0.2.1").sending_on_hold();
        let role = Role::Answer { to: &offer, at: None };
        let written = anchored(&answer, &towards_b(), role).unwrap();
        let direction = written.audio_ref().unwrap().direction;
        assert_eq!(direction, expected, "{offered}");
        assert!(direction.answers(offer.audio_ref().unwrap().direction));
    }
}
