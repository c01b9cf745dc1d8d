//! Calls of more than one media line: each a stream of its own, and the call lives with its audio.

use crate::keys::{KEY, KEY_2, described, key, keys, media_lines, one, secure, with_carriers};
use directory::Srtp;
use model::{LegSecurity, LegSide, MediaLine, MediaType, RelayedLines, StreamKind};
use simnet::{CARRIER, PBX, RelayMode, Ua, World, config, directory};
use sip_proto::Message;

pub(crate) const VIDEO: MediaLine = MediaLine::Further { index: 1, media: MediaType::Video };

/// A line of H.264 at `port`.
pub(crate) fn h264(port: u16) -> String {
    let rest = if port == 0 {
        ""
    } else {
        "a=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f;packetization-mode=1\r\n\
         a=rtcp-fb:96 nack pli\r\na=content:main\r\n"
    };
    format!("m=video {port} RTP/AVP 96\r\n{rest}")
}

/// A description of audio and video.
pub(crate) fn with_video(ua: &Ua, port: u16, version: u32) -> String {
    ua.sdp_with(port, version, "sendrecv") + &h264(port + 2)
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body_bytes()).into_owned()
}

/// Which lines of a description are on.
pub(crate) fn on(message: &Message) -> Vec<bool> {
    media_lines(message).iter().map(|line| line.split(' ').nth(1) != Some("0")).collect()
}

/// An established call with video on both legs.
pub(crate) fn video_call(w: &mut World) -> (Ua, Ua) {
    let (mut pbx, mut pstn) = Ua::offering(w, |ua| with_video(ua, 30_000, 1));
    let answer = with_video(&pstn, 40_000, 1);
    pstn.answer(w, &mut pbx, &answer);
    (pbx, pstn)
}

pub(crate) fn video_ports(w: &World) -> [u16; 2] {
    let (line, plan) = w.relay.further.last().unwrap();
    assert_eq!(*line, VIDEO);
    plan.legs.clone().map(|leg| leg.remote_rtp.unwrap().port())
}

