//! A picture of the room's own: seen while nobody is, begun again when it is asked for, gone when somebody is there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use model::Instant;
use room_video::h264::{H264Format, PacketizationMode};
use room_video::{
    LimitWays, OutboundSettings, Participant, ReceiverSettings, RequestWays, SourceSettings,
    StillCodec, StillPicture, StreamKey, VideoFormat, VideoSwitch,
};
use rtp_proto::{RtpHeader, RtpPacket};
use std::sync::Arc;

const ALONE: StreamKey = StreamKey::main(Participant(0));

/// Slices of the first key frame and of the second: both are IDR pictures.
const FIRST: u8 = 0x65;
const SECOND: u8 = 0x45;

/// What the receiver got: when, the first octet, the marker, the timestamp.
type Got = (u64, u8, bool, u32);

fn plain() -> VideoFormat {
    let parameters = "profile-level-id=42e01f;packetization-mode=1";
    VideoFormat::H264(Box::new(H264Format::parse(parameters).unwrap()))
}

fn receiver(format: VideoFormat) -> ReceiverSettings {
    let outbound = OutboundSettings {
        ssrc: 500,
        payload_type: 96,
        first_sequence: 65_500,
        first_timestamp: 0,
        payload_limit: 1_200,
        mode: Some(PacketizationMode::NonInterleaved),
    };
    ReceiverSettings { format, outbound, most_bits_per_second: u64::MAX }
}

fn still() -> Arc<StillPicture> {
    let key = |nal: u8| {
        let slices = (0..20).map(move |number| [&[nal, number][..], &[7; 1_000]].concat());
        [vec![0x67, 1], vec![0x68, 2]].into_iter().chain(slices).collect()
    };
    // By their first octets the key frames are known from each other.
    let keys = [key(FIRST), key(SECOND)];
    let repeats = (0..16).map(|number| vec![0x41, number]).collect();
    Arc::new(StillPicture { codec: StillCodec::H264, keys, repeats })
}

fn run(switch: &mut VideoSwitch, from: u64, to: u64) -> Vec<Got> {
    let mut got = Vec::new();
    for now in (from..to).step_by(20) {
        switch.handle_timeout(Instant::from_millis(now), &mut |key, out| {
            assert_eq!(key, ALONE);
            let first = *out.head.first().or(out.body.first()).unwrap();
            got.push((now, first, out.header.marker, out.header.timestamp));
        });
    }
    got
}

fn alone(settings: ReceiverSettings) -> VideoSwitch {
    let mut switch = VideoSwitch::new();
    switch.add_receiver(Instant::from_millis(0), ALONE, settings).unwrap();
    switch.set_still(ALONE, Some(still()));
    switch
}

#[test]
fn whoever_sees_nobody_sees_the_room() {
    let mut switch = alone(receiver(plain()));
    let got = run(&mut switch, 0, 5_000);
    let (key, after) = got.split_at(22);
    assert_eq!((key[0].1, key[1].1, key[2].1), (0x67, 0x68, FIRST));
    assert!(key.iter().all(|unit| unit.3 == key[0].3), "one picture has one time");
    assert_eq!(key.iter().filter(|unit| unit.2).count(), 1, "and one end");
    assert!(key[21].2);
    // 160 kbit at no more than 1.5 Mbit/s, 20 ms ahead.
    assert!((80..200).contains(&key[21].0), "{:?}", key[21]);
    assert!((4..6).contains(&after.len()), "{after:?}");
    assert!(after.iter().all(|unit| unit.1 == 0x41 && unit.2));
    assert!(after.windows(2).all(|pair| pair[1].3 > pair[0].3), "{after:?}");
    let later = run(&mut switch, 5_000, 12_000);
    assert_eq!(later.iter().filter(|unit| unit.1 == 0x67).count(), 1, "every ten seconds anew");
    let slices = |got: &[Got]| {
        let count = |slice| got.iter().filter(|unit| unit.1 == slice).count();
        [count(FIRST), count(SECOND)]
    };
    assert_eq!(slices(&later), [0, 20], "and no key frame has the number of the one before");
    let later = run(&mut switch, 12_000, 22_000);
    assert_eq!(slices(&later), [20, 0]);
}

