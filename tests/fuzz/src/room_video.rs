//! Pictures of meeting rooms: payloads and parameter sets, and a room whose participants send anything.

use crate::{PART, bounded, parts};
use model::Instant;
use room_video::h264::{
    H264Format, Level, Nalu, PacketizationMode, ParameterSets, Payload, SequenceParameterSet,
};
use room_video::vp8::Vp8Payload;
use room_video::{
    LimitWays, OutboundSettings, Outgoing, Participant, ReceiverSettings, RequestWays,
    SourceSettings, StreamKey, VideoFormat, VideoSwitch, answer,
};
use rtp_proto::RtpPacket;
use std::collections::BTreeMap;
use std::time::Duration;

const MOST_PARTS: usize = 400;
const PARTICIPANTS: u16 = 5;
const PAYLOAD_LIMIT: usize = 300;

/// The first octet says what the others are: a payload of H.264, a unit, a text of `a=fmtp`, a
/// payload of VP8.
///
/// # Panics
/// When what is read breaks a promise: a size out of bounds, a text that is written otherwise than it is
/// read, units that are longer than their packet.
pub fn h264(data: &[u8]) {
    let Some((&kind, data)) = bounded(data).split_first() else { return };
    match kind & 3 {
        0 => {
            if let Ok(payload) = Payload::parse(data) {
                let _ = payload.summary();
                if let Payload::Aggregated(units) = payload {
                    let octets: usize = units.map(|unit| unit.bytes().len() + 2).sum();
                    assert_eq!(octets + 1, data.len(), "all units were looked at");
                }
            }
        }
        1 => {
            let mut sets = ParameterSets::new();
            for unit in data.split(|&octet| octet == PART).filter_map(Nalu::new) {
                if let Ok(set) = SequenceParameterSet::parse(unit) {
                    assert!((1..=16_384).contains(&set.width), "{set:?}");
                    assert!((1..=32_768).contains(&set.height), "{set:?}");
                }
                sets.put(unit);
                assert!(sets.units().count() <= 12);
            }
        }
        2 => {
            let text = String::from_utf8_lossy(data);
            if let Ok(format) = H264Format::parse(&text) {
                let written = format.to_string();
                let again = H264Format::parse(&written).map(|format| format.to_string());
                assert_eq!(again, Ok(written));
            }
            let lines = text.lines().map(|line| (96, line));
            assert!(answer(lines, Level::L3_1).len() <= 32);
        }
        _ => {
            if let Ok(read) = Vp8Payload::parse(data) {
                let (descriptor, length) = read.rewritten(0x1234, 7);
                assert_eq!(length + read.data().len(), data.len());
                let again = [descriptor.get(..length).unwrap_or_default(), read.data()].concat();
                assert!(Vp8Payload::parse(&again).is_ok());
            }
        }
    }
}

/// A script: the first octet of each part has an act in its low three bits and a participant in the
/// others. Acts are packets of RTP, RTCP, time that passes, who is seen, who comes and goes.
///
/// # Panics
/// When a receiver is given what it cannot read, numbers jump without a reason, or requests come in a
/// storm.
pub fn room_video(data: &[u8]) {
    let mut room = Room::new();
    for part in parts(bounded(data), MOST_PARTS) {
        let Some((&act, payload)) = part.split_first() else { continue };
        room.act(act & 7, u16::from(act >> 3), payload);
    }
    room.check();
}

struct Room {
    switch: VideoSwitch,
    now: Instant,
    /// The next number of each receiver, and how many were left out.
    numbers: BTreeMap<StreamKey, (u16, u64)>,
    requests: BTreeMap<StreamKey, Instant>,
}

impl Room {
    fn new() -> Self {
        let (numbers, requests) = (BTreeMap::new(), BTreeMap::new());
        let (switch, now) = (VideoSwitch::new(), Instant::from_millis(10_000));
        let mut room = Room { switch, now, numbers, requests };
        (0..PARTICIPANTS).for_each(|participant| room.join(participant));
        room
    }

