//! Offer and answer through the B2BUA in the manner of RFC 4317's examples, and the version of the
//! `o=` line (RFC 3264 section 8).

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use sdp::{AnchorOptions, Direction, OriginState, Role, SessionDescription, same_media};
use support::{anchored, audio, corpus, description, text, towards_a, towards_b};

fn written(description: &SessionDescription) -> String {
    String::from_utf8(description.write()).expect("text")
}

fn head(user: &str) -> String {
    format!("v=0\no={user} 1 1 IN IP4 host.{user}.example\ns=\nc=IN IP4 192.0.2.10\nt=0 0\n")
}

/// RFC 4317 section 2.1: audio and video offered, one codec of each chosen.
#[test]
fn codec_selection_with_video_declined() {
    let offer = text(&format!(
        "{}m=audio 49170 RTP/AVP 0 8 97\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n\
         a=rtpmap:97 iLBC/8000\nm=video 51372 RTP/AVP 31 32\na=rtpmap:31 H261/90000\n",
        head("alice")
    ));
    let to_b = anchored(&offer, &towards_b(), Role::Offer).expect("anchored");
    assert!(written(&to_b).contains("m=video 0 RTP/AVP 31 32\r\n"));
    let answer = text(&format!(
        "{}m=audio 49174 RTP/AVP 0\na=rtpmap:0 PCMU/8000\nm=video 0 RTP/AVP 31 32\n",
        head("bob")
    ));
    let to_a =
        anchored(&answer, &towards_a(), Role::Answer { to: &offer, at: None }).expect("anchored");
    let stream = to_a.audio().expect("audio");
    assert_eq!(stream.codecs.len(), 1);
    assert_eq!(stream.remote_rtp, Some(towards_a().rtp));
    assert!(!written(&to_a).contains("example"), "{}", written(&to_a));
}

/// RFC 4317 section 2.4: two audio streams, the second for telephone events.
#[test]
fn a_second_audio_stream_is_declined() {
    let offer = text(&format!(
        "{}m=audio 49170 RTP/AVP 0\nm=audio 49172 RTP/AVP 98\na=rtpmap:98 telephone-event/8000\n\
         a=sendonly\n",
        head("alice")
    ));
    let to_b = anchored(&offer, &towards_b(), Role::Offer).expect("anchored");
    assert!(written(&to_b).ends_with("m=audio 0 RTP/AVP 98\r\n"));
}

/// RFC 4317 section 2.5: what the answerer lists first, it prefers.
#[test]
fn order_of_formats_passes() {
    let offer = text(&format!("{}m=audio 49170 RTP/AVP 8 0 18\n", head("alice")));
    let answer = text(&format!("{}m=audio 49172 RTP/AVP 18 8\n", head("bob")));
    let to_a =
        anchored(&answer, &towards_a(), Role::Answer { to: &offer, at: None }).expect("anchored");
    let order: Vec<u8> =
        to_a.audio().expect("audio").codecs.iter().map(|c| c.payload_type).collect();
    assert_eq!(order, [18, 8]);
}

#[test]
fn a_declined_stream_stays_declined_towards_the_offerer() {
    let offer = audio("IP4 192.0.2.10", "");
    let answer = text(&format!("{}m=audio 0 RTP/AVP 0\n", head("bob")));
    let to_a =
        anchored(&answer, &towards_a(), Role::Answer { to: &offer, at: None }).expect("anchored");
    assert_eq!(to_a.media_count(), 1);
    assert!(to_a.audio().is_none());
}

#[test]
fn missing_lines_of_an_answer_are_added_and_surplus_ones_dropped() {
    let offer = text(&format!(
        "{}m=video 4000 RTP/AVP 97\nm=audio 4002 RTP/AVP 0\nm=text 4004 RTP/AVP 98\n",
        head("alice")
    ));
    let short = text(&format!("{}m=audio 9000 RTP/AVP 0\n", head("bob")));
    let long = text(&format!(
        "{}m=video 0 RTP/AVP 97\nm=audio 9000 RTP/AVP 0\nm=text 0 RTP/AVP 98\n\
         m=audio 9002 RTP/AVP 8\nm=audio 9004 RTP/AVP 8\n",
        head("bob")
    ));
    for answer in [short, long] {
        let to_a = anchored(&answer, &towards_a(), Role::Answer { to: &offer, at: None })
            .expect("anchored");
        let lines: Vec<String> =
            written(&to_a).lines().filter(|l| l.starts_with("m=")).map(str::to_owned).collect();
        assert_eq!(
            lines,
            ["m=video 0 RTP/AVP 97", "m=audio 20000 RTP/AVP 0", "m=text 0 RTP/AVP 98"]
        );
    }
}

#[test]
fn an_audio_line_that_was_declined_is_not_replaced_by_another() {
    let offer = text(&format!("{}m=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/AVP 8\n", head("alice")));
    let answer = text(&format!("{}m=audio 0 RTP/AVP 0\nm=audio 9002 RTP/AVP 8\n", head("bob")));
    let to_a =
        anchored(&answer, &towards_a(), Role::Answer { to: &offer, at: None }).expect("anchored");
    assert!(to_a.audio().is_none());
}

#[test]
fn the_answer_repeats_the_protocol_and_times_of_its_offer() {
    let offer = text(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=3034423619 3042462419\n\
         m=audio 4000 RTP/AVPF 0\n",
    );
    let to_a =
        anchored(&audio("IP4 192.0.2.20", ""), &towards_a(), Role::Answer { to: &offer, at: None })
            .expect("anchored");
    assert!(written(&to_a).contains("t=3034423619 3042462419\r\nm=audio 20000 RTP/AVPF 0 101\r\n"));
}