#[test]
fn one_that_is_begun_anew_before_its_end_has_another_number_too() {
    let mut switch = alone(receiver(plain()));
    let got = run(&mut switch, 0, 40);
    assert!((3..22).contains(&got.len()) && got[2].1 == FIRST, "{got:?}");
    switch.handle_picture_fast_update(Instant::from_millis(2_000), Participant(0));
    let got = run(&mut switch, 2_000, 2_020);
    assert_eq!((got[0].1, got[2].1), (0x67, SECOND), "{got:?}");
}

#[test]
fn it_begins_again_when_it_is_asked_for_and_not_at_each_request() {
    let mut switch = alone(receiver(plain()));
    run(&mut switch, 0, 2_000);
    let now = Instant::from_millis(2_000);
    (0..10).for_each(|_| switch.handle_picture_fast_update(now, Participant(0)));
    let got = run(&mut switch, 2_000, 3_900);
    assert_eq!(got.iter().filter(|unit| unit.1 == 0x67).count(), 1, "{got:?}");
    assert_eq!(got[0].0, 2_000);
}

#[test]
fn somebody_who_is_there_takes_its_place_and_gives_it_back() {
    let mut switch = alone(receiver(plain()));
    run(&mut switch, 0, 1_000);
    let other = StreamKey::main(Participant(1));
    let settings = SourceSettings {
        format: plain(),
        requests: RequestWays { picture_loss: true, full_intra: true },
        limits: LimitWays::default(),
        high_definition: false,
        sends_again: false,
    };
    switch.add_source(Instant::from_millis(1_000), other, settings).unwrap();
    let units: [&[u8]; 3] = [
        &[
            0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 7,
            0xa3, 0xc4,
        ],
        &[0x68, 0xcb, 0x81, 0x12, 0xc8],
        &[0x65, 0x88, 0x84],
    ];
    let mut shown = Vec::new();
    for (sequence, unit) in (1..).zip(units) {
        let (payload_type, timestamp, ssrc) = (97, 9_000, 9);
        let marker = sequence == 3;
        let header = RtpHeader { payload_type, marker, sequence, timestamp, ssrc };
        let packet = [&header.to_bytes()[..], unit].concat();
        let packet = RtpPacket::parse(&packet).unwrap();
        switch.handle_rtp(Instant::from_millis(1_010), other, &packet, &mut |_, out| {
            shown.push(*out.body.first().unwrap());
        });
    }
    assert_eq!(shown.last(), Some(&0x65), "{shown:x?}");
    assert_eq!(switch.view(ALONE).unwrap().showing, Some(other));
    assert_eq!(run(&mut switch, 1_020, 3_000), [], "nothing of ours while somebody is seen");
    switch.remove(Instant::from_millis(3_000), Participant(1));
    let got = run(&mut switch, 3_000, 3_100);
    assert_eq!(got[0].1, 0x67, "with a key frame");
}

#[test]
fn a_receiver_of_vp8_gets_nothing_that_it_cannot_decode() {
    let mut switch = alone(receiver(VideoFormat::Vp8));
    assert_eq!(run(&mut switch, 0, 2_000), []);
}

#[test]
fn a_receiver_of_vp8_gets_payloads_of_vp8_as_they_are() {
    let mut settings = receiver(VideoFormat::Vp8);
    settings.outbound.mode = None;
    let mut switch = alone(settings);
    let key = || vec![vec![0x10, 1], vec![0x00, 2], vec![0x00, 3]];
    let keys = [key(), key()];
    let picture = StillPicture { codec: StillCodec::Vp8, keys, repeats: vec![vec![0x10, 4]] };
    switch.set_still(ALONE, Some(Arc::new(picture)));
    let got = run(&mut switch, 0, 3_500);
    let heads: Vec<_> = got.iter().map(|(_, head, marker, _)| (*head, *marker)).collect();
    let expected = [(0x10, false), (0, false), (0, true), (0x10, true), (0x10, true), (0x10, true)];
    assert_eq!(heads, expected, "a key frame, and then what stands still each second");
}
