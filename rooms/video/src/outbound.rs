//! One receiver's stream as it goes out: numbers without jumps, packets in the form and size that
//! were agreed with it.

use crate::h264::{Fragment, NalUnits, Nalu, PacketizationMode, ParameterSets, Payload};
use crate::source::{CLOCK_RATE, SourcePacket};
use crate::vp8::{MAX_DESCRIPTOR, Vp8Payload};
use model::Instant;
use rtp_proto::RtpHeader;

/// The least payload that a receiver can be given.
pub const MIN_PAYLOAD_LIMIT: usize = 64;
/// The largest.
pub const MAX_PAYLOAD_LIMIT: usize = 1_460;
/// Octets in front of a fragment's data.
const FRAGMENT_HEAD: usize = 2;
/// A picture's time at 30 a second: from the last picture of one source to the first of the next at least.
const LEAST_STEP_TS: u32 = CLOCK_RATE / 30;

/// A packet to send. Its payload stands in two pieces, so that nothing is copied on the way.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The header.
    pub header: RtpHeader,
    /// The first octets of the payload: of a fragment, or of a VP8 descriptor. Often empty.
    pub head: &'a [u8],
    /// The others.
    pub body: &'a [u8],
}

impl Outgoing<'_> {
    /// Octets of the payload.
    pub const fn payload_bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Writes the packet to the front of `out`; its length, or `None` when it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let length = RtpHeader::BYTES + self.payload_bytes();
        let room = out.get_mut(..length)?;
        let (header, room) = room.split_at_mut_checked(RtpHeader::BYTES)?;
        self.header.write_header(header)?;
        let (head, body) = room.split_at_mut_checked(self.head.len())?;
        head.copy_from_slice(self.head);
        body.copy_from_slice(self.body);
        Some(length)
    }
}

/// What became of a receiver's packets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OutboundCounters {
    /// Sent.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
    /// Units that are larger than a packet, for a receiver that takes single units alone: slices cannot
    /// be split, so the picture has a hole.
    pub too_large: u64,
    /// Units of whose fragments one was lost.
    pub broken: u64,
    /// Numbers that were left out, so that the receiver sees what it did not get.
    pub skipped: u64,
}

/// Settings of a receiver's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboundSettings {
    /// Of all packets, whoever they show.
    pub ssrc: u32,
    /// The receiver's number for the format.
    pub payload_type: u8,
    /// The first sequence number.
    pub first_sequence: u16,
    /// The first timestamp.
    pub first_timestamp: u32,
    /// Octets of a payload at most; taken into [`MIN_PAYLOAD_LIMIT`] to [`MAX_PAYLOAD_LIMIT`].
    pub payload_limit: usize,
    /// `None` for VP8.
    pub mode: Option<PacketizationMode>,
}

/// A receiver's stream.
#[derive(Debug)]
pub struct Outbound {
    settings: OutboundSettings,
    sequence: u16,
    /// What is added to the source's timestamps.
    offset: u32,
    last_timestamp: u32,
    last_arrival: Option<Instant>,
    /// Numbers to leave out in front of the next packet.
    missing: u32,
    /// A unit whose fragments are being put together.
    unit: Vec<u8>,
    assembling: bool,
    vp8: Vp8Numbers,
    counters: OutboundCounters,
}

#[derive(Clone, Copy, Debug, Default)]
struct Vp8Numbers {
    picture_offset: u16,
    layer_offset: u8,
    last_picture: u16,
    last_layer: u8,
    align: bool,
}

impl Outbound {
    /// A stream of which nothing was sent.
    pub fn new(mut settings: OutboundSettings) -> Self {
        settings.payload_limit = settings.payload_limit.clamp(MIN_PAYLOAD_LIMIT, MAX_PAYLOAD_LIMIT);
        Outbound {
            settings,
            sequence: settings.first_sequence,
            offset: 0,
            last_timestamp: settings.first_timestamp,
            last_arrival: None,
            missing: 0,
            unit: Vec::with_capacity(MAX_PAYLOAD_LIMIT),
            assembling: false,
            vp8: Vp8Numbers::default(),
            counters: OutboundCounters::default(),
        }
    }

    /// Its settings.
    pub const fn settings(&self) -> &OutboundSettings {
        &self.settings
    }

    /// Its packets have another source from now on.
    pub(crate) fn rename(&mut self, ssrc: u32) {
        self.settings.ssrc = ssrc;
    }

    /// What became of packets so far.
    pub const fn counters(&self) -> OutboundCounters {
        self.counters
    }

