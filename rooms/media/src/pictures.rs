//! The pictures of one conference: the rings of its lines, and the switch that gives each one picture.

mod asking;
mod composing;
mod line;
mod places;

use crate::statistics::PictureTally;
use asking::Asked;
pub(crate) use composing::Composer;
use composing::Composing;
use line::{PictureLine, line_packet, packet_to};
use media_relay::{MixBell, SeatedPicture};
use model::{ConferenceId, Instant, ParticipantId};
use relay_core::PictureSent;
use room_video::{MAX_PARTICIPANTS, Participant, StillPicture, StreamKey, VANISHED, VideoSwitch};
use rtp_proto::RtpPacket;
use std::sync::Arc;
use std::time::Duration;

/// How often the switch looks at the time though nothing came: limits are said again, and packets are no
/// longer waited for.
const LOOK: Duration = Duration::from_millis(20);
/// What is taken of one line in a turn; what is more waits for the next, so that one line that floods does
/// not hold up the others.
const MOST: usize = 1_024;

/// The pictures of a conference.
pub(crate) struct Pictures {
    switch: VideoSwitch,
    /// In any order.
    lines: Vec<PictureLine>,
    /// By the lines' numbers in the switch, their places among `lines`.
    places: Vec<Option<u16>>,
    /// By their numbers in the switch.
    participants: Vec<Option<ParticipantId>>,
    presenter: Option<Participant>,
    next_look: Instant,
    /// Somebody has left, or shows or sees something else, since those were looked at who see all at once.
    is_changed: bool,
    asked: Asked,
    composing: Composing,
}

/// What a turn has, and finds out.
pub(crate) struct PictureTurn<'a> {
    pub(crate) now: Instant,
    /// A packet, while it is looked at.
    pub(crate) octets: &'a mut Vec<u8>,
    /// Workers that have something to send; each once.
    pub(crate) bells: &'a mut Vec<MixBell>,
    pub(crate) tally: &'a mut PictureTally,
}

