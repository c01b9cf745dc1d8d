//! Senders that packetise committed clips, and a receiver that writes down what it can decode.
#![allow(dead_code, reason = "each test uses its part")]

use room_video::h264::{Fragment, H264Format, Nalu, PacketizationMode, Payload};
use room_video::{
    LimitWays, OutboundSettings, Outgoing, ReceiverSettings, RequestWays, SourceSettings,
    StreamKey, VideoFormat, VideoSwitch,
};

pub(crate) const RED: &[u8] = include_bytes!("../fixtures/red.h264");
pub(crate) const BLUE: &[u8] = include_bytes!("../fixtures/blue.h264");
pub(crate) const HIGH: &[u8] = include_bytes!("../fixtures/high.h264");

/// The units of a byte stream (H.264 annex B).
pub(crate) fn units(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    for at in 0..stream.len().saturating_sub(2) {
        if stream[at..].starts_with(&[0, 0, 1]) {
            starts.push(at + 3);
        }
    }
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let trimmed = |(start, end): (&usize, usize)| {
        let mut unit = &stream[*start..end];
        while let [rest @ .., 0] = unit {
            unit = rest;
        }
        unit
    };
    starts.iter().zip(ends).map(trimmed).collect()
}

/// The pictures of a clip, each with its units; parameter sets stand with the picture after them.
pub(crate) fn pictures(stream: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut pictures: Vec<Vec<&[u8]>> = Vec::new();
    let mut has_slice = true;
    for unit in units(stream) {
        let read = Nalu::new(unit).unwrap();
        let slice = matches!(read.kind(), 1 | 5);
        if (read.begins_picture() || !slice) && has_slice {
            pictures.push(Vec::new());
            has_slice = false;
        }
        has_slice |= slice;
        pictures.last_mut().unwrap().push(unit);
    }
    pictures
}

/// One packet of a sender.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) payload: Vec<u8>,
    pub(crate) picture: u32,
    pub(crate) marker: bool,
}

/// The packets of a clip's pictures, none over `limit`; with `aggregate` parameter sets stand in a STAP-A.
pub(crate) fn packets(stream: &[u8], limit: usize, aggregate: bool) -> Vec<Packet> {
    let mut packets = Vec::new();
    for (picture, mut units) in (0_u32..).zip(pictures(stream)) {
        let mut payloads = Vec::new();
        if aggregate && units.len() > 2 && Nalu::new(units[0]).unwrap().kind() == 7 {
            let mut payload = vec![0x78];
            for unit in units.drain(..2) {
                payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
                payload.extend_from_slice(unit);
            }
            payloads.push(payload);
        }
        for unit in units {
            if unit.len() <= limit {
                payloads.push(unit.to_vec());
                continue;
            }
            let mut pieces = unit[1..].chunks(limit - 2).peekable();
            let mut start = true;
            while let Some(piece) = pieces.next() {
                let head = Fragment::head(unit[0], start, pieces.peek().is_none());
                payloads.push([&head[..], piece].concat());
                start = false;
            }
        }
        let last = payloads.len() - 1;
        for (n, payload) in payloads.into_iter().enumerate() {
            packets.push(Packet { payload, picture, marker: n == last });
        }
    }
    packets
}

/// What a receiver makes of its packets: units behind start codes, as a decoder's file.
#[derive(Default)]
pub(crate) struct Depacketizer {
    pub(crate) stream: Vec<u8>,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) missing: u32,
    pub(crate) timestamps: Vec<u32>,
    pub(crate) single_only: bool,
    pub(crate) next: Option<u16>,
    pub(crate) unit: Vec<u8>,
}

impl Depacketizer {
    pub(crate) fn take(&mut self, packet: &Outgoing<'_>) {
        let sequence = packet.header.sequence;
        let gap = self.next.map_or(0, |next| sequence.wrapping_sub(next));
        self.missing += u32::from(gap);
        self.next = Some(sequence.wrapping_add(1));
        self.timestamps.push(packet.header.timestamp);
        let payload = [packet.head, packet.body].concat();
        match Payload::parse(&payload).unwrap() {
            Payload::Single(unit) => self.put(unit.bytes()),
            _ if self.single_only => panic!("a fragment or aggregate to a receiver of mode 0"),
            Payload::Aggregated(units) => units.for_each(|unit| self.put(unit.bytes())),
            Payload::Fragment(fragment) => {
                if fragment.start {
                    self.unit = vec![fragment.header];
                }
                if gap > 0 {
                    self.unit.clear();
                }
                if !self.unit.is_empty() {
                    self.unit.extend_from_slice(fragment.data);
                    if fragment.end {
                        let unit = std::mem::take(&mut self.unit);
                        self.put(&unit);
                    }
                }
            }
        }
        self.payloads.push(payload);
    }

    fn put(&mut self, unit: &[u8]) {
        self.stream.extend_from_slice(&[0, 0, 0, 1]);
        self.stream.extend_from_slice(unit);
    }
}

pub(crate) fn format(parameters: &str) -> VideoFormat {
    VideoFormat::H264(Box::new(H264Format::parse(parameters).unwrap()))
}

pub(crate) fn source_settings(parameters: &str) -> SourceSettings {
    SourceSettings {
        format: format(parameters),
        requests: RequestWays { picture_loss: true, full_intra: true },
        limits: LimitWays::default(),
        high_definition: false,
        sends_again: false,
    }
}

pub(crate) fn receiver_settings(
    ssrc: u32,
    parameters: &str,
    mode: PacketizationMode,
    payload_limit: usize,
) -> ReceiverSettings {
    ReceiverSettings {
        format: format(parameters),
        outbound: OutboundSettings {
            ssrc,
            payload_type: 96,
            first_sequence: 65_500,
            first_timestamp: 0,
            payload_limit,
            mode: Some(mode),
        },
        most_bits_per_second: u64::MAX,
    }
}

/// A switch whose participants all send and receive constrained baseline in mode 1.
pub(crate) fn room(participants: u16) -> VideoSwitch {
    let plain = "profile-level-id=42e01f;packetization-mode=1";
    let mut switch = VideoSwitch::new();
    for number in 0..participants {
        let key = StreamKey::main(room_video::Participant(number));
        let now = model::Instant::ZERO;
        switch.add_source(now, key, source_settings(plain)).unwrap();
        let mode = PacketizationMode::NonInterleaved;
        let settings = receiver_settings(u32::from(number) + 100, plain, mode, 1_200);
        switch.add_receiver(now, key, settings).unwrap();
    }
    switch
}
