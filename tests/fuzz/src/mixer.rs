//! RTP packets into a meeting room.

use crate::{bounded, parts};
use ::mixer::{
    Format, LoudnessExtension, Muting, OutgoingPacket, ParticipantId, Room, RoomConfig, Sink,
    TICK_SAMPLES,
};
use codecs::AudioFormat;
use model::Instant;
use rtp_proto::RtpHeader;
use std::time::Duration;

/// Packets of one script.
const MOST_PARTS: usize = 64;
const FORMATS: [(u8, AudioFormat); 4] = [
    (0, AudioFormat::Pcmu),
    (9, AudioFormat::G722),
    (97, AudioFormat::L16 { sample_rate: 48_000 }),
    (111, AudioFormat::Opus),
];

/// What a room's packets must be.
#[derive(Default)]
struct Judge {
    /// The end of the last packet of each participant, in 1/48,000 s.
    ends: [u64; FORMATS.len()],
}

impl Sink for Judge {
    fn packet(&mut self, packet: &OutgoingPacket<'_>) {
        assert!(
            !packet.payload.is_empty() && packet.payload.len() <= 1_400,
            "a packet fits a path"
        );
        let at = packet.participant.0 as usize;
        let ratio = u64::from(48_000 / FORMATS[at].1.clock_rate());
        let begin = u64::from(packet.timestamp) * ratio;
        assert!(begin >= self.ends[at], "packets do not overlap");
        self.ends[at] = begin + packet.duration.as_millis() as u64 * 48;
    }

    fn recorded(&mut self, _: ::mixer::Recorded, samples: &[i16; TICK_SAMPLES]) {
        assert_eq!(samples.len(), TICK_SAMPLES);
    }
}

/// A script of packets. The first octet of each part chooses whose and the payload type, the second by
/// how much the packet is lost, early, late or of another source. A part with neither is a datagram as
/// it is.
///
/// # Panics
/// When a room's packets overlap, are empty or too long, or time does not go on.
pub fn mixer(data: &[u8]) {
    let mut room = Room::new(RoomConfig::default(), Instant::ZERO);
    for (id, (number, format)) in FORMATS.iter().enumerate() {
        let mut format = Format::symmetric(*number, *format);
        format.receive.comfort_noise = Some(13);
        format.receive.telephone_events = vec![101];
        format.loudness = Some(LoudnessExtension(1));
        if let Some(next) = FORMATS.get(id + 1) {
            format.receive.audio.push(*next);
        }
        if room.join(ParticipantId(id as u64), &format).is_err() {
            return;
        }
    }
    let mut judge = Judge::default();
    let (mut sequence, mut timestamp) = (0_u16, 0_u32);
    let mut now = Instant::ZERO;
    for part in parts(bounded(data), MOST_PARTS) {
        let Some((&[kind, jump], payload)) = part.split_first_chunk::<2>() else {
            room.packet(ParticipantId(0), part, now);
            continue;
        };
        let id = ParticipantId(u64::from(kind & 3));
        let (number, format) = FORMATS[usize::from(kind >> 2 & 3)];
        let payload_type = match kind >> 4 & 7 {
            6 => 13,
            7 => 101,
            _ => number,
        };
        now += Duration::from_millis(if kind & 0x80 == 0 { 20 } else { 0 });
        match jump {
            0..=199 => sequence = sequence.wrapping_add(1),
            200..=219 => sequence = sequence.wrapping_sub(u16::from(jump - 200)),
            220..=239 => timestamp = timestamp.wrapping_add(u32::from(jump - 220) << 27),
            240..=249 => now += Duration::from_millis(u64::from(jump - 239) * 50),
            250 => drop(room.set_packet_loss(id, f32::from(kind) / 255.0)),
            251 => drop(room.set_muted(id, Muting { by_room: kind & 4 != 0, by_self: false })),
            _ => sequence = sequence.wrapping_add(u16::from(jump) << 6),
        }
        timestamp = timestamp.wrapping_add(format.clock_rate() / 50);
        let ssrc = u32::from(jump >> 6 & 1);
        let header = RtpHeader { payload_type, marker: kind & 1 != 0, sequence, timestamp, ssrc };
        let octets = [header.to_bytes().as_slice(), payload].concat();
        room.packet(id, &octets, now);
        room.tick(now, &mut judge);
        assert!(room.deadline() > now, "time goes on");
    }
    for id in room.participants() {
        let stats = room.stats(id).map(|stats| stats.target_ms);
        assert!(stats.is_some_and(|ms| (20.0..=200.0).contains(&ms)), "the wait has bounds");
    }
}

/// Packets of each format, in order and out of it.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let script = |kind: u8, jumps: &[u8], octets: usize| {
        let mut script = Vec::new();
        for (n, jump) in jumps.iter().enumerate() {
            script.extend([kind, *jump]);
            // The mark between parts is kept out of it.
            script.extend((0..octets).map(|at| ((n * octets + at) as u8) | 0x80));
            script.push(crate::PART);
        }
        script
    };
    vec![
        ("pcmu", script(0, &[0; 12], 160)),
        ("g722-late-and-lost", script(0b0101, &[0, 0, 202, 0, 203, 241, 0, 249, 0, 0], 160)),
        ("opus-jumps", script(0b1111, &[0, 0, 221, 0, 0, 239, 0, 252, 0, 0, 250, 0], 40)),
        ("two-formats", script(0b0100, &[0, 0, 0, 251, 0, 0], 160)),
        ("noise", script(0b0110_0000, &[0, 0, 0], 3)),
    ]
}
