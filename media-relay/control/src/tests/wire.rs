//! Frames and what is in them.

use super::allocate;
use crate::frame::{FRAME_MAX, FrameError, Frames};
use crate::message::{
    EdgeBody, EdgeHello, Frame, Malformed, Purpose, RelayBody, VERSION, decode, decode_opening,
    encode, encode_opening,
};
use crate::seal::SealKey;
use crate::tls::{fingerprint_text, parse_fingerprint};
use model::{
    Instant, LegSecurity, MediaCommand, MediaEvent, MediaId, MediaPlan, SdesKeys, SrtpKey,
    SrtpSuite,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn hello() -> EdgeHello {
    EdgeHello {
        node: "edge-1".to_owned(),
        incarnation: 3,
        received: 4,
        relay: 5,
        purpose: Purpose::Serve,
        seal: SealKey::new([6; 32]),
    }
}

fn content(out: &[u8]) -> Vec<u8> {
    let mut frames = Frames::default();
    frames.push(out);
    frames.next_frame().unwrap().unwrap().to_vec()
}

/// A plan with everything in it that has bounds of its own.
fn plan() -> MediaPlan {
    let key = |octet| {
        let suite = SrtpSuite::AeadAes128Gcm;
        SrtpKey::new(suite, &[octet; 28]).unwrap().with_mki(&[1, 2]).unwrap()
    };
    let leg = |security| model::LegPlan {
        remote_rtp: Some(([192, 0, 2, 9], 4_000).into()),
        remote_rtcp: None,
        signalling_source: Some([192, 0, 2, 9].into()),
        rtcp_mux: true,
        accepts_from: true,
        sends_to: false,
        relearn: false,
        codecs: Vec::new(),
        telephone_event: Some(101),
        xr: model::XrWishes::default(),
        security,
        ice: Some(Box::new(model::IcePlan {
            local_fragment: Arc::from("abcd"),
            local_password: Arc::from("secret"),
            remote_fragment: Arc::from("efgh"),
        })),
    };
    let sdes = LegSecurity::Sdes(Box::new(SdesKeys { receive: key(7), send: key(8) }));
    let fingerprint = model::Fingerprint::new(model::FingerprintHash::Sha256, &[9; 32]).unwrap();
    let role = model::DtlsRole::Active;
    let dtls = model::DtlsPlan { role, remote_fingerprint: fingerprint };
    MediaPlan::rtp([leg(sdes), leg(LegSecurity::Dtls(Box::new(dtls)))])
}

#[test]
fn a_plan_with_keys_comes_out_as_it_went_in() {
    let command = MediaCommand::Apply { id: MediaId(u64::MAX), plan: Box::new(plan()) };
    let mut out = Vec::new();
    let body = EdgeBody::Command(command);
    assert!(encode(&Frame::Message { number: 1, acknowledged: 2, body }, &mut out));
    assert!(out.len() < 512, "{} octets", out.len());
    let read: Frame<EdgeBody> = decode(&content(&out)).unwrap();
    let Frame::Message { number: 1, acknowledged: 2, body } = read else { panic!("{read:?}") };
    let EdgeBody::Command(MediaCommand::Apply { id, plan: read }) = body else { panic!() };
    assert_eq!((id, *read), (MediaId(u64::MAX), plan()));
}

#[test]
fn a_seat_of_pictures_comes_out_as_it_went_in() {
    let seat = model::PictureSeat {
        conference: model::ConferenceId(7),
        participant: model::ParticipantId(8),
        content: model::PictureContent::Slides,
        payload_type: 97,
        format: model::PictureFormat::H264 {
            sends: Arc::from("profile-level-id=42e01f"),
            receives: Arc::from("profile-level-id=42801f;packetization-mode=1"),
        },
        feedback: model::PictureFeedback { nack: true, pli: true, ..Default::default() },
        most_bits_per_second: Some(768_000),
        is_hidden: true,
        withheld: model::PicturesWithheld { cameras: true, slides: false },
        card: Some(Arc::default()),
        name: Arc::from("Huddle room"),
        layout: model::PictureLayout::Grid,
    };
    let command = MediaCommand::SitPicture { id: MediaId(3), seat: Box::new(seat.clone()) };
    let mut out = Vec::new();
    assert!(encode(&EdgeBody::Command(command), &mut out));
    let EdgeBody::Command(MediaCommand::SitPicture { id, seat: read }) =
        decode(&content(&out)).unwrap()
    else {
        panic!()
    };
    assert_eq!((id, *read), (MediaId(3), seat));
}

#[test]
fn what_was_said_comes_out_as_it_went_in() {
    // As long as it can be.
    let said = model::Utterance::new(vec![7; 44 + 4 * 32_000]);
    let (id, utterance) = (MediaId(3), Some(said.clone()));
    let event = Box::new(MediaEvent::Uttered { id, utterance });
    let mut out = Vec::new();
    assert!(encode(&RelayBody::Event { event, now: Instant::ZERO }, &mut out));
    let RelayBody::Event { event, .. } = decode(&content(&out)).unwrap() else { panic!() };
    let MediaEvent::Uttered { id: MediaId(3), utterance } = *event else { panic!() };
    assert_eq!(utterance, Some(said.clone()));
    let (source, except) = (model::AudioSource::Said(said), Some(model::ParticipantId(9)));
    let announce = MediaCommand::Announce { id, source: source.clone(), except };
    out.clear();
    assert!(encode(&EdgeBody::Command(announce), &mut out));
    let read = decode(&content(&out)).unwrap();
    let EdgeBody::Command(MediaCommand::Announce { source: read, except: of, .. }) = read else {
        panic!()
    };
    assert_eq!((read, of), (source, except));
}

#[test]
fn what_is_to_be_recorded_comes_out_as_it_went_in() {
    let id = MediaId(3);
    let (call, number) = (model::TransactionId::from_random(9), model::ConferenceRecordingId(4));
    let person = model::RecordedPerson { call, name: "Room 4".into(), is_moderator: true };
    let (meeting, name, people) = ("m".into(), "Weekly".into(), vec![person]);
    let recording = model::ConferenceRecording { id: number, meeting, name, people };
    let orders = [
        model::ConferenceRecordingOrder::Record(Box::new(recording)),
        model::ConferenceRecordingOrder::Stop(number),
    ];
    let mut commands =
        Vec::from(orders.map(|recording| MediaCommand::RecordConference { id, recording }));
    for longest in [Some(Duration::from_secs(4)), None] {
        commands.push(MediaCommand::RecordUtterance { id, longest });
    }
    for command in commands {
        let mut out = Vec::new();
        assert!(encode(&EdgeBody::Command(command.clone()), &mut out));
        let EdgeBody::Command(read) = decode(&content(&out)).unwrap() else { panic!() };
        assert_eq!(format!("{read:?}"), format!("{command:?}"));
    }
}

#[test]
fn frames_are_found_however_their_octets_come() {
    let mut out = Vec::new();
    for id in 0..5 {
        assert!(encode(&EdgeBody::Command(allocate(id)), &mut out));
    }
    for step in [1, 2, 3, 7, out.len()] {
        let (mut frames, mut seen) = (Frames::default(), 0);
        for some in out.chunks(step) {
            frames.push(some);
            while let Some(frame) = frames.next_frame().unwrap() {
                let body: EdgeBody = decode(frame).unwrap();
                assert!(matches!(body, EdgeBody::Command(c) if c.id() == MediaId(seen)));
                seen += 1;
            }
        }
        assert_eq!(seen, 5);
    }
}

#[test]
fn a_frame_that_claims_too_much_is_refused_before_it_comes() {
    let limit = u32::try_from(FRAME_MAX).unwrap();
    for (length, fine) in [(1, true), (limit, true), (limit + 1, false), (0, false)] {
        let mut frames = Frames::default();
        frames.push(&length.to_be_bytes());
        let found = frames.next_frame().map(|frame| frame.map(<[u8]>::len));
        let expected = if fine { Ok(None) } else { Err(FrameError::Length(length)) };
        assert_eq!(found, expected);
    }
}

#[test]
fn what_is_too_long_is_not_written() {
    let mut out = vec![1, 2, 3];
    let text = "x".repeat(FRAME_MAX);
    assert!(!encode(&text, &mut out));
    assert_eq!(out, [1, 2, 3]);
    assert!(encode(&"x".repeat(FRAME_MAX - 4), &mut out));
}

#[test]
fn another_version_is_named_and_who_is_to_be_brought_up_to_date() {
    let mut out = Vec::new();
    encode_opening(&hello(), &mut out);
    assert_eq!(decode_opening::<EdgeHello>(&content(&out)), Ok(hello()));
    let at = 4 + 8;
    for (other, who) in [(VERSION + 1, "this side"), (0, "the other side")] {
        out[at..at + 2].copy_from_slice(&other.to_be_bytes());
        let error = decode_opening::<EdgeHello>(&content(&out)).unwrap_err();
        assert_eq!(error, Malformed::Version(other));
        let text = error.to_string();
        assert!(text.contains(&format!("bring {who} up to date")), "{text}");
    }
    let foreign = decode_opening::<EdgeHello>(b"HTTP/1.1 400 Bad Request");
    assert_eq!(foreign, Err(Malformed::Mark));
}

#[test]
fn octets_after_a_value_are_refused() {
    let mut out = Vec::new();
    encode(&Frame::<EdgeBody>::Ping { sent: 1, acknowledged: 2 }, &mut out);
    let mut content = content(&out);
    content.push(0);
    assert_eq!(decode::<Frame<EdgeBody>>(&content).unwrap_err(), Malformed::Content);
}

#[test]
fn a_key_of_wrong_length_is_refused() {
    let mut out = Vec::new();
    let key = SrtpKey::new(SrtpSuite::AeadAes128Gcm, &[7; 28]).unwrap();
    encode(&key, &mut out);
    let whole = content(&out);
    assert_eq!(decode::<SrtpKey>(&whole), Ok(key));
    // The other suites want other lengths.
    for suite in 0..4 {
        let mut wrong = whole.clone();
        wrong[0] = suite;
        assert_eq!(decode::<SrtpKey>(&wrong), Err(Malformed::Content), "{suite}");
    }
}

#[test]
fn fingerprints_are_read_in_the_forms_that_tools_print() {
    let fingerprint: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 8).unwrap());
    let text = fingerprint_text(&fingerprint);
    assert!(text.starts_with("00:08:10:"), "{text}");
    assert_eq!(parse_fingerprint(&text), Some(fingerprint));
    assert_eq!(parse_fingerprint(&text.replace(':', "").to_lowercase()), Some(fingerprint));
    for bad in ["", &text[3..], &format!("{text}:00"), &text.replace("00:", "+0:")] {
        assert_eq!(parse_fingerprint(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn hostile_octets_are_errors(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<Frame<EdgeBody>>(&octets);
        let _ = decode::<Frame<RelayBody>>(&octets);
        let _ = decode_opening::<EdgeHello>(&octets);
        let mut frames = Frames::default();
        frames.push(&octets);
        while let Ok(Some(frame)) = frames.next_frame() {
            let _ = decode::<Frame<EdgeBody>>(frame);
        }
    }
}
