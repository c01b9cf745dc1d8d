//! What changes while a call is recorded: metadata, pauses, lines that come and go, refreshes, silence.

use crate::attended::consulted;
use crate::keys::{KEY, KEY_2};
use crate::recorded::{
    CUBE, MULTIPART, SECOND, SIPREC, client, described, hang_up, line, listened, recorded,
    streaming, text, told, two_lines, with_metadata,
};
use model::{LegSecurity, MediaLine, RecordedMetadata};
use simnet::{CARRIER, PBX, RelayMode, Ua, World, config, directory};
use sip_proto::HeaderName;
use std::time::Duration;

const PARTIAL: &str = include_str!("../../../corpus/siprec/partial.xml");
const RFC: &str = include_str!("../../../corpus/siprec/rfc7865.xml");
const ORACLE: &str = include_str!("../../../corpus/siprec/oracle.xml");

#[test]
fn new_metadata_reaches_listeners_once_and_a_refresh_does_not() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, RFC);
    src.request(&mut w, "UPDATE", &SIPREC, Some(("application/rs-metadata+xml", PARTIAL)));
    let answer = src.expect(&mut w, "200");
    assert!(answer.body_bytes().is_empty());
    let updates = &w.relay.listened_updates;
    assert_eq!(updates.len(), 1, "one for the call, not one for each line");
    assert_eq!(updates[0].siprec_metadata.as_deref(), Some(PARTIAL));
    assert!(
        updates[0]
            .headers
            .iter()
            .any(|(name, value)| { &**name == "cseq" && value.ends_with("UPDATE") })
    );
    src.request(&mut w, "UPDATE", &[], None);
    src.expect(&mut w, "200");
    assert_eq!(w.relay.listened_updates.len(), 1);
    let body = with_metadata(&two_lines(1, "sendonly"), CUBE);
    src.invite_of(&mut w, &SIPREC, Some((MULTIPART, &body)));
    assert!(!src.expect(&mut w, "200").body_bytes().is_empty());
    src.ack(&mut w, None);
    assert_eq!(w.relay.listened_updates.len(), 2);
    assert_eq!(told(&w).len(), 3);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_pause_and_its_end() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    for (version, direction, answered) in [(2, "inactive", "inactive"), (3, "sendonly", "recvonly")]
    {
        src.invite_with(&mut w, &SIPREC, Some(&two_lines(version, direction)));
        let body = text(&src.expect(&mut w, "200"));
        src.ack(&mut w, None);
        assert_eq!(body.matches(&format!("a={answered}\r\n")).count(), 2, "{body}");
        let accepts = version == 3;
        assert_eq!(w.plan().legs[0].accepts_from, accepts);
        assert_eq!(w.relay.further.last().unwrap().1.legs[0].accepts_from, accepts);
    }
    assert_eq!(listened(&w).len(), 2, "listeners stay");
    assert_eq!(w.relay.listened_updates.len(), 2);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_line_goes_and_comes_back_and_is_listened_to_again() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    let ours = w.relay.local_of(SECOND)[0].rtp.port();
    let without = described(2, &[line(0, "1", "sendonly"), line(30_002, "2", "sendonly")]);
    src.invite_with(&mut w, &SIPREC, Some(&without));
    let body = text(&src.expect(&mut w, "200"));
    src.ack(&mut w, None);
    assert!(body.contains("m=audio 0 ") && body.contains(&format!("m=audio {ours} ")), "{body}");
    assert_eq!((w.relay.open(), listened(&w).len()), (1, 1));
    let plan = &w.relay.further.last().unwrap().1;
    assert_eq!(plan.legs[0].remote_rtp.unwrap().port(), 30_002, "the other one goes on");
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(3, "sendonly")));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    let all = listened(&w);
    let sides: Vec<_> = all.iter().map(|one| one.channels[0].clone().unwrap().is_caller).collect();
    assert_eq!(sides, [true, false]);
    // None at all, and one again.
    let none = described(4, &[line(0, "1", "sendonly"), line(0, "2", "sendonly")]);
    for version in [4, 4] {
        src.invite_with(&mut w, &SIPREC, Some(&none));
        let body = text(&src.expect(&mut w, "200"));
        src.ack(&mut w, None);
        assert_eq!(body.matches("m=audio 0 ").count(), 2, "{version}: {body}");
        assert_eq!(w.relay.open(), 0);
    }
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(5, "sendonly")));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!(listened(&w).len(), 2);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_new_line_waits_for_ports_and_its_withdrawal_leaves_nothing() {
    let mut w = streaming();
    let mut src = client(&mut w);
    let one = described(1, &[line(30_000, "1", "sendonly")]);
    src.invite_with(&mut w, &SIPREC, Some(&one));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    w.relay.mode = RelayMode::Holds;
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(2, "sendonly")));
    w.answer_relay();
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!(listened(&w).len(), 2);
    src.invite_with(&mut w, &SIPREC, Some(&one));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!(w.relay.open(), 1);
    // A relay that does not answer in time: without the line.
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(3, "sendonly")));
    w.advance(Duration::from_secs(2));
    let body = loop {
        let message = src.expect_any(&mut w);
        if message.status() == Some(200) {
            break text(&message);
        }
    };
    assert!(body.contains("m=audio 0 "), "{body}");
    src.ack(&mut w, None);
    w.answer_relay();
    assert_eq!(w.relay.open(), 1, "what comes too late is given back");
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(4, "sendonly")));
    src.cancel(&mut w);
    src.expect(&mut w, "200");
    src.expect(&mut w, "487");
    src.ack_failure(&mut w);
    w.answer_relay();
    assert_eq!(w.relay.open(), 1);
    // The end in the middle of a wait.
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(5, "sendonly")));
    src.bye(&mut w);
    let statuses: Vec<_> = (0..2).map(|_| src.expect_any(&mut w).status().unwrap()).collect();
    assert!(statuses.contains(&200) && statuses.contains(&487), "{statuses:?}");
    src.ack_failure(&mut w);
    w.answer_relay();
    w.finish();
}

