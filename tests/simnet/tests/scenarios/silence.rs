//! Calls that nobody speaks on any more.

use crate::emergency::{helped_by, prepared};
use directory::Unheard;
use model::{CallEventKind, LegSide, MediaTimeouts};
use simnet::{Ua, World, config, directory};
use sip_proto::HeaderName;
use std::time::Duration;

const DEFAULT: MediaTimeouts = MediaTimeouts { one: None, both: Some(Duration::from_secs(300)) };

fn ends_on_both_legs(leg: Option<LegSide>, cause: &str) {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.fall_silent(leg);
    for ua in [&mut pbx, &mut pstn] {
        let bye = ua.expect(&mut w, "BYE");
        let reason = bye.header(HeaderName::Reason).unwrap();
        assert!(reason.contains("cause=102") && reason.contains("Media timeout"), "{reason}");
        ua.ok(&mut w);
    }
    assert!(w.end().cause.contains(cause), "{}", w.end().cause);
    w.finish();
}

#[test]
fn a_call_ends_on_both_legs_when_the_relay_has_heard_nothing_for_too_long() {
    ends_on_both_legs(None, "both_silent");
    ends_on_both_legs(Some(LegSide::A), "from the caller");
    ends_on_both_legs(Some(LegSide::B), "from the callee");
}

#[test]
fn the_relay_is_told_what_the_voice_connector_says_of_silence() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.plan().timeouts, DEFAULT);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn without_limits_a_call_outlasts_every_silence() {
    let mut resources = directory();
    resources.voice_connectors[0].media_timeouts = MediaTimeouts::default();
    let mut w = World::with(config(), resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.plan().timeouts, MediaTimeouts::default());
    // Said under limits that held until just now.
    w.fall_silent(None);
    pbx.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn silence_before_the_answer_means_nothing() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    let early = pstn.sdp(40_000);
    pstn.reply(&mut w, 183, Some(&early));
    pbx.expect(&mut w, "183");
    assert_eq!(w.plan().timeouts, MediaTimeouts::default());
    w.fall_silent(None);
    pstn.answer(&mut w, &mut pbx, &early);
    assert_eq!(w.plan().timeouts, DEFAULT);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

fn listening(ends_call: bool) -> World {
    let mut resources = directory();
    let after = Duration::from_secs(30);
    resources.voice_connectors[0].unheard = Some(Unheard { after, ends_call });
    World::with(config(), resources)
}

#[test]
fn a_leg_that_is_never_heard_is_told_and_the_call_goes_on() {
    let mut w = listening(false);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.plan().unheard_after, Some(Duration::from_secs(30)));
    w.hear_nothing_of(LegSide::B);
    pbx.expect_silence(&mut w);
    let told = |event: &&model::CallEvent| {
        matches!(event.kind, CallEventKind::Unheard { leg: LegSide::B })
    };
    assert_eq!(w.audit.events.iter().filter(told).count(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_leg_that_is_never_heard_ends_the_call_where_the_voice_connector_wants_it() {
    for (leg, cause) in [(LegSide::A, "from the caller"), (LegSide::B, "from the callee")] {
        let mut w = listening(true);
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        w.hear_nothing_of(leg);
        for ua in [&mut pbx, &mut pstn] {
            let bye = ua.expect(&mut w, "BYE");
            let reason = bye.header(HeaderName::Reason).unwrap();
            assert!(reason.contains("cause=102") && reason.contains("No audio"), "{reason}");
            ua.ok(&mut w);
        }
        let end = w.end().cause;
        assert!(end.contains("one-way audio") && end.contains(cause), "{end}");
        w.finish();
    }
}

#[test]
fn nobody_is_listened_to_before_the_answer_or_unasked() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.plan().unheard_after, None);
    w.hear_nothing_of(LegSide::A);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn whoever_called_for_help_may_be_unable_to_speak() {
    let mut w = World::with(config(), prepared());
    let (mut ua, mut router) = helped_by(&mut w, "911");
    assert_eq!(w.plan().timeouts, MediaTimeouts::default());
    w.fall_silent(None);
    ua.expect_silence(&mut w);
    ua.hang_up(&mut w, &mut router);
    w.finish();
}

#[test]
fn a_call_whose_stream_the_relay_has_lost_ends_on_both_legs() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.lose_media();
    for ua in [&mut pbx, &mut pstn] {
        let bye = ua.expect(&mut w, "BYE");
        let reason = bye.header(HeaderName::Reason).unwrap();
        assert!(reason.contains("cause=41") && reason.contains("Media relay lost"), "{reason}");
        ua.ok(&mut w);
    }
    assert!(w.end().cause.contains("relay lost"), "{}", w.end().cause);
    w.finish();
}

#[test]
fn a_call_that_rings_while_the_relay_loses_its_stream_is_refused() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    w.lose_media();
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pbx.expect(&mut w, "503");
    pbx.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(model::Refusal::RelayUnavailable));
    w.finish();
}
