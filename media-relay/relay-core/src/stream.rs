//! The numbers of one leg: what came from it, what went to it, and what it said about that.

use crate::decision::PacketKind;
use crate::outbound::Numbers;
use crate::own_rtcp::Heard;
use crate::plan::{CompiledLeg, Format};
use crate::quality::{
    self, IntervalReader, PacketFacts, PeerReports, Reception, RoundTrips, SenderReportMemory,
    StreamTotals,
};
use model::{Codec, Instant, LossCounts, SentView};
use rtp_proto::rtcp::ReportBlock;
use rtp_proto::{AskedPackets, NtpMid, RtpPacket};

/// The numbers of one leg.
#[derive(Debug, Default)]
pub(crate) struct LegStream {
    pub(crate) rtp_packets: u64,
    pub(crate) rtp_bytes: u64,
    pub(crate) rtcp_packets: u64,
    pub(crate) rtcp_bytes: u64,
    /// Saturates.
    pub(crate) wrong_source: u32,
    /// Saturates.
    pub(crate) malformed: u32,
    /// Packets that were received and, by the media's direction, not sent on.
    withheld: u64,
    /// Of what was lost or withheld, what left no gap in what the other leg got: something was
    /// played there meanwhile.
    hidden: i64,
    /// What was lost and withheld when that began.
    hidden_from: Option<i64>,
    pub(crate) sent: SentView,
    pub(crate) reception: StreamTotals,
    /// What it was asked for again; `None` of a leg that is asked for nothing.
    pub(crate) asked: Option<Box<AskedPackets>>,
    /// The format of the last audio packet.
    pub(crate) format: Option<Format>,
    /// Timestamp and arrival of the last audio packet.
    pub(crate) last_rtp: Option<(u32, Instant)>,
    /// The same of the one before.
    pub(crate) rtp_before: Option<(u32, Instant)>,
    /// What its RTCP told. Beside the rest, which every packet touches.
    pub(crate) heard: Box<Heard>,
    pub(crate) peer: PeerReports,
    pub(crate) round_trips: RoundTrips,
    /// The reports of the other leg's sender that were forwarded to this leg, and ours.
    sender_reports: Box<SenderReportMemory>,
    /// Of audio to the leg that is transcoded.
    made_anew: Option<MadeAnew>,
    /// By [`quality::IntervalReader`].
    peer_at_report: [PeerAtReport; 2],
}

/// Audio to a leg whose numbers are not the other leg's.
#[derive(Clone, Copy, Debug)]
struct MadeAnew {
    /// In Hz.
    clock_rate: u32,
    /// What of the other leg's had not come before: it is among what this leg lacks. What is lost
    /// later was made up.
    upstream: i64,
}

/// What measuring needs of an RTP packet, whoever has read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeaderView {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    /// Without padding.
    pub(crate) payload_bytes: usize,
}

impl From<&RtpPacket<'_>> for HeaderView {
    #[inline]
    fn from(packet: &RtpPacket<'_>) -> Self {
        HeaderView {
            ssrc: packet.ssrc(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            payload_type: packet.payload_type(),
            marker: packet.marker(),
            payload_bytes: packet.payload().len(),
        }
    }
}

/// What was known when the last report was made, to take differences from.
#[derive(Clone, Copy, Default, Debug)]
struct PeerAtReport {
    lost: i64,
    reports: u64,
    sent: u64,
}

impl LegStream {
    /// Counts a packet from the leg's own source that came in `octets` octets, with SRTP's.
    #[inline]
    pub(crate) fn received_rtp(
        &mut self,
        plan: &CompiledLeg,
        packet: &HeaderView,
        octets: usize,
        arrival: Instant,
        forwarded: bool,
    ) {
        self.rtp_packets += 1;
        self.rtp_bytes += octets as u64;
        self.withheld += u64::from(!forwarded);
        let format = plan.format(packet.payload_type);
        if format.codec == Codec::Repair {
            // With a source and numbers of its own, or out of turn under those that it repairs.
            return;
        }
        let kind = if plan.is_telephone_event(packet.payload_type) {
            quality::PacketKind::TelephoneEvent
        } else if format.codec == Codec::ComfortNoise {
            quality::PacketKind::ComfortNoise
        } else {
            self.format = Some(format);
            self.rtp_before = self.last_rtp.replace((packet.timestamp, arrival));
            quality::PacketKind::Audio
        };
        let facts = PacketFacts {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrival,
            clock_rate: format.clock_rate,
            payload_bytes: packet.payload_bytes,
            marker: packet.marker,
            kind,
            was_asked: self.was_asked(packet),
        };
        self.reception.on_packet(packet.ssrc, &facts);
    }

    /// Whether the leg was asked for this packet again. Of the one that is next it is not looked for.
    #[inline]
    fn was_asked(&self, packet: &HeaderView) -> bool {
        let Some(asked) = self.asked.as_deref() else { return false };
        let highest = self.reception.current().and_then(Reception::highest_sequence);
        let is_next =
            highest.is_some_and(|highest| highest as u16 == packet.sequence.wrapping_sub(1));
        !is_next && asked.has(packet.sequence)
    }

    /// Where what came stands, by its highest sequence number; `None` before the first audio.
    pub(crate) fn passed(&self) -> Option<(Numbers, Instant)> {
        let (timestamp, at) = self.last_rtp?;
        let ssrc = self.reception.ssrc()?;
        let sequence = self.reception.current()?.highest_sequence()? as u16;
        Some((Numbers { ssrc, sequence, timestamp }, at))
    }