#[test]
fn rtcp_mux_is_answered_only_where_it_was_offered() {
    let with = audio("IP4 192.0.2.10", "a=rtcp-mux\n");
    let without = audio("IP4 192.0.2.10", "");
    for (offer, answer) in [(&with, &without), (&with, &with), (&without, &with)] {
        let to_b = anchored(offer, &towards_b(), Role::Offer).expect("anchored");
        let offered = offer.audio().expect("audio").rtcp_mux;
        assert_eq!(to_b.audio().expect("audio").rtcp_mux, offered);
        let to_a =
            anchored(answer, &towards_a(), Role::Answer { to: offer, at: None }).expect("anchored");
        assert_eq!(to_a.audio().expect("audio").rtcp_mux, offered);
        assert_eq!(written(&to_a).matches("rtcp-mux").count(), usize::from(offered));
    }
}

#[test]
fn rtcp_is_named_where_it_is_not_the_next_port() {
    let mut to_b = towards_b();
    to_b.rtcp = "198.18.0.9:30001".parse().expect("an address");
    let sent = anchored(&audio("IP4 192.0.2.10", "a=rtcp:9\n"), &to_b, Role::Offer).expect("ok");
    assert!(written(&sent).contains("a=rtcp:30001 IN IP4 198.18.0.9\r\n"));
    assert_eq!(sent.audio().expect("audio").remote_rtcp, Some(to_b.rtcp));
}

#[test]
fn the_version_grows_by_one_exactly_when_the_description_changes() {
    let mut origin = OriginState::new(42);
    let options = AnchorOptions::default();
    let mut write = |received: &SessionDescription| {
        sdp::anchor(
            received,
            &towards_b(),
            &mut origin,
            Role::Offer,
            &options,
            &mut support::no_keys,
        )
        .expect("anchored");
        (origin.origin().session_id, origin.origin().version)
    };
    let active = audio("IP4 192.0.2.10", "");
    let held = audio("IP4 192.0.2.10", "a=sendonly\n");
    let moved = audio("IP4 192.0.2.99", "");
    assert_eq!(write(&active), (42, 1));
    assert_eq!(write(&active), (42, 1));
    assert_eq!(write(&moved), (42, 1), "the other leg's move is not this leg's business");
    assert_eq!(write(&held), (42, 2));
    assert_eq!(write(&held), (42, 2));
    assert_eq!(write(&active), (42, 3));
}

#[test]
fn a_refused_description_leaves_the_origin_alone() {
    let mut origin = OriginState::new(42);
    let none = description(&corpus("no-media.sdp"));
    let options = AnchorOptions::default();
    assert!(
        sdp::anchor(&none, &towards_b(), &mut origin, Role::Offer, &options, &mut support::no_keys)
            .is_err()
    );
    assert!(origin.last().is_none());
    assert_eq!(origin.origin().version, 1);
}

#[test]
fn a_refresh_is_told_from_a_change() {
    let body = corpus("asterisk-offer.sdp");
    let first = description(&body);
    let changed = |from: &str, to: &str| {
        let text = String::from_utf8(body.clone()).expect("text");
        assert!(text.contains(from));
        description(text.replacen(from, to, 1).as_bytes())
    };
    assert!(same_media(&first, &first.clone()));
    assert!(same_media(&first, &changed("1742083216 1742083216", "1742083216 1742083217")));
    assert!(same_media(&first, &changed("s=Asterisk", "s=other")));
    assert!(!same_media(&first, &changed("sendrecv", "sendonly")));
    assert!(!same_media(&first, &changed("c=IN IP4 192.0.2.10", "c=IN IP4 192.0.2.11")));
    assert!(!same_media(&first, &changed("m=audio 14832", "m=audio 14834")));
}

#[test]
fn what_devices_say_is_understood() {
    use model::{Codec, IpFamily};
    let baresip = description(&corpus("baresip-offer.sdp")).audio().expect("audio");
    assert_eq!(baresip.telephone_event, Some(101));
    assert!(baresip.rtcp_mux);
    assert_eq!((baresip.codecs[0].codec, baresip.codecs[0].clock_rate), (Codec::Opus, 48_000));
    let answer = description(&corpus("baresip-answer.sdp")).audio().expect("audio");
    assert_eq!(answer.remote_rtcp, Some("198.51.100.31:30777".parse().unwrap()));
    let room = description(&corpus("room-offer.sdp")).audio().expect("audio");
    assert_eq!((room.index, room.telephone_event), (1, Some(100)));
    let v6 = description(&corpus("ipv6-offer.sdp")).audio().expect("audio");
    assert_eq!(v6.ip_family, IpFamily::V6);
    assert_eq!(v6.remote_rtp, Some("[2001:db8:1:2::5]:30000".parse().unwrap()));
    assert_eq!(v6.remote_rtcp, Some("[2001:db8:1:2::6]:30007".parse().unwrap()));
    let polycom = description(&corpus("polycom-offer.sdp")).audio().expect("audio");
    assert_eq!(polycom.direction, Direction::SendOnly);
    let two = audio("IP4 192.0.2.10", "").audio().expect("audio");
    assert_eq!(two.telephone_event, Some(101));
}

#[test]
fn the_event_clock_of_the_first_format_wins() {
    let both = text(&format!(
        "{}m=audio 4000 RTP/AVP 101 102 96\na=rtpmap:96 opus/48000/2\n\
         a=rtpmap:101 telephone-event/8000\na=rtpmap:102 telephone-event/48000\n",
        head("alice")
    ));
    assert_eq!(both.audio().expect("audio").telephone_event, Some(102));
}