    fn mode(key: StreamKey) -> Option<PacketizationMode> {
        match key.participant.0 {
            0 => Some(PacketizationMode::Single),
            4 => None,
            _ => Some(PacketizationMode::NonInterleaved),
        }
    }

    /// 0 takes single units, 4 has VP8, the others mode 1; 3 has no line for slides.
    fn join(&mut self, participant: u16) {
        let format = || match H264Format::parse("profile-level-id=42e01f;packetization-mode=1") {
            Ok(format) if participant != 4 => VideoFormat::H264(Box::new(format)),
            _ => VideoFormat::Vp8,
        };
        let main = StreamKey::main(Participant(participant));
        let slides = StreamKey::slides(Participant(participant));
        for key in [main, slides].into_iter().filter(|key| participant != 3 || *key == main) {
            let source = SourceSettings {
                format: format(),
                requests: RequestWays { picture_loss: true, full_intra: false },
                limits: LimitWays { remb: participant.is_multiple_of(2), tmmbr: true },
                high_definition: participant == 1,
                sends_again: participant % 3 == 1,
            };
            let outbound = OutboundSettings {
                ssrc: ssrc(key),
                payload_type: 96,
                first_sequence: 65_530,
                first_timestamp: 0,
                payload_limit: PAYLOAD_LIMIT,
                mode: Self::mode(key),
            };
            let receiver =
                ReceiverSettings { format: format(), outbound, most_bits_per_second: 1_000_000 };
            assert!(self.switch.add_source(self.now, key, source).is_ok());
            assert!(self.switch.add_receiver(self.now, key, receiver).is_ok());
            self.numbers.insert(key, (65_530, 0));
        }
    }

    fn act(&mut self, act: u8, number: u16, payload: &[u8]) {
        let participant = Participant(number % 8);
        let first = payload.first().copied().unwrap_or_default();
        let other = Participant(u16::from(first) % 8);
        let now = self.now;
        let Room { switch, numbers, .. } = self;
        let mut take = |to: StreamKey, packet: Outgoing<'_>| check_packet(numbers, to, &packet);
        match act {
            0..=2 => {
                let key = if act == 2 {
                    StreamKey::slides(participant)
                } else {
                    StreamKey::main(participant)
                };
                if let Ok(packet) = RtpPacket::parse(payload) {
                    switch.handle_rtp(now, key, &packet, &mut take);
                }
            }
            3 => switch.handle_rtcp(now, participant, payload),
            4 => {
                self.now += Duration::from_millis(u64::from(first) * 20);
                switch.handle_timeout(self.now, &mut take);
            }
            5 => match number / 8 {
                0 => switch.set_speaker(now, Some(participant)),
                1 => switch.set_presenter(now, Some(participant)),
                2 => switch.pin(now, participant, Some(other)),
                _ => switch.handle_picture_fast_update(now, participant),
            },
            6 => switch.remove(now, participant),
            _ => self.join(number % PARTICIPANTS),
        }
        self.poll();
    }

    fn poll(&mut self) {
        for _ in 0..200 {
            let Some(feedback) = self.switch.poll_feedback(self.now) else { return };
            if let room_video::Feedback::KeyFrame { to, .. } = feedback
                && let Some(last) = self.requests.insert(to, self.now)
            {
                // Whoever comes anew is asked at once.
                assert!(self.now >= last);
            }
        }
        panic!("feedback without an end");
    }

    fn check(&self) {
        for (key, (_, skipped)) in &self.numbers {
            if let Some(view) = self.switch.view(*key) {
                assert_eq!(*skipped, view.counters.skipped, "{key:?}");
                assert_ne!(view.showing.map(|key| key.participant), Some(key.participant));
            }
        }
    }
}

fn ssrc(key: StreamKey) -> u32 {
    1_000 + u32::from(key.participant.0) * 2 + key.line as u32
}

