//! What realistic devices send and what the other leg gets: offer, anchored offer, answer, anchored
//! answer. The inputs are `tests/corpus/sdp/<device>-{offer,answer}.sdp`, the outputs
//! `golden/<device>-{offer,answer}.sdp`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::LocalMedia;
use sdp::{AnchorOptions, OriginState, Role, SessionDescription};
use support::{corpus, description, local, no_keys, towards_a, towards_b};

/// Anchors both descriptions of a device pair and compares them with the stored ones.
fn check(device: &str, towards_a: &LocalMedia, towards_b: &LocalMedia) {
    let offer = description(&corpus(&format!("{device}-offer.sdp")));
    let answer = description(&corpus(&format!("{device}-answer.sdp")));
    let options = AnchorOptions::default();
    let to_b = sdp::anchor(
        &offer,
        towards_b,
        &mut OriginState::new(1001),
        Role::Offer,
        &options,
        &mut no_keys,
    )
    .expect("the offer is acceptable");
    let at = description(&to_b).audio().map(|audio| audio.index);
    let role = Role::Answer { to: &offer, at };
    let to_a =
        sdp::anchor(&answer, towards_a, &mut OriginState::new(1002), role, &options, &mut no_keys)
            .expect("the answer is acceptable");
    compare(&format!("{device}-offer.sdp"), &to_b, &offer);
    compare(&format!("{device}-answer.sdp"), &to_a, &offer);
}

fn compare(name: &str, body: &[u8], offer: &SessionDescription) {
    let actual = std::str::from_utf8(body).expect("text").to_owned();
    assert_eq!(actual.matches('\n').count(), actual.matches("\r\n").count(), "{name}: line ends");
    assert_eq!(description(body).media_count(), offer.media_count(), "{name}: m= lines");
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        actual.replace("\r\n", "\n"),
        expected.replace("\r\n", "\n"),
        "{name}: if the change is meant, store this:\n{actual}"
    );
}

#[test]
fn asterisk() {
    check("asterisk", &towards_a(), &towards_b());
}

#[test]
fn cisco_gateway_with_g729_and_declined_fax() {
    check("cisco", &towards_a(), &towards_b());
}

#[test]
fn polycom_on_hold_answered_wrongly_with_sendrecv() {
    check("polycom", &towards_a(), &towards_b());
}

#[test]
fn baresip_with_opus_and_rtcp_mux_towards_a_peer_without() {
    check("baresip", &towards_a(), &towards_b());
}

#[test]
fn pjsua_with_ice_and_its_own_rtcp_address() {
    check("pjsua", &towards_a(), &towards_b());
}

#[test]
fn room_system_with_seven_media_lines_answered_with_three() {
    check("room", &towards_a(), &towards_b());
}

#[test]
fn ipv6_towards_ipv6_with_an_rtcp_port_of_its_own() {
    let mut to_b = local("[2001:db8:ffff::2]:20002");
    to_b.rtcp = "[2001:db8:ffff::2]:21003".parse().expect("an address");
    check("ipv6", &local("[2001:db8:ffff::1]:20000"), &to_b);
}

#[test]
fn teams_with_candidates_answered_by_host_name() {
    check("teams", &towards_a(), &towards_b());
}
