//! What one participant sees on one line: the old picture until the new one can begin.

use crate::bandwidth::Estimate;
use crate::format::{Mismatch, VideoFormat};
use crate::h264::ParameterSets;
use crate::key_frames::Asking;
use crate::outbound::{Outbound, OutboundCounters, Outgoing};
use crate::source::SourcePacket;
use crate::still::Still;
use crate::switch::{Line, Participant, StreamKey};
use model::Instant;

/// What a receiver's line shows, for whoever looks at the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiverView {
    /// Whose stream is shown.
    pub showing: Option<StreamKey>,
    /// Whose is shown as soon as its key frame comes, where that is another one.
    pub waiting_for: Option<StreamKey>,
    /// The stream that would be shown if it could be, and why it cannot.
    pub refused: Option<(StreamKey, Mismatch)>,
    /// How often another stream was begun.
    pub switches: u64,
    /// Requests for key frames that were not passed on, because there were too many.
    pub requests_held_back: u64,
    /// What became of its packets.
    pub counters: OutboundCounters,
}

/// What came of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// It was shown, or is none of this receiver's.
    Fine,
    /// The stream cannot be begun with it: a key frame is needed.
    NeedsKeyFrame,
    /// A unit was too large for this receiver.
    TooLarge,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) format: VideoFormat,
    pub(crate) outbound: Outbound,
    pub(crate) estimate: Estimate,
    pub(crate) asking: Asking,
    pub(crate) pinned: Option<Participant>,
    /// The composed picture that it asks for.
    pub(crate) grid: Option<Participant>,
    /// It may not see main lines, and slides.
    withheld: [bool; 2],
    pub(crate) refused: Option<(StreamKey, Mismatch)>,
    /// The stream that is shown, and its epoch.
    showing: Option<(StreamKey, u32)>,
    wanted: Option<StreamKey>,
    /// A key frame of what is wanted has been asked for.
    asked: bool,
    switches: u64,
    /// What is seen while nobody is.
    pub(crate) still: Option<Still>,
    /// To answer a TMMBR with.
    pub(crate) notify: Option<u64>,
}

impl Receiver {
    pub(crate) fn new(format: VideoFormat, outbound: Outbound, ceiling: u64) -> Self {
        Receiver {
            format,
            outbound,
            estimate: Estimate::new(ceiling),
            asking: Asking::default(),
            pinned: None,
            grid: None,
            withheld: [false; 2],
            refused: None,
            showing: None,
            wanted: None,
            asked: false,
            switches: 0,
            still: None,
            notify: None,
        }
    }

    pub(crate) fn view(&self) -> ReceiverView {
        let showing = self.showing.map(|(key, _)| key);
        ReceiverView {
            showing,
            waiting_for: self.wanted.filter(|wanted| Some(*wanted) != showing),
            refused: self.refused,
            switches: self.switches,
            requests_held_back: self.asking.held_back,
            counters: self.outbound.counters(),
        }
    }

    /// What it is to show. Whether a key frame of it is to be asked for.
    pub(crate) fn want(&mut self, wanted: Option<StreamKey>) -> bool {
        if self.wanted == wanted {
            return false;
        }
        self.wanted = wanted;
        let showing = self.showing.map(|(key, _)| key);
        if wanted.is_none() {
            // Nobody is there to be seen: the last picture stands still.
            self.showing = None;
        }
        self.asked = wanted.is_some() && wanted != showing;
        self.asked
    }

    /// It may not see these any more, from now on; what it sees instead may come later.
    pub(crate) fn withhold(&mut self, withheld: [bool; 2]) {
        self.withheld = withheld;
        self.showing = self.showing.filter(|(showing, _)| !self.may_not_see(*showing));
    }

    pub(crate) const fn may_not_see(&self, key: StreamKey) -> bool {
        let [no_main, no_slides] = self.withheld;
        match key.line {
            Line::Main => no_main,
            Line::Slides => no_slides,
        }
    }

    pub(crate) const fn wanted(&self) -> Option<StreamKey> {
        self.wanted
    }

    /// Whether packets of this stream are of concern: shown, or to be shown.
    pub(crate) fn watches(&self, key: StreamKey) -> bool {
        self.wanted == Some(key) || self.shows(key)
    }

    pub(crate) fn shows(&self, key: StreamKey) -> bool {
        self.showing.is_some_and(|(showing, _)| showing == key)
    }

    /// The stream has gone.
    pub(crate) fn forget(&mut self, key: StreamKey) {
        self.showing = self.showing.filter(|(showing, _)| *showing != key);
        self.wanted = self.wanted.filter(|wanted| *wanted != key);
        self.refused = self.refused.filter(|(refused, _)| *refused != key);
    }

    /// When a picture of our own is due.
    pub(crate) fn poll_still(&self) -> Option<Instant> {
        let still = self.still.as_ref().filter(|_| self.showing.is_none());
        still.map(Still::poll_timeout)
    }

    /// Sends what is due of it.
    pub(crate) fn send_still(&mut self, now: Instant, emit: &mut impl FnMut(Outgoing<'_>)) {
        if self.showing.is_some() {
            return;
        }
        let rate = self.estimate.bits_per_second(now);
        if let Some(still) = &mut self.still {
            still.send(now, rate, &mut self.outbound, emit);
        }
    }

    /// Whether it is a picture of our own that a request for a key frame is about; that begins again then.
    pub(crate) fn refresh_still(&mut self) {
        if let (None, Some(still)) = (self.showing, &mut self.still) {
            still.begin_again();
        }
    }

    pub(crate) fn handle_packet(
        &mut self,
        key: StreamKey,
        packet: &SourcePacket<'_>,
        sets: &ParameterSets,
        emit: &mut impl FnMut(Outgoing<'_>),
    ) -> Seen {
        if self.showing != Some((key, packet.epoch)) {
            if self.wanted != Some(key) {
                return Seen::Fine;
            }
            let decodable = packet.has_parameter_sets || sets.complete();
            if !packet.begins_key_frame || !decodable {
                // Once; the request is repeated until a key frame comes, which this one was not.
                let ask = !self.asked || packet.begins_key_frame;
                self.asked = true;
                return if ask { Seen::NeedsKeyFrame } else { Seen::Fine };
            }
            self.begin(key, packet, sets, emit);
        }
        let too_large = self.outbound.counters().too_large;
        self.outbound.send(packet, emit);
        if self.outbound.counters().too_large > too_large { Seen::TooLarge } else { Seen::Fine }
    }

    fn begin(
        &mut self,
        key: StreamKey,
        packet: &SourcePacket<'_>,
        sets: &ParameterSets,
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        self.showing = Some((key, packet.epoch));
        if let Some(still) = &mut self.still {
            still.begin_again();
        }
        self.asked = false;
        self.switches += 1;
        self.outbound.begin_source(packet);
        if !packet.has_parameter_sets {
            self.outbound.send_parameter_sets(packet, sets, emit);
        }
    }
}
