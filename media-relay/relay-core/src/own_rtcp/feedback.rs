//! Feedback (RFC 4585) of a leg whose RTCP ends here: it is for whoever sends the media, and goes on to
//! the other leg under the sources and numbers that that one knows. So do the blocks of extended
//! reports that tell packet by packet what came.
//!
//! What is to go on waits, at most [`ROOM`] octets for each leg, until the worker asks next. What does
//! not fit, and what cannot be told the other leg, is dropped and counted: a receiver repeats what
//! matters.

use super::OwnRtcp;
use super::heard::passed_as;
use crate::rtp_session::{Leg, Rare, RtpSession};
use model::{Instant, LegSide};
use rtp_proto::rtcp::{
    ExtendedReport, Feedback, FeedbackSubject, Nack, Nacks, RtcpPacket, write_feedback, write_nack,
    write_packet_blocks,
};

/// Octets of feedback that wait for one leg.
pub(super) const ROOM: usize = 960;
/// Entries of a generic NACK that go on. Who misses more asks for a picture instead.
const NACKS: usize = 64;
/// Packets that one entry names at most.
const NACK_PACKETS: usize = 17;
/// Octets of a feedback message before its control information.
const HEADER: usize = 12;
/// Octets of an extended report before its blocks.
const EXTENDED_HEADER: usize = 8;

/// What waits to go to a leg.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Whole RTCP packets, [`ROOM`] octets at most.
    pub(super) packets: Vec<u8>,
    /// When the first of them came.
    pub(super) since: Option<Instant>,
}

impl Waiting {
    pub(super) fn new() -> Box<Self> {
        Box::new(Waiting { packets: Vec::with_capacity(ROOM), since: None })
    }

    fn has_room(&self, octets: usize) -> bool {
        self.packets.len() + octets <= ROOM
    }
}

impl RtpSession {
    /// How many messages of either leg could not be told the other one since this was asked last:
    /// feedback and extended reports where RTCP ends here.
    pub fn take_unpassed_feedback(&mut self) -> u32 {
        self.own_rtcp.as_deref_mut().map_or(0, |own| std::mem::take(&mut own.unpassed))
    }

    /// Takes feedback of ours, whole RTCP packets, that is to go to leg `to` with the next report: at once.
    /// Its sender is our source towards the leg. What finds no room is dropped and counted: it is said again.
    pub(crate) fn say_feedback(&mut self, to: LegSide, packets: &[u8], now: Instant) {
        let (other, leg) = crate::forward::pair(&mut self.legs, to.other());
        let Some(own) = self.own_rtcp.as_deref_mut() else { return };
        let towards = &mut own.towards[to.index()];
        let source = towards.source(leg, other);
        let waiting = towards.feedback.as_deref_mut();
        let Some(waiting) = waiting.filter(|waiting| waiting.has_room(packets.len())) else {
            own.unpassed = own.unpassed.saturating_add(1);
            return;
        };
        let start = waiting.packets.len();
        waiting.packets.extend_from_slice(packets);
        let mut rest = waiting.packets.get_mut(start..).unwrap_or_default();
        while let Some(([_, _, high, low, sender @ ..], _)) = rest.split_first_chunk_mut::<8>() {
            *sender = source.to_be_bytes();
            let words = usize::from(u16::from_be_bytes([*high, *low])) + 1;
            rest = rest.get_mut(words * 4..).unwrap_or_default();
        }
        waiting.since.get_or_insert(now);
    }

    pub(super) fn forget_feedback(&mut self, to: LegSide) {
        let own = self.own_rtcp.as_deref_mut();
        if let Some(waiting) = own.and_then(|own| own.towards[to.index()].feedback.as_deref_mut()) {
            waiting.packets.clear();
            waiting.since = None;
        }
    }
}

impl OwnRtcp {
    /// Takes what a packet of `leg`, which is side `from`, has for whoever sends it media.
    pub(crate) fn pass_feedback(
        &mut self,
        (from, leg, other): (LegSide, &Leg, &Leg),
        rare: Option<&Rare>,
        packet: &RtcpPacket<'_>,
        arrival: Instant,
    ) {
        let to = from.other().index();
        let way = Way {
            leg,
            other,
            renumbers: rare.is_some_and(|rare| rare.renumbering[to].is_some()),
            is_anew: rare.is_some_and(|rare| rare.transcoding[to].is_some()),
        };
        let towards = &mut self.towards[to];
        let source = towards.source(other, leg);
        let Some(waiting) = towards.feedback.as_deref_mut() else { return };
        let passed = match packet {
            RtcpPacket::Feedback(feedback) => way.pass(waiting, source, feedback),
            RtcpPacket::ExtendedReport(report) => way.pass_blocks(waiting, source, report),
            _ => return,
        };
        if passed.is_none() {
            self.unpassed = self.unpassed.saturating_add(1);
        } else if waiting.since.is_none() && !waiting.packets.is_empty() {
            waiting.since = Some(arrival);
        }
    }
}

