//! Copies of calls (SIPREC), and calls that are listened to, that outlive the process of their edge.

use crate::keys::{KEY, KEY_2};
use crate::recorded::{
    CUBE, MULTIPART, SECOND, SIPREC, client, described, hang_up, line, listened, recorded, text,
    told, two_lines, with_metadata,
};
use b2bua::EdgeConfig;
use directory::Resources;
use model::{
    CallEventKind, LegSecurity, LegSide, ListenFailure, MediaLine, RecordedMetadata, UnixTime,
};
use simnet::{CARRIER, PBX, RelayMode, Ua, World, config, directory};
use sip_proto::HeaderName;
use std::time::Duration;

const PARTIAL: &str = include_str!("../../../corpus/siprec/partial.xml");
const RFC: &str = include_str!("../../../corpus/siprec/rfc7865.xml");

fn keeping() -> EdgeConfig {
    let origin = UnixTime::from_millis(1_893_456_000_000);
    EdgeConfig { keep_calls: true, origin, ..config() }
}

fn streaming() -> Resources {
    let mut resources = directory();
    resources.voice_connectors[0].streaming.enabled = true;
    resources.voice_connectors[0].streaming.by_header = true;
    resources
}

fn world() -> World {
    World::with(keeping(), streaming())
}

fn restart(w: &mut World) {
    w.restart(keeping(), streaming());
}

fn kinds(w: &World, is_wanted: impl Fn(&CallEventKind) -> bool) -> usize {
    w.audit.events.iter().filter(|event| is_wanted(&event.kind)).count()
}

/// The numbers of our description and its version.
fn origin_of(body: &str) -> (String, u64) {
    let origin = body.lines().find_map(|line| line.strip_prefix("o=")).unwrap();
    let words: Vec<_> = origin.split(' ').collect();
    (words[1].to_owned(), words[2].parse().unwrap())
}

