//! The room's switch: who sees whom, and what is asked of senders for it.

mod choice;
mod feedback;
mod grids;

pub use feedback::Feedback;
pub use grids::{Composed, GRIDS, TILES};

use crate::bandwidth::{LimitWays, SourceLimit};
use crate::format::VideoFormat;
use crate::h264::SequenceParameterSet;
use crate::key_frames::{KeyFrameRequests, RequestWays};
use crate::outbound::{Outbound, OutboundSettings, Outgoing};
use crate::receiver::{Receiver, ReceiverView, Seen};
use crate::source::{Source, SourceCounters};
use crate::speaker::Speakers;
use crate::still::{Still, StillCodec, StillPicture};
use model::Instant;
use rtp_proto::RtpPacket;
use std::sync::Arc;
use std::time::Duration;

/// Participants of one room; a further one is not taken.
pub const MAX_PARTICIPANTS: u16 = 256;
/// A source that has sent nothing for so long is not shown to anybody anew, and makes way.
pub const VANISHED: Duration = Duration::from_secs(3);

/// A participant's number in its room, below [`MAX_PARTICIPANTS`]. A number that is free again may
/// be given to somebody else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Participant(pub u16);

/// Which of a participant's lines of video (RFC 4796: `a=content`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Line {
    /// `main`, and a line that does not say.
    Main,
    /// `slides`.
    Slides,
}

/// One line of one participant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamKey {
    /// Whose.
    pub participant: Participant,
    /// Which.
    pub line: Line,
}

impl StreamKey {
    /// A participant's main line.
    pub const fn main(participant: Participant) -> Self {
        StreamKey { participant, line: Line::Main }
    }

    /// A participant's slides.
    pub const fn slides(participant: Participant) -> Self {
        StreamKey { participant, line: Line::Slides }
    }

    const fn index(self) -> usize {
        self.participant.0 as usize * 2 + self.line as usize
    }

    const fn of(index: usize) -> Self {
        let line = if index.is_multiple_of(2) { Line::Main } else { Line::Slides };
        StreamKey { participant: Participant((index / 2) as u16), line }
    }
}

/// What a participant's description says of its sending.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// What was agreed.
    pub format: VideoFormat,
    /// How it takes requests for key frames.
    pub requests: RequestWays,
    /// How it takes limits.
    pub limits: LimitWays,
    /// The room lets it send high definition: 1.4 Mbit/s.
    pub high_definition: bool,
    /// It sends lost packets again where it is asked for them (`a=rtcp-fb:… nack`).
    pub sends_again: bool,
}

/// What a participant's description says of its receiving.
#[derive(Clone, Debug)]
pub struct ReceiverSettings {
    /// What it decodes.
    pub format: VideoFormat,
    /// Its stream.
    pub outbound: OutboundSettings,
    /// bit/s of `b=AS`, `b=TIAS` or `max-br`; `u64::MAX` where there is none.
    pub most_bits_per_second: u64,
}

/// The number is [`MAX_PARTICIPANTS`] or more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyParticipants;

impl std::fmt::Display for TooManyParticipants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a room has {MAX_PARTICIPANTS} participants with video at most")
    }
}

impl std::error::Error for TooManyParticipants {}

#[derive(Debug)]
struct SourceEntry {
    source: Source,
    settings: SourceSettings,
    requests: KeyFrameRequests,
    limit: SourceLimit,
    /// The size and profile that were last looked at.
    seen: Option<SequenceParameterSet>,
    alive: bool,
    /// Receivers that show it or are about to, by index; as many as there may be.
    watched_by: Vec<u16>,
}

/// A room's pictures. Time and packets go in; packets come out at once, requests by
/// [`VideoSwitch::poll_feedback`]. After each batch of packets, at [`VideoSwitch::poll_timeout`] and five times
/// a second (limits are repeated), call [`VideoSwitch::handle_timeout`], then poll until there is nothing.
#[derive(Debug, Default)]
pub struct VideoSwitch {
    sources: Vec<Option<Box<SourceEntry>>>,
    receivers: Vec<Option<Box<Receiver>>>,
    speakers: Speakers,
    /// Whose slides are shown.
    presenter: Option<Participant>,
    malformed_reports: u64,
}

impl VideoSwitch {
    /// An empty room.
    pub fn new() -> Self {
        VideoSwitch::default()
    }

    /// A participant may send on a line, from now on or in another format than before.
    ///
    /// # Errors
    /// [`TooManyParticipants`].
    pub fn add_source(
        &mut self,
        now: Instant,
        key: StreamKey,
        settings: SourceSettings,
    ) -> Result<(), TooManyParticipants> {
        of_participant(key)?;
        self.forget(key);
        *place(&mut self.sources, key)? = Some(source_of(settings));
        self.choose(now);
        Ok(())
    }

