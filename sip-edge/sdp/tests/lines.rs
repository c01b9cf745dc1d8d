//! Lines beside the main one: what mainstream devices offer and what the other leg gets, and what
//! must hold whatever they offer. Inputs and outputs as in `golden.rs`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::{Codec, Fingerprint, MediaType};
use proptest::prelude::*;
use sdp::{
    AnchorOptions, Encryption, FurtherLine, OriginState, Role, SessionDescription, anchor_lines,
    line_pairs,
};
use support::{audio, corpus, description, local, text, towards_a, towards_b};

/// Two legs and what was written to them.
struct Call {
    origins: [OriginState; 2],
    further: Vec<FurtherLine>,
    drawn: u64,
}

impl Call {
    fn new(encryption: [Encryption; 2]) -> Self {
        let fingerprint = "sha-256 AA:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:\
                           15:16:17:18:19:1A:1B:1C:1D:1E:1F";
        let origin = |id, encryption| {
            let mut origin = OriginState::new(id).with_fingerprint(Fingerprint::parse(fingerprint));
            origin.start_leg(encryption);
            origin
        };
        let [a, b] = encryption;
        Call { origins: [origin(1002, a), origin(1001, b)], further: Vec::new(), drawn: 0 }
    }

    /// Leg A's offer on its way to leg B; every line gets ports.
    fn offer(&mut self, offer: &SessionDescription) -> Vec<u8> {
        self.further = line_pairs(offer, &self.origins[1])
            .into_iter()
            .map(|pair| FurtherLine {
                received: pair.received,
                written: pair.written,
                local: local(&format!("198.18.0.2:{}", 20_100 + 4 * pair.received)),
            })
            .collect();
        self.write(1, offer, Role::Offer)
    }

    /// Leg B's answer on its way to leg A.
    fn answer(&mut self, offer: &SessionDescription, answer: &SessionDescription) -> Vec<u8> {
        for line in &mut self.further {
            *line = FurtherLine {
                received: line.written,
                written: line.received,
                local: local(&format!("198.18.0.1:{}", 20_098 + 4 * line.received)),
            };
        }
        let at = self.origins[1].last_audio().map(|audio| audio.index);
        self.write(0, answer, Role::Answer { to: offer, at })
    }

    fn write(&mut self, leg: usize, received: &SessionDescription, role: Role<'_>) -> Vec<u8> {
        let local = if leg == 0 { towards_a() } else { towards_b() };
        let drawn = &mut self.drawn;
        let mut draw = || {
            *drawn += 1;
            *drawn
        };
        let (further, origin) = (self.further.clone(), &mut self.origins[leg]);
        let options = AnchorOptions::default();
        anchor_lines(received, &local, &further, origin, role, &options, &mut draw)
            .expect("acceptable")
    }
}

fn check(device: &str, encryption: [Encryption; 2]) {
    let read = |what: &str, encryption: Encryption| {
        description(&corpus(&format!("{device}-{what}.sdp"))).for_leg(encryption)
    };
    let (offer, answer) = (read("offer", encryption[0]), read("answer", encryption[1]));
    let mut call = Call::new(encryption);
    let to_b = call.offer(&offer);
    let to_a = call.answer(&offer, &answer);
    for (what, body) in [("offer", to_b), ("answer", to_a)] {
        let actual = String::from_utf8(body).expect("text");
        let lines = description(actual.as_bytes()).media_count();
        assert_eq!(lines, offer.media_count(), "{device}-{what}: m= lines");
        let path = format!("{}/tests/golden/{device}-{what}.sdp", env!("CARGO_MANIFEST_DIR"));
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            actual.replace("\r\n", "\n"),
            expected.replace("\r\n", "\n"),
            "{device}-{what}: if the change is meant, store this:\n{actual}"
        );
    }
}

const PLAIN: [Encryption; 2] = [Encryption::Off; 2];

#[test]
fn cisco_room_device_with_slides_floor_control_and_a_camera() {
    check("cisco-room", PLAIN);
}

#[test]
fn poly_video_phone_with_floor_control_over_tcp() {
    check("poly-video", PLAIN);
}

#[test]
fn linphone_with_feedback_and_an_rtcp_port_of_its_own() {
    check("linphone-video", PLAIN);
}

#[test]
fn baresip_video_declined() {
    check("baresip-video", PLAIN);
}