#[test]
fn a_recording_is_taken_up_as_it_was_and_the_client_goes_on_with_it() {
    let mut w = world();
    let (mut src, answer) = recorded(&mut w, CUBE);
    let before = listened(&w);
    let mut plans = [w.plan().clone(), w.relay.further[0].1.clone()];
    // What is said again of a stream does not have it learn anew where its packets come from.
    plans.iter_mut().for_each(|plan| plan.legs[0].relearn = false);
    assert_eq!((w.kept.len(), w.farewells.len(), w.setups.len()), (1, 0, 0));
    restart(&mut w);
    src.expect_silence(&mut w);
    assert_eq!((w.relay.open(), w.edge.active_calls()), (2, 1));
    assert_eq!(listened(&w), before, "listeners were told nothing");
    assert!(w.relay.listened_updates.is_empty());
    assert_eq!(told(&w).len(), 2, "the records of the new process know what it is");
    assert_eq!(told(&w)[0], told(&w)[1]);
    assert_eq!(kinds(&w, |kind| matches!(kind, CallEventKind::ListenedTo)), 2);
    // A re-INVITE with metadata: the same ports, labels and place of the description.
    let body = with_metadata(&two_lines(2, "sendonly"), RFC);
    src.invite_of(&mut w, &SIPREC, Some((MULTIPART, &body)));
    let again = src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert!(again.header(HeaderName::Contact).unwrap().ends_with(">;+sip.srs"));
    let (old, new) = (text(&answer), text(&again));
    let (ours, version) = origin_of(&old);
    assert!(origin_of(&new).0 == ours && origin_of(&new).1 >= version, "{new}");
    let media = |body: &str| {
        let is_media = |line: &&str| ["m=", "c=", "a="].iter().any(|kind| line.starts_with(kind));
        body.lines().filter(is_media).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(media(&new), media(&old));
    assert_eq!([w.plan(), &w.relay.further.last().unwrap().1], [&plans[0], &plans[1]]);
    assert_eq!(listened(&w), before, "the same channels, and nobody new");
    let [update] = &w.relay.listened_updates[..] else { panic!("one update for the call") };
    assert_eq!(update.siprec_metadata.as_deref(), Some(RFC));
    hang_up(&mut w, &mut src);
    assert_eq!(w.end().cause, "leg A hung up");
    assert!(w.kept.is_empty());
    w.finish();
}

#[test]
fn it_outlives_one_restart_after_the_other() {
    let mut w = world();
    let (mut src, _) = recorded(&mut w, CUBE);
    let before = listened(&w);
    let kept: Vec<_> = w.kept.values().cloned().collect();
    for _ in 0..3 {
        restart(&mut w);
        src.request(&mut w, "UPDATE", &SIPREC, None);
        src.expect(&mut w, "200");
    }
    assert_eq!(listened(&w), before);
    let now: Vec<_> = w.kept.values().cloned().collect();
    assert_eq!(now[0].recording, kept[0].recording);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn what_metadata_said_before_is_changed_by_what_it_says_after() {
    let mut w = world();
    let mut src = client(&mut w);
    let lines = [line(30_000, "96", "sendonly"), line(30_002, "97", "sendonly")];
    let body = with_metadata(&described(1, &lines), RFC);
    src.invite_of(&mut w, &SIPREC, Some((MULTIPART, &body)));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    restart(&mut w);
    let of = |w: &World| w.kept.values().next().unwrap().recording.clone().unwrap();
    let before = of(&w).metadata;
    src.request(&mut w, "UPDATE", &SIPREC, Some(("application/rs-metadata+xml", PARTIAL)));
    src.expect(&mut w, "200");
    let after = of(&w).metadata;
    assert_ne!(after, before);
    assert!(before.streams.iter().all(|stream| after.streams.contains(stream)), "{after:?}");
    let labels = after.labels().count();
    assert!(labels >= 2, "{after:?}");
    // What cannot be read is told over the next restart too.
    src.request(&mut w, "UPDATE", &SIPREC, Some(("application/rs-metadata+xml", "<recording>")));
    src.expect(&mut w, "200");
    restart(&mut w);
    assert_eq!(told(&w).last().unwrap().metadata, RecordedMetadata::Unreadable("malformed"));
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn lines_go_and_come_back_in_their_channels() {
    let mut w = world();
    let (mut src, _) = recorded(&mut w, CUBE);
    restart(&mut w);
    let second = described(2, &[line(0, "1", "sendonly"), line(30_002, "2", "sendonly")]);
    src.invite_with(&mut w, &SIPREC, Some(&second));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!((w.relay.open(), listened(&w).len()), (1, 1));
    restart(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(3, "sendonly")));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    let channels: Vec<_> =
        listened(&w).iter().map(|one| one.channels[0].clone().unwrap()).collect();
    let told: Vec<_> = channels.iter().map(|channel| (channel.side, channel.is_caller)).collect();
    assert_eq!(told, [(LegSide::A, true), (LegSide::B, false)]);
    // None at all over a restart, and both again.
    let none = described(4, &[line(0, "1", "sendonly"), line(0, "2", "sendonly")]);
    src.invite_with(&mut w, &SIPREC, Some(&none));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    restart(&mut w);
    assert_eq!((w.edge.active_calls(), w.relay.open()), (1, 0));
    src.invite_with(&mut w, &SIPREC, Some(&none));
    assert_eq!(text(&src.expect(&mut w, "200")).matches("m=audio 0 ").count(), 2);
    src.ack(&mut w, None);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(5, "sendonly")));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!((w.relay.open(), listened(&w).len()), (2, 2));
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn keys_of_its_lines_stay_and_are_secrets() {
    let mut w = world();
    let mut src = client(&mut w);
    let secure = |port: u16, key: &str| {
        format!(
            "m=audio {port} RTP/SAVP 0\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}\r\na=sendonly\r\n"
        )
    };
    let offer = |version| described(version, &[secure(30_000, KEY), secure(30_002, KEY_2)]);
    src.invite_with(&mut w, &SIPREC, Some(&offer(1)));
    let keys = |body: String| {
        let keys = body.lines().filter(|line| line.starts_with("a=crypto"));
        keys.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = keys(text(&src.expect(&mut w, "200")));
    src.ack(&mut w, None);
    assert!(w.kept.values().all(b2bua::SavedCall::has_secrets), "they are sealed on the disk");
    let mut opened = w.kept.values().next().unwrap().clone();
    let taken = opened.take_descriptions();
    assert!(!opened.has_secrets() && taken.len() == 1);
    restart(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&offer(2)));
    assert_eq!(keys(text(&src.expect(&mut w, "200"))), before);
    src.ack(&mut w, None);
    for plan in [w.plan(), &w.relay.further.last().unwrap().1] {
        assert!(matches!(plan.legs[0].security, LegSecurity::Sdes(_)), "{plan:?}");
    }
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_change_that_waited_for_ports_is_made_when_it_is_asked_for_again() {
    let mut w = world();
    let mut src = client(&mut w);
    let one = described(1, &[line(30_000, "1", "sendonly")]);
    src.invite_with(&mut w, &SIPREC, Some(&one));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    w.relay.mode = RelayMode::Holds;
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(2, "sendonly")));
    assert_eq!((w.kept.len(), w.farewells.len()), (1, 0), "as it was before");
    w.relay.mode = RelayMode::Answers;
    restart(&mut w);
    assert_eq!(w.relay.open(), 1);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(2, "sendonly")));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!(listened(&w).len(), 2);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn its_clocks_go_on() {
    // Silence of a client that does not refresh.
    let mut w = world();
    let (mut src, _) = recorded(&mut w, CUBE);
    restart(&mut w);
    w.fall_silent(None);
    let bye = src.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Media timeout"));
    src.ok(&mut w);
    w.finish();
    // Of one that does it means nothing, and its dialog expires.
    let mut w = world();
    let mut src = client(&mut w);
    let timer =
        [("Require", "siprec"), ("Supported", "timer"), ("Session-Expires", "1800;refresher=uac")];
    src.invite_with(&mut w, &timer, Some(&two_lines(1, "sendonly")));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    w.advance(Duration::from_secs(600));
    restart(&mut w);
    w.fall_silent(None);
    src.expect_silence(&mut w);
    w.advance(Duration::from_secs(1_200));
    let bye = src.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Session expired"));
    src.ok(&mut w);
    w.finish();
}