    /// A participant may be given pictures on a line, from now on or in another format than before.
    ///
    /// # Errors
    /// [`TooManyParticipants`].
    pub fn add_receiver(
        &mut self,
        now: Instant,
        key: StreamKey,
        settings: ReceiverSettings,
    ) -> Result<(), TooManyParticipants> {
        of_participant(key)?;
        *place(&mut self.receivers, key)? = Some(receiver_of(settings));
        self.choose(now);
        Ok(())
    }

    /// What a line shows while it shows nobody; `None` for nothing. One of another codec is not shown.
    pub fn set_still(&mut self, key: StreamKey, picture: Option<Arc<StillPicture>>) {
        if let Some(Some(receiver)) = self.receivers.get_mut(key.index()) {
            let takes = match receiver.format {
                VideoFormat::H264(_) => StillCodec::H264,
                VideoFormat::Vp8 => StillCodec::Vp8,
            };
            receiver.still = picture.filter(|picture| picture.codec == takes).map(Still::new);
        }
    }

    /// A line sends no more: video off, on hold, or refused in a new description.
    pub fn remove_source(&mut self, now: Instant, key: StreamKey) {
        self.forget(key);
        self.choose(now);
    }

    /// A line is given no pictures any more.
    pub fn remove_receiver(&mut self, now: Instant, key: StreamKey) {
        if let Some(receiver) = self.receivers.get_mut(key.index()) {
            *receiver = None;
        }
        self.choose(now);
    }

    /// A participant has left.
    pub fn remove(&mut self, now: Instant, participant: Participant) {
        for key in [StreamKey::main(participant), StreamKey::slides(participant)] {
            self.forget(key);
            if let Some(receiver) = self.receivers.get_mut(key.index()) {
                *receiver = None;
            }
        }
        self.speakers.forget(participant);
        self.presenter = self.presenter.filter(|presenter| *presenter != participant);
        for receiver in self.receivers.iter_mut().flatten() {
            receiver.pinned = receiver.pinned.filter(|pinned| *pinned != participant);
        }
        self.choose(now);
    }

    /// The sound says who speaks; `None` for nobody. It may be said as often as wished.
    pub fn set_speaker(&mut self, now: Instant, speaker: Option<Participant>) {
        if self.speakers.heard(now, speaker) {
            self.choose(now);
        }
    }

    /// Whose slides are shown: who has the floor.
    pub fn set_presenter(&mut self, now: Instant, presenter: Option<Participant>) {
        if self.presenter != presenter {
            self.presenter = presenter;
            self.choose(now);
        }
    }

    /// Whom a participant sees, whoever speaks; `None` to follow the speaker again.
    pub fn pin(&mut self, now: Instant, receiver: Participant, shown: Option<Participant>) {
        if let Some(Some(receiver)) = self.receivers.get_mut(StreamKey::main(receiver).index()) {
            receiver.pinned = shown;
            self.choose(now);
        }
    }

    /// What a line may not be shown: the others' main lines, and their slides.
    pub fn withhold(&mut self, now: Instant, key: StreamKey, withheld: [bool; 2]) {
        if let Some(Some(receiver)) = self.receivers.get_mut(key.index()) {
            receiver.withhold(withheld);
            self.choose(now);
        }
    }