    /// The timestamp that stands for `now`, for a sender report; `None` before the first packet.
    pub fn timestamp_at(&self, now: Instant) -> Option<u32> {
        let last = self.last_arrival?;
        Some(self.last_timestamp.wrapping_add(ticks(now, last)))
    }

    /// The next packets are of another source, or of another stream of it: their times go on from
    /// what was shown before.
    pub fn begin_source(&mut self, packet: &SourcePacket<'_>) {
        let passed =
            self.last_arrival.map_or(0, |last| ticks(packet.arrival, last).max(LEAST_STEP_TS));
        let first = self.last_timestamp.wrapping_add(passed);
        self.offset = first.wrapping_sub(packet.timestamp);
        self.assembling = false;
        // What the old source lost is of no concern any more.
        self.missing = 0;
        self.vp8.align = true;
    }

    /// The next picture is one of our own, of `now`.
    pub(crate) fn begin_own(&mut self, now: Instant) {
        let passed = self.last_arrival.map_or(0, |last| ticks(now, last).max(LEAST_STEP_TS));
        self.last_timestamp = self.last_timestamp.wrapping_add(passed);
        self.last_arrival = Some(now);
        self.assembling = false;
        self.missing = 0;
    }

    /// Sends a unit of it, the last one with the marker.
    pub(crate) fn send_own(
        &mut self,
        unit: &[u8],
        is_last: bool,
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        let at = (self.last_timestamp, is_last);
        if self.settings.mode.is_none() {
            // VP8: a payload as it is.
            self.put(at, &[], unit, emit);
        } else if let Some(unit) = Nalu::new(unit) {
            self.send_unit(unit, at, emit);
        }
    }

    /// Sends the parameter sets of the source whose IDR picture comes next.
    pub fn send_parameter_sets(
        &mut self,
        packet: &SourcePacket<'_>,
        sets: &ParameterSets,
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        let timestamp = packet.timestamp.wrapping_add(self.offset);
        for unit in sets.units().filter_map(Nalu::new) {
            self.send_unit(unit, (timestamp, false), emit);
        }
    }

