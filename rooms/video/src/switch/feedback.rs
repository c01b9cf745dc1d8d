//! What receivers say, and what is asked of senders.

use super::{Composed, Line, Participant, StreamKey, VideoSwitch};
use crate::bandwidth::{LimitWays, Situation};
use crate::key_frames::RequestWays;
use crate::missing::MissingPackets;
use model::Instant;
use rtp_proto::rtcp::{self, FeedbackMessage, RtcpPacket};
use std::time::Duration;

/// What is to be sent to a participant, about the stream that it sends on this line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feedback {
    /// A key frame is needed: PLI and FIR by what it takes, else an INFO (RFC 5168).
    KeyFrame {
        /// Who is asked.
        to: StreamKey,
        /// Its SSRC, where a packet has come.
        ssrc: Option<u32>,
        /// By what.
        ways: RequestWays,
        /// FIR's number.
        number: u8,
    },
    /// It is to send no more than this: REMB or TMMBR by what it takes.
    Limit {
        /// Who is asked.
        to: StreamKey,
        /// Its SSRC, where a packet has come.
        ssrc: Option<u32>,
        /// By what.
        ways: LimitWays,
        /// bit/s.
        bits_per_second: u64,
    },
    /// Its TMMBR is answered by a TMMBN that names it as the owner of the limit (RFC 5104 section
    /// 4.2.2).
    LimitTaken {
        /// Who has set the limit.
        to: StreamKey,
        /// bit/s.
        bits_per_second: u64,
    },
    /// It is to send packets again: generic NACK.
    Missing {
        /// Who is asked.
        to: StreamKey,
        /// Its SSRC.
        ssrc: u32,
        /// Which.
        packets: MissingPackets,
    },
}

impl VideoSwitch {
    /// Takes RTCP that a participant sent: requests for key frames, limits, loss of what it is given.
    /// `now` is its arrival. What is cut off is counted, and what stands before it is taken.
    pub fn handle_rtcp(&mut self, now: Instant, from: Participant, datagram: &[u8]) {
        for packet in rtcp::parse_compound(datagram) {
            match packet {
                Err(_) => self.malformed_reports += 1,
                Ok(RtcpPacket::SenderReport(report)) => {
                    self.take_blocks(now, from, report.blocks.iter());
                }
                Ok(RtcpPacket::ReceiverReport(report)) => {
                    self.take_blocks(now, from, report.blocks.iter());
                }
                Ok(RtcpPacket::Feedback(feedback)) => self.take_feedback(now, from, &feedback),
                Ok(_) => {}
            }
        }
    }

    /// A participant asks for a key frame by INFO (RFC 5168).
    pub fn handle_picture_fast_update(&mut self, now: Instant, from: Participant) {
        self.ask(now, StreamKey::main(from));
    }

    /// The same of one of its lines: signalling that knows the line, or a line that could not be sent
    /// anything for a while.
    pub fn refresh(&mut self, now: Instant, key: StreamKey) {
        self.ask(now, key);
    }

    /// A line's stream has another source from now on: feedback about it names that one.
    pub fn rename(&mut self, key: StreamKey, ssrc: u32) {
        if let Some(Some(receiver)) = self.receivers.get_mut(key.index()) {
            receiver.outbound.rename(ssrc);
        }
    }

    /// How long a packet is on its way to a line's device and back; `None` where that is not known.
    pub fn set_round_trip(&mut self, key: StreamKey, round_trip: Option<Duration>) {
        if let Some(Some(entry)) = self.sources.get_mut(key.index()) {
            entry.source.set_round_trip(round_trip);
        }
    }

    /// A participant has no more than this for a line, as its description says anew.
    pub fn set_ceiling(&mut self, key: StreamKey, bits_per_second: u64) {
        if let Some(Some(receiver)) = self.receivers.get_mut(key.index()) {
            receiver.estimate = crate::Estimate::new(bits_per_second);
        }
    }

    /// The next thing to send; poll until there is nothing.
    pub fn poll_feedback(&mut self, now: Instant) -> Option<Feedback> {
        let taken = self.poll_taken().or_else(|| self.poll_missing(now));
        taken.or_else(|| self.poll_key_frame(now)).or_else(|| self.poll_limit(now))
    }

    fn poll_taken(&mut self) -> Option<Feedback> {
        self.receivers.iter_mut().enumerate().find_map(|(index, receiver)| {
            let bits_per_second = receiver.as_mut()?.notify.take()?;
            Some(Feedback::LimitTaken { to: StreamKey::of(index), bits_per_second })
        })
    }

    fn poll_missing(&mut self, now: Instant) -> Option<Feedback> {
        self.sources.iter_mut().enumerate().find_map(|(index, entry)| {
            let entry = entry.as_mut()?;
            // What nobody sees may have holes.
            if entry.watched_by.is_empty() {
                return None;
            }
            let packets = entry.source.poll_missing(now)?;
            let ssrc = entry.source.ssrc()?;
            Some(Feedback::Missing { to: StreamKey::of(index), ssrc, packets })
        })
    }