    /// Takes a packet that a participant sent on a line, of the agreed payload type, and gives `emit`
    /// the packets that others get of it.
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        from: StreamKey,
        packet: &RtpPacket<'_>,
        emit: &mut impl FnMut(StreamKey, Outgoing<'_>),
    ) {
        if let Some(Some(entry)) = self.sources.get_mut(from.index())
            && !entry.alive
        {
            entry.alive = true;
            self.choose(now);
        }
        let mut act = |source: &mut Source, give: &mut Give<'_>| {
            source.handle_packet(now, packet, give);
        };
        self.with_source(now, from, &mut act, emit);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, emit: &mut impl FnMut(StreamKey, Outgoing<'_>)) {
        let mut choose = self.speakers.handle_timeout(now);
        for index in 0..self.sources.len() {
            let Some(Some(entry)) = self.sources.get_mut(index) else { continue };
            if entry.alive && entry.vanishes_at().is_some_and(|at| now >= at) {
                entry.alive = false;
                choose = true;
            }
            if entry.source.poll_timeout().is_some_and(|at| now >= at) {
                let key = StreamKey::of(index);
                let mut act = |source: &mut Source, give: &mut Give<'_>| {
                    source.handle_timeout(now, give);
                };
                self.with_source(now, key, &mut act, emit);
            }
        }
        if choose {
            self.choose(now);
        }
        for (index, receiver) in self.receivers.iter_mut().enumerate() {
            let Some(receiver) = receiver else { continue };
            if receiver.poll_still().is_some_and(|at| now >= at) {
                receiver.send_still(now, &mut |out| emit(StreamKey::of(index), out));
            }
        }
    }

    /// When [`VideoSwitch::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sources = self.sources.iter().flatten().flat_map(|entry| {
            let vanishes = entry.vanishes_at().filter(|_| entry.alive);
            let source = &entry.source;
            // What nobody sees may have holes.
            let ask = source.poll_ask().filter(|_| !entry.watched_by.is_empty());
            [source.poll_timeout(), ask, entry.requests.poll_timeout(), vanishes]
        });
        let stills = self.receivers.iter().flatten().filter_map(|receiver| receiver.poll_still());
        sources.flatten().chain(self.speakers.poll_timeout()).chain(stills).min()
    }

    /// What a line shows; `None` for one that is given nothing.
    pub fn view(&self, key: StreamKey) -> Option<ReceiverView> {
        Some(self.receivers.get(key.index())?.as_ref()?.view())
    }

    /// A line's stream, for its sender reports.
    pub fn outbound(&self, key: StreamKey) -> Option<&Outbound> {
        Some(&self.receivers.get(key.index())?.as_ref()?.outbound)
    }

    /// What came of a source's packets; requests sent to it, and wishes that were one with another.
    pub fn source_counters(&self, key: StreamKey) -> Option<(SourceCounters, u64, u64)> {
        let entry = self.sources.get(key.index())?.as_ref()?;
        let (requests, coalesced) = entry.requests.counts();
        Some((entry.source.counters(), requests, coalesced))
    }

    /// Who is shown to the others.
    pub const fn speaker(&self) -> Option<Participant> {
        self.speakers.current()
    }

    /// Datagrams of RTCP that were none, or ended inside.
    pub const fn malformed_reports(&self) -> u64 {
        self.malformed_reports
    }

    fn forget(&mut self, key: StreamKey) {
        if let Some(source) = self.sources.get_mut(key.index()) {
            *source = None;
        }
        self.receivers.iter_mut().flatten().for_each(|receiver| receiver.forget(key));
    }

    /// Has a source give packets, and hands them to whoever watches it.
    fn with_source(
        &mut self,
        now: Instant,
        key: StreamKey,
        act: &mut dyn FnMut(&mut Source, &mut Give<'_>),
        emit: &mut impl FnMut(StreamKey, Outgoing<'_>),
    ) {
        let receivers = &mut self.receivers;
        let Some(Some(entry)) = self.sources.get_mut(key.index()) else { return };
        let SourceEntry { source, requests, limit, watched_by, .. } = &mut **entry;
        let mut give = |packet: &crate::SourcePacket<'_>, sets: &crate::h264::ParameterSets| {
            if packet.begins_key_frame {
                requests.key_frame_came();
            }
            for index in watched_by.iter().map(|index| usize::from(*index)) {
                let Some(Some(receiver)) = receivers.get_mut(index) else { continue };
                let to = StreamKey::of(index);
                match receiver.handle_packet(key, packet, sets, &mut |out| emit(to, out)) {
                    Seen::Fine => {}
                    Seen::NeedsKeyFrame => requests.want(),
                    Seen::TooLarge => limit.slices_too_large(now),
                }
            }
        };
        act(source, &mut give);
        let sent = entry.source.parameter_sets().current().copied();
        if entry.seen != sent {
            entry.seen = sent;
            self.choose(now);
        }
    }
}

type Give<'a> = dyn FnMut(&crate::SourcePacket<'_>, &crate::h264::ParameterSets) + 'a;

impl SourceEntry {
    fn vanishes_at(&self) -> Option<Instant> {
        self.source.last_arrival().map(|last| last + VANISHED)
    }
}

/// Whether it is a line of a participant's, not of what composes pictures.
const fn of_participant(key: StreamKey) -> Result<(), TooManyParticipants> {
    if key.participant.0 < MAX_PARTICIPANTS { Ok(()) } else { Err(TooManyParticipants) }
}

fn source_of(settings: SourceSettings) -> Box<SourceEntry> {
    let format = settings.format.clone();
    let source = match settings.sends_again {
        true => Source::asked_again(format),
        false => Source::new(format),
    };
    Box::new(SourceEntry {
        source,
        settings,
        requests: KeyFrameRequests::default(),
        limit: SourceLimit::default(),
        seen: None,
        alive: false,
        watched_by: Vec::with_capacity(usize::from(MAX_PARTICIPANTS) * 2 + usize::from(TILES)),
    })
}

fn receiver_of(settings: ReceiverSettings) -> Box<Receiver> {
    let ReceiverSettings { format, outbound, most_bits_per_second } = settings;
    Box::new(Receiver::new(format, Outbound::new(outbound), most_bits_per_second))
}

/// `key` is a participant's, or of what composes pictures.
fn place<T>(
    list: &mut Vec<Option<T>>,
    key: StreamKey,
) -> Result<&mut Option<T>, TooManyParticipants> {
    if list.len() <= key.index() {
        list.resize_with(key.index() + 1, || None);
    }
    list.get_mut(key.index()).ok_or(TooManyParticipants)
}

#[cfg(test)]
mod tests;