#[test]
fn browser_with_a_bundle_towards_plain_rtp() {
    check("browser-video", [Encryption::Dtls, Encryption::Off]);
}

#[test]
fn what_a_line_says_is_read_in_the_terms_of_audio() {
    let room = description(&corpus("cisco-room-offer.sdp"));
    let lines = room.lines();
    let media: Vec<_> = lines.iter().map(|line| (line.stream.index, line.media)).collect();
    let (video, application) = (MediaType::Video, MediaType::Application);
    assert_eq!(media, [(1, video), (2, application), (3, video), (4, application)]);
    let main = &lines[0].stream;
    assert!(main.codecs.iter().all(|codec| codec.clock_rate == 90_000), "{main:?}");
    assert_eq!((main.codecs[0].codec, main.codecs[3].codec), (Codec::H264, Codec::H263));
    assert_eq!(main.remote_rtcp.map(|at| at.port()), Some(16_403));
    let camera = &lines[3].stream.codecs[0];
    assert_eq!((camera.codec, camera.clock_rate), (Codec::H224, 4_800));
    assert!(lines[1].stream.codecs.is_empty() && !lines[1].stream.profile.is_rtp());
    let browser = description(&corpus("browser-video-offer.sdp")).for_leg(Encryption::Dtls);
    let video = &browser.lines()[0].stream;
    assert_eq!(video.codecs[1].codec, Codec::Repair);
    let fragment = |stream: &sdp::AudioStream| stream.ice.as_ref().map(|ice| ice.fragment.clone());
    assert_eq!(fragment(video).as_deref(), Some("vUfr"), "not the audio line's");
}

#[test]
fn a_second_audio_line_is_a_further_one_only_if_it_cannot_be_the_same_once_again() {
    let second = |line: &str| audio("IP4 192.0.2.10", line).lines().len();
    assert_eq!(second("m=audio 4002 RTP/AVP 9\n"), 1);
    // The same port, or another profile, is the same audio offered in another way.
    assert_eq!(second("m=audio 4000 RTP/AVP 9\n"), 0);
    assert_eq!(second("m=audio 4002 RTP/AVPF 9\n"), 0);
    assert_eq!(second("m=audio 0 RTP/AVP 9\n"), 0);
    let secured = text(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n\
         m=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/SAVP 0\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\n",
    )
    .for_leg(Encryption::Optional);
    assert_eq!(secured.audio().map(|audio| audio.index), Some(1));
    assert!(secured.lines().is_empty());
}

#[test]
fn a_line_that_nobody_can_relay_is_none() {
    let none = |line: &str| {
        let lines = audio("IP4 192.0.2.10", line).lines();
        assert!(lines.is_empty(), "{line}: {lines:?}");
    };
    none("m=video 0 RTP/AVP 96\n");
    none("m=video 5000 TCP/RTP/AVP 96\n");
    none("m=video 5000 RTP/SAVP 96\n");
    none("m=video 5000 RTP/AVP x\n");
    none("m=video 5000 RTP/AVP 96\nc=IN IP4 224.1.1.1/127\n");
    none("m=video 5000 RTP/AVP 96\nc=IN IP6 2001:db8::1\n");
    none("m=application 5000 TCP/BFCP *\n");
    none("m=application 5000 UDP/TLS/BFCP *\n");
    none("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n");
    none("m=image 5000 udptl t38\n");
    none("m=message 5000 TCP/MSRP *\n");
    let without_audio = text(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n\
         m=video 5000 RTP/AVP 96\n",
    );
    assert!(without_audio.lines().is_empty(), "a call is about its audio");
}

#[test]
fn our_keys_are_never_shared_between_lines_or_used_again() {
    let mut call = Call::new([Encryption::Off, Encryption::Required]);
    let offer = audio("IP4 192.0.2.10", "m=video 5000 RTP/AVP 96\n");
    let keys = |body: &[u8]| -> Vec<String> {
        let body = String::from_utf8_lossy(body).into_owned();
        body.lines()
            .filter_map(|line| line.strip_prefix("a=crypto:")?.split("inline:").nth(1))
            .map(str::to_owned)
            .collect()
    };
    let first = keys(&call.offer(&offer));
    assert_eq!(first.len(), 10);
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 10);
    // The same again while nothing changes.
    assert_eq!(keys(&call.offer(&offer)), first);
    // Off and on again is another stream, whose packets are counted anew.
    let off = audio("IP4 192.0.2.10", "m=video 0 RTP/AVP 96\n");
    assert_eq!(keys(&call.offer(&off)), first[..5]);
    let again = keys(&call.offer(&offer));
    assert_eq!(again[..5], first[..5]);
    assert!(again[5..].iter().all(|key| !first.contains(key)));
}