#[test]
fn a_line_behind_the_others_takes_the_channel_of_the_one_that_goes() {
    let channels = |w: &World| -> Vec<_> {
        listened(w).iter().map(|one| one.channels[0].clone().unwrap().is_caller).collect()
    };
    let gone = || line(0, "0", "sendonly");
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    let first_anew = [gone(), line(30_002, "2", "sendonly"), line(30_004, "3", "sendonly")];
    src.invite_with(&mut w, &SIPREC, Some(&described(2, &first_anew)));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!(channels(&w), [false, true], "the caller comes last now");
    let both_anew = [gone(), gone(), gone(), line(30_006, "4", "sendonly")];
    let both_anew = [&both_anew[..], &[line(30_008, "5", "sendonly")]].concat();
    src.invite_with(&mut w, &SIPREC, Some(&described(3, &both_anew)));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    assert_eq!(channels(&w), [true, false]);
    assert_eq!(w.relay.open(), 2);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_change_that_is_refused_leaves_no_ports_behind() {
    let mut w = streaming();
    let mut src = client(&mut w);
    let one = line(30_000, "1", "sendonly");
    src.invite_with(&mut w, &SIPREC, Some(&described(1, std::slice::from_ref(&one))));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    let ours = w.relay.local_of(MediaLine::Main)[0].rtp;
    // We would send to ourselves.
    let two = described(2, &[line(ours.port(), "1", "sendonly"), line(30_002, "2", "sendonly")]);
    let two = two.replace(&PBX.ip().to_string(), &ours.ip().to_string());
    src.invite_with(&mut w, &SIPREC, Some(&two));
    src.expect(&mut w, "488");
    src.ack_failure(&mut w);
    assert_eq!(w.relay.open(), 1);
    // A session interval that is too short.
    let timer = [("Require", "siprec"), ("Supported", "timer"), ("Session-Expires", "10")];
    src.invite_with(&mut w, &timer, Some(&two_lines(3, "sendonly")));
    src.expect(&mut w, "422");
    src.ack_failure(&mut w);
    assert_eq!(w.relay.open(), 1);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_refresh_of_ours_waits_for_a_change_of_the_client() {
    let mut w = streaming();
    let mut src = client(&mut w);
    let timer =
        [("Require", "siprec"), ("Supported", "timer"), ("Session-Expires", "1800;refresher=uas")];
    let one = described(1, &[line(30_000, "1", "sendonly")]);
    src.invite_with(&mut w, &timer, Some(&one));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    w.relay.mode = RelayMode::Holds;
    w.advance(Duration::from_secs(899));
    src.invite_with(&mut w, &timer, Some(&two_lines(2, "sendonly")));
    // RFC 3261 section 14.1: no INVITE of ours beside the client's.
    w.advance(Duration::from_millis(1_500));
    w.answer_relay();
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    src.expect_silence(&mut w);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn the_operator_hears_that_a_recording_is_the_client_s_to_end() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    let id = listened(&w)[0].call.transaction_id;
    for wanted in [false, true] {
        let mut outcome = Ok(());
        w.command(|edge, now| outcome = edge.set_listening(now, id, wanted));
        assert_eq!(outcome, Err(b2bua::ListenRefusal::Recording));
        assert_eq!(listened(&w).len(), 2);
    }
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn metadata_that_cannot_be_read_is_told_and_shown_to_nobody() {
    let doctype = "<!DOCTYPE r SYSTEM \"file:///etc/passwd\"><recording/>";
    for (metadata, word) in [
        ("<recording>", "malformed"),
        (doctype, "document_type"),
        ("<recording><label>&file;</label></recording>", "entity"),
        ("<html/>", "not_metadata"),
    ] {
        let mut w = streaming();
        let (mut src, _) = recorded(&mut w, metadata);
        assert_eq!(told(&w)[0].metadata, RecordedMetadata::Unreadable(word));
        assert_eq!(listened(&w)[0].call.siprec_metadata, None);
        assert_eq!(listened(&w).len(), 2, "it is recorded all the same");
        src.request(&mut w, "UPDATE", &[], Some(("application/rs-metadata+xml", CUBE)));
        src.expect(&mut w, "200");
        assert_eq!(w.relay.listened_updates[0].siprec_metadata.as_deref(), Some(CUBE));
        hang_up(&mut w, &mut src);
        w.finish();
    }
}

#[test]
fn labels_that_no_line_has_are_told_and_the_call_is_recorded() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, ORACLE);
    assert_eq!(told(&w)[0].unknown_label.as_deref(), Some("65804"));
    assert_eq!(listened(&w).len(), 2);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn who_called_is_what_the_client_says() {
    let mut w = streaming();
    let mut src = client(&mut w);
    let lines = [line(30_000, "65804", "sendonly"), line(30_002, "65805", "sendonly")];
    let body = with_metadata(&described(1, &lines), ORACLE);
    src.invite_of(&mut w, &SIPREC, Some((MULTIPART, &body)));
    src.expect(&mut w, "200");
    src.ack(&mut w, None);
    let all = listened(&w);
    let callers: Vec<_> =
        all.iter().map(|one| one.channels[0].clone().unwrap().is_caller).collect();
    assert_eq!(callers, [false, true], "the agent's line comes first");
    assert_eq!((&*all[0].call.from_number, &*all[0].call.to_number), ("+12065550100", "4000"));
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn srtp_of_the_client_has_keys_for_each_line() {
    let mut resources = directory();
    resources.voice_connectors[0].streaming.enabled = true;
    let mut w = World::with(config(), resources);
    let mut src = client(&mut w);
    let secure = |port: u16, key: &str| {
        format!(
            "m=audio {port} RTP/SAVP 0\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}\r\na=sendonly\r\n"
        )
    };
    let offer = described(1, &[secure(30_000, KEY), secure(30_002, KEY_2)]);
    src.invite_with(&mut w, &SIPREC, Some(&offer));
    let body = text(&src.expect(&mut w, "200"));
    src.ack(&mut w, None);
    assert_eq!(body.matches("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:").count(), 2, "{body}");
    for plan in [w.plan(), &w.relay.further[0].1] {
        assert!(matches!(plan.legs[0].security, LegSecurity::Sdes(_)), "{plan:?}");
    }
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_client_that_refreshes_may_be_silent_and_one_that_does_not_may_not() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    assert!(w.plan().timeouts.both.is_some() && w.plan().timeouts.one.is_none());
    w.fall_silent(None);
    let bye = src.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Media timeout"));
    src.ok(&mut w);
    assert!(w.end().cause.contains("media.both_silent"));
    w.finish();
    let mut w = streaming();
    let mut src = client(&mut w);
    let timer =
        [("Require", "siprec"), ("Supported", "timer"), ("Session-Expires", "1800;refresher=uac")];
    src.invite_with(&mut w, &timer, Some(&two_lines(1, "sendonly")));
    let answer = src.expect(&mut w, "200");
    assert!(answer.has_option_tag(HeaderName::Require, "timer"));
    assert!(answer.has_option_tag(HeaderName::Require, "siprec"));
    src.ack(&mut w, None);
    assert!(w.plan().timeouts.both.is_none());
    w.fall_silent(None);
    src.expect_silence(&mut w);
    // It does not refresh: the dialog ends.
    w.advance(Duration::from_secs(1_800));
    let bye = src.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Session expired"));
    src.ok(&mut w);
    w.finish();
}

#[test]
fn we_refresh_where_the_client_wants_us_to() {
    let mut w = streaming();
    let mut src = client(&mut w);
    let timer =
        [("Require", "siprec"), ("Supported", "timer"), ("Session-Expires", "1800;refresher=uas")];
    src.invite_with(&mut w, &timer, Some(&two_lines(1, "sendonly")));
    let body = text(&src.expect(&mut w, "200"));
    src.ack(&mut w, None);
    w.advance(Duration::from_secs(900));
    let refresh = src.expect(&mut w, "INVITE");
    assert_eq!(text(&refresh), body, "what it has already");
    assert!(refresh.header(HeaderName::Contact).unwrap().contains("+sip.srs"));
    src.reply_with(
        &mut w,
        200,
        &[("Session-Expires", "1800;refresher=uac")],
        Some(&two_lines(1, "sendonly")),
    );
    src.expect(&mut w, "ACK");
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_lost_relay_ends_the_recording() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    w.lose_media();
    src.expect(&mut w, "BYE");
    src.ok(&mut w);
    assert_eq!(w.end().cause, "the media relay lost the call");
    w.finish();
}

#[test]
fn other_requests_find_nobody() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    for method in ["INFO", "MESSAGE", "REFER", "NOTIFY", "PRACK", "PUBLISH"] {
        src.request(&mut w, method, &[("Refer-To", "<sip:a@b>"), ("RAck", "1 1 INVITE")], None);
        let refused = src.expect(&mut w, "405");
        assert!(!refused.header(HeaderName::Allow).unwrap().contains("REFER"));
    }
    src.request(&mut w, "OPTIONS", &[], None);
    assert!(src.expect(&mut w, "200").has_option_tag(HeaderName::Supported, "siprec"));
    src.invite_with(&mut w, &SIPREC, None);
    src.expect(&mut w, "488");
    src.ack_failure(&mut w);
    assert_eq!(w.relay.local_of(MediaLine::Main)[0].rtp.ip(), simnet::EDGE.ip());
    assert_ne!(PBX, simnet::EDGE);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn nobody_takes_the_place_of_a_recording_client() {
    let mut w = streaming();
    let (mut src, _) = recorded(&mut w, CUBE);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "REFER", &[("Refer-To", &consulted(&src))], None);
    pbx.expect(&mut w, "404");
    let replaces = format!("{};to-tag={};from-tag={}", src.call_id, src.remote_tag(), src.tag);
    let mut other = w.caller(PBX, "+12065550100");
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    other.expect(&mut w, "481");
    other.ack_failure(&mut w);
    hang_up(&mut w, &mut src);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn legs_that_want_to_know_are_told_of_being_recorded() {
    for (is_on, answer) in [(true, 1), (false, 0)] {
        let mut resources = directory();
        resources.voice_connectors[0].streaming.enabled = is_on;
        let mut w = World::with(config(), resources);
        let mut pbx = w.caller(PBX, "+12065550123");
        let offer = pbx.sdp(30_000);
        pbx.invite_with(&mut w, &[("Supported", "timer, record-aware")], Some(&offer));
        let mut pstn = w.callee(CARRIER);
        let offered = text(pstn.invited.as_ref().unwrap());
        assert_eq!(offered.matches("a=record:on\r\n").count(), answer, "{offered}");
        assert_eq!(offered.matches("a=record").count(), answer, "never that it is not");
        let described = pstn.sdp(40_000);
        let answered = text(&pstn.answer(&mut w, &mut pbx, &described));
        assert_eq!(answered.matches("a=record:on\r\n").count(), answer, "{answered}");
        // A plain caller is told nothing; an aware callee with the first offer, and with each that follows.
        pbx.hang_up(&mut w, &mut pstn);
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
        pstn.reply_with(&mut w, 200, &[("Supported", "record-aware")], Some(&described));
        pstn.expect(&mut w, "ACK");
        assert!(!text(&pbx.expect(&mut w, "200")).contains("a=record"));
        pbx.ack(&mut w, None);
        let held = pbx.sdp_with(30_000, 2, "sendonly");
        pbx.invite(&mut w, Some(&held));
        let offered = text(&pstn.expect(&mut w, "INVITE"));
        assert_eq!(offered.matches("a=record:on\r\n").count(), answer, "{offered}");
        pstn.answer(&mut w, &mut pbx, &described);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}