fn check_packet(
    numbers: &mut BTreeMap<StreamKey, (u16, u64)>,
    to: StreamKey,
    packet: &Outgoing<'_>,
) {
    assert_eq!(packet.header.ssrc, ssrc(to));
    assert!((1..=PAYLOAD_LIMIT).contains(&packet.payload_bytes()));
    let payload = [packet.head, packet.body].concat();
    match Room::mode(to) {
        Some(PacketizationMode::Single) => {
            assert!(matches!(Payload::parse(&payload), Ok(Payload::Single(_))), "{payload:?}");
        }
        Some(PacketizationMode::NonInterleaved) => assert!(Payload::parse(&payload).is_ok()),
        None => assert!(Vp8Payload::parse(&payload).is_ok()),
    }
    if let Some((next, skipped)) = numbers.get_mut(&to) {
        *skipped += u64::from(packet.header.sequence.wrapping_sub(*next));
        *next = packet.header.sequence.wrapping_add(1);
    }
}

/// Payloads, units and texts as devices send them.
pub(crate) fn h264_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let with = |kind: u8, octets: &[u8]| [&[kind], octets].concat();
    let high = [
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00,
        0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58,
    ];
    let sets = [SPS, &[PART], PPS, &[PART], &high].concat();
    vec![
        ("aggregated", with(0, &aggregate())),
        ("fragment", with(0, &[0x7c, 0x85, 0x88, 1])),
        ("many-units", with(0, &[&[0x78][..], &[0, 1, 0x41].repeat(20_000)].concat())),
        ("sets", with(1, &sets)),
        ("zeros", with(1, &[&[0x67, 66, 0, 30][..], &[0; 60_000]].concat())),
        (
            "device",
            with(2, b"profile-level-id=42801f;packetization-mode=1;max-mbps=108000;max-fs=3600"),
        ),
        ("sprop", with(2, b"sprop-parameter-sets=Z0LACtkCxOwEQAAAAwBAAAAHo8SJkg==,aMuBEsg=")),
        ("vp8", with(3, &[0x90, 0xf0, 0x92, 0x34, 7, 0x20, 0x00, 1, 2])),
    ]
}

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00,
    0x00, 0x07, 0xa3, 0xc4, 0x89, 0x92,
];
const PPS: &[u8] = &[0x68, 0xcb, 0x81, 0x12, 0xc8];

fn aggregate() -> Vec<u8> {
    let mut out = vec![0x78];
    for unit in [SPS, PPS, &[0x65, 0x88, 0x84]] {
        out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

/// A meeting in which each participant sends, somebody asks for key frames, and packets are lost.
pub(crate) fn room_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let aggregate = aggregate();
    let mut meeting = Vec::new();
    let mut part = |act: u8, octets: &[u8]| {
        // A part ends where its separator stands: such octets are changed.
        let octets = octets.iter().map(|&octet| if octet == PART { 0x1f } else { octet });
        meeting.push(act);
        meeting.extend(octets);
        meeting.push(PART);
    };
    for n in 0..24_u8 {
        for participant in 0..5_u8 {
            let payload: &[u8] = match (participant, n % 10) {
                (4, _) => &[0x90, 0x80, 0x12, 0x00],
                (_, 0) => &aggregate,
                (_, 3) => &[0x7c, 0x81, 0x9a, 1, 2, 3],
                (_, 4) => &[0x7c, 0x41, 4, 5],
                _ => &[0x41, 0x9a, 7],
            };
            let header = [0x80, 0x60, 0xff, n.wrapping_mul(if n % 7 == 6 { 2 } else { 1 })];
            let rest = [0, 0, n, 0, 0, 0, 0, participant];
            part(participant << 3, &[&header[..], &rest, payload].concat());
        }
        part(4, &[3]);
        if n % 15 == 7 {
            part(5 | (n / 15) << 3, &[]);
            part(3 | 1 << 3, &[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 3, 0xea]);
        }
        if n % 25 == 20 {
            part(6 | 2 << 3, &[]);
            part(7 | 2 << 3, &[]);
        }
    }
    vec![("meeting", meeting)]
}