#[test]
fn one_whose_relay_is_gone_too_ends() {
    let mut w = world();
    let (mut src, _) = recorded(&mut w, CUBE);
    restart(&mut w);
    w.lose_media();
    src.expect(&mut w, "BYE");
    src.ok(&mut w);
    assert_eq!(w.end().cause, "the media relay lost the call");
    w.finish();
}

#[test]
fn one_that_is_not_acknowledged_is_hung_up() {
    let mut w = world();
    let mut src = client(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(1, "sendonly")));
    src.expect(&mut w, "200");
    assert_eq!((w.kept.len(), w.farewells.len()), (0, 1));
    restart(&mut w);
    src.expect(&mut w, "BYE");
    src.ok(&mut w);
    assert_eq!((w.relay.open(), w.edge.active_calls()), (0, 0));
    w.advance(Duration::from_secs(300));
    assert!(w.edge.is_idle());
}

#[test]
fn the_ports_of_its_lines_are_ours_still() {
    let mut w = world();
    let (mut src, _) = recorded(&mut w, CUBE);
    let ours = [MediaLine::Main, SECOND].map(|line| w.relay.local_of(line)[0].rtp);
    restart(&mut w);
    let mut pbx = w.caller(PBX, "+12065550123");
    let loops = pbx.sdp(30_000).replace(&PBX.ip().to_string(), &ours[0].ip().to_string());
    pbx.invite(&mut w, Some(&loops.replace("30000", &ours[1].port().to_string())));
    let refused = pbx.expect_any(&mut w);
    assert!(refused.status().is_some_and(|status| status >= 400), "{refused:?}");
    pbx.ack_failure(&mut w);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_leg_that_wants_to_know_of_recording_is_told_after_a_restart_too() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    let described = pstn.sdp(40_000);
    pstn.reply_with(&mut w, 200, &[("Supported", "record-aware")], Some(&described));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    let (on, off) = (("X-Tandem-Streaming", "on"), ("X-Tandem-Streaming", "off"));
    for (version, header, said) in [(2, on, "on"), (3, off, "off"), (4, on, "on")] {
        restart(&mut w);
        pbx.request(&mut w, "INFO", &[header], None);
        pbx.expect(&mut w, "200");
        // Of what its first offer did not say it is told at once, and by the next process again: nobody
        // knows what it made of that.
        let first = (version > 2).then(|| origin_of(&text(&pstn.expect(&mut w, "INVITE"))));
        restart(&mut w);
        if let Some((_, first)) = first {
            let again = text(&pstn.expect(&mut w, "INVITE"));
            assert!(again.contains(&format!("a=record:{said}\r\n")), "{version}: {again}");
            assert!(origin_of(&again).1 > first, "{again}");
            pstn.reply(&mut w, 200, Some(&described));
            pstn.expect(&mut w, "ACK");
        }
        let changed = pbx.sdp_with(30_000, version, "sendrecv");
        pbx.invite(&mut w, Some(&changed));
        let offered = text(&pstn.expect(&mut w, "INVITE"));
        assert!(offered.contains(&format!("a=record:{said}\r\n")), "{version}: {offered}");
        pstn.answer(&mut w, &mut pbx, &described);
    }
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_that_is_switched_on_again_is_to_its_listeners_what_it_was() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let before = listened(&w);
    pbx.request(&mut w, "INFO", &[("X-Tandem-Streaming", "off")], None);
    pbx.expect(&mut w, "200");
    restart(&mut w);
    assert!(listened(&w).is_empty());
    assert_eq!(
        kinds(&w, |kind| matches!(kind, CallEventKind::ListenedTo)),
        2,
        "it was, for the records"
    );
    pbx.request(&mut w, "INFO", &[("X-Tandem-Streaming", "on")], None);
    pbx.expect(&mut w, "200");
    assert_eq!(listened(&w), before, "with the headers of its INVITE");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_relay_that_was_full_is_asked_again_by_the_next_process() {
    let mut w = world();
    w.relay.cannot_listen = Some(ListenFailure::TooMany);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert!(listened(&w).is_empty());
    restart(&mut w);
    w.relay.cannot_listen = None;
    w.advance(Duration::from_secs(11));
    assert_eq!(listened(&w).len(), 1);
    assert!(w.take(CARRIER, None).is_none());
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