fn any_line() -> impl Strategy<Value = String> {
    let media = prop::sample::select(vec!["audio", "video", "text", "application", "image", "x"]);
    let proto = prop::sample::select(vec![
        "RTP/AVP",
        "RTP/AVPF",
        "RTP/SAVP",
        "UDP/TLS/RTP/SAVPF",
        "UDP/BFCP",
        "TCP/BFCP",
        "udptl",
    ]);
    let formats = prop::sample::select(vec!["0 8", "96", "*", "96 97 255 x", "t38", "128"]);
    let attributes = prop::sample::select(vec![
        "",
        "a=sendonly\n",
        "a=inactive\na=rtcp-mux\n",
        "c=IN IP4 0.0.0.0\n",
        "c=IN IP6 ::1\na=mid:7\n",
        "a=rtpmap:96 H264/90000\na=rtpmap:97 rtx/90000\na=rtcp-fb:* nack\n",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\n",
    ]);
    (media, 0..3_u16, proto, formats, attributes).prop_map(
        |(media, port, proto, formats, attributes)| {
            format!("m={media} {} {proto} {formats}\n{attributes}", port * 5_000)
        },
    )
}

proptest! {
    /// Whatever lines there are: every line stays in its place, what is on was on and is ours, and
    /// the answer switches nothing on that was not offered.
    #[test]
    fn lines_stay_in_their_places(
        before in prop::collection::vec(any_line(), 0..3),
        behind in prop::collection::vec(any_line(), 0..8),
        answered in prop::collection::vec(any_line(), 11),
        encryption in prop::sample::select(vec![
            Encryption::Off, Encryption::Mirror, Encryption::Optional, Encryption::Required,
        ]),
    ) {
        let head = |host: &str| format!("v=0\no=- 1 1 IN IP4 {host}\ns=-\nc=IN IP4 {host}\nt=0 0\n");
        let main = "m=audio 4000 RTP/AVP 0\n";
        let lines = format!("{}{main}{}", before.concat(), behind.concat());
        let offer = text(&(head("192.0.2.10") + &lines)).for_leg(Encryption::Optional);
        let mut call = Call::new([Encryption::Optional, encryption]);
        let to_b = call.offer(&offer);
        let written = description(&to_b).for_leg(encryption);
        prop_assert_eq!(written.media_count(), offer.media_count());
        prop_assert!(call.further.len() < offer.media_count());
        let main_at = call.origins[1].last_audio().map(|audio| audio.index).expect("main");
        let mut ports = Vec::new();
        for line in &call.further {
            prop_assert_ne!(line.written, main_at);
            if let Some(found) = written.line_at(line.written) {
                let theirs = offer.line_at(line.received).expect("it was on");
                prop_assert_eq!(found.media, theirs.media);
                prop_assert_eq!(found.stream.direction, theirs.stream.direction);
                prop_assert_eq!(found.stream.remote_rtp, Some(line.local.rtp));
                ports.push(line.local.rtp.port());
            }
        }
        for line in written.lines() {
            let port = line.stream.remote_rtp.map(|at| at.port());
            prop_assert!(port.is_some_and(|port| ports.contains(&port)), "{:?}", line);
        }
        // Any answer, with as many lines or not.
        let mut body = head("203.0.113.9");
        for (index, line) in answered.iter().enumerate() {
            body += if index == main_at { main } else { line };
        }
        let answer = text(&body).for_leg(encryption);
        if answer.audio_ref().is_none() {
            return Ok(());
        }
        let offered: Vec<_> = call.further.iter().map(|line| line.received).collect();
        let to_a = description(&call.answer(&offer, &answer)).for_leg(Encryption::Optional);
        prop_assert_eq!(to_a.media_count(), offer.media_count());
        for line in to_a.lines() {
            prop_assert!(offered.contains(&line.stream.index));
            let theirs = offer.line_at(line.stream.index).expect("it was on");
            prop_assert!(line.stream.direction.answers(theirs.stream.direction));
            prop_assert_eq!(line.stream.profile, theirs.stream.profile);
        }
    }
}