impl Pictures {
    /// Without anybody; `composer` makes composed pictures, where there is one.
    pub(crate) fn new(conference: ConferenceId, composer: Option<Composer>) -> Self {
        Pictures {
            switch: VideoSwitch::new(),
            lines: Vec::new(),
            places: Vec::new(),
            participants: Vec::new(),
            presenter: None,
            next_look: Instant::ZERO,
            is_changed: false,
            asked: Asked::default(),
            composing: Composing::new(composer, conference),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Takes a line in, in place of what its stream, or the same line of the same participant, had before.
    ///
    /// # Errors
    /// Why it has no pictures.
    pub(crate) fn sit(
        &mut self,
        now: Instant,
        stream: Box<SeatedPicture>,
        still: Option<Arc<StillPicture>>,
    ) -> Result<(), String> {
        self.remove(now, |line| line.stream.id == stream.id);
        let whose = stream.seat.participant;
        let participant = self.number(whose)?;
        let key = StreamKey { participant, line: line::of(stream.seat.content) };
        // Nothing is taken for one that cannot be.
        let line = PictureLine::new(key, stream)?;
        self.remove(now, |line| line.key == key);
        self.switch.add_receiver(now, key, line.receives()).map_err(|error| error.to_string())?;
        // It may have gone with the last of its lines.
        self.take_number(participant, whose);
        self.switch.set_still(key, still);
        self.lines.push(line);
        self.renumber();
        if let Some(line) = self.lines.last_mut() {
            line.show(now, &mut self.switch);
        }
        Ok(())
    }

    /// The sound says who speaks.
    pub(crate) fn set_speaker(&mut self, now: Instant, speaker: Option<ParticipantId>) {
        let speaker = speaker.and_then(|speaker| self.known(speaker));
        self.composing.set_speaker(now, speaker);
        self.switch.set_speaker(now, speaker);
    }

    /// Takes what lines have sent, and gives others what they are to see of it.
    pub(crate) fn turn(&mut self, turn: &mut PictureTurn<'_>) {
        let now = turn.now;
        let mut came = false;
        for at in 0..self.lines.len() {
            came |= self.take(at, turn);
        }
        self.remove(now, |line| line.stream.rings.given.is_abandoned());
        self.show_composed(turn);
        let is_due = now >= self.next_look;
        if !came && !is_due {
            return;
        }
        if is_due {
            self.next_look = now + LOOK;
        }
        self.choose_presenter(now);
        let Pictures { switch, lines, places, composing, is_changed, .. } = self;
        if std::mem::take(is_changed) || is_due {
            composing.look(now, lines, switch);
        }
        switch.handle_timeout(now, &mut |to, packet| {
            packet_to(lines, places, composing, to, &packet, turn);
        });
        while let Some(feedback) = self.switch.poll_feedback(now) {
            if self.composing.take_feedback(&feedback) {
                continue;
            }
            self.asked.say(&mut self.lines, &self.places, &feedback, turn);
        }
    }

    /// Gives those who see all at once what was composed.
    fn show_composed(&mut self, turn: &mut PictureTurn<'_>) {
        let Pictures { switch, lines, places, composing, .. } = self;
        composing.show(turn.now, switch, &mut |to, packet| {
            line_packet(lines, places, to, &packet, turn);
        });
    }

    /// Takes what one line has sent; whether there was anything.
    fn take(&mut self, at: usize, turn: &mut PictureTurn<'_>) -> bool {
        let Pictures { switch, lines, places, composing, is_changed, .. } = self;
        let Some(line) = lines.get_mut(at) else { return false };
        let was_called = line.stream.call.take();
        if !was_called && !line.is_unfinished {
            return false;
        }
        let (now, key) = (turn.now, line.key);
        *is_changed |= line.follow_signs(now, switch);
        for _ in 0..MOST {
            let Some(line) = lines.get_mut(at) else { return true };
            let Some((kind, _)) = line.stream.rings.sent.read(turn.octets) else {
                line.is_unfinished = false;
                line.count_lost(turn.tally);
                return true;
            };
            if kind == PictureSent::Report {
                line.note_report(turn.octets);
                switch.handle_rtcp(now, key.participant, turn.octets);
                continue;
            }
            turn.tally.packets += 1;
            line.last_packet = Some(now);
            let packet = std::mem::take(turn.octets);
            if let Ok(read) = RtpPacket::parse(&packet) {
                switch.handle_rtp(now, key, &read, &mut |to, packet| {
                    packet_to(lines, places, composing, to, &packet, turn);
                });
            }
            *turn.octets = packet;
        }
        if let Some(line) = self.lines.get_mut(at) {
            line.is_unfinished = true;
        }
        true
    }

    /// Slides of whoever may show them and does. Who shows stays, until nothing comes any more.
    fn choose_presenter(&mut self, now: Instant) {
        let shows = |line: &&PictureLine| {
            let is_there = line.last_packet.is_some_and(|last| now - last < VANISHED);
            line.key == StreamKey::slides(line.key.participant) && !line.is_hidden && is_there
        };
        let mut presenters = self.lines.iter().filter(shows).map(|line| line.key.participant);
        let stays = presenters.clone().find(|presenter| Some(*presenter) == self.presenter);
        let presenter = stays.or_else(|| presenters.next_back());
        if presenter != self.presenter {
            self.presenter = presenter;
            self.switch.set_presenter(now, presenter);
        }
    }

    /// Takes lines out. Whoever has none any more leaves the switch.
    fn remove(&mut self, now: Instant, is_gone: impl Fn(&PictureLine) -> bool) {
        while let Some(at) = self.lines.iter().position(&is_gone) {
            let key = self.lines.remove(at).key;
            self.is_changed = true;
            self.switch.remove_source(now, key);
            self.switch.remove_receiver(now, key);
            if !self.lines.iter().any(|line| line.key.participant == key.participant) {
                self.switch.remove(now, key.participant);
                self.composing.forget(now, key.participant, &mut self.switch);
                if let Some(place) = self.participants.get_mut(usize::from(key.participant.0)) {
                    *place = None;
                }
            }
            self.renumber();
        }
    }

    fn known(&self, participant: ParticipantId) -> Option<Participant> {
        let at = self.participants.iter().position(|place| *place == Some(participant))?;
        Some(Participant(at as u16))
    }

    /// A participant's number in the switch: its own, or a free one, which is not taken yet.
    fn number(&self, participant: ParticipantId) -> Result<Participant, String> {
        if let Some(known) = self.known(participant) {
            return Ok(known);
        }
        let free = self.participants.iter().position(Option::is_none);
        let at = free.unwrap_or(self.participants.len());
        if at >= usize::from(MAX_PARTICIPANTS) {
            return Err(room_video::TooManyParticipants.to_string());
        }
        Ok(Participant(at as u16))
    }

    fn take_number(&mut self, number: Participant, participant: ParticipantId) {
        let at = usize::from(number.0);
        if self.participants.len() <= at {
            self.participants.resize(at + 1, None);
        }
        if let Some(place) = self.participants.get_mut(at) {
            *place = Some(participant);
        }
    }

    /// Where the lines stand, after one came or went.
    fn renumber(&mut self) {
        self.places.clear();
        for (at, line) in self.lines.iter().enumerate() {
            let index = line::index(line.key);
            if self.places.len() <= index {
                self.places.resize(index + 1, None);
            }
            if let Some(place) = self.places.get_mut(index) {
                *place = Some(at as u16);
            }
        }
    }
}