#[test]
fn video_is_a_stream_of_its_own_on_ports_of_its_own() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
    let ours = w.relay.local_of(VIDEO);
    let invited = text(pstn.invited.as_ref().unwrap());
    assert!(invited.contains(&format!("m=video {} RTP/AVP 96\r\n", ours[1].rtp.port())));
    assert!(invited.contains("a=rtcp-fb:96 nack pli\r\na=content:main\r\n"), "{invited}");
    let answer = with_video(&pstn, 40_000, 1);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let answered = text(&pbx.expect(&mut w, "200"));
    assert!(answered.contains(&format!("m=video {} RTP/AVP 96\r\n", ours[0].rtp.port())));
    pbx.ack(&mut w, None);
    assert_eq!(video_ports(&w), [30_002, 40_002]);
    let plan = &w.relay.further[0].1;
    assert!(plan.legs.iter().all(|leg| leg.codecs[0].clock_rate == 90_000));
    assert_eq!(plan.timeouts, model::MediaTimeouts::default(), "silence on it ends no call");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_declined_line_gives_its_ports_back_and_audio_goes_on() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = with_video(&pbx, 30_000, 1);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    assert_eq!(w.relay.open_lines(), [VIDEO]);
    let answer = pstn.sdp(40_000) + &h264(0);
    assert_eq!(on(&pstn.answer(&mut w, &mut pbx, &answer)), [true, false]);
    assert_eq!(w.relay.open_lines(), []);
    assert!(w.relay.further.is_empty() && w.relay.open() == 1);
    // A session refresh repeats the offer: nothing is asked for.
    pbx.invite(&mut w, Some(&offer));
    assert_eq!(on(&pbx.expect(&mut w, "200")), [true, false]);
    pbx.ack(&mut w, None);
    assert_eq!(w.relay.open(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn without_ports_for_a_line_it_is_declined_and_the_call_goes_on() {
    for lines in [RelayMode::AudioOnly, RelayMode::Answers] {
        let mut resources = directory();
        if lines == RelayMode::Answers {
            resources.voice_connectors[0].lines = RelayedLines::NONE;
        }
        let mut w = World::with(config(), resources);
        w.relay.mode = lines;
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
        assert_eq!(on(pstn.invited.as_ref().unwrap()), [true, false]);
        let answer = pstn.sdp(40_000) + &h264(0);
        assert_eq!(on(&pstn.answer(&mut w, &mut pbx, &answer)), [true, false]);
        // Nor in a re-INVITE.
        let again = with_video(&pbx, 31_000, 2);
        pbx.invite(&mut w, Some(&again));
        assert_eq!(on(&pstn.expect(&mut w, "INVITE")), [true, false]);
        assert_eq!(on(&pstn.answer(&mut w, &mut pbx, &answer)), [true, false]);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

/// `asking` offers `offer`, and `other` answers with `answer`.
fn renegotiate(
    w: &mut World,
    asking: &mut Ua,
    other: &mut Ua,
    offer: &str,
    answer: &str,
) -> [Vec<bool>; 2] {
    asking.invite(w, Some(offer));
    let offered = on(&other.expect(w, "INVITE"));
    other.reply(w, 200, Some(answer));
    other.expect(w, "ACK");
    let answered = on(&asking.expect(w, "200"));
    asking.ack(w, None);
    [offered, answered]
}

#[test]
fn a_line_is_added_switched_off_and_on_again_by_either_leg() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let (offer, answer) = (with_video(&pstn, 40_000, 2), with_video(&pbx, 30_000, 2));
    let both = [vec![true, true], vec![true, true]];
    assert_eq!(renegotiate(&mut w, &mut pstn, &mut pbx, &offer, &answer), both);
    assert_eq!(video_ports(&w), [30_002, 40_002]);
    let first = w.relay.local_of(VIDEO);
    // Off, and its ports are free.
    let off = |ua: &Ua, port: u16, version: u32| ua.sdp_with(port, version, "sendrecv") + &h264(0);
    let (offer, answer) = (off(&pbx, 30_000, 3), off(&pstn, 40_000, 3));
    let neither = [vec![true, false], vec![true, false]];
    assert_eq!(renegotiate(&mut w, &mut pbx, &mut pstn, &offer, &answer), neither);
    assert_eq!(w.relay.open_lines(), []);
    // On again.
    let (offer, answer) = (with_video(&pbx, 32_000, 4), with_video(&pstn, 42_000, 4));
    assert_eq!(renegotiate(&mut w, &mut pbx, &mut pstn, &offer, &answer), both);
    assert_eq!(video_ports(&w), [32_002, 42_002]);
    assert_ne!(w.relay.local_of(VIDEO), first);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_refused_line_leaves_the_call_as_it_was() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = with_video(&pbx, 30_000, 2);
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    assert_eq!(w.relay.open(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn each_line_is_held_by_itself() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = video_call(&mut w);
    let direction = |ua: &Ua, port: u16, video: &str| {
        let line = h264(port + 2) + &format!("a={video}\r\n");
        ua.sdp_with(port, 2, "sendrecv") + &line
    };
    let (offer, answer) =
        (direction(&pbx, 30_000, "inactive"), direction(&pstn, 40_000, "inactive"));
    renegotiate(&mut w, &mut pbx, &mut pstn, &offer, &answer);
    let video = &w.relay.further.last().unwrap().1;
    assert!(video.legs.iter().all(|leg| !leg.accepts_from && !leg.sends_to));
    assert!(w.plan().legs.iter().all(|leg| leg.accepts_from && leg.sends_to));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn the_far_ends_offer_has_its_lines_too() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.invite(&mut w, None);
    let mut pstn = w.callee(CARRIER);
    let offer = with_video(&pstn, 40_000, 1);
    pstn.reply(&mut w, 200, Some(&offer));
    assert_eq!(on(&pbx.expect(&mut w, "200")), [true, true]);
    let answer = with_video(&pbx, 30_000, 1);
    pbx.ack(&mut w, Some(&answer));
    assert_eq!(on(&pstn.expect(&mut w, "ACK")), [true, true]);
    assert_eq!(video_ports(&w), [30_002, 40_002]);
    // Likewise in a re-INVITE, here of a third line.
    let more = |ua: &Ua, port: u16| {
        with_video(ua, port, 2)
            + &format!("m=text {} RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n", port + 4)
    };
    pbx.invite(&mut w, None);
    pstn.expect(&mut w, "INVITE");
    let offer = more(&pstn, 40_000);
    pstn.reply(&mut w, 200, Some(&offer));
    assert_eq!(on(&pbx.expect(&mut w, "200")), [true, true, true]);
    let answer = more(&pbx, 30_000);
    pbx.ack(&mut w, Some(&answer));
    assert_eq!(on(&pstn.expect(&mut w, "ACK")), [true, true, true]);
    let text = MediaLine::Further { index: 2, media: MediaType::Text };
    assert_eq!(w.relay.open_lines(), [VIDEO, text]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_room_device_has_all_its_lines_but_those_over_tcp() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let room = |ua: &Ua, port: u16, tcp: u16| {
        let [slides, floor, camera] = [port + 4, port + 6, port + 8];
        ua.sdp(port)
            + &h264(port + 2)
            + &format!(
                "m=application {tcp} TCP/BFCP *\r\na=setup:actpass\r\n\
                 m=application {floor} UDP/BFCP *\r\na=floorctrl:c-s\r\na=confid:1\r\n\
                 a=floorid:2 mstrm:12\r\n\
                 m=video {slides} RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=content:slides\r\n\
                 m=application {camera} RTP/AVP 100\r\na=rtpmap:100 H224/4800\r\n"
            )
    };
    let offer = room(&pbx, 30_000, 5000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let invited = pstn.invited.clone().unwrap();
    assert_eq!(on(&invited), [true, true, false, true, true, true]);
    assert!(text(&invited).contains("UDP/BFCP *\r\na=floorctrl:c-s\r\na=confid:1\r\n"));
    let answer = room(&pstn, 40_000, 0);
    assert_eq!(on(&pstn.answer(&mut w, &mut pbx, &answer)), [true, true, false, true, true, true]);
    let kind_of = |index: u8| {
        let found =
            w.relay.further.iter().rev().find(
                |(line, _)| matches!(line, MediaLine::Further { index: of, .. } if *of == index),
            );
        found.map(|(line, plan)| (line.media(), plan.kind, plan.legs[1].remote_rtp.unwrap().port()))
    };
    assert_eq!(kind_of(2), None);
    assert_eq!(kind_of(3), Some((MediaType::Application, StreamKind::Bfcp, 40_006)));
    assert_eq!(kind_of(4), Some((MediaType::Video, StreamKind::Rtp, 40_004)));
    assert_eq!(kind_of(5), Some((MediaType::Application, StreamKind::Rtp, 40_008)));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn of_many_lines_six_are_relayed() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let lines = |ua: &Ua, port: u16| (1..16).fold(ua.sdp(port), |sdp, n| sdp + &h264(port + 2 * n));
    let offer = lines(&pbx, 30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let six = [&[true; 6][..], &[false; 10]].concat();
    assert_eq!(on(pstn.invited.as_ref().unwrap()), six);
    // One that answers what was declined gets nothing for it.
    let answer = lines(&pstn, 40_000);
    assert_eq!(on(&pstn.answer(&mut w, &mut pbx, &answer)), six);
    assert_eq!(w.relay.open(), 6);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn each_line_has_keys_of_its_own_on_each_leg() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
    let invited = described(pstn.invited.as_ref().unwrap());
    let video = invited.line_at(1).unwrap().stream;
    assert_eq!(video.profile.name(), "RTP/SAVP");
    let ours: Vec<_> = invited.audio().unwrap().crypto.into_iter().chain(video.crypto).collect();
    assert_eq!(ours.len(), 10);
    for (at, one) in ours.iter().enumerate() {
        let others = ours.iter().skip(at + 1);
        assert!(others.clone().all(|other| one.usable().unwrap() != other.usable().unwrap()));
    }
    let line = |key: &str| format!("a=crypto:{}\r\n", one(4, key));
    let video = h264(40_002).replace("RTP/AVP", "RTP/SAVP") + &line(KEY_2);
    let answer = secure(&mut w, CARRIER, 1, &one(4, KEY)) + &video;
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let answered = pbx.expect(&mut w, "200");
    assert!(media_lines(&answered).iter().all(|line| line.contains(" RTP/AVP ")));
    assert!(!text(&answered).contains("crypto"));
    pbx.ack(&mut w, None);
    let (_, plan) = w.relay.further.last().unwrap();
    let [LegSecurity::Plain, LegSecurity::Sdes(sdes)] = plan.legs.clone().map(|leg| leg.security)
    else {
        panic!("{plan:?}")
    };
    assert_eq!(sdes.receive, key(&one(4, KEY_2)));
    assert_eq!(sdes.send, *ours[8].usable().unwrap());
    assert_eq!(keys(&w, LegSide::B), (key(&one(4, KEY)), ours[3].usable().unwrap().clone()));
    // A line whose keys do not fit is declined; audio goes on.
    let offer = with_video(&pbx, 30_000, 2);
    let video = h264(40_002).replace("RTP/AVP", "RTP/SAVP")
        + &line(KEY_2).replace("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80");
    let answer = secure(&mut w, CARRIER, 2, &one(4, KEY)) + &video;
    let [offered, answered] = renegotiate(&mut w, &mut pbx, &mut pstn, &offer, &answer);
    assert_eq!((offered, answered), (vec![true, true], vec![true, false]));
    assert_eq!(w.relay.open_lines(), []);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_line_without_keys_is_declined_where_they_are_required() {
    let mut w = World::with(config(), with_carriers(Srtp::Required));
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| {
        ua.sdp(30_000) + "m=application 30004 UDP/BFCP *\r\n" + &h264(30_002)
    });
    // Nothing protects floor control.
    assert_eq!(on(pstn.invited.as_ref().unwrap()), [true, false, true]);
    let answer = secure(&mut w, CARRIER, 1, &one(4, KEY))
        + "m=application 40004 UDP/BFCP *\r\n"
        + &h264(40_002);
    assert_eq!(on(&pstn.answer(&mut w, &mut pbx, &answer)), [true, false, false]);
    assert!(w.relay.further.is_empty() && w.relay.open_lines().is_empty());
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_relay_that_loses_everything_ends_the_call() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = video_call(&mut w);
    w.lose_media();
    for ua in [&mut pbx, &mut pstn] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
    w.finish();
}

#[test]
fn silence_is_about_the_main_line() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = video_call(&mut w);
    w.fall_silent(Some(LegSide::A));
    for ua in [&mut pbx, &mut pstn] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
    w.finish();
}