    fn poll_key_frame(&mut self, now: Instant) -> Option<Feedback> {
        self.sources.iter_mut().enumerate().find_map(|(index, entry)| {
            let entry = entry.as_mut()?;
            let number = entry.requests.poll(now)?;
            let ways = entry.settings.requests;
            Some(Feedback::KeyFrame {
                to: StreamKey::of(index),
                ssrc: entry.source.ssrc(),
                ways,
                number,
            })
        })
    }

    fn poll_limit(&mut self, now: Instant) -> Option<Feedback> {
        let participants = self.participants();
        let is_only_tile = self.tiles() == 1;
        let receivers = &self.receivers;
        self.sources.iter_mut().enumerate().find_map(|(index, entry)| {
            let entry = entry.as_mut()?;
            let to = StreamKey::of(index);
            if entry.watched_by.is_empty() && Composed::of(to).is_some() {
                // Nobody sees what is composed: more may be told at once when somebody does.
                return None;
            }
            let watching = entry
                .watched_by
                .iter()
                .filter_map(|watcher| receivers.get(usize::from(*watcher))?.as_ref());
            let least = watching.map(|receiver| receiver.estimate.bits_per_second(now)).min();
            let situation = Situation {
                slides: to.line == Line::Slides,
                // In one tile of several it is small.
                shown: entry
                    .watched_by
                    .iter()
                    .any(|watcher| is_only_tile || !is_tile(StreamKey::of(usize::from(*watcher)))),
                participants,
                high_definition: entry.settings.high_definition,
            };
            let target = entry.limit.target(now, situation, least);
            let ways = entry.settings.limits;
            let bits_per_second = entry.limit.poll(now, target, ways)?;
            Some(Feedback::Limit { to, ssrc: entry.source.ssrc(), ways, bits_per_second })
        })
    }

    fn take_blocks(
        &mut self,
        now: Instant,
        from: Participant,
        blocks: impl Iterator<Item = rtcp::ReportBlock>,
    ) {
        for block in blocks {
            let Some(key) = self.line_of(from, block.ssrc) else { continue };
            // What is sent to it: the limit of whom it sees.
            let sent = self.sent_to(now, key);
            if let Some(Some(receiver)) = self.receivers.get_mut(key.index()) {
                receiver.estimate.handle_loss(now, block.fraction_lost, sent);
            }
        }
    }

    fn take_feedback(&mut self, now: Instant, from: Participant, feedback: &rtcp::Feedback<'_>) {
        match feedback.message() {
            FeedbackMessage::PictureLoss => {
                if let Some(key) = self.line_of(from, feedback.media_ssrc) {
                    self.ask(now, key);
                }
            }
            FeedbackMessage::FullIntraRequest(requests) => {
                for request in requests.iter() {
                    if let Some(key) = self.line_of(from, request.ssrc) {
                        self.ask(now, key);
                    }
                }
            }
            FeedbackMessage::Nack(_) | FeedbackMessage::Other => {}
        }
        if let Some(limits) = feedback.max_bit_rates().filter(|limits| !limits.notification) {
            for limit in limits.iter() {
                let Some(key) = self.line_of(from, limit.ssrc) else { continue };
                if let Some(Some(receiver)) = self.receivers.get_mut(key.index()) {
                    receiver.estimate.handle_max_bit_rate(limit.bits_per_second);
                    receiver.notify = Some(limit.bits_per_second);
                }
            }
        }
        if let Some(remb) = feedback.remb() {
            let lines = remb.sources().count().max(1) as u64;
            for ssrc in remb.sources() {
                let Some(key) = self.line_of(from, ssrc) else { continue };
                if let Some(Some(receiver)) = self.receivers.get_mut(key.index()) {
                    receiver.estimate.handle_remb(now, remb.bits_per_second / lines);
                }
            }
        }
    }

    /// Which of a participant's lines is given the stream with this SSRC.
    fn line_of(&self, participant: Participant, ssrc: u32) -> Option<StreamKey> {
        [StreamKey::main(participant), StreamKey::slides(participant)]
            .into_iter()
            .find(|key| self.outbound(*key).is_some_and(|out| out.settings().ssrc == ssrc))
    }

    fn sent_to(&self, now: Instant, key: StreamKey) -> u64 {
        let wanted =
            self.receivers.get(key.index()).and_then(|receiver| receiver.as_ref()?.wanted());
        let entry = wanted.and_then(|wanted| self.sources.get(wanted.index())?.as_ref());
        entry.map_or(u64::MAX, |entry| {
            let situation = Situation {
                slides: key.line == Line::Slides,
                shown: true,
                participants: 2,
                high_definition: entry.settings.high_definition,
            };
            entry.limit.told_or(now, situation)
        })
    }

    /// A receiver asks for a key frame of what it sees.
    fn ask(&mut self, now: Instant, key: StreamKey) {
        let Some(Some(receiver)) = self.receivers.get_mut(key.index()) else { return };
        // The limit is for bad networks to devices. A tile is decoded here: what it lost was lost on the way from its
        // source, and every second counts.
        if !is_tile(key) && !receiver.asking.ask(now) {
            return;
        }
        receiver.refresh_still();
        let Some(wanted) = receiver.wanted() else { return };
        if let Some(Some(entry)) = self.sources.get_mut(wanted.index()) {
            entry.requests.want();
        }
    }
}

fn is_tile(key: StreamKey) -> bool {
    matches!(Composed::of(key), Some(Composed::Tile(_)))
}