/// From what a leg was sent back to what the other leg sent.
struct Way<'a> {
    leg: &'a Leg,
    other: &'a Leg,
    /// Payload types are other ones.
    renumbers: bool,
    /// What the leg gets is made anew: none of its packets is one of the other leg's.
    is_anew: bool,
}

impl Way<'_> {
    /// `None` when it does not go on.
    fn pass(&self, waiting: &mut Waiting, source: u32, feedback: &Feedback<'_>) -> Option<()> {
        if self.is_anew {
            return None;
        }
        // Messages about several sources name none here (RFC 5104 section 4.2.1.2).
        let media_ssrc = match feedback.media_ssrc {
            0 => 0,
            ssrc => passed_as(self.leg, self.other, ssrc),
        };
        let subject = feedback.subject()?;
        if let FeedbackSubject::Packets(nacks) = subject {
            return self.pass_nacks(waiting, [source, media_ssrc], nacks);
        }
        if self.renumbers && subject == FeedbackSubject::PayloadType {
            return None;
        }
        let start = waiting.packets.len();
        if !waiting.has_room(HEADER + feedback.control.len()) {
            return None;
        }
        let message = Feedback { sender_ssrc: source, media_ssrc, ..*feedback };
        write_feedback(&mut waiting.packets, &message);
        if let FeedbackSubject::Sources { first, every } = subject {
            let written = waiting.packets.get_mut(start + HEADER + first..).unwrap_or_default();
            for entry in written.chunks_exact_mut(every) {
                if let Some(ssrc) = entry.first_chunk_mut() {
                    let named = u32::from_be_bytes(*ssrc);
                    *ssrc = passed_as(self.leg, self.other, named).to_be_bytes();
                }
            }
        }
        Some(())
    }

    /// `None` when none of the packets is one that the other leg sent.
    fn pass_nacks(
        &self,
        waiting: &mut Waiting,
        [source, media_ssrc]: [u32; 2],
        nacks: Nacks<'_>,
    ) -> Option<()> {
        let mut entries = [Nack::default(); NACKS];
        let mut count = 0_usize;
        let packets = nacks.iter().flat_map(Nack::packets).take(NACKS * NACK_PACKETS);
        for packet in packets.filter_map(|packet| self.original(media_ssrc, packet)) {
            let before = count.checked_sub(1).and_then(|last| entries.get_mut(last));
            match before.map(|last| (packet.wrapping_sub(last.packet), last)) {
                Some((0, _)) => {}
                Some((after @ 1..=16, last)) => last.following |= 1 << (after - 1),
                _ => {
                    let Some(entry) = entries.get_mut(count) else { break };
                    *entry = Nack { packet, following: 0 };
                    count += 1;
                }
            }
        }
        let entries = entries.get(..count).filter(|entries| !entries.is_empty())?;
        if !waiting.has_room(HEADER + size_of::<[u16; 2]>() * count) {
            return None;
        }
        write_nack(&mut waiting.packets, source, media_ssrc, entries);
        Some(())
    }

    /// The number that a packet of the other leg had which this one knows as `sequence`.
    fn original(&self, media_ssrc: u32, sequence: u16) -> Option<u16> {
        match self.leg.made.as_deref() {
            Some(made) => made.outbound.original(media_ssrc, sequence),
            None => Some(sequence),
        }
    }

    /// Blocks that name packets go on where those have the numbers that they had.
    fn pass_blocks(
        &self,
        waiting: &mut Waiting,
        source: u32,
        report: &ExtendedReport<'_>,
    ) -> Option<()> {
        let octets: usize = report.packet_blocks().map(|(_, block)| block.len()).sum();
        if octets == 0 {
            return Some(());
        }
        let is_told = self.leg.made.is_none() && waiting.has_room(EXTENDED_HEADER + octets);
        if self.is_anew || !is_told {
            return None;
        }
        let blocks = report.packet_blocks();
        let blocks = blocks.map(|(ssrc, block)| (passed_as(self.leg, self.other, ssrc), block));
        write_packet_blocks(&mut waiting.packets, source, blocks);
        Some(())
    }
}
