//! Session descriptions through everything that a call does with them.

use crate::bounded;
use model::{LocalMedia, PictureFormat, RoomLinePart};
use room_video::h264::H264Format;
use sdp::{
    AnchorOptions, Encryption, FurtherLine, Limits, OriginState, PictureTerms, Role, SdpError,
    SessionDescription, anchor_lines, extract_sdp, media_plan_leg, room_lines, same_media,
};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the other leg offered when the input is an answer.
const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n\
    m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

/// Finds a description in a body, reads it, anchors it as an offer and as an answer, and plans the
/// media of both legs. What we wrote must be readable, and must name none of the peer's hosts as
/// its connection.
///
/// # Panics
/// When a written description cannot be read.
pub fn sdp(data: &[u8]) {
    let data = bounded(data);
    let multipart = "multipart/mixed; boundary=\"b\"";
    for kind in ["application/sdp", multipart, "multipart/mixed;boundary=--"] {
        black_box(extract_sdp(kind, data));
    }
    let limits = Limits::default();
    let body = extract_sdp(multipart, data).unwrap_or(data);
    let Ok(received) = SessionDescription::parse(body, &limits) else { return };
    black_box(SessionDescription::parse(&received.write(), &limits).is_ok());
    assert!(same_media(&received, &received), "a description has the media of itself");
    black_box(received.points_at(IpAddr::V4(Ipv4Addr::LOCALHOST), 10_000..=60_000));
    for index in 0..received.media_count() {
        black_box(received.audio_at(index));
    }

    let Ok(offer) = SessionDescription::parse(OFFER, &limits) else { return };
    for (local, encryption) in locals().into_iter().flat_map(|l| POLICIES.map(|e| (l, e))) {
        let received = received.clone().for_leg(encryption);
        let as_offer = anchored(&received, &local, Role::Offer, encryption);
        let role = Role::Answer { to: &offer, at: None };
        let as_answer = anchored(&received, &local, role, encryption);
        let role = Role::Answer { to: &received, at: Some(0) };
        let answered = anchored(&offer, &local, role, encryption);
        let in_room = answered_in_room(&received, &local, encryption);
        for sent in [as_offer, as_answer, answered, in_room].into_iter().flatten() {
            let first = media_plan_leg(
                received.audio().as_ref(),
                sent.audio().as_ref(),
                Some(local.rtp.ip()),
                None,
            );
            let second =
                media_plan_leg(offer.audio().as_ref(), sent.audio().as_ref(), None, Some(&first));
            black_box(second);
        }
    }
}

/// What a meeting room answers to `received`: every line in its place, at most one of them
/// taken for sound, one for a camera and one for slides.
fn answered_in_room(
    received: &SessionDescription,
    local: &LocalMedia,
    encryption: Encryption,
) -> Option<SessionDescription> {
    let terms = PictureTerms::default();
    let pictures = received.room_pictures(terms);
    let lines = room_lines(received, &pictures);
    assert_eq!(lines.len(), received.media_count(), "each line is told of");
    let sounds = lines.iter().filter(|line| line.part == RoomLinePart::Sound).count();
    assert!(sounds <= 1, "one line of sound: {lines:?}");
    let shown = lines.iter().filter(|line| matches!(line.part, RoomLinePart::Pictures(_))).count();
    assert!(shown <= 2, "one camera, one of slides: {lines:?}");
    for picture in pictures.iter().chain(&received.answered_pictures(received, terms)) {
        if let PictureFormat::H264 { sends, receives } = &picture.format {
            // The relay reads both, and may not find anything else in them.
            let [ours, theirs] = [sends, receives].map(|text| H264Format::parse(text));
            let (Ok(ours), Ok(theirs)) = (ours, theirs) else { panic!("{picture:?}") };
            assert!(ours.answers(&theirs), "{picture:?}");
        }
    }
    let offer = received.in_room(&pictures);
    offer.audio_ref()?;
    let role = Role::Answer { to: &offer, at: None };
    let spoken = offer.spoken_in_room(&pictures, terms);
    let places = pictures.iter().map(|picture| picture.index);
    let further: Vec<_> =
        places.map(|at| FurtherLine { received: at, written: at, local: *local }).collect();
    let answer = anchored_lines(&spoken, local, &further, role, encryption)?;
    assert_eq!(answer.media_count(), received.media_count(), "each line is answered");
    assert!(answer.wanted_lines().count() <= 1 + shown, "nothing else is taken");
    Some(answer)
}

const POLICIES: [Encryption; 4] =
    [Encryption::Off, Encryption::Mirror, Encryption::Optional, Encryption::Required];

fn locals() -> [LocalMedia; 2] {
    let local = |ip: IpAddr| LocalMedia {
        rtp: SocketAddr::new(ip, 20_000),
        rtcp: SocketAddr::new(ip, 20_001),
    };
    [local(Ipv4Addr::new(198, 18, 0, 1).into()), local(Ipv6Addr::LOCALHOST.into())]
}

/// What we write for `received`, read back.
fn anchored(
    received: &SessionDescription,
    local: &LocalMedia,
    role: Role<'_>,
    encryption: Encryption,
) -> Option<SessionDescription> {
    anchored_lines(received, local, &[], role, encryption)
}

/// The same with further lines.
fn anchored_lines(
    received: &SessionDescription,
    local: &LocalMedia,
    further: &[FurtherLine],
    role: Role<'_>,
    encryption: Encryption,
) -> Option<SessionDescription> {
    let mut origin = OriginState::new(7);
    origin.start_leg(encryption);
    let options = AnchorOptions::default();
    let mut draw = || 7;
    let body = match anchor_lines(received, local, further, &mut origin, role, &options, &mut draw)
    {
        Ok(body) => body,
        Err(error) => {
            assert!((400..500).contains(&error.status()), "a refusal has its status: {error}");
            return None;
        }
    };
    // An anchored description may be larger than what was received: `SdpError::OverLimit` is fair.
    match SessionDescription::parse(&body, &Limits::default()) {
        Ok(sent) => {
            let sent = sent.for_leg(encryption);
            if let Some(remote) = sent.audio().and_then(|audio| audio.remote_rtp) {
                assert_eq!(remote, local.rtp, "our address stands in what we send");
            }
            Some(sent)
        }
        Err(SdpError::OverLimit { .. }) => None,
        Err(error) => {
            panic!("we wrote what we cannot read: {error}:\n{}", String::from_utf8_lossy(&body))
        }
    }
}