    /// Sends a packet of the source that is shown.
    pub fn send(&mut self, packet: &SourcePacket<'_>, emit: &mut impl FnMut(Outgoing<'_>)) {
        let timestamp = packet.timestamp.wrapping_add(self.offset);
        // Pictures may be sent in another order than shown: the latest time counts.
        if timestamp.wrapping_sub(self.last_timestamp) < 1 << 31 {
            self.last_timestamp = timestamp;
        }
        self.last_arrival = Some(packet.arrival);
        if packet.lost_before > 0 {
            self.missing = self.missing.saturating_add(packet.lost_before);
            self.abandon();
        }
        let at = (timestamp, packet.marker);
        let Some(mode) = self.settings.mode else {
            self.send_vp8(packet, at, emit);
            return;
        };
        match (mode, Payload::parse(packet.payload)) {
            // The source has refused it.
            (_, Err(_)) => {}
            (_, Ok(Payload::Single(unit))) => {
                self.abandon();
                self.send_unit(unit, at, emit);
            }
            (PacketizationMode::NonInterleaved, Ok(Payload::Aggregated(_)))
                if packet.payload.len() <= self.settings.payload_limit =>
            {
                self.put(at, &[], packet.payload, emit);
            }
            (_, Ok(Payload::Aggregated(units))) => {
                self.abandon();
                self.send_units(units, at, emit);
            }
            (PacketizationMode::NonInterleaved, Ok(Payload::Fragment(fragment))) => {
                self.send_fragment(&fragment, packet.payload, at, emit);
            }
            (PacketizationMode::Single, Ok(Payload::Fragment(fragment))) => {
                self.assemble(&fragment, at, emit);
            }
        }
    }

    fn send_units(
        &mut self,
        units: NalUnits<'_>,
        (timestamp, marker): (u32, bool),
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        let mut units = units.peekable();
        while let Some(unit) = units.next() {
            let last = units.peek().is_none();
            self.send_unit(unit, (timestamp, marker && last), emit);
        }
    }

    /// A whole unit: as it is, in fragments, or not at all.
    fn send_unit(&mut self, unit: Nalu<'_>, at: (u32, bool), emit: &mut impl FnMut(Outgoing<'_>)) {
        if unit.bytes().len() <= self.settings.payload_limit {
            self.put(at, &[], unit.bytes(), emit);
        } else if self.settings.mode == Some(PacketizationMode::Single) {
            self.refuse_large();
        } else {
            let data = unit.bytes().get(1..).unwrap_or_default();
            let whole = Fragment { header: unit.header(), start: true, end: true, data };
            self.split(&whole, at, emit);
        }
    }

    fn send_fragment(
        &mut self,
        fragment: &Fragment<'_>,
        payload: &[u8],
        at: (u32, bool),
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        if payload.len() <= self.settings.payload_limit {
            self.put(at, &[], payload, emit);
        } else {
            self.split(fragment, at, emit);
        }
    }

    /// A fragment, or a whole unit that begins and ends here, as smaller fragments.
    fn split(
        &mut self,
        fragment: &Fragment<'_>,
        (timestamp, marker): (u32, bool),
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        let mut rest = fragment.data;
        let mut start = fragment.start;
        while !rest.is_empty() {
            let most = (self.settings.payload_limit - FRAGMENT_HEAD).min(rest.len());
            let (data, after) = rest.split_at(most);
            let last = after.is_empty();
            let head = Fragment::head(fragment.header, start, last && fragment.end);
            self.put((timestamp, marker && last), &head, data, emit);
            (rest, start) = (after, false);
        }
    }

    /// Puts fragments together for a receiver of single units.
    fn assemble(
        &mut self,
        fragment: &Fragment<'_>,
        at: (u32, bool),
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        if fragment.start {
            self.abandon();
            self.unit.clear();
            self.unit.push(fragment.header);
            self.assembling = true;
        }
        if !self.assembling {
            return;
        }
        if self.unit.len() + fragment.data.len() > self.settings.payload_limit {
            self.assembling = false;
            self.refuse_large();
            return;
        }
        self.unit.extend_from_slice(fragment.data);
        if fragment.end {
            self.assembling = false;
            let unit = std::mem::take(&mut self.unit);
            self.put(at, &[], &unit, emit);
            self.unit = unit;
        }
    }

    fn refuse_large(&mut self) {
        self.counters.too_large += 1;
        self.missing = self.missing.saturating_add(1);
    }

    /// What is being put together will not become whole.
    fn abandon(&mut self) {
        if self.assembling {
            self.assembling = false;
            self.counters.broken += 1;
            self.missing = self.missing.max(1);
        }
    }

    fn send_vp8(
        &mut self,
        packet: &SourcePacket<'_>,
        at: (u32, bool),
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        let Ok(read) = Vp8Payload::parse(packet.payload) else { return };
        // A descriptor has no room for fragments: a longer packet than agreed cannot go.
        if packet.payload.len() > self.settings.payload_limit {
            self.refuse_large();
            return;
        }
        let picture = read.picture_id.map_or(0, |id| id.number);
        let layer = read.layer_index.unwrap_or_default();
        if self.vp8.align {
            let next = self.vp8.last_picture.wrapping_add(1);
            self.vp8.picture_offset = next.wrapping_sub(picture);
            self.vp8.layer_offset = self.vp8.last_layer.wrapping_add(1).wrapping_sub(layer);
            self.vp8.align = false;
        }
        let picture = picture.wrapping_add(self.vp8.picture_offset);
        let layer = layer.wrapping_add(self.vp8.layer_offset);
        (self.vp8.last_picture, self.vp8.last_layer) = (picture, layer);
        let (descriptor, length): ([u8; MAX_DESCRIPTOR], usize) = read.rewritten(picture, layer);
        self.put(at, descriptor.get(..length).unwrap_or_default(), read.data(), emit);
    }

    fn put(
        &mut self,
        (timestamp, marker): (u32, bool),
        head: &[u8],
        body: &[u8],
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        let missing = std::mem::take(&mut self.missing);
        self.counters.skipped += u64::from(missing);
        self.sequence = self.sequence.wrapping_add(missing as u16);
        let OutboundSettings { ssrc, payload_type, .. } = self.settings;
        let header = RtpHeader { payload_type, marker, sequence: self.sequence, timestamp, ssrc };
        self.sequence = self.sequence.wrapping_add(1);
        self.counters.packets += 1;
        self.counters.octets += (head.len() + body.len()) as u64;
        emit(Outgoing { header, head, body });
    }
}

/// 1/90,000 s from `earlier` to `now`, up to an hour.
fn ticks(now: Instant, earlier: Instant) -> u32 {
    let millis = (now - earlier).as_millis().min(3_600_000) as u32;
    millis * (CLOCK_RATE / 1_000)
}

#[cfg(test)]
mod tests;
