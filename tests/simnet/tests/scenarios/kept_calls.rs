//! Calls that outlive the process of their edge.

use b2bua::EdgeConfig;
use model::UnixTime;
use simnet::{Ua, World, config, directory};
use sip_proto::HeaderName;
use std::time::Duration;

/// Keeps calls, and counts instants from the beginning of 2030.
fn keeping() -> EdgeConfig {
    let origin = UnixTime::from_millis(1_893_456_000_000);
    EdgeConfig { keep_calls: true, origin, ..config() }
}

fn world() -> World {
    World::with(keeping(), directory())
}

#[test]
fn what_is_kept_of_a_call_goes_with_it() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.kept.len(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    assert!(w.kept.is_empty());
    w.finish();
}

#[test]
fn a_call_that_is_not_answered_is_not_kept() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    assert!(w.kept.is_empty());
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    w.finish();
}

#[test]
fn either_side_hangs_up_a_call_that_was_taken_up() {
    for caller_first in [true, false] {
        let mut w = world();
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        w.restart(keeping(), directory());
        assert_eq!(w.edge.active_calls(), 1);
        if caller_first {
            pbx.hang_up(&mut w, &mut pstn);
        } else {
            pstn.hang_up(&mut w, &mut pbx);
        }
        assert_eq!(w.edge.active_calls(), 0);
        w.finish();
    }
}

#[test]
fn a_call_that_was_taken_up_changes_its_media_on_the_ports_that_it_has() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let before = w.plan().clone();
    w.restart(keeping(), directory());
    let offer = pbx.sdp(31_000);
    pbx.invite(&mut w, Some(&offer));
    let reinvite = pstn.expect(&mut w, "INVITE");
    assert!(reinvite.header(HeaderName::Contact).is_some());
    let answer = pstn.sdp(41_000);
    pstn.answer(&mut w, &mut pbx, &answer);
    let after = w.plan();
    assert_eq!(after.legs[0].remote_rtp.map(|remote| remote.port()), Some(31_000));
    assert_eq!(after.legs[1].codecs, before.legs[1].codecs);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_session_that_expired_meanwhile_ends() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.restart(keeping(), directory());
    w.advance(Duration::from_secs(13 * 3_600));
    for ua in [&mut pbx, &mut pstn] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
    w.finish();
}

#[test]
fn a_call_of_a_voice_connector_that_is_gone_ends_without_a_word() {
    let mut w = world();
    Ua::establish(&mut w);
    let mut resources = directory();
    resources.voice_connectors.clear();
    resources.groups.clear();
    w.restart(keeping(), resources);
    assert_eq!(w.edge.active_calls(), 0);
    assert!(w.kept.is_empty());
    assert_eq!(w.relay.open(), 0, "its stream is released");
    assert!(w.end().cause.contains("could not take it up"), "{}", w.end().cause);
}

#[test]
fn new_calls_have_other_streams_than_those_that_were_taken_up() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.restart(keeping(), directory());
    let (mut other, mut far) = Ua::establish(&mut w);
    assert_eq!(w.relay.open(), 2);
    other.hang_up(&mut w, &mut far);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_change_that_was_under_way_is_made_when_it_is_asked_for_again() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let before = w.plan().clone();
    let offer = pbx.sdp_with(31_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    w.restart(keeping(), directory());
    assert_eq!(w.plan().legs, before.legs, "as it was before");
    // The answer comes to an edge that knows nothing of its INVITE, and ends nothing.
    let answer = pstn.sdp_with(41_000, 2, "recvonly");
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    assert_eq!(w.edge.active_calls(), 1);
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    assert_eq!(w.plan().legs[1].remote_rtp.map(|remote| remote.port()), Some(41_000));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