    /// The synchronisation source that is heard; `None` before the first packet.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.reception.ssrc()
    }

    /// What is missing from now on leaves no gap in what the other leg gets.
    pub(crate) fn hide_losses(&mut self) {
        if self.hidden_from.is_none() {
            self.hidden_from = Some(self.not_sent_on());
        }
    }

    /// The opposite.
    #[inline]
    pub(crate) fn show_losses(&mut self) {
        if let Some(from) = self.hidden_from.take() {
            self.hidden = self.hidden.saturating_add(self.not_sent_on().saturating_sub(from));
        }
    }

    pub(crate) fn received_rtcp(&mut self, len: usize) {
        self.rtcp_packets += 1;
        self.rtcp_bytes += len as u64;
    }

    #[inline]
    pub(crate) fn sent(&mut self, kind: PacketKind, len: usize) {
        let (packets, bytes) = self.sent_counters(kind);
        *packets += 1;
        *bytes += len as u64;
    }

    pub(crate) fn send_failed(&mut self, kind: PacketKind, len: usize) {
        let (packets, bytes) = self.sent_counters(kind);
        *packets = packets.saturating_sub(1);
        *bytes = bytes.saturating_sub(len as u64);
        self.sent.dropped += 1;
    }

    /// Remembers that a sender report, or a receiver's reference time, goes to this leg at `now`, so
    /// that the leg's answer to it tells the round trip.
    pub(crate) fn note_sender_report(&mut self, ntp: NtpMid, now: Instant) {
        self.sender_reports.on_forwarded(ntp, now);
    }

    /// Takes what this leg says it received; `other` is the leg whose media it speaks of, under a source
    /// which is that one's `passing`. A block about one that the other leg does not use says nothing.
    pub(crate) fn note_report_block(
        &mut self,
        block: &ReportBlock,
        passing: u32,
        other: &LegStream,
        now: Instant,
    ) {
        if other.reception.ssrc() != Some(passing) {
            return;
        }
        let (upstream, clock_rate) = match self.made_anew {
            Some(made) => (made.upstream, made.clock_rate),
            None => (other.gaps(), other.format.unwrap_or_default().clock_rate),
        };
        self.peer.on_report_block(block, upstream, clock_rate);
        let (lsr, dlsr) = (block.last_sender_report, block.delay_since_last_sender_report);
        self.note_answer(lsr, dlsr, now);
    }

    /// Audio to the leg is made from what `other` sends, in a format of `clock_rate` in Hz.
    #[inline]
    pub(crate) fn number_anew(&mut self, other: &LegStream, clock_rate: u32) {
        match &mut self.made_anew {
            Some(made) => made.clock_rate = clock_rate,
            None => {
                self.made_anew = Some(MadeAnew { clock_rate, upstream: other.not_sent_on() });
            }
        }
    }

    /// What of the leg's packets never went to the other.
    fn not_sent_on(&self) -> i64 {
        let withheld = i64::try_from(self.withheld).unwrap_or(i64::MAX);
        self.reception.cumulative().lost.saturating_add(withheld)
    }

    /// The same, but for what left no gap in what the other leg got.
    fn gaps(&self) -> i64 {
        let missing = self.not_sent_on();
        let hidden = self.hidden_from.map_or(0, |from| missing.saturating_sub(from));
        missing.saturating_sub(self.hidden).saturating_sub(hidden)
    }

    /// Takes the leg's answer to a time that went to it; `delay` in 1/65,536 s.
    pub(crate) fn note_answer(&mut self, quoted: NtpMid, delay: u32, now: Instant) {
        if let Some(rtt) = self.sender_reports.round_trip_time(now, quoted, delay) {
            self.round_trips.on_sample(rtt);
        }
    }

    /// What the leg lost of what we sent, over the whole stream; `None` while it has said nothing.
    pub(crate) fn peer_loss(&self) -> Option<LossCounts> {
        let view = self.peer.view()?;
        Some(LossCounts { expected: self.sent.rtp_packets, lost: view.packets_lost })
    }

    /// The same since the reader's last call; `None` when it said nothing since.
    pub(crate) fn take_peer_interval(&mut self, reader: IntervalReader) -> Option<LossCounts> {
        let view = self.peer.view()?;
        let now = PeerAtReport {
            lost: view.packets_lost,
            reports: view.reports,
            sent: self.sent.rtp_packets,
        };
        let [record, live] = &mut self.peer_at_report;
        let mark = match reader {
            IntervalReader::Record => record,
            IntervalReader::Live => live,
        };
        let before = std::mem::replace(mark, now);
        (now.reports > before.reports).then(|| LossCounts {
            expected: now.sent.saturating_sub(before.sent),
            lost: now.lost.saturating_sub(before.lost).max(0),
        })
    }

    #[inline]
    fn sent_counters(&mut self, kind: PacketKind) -> (&mut u64, &mut u64) {
        match kind {
            PacketKind::Rtp | PacketKind::Udptl => {
                (&mut self.sent.rtp_packets, &mut self.sent.rtp_bytes)
            }
            PacketKind::Rtcp => (&mut self.sent.rtcp_packets, &mut self.sent.rtcp_bytes),
        }
    }
}
