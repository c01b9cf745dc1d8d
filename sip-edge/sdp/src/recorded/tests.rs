use crate::{
    AnchorOptions, Encryption, FurtherLine, Limits, OriginState, Role, SessionDescription,
    anchor_lines,
};
use model::LocalMedia;
use std::net::SocketAddr;

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn offer(lines: &str) -> SessionDescription {
    parse(&format!(
        "v=0\r\no=SRC 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}"
    ))
}

const TWO: &str = "m=audio 4000 RTP/AVP 18 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\na=fmtp:18 annexb=no\r\na=label:1\r\na=sendonly\r\n\
    m=audio 4002 RTP/AVP 0\r\na=label:2\r\na=inactive\r\n";

fn local(port: u16) -> LocalMedia {
    let at = |port| SocketAddr::from(([198, 51, 100, 1], port));
    LocalMedia { rtp: at(port), rtcp: at(port + 1) }
}

fn answer(offer: &SessionDescription, origin: &mut OriginState) -> String {
    let lines = offer.recordable(2);
    let taken = offer.taking(&lines);
    let further: Vec<_> = lines
        .iter()
        .map(|&at| FurtherLine { received: at, written: at, local: local(6000 + 2 * at as u16) })
        .collect();
    let main = taken.audio_ref().map_or(0, |main| main.index);
    let options = AnchorOptions::default();
    let role = Role::Answer { to: &taken, at: None };
    let mut draw = || 7;
    let local = local(6000 + 2 * main as u16);
    let body =
        anchor_lines(&taken.heard(), &local, &further, origin, role, &options, &mut draw).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn two_lines_are_taken_and_answered_by_somebody_who_only_listens() {
    let offer = offer(TWO);
    assert_eq!(offer.recordable(2), [0, 1]);
    assert_eq!((offer.label(0), offer.label(1), offer.label(2)), (Some("1"), Some("2"), None));
    let answer = answer(&offer, &mut OriginState::new(9));
    assert!(answer.contains("m=audio 6000 RTP/AVP 0 8 101\r\n"), "{answer}");
    assert!(answer.contains("m=audio 6002 RTP/AVP 0\r\n"), "{answer}");
    assert!(!answer.contains("annexb"), "{answer}");
    let written = parse(&answer);
    assert_eq!((written.label(0), written.label(1)), (Some("1"), Some("2")));
    let (first, second) = answer.split_once("m=audio 6002").unwrap();
    assert!(first.contains("a=recvonly") && !first.contains("a=sendonly"), "{answer}");
    assert!(second.contains("a=inactive") && !second.contains("a=recvonly"), "{answer}");
}

#[test]
fn lines_beyond_the_bound_and_lines_that_cannot_be_read_are_declined() {
    for (lines, taken) in [
        (
            "m=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 0\r\n",
            &[0, 1][..],
        ),
        ("m=audio 4000 RTP/AVP 18\r\nm=audio 4002 RTP/AVP 8\r\n", &[1]),
        ("m=video 4000 RTP/AVP 31\r\nm=audio 4002 RTP/AVP 9\r\n", &[1]),
        ("m=audio 0 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\n", &[1]),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.0.0.1\r\nm=audio 4002 RTP/AVP 0\r\n", &[1]),
        ("m=image 4000 udptl t38\r\n", &[]),
        ("m=audio 4000 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 0\r\n", &[0]),
        ("", &[]),
    ] {
        let offer = offer(lines);
        assert_eq!(offer.recordable(2), taken, "{lines}");
        let answer = parse(&answer(&offer, &mut OriginState::new(9)));
        assert_eq!(answer.media_count(), offer.media_count(), "{lines}");
        for at in 0..answer.media_count() {
            assert_eq!(answer.audio_at(at).is_some(), taken.contains(&at), "{lines} {at}");
        }
    }
}

#[test]
fn each_line_has_keys_of_its_own_where_the_client_offers_some() {
    let key =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let offer = offer(&format!(
        "m=audio 4000 RTP/SAVP 0\r\n{key}a=sendonly\r\nm=audio 4002 RTP/SAVP 0\r\n{key}a=sendonly\r\n"
    ))
    .for_leg(Encryption::Mirror);
    let mut origin = OriginState::new(9);
    origin.start_leg(Encryption::Mirror);
    let answer = answer(&offer, &mut origin);
    assert_eq!(answer.matches("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:").count(), 2, "{answer}");
    assert_eq!(answer.matches("RTP/SAVP 0\r\n").count(), 2, "{answer}");
    assert!(!answer.contains("WVNfX19z"), "the client's key: {answer}");
    let plain = self::offer(TWO).for_leg(Encryption::Required);
    assert!(plain.recordable(2).is_empty(), "plain lines where keys are required");
}

#[test]
fn a_line_keeps_its_place_when_the_other_one_goes_and_comes_back() {
    let mut origin = OriginState::new(9);
    let both = offer(TWO);
    let first = answer(&both, &mut origin);
    let without = offer(&TWO.replacen("4000", "0", 1));
    assert_eq!(without.recordable(2), [1]);
    let second = answer(&without, &mut origin);
    assert!(second.contains("m=audio 0 ") && second.contains("m=audio 6002 "), "{second}");
    assert!(second.contains("\r\no=") && !second.contains(" 9 1 IN"), "a new version: {second}");
    let third = answer(&both, &mut origin);
    assert_eq!(
        first.lines().skip(2).collect::<Vec<_>>(),
        third.lines().skip(2).collect::<Vec<_>>()
    );
}

#[test]
fn a_direction_of_the_whole_description_is_that_of_its_lines() {
    let offer = parse(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\r\n\
        m=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\na=sendrecv\r\n",
    );
    let answer = answer(&offer, &mut OriginState::new(9));
    assert_eq!(answer.matches("a=recvonly").count(), 2, "{answer}");
    assert!(!answer.contains("a=sendonly") && !answer.contains("a=sendrecv"), "{answer}");
}
